"""Parking a live stack: its sources of events are switched off while nobody is there, and exactly those on again.

Otherwise messages fail into dead-letter queues and asynchronous events are dropped after two retries. What was
switched off is written to the bootstrap bucket before the first change, so that a crash loses nothing.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from botocore.exceptions import ClientError

from livetui.aws import Aws
from livetui.config import Settings
from livetui.errors import LivetuiError
from livetui.stack.bootstrap import Bootstrap
from livetui.stack.changeset import describe, refused, refusing
from livetui.stack.contract import OnProgress, Progress
from livetui.stack.deployment import resources_of
from livetui.stack.names import stack_name

Kind = Literal["mapping", "rule", "schedule"]
_TYPES: dict[str, Kind] = {"AWS::Lambda::EventSourceMapping": "mapping", "AWS::Events::Rule": "rule",
                           "AWS::Scheduler::Schedule": "schedule"}
_RATE = re.compile(r"rate\(\s*(\d+)\s+(minute|hour|day)s?\s*\)")
_SCHEDULE_PARTS = ("ActionAfterCompletion", "Description", "EndDate", "FlexibleTimeWindow", "GroupName", "KmsKeyArn",
                   "Name", "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "Target")


@dataclass(frozen=True)
class Source:
    """One source of events of the live stack."""

    id: str
    """Logical id."""
    kind: Kind
    name: str
    """UUID of a mapping, name of a rule or schedule."""
    group: str = ""
    """Event bus of a rule, group of a schedule; empty for the default one."""


@dataclass(frozen=True)
class Resumed:
    """What became of the parked sources, by logical id."""

    on: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    """Deleted by something else while they were parked."""

    @property
    def words(self) -> str:
        """The same for people; empty when nothing was parked."""
        on = f"Resumed what was parked: {', '.join(self.on)}." if self.on else ""
        gone = f"Gone since it was parked: {', '.join(self.gone)}." if self.gone else ""
        return " ".join(part for part in (on, gone) if part)


@refusing("The event sources cannot be switched off.")
def park(aws: Aws, bootstrap: Bootstrap, settings: Settings, on_progress: OnProgress) -> list[str]:
    """Switch off every enabled event source of the live stack; returns their logical ids.

    Sources that were off before stay off at `resume`. Raises `LivetuiError` when there is no live stack.
    """
    name = stack_name(settings.app, settings.stage)
    if not describe(aws, name).status:
        raise LivetuiError(f"There is no live stack {name}.", "", "Nothing needs parking.")
    earlier = {source.id: source for source in parked(aws, bootstrap, settings)}
    enabled = [source for source in _sources(aws, name) if _is_enabled(aws, source)]
    # Together with what an earlier, interrupted parking noted: all of it was on once.
    everything = {**earlier, **{source.id: source for source in enabled}}
    if everything:
        _note(aws, bootstrap, settings, list(everything.values()))
    gone, failed = _switch_all(aws, enabled, False, on_progress)
    _tell(failed, "off")
    return sorted(everything.keys() - gone)


@refusing("The event sources cannot be switched on.")
def resume(aws: Aws, bootstrap: Bootstrap, settings: Settings, on_progress: OnProgress) -> Resumed:
    """Switch on again exactly what `park` switched off.

    A source that is gone, or that cannot be switched on, keeps no other one off; the error at the end names those that
    are left, which the next call tries again.
    """
    sources = parked(aws, bootstrap, settings)
    if not sources:
        return Resumed()
    existing = list(_sources(aws, stack_name(settings.app, settings.stage)))
    # One that a deployment made anew under another name is as its template says.
    same = [source for source in sources if any((source.kind, source.name) == (now.kind, now.name) for now in existing)]
    ended = {source.id for source in same if source.kind == "schedule" and _has_ended(aws, source)}
    same = [source for source in same if source.id not in ended]
    gone, failed = _switch_all(aws, same, True, on_progress)
    gone |= {source.id for source in sources} - {now.id for now in existing}
    if failed:
        _note(aws, bootstrap, settings, [source for source in sources if source.id in failed])
        _tell(failed, "on")
    aws.client("s3").delete_object(Bucket=bootstrap.bucket, Key=_key(settings))
    return Resumed(sorted({source.id for source in sources} - gone - ended), sorted(gone))


@refusing("What is parked cannot be listed.")
def parked(aws: Aws, bootstrap: Bootstrap, settings: Settings) -> list[Source]:
    """What is switched off now by `park`, also by a console that crashed since."""
    s3 = aws.client("s3")
    try:
        text = s3.get_object(Bucket=bootstrap.bucket, Key=_key(settings))["Body"].read()
    except s3.exceptions.NoSuchKey:
        return []
    return [Source(**values) for values in json.loads(text)]


def _note(aws: Aws, bootstrap: Bootstrap, settings: Settings, sources: list[Source]) -> None:
    aws.client("s3").put_object(Bucket=bootstrap.bucket, Key=_key(settings), ContentType="application/json",
                                Body=json.dumps([vars(source) for source in sources]).encode())


def _key(settings: Settings) -> str:
    return f"parked/{settings.app}/{settings.stage}.json"


def _sources(aws: Aws, stack: str) -> Iterator[Source]:
    resources = resources_of(aws, stack)
    physical_ids = {item.get("PhysicalResourceId", "") for item in resources}
    for item in resources:
        kind = _TYPES.get(item["ResourceType"])
        physical = item.get("PhysicalResourceId", "")
        if kind == "rule":
            # `bus|name` for a rule on a custom bus, else the name alone (CloudFormation's Ref of AWS::Events::Rule).
            bus, _, name = physical.rpartition("|")
            yield Source(item["Id"], kind, name, bus or _bus_of(aws, name))
        elif kind == "schedule":
            name = physical.rpartition("/")[2]
            yield Source(item["Id"], kind, name, _group_of(aws, name, physical_ids))
        elif kind == "mapping":
            yield Source(item["Id"], kind, physical)


def _bus_of(aws: Aws, rule: str) -> str:
    """The bus of a rule whose physical id does not name one: the default bus on AWS, any on the local cloud."""
    if not aws.access.is_local:
        return ""
    events = aws.client("events")
    for bus in events.list_event_buses()["EventBuses"]:
        if any(found["Name"] == rule for found in events.list_rules(EventBusName=bus["Name"])["Rules"]):
            return "" if bus["Name"] == "default" else str(bus["Name"])
    return ""


def _group_of(aws: Aws, schedule: str, physical_ids: AbstractSet[str]) -> str:
    """The group of a schedule of the stack: its physical id is its name alone, which is unique in a group only."""
    pages = aws.client("scheduler").get_paginator("list_schedules").paginate(NamePrefix=schedule)
    same = [item for page in pages for item in page["Schedules"] if item["Name"] == schedule]
    ours = [item for item in same if item["GroupName"] in physical_ids
            or str(item.get("Target", {}).get("Arn", "")).rpartition(":")[2] in physical_ids]
    return next((str(item["GroupName"]) for item in ours or same), "")


def _is_enabled(aws: Aws, source: Source) -> bool:
    try:
        return _is_on(aws, source)
    except ClientError as error:
        if _is_gone(error):
            return False
        raise


def _is_on(aws: Aws, source: Source) -> bool:
    match source.kind:
        case "mapping":
            state = aws.client("lambda").get_event_source_mapping(UUID=source.name)["State"]
            return state in ("Enabled", "Enabling", "Creating", "Updating")
        case "rule":
            # One that hears all of CloudTrail's management events would come back as one that does not.
            return bool(aws.client("events").describe_rule(Name=source.name, **_bus(source))["State"] == "ENABLED")
        case "schedule":
            schedule = _schedule(aws, source)
            return bool(schedule["State"] == "ENABLED" and not _is_past(schedule.get("EndDate")))


def _switch_all(aws: Aws, sources: list[Source], on: bool,
                on_progress: OnProgress) -> tuple[set[str], dict[str, ClientError]]:
    """Switch each; returns the ids of those that are gone, and what kept others from it."""
    gone: set[str] = set()
    failed: dict[str, ClientError] = {}

    def switch(source: Source) -> None:
        begun = time.monotonic()
        status, reason = "resumed" if on else "parked", ""
        try:
            _SWITCHES[source.kind](aws, source, on)
        except ClientError as error:
            if _is_gone(error):
                gone.add(source.id)
                status, reason = "skipped", "it is gone"
            else:
                failed[source.id] = error
                status, reason = "failed", str(error)
        on_progress(Progress("deploy", source.id, status, source.kind, reason, time.monotonic() - begun))

    with ThreadPoolExecutor(4, "livetui-park") as pool:
        list(pool.map(switch, sources))
    return gone, failed


def _tell(failed: dict[str, ClientError], where: str) -> None:
    for error in failed.values():
        raise refused(error, f"{', '.join(sorted(failed))} cannot be switched {where}.") from error


def _is_gone(error: ClientError) -> bool:
    return bool(error.response["Error"]["Code"] == "ResourceNotFoundException")


def _has_ended(aws: Aws, source: Source) -> bool:
    """AWS refuses to change a schedule whose end has passed."""
    try:
        return _is_past(_schedule(aws, source).get("EndDate"))
    except ClientError:  # gone, or not to be read: switching it says so
        return False


def _is_past(moment: datetime | None) -> bool:
    return moment is not None and moment <= datetime.now(UTC)


def _switch_mapping(aws: Aws, source: Source, on: bool) -> None:
    awslambda = aws.client("lambda")
    deadline = time.monotonic() + 60
    while True:
        try:
            awslambda.update_event_source_mapping(UUID=source.name, Enabled=on)
        except awslambda.exceptions.ResourceInUseException:
            # It is still being created or changed: Lambda takes one change at a time.
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return


def _switch_rule(aws: Aws, source: Source, on: bool) -> None:
    events = aws.client("events")
    (events.enable_rule if on else events.disable_rule)(Name=source.name, **_bus(source))


def _switch_schedule(aws: Aws, source: Source, on: bool) -> None:
    # UpdateSchedule replaces everything: what is not passed would fall back to its default. AWS refuses a start that
    # has passed ("cannot be earlier than 5 minutes ago"); of a rate the turns are counted from it.
    schedule = _schedule(aws, source)
    if _is_past(schedule.get("StartDate")):
        turn = _next_turn(schedule["ScheduleExpression"], schedule.pop("StartDate"), datetime.now(UTC))
        if turn is not None and turn < schedule.get("EndDate", datetime.max.replace(tzinfo=UTC)):
            schedule["StartDate"] = turn
    aws.client("scheduler").update_schedule(State="ENABLED" if on else "DISABLED",
                                            **{key: schedule[key] for key in _SCHEDULE_PARTS if key in schedule})


def _next_turn(expression: str, start: datetime, now: datetime) -> datetime | None:
    """When a `rate(…)` that began at `start` is due next; None for other expressions."""
    rate = _RATE.fullmatch(expression.strip())
    if rate is None or not int(rate[1]):
        return None
    every = timedelta(**{f"{rate[2]}s": int(rate[1])})
    return start + every * -((start - now) // every)


def _schedule(aws: Aws, source: Source) -> dict[str, Any]:
    group = {"GroupName": source.group} if source.group else {}
    schedule: dict[str, Any] = aws.client("scheduler").get_schedule(Name=source.name, **group)
    return schedule


def _bus(source: Source) -> dict[str, str]:
    return {"EventBusName": source.group} if source.group else {}


_SWITCHES: dict[Kind, Callable[[Aws, Source, bool], None]] = {
    "mapping": _switch_mapping, "rule": _switch_rule, "schedule": _switch_schedule}
