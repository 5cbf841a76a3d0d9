"""The terminal closes, or somebody ends the process: the console leaves by itself and gives the screen back."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import pytest

from tests.integration.terminal import environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")


@contextmanager
def console(folder: Path, *, ignoring_hangup: bool) -> Iterator[tuple[subprocess.Popen[bytes], FileIO]]:
    """The console in a folder without a template, drawn; and the terminal's other end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def prepare() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        if ignoring_hangup:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = subprocess.Popen(
        [sys.executable, "-m", "livetui"], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=prepare,  # noqa: PLW1509  (the terminal is made its own before anything else)
        env={**environment(folder), "TERM": "xterm-256color"})
    os.close(theirs)
    with FileIO(ours, "r+") as terminal:
        try:
            assert b"\x1b[?1049h" in until(terminal, b"template", 30)
            yield process, terminal
        finally:
            process.kill()
            process.wait()


def until(terminal: FileIO, words: bytes, seconds: float) -> bytes:
    """What the terminal shows until it has shown `words`."""
    seen, end = b"", time.monotonic() + seconds
    while words not in seen and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                more = terminal.read(65536)
            except OSError:  # Linux's way to say that the other end was closed
                break
            if not more:
                break
            seen += more
    assert words in seen, seen[-2000:]
    return seen


def test_sigterm_gives_the_screen_back(tmp_path: Path) -> None:
    with console(tmp_path, ignoring_hangup=False) as (process, terminal):
        process.send_signal(signal.SIGTERM)
        assert b"\x1b[?1049l" in until(terminal, b"\x1b[?1049l", 15)
        assert process.wait(15) == 128 + signal.SIGTERM


@pytest.mark.long
@pytest.mark.parametrize("ignoring", [pytest.param(False, id="told by SIGHUP"), pytest.param(True, id="under nohup")])
def test_a_console_whose_terminal_was_closed_ends(tmp_path: Path, ignoring: bool) -> None:
    with console(tmp_path, ignoring_hangup=ignoring) as (process, terminal):
        terminal.close()
        assert process.wait(30) == 128 + signal.SIGHUP
