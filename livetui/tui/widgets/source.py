"""A handler's file with a gutter: breakpoints, and where a paused call stands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message

from livetui.session.debugging import Breakpoint
from livetui.tui.documents import Document, empty
from livetui.tui.keys import SOURCE_KEYS
from livetui.tui.python_source import painted
from livetui.tui.text import Line
from livetui.tui.widgets.lines import LinesPane

GUTTER = 9
"""Cells before the code: cursor, breakpoint, arrow, line number."""


def glyph_of(point: Breakpoint) -> str:
    """A breakpoint in one cell: ● plain, ◆ condition or hit count, ✎ log point, ○ disabled, ? not verified."""
    if not point.enabled:
        return "○"
    if not point.verified:
        return "?"
    return "✎" if point.log else "◆" if point.condition or point.hit else "●"


class SourcePane(LinesPane, inherit_bindings=False):
    """Shows one file. Line numbers count from 1, the cursor's lines from 0."""

    BINDINGS: ClassVar[list[BindingType]] = [*SOURCE_KEYS]

    class Toggled(Message):
        """The gutter was clicked."""

        def __init__(self, path: str, line: int) -> None:
            super().__init__()
            self.path = path
            self.line = line

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.path = ""
        self.here: int | None = None
        self._code: list[Line] = []
        self.text = ""
        """The file's text as shown."""
        self._points: dict[int, Breakpoint] = {}

    @property
    def line_number(self) -> int:
        """The line under the cursor, from 1."""
        return self.current + 1

    def point(self, number: int) -> Breakpoint | None:
        """The breakpoint on a line."""
        return self._points.get(number)

    def open(self, path: str, source: str, number: int | None, here: int | None, points: Sequence[Breakpoint]) -> None:
        """Show a file with the cursor on a line."""
        same = path == self.path and source == self.text
        if not same:
            self.path, self.text, self._code = path, source, painted(source)
        self.here = here
        self.mark(points, keep=same)
        if number is not None:
            self.cursor = -1
            self.move_to(number - 1)
            # The view may be changing its layout: what is the middle is known after that.
            self.call_after_refresh(self._centre)

    def _centre(self) -> None:
        self.scroll_to(y=max(0, self.cursor - self.size.height // 2), animate=False, immediate=True)

    def mark(self, points: Sequence[Breakpoint], keep: bool = True) -> None:
        """Write the gutter anew."""
        if not self.path:
            self.show(empty("O opens a handler's file or any other; b on an invocation opens its handler."))
            return
        self._points = {point.line: point for point in points if point.path == self.path}
        lines: list[Line] = []
        for number, code in enumerate(self._code, 1):
            point = self._points.get(number)
            arrow = "▶" if number == self.here else " "
            gutter = (
                (glyph_of(point) if point else " ", "point"),
                (arrow, "warn"),
                (f"{number:>4}  ", "title" if arrow == "▶" else "dim"),
            )
            lines.append((*gutter, *code))
        backs = {self.here - 1: "here"} if self.here is not None and self.here <= len(lines) else {}
        self.show(Document(lines, source=self.text, kind="py", backs=backs), keep=keep)

    def on_click(self, event: events.Click) -> None:
        """A click on the gutter sets or removes a breakpoint."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        row = self.scroll_offset.y + offset.y
        if offset.x + self.scroll_offset.x < GUTTER and row < len(self) and self.path:
            event.stop()
            event.prevent_default()
            self.move_to(row)
            self.post_message(self.Toggled(self.path, row + 1))

    @property
    def name(self) -> str | None:
        """The file's name for people."""
        return Path(self.path).name if self.path else None
