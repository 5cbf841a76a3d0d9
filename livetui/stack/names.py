"""Names: the live stack's, and those that a template fixes, which a second stack in the region cannot have."""

from __future__ import annotations

from livetui.stack.template import Application

NAMES = {
    "AWS::DynamoDB::Table": "TableName", "AWS::Events::EventBus": "Name", "AWS::Events::Rule": "Name",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName", "AWS::IAM::Role": "RoleName", "AWS::Kinesis::Stream": "Name",
    "AWS::Lambda::Function": "FunctionName", "AWS::Logs::LogGroup": "LogGroupName", "AWS::S3::Bucket": "BucketName",
    "AWS::Scheduler::Schedule": "Name", "AWS::SecretsManager::Secret": "Name", "AWS::Serverless::Function":
    "FunctionName", "AWS::Serverless::SimpleTable": "TableName", "AWS::Serverless::StateMachine": "Name",
    "AWS::SNS::Topic": "TopicName", "AWS::SQS::Queue": "QueueName", "AWS::SSM::Parameter": "Name",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
"""Resource type → the property that names it, for types whose names are unique in an account, a region or the world."""


def stack_name(app: str, stage: str) -> str:
    """The live stack's name; CloudFormation wants a letter first."""
    name = f"{app}-{stage}-live"
    return name if name[0].isalpha() else f"app-{name}"


def fixed_names(application: Application) -> dict[str, str]:
    """Resource id → its name, of resources whose name does not depend on the stack's.

    A name made with `AWS::StackName` is not fixed; one made of a parameter is, for that parameter's value.
    """
    found: dict[str, str] = {}
    for template in application.root.walk():
        for logical_id, resource in template.resources.items():
            if not isinstance(resource, dict):
                continue
            place = NAMES.get(str(resource.get("Type")))
            name = template.resolver.resolve((resource.get("Properties") or {}).get(place)) if place else None
            if isinstance(name, str):
                found[template.prefix + logical_id] = name
    return found
