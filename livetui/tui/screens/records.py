"""What can be done with an invocation: replay, mark, copy, export and the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.screen import Screen

from livetui.session.invocation import Row
from livetui.tui.messages import SessionFace

if TYPE_CHECKING:
    from livetui.tui.app import LivetuiApp
    from livetui.tui.widgets.details import Details
    from livetui.tui.widgets.invocations import InvocationList


class RecordActions(Screen[None]):
    """Actions on the chosen invocation; the main screen inherits them."""

    app: LivetuiApp
    session: SessionFace
    clock: Callable[[], float]
    list: InvocationList
    details: Details
    pinned: dict[str, int]

    def chosen(self) -> Row | None:
        """The row that actions are about; says so when there is none."""
        row = self.details.row or self.list.current
        if row is None:
            self.app.notify("Choose an invocation first.", severity="warning")
        return row

    def action_replay(self) -> None:
        """Run this event again as a new row."""
        row = self.chosen()
        if row is not None and self.app.ask(lambda: self.session.replay(row.id)):
            self.list.follow()

    def action_unmask(self) -> None:
        """Show or mask secrets."""
        opened = self.details.opened
        if opened is not None:
            self.details.unmask(not opened.unmasked, self.clock())

    def replay_pinned(self, function: str) -> None:
        """New code of a function is there: run the invocation that is pinned to it."""
