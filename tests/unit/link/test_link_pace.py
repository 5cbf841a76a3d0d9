"""No second ever holds more than AWS IoT's quota, and nothing is dropped for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stub_runtime.pace import BYTES, PUBLISHES, Pace


@given(steps=st.lists(st.tuples(st.floats(0, 0.05), st.booleans(), st.integers(1, 120_000)), max_size=300))
def test_any_second_stays_under_the_quota(steps: list[tuple[float, bool, int]]) -> None:
    pace, now = Pace(), 100.0
    sent: list[tuple[float, int]] = []
    heard: list[float] = []
    for gap, incoming, size in steps:
        now += gap
        if incoming:
            pace.heard(now)
            heard.append(now)
            continue
        while (wait := pace.wait(now, size)) > 0:
            assert wait < 1.1
            now += wait
        pace.sent(now, size)
        sent.append((now, size))
        window = [entry for entry in sent if entry[0] > now - 1]
        assert len(window) + sum(1 for at in heard if at > now - 1) <= PUBLISHES
        assert sum(size for _, size in window) <= BYTES


def test_what_comes_in_counts_too() -> None:
    pace = Pace()
    for _ in range(PUBLISHES - 1):
        pace.heard(1.0)
    assert pace.wait(1.0, 10) == 0
    pace.sent(1.0, 10)
    assert 1.0 <= pace.wait(1.0, 10) < 1.1
    assert pace.load(1.0) >= 1.0


def test_an_idle_connection_sends_at_once() -> None:
    pace = Pace()
    for second in range(5):
        for _ in range(20):
            assert pace.wait(second * 2.0, 5000) == 0
            pace.sent(second * 2.0, 5000)
