"""Change an event before it is run: checked while it is typed, with the difference to the original below."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
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


def with_secrets(edited: bytes, shown: bytes, original: bytes) -> bytes:
    """The edited event with the secrets that were masked in it. Raises `LivetuiError` when they cannot be put back."""
    if shown == original:
        return edited
    texts = (each.decode("utf-8", "replace") for each in (edited, shown, original))
    try:
        return unmasked(*texts).encode("utf-8", "surrogatepass")
    except RecursionError as error:
        raise LivetuiError("The secrets cannot be put back.", "The event is nested too deeply.", UNMASK) from error


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

    def __init__(
        self,
        title: str,
        event: bytes,
        verb: str = "Replay",
        masked: bool = False,
        imports: bool = False,
        routes: Sequence[str] = (),
    ) -> None:
        """`imports` takes the text of any export (curl, aws, pytest, json, sam) and sends the event that is in it;
        `routes` are those of the function that gets it."""
        super().__init__()
        self._imports, self._routes = imports, routes
        self._title, self._verb = title, verb
        self.original = event
        self.shown = mask_json(event) if masked else event
        self._text = "" if imports else pretty(self.shown)
        self._asked = False

    def compose(self) -> ComposeResult:
        """Editor, what is wrong, difference, buttons."""
        with Vertical(id="dialog", classes="-large"):
            yield Editor(
                self._text,
                id="editor",
                language="json" if len(self._text) <= COLOURED else None,
                tab_behavior="indent",
                soft_wrap=len(self._text) <= COLOURED,
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
        self.query_one("#changes").border_title = "The event in it" if self._imports else "Changes"
        editor = self.query_one("#editor", TextArea)
        editor.focus()
        self._check()

    @on(TextArea.Changed)
    def _changed(self) -> None:
        self._asked = False
        self._check()

    @property
    def event(self) -> bytes:
        """The event as it is now."""
        return self.query_one("#editor", TextArea).text.encode("utf-8", "replace")

    def _check(self) -> None:
        text = self.query_one("#editor", TextArea).text
        if self._imports:
            self._check_import(text)
            return
        self._say(problem_in(text), text)

    def _check_import(self, text: str) -> None:
        if not text.strip():
            self._say("paste an export: JSON, curl, aws lambda invoke or a pytest file", text)
            return
        try:
            event = import_event(text, self._routes)
        except LivetuiError as error:
            self._say(error.what, text)
            return
        found = pretty(event)
        self._say(problem_in(found), found)
        self.query_one("#changes", LinesPane).show(Document(found.split("\n"), source=found), keep=True)

    def _say(self, wrong: str, text: str) -> None:
        problem = self.query_one("#problem", Static)
        problem.set_class(bool(wrong), "-wrong")
        problem.update(Content(f"✗ {wrong}" if wrong else f"✓ JSON, {size(len(text.encode('utf-8', 'replace')))}"))
        self.query_one("#run", Button).disabled = bool(wrong)
        if not self._imports:
            shown = (
                of_lines([line("They are shown once it is JSON again.", "dim")]) if wrong else self._difference(text)
            )
            self.query_one("#changes", LinesPane).show(shown, keep=True)

    def _difference(self, text: str) -> Document:
        if text == self._text:
            return of_lines([line("Nothing is changed.", "dim")])
        changes = diff_bytes(self.shown, text.encode("utf-8", "replace"), 200)
        return of_lines(
            [each for change in changes for each in change_lines(change)]
            or [line("Only its spacing is changed.", "dim")]
        )

    def action_run(self) -> None:
        """Run it, unless it is wrong."""
        if self.query_one("#run", Button).disabled:
            self.app.bell()
            return
        if self._imports:
            self.dismiss(import_event(self.query_one("#editor", TextArea).text, self._routes))
            return
        # An event whose text was not touched goes out byte for byte as it came in.
        untouched = self.query_one("#editor", TextArea).text == self._text
        if untouched:
            self.dismiss(self.original)
            return
        try:
            self.dismiss(with_secrets(self.event, self.shown, self.original))
        except LivetuiError as error:
            self.app.tell(error)

    def action_cancel(self) -> None:
        """Close; what was changed goes with a second press only."""
        if self._asked or self.query_one("#editor", TextArea).text == self._text:
            self.dismiss(None)
            return
        self._asked = True
        self.notify("The event is changed: esc again throws that away, ^s runs it.", severity="warning", markup=False)

    def action_external(self) -> None:
        """Edit it in $EDITOR."""
        edited = self.app.edit_outside(self.query_one("#editor", TextArea).text)
        if edited is not None:
            self.query_one("#editor", TextArea).text = edited

    def action_revert(self) -> None:
        """Back to the original."""
        self.query_one("#editor", TextArea).text = self._text

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
