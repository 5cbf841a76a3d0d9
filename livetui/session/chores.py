"""What a command does in one go, without a running session: bootstrap, synth, remove, invoke, export, cloud."""

from __future__ import annotations

import contextlib
import difflib
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from livetui.aws import Aws, CloudAccess
from livetui.config import Settings
from livetui.errors import LivetuiError, UsageError

if TYPE_CHECKING:
    from livetui.session.invocation import Invocation
    from livetui.session.records import SessionRecord
    from livetui.session.store import Store
    from livetui.stack.apps import LiveApp
    from livetui.stack.bootstrap import Bootstrap
    from livetui.stack.contract import OnProgress
    from livetui.stack.doctor import Check


class InvokeAnswer(msgspec.Struct, frozen=True):
    """What a caller gets from Lambda."""

    body: str
    error: str = ""
    """`Handled`, `Unhandled`, or Lambda's own words; empty when it went well."""


def reach(settings: Settings) -> Aws:
    """The cloud of these settings: AWS, or the project's local cloud, which must be running."""
    if not settings.local:
        return Aws(CloudAccess(region=settings.region, profile=settings.profile))
    from livetui.cloud import LocalCloud

    cloud = LocalCloud.find(settings.state)
    if cloud is None:
        raise LivetuiError("No local cloud of this project is running.",
                           hint="Start one in another terminal: livetui demo, or livetui --local")
    return Aws(cloud.access)


def sign_in(settings: Settings) -> None:
    """Ask for what signing in needs at the terminal, before a session takes it."""
    if not settings.local:
        from livetui import aws

        aws.sign_in(CloudAccess(region=settings.region, profile=settings.profile))


def bootstrap(settings: Settings, *, remove: bool, on_progress: OnProgress) -> str:
    """Create, upgrade or remove the bootstrap stack; what happened in a sentence."""
    from livetui.stack import bootstrap as bootstrap_stack

    aws = reach(settings)
    place = f"account {aws.account}, region {aws.region}"
    if remove:
        removed = bootstrap_stack.remove(aws, on_progress)
        return f"The bootstrap stack of {place} is removed." if removed else f"{place} has no bootstrap stack."
    found = bootstrap_stack.ensure(aws, on_progress, None, settings.permissions_boundary, settings.tags)
    return f"Bootstrap v{found.version} is ready in {place}; its bucket is {found.bucket}."


def synth(settings: Settings) -> str:
    """The live template as text; no AWS call."""
    from livetui.stack import assembly, template

    return assembly.synth(template.load(settings), settings)


def remove(settings: Settings, *, on_progress: OnProgress, log_groups: bool = False) -> str:
    """Delete the live stack of the settings' app and stage."""
    from livetui.stack import deployment, names

    removed = deployment.remove_live(reach(settings), settings, on_progress, log_groups=log_groups)
    name = names.stack_name(settings.app, settings.stage)
    return f"{name} is removed." if removed else f"There is no stack {name}."


def production_signs(settings: Settings, targets: Sequence[str]) -> tuple[str, list[str]]:
    """The name to type before this goes live, and why; the reasons that names tell without a call (none: go on)."""
    from livetui.stack import guard

    name = guard.name_to_type(settings, targets)
    return name, [] if settings.yes_production == name else guard.signs_by_name(settings, targets)


def restore(settings: Settings, targets: Sequence[str], *, on_progress: OnProgress, everyones: bool = False) -> str:
    """Put attached functions back as they were."""
    from livetui.stack import attach, attachment

    aws = reach(settings)
    bootstrap = _bootstrapped(aws)
    restored = attach.restore(aws, bootstrap, on_progress, targets, everyones=everyones)
    others = [f"{item.function} ({item.owner})" for item in attachment.attached(aws, bootstrap)]
    left = f"Still attached: {', '.join(others)}; name them, or pass --all." if others else ""
    said = f"Restored: {', '.join(restored)}." if restored else "" if others else "No function is attached."
    return " ".join(part for part in (said, left) if part)


def park(settings: Settings, *, on_progress: OnProgress) -> str:
    """Switch off the live stack's event sources."""
    from livetui.stack import park as parking

    aws = reach(settings)
    parked = parking.park(aws, _bootstrapped(aws), settings, on_progress)
    return f"Parked: {', '.join(parked)}. `livetui resume`, or the next session, wakes them." if parked else \
        "Nothing is switched on."


def resume(settings: Settings, *, on_progress: OnProgress) -> str:
    """Switch on what `park` switched off."""
    from livetui.stack import park as parking

    aws = reach(settings)
    return parking.resume(aws, _bootstrapped(aws), settings, on_progress).words or "Nothing was parked."


def apps(settings: Settings) -> list[LiveApp]:
    """Applications and stages of this account and region, from the bootstrap bucket."""
    from livetui.stack import apps as listing

    aws = reach(settings)
    return listing.apps(aws, _bootstrapped(aws))


def examine(settings: Settings) -> list[Check]:
    """Everything that the doctor looks at."""
    from livetui.stack import doctor

    if settings.local:
        from livetui.cloud import LocalCloud

        cloud = LocalCloud.find(settings.state)
        return doctor.examine(settings, cloud.access if cloud is not None else None)
    return doctor.examine(settings, CloudAccess(region=settings.region, profile=settings.profile))


def needed_policy(settings: Settings, targets: Sequence[str] = (), *, bootstrap: bool = False) -> dict[str, object]:
    """The IAM policy that livetui needs for this app and stage, or to attach to `targets`, or to make the bootstrap.

    With exact names where somebody is signed in; an administrator's account may be another.
    """
    from livetui.stack import policy

    place = policy.Place(region=settings.region or "*")
    with contextlib.suppress(LivetuiError):
        place = policy.place_of(reach(settings))
    if bootstrap:
        return policy.bootstrap_policy(place)
    if targets:
        return policy.attach_policy(settings.app, settings.stage, place, targets)
    return policy.policy_for(settings, place)


def _bootstrapped(aws: Aws) -> Bootstrap:
    from livetui.stack import bootstrap as bootstrap_stack

    found = bootstrap_stack.find(aws)
    if found is None:
        raise LivetuiError(f"Account {aws.account}, region {aws.region} has no bootstrap stack.",
                           hint="Nothing of livetui is there; `livetui` makes it when you start.")
    return found


def invoke(settings: Settings, function: str, event: bytes, *, asynchronous: bool) -> InvokeAnswer:
    """Invoke a function of the live stack (logical id or physical name) and return what its caller gets."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        msgspec.json.decode(event)
    except msgspec.DecodeError as error:
        raise UsageError("The event is not JSON.", str(error), "Lambda takes JSON only.") from error
    aws = reach(settings)
    try:
        answer = aws.client("lambda", once=True).invoke(
            FunctionName=_physical_name(aws, settings, function), Payload=event,
            InvocationType="Event" if asynchronous else "RequestResponse")
        body = answer["Payload"].read().decode("utf-8", "surrogateescape")
    except (ClientError, BotoCoreError) as error:
        raise LivetuiError(f"{function} could not be invoked.", str(error),
                           "Is the stage deployed? Start livetui, or check --stage and --region.") from error
    return InvokeAnswer(body, answer.get("FunctionError", ""))


def _physical_name(aws: Aws, settings: Settings, function: str) -> str:
    from livetui.stack import deployment, names

    stack = names.stack_name(settings.app, settings.stage)
    try:
        resources = deployment.resources_of(aws, stack)
    except LivetuiError:
        resources = []
    if not resources:  # there is no such stack, or it may not be read: Lambda judges the name
        return function
    known = {str(each["Id"]): str(each.get("PhysicalResourceId", "")) for each in resources
             if each["ResourceType"] == "AWS::Lambda::Function"}
    if function in known:
        return known[function]
    if function in known.values() or ":" in function:
        return function
    near = difflib.get_close_matches(function.lower(), [name.lower() for name in known], 1)
    meant = next((f"Did you mean {name}? " for name in known if name.lower() in near), "")
    raise UsageError(f"{stack} has no function {function}.",
                     hint=f"{meant}Its functions: {', '.join(sorted(known)) or 'none'}")


def sample(name: str) -> bytes:
    """A sample event by name. Raises `UsageError` that lists the names."""
    from livetui.session import samples

    return samples.sample(name)


def routes(settings: Settings, function: str) -> tuple[str, ...]:
    """The routes that the project's template gives a function (its logical id); none without a template."""
    from livetui.stack import template

    with contextlib.suppress(LivetuiError):  # what is deployed can be invoked all the same
        found = template.load(settings).found.get(function)
        return found.routes if found is not None else ()
    return ()


def event(name: str, routes: Sequence[str] = ()) -> bytes:
    """The event in a file (`-`: standard input): JSON, or an invocation that was exported as any kind.

    `routes` of the function tell what a `curl` command becomes.
    """
    from livetui.session.export import import_event

    try:
        text = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"The event cannot be read from {name}.", str(error), "Pass a JSON file, or - for stdin.") \
            from error
    return import_event(text.decode("utf-8", "surrogateescape"), routes)


def export(settings: Settings, store: Store, id: int, kind: str, *, reveal: bool) -> str:
    """An invocation as text for another tool. A `pytest` file calls real AWS when its handler does."""
    from livetui.session import export as exporting

    invocation = store.invocation(id)
    if kind == "pytest":
        function = store.function(invocation.row.function)
        if function is None:
            raise LivetuiError(f"The code of {invocation.row.function} is not known.",
                               "The session that captured it kept no record of it.", "Capture it once more.")
        return exporting.export(invocation, kind, reveal=reveal, handler=function.handler,
                                code_root=Path(function.code_root), project=settings.root,
                                environment=function.environment, layers=[*map(Path, function.layers)])
    endpoint = _front(settings, invocation) if kind == "curl" else ""
    return exporting.export(invocation, kind, reveal=reveal, endpoint=endpoint)


class _Context(msgspec.Struct):
    api: str = msgspec.field(default="", name="apiId")


class _HttpEvent(msgspec.Struct):
    context: _Context = msgspec.field(default_factory=_Context, name="requestContext")


def _front(settings: Settings, invocation: Invocation) -> str:
    """Where the API that an event came from listens on the local cloud; empty on AWS, whose events name their host."""
    if not settings.local:
        return ""
    from livetui.cloud import LocalCloud

    cloud = LocalCloud.find(settings.state)
    with contextlib.suppress(msgspec.DecodeError):
        api = msgspec.json.decode(invocation.event, type=_HttpEvent).context.api
        return f"http://localhost:{cloud.record.front_port}/{api}" if cloud and api else ""
    return ""


def vscode(settings: Settings) -> Path:
    """Write or update the launch.json entry with which VS Code attaches; the file's path."""
    from livetui.debug.broker import PORT
    from livetui.debug.discovery import DebugPort
    from livetui.debug.launch_json import write_launch_json

    known = DebugPort.read(settings.state)
    if not known.port:
        known = DebugPort(PORT, known.token)
        known.write(settings.state)
    return write_launch_json(settings.root, known.port, known.token)


def cloud(settings: Settings, action: str) -> str:
    """Status, shell variables or end of the project's local cloud."""
    from livetui.cloud import LocalCloud

    found = LocalCloud.find(settings.state)
    if found is None:
        if action != "env":
            return "No local cloud of this project is running."
        raise LivetuiError("No local cloud of this project is running.",
                           hint="Start one: livetui demo, or livetui --local")
    if action == "stop":
        found.stop()
        return "The local cloud has ended."
    if action == "env":
        return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in found.environment().items())
    return f"running: {found.access.endpoint_url}, region {found.access.region}, process {found.record.pid}"


def consoles_of_cloud(settings: Settings) -> list[SessionRecord]:
    """The sessions of this project that use its local cloud now, newest first."""
    from livetui.cloud import LocalCloud
    from livetui.session.store import Store

    cloud = LocalCloud.find(settings.state)
    if cloud is None:
        return []
    with contextlib.suppress(LivetuiError), contextlib.closing(
            Store.open(settings.state / "invocations.sqlite", read_only=True)) as store:
        return [each for each in store.running() if each.local and each.started >= cloud.since]
    return []


@contextlib.contextmanager
def own_cloud(settings: Settings) -> Iterator[str]:
    """A local cloud that outlives the consoles which use it; what to say about it."""
    from livetui.cloud import LocalCloud

    if LocalCloud.find(settings.state) is not None:
        raise UsageError("A local cloud of this project is running already.", hint="See: livetui cloud status")
    with LocalCloud.start(settings.state, region=settings.region or "eu-west-1") as started:
        yield f"The local cloud runs at {started.access.endpoint_url}. Ctrl-C ends it."
