"""How invocations lie in the history's file: rows as values, bodies compressed when it pays, text made storable."""

from __future__ import annotations

import json
import os
import platform
import re
import zlib
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from livetui.session.invocation import AwsCall, LogLine, Row

AttemptState = Literal["unknown", "queued", "started", "finished"]
_FIELDS = msgspec.structs.fields(Row)
COLUMNS = ", ".join(field.name for field in _FIELDS)
"""The columns that make a `Row`, in its order."""
_TRUTHS = [at for at, field in enumerate(_FIELDS) if field.type is bool]
"""Where SQLite has 0 or 1 for a truth value."""
_WORTH_PACKING = 512
"""Bytes from which compression is tried."""
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Counts(msgspec.Struct, frozen=True):
    """How full the history is."""

    held: int
    """Invocations that can be read."""
    dropped: int
    """Invocations that were removed to stay within the bounds, since the file was made."""
    bytes: int
    """Size of what is held, in the file."""


class SessionRecord(msgspec.Struct, frozen=True):
    """One run of a console. `started` and `ended` in seconds since the epoch; `ended` is None when it was killed."""

    id: str
    kind: str
    app: str
    stage: str
    account: str
    region: str
    local: bool
    started: float
    ended: float | None
    host: str
    pid: int
    invocations: int


class FunctionRecord(msgspec.Struct, frozen=True):
    """How a function was last run here: what a test exported from its invocations needs."""

    id: str
    handler: str
    code_root: str
    environment: dict[str, str]
    """Its variables without secrets and without those of AWS itself."""
    layers: tuple[str, ...] = ()
    """The folders that are `/opt` of its layers, the last one wins."""


def is_running(host: str, pid: int) -> bool:
    """Whether that process runs on this machine. On Windows, where asking could end it, the answer is no."""
    if host != platform.node() or os.name == "nt":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def session_of(values: Sequence[Any]) -> SessionRecord:
    """A `SessionRecord` from its columns and the count of its invocations."""
    fields = list(values)
    fields[6] = bool(fields[6])
    return SessionRecord(*fields)


def row_of(values: Sequence[Any]) -> Row:
    """A `Row` from its columns."""
    fields = list(values)
    for at in _TRUTHS:
        fields[at] = bool(fields[at])
    return Row(*fields)


def pack(body: bytes) -> bytes:
    """`body` behind one byte that says whether it is compressed."""
    if len(body) >= _WORTH_PACKING:
        packed = zlib.compress(body, 1)
        if len(packed) < len(body) * 0.9:
            return b"z" + packed
    return b"=" + body


def unpack(packed: bytes) -> bytes:
    """The exact bytes that were packed. Raises `zlib.error` when they are damaged."""
    return zlib.decompress(packed[1:]) if packed[:1] == b"z" else packed[1:]


def encode(values: list[LogLine] | list[AwsCall]) -> bytes:
    """Log lines or AWS calls as JSON."""
    try:
        return msgspec.json.encode(values)
    except UnicodeEncodeError:  # lone surrogates, such as a handler's undecodable bytes
        return clean(json.dumps(msgspec.to_builtins(values), ensure_ascii=False)).encode()


def clean(text: str) -> str:
    """`text` without lone surrogates, which no database takes, and NUL, at which SQLite's patterns stop."""
    return _UNSTORABLE.sub("\ufffd", text)


def one_line(text: str) -> str:
    """`text` on one line, storable."""
    return clean(" ".join(text.split()))
