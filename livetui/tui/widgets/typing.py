"""Text fields that do everything in the order in which it was typed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding, BindingType, NoBinding
from textual.suggester import Suggester
from textual.widgets import Input

if TYPE_CHECKING:
    from textual.widget import Widget as _Field
else:
    _Field = object  # styles follow the first base that is a widget: that must be the field's own


class InOrder(_Field):
    """Runs its own bindings as soon as their key comes.

    Textual 8 writes letters at once but runs bindings only after their key bubbled up, so that of keys which come in
    one burst (a slow line, a paste of keys) the letters overtake the arrows.
    """

    async def _on_key(self, event: events.Key) -> None:
        try:
            bound = self._bindings.get_bindings_for_key(event.key)
        except NoBinding:
            return
        if event.is_printable and event.character is not None:
            return
        event.stop()
        event.prevent_default()
        for binding in bound:
            await self.run_action(binding.action)


class Field(InOrder, Input):
    """One line."""


class Completed(Field):
    """One line; tab takes what is suggested."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "cursor_right", "Complete", show=False)]


class Narrowing(Field):
    """One line above a list; the arrows move in the list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "screen.down", "Down", show=False),
        Binding("up", "screen.up", "Up", show=False),
    ]


class LastWord(Suggester):
    """Completes the last word of a line with one of those that `words` gives for the words before it."""

    def __init__(self, words: Iterable[str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.words = list(words)

    async def get_suggestion(self, value: str) -> str | None:
        """The line with its last word completed."""
        before, space, last = value.rpartition(" ")
        negated = last[: len(last) - len(last.lstrip("!"))]
        stem = last.removeprefix(negated)
        found = next((word for word in self.words if stem and word.startswith(stem) and word != stem), None)
        return None if found is None else f"{before}{space}{negated}{found}"
