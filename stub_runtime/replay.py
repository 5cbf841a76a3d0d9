"""The reserved event by which a console gets a role's fresh credentials for a replay: signed in, sealed out.

Nobody without the stage's signing key gets an answer, and nobody but the one who asked can read it; a recorded request
that is sent again yields bytes that only the first asker could open.
"""

from __future__ import annotations

import base64
import json
import os
import time
from typing import Any

from stub_runtime.config import StubConfig
from stub_runtime.sealing import seal_anonymously, sign, verify

MARK = "livetui-keys"
FRESH = 300.0
"""Seconds that a request is good for; clocks may differ by this much."""


def _signed(function: str, app: str, stage: str, public: str, at: int) -> bytes:
    return json.dumps(["livetui keys 1", app, stage, function, public, at]).encode("ascii")


def request_event(app: str, stage: str, function: str, public: bytes, seed: bytes, at: float) -> dict[str, Any]:
    """The event to invoke a stub with. `public` is the key to seal to, `at` seconds since the epoch."""
    name = base64.b64encode(public).decode("ascii")
    signature = sign(seed, _signed(function, app, stage, name, int(at)))
    return {MARK: {"key": name, "at": int(at), "signature": base64.b64encode(signature).decode("ascii")}}


def reply_with_keys(body: bytes, config: StubConfig) -> bytes | None:
    """The sealed credentials as JSON when `body` is a valid request; None when it is an event like any other."""
    if len(body) > 1024 or MARK.encode() not in body[:64]:
        return None
    try:
        request = json.loads(body)[MARK]
        public, at, signature = str(request["key"]), int(request["at"]), base64.b64decode(request["signature"])
        key = base64.b64decode(public)
    except (KeyError, TypeError, ValueError):
        return None
    signed = _signed(config.function, config.app, config.stage, public, at)
    if not verify(base64.b64decode(config.verify_key), signed, signature) or abs(time.time() - at) > FRESH:
        return None
    keys = [os.environ.get(name, "") for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]
    sealed = seal_anonymously(key, json.dumps(keys).encode("ascii"))
    return json.dumps({MARK: base64.b64encode(sealed).decode("ascii")}).encode("ascii")
