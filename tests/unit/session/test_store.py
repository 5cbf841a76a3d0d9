"""The history keeps what it was given, within its bounds, whatever happens to processes and files."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetui.errors import LivetuiError
from livetui.session.invocation import AwsCall, LogLine, Timing
from livetui.session.outputs import state_word
from livetui.session.secrets import MASK
from livetui.session.store import Store, StoreError
from tests.unit.session.calls import arrive, kill, run


def test_an_invocation_is_kept_from_arrival_to_answer(store: Store) -> None:
    attempt, queued = arrive(store, b'{"a": 1}', context={"request_id": "r-1", "deep": [1, None]}, request_id="r-1",
                             trace_id="1-abc", deadline=2000.0)
    running = store.started(attempt)
    store.logged(queued.id, [LogLine("stdout", "hello", 1.5), LogLine("stderr", "oh\udc80", 2.0)])
    store.called(queued.id, AwsCall("dynamodb", "PutItem", "orders", 200, 4.2))
    done = store.finished(attempt, "ok", b'{"b":2}', Timing(inbound_ms=1, queue_ms=2, init_ms=30, handler_ms=4,
                                                            outbound_ms=3))

    assert (queued.state, running.state, done.state) == ("queued", "running", "ok")
    assert (done.handler_ms, done.overhead_ms, done.cold_ms) == (4, 6, 30)
    assert (done.event_bytes, done.response_bytes) == (8, 7)
    full = store.invocation(queued.id)
    assert full.row == done == store.row(queued.id)
    assert (full.event, full.response, full.attempt) == (b'{"a": 1}', b'{"b":2}', attempt)
    assert full.context == {"request_id": "r-1", "deep": [1, None]}
    assert [line.text for line in full.logs] == ["hello", "oh\ufffd"]
    assert full.calls == [AwsCall("dynamodb", "PutItem", "orders", 200, 4.2)]
    assert full.timing.init_ms == 30


def test_how_far_an_attempt_got_survives_a_restart(path: Path, store: Store) -> None:
    queued, _ = arrive(store)
    started, row = arrive(store)
    store.started(started)
    finished, _ = arrive(store)
    store.finished(finished, "ok", b"null")
    kill(store)

    again = Store.open(path)
    again.begin_session("dev")
    assert [again.attempt_state(each) for each in (queued, started, finished, "never")] == [
        "queued", "started", "finished", "unknown"]
    assert again.row(row.id).state == "interrupted"
    again.close()


def test_a_call_that_never_started_is_taken_over_under_its_number(path: Path, store: Store) -> None:
    attempt, row = arrive(store, b"[1]")
    kill(store)
    again = Store.open(path)
    session = again.begin_session("dev")
    _, taken = arrive(again, b"[1]", attempt=attempt)

    assert (taken.id, taken.state, taken.session) == (row.id, "queued", session)
    assert again.counts().held == 1
    again.close()


def test_a_late_result_replaces_the_first_ending(store: Store) -> None:
    attempt, row = arrive(store)
    store.finished(attempt, "timeout", b'{"errorType": "LivetuiDebugTimeout"}', error="LivetuiDebugTimeout: gone")
    store.finished(attempt, "late", b'"kept"', Timing(handler_ms=60_000))

    assert store.invocation(row.id).response == b'"kept"'
    assert store.row(row.id).state == "late"


@settings(max_examples=60, deadline=None)
@given(event=st.binary(max_size=3000), response=st.none() | st.binary(max_size=3000), note=st.text(max_size=40),
       trigger=st.text(max_size=40))
def test_any_bytes_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, event, response, note, trigger) -> None:
    store = Store.open(tmp_path_factory.mktemp("any") / "h.sqlite")
    attempt, row = arrive(store, event, trigger=trigger)
    store.finished(attempt, "ok", response)
    store.changed(row.id, note=note)
    full = store.invocation(row.id)
    assert (full.event, full.response) == (event, response)
    assert "\n" not in full.row.note
    store.close()


@pytest.mark.parametrize("text", ["\0", "\ud800", "a\u2028b", "\U0010ffff", "\x1b[31m"])
def test_hostile_text_in_every_field_is_storable(store: Store, text: str) -> None:
    attempt, row = arrive(store, function=text, trigger=text, request_id=text, trace_id=text, context={text: text})
    store.logged(row.id, [LogLine("stdout", text)])
    store.called(row.id, AwsCall(text, text, text, 200, 1.0, error=text))
    store.finished(attempt, "error", text.encode("utf-8", "surrogatepass"), error=text * 3)
    full = store.invocation(row.id)
    assert full.context == {text: text}
    assert len(full.logs) == len(full.calls) == 1
    assert store.rows()[0] == full.row


def test_payloads_are_compressed_when_it_pays(path: Path, store: Store) -> None:
    plain = json.dumps([{"name": f"customer {n}", "tags": ["a", "b"]} for n in range(20_000)]).encode()
    row = run(store, plain)
    assert store.counts().bytes < len(plain) / 3
    noise = os.urandom(200_000)
    other = run(store, noise)
    assert (store.invocation(row.id).event, store.invocation(other.id).event) == (plain, noise)


def test_the_oldest_are_dropped_and_counted_but_marked_ones_stay(path: Path) -> None:
    store = Store.open(path, max_invocations=10)
    numbers = [run(store).id for _ in range(5)]
    store.changed(numbers[0], marked=True)
    for _ in range(20):
        run(store)

    counts = store.counts()
    assert (counts.held, counts.dropped) == (10, 15)
    assert store.rows()[0].id == numbers[0]
    with pytest.raises(LivetuiError, match="no invocation #2") as caught:
        store.invocation(2)
    assert "dropped" in caught.value.why
    store.close()


def test_bytes_are_bounded_too(path: Path) -> None:
    store = Store.open(path, max_mb=1)
    for _ in range(20):
        run(store, os.urandom(200_000))
    counts = store.counts()
    assert counts.bytes <= 1024 * 1024 + 220_000
    assert counts.dropped >= 14
    assert path.stat().st_size < 3 * 1024 * 1024
    store.close()


def test_running_calls_are_not_dropped(path: Path) -> None:
    store = Store.open(path, max_invocations=3)
    attempt, row = arrive(store)
    store.started(attempt)
    for _ in range(10):
        run(store)
    assert store.row(row.id).state == "running"
    store.close()


def test_endless_logs_are_cut_and_say_so(store: Store) -> None:
    attempt, row = arrive(store)
    line = LogLine("stdout", "x" * 1000)
    for _ in range(60):
        store.logged(row.id, [line] * 100)
    store.finished(attempt, "ok", b"null")
    logs = store.invocation(row.id).logs
    assert 4000 < len(logs) < 4400
    assert logs[-1].text == f"livetui: {6000 - len(logs) + 1:,} more lines were not kept."


def test_what_a_call_writes_after_its_end_counts_too(store: Store) -> None:
    attempt, row = arrive(store)
    lines = [LogLine("stdout", "x" * 1000)] * 100
    for _ in range(40):
        store.logged(row.id, lines)
    store.finished(attempt, "ok", b"null")
    for _ in range(3):
        store.logged(row.id, lines)
    kept = store.invocation(row.id).logs
    assert len(kept) < 4300
    assert [line.text for line in kept if line.stream == "stderr"] == ["livetui: more lines were not kept."]


def test_what_was_lost_of_calls_long_ended_is_forgotten_with_them(
        store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livetui.session.store._LOGS_MEASURED", 3)
    monkeypatch.setattr("livetui.session.store._LOG_LIMIT", 10)
    for _ in range(6):
        attempt, row = arrive(store)
        store.finished(attempt, "ok", b"null")
        store.logged(row.id, [LogLine("stdout", "x" * 1000)] * 2)
    assert set(store._log_lines_lost) == set(store._log_bytes)


def test_log_lines_of_a_running_call_can_be_read(store: Store) -> None:
    attempt, row = arrive(store)
    store.started(attempt)
    store.logged(row.id, [LogLine("stdout", "now")])
    assert store.invocation(row.id).logs == [LogLine("stdout", "now")]


def test_marks_notes_and_pauses_change_a_row(store: Store) -> None:
    attempt, row = arrive(store)
    store.started(attempt)
    assert store.changed(row.id, state="paused", deadline=5.0).state == "paused"
    assert store.changed(row.id, marked=True, note="look\nhere").note == "look here"
    done = store.finished(attempt, "ok", b"1")
    assert (done.marked, done.note, done.deadline) == (True, "look here", 5.0)
    assert store.row(row.id) == done


def test_rows_page_back_and_keep_sessions_apart(path: Path, store: Store) -> None:
    for _ in range(5):
        run(store)
    first = store.current
    second = store.begin_session("dev")
    run(store)
    assert [row.id for row in store.rows(limit=2)] == [5, 6]
    assert [row.id for row in store.rows(limit=2, before=5)] == [3, 4]
    assert [row.id for row in store.rows(session=second)] == [6]
    assert store.numbers(session=first) == [1, 2, 3, 4, 5]
    assert [(each.id, each.invocations) for each in store.sessions()] == [(second, 1), (first, 5)]
    assert store.session(first).app == "orders"


def test_invocations_of_one_trace_are_related(store: Store) -> None:
    one = run(store, trace_id="1-abc", time=1.0)
    run(store, trace_id="1-def")
    two = run(store, trace_id="1-abc", time=2.0, function="Worker")
    alone = run(store)
    assert store.related(two.id) == [one, two]
    assert store.related(alone.id) == [alone]


def test_the_file_is_its_owners_only_and_never_committed(path: Path, store: Store) -> None:
    run(store)
    for file in path.parent.glob("invocations*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (path.parent / ".gitignore").read_text() == "*\n"


def test_reading_only_needs_a_file_and_writes_nothing(path: Path) -> None:
    with pytest.raises(LivetuiError, match="Nothing has been recorded"):
        Store.open(path, read_only=True)
    store = Store.open(path)
    run(store)
    reader = Store.open(path, read_only=True)
    assert len(reader.rows()) == 1
    with pytest.raises(StoreError, match="reading only"):
        reader.changed(1, marked=True)
    reader.close()
    store.close()
    alone = Store.open(path, read_only=True)
    assert alone.invocation(1).event == b"{}"
    alone.close()


def test_two_consoles_share_one_store(path: Path) -> None:
    stores = [Store.open(path, max_invocations=150) for _ in range(2)]
    failures: list[BaseException] = []

    def work(store: Store) -> None:
        try:
            for _ in range(100):
                run(store)
                store.rows(limit=5)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(store,)) for store in stores for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    counts = stores[0].counts()
    assert counts.held + counts.dropped == 400
    assert counts.held <= 152
    for store in stores:
        store.close()


def test_what_another_process_wrote_is_noticed_once_and_own_rows_are_not(path: Path) -> None:
    mine, other = Store.open(path), Store.open(path)
    mine.others_wrote()
    run(mine)
    mine.flush()
    mine.changed(1, marked=True)
    assert not mine.others_wrote()
    run(other)
    other.flush()
    assert mine.others_wrote()
    assert not mine.others_wrote()
    mine.close()
    other.close()
    assert not mine.others_wrote()


def test_a_session_of_a_living_console_is_left_alone(path: Path) -> None:
    script = ("import sys\nfrom pathlib import Path\nfrom livetui.session.store import Store\n"
              "store = Store.open(Path(sys.argv[1])); store.begin_session('dev')\n"
              "store.arrived('a', 'F', 't', b'1', {}, time=1.0); store.started('a')\n"
              "print('ready', flush=True); sys.stdin.read()\n")
    other = subprocess.Popen([sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"ready\n"
    store = Store.open(path)
    store.begin_session("dev")
    assert store.row(1).state == "running"
    other.kill()
    other.communicate()
    store.begin_session("dev")
    assert store.row(1).state == "interrupted"
    store.close()


def test_what_was_started_is_there_after_sigkill(path: Path) -> None:
    script = ("import sys\nfrom pathlib import Path\nfrom livetui.session.store import Store\n"
              "store = Store.open(Path(sys.argv[1])); store.begin_session('dev')\n"
              "for n in range(100_000):\n"
              "    store.arrived(f'a{n}', 'F', 't', b'x' * 3000, {}, time=1.0)\n"
              "    store.started(f'a{n}'); print(n, flush=True)\n"
              "    store.logged(n + 1, []); store.finished(f'a{n}', 'ok', b'1')\n")
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) > 50:
                writer.send_signal(signal.SIGKILL)
                break
        said = [int(each) for each in writer.stdout.read().split("\n")[:-1]] or [51]
        writer.wait()
        store = Store.open(path)
        assert store.notices == []
        assert store.attempt_state(f"a{said[-1]}") in ("started", "finished")
        check = sqlite3.connect(path)
        assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        check.close()
        store.close()
        for file in path.parent.glob("invocations*"):
            file.unlink()


@pytest.mark.parametrize(("answer", "status", "failed", "word"), [
    (b'{"statusCode": 201, "body": ""}', 201, 0, "ok 201"),
    (b'{"statusCode": "502"}', 502, 0, "ok 502"),
    (b'{"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "2"}]}', None, 2, "2 failed"),
    (b'{"batchItemFailures": []}', None, 0, "ok"),
    (b'{"statusCode": 9000}', None, 0, "ok"),
    (b'{"statusCode": [200], "batchItemFailures": "no list"}', None, 0, "ok"),
    (b'{"text": "\\"statusCode\\": 500"}', None, 0, "ok"),
    (b'["statusCode"', None, 0, "ok"),
])
def test_a_row_says_what_its_answer_says_of_itself(store: Store, answer: bytes, status: int | None, failed: int,
                                                   word: str) -> None:
    store.arrived("a", "F", "invoke", b"{}", {}, time=1.0)
    store.started("a")
    row = store.finished("a", "ok", answer)
    assert (row.status, row.failed_items, state_word(row)) == (status, failed, word)
    assert store.row(row.id) == row
    assert (store.rows("is:failed", limit=5) == [row]) == (failed > 0 or (status or 0) >= 500)
    assert (store.rows("!is:failed", limit=5) == [row]) == (failed == 0 and (status or 0) < 500)
    assert (store.rows("status:>=400", limit=5) == [row]) == ((status or 0) >= 400)


def test_how_a_function_runs_is_kept_without_secrets(store: Store, tmp_path: Path) -> None:
    assert store.function("GetOrder") is None
    for table in ("old", "orders"):
        store.remember_function("GetOrder", handler="app.handler", code_root=tmp_path, layers=[tmp_path / "l"], environment={
            "TABLE": table, "DB_PASSWORD": "hunter22", "AWS_ENDPOINT_URL": "http://x", "URL": "https://a:hunter22@b/"})
    found = store.function("GetOrder")
    assert found is not None
    assert (found.handler, found.code_root, found.environment) == (
        "app.handler", str(tmp_path), {"TABLE": "orders", "DB_PASSWORD": MASK, "URL": f"https://a:{MASK}@b/"})
    assert found.layers == (str(tmp_path / "l"),)


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        Store.open(tmp_path / "file" / "invocations.sqlite")


def test_unknown_numbers_and_attempts_are_explained(store: Store) -> None:
    with pytest.raises(LivetuiError, match="no invocation #7") as caught:
        store.invocation(7)
    assert "livetui demo" in caught.value.hint
    with pytest.raises(StoreError):
        store.started("nobody")
    with pytest.raises(LivetuiError, match="no invocation #9"):
        store.changed(9, marked=True)


def test_a_closed_store_says_so(path: Path) -> None:
    store = Store.open(path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.rows()


def test_no_thread_is_left(path: Path) -> None:
    before = set(threading.enumerate())
    store = Store.open(path)
    for _ in range(400):
        run(store, os.urandom(9000))
    assert {thread.name for thread in set(threading.enumerate()) - before} == {"livetui-checkpoint"}
    store.close()
    assert set(threading.enumerate()) <= before
