"""One worker as the pool sees it: starting, idle, busy, gone; what it logs and how each call ended."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

from livetui.errors import LivetuiError
from livetui.runtime import faults
from livetui.runtime.contract import FunctionSpec, LateListener, Outcome, PoolListener, Trouble, Work
from livetui.runtime.environment import call_environment
from livetui.runtime.logs import Lines, LogPipe, Records, Stream
from livetui.runtime.process import Launch, Spawned, init_frame, kill_group
from livetui.runtime.whereabouts import ASK_S, SIGNAL, Whereabouts

INIT_LIMIT_S = 10
"""Lambda's limit of an INIT phase; a call that starts a worker may take this longer than its timeout."""


_EARLY_LINES = 10_000
"""How much a worker that was started ahead may write before it has a call to write it for."""


@dataclass
class Item:
    """Work that waits for a worker or runs on one, and the future of the caller."""

    work: Work
    answer: asyncio.Future[Outcome]
    arrived: float
    init_ms: float | None = None
    started: float = 0.0

    def finish(self, outcome: Outcome) -> None:
        """Answer the caller, unless that was done."""
        if not self.answer.done():
            self.answer.set_result(outcome)


@dataclass(frozen=True)
class Init:
    """How a worker's init ended; `body` is Lambda's error JSON when it failed, and `kind` how."""

    ok: bool
    ms: float
    kind: Literal["error", "crash", "timeout"] = "error"
    error_type: str = ""
    message: str = ""
    body: bytes = field(default=b"", repr=False)
    place: str = ""
    """`file:line` of a syntax error, or of the import that failed."""
    changed_environment: frozenset[str] = frozenset()
    """Environment variables that the import of the handler changed."""

    @property
    def is_certain(self) -> bool:
        """Whether it would have ended so with any credentials."""
        return self.ok or self.error_type in ("Runtime.HandlerNotFound", "Runtime.ImportModuleError",
                                              "Runtime.UserCodeSyntaxError", "Runtime.MalformedHandlerName")

    def trouble(self, hint: str) -> Trouble | None:
        """Why the function cannot answer, with what to do about it; None when its handler was imported."""
        if self.ok:
            return None
        lacks: Literal["handler", "import"] = "handler" if self.error_type == "Runtime.HandlerNotFound" else "import"
        words = {"error": f"{self.error_type}: {self.message}", "timeout": "The import of its module takes too long.",
                 "crash": f"Its process ended while it imported its module (status {self.message})."}[self.kind]
        return Trouble(lacks, f"{words}. {hint}" if hint else words)


class Owner(Protocol):
    """Whom an instance tells about itself."""

    def instance_idle(self, instance: Instance) -> None:
        """It can take the next call."""

    def instance_gone(self, instance: Instance) -> None:
        """Its process has ended."""

    def instance_imported(self, instance: Instance, files: list[str], others: list[str]) -> None:
        """Modules that its code imported since it last said."""


class Instance:
    """One worker process and the call that it runs."""

    def __init__(self, spec: FunctionSpec, launch: Launch, spawned: Spawned, owner: Owner,
                 listener: PoolListener) -> None:
        loop = asyncio.get_running_loop()
        self.spec = spec
        self.pid = spawned.pid
        self.debugged = launch.is_debugged
        self.known_to_debugger = launch.debug is not None
        self.init: asyncio.Future[Init] = loop.create_future()
        self.item: Item | None = None
        self.gone = False
        self.killed = False
        self.ready = False
        """Set by the lane when the debugger, if any, is done with it."""
        self.ended = spawned.exited
        self.served = 0
        self._loop = loop
        self._owner = owner
        self._listener = listener
        self._spawned = spawned
        self._timer: asyncio.TimerHandle | None = None
        self._left_s: float | None = None
        self._timed_out = False
        self._cut_off = False
        self._where: Whereabouts | None = None
        self._log_work: tuple[str, float] | None = None
        self._early: list[tuple[Stream, str]] = []
        self._early_left_out = 0
        self._early_calls: list[Mapping[str, Any]] = []
        self._pipes = (LogPipe(loop, spawned.stdout, Records(spawned.token, self._line), watched=spawned.watched),
                       LogPipe(loop, spawned.stderr, Lines("stderr", self._line), watched=spawned.watched))
        self._channel = spawned.open_channel(self._frame, self._channel_ended)
        self._began, self.started = time.monotonic(), time.time()
        spawned.exited.add_done_callback(self._exited)
        if not self.debugged:
            self._timer = loop.call_later(INIT_LIMIT_S + spec.timeout_s, self._overran)
        self._channel.send(init_frame(launch, spawned.token))

    # -- calls

    @property
    def idle(self) -> bool:
        """Whether it can take a call now."""
        return self.ready and not self.gone and not self.killed and self.item is None

    def dispatch(self, item: Item) -> None:
        """Give it one call. The outcome goes to `item.answer`."""
        work, now = item.work, time.monotonic()
        self._drain()
        self.item = item
        self.served += 1
        self._timed_out = False
        item.started = now
        self._log_work = (work.id, now)
        try:
            self._listener.work_started(work.id, self.pid)
        except LivetuiError as error:
            self._refused(item, error)
            return
        self._flush_early()
        limit_ms = self.spec.timeout_s * 1000
        if work.remaining_ms is not None:
            limit_ms = min(limit_ms, work.remaining_ms)
        self._channel.send({**_call_header(work), "deadline_ms": int(time.time() * 1000) + limit_ms}, work.event)
        self._timer = self._loop.call_later(max(0.0, limit_ms / 1000), self._overran)

    def _refused(self, item: Item, error: LivetuiError) -> None:
        """The work may not run: its caller hears why, and the worker is free for other work."""
        self.item = self._log_work = None
        self.served -= 1
        if not item.answer.done():
            item.answer.set_exception(error)
        self._loop.call_soon(self._owner.instance_idle, self)

    def hold(self) -> None:
        """Stop the clock of the running call or import (a debugger has it)."""
        if self._timer is not None and self._where is None:
            self._left_s = max(0.0, self._timer.when() - self._loop.time())
            self._timer.cancel()
            self._timer = None

    def release(self) -> None:
        """Let the clock run on from where it was held."""
        if self._left_s is not None:
            self._timer = self._loop.call_later(self._left_s, self._overran)
        self._left_s = None

    def _overran(self) -> None:
        self._timed_out = True
        self._drain()
        self._where = Whereabouts(self.spec.code_root)
        self._timer = self._loop.call_later(ASK_S, self._give_up)
        try:
            if SIGNAL is None:
                self._give_up()
            else:
                os.kill(self.pid, SIGNAL)
        except ProcessLookupError:
            return  # it has ended by itself

    def _give_up(self) -> None:
        """It has said where it is, or cannot."""
        self._drain()
        self._stop_timer()
        where, self._where = self._where, None
        for line in where.traceback() if where is not None else ():
            self._line("stderr", line)
        item = self.item
        if item is not None and item.work.overrun == "finish":
            item.finish(self._timeout(item))
            return
        self.kill()

    def _timeout(self, item: Item) -> Outcome:
        message = faults.timeout_message(str(item.work.context.get("request_id", "")), self.spec.timeout_s)
        return self._outcome(item, "timeout", faults.error_body("Sandbox.Timedout", message),
                             (time.monotonic() - item.started) * 1000, ("Sandbox.Timedout", message))

    def _outcome(self, item: Item, kind: Literal["ok", "error", "timeout", "crash", "cancelled"], body: bytes,
                 ms: float, error: tuple[str, str] = ("", "")) -> Outcome:
        queue_ms = max(0.0, (item.started - item.arrived) * 1000 - (item.init_ms or 0.0))
        return Outcome(kind, body, queue_ms, ms, item.init_ms, self.pid, *error)

    def _finish(self, outcome: Outcome, item: Item) -> None:
        if item.answer.done() and not item.answer.cancelled():
            if isinstance(self._listener, LateListener) and outcome.kind not in ("timeout", "cancelled"):
                self._listener.work_finished_late(item.work.id, outcome)
        else:
            item.finish(outcome)

    # -- what the worker sends

    def _frame(self, header: Mapping[str, Any], body: bytes) -> None:
        kind = header["t"]
        if kind in ("result", "error"):
            self._answered(header, body)
        elif kind == "aws":
            self._called_aws(header)
        elif kind == "attaching":
            self.debugged = True  # by a `breakpoint()`, while nothing else could stop it
            self.hold()
        elif kind == "attached":
            if self.item is not None or not header["stops"]:  # an import that stops has all the time it wants
                self.release()
        elif kind == "modules":
            self._owner.instance_imported(self, header["files"], header["others"])
        elif kind in ("ready", "failed"):
            self._imported(header, body)

    def _imported(self, header: Mapping[str, Any], body: bytes) -> None:
        if self._where is not None:
            self._give_up()
        if self.killed:  # such as when its time was over
            return
        self._stop_timer()
        if header["t"] == "ready":
            self._set_init(Init(True, header["ms"], changed_environment=frozenset(header["changed_environment"])))
            return
        self._drain()
        place = f"{header['file']}:{header['line']}" if header.get("file") and header.get("line") else ""
        self._set_init(Init(False, header["ms"], "error", header["type"], header["message"], body, place))

    def _answered(self, header: Mapping[str, Any], body: bytes) -> None:
        if self._where is not None:
            self._give_up()
        item = self.item
        if item is None or self.killed:  # killed work ends with its process
            return
        self._stop_timer()
        self._drain()
        kind: Literal["ok", "error"] = "ok" if header["t"] == "result" else "error"
        outcome = self._outcome(item, kind, body, header["ms"],
                                (header.get("type", ""), header.get("message", "")))
        self.item = None
        self._finish(outcome, item)
        self._owner.instance_idle(self)

    def _called_aws(self, header: Mapping[str, Any]) -> None:
        call = {name: value for name, value in header.items() if name != "t"}
        if self._log_work is not None:
            self._listener.work_called_aws(self._log_work[0], call)
        elif len(self._early_calls) < _EARLY_LINES:
            self._early_calls.append(call)

    def _set_init(self, init: Init) -> None:
        if not self.init.done():
            self.init.set_result(init)

    # -- logs

    def _line(self, stream: Stream, text: str) -> None:
        if self._where is not None and stream == "stderr" and self._where.takes(text):
            if self._where.complete and self._timer is not None:
                self._timer.cancel()
                self._timer = self._loop.call_later(0, self._give_up)  # not from within a pipe that is read
            return
        if self._log_work is None:
            if len(self._early) < _EARLY_LINES:
                self._early.append((stream, text))
            else:
                self._early_left_out += 1
            return
        work_id, started = self._log_work
        self._listener.work_logged(work_id, stream, text, (time.monotonic() - started) * 1000)

    def _drain(self) -> None:
        for pipe in self._pipes:
            pipe.drain()

    def _flush_early(self) -> None:
        early, self._early = self._early, []
        for stream, text in early:
            self._line(stream, text)
        if self._early_left_out:
            self._line("stderr", f"livetui: {self._early_left_out} lines left out")
            self._early_left_out = 0
        calls, self._early_calls = self._early_calls, []
        for call in calls:
            self._called_aws(call)

    def logs_to(self, item: Item) -> None:
        """Give what was written during init to the call that waited for it."""
        if self._log_work is None:
            self._log_work = (item.work.id, time.monotonic())
            self._flush_early()

    # -- the end

    def kill(self) -> None:
        """End it at once, with everything that its handler started."""
        if not self.gone and not self.ended.done():
            self.killed = True
            kill_group(self.pid)

    def cut_off(self) -> None:
        """End it at once because the pool closes: its call is `cancelled`, since its code did nothing wrong."""
        self._cut_off = True
        self.kill()

    def _channel_ended(self) -> None:
        if not self.gone:
            self._loop.call_later(2.0, self.kill)  # a worker without its channel is of no use

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._left_s = None

    def _exited(self, exited: asyncio.Future[int]) -> None:
        if self.gone:
            return
        code = exited.result() if not exited.cancelled() else -9
        self._channel.receive_rest()
        self.gone = True
        self._stop_timer()
        self._drain()
        self._channel.close()
        for pipe in self._pipes:
            pipe.close()
        os.close(self._spawned.lifeline)
        item, self.item = self.item, None
        if item is not None:
            self._finish(self._ended(item, code), item)
        if not self.init.done():
            kind: Literal["timeout", "crash"] = "timeout" if self._timed_out else "crash"
            self._set_init(Init(False, (time.monotonic() - self._began) * 1000, kind, "", str(code)))
        self._owner.instance_gone(self)

    def _ended(self, item: Item, code: int) -> Outcome:
        if self._timed_out and item.work.overrun == "kill":
            return self._timeout(item)
        if self._cut_off:
            return self._outcome(item, "cancelled", b"", (time.monotonic() - item.started) * 1000)
        message = faults.exit_message(str(item.work.context.get("request_id", "")), code)
        return self._outcome(item, "crash", faults.error_body("Runtime.ExitError", message),
                             (time.monotonic() - item.started) * 1000, ("Runtime.ExitError", message))


def failed_init(init: Init, item: Item, spec: FunctionSpec, pid: int) -> Outcome:
    """The outcome of a call whose worker did not get through its init."""
    request_id = str(item.work.context.get("request_id", ""))
    queue_ms = max(0.0, (time.monotonic() - item.arrived) * 1000 - init.ms)
    if init.kind == "error":
        return Outcome("error", init.body, queue_ms, 0.0, init.ms, pid, init.error_type, init.message)
    if init.kind == "timeout":
        message = faults.timeout_message(request_id, spec.timeout_s)
        return Outcome("timeout", faults.error_body("Sandbox.Timedout", message), queue_ms, 0.0, init.ms, pid,
                       "Sandbox.Timedout", message)
    message = faults.exit_message(request_id, int(init.message))
    return Outcome("crash", faults.error_body("Runtime.ExitError", message), queue_ms, 0.0, init.ms, pid,
                   "Runtime.ExitError", message)


def _call_header(work: Work) -> dict[str, Any]:
    context = work.context
    return {"t": "invoke", "id": work.id, "request_id": context.get("request_id", ""),
            "arn": context.get("invoked_function_arn"), "trace_id": context.get("trace_id"),
            "tenant_id": context.get("tenant_id"), "client_context": _as_json(context.get("client_context")),
            "identity": _as_json(context.get("identity")), "environment": call_environment(work)}


def _as_json(value: Any) -> str | None:
    """Client context and identity travel as JSON text, as in the headers of Lambda's Runtime API."""
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()

