"""Keeping one connection under AWS IoT's quotas: 100 publishes a second in and out together, 512 KiB a second each way.

A sliding window rather than a leaky bucket, so that no single second ever holds more than the quota. Nothing is
dropped for pace; a publish is given the moment at which it may go out.
"""

from __future__ import annotations

from collections import deque

PUBLISHES = 95
BYTES = 500 * 1024
WINDOW = 1.0


class Pace:
    """The traffic of one connection. Times in seconds of any steady clock."""

    def __init__(self, publishes: int = PUBLISHES, size: int = BYTES) -> None:
        self.publishes = publishes
        self.size = size
        self._out: deque[tuple[float, int]] = deque()
        self._in: deque[tuple[float, int]] = deque()

    def heard(self, now: float, size: int) -> None:
        """Something came in; it counts against the publishes."""
        self._in.append((now, size))
        while self._in and self._in[0][0] <= now - WINDOW:
            self._in.popleft()

    def reserve(self, now: float, size: int) -> float:
        """When a publish of `size` bytes may go out: `now`, or a moment after it. It is counted at once."""
        out = self._out
        at = max(now, out[-1][0]) if out else now
        while out and out[0][0] <= now - WINDOW:
            out.popleft()
        while True:
            recent = [entry for entry in out if entry[0] > at - WINDOW]
            heard = [entry for entry in self._in if entry[0] > at - WINDOW]
            over_count = len(recent) + len(heard) >= self.publishes
            over_bytes = bool(recent) and sum(entry[1] for entry in recent) + size > self.size
            if not over_count and not over_bytes:
                out.append((at, size))
                return at
            oldest = [entries[0][0] for entries in ((recent, heard) if over_count else (recent,)) if entries]
            at = min(oldest) + WINDOW + 1e-6

    def load(self, now: float) -> float:
        """Share of the publish quota used in the last second; above 1 when publishes wait."""
        recent = sum(1 for at, _ in self._out if at > now - WINDOW)
        return (recent + sum(1 for at, _ in self._in if at > now - WINDOW)) / self.publishes
