"""No second ever holds more than AWS IoT's quota, and nothing is dropped for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetui.link.outgoing import Outgoing
from stub_runtime.actions import Publish
from stub_runtime.pace import BURST, BYTES_BURST, BYTES_RATE, RATE, Pace
from stub_runtime.wire import MAX_FRAME, Frame, Kind, kind_of


@given(steps=st.lists(st.tuples(st.floats(0, 0.05), st.integers(1, 120_000)), max_size=300))
def test_any_second_stays_under_the_quota(steps: list[tuple[float, int]]) -> None:
    pace, now = Pace(), 100.0
    sent: list[tuple[float, int]] = []
    for gap, size in steps:
        now += gap
        while (wait := pace.wait(now, size)) > 0:
            assert wait < 1.1
            now += wait
        pace.sent(now, size)
        sent.append((now, size))
        window = [entry for entry in sent if entry[0] > now - 1]
        assert len(window) <= BURST + RATE + 1 <= 100
        assert sum(size for _, size in window) <= BYTES_BURST + BYTES_RATE < 512 * 1024 - 8_000


def test_what_comes_in_counts_too() -> None:
    pace = Pace()
    for _ in range(BURST - 1):
        pace.heard(1.0)
    assert pace.wait(1.0, 10) == 0
    pace.sent(1.0, 10)
    assert 0 < pace.wait(1.0, 10) <= 1 / RATE + 2e-6
    for _ in range(60):
        pace.heard(1.0)
    assert pace.wait(1.0, 10) > 0.8
    assert pace.load(1.0) >= 1.0


def test_bytes_are_a_load_too() -> None:
    pace = Pace()
    for at in range(5):
        pace.sent(1 + at / 5, 60 * 1024)
    assert pace.load(1.9) == pytest.approx(1.0)
    assert pace.load(5.0) == 0


def test_ten_calls_at_once_wait_for_nothing() -> None:
    pace = Pace()
    for second in range(1, 6):
        for _ in range(10):
            pace.heard(second)
            assert pace.wait(second, 5000) == 0
            pace.sent(second, 5000)


def test_a_full_frame_that_is_alone_waits_for_nothing() -> None:
    pace = Pace()
    for second in (1.0, 2.0, 3.0):
        assert pace.wait(second, MAX_FRAME) == 0
        pace.sent(second, MAX_FRAME)


@pytest.mark.parametrize(("answers", "size", "within"), [(300, 100, 10.0), (60, 100_000, 40.0)])
def test_signs_of_life_and_answers_take_turns(answers: int, size: int, within: float) -> None:
    """Every caller whose answer waits asks for it each three seconds; none is left without a word for ten."""
    outgoing, now, asks_at = Outgoing(), 100.0, 103.0
    heard = dict.fromkeys(range(answers), now)
    for number in range(answers):
        outgoing.add(Publish(f"stub/{number}", Frame(Kind.ANSWER, f"{number:032x}", bytes(size)).encode()))
    while heard:
        for publish in outgoing.due(now):
            number = int(publish.topic.rpartition("/")[2])
            if kind_of(publish.payload) == Kind.ANSWER:
                del heard[number]
            elif number in heard:
                heard[number] = now
        assert all(now - last < 10 for last in heard.values())
        if now >= asks_at:
            asks_at += 3.0
            for number in heard:
                outgoing.pace.heard(now)
                outgoing.add(Publish(f"stub/{number}", Frame(Kind.ACK, f"{number:032x}").encode()))
        assert now < 100.0 + within
        now = min(asks_at, now + (outgoing.wait(now) or 0.01))
