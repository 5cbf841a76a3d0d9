"""The debugger as the session and its front ends use it: pauses hold the call, and every action is a future."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from livetui.config import AtDeadline, Settings
from livetui.debug.breakpoints import Breakpoint
from livetui.debug.conditions import mistake
from livetui.debug.exceptions import ExceptionFilters
from livetui.debug.values import (
    DebugListener,
    Evaluated,
    Frame,
    Look,
    Output,
    PausedThread,
    Photo,
    PhotoFrame,
    PostMortem,
    Variable,
    Watched,
)
from livetui.errors import LivetuiError
from livetui.session.events import (
    BreakpointsChanged,
    DebugOutput,
    EditorsChanged,
    Notice,
    PostMortemTaken,
    ThreadPaused,
    ThreadResumed,
)
from livetui.session.hub import Hub

if TYPE_CHECKING:
    from livetui.debug.broker import Broker

__all__ = ["Breakpoint", "Debugging", "Evaluated", "ExceptionFilters", "Frame", "Look", "PausedThread", "Photo",
           "PhotoFrame", "PostMortem", "Variable", "Watched", "mistake"]

T = TypeVar("T")


_REPLAYS = "replay-of-"


def _replay_of(id: int) -> str:
    return f"{_REPLAYS}{id}"


_MOST_POST_MORTEMS = 50


class Workers(Protocol):
    """What the debugger needs of the pool."""

    def hold(self, work_id: str) -> None:
        """Stop the clock of a call's timeout."""

    def release(self, work_id: str) -> None:
        """Let it run on."""

    def awaited(self, pid: int) -> str:
        """The call that waits for this worker to be ready; empty when none does."""

    def restart(self, function_id: str | None = None) -> None:
        """Replace workers: idle ones now, busy ones after their call."""


class Pauses(Protocol):
    """What the debugger tells of an invocation that stands still."""

    def paused(self, work_id: str) -> None:
        """It stopped."""

    def resumed(self, work_id: str) -> None:
        """It runs on."""

    def wrote(self, work_id: str, text: str) -> bool:
        """A log point wrote during an invocation; False when that is not known."""

    def row_of(self, work_id: str) -> int | None:
        """The number of an invocation in flight."""


class Debugging(DebugListener):
    """Owns the broker. Actions may be called from any thread and return futures; snapshots return at once."""

    def __init__(self, settings: Settings, hub: Hub, pauses: Pauses, *, console: bool = True) -> None:
        self._hub = hub
        self._pauses = pauses
        self._workers: Workers | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._breakpoints: list[Breakpoint] = []
        self._paused: dict[tuple[int, int], PausedThread] = {}
        self._post_mortems: OrderedDict[int, PostMortem] = OrderedDict()
        self._running: dict[int, str] = {}
        self._ran: dict[int, str] = {}
        self._replays: dict[str, str] = {}
        self.at_deadline: AtDeadline = settings.at_deadline
        """What happens to a paused call 3 s before Lambda gives up on it; may be set from any thread."""
        from livetui.debug.broker import Broker  # sockets and TLS: front ends need only the values above

        self.broker: Broker = Broker(settings.state, settings.root, listener=self, post_mortem=True,
                                     console=console)
        self.broker.work_of, self.broker.cares = self._work_of, self._cares

    # --- life, on the engine's loop -------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open the ports for workers and editors."""
        self._loop = asyncio.get_running_loop()
        await self.broker.start()
        self._breakpoints = self.broker.face.breakpoints()

    def announce(self) -> None:
        """Tell editors where to attach, now that the calls come here."""
        self.broker.announce()

    def serve(self, workers: Workers) -> None:
        """The pool whose workers are debugged."""
        self._workers = workers

    async def close(self) -> None:
        """End every editor's session; the pool ends the workers."""
        self._loop = None
        await self.broker.close()

    def runs(self, pid: int, work_id: str) -> None:
        """A worker has begun an invocation."""
        self._running[pid] = self._ran[pid] = work_id

    def ended(self, work_id: str) -> None:
        """An invocation has ended: what its worker still does belongs to none."""
        for pid in [pid for pid, running in self._running.items() if running == work_id]:
            del self._running[pid]
            self.broker.call_ended(pid)

    @contextlib.contextmanager
    def replaying(self, id: int, work_id: str) -> Iterator[None]:
        """While a replay of invocation `id` runs: errors that only it is to stop at pass others by."""
        self._replays[work_id] = _replay_of(id)
        try:
            yield
        finally:
            del self._replays[work_id]
            if self.broker.filters_of(_replay_of(id)):
                self.broker.crew.spawn(self.broker.filter_exceptions(_replay_of(id), ExceptionFilters()))

    def _cares(self, owner: str, pid: int) -> bool:
        work = self._work_of(pid)
        return not (owner.startswith(_REPLAYS) and work) or self._replays.get(work) == owner

    def let_run(self, work_id: str) -> None:
        """Let a paused invocation run on by itself."""
        for paused in [paused for paused in self._paused.values() if paused.work_id == work_id]:
            self._hub.publish(Notice("info", f"{paused.function_id} runs on: Lambda's deadline is near."))
            self.broker.crew.spawn(self._resume(paused))

    async def _resume(self, paused: PausedThread) -> None:
        from livetui.debug.worker_link import RefusedError

        with contextlib.suppress(RefusedError):  # it runs on already
            await self.broker.face.resume(paused.thread_id)

    def _work_of(self, pid: int) -> str:
        return self._running.get(pid) or (self._workers.awaited(pid) if self._workers is not None else "")

    # --- snapshots, from any thread -------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """Where editors attach; 0 before the session is up."""
        return self.broker.port

    def breakpoints(self) -> list[Breakpoint]:
        """All breakpoints, of the console and of every editor."""
        return list(self._breakpoints)

    def paused(self) -> list[PausedThread]:
        """All threads that stand still, in the order in which they stopped."""
        return list(self._paused.values())

    def filters(self) -> ExceptionFilters:
        """On which exceptions to stop."""
        return self.broker.face.exception_filters()

    def post_mortem(self, id: int) -> PostMortem | None:
        """Frames and locals of invocation `id` at its unhandled error; the newest ones are kept in memory."""
        return self._post_mortems.get(id)

    # --- actions, from any thread ---------------------------------------------------------------------------------

    def toggle(self, path: str | Path, line: int) -> Future[Breakpoint | None]:
        """Set or remove the console's breakpoint on a line."""
        return self._ask(lambda: self.broker.face.toggle(path, line))

    def set(self, path: str | Path, line: int, *, condition: str = "", hit: str = "", log: str = "",
            enabled: bool = True) -> Future[Breakpoint]:
        """Set a breakpoint with its condition, hit count or log point; `UsageError` for text that cannot work."""
        return self._ask(lambda: self.broker.face.set(path, line, condition=condition, hit=hit, log=log,
                                                      enabled=enabled))

    def remove(self, path: str | Path, line: int) -> Future[None]:
        """Remove a breakpoint, whoever owns it."""
        return self._ask(lambda: self.broker.face.remove(path, line))

    def enable(self, path: str | Path, line: int, enabled: bool = True) -> Future[None]:
        """Enable or disable a breakpoint."""
        return self._ask(lambda: self.broker.face.enable(path, line, enabled))

    def stop_on_errors_of(self, id: int) -> Future[None]:
        """Stop on errors that the handler lets out in the next replay of invocation `id`."""
        return self._ask(lambda: self.broker.filter_exceptions(_replay_of(id), ExceptionFilters(uncaught=True)))

    def set_filters(self, uncaught: bool = False, raised: bool = False, classes: tuple[str, ...] = ()) -> Future[None]:
        """Stop on handler errors, on every raise, or on chosen exception classes."""
        return self._ask(lambda: self.broker.face.set_exception_filters(uncaught, raised, classes))

    def siblings(self, thread_id: int) -> Future[list[PausedThread]]:
        """The other threads of a paused thread's worker."""
        return self._ask(lambda: self.broker.face.siblings(thread_id))

    def look(self, thread_id: int) -> Future[Look]:
        """Frames of a paused thread, and the locals of the one to show first."""
        return self._ask(lambda: self.broker.face.look(thread_id))

    def locals(self, frame_id: int) -> Future[tuple[int, list[Variable]]]:
        """A frame's locals and the reference by which they are given other values."""
        return self._ask(lambda: self.broker.face.locals(frame_id))

    def variables(self, reference: int, start: int = 0, count: int = 200) -> Future[list[Variable]]:
        """Children of a scope or a variable."""
        return self._ask(lambda: self.broker.face.variables(reference, start, count))

    def evaluate(self, expression: str, frame_id: int | None = None,
                 context: Literal["repl", "watch", "hover"] = "repl") -> Future[Evaluated]:
        """Evaluate an expression (or run a statement) in a frame."""
        return self._ask(lambda: self.broker.face.evaluate(expression, frame_id, context))

    def watched(self, frame_id: int) -> Future[list[Watched]]:
        """The watch expressions of the project and what they give in a frame."""
        return self._ask(lambda: self.broker.face.watched(frame_id))

    def watch(self, old: str, new: str) -> Future[None]:
        """Change a watch expression; an empty `old` adds one, an empty `new` removes it."""
        return self._ask(lambda: self.broker.face.watch(old, new))

    def set_variable(self, reference: int, name: str, value: str) -> Future[Evaluated]:
        """Give a variable a new value, written as an expression."""
        return self._ask(lambda: self.broker.face.set_variable(reference, name, value))

    def resume(self, thread_id: int) -> Future[None]:
        """Let a worker run on."""
        return self._ask(lambda: self.broker.face.resume(thread_id))

    def step(self, thread_id: int, how: Literal["over", "into", "out"]) -> Future[None]:
        """One step of a paused thread."""
        face = self.broker.face
        steps = {"over": face.step_over, "into": face.step_into, "out": face.step_out}
        return self._ask(lambda: steps[how](thread_id))

    def run_to(self, thread_id: int, path: str | Path, line: int) -> Future[None]:
        """Run on to a line."""
        return self._ask(lambda: self.broker.face.run_to(thread_id, path, line))

    def _ask(self, action: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        loop = self._loop
        if loop is None:
            failed: Future[T] = Future()
            failed.set_exception(LivetuiError("The debugger is not running.", hint="Wait until the session is live."))
            return failed
        return asyncio.run_coroutine_threadsafe(action(), loop)

    # --- what the broker tells, on the engine's loop --------------------------------------------------------------

    def on_paused(self, paused: PausedThread) -> None:
        """Hold the call's deadline and tell."""
        self._paused[paused.pid, paused.thread_id] = paused
        if self._workers is not None and paused.work_id:
            self._workers.hold(paused.work_id)
            self._pauses.paused(paused.work_id)
        self._hub.publish(ThreadPaused(paused))

    def on_resumed(self, paused: PausedThread) -> None:
        """Let the call's deadline run on."""
        self._paused.pop((paused.pid, paused.thread_id), None)
        if self._workers is not None and paused.work_id:
            self._workers.release(paused.work_id)
            self._pauses.resumed(paused.work_id)
        self._hub.publish(ThreadResumed(paused))

    def on_breakpoints_changed(self, breakpoints: list[Breakpoint]) -> None:
        """Keep and tell the union."""
        self._breakpoints = breakpoints
        self._hub.publish(BreakpointsChanged(breakpoints))

    def on_output(self, output: Output) -> None:
        """Pass on what a log point wrote, to the call if one is known: what it wrote last may come after its end."""
        text = output.text.rstrip()
        work_id = self._work_of(output.pid) or self._ran.get(output.pid, "")
        if text and not (work_id and self._pauses.wrote(work_id, text)):
            self._hub.publish(DebugOutput(output.function_id, text))

    def on_post_mortem(self, error: PostMortem) -> None:
        """Keep the frames of an unhandled error."""
        row = self._pauses.row_of(error.work_id)
        if row is not None:
            self._post_mortems[row] = error
            while len(self._post_mortems) > _MOST_POST_MORTEMS:
                self._post_mortems.popitem(last=False)
            self._hub.publish(PostMortemTaken(row, error.error_type))

    def on_wanted_changed(self, wanted: bool) -> None:
        """Workers that run without (or with) the debugger are replaced before their next call."""
        if self._workers is not None:
            self._workers.restart()

    def on_restart(self) -> None:
        """An editor's restart button."""
        if self._workers is not None:
            self._workers.restart()

    def on_clients_changed(self, clients: list[str]) -> None:
        """Editors came or went."""
        self._hub.publish(EditorsChanged(clients))

    def on_notice(self, function_id: str, level: str, text: str) -> None:
        """Pass on what the debugger has to say."""
        known: Literal["info", "warning", "error"] = "error" if level == "error" else (
            "warning" if level == "warning" else "info")
        self._hub.publish(Notice(known, f"{function_id}: {text}" if function_id else text))
