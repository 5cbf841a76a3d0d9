"""The IAM policies that an administrator grants to people who use livetui: every call it makes, on exact names.

One is for the daily work on one stage, one for attaching besides, one for whoever makes the bootstrap stack, once per
account; each fits a managed policy while app and stage have 24 letters together. What the user's own template creates
needs what its real deployment needs. Names are those that CloudFormation makes: of a long stack name they keep 24.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from livetui.aws import Aws
from livetui.config import Settings
from livetui.errors import LivetuiError
from livetui.stack import bootstrap as bootstrap_stack
from livetui.stack import template
from livetui.stack.attachment import layer_name
from livetui.stack.bootstrap import STACK
from livetui.stack.names import fixed_names, stack_name
from livetui.stack.targets import name_of
from stub_runtime.topics import Topics, console_policy

_KEPT = 24
_STACK_CALLS = (
    "cloudformation: DescribeStacks DescribeStackEvents DescribeStackResource ListStackResources CreateChangeSet "
    "DescribeChangeSet ExecuteChangeSet DeleteChangeSet CreateStack UpdateStack DeleteStack CancelUpdateStack "
    "ContinueUpdateRollback TagResource")


@dataclass(frozen=True)
class Place:
    """Where the policy counts. `bucket` is the bootstrap bucket's name, or the pattern that it will match."""

    partition: str = "aws"
    region: str = "*"
    account: str = "*"
    bucket: str = f"{STACK}-bucket-*"

    def arn(self, service: str, resource: str) -> str:
        """An ARN of this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def role(self, name: str) -> str:
        """A role's ARN."""
        return f"arn:{self.partition}:iam::{self.account}:role/{name}"


def place_of(aws: Aws) -> Place:
    """The account that is signed in to, and its bootstrap bucket when there is one."""
    found = bootstrap_stack.find(aws)
    return Place(aws.partition, aws.region, aws.account, found.bucket if found else Place.bucket)


def policy_for(settings: Settings, place: Place) -> dict[str, Any]:
    """The policy for this application and stage, with the names that its template fixes where it can be read."""
    try:
        names = fixed_names(template.load(settings))
    except LivetuiError:
        names = {}
    return needed_policy(settings.app, settings.stage, place, sorted(set(names.values())))


def needed_policy(app: str, stage: str, place: Place, fixed: Sequence[str] = ()) -> dict[str, Any]:
    """The policy document. `fixed` are physical names that the template sets itself."""
    document = console_policy(place.partition, place.region, place.account, Topics(app, stage), place.bucket)
    # What the link may in the bucket is part of what the stage may there.
    document["Statement"] = [*(item for item in document["Statement"] if not item["Action"][0].startswith("s3:")),
                             *_stage(app, stage, place, fixed)]
    return document


def bootstrap_policy(place: Place) -> dict[str, Any]:
    """What making, upgrading and removing the bootstrap stack needs, with what CloudFormation does for it."""
    return {"Version": "2012-10-17", "Statement": list(_bootstrap(place))}


def attach_policy(app: str, stage: str, place: Place, targets: Sequence[str]) -> dict[str, Any]:
    """What attaching to `targets` (stacks and functions, by name or glob) needs besides the stage's policy."""
    return {"Version": "2012-10-17", "Statement": list(_attach(app, stage, place, targets))}


def _statement(sid: str, actions: str, *resources: str, **condition: Any) -> dict[str, Any]:
    """`actions`: a service and its actions, such as `s3: GetObject PutObject`."""
    service, _, names = actions.partition(": ")
    return {"Sid": sid, "Effect": "Allow", "Action": [f"{service}:{name}" for name in names.split()],
            "Resource": list(resources), **condition}


def _passed_to(service: str) -> dict[str, Any]:
    return {"Condition": {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}}


def _stage(app: str, stage: str, place: Place, fixed: Sequence[str]) -> Iterator[dict[str, Any]]:
    stack = stack_name(app, stage)
    made = f"{stack[:_KEPT]}*" if len(stack) > _KEPT else f"{stack}-*"
    names = [made, *fixed]
    bucket = f"arn:{place.partition}:s3:::{place.bucket}"
    yield _statement("Stacks", _STACK_CALLS,
                     *(place.arn("cloudformation", f"stack/{name}/*") for name in (stack, f"{stack}-*")),
                     f"arn:{place.partition}:cloudformation:{place.region}:aws:transform/*")
    yield _statement("Bootstrap", "cloudformation: DescribeStacks", place.arn("cloudformation", f"stack/{STACK}/*"))
    yield {"Sid": "Lists", "Effect": "Allow", "Resource": ["*"],
           "Action": ["iam:ListAccountAliases", "scheduler:ListSchedules", "cloudformation:ListExports"]}
    yield _statement("Objects", "s3: GetObject PutObject DeleteObject",
                     f"{bucket}/*/{app}/{stage}/*", f"{bucket}/*/{app}/{stage}.json")
    yield _statement("Stubs", "s3: GetObject PutObject", f"{bucket}/stubs/*")
    yield _statement("Notes", "s3: GetObject", f"{bucket}/apps/*", f"{bucket}/attached/*")
    yield _statement("Bucket", "s3: ListBucket", bucket)
    yield _statement("Key", "ssm: GetParameter PutParameter DeleteParameter AddTagsToResource",
                     place.arn("ssm", f"parameter/livetui/{app}/{stage}/*"))
    yield _statement("Gone", "iot: GetRetainedMessage", place.arn("iot", f"topic/{Topics(app, stage).presence}"))
    yield _statement("Functions", "lambda: GetFunction GetFunctionConfiguration InvokeFunction "
                     "UpdateFunctionConfiguration UpdateFunctionCode",
                     *(place.arn("lambda", f"function:{name}") for name in names))
    yield _statement("Layers", "lambda: GetLayerVersion", f"arn:{place.partition}:lambda:{place.region}:*:layer:*")
    yield _statement("LogGroups", "logs: DeleteLogGroup",
                     *(place.arn("logs", f"log-group:/aws/lambda/{name}*") for name in names))
    yield _statement("ParkMappings", "lambda: GetEventSourceMapping UpdateEventSourceMapping",
                     place.arn("lambda", "event-source-mapping:*"))
    yield _statement("ParkRules", "events: DescribeRule EnableRule DisableRule",
                     *(place.arn("events", f"rule/{bus}{name}") for name in names for bus in ("", "*/")))
    yield _statement("ParkSchedules", "scheduler: GetSchedule UpdateSchedule",
                     *(place.arn("scheduler", f"schedule/*/{name}") for name in names))
    yield _statement("ParkSchedulesRoles", "iam: PassRole", *(place.role(name) for name in names),
                     **_passed_to("scheduler"))
    yield _statement("Doctor", "iam: SimulatePrincipalPolicy GetRole",
                     *(f"arn:{place.partition}:iam::{place.account}:{kind}/*" for kind in ("role", "user")))


def _bootstrap(place: Place) -> Iterator[dict[str, Any]]:
    """What CloudFormation does in the caller's name to make, upgrade and remove the bootstrap stack."""
    roles = place.role(f"{STACK}-*")
    yield _statement("Stack", _STACK_CALLS, place.arn("cloudformation", f"stack/{STACK}/*"))
    yield _statement("Everywhere", "cloudformation: DescribeStacks", "*")  # which live stacks still need it
    yield _statement("Attached", "s3: ListBucket", f"arn:{place.partition}:s3:::{place.bucket}")
    yield _statement(
        "BootstrapBucket", "s3: CreateBucket DeleteBucket PutEncryptionConfiguration GetEncryptionConfiguration "
        "PutBucketPublicAccessBlock GetBucketPublicAccessBlock PutBucketOwnershipControls GetBucketOwnershipControls "
        "PutLifecycleConfiguration GetLifecycleConfiguration PutBucketPolicy GetBucketPolicy DeleteBucketPolicy "
        "PutBucketTagging GetBucketTagging", f"arn:{place.partition}:s3:::{place.bucket}")
    yield _statement(
        "BootstrapRoles", "iam: CreateRole GetRole DeleteRole PutRolePolicy GetRolePolicy DeleteRolePolicy "
        "ListRolePolicies ListAttachedRolePolicies TagRole UntagRole PutRolePermissionsBoundary "
        "DeleteRolePermissionsBoundary", roles)
    yield _statement("BootstrapPass", "iam: PassRole", roles, **_passed_to("lambda"))
    yield _statement(
        "BootstrapFunctions", "lambda: CreateFunction GetFunction UpdateFunctionCode UpdateFunctionConfiguration "
        "DeleteFunction AddPermission RemovePermission GetPolicy TagResource UntagResource ListTags InvokeFunction",
        place.arn("lambda", f"function:{STACK}-*"))
    yield _statement(
        "BootstrapLogs", "logs: CreateLogGroup DeleteLogGroup PutRetentionPolicy TagResource UntagResource "
        "ListTagsForResource", place.arn("logs", f"log-group:{STACK}-*"))
    yield _statement("BootstrapLogsList", "logs: DescribeLogGroups", "*")
    yield _statement(
        "BootstrapRule", "events: PutRule DescribeRule DeleteRule PutTargets RemoveTargets ListTargetsByRule "
        "TagResource UntagResource", place.arn("events", f"rule/{STACK}-*"))


def _attach(app: str, stage: str, place: Place, targets: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Functions by their names, and those of stacks, whose names CloudFormation makes."""
    # The bare name counts; what CloudFormation made for a stack begins with the stack's name and a dash.
    targets = [name_of(target) for target in targets]
    names = sorted({name for target in targets
                    for name in (target, f"{target[:_KEPT]}*" if len(target) > _KEPT else f"{target}-*")})
    layer = place.arn("lambda", f"layer:{layer_name(app, stage)}")
    yield _statement("AttachStacks", "cloudformation: DescribeStacks ListStackResources",
                     *(place.arn("cloudformation", f"stack/{target}/*") for target in targets))
    yield _statement(
        "AttachFunctions", "lambda: GetFunction GetFunctionConfiguration UpdateFunctionConfiguration ListTags "
        "ListAliases GetPolicy GetFunctionUrlConfig InvokeFunction",
        *(place.arn("lambda", f"function:{name}") for name in names))
    yield _statement("AttachList", "lambda: ListFunctions ListEventSourceMappings", "*")
    yield _statement("AttachNetwork", "ec2: DescribeRouteTables DescribeVpcEndpoints", "*")
    yield _statement("AttachNotes", "s3: PutObject DeleteObject",
                     f"arn:{place.partition}:s3:::{place.bucket}/attached/*")
    yield _statement("AttachLayer", "lambda: PublishLayerVersion GetLayerVersion DeleteLayerVersion", layer,
                     f"{layer}:*")
    yield _statement("AttachQueues", "sqs: GetQueueUrl GetQueueAttributes", place.arn("sqs", "*"))
    yield _statement("AttachRoles", "iam: PutRolePolicy DeleteRolePolicy", *(place.role(name) for name in names))
    yield _statement("AttachPass", "iam: PassRole", *(place.role(name) for name in names), **_passed_to("lambda"))
