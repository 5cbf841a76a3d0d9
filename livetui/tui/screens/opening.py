"""The chosen row: what the session keeps of it is read in a thread and shown in the details."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.timer import Timer
from textual.worker import get_current_worker

from livetui.errors import LivetuiError
from livetui.session.debugging import PostMortem
from livetui.session.invocation import Invocation, Row
from livetui.tui.record import Opened
from livetui.tui.screens.breakpoints import PointActions

if TYPE_CHECKING:
    from livetui.session.events import SessionLive
    from livetui.tui.widgets.details import Details
    from livetui.tui.widgets.invocations import InvocationList


class OpenedRow(PointActions):
    """The main screen inherits it."""

    clock: Callable[[], float]
    live: SessionLive | None
    table: InvocationList
    details: Details
    _loading: Timer | None = None

    def load_soon(self) -> None:
        """Read the row under the cursor once it rests."""
        # Holding a key moves over many rows: only the one where the cursor rests is shown and read.
        if self._loading is not None:
            self._loading.stop()
        self._loading = self.set_timer(0.03, self._load)

    def _load(self) -> None:
        row = self.table.current
        if row is not None:
            self.details.show_row(row, self.clock())
            self.run_worker(
                partial(self._read, row), thread=True, exclusive=True, group="details", description="details"
            )

    def _read(self, row: Row) -> None:
        worker = get_current_worker()
        try:
            invocation = self.session.invocation(row.id)
            origin = None if row.replay_of is None else self._origin(row.replay_of)
            debug = None if not row.error else self.debug
            post_mortem = None if debug is None else debug.post_mortem(row.id)
        except LivetuiError as error:
            if not worker.is_cancelled:
                self.app.call_from_thread(self._not_loaded, row, error)
            return
        if not worker.is_cancelled:
            self.app.call_from_thread(self._loaded, invocation, origin, post_mortem)

    def _not_loaded(self, row: Row, error: LivetuiError) -> None:
        if self.details.row is not None and self.details.row.id == row.id:
            self.details.refuse(error)

    def _origin(self, id: int) -> Invocation | None:
        try:
            return self.session.invocation(id)
        except LivetuiError:  # it was dropped since: the replay is shown without a comparison
            return None

    def _loaded(self, invocation: Invocation, origin: Invocation | None, post_mortem: PostMortem | None) -> None:
        row = self.details.row
        if row is None or row.id != invocation.row.id:
            return
        unmasked = self.details.opened is not None and self.details.opened.unmasked
        self.details.show(Opened(invocation, origin, self.code_root(row.function), unmasked, post_mortem), self.clock())

    def code_root(self, function: str) -> str:
        """Where a function's sources lie; empty when it is not known."""
        known = self.live.functions.get(function) if self.live else None
        return known.code_root if known else ""
