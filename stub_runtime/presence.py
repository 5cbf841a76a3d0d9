"""Presence and leases: who owns the stage, signed with the stage's key so that nobody else can say so."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from stub_runtime.sealing import sign, verify
from stub_runtime.wire import NO_ATTEMPT, Frame, Kind, WireError

_CONTEXT = {Kind.LIVE: b"livetui presence 1\0", Kind.GONE: b"livetui presence 1\0", Kind.LEASE: b"livetui lease 1\0"}


@dataclass(frozen=True)
class Presence:
    """What a console (or its last will, or the deployment) says about itself."""

    live: bool
    session: str
    """Random id of one run of a console; empty in the `gone` that the deployment publishes."""
    epoch: int
    """Grows with every session of the stage. The highest one seen is the owner."""
    since: float = 0.0
    """Seconds since the epoch."""
    owner: str = ""
    """`who@host`, for people."""
    key: bytes = b""
    """X25519 public key that calls are sealed to."""
    connections: int = 1
    """Stubs spread over the topics `console/0` to `console/<connections - 1>`."""
    farewell: bool = False
    """A `gone` that was said on purpose; a last will may be followed by a reconnect."""
    history: str = ""
    """Names the record in which this console commits what has started; empty: it keeps none."""


@dataclass(frozen=True)
class Lease:
    """The console lives and still works on these attempts (their first 16 hex digits)."""

    session: str
    epoch: int
    number: int = 0
    """Grows with every lease of a session, so that an old one is worth nothing."""
    attempts: tuple[str, ...] = ()


def _signed(kind: Kind, scope: str, content: dict[str, Any], seed: bytes) -> Frame:
    body = json.dumps(content, separators=(",", ":")).encode("ascii")
    return Frame(kind, NO_ATTEMPT, sign(seed, _CONTEXT[kind] + bytes([kind]) + scope.encode() + b"\0" + body) + body)


def _verified(frame: Frame, scope: str, verify_key: bytes) -> dict[str, Any] | None:
    signature, body = frame.payload[:64], frame.payload[64:]
    signed = _CONTEXT[frame.kind] + bytes([frame.kind]) + scope.encode() + b"\0" + body
    if not verify(verify_key, signed, signature):
        return None
    content = json.loads(body)
    return content if isinstance(content, dict) else None


def presence_frame(presence: Presence, scope: str, seed: bytes) -> Frame:
    """`presence` signed with the stage's key. `scope` is `Topics.root`: a signature is worth nothing elsewhere."""
    content = {**vars(presence), "key": base64.b64encode(presence.key).decode("ascii")}
    return _signed(Kind.LIVE if presence.live else Kind.GONE, scope, content, seed)


def read_presence(frame: Frame, scope: str, verify_key: bytes) -> Presence | None:
    """The presence in a `LIVE` or `GONE` frame; None when the stage's key did not sign it."""
    if frame.kind not in (Kind.LIVE, Kind.GONE):
        return None
    content = _verified(frame, scope, verify_key)
    if content is None:
        return None
    try:
        return Presence(live=frame.kind is Kind.LIVE, session=str(content["session"]), epoch=int(content["epoch"]),
                        since=float(content["since"]), owner=str(content["owner"]),
                        key=base64.b64decode(content["key"]), connections=max(1, int(content["connections"])),
                        farewell=bool(content.get("farewell")), history=str(content.get("history", "")))
    except (KeyError, TypeError, ValueError) as error:
        raise WireError("a signed presence that lacks something") from error


def lease_frame(lease: Lease, scope: str, seed: bytes) -> Frame:
    """`lease` signed with the stage's key."""
    return _signed(Kind.LEASE, scope, vars(lease), seed)


def read_lease(frame: Frame, scope: str, verify_key: bytes) -> Lease | None:
    """The lease in a `LEASE` frame; None when the stage's key did not sign it."""
    content = _verified(frame, scope, verify_key) if frame.kind is Kind.LEASE else None
    if content is None:
        return None
    try:
        return Lease(str(content["session"]), int(content["epoch"]), int(content["number"]),
                     tuple(str(item) for item in content["attempts"]))
    except (KeyError, TypeError, ValueError) as error:
        raise WireError("a signed lease that lacks something") from error
