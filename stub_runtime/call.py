"""One call as the stub's machine keeps it, and the times that the protocol is made of, in seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stub_runtime.actions import Json
from stub_runtime.presence import Presence
from stub_runtime.wire import Frame

ACK_AFTER = 0.25
"""An answer within this many seconds is the ack; slower calls get one of their own."""
WINDOW = 0.8
"""How long to wait for ack or answer of a small call before asking again."""
WINDOW_BYTES_PER_S = 256 * 1024
"""The window grows with the message: half of what IoT lets through per connection."""
ABSENT_AFTER = 1.0
"""No retained presence this long after SUBACK: there is none."""
STALE_WITHIN = 0.05
"""A `gone` this soon after an offer had been waiting in the socket of a frozen container."""
GONE_GRACE = 0.3
"""After a farewell, or the `gone` of a deployment: time for an owner to correct a forgery."""
LOST_GRACE = 1.2
"""After a last will: a console whose network broke is often back within this time."""
CONNECT_WITHIN = 8.0
RECONNECT_EVERY = 2.0
SUBSCRIBE_WITHIN = 2.5
SILENCE = 10.0
"""Nothing heard from the console for this long: it is dead."""
LEASE_EVERY = 3.0
ASK_EVERY = 1.0
IDLE_SUSPECT = 30.0
IDLE_RECONNECT = 300.0
MARGIN = 0.4
"""Seconds before Lambda's deadline at which the stub gives up, so that the caller gets a typed error."""


@dataclass(repr=False)
class StubCall:
    """One handler call: what is sent, and how far it got."""

    attempt: str
    body: bytes
    head: Json
    remaining_ms: Callable[[], int]
    started: float
    deadline: float
    phase: str = "looking"
    """`connecting`, `looking`, `storing`, `offered`, `acked`, `fetching`, `done`."""
    earlier: tuple[str, ...] = ()
    """Histories of the sessions to which this call was offered before."""
    offered_to: Presence | None = None
    frames: Sequence[Frame] = ()
    pending: bytes = b""
    window: float = 0.0
    until: float = 0.0
    """When the present wait ends."""
    tries: int = 0
    heard: float = 0.0
    asked: float = -1e9
    looked_at: float | None = None
    """When the subscription that shows the presence was confirmed."""
    fetching: str = ""
    offered_at: float = 0.0
    died: bool = False
    """The console's last will came after it may have taken the call: it may be back within the silence."""
    touched: bool = False
    """The console has confirmed this attempt, so it may be running."""
