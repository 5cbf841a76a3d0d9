"""Restart, kill, take-over and farewell over real MQTT."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pytest

from livetui.link.link import Link
from livetui.link.messages import Answer, Call, LinkConfig
from livetui.link.owner import LinkHeld, OwnerObject
from stub_runtime.presence import Presence, presence_frame
from stub_runtime.wire import Frame, Kind
from tests.integration.link.link_live import ROOT, SEED, Console, Live, console, echo
from tests.integration.link.mqtt_client import Client, client
from tests.integration.link.runtime_api import Environment, Result


async def invoke(environment: Environment, event: bytes = b"{}", seconds: float = 30.0) -> Result:
    return await asyncio.to_thread(environment.invoke, event, seconds)


@asynccontextmanager
async def child(live: Live, hold: bool, owner: str = "ada@laptop") -> AsyncIterator[asyncio.subprocess.Process]:
    """A console in another process, live."""
    settings = {"app": live.app, "stage": live.stage, "bucket": live.bucket, "seed": SEED.hex(), "owner": owner,
                "access": asdict(live.aws.access), "hold": hold, "port": live.port}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.link.console_child", json.dumps(settings), cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert (await process.stdout.readline()).startswith(b"live")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_killed_console_is_noticed_and_started_work_is_not_run_again(live: Live) -> None:
    with live.environment() as environment:
        async with child(live, hold=True) as process:
            waiting = asyncio.create_task(invoke(environment, b"1"))
            assert process.stdout is not None
            attempt = (await process.stdout.readline()).split()[1].decode()
            process.send_signal(signal.SIGKILL)
            await process.wait()
            killed = time.monotonic()
            async with console(live, echo, known=lambda a: "started" if a == attempt else "unknown") as here:
                result = await waiting
                assert time.monotonic() - killed < 10
                assert result.json["errorType"] == "LivetuiInterrupted"
                assert here.calls == []
                assert (await invoke(environment, b"2")).body == b"2"


async def test_work_that_never_started_runs_after_the_restart_without_a_redeployment(live: Live) -> None:
    with live.environment() as environment:
        async with child(live, hold=True) as process:
            waiting = asyncio.create_task(invoke(environment, b"1"))
            assert process.stdout is not None
            await process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            await process.wait()
        async with console(live, echo):
            assert (await waiting).body == b"1"


async def test_after_a_crash_a_second_checkout_runs_nothing_that_the_first_may_have_started(live: Live) -> None:
    with live.environment() as environment:
        async with child(live, hold=True) as process:
            waiting = asyncio.create_task(invoke(environment, b"1"))
            assert process.stdout is not None
            await process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            await process.wait()
        async with console(live, echo, history="two") as here:
            assert (await waiting).json["errorType"] == "LivetuiInterrupted"
            assert here.calls == []


async def test_a_call_that_was_sent_is_not_run_again_by_the_deployed_code(live: Live) -> None:
    """The console takes the call and is gone before a word of it: it may have run, so no policy may answer for it."""
    calls: list[Call] = []

    def vanish(call: Call) -> None:
        calls.append(call)
        here.link._the_machine()._open.clear()  # so that closing answers nobody

    with live.environment(offline="deployed", handler="benchmarks/fixtures/echo.handler") as environment:
        async with console(live, echo) as first:
            assert (await invoke(environment, b"1")).body == b"1"
            assert len(first.calls) == 1
        assert (await invoke(environment, b'"by the deployed code"')).json == "by the deployed code"
        async with console(live, vanish) as here:
            waiting = asyncio.create_task(invoke(environment, b"2"))
            await here.until(lambda: bool(here.calls))
        result = await waiting
    assert len(calls) == 1
    assert result.json["errorType"] == "LivetuiInterrupted"


@pytest.mark.long
async def test_a_killed_console_that_stays_dead_is_a_typed_error_within_ten_seconds(live: Live) -> None:
    with live.environment() as environment:
        async with child(live, hold=True) as process:
            waiting = asyncio.create_task(invoke(environment, b"1"))
            assert process.stdout is not None
            await process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            result = await waiting
    assert time.monotonic() - killed < 10.5
    assert result.json["errorType"] == "LivetuiInterrupted"


async def test_a_second_console_is_told_who_holds_the_stage(live: Live) -> None:
    async with console(live, echo, owner="ada@laptop") as first:
        with pytest.raises(LinkHeld) as caught:
            async with console(live, echo, owner="bob@desk"):
                pass
        assert caught.value.owner == "ada@laptop"
        assert caught.value.since == pytest.approx(time.time(), abs=30)
        assert first.link.state.phase == "live"


async def test_who_is_about_to_change_the_stage_is_told_who_holds_it(live: Live) -> None:
    def asking() -> Link:
        told = LinkConfig(live.app, live.stage, live.bucket, SEED, "bob@desk")
        return Link(told, live.aws, on_call=print, on_cancel=print, on_state=print)

    async with console(live, echo, owner="ada@laptop") as first:
        with pytest.raises(LinkHeld) as caught:
            await asking().ask()
        assert caught.value.owner == "ada@laptop"
        assert first.link.state.phase == "live"
    await asking().ask()
    put_owner(live, bobs())  # of one that died: nothing answers for it
    await asking().ask()


async def test_a_take_over_is_told_to_the_first_and_calls_go_to_the_second(live: Live) -> None:
    calls: list[Call] = []
    with live.environment() as environment:
        async with console(live, calls.append, owner="ada@laptop") as first:
            running = asyncio.create_task(invoke(environment, b"1"))
            await first.until(lambda: bool(calls))
            async with console(live, echo, owner="bob@desk", take_over=True) as second:
                await first.until(lambda: first.link.state.phase == "taken-over")
                assert "bob@desk" in first.link.state.detail
                assert first.cancelled == [calls[0].attempt]
                assert (await running).json["errorType"] == "LivetuiInterrupted"
                assert (await invoke(environment, b"2")).body == b"2"
                assert len(second.calls) == 1


async def test_a_closed_stage_is_free_and_its_epoch_grows(live: Live) -> None:
    owner = OwnerObject(live.aws, live.bucket, live.topics)
    epochs = []
    for _ in range(2):
        async with console(live, echo):
            held = await asyncio.to_thread(owner.read)
            assert not held.free
            epochs.append(held.epoch)
    assert (await asyncio.to_thread(owner.read)).free
    assert epochs[1] > epochs[0]


async def test_callers_of_a_console_that_closes_get_a_typed_error(live: Live) -> None:
    calls: list[Call] = []
    with live.environment() as environment:
        async with console(live, calls.append) as here:
            waiting = asyncio.create_task(invoke(environment))
            await here.until(lambda: bool(calls))
        assert (await waiting).json["errorType"] == "LivetuiInterrupted"


async def test_a_console_that_loses_its_connection_comes_back_and_answers(live: Live) -> None:
    calls: list[Call] = []
    with live.environment() as environment:
        async with console(live, calls.append) as here:
            waiting = asyncio.create_task(invoke(environment))
            await here.until(lambda: bool(calls))
            await asyncio.to_thread(live.kick_client, here.link.topics.console_client(here.link.session, 0, 1))
            await here.until(lambda: here.link.state.phase == "offline")
            await here.until(lambda: here.link.state.phase == "live")
            here.link.answer(calls[0].attempt, Answer(b'"back"'))
            assert (await waiting).json == "back"


BOB = Presence(False, "b" * 16, 1_000, 0.0, "bob@desk")
"""A session after ada's, which is dead."""


def put_owner(live: Live, body: bytes) -> None:
    """Replace the owner object of the stage."""
    live.aws.client("s3").put_object(Bucket=live.bucket, Key=live.topics.owner, Body=body)


def bobs() -> bytes:
    """The owner object after BOB has taken the stage."""
    return json.dumps({"owner": BOB.owner, "session": BOB.session, "epoch": BOB.epoch, "since": 0.0,
                       "free": False}).encode()


async def leave_will(live: Live, other: Client) -> None:
    """BOB's last will takes the place of the living console's presence."""
    will = presence_frame(BOB, live.topics.root, SEED).encode()
    await asyncio.to_thread(other.publish(live.topics.presence, will, retain=True).result, 5)


async def announced(live: Live, other: Client) -> None:
    """Wait until presence says that a console is there."""
    other.subscribe(live.topics.presence)
    while Frame.decode((await asyncio.to_thread(other.heard.get, True, 10)).payload).kind is not Kind.LIVE:
        pass


def count_looks(here: Console, then: Callable[[], None] = lambda: None) -> list[None]:
    """Grows with each look that the console has taken at the owner object; `then` is called after each."""
    looks: list[None] = []

    def looked(**_: Any) -> None:
        looks.append(None)
        then()

    assert here.link._owner is not None
    here.link._owner._s3.meta.events.register("after-call.s3.GetObject", looked)
    return looks


async def test_the_last_will_of_a_console_that_never_owned_the_stage_is_answered_by_its_owner(live: Live) -> None:
    with client(live.aws, f"other-{live.app}") as other:
        async with console(live, echo) as here:
            await leave_will(live, other)
            await announced(live, other)
            with live.environment() as cold:
                assert (await invoke(cold, b"1")).body == b"1"
            assert here.link.state.phase == "live"


async def test_the_last_will_of_the_next_owner_ends_the_one_before_it(live: Live) -> None:
    with client(live.aws, f"other-{live.app}") as other:
        async with console(live, echo) as here:
            put_owner(live, bobs())
            await leave_will(live, other)
            await here.until(lambda: here.link.state.phase == "taken-over")
            assert BOB.owner in here.link.state.detail


async def test_an_owner_whom_s3_does_not_answer_keeps_the_stage(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livetui.link.owner.ASK_AGAIN_S", (0.0, 0.0))
    with client(live.aws, f"other-{live.app}") as other:
        async with console(live, echo) as here:
            looks = count_looks(here)
            put_owner(live, b"damaged")
            await leave_will(live, other)
            await announced(live, other)
            assert len(looks) == 2
            assert here.link.state.phase == "live"


async def test_an_owner_whose_object_was_deleted_keeps_the_stage(live: Live) -> None:
    with client(live.aws, f"other-{live.app}") as other:
        async with console(live, echo) as here:
            live.aws.client("s3").delete_object(Bucket=live.bucket, Key=live.topics.owner)
            await leave_will(live, other)
            await announced(live, other)
            assert here.link.state.phase == "live"


async def test_an_owner_whom_s3_answers_late_still_hears_that_it_lost(live: Live,
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livetui.link.owner.ASK_AGAIN_S", (0.0, 0.0))
    with client(live.aws, f"other-{live.app}") as other:
        async with console(live, echo) as here:
            count_looks(here, lambda: put_owner(live, bobs()))
            put_owner(live, b"damaged")
            await leave_will(live, other)
            await here.until(lambda: here.link.state.phase == "taken-over")


class Clocks:
    """The wall clock and the loop's, as a link reads them; either can be moved by `after` seconds.

    `until_read` waits until housekeeping has looked at the wall clock again.
    """

    def __init__(self, link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = self.loop = 0.0
        self._reads: asyncio.Queue[None] = asyncio.Queue()
        now = link._now
        monkeypatch.setattr(link, "_now", lambda: now() + self.loop)
        monkeypatch.setattr("livetui.link.link.time", SimpleNamespace(**{**vars(time), "time": self._time}))

    def _time(self) -> float:
        self._reads.put_nowait(None)
        return time.time() + self.wall

    async def until_read(self) -> None:
        for _ in range(self._reads.qsize() + 1):
            await self._reads.get()


async def test_a_call_past_its_deadline_is_dropped_after_sleep_and_not_after_a_clock_was_set_back(
        live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with live.environment() as environment:
        async with console(live, lambda call: None) as here:
            clocks = Clocks(here.link, monkeypatch)
            waiting = asyncio.create_task(invoke(environment))
            await here.until(lambda: bool(here.calls))
            clocks.wall = -3600.0
            await clocks.until_read()
            assert here.cancelled == []
            clocks.wall = 0.0  # an hour passes that the loop's clock does not have
            await here.until(lambda: here.cancelled == [here.calls[0].attempt], 5)
    await waiting


async def test_a_call_past_its_deadline_is_dropped_after_sleep_that_the_loops_clock_counts(
        live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with live.environment() as environment:
        async with console(live, lambda call: None) as here:
            waiting = asyncio.create_task(invoke(environment, seconds=15.0))
            await here.until(lambda: bool(here.calls))
            clocks = Clocks(here.link, monkeypatch)
            clocks.wall = clocks.loop = 3600.0
            await here.until(lambda: here.cancelled == [here.calls[0].attempt], 5)
    await waiting
