"""The columns of the invocations list: which fit, and what stands in a cell."""

from __future__ import annotations

import msgspec

from livetui.session.invocation import Row
from livetui.tui import text

_STATES = {
    "queued": ("… queued", "dim"),
    "running": ("▶ running", "warn"),
    "paused": ("‖ paused", "warn"),
    "ok": ("✓ ok", "ok"),
    "error": ("✗ error", "error"),
    "timeout": ("✗ timeout", "error"),
    "offline": ("○ offline", "dim"),
    "late": ("~ late", "warn"),
    "interrupted": ("✗ cut off", "error"),
}


class Column(msgspec.Struct, frozen=True):
    """A column: its name, its width in cells and on which side its text stands."""

    name: str
    width: int
    right: bool = False


def columns_for(width: int, digits: int = 3, names: int = 11) -> tuple[Column, ...]:
    """The columns that fit into `width` cells; #, function, state and ms always do.

    `names` is the length of the longest function name: what it does not need goes to the trigger.
    """
    number = Column("#", max(3, digits), True)
    state = Column("state", 10)
    took = Column("ms", 5, True)
    function = max(8, min(26, names))
    if width < 44:
        rest = width - 2 - (number.width + 1) - (state.width + 1) - (took.width + 1)
        return number, Column("function", max(6, rest - 1)), state, took
    free = width - 2 - (number.width + 1) - (state.width + 1) - (took.width + 1)
    extra: dict[str, Column] = {}
    # What is named first stays longest. Each needs room beside a trigger that can be read.
    for column, room in ((Column("time", 8), 11), (Column("+ms", 4, True), 23), (Column("size", 7, True), 30)):
        if free - (column.width + 1) >= min(function, 16) + 2 + room:
            extra[column.name] = column
            free -= column.width + 1
    function = max(8, min(function, max((free - 2) // 2, free - 2 - 12)))
    middle = [Column("function", function), Column("trigger", max(6, free - function - 2))]
    order = [number, extra.get("time"), *middle, state, took, extra.get("+ms"), extra.get("size")]
    return tuple(each for each in order if each is not None)


def state_words(row: Row, now: float) -> tuple[str, str]:
    """A row's state in words with its glyph, and the role that colours it."""
    if row.state == "paused" and row.deadline is not None:
        if now > row.deadline:
            return "‖ too late" if row.deadline else "‖ answered", "warn"
        words = f"‖ {max(0, now - row.time):.0f}/{max(0, row.deadline - row.time):.0f} s"
        return words if len(words) <= 10 else words.replace(" s", "s"), "warn"
    if row.state == "ok" and row.failed_items:
        return f"◐ {row.failed_items} failed", "warn"
    if row.state == "ok" and row.status is not None:
        glyph, role = ("✗", "error") if row.status >= 500 else ("✓", "warn" if row.status >= 400 else "ok")
        return f"{glyph} {row.status}", role
    return _STATES.get(row.state, (text.safe(row.state), ""))


def trigger_words(row: Row) -> str:
    """What caused a row; a replay names its origin, and says so when it ran another event."""
    if row.replay_of is None:
        return text.safe(row.trigger)
    return f"↻ edit of {row.replay_of}" if row.edited else f"↻ replay of {row.replay_of}"


def cell(row: Row, column: str, now: float) -> tuple[str, str]:
    """The text and the role of one cell."""
    match column:
        case "#":
            return str(row.id), "dim" if row.state in ("queued", "offline") else ""
        case "time":
            return text.clock(row.time), "dim"
        case "function":
            return text.safe(row.function), ""
        case "trigger":
            return trigger_words(row), ""
        case "state":
            return state_words(row, now)
        case "ms":
            if row.state == "running" and now - row.time >= 1:
                return text.stopwatch(now - row.time), "dim"
            return text.ms(row.handler_ms), ""
        case "+ms":
            return text.ms(row.overhead_ms), "dim"
        case _:
            return text.size(row.event_bytes), "dim"
