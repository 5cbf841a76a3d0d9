"""What a row says of its answer: that it was given, and that it did not reach its caller."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from livetui.aws import Keys
from livetui.link.messages import Answer, Call
from livetui.runtime.contract import Outcome, Work
from livetui.session.dispatch import Dispatcher
from livetui.session.events import InvocationChanged, InvocationFinished, LogLines, Notice, SessionEvent
from livetui.session.hub import Hub
from livetui.session.outputs import row_line
from livetui.session.store import Store


class Pool:
    """A handler that answers at once."""

    body = b'{"statusCode": 200}'

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher

    async def invoke(self, function_id: str, work: Work) -> Outcome:
        self.dispatcher.work_started(work.id, 1)
        return Outcome("ok", self.body, handler_ms=1.0)

    def cancel(self, work_id: str) -> bool:
        return False


class Link:
    """Takes every answer."""

    def answer(self, attempt: str, answer: Answer) -> bool:
        return True


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "h.sqlite")
    yield opened
    opened.close()


def call(attempt: str, received: float) -> Call:
    event = json.dumps({"requestContext": {"http": {"method": "GET"}}, "rawPath": "/"}).encode()
    return Call(attempt=attempt, function="F", environment="e", event=event, context={}, keys=None, deadline=time.monotonic() + 60,
                received=received, inbound_ms=1.0)


async def served(store: Store, asked: Call) -> tuple[Dispatcher, list[SessionEvent]]:
    hub = Hub()
    heard: list[SessionEvent] = []
    finished = asyncio.Event()

    def listen(event: SessionEvent) -> None:
        heard.append(event)
        if isinstance(event, InvocationFinished):
            finished.set()

    hub.subscribe(listen)
    dispatcher = Dispatcher(store, hub, lambda function: pytest.fail("no replay"))
    dispatcher.connect(Pool(dispatcher), Link())
    dispatcher.call(asked)
    await finished.wait()
    return dispatcher, heard


async def test_an_answer_that_did_not_reach_its_caller_is_late(store: Store) -> None:
    dispatcher, heard = await served(store, call("a", time.monotonic()))
    assert store.rows(limit=1)[0].state == "ok"
    dispatcher.cancelled("a")
    assert store.rows(limit=1)[0].state == "late"
    assert isinstance(heard[-1], InvocationChanged)
    dispatcher.cancelled("nobody's")
    await dispatcher.close()


@pytest.mark.parametrize(("length", "state"), [(6_291_556, "ok"), (6_291_557, "error")])
async def test_an_answer_that_lambda_does_not_take_is_an_error_here_too(
    store: Store, monkeypatch: pytest.MonkeyPatch, length: int, state: str
) -> None:
    answered: list[Answer] = []
    monkeypatch.setattr(Pool, "body", b'"' + b"x" * (length - 2) + b'"')
    monkeypatch.setattr(Link, "answer", lambda _self, _attempt, answer: answered.append(answer) or True)
    await served(store, call("a1", time.monotonic()))
    row = store.invocation(1).row
    assert (row.state, answered[0].error) == (state, state == "error")
    assert row.error.startswith("Function.ResponseSizeTooLarge: " if state == "error" else "")


async def test_an_http_caller_that_had_gone_makes_the_answer_late(store: Store) -> None:
    dispatcher, _ = await served(store, call("a", time.monotonic() - 31))
    assert store.rows(limit=1)[0].state == "late"
    await dispatcher.close()


async def test_what_a_log_point_writes_is_the_calls_even_after_its_end(store: Store) -> None:
    dispatcher, heard = await served(store, call("a", time.monotonic()))
    assert dispatcher.wrote("a", "total is 3")
    assert not dispatcher.wrote("nobody's", "total is 4")
    await dispatcher.close()
    assert [line.text for line in store.invocation(1).logs] == ["total is 3"]
    assert isinstance(heard[-1], LogLines)


async def test_what_is_written_after_a_call_ended_belongs_to_it(store: Store) -> None:
    dispatcher, heard = await served(store, call("a", time.monotonic()))
    dispatcher.work_logged("a", "stdout", "afterwards", 1500.0)
    dispatcher.work_called_aws("a", {"service": "s3", "operation": "GetObject", "target": "b", "ms": 1.0, "status": 200})
    dispatcher.work_logged("nobody's", "stdout", "lost", 1.0)
    dispatcher.work_finished_late("a", Outcome("ok", b"1"))
    kept = store.invocation(store.rows(limit=1)[0].id)
    assert [line.text for line in kept.logs] == ["afterwards"]
    assert [made.operation for made in kept.calls] == ["GetObject"]
    assert [event.lines[0].text for event in heard if isinstance(event, LogLines)] == ["afterwards"]
    await dispatcher.close()


async def test_a_message_sent_by_one_whose_receiver_was_dropped_is_recorded_all_the_same(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "small.sqlite", max_invocations=1)
    received = json.dumps({"Records": [{"messageId": "m-1", "eventSource": "aws:sqs"}]}).encode()
    dispatcher, _ = await served(store, dataclasses.replace(call("early", time.monotonic()), event=received))
    ended = asyncio.Event()
    dispatcher._hub.subscribe(lambda event: ended.set() if isinstance(event, InvocationFinished) else None)
    dispatcher.call(call("a", time.monotonic()))
    await ended.wait()
    sent = {"service": "sqs", "operation": "SendMessage", "target": "q", "ms": 1.0, "status": 200, "sent": ["m-1"]}
    dispatcher.work_called_aws("a", sent)
    assert [row.id for row in store.rows()] == [2]
    assert [made.sent for made in store.invocation(2).calls] == [["m-1"]]
    await dispatcher.close()
    store.close()


async def test_a_replay_of_another_event_than_its_origins_says_so(store: Store) -> None:
    dispatcher, _ = await served(store, call("a", time.monotonic()))
    origin = store.rows(limit=1)[0]
    ended = asyncio.Queue[InvocationFinished]()
    dispatcher._hub.subscribe(lambda event: ended.put_nowait(event) if isinstance(event, InvocationFinished) else None)
    dispatcher._newest_keys["F"] = (time.monotonic(), Keys("id", "secret"))
    for event in (None, b'{"n": 2}'):
        dispatcher.replay(origin.id, event, 1)
        await ended.get()
    assert [(row.replay_of, row.edited) for row in store.rows()] == [
        (None, False), (origin.id, False), (origin.id, True)]
    assert row_line(store.rows()[-1]).count("↻1 edited F") == 1
    await dispatcher.close()


class LetsRun:
    """A debugger that lets a call run on near its deadline."""

    at_deadline = "continue"

    def __init__(self) -> None:
        self.let: list[str] = []

    def runs(self, pid: int, work_id: str) -> None: ...

    def ended(self, work_id: str) -> None: ...

    def replaying(self, id: int, work_id: str) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def let_run(self, work_id: str) -> None:
        self.let.append(work_id)


async def test_near_its_deadline_a_call_is_let_run_once_and_stays_where_it_stops_again(store: Store) -> None:
    dispatcher = Dispatcher(store, Hub(), lambda function: pytest.fail("no replay"))
    dispatcher.debugger = debugger = LetsRun()
    ended = asyncio.Event()

    class Stops(Pool):
        async def invoke(self, function_id: str, work: Work) -> Outcome:
            for _ in range(2):
                dispatcher.paused(work.id)
                dispatcher.resumed(work.id)
            ended.set()
            return Outcome("ok", b"1")

    dispatcher.connect(Stops(dispatcher), Link())
    dispatcher.call(dataclasses.replace(call("a", time.monotonic()), deadline=time.monotonic() + 2))
    await ended.wait()
    await dispatcher.drain(1.0)
    assert debugger.let == ["a"]
    await dispatcher.close()


async def test_a_paused_call_that_was_dropped_from_the_history_is_answered_early_all_the_same(tmp_path: Path) -> None:
    store, hub = Store.open(tmp_path / "small.sqlite"), Hub()
    dispatcher = Dispatcher(store, hub, lambda function: pytest.fail("no replay"))
    dispatcher.debugger = LetsRun()
    told: list[str] = []
    hub.subscribe(lambda event: told.append(event.text) if isinstance(event, Notice) else None)
    answered = asyncio.Event()

    class Stops(Pool):
        async def invoke(self, function_id: str, work: Work) -> Outcome:
            store._write(lambda db: db.execute("DELETE FROM invocations"))
            dispatcher.answer_now(1)
            answered.set()
            return Outcome("ok", b"1")

    dispatcher.connect(Stops(dispatcher), Link())
    dispatcher.call(call("a", time.monotonic()))
    await answered.wait()
    await dispatcher.close()
    store.close()
    assert "#1: the caller has its answer; the handler runs on." in told


class Answers(Link):
    """Keeps the answers, and tells of the first."""

    def __init__(self) -> None:
        self.given: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def answer(self, attempt: str, answer: Answer) -> bool:
        self.given.set_result(answer)
        return True


async def test_a_call_that_another_console_started_is_not_run(store: Store, tmp_path: Path) -> None:
    store.begin_session("up")
    other = Store.open(tmp_path / "h.sqlite")
    other.begin_session("up")
    dispatcher, link = Dispatcher(store, Hub(), lambda function: pytest.fail("no replay")), Answers()

    class TakenMeanwhile(Pool):
        async def invoke(self, function_id: str, work: Work) -> Outcome:
            other.arrived(work.id, "F", "t", b"{}", {}, time=1.0)
            other.started(work.id)
            return await super().invoke(function_id, work)

    dispatcher.connect(TakenMeanwhile(dispatcher), link)
    dispatcher.call(call("a", time.monotonic()))
    answer = await link.given
    assert answer.error
    assert json.loads(answer.body)["errorType"] == "LivetuiInterrupted"
    assert other.finished("a", "ok", b"1").state == "ok"
    assert store.rows(limit=1)[0].state == "ok"
    await dispatcher.close()
    other.close()


async def test_a_call_that_is_cancelled_while_it_is_recorded_is_not_run(store: Store) -> None:
    hub, ended = Hub(), asyncio.Event()
    hub.subscribe(lambda event: ended.set() if isinstance(event, InvocationFinished) else None)
    dispatcher = Dispatcher(store, hub, lambda function: pytest.fail("no replay"))
    dispatcher.connect(Pool(dispatcher), Link())
    dispatcher.call(call("a", time.monotonic()))
    dispatcher.cancelled("a")
    await ended.wait()
    assert store.rows(limit=1)[0].state == "interrupted"
    await dispatcher.close()


async def test_a_late_answer_is_sent_again_as_what_it_was(store: Store) -> None:
    dispatcher, _ = await served(store, call("a", time.monotonic() - 31))
    assert dispatcher.known("a") == Answer(b'{"statusCode": 200}', error=False)
    await dispatcher.close()
