"""The live transform: the changes to a template that put a stub in front of every live function, and no others.

The list is in `docs/stack.md`: code, handler, runtime, packaging, layers, timeout, memory, our variable, the role's
extra policy; deployment preference, provisioned concurrency and SnapStart go; plain aliases point at `$LATEST`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.comments import CommentedMap

from livetui.config import OfflinePolicy
from livetui.stack import permissions
from livetui.stack.document import Document, branches, intrinsic_of, long_form
from livetui.stack.functions import Function, merge_globals
from livetui.stack.intrinsics import references
from livetui.stack.queues import visibilities
from livetui.stack.template import Template
from stub_runtime.config import VARIABLE, StubConfig
from stub_runtime.topics import Topics

HANDLER = "stub_runtime.handler.handler"
LIVE_TIMEOUT_S = 900
"""Lambda's longest timeout: time for a breakpoint."""
LIVE_MEMORY_MB = 512
"""A structured 6 MB event with its answer peaks near 200 MB in the stub."""
STUB_RUNTIMES = ("python3.10", "python3.11", "python3.12", "python3.13", "python3.14")
NEWEST_STUB_RUNTIME = "python3.13"
MAX_VARIABLES_BYTES = 4096
_DROPPED = ("DeploymentPreference", "ProvisionedConcurrencyConfig", "SnapStart", "AutoPublishCodeSha256", "Layers")
_IMAGE_ONLY = ("PackageType", "ImageUri", "ImageConfig")
START_UP_VARIABLES = frozenset({"AWS_LAMBDA_EXEC_WRAPPER", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME",
                                "PYTHONSTARTUP"})
"""Variables that would change how the stub's own interpreter starts; the stub does not have the files they name."""


@dataclass(frozen=True)
class Wiring:
    """What every stub of a deployment is told, and where its code lies."""

    topics: Topics
    verify_key: str
    host: str
    region: str
    bucket: str
    bundle: Callable[[str, str], str]
    """Runtime and architecture → S3 key of the stub bundle."""
    dial_host: str = ""
    port: int = 443
    offline: Callable[[str], OfflinePolicy] = lambda _: "error"
    """Function id → what its callers get while no console is there."""
    boundary: str = ""
    """ARN of the policy that bounds roles which have no boundary of their own; empty for none."""


@dataclass(frozen=True)
class Stub:
    """What a live function is in the cloud."""

    key: str
    """S3 key of its code."""
    variable: str
    runtime: str
    timeout_s: int
    memory_mb: int


@dataclass(frozen=True)
class LiveTemplate:
    """A template after the transform."""

    template: Template
    document: Document
    functions: Mapping[str, Function]
    """By logical id, with what the user has to know added."""
    copies: Mapping[str, str]
    """S3 key of a stub that must be new for this configuration → the bundle it is a copy of."""
    stubs: Mapping[str, Stub]
    """By function id."""


def make_live(template: Template, wiring: Wiring) -> LiveTemplate:
    """Transform one template (not its nested ones); the original document stays as it is."""
    document = template.document.copy()
    root = document.root
    live = {name: function for name, function in template.functions.items() if function.live}
    _move_down_globals(template, root, live)
    copies: dict[str, str] = {}
    stubs: dict[str, Stub] = {}
    for logical_id, function in live.items():
        resource = root["Resources"][logical_id]
        if not isinstance(resource.get("Properties"), MutableMapping):
            resource["Properties"] = CommentedMap()
        stubs[function.id] = _put_stub(template, function, resource["Properties"], wiring, copies)
    _release_aliases(template, root, live)
    _release_schedules(template, root)
    functions = permissions.grant(template, root, wiring.topics, wiring.bucket) if live else dict(template.functions)
    if wiring.boundary:
        permissions.bound(template, root, wiring.boundary)
    for logical_id, function in list(functions.items()):
        if function.live:
            environment = long_form(root["Resources"][logical_id]["Properties"].get("Environment") or {})
            variables = environment.get("Variables") if isinstance(environment, dict) else None
            functions[logical_id] = function.warned(*(f"Not all of it fits: {reason}." for reason in too_long(
                variables if isinstance(variables, dict) else {})))
    return LiveTemplate(template, document, functions, copies, stubs)


def stub_config(function: Function, wiring: Wiring) -> StubConfig:
    """What the stub of one function is told in its variable."""
    return StubConfig(app=wiring.topics.app, stage=wiring.topics.stage, function=function.id,
                      verify_key=wiring.verify_key, host=wiring.host, region=wiring.region, bucket=wiring.bucket,
                      dial_host=wiring.dial_host, port=wiring.port, offline=wiring.offline(function.logical_id),
                      handler=function.handler, timeout=function.timeout_s, memory=function.memory_mb)


def live_timeout(template: Template, function: Function) -> int:
    """Seconds: as long as Lambda allows, but never over the visibility timeout of a queue that it consumes.

    AWS refuses such an event source mapping. What is known of a queue from elsewhere is only that the configured
    timeout suits it, so then that stays.
    """
    found = visibilities(template, function)
    if None in found:
        return function.timeout_s
    known = [seconds for seconds in found if seconds is not None]
    return max(function.timeout_s, min([LIVE_TIMEOUT_S, *known]))


def stub_runtime_of(function: Function) -> str:
    """The runtime of the stub: the function's own where a bundle exists for it."""
    return function.runtime if function.runtime in STUB_RUNTIMES else NEWEST_STUB_RUNTIME


def _put_stub(template: Template, function: Function, properties: MutableMapping[str, Any], wiring: Wiring,
              copies: dict[str, str]) -> Stub:
    runtime = stub_runtime_of(function)
    bundle = wiring.bundle(runtime, function.architecture)
    for name in (*_DROPPED, *_IMAGE_ONLY, "InlineCode"):
        properties.pop(name, None)
    properties["Handler"] = HANDLER
    if runtime != template.resolver.resolve(function.properties.get("Runtime")):
        properties["Runtime"] = runtime
        if "RuntimeManagementConfig" in function.properties:  # it may pin a version of the other runtime
            properties["RuntimeManagementConfig"] = CommentedMap(UpdateRuntimeOn="Auto")
    timeout, memory = live_timeout(template, function), max(LIVE_MEMORY_MB, function.memory_mb)
    if timeout != function.timeout_s:
        properties["Timeout"] = timeout
    if memory != function.memory_mb:
        properties["MemorySize"] = memory
    variable = stub_config(function, wiring).to_json()
    _put_variable(properties, variable)
    stub = Stub(bundle, variable, runtime, timeout, memory)
    if function.kind == "lambda":
        properties["Code"] = CommentedMap(S3Bucket=wiring.bucket, S3Key=bundle)
        return stub
    key = bundle
    if function.properties.get("AutoPublishAlias"):
        # SAM publishes a version only when the code's address changes.
        state = json.dumps([long_form(properties), function.properties], sort_keys=True, default=str)
        key = (f"artifacts/{wiring.topics.app}/{wiring.topics.stage}/stub-"
               f"{hashlib.sha256((bundle + state).encode()).hexdigest()[:32]}.zip")
        copies[key] = bundle
    properties["CodeUri"] = CommentedMap(Bucket=wiring.bucket, Key=key)
    return stub


def _put_variable(properties: MutableMapping[str, Any], value: str) -> None:
    if not properties.get("Environment"):
        properties["Environment"] = CommentedMap()
    for holder, key in list(branches(properties, "Environment")):
        if long_form(holder[key]) == {"Ref": "AWS::NoValue"} or holder[key] is None:
            holder[key] = CommentedMap()
        environment = holder[key]
        if not isinstance(environment, MutableMapping) or intrinsic_of(environment):
            continue
        if environment.get("Variables") is None:
            environment["Variables"] = CommentedMap()
        for inner, name in list(branches(environment, "Variables")):
            if long_form(inner[name]) == {"Ref": "AWS::NoValue"}:
                inner[name] = CommentedMap()
            variables = inner[name]
            if isinstance(variables, MutableMapping):
                for start_up in START_UP_VARIABLES & set(variables):
                    del variables[start_up]
                variables[VARIABLE] = value


def _move_down_globals(template: Template, root: MutableMapping[str, Any], live: Mapping[str, Function]) -> None:
    """Take what live functions must not have out of Globals, and give it to the functions that keep it."""
    section = root.get("Globals")
    shared = section.get("Function") if isinstance(section, Mapping) else None
    if not isinstance(shared, MutableMapping) or not live:
        return
    keeping = [name for name, function in template.functions.items() if function.kind == "sam" and not function.live]
    for name in _DROPPED + (("CodeUri",) if isinstance(shared.get("CodeUri"), Mapping) else ()):
        if name in shared:
            _hand_down(root, keeping, shared, (name,))
    environment = shared.get("Environment")
    variables = environment.get("Variables") if isinstance(environment, Mapping) else None
    for name in START_UP_VARIABLES & set(variables if isinstance(variables, Mapping) else ()):
        _hand_down(root, keeping, shared, ("Environment", "Variables", name))


def _hand_down(root: MutableMapping[str, Any], keeping: list[str], shared: MutableMapping[str, Any],
               path: tuple[str, ...]) -> None:
    holder: Any = shared
    for part in path[:-1]:
        holder = holder[part]
    value = holder.pop(path[-1])
    for logical_id in keeping:
        own: Any = root["Resources"][logical_id].setdefault("Properties", CommentedMap())
        for part in path[:-1]:
            own = own.setdefault(part, CommentedMap())
        own[path[-1]] = merge_globals(long_form(value), long_form(own[path[-1]])) if path[-1] in own else value


def _release_schedules(template: Template, root: MutableMapping[str, Any]) -> None:
    """SAM names a `ScheduleV2` after its resource: so is the real stack's already, in this account and region."""
    for logical_id, resource in template.resources.items():
        of_sam = isinstance(resource, dict) and str(resource.get("Type")).startswith("AWS::Serverless::")
        events = (resource.get("Properties") or {}).get("Events") if of_sam else None
        for name, event in events.items() if isinstance(events, dict) else ():
            if not isinstance(event, dict) or event.get("Type") != "ScheduleV2":
                continue
            declared = event.get("Properties")
            if isinstance(declared, dict) and not declared.keys() & {"Name", "OmitName"}:
                root["Resources"][logical_id]["Properties"]["Events"][name]["Properties"]["OmitName"] = True


def _release_aliases(template: Template, root: MutableMapping[str, Any], live: Mapping[str, Function]) -> None:
    for logical_id, resource in template.resources.items():
        kind = resource.get("Type") if isinstance(resource, dict) else None
        if kind not in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
            continue
        if not references((resource.get("Properties") or {}).get("FunctionName")) & live.keys():
            continue
        properties = root["Resources"][logical_id]["Properties"]
        for name in ("ProvisionedConcurrencyConfig", "RoutingConfig", "CodeSha256"):
            properties.pop(name, None)
        if kind == "AWS::Lambda::Alias":
            properties["FunctionVersion"] = "$LATEST"
            # CodeDeploy would shift traffic between published versions.
            policy = root["Resources"][logical_id].get("UpdatePolicy")
            if isinstance(policy, MutableMapping) and policy.pop("CodeDeployLambdaAliasUpdate", None) and not policy:
                del root["Resources"][logical_id]["UpdatePolicy"]


def too_long(variables: Mapping[str, Any]) -> Iterator[str]:
    """What to say of variables that Lambda does not take: 4 KB, measured as compact JSON ("String measured" in its
    refusal). What intrinsics add is not counted.
    """
    known = {name: value for name, value in variables.items() if isinstance(value, str)}
    size = len(json.dumps(known, separators=(",", ":"), ensure_ascii=False).encode())
    if size > MAX_VARIABLES_BYTES:
        longest = max(known.keys() - {VARIABLE}, key=lambda name: len(known[name]), default="")
        yield (f"its variables have {size} bytes with the stub's own, and Lambda takes {MAX_VARIABLES_BYTES}: "
               f"move the longest, {longest}, to a parameter store")
