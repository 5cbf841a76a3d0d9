"""What is asked of a local cloud, and what a running one is: also as `.livetui/cloud.json` in the project."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
from dataclasses import asdict, dataclass, field
from pathlib import Path

RECORD_NAME = "cloud.json"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Order:
    """What the parent asks for. Port 0 is any free one; `record` is the file to announce the cloud in, or empty."""

    region: str
    port: int = 0
    front_port: int = 0
    record: str = ""


@dataclass(frozen=True)
class TlsFiles:
    """Where the certificates of one run lie (PEM)."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The authority alone: what a client of the local cloud trusts."""
        return self.folder / "ca.pem"

    @property
    def chain(self) -> Path:
        """The server's certificate and the authority's."""
        return self.folder / "server.pem"

    @property
    def key(self) -> Path:
        """The server's key."""
        return self.folder / "server.key"

    @property
    def bundle(self) -> Path:
        """The authority and the system's own: for functions that also call the internet."""
        return self.folder / "bundle.pem"


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
        return f"https://{LOOPBACK}:{self.gateway_port}"

    def answers(self, timeout_s: float) -> bool:
        """Does the gateway answer, with a certificate of the very authority that was made for this cloud?"""
        try:
            context = ssl.create_default_context(cafile=self.ca_bundle)
        except OSError:  # the file went with the cloud
            return False
        connection = http.client.HTTPSConnection(LOOPBACK, self.gateway_port, timeout=timeout_s, context=context)
        try:
            connection.request("GET", "/_ministack/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def has_ended(self) -> bool:
        """Whether nobody listens on its port any more. A gateway that is only slow has not ended."""
        try:
            socket.create_connection((LOOPBACK, self.gateway_port), timeout=2.0).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return False

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
