"""How many of the emulator's functions start at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from livetui.cloud import cold_starts


def test_no_more_than_so_many_start_at_once() -> None:
    lock, running, most = threading.Lock(), 0, 0
    both = threading.Barrier(2, timeout=20)

    def start(_worker: object) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait()  # passes with two, so that at least two are here at the same time
        with lock:
            running -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(cold_starts.in_turn(start, 2), range(8)))
    assert most == 2


def test_a_start_that_waits_for_another_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_starts, "_LONGEST_WAIT_S", 0.05)
    started: list[str] = []

    def start(worker: str) -> None:
        if worker == "outer":  # what a handler does that calls another function while it is imported
            in_turn("inner")
        started.append(worker)

    in_turn = cold_starts.in_turn(start, 1)
    in_turn("outer")
    assert started == ["inner", "outer"]


def test_a_start_that_fails_gives_its_turn_back() -> None:
    def start(_worker: object) -> None:
        raise RuntimeError("no such runtime")

    in_turn = cold_starts.in_turn(start, 1)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            in_turn(object())
