"""What a stub is told at deployment: the one environment variable `LIVETUI`, as compact JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from stub_runtime.wire import MAX_CHUNK

VARIABLE = "LIVETUI"
S3_FROM = MAX_CHUNK
"""Sealed messages from this many bytes go through S3: those that do not fit a single frame. Where that lies between
what is faster on an idle connection and on a busy one is in docs/protocol.md, "Large payloads"."""


@dataclass(frozen=True)
class StubConfig:
    """Everything the stub needs to know. Names in JSON are the field names; values that are defaults are left out."""

    app: str
    stage: str
    function: str
    """The function's id: logical id, nested stacks joined by `-`."""
    verify_key: str
    """Public half of the stage's signing key (Ed25519), base64."""
    host: str
    """IoT data endpoint (ATS) as it is signed and sent as `Host`, with `:port` when it is not 443."""
    region: str
    bucket: str = ""
    """Bootstrap bucket, for large payloads; empty: everything goes over MQTT."""
    dial_host: str = ""
    """Host to dial when it is not `host` (the local cloud: `localhost`)."""
    port: int = 443
    offline: str = "error"
    """What callers get while no console is there: `error`, `http-503` or `deployed`."""
    handler: str = ""
    """The user's handler, for `deployed`."""
    timeout: int = 3
    """The user's configured timeout in seconds; the live one may be higher."""
    memory: int = 128
    """The user's configured memory in MB, reported in the context."""
    armed: int = 0
    """When livetui was attached, in seconds since the epoch; 0 for functions that were deployed live."""
    disarm_after: int = 0
    """Seconds without a console after which an attached function runs its own code at once; 0 for never."""
    s3_from: int = S3_FROM

    def to_json(self) -> str:
        """The value of the environment variable."""
        told = {k: v for k, v in vars(self).items() if v != getattr(StubConfig, k, None)}
        return json.dumps(told, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> StubConfig:
        """Read what `to_json` wrote; unknown names (of a newer livetui) are ignored. Raises `ValueError`."""
        values: Any = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("LIVETUI is not a JSON object")
        try:
            return cls(**{k: v for k, v in values.items() if k in cls.__annotations__})
        except TypeError as error:
            raise ValueError(f"LIVETUI is incomplete: {error}") from error
