"""Session events of a session in this process, to be waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from livetui.session.events import InvocationFinished, SessionEvent


class Heard:
    """A listener that keeps every event."""

    def __init__(self) -> None:
        self.events: list[SessionEvent] = []
        self._grown = threading.Condition()

    def __call__(self, event: SessionEvent) -> None:
        with self._grown:
            self.events.append(event)
            self._grown.notify_all()

    def index(self, kind: type[SessionEvent]) -> int:
        """Where the first event of a kind stands, once there is one."""
        self.wait_for(lambda event: isinstance(event, kind))
        return next(n for n, event in enumerate(self.events) if isinstance(event, kind))

    def wait_for(self, wanted: Callable[[SessionEvent], bool], timeout: float = 60, after: int = 0) -> Any:
        """The first event from index `after` on that is wanted."""
        deadline = time.monotonic() + timeout
        with self._grown:
            while True:
                for event in self.events[after:]:
                    if wanted(event):
                        return event
                left = deadline - time.monotonic()
                assert left > 0, f"not heard within {timeout} s; the last: {self.events[-6:]}"
                self._grown.wait(left)

    def finished(self, function: str, after: int = 0) -> Any:
        """The first invocation of a function that finished."""
        return self.wait_for(lambda event: isinstance(event, InvocationFinished) and event.row.function == function,
                             after=after)
