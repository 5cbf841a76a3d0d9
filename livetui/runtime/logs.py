"""What a worker writes: bytes of its stdout and stderr pipes become lines, and log records are told from prints."""

from __future__ import annotations

import asyncio
import os
import struct
import sys
from collections.abc import Callable
from typing import Literal

Stream = Literal["stdout", "stderr", "logging"]
OnLine = Callable[[Stream, str], None]

_HEAD = struct.Struct(">IBH")
_LINE_LIMIT = 1 << 20
_READ = 1 << 16
_LOOK_S = 0.02


class Lines:
    """Splits bytes into lines of text; what is no UTF-8 shows as `\\xff`. Lines over 1 MiB come in pieces."""

    def __init__(self, stream: Stream, on_line: OnLine) -> None:
        self._stream = stream
        self._on_line = on_line
        self._rest = bytearray()

    def feed(self, content: bytes) -> None:
        """Take bytes and hand on the lines they complete."""
        head, newline, tail = content.rpartition(b"\n")
        if newline:
            lines = (bytes(self._rest) + head).split(b"\n")
            self._rest = bytearray(tail)
            for line in lines:
                self._emit(line)
        else:
            self._rest += content
        while len(self._rest) > _LINE_LIMIT:
            self._emit(bytes(self._rest[:_LINE_LIMIT]))
            del self._rest[:_LINE_LIMIT]

    def finish(self) -> None:
        """Hand on a last line that has no newline."""
        if self._rest:
            line, self._rest = bytes(self._rest), bytearray()
            self._emit(line)

    def _emit(self, line: bytes) -> None:
        self._on_line(self._stream, line.decode("utf-8", "backslashreplace"))


class Records:
    """Tells log records (chunks that begin with the worker's token) from what is printed, in order."""

    def __init__(self, token: bytes, on_line: OnLine) -> None:
        self._token = token
        self._on_line = on_line
        self._printed = Lines("stdout", on_line)
        self._pending = b""
        self._open: dict[int, list[bytes]] = {}

    def feed(self, content: bytes) -> None:
        """Take bytes of the stdout pipe."""
        content = self._pending + content
        self._pending = b""
        done = 0
        while (start := content.find(self._token, done)) >= 0:
            if start > done:
                self._printed.feed(content[done:start])
            text = start + len(self._token) + _HEAD.size
            if len(content) < text:
                self._pending = content[start:]
                return
            record, more, length = _HEAD.unpack_from(content, start + len(self._token))
            if len(content) < text + length:
                self._pending = content[start:]
                return
            done = text + length
            self._chunk(record, bool(more), content[text:done])
        rest = content[done:]
        keep = self._token_prefix(rest)
        self._printed.feed(rest[:len(rest) - keep])
        self._pending = rest[len(rest) - keep:]

    def _token_prefix(self, content: bytes) -> int:
        """How many bytes at the end may be the begin of a token."""
        start = content.rfind(self._token[:1], max(0, len(content) - len(self._token) + 1))
        while start >= 0:
            if self._token.startswith(content[start:]):
                return len(content) - start
            start = content.rfind(self._token[:1], max(0, len(content) - len(self._token) + 1), start)
        return 0

    def _chunk(self, record: int, more: bool, text: bytes) -> None:
        parts = self._open.setdefault(record, [])
        parts.append(text)
        if not more:
            del self._open[record]
            whole = b"".join(parts).decode("utf-8", "backslashreplace")
            for line in whole.removesuffix("\n").split("\n"):
                self._on_line("logging", line)

    def finish(self) -> None:
        """Hand on what is left of the printed text."""
        pending, self._pending = self._pending, b""
        if pending:
            self._printed.feed(pending)
        self._printed.finish()


class LogPipe:
    """The reading end of one pipe, read as bytes arrive, and on demand up to what is there.

    A pipe that the event loop cannot watch (on Windows it watches sockets only) is looked into at short intervals.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int, sink: Lines | Records, *,
                 watched: bool = True) -> None:
        self._loop = loop
        self._fd = fd
        self._sink = sink
        self._timer: asyncio.Handle | None = None
        if watched:
            os.set_blocking(fd, False)
            loop.add_reader(fd, self._readable)
        else:
            self._look()

    def _readable(self) -> None:
        self._read()

    def _look(self) -> None:
        found = _waiting(self._fd) > 0 and self._read()
        self._timer = self._loop.call_soon(self._look) if found else self._loop.call_later(_LOOK_S, self._look)

    def _read(self) -> bool:
        if self._fd < 0:
            return False
        try:
            content = os.read(self._fd, _READ)
        except BlockingIOError:
            return False
        except OSError:
            content = b""
        if not content:
            if self._timer is None:
                self._loop.remove_reader(self._fd)
            return False
        self._sink.feed(content)
        return True

    def drain(self) -> None:
        """Read all that was written before this moment, and end the line that is open.

        What a thread goes on writing meanwhile is read later: one that never stops must not hold up the loop.
        """
        waiting = _waiting(self._fd)
        while waiting > 0 and self._read():
            waiting -= _READ
        self._sink.finish()

    def close(self) -> None:
        """Stop reading."""
        if self._timer is not None:
            self._timer.cancel()
        elif self._fd >= 0:
            self._loop.remove_reader(self._fd)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _waiting(descriptor: int) -> int:
    """Bytes that lie in the pipe now."""
    if descriptor < 0:
        return 0
    try:
        if sys.platform == "win32":
            import _winapi
            import msvcrt

            return _winapi.PeekNamedPipe(msvcrt.get_osfhandle(descriptor), 0)[0]
        import fcntl
        import termios

        return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4), sys.byteorder)
    except OSError:
        return 0  # the other end is closed, and all is read
