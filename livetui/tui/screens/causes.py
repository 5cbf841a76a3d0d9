"""Invocations that caused one another, as an indented list."""

from __future__ import annotations

from collections.abc import Iterable

from livetui.session.invocation import Row
from livetui.tui import text
from livetui.tui.screens.prompt import Pick
from livetui.tui.widgets.invocations import state_words, trigger_words


def causes_of(chosen: Row, related: Iterable[Row]) -> list[Pick]:
    """One line for each invocation of the trace: a replay stands below its origin, a later hop below the first call."""
    rows = sorted({row.id: row for row in [*related, chosen]}.values(), key=lambda row: (row.time, row.id))
    first = next((row for row in rows if row.replay_of is None), rows[0])
    depth: dict[int, int] = {}
    picks = []
    for row in _with_replays(rows):
        above = depth.get(row.replay_of, 0) if row.replay_of is not None else (-1 if row is first else 0)
        depth[row.id] = above + 1
        lead = "  " * depth[row.id] + ("└ " if depth[row.id] else "")
        later = row.time - first.time
        words = f"{lead}#{row.id} {row.function} · {trigger_words(row)}"
        mark = " ← here" if row.id == chosen.id else ""
        picks.append(
            Pick(
                str(row.id),
                words,
                f"{state_words(row, row.time)[0]}  {text.ms(row.handler_ms)} ms  +{later:.1f} s{mark}",
            )
        )
    return picks


def _with_replays(rows: list[Row]) -> list[Row]:
    """Each replay right after its origin."""
    ids = {row.id for row in rows}
    order: list[Row] = []

    def add(row: Row) -> None:
        order.append(row)
        for other in rows:
            if other.replay_of == row.id:
                add(other)

    for row in rows:
        if row.replay_of not in ids:
            add(row)
    return order
