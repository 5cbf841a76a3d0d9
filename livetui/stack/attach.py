"""Making deployed functions live by configuration alone, and putting every property back exactly.

A layer carries the stub in `/opt/livetui`, outside the import path; the handler becomes a small module of the layer.
Before the first change the function's configuration is written to the bootstrap bucket, so that a crash loses nothing.
"""

from __future__ import annotations

import fnmatch
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from livetui.aws import Aws
from livetui.config import Settings, user_name
from livetui.errors import LivetuiError, UsageError
from livetui.stack import cdk, guard, sketch, template
from livetui.stack.attachment import (
    HANDLER,
    Attachment,
    attached,
    configure,
    is_touched,
    layer_name,
    own_variables,
    settled,
    snapshot,
)
from livetui.stack.bootstrap import Bootstrap
from livetui.stack.bundle import StubBundle
from livetui.stack.changeset import StackState, refused, refusing
from livetui.stack.contract import LiveFunction, LiveStack, OnProgress, Progress, Resource
from livetui.stack.deployment import drop_key, key_name, signing_key, upload, wiring_of
from livetui.stack.functions import out_of_range
from livetui.stack.live import LIVE_MEMORY_MB, Wiring, too_long
from livetui.stack.network import network_warnings
from livetui.stack.permissions import instruction
from livetui.stack.targets import Target, aliases, find_targets, held_by, ids_of, longest_timeout, problems, unqualified
from livetui.stack.template import Application
from stub_runtime.config import VARIABLE, StubConfig
from stub_runtime.topics import Topics, stub_policy

_TYPE = "AWS::Lambda::Function"
_ANY_KEY = bytes(32)
"""Stands for the stage's key, which is made last, while it is seen whether all fits."""


def application_of(settings: Settings) -> Application | None:
    """The template here, when there is one; without it `livetui.toml` or the handlers' files tell where code lies."""
    try:
        path = template.find(settings)
    except UsageError:
        if settings.template:
            raise
        return None
    return None if path.name == sketch.FILE else template.load(settings)


@refusing("The functions cannot be attached.")
def attach(aws: Aws, bootstrap: Bootstrap, settings: Settings, targets: Sequence[str], on_progress: OnProgress,
           application: Application | None = None) -> LiveStack:
    """Make deployed functions live; each target is a stack's or function's name, an ARN, or a glob of functions.

    Everything is checked before anything is changed. `application` tells where the code lies here: functions are
    matched by logical id. Of a stack, functions whose code is not here are left as they are.
    Raises `LivetuiError` for a function that cannot be attached, with the reason.
    """
    begun = time.monotonic()
    found = find_targets(aws, targets)
    held = {item.function: item for item in attached(aws, bootstrap)}
    guard.check(aws, settings, *(StackState(target.name, tags=target.tags(aws)) for target in found), targets=targets,
                functions=[target.name for target in found])
    ids = ids_of(found, held, settings.app, settings.stage)
    planned = [_plan(settings, target, ids[target.name], held.get(target.name), application) for target in found]
    endpoint = aws.iot_endpoint()
    work = _Work(aws, bootstrap, settings, wiring_of(aws, settings, _ANY_KEY, bootstrap.bucket, endpoint), {})
    reasons = [f"{plan.target.name}: {problem}" for plan in planned if not plan.missing or plan.target.named
               for problem in ([*problems(aws, plan.target),
                                *held_by(plan.target, held.get(plan.target.name), settings.app, settings.stage),
                                *too_long(work.variables(plan.target.configuration, work.told(plan.before)))]
                               or [plan.missing]) if problem]
    if not reasons and all(plan.missing for plan in planned):
        reasons = [f"{plan.target.name}: {plan.missing}" for plan in planned]
    if reasons:
        raise LivetuiError("These functions cannot be attached.", "; ".join(reasons),
                           "Leave them out, or deploy a live copy: livetui deploy")
    told = {plan.id: list(_warnings(aws, plan.target)) for plan in planned if not plan.missing}
    seed = signing_key(aws, settings)
    work = replace(work, wiring=wiring_of(aws, settings, seed, bootstrap.bucket, endpoint))
    functions: dict[str, LiveFunction] = {}
    for plan in planned:
        warnings: list[str] = []
        if not plan.missing:
            on_progress(Progress("deploy", plan.target.name, "started", _TYPE))
            warnings = [*work.arm(plan, held.get(plan.target.name)), *told[plan.id]]
            on_progress(Progress("deploy", plan.target.name, "done", _TYPE, elapsed_s=time.monotonic() - begun))
        functions[plan.id] = plan.as_live_function(warnings)
    return LiveStack(", ".join(targets), "", settings.app, settings.stage, {}, functions, bootstrap.bucket,
                     tuple(Resource(id, _TYPE, each.name) for id, each in functions.items()), True,
                     time.monotonic() - begun, seed)


@refusing("The functions cannot be restored.")
def restore(aws: Aws, bootstrap: Bootstrap, on_progress: OnProgress, targets: Sequence[str] = (), *,
            everyones: bool = False) -> list[str]:
    """Put attached functions back as they were: one's own, or those named, or `everyones`; returns their names.

    What was changed since, by a deployment or by hand, stays changed; only what is ours is taken away. One function
    that cannot be restored does not keep the others from it; the error at the end names all that are left.
    """
    restored: list[str] = []
    stages: set[tuple[str, str]] = set()
    failed: list[LivetuiError] = []
    targets = [unqualified(target) for target in targets]
    for before in attached(aws, bootstrap):
        named = any(fnmatch.fnmatchcase(name, target) for target in targets for name in (before.function, before.arn))
        if not (named if targets else everyones or before.owner == user_name()):
            continue
        begun = time.monotonic()
        on_progress(Progress("remove", before.function, "started", _TYPE))
        try:
            with refusing(f"{before.function} cannot be restored."):
                _disarm(aws, before)
                aws.client("s3").delete_object(Bucket=bootstrap.bucket, Key=before.key)
        except LivetuiError as error:
            failed.append(error)
            on_progress(Progress("remove", before.function, "failed", _TYPE, f"{error.what} {error.why}".strip(),
                                 time.monotonic() - begun))
            continue
        restored.append(before.function)
        stages.add((before.app, before.stage))
        on_progress(Progress("remove", before.function, "done", _TYPE, elapsed_s=time.monotonic() - begun))
    for app, stage in sorted(stages):
        try:
            drop_key(aws, app, stage)
        except LivetuiError as error:  # of somebody else's stage we may not; the functions are restored all the same
            on_progress(Progress("remove", key_name(app, stage), "failed", "", f"{error.what} {error.why}".strip()))
    if failed:
        raise LivetuiError(failed[0].what if len(failed) == 1 else f"{len(failed)} functions cannot be restored.",
                           "; ".join(f"{error.what} {error.why}".strip() for error in failed) if len(failed) > 1
                           else failed[0].why, failed[0].hint) from failed[0]
    return restored


@dataclass(frozen=True)
class _Plan:
    """What is to become of one function."""

    target: Target
    id: str
    before: Attachment
    code_root: Path
    missing: str = ""
    """Why its code is not known here; empty when it is."""

    def as_live_function(self, warnings: Sequence[str]) -> LiveFunction:
        logging = self.target.configuration.get("LoggingConfig", {})
        return LiveFunction(
            self.id, self.target.name, self.target.arn, self.before.handler, self.target.runtime,
            None if self.missing else self.code_root, self.before.timeout_s, self.before.memory_mb,
            live=not self.missing, reason=self.missing, layers=self.before.layers, warnings=tuple(warnings),
            log_format=str(logging.get("LogFormat", "")), log_level=str(logging.get("ApplicationLogLevel", "")),
            architecture=self.target.architecture)


def _plan(settings: Settings, target: Target, id: str, held: Attachment | None,
          application: Application | None) -> _Plan:
    before = snapshot(target.configuration, settings.app, settings.stage, held)
    before = replace(before, id=id, owner=user_name(), since=before.since or time.time())
    local = application.found.get(target.logical_id) if application else None
    own = next((settings.functions[name].code for name in (id, target.name, target.logical_id)
                if name in settings.functions and settings.functions[name].code != "."), None)
    if own is not None:
        return _Plan(target, id, before, (settings.root / own).resolve())
    if local is not None and local.code_root is not None:
        return _Plan(target, id, before, local.code_root)
    folders = _folders_with(settings.root, before.handler)
    if len(folders) == 1:
        return _Plan(target, id, before, folders[0])
    where = (f"is in {', '.join(str(folder.relative_to(settings.root)) for folder in folders[:4])}" if folders
             else f"is in no folder of {settings.root}")
    return _Plan(target, id, before, settings.root,
                 f'its handler {before.handler} {where}: name it in livetui.toml, [functions."{id}"] code = "FOLDER"')


def _folders_with(root: Path, handler: str) -> list[Path]:
    """The folders below `root`, or itself, from which the handler's module can be imported."""
    name = handler.rpartition(".")[0].replace("/", ".").strip(".")
    if not name:
        return []
    module = Path(*name.split("."))
    files = [module.with_name(f"{module.name}.py"), module / "__init__.py"]
    if any((root / file).is_file() for file in files):
        return [root.resolve()]
    return sorted({path.resolve().parents[len(file.parts) - 1] for file in files
                   for path in cdk.python_files(root, file.name) if path.parts[-len(file.parts):] == file.parts})


def _warnings(aws: Aws, target: Target) -> Iterator[str]:
    """What is to be asked of AWS, and said, before the function is changed."""
    yield from network_warnings(aws, target.configuration)
    if behind := aliases(aws, target):
        yield f"Its aliases stay on their versions: who calls {', '.join(behind)} does not come here."


@dataclass(frozen=True)
class _Work:
    aws: Aws
    bootstrap: Bootstrap
    settings: Settings
    wiring: Wiring
    layers: dict[tuple[str, str], str]
    """Runtime and architecture → the layer version made for them."""

    def arm(self, plan: _Plan, held: Attachment | None) -> list[str]:
        """Put the stub before one function; returns what the user has to know. `held`: an earlier session's note."""
        settings = self.settings
        layer = self._layer(plan.target)
        now = settled(self.aws, plan.target.name)
        target = replace(plan.target, configuration=now)
        read_again = snapshot(now, settings.app, settings.stage, held)
        memory = max(LIVE_MEMORY_MB, read_again.memory_mb)
        timeout = longest_timeout(self.aws, target, read_again.timeout_s)
        if held is not None and held.role and held.role != target.role:
            _take_policy(self.aws, held)
            held = replace(held, role="")
        # Until all is done, what an earlier session noted counts as well: this one may end anywhere.
        before = replace(read_again, id=plan.id, owner=plan.before.owner, since=plan.before.since, role=target.role,
                         live_timeouts_s=(*(held.live_timeouts_s if held else ()), timeout),
                         live_memories_mb=(*(held.live_memories_mb if held else ()), memory),
                         made_layers=(*(held.made_layers if held else ()), layer))
        config = self.told(before)
        before, warnings = self._allow(target, config, before, held)
        configure(self.aws, target.name, Handler=HANDLER, Layers=[*before.layers, layer],
                  Environment={"Variables": self.variables(now, config)},
                  Timeout=timeout, MemorySize=memory, RevisionId=now["RevisionId"])
        if held is not None:
            for old in held.made_layers:
                _delete_layer(self.aws, old)
            replace(before, live_timeouts_s=(timeout,), live_memories_mb=(memory,),
                    made_layers=(layer,)).write(self.aws, self.bootstrap)
        return [*warnings, *out_of_range(now)]

    def told(self, before: Attachment) -> StubConfig:
        """What the stub of one function is told."""
        wiring, settings = self.wiring, self.settings
        return StubConfig(
            app=settings.app, stage=settings.stage, function=before.id, verify_key=wiring.verify_key, host=wiring.host,
            region=wiring.region, bucket=wiring.bucket, dial_host=wiring.dial_host, port=wiring.port,
            offline=settings.for_function(before.id).offline or "deployed", handler=before.handler,
            timeout=before.timeout_s, memory=before.memory_mb, armed=int(time.time()),
            disarm_after=settings.disarm_after * 3600)

    @staticmethod
    def variables(now: Mapping[str, Any], config: StubConfig) -> dict[str, str]:
        """The function's variables with the stub's."""
        return {**own_variables(now), VARIABLE: config.to_json()}

    def _allow(self, target: Target, config: StubConfig, before: Attachment,
               held: Attachment | None) -> tuple[Attachment, list[str]]:
        """Give the role the stub's policy; where that is not allowed, say what somebody else has to do.

        The snapshot is written before the change: restoring a role that was not changed after all does no harm.
        """
        before.write(self.aws, self.bootstrap)
        _, partition, _, region, account, *_ = target.arn.split(":")
        place = (partition, region, account)
        topics = Topics(config.app, config.stage)
        document = stub_policy(*place, topics, config.function, config.bucket)
        try:
            self.aws.client("iam").put_role_policy(RoleName=target.role, PolicyName=before.policy_name,
                                                   PolicyDocument=json.dumps(document))
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException", "UnmodifiableEntity"):
                raise refused(error, f"The role {target.role} cannot be changed.") from error
            unchanged = replace(before, role=held.role if held else "")
            unchanged.write(self.aws, self.bootstrap)
            return unchanged, [instruction(target.role, topics, [config.function], config.bucket, place)]
        return before, []

    def _layer(self, target: Target) -> str:
        place = (target.runtime, target.architecture)
        if place not in self.layers:
            runtime, architecture = place
            bundle = StubBundle(runtime, architecture, self.aws.access.is_local, layer=True)
            upload(self.aws, self.bootstrap.bucket, bundle.key, lambda: bundle.path().read_bytes())
            published = self.aws.client("lambda").publish_layer_version(
                LayerName=layer_name(self.settings.app, self.settings.stage),
                Content={"S3Bucket": self.bootstrap.bucket, "S3Key": bundle.key}, CompatibleRuntimes=[runtime],
                CompatibleArchitectures=[architecture],
                Description="The stub of livetui; goes away with `livetui restore`")
            self.layers[place] = str(published["LayerVersionArn"])
        return self.layers[place]


def _disarm(aws: Aws, before: Attachment) -> None:
    now = _configuration(aws, before.function)
    if now is not None and is_touched(now):
        plain = snapshot(now, before.app, before.stage, before)
        configure(aws, before.function, Handler=plain.handler, Layers=list(plain.layers), Timeout=plain.timeout_s,
                   Environment={"Variables": own_variables(now)}, MemorySize=plain.memory_mb)
    if before.role:
        _take_policy(aws, before)
    for layer in before.made_layers:
        _delete_layer(aws, layer)


def _configuration(aws: Aws, function: str) -> Mapping[str, Any] | None:
    awslambda = aws.client("lambda")
    try:
        found: Mapping[str, Any] = awslambda.get_function_configuration(FunctionName=function)
    except awslambda.exceptions.ResourceNotFoundException:
        return None
    return found


def _take_policy(aws: Aws, before: Attachment) -> None:
    try:
        aws.client("iam").delete_role_policy(RoleName=before.role, PolicyName=before.policy_name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise refused(error, f"Our policy cannot be taken from the role {before.role}.") from error


def _delete_layer(aws: Aws, arn: str) -> None:
    name, _, version = arn.rpartition(":")
    aws.client("lambda").delete_layer_version(LayerName=name, VersionNumber=int(version))
