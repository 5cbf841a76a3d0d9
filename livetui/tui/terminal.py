"""Leaving when the terminal closes or somebody ends the process: the session still says goodbye to the cloud."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable

LOOK_EVERY_S = 2.0
"""How often the terminal is looked at: where SIGHUP is ignored (`nohup`), nothing else tells that it has gone."""
_SIGNALS = ("SIGTERM", "SIGHUP")


def when_ended(leave: Callable[[int], object], at_most: float) -> None:
    """Call `leave` with the exit code for a signal that ends this process; after `at_most` seconds end it anyway.

    Call it on the loop. Where signals cannot be had there (Windows, a loop that is not the main thread's), they do
    what they always do.
    """

    def ended(number: int) -> None:
        end_within(at_most, 128 + number)
        leave(128 + number)

    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is None or signal.getsignal(number) is signal.SIG_IGN:
            continue
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(number, ended, number)


def is_gone() -> bool:
    """Whether the terminal of this process was closed."""
    try:
        return sys.__stdin__ is not None and not os.isatty(sys.__stdin__.fileno())
    except (OSError, ValueError):
        return True


def end_within(seconds: float, code: int) -> None:
    """End the process after that time if it still runs: a terminal that is gone may take no last words."""
    timer = threading.Timer(seconds, os._exit, [code])
    timer.daemon = True
    timer.start()
