"""Names and exports of a template that the account has already, looked for before a deployment begins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from livetui.aws import Aws
from livetui.errors import UsageError
from livetui.stack.changeset import STACK_TYPE
from livetui.stack.names import fixed_resources, holds, sure_templates
from livetui.stack.template import Application

_LOOKS = {
    "AWS::DynamoDB::Table": ("dynamodb", "describe_table", "TableName"),
    "AWS::Events::EventBus": ("events", "describe_event_bus", "Name"),
    "AWS::IAM::Role": ("iam", "get_role", "RoleName"),
    "AWS::Kinesis::Stream": ("kinesis", "describe_stream_summary", "StreamName"),
    "AWS::Lambda::Function": ("lambda", "get_function_configuration", "FunctionName"),
    "AWS::S3::Bucket": ("s3", "head_bucket", "Bucket"),
    "AWS::SecretsManager::Secret": ("secretsmanager", "describe_secret", "SecretId"),
    "AWS::SQS::Queue": ("sqs", "get_queue_url", "QueueName"),
    "AWS::SSM::Parameter": ("ssm", "get_parameter", "Name"),
}
"""Type → the call that finds a resource by its name. The others are found by CloudFormation itself."""

_SECRET = re.compile(r"arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:(.+)-[A-Za-z0-9]{6}")


def refuse_taken(aws: Aws, application: Application, stack: str, resources: Iterable[Mapping[str, Any]]) -> None:
    """Raise `UsageError` that names them; `resources` are those of the live stack (its ARN: `stack`), which may stay.

    What one may not look at is left to CloudFormation, which says it while it deploys.
    """
    found = list(resources)
    own = {(item["ResourceType"], _name_in(str(item.get("PhysicalResourceId", "")))) for item in found}
    stacks = {stack, *(item.get("PhysicalResourceId", "") for item in found if item["ResourceType"] == STACK_TYPE)}
    fixed = [(id, kind, name) for id, kind, name in fixed_resources(application)
             if kind in _LOOKS and (kind, name) not in own]
    exports = set(_exports(application))
    with ThreadPoolExecutor(8, "livetui-names") as pool:
        listed = pool.submit(_exported, aws, exports, stacks) if exports else None
        there = pool.map(lambda item: _is_there(aws, item[1], item[2]), fixed)
        taken = [f"{id}={name}" for (id, _, name), is_there in zip(fixed, there, strict=True) if is_there]
        taken += listed.result() if listed else []
    if taken:
        raise UsageError("Names that the template fixes are taken.", ", ".join(taken),
                         "A live copy cannot have them too: make them of ${AWS::StackName}, or pass a --parameter.")


def _name_in(physical: str) -> str:
    """The name in a physical id: a queue's is its URL, a secret's its ARN that ends in six random characters."""
    if physical.startswith(("http://", "https://")):
        return physical.rpartition("/")[2]
    return _SECRET.sub(r"\1", physical)


def _is_there(aws: Aws, kind: str, name: str) -> bool:
    service, call, parameter = _LOOKS[kind]
    try:
        getattr(aws.client(service), call)(**{parameter: name})
    except ClientError as error:
        # S3's names are the world's: one of another account is forbidden, one of nobody is not found.
        return kind == "AWS::S3::Bucket" and error.response["Error"]["Code"] in ("403", "AccessDenied", "Forbidden")
    return True


def _exports(application: Application) -> Iterator[str]:
    """The export names that are fixed and made in any case; those between CDK's stacks are not by a live copy."""
    for template in sure_templates(application.root):
        for output in (template.long.get("Outputs") or {}).values():
            sure = isinstance(output, Mapping) and holds(template, output) is True
            export = output.get("Export") if sure else None
            name = template.resolver.resolve(export.get("Name")) if isinstance(export, Mapping) else None
            if isinstance(name, str) and not (template.assets and name in template.assets.exports):
                yield name


def _exported(aws: Aws, names: set[str], own: set[str]) -> list[str]:
    try:
        pages = list(aws.client("cloudformation").get_paginator("list_exports").paginate())
    except ClientError:
        return []
    return [f"the export {item['Name']} of {item['ExportingStackId'].split('/')[1]}" for page in pages
            for item in page["Exports"] if item["Name"] in names and item["ExportingStackId"] not in own]
