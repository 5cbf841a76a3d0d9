"""Watch expressions of a project: kept in a file, evaluated in a frame one after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from livetui.debug.conditions import check_expression
from livetui.debug.values import Evaluated, Watched
from livetui.debug.worker_link import RefusedError
from livetui.errors import UsageError

WATCH_S = 2.0
"""Longest wait in seconds for one expression: it is evaluated at every stop."""
MOST = 50


class Watches:
    """The expressions, in the order in which they were added."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.expressions: list[str] = []

    def load(self) -> None:
        """Those of the last session; none when there are none or they cannot be read."""
        try:
            self.expressions = msgspec.json.decode(self._file.read_bytes(), type=list[str])[:MOST]
        except (OSError, msgspec.DecodeError):
            self.expressions = []

    def change(self, old: str, new: str) -> None:
        """Put `new` in the place of `old`; an empty `old` adds one, an empty `new` takes it away.

        Raises `UsageError` for what is no expression, `OSError` when it cannot be kept for the next session.
        """
        new = new.strip()
        if new:
            check_expression(new)
        if old in self.expressions:
            changed = [new if each == old else each for each in self.expressions]
        else:
            changed = [*self.expressions, new]
        if len(changed) > MOST:
            raise UsageError(f"There are {MOST} watch expressions already.", "", "Remove one first.")
        self.expressions = [each for each in dict.fromkeys(changed) if each]
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_bytes(msgspec.json.encode(self.expressions) + b"\n")

    async def evaluated(self, evaluate: Callable[[str, float], Awaitable[Evaluated]]) -> list[Watched]:
        """What each gives now. One that does not end in time holds up what is asked after it: that is not asked."""
        found: list[Watched] = []
        late = ""
        for expression in list(self.expressions):
            if late:
                found.append(Watched(expression, error=f"not evaluated: {late[:60]} still runs"))
                continue
            try:
                found.append(Watched(expression, await evaluate(expression, WATCH_S)))
            except RefusedError as error:
                late = expression if error.late else ""
                why = f"took longer than {WATCH_S:g} s" if error.late else error.what.strip().rpartition("\n")[2]
                found.append(Watched(expression, error=why))
        return found
