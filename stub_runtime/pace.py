"""Keeping one connection under AWS IoT's quotas: 100 publishes a second in and out together, 512 KiB a second each way.

Publishes and bytes are let out by a token bucket each: at most burst and a second's rate in any second, and evenly
enough that what a slow broker sees closer together than it was sent still fits. Nothing is dropped for pace.
"""

from __future__ import annotations

from collections import deque

BURST = 24
RATE = 70.0
"""Publishes a second."""
BYTES_BURST = 160 * 1024
"""More than a whole frame, so that one that is alone never waits."""
BYTES_RATE = 300 * 1024.0


class _Bucket:
    """Holds `burst` tokens and gets `rate` a second; taken ones may be owed, up to a second's worth."""

    def __init__(self, burst: float, rate: float) -> None:
        self._burst = self._tokens = float(burst)
        self._rate = rate
        self._filled = 0.0

    def take(self, now: float, amount: float) -> None:
        self._fill(now)
        self._tokens = max(self._tokens - amount, -self._rate)

    def wait(self, now: float, amount: float) -> float:
        """Seconds until `amount` can be taken."""
        self._fill(now)
        short = amount - self._tokens
        return short / self._rate + 1e-6 if short > 1e-6 else 0.0

    def _fill(self, now: float) -> None:
        if now > self._filled:
            self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
            self._filled = now


class Pace:
    """The traffic of one connection. Times in seconds of any steady clock."""

    def __init__(self) -> None:
        self._publishes = _Bucket(BURST, RATE)
        self._bytes = _Bucket(BYTES_BURST, BYTES_RATE)
        self._recent: deque[tuple[float, int]] = deque(maxlen=4096)

    def heard(self, now: float) -> None:
        """A publish came in; it counts against the publishes, and cannot be held back."""
        self._take(now, 0)

    def sent(self, now: float, size: int) -> None:
        """A publish of `size` bytes went out."""
        self._take(now, size)

    def wait(self, now: float, size: int) -> float:
        """Seconds until a publish of `size` bytes may go out; 0 when it may go now. Ask again after that time."""
        return max(self._publishes.wait(now, 1), self._bytes.wait(now, size))

    def load(self, now: float) -> float:
        """Share of what may pass in a second that did pass in the last one: of publishes or of bytes out."""
        while self._recent and self._recent[0][0] <= now - 1:
            self._recent.popleft()
        return max(len(self._recent) / RATE, sum(size for _, size in self._recent) / BYTES_RATE)

    def _take(self, now: float, size: int) -> None:
        self._publishes.take(now, 1)
        self._bytes.take(now, size)
        self._recent.append((now, size))
