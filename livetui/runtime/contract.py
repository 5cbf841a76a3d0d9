"""The values that go into and come out of the pool: a function, one piece of work, and its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class FunctionSpec:
    """How to run one function here."""

    id: str
    """Logical id; the pool's key."""
    name: str
    """Physical name, what the handler sees as `AWS_LAMBDA_FUNCTION_NAME`."""
    handler: str
    code_root: Path
    """The folder that is `/var/task` in Lambda; the worker's cwd and first `sys.path` entry."""
    interpreter: Path
    timeout_s: int
    """The configured timeout (not the raised live one)."""
    memory_mb: int
    region: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The function's cloud environment, already without names that execute code, plus `.env` overrides."""
    layers: tuple[Path, ...] = ()
    runtime: str = ""
    """`python3.12` and the like, for `AWS_EXECUTION_ENV`."""


@dataclass(frozen=True)
class Work:
    """One invocation to run. `context` has the fields of `livetui.link.messages.Call.context`."""

    id: str
    event: bytes = field(repr=False)
    context: Mapping[str, Any] = field(repr=False)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`."""
    remaining_ms: int | None = None
    """What `get_remaining_time_in_millis` starts from when less than the configured timeout."""


@dataclass(frozen=True)
class Outcome:
    """How a piece of work ended.

    `body` is the handler's JSON for `ok`, Lambda's error JSON otherwise. `crash` is a process that ended
    (`Runtime.ExitError`), `cancelled` work that was dropped before it started.
    """

    kind: Literal["ok", "error", "timeout", "crash", "cancelled"]
    body: bytes = field(repr=False)
    queue_ms: float = 0.0
    handler_ms: float = 0.0
    init_ms: float | None = None
    """Set when this call started its worker: the time of the handler's import."""
    pid: int = 0
    error_type: str = ""
    error_message: str = ""


class PoolListener(Protocol):
    """What the pool tells while work runs. Called on the pool's event loop; must not block."""

    def work_started(self, work_id: str, pid: int) -> None:
        """A worker has the work."""

    def work_logged(self, work_id: str, stream: Literal["stdout", "stderr", "logging"], text: str,
                    at_ms: float) -> None:
        """A line was written, without its newline."""

    def work_called_aws(self, work_id: str, call: Mapping[str, Any]) -> None:
        """The handler called AWS: service, operation, target, status, ms, request_id, error."""

    def code_reloaded(self, function_id: str, ms: float, error: str, path: str) -> None:
        """New code of a function is ready (or does not import: `error`)."""

    def notice(self, function_id: str, level: Literal["info", "warning", "error"], text: str) -> None:
        """Something about a function that people should know."""
