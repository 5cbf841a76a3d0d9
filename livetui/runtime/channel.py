"""Frames between the pool and one worker: `>II` lengths, a JSON header, a body. The pool's side, on asyncio."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

_LENGTHS = struct.Struct(">II")
_BUFFER = 1 << 20
_READ = 1 << 18

Frame = Callable[[Mapping[str, Any], bytes], None]


class Channel(Protocol):
    """What an instance needs of the way to its worker."""

    def send(self, header: Mapping[str, Any], body: bytes = b"") -> None:
        """Queue one frame."""

    def receive_rest(self) -> None:
        """Take what the worker sent before it ended."""

    def close(self) -> None:
        """Close our end; an idle worker then leaves."""


OpenChannel = Callable[[Frame, Callable[[], None]], Channel]
"""Begins to receive: `on_frame` for each whole frame, `on_end` once when the worker's end closed."""


def encoded(header: Mapping[str, Any], body: bytes) -> tuple[bytes, bytes]:
    """One frame: what comes before the body, and the body."""
    text = msgspec.json.encode(header)
    return _LENGTHS.pack(len(text), len(body)) + text, body


class Frames:
    """Bytes in, whole frames out."""

    def __init__(self, on_frame: Frame) -> None:
        self._on_frame = on_frame
        self._received = bytearray()
        self._header = msgspec.json.Decoder()

    def feed(self, content: bytes) -> None:
        """Take bytes and hand on the frames they complete, each once; an error in handling one is raised at the end."""
        self._received += content
        start = 0
        failed: Exception | None = None
        while len(self._received) - start >= _LENGTHS.size:
            header, body = _LENGTHS.unpack_from(self._received, start)
            middle = start + _LENGTHS.size + header
            end = middle + body
            if len(self._received) < end:
                break
            try:
                self._on_frame(self._header.decode(self._received[start + _LENGTHS.size:middle]),
                               bytes(memoryview(self._received)[middle:end]))
            except Exception as error:  # noqa: BLE001  (the frames behind it must not wait for the worker's next word)
                failed = failed or error
            start = end
        del self._received[:start]
        if failed is not None:
            raise failed


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """A connected pair (ours, the worker's) with room for a large event in flight."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
    ours.setblocking(False)
    return ours, theirs


class FrameChannel:
    """Sends and receives frames; `on_frame` for each whole one, `on_end` once when the worker's end closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, on_frame: Frame,
                 on_end: Callable[[], None]) -> None:
        self._loop = loop
        self._sock: socket.socket | None = sock
        self._frames = Frames(on_frame)
        self._on_end = on_end
        self._unsent: list[memoryview] = []
        loop.add_reader(sock.fileno(), self._readable)

    def send(self, header: Mapping[str, Any], body: bytes = b"") -> None:
        """Queue one frame; it leaves at once as far as the socket takes it."""
        if self._sock is None:
            return
        head, body = encoded(header, body)
        waiting = bool(self._unsent)
        self._unsent += [memoryview(head + body)] if len(body) < _READ else [memoryview(head), memoryview(body)]
        if not waiting:
            self._flush()

    def _flush(self) -> None:
        if self._sock is None:
            return
        try:
            while self._unsent:
                sent = self._sock.send(self._unsent[0])
                self._unsent[0] = self._unsent[0][sent:]
                if not self._unsent[0]:
                    del self._unsent[0]
        except BlockingIOError:
            self._loop.add_writer(self._sock.fileno(), self._flush)
            return
        except OSError:
            self._unsent.clear()  # the end of the worker is told by its exit
        self._loop.remove_writer(self._sock.fileno())

    def _readable(self) -> None:
        if self._sock is None:
            return
        try:
            content = self._sock.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            content = b""
        if not content:
            self._loop.remove_reader(self._sock.fileno())
            self._on_end()
            return
        self._frames.feed(content)

    def receive_rest(self) -> None:
        """Take what the worker sent before it ended."""
        while self._sock is not None:
            try:
                content = self._sock.recv(_READ)
            except OSError:
                break
            if not content:
                break
            self._frames.feed(content)

    def close(self) -> None:
        """Close our end; an idle worker then leaves."""
        if self._sock is not None:
            self._loop.remove_reader(self._sock.fileno())
            self._loop.remove_writer(self._sock.fileno())
            self._sock.close()
            self._sock = None
