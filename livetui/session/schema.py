"""The file behind the history: its tables, how older files are brought up to date, and what happens to damaged ones.

Durability: WAL with `synchronous=NORMAL`. A commit is handed to the operating system before it returns, so nothing
committed is lost when this process is killed; only a crash of the whole machine can lose the last commits. That is
enough for "at most once": a stub that hears no lease for 10 s gives up, so no call survives a reboot to be offered
again.
"""

# ruff: noqa: S608  (what is put into statements is our own column and table names; values are bound)

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path

from livetui.errors import LivetuiError

STEPS: tuple[str, ...] = (
    """
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, app TEXT NOT NULL, stage TEXT NOT NULL, account TEXT NOT NULL,
        region TEXT NOT NULL, local INTEGER NOT NULL, started REAL NOT NULL, ended REAL, host TEXT NOT NULL,
        pid INTEGER NOT NULL
    );
    CREATE TABLE invocations (
        id INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL, function TEXT NOT NULL, trigger TEXT NOT NULL,
        state TEXT NOT NULL, time REAL NOT NULL, handler_ms REAL, overhead_ms REAL, cold_ms REAL,
        event_bytes INTEGER NOT NULL, response_bytes INTEGER, replay_of INTEGER, error TEXT NOT NULL DEFAULT '',
        marked INTEGER NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT '', request_id TEXT NOT NULL DEFAULT '',
        trace_id TEXT NOT NULL DEFAULT '', deadline REAL,
        attempt TEXT NOT NULL UNIQUE, started REAL, finished REAL
    );
    CREATE INDEX invocations_by_trace ON invocations (trace_id) WHERE trace_id <> '';
    CREATE TABLE payloads (
        id INTEGER PRIMARY KEY, event BLOB NOT NULL, context BLOB NOT NULL, response BLOB, timing BLOB
    );
    CREATE TABLE logs (invocation INTEGER NOT NULL, lines BLOB NOT NULL);
    CREATE INDEX logs_by_invocation ON logs (invocation);
    CREATE TABLE calls (invocation INTEGER NOT NULL, calls BLOB NOT NULL);
    CREATE INDEX calls_by_invocation ON calls (invocation);
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
    INSERT INTO counters VALUES ('dropped', 0);
    """,
    """
    CREATE TABLE functions (
        id TEXT PRIMARY KEY, handler TEXT NOT NULL, code_root TEXT NOT NULL, environment TEXT NOT NULL
    );
    """,
    """
    ALTER TABLE invocations ADD COLUMN status INTEGER;
    ALTER TABLE invocations ADD COLUMN failed_items INTEGER NOT NULL DEFAULT 0;
    """,
    "INSERT INTO counters VALUES ('history', random())",
    "ALTER TABLE invocations ADD COLUMN edited INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE functions ADD COLUMN layers TEXT NOT NULL DEFAULT '[]'",
)
"""Step n turns a file of version n into version n + 1; a new file takes them all. Append, never edit."""

APPLICATION_ID = 0x4C56_5455
"""`LVTU` in the file's header, so that a foreign database is never taken for ours."""
BUSY_S = 5.0
"""How long a write waits for another console's write."""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_SALVAGE_S = 3.0


class StoreError(LivetuiError):
    """The history cannot be read or written."""


class NotHeld(LivetuiError):
    """The history has no such invocation, or not any more."""


class StartedElsewhere(StoreError):
    """Another console that writes the same history has this call."""


def is_damage(error: Exception) -> bool:
    """True when the file itself is broken, rather than busy, full or not allowed."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGED


def explain(error: sqlite3.Error | OSError, path: Path) -> StoreError:
    """A database error in people's words."""
    reason = str(error)
    if "locked" in reason or "busy" in reason:
        return StoreError("The history is busy.", f"Another process has held {path} for {BUSY_S:.0f} s.",
                          "Close other consoles of this project and try again.")
    if "closed database" in reason:
        return StoreError("The history is closed.", str(path))
    if "full" in reason:
        return StoreError("The history cannot be written: the disk is full.", str(path),
                          "Free some space, or lower [history] max-mb.")
    return StoreError("The history cannot be used.", f"{path}: {reason}",
                      "Check the file's permissions, or move it away to start a new history.")


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection for use by any thread (callers hold their own lock), in autocommit mode."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}", uri=True,
                                 timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 16000")  # only when `Checkpointer` cannot keep up
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def open_writable(path: Path) -> tuple[sqlite3.Connection, list[str]]:
    """Open the file, new, older or damaged; also returns what people should be told.

    A damaged file is kept beside the new one, and what can still be read is copied over.
    Raises `StoreError` when a newer livetui wrote it, or it cannot be opened at all.
    """
    try:
        return _open(path), []
    except sqlite3.Error as error:
        if not is_damage(error):
            raise explain(error, path) from error
    return recover(path)


def recover(path: Path, *, next_id: int = 1) -> tuple[sqlite3.Connection, list[str]]:
    """Move the damaged file aside, start a new one, and copy over what can still be read.

    Numbers of new invocations start at `next_id` or after the highest one saved, so that no number is used twice.
    """
    aside = move_aside(path)
    connection = _open(path)
    saved = _salvage(connection, aside, next_id)
    return connection, [f"The history was damaged; it is kept as {aside.name}. "
                        f"A new one was started with {saved:,} invocations that could still be read."]


def move_aside(path: Path) -> Path:
    """Rename the file and its write-ahead log to a free name beside it."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.stem}.damaged-{stamp}{path.suffix}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.stem}.damaged-{stamp}-{number}{path.suffix}")
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    return aside


def _open(path: Path) -> sqlite3.Connection:
    _create_private(path)
    connection = connect(path)
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        _migrate(connection, path)
        _look_over(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _create_private(path: Path) -> None:
    """Events hold people's data: the file is its owner's only, and the folder never reaches version control."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    ignore = path.parent / ".gitignore"
    if path.parent.name == ".livetui" and not ignore.exists():
        ignore.write_text("*\n", "utf-8")


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and owner != APPLICATION_ID:
            raise StoreError(f"{path.name} is not a history of livetui.", str(path), "Move that file away.")
        if version > len(STEPS):
            raise StoreError("The history was written by a newer livetui.",
                             f"{path} has version {version}, this livetui knows {len(STEPS)}.",
                             "Update livetui, or move the file away to start a new history.")
        for step in STEPS[version:]:
            for statement in step.split(";"):
                if statement.strip():
                    connection.execute(statement)
        if version < len(STEPS):
            connection.execute(f"PRAGMA user_version = {len(STEPS)}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _look_over(connection: sqlite3.Connection) -> None:
    """Touch every row and the newest payload, so that most damage shows at the start (a full check takes seconds)."""
    connection.execute("SELECT count(time), max(id) FROM invocations").fetchone()
    connection.execute("SELECT * FROM payloads ORDER BY id DESC LIMIT 1").fetchone()


def _salvage(new: sqlite3.Connection, damaged: Path, next_id: int) -> int:
    """Copy rows from both ends of the damaged file until it cannot be read further, or time is up."""
    try:
        old = connect(damaged)
    except sqlite3.Error:
        return 0
    ends = time.monotonic() + _SALVAGE_S
    new.execute("BEGIN IMMEDIATE")
    with contextlib.closing(old):
        for table in ("sessions", "counters", "functions"):
            _copy(old, new, f"SELECT * FROM {table}", table, ends)
        for order in ("DESC", "ASC"):
            _copy(old, new, f"SELECT * FROM payloads ORDER BY id {order}", "payloads", ends)
            _copy(old, new, f"SELECT * FROM invocations ORDER BY id {order}", "invocations", ends)
        for table in ("logs", "calls"):
            _copy(old, new, f"SELECT * FROM {table} ORDER BY rowid", table, ends)
    new.execute("UPDATE counters SET value = random() WHERE name = 'history'")  # what is lost may have started
    new.execute("DELETE FROM invocations WHERE id NOT IN (SELECT id FROM payloads)")
    new.execute("DELETE FROM payloads WHERE id NOT IN (SELECT id FROM invocations)")
    for table in ("logs", "calls"):
        new.execute(f"DELETE FROM {table} WHERE invocation NOT IN (SELECT id FROM invocations)")
    if new.execute("UPDATE sqlite_sequence SET seq = max(seq, ?)", (next_id - 1,)).rowcount == 0:
        new.execute("INSERT INTO sqlite_sequence VALUES ('invocations', ?)", (next_id - 1,))
    saved: int = new.execute("SELECT count(*) FROM invocations").fetchone()[0]
    new.execute("COMMIT")
    return saved


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, query: str, table: str, ends: float) -> None:
    try:
        rows = old.execute(query)
        columns = ",".join(column[0] for column in rows.description)  # an older file has fewer
        marks = ",".join("?" * len(rows.description))
        for row in rows:
            try:
                new.execute(f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})", row)
            except sqlite3.IntegrityError:
                continue  # a garbled row
            if time.monotonic() > ends:
                return
    except sqlite3.Error:
        return  # as far as it can be read
