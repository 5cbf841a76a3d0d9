"""What can be done with an invocation: replay, mark, copy, export and the rest."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on

from livetui.errors import LivetuiError
from livetui.session.invocation import Row
from livetui.session.secrets import MASK
from livetui.tui import text
from livetui.tui.documents import masked_json
from livetui.tui.files import is_file, named
from livetui.tui.messages import CopyRequested, EventsWaiting, TargetOpened
from livetui.tui.outside import editor_command, pager_command, run_outside, text_file
from livetui.tui.screens.causes import causes_of
from livetui.tui.screens.prompt import Ask, Choose, Pick
from livetui.tui.screens.sending import EventActions
from livetui.tui.widgets.lines import LinesPane

if TYPE_CHECKING:
    from textual.widgets import ContentSwitcher

    from livetui.tui.widgets.header import Header
    from livetui.tui.widgets.views import LogsView

MOST_TIMES = 1_000
MOST_RELATED = 200
EXPORTS = (
    Pick("json", "JSON", "the whole record: event, answer, logs, calls, timing"),
    Pick("sam", "SAM event", "the bare event, for sam local invoke -e"),
    Pick("curl", "curl", "the HTTP request as a command"),
    Pick("aws", "aws lambda invoke", "the same call through the AWS CLI"),
    Pick("pytest", "pytest", "a test that fails when the handler's answer changes"),
)
_SUFFIXES = {"json": ".json", "sam": ".event.json", "curl": ".sh", "aws": ".sh", "pytest": ".py"}


class RecordActions(EventActions):
    """Actions on the chosen invocation; the main screen inherits them."""

    clock: Callable[[], float]
    header: Header
    views: ContentSwitcher
    logs: LogsView
    pinned: dict[str, int]
    """Function to the invocation that is run again at each of its reloads."""

    # -- running again ---------------------------------------------------------------------------------------------

    def action_replay(self) -> None:
        """Run this event again as a new row."""
        row = self.chosen()
        if row is not None:
            self.replay_row(row)

    def replay_row(self, row: Row) -> None:
        """Run its event again; the cursor goes to the new row."""
        if self.app.ask(lambda: self.session.replay(row.id)):
            self.expect(row.id)

    def action_replay_times(self) -> None:
        """Ask how often, then run it."""
        row = self.chosen()
        if row is None:
            return

        def problem(answer: str) -> str:
            return "" if answer.isdecimal() and 1 <= int(answer) <= MOST_TIMES else f"a number from 1 to {MOST_TIMES:,}"

        def run(answer: str | None) -> None:
            if answer is not None and self.app.ask(lambda: self.session.replay(row.id, times=int(answer))):
                self.expect(row.id, int(answer))

        self.app.push_screen(Ask(f"Replay #{row.id} how many times?", "10", problem=problem), run)

    def action_replay_marked(self) -> None:
        """Run all marked rows that are shown again, in their order."""
        rows = [row for row in map(self.table.rows.get, self.table.rows.shown) if row is not None and row.marked]
        if not rows:
            self.app.notify("Mark rows with m first.", severity="warning")
            return
        sent = [row for row in rows[:MOST_TIMES] if self.app.ask(partial(self.session.replay, row.id))]
        self.app.notify(f"{len(sent)} of {len(rows)} marked rows run again.", timeout=3)
        for row in sent:
            self.expect(row.id)

    def action_pin(self) -> None:
        """Run this invocation at each reload of its function, or stop doing so."""
        row = self.chosen()
        if row is None:
            return
        if self.pinned.get(row.function) == row.id:
            del self.pinned[row.function]
            self.app.notify(f"#{row.id} is not pinned any more.", timeout=3)
        else:
            self.pinned[row.function] = row.id
            self.app.notify(
                f"#{row.id} runs again whenever {text.safe(row.function)} is saved.", timeout=4, markup=False
            )
        self.table.redraw()
        self.invocations.pins_changed()

    def replay_pinned(self, function: str) -> None:
        """New code of a function is there: run the invocation that is pinned to it."""
        id = self.pinned.get(function)
        if id is not None and self.app.ask(lambda: self.session.replay(id)):
            self.expected[id] += 1  # shown even while the list is frozen; the cursor stays where the user is

    # -- keeping ---------------------------------------------------------------------------------------------------

    def action_mark(self) -> None:
        """Mark this row, or take the mark away."""
        row = self.chosen()
        if row is not None:
            current = self.table.rows.get(row.id) or row
            self.app.ask(lambda: self.session.mark(row.id, not current.marked))
            self.post_message(EventsWaiting())  # what the next key does may depend on it

    def action_mark_all(self) -> None:
        """Mark every row that the filter lets through, or take the marks away when all have one."""
        rows = list(self.table.rows.matching())
        if len(rows) > MOST_TIMES:
            self.app.notify(
                f"{len(rows):,} rows are shown; at most {MOST_TIMES:,} are marked at once.", severity="warning"
            )
            return
        on = not all(row.marked for row in rows)
        changing = [row.id for row in rows if row.marked != on]

        def mark() -> None:
            try:
                for id in changing:
                    self.session.mark(id, on)
            except LivetuiError as error:
                self.app.call_from_thread(self.app.tell, error)

        self.run_worker(mark, thread=True, group="event", description="mark all")
        done = "marked: ctrl+r replays them" if on else "not marked any more"
        self.app.notify(f"{len(changing)} row{'' if len(changing) == 1 else 's'} {done}.", timeout=3)

    def action_note(self) -> None:
        """Write a note on this row."""
        row = self.chosen()
        if row is None:
            return

        def write(words: str | None) -> None:
            if words is not None:
                self.app.ask(lambda: self.session.note(row.id, words.strip()))

        self.app.push_screen(Ask(f"Note on #{row.id}", row.note, "An empty note takes it away."), write)

    def action_unmask(self) -> None:
        """Show or mask secrets."""
        opened = self.details.opened
        if opened is not None:
            self.details.unmask(not opened.unmasked, self.clock())

    def _reveals(self, id: int) -> bool:
        """Whether the user asked to see the secrets of this invocation."""
        opened = self.details.opened
        return opened is not None and opened.unmasked and opened.invocation.row.id == id

    def action_export(self) -> None:
        """Ask as what, then where to."""
        row = self.chosen()
        if row is None:
            return

        def chosen(kind: str | None) -> None:
            if kind is not None:
                self.run_worker(partial(self._export, row, kind), thread=True, group="export", description="export")

        self.app.push_screen(Choose(f"Export #{row.id} as", EXPORTS), chosen)

    def _export(self, row: Row, kind: str) -> None:
        try:
            words = self.session.export(row.id, kind, reveal=self._reveals(row.id))
        except LivetuiError as error:
            self.app.call_from_thread(self.app.tell, error)
            return
        self.app.call_from_thread(self._save_export, row, kind, words)

    def _save_export(self, row: Row, kind: str, words: str) -> None:
        default = f"{row.function}-{row.id}{_SUFFIXES[kind]}"
        if kind == "pytest":
            default = str(Path("tests", f"test_{row.function.lower()}_{row.id}.py"))
        elif kind in ("curl", "aws"):
            default = ""  # a command is pasted, not kept

        def save(answer: str | None) -> None:
            if answer is None:
                return
            if not answer.strip():
                self.app.copy(words, f"{kind} of #{row.id}")
                return
            path = named(self.session.settings.root, answer)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("x", encoding="utf-8", errors="backslashreplace") as file:
                    file.write(words)
            except (OSError, ValueError) as error:
                self.app.tell(LivetuiError("The export could not be written.", str(error), "Choose another name."))
                return
            self.app.notify(
                f"{text.safe(str(path))}, {text.size(len(words))}", title="Written", timeout=4, markup=False
            )

        self.app.push_screen(
            Ask(f"Write {kind} of #{row.id} to", default, "An empty name copies it to the clipboard."), save
        )

    # -- looking ---------------------------------------------------------------------------------------------------

    @on(CopyRequested)
    async def _copy_event(self, event: CopyRequested) -> None:
        if event.row is None:
            return
        event.stop()
        id, reveals = event.row.id, self._reveals(event.row.id)

        def read() -> str:
            event = self.session.invocation(id).event
            return (event if reveals else masked_json(event)).decode("utf-8", "replace")

        words = await self._in_thread(read)
        if words is not None:
            masked = ", its secrets masked (u shows them)" if MASK in words and not reveals else ""
            self.app.copy(words, f"event of #{id}{masked}")

    def action_causes(self) -> None:
        """Show what caused what."""
        row = self.chosen()
        if row is None:
            return

        def read() -> None:
            try:
                related = self.session.related(row.id)[:MOST_RELATED]
                parents = self.session.parents([each.id for each in related])
            except LivetuiError as error:
                self.app.call_from_thread(self.app.tell, error)
                return
            self.app.call_from_thread(self._causes, row, related, parents)

        self.run_worker(read, thread=True, group="causes", description="causes")

    def _causes(self, row: Row, related: list[Row], parents: dict[int, int]) -> None:
        def chosen(answer: str | None) -> None:
            if answer is not None and not self.table.stay(int(answer)):
                self.app.notify(
                    f"#{answer} is not in the list: the filter hides it, or it is too old.", severity="warning"
                )

        self.app.push_screen(Choose(f"What belongs to #{row.id}", causes_of(row, related, parents)), chosen)

    def action_search(self) -> None:
        """Find text in the pane, or filter where all is one list."""
        pane = self.focused
        if isinstance(pane, LinesPane) and pane not in (self.details.pane, self.logs.pane):
            self._ask_search(pane)
        elif self.views.current == "logs":
            self.logs.filter.focus()
        elif self.views.current == "invocations":
            self.details.open_search()

    def _ask_search(self, pane: LinesPane) -> None:
        def search(words: str | None) -> None:
            if words is not None and not pane.search(words) and words:
                self.app.notify("Nothing found.", timeout=2)

        self.app.push_screen(Ask("Find", hint="n and N move between the lines found."), search)

    def action_copy_endpoint(self) -> None:
        """Copy the address of the API."""
        if self.header.endpoint:
            self.app.copy(self.header.endpoint, "endpoint")
        else:
            self.app.notify("The stack has no address among its outputs.", severity="warning")

    def action_pager(self) -> None:
        """Open the whole text of the pane in $PAGER."""
        pane = self.focused if isinstance(self.focused, LinesPane) else self.details.pane
        document = pane.document
        if document.nothing:
            self.app.notify("There is nothing to show.", severity="warning", timeout=2)
            return

        def show(words: bytes) -> None:
            with text_file(words, ".json" if document.kind == "json" else ".txt") as path:
                run_outside(self.app, pager_command(str(path)))

        def read() -> None:
            words = document.whole()
            self.app.call_from_thread(self.app.ask, lambda: show(words))

        self.run_worker(read, thread=True, group="document", description="pager")

    @on(TargetOpened)
    def _open_target(self, event: TargetOpened) -> None:
        event.stop()
        if not is_file(Path(event.path)):
            self.app.notify(f"{text.safe(event.path)} is not here.", severity="warning", markup=False)
            return
        self.app.ask(lambda: run_outside(self.app, editor_command(event.path, event.line)))
