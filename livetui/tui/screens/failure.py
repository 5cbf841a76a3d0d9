"""What went wrong, why, and what to do next; its text can be copied."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from livetui.session.events import SessionFailed
from livetui.tui.documents import Document
from livetui.tui.keys import bind
from livetui.tui.messages import CopyRequested
from livetui.tui.text import safe
from livetui.tui.widgets.lines import LinesPane


class FailureScreen(ModalScreen[bool]):
    """A failed start or operation. Closes with True when the user wants to leave."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("failure-quit", "q,enter", "dismiss(True)", "Quit", "Leave livetui", True),
        bind("failure-copy", "y", "copy", "Copy", "Copy all of it", True),
        bind("failure-back", "escape", "dismiss(False)", "Look around", "Close this and stay", True),
    ]

    def __init__(self, failure: SessionFailed, steps: Document | None = None) -> None:
        super().__init__()
        self.failure = failure
        self._steps = steps

    def compose(self) -> ComposeResult:
        """What, why, hint, the steps, buttons."""
        failure = self.failure
        with Vertical(id="dialog", classes="-failure"):
            with VerticalScroll(id="failure-text", can_focus=False):
                yield Static(Content(f"✗ {safe(failure.what)[:2_000]}"), id="failure-what")
                if failure.why:
                    yield Static(Content("\n".join(map(safe, failure.why[:8_000].split("\n")))), id="failure-why")
                if failure.hint:
                    yield Static(Content(f"→ {safe(failure.hint)[:4_000]}"), id="failure-hint")
            if self._steps is not None and len(self._steps) > 1:
                yield LinesPane(id="failure-steps")
            with Horizontal(id="dialog-buttons"):
                yield Button("q Quit", id="failure-quit", variant="error", compact=True)
                yield Button("y Copy", id="failure-copy", compact=True)
                yield Button("esc Look around", id="failure-stay", compact=True)

    def on_mount(self) -> None:
        """Show the steps that led here."""
        self.query_one("#dialog").border_title = "livetui cannot go on"
        if self._steps is not None and len(self._steps) > 1:
            self.query_one("#failure-steps", LinesPane).show(self._steps)

    @property
    def words(self) -> str:
        """All of it as plain text."""
        failure = self.failure
        return "\n".join(part for part in (failure.what, failure.why, failure.hint and f"→ {failure.hint}") if part)

    def action_copy(self) -> None:
        """Copy all of it."""
        self.post_message(CopyRequested(self.words, "the failure"))

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "failure-copy":
                self.action_copy()
            case "failure-quit":
                self.dismiss(True)
            case _:
                self.dismiss(False)
