"""Ids of several workers in one dense space."""

import pytest

from livetui.debug.ids import FLEETING, IdTable, UnknownIdError

ADDRESS = 140_141_413_066_432


def test_ids_of_two_workers_differ_are_small_and_find_back() -> None:
    table = IdTable()
    shown = [table.outward(pid, "stackTrace", {"stackFrames": [{"id": ADDRESS, "source": {"sourceReference": 0}}]})
             for pid in (10, 20)]
    frames = [body["stackFrames"][0]["id"] for body in shown]
    assert len(set(frames)) == 2
    assert max(frames) < 2**31
    assert shown[0]["stackFrames"][0]["source"]["sourceReference"] == 0
    assert [table.inward("scopes", {"frameId": frame}) for frame in frames] == [
        (10, {"frameId": ADDRESS}), (20, {"frameId": ADDRESS})]


def test_no_reference_stays_no_reference() -> None:
    table = IdTable()
    assert table.outward(1, "evaluate", {"variablesReference": 0}) == {"variablesReference": 0}
    assert table.inward("evaluate", {"expression": "x"}) == (None, {"expression": "x"})


def test_an_id_is_of_one_kind() -> None:
    table = IdTable()
    thread = table.dense(1, "thread", 5)
    with pytest.raises(UnknownIdError):
        table.inward("scopes", {"frameId": thread})


def test_what_ran_on_is_forgotten_and_never_reused() -> None:
    table = IdTable()
    thread, frame = table.dense(1, "thread", 1), table.dense(1, "frame", 7)
    table.forget(1, FLEETING)
    assert table.upstream("thread", thread) == (1, 1)
    with pytest.raises(UnknownIdError):
        table.upstream("frame", frame)
    assert table.dense(1, "frame", 7) not in (thread, frame)


def test_targets_that_start_at_zero_find_back() -> None:
    table = IdTable()
    body = table.outward(1, "gotoTargets", {"targets": [{"id": 0, "label": "x", "line": 3}]})
    target = body["targets"][0]["id"]
    assert target > 0
    thread = table.dense(1, "thread", 2)
    assert table.inward("goto", {"threadId": thread, "targetId": target}) == (1, {"threadId": 2, "targetId": 0})
