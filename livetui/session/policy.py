"""From a refused AWS call to the policy statement that would allow it, ready to copy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from livetui.session.invocation import AwsCall

_DENIED = re.compile(r"AccessDenied|UnauthorizedOperation|AuthorizationError|NotAuthorized|is not authorized", re.I)
_ACTION = re.compile(r"not authorized to perform:? \[?([A-Za-z0-9-]+:[A-Za-z0-9*]+)")
_RESOURCE = re.compile(r"on (?:the )?resource:? \"?(arn:[^\s\",]+|\*)")
_SERVICE_NAMES = {"cloudwatch logs": "logs", "eventbridge": "events", "stepfunctions": "states", "sfn": "states",
                  "ses": "ses", "sesv2": "ses", "dynamodb-streams": "dynamodb", "elbv2": "elasticloadbalancing",
                  "cognito-idp": "cognito-idp", "bedrock-runtime": "bedrock", "lex-runtime": "lex",
                  "apigatewaymanagementapi": "execute-api", "iot-data": "iot", "opensearch": "es"}
"""IAM prefixes of services that boto3 calls by another name; most are the same."""
_ACTION_NAMES = {
    ("s3", "ListObjects"): "ListBucket", ("s3", "ListObjectsV2"): "ListBucket", ("s3", "HeadBucket"): "ListBucket",
    ("s3", "HeadObject"): "GetObject", ("s3", "CopyObject"): "PutObject", ("s3", "UploadPart"): "PutObject",
    ("s3", "CreateMultipartUpload"): "PutObject", ("s3", "DeleteObjects"): "DeleteObject",
    ("lambda", "Invoke"): "InvokeFunction", ("execute-api", "PostToConnection"): "ManageConnections",
}
"""IAM actions of S3 and Lambda operations that go by another name. Source: AWS Service Authorization Reference."""


def statement_for(call: AwsCall, context: Mapping[str, Any]) -> dict[str, Any] | None:
    """The `Allow` statement that a refused call was missing; None when the call was not refused.

    Action and resource are those that AWS names in its message. When it names none (S3 does not), they are derived
    from the operation and its target, and `*` stands where nothing is known. An explicit deny, a boundary or a
    service control policy cannot be allowed away: see `reason_for`.
    """
    if not _DENIED.search(call.error):
        return None
    action = _ACTION.search(call.error)
    resource = _RESOURCE.search(call.error)
    return {"Effect": "Allow", "Action": action[1] if action else _action(call),
            "Resource": resource[1] if resource else _resource(call, context)}


def reason_for(call: AwsCall) -> str:
    """Why a statement alone would not help, in AWS's words; empty when it would."""
    found = re.search(r"with an explicit deny(?: in an? [a-z-]+(?: [a-z]+)* policy)?|"
                      r"because no (?:permissions boundary|service control policy|session policy|VPC endpoint policy)"
                      r"[^.:]{0,80}", call.error)
    return found[0] if found else ""


def _action(call: AwsCall) -> str:
    service = _SERVICE_NAMES.get(call.service.lower(), call.service.lower())
    return f"{service}:{_ACTION_NAMES.get((service, call.operation), call.operation)}"


def _resource(call: AwsCall, context: Mapping[str, Any]) -> str:
    """The target as an ARN, in the partition, region and account of the function that called."""
    target = call.target
    if target.startswith("arn:") or not target:
        return target or "*"
    arn = str(context.get("invoked_function_arn") or "").split(":")
    partition, region, account = (arn[1], arn[3], arn[4]) if len(arn) >= 5 else ("aws", "*", "*")
    kinds = {"s3": f"arn:{partition}:s3:::{target.removeprefix('s3://')}",
             "dynamodb": f"arn:{partition}:dynamodb:{region}:{account}:table/{target}",
             "sqs": f"arn:{partition}:sqs:{region}:{account}:{target.rpartition('/')[2]}",
             "sns": f"arn:{partition}:sns:{region}:{account}:{target}",
             "events": f"arn:{partition}:events:{region}:{account}:event-bus/{target}",
             "kinesis": f"arn:{partition}:kinesis:{region}:{account}:stream/{target}",
             "lambda": f"arn:{partition}:lambda:{region}:{account}:function:{target}",
             "ssm": f"arn:{partition}:ssm:{region}:{account}:parameter/{target.lstrip('/')}",
             "secretsmanager": f"arn:{partition}:secretsmanager:{region}:{account}:secret:{target}-*",
             "states": f"arn:{partition}:states:{region}:{account}:stateMachine:{target}"}
    name = kinds.get(_SERVICE_NAMES.get(call.service.lower(), call.service.lower()), "*")
    bucket_only = call.operation.startswith(("List", "HeadBucket"))
    if name.startswith(f"arn:{partition}:s3:::") and "/" not in name and not bucket_only:
        return f"{name}/*"
    return name
