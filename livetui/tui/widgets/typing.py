"""Text fields that complete, and that narrow a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.suggester import Suggester
from textual.widgets import Input

from livetui.tui.keys import COMPLETE_KEYS, NARROW_KEYS


class Completed(Input):
    """One line; tab takes what is suggested."""

    BINDINGS: ClassVar[list[BindingType]] = [*COMPLETE_KEYS]


class Narrowing(Input):
    """One line above a list; the arrows move in the list."""

    BINDINGS: ClassVar[list[BindingType]] = [*NARROW_KEYS]


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
