"""A terminal for programs: a pseudo-terminal that is read by an emulator, so that a test sees what people see."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import pyte

KEYS = {"f2": "\x1bOQ", "f3": "\x1bOR", "f4": "\x1bOS", "f6": "\x1b[17~", "f9": "\x1b[20~", "f12": "\x1b[24~",
        "esc": "\x1b", "enter": "\r"}


def environment(home: Path) -> dict[str, str]:
    """Nothing of the developer's own settings and credentials, nor of other tests'."""
    others = ("AWS_", "LIVETUI_", "TEXTUAL_", "COLUMNS", "LINES")  # pytest-xdist sets a size, which counts before the terminal's
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return {**kept, "HOME": str(home), "AWS_CONFIG_FILE": str(home / "none"), "AWS_EC2_METADATA_DISABLED": "true"}


class Terminal:
    """Runs a command in a terminal of so many columns and lines. As a context: what still runs is ended."""

    def __init__(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str], size: tuple[int, int]) -> None:
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self.written = b""
        self._fd, theirs = pty.openpty()
        self._tell_size()
        self.process = subprocess.Popen(command, cwd=cwd, env={**environment, "TERM": "xterm-256color"}, stdin=theirs,
                                        stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._fd)

    @property
    def text(self) -> str:
        """What is on screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def press(self, *keys: str) -> None:
        """Send keys, by name or as they are."""
        for key in keys:
            os.write(self._fd, KEYS.get(key, key).encode())

    def resize(self, columns: int, lines: int) -> None:
        """Give the window another size; what is seen from then on was drawn for it."""
        self.screen.resize(lines, columns)
        self.screen.erase_in_display(2)
        self._tell_size()
        self.process.send_signal(signal.SIGWINCH)

    def _tell_size(self) -> None:
        size = struct.pack("HHHH", self.screen.lines, self.screen.columns, 0, 0)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, size)

    def until(self, seen: Callable[[], bool], within_s: float = 30.0) -> None:
        """Read until something is so."""
        ends = time.monotonic() + within_s
        while not seen():
            left = ends - time.monotonic()
            assert left > 0, f"not within {within_s} s:\n{self.text}"
            if not self._read(min(left, 0.5)) and self.process.poll() is not None:
                assert seen(), f"it ended with {self.process.returncode}:\n{self.written[-4_000:].decode('utf-8', 'replace')}"

    def sees(self, *words: str, within_s: float = 30.0) -> None:
        """Read until all of it is on screen."""
        self.until(lambda: all(each in self.text for each in words), within_s)

    def ends(self, within_s: float = 20.0) -> int:
        """Read until the program has ended; its exit code."""
        self.until(lambda: self.process.poll() is not None, within_s)
        while self._read(0.1):
            pass
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        if not select.select([self._fd], [], [], seconds)[0]:
            return False
        try:
            content = os.read(self._fd, 65_536)
        except OSError:  # the other end is closed
            content = b""
        self.written += content
        self._stream.feed(content)
        return bool(content)
