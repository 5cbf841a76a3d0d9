"""Views that fill the screen below the start-up line: functions, stack, logs, link."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from livetui.session.invocation import LogLine
from livetui.session.secrets import mask_text
from livetui.tui.documents import Document, empty
from livetui.tui.record import log_line
from livetui.tui.text import LINE_LIMIT, Line, clock, line, safe
from livetui.tui.widgets.lines import LinesPane

MOST_LINES = 20_000
KEPT = 4 * LINE_LIMIT
"""Characters of a line that are held: more than are drawn, since masking and colours may take some away."""


class TextView(Vertical):
    """A framed pane of text."""

    def __init__(self, title: str, *, id: str) -> None:
        super().__init__(id=id, classes="view")
        self.pane = LinesPane(id=f"{id}-pane")
        self._title = title

    def compose(self) -> ComposeResult:
        """Only the pane."""
        yield self.pane

    def on_mount(self) -> None:
        """Title of the frame."""
        self.border_title = self._title

    def show(self, document: Document) -> None:
        """Show a document, staying at the place."""
        self.pane.show(document, keep=True)
        self.border_subtitle = Content(safe(document.note))


class Written(msgspec.Struct):
    """A line that a handler wrote."""

    id: int
    function: str
    line: LogLine
    began: float | None
    """When its invocation came."""
    left_out: int = 0
    """Characters at its end that are not held."""
    _painted: Line | None = None

    def has(self, words: str) -> bool:
        """Whether a filter lets it through."""
        return words in f"#{self.id} {self.function} {self.line.text}".lower()

    def painted(self) -> Line:
        """As it is drawn, its secrets masked."""
        if self._painted is None:
            when = "" if self.began is None else clock(self.began + self.line.at_ms / 1e3)
            words = mask_text(self.line.text)
            shown = log_line(self.line.stream, words, when, self.function, self.left_out)
            self._painted = ((f"{f'#{self.id} ' if self.id else '':<7}", "dim"), *shown)
        return self._painted


def _written(id: int, function: str, line: LogLine, began: float | None) -> Written:
    """The part of a line that is held: twenty thousand of a megabyte each would be too many."""
    left_out = max(0, len(line.text) - KEPT)
    if left_out:
        line = msgspec.structs.replace(line, text=line.text[:KEPT])
    return Written(id, function, line, began, left_out)


class LogsPane(LinesPane):
    """What handlers wrote; enter goes to the invocation that wrote a line."""

    class Opened(Message):
        """The invocation of this id should be shown."""

        def __init__(self, id: int) -> None:
            super().__init__()
            self.id = id

    def action_open(self) -> None:
        """Go to the invocation that wrote this line."""
        written = self.document.lines[self.current]
        if isinstance(written, Written) and written.id:
            self.post_message(self.Opened(written.id))


class LogsView(TextView):
    """What all handlers write, newest last, bounded; words filter."""

    pane: LogsPane

    def __init__(self, *, id: str) -> None:
        super().__init__("Logs of all functions", id=id)
        self.pane = LogsPane(id=f"{id}-pane")
        self.lines: deque[Written] = deque(maxlen=MOST_LINES)
        self.written = 0
        self._shown_at = 0
        self._words = ""
        self._afresh = True
        self._shown = 0
        """Lines in the pane; while there are none it says so."""
        self.filter = Input(placeholder="/ filter: function or words", id="logs-filter", select_on_focus=False)

    def compose(self) -> ComposeResult:
        """Pane above filter."""
        yield self.pane
        yield self.filter

    def on_mount(self) -> None:
        """Nothing was written yet."""
        super().on_mount()
        self.pane.show(empty("No handler has written anything since the console was opened."))

    def add(self, function: str, id: int, lines: Sequence[LogLine], began: float | None = None) -> None:
        """A handler wrote something; `began` is when its invocation came."""
        self.lines += [_written(id, function, each, began) for each in lines[-MOST_LINES:]]
        self.written += len(lines)

    def refresh_lines_shown(self) -> None:
        """Show what came since the last tick: only that is looked at, unless the filter is another one."""
        new = self.written - self._shown_at
        if not self.lines or not (new or self._afresh):
            return
        afresh, self._afresh, self._shown_at = self._afresh or new >= len(self.lines), False, self.written
        fresh = self.lines if afresh else islice(self.lines, len(self.lines) - new, None)
        found = [each for each in fresh if each.has(self._words)] if self._words else list(fresh)
        if afresh or (found and not self._shown):
            self._shown = len(found)
            self._show_afresh(found)
        elif found:
            self._shown += len(found)
            self.pane.append(found, "")
            if self._shown > MOST_LINES * 6 // 5:
                self.pane.drop(self._shown - MOST_LINES)
                self._shown = MOST_LINES
        dropped = self.written - (len(self.lines) if self._words else self._shown)
        self.border_subtitle = Content(
            f"{self._shown:,} of {self.written:,} lines{f' · {dropped:,} dropped' if dropped else ''}"
        )

    def _show_afresh(self, found: list[Written]) -> None:
        at_end = self.pane.cursor >= len(self.pane) - 1  # of a document with one line, too
        before = self.pane.document
        wrap = before.wrap or before.kind != "log"
        document = Document(found or [line("Nothing matches.", "dim")], kind="log", wrap=wrap, hang=33)
        self.pane.show(document, keep=True, at_end=at_end)

    @on(Input.Changed, "#logs-filter")
    def _filter(self, event: Input.Changed) -> None:
        event.stop()
        self._words = safe(event.value).lower()
        self._afresh = True
        self.refresh_lines_shown()

    @on(Input.Submitted, "#logs-filter")
    def _done(self, event: Input.Submitted) -> None:
        event.stop()
        self.pane.focus()
