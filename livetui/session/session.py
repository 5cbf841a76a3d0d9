"""The session: the one object that front ends hold. Plain values in, frozen events out, from any thread."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from livetui.config import Settings
from livetui.errors import LivetuiError
from livetui.session.events import Notice, SessionEnded, SessionEvent, SessionFailed
from livetui.session.hub import Hub, Status
from livetui.session.invocation import Invocation, Row
from livetui.session.records import SessionRecord
from livetui.session.store import Counts, Store

if TYPE_CHECKING:  # what it starts takes longer to import than a screen to draw: see `_engine`
    from livetui.link.usage import LinkUsage
    from livetui.runtime.contract import LaneStats
    from livetui.session.debugging import Debugging
    from livetui.session.engine import Engine

log = logging.getLogger(__name__)


class Session:
    """One run of livetui in a project.

    `start()` returns at once; what happens is told through `subscribe`. `stop()` ends it from any stage;
    `SessionEnded` is the last event, and `exit_code` is then what the command should end with. With `serve=False`
    no calls are taken, only replays are run: another console may hold the stage meanwhile. `seconds` ends it that
    long after it became live. `attach` names deployed functions to make live instead of deploying the template.
    Without `console` the breakpoints set in a console are left alone: nobody would be there to let a call run on.
    `read_again` reads the settings anew, for a start after one that failed.
    """

    def __init__(self, settings: Settings, *, kind: str = "dev", traffic: bool = False,
                 serve: bool = True, seconds: float | None = None, attach: tuple[str, ...] = (),
                 console: bool = True, read_again: Callable[[], Settings] | None = None) -> None:
        self.settings = settings
        self._read_again = read_again or (lambda: settings)
        self.exit_code = 0
        self._hub = Hub()
        self._store = Store.open(settings.state / "invocations.sqlite",
                                 max_invocations=settings.history.max_invocations, max_mb=settings.history.max_mb)
        self._options: dict[str, Any] = {"kind": kind, "traffic": traffic, "serve": serve, "seconds": seconds,
                                         "attach": attach, "console": console}
        self._building = threading.Lock()
        self._built: Engine | None = None
        self._thread = self._new_thread()
        self._earlier: list[threading.Thread] = []
        self._restarting: threading.Thread | None = None
        self._ended = threading.Event()

    @property
    def _engine(self) -> Engine:
        """Built when it is first needed, on the engine's thread as a rule: the screen is drawn meanwhile."""
        with self._building:
            if self._built is None:
                self._built = self._build(self.settings)
            return self._built

    def _build(self, settings: Settings) -> Engine:
        from livetui.session.engine import Engine

        return Engine(settings, self._store, self._hub, **self._options)

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="livetui-engine", daemon=True)

    # --- life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin: local cloud, bootstrap, deployment, link; then calls are served until `stop()`."""
        self._thread.start()

    def stop(self) -> None:
        """Ask everything to end; returns at once."""
        self._engine.stop()

    @property
    def can_park(self) -> bool:
        """Whether this session has a live stack that outlives it, with its sources of events."""
        return self._engine.can_park

    @property
    def parks(self) -> bool:
        """Whether those are switched off when it ends."""
        return self._engine.park

    def park_and_stop(self) -> None:
        """Switch off the live stack's queues, rules and schedules, then end; the next session wakes them."""
        self._engine.park = True
        self._engine.stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the session has ended; False when `timeout` seconds passed first."""
        return self._ended.wait(timeout)

    def close(self) -> None:
        """Stop, wait for the end, close the store."""
        self.stop()
        for thread in (*self._earlier, self._thread):
            if thread.ident is not None:
                thread.join()
        self._store.close()

    def take_over(self) -> None:
        """Start again and take the stage from the console that holds it; returns at once."""
        self._restart(msgspec.structs.replace(self.settings, take_over=True))

    def _restart(self, settings: Settings) -> None:
        if self._restarting is not None and self._restarting.is_alive():
            return  # it is on its way: the one before it has still to end
        engine, thread = self._engine, self._thread
        following = self._built = self._build(settings)
        engine.ground.hands_on = True
        engine.stop()
        self._thread = self._new_thread()
        self._ended.clear()
        self.exit_code = 0

        def restart(begun: threading.Thread) -> None:
            if thread.ident is not None:
                thread.join()
            if engine.ground.owned is not None and engine.ground.owned.is_alive:
                following.ground.inherited = engine.ground.owned
            begun.start()

        self._restarting = threading.Thread(target=restart, args=[self._thread], name="livetui-restart", daemon=True)
        self._earlier += [thread, self._restarting]
        self._restarting.start()

    def _run(self) -> None:
        engine: Engine | None = None
        for notice in self._store.notices:
            self._hub.publish(Notice("warning", notice))
        try:
            engine = self._engine
            asyncio.run(engine.run())
        except LivetuiError as error:
            from livetui.link.owner import LinkHeld

            held_by = error.owner if isinstance(error, LinkHeld) else ""
            self._fail(SessionFailed(error.what, error.why, error.hint, error.exit_code, held_by))
        except Exception as error:
            log.exception("the session failed")
            self._fail(SessionFailed("livetui failed.", f"{type(error).__name__}: {error}",
                                     f"The log file has the details: {self.settings.log_path}"))
        finally:
            if engine is self._built:  # else another one takes over
                self._hub.publish(SessionEnded(self.exit_code))
                self._ended.set()

    def _fail(self, failure: SessionFailed) -> None:
        self.exit_code = failure.exit_code
        self._hub.publish(failure)

    # --- what it says ---------------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[SessionEvent], None]) -> Callable[[], None]:
        """Hear every event, on the engine's thread; the listener must return at once. Returns the unsubscriber."""
        return self._hub.subscribe(listener)

    def status(self) -> Status:
        """Where the session stands now."""
        return self._hub.status()

    def rows(self, filter: str = "", limit: int = 1000, before: int | None = None,
             session: str | None = None) -> list[Row]:
        """The newest rows that match the filter, oldest first; with `session` only those of that one.

        Raises `FilterError` on a filter that does not parse.
        """
        return self._store.rows(filter, limit=limit, before=before, session=session)

    def sessions(self) -> list[SessionRecord]:
        """All sessions of the history, newest first; this one among them once it is live."""
        return self._store.sessions()

    def invocation(self, id: int) -> Invocation:
        """Everything of one invocation. Raises `LivetuiError` when it is not held (any more)."""
        return self._store.invocation(id)

    def counts(self) -> Counts:
        """How many invocations are held and how many were dropped."""
        return self._store.counts()

    def others_wrote(self) -> bool:
        """Whether another process, such as `livetui replay`, wrote to the history since this was asked last."""
        return self._store.others_wrote()

    def workers(self) -> dict[str, LaneStats]:
        """Workers, queue and way of starting (`fork` or `fresh`, and why) of each live function."""
        return self._engine.workers()

    def usage(self) -> LinkUsage:
        """What went over the link so far, against its quotas, and what AWS IoT takes for it."""
        return self._engine.usage()

    def numbers(self, filter: str = "", session: str | None = None) -> list[int]:
        """Ids of all rows that match, for filtering rows that are held already; with `session` only of that one."""
        return self._store.numbers(filter, session=session)

    def export(self, id: int, kind: str, reveal: bool = False) -> str:
        """An invocation as `json`, `sam`, `curl`, `aws` or `pytest`; blocks for milliseconds."""
        from livetui.session import chores

        return chores.export(self.settings, self._store, id, kind, reveal=reveal)

    def vscode(self) -> Path:
        """Write or update VS Code's launch.json entry; its path."""
        from livetui.session import chores

        return chores.vscode(self.settings)

    def related(self, id: int) -> list[Row]:
        """Invocations that caused one another, by trace header, oldest first."""
        return self._store.related(id)

    @property
    def debug(self) -> Debugging:
        """The debugger: breakpoints, paused threads, steps; see `livetui.session.debugging`."""
        return self._engine.debug

    # --- what it does ---------------------------------------------------------------------------------------------

    def replay(self, id: int, event: bytes | None = None, times: int = 1) -> None:
        """Run a recorded event again (or `event` in its place), as new rows."""
        self._engine.ask(lambda: self._engine.dispatcher.replay(id, event, times))

    def redeploy(self) -> None:
        """Deploy what changed in the template, while calls go on; when the start has failed: start again.

        Raises `LivetuiError` when the settings, which are then read again, cannot be used.
        """
        if self._ended.is_set():
            typed = self.settings.yes_production
            self.settings = msgspec.structs.replace(self._read_again(), yes_production=typed)
            self._restart(self.settings)
        else:
            self._engine.ask(self._engine.redeploy)

    def invoke(self, function: str, event: bytes, taken: Callable[[str], object] = lambda _: None) -> None:
        """Invoke a function through the cloud, once, as a caller who waits; its row arrives like any other.

        `taken` hears the request id of that row, on any thread.
        """
        target, aws = self._engine.function(function), self._engine.aws
        assert aws is not None
        self._engine.invoking.send(aws, target, event, taken)

    def answer_now(self, id: int) -> None:
        """Answer the caller of a paused invocation with a typed error; its handler runs on and ends `late`."""
        self._engine.ask(lambda: self._engine.dispatcher.answer_now(id))

    def parents(self, ids: Sequence[int]) -> dict[int, int]:
        """The cause of each of these invocations, for those whose cause is among them."""
        from livetui.session.causes import parents

        def held() -> Iterator[Invocation]:
            for id in ids:
                with contextlib.suppress(LivetuiError):  # dropped meanwhile: the others are told all the same
                    yield self._store.invocation(id)

        return parents(held())

    def mark(self, id: int, on: bool = True) -> None:
        """Mark an invocation, or take the mark away."""
        self._changed(id, marked=on)

    def note(self, id: int, text: str) -> None:
        """Write a note on an invocation."""
        self._changed(id, note=text)

    def _changed(self, id: int, **values: Any) -> None:
        from livetui.session.events import InvocationChanged

        self._hub.publish(InvocationChanged(self._store.changed(id, **values)))
