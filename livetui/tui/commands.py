"""The command palette: every action of the console, by its name and its explanation."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any

from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.widget import Widget

from livetui.tui import keys

ALWAYS: list[Binding] = [
    *keys.VIEW_KEYS,
    *keys.SESSION_KEYS,
    *keys.INVOCATION_KEYS,
    *keys.RECORD_KEYS,
    *keys.COMMON_KEYS,
    *keys.DEBUGGER_KEYS,
]
"""Actions that make sense wherever the focus is."""
_MOVES = {binding.id for binding in keys.MOVE_KEYS} | {"left", "right", "open", "back"}


class Commands(Provider):
    """Offers what the main screen and the focused pane can do."""

    def _bindings(self) -> Iterator[Binding]:
        seen: set[str] = set()
        local = [] if self.focused is None else [each for each in self.focused.BINDINGS if isinstance(each, Binding)]
        for binding in [*local, *ALWAYS]:
            id = binding.id or ""
            what = binding.action.removeprefix("screen.").partition("(")[0]
            possible = self._target(binding).check_action(what, ()) and (id != "quit-parked" or self._parkable)
            if id and id not in seen and id not in _MOVES and possible:
                seen.add(id)
                yield binding

    @property
    def _parkable(self) -> bool:
        """Whether something would be left behind that can wait."""
        return self.app.session.can_park  # type: ignore[attr-defined,no-any-return]

    def _run(self, binding: Binding) -> partial[Coroutine[Any, Any, bool]]:
        return partial(self.app.run_action, binding.action, default_namespace=self._target(binding))

    def _target(self, binding: Binding) -> Widget:
        """Whose action it is: the focused pane's own ones have no name before them."""
        return self.focused if "." not in binding.action and self.focused is not None else self.screen

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for binding in self._bindings():
            yield DiscoveryHit(self._shown(binding), self._run(binding), binding.description, help=binding.tooltip)

    async def search(self, query: str) -> Hits:
        """Those whose name or explanation matches."""
        matcher = self.matcher(query)
        for binding in self._bindings():
            name = binding.description
            score = max(matcher.match(name), matcher.match(binding.tooltip) * 0.6)
            if score > 0:
                yield Hit(score, self._shown(binding), self._run(binding), name, help=binding.tooltip)

    def _shown(self, binding: Binding) -> Content:
        """Its name and the key that does the same."""
        keys: dict[str, str] = getattr(self.app, "user_keys", {})
        key = keys.get(binding.id or "", binding.key).split(",")[0]
        shown = self.app.get_key_display(binding.with_key(key))
        return Content.assemble(binding.description, (f"   {shown}", "$text-accent"))
