"""Views that fill the screen below the start-up line: functions, stack, logs, link."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

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
from livetui.tui.text import Line, clock, plain, safe
from livetui.tui.widgets.lines import LinesPane

MOST_LINES = 20_000


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
        self.border_subtitle = Content(document.note)


class LogsPane(LinesPane):
    """What handlers wrote; enter goes to the invocation that wrote a line."""

    class Opened(Message):
        """The invocation of this id should be shown."""

        def __init__(self, id: int) -> None:
            super().__init__()
            self.id = id

    ids: list[int]
    """The invocation of each line of the document."""

    def action_open(self) -> None:
        """Go to the invocation that wrote this line."""
        if self.current < len(self.ids) and self.ids[self.current]:
            self.post_message(self.Opened(self.ids[self.current]))


class LogsView(TextView):
    """What all handlers write, newest last, bounded; words filter."""

    pane: LogsPane

    def __init__(self, *, id: str) -> None:
        super().__init__("Logs of all functions", id=id)
        self.pane = LogsPane(id=f"{id}-pane")
        self.pane.ids = []
        self.lines: deque[tuple[str, int, Line]] = deque(maxlen=MOST_LINES)
        self.written = 0
        self._shown_at = 0
        self._words = ""
        self._afresh = True
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
        number = f"#{id}" if id else ""
        for each in lines[-MOST_LINES:]:
            when = "" if began is None else clock(began + each.at_ms / 1e3)
            shown = log_line(each.stream, mask_text(each.text), when, function)
            line: Line = ((f"{number:<6}", "dim"), *shown)
            self.lines.append((plain(line).lower(), id, line))
        self.written += len(lines)

    def refresh_lines_shown(self) -> None:
        """Show what came since the last tick: only that is drawn, unless the pane holds more than it may."""
        new = self.written - self._shown_at
        if not self.lines or not (new or self._afresh):
            return
        self._shown_at = self.written
        afresh = self._afresh or new >= len(self.lines) or len(self.pane.ids) + new > MOST_LINES * 6 // 5
        fresh = self.lines if afresh else islice(self.lines, len(self.lines) - new, None)
        found = [(id, line) for words, id, line in fresh if self._words in words]
        if afresh:
            self._afresh = not found
            self._show_afresh(found)
        elif found:
            self.pane.ids += [id for id, _ in found]
            self.pane.append([line for _, line in found], "")
        dropped = self.written - len(self.lines)
        self.border_subtitle = Content(
            f"{len(self.pane.ids):,} of {self.written:,} lines{f' · {dropped:,} dropped' if dropped else ''}"
        )

    def _show_afresh(self, found: list[tuple[int, Line]]) -> None:
        follow = self.pane.cursor >= len(self.pane) - 1
        self.pane.ids = [id for id, _ in found]
        lines: list[str | Line] = [line for _, line in found] or [(("Nothing matches.", "dim"),)]
        self.pane.show(Document(lines, kind="log", wrap=True, hang=32), keep=True)
        if follow:
            self.pane.action_bottom()

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
