"""The history: every invocation of a project in one SQLite file, bounded, searchable, safe to use from any thread.

Writes are short transactions of their own, each handed to the operating system before the method returns (see
`schema` for what that means); only log lines and AWS calls wait a moment, to be written together.
"""

# ruff: noqa: S608  (what is put into statements is our own column and table names; values are bound)

from __future__ import annotations

import contextlib
import json
import os
import platform
import sqlite3
import threading
import time as clock
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from livetui.errors import LivetuiError
from livetui.session import schema
from livetui.session.checkpoint import Checkpointer
from livetui.session.invocation import AwsCall, Invocation, LogLine, Row, State, Timing
from livetui.session.outcome import outcome_of
from livetui.session.reader import Reader, used_bytes
from livetui.session.records import COLUMNS, Counts, SessionRecord, clean, encode, is_running, one_line, pack, row_of
from livetui.session.schema import StartedElsewhere, StoreError
from livetui.session.secrets import mask

T = TypeVar("T")
_LOG_LIMIT = 4 * 1024 * 1024
"""Most bytes of log text kept per invocation; a handler may print more than anyone reads."""
_LOGS_MEASURED = 2_000
"""Calls that wrote last, for which that bound is kept."""
_LINGER_S = 0.25
_LINGER_BYTES = 64 * 1024
_OPEN: set[str] = set()
"""Sessions that write in this process."""
_RUNNING = "state IN ('queued', 'running', 'paused')"


class _Pending:
    """Log lines and AWS calls of one invocation that wait to be written."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self.calls: list[AwsCall] = []


class Store(Reader):
    """The project's history. Use `Store.open`; close it at the end. All methods are thread-safe."""

    def __init__(self, path: Path, writer: sqlite3.Connection | None, reader: sqlite3.Connection, *,
                 max_invocations: int, max_mb: int, notices: list[str]) -> None:
        super().__init__(path, reader)
        self.notices = notices
        """What people should be told about the file, such as that it was damaged. Grows; never cleared here."""
        self.current = ""
        """Id of the session that writes, once `begin_session` was called."""
        self._max_invocations = max(1, max_invocations)
        self._max_bytes = max(1, max_mb) * 1024 * 1024
        self._writer = writer
        self._write_lock = threading.RLock()
        self._checkpointer = Checkpointer(path)
        self._generation = 0
        self._identity = _identity(path)
        self._live: dict[str, Row] = {}
        self._pending: dict[int, _Pending] = {}
        self._pending_bytes = 0
        self._pending_since = 0.0
        self._log_bytes: OrderedDict[int, int] = OrderedDict()
        """How much each call has written; also of ended ones, whose threads may write on."""
        self._log_lines_lost: dict[int, int] = {}
        self._held = 0
        self._version = -1
        self._seen_version = -1
        self._highest = 0

    @classmethod
    def open(cls, path: Path, *, max_invocations: int = 20_000, max_mb: int = 512, read_only: bool = False) -> Store:
        """Open the history at `path`, made (mode 0600) when it is missing and migrated when it is older.

        Read-only stores never change what is recorded; with no file they raise `LivetuiError`. Raises `StoreError`
        when the file cannot be used at all; a damaged file is moved aside and `notices` says so.
        """
        path = Path(path)
        if read_only and not path.exists():
            raise LivetuiError("Nothing has been recorded in this project yet.", f"There is no {path}.",
                               "Start a session first: livetui, or livetui demo")
        try:
            writer, notices = schema.open_writable(path)
            with contextlib.ExitStack() as opened:
                opened.callback(writer.close)
                reader = schema.connect(path, read_only=True)
                if not read_only:
                    opened.pop_all()
        except (OSError, sqlite3.Error) as error:
            raise schema.explain(error, path) from error
        return cls(path, None if read_only else writer, reader, max_invocations=max_invocations, max_mb=max_mb,
                   notices=notices)

    def close(self) -> None:
        """Write what waits, end the session and close the file. Safe to call twice."""
        self._checkpointer.close()
        with self._write_lock, self._read_lock:
            if self._writer is not None:
                try:
                    self.flush()
                    self._reader.close()  # before the writer, which folds the log into the file when it closes last
                    if self.current:
                        self._write(lambda db: db.execute("UPDATE sessions SET ended = ? WHERE id = ?",
                                                          (clock.time(), self.current)))
                    self._writer.execute("PRAGMA incremental_vacuum")
                finally:
                    _OPEN.discard(self.current)
                    self._writer.close()
                    self._writer = None
            self._reader.close()

    def others_wrote(self) -> bool:
        """Whether another process wrote to the file since this was asked last, or it is asked for the first time."""
        with self._write_lock:
            if self._writer is None:
                return False
            before = self._seen_version
            try:
                self._seen_version, = self._writer.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error:  # reading the rows tells, or mends it
                return True
            return before != self._seen_version

    # --- sessions

    def begin_session(self, kind: str, *, app: str = "", stage: str = "", account: str = "", region: str = "",
                      local: bool = False) -> str:
        """Record the start of a session and return its id; invocations that a killed session left running are closed.

        A call of a killed session that had not started stays `queued` for `attempt_state`, so it may still run.
        """
        session = f"{clock.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"
        record = (session, kind, app, stage, account, region, local, clock.time(), None, platform.node(), os.getpid())

        def write(db: sqlite3.Connection) -> None:
            for gone, host, pid in db.execute("SELECT id, host, pid FROM sessions WHERE ended IS NULL").fetchall():
                if gone not in _OPEN and (pid == os.getpid() or not is_running(host, pid)):
                    db.execute("UPDATE invocations SET state = 'interrupted' WHERE session = ? "
                               f"AND {_RUNNING}", (gone,))
            db.execute("INSERT INTO sessions VALUES (?,?,?,?,?,?,?,?,?,?,?)", record)

        self._write(write)
        self.current = session
        _OPEN.add(session)
        return session

    def remember_function(self, id: str, *, handler: str, code_root: Path, environment: Mapping[str, str],
                          layers: Sequence[Path] = ()) -> None:
        """Keep how a function is run here, for `function(id)`; secrets are masked, AWS's own variables left out."""
        kept = mask({name: value for name, value in environment.items() if not name.startswith("AWS_")})
        values = (clean(id), clean(handler), str(code_root), json.dumps(kept), json.dumps([*map(str, layers)]))
        self._write(lambda db: db.execute("INSERT OR REPLACE INTO functions VALUES (?, ?, ?, ?, ?)", values))

    # --- the life of an invocation

    def arrived(self, attempt: str, function: str, trigger: str, event: bytes, context: Mapping[str, Any], *,
                time: float, request_id: str = "", trace_id: str = "", deadline: float | None = None,
                replay_of: int | None = None, edited: bool = False) -> Row:
        """Record a call that came in, or a replay that was asked for, as `queued`; returns it with its number.

        An attempt that a killed session had queued is taken over under its number. `time` and `deadline` in seconds
        since the epoch; `context` must be plain JSON and is kept without credentials by the caller.
        """
        body = pack(event)
        background = pack(json.dumps(dict(context), default=str).encode())
        values = (self.current, clean(function), clean(trigger), "queued", time, len(event), replay_of,
                  edited, clean(request_id), clean(trace_id), deadline, attempt)

        def write(db: sqlite3.Connection) -> Row:
            known = db.execute("SELECT id FROM invocations WHERE attempt = ?", (attempt,)).fetchone()
            if known:
                db.execute("UPDATE invocations SET session = ?, state = 'queued', time = ?, deadline = ? WHERE id = ? "
                           "AND started IS NULL", (self.current, time, deadline, known[0]))
                return self._written(db, known[0])
            number = db.execute("INSERT INTO invocations (session, function, trigger, state, time, event_bytes, "
                                "replay_of, edited, request_id, trace_id, deadline, attempt) "
                                "VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", values).lastrowid or 0
            db.execute("INSERT INTO payloads (id, event, context) VALUES (?, ?, ?)", (number, body, background))
            self._keep_within_bounds(db, number)
            return self._written(db, number)

        with self._write_lock:
            row = self._live[attempt] = self._write(write, len(body))
            self._highest = max(self._highest, row.id)
            return row

    def started(self, attempt: str) -> Row:
        """Record that a worker gets the call. Committed when this returns: only then may it be dispatched.

        Raises `StartedElsewhere` when it has started already, or another session has taken it.
        """
        def write(db: sqlite3.Connection) -> bool:
            ours = db.execute("UPDATE invocations SET state = 'running', started = ? WHERE attempt = ? AND session = ? "
                              "AND started IS NULL", (clock.time(), attempt, self.current)).rowcount
            # one that is gone altogether was dropped for room, or with a damaged file
            return bool(ours) or not db.execute("SELECT 1 FROM invocations WHERE attempt = ?", (attempt,)).fetchone()

        with self._write_lock:
            row = self._of(attempt)
            if not self._write(write):
                self._live.pop(attempt, None)
                raise StartedElsewhere("Another console has this call; it is not run again here.", f"Call #{row.id}.")
            self._live[attempt] = msgspec.structs.replace(row, state="running")
            return self._live[attempt]

    def logged(self, number: int, lines: Sequence[LogLine]) -> None:
        """Record lines of a running handler, in order; beyond 4 MiB per invocation they are counted, not kept."""
        with self._write_lock:
            used = self._log_bytes.get(number, 0)
            kept = 0
            for line in lines:
                if used > _LOG_LIMIT:
                    break
                used += len(line.text) + 16
                kept += 1
            self._log_bytes[number] = used
            self._log_bytes.move_to_end(number)
            if len(self._log_bytes) > _LOGS_MEASURED:
                self._log_lines_lost.pop(self._log_bytes.popitem(last=False)[0], None)
            waiting = self._pending.setdefault(number, _Pending()).lines
            waiting.extend(lines[:kept])
            if kept < len(lines):
                if number not in self._log_lines_lost and all(row.id != number for row in self._live.values()):
                    waiting.append(LogLine("stderr", "livetui: more lines were not kept."))  # no end will count them
                self._log_lines_lost[number] = self._log_lines_lost.get(number, 0) + len(lines) - kept
            self._linger(sum(len(line.text) + 16 for line in lines[:kept]))

    def called(self, number: int, call: AwsCall) -> None:
        """Record an AWS call that the handler made."""
        with self._write_lock:
            self._pending.setdefault(number, _Pending()).calls.append(call)
            self._linger(128)

    def finished(self, attempt: str, state: State, response: bytes | None = None, timing: Timing | None = None,
                 error: str = "", *, overhead_ms: float | None = None) -> Row:
        """Record how the call ended. May be called again when more becomes known, such as a late result.

        Without `overhead_ms` the overhead is the sum of the ways in and out and the wait in the queue.
        """
        timing = timing or Timing()
        legs = [leg for leg in (timing.inbound_ms, timing.queue_ms, timing.outbound_ms) if leg is not None]
        if overhead_ms is None and legs:
            overhead_ms = sum(legs)
        status, failed_items = outcome_of(response) if state in ("ok", "late") and response else (None, 0)
        body = None if response is None else pack(response)  # before the lock: megabytes take a while
        with self._write_lock:
            row = msgspec.structs.replace(
                self._of(attempt), state=state, handler_ms=timing.handler_ms, cold_ms=timing.init_ms,
                overhead_ms=overhead_ms, error=one_line(error), status=status, failed_items=failed_items,
                response_bytes=None if response is None else len(response))
            lost = self._log_lines_lost.pop(row.id, 0)
            if lost:
                last = LogLine("stderr", f"livetui: {lost:,} more lines were not kept.")
                self._pending.setdefault(row.id, _Pending()).lines.append(last)

            def write(db: sqlite3.Connection) -> None:
                db.execute("UPDATE invocations SET state = ?, finished = ?, handler_ms = ?, overhead_ms = ?, "
                           "cold_ms = ?, response_bytes = ?, error = ?, status = ?, failed_items = ? WHERE id = ?",
                           (row.state, clock.time(), row.handler_ms, row.overhead_ms, row.cold_ms, row.response_bytes,
                            row.error, row.status, row.failed_items, row.id))
                db.execute("UPDATE payloads SET response = ?, timing = ? WHERE id = ?",
                           (body, msgspec.json.encode(timing), row.id))

            self._write(write, len(body or b""))
            self._live.pop(attempt, None)
            return row

    def changed(self, number: int, *, marked: bool | None = None, note: str | None = None, state: State | None = None,
                deadline: float | None = None, trace_id: str | None = None) -> Row:
        """Change a mark, a note, the trace, a running call's state or its deadline; None leaves a field as it is."""
        with self._write_lock:
            changes: dict[str, Any] = {}
            if marked is not None:
                changes["marked"] = marked
            if note is not None:
                changes["note"] = one_line(note)
            if state is not None:
                changes["state"] = state
            if deadline is not None:
                changes["deadline"] = deadline
            if trace_id is not None:
                changes["trace_id"] = clean(trace_id)
            assignments = "".join(f", {name} = ?" for name in changes)

            def write(db: sqlite3.Connection) -> Row:
                db.execute(f"UPDATE invocations SET id = id{assignments} WHERE id = ?", (*changes.values(), number))
                return self._written(db, number)

            row = self._write(write)
            for attempt, live in self._live.items():
                if live.id == number:
                    self._live[attempt] = row
                    break
            return row

    def flush(self) -> None:
        """Write log lines and AWS calls that still wait."""
        with self._write_lock:
            if self._pending:
                self._write(lambda _: None)

    def invocation(self, number: int) -> Invocation:
        """Everything about one invocation. Raises `LivetuiError` when there is no such invocation."""
        if self._pending:
            self.flush()
        return super().invocation(number)

    # --- inside

    def _of(self, attempt: str) -> Row:
        row = self._live.get(attempt)
        if row is not None:
            return row
        for values in self._read(f"SELECT {COLUMNS} FROM invocations WHERE attempt = ?", (attempt,)):
            return row_of(values)
        raise StoreError(f"No call with the attempt id {attempt} was recorded.", "It was never seen, or dropped.",
                         "Raise [history] max-invocations or max-mb when calls are dropped while they run.")

    def _written(self, db: sqlite3.Connection, number: int) -> Row:
        """A row as the writer sees it."""
        for values in db.execute(f"SELECT {COLUMNS} FROM invocations WHERE id = ?", (number,)):
            return row_of(values)
        raise self._no_such(number)

    def _linger(self, size: int) -> None:
        now = clock.monotonic()
        if not self._pending_bytes:
            self._pending_since = now
        self._pending_bytes += size
        if self._pending_bytes > _LINGER_BYTES or now - self._pending_since > _LINGER_S:
            self.flush()

    def _write(self, action: Callable[[sqlite3.Connection], T], size: int = 0) -> T:
        """Run `action` and write what waits, in one transaction; a damaged file is replaced and the action repeated.

        `size` is that of the bodies in it.
        """
        with self._write_lock:
            self._checkpointer.wrote(size + self._pending_bytes)
            try:
                return self._transaction(action)
            except sqlite3.Error as error:
                if not schema.is_damage(error):
                    raise schema.explain(error, self.path) from error
                damage = error
            self._mend(damage)
            try:
                return self._transaction(action)
            except sqlite3.Error as error:
                raise schema.explain(error, self.path) from error

    def _transaction(self, action: Callable[[sqlite3.Connection], T]) -> T:
        db = self._writer
        if db is None:
            raise StoreError("This history was opened for reading only.", str(self.path))
        db.execute("BEGIN IMMEDIATE")
        try:
            result = action(db)
            for number, waiting in self._pending.items():
                if waiting.lines:
                    db.execute("INSERT INTO logs VALUES (?, ?)", (number, pack(encode(waiting.lines))))
                if waiting.calls:
                    db.execute("INSERT INTO calls VALUES (?, ?)", (number, pack(encode(waiting.calls))))
            db.execute("COMMIT")
        except BaseException:
            self._version = -1
            if db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
            raise
        self._pending = {}
        self._pending_bytes = 0
        return result

    def _mend(self, damage: sqlite3.Error) -> None:
        """The file broke under us: keep it aside, go on with a new one, and record the running calls there again."""
        seen = self._generation
        with self._write_lock, self._read_lock:
            if seen != self._generation:
                return  # another thread did it
            if self._writer is None:
                raise schema.explain(damage, self.path) from damage
            self._writer.close()
            self._reader.close()
            try:
                if _identity(self.path) == self._identity:
                    self._writer, notices = schema.recover(self.path, next_id=self._highest + 1)
                else:  # another console did it
                    self._writer, notices = schema.open_writable(self.path)
                self._reader = schema.connect(self.path, read_only=True)
            except (OSError, sqlite3.Error) as error:
                raise StoreError("The history is damaged and no new one can be started.", str(error),
                                 f"Move {self.path} away and start again.") from error
            self._generation += 1
            self._identity = _identity(self.path)
            self._version = -1
            self.notices.extend(notices)
            self._record_live_again(self._writer)

    def _record_live_again(self, db: sqlite3.Connection) -> None:
        """Rows of running calls go into the new file too; of their events only the size is known any more."""
        columns = f"{COLUMNS}, attempt, started"
        marks = ", ".join("?" * (columns.count(",") + 1))
        for attempt, row in self._live.items():
            started = None if row.state == "queued" else clock.time()
            db.execute(f"INSERT OR IGNORE INTO invocations ({columns}) VALUES ({marks})",
                       (*msgspec.structs.astuple(row), attempt, started))
            db.execute("INSERT OR IGNORE INTO payloads (id, event, context) VALUES (?, ?, ?)",
                       (row.id, pack(b"null"), pack(b"{}")))

    def _keep_within_bounds(self, db: sqlite3.Connection, newest: int) -> None:
        """Drop the oldest finished invocations, marked ones last, until count and bytes fit."""
        version = db.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:  # another console wrote, or this is the first time
            self._version = version
            self._held = db.execute("SELECT count(*) FROM invocations").fetchone()[0] - 1
        self._held += 1
        for _ in range(8):  # a bounded stall; the next arrival goes on
            over = self._held - self._max_invocations
            if over <= 0 and used_bytes(lambda name: db.execute(f"PRAGMA {name}").fetchone()[0]) <= self._max_bytes:
                return
            oldest = db.execute(f"SELECT id FROM invocations WHERE id < ? AND marked = 0 AND NOT {_RUNNING} "
                                "ORDER BY id LIMIT ?", (newest, min(max(over, 1), 256))).fetchall()
            if not oldest:
                oldest = db.execute("SELECT id FROM invocations WHERE id < ? ORDER BY marked, id LIMIT 1",
                                    (newest,)).fetchall()
            if not oldest:
                return
            for table, column in (("invocations", "id"), ("payloads", "id"), ("logs", "invocation"),
                                  ("calls", "invocation")):
                db.executemany(f"DELETE FROM {table} WHERE {column} = ?", oldest)
            db.execute("UPDATE counters SET value = value + ? WHERE name = 'dropped'", (len(oldest),))
            self._held -= len(oldest)


def _identity(path: Path) -> tuple[int, int]:
    """Which file lies at `path`, whatever it is called."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_dev, status.st_ino)


__all__ = ["Counts", "SessionRecord", "Store", "StoreError"]
