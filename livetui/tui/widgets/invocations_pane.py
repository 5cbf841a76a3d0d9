"""The frame around the list of invocations: its head, the filter line, and what it is doing in words."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable

from rich.segment import Segment
from textual import events, on
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input, Static

from livetui.session.filter import FIELDS, FLAGS, STATES, Filter, FilterError, parse
from livetui.tui import text
from livetui.tui.widgets.frame import Framed
from livetui.tui.widgets.invocations import InvocationList
from livetui.tui.widgets.typing import Completed, LastWord


def words_of_filters(functions: Iterable[str] = ()) -> list[str]:
    """What a filter may be completed with."""
    return [
        *(f"{name}:" for name in FIELDS),
        *(f"state:{state}" for state in STATES),
        *(f"is:{flag}" for flag in (*FLAGS, "pinned")),
        *(f"fn:{name}" for name in functions if text.safe(name) == name),
    ]


_PINNED = re.compile(r"(?<!\S)(!*)is:pinned(?!\S)", re.IGNORECASE)


class ListHead(Widget):
    """The names of the columns; a click sorts."""

    def __init__(self, list_: InvocationList) -> None:
        super().__init__()
        self._list = list_
        self._drawn: object = None

    def look_again(self) -> None:
        """Draw the names anew when they are others, or sorted otherwise."""
        rows = self._list.rows
        names = (self._list.columns, rows.sort, rows.descending)
        if names != self._drawn:
            self._drawn = names
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The names, above the cells they belong to."""
        segments = [Segment(" ", self.rich_style)]
        for column in self._list.columns:
            arrow = (
                ""
                if column.name != self._list.rows.sort or not self._sorted
                else "↓"
                if self._list.rows.descending
                else "↑"
            )
            gap = " " if column.right or column.name in ("state", "time") else "  "
            segments.append(Segment(text.fit(column.name + arrow, column.width, column.right) + gap, self.rich_style))
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style)

    @property
    def _sorted(self) -> bool:
        return self._list.rows.sort != "#" or self._list.rows.descending

    def on_click(self, event: events.Click) -> None:
        """Sort by the column under the mouse."""
        at = 1
        for column in self._list.columns:
            at += column.width + (1 if column.right or column.name in ("state", "time") else 2)
            if event.x < at:
                self._list.sort_by(column.name)
                return


class FilterChanged(Message):
    """Another filter is in force; None shows all rows."""

    def __init__(self, words: str, filter: Filter | None) -> None:
        super().__init__()
        self.words = words
        self.filter = filter

    def can_replace(self, message: Message) -> bool:
        """Only what is typed last matters."""
        return isinstance(message, FilterChanged)


class InvocationsPane(Framed):
    """The list with its head, its filter and a frame that tells what it is doing."""

    ALLOW_MAXIMIZE = True

    def __init__(self, clock: Callable[[], float] = time.time, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.table = InvocationList(clock, id="list")
        self.head = ListHead(self.table)
        self.suggests = LastWord(words_of_filters())
        self.filter = Completed(
            placeholder="/ filter   fn:Get*  state:error  trigger:sqs  ms:>100",
            id="filter",
            select_on_focus=False,
            suggester=self.suggests,
        )
        self.pins: Callable[[], Collection[int]] = tuple
        """The rows that are pinned: what `is:pinned` means, which only this console knows."""
        self.of_session = ""
        """The earlier session whose rows are shown, in words."""
        self.waiting: tuple[str, ...] = ()
        """What to do while no call has come."""
        self._problem = Static("", id="filter-problem", markup=False)

    def compose(self) -> ComposeResult:
        """Head, list, what is wrong with the filter, filter."""
        yield self.head
        yield self.table
        yield self._problem
        yield self.filter

    def on_mount(self) -> None:
        """Nothing is wrong yet; the filter is reached by its key or the mouse, not by tab alone."""
        self._problem.display = False

    def tell(self, held: int, dropped: int) -> None:
        """Write the frame's words."""
        self.head.look_again()
        rows = self.table
        parts = [f"Session of {self.of_session}" if self.of_session else "Invocations"]
        if rows.frozen:
            parts.append("FROZEN")
        elif self.of_session:
            parts.append("esc goes back")
        elif rows.following:
            parts.append("FOLLOW")
        if rows.unseen:
            parts.append(f"{rows.unseen:,} new")
        self.frame(" · ".join(parts), f"{len(rows.rows):,} of {held:,} · {dropped:,} dropped")
        if self.filter.value.strip() and held:
            rows.explain(
                "No row matches the filter; esc shows all of them again.",
                "",
                "Words are searched in function, trigger, error and note,",
                "not in events, answers and logs. f1 in the filter explains it.",
            )
        elif self.of_session:
            rows.explain("This session has no invocations.")
        else:
            rows.explain(*self.waiting)

    def pins_changed(self) -> None:
        """Other rows are pinned: a filter that asks for them shows others."""
        if _PINNED.search(self.filter.value):
            self._apply(self.filter.value, half=False)

    @on(Input.Changed, "#filter")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._apply(event.value, half=True)

    def _apply(self, typed: str, half: bool) -> None:
        words = typed.strip()
        before, _, last = typed.rpartition(" ")
        # Half the name of a field is no word to look for yet.
        if half and last.isalpha() and any(name.startswith(last.lower()) for name in FIELDS):
            words = before.strip()
        words = _PINNED.sub(rf"\1id:{','.join(map(str, sorted(self.pins()))) or 0}", words)
        try:
            parsed = parse(words) if words else None
        except FilterError as error:
            # The list keeps its last filter that made sense until this one does.
            also = " `is:pinned` stands on its own." if "is:" in words.lower() else ""
            self._problem.update(Content(f"✗ {text.safe(error.message)}{also}"))
            self._problem.display = True
            return
        self._problem.display = False
        self.post_message(FilterChanged(words, parsed))

    @on(Input.Submitted, "#filter")
    def _done(self, event: Input.Submitted) -> None:
        event.stop()
        self._apply(event.value, half=False)
        self.table.focus()

    def clear_filter(self) -> bool:
        """Show all rows again; False when all are shown."""
        if not self.filter.value:
            return False
        self.filter.value = ""
        return True
