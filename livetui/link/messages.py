"""What goes between engine and link: how it is set up, calls in, answers out, the state of the connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from livetui.aws import Keys
from stub_runtime.config import S3_FROM
from stub_runtime.topics import MAX_CONNECTIONS

LinkPhase = Literal["connecting", "live", "offline", "held", "taken-over", "closed"]


@dataclass(frozen=True)
class LinkConfig:
    """What the link needs to know."""

    app: str
    stage: str
    bucket: str
    signing_key: bytes = field(repr=False)
    """Ed25519 seed of the stage, 32 bytes."""
    owner: str
    """`who@host`."""
    history: str = ""
    """Names the store that `known` asks (`Store.history`); empty: nothing is known of earlier sessions' calls."""
    take_over: bool = False
    connections: int = 1
    """MQTT connections to begin with; more are opened when one quota is not enough."""
    most_connections: int = MAX_CONNECTIONS
    """How many it may become, at most 4."""
    s3_from: int = S3_FROM
    """Sealed messages from this many bytes go through the bucket."""


@dataclass(frozen=True)
class Call:
    """One real invocation that a stub asks this console to run.

    `deadline` and `received` are seconds of this process's `time.monotonic()`; `event` is the exact bytes that
    Lambda handed to the stub and is never parsed by the link.
    """

    attempt: str
    """Random id of this handler call, 32 hex digits. Not the request id: AWS repeats that on asynchronous retries."""
    function: str
    """The function's id in the live stack: its logical id, nested stacks joined by `-`."""
    environment: str
    """The stub's execution environment."""
    event: bytes = field(repr=False)
    context: Mapping[str, Any] = field(repr=False)
    """`request_id`, `function_name`, `function_version`, `invoked_function_arn`, `memory_limit_in_mb`,
    `log_group_name`, `log_stream_name`, `identity`, `client_context`, `trace_id`, `tenant_id`: as in Lambda."""
    keys: Keys | None = field(repr=False)
    """The role's credentials of this very invocation."""
    deadline: float
    received: float
    inbound_ms: float | None = None
    """Time on the way from stub to console, estimated without trusting one clock against the other."""
    via: Literal["mqtt", "s3"] = "mqtt"
    environment_hash: str = ""
    """Of the variables that this execution environment was started with."""


@dataclass(frozen=True)
class Answer:
    """What goes back to the stub: the handler's JSON, or Lambda's error JSON when `error` is true."""

    body: bytes = field(repr=False)
    error: bool = False
    log: str = field(default="", repr=False)
    """Lines for the function's log in the cloud, each with its newline; they travel in the head of the message, which
    holds 64 KiB as JSON."""


@dataclass(frozen=True)
class LinkState:
    """The connection as people should see it."""

    phase: LinkPhase
    round_trip_ms: float | None = None
    detail: str = ""
    """Why it is not live, or who holds the stage (`ada@laptop since 14:03`)."""
