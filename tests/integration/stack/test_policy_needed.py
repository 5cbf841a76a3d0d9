"""What `livetui doctor --policy` prints is enough for a stage's whole life, and each of its statements is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from livetui.aws import Aws
from livetui.config import Settings
from livetui.link.credentials import fetch_keys
from livetui.link.presence import announce_gone
from livetui.stack import template
from livetui.stack.apps import apps
from livetui.stack.bootstrap import Bootstrap, ensure
from livetui.stack.deployment import deploy_live, environments, remove_live
from livetui.stack.park import park, resume
from livetui.stack.policy import Place, needed_policy, place_of, policy_for
from tests.integration.link.link_live import SEED, Live
from tests.integration.link.test_link_attacks import BROKEN, exercise
from tests.integration.stack.test_doctor import PLACE, somebody

MakeSettings = Callable[..., Settings]
Policy = dict[str, Any]


SOURCES = """\
        Rule: {Type: Schedule, Properties: {Schedule: rate(1 hour)}}
        Schedule: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour)}}
"""
LOCAL = {"Effect": "Allow", "Resource": ["*"],
         "Action": ["lambda:ListEventSourceMappings", "events:ListEventBuses", "events:ListRules"]}
"""What the local cloud needs besides: to look at an event source mapping is to list them there, and a rule does not name
its bus."""


def without(policy: Policy, sid: str) -> Policy:
    return {**policy, "Statement": [*(item for item in policy["Statement"] if item["Sid"] != sid), LOCAL]}


async def run_the_link(aws: Aws, sid: str = "") -> None:
    """All that a console's link does, and a replay with credentials from the stub; less one statement."""
    live = Live.new(aws)
    name = await asyncio.to_thread(live.deploy, "Orders")
    place = Place(aws.partition, aws.region, aws.account, live.bucket)
    user = somebody(aws, stage=without(needed_policy(live.app, live.stage, place, [name]), sid))
    try:
        with live.environment(s3_from=5_000) as environment:
            await exercise(live, user, environment)
        await asyncio.to_thread(fetch_keys, user, live.app, live.stage, "Orders", name, SEED)
    finally:
        aws.client("lambda").delete_function(FunctionName=name)


def live_and_remove(aws: Aws, bootstrap: Bootstrap, settings: Settings, sid: str = "") -> None:
    """A stage's life around its link; less one statement."""
    path = settings.root / "template.yaml"
    path.write_text(path.read_text().replace("      Events:\n", f"      Events:\n{SOURCES}", 1))
    user = somebody(aws, stage=without(policy_for(settings, place_of(aws)), sid))
    assert ensure(user, lambda _: None).bucket == bootstrap.bucket
    live = deploy_live(template.load(settings), user, bootstrap, settings, lambda _: None)
    environments(user, live.functions.values())
    announce_gone(user, live.app, live.stage, live.signing_key)
    apps(user, bootstrap)
    park(user, bootstrap, settings, lambda _: None)
    resume(user, bootstrap, settings, lambda _: None)
    assert remove_live(user, settings, lambda _: None, log_groups=True)


@pytest.fixture
def anothers_app(aws: Aws, bootstrap: Bootstrap) -> Iterator[None]:
    """The note of an application of somebody else."""
    note = {"Bucket": bootstrap.bucket, "Key": "apps/anothers/dev.json"}
    aws.client("s3").put_object(**note, Body=b'{"app": "anothers", "stage": "dev"}')
    yield
    aws.client("s3").delete_object(**note)


async def test_the_printed_policy_is_enough_for_the_link_and_a_replay(aws: Aws) -> None:
    await run_the_link(aws)


@pytest.mark.long
def test_the_printed_policy_is_enough_for_a_stage_with_every_source_that_is_parked(
        aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings, anothers_app: None) -> None:
    live_and_remove(aws, bootstrap, make_settings())


UNSEEN = {"Layers", "ParkMappings", "ParkSchedulesRoles", "Doctor"}
"""The local cloud does not ask for these, or livetui does not do there what needs them."""
SIDS = [item["Sid"] for item in needed_policy("shop", "dev", PLACE)["Statement"] if item["Sid"] not in UNSEEN]


@pytest.mark.long
@pytest.mark.parametrize("sid", SIDS)
async def test_no_statement_can_be_taken_from_the_printed_policy(
        aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings, anothers_app: None, sid: str) -> None:
    with pytest.raises(BROKEN):
        await asyncio.to_thread(live_and_remove, aws, bootstrap, make_settings(), sid)
        await run_the_link(aws, sid)
