"""Where one can go from here: the other views, with their keys, to press or to click."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from livetui.tui.keys import VIEW_KEYS
from livetui.tui.paint import ink

if TYPE_CHECKING:
    from livetui.tui.app import LivetuiApp

_STEPS = ("screen.toggle_steps", "d", "Steps", "steps")


class ViewBar(Widget):
    """One line at the right of the start-up line: keys with names, or the keys alone where that line needs the room."""

    app: LivetuiApp
    current: reactive[str] = reactive("invocations", layout=True)
    """The view that is shown: it is not offered."""
    beside: reactive[int] = reactive(0, layout=True)
    """Cells that the start-up line takes."""

    def _offers(self) -> list[tuple[str, str, str]]:
        """Action, key and name of each, in their order."""
        mine = self.app.session.settings.keys
        views = [(key.action, key.key, key.description, key.id or "") for key in VIEW_KEYS]
        offers = [
            (action, mine.get(id, key).split(",")[0], f" {name}")
            for action, key, name, id in (_STEPS, *views)
            if action != f"screen.view('{self.current}')"
        ]
        fits = self.beside + self._width(offers) <= self.app.size.width
        return offers if fits else [(action, key, "") for action, key, _ in offers]

    @staticmethod
    def _width(offers: list[tuple[str, str, str]]) -> int:
        return sum(len(key) + len(name) + 1 for _, key, name in offers)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """As wide as its words."""
        return self._width(self._offers())

    def render_line(self, y: int) -> Strip:
        """Keys and names."""
        base, segments = self.rich_style, []
        for _, key, name in self._offers():
            segments += [Segment(key, base + ink(self, "hint")), Segment(f"{name} ", base)]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def on_click(self, event: events.Click) -> None:
        """Go there."""
        at = 0
        for action, key, name in self._offers():
            at += len(key) + len(name) + 1
            if event.x < at:
                self.app.call_later(self.app.run_action, action)
                return
