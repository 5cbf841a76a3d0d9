"""Invocations that caused one another, as an indented list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from livetui.session.invocation import Row
from livetui.tui import text
from livetui.tui.screens.prompt import Pick
from livetui.tui.widgets.columns import state_words, trigger_words


def causes_of(chosen: Row, related: Iterable[Row], parents: Mapping[int, int]) -> list[Pick]:
    """One line for each invocation of the trace, below the one that caused it.

    Of those whose cause is not known, the first is the root of all others.
    """
    rows = sorted({row.id: row for row in [*related, chosen]}.values(), key=lambda row: (row.time, row.id))
    ids = {row.id for row in rows}
    above = {row.id: parents.get(row.id, row.replay_of) for row in rows}
    first = next((row for row in rows if above[row.id] not in ids), rows[0])
    below: dict[int | None, list[Row]] = {}
    for row in rows:
        cause = above[row.id] if above[row.id] in ids else None if row is first else first.id
        below.setdefault(cause, []).append(row)
    picks: list[Pick] = []
    seen: set[int] = set()

    def add(cause: int | None, depth: int) -> None:
        for row in below.get(cause, ()):
            if row.id in seen:
                continue
            seen.add(row.id)
            lead = "   " * (depth - 1) + ("└─ " if depth else "")
            here = " ← here" if row.id == chosen.id else ""
            took = f"{text.ms(row.handler_ms)} ms  " if row.handler_ms is not None else ""
            remark = f"{state_words(row, row.time)[0]}  {took}+{row.time - first.time:.1f} s{here}"
            picks.append(Pick(str(row.id), f"{lead}#{row.id} {row.function} · {trigger_words(row)}", remark))
            add(row.id, min(depth + 1, 20))

    add(None, 0)
    return picks
