"""What one running local cloud is: its ports, keys and files, and the record of it in the project's state folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

RECORD_NAME = "cloud.json"


@dataclass(frozen=True)
class CloudRecord:
    """One running local cloud. Holds its root key: written with mode 0600 only."""

    pid: int
    """The supervisor's process id."""
    region: str
    gateway_port: int
    """HTTPS and WebSocket port of every emulated service, on 127.0.0.1."""
    front_port: int
    """Plain HTTP port for the APIs of deployed stacks, on 127.0.0.1 and ::1."""
    ca_bundle: str
    """PEM file of the authority that signed the gateway's certificate."""
    access_key_id: str
    secret_access_key: str = field(repr=False)

    @property
    def gateway_url(self) -> str:
        """The endpoint of every service. An address, not a name: boto3 then puts buckets into the path by itself."""
        return f"https://127.0.0.1:{self.gateway_port}"

    def write(self, path: Path) -> None:
        """Write atomically, readable by this user only."""
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            json.dump(asdict(self), out)
        staging.replace(path)

    @classmethod
    def read(cls, path: Path) -> CloudRecord | None:
        """The record at `path`; None when there is none or it is not one that this version understands."""
        try:
            return cls.parse(path.read_text("utf-8"))
        except (OSError, ValueError, TypeError):
            return None

    @classmethod
    def parse(cls, text: str) -> CloudRecord:
        """Raises `ValueError` or `TypeError` when `text` is no such record."""
        return cls(**json.loads(text))
