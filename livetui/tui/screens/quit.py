"""Leaving a live stack that stays: whether what triggers it shall wait for the next session."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from livetui.tui.keys import QUIT_KEYS

Answer = Literal["park", "leave"]
_WORDS = (
    "The live stack stays. While no console is there, its callers get an error, queues try again until their messages "
    "go to a dead-letter queue, and what rules and schedules send is dropped after two retries.\n\n"
    "Parked, its event source mappings, rules and schedules are off until the next session or `livetui resume`."
)


class QuitScreen(ModalScreen[Answer | None]):
    """Gives how to leave; escape gives None."""

    BINDINGS: ClassVar[list[BindingType]] = [*QUIT_KEYS]

    def compose(self) -> ComposeResult:
        """What happens, and the choices."""
        with Vertical(id="dialog", classes="-failure"):
            yield Static(Content(_WORDS))
            with Horizontal(id="dialog-buttons"):
                yield Button("p Park and leave", id="leave-parked", variant="primary", compact=True)
                yield Button("q Leave", id="leave", compact=True)
                yield Button("esc Stay", id="leave-not", compact=True)

    def on_mount(self) -> None:
        """Title."""
        self.query_one("#dialog").border_title = "Leave livetui"

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        answers: dict[str | None, Answer] = {"leave-parked": "park", "leave": "leave"}
        self.dismiss(answers.get(event.button.id))
