"""A session without a console: run it for a while in front of an output, or as one step of a command."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from livetui.errors import LivetuiError, UsageError
from livetui.session.events import (
    InvocationFinished,
    Notice,
    SessionEnded,
    SessionEvent,
    SessionFailed,
    SessionLive,
)
from livetui.session.invocation import Row
from livetui.session.session import Session

INTERRUPTED = 130
_MOST_WAITING = 50_000
_LAST_WORDS_S = 3.0


def log_to(path: Path) -> None:
    """Send the log of this process to a file that only the user can read (0600)."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise UsageError(f"The log file {path} cannot be written.", str(error), "Pass another --log FILE.") from error
    handler = logging.StreamHandler(os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace"))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in ("livetui", "asyncio"):  # asyncio tells of tasks whose error nobody took
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


def run(session: Session, output: Callable[[SessionEvent], object]) -> int:
    """Run until Ctrl-C, SIGTERM, SIGHUP, a failure or the session's own end. Returns the exit code.

    `output` may raise `BrokenPipeError` when its reader has gone: the session then ends as if interrupted. A second
    Ctrl-C leaves at once, whatever still waits for the network; children end with this process.
    """
    interrupted = threading.Event()

    def end() -> None:
        interrupted.set()
        session.stop()

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        if interrupted.is_set():
            os._exit(INTERRUPTED)
        end()

    spool = _Spool(output, on_broken=end)

    session.subscribe(spool.put)
    with _signals(interrupt):
        session.start()
        while not session.wait(0.2):  # in short turns, so that signals are handled on every platform
            pass
        session.close()
        spool.close()
    return INTERRUPTED if interrupted.is_set() and not session.exit_code else session.exit_code


class _Spool:
    """Writes events on a thread of its own, so that a reader who stalls delays no answer; bounded, losses counted."""

    def __init__(self, output: Callable[[SessionEvent], object], on_broken: Callable[[], None]) -> None:
        self._output, self._on_broken = output, on_broken
        self._waiting: queue.Queue[SessionEvent | None] = queue.Queue(_MOST_WAITING)
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="livetui-output", daemon=True)
        self._thread.start()

    def put(self, event: SessionEvent) -> None:
        """Take an event; returns at once."""
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            self._lost += 1

    def close(self) -> None:
        """Write what waits, for at most a few seconds."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=_LAST_WORDS_S)
        self._thread.join(_LAST_WORDS_S)

    def _run(self) -> None:
        while (event := self._waiting.get()) is not None:
            try:
                self._output(event)
                if self._lost:
                    lost, self._lost = self._lost, 0
                    self._output(Notice("warning", f"{lost} events were dropped: nobody read this output."))
            except BrokenPipeError:
                self._on_broken()
                return


@contextlib.contextmanager
def _signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle Ctrl-C, SIGTERM and a closed terminal with `handler`, and put the old handlers back."""
    chosen = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = [signal.signal(number, handler) for number in chosen]
    try:
        yield
    finally:
        for number, old in zip(chosen, before, strict=True):
            signal.signal(number, old)


@contextlib.contextmanager
def live(session: Session, output: Callable[[SessionEvent], object]) -> Iterator[Session]:
    """The session while it is live, as one step of a command. Raises `LivetuiError` when it does not get there."""
    reached: queue.SimpleQueue[SessionEvent] = queue.SimpleQueue()

    def listen(event: SessionEvent) -> None:
        if isinstance(event, SessionLive | SessionFailed | SessionEnded):
            reached.put(event)
        output(event)

    session.subscribe(listen)
    session.start()
    try:
        event = reached.get()
        if isinstance(event, SessionFailed):
            failure = LivetuiError(event.what, event.why, event.hint)
            failure.exit_code = event.exit_code
            raise failure
        yield session
    finally:
        session.close()


def replay(session: Session, id: int, event: bytes | None, times: int, output: Callable[[SessionEvent], object],
           timeout_s: float = 960.0) -> list[Row]:
    """Replay an invocation in a session of its own and wait for the new rows. Raises `LivetuiError` on a time-out."""
    session.invocation(id)
    finished: queue.SimpleQueue[Row] = queue.SimpleQueue()

    def listen(event: SessionEvent) -> None:
        if isinstance(event, InvocationFinished) and event.row.replay_of == id:
            finished.put(event.row)

    session.subscribe(listen)
    with live(session, output):
        session.replay(id, event, times)
        try:
            return [finished.get(timeout=timeout_s) for _ in range(times)]
        except queue.Empty:
            raise LivetuiError(f"The replay of #{id} did not end within {timeout_s:g} s.",
                               hint="Look at it in the console: livetui") from None
