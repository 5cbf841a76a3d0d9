"""The console that is soaked: a session in a process of its own, which drives its debugger as a developer would.

Settings come as one JSON argument, orders (`breakpoint on`, `breakpoint off`, `objects`, `stop`) as lines on stdin;
what happens is told as JSON lines on stdout.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import queue
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from livetui import config
from livetui.aws import Aws, IotEndpoint
from livetui.errors import LivetuiError
from livetui.session.debugging import PausedThread
from livetui.session.events import (
    CodeReloaded,
    LinkChanged,
    Notice,
    SessionEnded,
    SessionEvent,
    SessionFailed,
    SessionLive,
    ThreadPaused,
)
from livetui.session.headless import log_to
from livetui.session.session import Session

WITHIN = 15.0


def tell(event: str, **values: Any) -> None:
    """One line to the one who started this."""
    print(json.dumps({"event": event, **values}), flush=True)


def route_through(port: int) -> None:
    """Have both sides dial the broker at another port: the stack writes it into the stubs' configuration."""
    direct = Aws.iot_endpoint

    def rerouted(self: Aws) -> IotEndpoint:
        return dataclasses.replace(direct(self), port=port)

    Aws.iot_endpoint = rerouted  # type: ignore[method-assign]


class Developer:
    """Looks at what stopped, steps once, and lets it run on."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._stops: queue.SimpleQueue[PausedThread | None] = queue.SimpleQueue()
        self._stepped: set[tuple[int, int, str]] = set()
        self._thread = threading.Thread(target=self._work, name="developer")
        self._thread.start()

    def stopped(self, paused: PausedThread) -> None:
        """Something stands still; on the engine's thread."""
        self._stops.put(paused)

    def leave(self) -> None:
        """End."""
        self._stops.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (paused := self._stops.get()) is not None:
            try:
                self._look(paused)
            except Exception as error:  # noqa: BLE001  (told in the soak's table)
                tell("debug.failed", text=f"{type(error).__name__}: {error}", line=paused.line)

    def _look(self, paused: PausedThread) -> None:
        debug = self._session.debug
        frame = debug.look(paused.thread_id).result(WITHIN).frames[0]
        token = debug.evaluate("token", frame.id).result(WITHIN).value.strip("'")
        call = (paused.pid, paused.thread_id, paused.work_id)
        tell("paused", token=token, first=call not in self._stepped)
        if call in self._stepped:
            self._stepped.discard(call)
            debug.resume(paused.thread_id).result(WITHIN)
        else:
            self._stepped.add(call)
            debug.step(paused.thread_id, "over").result(WITHIN)


def listen(event: SessionEvent, developer: Developer) -> None:
    """Pass on what the soak wants to know; on the engine's thread."""
    if isinstance(event, SessionLive):
        tell("live", functions={name: info.name for name, info in event.functions.items()}, outputs=event.outputs)
    elif isinstance(event, SessionFailed):
        tell("failed", text=f"{event.what} {event.why}")
    elif isinstance(event, SessionEnded):
        tell("ended", code=event.exit_code)
    elif isinstance(event, CodeReloaded):
        tell("reloaded", function=event.function, error=event.error)
    elif isinstance(event, LinkChanged):
        tell("link", state=event.state)
    elif isinstance(event, Notice) and event.level != "info":
        tell("notice", text=event.text)
    elif isinstance(event, ThreadPaused):
        developer.stopped(event.paused)


def objects() -> dict[str, int]:
    """How many objects of each type the garbage collector knows, after it has collected."""
    gc.collect()
    return dict(Counter(type(known).__qualname__ for known in gc.get_objects()))


def main() -> None:
    """Run the session until `stop` or the end of stdin."""
    options = json.loads(sys.argv[1])
    route_through(options["broker_port"])
    settings = config.load(Path(options["project"]), {"local": True, "stage": "soak"}, {})
    log_to(settings.log_path)
    session = Session(settings)
    developer = Developer(session)
    session.subscribe(lambda event: listen(event, developer))
    session.start()
    for line in sys.stdin:
        order = line.strip()
        if order == "stop":
            break
        try:
            if order == "objects":
                tell("objects", counts=objects())
            elif order == "breakpoint on":
                session.debug.set(options["pause_path"], options["pause_line"]).result(WITHIN)
            elif order == "breakpoint off":
                session.debug.remove(options["pause_path"], options["pause_line"]).result(WITHIN)
        except (LivetuiError, TimeoutError) as error:
            tell("debug.failed", text=f"{order}: {type(error).__name__}: {error}", line=0)
    developer.leave()
    session.stop()
    session.wait(WITHIN * 2)
    unfinished = [f"#{row.id} {row.function} {row.state}" for state in ("queued", "running", "paused")
                  for row in session.rows(f"state:{state}")]
    tell("rows", unfinished=unfinished, held=session.counts().held)
    session.close()


if __name__ == "__main__":
    main()
