"""The command palette: every action of the console, by its name and its explanation."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any

from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from livetui.tui import keys
from livetui.tui.widgets.invocations import InvocationList
from livetui.tui.widgets.lines import LinesPane

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
        local = (
            keys.LIST_KEYS
            if isinstance(self.focused, InvocationList)
            else keys.DETAIL_KEYS
            if isinstance(self.focused, LinesPane)
            else []
        )
        for binding in [*ALWAYS, *local]:
            id = binding.id or ""
            what = binding.action.removeprefix("screen.").partition("(")[0]
            possible = self.screen.check_action(what, ()) and (id != "quit-parked" or self._parkable)
            if id not in seen and id not in _MOVES and possible:
                seen.add(id)
                yield binding

    @property
    def _parkable(self) -> bool:
        """Whether something would be left behind that can wait."""
        return self.app.session.can_park  # type: ignore[attr-defined,no-any-return]

    def _run(self, binding: Binding) -> partial[Coroutine[Any, Any, bool]]:
        target = self.focused if "." not in binding.action and self.focused is not None else self.screen
        return partial(self.app.run_action, binding.action, default_namespace=target)

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
