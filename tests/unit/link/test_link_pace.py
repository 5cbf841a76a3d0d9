"""No second ever holds more than AWS IoT's quota, and nothing is dropped for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stub_runtime.pace import BYTES, PUBLISHES, Pace


@given(steps=st.lists(st.tuples(st.floats(0, 0.05), st.booleans(), st.integers(1, 120_000)), max_size=300))
def test_any_window_of_a_second_stays_under_the_quota(steps: list[tuple[float, bool, int]]) -> None:
    pace, now, out = Pace(), 100.0, []
    heard = []
    for gap, incoming, size in steps:
        now += gap
        if incoming:
            pace.heard(now, size)
            heard.append(now)
        else:
            at = pace.reserve(now, size)
            assert at >= now
            assert not out or at >= out[-1][0]
            out.append((at, size))
    for at, _ in out:
        window = [entry for entry in out if at - 1 < entry[0] <= at]
        assert sum(size for _, size in window) <= BYTES or len(window) == 1
        assert len(window) <= PUBLISHES


def test_what_comes_in_counts_too() -> None:
    pace = Pace()
    for _ in range(PUBLISHES - 1):
        pace.heard(1.0, 10)
    assert pace.reserve(1.0, 10) == 1.0
    assert 1.9 < pace.reserve(1.0, 10) < 2.1
    assert pace.load(1.0) >= 1.0


def test_an_idle_connection_sends_at_once() -> None:
    pace = Pace()
    for second in range(5):
        for _ in range(20):
            assert pace.reserve(float(second * 2), 5000) == second * 2
