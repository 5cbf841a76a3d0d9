"""What went over the link, counted where it goes: for quotas, and for what it costs."""

from __future__ import annotations

import math
from collections import deque

import msgspec

UNIT = 5 * 1024
"""Bytes that AWS IoT Core meters as one message. Source: AWS IoT Core pricing, "additional metering details"."""
DOLLARS_PER_UNIT = 1e-6
"""First tier in us-east-1. Source: AWS IoT Core pricing, messaging."""
DOLLARS_PER_MINUTE = 0.08e-6
"""Of one connection. Source: AWS IoT Core pricing, connectivity."""
PUBLISHES_PER_S = 100
"""Quota of one connection, in and out together. Source: AWS IoT Core quotas, publish requests per connection."""
BYTES_PER_S = 512 * 1024
"""Quota of one connection. Source: AWS IoT Core quotas, throughput per connection."""
_WINDOW_S = 1.0


class LinkUsage(msgspec.Struct, frozen=True):
    """A snapshot. Rates are those of the busiest connection in its last second."""

    connections: int = 0
    messages_in: int = 0
    messages_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    units: int = 0
    """Metered so far: each publish is metered when it comes to AWS IoT and again when it goes on."""
    connected_s: float = 0.0
    """Seconds of all connections together."""
    messages_per_s: int = 0
    bytes_per_s: int = 0

    @property
    def dollars(self) -> float:
        """About what AWS IoT takes for it; Lambda and S3 are not in it."""
        return self.units * DOLLARS_PER_UNIT + self.connected_s / 60 * DOLLARS_PER_MINUTE


class Counter:
    """Counts one connection. Written on the link's loop, read from any thread. Times in seconds of a steady clock."""

    def __init__(self, now: float) -> None:
        self.messages_in = self.messages_out = self.bytes_in = self.bytes_out = self.units = 0
        self._since = now
        self._ended: float | None = None
        self._recent: deque[tuple[float, int]] = deque(maxlen=2_000)

    def heard(self, now: float, size: int) -> None:
        """A publish of `size` bytes came in."""
        self.messages_in += 1
        self.bytes_in += size
        self._count(now, size)

    def sent(self, now: float, size: int) -> None:
        """A publish of `size` bytes went out."""
        self.messages_out += 1
        self.bytes_out += size
        self._count(now, size)

    def ended(self, now: float) -> None:
        """The connection was closed."""
        if self._ended is None:
            self._ended = now

    def connected_s(self, now: float) -> float:
        """How long the connection has been there."""
        return (now if self._ended is None else self._ended) - self._since

    def last_second(self, now: float) -> tuple[int, int]:
        """Publishes and bytes of the last second."""
        recent = [size for at, size in list(self._recent) if at > now - _WINDOW_S]
        return len(recent), sum(recent)

    def _count(self, now: float, size: int) -> None:
        self.units += 2 * max(1, math.ceil(size / UNIT))
        self._recent.append((now, size))


def total(counters: list[Counter], connections: int, now: float) -> LinkUsage:
    """All connections that there were, as one."""
    rates = [counter.last_second(now) for counter in counters]
    return LinkUsage(
        connections,
        sum(counter.messages_in for counter in counters),
        sum(counter.messages_out for counter in counters),
        sum(counter.bytes_in for counter in counters),
        sum(counter.bytes_out for counter in counters),
        sum(counter.units for counter in counters),
        sum(counter.connected_s(now) for counter in counters),
        max((messages for messages, _ in rates), default=0),
        max((size for _, size in rates), default=0),
    )
