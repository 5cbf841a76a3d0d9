"""Attackers with rights on the broker, and roles that try more than they may. Real MQTT under AUTH=true."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import queue
import random
from typing import Any

import boto3
import pytest
from awscrt.exceptions import AwsCrtError
from botocore.exceptions import ClientError

from livetui.aws import Aws
from livetui.errors import LivetuiError
from livetui.link.credentials import fetch_keys
from livetui.link.messages import Answer
from livetui.link.owner import LinkHeld, OwnerObject
from livetui.link.presence import announce_gone
from stub_runtime.mqtt import Received
from stub_runtime.presence import Presence, presence_frame, read_presence
from stub_runtime.sealing import SessionKey, StubKey, verify_key_of
from stub_runtime.topics import MAX_CONNECTIONS, Topics, console_policy, stub_policy
from stub_runtime.wire import Frame, Kind, pack, split
from tests.integration.link.link_live import SEED, Live, console, echo
from tests.integration.link.mqtt_client import client
from tests.integration.link.runtime_api import Environment, Result


async def invoke(environment: Environment, event: bytes = b"{}", seconds: float = 20.0) -> Result:
    return await asyncio.to_thread(environment.invoke, event, seconds)


def everything(received: list[Received]) -> bytes:
    return b"".join(r.topic.encode() + b"\n" + r.payload for r in received)


async def test_an_administrator_who_hears_every_topic_finds_neither_event_nor_secret(live: Live) -> None:
    secret = b"4111-1111-1111-1111"
    with client(live.aws, f"admin-{live.app}") as admin, live.environment() as environment:
        admin.subscribe("#")
        async with console(live, lambda call: Answer(b'"answered ' + call.event[1:])) as here:
            result = await invoke(environment, b'"' + secret + b'"')
            await invoke(environment, b'"' + secret * 20_000 + b'"')
            keys = here.calls[0].keys
        heard = everything(admin.drain())
    assert b"answered " + secret in result.body
    assert keys is not None
    assert keys.session_token is not None
    assert here.link.topics.root.encode() in heard
    for hidden in (secret, b"answered", keys.secret_access_key.encode(), keys.session_token.encode(),
                   keys.access_key_id.encode()):
        assert hidden not in heard
        assert base64.b64encode(hidden)[:-4] not in heard


async def test_forged_and_replayed_presence_get_no_calls(live: Live) -> None:
    topics = live.topics
    thief = SessionKey()
    forged = presence_frame(Presence(True, "e" * 16, 999, 0, "mallory@evil", thief.public), topics.root, b"m" * 32)
    with client(live.aws, f"mallory-{live.app}") as mallory, live.environment() as environment:
        mallory.subscribe(topics.presence)
        async with console(live, echo):
            pass
        replayed = next(r.payload for r in mallory.drain() if Frame.decode(r.payload).kind is Kind.LIVE)
        mallory.subscribe(topics.console(0))
        async with console(live, echo) as here:
            for payload in (forged.encode(), replayed, b"", b"garbage"):
                mallory.publish(topics.presence, payload, retain=True).result(5)
                assert (await invoke(environment, b'"x"')).body == b'"x"'
            assert len(here.calls) == 4
        sealed = [r.payload for r in mallory.drain() if r.topic == topics.console(0)]
    calls = [f for f in map(Frame.decode, sealed) if f.kind is Kind.INVOKE]
    assert calls
    assert not any(thief.is_mine(frame.payload) for frame in calls)


async def test_a_stub_with_another_key_believes_nobody(live: Live) -> None:
    other = base64.b64encode(verify_key_of(b"o" * 32)).decode()
    with live.environment(verify_key=other) as environment:
        async with console(live, echo) as here:
            result = await invoke(environment)
            assert here.calls == []
    assert result.json["errorType"] == "LivetuiOffline"


async def test_hostile_frames_reach_neither_handler_nor_memory(live: Live) -> None:
    topics = live.topics
    reply = topics.stub("Orders", "abcdef")
    with client(live.aws, f"mallory-{live.app}") as mallory, live.environment() as environment:
        async with console(live, echo) as here:
            mallory.subscribe(topics.presence)
            live_frame = (await asyncio.to_thread(mallory.heard.get, True, 5)).payload
            presence = read_presence(Frame.decode(live_frame), topics.root, verify_key_of(SEED))
            assert presence is not None
            head = {"attempt": "a" * 32, "function": "Other", "environment": "abcdef", "remaining": 1e4, "sent": 1}
            frames = [bytes(127 * 1024), b"\x01", Frame(Kind.INVOKE, "a" * 32, b"half", 0, 60, 1).encode()]
            stub = StubKey()
            for body in (head, {**head, "function": "Orders", "remaining": "x"}, {**head, "s3": "owners/x", "size": 1}):
                frames += [f.encode() for f in split(Kind.INVOKE, "a" * 32, stub.seal(presence.key, pack(body)))]
            for frame in frames * 20:
                mallory.mqtt.publish(topics.console(0), frame, reply_to=reply)
            assert (await invoke(environment, b"7")).body == b"7"
            assert [call.event for call in here.calls] == [b"7"]


async def test_answers_go_to_stubs_of_this_stage_only(live: Live) -> None:
    with client(live.aws, f"mallory-{live.app}") as mallory:
        mallory.subscribe("somewhere/else")
        async with console(live, echo):
            for reply_to in ("somewhere/else", live.topics.presence, Topics("other", "dev").stub("F", "ab")):
                mallory.mqtt.publish(live.topics.console(0), Frame(Kind.ASK, "b" * 32).encode(), reply_to=reply_to)
            mallory.subscribe(live.topics.stub("F", "ab"))
            mallory.mqtt.publish(live.topics.console(0), Frame(Kind.ASK, "b" * 32).encode(),
                                 reply_to=live.topics.stub("F", "ab"))
            answered = await asyncio.to_thread(mallory.heard.get, True, 5)
    assert answered.topic == live.topics.stub("F", "ab")
    assert mallory.drain() == []


async def test_replay_credentials_come_from_the_stub_and_only_for_the_signing_key(live: Live) -> None:
    name = await asyncio.to_thread(live.deploy, "Orders")
    keys = await asyncio.to_thread(fetch_keys, live.aws, live.app, live.stage, "Orders", name, SEED)
    access = live.aws.access
    sts = boto3.client("sts", region_name=access.region, endpoint_url=access.endpoint_url, verify=access.ca_bundle,
                       aws_access_key_id=keys.access_key_id, aws_secret_access_key=keys.secret_access_key,
                       aws_session_token=keys.session_token)
    assert f"assumed-role/{name}" in (await asyncio.to_thread(sts.get_caller_identity))["Arn"]
    with pytest.raises(LivetuiError):
        await asyncio.to_thread(fetch_keys, live.aws, live.app, live.stage, "Orders", name, b"x" * 32)


# -- least privilege ---------------------------------------------------------------------------------------------


def stub_keys(live: Live) -> dict[str, str]:
    return live.stub_role("Orders")


@pytest.mark.parametrize("topic", ["presence", "stubs", "stub/Orders/ab", "stub/Other/ab", "console/9"])
def test_a_stubs_role_cannot_publish(live: Live, topic: str) -> None:
    with client(live.aws, live.topics.stub_client("Orders", "ab"), stub_keys(live)) as stub:
        assert stub.up
        stub.publish(f"{live.topics.root}/{topic}", b"x")
        up, why = stub.dropped()
    assert not up
    assert "NOT_AUTHORIZED" in why


def test_a_stubs_role_cannot_publish_to_another_app(live: Live) -> None:
    with client(live.aws, live.topics.stub_client("Orders", "ab"), stub_keys(live)) as stub:
        stub.publish(Topics("other", live.stage).console(0), b"x")
        assert not stub.dropped()[0]


@pytest.mark.parametrize("topic", ["#", "console/0", "stub/Other/+", "stub/+/+", "../other"])
def test_a_stubs_role_cannot_listen_elsewhere(live: Live, topic: str) -> None:
    name = topic if topic == "#" else f"livetui/other/dev/{topic[3:]}" if topic.startswith("..") \
        else f"{live.topics.root}/{topic}"
    with client(live.aws, live.topics.stub_client("Orders", "ab"), stub_keys(live)) as stub:
        assert stub.subscribe(live.topics.presence) < 128
        try:
            assert stub.subscribe(name) >= 128
        except Exception as error:  # noqa: BLE001  (the broker may end the connection instead)
            assert "AWS_ERROR_MQTT5" in str(error)


@pytest.mark.parametrize("other", ["console", "stub.Other", "app"])
def test_a_stubs_role_cannot_take_anothers_client_id(live: Live, other: str) -> None:
    topics = live.topics if other != "app" else Topics("other", "dev")
    name = {"console": topics.console_client("a" * 16, 0), "stub.Other": topics.stub_client("Other", "ab"),
            "app": topics.stub_client("Orders", "ab")}[other]
    with client(live.aws, name, stub_keys(live)) as stub:
        assert not stub.up
        assert "NOT_AUTHORIZED" in stub.why


def test_a_stubs_role_reaches_only_its_own_payloads(live: Live) -> None:
    access, keys = live.aws.access, stub_keys(live)
    s3 = boto3.client("s3", region_name=access.region, endpoint_url=access.endpoint_url, verify=access.ca_bundle,
                      aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
                      aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"], aws_session_token=keys["AWS_SESSION_TOKEN"])
    s3.put_object(Bucket=live.bucket, Key=live.topics.payloads("Orders") + "x", Body=b"1")
    for key in (live.topics.payloads("Other") + "x", live.topics.owner, Topics("other", "dev").payloads("Orders")):
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.put_object(Bucket=live.bucket, Key=key, Body=b"1")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.list_objects_v2(Bucket=live.bucket)


def limited(live: Live, policy: dict[str, Any]) -> Aws:
    """The local cloud as a role with this policy sees it."""
    keys = live.role(policy)

    class Limited(Aws):
        def __init__(self) -> None:
            super().__init__(live.aws.access)
            self.session = boto3.Session(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"],
                                         keys["AWS_SESSION_TOKEN"], live.aws.region)

    return Limited()


async def holder(live: Live) -> str:
    """Who holds the stage, as a second console is told."""
    try:
        async with console(live, echo, owner="bob@desk"):
            return ""
    except LinkHeld as held:
        return held.owner


async def exercise(live: Live, aws: Aws, environment: Environment) -> None:
    """All that the console's link does: own, listen on every connection, lease, answer, large both ways, give back."""
    here_live = Live(aws, live.app, live.stage, live.bucket)
    topics = live.topics
    big = b'"' + random.Random(2).randbytes(10_000).hex().encode() + b'"'
    with client(live.aws, f"other-{live.app}") as other:
        async with console(here_live, lambda call: None, s3_from=5_000, connections=MAX_CONNECTIONS) as here:
            waiting = asyncio.create_task(invoke(environment, big, 6.0))
            await here.until(lambda: bool(here.calls), 4)
            await here.until(lambda: here.link.state.round_trip_ms is not None, 4)
            other.subscribe(topics.stub("Probe", "ab"))
            for number in range(MAX_CONNECTIONS):
                other.mqtt.publish(topics.console(number), Frame(Kind.ASK, "b" * 32).encode(),
                                   reply_to=topics.stub("Probe", "ab"))
                await asyncio.to_thread(other.heard.get, True, 2)
            assert await holder(here_live) == "ada@laptop"
            other.subscribe(topics.presence)
            await asyncio.to_thread(other.heard.get, True, 2)
            other.publish(topics.presence, b"forged", retain=True)
            await asyncio.to_thread(other.heard.get, True, 2)
            assert (await asyncio.to_thread(other.heard.get, True, 2)).payload != b"forged"
            large = Answer(b'"' + random.Random(1).randbytes(40_000).hex().encode() + b'"')
            assert here.link.answer(here.calls[0].attempt, large)
            result = await waiting
            assert result.kind == "response", result.body
    left = live.aws.client("s3").list_objects_v2(Bucket=live.bucket, Prefix="payloads/").get("Contents", [])
    assert left == [], "an object was left behind"
    assert (await asyncio.to_thread(OwnerObject(live.aws, live.bucket, topics).read)).free
    with client(live.aws, f"after-{live.app}") as other:
        other.subscribe(topics.presence)
        farewell = await asyncio.to_thread(other.heard.get, True, 2)
        assert Frame.decode(farewell.payload).kind is Kind.GONE


def whole_policy(live: Live) -> dict[str, Any]:
    """The console's, as it is documented."""
    return console_policy(live.aws.partition, live.aws.region, live.aws.account, live.topics, live.bucket)


async def test_the_consoles_documented_policy_is_enough(live: Live) -> None:
    with live.environment(s3_from=5_000) as environment:
        await exercise(live, limited(live, whole_policy(live)), environment)


def parts(policy: dict[str, Any]) -> list[tuple[int, str, int]]:
    """Every single action and resource of a policy."""
    return [(at, part, index) for at, statement in enumerate(policy["Statement"])
            for part in ("Action", "Resource") for index in range(len(statement[part]))]


def without(policy: dict[str, Any], at: int, part: str, index: int) -> dict[str, Any]:
    """A copy of the policy, less that one."""
    less = copy.deepcopy(policy)
    statement = less["Statement"][at]
    del statement[part][index]
    if not statement[part]:
        del less["Statement"][at]
    return less


BROKEN = (LivetuiError, AssertionError, TimeoutError, queue.Empty, ClientError, AwsCrtError)


@pytest.mark.long
@pytest.mark.parametrize(("at", "part", "index"), parts(console_policy("aws", "r", "1", Topics("a", "b"), "x")))
async def test_nothing_can_be_taken_from_the_consoles_policy(live: Live, at: int, part: str, index: int) -> None:
    with live.environment(s3_from=5_000) as environment, pytest.raises(BROKEN):
        await exercise(live, limited(live, without(whole_policy(live), at, part, index)), environment)
    other = Live.new(live.aws, live.port)
    with other.environment(s3_from=5_000) as environment:  # else it might have been the machine
        await exercise(other, limited(other, whole_policy(other)), environment)


async def exercise_stub(live: Live, keys: dict[str, str]) -> None:
    """All that a stub does with its role: hear presence, leases and answers, call on every connection, large both ways."""
    topics = live.topics
    me = topics.stub("Orders", "ab")
    big = b'"' + random.Random(2).randbytes(40_000).hex().encode() + b'"'
    async with console(live, echo, s3_from=5_000, connections=MAX_CONNECTIONS):
        with client(live.aws, topics.stub_client("Orders", "ab"), keys) as stub, \
                client(live.aws, f"other-{live.app}") as other:

            async def hears(kind: Kind) -> None:
                assert Frame.decode((await asyncio.to_thread(stub.heard.get, True, 2)).payload).kind is kind

            assert stub.up
            for topic in (me, topics.stubs, topics.presence):
                assert stub.subscribe(topic) < 128
            await hears(Kind.LIVE)
            for number in range(MAX_CONNECTIONS):
                stub.mqtt.publish(topics.console(number), Frame(Kind.PING, "b" * 32).encode(), reply_to=me)
                await hears(Kind.PONG)
            other.publish(topics.console(0), Frame(Kind.PING, "0" * 32, b"another").encode())
            await hears(Kind.LEASE)
        with live.environment(s3_from=5_000, extra=keys) as environment:
            result = await invoke(environment, big, 6.0)
            assert result.body == big, result.body[:300]
    left = live.aws.client("s3").list_objects_v2(Bucket=live.bucket, Prefix="payloads/").get("Contents", [])
    assert left == [], "an object was left behind"


async def test_a_stubs_policy_is_enough(live: Live) -> None:
    await exercise_stub(live, stub_keys(live))


@pytest.mark.long
@pytest.mark.parametrize(("at", "part", "index"), parts(stub_policy("aws", "r", "1", Topics("a", "b"), "Orders", "x")))
async def test_nothing_can_be_taken_from_a_stubs_policy(live: Live, at: int, part: str, index: int) -> None:
    policy = stub_policy(live.aws.partition, live.aws.region, live.aws.account, live.topics, "Orders", live.bucket)
    with pytest.raises(BROKEN):
        await exercise_stub(live, live.role(without(policy, at, part, index)))
    other = Live.new(live.aws, live.port)
    await exercise_stub(other, stub_keys(other))  # else it might have been the machine


def test_announcing_gone_leaves_a_live_console_alone(live: Live) -> None:
    announce_gone(live.aws, live.app, live.stage, SEED)
    with client(live.aws, f"look-{live.app}") as look:
        look.subscribe(live.topics.presence)
        first = look.heard.get(timeout=5).payload
        assert Frame.decode(first).kind is Kind.GONE
        announce_gone(live.aws, live.app, live.stage, SEED)
        look.subscribe(live.topics.presence)
        assert look.heard.get(timeout=5).payload == first


def test_policies_are_json_of_a_sane_size(live: Live) -> None:
    text = json.dumps(stub_policy("aws", "eu-west-1", "1" * 12, live.topics, "Orders", live.bucket))
    assert len(text) < 6144
