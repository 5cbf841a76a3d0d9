"""Making deployed functions live by configuration alone, and putting every property back exactly.

A layer carries the stub in `/opt/livetui`, outside the import path; the handler becomes a small module of the layer.
Before the first change the function's configuration is written to the bootstrap bucket, so that a crash loses nothing.
"""

from __future__ import annotations

import fnmatch
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from livetui.aws import Aws
from livetui.config import Settings
from livetui.errors import LivetuiError, UsageError
from livetui.stack import guard
from livetui.stack.bootstrap import ATTACHED, Bootstrap
from livetui.stack.bundle import LAYER_MODULE, StubBundle
from livetui.stack.changeset import StackState, describe, refused, refusing
from livetui.stack.contract import LiveFunction, LiveStack, OnProgress, Progress
from livetui.stack.deployment import function_resources, signing_key, upload, wiring_of
from livetui.stack.live import LIVE_MEMORY_MB, LIVE_TIMEOUT_S, STUB_RUNTIMES
from livetui.stack.permissions import instruction
from livetui.stack.template import Application
from stub_runtime.config import VARIABLE, StubConfig
from stub_runtime.topics import Topics, stub_policy

HANDLER = f"{LAYER_MODULE}.handler"
MAX_LAYERS = 5


@dataclass(frozen=True)
class Attachment:
    """A function as it was before livetui was attached to it: what `restore` puts back."""

    function: str
    arn: str
    app: str
    stage: str
    since: float
    """Seconds since the epoch."""
    handler: str
    layers: tuple[str, ...]
    variables: Mapping[str, str] | None = field(repr=False)
    """None: it had no environment at all."""
    timeout_s: int
    memory_mb: int
    role: str = ""
    """Name of the role that got our policy; empty when it was not changed."""
    layer: str = ""
    """ARN of the layer version made for it."""

    @property
    def key(self) -> str:
        """Where the snapshot lies in the bootstrap bucket."""
        return f"{ATTACHED}{self.function}.json"

    @property
    def policy_name(self) -> str:
        """Our inline policy on the role."""
        return f"livetui-{self.function}"[:128]


@dataclass(frozen=True)
class _Target:
    id: str
    configuration: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.configuration["FunctionName"])

    @property
    def arn(self) -> str:
        return str(self.configuration["FunctionArn"])

    @property
    def role(self) -> str:
        return str(self.configuration["Role"]).rpartition("/")[2]

    def tags(self, aws: Aws) -> Mapping[str, str]:
        """Its own, and those that its stack handed on; empty when we may not read them."""
        try:
            tags: Mapping[str, str] = aws.client("lambda").list_tags(Resource=self.arn)["Tags"]
        except ClientError:
            return {}
        return tags


@refusing("The functions cannot be attached.")
def attach(aws: Aws, bootstrap: Bootstrap, settings: Settings, targets: Sequence[str], on_progress: OnProgress,
           application: Application | None = None) -> LiveStack:
    """Make deployed functions live; each target is a stack's or function's name, an ARN, or a glob of functions.

    Everything is checked before anything is changed. `application` tells where the code lies here: functions are
    matched by logical id. Raises `LivetuiError` for a function that cannot be attached, with the reason.
    """
    begun = time.monotonic()
    found = list(_targets(aws, targets))
    held = {item.function: item for item in attached(aws, bootstrap)}
    guard.check(aws, settings, *(StackState(target.name, tags=target.tags(aws)) for target in found), targets=targets)
    problems = [f"{target.name}: {problem}" for target in found
                for problem in (*_problems(aws, target), *_held_by(held.get(target.name), settings))]
    if problems:
        raise LivetuiError("These functions cannot be attached.", "; ".join(problems),
                           "Leave them out, or deploy a live copy: livetui deploy")
    seed = signing_key(aws, settings)
    wiring = wiring_of(aws, settings, seed, bootstrap.bucket)
    layers: dict[tuple[str, str], str] = {}
    functions: dict[str, LiveFunction] = {}
    for target in found:
        local = application.found.get(target.id) if application else None
        before = held.get(target.name) or _remember(aws, bootstrap, settings, target)
        config = StubConfig(app=settings.app, stage=settings.stage, function=target.id, verify_key=wiring.verify_key,
                            host=wiring.host, region=wiring.region, bucket=wiring.bucket, dial_host=wiring.dial_host,
                            port=wiring.port, offline=settings.for_function(target.id).offline or "deployed",
                            handler=before.handler, timeout=before.timeout_s, memory=before.memory_mb)
        on_progress(Progress("deploy", target.name, "started", "AWS::Lambda::Function"))
        before, warnings = _allow(aws, target, config, bootstrap, before)
        _arm(aws, bootstrap, target, before, config, layers)
        on_progress(Progress("deploy", target.name, "done", "AWS::Lambda::Function",
                             elapsed_s=time.monotonic() - begun))
        logging = target.configuration.get("LoggingConfig", {})
        functions[target.id] = LiveFunction(
            target.id, target.name, target.arn, before.handler, str(target.configuration["Runtime"]),
            local.code_root if local else settings.root, before.timeout_s, before.memory_mb, live=True,
            layers=before.layers, warnings=tuple(warnings),
            log_format=str(logging.get("LogFormat", "")), log_level=str(logging.get("ApplicationLogLevel", "")),
            architecture=target.configuration.get("Architectures", ["x86_64"])[0])
    return LiveStack(", ".join(targets), "", settings.app, settings.stage, {}, functions, bootstrap.bucket,
                     len(functions), True, time.monotonic() - begun, seed)


@refusing("The attached functions cannot be listed.")
def attached(aws: Aws, bootstrap: Bootstrap) -> list[Attachment]:
    """Every function that livetui is attached to in this account and region, also from consoles that crashed."""
    s3 = aws.client("s3")
    found: list[Attachment] = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bootstrap.bucket, Prefix=ATTACHED):
        for item in page.get("Contents", []):
            text = s3.get_object(Bucket=bootstrap.bucket, Key=item["Key"])["Body"].read()
            values = json.loads(text)
            found.append(Attachment(**{**values, "layers": tuple(values["layers"])}))
    return found


@refusing("The functions cannot be restored.")
def restore(aws: Aws, bootstrap: Bootstrap, on_progress: OnProgress, targets: Sequence[str] = ()) -> list[str]:
    """Put attached functions (all, or those named) back as they were; returns their names.

    A function that was deployed again in the meantime keeps its new handler; only what is ours is taken away.
    """
    restored: list[str] = []
    for before in attached(aws, bootstrap):
        if targets and not any(fnmatch.fnmatchcase(name, target) for target in targets
                               for name in (before.function, before.arn)):
            continue
        begun = time.monotonic()
        on_progress(Progress("remove", before.function, "started", "AWS::Lambda::Function"))
        _disarm(aws, before)
        aws.client("s3").delete_object(Bucket=bootstrap.bucket, Key=before.key)
        restored.append(before.function)
        on_progress(Progress("remove", before.function, "done", "AWS::Lambda::Function",
                             elapsed_s=time.monotonic() - begun))
    return restored


def _targets(aws: Aws, names: Sequence[str]) -> Iterator[_Target]:
    awslambda = aws.client("lambda")
    for name in names:
        if name.split(":function:")[-1].count(":"):
            raise UsageError(f"{name} names a version or an alias.", "Only $LATEST can be changed, so nothing was.",
                             f"Attach the function itself: {name.rpartition(':')[0]}")
        if any(sign in name for sign in "*?["):
            pages = awslambda.get_paginator("list_functions").paginate()
            matching = [item["FunctionName"] for page in pages for item in page["Functions"]
                        if fnmatch.fnmatchcase(item["FunctionName"], name)]
            ids = {function: function for function in matching}
        elif ":" not in name and describe(aws, name).status:
            ids = function_resources(aws, name)
        else:
            ids = {name.split(":function:")[-1].split(":")[0]: name}
        if not ids:
            raise UsageError(f"No function matches {name!r}.", "", "See them with: aws lambda list-functions")
        for logical_id, function in ids.items():
            try:
                configuration = awslambda.get_function_configuration(FunctionName=function)
            except ClientError as error:
                if error.response["Error"]["Code"] == "ResourceNotFoundException":
                    raise UsageError(f"There is no stack and no function named {name!r}.") from error
                raise refused(error, f"The function {function} cannot be read.") from error
            # In a stack, functions of other runtimes are left alone; a function that was named is judged.
            if len(ids) == 1 or str(configuration.get("Runtime", "")).startswith("python"):
                yield _Target(logical_id, configuration)


def _problems(aws: Aws, target: _Target) -> Iterator[str]:
    configuration = target.configuration
    runtime = str(configuration.get("Runtime", ""))
    if configuration.get("PackageType", "Zip") != "Zip":
        yield "it is a container image, which takes no layers"
    elif runtime not in STUB_RUNTIMES:
        yield f"its runtime is {runtime or 'unknown'}"
    if configuration.get("SigningJobArn"):
        yield "its code is signed, and so would its layers have to be"
    if len(configuration.get("Layers", [])) >= MAX_LAYERS and configuration.get("Handler") != HANDLER:
        yield f"it has {MAX_LAYERS} layers already"
    if configuration.get("Environment", {}).get("Error"):
        yield f"its variables cannot be read: {configuration['Environment']['Error'].get('Message', '')}"
    behind = list(_qualified_triggers(aws, target))
    if behind:
        yield (f"its triggers call {', '.join(sorted(set(behind)))}, a published copy that configuration changes never "
               "reach")


def _held_by(attachment: Attachment | None, settings: Settings) -> Iterator[str]:
    if attachment is not None and (attachment.app, attachment.stage) != (settings.app, settings.stage):
        yield f"{attachment.app}/{attachment.stage} is attached to it; restore it there first"


def _qualified_triggers(aws: Aws, target: _Target) -> Iterator[str]:
    """Aliases and versions that something calls: event source mappings, permissions, function URLs."""
    awslambda = aws.client("lambda")
    for page in awslambda.get_paginator("list_event_source_mappings").paginate():
        for mapping in page["EventSourceMappings"]:
            if str(mapping.get("FunctionArn", "")).startswith(target.arn + ":"):
                yield mapping["FunctionArn"].rpartition(":")[2]
    aliases = [item["Name"] for page in awslambda.get_paginator("list_aliases").paginate(FunctionName=target.name)
               for item in page["Aliases"]]
    for alias in aliases:
        for ask in (awslambda.get_policy, awslambda.get_function_url_config):
            try:
                ask(FunctionName=target.name, Qualifier=alias)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceNotFoundException":
                    raise refused(error, f"The triggers of {target.name} cannot be read.") from error
            else:
                yield alias


def _remember(aws: Aws, bootstrap: Bootstrap, settings: Settings, target: _Target) -> Attachment:
    """Write the snapshot; one from before is never overwritten, since it shows the function unchanged."""
    configuration = target.configuration
    environment = configuration.get("Environment")
    before = Attachment(
        target.name, target.arn, settings.app, settings.stage, time.time(), str(configuration["Handler"]),
        tuple(layer["Arn"] for layer in configuration.get("Layers", [])),
        environment.get("Variables", {}) if environment else None,
        int(configuration["Timeout"]), int(configuration["MemorySize"]))
    _write(aws, bootstrap, before)
    return before


def _write(aws: Aws, bootstrap: Bootstrap, before: Attachment) -> None:
    aws.client("s3").put_object(Bucket=bootstrap.bucket, Key=before.key, ContentType="application/json",
                                Body=json.dumps(vars(before)).encode())


def _allow(aws: Aws, target: _Target, config: StubConfig, bootstrap: Bootstrap,
           before: Attachment) -> tuple[Attachment, list[str]]:
    """Give the role the stub's policy; where that is not allowed, say what somebody else has to do."""
    partition, region, account = (target.arn.split(":")[part] for part in (1, 3, 4))
    topics = Topics(config.app, config.stage)
    document = stub_policy(partition, region, account, topics, config.function, config.bucket)
    # Written down before the change: restoring a role that was not changed after all does no harm.
    changed = _with(before, role=target.role)
    _write(aws, bootstrap, changed)
    try:
        aws.client("iam").put_role_policy(RoleName=target.role, PolicyName=before.policy_name,
                                          PolicyDocument=json.dumps(document))
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException", "UnmodifiableEntity"):
            raise refused(error, f"The role {target.role} cannot be changed.") from error
        _write(aws, bootstrap, before)
        place = (partition, region, account)
        return before, [instruction(target.role, topics, [config.function], config.bucket, place)]
    return changed, []


def _arm(aws: Aws, bootstrap: Bootstrap, target: _Target, before: Attachment, config: StubConfig,
         layers: dict[tuple[str, str], str]) -> None:
    runtime, architecture = str(target.configuration["Runtime"]), target.configuration.get("Architectures", ["x86_64"])
    place = (runtime, architecture[0])
    if place not in layers:
        layers[place] = _publish_layer(aws, bootstrap, config, *place)
    _write(aws, bootstrap, _with(before, layer=layers[place]))
    variables = {**(before.variables or {}), VARIABLE: config.to_json()}
    _configure(aws, before.function, Handler=HANDLER, Layers=[*before.layers, layers[place]],
               Environment={"Variables": variables}, Timeout=_timeout(aws, target, before),
               MemorySize=max(LIVE_MEMORY_MB, before.memory_mb))
    if before.layer:
        _delete_layer(aws, before.layer)


def _disarm(aws: Aws, before: Attachment) -> None:
    awslambda = aws.client("lambda")
    try:
        now = awslambda.get_function_configuration(FunctionName=before.function)
    except awslambda.exceptions.ResourceNotFoundException:
        now = None
    if now is not None and now["Handler"] == HANDLER:
        _configure(aws, before.function, Handler=before.handler, Layers=list(before.layers),
                   Environment={"Variables": dict(before.variables or {})}, Timeout=before.timeout_s,
                   MemorySize=before.memory_mb)
    elif now is not None:
        variables = now.get("Environment", {}).get("Variables", {})
        layers = [layer["Arn"] for layer in now.get("Layers", [])]
        if VARIABLE in variables or before.layer in layers:
            _configure(aws, before.function, Layers=[layer for layer in layers if layer != before.layer],
                       Environment={"Variables": {name: value for name, value in variables.items()
                                                  if name != VARIABLE}})
    if before.role:
        try:
            aws.client("iam").delete_role_policy(RoleName=before.role, PolicyName=before.policy_name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchEntity":
                raise refused(error, f"Our policy cannot be taken from the role {before.role}.") from error
    if before.layer:
        _delete_layer(aws, before.layer)


def _delete_layer(aws: Aws, arn: str) -> None:
    name, _, version = arn.rpartition(":")
    aws.client("lambda").delete_layer_version(LayerName=name, VersionNumber=int(version))


def _configure(aws: Aws, function: str, **properties: Any) -> None:
    """Change a configuration between two waits: Lambda refuses a change while another is in progress."""
    awslambda = aws.client("lambda")
    waiter = awslambda.get_waiter("function_updated_v2")
    patience = {"Delay": 0.1 if aws.access.is_local else 1, "MaxAttempts": 120}
    try:
        waiter.wait(FunctionName=function, WaiterConfig=patience)
        awslambda.update_function_configuration(FunctionName=function, **properties)
        waiter.wait(FunctionName=function, WaiterConfig=patience)
    except ClientError as error:
        raise refused(error, f"The configuration of {function} cannot be changed.") from error


def _publish_layer(aws: Aws, bootstrap: Bootstrap, config: StubConfig, runtime: str, architecture: str) -> str:
    bundle = StubBundle(runtime, architecture, aws.access.is_local, layer=True)
    upload(aws, bootstrap.bucket, bundle.key, lambda: bundle.path().read_bytes())
    published = aws.client("lambda").publish_layer_version(
        LayerName=f"livetui-{config.app}-{config.stage}", Content={"S3Bucket": bootstrap.bucket, "S3Key": bundle.key},
        CompatibleRuntimes=[runtime], CompatibleArchitectures=[architecture],
        Description="The stub of livetui; goes away with `livetui restore`")
    return str(published["LayerVersionArn"])


def _timeout(aws: Aws, target: _Target, before: Attachment) -> int:
    """Seconds: as long as Lambda allows, within the visibility timeout of the queues that feed the function."""
    sqs, smallest = aws.client("sqs"), LIVE_TIMEOUT_S
    pages = aws.client("lambda").get_paginator("list_event_source_mappings").paginate(FunctionName=target.name)
    for page in pages:
        for mapping in page["EventSourceMappings"]:
            source = str(mapping.get("EventSourceArn", ""))
            if ":sqs:" not in source:
                continue
            try:
                url = sqs.get_queue_url(QueueName=source.rpartition(":")[2],
                                        QueueOwnerAWSAccountId=source.split(":")[4])["QueueUrl"]
                answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
                smallest = min(smallest, int(answer["Attributes"]["VisibilityTimeout"]))
            except ClientError:
                # A queue that we may not look at: what is configured suits it, so that stays.
                return before.timeout_s
    return max(before.timeout_s, smallest)


def _with(before: Attachment, **changes: str) -> Attachment:
    return Attachment(**{**vars(before), **changes})
