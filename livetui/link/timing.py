"""How long calls were on the way, without ever trusting the stub's clock against ours."""

from __future__ import annotations

from collections import OrderedDict

CLOCK_SHIFT_MS = 10_000.0
"""An excess above this is no way that a call went: one of the clocks was stopped or set."""


class Legs:
    """Estimates the way in, per stub environment.

    Each call says when it was sent by the stub's own clock. The difference to our clock is an unknown offset plus the
    time on the way; the smallest difference ever seen stands for the fastest way, which is taken to be half a round
    trip. What a later call needed on top of that is its excess. Only the rates of the two clocks must agree.
    """

    def __init__(self, most: int = 2048) -> None:
        self.most = most
        self._fastest: OrderedDict[str, float] = OrderedDict()

    def inbound_ms(self, environment: str, sent_ms: float, received_ms: float, round_trip_ms: float | None) -> float:
        """Estimated time on the way in ms. `sent_ms` is the stub's steady clock, `received_ms` ours."""
        difference = received_ms - sent_ms
        fastest = self._fastest.get(environment)
        if fastest is None or not fastest <= difference <= fastest + CLOCK_SHIFT_MS:
            fastest = difference
        self._fastest[environment] = fastest
        self._fastest.move_to_end(environment)
        while len(self._fastest) > self.most:
            self._fastest.popitem(last=False)
        return (round_trip_ms or 0.0) / 2 + difference - fastest
