"""Change an event before it is run: checked while it is typed, with the difference to the original below."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Button, Static, TextArea

from livetui.errors import LivetuiError
from livetui.session.difference import diff_bytes
from livetui.session.export import import_event
from livetui.session.secrets import mask_json
from livetui.session.unmasking import UNMASK, unmasked
from livetui.tui.documents import Document, of_lines
from livetui.tui.keys import EDIT_KEYS, EDITOR_KEYS
from livetui.tui.record import change_lines
from livetui.tui.text import escaped, line, safe, size
from livetui.tui.widgets.lines import LinesPane

if TYPE_CHECKING:
    from livetui.tui.app import LivetuiApp

COLOURED = 256_000
"""Characters up to which the editor colours JSON; measured: 78 KB 0.19 s, 776 KB 1.1 s."""
EDITABLE = 1_000_000
"""Characters up to which the event is edited here; larger ones go to $EDITOR."""
PAUSE_S = 0.1
"""Without a key, until the text is looked at: a megabyte takes an eighth of a second."""


def pretty(event: bytes) -> str:
    """An event as text to edit; what is no JSON is text as it is. What could steer a terminal is written as JSON's
    escape, which means the same."""
    try:
        found = msgspec.json.format(event, indent=2).decode("utf-8", "replace")
    except (msgspec.DecodeError, RecursionError):
        found = event.decode("utf-8", "replace")
    return escaped(found)


def problem_in(text: str) -> str:
    """What is wrong with an edited event; empty when Lambda would take it."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    except ValueError:
        return "a number has more digits than Python reads"
    except RecursionError:
        return "nested too deeply"
    return "" if len(text.encode("utf-8", "replace")) <= 6 * 1024 * 1024 else "Lambda takes at most 6 MB"


@dataclass(frozen=True)
class Draft:
    """An event that is to be edited, and how it is shown."""

    original: bytes
    shown: bytes
    """The same, masked or not."""
    text: str

    def sent(self, edited: str) -> bytes:
        """What is sent of it, its secrets as they were; byte for byte the original where nothing was edited. Raises
        `LivetuiError` when it is no event, or its secrets cannot be put back."""
        if edited == self.text:
            return self.original
        if wrong := problem_in(edited):
            raise LivetuiError("The event was not sent.", wrong)
        if self.shown == self.original:
            return edited.encode("utf-8", "replace")
        try:
            whole = unmasked(edited, self.text, self.original.decode("utf-8", "replace"))
        except (RecursionError, ValueError) as error:
            why = "The event is nested too deeply." if isinstance(error, RecursionError) else f"{error}."
            raise LivetuiError("The secrets cannot be put back.", why, UNMASK) from error
        return whole.encode("utf-8", "surrogatepass")


def draft_of(event: bytes, masked: bool = False) -> Draft:
    """An event as it is edited. Costs what the event costs: call it in a thread."""
    shown = mask_json(event) if masked else event
    return Draft(event, shown, pretty(shown))


@dataclass(frozen=True)
class Judged:
    """What is said of a text while it is edited."""

    text: str
    """The event in it."""
    wrong: str
    changes: Document | None = None


class Editor(TextArea):
    """The text area of an event."""

    BINDINGS: ClassVar[list[BindingType]] = [*EDITOR_KEYS]

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "escape":  # closes the dialog; a text area would give the focus away
            event.prevent_default()

    def action_to(self, end: bool) -> None:
        """To the start or the end of the text."""
        self.move_cursor(self.document.end if end else (0, 0))


class EditScreen(ModalScreen[bytes | None]):
    """Gives the edited event, or None."""

    app: LivetuiApp
    BINDINGS: ClassVar[list[BindingType]] = [*EDIT_KEYS]

    class Checked(Message):
        """The text was judged."""

        def __init__(self, judged: Judged, at: int) -> None:
            super().__init__()
            self.judged, self.at = judged, at

    BELOW = "Changes"

    def __init__(self, title: str, draft: Draft, verb: str = "Replay") -> None:
        super().__init__()
        self._title, self._verb, self.draft = title, verb, draft
        self._coloured = len(draft.text) <= COLOURED and not problem_in(draft.text)
        self._asked = False
        self._edits = 0
        self._pause: Timer | None = None

    def compose(self) -> ComposeResult:
        """Editor, what is wrong, difference, buttons."""
        with Vertical(id="dialog", classes="-large"):
            yield Editor(
                self.draft.text,
                id="editor",
                language="json" if self._coloured else None,
                tab_behavior="indent",
                soft_wrap=len(self.draft.text) <= COLOURED,
                show_line_numbers=True,
            )
            yield Static("", id="problem", markup=False)
            yield LinesPane(id="changes")
            with Horizontal(id="dialog-buttons"):
                yield Button(f"^s {self._verb}", id="run", variant="primary", compact=True)
                yield Button("^e $EDITOR", id="external", compact=True)
                yield Button("^r Revert", id="revert", compact=True)
                yield Button("esc Cancel", id="cancel", compact=True)

    def on_mount(self) -> None:
        """Title, theme of the editor, focus."""
        self.query_one("#dialog").border_title = Content(safe(self._title)[:100])
        self.query_one("#changes").border_title = self.BELOW
        self.query_one("#editor").focus()
        self._check()

    @property
    def text(self) -> str:
        """The text as it is now."""
        return self.query_one("#editor", TextArea).text

    @on(TextArea.Changed)
    def _changed(self) -> None:
        self._asked = False
        self._edits += 1
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE_S, self._check)

    def _check(self) -> None:
        text, at = self.text, self._edits

        def judge() -> None:
            self.post_message(self.Checked(self.judged(text), at))

        self.run_worker(judge, thread=True, group="document", description="check")

    @on(Checked)
    def _checked(self, event: Checked) -> None:
        if event.at != self._edits:
            return
        judged = event.judged
        problem = self.query_one("#problem", Static)
        problem.set_class(bool(judged.wrong), "-wrong")
        told = f"✗ {judged.wrong}" if judged.wrong else f"✓ JSON, {size(len(judged.text.encode('utf-8', 'replace')))}"
        problem.update(Content(safe(told)))
        self.query_one("#run", Button).disabled = bool(judged.wrong)
        if judged.changes is not None:
            self.query_one("#changes", LinesPane).show(judged.changes, keep=True)

    def judged(self, text: str) -> Judged:
        """What is wrong with it, and how it differs from what it was. Called in a thread."""
        if wrong := problem_in(text):
            return Judged(text, wrong, of_lines([line("They are shown once it is JSON again.", "dim")]))
        return Judged(text, "", self._difference(text))

    def _difference(self, text: str) -> Document:
        if text == self.draft.text:
            return of_lines([line("Nothing is changed.", "dim")])
        changes = diff_bytes(self.draft.shown, text.encode("utf-8", "replace"), 200)
        return of_lines(
            [each for change in changes for each in change_lines(change)]
            or [line("Only its spacing is changed.", "dim")]
        )

    def event_of(self, text: str) -> bytes:
        """What is sent of a text. Raises `LivetuiError` when it is not."""
        return self.draft.sent(text)

    def action_run(self) -> None:
        """Run it, unless it is wrong."""
        try:
            self.dismiss(self.event_of(self.text))
        except LivetuiError as error:
            self.app.tell(error)

    def action_cancel(self) -> None:
        """Close; what was changed goes with a second press only."""
        if self._asked or self.text == self.draft.text:
            self.dismiss(None)
            return
        self._asked = True
        self.notify("The event is changed: esc again throws that away, ^s runs it.", severity="warning", markup=False)

    def action_external(self) -> None:
        """Edit it in $EDITOR."""
        edited = self.app.edit_outside(self.text)
        if edited is not None:
            self.query_one("#editor", TextArea).text = escaped(edited)

    def action_revert(self) -> None:
        """Back to the original."""
        self.query_one("#editor", TextArea).text = self.draft.text

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "run":
                self.action_run()
            case "external":
                self.action_external()
            case "revert":
                self.action_revert()
            case _:
                self.action_cancel()


class ImportScreen(EditScreen):
    """Takes the text of any export (curl, aws, pytest, json, sam) and gives the event that is in it."""

    BELOW = "The event in it"

    def __init__(self, title: str, routes: Sequence[str]) -> None:
        """`routes` are those of the function that gets it."""
        super().__init__(title, Draft(b"", b"", ""), "Invoke")
        self._routes = routes

    def judged(self, text: str) -> Judged:
        """What is wrong with it, and the event. Called in a thread."""
        if not text.strip():
            return Judged("", "paste an export: JSON, curl, aws lambda invoke or a pytest file")
        try:
            found = pretty(import_event(text, self._routes))
        except LivetuiError as error:
            return Judged(text, error.what)
        return Judged(found, problem_in(found), Document(found.split("\n"), source=found))

    def event_of(self, text: str) -> bytes:
        """The event in it. Raises `LivetuiError` when there is none."""
        event = import_event(text, self._routes)
        if wrong := problem_in(event.decode("utf-8", "replace")):
            raise LivetuiError("The event was not sent.", wrong)
        return event
