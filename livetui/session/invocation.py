"""An invocation as it is recorded and shown: the row of the table, and everything behind it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

State = Literal["queued", "running", "paused", "ok", "error", "timeout", "offline", "late", "interrupted"]
FAILED: tuple[State, ...] = ("error", "timeout", "offline", "late", "interrupted")
"""States of an invocation that did not go well; one that is `ok` may have failed too, see `Row.failed`."""
FINISHED: frozenset[str] = frozenset({"ok", *FAILED})


class Row(msgspec.Struct, frozen=True):
    """One invocation in the table. Times in ms, sizes in bytes, `time` in seconds since the epoch."""

    id: int
    """Number of the invocation in this project's store, shown as `#`."""
    session: str
    function: str
    trigger: str
    """What caused it, for people: `GET /orders/7`, `sqs orders ×10`."""
    state: State
    time: float
    handler_ms: float | None = None
    overhead_ms: float | None = None
    """What livetui added: way in, queue and way out."""
    cold_ms: float | None = None
    """Time of the handler's import when this call started a worker."""
    event_bytes: int = 0
    response_bytes: int | None = None
    replay_of: int | None = None
    error: str = ""
    """`errorType: errorMessage` of a failed invocation, one line."""
    marked: bool = False
    note: str = ""
    request_id: str = ""
    trace_id: str = ""
    """Root of the X-Ray trace header, by which invocations that caused one another are joined."""
    deadline: float | None = None
    """Seconds since the epoch at which Lambda gives up on this call, shown while it is paused; 0 once its caller was
    answered early."""
    status: int | None = None
    """The HTTP status that the handler answered."""
    failed_items: int = 0
    """Items of a batch that the handler gave back as failed (`batchItemFailures`)."""
    edited: bool = False
    """Whether a replay ran another event than its origin's."""

    @property
    def failed(self) -> bool:
        """Whether it did not go well: by its state, its HTTP status or the items it gave back."""
        return self.state in FAILED or (self.status or 0) >= 500 or self.failed_items > 0


class LogLine(msgspec.Struct, frozen=True):
    """One line that the handler wrote. `at_ms` counts from the start of the handler."""

    stream: Literal["stdout", "stderr", "logging"]
    text: str
    at_ms: float = 0.0


class AwsCall(msgspec.Struct, frozen=True):
    """One AWS call that the handler made."""

    service: str
    operation: str
    target: str
    status: int
    ms: float
    request_id: str = ""
    error: str = ""
    """`AccessDenied: …` and the like, empty when it went well."""
    sent: list[str] = []
    """Ids of the messages, events and calls that it sent, by which who receives them is known."""


class Timing(msgspec.Struct, frozen=True):
    """The legs of one invocation, in ms; None where a leg is unknown or did not happen."""

    inbound_ms: float | None = None
    queue_ms: float | None = None
    init_ms: float | None = None
    handler_ms: float | None = None
    outbound_ms: float | None = None


class Invocation(msgspec.Struct, frozen=True):
    """Everything that is known of one invocation."""

    row: Row
    attempt: str
    event: bytes
    response: bytes | None
    """The handler's JSON, or Lambda's error JSON when `row.state` is `error` or `timeout`."""
    context: dict[str, Any]
    logs: list[LogLine]
    calls: list[AwsCall]
    timing: Timing
