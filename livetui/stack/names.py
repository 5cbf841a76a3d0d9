"""Names: the live stack's, and those that a template fixes, which a second stack in the region cannot have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the live stack's name alone is needed before the console is drawn
    from livetui.stack.intrinsics import Unknown
    from livetui.stack.template import Application, Template

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

_EVENTS = {
    "CloudWatchEvent": ("AWS::Events::Rule", "RuleName"), "EventBridgeRule": ("AWS::Events::Rule", "RuleName"),
    "Schedule": ("AWS::Events::Rule", "Name"), "ScheduleV2": ("AWS::Scheduler::Schedule", "Name"),
}
"""SAM's event types that make a resource which may have a name: its type, and the property that names it."""


def stack_name(app: str, stage: str) -> str:
    """The live stack's name; CloudFormation wants a letter first."""
    name = f"{app}-{stage}-live"
    return name if name[0].isalpha() else f"app-{name}"


_SAME = {"AWS::Serverless::Function": "AWS::Lambda::Function", "AWS::Serverless::SimpleTable": "AWS::DynamoDB::Table",
         "AWS::Serverless::StateMachine": "AWS::StepFunctions::StateMachine"}
_GROUPED = ("AWS::Events::Rule", "AWS::Scheduler::Schedule")
"""Types whose names are unique within a bus or a group only."""


def named_alike(application: Application) -> dict[str, list[str]]:
    """Name → the resources of the application that are all to have it, which no account can."""
    found: dict[tuple[str, str], list[str]] = {}
    for id, kind, name, sure in _fixed(application.root):
        if sure and kind not in _GROUPED:
            found.setdefault((_SAME.get(kind, kind), name), []).append(id)
    return {name: ids for (_, name), ids in found.items() if len(ids) > 1}


def fixed_names(application: Application) -> dict[str, str]:
    """Resource id → its name, of resources whose name does not depend on the stack's.

    A name made with `AWS::StackName` is not fixed; one made of a parameter is, for that parameter's value.
    """
    return {id: name for id, _, name, _ in _fixed(application.root)}


def fixed_resources(application: Application) -> list[tuple[str, str, str]]:
    """Resource id, type (CloudFormation's, of what SAM makes) and name of those that are made in any case."""
    return [(id, _SAME.get(kind, kind), name) for id, kind, name, sure in _fixed(application.root) if sure]


def sure_templates(template: Template) -> Iterator[Template]:
    """The template and its nested ones, without those that a condition may leave out."""
    yield template
    for logical_id, child in template.children.items():
        if holds(template, template.resources[logical_id]) is True:
            yield from sure_templates(child)


def holds(template: Template, part: Mapping[str, Any]) -> bool | Unknown:
    """Whether the condition of a resource or an output holds; True without one."""
    condition = part.get("Condition")
    return template.resolver.condition(condition) if isinstance(condition, str) else True


def _fixed(template: Template, sure: bool = True) -> Iterator[tuple[str, str, str, bool]]:
    """Resource id, type and name, and whether it is there whatever a condition turns out to be."""
    for logical_id, resource in template.resources.items():
        if not isinstance(resource, dict):
            continue
        there = holds(template, resource)
        if there is False:
            continue
        if logical_id in template.children:
            yield from _fixed(template.children[logical_id], sure and there is True)
        place = NAMES.get(str(resource.get("Type")))
        name = template.resolver.resolve((resource.get("Properties") or {}).get(place)) if place else None
        if isinstance(name, str):
            yield template.prefix + logical_id, str(resource["Type"]), name, sure and there is True
        for id, kind, event_name in _events(template, logical_id, resource.get("Properties")):
            yield template.prefix + id, kind, event_name, sure and there is True


def _events(template: Template, logical_id: str, properties: Any) -> Iterator[tuple[str, str, str]]:
    """Resource id, type and name of what SAM makes of a function's or state machine's events, where it is named.

    A schedule of EventBridge Scheduler is called as its resource where `OmitName` is false.
    """
    events = properties.get("Events") if isinstance(properties, dict) else None
    for event, declared in events.items() if isinstance(events, dict) else ():
        made = _EVENTS.get(str(declared.get("Type"))) if isinstance(declared, dict) else None
        own = (declared.get("Properties") or {}) if made else {}
        if not made or not isinstance(own, dict):
            continue
        name = template.resolver.resolve(own.get(made[1]))
        if declared["Type"] == "ScheduleV2" and made[1] not in own and own.get("OmitName") is False:
            name = f"{logical_id}{event}"
        if isinstance(name, str):
            yield f"{logical_id}{event}", made[0], name
