"""The Debug Adapter Protocol on a socket: strict frames in, frames out, and the socket options that keep it fast.

An HTTP request is one header away from being a DAP frame, so nothing but `Content-Length` and `Content-Type` is
accepted as a header, and sizes are capped before a byte of the body is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, cast

import msgspec

from livetui.errors import LivetuiError

Message = dict[str, Any]
"""One DAP message. It stays JSON-shaped because most of it is passed on without being understood."""

STRANGER_LIMIT = 64 * 1024
"""Largest body in bytes from a peer that has not shown its token."""
PEER_LIMIT = 64 * 1024 * 1024
"""Largest body in bytes from a peer that has."""
HEADER_LIMIT = 512
"""Largest header block in bytes."""
OUTBOX_LIMIT = 64 * 1024 * 1024
"""Bytes that may wait for a peer that does not read; it is dropped beyond them."""

_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
_HEADERS = (b"content-length", b"content-type")
_decode = msgspec.json.Decoder(Message).decode
_encode = msgspec.json.Encoder().encode


class WireError(LivetuiError):
    """The peer does not speak the protocol; its connection is closed."""


def frame(message: Message) -> bytes:
    """`message` as bytes for the wire."""
    body = _encode(message)
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class Decoder:
    """Bytes in, whole messages out; raises `WireError` at the first byte that cannot belong to a frame."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = bytearray()
        self._expected: int | None = None

    def feed(self, chunk: bytes) -> list[Message]:
        """The messages that `chunk` completes."""
        self._buffer += chunk
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> Message | None:
        if self._expected is None:
            self._expected = self._header()
        if self._expected is None or len(self._buffer) < self._expected:
            return None
        body = bytes(self._buffer[: self._expected])
        del self._buffer[: self._expected]
        self._expected = None
        try:
            message = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise WireError("A frame is not a JSON object.", str(error)) from error
        if message.get("type") not in ("request", "response", "event"):
            raise WireError("A frame has no DAP message type.")
        return message

    def _header(self) -> int | None:
        end = self._buffer.find(b"\r\n\r\n")
        block = bytes(self._buffer[: end if end >= 0 else len(self._buffer)])
        if len(block) > HEADER_LIMIT:
            raise WireError("A frame's header is too long.")
        *whole, last = block.split(b"\r\n")
        for line in whole:
            _check_name(line, whole=True)
        _check_name(last if end >= 0 else last.removesuffix(b"\r"), whole=end >= 0)
        if end < 0:
            return None
        del self._buffer[: end + 4]
        lengths = [value for name, _, value in (line.partition(b":") for line in (*whole, last))
                   if name.lower() == b"content-length"]
        if len(lengths) != 1 or not lengths[0].strip().isdigit() or len(lengths[0]) > 12:
            raise WireError("A frame needs exactly one Content-Length.")
        length = int(lengths[0])
        if length > self.limit:
            raise WireError(f"A frame of {length} bytes is larger than the {self.limit} that are accepted.")
        return length


def _check_name(line: bytes, *, whole: bool) -> None:
    name, colon, _ = line.partition(b":")
    low = name.lower()
    if not (low in _HEADERS if colon or whole else any(header.startswith(low) for header in _HEADERS)):
        raise WireError("A frame has a header that DAP does not know.", repr(line[:60]))


class Channel(asyncio.Protocol):
    """One connection: calls `on_message` for each message and `on_close` once; both on the event loop."""

    def __init__(self, on_open: Callable[[Channel], None], limit: int = STRANGER_LIMIT) -> None:
        self.on_message: Callable[[Message], None] = lambda message: None
        self.on_close: Callable[[str], None] = lambda reason: None
        self._on_open = on_open
        self._decoder = Decoder(limit)
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._reason = "the connection was closed"
        self._seq = 0
        self.closed = asyncio.get_running_loop().create_future()
        """Done when the socket is closed."""

    def trust(self) -> None:
        """Accept large frames from now on: the peer has shown its token."""
        self._decoder.limit = PEER_LIMIT

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep latency low: answer at once, acknowledge at once."""
        self._transport = cast("asyncio.Transport", transport)
        self._socket = transport.get_extra_info("socket")
        if self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._acknowledge_quickly()
        self._on_open(self)

    def data_received(self, data: bytes) -> None:
        """Decode and hand over; a peer that breaks the framing is cut off."""
        self._acknowledge_quickly()
        try:
            for message in self._decoder.feed(data):
                if self._transport is None or self._transport.is_closing():
                    return
                self.on_message(message)
        except WireError as error:
            self.close(error.what)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner, once."""
        if not self.closed.done():
            self.closed.set_result(None)
        self.on_close(str(exc) if exc else self._reason)

    def send(self, message: Message) -> int:
        """Send `message` with the next sequence number, which is returned; dropped when the peer is gone."""
        self._seq += 1
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame({"seq": self._seq, **message}))
            if self._transport.get_write_buffer_size() > OUTBOX_LIMIT:
                self._reason = "it stopped reading"
                self._transport.abort()
        return self._seq

    def close(self, reason: str = "") -> None:
        """Close after what was sent has left."""
        self._reason = reason or self._reason
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _acknowledge_quickly(self) -> None:
        # pydevd writes a frame in pieces; with delayed acknowledgements each request would take 44 ms. The kernel
        # forgets the option, hence once per read.
        if _QUICKACK is not None and self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
