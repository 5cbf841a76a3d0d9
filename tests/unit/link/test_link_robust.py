"""What goes wrong with one call stays with that call: hostile heads, set clocks, objects that cannot be deleted."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from livetui.link.link import Link
from livetui.link.machine import ConsoleMachine, Deliver, Dropped
from livetui.link.messages import Call, LinkConfig
from livetui.link.payloads import PayloadError
from livetui.link.timing import Legs
from stub_runtime.actions import Fetch
from stub_runtime.sealing import StubKey
from stub_runtime.wire import Frame, Kind, pack, split
from tests.unit.link.world import SEED, TOPICS, SimConsole, SimStub, World

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
