"""From a call to its answer: record it, run it in the pool, send the answer back, record how it went."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, Protocol

import msgspec

from livetui.aws import Keys
from livetui.config import AtDeadline
from livetui.errors import LivetuiError
from livetui.link.messages import Answer, Call
from livetui.runtime.contract import Outcome, Work
from livetui.session.background import Background
from livetui.session.causes import Causes, new_trace, received
from livetui.session.events import (
    CodeReloaded,
    InvocationArrived,
    InvocationChanged,
    InvocationFinished,
    InvocationPaused,
    InvocationStarted,
    LogLines,
    Notice,
)
from livetui.session.hub import Hub
from livetui.session.invocation import AwsCall, Invocation, LogLine, Row, State, Timing
from livetui.session.outcome import as_lambda_takes_it, failed
from livetui.session.schema import NotHeld, StartedElsewhere
from livetui.session.store import Store
from livetui.session.trigger import caller_waits_s, describe, trace_root

log = logging.getLogger(__name__)
_LOG_FLUSH_S = 0.1
_LOG_ROOM = 32 * 1024
"""Bytes of a call's log, as JSON, that go to the cloud: they share the 64 KiB of an answer's head."""
_LARGE = 256 * 1024
_LEAST_PATIENCE_S = 29.0
"""No HTTP caller waits a shorter time than this."""
_WARN_S, _ANSWER_S = 15, 3
"""Seconds before Lambda's deadline at which a paused call is warned of, and what was chosen for it happens."""
_THEN: dict[AtDeadline, str] = {
    "answer": f"{_ANSWER_S} s before, the caller is answered and the handler stays paused",
    "continue": f"{_ANSWER_S} s before, the handler runs on by itself",
    "wait": "the handler stays paused then, and what it answers comes too late",
}
_ENDED = 500
"""How many calls that have ended still take what their workers write."""
_TIMER_S = 0.05
"""A timer of the loop may fire this much early."""
_STATE_OF: dict[str, State] = {"ok": "ok", "error": "error", "crash": "error", "timeout": "timeout",
                               "cancelled": "interrupted"}


class Runs(Protocol):
    """What the dispatcher needs of the pool."""

    async def invoke(self, function_id: str, work: Work) -> Outcome:
        """Run one piece of work."""

    def cancel(self, work_id: str) -> bool:
        """Drop work that has not started."""


class Answers(Protocol):
    """What the dispatcher needs of the link."""

    def answer(self, attempt: str, answer: Answer) -> bool:
        """Send the answer of a call; False when nobody waits for it any more."""


class Debugger(Protocol):
    """What the dispatcher tells the debugger, and asks of it."""

    @property
    def at_deadline(self) -> AtDeadline:
        """What happens to a paused call when Lambda is about to give up on it."""

    def runs(self, pid: int, work_id: str) -> None:
        """A worker begins a call."""

    def ended(self, work_id: str) -> None:
        """The call has ended."""

    def let_run(self, work_id: str) -> None:
        """Let a paused call run on."""

    def replaying(self, id: int, work_id: str) -> contextlib.AbstractContextManager[None]:
        """While a replay of invocation `id` runs."""


class _Live(msgspec.Struct):
    """One invocation in flight."""

    id: int
    """Its number; 0 until it is recorded."""
    function: str
    cancelled: bool = False
    """Its stub gave up before it was recorded: it is not run."""
    lines: list[LogLine] = []
    log: list[str] = []
    """What goes to the function's log in the cloud."""
    log_room: int = _LOG_ROOM
    log_left_out: int = 0
    trace: str = ""
    deadline: float | None = None
    """`time.monotonic()` at which Lambda gives up; None for a replay."""
    began: float = 0.0
    """`time.monotonic()` when a worker took it; 0 before, when it may wait for one that stands at a breakpoint."""
    paused: bool = False
    let_run: bool = False
    """It was paused near its deadline once, and ran on as was chosen; where it stops again it stays."""
    warned: bool = False
    """The user knows that the deadline is near."""
    answered: bool = False
    """The caller was answered before the handler ended."""


class Dispatcher:
    """Serves calls and replays, all on the engine's loop; also the pool's listener."""

    def __init__(self, store: Store, hub: Hub, fetch_keys: Callable[[str], Keys],
                 overrun: Literal["kill", "finish"] = "kill", *, cloudwatch_logs: bool = False) -> None:
        self._overrun = overrun
        self._cloudwatch_logs = cloudwatch_logs
        self._store = store
        self._hub = hub
        self._fetch_keys = fetch_keys
        self._pool: Runs | None = None
        self._link: Answers | None = None
        self._live: dict[str, _Live] = {}
        self._ended: dict[str, _Live] = {}
        self._unsent: list[_Live] = []
        """Those with lines that are neither stored nor told of yet."""
        self._newest_keys: dict[str, tuple[float, Keys]] = {}
        self._background = Background(hub)
        self._causes = Causes()
        self._flush_due = False
        self.debugger: Debugger | None = None
        self.prepare: Callable[[Call], Awaitable[None]] | None = None
        """Awaited before a call runs, when what it runs with may have changed."""
        self._generated: re.Pattern[str] | None = None

    def named_after(self, stack: str) -> None:
        """Show what CloudFormation named after this stack (`STACK-Queue-1A2B3C4D5E6F`) by its logical id."""
        self._generated = re.compile(rf"\b{re.escape(stack)}-(\w+)-[0-9A-Za-z]{{12,13}}\b")

    def _trigger(self, event: bytes, context: Mapping[str, Any]) -> str:
        words = describe(event, context)
        return self._generated.sub(r"\1", words) if self._generated else words

    def connect(self, pool: Runs, link: Answers | None) -> None:
        """Hand over the pool and the link (None when only replays are run)."""
        self._pool, self._link = pool, link

    # --- calls from the cloud -------------------------------------------------------------------------------------

    def call(self, call: Call) -> None:
        """Take a call of the link."""
        self._live[call.attempt] = _Live(0, call.function, deadline=call.deadline)
        self._background.create_task(self._answer_always(call))

    def cancelled(self, attempt: str) -> None:
        """The stub gave up: drop the work if no worker has it yet; an answer that was sent did not reach its caller."""
        if live := self._live.get(attempt):
            live.cancelled = True
        if self._pool is not None:
            self._pool.cancel(attempt)
        done = self._store.by_attempt(attempt) if live is None else None
        if done is not None and done.row.state in ("ok", "error", "timeout"):
            self._changed(InvocationChanged, done.row.id, state="late")

    def known(self, attempt: str) -> Literal["unknown", "started"] | Answer:
        """What the store knows of an attempt across restarts of the console, so that none runs twice."""
        state = self._store.attempt_state(attempt)
        if state in ("unknown", "queued"):
            return "unknown"
        done = self._store.by_attempt(attempt) if state == "finished" else None
        if done is None or done.response is None:
            return "started"
        return Answer(done.response, error=done.row.state not in ("ok", "late") or bool(done.row.error))

    async def _answer_always(self, call: Call) -> None:
        """Serve a call; when livetui itself cannot (a full disk), the caller hears so at once."""
        try:
            await self._serve(call)
        except StartedElsewhere as error:
            self._live.pop(call.attempt, None)
            if self._link is not None:
                self._link.answer(call.attempt, Answer(failed("LivetuiInterrupted", str(error)).body, error=True))
            if done := self._store.by_attempt(call.attempt):
                self._hub.publish(InvocationChanged(done.row))
        except Exception as error:
            self._live.pop(call.attempt, None)
            if self._link is not None:
                self._link.answer(call.attempt, Answer(failed("LivetuiFailed", f"livetui: {error}").body, error=True))
            raise

    async def _serve(self, call: Call) -> None:
        if call.keys is not None:
            self._newest_keys[call.function] = (time.monotonic(), call.keys)
        left = call.deadline - time.monotonic()
        ids = received(call.event, str(call.context.get("request_id") or ""))
        known = self._causes.trace_of(ids)
        trace = known or trace_root(call.event, call.context) or new_trace()
        row = await self._arrived(call.attempt, call.function, call.event, call.context,
                                  trace_id=trace, deadline=time.time() + left)
        live = self._live[call.attempt]
        live.id, live.trace = row.id, row.trace_id
        if not known:
            self._causes.came(ids, row.id)
        if self.prepare is not None:
            await self.prepare(call)
            left = call.deadline - time.monotonic()
        work = Work(id=call.attempt, event=call.event, context=call.context,
                    credentials=credentials(call.keys), remaining_ms=max(0, int(left * 1000)), overrun=self._overrun)
        loop = asyncio.get_running_loop()
        watches = [loop.call_later(max(0.0, left - seconds), self._deadline_nears, call.attempt)
                   for seconds in (_WARN_S, _ANSWER_S)]
        outcome = Outcome("cancelled", b"") if live.cancelled else await self._run(live, work)
        for watch in watches:
            watch.cancel()
        answered = time.monotonic()
        if self._link is not None and outcome.kind != "cancelled" and not live.answered:
            live.answered = not self._link.answer(call.attempt, Answer(outcome.body, outcome.kind != "ok", _log(live)))
        took = answered - call.received
        if took > _LEAST_PATIENCE_S and took > (caller_waits_s(call.event) or took):
            live.answered = True
        here_ms = (answered - call.received) * 1000 - outcome.handler_ms - (outcome.init_ms or 0)
        await self._finish(call.attempt, outcome, inbound_ms=call.inbound_ms,
                           overhead_ms=max(0.0, here_ms) + 2 * (call.inbound_ms or 0))

    def answer_now(self, id: int) -> None:
        """Give the caller of a paused or slow invocation a typed error now; the local run goes on and ends `late`."""
        for attempt, live in self._live.items():
            if live.id == id:
                self._answer_early(attempt, live)
                return
        self._hub.publish(Notice("warning", f"#{id} has ended; its caller has its answer."))

    def _answer_early(self, attempt: str, live: _Live) -> None:
        if live.answered or live.deadline is None or self._link is None:
            self._hub.publish(Notice("warning", f"Nobody waits for #{live.id}: nothing was answered."))
            return
        error = {"errorType": "LivetuiDebugTimeout",
                 "errorMessage": "The handler stands at a breakpoint, so livetui answered its caller."}
        if self._link.answer(attempt, Answer(json.dumps(error).encode(), True, _log(live))):
            live.answered = True
            self._changed(InvocationChanged, live.id, deadline=0.0)
            stays = "stays paused" if live.paused else "runs on"
            self._hub.publish(Notice("info", f"#{live.id}: the caller has its answer; the handler {stays}."))
        else:
            self._hub.publish(Notice("warning", f"#{live.id}: the caller had gone already."))

    def _deadline_nears(self, attempt: str) -> None:
        """Before Lambda gives up on a paused call: warn, then do what the user chose for it."""
        live = self._live.get(attempt)
        if live is None or not live.paused or live.deadline is None or live.answered or self.debugger is None:
            return
        left, chosen = live.deadline - time.monotonic(), self.debugger.at_deadline
        if left <= _ANSWER_S + _TIMER_S and chosen == "answer":
            self.answer_now(live.id)
        elif left <= _ANSWER_S + _TIMER_S and chosen == "continue":
            if not live.let_run:
                live.let_run = True
                self.debugger.let_run(attempt)
        elif left <= _WARN_S + _TIMER_S and not live.warned:
            live.warned = True
            self._hub.publish(Notice(
                "warning", f"#{live.id} {live.function}: Lambda gives up in {left:.0f} s; {_THEN[chosen]}. "
                "t in the source view (at-deadline in livetui.toml) changes that."))

    # --- replays --------------------------------------------------------------------------------------------------

    def replay(self, id: int, event: bytes | None, times: int) -> None:
        """Run a recorded event again, `times` times, each as a new row linked to its origin."""
        origin = self._store.invocation(id)
        for _ in range(times):
            self._background.create_task(self._replay(origin, origin.event if event is None else event))

    async def _replay(self, origin: Invocation, event: bytes) -> None:
        attempt, function = uuid.uuid4().hex, origin.row.function
        fresh = {**origin.context, "request_id": str(uuid.uuid4())}
        with contextlib.nullcontext() if self.debugger is None else self.debugger.replaying(origin.row.id, attempt):
            row = await self._arrived(attempt, function, event, fresh, replay_of=origin.row.id,
                                      edited=event != origin.event, trace_id=new_trace())
            try:
                keys = await self._keys_for(function)
            except LivetuiError as error:
                await self._finish(attempt, failed("LivetuiNoCredentials", str(error)))
                return
            live = _Live(row.id, function, trace=row.trace_id)
            outcome = await self._run(live, Work(attempt, event, fresh, credentials(keys), overrun=self._overrun))
            await self._finish(attempt, outcome, overhead_ms=outcome.queue_ms)

    async def _keys_for(self, function: str) -> Keys:
        """The newest live keys of the function's role, else fresh ones from its stub; never from the store."""
        newest = self._newest_keys.get(function)
        if newest and time.monotonic() - newest[0] < 15 * 60:
            return newest[1]
        keys = await asyncio.to_thread(self._fetch_keys, function)
        self._newest_keys[function] = (time.monotonic(), keys)
        return keys

    # --- both -----------------------------------------------------------------------------------------------------

    async def _arrived(self, attempt: str, function: str, event: bytes, context: Mapping[str, Any],
                       **fields: Any) -> Row:
        """Record an invocation and tell of it; large events are packed off the loop, so that no ack waits."""

        def record() -> Row:
            return self._store.arrived(attempt, function, self._trigger(event, context), event, dict(context),
                                       time=time.time(), request_id=str(context.get("request_id") or ""), **fields)

        row = record() if len(event) < _LARGE else await asyncio.to_thread(record)
        self._hub.publish(InvocationArrived(row))
        return row

    async def _run(self, live: _Live, work: Work) -> Outcome:
        assert self._pool is not None
        self._live[work.id] = live
        try:
            return as_lambda_takes_it(await self._pool.invoke(live.function, work))
        except KeyError:
            return failed("LivetuiUnknownFunction", f"This console runs no function {live.function!r}; deploy again.")
        except StartedElsewhere:
            raise
        except LivetuiError as error:
            return failed("LivetuiNotRun", str(error))

    async def _finish(self, attempt: str, outcome: Outcome, *, inbound_ms: float | None = None,
                      overhead_ms: float | None = None) -> None:
        """Record how it ended and tell of it; large answers are packed off the loop, as large events are."""
        self._flush_logs()
        live = self._live.pop(attempt, None)
        if live is not None:
            self._remember_ended(attempt, live)
        if self.debugger is not None:
            self.debugger.ended(attempt)
        state = "late" if live and live.answered and outcome.kind in ("ok", "error") else _STATE_OF[outcome.kind]
        timing = Timing(inbound_ms=inbound_ms, queue_ms=outcome.queue_ms, init_ms=outcome.init_ms,
                        handler_ms=outcome.handler_ms, outbound_ms=inbound_ms)
        failure = f"{outcome.error_type}: {outcome.error_message}" if outcome.error_type else ""

        def record() -> Row:
            return self._store.finished(attempt, state, outcome.body, timing, failure.replace("\n", " ")[:500],
                                        overhead_ms=overhead_ms)

        row = record() if len(outcome.body) < _LARGE else await asyncio.to_thread(record)
        self._hub.publish(InvocationFinished(row))

    def _remember_ended(self, attempt: str, live: _Live) -> None:
        live.log = []
        self._ended[attempt] = live
        if len(self._ended) > _ENDED:
            del self._ended[next(iter(self._ended))]

    def _writing(self, work_id: str) -> _Live | None:
        """What a worker writes after its call, in a thread or because it overran, still belongs to the call."""
        return self._live.get(work_id) or self._ended.get(work_id)

    async def drain(self, seconds: float) -> None:
        """Give what runs now a moment to end and answer; paused calls are not waited for."""
        running = self._background.running
        if running and not any(live.paused for live in self._live.values()):
            await asyncio.wait(running, timeout=seconds)

    async def close(self) -> None:
        """End what still waits and keep the last lines; the pool has ended what ran."""
        await self._background.__aexit__()
        self._flush_logs()

    # --- the debugger's pauses ------------------------------------------------------------------------------------

    def paused(self, work_id: str) -> None:
        """An invocation stopped at a breakpoint."""
        if work := self._live.get(work_id):
            work.paused = True
            self._changed(InvocationPaused, work.id, state="paused")
            self._deadline_nears(work_id)  # it may stop when the deadline is near already

    def resumed(self, work_id: str) -> None:
        """It runs on."""
        if work := self._live.get(work_id):
            work.paused = False
            state: State = "running" if work.began else "queued"
            self._changed(InvocationChanged, work.id, state=state)

    def wrote(self, work_id: str, text: str) -> bool:
        """A log point wrote during an invocation, as far as it is known; what came after its end is kept too."""
        work = self._writing(work_id)
        if work is None:
            return False
        at_ms = (time.monotonic() - work.began) * 1000 if work.began else 0.0
        for line in text.split("\n"):
            self.work_logged(work_id, "stdout", line, at_ms)
        return True

    def _changed(self, event: type[InvocationChanged] | type[InvocationPaused], number: int, *,
                 state: State | None = None, deadline: float | None = None, trace_id: str | None = None) -> None:
        """Record a change and tell of it; of a row that was dropped from the history there is nothing to tell."""
        with contextlib.suppress(NotHeld):
            self._hub.publish(event(self._store.changed(number, state=state, deadline=deadline, trace_id=trace_id)))

    def row_of(self, work_id: str) -> int | None:
        """The number of an invocation in flight."""
        work = self._live.get(work_id)
        return work.id if work else None

    # --- the pool's listener --------------------------------------------------------------------------------------

    def work_started(self, work_id: str, pid: int) -> None:
        """Commit `started` before the worker gets the work, so that no restart can run it twice."""
        row = self._store.started(work_id)
        if self.debugger is not None:
            self.debugger.runs(pid, work_id)
        if work := self._live.get(work_id):
            work.began, work.paused = time.monotonic(), False
        self._hub.publish(InvocationStarted(row))

    def work_logged(self, work_id: str, stream: Literal["stdout", "stderr", "logging"], text: str,
                    at_ms: float) -> None:
        """Collect a line; lines are stored and published in small batches."""
        if work := self._writing(work_id):
            if not work.lines:
                self._unsent.append(work)
            work.lines.append(LogLine(stream, text, at_ms))
            if self._cloudwatch_logs and work_id in self._live:
                _keep(work, text)
            if not self._flush_due:
                self._flush_due = True
                asyncio.get_running_loop().call_later(_LOG_FLUSH_S, self._flush_logs)

    def _flush_logs(self) -> None:
        self._flush_due = False
        unsent, self._unsent = self._unsent, []
        for work in unsent:
            lines, work.lines = work.lines, []
            self._store.logged(work.id, lines)
            self._hub.publish(LogLines(work.id, work.function, lines))

    def work_called_aws(self, work_id: str, call: Mapping[str, Any]) -> None:
        """Record an AWS call of the handler."""
        if work := self._writing(work_id):
            made = msgspec.convert(dict(call), AwsCall, strict=False)
            self._store.called(work.id, made)
            for early in self._causes.sent(made.sent, work.trace):
                self._changed(InvocationChanged, early, trace_id=work.trace)
                for live in self._live.values():
                    if live.id == early:
                        live.trace = work.trace

    def work_finished_late(self, work_id: str, outcome: Outcome) -> None:
        """A handler that had overrun its time ended after all: keep what it answered."""
        self._flush_logs()
        if self._live.pop(work_id, None) is not None or self._store.attempt_state(work_id) == "finished":
            row = self._store.finished(work_id, "late", outcome.body, Timing(handler_ms=outcome.handler_ms), "")
            self._hub.publish(InvocationFinished(row))

    def code_reloaded(self, function_id: str, ms: float, error: str, path: str) -> None:
        """Tell that new code is live."""
        self._hub.publish(CodeReloaded(function_id, round(ms, 1), error, path))

    def notice(self, function_id: str, level: Literal["info", "warning", "error"], text: str) -> None:
        """Pass on what the pool has to say about a function."""
        self._hub.publish(Notice(level, f"{function_id}: {text}" if function_id else text))


def _keep(live: _Live, text: str) -> None:
    """Keep a line for the log in the cloud while there is room."""
    size = len(json.dumps(text)) + 2
    if size <= live.log_room:
        live.log.append(text + "\n")
        live.log_room -= size
    else:
        live.log_room = 0
        live.log_left_out += 1


def _log(live: _Live) -> str:
    rest = f"livetui: {live.log_left_out} more lines are in the console only.\n" if live.log_left_out else ""
    return "".join(live.log) + rest


def credentials(keys: Keys | None) -> dict[str, str]:
    """Keys as the variables that a handler finds in Lambda."""
    if keys is None:
        return {}
    found = {"AWS_ACCESS_KEY_ID": keys.access_key_id, "AWS_SECRET_ACCESS_KEY": keys.secret_access_key}
    return {**found, "AWS_SESSION_TOKEN": keys.session_token} if keys.session_token else found
