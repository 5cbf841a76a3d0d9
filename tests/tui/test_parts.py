"""The parts of the console that know no screen: rows, texts, documents."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import LIVE, invocation

from livetui.session.debugging import PhotoFrame, PostMortem
from livetui.session.events import StackProgress
from livetui.session.invocation import AwsCall, LogLine, Row
from livetui.tui import text
from livetui.tui.documents import Target, of_json
from livetui.tui.python_source import first_statement, painted
from livetui.tui.record import Opened, document
from livetui.tui.rows import Rows
from livetui.tui.summaries import Seen, functions_document
from livetui.tui.widgets.columns import columns_for
from livetui.tui.widgets.progress import root_cause, summary


def row(id: int, state: str = "ok", **values: object) -> Row:
    return invocation(id, "Fn", "GET /", state, **values).row


def test_rows_stay_in_the_order_of_their_numbers_however_they_come():
    rows = Rows()
    rows.apply([row(3), row(1), row(2)])
    assert rows.shown == [1, 2, 3]
    assert rows.index(2) == 1


def test_an_update_moves_nothing():
    rows = Rows()
    rows.apply([row(1, "queued"), row(2, "queued")])
    change = rows.apply([row(1)])
    assert (change.added, change.updated, change.reshaped) == (0, {1}, False)


def test_rows_enter_and_leave_a_filter_as_they_change():
    rows = Rows()
    rows.filter(lambda each: each.state == "error")
    rows.apply([row(1, "queued"), row(2, "error")])
    assert rows.shown == [2]
    rows.apply([row(1, "error")])
    assert rows.shown == [1, 2]
    rows.apply([row(2, "ok")])
    assert rows.shown == [1]


def test_rows_that_change_while_the_store_is_asked_for_a_filter_are_tested_by_it():
    rows = Rows()
    rows.apply([row(1, "running"), row(2, "running"), row(3)])
    rows.ask()
    rows.apply([row(4, "running"), row(2)])
    rows.filter(lambda each: each.state == "running", known={1, 2})
    assert rows.shown == [1, 4]
    assert rows.apply([row(4), row(5, "running")]).reshaped
    assert rows.shown == [1, 5]


def test_a_row_that_the_store_was_wrong_about_takes_no_other_with_it():
    rows = Rows()
    rows.apply([row(1), row(2, "error")])
    rows.ask()
    rows.filter(lambda each: each.state == "ok", known={2})
    rows.apply([row(1, "error")])
    assert rows.shown == [2]


def test_the_oldest_rows_are_let_go_beyond_the_bound():
    rows = Rows(most=100)
    rows.apply(row(id) for id in range(1, 203))
    assert len(rows) <= 101
    assert rows.newest == 202
    assert rows.let_go == 202 - rows.held


def test_rows_that_a_filter_hides_are_let_go_of_before_older_ones_that_are_shown():
    rows = Rows(most=100)
    rows.filter(lambda each: each.state == "error")
    rows.apply(row(id, "error" if id <= 5 else "ok") for id in range(1, 103))
    assert rows.shown == [1, 2, 3, 4, 5]
    assert (rows.oldest, rows.held, rows.let_go) == (1, 100, 2)


@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["queued", "running", "ok", "error"])), max_size=60))
def test_rows_applied_one_by_one_are_those_arranged_at_once(changes):
    one_by_one, at_once = Rows(), Rows()

    def matches(each: Row) -> bool:
        return each.state != "running"

    one_by_one.filter(matches)
    for id, state in changes:
        one_by_one.apply([row(id, state)])
    at_once.apply(row(id, state) for id, state in changes)
    at_once.filter(matches)
    assert one_by_one.shown == at_once.shown


@given(st.text())
def test_safe_text_cannot_steer_a_terminal(words):
    shown = text.safe(words)
    assert not any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 or 0xD800 <= ord(letter) < 0xE000 for letter in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


@given(st.text(max_size=50), st.integers(1, 30))
def test_a_cell_is_as_wide_as_its_column(words, width):
    from rich.cells import cell_len

    assert cell_len(text.fit(text.safe(words), width)) == width


@given(st.text())
def test_a_coloured_line_of_json_has_the_same_letters(words):
    assert text.plain(text.json_line(words)) == text.safe(words)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_the_value_of_the_first_line_is_the_whole_payload(value):
    document = of_json(msgspec.json.encode(value))
    assert json.loads(document.value(0)) == value


def test_paths_are_those_of_jq():
    document = of_json(b'{"Records": [{"body": 1}, {"body": 2, "a b": [true]}], "x": {"y": null}}')
    paths = {document.text(at).strip(): document.path(at) for at in range(len(document))}
    assert paths['"body": 2,'] == ".Records[1].body"
    assert paths["true"] == '.Records[1]["a b"][0]'
    assert paths['"y": null'] == ".x.y"


def test_a_large_payload_is_masked_line_by_line():
    payload = json.dumps({"password": "hunter2", "filler": ["x" * 100] * 6_000}).encode()
    document = of_json(payload, masked=True)
    assert "hunter2" not in "\n".join(document.text(at) for at in range(len(document)))
    assert "1 masked" in document.note


def test_source_that_is_being_written_is_coloured_as_far_as_it_is_read():
    source = 'def total(rows):\n    """Sum."""\n    return sum((\n'
    lines = painted(source)
    assert [text.plain(each) for each in lines] == source.split("\n")
    assert ("def", "keyword") in lines[0]
    assert ("total", "call") in lines[0]


def test_the_root_cause_is_the_first_failure_of_its_own():
    steps = [
        StackProgress("deploy", "Queue", "CREATE_FAILED", reason="Resource creation cancelled"),
        StackProgress("deploy", "Table", "CREATE_FAILED", reason="Table already exists"),
    ]
    assert root_cause(steps).resource == "Table"


def test_what_is_folded_is_what_lies_in_nothing_else_and_closes():
    document = of_json(b'{"a": {"b": [1, [2]]}, "c": 3, "d": [4], "e": [], "f": {"g": {}}}')
    lines = [document.text(at).strip() for at in range(len(document))]
    found = document.outermost(1)
    assert [(lines[first], lines[last]) for first, last in found.items()] == [
        ('"a": {', "},"), ('"d": [', "],"), ('"f": {', "}")]
    assert found == {at: document.closing(at) for at in found}
    deep = of_json(b"[" * 300 + b"]" * 300)
    assert deep.outermost(1) == {1: len(deep) - 2}


@pytest.mark.parametrize("masked", [False, True])
def test_a_long_string_does_not_hide_what_stands_behind_it(masked):
    payload = msgspec.json.encode({"big": "x" * 2_500_000, "list": [1, 2], "note": "日" * 700_000, "last": True})
    document = of_json(payload, masked=masked)
    lines = [document.text(at) for at in range(len(document))]
    assert [each.strip()[:7] for each in lines] == ["{", '"big": ', '"list":', "1,", "2", "],", '"note":', '"last":', "}",
                                                    "… 2 lon"]
    assert lines[1].endswith('x… 2.5 MB more",')
    assert max(map(len, lines)) < 600


def test_the_start_leaves_out_whole_what_does_not_fit():
    assert summary([], LIVE, None, 200).plain.endswith("1 not (nodejs22)")
    assert summary([], LIVE, None, 72).plain.endswith("3 functions live, 1 not (nodejs22)")
    assert summary([], LIVE, None, 50).plain.endswith("3 functions live, 1 not")
    name, function = next(iter(LIVE.functions.items()))
    warned = msgspec.structs.replace(function, warnings=("w",))
    live = msgspec.structs.replace(LIVE, functions={**LIVE.functions, name: warned})
    assert summary([], live, None, 50).plain.endswith("3 functions live, 1 not, 1 warning (f3)")


def test_the_time_of_day_stays_beside_long_names_and_numbers():
    assert "time" in [column.name for column in columns_for(63, digits=5, names=16)]


@pytest.mark.parametrize("width", range(24, 200, 7))
def test_columns_fit_into_their_width(width):
    columns = columns_for(width)
    used = 1 + sum(each.width + (1 if each.right or each.name in ("state", "time") else 2) for each in columns)
    assert used - 1 <= max(width, 32)  # the gap behind the last one may be cut


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (999, "999 B"), (1_200, "1.2 KB"), (6_000_000, "6.0 MB"), (None, "–")]
)
def test_sizes_are_for_people(count, words):
    assert text.size(count) == words


@pytest.mark.parametrize(("source", "line"), [
    ("import os\n\n\ndef handler(event, context):\n    return 1\n", 5),
    ('@wraps(1)\nasync def handler(event,\n                  context):\n    """Say."""\n\n    # why\n    return 1\n', 7),
    ('def handler(event, context):\n    """Only words."""\n', 2),
    ("handler = other\n", 1),
    ("def handler(\n", 1),
])
def test_a_handlers_source_opens_where_a_breakpoint_stops_every_call(source: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "orders.py"
    path.write_text(source, "utf-8")
    assert first_statement(str(path), "handler") == line


def test_the_error_of_a_time_out_shows_where_the_handler_was(tmp_path: Path):
    app = tmp_path / "app.py"
    app.write_text("import time\ndef handler(event, context):\n    time.sleep(7)\n")
    words = ["livetui: its time was over here (most recent call last):", f'  File "{app}", line 3, in handler',
             "    time.sleep(7)", "the handler's own"]
    timed_out = invocation(1, "Fn", "GET /", "timeout", logs=[LogLine("stderr", each) for each in words], response=(
        b'{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 5.00 seconds"}'))
    shown = document("Error", Opened(timed_out, code_root=str(tmp_path)))
    lines = [shown.text(at) for at in range(len(shown))]
    assert lines[1] == "app.py:3  in handler"
    assert "▶    3     time.sleep(7)" in lines
    assert shown.targets[1] == Target(str(app), 3)
    assert "the handler's own" not in lines


def test_the_error_of_a_missing_package_ends_with_what_to_do(tmp_path: Path):
    remedy = "app.py:1 imports it. Looked in the packages of /env/bin/python. To install it: pip install tally"
    failed = invocation(1, "Fn", "GET /", "error", logs=[LogLine("stdout", "livetui: the handler's own"),
                                                         LogLine("stderr", f"livetui: {remedy}")], response=(
        b'{"errorType":"Runtime.ImportModuleError","errorMessage":"Unable to import module \'app\'"}'))
    taken = PostMortem(1, "Fn", "w", "ModuleNotFoundError", "No module", [PhotoFrame("<module>", str(tmp_path), 1)])
    shown = document("Error", Opened(failed, post_mortem=taken))
    assert [shown.text(at) for at in range(len(shown))] == [
        "Runtime.ImportModuleError: Unable to import module 'app'", f"→ {remedy}"]


SECRET = "password=hunter22"
LARGE = json.dumps({"pad": ["x" * 80] * 20_000, "password": "hunter22"}).encode()


@pytest.mark.parametrize(("tab", "event"), [
    ("Event", SECRET.encode()), ("Event", LARGE), ("Logs", b"1"), ("Error", b"1"), ("Calls", b"1")],
    ids=["text", "large", "logs", "error", "calls"])
def test_neither_a_pane_nor_its_pager_shows_a_secret_before_it_is_asked_for(tab: str, event: bytes) -> None:
    made = invocation(1, "Fn", "GET /", "error", event=event, logs=[LogLine("stdout", SECRET, 1.0)],
                      response=json.dumps({"errorType": "ValueError", "errorMessage": SECRET}).encode(),
                      calls=[AwsCall("s3", "PutObject", "photos", 403, 1.0, error=SECRET)])
    masked, shown = document(tab, Opened(made)), document(tab, Opened(made, unmasked=True))
    assert "hunter22" not in "".join(map(masked.text, range(len(masked))))
    assert b"hunter22" not in masked.whole()
    assert b"hunter22" in shown.whole()
    assert masked.whole().count(b"x" * 80) == event.count(b"x" * 80)


def test_the_last_error_of_a_function_is_masked():
    seen = Seen()
    seen.finished(row(1, "error", error=f"ValueError: {SECRET}"))
    made = functions_document(msgspec.structs.replace(LIVE, functions={"Fn": LIVE.functions["GetOrder"]}), seen, {})
    assert "last error" in made.source
    assert "hunter22" not in made.source
