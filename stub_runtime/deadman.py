"""The dead-man rule of an attached function: when no console was seen for long, its own code runs, and at once."""

from __future__ import annotations

LOOK_EVERY = 900.0
"""Seconds between two looks for a console once the rule holds: one that came back is found again."""


class DeadMan:
    """When a console was last seen, and whether it still is worth looking for one. Times are seconds since the epoch.

    An environment that was just made has not seen any yet: it looks once before it gives up.
    """

    def __init__(self, armed: float, after: float) -> None:
        """`armed`: when livetui was attached; `after`: seconds without a console, 0 for never."""
        self._seen = armed
        self._after = after
        self._looked = float("-inf")

    def overdue(self, now: float) -> bool:
        """Whether nobody was seen for so long that the function's own code answers."""
        return self._after > 0 and now - self._seen > self._after

    def resting(self, now: float) -> bool:
        """Whether a call need not even look: nobody was there lately either."""
        return self.overdue(now) and now - self._looked < LOOK_EVERY

    def looked(self, found: bool, now: float) -> None:
        """A call looked for a console."""
        self._looked = now
        if found:
            self._seen = now
