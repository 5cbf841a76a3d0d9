"""What the two state machines want done: plain values that the I/O around them carries out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Union


@dataclass(frozen=True)
class Publish:
    """Send one finished frame. `expiry` in seconds: the broker drops what nobody took by then."""

    topic: str
    payload: bytes
    connection: int = 0
    reply_to: str | None = None
    expiry: int = 30
    retain: bool = False


class Look:
    """Subscribe again, to see the retained presence as it is now."""


class Reconnect:
    """Drop the connection, which may be dead, and make a new one."""


@dataclass(frozen=True)
class Store:
    """Put a sealed message into the bucket, then call `stored`."""

    attempt: str
    key: str
    content: bytes


@dataclass(frozen=True)
class Fetch:
    """Get a sealed message from the bucket, delete it there, then call `fetched`."""

    attempt: str
    key: str
    size: int


@dataclass(frozen=True)
class Finish:
    """The stub's call has ended: an answer (Lambda's JSON, or its error JSON), or a typed error of the link."""

    body: bytes = b""
    error: bool = False
    failure: str = ""
    """Name of one of `stub_runtime.errors`, when the link failed."""
    reason: str = ""
    log: str = ""
    """What the handler wrote, for the function's own log, when the console was asked to send it."""


StubAction = Union[Publish, Look, Reconnect, Store, Fetch, Finish]  # noqa: UP007  (Python 3.9)
Json = dict[str, Any]
