"""The reading half of the history: rows that match a filter, one invocation in full, sessions, counts."""

# ruff: noqa: S608  (what is put into statements is our own column and table names; values are bound)

from __future__ import annotations

import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from livetui.errors import LivetuiError
from livetui.session import schema
from livetui.session.filter import Filter, FilterError, parse
from livetui.session.invocation import AwsCall, Invocation, LogLine, Row, Timing
from livetui.session.records import (
    COLUMNS,
    AttemptState,
    Counts,
    FunctionRecord,
    SessionRecord,
    is_running,
    row_of,
    session_of,
    unpack,
)
from livetui.session.schema import NotHeld, StoreError

Values = tuple[Any, ...]
_SESSIONS = ("SELECT id, kind, app, stage, account, region, local, started, ended, host, pid, "
             "(SELECT count(*) FROM invocations WHERE session = sessions.id) FROM sessions")
_SEARCH_S = 10.0
"""Most time of one search that SQLite cannot do alone."""


class Reader:
    """Reads the history on a connection of its own, so that a search never delays a write. Thread-safe."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._reader = connection
        self._read_lock = threading.RLock()

    def rows(self, filter: str | Filter = "", limit: int = 1000, before: int | None = None,
             session: str | None = None) -> list[Row]:
        """The newest `limit` matching rows, oldest of them first; only numbers under `before`, to page back.

        Raises `FilterError` when the filter does not parse.
        """
        wanted, query, bound = _matching(filter, before, session)
        if wanted.sql() is None:
            return self._judged(wanted, query, bound, limit)
        return [row_of(values) for values in self._read(f"SELECT {COLUMNS} {query} LIMIT ?", (*bound, limit))[::-1]]

    def numbers(self, filter: str | Filter = "", limit: int = 1_000_000, session: str | None = None) -> list[int]:
        """The numbers of matching rows, lowest first: cheaper than `rows` for hiding rows that are held already."""
        wanted, query, bound = _matching(filter, None, session)
        if wanted.sql() is None:
            return [row.id for row in self._judged(wanted, query, bound, limit)]
        # As one text: for every row sqlite3 lets go of the interpreter, which a screen that is drawn then keeps.
        ((found,),) = self._read(f"SELECT group_concat(id) FROM (SELECT id {query} LIMIT ?)", (*bound, limit))
        return sorted(msgspec.json.decode(f"[{found or ''}]", type=list[int]))

    def row(self, number: int) -> Row:
        """One row. Raises `LivetuiError` when there is no such invocation."""
        for values in self._read(f"SELECT {COLUMNS} FROM invocations WHERE id = ?", (number,)):
            return row_of(values)
        raise self._no_such(number)

    def related(self, number: int) -> list[Row]:
        """The invocations that share a trace with this one, oldest first; just itself when it has no trace."""
        row = self.row(number)
        if not row.trace_id:
            return [row]
        return [row_of(values) for values in self._read(
            f"SELECT {COLUMNS} FROM invocations WHERE trace_id = ? AND trace_id <> '' ORDER BY time, id LIMIT 1000",
            (row.trace_id,))]

    def invocation(self, number: int) -> Invocation:
        """Everything about one invocation. Raises `LivetuiError` when there is no such invocation."""
        found = self._read(f"SELECT attempt, event, response, context, timing, {COLUMNS} FROM invocations "
                           "JOIN payloads USING (id) WHERE id = ?", (number,))
        if not found:
            raise self._no_such(number)
        logs = self._read("SELECT lines FROM logs WHERE invocation = ? ORDER BY rowid", (number,))
        calls = self._read("SELECT calls FROM calls WHERE invocation = ? ORDER BY rowid", (number,))
        attempt, event, response, context, timing = found[0][:5]
        try:
            return Invocation(
                row=row_of(found[0][5:]), attempt=attempt, event=unpack(event),
                response=None if response is None else unpack(response), context=json.loads(unpack(context)),
                logs=[line for (body,) in logs for line in msgspec.json.decode(unpack(body), type=list[LogLine])],
                calls=[call for (body,) in calls for call in msgspec.json.decode(unpack(body), type=list[AwsCall])],
                timing=msgspec.json.decode(timing, type=Timing) if timing else Timing())
        except (zlib.error, ValueError) as error:
            raise StoreError(f"Invocation #{number} cannot be read.", f"Its record is damaged: {error}",
                             "Other invocations are not affected.") from error

    def by_attempt(self, attempt: str) -> Invocation | None:
        """The invocation of an attempt, to send a finished answer again; None when it is not known."""
        for (number,) in self._read("SELECT id FROM invocations WHERE attempt = ?", (attempt,)):
            return self.invocation(number)
        return None

    def attempt_state(self, attempt: str) -> AttemptState:
        """How far an attempt got, as far as this history knows; what decides whether it may run (at most once)."""
        for started, finished in self._read("SELECT started, finished FROM invocations WHERE attempt = ?", (attempt,)):
            return "finished" if finished is not None else "started" if started is not None else "queued"
        return "unknown"

    def sessions(self) -> list[SessionRecord]:
        """All recorded sessions, newest first."""
        rows = self._read(f"{_SESSIONS} ORDER BY started DESC, id DESC")
        return [session_of(values) for values in rows]

    def running(self) -> list[SessionRecord]:
        """The sessions that go on in a process of this machine, newest first."""
        return [each for each in self.sessions() if each.ended is None and is_running(each.host, each.pid)]

    def session(self, id: str) -> SessionRecord:
        """One recorded session. Raises `LivetuiError` when it is not known."""
        for values in self._read(f"{_SESSIONS} WHERE id = ?", (id,)):
            return session_of(values)
        raise LivetuiError(f"There is no session {id!r} in the history.", str(self.path))

    def function(self, id: str) -> FunctionRecord | None:
        """How a function was last run here; None when that was never told."""
        for handler, code_root, environment, layers in self._read(
                "SELECT handler, code_root, environment, layers FROM functions WHERE id = ?", (id,)):
            return FunctionRecord(id, handler, code_root, json.loads(environment), tuple(json.loads(layers)))
        return None

    @property
    def history(self) -> str:
        """Names this record of what has started: another one for every file, also for a copy or what was salvaged."""
        ((number,),) = self._read("SELECT value FROM counters WHERE name = 'history'")
        return f"{number & 0xFFFF_FFFF_FFFF_FFFF:016x}-{self.path.stat().st_ino:x}"

    def counts(self) -> Counts:
        """How much is held and how much was dropped."""
        ((held, dropped),) = self._read("SELECT (SELECT count(*) FROM invocations), "
                                        "(SELECT value FROM counters WHERE name = 'dropped')")
        size = used_bytes(self._pragma)
        return Counts(held, dropped or 0, size)

    def _pragma(self, name: str) -> int:
        return int(self._read(f"PRAGMA {name}")[0][0])

    def _judged(self, wanted: Filter, query: str, bound: Sequence[Any], limit: int) -> list[Row]:
        """Rows of which SQLite can only say that they may match."""
        matching: list[Row] = []
        ends = time.monotonic() + _SEARCH_S
        for values in self._read(f"SELECT {COLUMNS} {query}", bound):
            row = row_of(values)
            if wanted.matches(row):
                matching.append(row)
                if len(matching) == limit:
                    break
            if time.monotonic() > ends:
                raise FilterError("This filter takes too long on so many invocations; make it simpler.", 0)
        return matching[::-1]

    def _no_such(self, number: int) -> NotHeld:
        ((lowest, highest),) = self._read("SELECT min(id), max(id) FROM invocations")
        if highest is None:
            return NotHeld(f"There is no invocation #{number}.", "Nothing is recorded in this project yet.",
                           "Start a session first: livetui, or livetui demo")
        why = "It was dropped to keep the history within its bounds." if 0 < number < highest else ""
        return NotHeld(f"There is no invocation #{number}.", why,
                       f"The history has #{lowest} to #{highest}; `livetui invocations` lists them.")

    def _read(self, query: str, parameters: Sequence[Any] = ()) -> list[Values]:
        with self._read_lock:
            try:
                return self._reader.execute(query, parameters).fetchall()
            except sqlite3.Error as error:
                if not schema.is_damage(error):
                    raise schema.explain(error, self.path) from error
                damage = error
        self._mend(damage)
        with self._read_lock:
            try:
                return self._reader.execute(query, parameters).fetchall()
            except sqlite3.Error as error:
                raise schema.explain(error, self.path) from error

    def _mend(self, damage: sqlite3.Error) -> None:
        """What to do when the file turns out to be damaged: nothing can be done by reading alone."""
        raise schema.explain(damage, self.path) from damage


def used_bytes(pragma: Any) -> int:
    """Bytes of the file that hold something; `pragma` answers one by name."""
    return int((pragma("page_count") - pragma("freelist_count")) * pragma("page_size"))


def _matching(filter: str | Filter, before: int | None, session: str | None) -> tuple[Filter, str, list[Any]]:
    """The filter, and from where SQLite takes the rows that may match, newest first."""
    wanted = parse(filter) if isinstance(filter, str) else filter
    where, parameters = wanted.narrowing()
    clauses, bound = [f"({where})"], list[Any](parameters)
    if before is not None:
        clauses.append("id < ?")
        bound.append(before)
    if session is not None:
        clauses.append("session = ?")
        bound.append(session)
    return wanted, f"FROM invocations WHERE {' AND '.join(clauses)} ORDER BY id DESC", bound
