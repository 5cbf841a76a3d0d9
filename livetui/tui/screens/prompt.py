"""Small questions: one line of text, or one of several choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import msgspec
from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from livetui.tui.keys import ASK_KEYS, CHOOSE_KEYS
from livetui.tui.text import escaped, fit, safe
from livetui.tui.widgets.typing import Narrowing

Problem = Callable[[str], str]
"""Says what is wrong with an answer; empty when it can be taken."""


class Ask(ModalScreen[str | None]):
    """Asks for one line. What is wrong with it is shown while it is typed; escape gives None."""

    BINDINGS: ClassVar[list[BindingType]] = [*ASK_KEYS]

    def __init__(self, title: str, value: str = "", hint: str = "", problem: Problem | None = None, *,
                 replace: bool = False) -> None:
        """`replace`: the value is a suggestion, whose place the first letter takes."""
        super().__init__()
        self._replace = replace
        self._title, self._value, self._hint = title, safe(escaped(value)), safe(hint)
        self._problem = problem or (lambda _: "")

    def compose(self) -> ComposeResult:
        """The line and what is wrong with it."""
        with Vertical(id="dialog", classes="-small"):
            yield Input(self._value, id="answer", select_on_focus=self._replace)
            yield Static(Content(self._hint), id="problem")

    def on_mount(self) -> None:
        """Title and focus."""
        dialog = self.query_one("#dialog")
        dialog.border_title = Content(safe(self._title)[:90])
        dialog.border_subtitle = "enter takes it · esc cancels"
        self.query_one("#answer").focus()

    @on(Input.Changed, "#answer")
    def _changed(self, event: Input.Changed) -> None:
        wrong = self._problem(event.value)
        problem = self.query_one("#problem", Static)
        problem.set_class(bool(wrong), "-wrong")
        problem.update(Content(safe(f"✗ {wrong}")[:1_000] if wrong else self._hint))

    @on(Input.Submitted, "#answer")
    def _submitted(self, event: Input.Submitted) -> None:
        if not self._problem(event.value):
            self.dismiss(event.value)


class Pick(msgspec.Struct, frozen=True):
    """One of several choices."""

    id: str
    label: str
    remark: str = ""


MANY = 10
"""Choices beyond which a line is offered to narrow them down."""


class Choose(ModalScreen[str | None]):
    """Asks for one of several; the id of the choice, or None. Many of them are narrowed down by typing."""

    BINDINGS: ClassVar[list[BindingType]] = [*CHOOSE_KEYS]

    def __init__(self, title: str, picks: Sequence[Pick]) -> None:
        super().__init__()
        self._title, self._picks = title, list(picks)
        labels = [safe(pick.label) for pick in self._picks]
        width = max(map(cell_len, labels), default=0)
        self._words = [
            f"{fit(label, width)}   {safe(pick.remark)}".rstrip()
            for label, pick in zip(labels, self._picks, strict=True)
        ]

    def compose(self) -> ComposeResult:
        """The line, when there are many, and the choices."""
        with Vertical(id="dialog", classes="-choice"):
            if len(self._picks) > MANY:
                yield Narrowing(placeholder="type to narrow them down", id="narrow", select_on_focus=False)
            yield OptionList(*self._options(""), id="choices", compact=True)

    def _options(self, typed: str) -> list[Option]:
        wanted = typed.lower().split()
        return [
            Option(Content(words), id=str(at))
            for at, words in enumerate(self._words)
            if all(each in words.lower() for each in wanted)
        ]

    def on_mount(self) -> None:
        """Title and focus."""
        dialog = self.query_one("#dialog")
        dialog.border_title = Content(safe(self._title)[:90])
        dialog.border_subtitle = "enter chooses · esc cancels"
        self.query_one("#narrow" if len(self._picks) > MANY else "#choices").focus()
        self.query_one("#choices", OptionList).highlighted = 0

    @on(Input.Changed, "#narrow")
    def _narrow(self, event: Input.Changed) -> None:
        choices = self.query_one("#choices", OptionList)
        choices.clear_options()
        choices.add_options(self._options(event.value))
        choices.highlighted = 0 if choices.option_count else None

    @on(Input.Submitted, "#narrow")
    def _take(self) -> None:
        self.query_one("#choices", OptionList).action_select()

    def action_down(self) -> None:
        """One line down."""
        self.query_one("#choices", OptionList).action_cursor_down()

    def action_up(self) -> None:
        """One line up."""
        self.query_one("#choices", OptionList).action_cursor_up()

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._picks[int(event.option.id or 0)].id)
