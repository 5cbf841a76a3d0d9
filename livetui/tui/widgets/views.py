"""Views that fill the screen below the start-up line: functions, stack, logs, link."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input

from livetui.session.invocation import LogLine
from livetui.session.secrets import mask_text
from livetui.tui.documents import Document, empty
from livetui.tui.record import log_line
from livetui.tui.text import Line, plain, safe
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


class LogsView(TextView):
    """What all handlers write, newest last, bounded; a word filters."""

    def __init__(self, *, id: str) -> None:
        super().__init__("Logs of all functions", id=id)
        self.lines: deque[tuple[str, Line]] = deque(maxlen=MOST_LINES)
        self.written = 0
        self._shown_at = -1
        self._words = ""
        self.filter = Input(placeholder="/ filter: function or words", id="logs-filter", select_on_focus=False)

    def compose(self) -> ComposeResult:
        """Pane above filter."""
        yield self.pane
        yield self.filter

    def on_mount(self) -> None:
        """Nothing was written yet."""
        super().on_mount()
        self.pane.show(empty("No handler has written anything since the console was opened."))

    def add(self, function: str, id: int, lines: Sequence[LogLine]) -> None:
        """A handler wrote something."""
        for each in lines[-MOST_LINES:]:
            shown = log_line(each.stream, mask_text(each.text), each.at_ms, function)
            line: Line = ((f"#{id:<6}", "dim"), *shown)
            self.lines.append((plain(line).lower(), line))
        self.written += len(lines)

    def refresh_lines_shown(self) -> None:
        """Show what came since the last tick."""
        if self._shown_at == self.written or not self.lines:
            return
        follow = self.pane.cursor >= len(self.pane) - 1
        self._shown_at = self.written
        found = [line for words, line in self.lines if self._words in words]
        self.show(
            Document(
                found or [(("Nothing matches.", "dim"),)],
                self._note(len(found)),
                kind="log",
                wrap=True,
                source="\n".join(plain(line) for line in found),
            )
        )
        if follow:
            self.pane.action_bottom()

    def _note(self, found: int) -> str:
        dropped = self.written - len(self.lines)
        return f"{found:,} of {self.written:,} lines{f' · {dropped:,} dropped' if dropped else ''}"

    @on(Input.Changed, "#logs-filter")
    def _filter(self, event: Input.Changed) -> None:
        event.stop()
        self._words = safe(event.value).lower()
        self._shown_at = -1
        self.refresh_lines_shown()

    @on(Input.Submitted, "#logs-filter")
    def _done(self, event: Input.Submitted) -> None:
        event.stop()
        self.pane.focus()
