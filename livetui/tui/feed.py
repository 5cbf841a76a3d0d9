"""The way of events from the engine's thread to the screen: a bounded queue that the screen drains in batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from livetui.session.events import (
    InvocationFinished,
    InvocationPaused,
    LinkChanged,
    SessionEnded,
    SessionEvent,
    SessionFailed,
    SessionLive,
    ThreadPaused,
    ThreadResumed,
)
from livetui.session.invocation import Row

CAPACITY = 50_000
"""Events that may wait. A screen that falls this far behind looks again at what it was not told."""

_URGENT = (InvocationPaused, LinkChanged, SessionLive, SessionFailed, SessionEnded, ThreadPaused, ThreadResumed)


class Feed:
    """Takes events on the engine's thread without ever blocking it; hands them out on the screen's."""

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._waiting: deque[SessionEvent] = deque()
        self.watched: int | None = None
        """Id of the row on screen: its end is shown at once."""
        self.lost = False
        """Whether events were let go of, the oldest first."""
        self.lost_row: int | None = None
        """The smallest id among the rows that they told of."""

    def put(self, event: SessionEvent) -> None:
        """The listener given to the session. Appending to a deque needs no lock."""
        if len(self._waiting) >= CAPACITY:
            row: Row | None = getattr(self._waiting.popleft(), "row", None)
            if row is not None:
                self.lost_row = row.id if self.lost_row is None else min(row.id, self.lost_row)
            self.lost = True
        self._waiting.append(event)
        if isinstance(event, _URGENT) or (isinstance(event, InvocationFinished) and event.row.id == self.watched):
            self._wake()

    def take(self, most: int = 5_000) -> list[SessionEvent]:
        """At most `most` waiting events, oldest first."""
        taken: list[SessionEvent] = []
        while self._waiting and len(taken) < most:
            taken.append(self._waiting.popleft())
        return taken

    def __len__(self) -> int:
        return len(self._waiting)
