"""How an editor finds the session: a port that stays the same, a token, and the file that keeps both.

The token belongs to the project and outlives sessions, so that launch.json has to be written once; it lies in
`.livetui/debug.json`, which only the user can read.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

FILE = "debug.json"


@dataclass(frozen=True)
class DebugPort:
    """Where and with what to attach."""

    port: int = 0
    """0 when the project has none yet."""
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    """128 random bits, as hex."""

    @classmethod
    def read(cls, state: Path) -> DebugPort:
        """The project's; with a new token when it has none, or when others could have read it."""
        file = state / FILE
        try:
            exposed = os.name == "posix" and file.stat().st_mode & 0o077
            known = msgspec.json.decode(file.read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError):
            return cls()
        if exposed or len(known.token) < 32:
            return cls(known.port)
        return known

    def write(self, state: Path) -> None:
        """Keep it for the next session, readable by the user only."""
        state.mkdir(parents=True, exist_ok=True)
        fresh = state / f"{FILE}.new"
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode({"port": self.port, "token": self.token}) + b"\n")
        fresh.replace(state / FILE)
