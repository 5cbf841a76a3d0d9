"""Lets the emulator's functions start in turn: thirty interpreters at once starve the console that they wait for."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable
from typing import Any

_LONGEST_WAIT_S = 10.0
"""After this a start waits no longer: it may be what another start, which calls it while it is imported, waits for."""


def install() -> None:
    """Change ministack's start of a function's process, in this process."""
    worker = importlib.import_module("ministack.core.lambda_runtime").Worker
    worker._spawn = in_turn(worker._spawn, max(2, os.cpu_count() or 1))


def in_turn(start: Callable[[Any], None], at_once: int) -> Callable[[Any], None]:
    """`start`, of which `at_once` run at the same time."""
    turns = threading.Semaphore(at_once)

    def start_in_turn(worker: Any) -> None:
        has_turn = turns.acquire(timeout=_LONGEST_WAIT_S)
        try:
            start(worker)
        finally:
            if has_turn:
                turns.release()

    return start_in_turn
