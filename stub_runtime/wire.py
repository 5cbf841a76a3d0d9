"""The frames that cross between stub and console: their binary form, how messages are split, and how they are joined.

Standard library only, Python 3.9 and later: this file runs in every stub and in the console, and is the one definition
of the wire. A *message* is what one side has to say (a sealed call, an answer, a signed presence); a *frame* is one
MQTT publish. Sizes count the bytes of finished frames, never characters.
"""

from __future__ import annotations

import enum
import json
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

VERSION = 1
MAX_FRAME = 120 * 1024
"""Largest finished frame in bytes. AWS IoT drops a connection that publishes more than 128 KiB on the wire, and the
MQTT header, topic and properties need their share (AWS IoT Core quotas, "Maximum payload size")."""
MAX_MESSAGE = 8 * 1024 * 1024
"""Largest message in bytes that is joined from frames: Lambda's 6 MB, sealed, when there is no bucket."""
MAX_BODY = 16 * 1024 * 1024
"""Largest body in bytes after decompression; the bound that makes a decompression bomb harmless."""
MAX_HEAD = 64 * 1024
COMPRESS_FROM = 4 * 1024
"""Bodies under this many bytes are never compressed: IoT meters by 5 KB, so nothing is saved."""
NO_ATTEMPT = "0" * 32

_HEADER = struct.Struct(">BBBBIHH16sII")
HEADER_BYTES = _HEADER.size
MAX_CHUNK = MAX_FRAME - HEADER_BYTES
MAX_FRAMES = -(-MAX_MESSAGE // MAX_CHUNK)
_CHECKED = _HEADER.size - 4
_LENGTH = struct.Struct(">I")
_to_json = json.JSONEncoder(separators=(",", ":")).encode


class Kind(enum.IntEnum):
    """What a frame is. Every type of version 1 is here, so that nothing has to be broken later."""

    LIVE = 1
    """Retained presence, signed: a console owns the stage; its key, epoch and number of connections."""
    GONE = 2
    """Retained presence, signed: that session has ended (the console's last will, or its farewell)."""
    LEASE = 3
    """Broadcast, signed, every few seconds while anything is unanswered: session, epoch and what runs."""
    INVOKE = 10
    """Stub to console: a sealed call."""
    ANSWER = 11
    """Console to stub: the sealed answer, or a sealed error."""
    ACK = 12
    """Console to stub: the call is here and takes longer."""
    NACK = 13
    """Either way: these frames of that message are missing (payload: u16 indexes)."""
    ASK = 14
    """Stub to console: what has become of this attempt?"""
    AGAIN = 15
    """Console to stub: the attempt is unknown here, send its call again."""
    CANCEL = 16
    """Stub to console: nobody waits for this attempt any more."""
    REKEY = 17
    """Console to stub: sealed to a key that this console does not have; the payload is its signed presence."""
    REFUSE = 18
    """Console to stub: cannot be understood; the payload says which side to update. Its layout is the same in all
    versions of the wire, and it is sent in the version of the frame that it refuses."""
    PING = 20
    """To the console's topic: are you there? Answered by a lease; a console pings itself to measure its round trip."""
    PONG = 21
    """Console to stub: answers a stub's ping, for doctors and measurements."""


_KINDS = {int(kind): kind for kind in Kind}


class WireError(ValueError):
    """Bytes that are no frame, or no message, of this wire."""


class VersionError(WireError):
    """A frame of another version of the wire. `version` is the one it has."""

    def __init__(self, version: int) -> None:
        super().__init__(f"wire version {version}, this side speaks {VERSION}")
        self.version = version


@dataclass(frozen=True, repr=False)
class Frame:
    """One publish. `attempt` is 32 hex digits; `message_id` tells frames of one message from those of another."""

    kind: Kind
    attempt: str
    payload: bytes = b""
    index: int = 0
    count: int = 1
    message_id: int = 0

    def encode(self, version: int = VERSION) -> bytes:
        """The finished bytes, at most `MAX_FRAME`. A `REFUSE` is sent in the `version` that it refuses."""
        head = _HEADER.pack(version, int(self.kind), 0, 0, len(self.payload), self.index, self.count,
                            bytes.fromhex(self.attempt), self.message_id, 0)[:_CHECKED]
        checksum = zlib.crc32(self.payload, zlib.crc32(head))
        return b"".join((head, _LENGTH.pack(checksum), self.payload))

    @staticmethod
    def decode(data: bytes) -> Frame:
        """The frame in `data`. Raises `VersionError` for another version, `WireError` for anything that is no frame."""
        if not data:
            raise WireError("an empty frame")
        if data[0] != VERSION:
            raise VersionError(data[0])
        if not HEADER_BYTES <= len(data) <= MAX_FRAME:
            raise WireError(f"a frame of {len(data)} bytes")
        _, kind, _, _, length, index, count, attempt, message_id, checksum = _HEADER.unpack_from(data)
        if length != len(data) - HEADER_BYTES:
            raise WireError("a frame that was cut")
        if kind not in _KINDS:
            raise WireError(f"frame type {kind}")
        if not 0 < count <= MAX_FRAMES or index >= count:
            raise WireError(f"frame {index} of {count}")
        payload = bytes(data[HEADER_BYTES:])
        if zlib.crc32(payload, zlib.crc32(data[:_CHECKED])) != checksum:
            raise WireError("a damaged frame")
        return Frame(_KINDS[kind], attempt.hex(), payload, index, count, message_id)


def kind_of(frame: bytes) -> int:
    """Which `Kind` a finished frame is."""
    return frame[1]


def split(kind: Kind, attempt: str, message: bytes) -> list[Frame]:
    """The frames of one message, each at most `MAX_FRAME` when finished. Raises `WireError` over `MAX_MESSAGE`."""
    if len(message) > MAX_MESSAGE:
        raise WireError(f"a message of {len(message)} bytes")
    count = max(1, -(-len(message) // MAX_CHUNK))
    message_id = zlib.crc32(message)
    return [Frame(kind, attempt, message[i * MAX_CHUNK:(i + 1) * MAX_CHUNK], i, count, message_id)
            for i in range(count)]


@dataclass(frozen=True)
class Message:
    """A whole message, joined from its frames."""

    kind: Kind
    attempt: str
    payload: bytes
    message_id: int = 0


class _Partial:
    def __init__(self, kind: Kind, count: int, touched: float) -> None:
        self.kind = kind
        self.count = count
        self.touched = touched
        self.chunks: dict[int, bytes] = {}
        self.size = 0
        self.asked = 0


class Joiner:
    """Joins frames to messages, in any order, with bounds that hostile frames cannot pass.

    At most `max_bytes` and `max_sets` are held; over that the set that was touched longest ago is dropped (its sender
    asks again). A set that stays incomplete for `nack_after` seconds is reported by `missing`, and forgotten after
    `expire_after`. Clock values are handed in, in seconds.
    """

    def __init__(self, max_bytes: int = 64 * 1024 * 1024, max_sets: int = 512, nack_after: float = 0.3,
                 expire_after: float = 20.0) -> None:
        self.max_bytes = max_bytes
        self.max_sets = max_sets
        self.nack_after = nack_after
        self.expire_after = expire_after
        self.held = 0
        self._sets: dict[tuple[str, int, int], _Partial] = {}

    def __len__(self) -> int:
        return len(self._sets)

    def add(self, frame: Frame, now: float) -> Message | None:
        """Take one frame; the whole message when it was the last one missing. Raises `WireError` when it cannot fit."""
        if frame.count == 1:
            return Message(frame.kind, frame.attempt, frame.payload, frame.message_id)
        key = (frame.attempt, int(frame.kind), frame.message_id)
        partial = self._sets.get(key)
        if partial is None:
            partial = self._sets[key] = _Partial(frame.kind, frame.count, now)
        if partial.count != frame.count:
            raise WireError("frames that disagree about their number")
        partial.touched = now
        partial.asked = 0
        if frame.index not in partial.chunks:
            partial.chunks[frame.index] = frame.payload
            partial.size += len(frame.payload)
            self.held += len(frame.payload)
        if len(partial.chunks) < partial.count:
            self._shrink(key)
            return None
        self._drop(key)
        payload = b"".join(partial.chunks[i] for i in range(partial.count))
        if zlib.crc32(payload) != frame.message_id:
            raise WireError("frames that are not of one message")
        return Message(frame.kind, frame.attempt, payload, frame.message_id)

    def missing(self, now: float) -> list[Frame]:
        """The `NACK` frames that are due now; expired sets are forgotten on the way."""
        due = []
        for key, partial in list(self._sets.items()):
            quiet = now - partial.touched
            if quiet >= self.expire_after:
                self._drop(key)
            elif quiet >= self.nack_after * 2.0 ** partial.asked:
                partial.asked = min(partial.asked + 1, 8)
                indexes = [i for i in range(partial.count) if i not in partial.chunks]
                due.append(nack(key[0], partial.kind, key[2], indexes))
        return due

    def next_tick(self) -> float | None:
        """When `missing` has something to do, or None."""
        if not self._sets:
            return None
        return min(p.touched + min(self.nack_after * 2.0 ** p.asked, self.expire_after) for p in self._sets.values())

    def forget(self, attempt: str) -> None:
        """Drop what was collected of an attempt."""
        for key in [key for key in self._sets if key[0] == attempt]:
            self._drop(key)

    def _drop(self, key: tuple[str, int, int]) -> None:
        self.held -= self._sets.pop(key).size

    def _shrink(self, keep: tuple[str, int, int]) -> None:
        while self.held > self.max_bytes or len(self._sets) > self.max_sets:
            oldest = min((key for key in self._sets if key != keep), default=keep,
                         key=lambda key: self._sets[key].touched)
            self._drop(oldest)


_NACK = struct.Struct(">BI")


def nack(attempt: str, kind: Kind, message_id: int, indexes: Iterable[int]) -> Frame:
    """Ask for the frames `indexes` of a message."""
    wanted = list(indexes)
    payload = _NACK.pack(int(kind), message_id) + struct.pack(f">{len(wanted)}H", *wanted)
    return Frame(Kind.NACK, attempt, payload)


def read_nack(frame: Frame) -> tuple[int, int, list[int]]:
    """(type, message id, indexes) of a `NACK`. Raises `WireError` when it is malformed."""
    size = len(frame.payload) - _NACK.size
    if size < 0 or size % 2 or size // 2 > MAX_FRAMES:
        raise WireError("a malformed NACK")
    kind, message_id = _NACK.unpack_from(frame.payload)
    return kind, message_id, list(struct.unpack_from(f">{size // 2}H", frame.payload, _NACK.size))


def pack(head: dict[str, Any], body: bytes = b"", compress: bool = True) -> bytes:
    """A head (JSON) and an opaque body as one message, compressed when it pays. Sealed before it is split."""
    if compress and len(body) >= COMPRESS_FROM:
        smaller = zlib.compress(body, 1)
        if len(smaller) < len(body) * 0.9:
            head = {**head, "z": len(body)}
            body = smaller
    encoded = _to_json(head).encode("ascii")
    if len(encoded) > MAX_HEAD:
        raise WireError(f"a head of {len(encoded)} bytes")
    return b"".join((_LENGTH.pack(len(encoded)), encoded, body))


def unpack(message: bytes) -> tuple[dict[str, Any], bytes]:
    """The head and the body of `pack`. Raises `WireError`; never allocates more than `MAX_BODY` for the body."""
    if len(message) < _LENGTH.size:
        raise WireError("a message without a head")
    (size,) = _LENGTH.unpack_from(message)
    if size > MAX_HEAD or size > len(message) - _LENGTH.size:
        raise WireError("a message whose head was cut")
    try:
        head = json.loads(str(message[_LENGTH.size:_LENGTH.size + size], "utf-8"))
    except (ValueError, RecursionError) as error:
        raise WireError("a message whose head is not JSON") from error
    if not isinstance(head, dict):
        raise WireError("a message whose head is not an object")
    body = message[_LENGTH.size + size:]
    if "z" in head:
        body = _inflate(body, head["z"])
    return head, body


def _inflate(body: bytes, size: Any) -> bytes:
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_BODY:
        raise WireError("a body of impossible size")
    try:
        inflater = zlib.decompressobj()
        plain = inflater.decompress(body, size + 1)
    except zlib.error as error:
        raise WireError("a body that does not decompress") from error
    if len(plain) != size or not inflater.eof:
        raise WireError("a body that has another size than it says")
    return plain


def refusal(version: int, side: str) -> bytes:
    """The payload of `REFUSE`: what is wrong and which side to update. `side` says who refuses: `stub` or `console`."""
    other = "console" if side == "stub" else "stub"
    older = other if version < VERSION else side
    step = "deploy again so that the stubs are replaced" if older == "stub" else "update livetui on this machine"
    return json.dumps({
        "type": "LivetuiVersion",
        "message": f"The {other} speaks version {version} of the wire and the {side} version {VERSION}: {step}.",
        "version": VERSION,
    }).encode("ascii")
