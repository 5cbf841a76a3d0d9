"""The rows behind the invocations list: which are held, which are shown, and in which order. Knows no widget."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable
from itertools import islice

import msgspec

from livetui.session.invocation import FINISHED, Row

MOST_ROWS = 100_000
"""Rows held in memory; older ones stay in the store."""

Matches = Callable[[Row], bool]
SORTS: dict[str, Callable[[Row], tuple[object, ...]]] = {
    "#": lambda row: (row.id,),
    "function": lambda row: (row.function.lower(), row.id),
    "trigger": lambda row: (row.trigger.lower(), row.id),
    "state": lambda row: (row.state, row.id),
    "ms": lambda row: (-1.0 if row.handler_ms is None else row.handler_ms, row.id),
    "+ms": lambda row: (-1.0 if row.overhead_ms is None else row.overhead_ms, row.id),
    "size": lambda row: (row.event_bytes, row.id),
}


class Change(msgspec.Struct):
    """What one batch of rows did to the list."""

    added: int = 0
    updated: set[int] = msgspec.field(default_factory=set)
    reshaped: bool = False
    """Lines moved: the whole list is to be drawn again."""


class Rows:
    """Rows by id, and the ids that are shown.

    Sorted by `#` a batch costs the size of the batch. Another order is made anew for each batch.
    """

    def __init__(self, most: int = MOST_ROWS) -> None:
        self._most = most
        self._held: dict[int, Row] = {}
        self._ids: list[int] = []
        self._open: set[int] = set()
        self._since: set[int] = set()
        self._matches: Matches | None = None
        self.asked_for: set[int] = set()
        """Rows that are shown whatever the filter says, until another one is typed."""
        self.sort = "#"
        self.descending = False
        self.shown: list[int] = []
        self.let_go = 0
        """Rows that were let go of to stay within the bound."""

    def __len__(self) -> int:
        return len(self.shown)

    @property
    def held(self) -> int:
        """How many rows there are, shown or not."""
        return len(self._ids)

    @property
    def oldest(self) -> int | None:
        """The smallest id held."""
        return self._ids[0] if self._ids else None

    @property
    def newest(self) -> int | None:
        """The largest id held."""
        return self._ids[-1] if self._ids else None

    def get(self, id: int) -> Row | None:
        """A row, shown or not."""
        return self._held.get(id)

    def at(self, index: int) -> Row | None:
        """The row on a line of the list."""
        return self._held[self.shown[index]] if 0 <= index < len(self.shown) else None

    def all(self) -> Iterable[Row]:
        """Every row held, oldest first."""
        return (self._held[id] for id in self._ids)

    def newest_first(self, most: int) -> Iterable[Row]:
        """The rows that came last."""
        return (self._held[id] for id in reversed(self._ids[-most:]))

    def matching(self) -> Iterable[Row]:
        """The rows shown that the filter lets through."""
        rows = (self._held[id] for id in self.shown)
        return rows if self._matches is None else filter(self._matches, rows)

    def unfinished(self) -> Iterable[Row]:
        """Rows that are not at their end yet."""
        return (self._held[id] for id in self._open)

    def index(self, id: int) -> int | None:
        """The line of a row; None when it is not shown."""
        if self.plain:
            at = bisect_left(self.shown, id)
            return at if at < len(self.shown) and self.shown[at] == id else None
        try:
            return self.shown.index(id)
        except ValueError:
            return None

    @property
    def plain(self) -> bool:
        """Whether they are in the order of time, the newest last."""
        return self.sort == "#" and not self.descending

    def apply(self, batch: Iterable[Row]) -> Change:
        """Take new and changed rows in."""
        change = Change()
        shown = None if self.plain else set(self.shown)
        for row in batch:
            known = row.id in self._held
            was_shown = row.id in shown if shown is not None else self.index(row.id) is not None
            self._held[row.id] = row
            self._since.add(row.id)
            (self._open.discard if row.state in FINISHED else self._open.add)(row.id)
            if not known:
                self._insert(self._ids, row.id)
            wanted = self._matches is None or row.id in self.asked_for or self._matches(row)
            if wanted and was_shown:
                change.updated.add(row.id)
            elif wanted:
                change.added += 1
                if self.plain:
                    change.reshaped |= self._insert(self.shown, row.id)
            elif was_shown:
                change.reshaped = True
                if self.plain:
                    del self.shown[bisect_left(self.shown, row.id)]
        if len(self._ids) > self._most + self._most // 100:
            self._let_go(len(self._ids) - self._most)
            change.reshaped = True
        if not self.plain and (change.added or change.updated or change.reshaped):
            self._arrange()
            change.reshaped = True
        return change

    def ask(self) -> None:
        """The store is asked now which rows match a filter: what changes from here on is not in its answer."""
        self._since = set(self._open)

    def filter(self, matches: Matches | None, known: Collection[int] | None = None) -> None:
        """Show only the rows that match; None shows all. `known` is the store's answer to what was asked last."""
        self._matches = matches
        self._arrange(known)

    def order(self, sort: str, descending: bool) -> None:
        """Show the rows in another order."""
        self.sort, self.descending = sort, descending
        self._arrange()

    def clear(self) -> None:
        """Let go of everything."""
        self._held.clear()
        self._open.clear()
        self._since.clear()
        self.asked_for.clear()
        self._ids.clear()
        self.shown = []

    @staticmethod
    def _insert(ids: list[int], id: int) -> bool:
        if not ids or id > ids[-1]:
            ids.append(id)
            return False
        insort(ids, id)
        return True

    def _let_go(self, count: int) -> None:
        """The oldest go, and before them those that are not shown."""
        shown = set(self.shown)
        gone = set(islice((id for id in self._ids if id not in shown), count))
        gone.update(islice((id for id in self._ids if id in shown), count - len(gone)))
        self._ids = [id for id in self._ids if id not in gone]
        for id in gone:
            del self._held[id]
        self._open -= gone
        self._since -= gone
        self.asked_for -= gone
        self.let_go += count
        self.shown = [id for id in self.shown if id not in gone]

    def _arrange(self, known: Collection[int] | None = None) -> None:
        held, matches, asked_for = self._held, self._matches, self.asked_for
        if matches is None:
            ids = self._ids
        elif known is not None:
            since = self._since
            ids = [
                id for id in self._ids if id in asked_for or (matches(held[id]) if id in since else id in known)
            ]
        else:
            ids = [id for id in self._ids if id in asked_for or matches(held[id])]
        if self.plain:
            self.shown = list(ids)
        else:
            key = SORTS[self.sort]
            self.shown = sorted(ids, key=lambda id: key(held[id]), reverse=self.descending)
