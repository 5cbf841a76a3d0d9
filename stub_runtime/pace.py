"""Keeping one connection under AWS IoT's quotas: 100 publishes a second in and out together, 512 KiB a second each way.

Publishes are let out by a token bucket: at most `BURST + RATE` in any second, and evenly enough that messages which a
slow broker sees closer together than they were sent still fit. Too many are dropped by IoT, so nothing is risked; too
many bytes are only delayed by it, so those have a plain sliding window. Nothing is dropped for pace.
"""

from __future__ import annotations

from collections import deque

BURST = 24
RATE = 70.0
BYTES = 500 * 1024
WINDOW = 1.0


class Pace:
    """The traffic of one connection. Times in seconds of any steady clock."""

    def __init__(self, burst: int = BURST, rate: float = RATE, size: int = BYTES) -> None:
        self.burst = burst
        self.rate = rate
        self.size = size
        self._tokens = float(burst)
        self._filled = 0.0
        self._recent: deque[float] = deque()
        self._out: deque[tuple[float, int]] = deque()
        self._out_bytes = 0

    def heard(self, now: float) -> None:
        """A publish came in; it counts against the publishes, and cannot be held back."""
        self._take(now)

    def sent(self, now: float, size: int) -> None:
        """A publish of `size` bytes went out."""
        self._take(now)
        self._out.append((now, size))
        self._out_bytes += size

    def wait(self, now: float, size: int) -> float:
        """Seconds until a publish of `size` bytes may go out; 0 when it may go now. Ask again after that time."""
        self._fill(now)
        while self._out and self._out[0][0] <= now - WINDOW:
            self._out_bytes -= self._out.popleft()[1]
        times = [0.0]
        if self._tokens < 1:
            times.append((1 - self._tokens) / self.rate)
        excess = self._out_bytes + size - self.size
        for at, gone in self._out:
            if excess <= 0:
                break
            excess -= gone
            times.append(at + WINDOW - now + 1e-6)
        return max(times)

    def load(self, now: float) -> float:
        """Share of what may pass in a second that did pass in the last one."""
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        return len(self._recent) / self.rate

    def _take(self, now: float) -> None:
        self._fill(now)
        self._tokens = max(self._tokens - 1, -self.rate)
        self._recent.append(now)
        if len(self._recent) > 4096:
            self._recent.popleft()

    def _fill(self, now: float) -> None:
        self._tokens = min(float(self.burst), self._tokens + max(0.0, now - self._filled) * self.rate)
        self._filled = max(now, self._filled)
