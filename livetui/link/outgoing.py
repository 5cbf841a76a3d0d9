"""What one connection has to send, in the order and at the pace at which it may go. Pure: times come in."""

from __future__ import annotations

from collections import deque

from stub_runtime.actions import Publish
from stub_runtime.pace import Pace
from stub_runtime.wire import Kind, kind_of


class Outgoing:
    """Signs of life overtake answers, in turn: a caller whose answer waits must not take the console for dead."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.waited = 0.0
        """Seconds in which something waited for the quota."""
        self._since: float | None = None
        self._sign_went = False
        self._signs: deque[Publish] = deque()
        self._answers: deque[Publish] = deque()
        self._waiting: set[tuple[str, bytes]] = set()

    def __len__(self) -> int:
        return len(self._signs) + len(self._answers)

    def add(self, publish: Publish) -> bool:
        """Take a frame; False when this very frame of an answer waits already. A sign of life is needed only once."""
        is_answer = kind_of(publish.payload) == Kind.ANSWER
        queue = self._answers if is_answer else self._signs
        if (publish.topic, publish.payload) in self._waiting:
            return not is_answer
        self._waiting.add((publish.topic, publish.payload))
        queue.append(publish)
        return True

    def due(self, now: float) -> list[Publish]:
        """Take out what may go now; the rest waits for `wait`."""
        found: list[Publish] = []
        while queue := next((each for each in self._in_turn if self.pace.wait(now, len(each[0].payload)) <= 0), None):
            publish = queue.popleft()
            self._waiting.discard((publish.topic, publish.payload))
            self._sign_went = queue is self._signs
            self.pace.sent(now, len(publish.payload))
            found.append(publish)
        if self._since is not None:
            self.waited += now - self._since
        self._since = now if len(self) else None
        return found

    def wait(self, now: float) -> float | None:
        """Seconds until something is due; None when nothing waits."""
        return min((self.pace.wait(now, len(each[0].payload)) for each in self._in_turn), default=None)

    def clear(self) -> None:
        """Forget what waits."""
        self._signs.clear()
        self._answers.clear()
        self._waiting.clear()

    @property
    def _in_turn(self) -> list[deque[Publish]]:
        """Those in which something waits: after a sign an answer, if its bytes may go, and a sign after that."""
        order = (self._answers, self._signs) if self._sign_went else (self._signs, self._answers)
        return [queue for queue in order if queue]
