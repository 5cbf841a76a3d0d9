"""Which rows the list shows: those a filter lets through, of all sessions or of an earlier one alone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from textual import on
from textual.screen import Screen
from textual.worker import Worker, get_current_worker

from livetui.errors import LivetuiError
from livetui.session.invocation import FINISHED, Row
from livetui.session.records import SessionRecord
from livetui.tui import text
from livetui.tui.messages import SessionFace
from livetui.tui.rows import MOST_ROWS
from livetui.tui.screens.prompt import Choose, Pick
from livetui.tui.widgets.invocations import InvocationList
from livetui.tui.widgets.invocations_pane import FilterChanged, InvocationsPane

if TYPE_CHECKING:
    from livetui.tui.app import LivetuiApp

FIRST_ROWS = 1_000
"""The newest rows, which are read at the start."""
FILTERED_AT_ONCE = 5_000
"""Rows up to which a filter is tried on each row while it is typed."""
PAGE = 2_000
"""Rows that are not held and are read at once: of a filter, or older than those shown."""
MOST_OF_A_SESSION = 50_000
"""Rows of an earlier session that are read at once: they may be sorted."""
Question = tuple[str, str | None]
"""A filter, and the session whose rows alone are shown."""
_EVERY: Question = ("", None)
_ALL = "all"


class ShownRows(Screen[None]):
    """Filter and earlier sessions; the main screen inherits them."""

    app: LivetuiApp
    session: SessionFace
    invocations: InvocationsPane
    table: InvocationList
    past: SessionRecord | None
    """The earlier session that is looked at; None shows all rows, as they come."""
    _filter: FilterChanged | None
    _older: Mapping[Question, int] = MappingProxyType({})
    """The number under which the store has rows that were not read, of all and of those that are asked for; or 0."""
    _paging = False
    """Whether older rows are being read."""
    _unread = ""
    """Why rows could not be read, as it was told."""
    expected: Counter[int | str]
    """Rows that the user asked for and that have not come yet: so many replays of an origin, or a request's id."""
    going: bool
    """The cursor goes to the first of them."""

    @on(InvocationList.Changed)
    def _list_changed(self) -> None:
        counts = self.session.counts()
        self.invocations.tell(max(counts.held, self.table.rows.held), counts.dropped)

    @on(FilterChanged)
    def _filter_changed(self, event: FilterChanged) -> None:
        if self._filter is None or event.words != self._filter.words:
            self.table.rows.asked_for.clear()
        self._filter = event
        self._show_rows()

    @property
    def _question(self) -> Question:
        return "" if self._filter is None else self._filter.words, None if self.past is None else self.past.id

    def _show_rows(self) -> None:
        asks = self._question != _EVERY
        many = asks and self.table.rows.held > FILTERED_AT_ONCE
        if many:
            self.table.rows.ask()
        else:
            self.table.filter(self._matching())
        more = asks and self.session.counts().held > self.table.rows.held
        if many or more:
            self.run_worker(
                partial(self._find, self._question, many, more, 0),
                thread=True,
                exclusive=True,
                group="filter",
                description="filter",
            )

    def _matching(self) -> Callable[[Row], bool] | None:
        typed = None if self._filter is None or self._filter.filter is None else self._filter.filter.matches
        past = self.past
        if past is None and typed is None:
            whole, oldest = self._older.get(_EVERY, 0), self.table.rows.oldest
            # What a filter or a session found far below is no part of a list that looks complete.
            return None if oldest is None or oldest >= whole else lambda row: row.id >= whole
        if past is None:
            return typed
        return lambda row: row.session == past.id and (typed is None or typed(row))

    def _find(self, question: Question, many: bool, more: bool, before: int) -> None:
        # So many rows are asked of the store's index, in a thread; those that change meanwhile are tested one by one.
        # The list is told of those that it holds at once, before it is given `more` of them.
        words, session = question
        worker = get_current_worker()
        try:
            if many:
                known = set(self.session.numbers(words, session))
                self.app.call_from_thread(self._known, worker, question, known)
            if more:
                most = PAGE if session is None else MOST_OF_A_SESSION
                rows = self.session.rows(words, most, before or None, session)
                older = rows[0].id if len(rows) == most else 0
                self.app.call_from_thread(self._found, worker, question, rows, before, older)
        except LivetuiError as error:
            self.app.call_from_thread(self._not_found, error, before)

    def _not_found(self, error: LivetuiError, before: int) -> None:
        self._paging = self._paging and not before
        self.app.tell(error)

    def _known(self, worker: Worker[None], question: Question, known: set[int]) -> None:
        if not worker.is_cancelled and question == self._question:
            self.table.filter(self._matching(), known)

    def _found(self, worker: Worker[None], question: Question, rows: list[Row], before: int, older: int) -> None:
        self._paging = self._paging and not before
        if worker.is_cancelled or question != self._question:
            return
        self._older = {_EVERY: self._older.get(_EVERY, 0), question: older}
        if question == _EVERY:
            self.table.filter(self._matching())
        newest = self.table.rows.newest or 0  # what is newer comes by itself
        self.table.take([row for row in rows if row.id < newest and not self.table.knows(row.id)], asked=True)

    @on(InvocationList.TopReached)
    def _top_reached(self) -> None:
        question = self._question
        before = self._older.get(question, 0)
        if before and not self._paging and self.table.rows.plain and len(self.table.rows) + PAGE <= MOST_ROWS:
            self._paging = True
            self.run_worker(
                partial(self._find, question, False, True, before), thread=True, group="rows", description="older rows"
            )

    # -- as the store has them -------------------------------------------------------------------------------------

    def read_again(self, since: int | None = None) -> None:
        """Read the newest rows, or all from a number on, in a thread."""
        self.run_worker(partial(self._read_rows, since), thread=True, group="rows", description="rows")

    def _read_rows(self, since: int | None = None) -> None:
        try:
            wanted = ("", FIRST_ROWS) if since is None else (f"id:>={since}", MOST_ROWS)
            rows = self.session.rows(*wanted)
        except LivetuiError as error:
            self.app.call_from_thread(self._rows_not_read, error)
            return
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._rows_read, rows)

    def _rows_not_read(self, error: LivetuiError) -> None:
        if str(error) != self._unread:  # it is tried again every other second
            self._unread = str(error)
            self.app.tell(error)

    def read_of_others(self) -> None:
        """Read the newest rows when another process wrote some."""
        if self.session.others_wrote():
            self._read_rows()

    def _rows_read(self, rows: list[Row]) -> None:
        if _EVERY not in self._older:
            self._older = {_EVERY: rows[0].id if len(rows) == FIRST_ROWS else 0}
        ended = {row.id for row in self.table.rows.all() if row.state in FINISHED}
        # An event may have told of an end since they were read.
        self.take({row.id: row for row in rows if row.state in FINISHED or row.id not in ended})

    def take(self, rows: dict[int, Row]) -> None:
        """Take new and changed rows in."""
        mine = self.claim(rows[id] for id in sorted(rows) if not self.table.knows(id))
        self.table.take(rows.values(), told=True)
        self._list_changed()  # at once: so that rows and their number are one frame
        self.rows_changed(rows, mine)

    def rows_changed(self, changed: dict[int, Row], mine: list[int]) -> None:
        """Some rows are others now; `mine` are those that the user asked for."""
        raise AssertionError("the main screen has its own")

    # -- rows of one's own -----------------------------------------------------------------------------------------

    def expect(self, what: int | str, times: int = 1) -> None:
        """The user asked for replays of an invocation, or sent a request: the cursor goes to the first row of it."""
        self.expected[what] += times
        self.going = True

    def claim(self, rows: Iterable[Row]) -> list[int]:
        """Which of these new rows the user asked for; they are shown though the list is frozen or filtered."""
        mine: list[int] = []
        for row in rows if self.expected else ():
            what = row.request_id if row.replay_of is None else row.replay_of
            if self.expected[what] > 0:
                self.expected[what] -= 1
                mine.append(row.id)
        self.expected += Counter()  # lets go of what has come
        self.table.own.update(mine)
        if self.past is None or self.going:  # a pinned call that runs by itself is no part of an earlier session
            self.table.rows.asked_for.update(mine)
        return mine

    def go_to_own(self, id: int) -> None:
        """The first row that was asked for has come: the cursor goes to it, once."""
        if not self.going:
            return
        self.going = False
        if self.past is not None:  # what runs now belongs to this session, not to the one that is looked at
            self.past, self.invocations.of_session = None, ""
            self.table.filter(self._matching())
        self.table.stay(id)

    # -- earlier sessions ------------------------------------------------------------------------------------------

    def action_sessions(self) -> None:
        """Choose an earlier session and see its invocations."""

        def read() -> None:
            try:
                sessions = self.session.sessions()
            except LivetuiError as error:
                self.app.call_from_thread(self.app.tell, error)
                return
            self.app.call_from_thread(self._choose_session, sessions)

        self.run_worker(read, thread=True, group="rows", description="sessions")

    def _choose_session(self, sessions: list[SessionRecord]) -> None:
        held = [each for each in sessions if each.invocations]
        if not held:
            self.app.notify("Nothing was recorded here before.", severity="warning")
            return
        known = {each.id: each for each in held}

        def chosen(id: str | None) -> None:
            if id is not None:
                self.open_session(known.get(id))

        mark = self.past.id if self.past is not None else _ALL
        picks = [Pick(_ALL, f"{'●' if mark == _ALL else ' '} all sessions", "new calls appear as they come")]
        picks += [
            Pick(each.id, f"{'●' if mark == each.id else ' '} {session_words(each)}", _remark(each)) for each in held
        ]
        self.app.push_screen(Choose("Whose invocations?", picks), chosen)

    def open_session(self, record: SessionRecord | None) -> None:
        """Show an earlier session's rows alone; None goes back to all of them."""
        self.past = record
        self.table.rows.asked_for.clear()
        self.invocations.of_session = "" if record is None else session_words(record)
        self._show_rows()
        self.table.follow()
        self.table.focus()

    def leave_session(self) -> bool:
        """Back to all rows; False when they are shown already."""
        if self.past is None:
            return False
        self.open_session(None)
        return True


def session_words(record: SessionRecord) -> str:
    """A session in a few words: when it began, and of which app and stage."""
    began = time.strftime("%d %b %H:%M", time.localtime(record.started))
    return " · ".join(text.safe(each) for each in (began, record.app, record.stage) if each)


def _remark(record: SessionRecord) -> str:
    count = f"{record.invocations:,} invocation{'' if record.invocations == 1 else 's'}"
    lasted = "" if record.ended is None else f" · {text.seconds(record.ended - record.started)}"
    return f"{count} · {record.kind}{lasted}"
