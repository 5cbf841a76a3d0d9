"""The structural diff: finds what changed, says nothing of what did not, and can be applied."""

from __future__ import annotations

import copy
import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetui.session.difference import Change, apply, diff, diff_answers, diff_bytes, masked
from livetui.session.secrets import MASK


def told(before: object, after: object) -> list[tuple[str, str]]:
    return [(change.kind, change.path) for change in diff(before, after)]


def test_members_added_removed_and_changed() -> None:
    before = {"a": 1, "b": {"c": [1, 2], "x y": 1}, "gone": None}
    after = {"b": {"c": [1, 3], "x y": 2}, "a": 1, "new": {"k": 1}}
    assert told(before, after) == [("changed", "b.c[1]"), ("changed", 'b["x y"]'), ("removed", "gone"),
                                   ("added", "new")]


@pytest.mark.parametrize(("before", "after", "changes"), [
    ([1, 2, 3], [1, 2, 3, 4], [("added", "[3]")]),
    ([1, 2, 3], [0, 1, 2, 3], [("added", "[0]")]),
    ([1, 2, 3, 4], [1, 4], [("removed", "[1]"), ("removed", "[2]")]),
    ([{"id": 1}, {"id": 2}], [{"id": 1}, {"id": 9}, {"id": 2}], [("added", "[1]")]),
    ([], [1], [("added", "[0]")]), ([1], [], [("removed", "[0]")]), ([1], {"a": 1}, [("changed", "")]),
    (True, 1, [("changed", "")]), ([True], [1], [("changed", "[0]")]), (1, 1.0, []), ([1], [1.0], []),
    (None, False, [("changed", "")]), ("1", 1, [("changed", "")]), (float("nan"), float("nan"), []),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
])
def test_lists_and_scalars(before: object, after: object, changes: list[tuple[str, str]]) -> None:
    assert told(before, after) == changes


JSON = st.recursive(st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2) | st.floats(
    allow_nan=False, width=16), lambda inner: st.lists(inner, max_size=5) | st.dictionaries(
        st.sampled_from("abc"), inner, max_size=3), max_leaves=25)


@given(JSON, JSON)
def test_applying_the_changes_gives_the_other(before: object, after: object) -> None:
    changes = diff(before, after, limit=10_000)
    assert diff(apply(copy.deepcopy(before), changes), after) == []


@given(JSON)
def test_the_same_has_no_difference(value: object) -> None:
    assert diff(value, json.loads(json.dumps(value))) == []


@given(JSON, JSON)
def test_there_is_a_difference_exactly_when_the_values_differ(before: object, after: object) -> None:
    assert bool(diff(before, after)) == bool(diff(after, before))


def test_a_long_list_of_changes_is_cut_and_says_so() -> None:
    changes = diff(list(range(5000)), list(range(1, 5001)), limit=10)
    assert len(changes) == 11
    assert changes[-1] == Change((), None, None, "more")
    with pytest.raises(ValueError, match="not all"):
        apply([], changes)


def test_bodies_that_are_no_json_are_compared_as_text() -> None:
    assert diff_bytes(b"\xff", b"\xff") == []
    assert [change.kind for change in diff_bytes(b"{", b"{}")] == ["changed"]
    assert diff_bytes(None, b"null") == []
    assert diff_bytes(b"[" * 50_000, b"[" * 50_000) == []


def test_six_megabytes_take_well_under_a_second() -> None:
    before = {"rows": [{"id": number, "name": f"customer {number}", "tags": ["a", "b"]} for number in range(100_000)]}
    after = copy.deepcopy(before)
    after["rows"][70_000]["tags"][1] = "c"
    del after["rows"][10]
    began = time.perf_counter()
    found = diff(before, after)
    assert time.perf_counter() - began < 6
    assert [(change.kind, change.path) for change in found] == [("removed", "rows[10]"),
                                                                ("changed", "rows[69999].tags[1]")]


def test_what_a_name_above_gives_away_is_masked_too() -> None:
    changes = diff({}, {"headers": {"Authorization": ["Bearer abcdefgh"]}, "password": {"v": "hunter22"}, "n": 1})
    shown = json.dumps([msgspec.to_builtins(masked(change)) for change in changes])
    assert "hunter22" not in shown
    assert "abcdefgh" not in shown
    deeper = masked(diff({"password": {"v": "one"}}, {"password": {"v": "hunter22"}})[0])
    assert (deeper.before, deeper.after) == (MASK, MASK)


def test_answers_are_compared_inside_their_strings_and_without_request_ids() -> None:
    assert diff_answers(b'{"body": "{\\"id\\": 1}"}', b'{"body": "{\\"id\\":  1}"}') == []
    failed = b'{"errorType": "E", "errorMessage": "m", "requestId": "%s"}'
    assert diff_answers(failed % b"a", failed % b"b") == []
    assert [change.path for change in diff_answers(b'{"body": "{\\"id\\": 1}"}', b'{"body": "{\\"id\\": 2}"}')] == ["body.id"]
