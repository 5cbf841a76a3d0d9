"""Parking switches off what was on, and resuming exactly that on again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from livetui.aws import Aws
from livetui.config import Settings
from livetui.errors import LivetuiError
from livetui.stack import template
from livetui.stack.apps import apps
from livetui.stack.bootstrap import Bootstrap
from livetui.stack.contract import Progress
from livetui.stack.deployment import deploy_live, resources_of, stack_name
from livetui.stack.park import _next_turn, park, parked, resume
from tests.integration.stack.conftest import eventually

MakeSettings = Callable[..., Settings]

SOURCES = """\
      Events:
        Queue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}
        WasOff: {Type: Schedule, Properties: {Schedule: rate(1 hour), Enabled: false}}
        WasOn: {Type: Schedule, Properties: {Schedule: rate(1 hour)}}
        Bus: {Type: EventBridgeRule, Properties: {EventBusName: !Ref Bus, Pattern: {source: [a]}}}
        Later: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour), Description: kept}}
        Grouped: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour), GroupName: !Ref Group}}
  Group: {Type: AWS::Scheduler::ScheduleGroup}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: !Sub "${AWS::StackName}-bus"}}
"""


def deployed_with_sources(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings, project: Path) -> Settings:
    path = project / "template.yaml"
    events = "      Events:\n        Queue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}\n"
    path.write_text(path.read_text().replace(events, SOURCES))
    settings = make_settings()
    deploy_live(template.load(settings), aws, bootstrap, settings, lambda _: None)
    return settings


def states(aws: Aws, settings: Settings, but: tuple[str, ...] = ()) -> dict[str, str]:
    found = {}
    for item in resources_of(aws, stack_name(settings.app, settings.stage)):
        if item["Id"] in but:
            continue
        name = item["PhysicalResourceId"]
        if item["ResourceType"] == "AWS::Lambda::EventSourceMapping":
            found[item["Id"]] = aws.client("lambda").get_event_source_mapping(UUID=name)["State"].upper()
        elif item["ResourceType"] == "AWS::Events::Rule":
            events, rule = aws.client("events"), name.rpartition("|")[2]
            found[item["Id"]] = next(
                known["State"] for bus in events.list_event_buses()["EventBuses"]
                for known in events.list_rules(EventBusName=bus["Name"])["Rules"] if known["Name"] == rule)
        elif item["ResourceType"] == "AWS::Scheduler::Schedule":
            scheduler = aws.client("scheduler")
            summary = next(known for known in scheduler.list_schedules()["Schedules"] if known["Name"] == name)
            found[item["Id"]] = scheduler.get_schedule(Name=name, GroupName=summary["GroupName"])["State"]
    return found


def test_park_and_resume(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings, project: Path) -> None:
    settings = deployed_with_sources(aws, bootstrap, make_settings, project)
    live = deploy_live(template.load(settings), aws, bootstrap, settings, lambda _: None)
    before = states(aws, settings)
    assert sorted(before.values()) == ["DISABLED", *["ENABLED"] * 5]

    switched = park(aws, bootstrap, settings, lambda _: None)
    assert len(switched) == 5
    assert set(states(aws, settings).values()) == {"DISABLED"}
    assert sorted(source.id for source in parked(aws, bootstrap, settings)) == switched
    assert park(aws, bootstrap, settings, lambda _: None) == switched, "parking twice forgets nothing"

    assert resume(aws, bootstrap, settings, lambda _: None).on == switched
    assert states(aws, settings) == before
    assert resume(aws, bootstrap, settings, lambda _: None).on == []

    def dies(_: object) -> None:
        raise KeyboardInterrupt

    for work in (park, resume):  # both die after their first steps; what was on is known all the same
        with pytest.raises(KeyboardInterrupt):
            work(aws, bootstrap, settings, dies)
    assert resume(aws, bootstrap, settings, lambda _: None).on == switched
    assert states(aws, settings) == before

    listed = eventually(lambda: next((item for item in apps(aws, bootstrap) if item.app == settings.app), None))
    assert (listed.stage, listed.status) == ("dev", "CREATE_COMPLETE")
    assert live.functions["Hello"].name in listed.functions
    assert listed.outputs == dict(live.outputs)


def test_without_a_live_stack_there_is_nothing_to_park(aws: Aws, bootstrap: Bootstrap,
                                                        make_settings: MakeSettings) -> None:
    with pytest.raises(LivetuiError, match="no live stack"):
        park(aws, bootstrap, make_settings(), lambda _: None)


def test_what_is_gone_keeps_nothing_else_off(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings,
                                             project: Path) -> None:
    """A mapping and a rule are deleted by hand, one before parking and one while parked."""
    settings = deployed_with_sources(aws, bootstrap, make_settings, project)
    ids = {item["Id"]: item["PhysicalResourceId"]
           for item in resources_of(aws, stack_name(settings.app, settings.stage))}
    rule = ids["ConsumerWasOn"]
    aws.client("events").remove_targets(Rule=rule, Ids=[
        target["Id"] for target in aws.client("events").list_targets_by_rule(Rule=rule)["Targets"]])
    aws.client("events").delete_rule(Name=rule)
    steps: list[Progress] = []
    switched = park(aws, bootstrap, settings, steps.append)
    assert "ConsumerWasOn" not in switched

    aws.client("lambda").delete_event_source_mapping(UUID=ids["ConsumerQueue"])
    done = resume(aws, bootstrap, settings, steps.append)
    assert done.gone == ["ConsumerQueue"]
    assert done.on == [id for id in switched if id != "ConsumerQueue"]
    assert ("ConsumerQueue", "skipped") in [(step.resource, step.status) for step in steps]
    assert "ConsumerQueue" in done.words
    left = {id: value for id, value in states(aws, settings, but=("ConsumerQueue", "ConsumerWasOn")).items()
            if value != "ENABLED"}
    assert left == {"ConsumerWasOff": "DISABLED"}
    assert parked(aws, bootstrap, settings) == []


def test_one_that_cannot_be_switched_is_told_and_kept_for_the_next_time(
        aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings, project: Path) -> None:
    settings = deployed_with_sources(aws, bootstrap, make_settings, project)
    before = states(aws, settings)
    switched = park(aws, bootstrap, settings, lambda _: None)
    with (answering(aws, "events", "EnableRule", "AccessDeniedException", "not authorized: events:EnableRule"),
          pytest.raises(LivetuiError, match="cannot be switched on") as refused):
        resume(aws, bootstrap, settings, lambda _: None)
    assert "events:EnableRule" in refused.value.why
    assert sorted(source.id for source in parked(aws, bootstrap, settings)) == ["ConsumerBus", "ConsumerWasOn"]
    assert [id for id, value in states(aws, settings).items() if value == "DISABLED"] == [
        id for id in before if id in ("ConsumerBus", "ConsumerWasOn", "ConsumerWasOff")]
    assert resume(aws, bootstrap, settings, lambda _: None).on == ["ConsumerBus", "ConsumerWasOn"]
    assert states(aws, settings) == before
    assert len(switched) == 5


def test_a_schedule_that_cannot_be_read_keeps_no_other_one_off(
        aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings, project: Path) -> None:
    settings = deployed_with_sources(aws, bootstrap, make_settings, project)
    before = states(aws, settings)
    switched = park(aws, bootstrap, settings, lambda _: None)
    with (answering(aws, "scheduler", "GetSchedule", "AccessDeniedException", "not authorized: scheduler:GetSchedule"),
          pytest.raises(LivetuiError, match="cannot be switched on") as refused):
        resume(aws, bootstrap, settings, lambda _: None)
    assert "scheduler:GetSchedule" in refused.value.why
    left = sorted(source.id for source in parked(aws, bootstrap, settings))
    assert left
    assert len(left) < len(switched)
    assert resume(aws, bootstrap, settings, lambda _: None).on == left
    assert states(aws, settings) == before


def test_a_schedule_that_began_in_the_past_is_parked_and_one_that_ended_is_left_alone(
        aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings, project: Path) -> None:
    settings = deployed_with_sources(aws, bootstrap, make_settings, project)
    scheduler, now = aws.client("scheduler"), datetime.now(UTC)
    names = {item["Id"]: item["PhysicalResourceId"]
             for item in resources_of(aws, stack_name(settings.app, settings.stage))}
    schedule = {key: value for key, value in scheduler.get_schedule(Name=names["ConsumerLater"]).items()
                if key in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    # What AWS answers to a start in the past, which the local cloud takes.
    def late(params: dict[str, Any], **_: Any) -> None:
        for name, oldest in (("StartDate", now - timedelta(minutes=5)), ("EndDate", now)):
            if params.get(name) and params[name] < oldest:
                raise ClientError({"Error": {"Code": "ValidationException", "Message": f"The {name} is too early."}},
                                  "UpdateSchedule")

    began = (now - timedelta(days=3, minutes=20)).replace(microsecond=0)
    scheduler.update_schedule(**schedule, StartDate=began, EndDate=now + timedelta(days=3))
    scheduler.meta.events.register("provide-client-params.scheduler.UpdateSchedule", late, unique_id="late")
    try:
        assert "ConsumerLater" in park(aws, bootstrap, settings, lambda _: None)
        assert states(aws, settings)["ConsumerLater"] == "DISABLED"
        assert "ConsumerLater" in resume(aws, bootstrap, settings, lambda _: None).on
        back = scheduler.get_schedule(Name=names["ConsumerLater"])
        assert (back["State"], back["EndDate"].date()) == ("ENABLED", (now + timedelta(days=3)).date())
        assert back["StartDate"] == began + timedelta(days=3, hours=1), "its turns stay where they were"

        park(aws, bootstrap, settings, lambda _: None)
        scheduler.meta.events.unregister("provide-client-params.scheduler.UpdateSchedule", unique_id="late")
        scheduler.update_schedule(**schedule, State="DISABLED", EndDate=now - timedelta(seconds=1))
        scheduler.meta.events.register("provide-client-params.scheduler.UpdateSchedule", late, unique_id="late")
        ended = resume(aws, bootstrap, settings, lambda _: None)
        assert "ConsumerLater" not in [*ended.on, *ended.gone], "it ended while it was parked"
        assert parked(aws, bootstrap, settings) == []
    finally:
        scheduler.meta.events.unregister("provide-client-params.scheduler.UpdateSchedule", unique_id="late")
    scheduler.update_schedule(**schedule, EndDate=now - timedelta(days=1))
    assert "ConsumerLater" not in park(aws, bootstrap, settings, lambda _: None)
    resume(aws, bootstrap, settings, lambda _: None)


@pytest.mark.parametrize(("expression", "now", "turn"), [
    ("rate(1 hour)", "2026-03-02T10:20", "2026-03-02T11:00"), ("rate(7 days)", "2026-03-02T10:20", "2026-03-08T08:00"),
    ("rate(15 minutes)", "2026-03-01T08:30", "2026-03-01T08:30"), ("cron(0 8 * * ? *)", "2026-03-02T10:20", None),
    ("at(2026-04-01T08:00:00)", "2026-03-02T10:20", None)])
def test_the_next_turn_of_a_rate(expression: str, now: str, turn: str | None) -> None:
    moments = [moment and datetime.fromisoformat(moment).replace(tzinfo=UTC) for moment in
               ("2026-03-01T08:00", now, turn)]
    assert _next_turn(expression, moments[0], moments[1]) == moments[2]


def test_a_rule_for_all_of_cloudtrail_stays_on(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings,
                                               project: Path) -> None:
    settings = deployed_with_sources(aws, bootstrap, make_settings, project)
    rule = next(item["PhysicalResourceId"] for item in resources_of(aws, stack_name(settings.app, settings.stage))
                if item["Id"] == "ConsumerWasOn")
    every = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    aws.client("events").put_rule(Name=rule, EventPattern='{"source": ["aws.s3"]}', State=every)
    assert "ConsumerWasOn" not in park(aws, bootstrap, settings, lambda _: None)
    resume(aws, bootstrap, settings, lambda _: None)
    assert aws.client("events").describe_rule(Name=rule)["State"] == every


@contextlib.contextmanager
def answering(aws: Aws, service: str, operation: str, code: str, message: str) -> Iterator[list[str]]:
    """While it lasts, the cloud refuses one call; gives those that were refused."""
    client = aws.client(service)
    refused: list[str] = []

    def refuse(**_: Any) -> None:
        refused.append(operation)
        raise ClientError({"Error": {"Code": code, "Message": message}}, operation)

    client.meta.events.register(f"before-call.{service}.{operation}", refuse, unique_id="refuse")
    try:
        yield refused
    finally:
        client.meta.events.unregister(f"before-call.{service}.{operation}", unique_id="refuse")
