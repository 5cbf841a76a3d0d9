"""What went wrong, why, and what to do next; its text can be copied."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from livetui.session.events import SessionFailed
from livetui.tui.documents import Document
from livetui.tui.keys import FAILURE_KEYS
from livetui.tui.messages import CopyRequested
from livetui.tui.text import safe
from livetui.tui.widgets.lines import LinesPane

Answer = Literal["quit", "retry", "take-over", "stay"]


class FailureScreen(ModalScreen[Answer]):
    """A failed start. Gives what to do about it."""

    BINDINGS: ClassVar[list[BindingType]] = [*FAILURE_KEYS]

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
                yield Button("r Try again", id="failure-retry", variant="primary", compact=True)
                if self.held:
                    yield Button("T Take over", id="failure-take-over", compact=True)
                yield Button("q Quit", id="failure-quit", compact=True)
                yield Button("y Copy", id="failure-copy", compact=True)
                yield Button("esc Look around", id="failure-stay", compact=True)

    def on_mount(self) -> None:
        """Show the steps that led here."""
        self.query_one("#dialog").border_title = "livetui cannot go on"
        if self._steps is not None and len(self._steps) > 1:
            self.query_one("#failure-steps", LinesPane).show(self._steps)

    @property
    def held(self) -> bool:
        """Whether another console has the stage."""
        return bool(self.failure.held_by)

    def action_take_over(self) -> None:
        """Take the stage, when that is what is wrong."""
        if self.held:
            self.dismiss("take-over")

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
                self.dismiss("quit")
            case "failure-retry":
                self.dismiss("retry")
            case "failure-take-over":
                self.dismiss("take-over")
            case _:
                self.dismiss("stay")
