"""Files of the history that are damaged, older, newer or foreign."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from livetui.session import schema
from livetui.session.store import Store, StoreError
from tests.unit.session.calls import arrive, run


def damage(path: Path, start: float = 0.2, end: float = 0.6) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(int(size * start))
        file.write(os.urandom(int(size * (end - start))))


def test_a_file_that_is_no_database_is_kept_aside(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 1000)
    store = Store.open(path)
    assert "damaged" in store.notices[0]
    run(store)
    kept = list(path.parent.glob("invocations.damaged-*.sqlite"))
    assert [file.read_bytes()[:4] for file in kept] == [b"this"]
    store.close()


def test_a_damaged_file_is_replaced_and_what_can_be_read_is_saved(path: Path) -> None:
    store = Store.open(path)
    for _ in range(3000):
        run(store, os.urandom(300))
    store.close()
    damage(path)
    again = Store.open(path)
    for row in again.rows(limit=5000):
        try:
            again.invocation(row.id)
        except StoreError:
            continue
    assert len(again.notices) == 1
    assert run(again).id == 3001
    assert again.sessions() == []
    again.close()


def test_damage_while_running_loses_no_call_that_follows(path: Path) -> None:
    store = Store.open(path)
    store.begin_session("dev")
    for _ in range(2000):
        run(store, os.urandom(300))
    attempt, row = arrive(store)
    store.started(attempt)
    store._checkpointer.close()
    checkpoint = sqlite3.connect(path)
    assert checkpoint.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    checkpoint.close()
    damage(path, 0.0, 1.0)
    numbers = [run(store).id for _ in range(50)]
    done = store.finished(attempt, "ok", b"1")
    assert len(store.notices) == 1, store.notices
    assert min(numbers) > row.id
    assert store.row(row.id) == done
    assert store.attempt_state(attempt) == "finished"
    store.close()


def test_an_older_file_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(path)
    row = run(store)
    store.close()
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, "ALTER TABLE sessions ADD COLUMN colour TEXT"))
    again = Store.open(path, read_only=True)
    assert again.row(row.id) == row
    again.close()
    check = sqlite3.connect(path)
    assert check.execute("PRAGMA user_version").fetchone()[0] == len(schema.STEPS)
    assert check.execute("SELECT count(colour) FROM sessions").fetchone() == (0,)
    check.close()


def test_a_history_has_a_name_that_no_copy_and_nothing_salvaged_has(path: Path) -> None:
    store = Store.open(path)
    name = store.history
    store.close()
    again = Store.open(path)
    assert again.history == name
    again.close()
    copy = path.with_name("copy.sqlite")
    copy.write_bytes(path.read_bytes())
    copied = Store.open(copy)
    assert copied.history != name
    copied.close()
    connection, _ = schema.recover(path)
    connection.close()
    salvaged = Store.open(path)
    assert salvaged.history.split("-")[0] != name.split("-")[0]
    salvaged.close()


def test_a_file_of_the_first_version_keeps_its_invocations(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", schema.STEPS[:1])
        old, _ = schema.open_writable(path)
        old.execute("INSERT INTO invocations (session, function, trigger, state, time, event_bytes, attempt) "
                    "VALUES ('s', 'F', 'invoke', 'ok', 1, 3, 'a')")
        old.execute("INSERT INTO payloads (id, event, context) VALUES (1, ?, ?)", (b"=[1]", b"={}"))
        old.close()
    again = Store.open(path)
    again.remember_function("F", handler="app.handler", code_root=path.parent, environment={})
    found = again.invocation(1)
    assert (found.event, found.row.status, found.row.failed_items) == (b"[1]", None, 0)
    assert again.function("F") is not None
    again.close()


def test_a_migration_that_fails_leaves_the_older_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.open(path).close()
    steps = schema.STEPS
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", (*steps, "ALTER TABLE sessions ADD COLUMN colour TEXT; SELECT no_such()"))
        with pytest.raises(StoreError):
            Store.open(path)
    store = Store.open(path)
    run(store)
    assert store.notices == []
    store.close()


def test_a_newer_or_foreign_file_is_refused_and_left_alone(path: Path) -> None:
    Store.open(path).close()
    check = sqlite3.connect(path)
    check.execute("PRAGMA user_version = 99")
    check.close()
    with pytest.raises(StoreError, match="newer livetui"):
        Store.open(path)
    foreign = path.with_name("foreign.sqlite")
    other = sqlite3.connect(foreign)
    other.execute("CREATE TABLE mine (a)")
    other.commit()
    other.close()
    with pytest.raises(StoreError, match="not a history of livetui"):
        Store.open(foreign)
