"""When an attached function stops looking for a console, and when it looks again."""

from __future__ import annotations

from stub_runtime.deadman import LOOK_EVERY, DeadMan


def test_it_rests_only_after_a_look_that_found_nobody() -> None:
    rule = DeadMan(armed=0, after=100)
    assert not rule.overdue(100)
    assert rule.overdue(101)
    assert not rule.resting(101), "a new environment looks first"
    rule.looked(False, 101)
    assert rule.resting(101 + LOOK_EVERY - 1)
    assert not rule.resting(101 + LOOK_EVERY), "then it looks again"


def test_a_console_that_was_seen_counts_from_then() -> None:
    rule = DeadMan(armed=0, after=100)
    rule.looked(True, 150)
    assert not rule.overdue(250)
    assert rule.overdue(251)


def test_without_a_limit_it_never_rests() -> None:
    rule = DeadMan(armed=0, after=0)
    rule.looked(False, 1e9)
    assert not rule.resting(1e9)
