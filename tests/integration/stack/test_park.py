"""Parking switches off what was on, and resuming exactly that on again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from livetui.aws import Aws
from livetui.config import Settings
from livetui.errors import LivetuiError
from livetui.stack import template
from livetui.stack.apps import apps
from livetui.stack.bootstrap import Bootstrap
from livetui.stack.deployment import deploy_live, resources_of, stack_name
from livetui.stack.park import park, parked, resume
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


def states(aws: Aws, settings: Settings) -> dict[str, str]:
    found = {}
    for item in resources_of(aws, stack_name(settings.app, settings.stage)):
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
    path = project / "template.yaml"
    events = "      Events:\n        Queue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}\n"
    path.write_text(path.read_text().replace(events, SOURCES))
    settings = make_settings()
    live = deploy_live(template.load(settings), aws, bootstrap, settings, lambda _: None)
    before = states(aws, settings)
    assert sorted(before.values()) == ["DISABLED", *["ENABLED"] * 5]

    switched = park(aws, bootstrap, settings, lambda _: None)
    assert len(switched) == 5
    assert set(states(aws, settings).values()) == {"DISABLED"}
    assert sorted(source.id for source in parked(aws, bootstrap, settings)) == switched
    assert park(aws, bootstrap, settings, lambda _: None) == switched, "parking twice forgets nothing"

    assert resume(aws, bootstrap, settings, lambda _: None) == switched
    assert states(aws, settings) == before
    assert resume(aws, bootstrap, settings, lambda _: None) == []

    def dies(_: object) -> None:
        raise KeyboardInterrupt

    for work in (park, resume):  # both die after their first steps; what was on is known all the same
        with pytest.raises(KeyboardInterrupt):
            work(aws, bootstrap, settings, dies)
    assert resume(aws, bootstrap, settings, lambda _: None) == switched
    assert states(aws, settings) == before

    listed = eventually(lambda: next((item for item in apps(aws, bootstrap) if item.app == settings.app), None))
    assert (listed.stage, listed.status) == ("dev", "CREATE_COMPLETE")
    assert live.functions["Hello"].name in listed.functions
    assert listed.outputs == dict(live.outputs)


def test_without_a_live_stack_there_is_nothing_to_park(aws: Aws, bootstrap: Bootstrap,
                                                        make_settings: MakeSettings) -> None:
    with pytest.raises(LivetuiError, match="no live stack"):
        park(aws, bootstrap, make_settings(), lambda _: None)
