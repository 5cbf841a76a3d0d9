"""Keeping one connection under AWS IoT's quotas: 100 publishes a second in and out together, 512 KiB a second each way.

A sliding window rather than a leaky bucket, so that no single second ever holds more than the quota. Nothing is
dropped for pace: a publish waits for its moment.
"""

from __future__ import annotations

from collections import deque

PUBLISHES = 88
"""Under 100, since what is on its way in cannot be held back: room for a dozen stubs that call in the same moment."""
BYTES = 500 * 1024
WINDOW = 1.05
"""A little over a second, since the broker does not see messages at the distances at which they were sent."""


class Pace:
    """The traffic of one connection. Times in seconds of any steady clock."""

    def __init__(self, publishes: int = PUBLISHES, size: int = BYTES) -> None:
        self.publishes = publishes
        self.size = size
        self._all: deque[float] = deque()
        self._out: deque[tuple[float, int]] = deque()
        self._out_bytes = 0

    def heard(self, now: float) -> None:
        """A publish came in; it counts against the publishes."""
        self._all.append(now)

    def sent(self, now: float, size: int) -> None:
        """A publish of `size` bytes went out."""
        self._all.append(now)
        self._out.append((now, size))
        self._out_bytes += size

    def wait(self, now: float, size: int) -> float:
        """Seconds until a publish of `size` bytes may go out; 0 when it may go now. Ask again after that time."""
        self._forget(now)
        times = [0.0]
        if len(self._all) >= self.publishes:
            times.append(self._all[len(self._all) - self.publishes] + WINDOW - now)
        excess = self._out_bytes + size - self.size
        for at, gone in self._out:
            if excess <= 0:
                break
            excess -= gone
            times.append(at + WINDOW - now)
        return max(times)

    def load(self, now: float) -> float:
        """Share of the publish quota that the last second used."""
        self._forget(now)
        return len(self._all) / self.publishes

    def _forget(self, now: float) -> None:
        while self._all and self._all[0] <= now - WINDOW:
            self._all.popleft()
        while self._out and self._out[0][0] <= now - WINDOW:
            self._out_bytes -= self._out.popleft()[1]
