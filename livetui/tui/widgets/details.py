"""The details of one invocation: its tabs, the pane that shows one of them, and the buttons."""

from __future__ import annotations

from functools import partial

import msgspec
from textual import on
from textual.app import App
from textual.containers import Horizontal
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Button, Input, Static, Tab, Tabs
from textual.worker import get_current_worker

from livetui.errors import LivetuiError
from livetui.session.invocation import Invocation, LogLine, Row
from livetui.tui import text
from livetui.tui.documents import Document, empty, of_lines
from livetui.tui.record import MOST_LOG_LINES, TABS, Opened, document, has_to_say, label, log_lines, log_note
from livetui.tui.widgets.columns import state_words, trigger_words
from livetui.tui.widgets.frame import Framed
from livetui.tui.widgets.lines import DetailPane, LinesPane

_MOST_KEPT = 16
_UNNOTICED_S = 0.1
"""How long what is read and painted may take before the row that it took the place of goes from the screen."""


class Details(Framed):
    """Shows an invocation. Documents are made in a thread, and only for the tab that is looked at.

    Another row takes the place of the former in one step, frame, tabs and pane, once its document is made: painting
    takes longer than reading. Only what takes longer than that is announced by its title over an empty pane.
    """

    ALLOW_MAXIMIZE = True

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.opened: Opened | None = None
        self._drawn: Opened | None = None
        """What the pane shows or will show; log lines of `opened` may have come since."""
        self._logged = 0
        """Log lines of what the pane shows."""
        self.row: Row | None = None
        self.shown: int | None = None
        """The row that is on screen; `row` will be there in a moment."""
        self.tab = "Event"
        self.pane = DetailPane(id="pane")
        self._note = Static("", id="note", markup=False)
        self._tabs = Tabs(*(Tab(name, id=f"tab-{name}") for name in TABS), id="tabs")
        self._tabs.can_focus = False
        self._documents: dict[tuple[str, int, bool], Document] = {}
        self._places: dict[str, int] = {}
        self._labels: dict[str, str] = {}
        self._noted = ""
        self._said = ""
        self._path_of: tuple[Document | None, int] = (None, 0)
        """The document and the line whose path was looked up last: in a long one that takes a while."""
        self._now = 0.0
        self._late: Timer | None = None

    def on_mount(self) -> None:
        """Only the frame belongs to the first paint."""
        self._title("")

    async def fill(self) -> None:
        """Tabs, note, pane, search line, buttons; nothing is chosen yet."""
        search = Input(placeholder="find in this pane · n N move · esc closes", id="search", select_on_focus=False)
        search.display = False
        replay = Button(
            "↻ Replay", id="button-replay", compact=True, action="screen.replay", tooltip="Run this event again (r)"
        )
        edit = Button(
            "✎ Edit & replay",
            id="button-edit",
            compact=True,
            action="screen.edit",
            tooltip="Change the event first (e)",
        )
        replay.can_focus = edit.can_focus = False
        path = Static("", id="path", markup=False)
        self._note.display = False
        await self.mount(self._tabs, self._note, self.pane, search, Horizontal(replay, edit, path, id="buttons"))
        self.pane.show(empty("No invocation is chosen."))

    # -- what is shown ---------------------------------------------------------------------------------------------

    def show_row(self, row: Row | None, now: float) -> None:
        """Another row, or another state of it: the title changes at once, the rest when it is loaded."""
        if row is None or self.row is None or row.id != self.row.id:
            self._documents.clear()
            self._places.clear()
            self.opened = self._drawn = None
        self.row, self._now = row, now
        if row is not None and row.id == self.shown:
            self._arrived()
            self._title()
        elif row is None or self.shown is None:
            self._empty()
        elif self._late is None:
            self._late = self.set_timer(_UNNOTICED_S, self._noticed)

    def _noticed(self) -> None:
        if self._late is not None:  # its time may have come just before the row did, and be told after it
            self._empty()

    def _empty(self) -> None:
        # What is still there belongs to another row: nothing of it stays under the new title.
        self.pane.show(empty("" if self.row is not None else "No invocation is chosen."))
        self._arrived()
        self._title("")

    def _arrived(self) -> None:
        self.shown = None if self.row is None else self.row.id
        if self._late is not None:
            self._late.stop()
            self._late = None

    def refuse(self, error: LivetuiError) -> None:
        """The chosen invocation could not be read: say so where it would stand."""
        words = [text.line(error.what, "error"), *(text.line(each, "dim") for each in (error.why, error.hint) if each)]
        self.pane.show(of_lines(words))
        self._arrived()
        self._title("")

    def show(self, opened: Opened, now: float) -> None:
        """An invocation is loaded, or loaded anew because it went on."""
        self.opened, self.row, self._now = opened, opened.invocation.row, now
        self._documents.clear()
        self._draw(keep=self.shown == self.row.id)

    def unmask(self, on: bool, now: float) -> None:
        """Show secrets, or mask them again."""
        if self.opened is not None:
            self.show(msgspec.structs.replace(self.opened, unmasked=on), now)

    def _title(self, note: str | None = None) -> None:
        row = self.row
        words = "" if row is None or not row.note else f"✎ {text.safe(row.note)}"
        if words != self._noted:
            self._noted = words
            self._note.update(Content(words))
            self._note.display = bool(words)
        if row is None:
            self.frame("Details", "")
            return
        words, _ = state_words(row, self._now)
        took = f" · {text.ms(row.handler_ms)} ms" if row.handler_ms is not None else ""
        origin = f" · {trigger_words(row)}" if row.replay_of is not None else ""
        self.frame(f"#{row.id} {text.safe(row.function)} · {words}{took}{origin}", note)

    # -- tabs ------------------------------------------------------------------------------------------------------

    def choose(self, name: str) -> None:
        """Show a tab."""
        self._tabs.query_one(f"#tab-{name}", Tab).display = True
        self._tabs.active = f"tab-{name}"

    def _show_tabs(self, invocation: Invocation) -> None:
        """Name the tabs, with how much there is behind them; those that have nothing to say make room."""
        silent = [name for name in TABS if not has_to_say(name, invocation) and name != self.tab]
        for name in TABS:
            tab = self._tabs.query_one(f"#tab-{name}", Tab)
            tab.display = name not in silent
            words = label(name, invocation)
            if words != self._labels.get(name, name):
                self._labels[name] = words
                tab.label = Content(words)

    def choose_number(self, number: int) -> None:
        """Show the tab that stands at a place, counted from 1."""
        if 1 <= number <= len(TABS):
            self.choose(TABS[number - 1])

    def add_logs(self, lines: list[LogLine], now: float) -> None:
        """The handler wrote something while it is looked at."""
        opened = self.opened
        if opened is None:
            return
        invocation = msgspec.structs.replace(opened.invocation, logs=[*opened.invocation.logs, *lines])
        self.opened, self._now = msgspec.structs.replace(opened, invocation=invocation), now
        if self.tab == "Logs":
            self._write_logs()
        else:
            self._documents.pop(("Logs", invocation.row.id, opened.unmasked), None)
        if self.shown == invocation.row.id:
            self._show_tabs(invocation)

    def _write_logs(self) -> None:
        """Write the lines that came since below those that are shown: costs what they cost, not what is there."""
        opened, made = self.opened, self.pane.document
        key = ("Logs", 0 if opened is None else opened.invocation.row.id, opened is not None and opened.unmasked)
        if opened is None or made is not self._documents.get(key):
            return  # it is being made: what came meanwhile is written then
        new = opened.invocation.logs[self._logged :]
        if new and (made.nothing or len(made) + len(new) > MOST_LOG_LINES * 6 // 5):
            del self._documents[key]
            self._draw(keep=True)
        elif new:
            self._logged += len(new)
            made.source = "\n".join(each.text for each in opened.invocation.logs)
            self.pane.append(log_lines(opened, new), log_note(self._logged))
            self._title(made.note)

    @on(Tabs.TabActivated)
    def _tab_chosen(self, event: Tabs.TabActivated) -> None:
        event.stop()
        name = (event.tab.id or "tab-Event").removeprefix("tab-")
        if name != self.tab:
            if self.row is not None and self.row.id == self.shown:
                self._places[self.tab] = self.pane.current
            self.tab = name
            self._draw()

    def _draw(self, keep: bool = False) -> None:
        opened = self.opened
        if opened is None:
            return
        self._drawn = opened
        key = (self.tab, opened.invocation.row.id, opened.unmasked)
        made = self._documents.get(key)
        if made is not None:
            self._made(opened, self.tab, made, keep)
        else:
            self.run_worker(
                partial(self._make, self.app, opened, self.tab, keep),
                thread=True,
                exclusive=True,
                group="document",
                description="document",
            )

    def _make(self, app: App[int], opened: Opened, tab: str, keep: bool) -> None:
        worker = get_current_worker()
        made = document(tab, opened)
        if not worker.is_cancelled and self.is_attached:
            app.call_from_thread(self._made, opened, tab, made, keep)

    def _made(self, opened: Opened, tab: str, made: Document, keep: bool) -> None:
        if opened is not self._drawn or self.opened is None or tab != self.tab:
            return
        if len(self._documents) >= _MOST_KEPT:
            self._documents.clear()
        self._documents[(tab, opened.invocation.row.id, opened.unmasked)] = made
        self._show_tabs(self.opened.invocation)
        self.pane.show(made, keep)
        if not keep and tab in self._places:
            self.pane.show_line(self._places[tab])
        self._arrived()
        self._title(made.note)
        self._show_path()
        if tab == "Logs":
            self._logged = len(opened.invocation.logs)
            self._write_logs()

    @on(LinesPane.Moved)
    def _moved(self, event: LinesPane.Moved) -> None:
        event.stop()
        self._show_path()

    def _show_path(self) -> None:
        if self._path_of[0] is self.pane.document and self._path_of[1] == self.pane.current:
            return
        self._path_of = (self.pane.document, self.pane.current)
        shown = ""
        if self.pane.document.kind == "json" and len(self.pane):
            shown = text.safe(self.pane.document.path(self.pane.current).removesuffix("."))[:200]
        self._say(shown)

    def _say(self, words: str) -> None:
        if words != self._said:
            self._said = words
            self.query_one("#path", Static).update(Content(words), layout=False)

    # -- search ----------------------------------------------------------------------------------------------------

    def open_search(self) -> None:
        """Ask what to find."""
        search = self.query_one("#search", Input)
        search.display = True
        search.focus()

    def close_search(self) -> bool:
        """Stop searching; False when nothing was searched."""
        search = self.query_one("#search", Input)
        if not search.display:
            return False
        search.display = False
        search.value = ""
        self.pane.search("")
        self.pane.focus()
        return True

    @on(Input.Changed, "#search")
    def _search_changed(self, event: Input.Changed) -> None:
        event.stop()
        found = self.pane.search(event.value)
        self._path_of = (None, 0)
        if event.value:
            self._say(f"{found} line{'' if found == 1 else 's'} found" if found else "nothing found")
        else:
            self._show_path()

    @on(Input.Submitted, "#search")
    def _search_done(self, event: Input.Submitted) -> None:
        event.stop()
        self.pane.focus()
