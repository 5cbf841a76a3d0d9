"""What goes wrong with one call stays with that call: hostile heads, set clocks, objects that cannot be deleted."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from livetui.link.link import Link
from livetui.link.machine import ConsoleMachine, Deliver, Dropped
from livetui.link.messages import Call, LinkConfig
from livetui.link.outgoing import Outgoing
from livetui.link.payloads import PayloadError
from livetui.link.timing import Legs
from stub_runtime.actions import Fetch, Publish
from stub_runtime.presence import Presence, presence_frame
from stub_runtime.sealing import StubKey
from stub_runtime.wire import Frame, Kind, pack, split
from tests.unit.link.world import S3_FROM, SEED, TOPICS, SimConsole, SimStub, World

ATTEMPT = "a" * 32
REPLY_TO = TOPICS.stub("Orders", "ab")
HEAD = {"attempt": ATTEMPT, "function": "Orders", "environment": "ab", "remaining": 60_000, "sent": 1.0}


def invoked(machine: ConsoleMachine, head: dict[str, Any], now: float = 1000.0) -> list[Any]:
    [frame] = split(Kind.INVOKE, ATTEMPT, StubKey().seal(machine.key.public, pack(head, b"{}")))
    return machine.received(0, TOPICS.console(0), frame.encode(), REPLY_TO, now)


@pytest.fixture
def world() -> World:
    return World(random.Random(1))


@pytest.fixture
def machine(world: World) -> ConsoleMachine:
    return SimConsole(world, "ada@laptop").machine


POINTER = {**HEAD, "s3": f"payloads/shop/ada/Orders/{ATTEMPT}-event-0", "size": 10}


@pytest.mark.parametrize("head", [
    {**HEAD, "function": "\ud800"}, {**HEAD, "remaining": "soon"},
    *({name: value for name, value in POINTER.items() if name != missing} for missing in ("sent", "remaining", "size")),
])
def test_a_hostile_head_has_no_effect(machine: ConsoleMachine, head: dict[str, Any]) -> None:
    assert invoked(machine, head) == []
    assert machine.unanswered == []


def test_a_call_that_runs_is_not_failed_by_its_object(machine: ConsoleMachine) -> None:
    [fetch] = invoked(machine, POINTER)
    assert isinstance(fetch, Fetch)
    [deliver] = machine.fetched(ATTEMPT, HEAD, b"{}", 1000.0)
    assert isinstance(deliver, Deliver)
    assert machine.not_fetched(ATTEMPT, "denied") == []


def test_sleep_drops_only_what_has_not_started(world: World) -> None:
    console = SimConsole(world, "ada@laptop", quick=False)
    [deliver] = invoked(console.machine, HEAD, world.now)
    console.store[deliver.call.attempt] = "started"
    assert console.machine.slept(3600, world.now) == []
    console.store.clear()
    assert console.machine.slept(0, world.now) == [Dropped(ATTEMPT)]


def test_a_clock_that_was_set_is_no_way_that_calls_went() -> None:
    legs = Legs()
    legs.inbound_ms("ab", 0, 1_000, 40)
    assert legs.inbound_ms("ab", 1_000, 2_500, 40) == 520
    assert legs.inbound_ms("ab", 2_000, 3_603_000, 40) == 20
    assert legs.inbound_ms("ab", 3_000, 3_604_100, 40) == 120


def test_a_refusal_that_nests_too_deeply_is_ignored(world: World) -> None:
    SimConsole(world, "ada@laptop", quick=False)
    stub = SimStub(world, 1)
    attempt = stub.invoke(10)
    world.run(1)
    assert stub.machine.received(Frame(Kind.REFUSE, attempt, b"[" * 4096).encode(), world.now) == []
    assert stub.busy


def test_why_there_is_no_connection_is_told(world: World) -> None:
    stub = SimStub(world, 1)
    stub.connection = 1  # made, and never up
    attempt = stub.invoke(10)
    stub.carry_out(stub.machine.disconnected(world.now, "no such host"))
    world.run(60)
    assert "no such host" in world.finished[attempt].reason


def no_way(stub: SimStub, detail: str, after: float) -> None:
    """From now on each connection that the stub makes fails `after` seconds later."""
    def connect() -> None:
        stub.connection += 1
        stub.subscriptions = set()
        stub.world.at(stub.world.now + after, lambda: stub.carry_out(stub.machine.disconnected(stub.world.now, detail)))

    stub.connect = connect  # type: ignore[method-assign]


@pytest.mark.parametrize("after", [0.1, 2.5, 5.0])
def test_a_warm_stub_that_loses_its_network_says_so_within_seconds(world: World, after: float) -> None:
    SimConsole(world, "ada@laptop")
    stub = SimStub(world, 1)
    stub.invoke(10)
    world.run(5)
    no_way(stub, "no such host", after)
    stub.cut()
    world.run(30)
    attempt = stub.invoke(10, 900.0)
    began = world.now
    while stub.busy:
        world.run(1)
    assert world.now - began < 15
    assert world.finished[attempt].failure == "LivetuiUnreachable"
    assert "no such host" in world.finished[attempt].reason


def test_a_stub_that_was_refused_asks_again_with_its_next_call(world: World) -> None:
    SimConsole(world, "ada@laptop")
    stub = SimStub(world, 1)
    refused = True

    def connect() -> None:
        if refused:
            stub.connection += 1
            world.at(world.now + 0.2, lambda: stub.carry_out(stub.machine.denied("iot:Subscribe on it", world.now)))
        else:
            SimStub.connect(stub)

    stub.connect = connect  # type: ignore[method-assign]
    stub.connect()  # INIT
    world.run(5)
    first = stub.invoke(10)
    world.run(5)
    assert "iot:Subscribe on it" in world.finished[first].reason
    refused = False
    second = stub.invoke(10)
    world.run(5)
    assert not world.finished[second].failure


def test_a_recorded_lease_is_no_sign_of_life(world: World) -> None:
    console = SimConsole(world, "ada@laptop", quick=False)
    stub = SimStub(world, 1)
    attempt = stub.invoke(10, 900.0)
    world.run(5)
    recorded = [console.machine.lease(world.now) for _ in range(2)]
    for lease in recorded:
        world.publish(lease)
    world.run(1)
    console.crash(will_after=1000.0)
    began = world.now
    for number in range(60):
        world.at(world.now + number, lambda number=number: world.publish(recorded[number % 2]))
    while stub.busy:
        world.run(1)
    assert world.now - began < 15
    assert world.finished[attempt].failure == "LivetuiInterrupted"


def test_the_will_of_a_console_that_never_owned_the_stage_takes_nothing_from_its_owner(world: World) -> None:
    console = SimConsole(world, "ada@laptop")
    will = Presence(False, "f" * 16, world.epoch + 1, world.now, "bob@desk")
    world.publish(Publish(TOPICS.presence, presence_frame(will, TOPICS.root, SEED).encode(), retain=True))
    world.subscribe_presence(stub := SimStub(world, 1))
    world.run(5)
    assert not console.machine.taken_over
    attempt = stub.invoke(10)
    world.run(5)
    assert not world.finished[attempt].failure


def test_an_event_that_is_being_fetched_at_a_take_over_does_not_start(world: World) -> None:
    console = SimConsole(world, "ada@laptop", slow_bucket=5.0)
    stub = SimStub(world, 1)
    attempt = stub.invoke(S3_FROM)
    world.run(2)
    SimConsole(world, "bob@desk", inherits=False)
    world.run(60)
    assert attempt not in world.executed
    assert console.dropped == [attempt]


@pytest.mark.parametrize("stubs", [10, 50])
def test_answers_that_wait_for_the_quota_are_sent_once_and_all_arrive(world: World, stubs: int) -> None:
    console = SimConsole(world, "ada@laptop", outgoing=Outgoing())
    sent = [0]
    publish = world.publish

    def counted(message: Publish, sure: bool = False) -> None:
        sent[0] += len(message.payload)
        publish(message, sure)

    attempts = [SimStub(world, number + 1).invoke(100_000) for number in range(stubs)]
    world.publish = counted  # type: ignore[method-assign]
    world.run(60)
    assert [world.finished[attempt].failure for attempt in attempts] == [""] * stubs
    assert console.outgoing is not None and len(console.outgoing) == 0
    assert sent[0] < 2.5 * stubs * 100_000  # there and back


class Undeletable:
    """A bucket whose policy allows everything but deletions."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def get(self, key: str) -> bytes:
        return self.content

    def delete(self, key: str) -> None:
        raise PayloadError(f"AccessDenied: {key}")


@pytest.mark.parametrize("fits", [True, False])
async def test_one_object_fails_neither_its_call_nor_the_link(fits: bool) -> None:
    calls: list[Call] = []
    link = Link(LinkConfig("shop", "ada", "", SEED, "ada@laptop"), None, calls.append, lambda attempt: None,  # type: ignore[arg-type]
                lambda state: None)
    machine = link._machine = SimConsole(World(random.Random(1)), "ada@laptop").machine
    told: list[str] = []
    link._respond = lambda attempt, answer, why: told.append(why) or True  # type: ignore[assignment,func-returns-value]
    [fetch] = invoked(machine, POINTER, asyncio.get_running_loop().time())
    head = HEAD if fits else {**HEAD, "function": "\ud800"}
    content = StubKey().seal(machine.key.public, pack(head, b"{}"))
    link._bucket = Undeletable(content)  # type: ignore[assignment]
    await link._fetch(fetch)
    assert ([call.event for call in calls], told) == (([b"{}"], []) if fits else ([], ["LivetuiPayload"]))
    await link.close()
