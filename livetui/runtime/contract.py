"""The values that go into and come out of the pool: a function, one piece of work, and its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from livetui.discreet import Discreet


class Trouble(msgspec.Struct, frozen=True):
    """Why a function cannot answer."""

    lacks: Literal["code", "handler", "import", "interpreter"]
    """What is missing, or that its module does not import."""
    error: str
    """Why, and what to do where that is known."""


class FunctionSpec(Discreet, frozen=True):
    """How to run one function here."""

    SHOWN = ("id", "handler", "code_root")

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
    environment: Mapping[str, str] = {}
    """The function's cloud environment, already without names that execute code, plus `.env` overrides."""
    layers: tuple[Path, ...] = ()
    runtime: str = ""
    """`python3.12` and the like, for `AWS_EXECUTION_ENV`."""
    log_format: str = ""
    """`JSON` or `Text` of the function's LoggingConfig; empty is Lambda's default, text."""
    log_level: str = ""
    """`ApplicationLogLevel` of the function's LoggingConfig; empty leaves the root logger at WARNING."""
    fork_server: bool = True
    """Whether new workers may be forked from a parent that has the third-party modules imported (POSIX only)."""
    trouble: Trouble | None = None
    """What is seen to be wrong before a worker has tried; the first one that has is believed instead."""


class Work(Discreet, frozen=True):
    """One invocation to run. `context` has the fields of `livetui.link.messages.Call.context`."""

    SHOWN = ("id",)

    id: str
    event: bytes
    context: Mapping[str, Any]
    credentials: Mapping[str, str] = {}
    """`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`."""
    remaining_ms: int | None = None
    """What `get_remaining_time_in_millis` starts from when less than the configured timeout."""
    overrun: Literal["kill", "finish"] = "kill"
    """What happens to a handler that overruns its timeout: killed as in Lambda, or left to finish ("late"), which
    the pool then tells through `LateListener.work_finished_late`."""


class Outcome(Discreet, frozen=True):
    """How a piece of work ended.

    `body` is the handler's JSON for `ok`, Lambda's error JSON otherwise. `crash` is a process that ended
    (`Runtime.ExitError`), `cancelled` work that was dropped before it started or cut off by the end of the pool.
    """

    SHOWN = ("kind", "error_type")

    kind: Literal["ok", "error", "timeout", "crash", "cancelled"]
    body: bytes
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
        """A worker gets the work when this returns; it does not when this raises `LivetuiError`."""

    def work_logged(self, work_id: str, stream: Literal["stdout", "stderr", "logging"], text: str,
                    at_ms: float) -> None:
        """A line was written, without its newline."""

    def work_called_aws(self, work_id: str, call: Mapping[str, Any]) -> None:
        """The handler called AWS: service, operation, target, status, ms, request_id, error."""

    def code_reloaded(self, function_id: str, ms: float, error: str, path: str) -> None:
        """New code of a function is ready (or does not import: `error`)."""

    def notice(self, function_id: str, level: Literal["info", "warning", "error"], text: str) -> None:
        """Something about a function that people should know."""


@runtime_checkable
class LateListener(Protocol):
    """A listener that also wants the result of a handler that ran on after its timeout (`Work.overrun`)."""

    def work_finished_late(self, work_id: str, outcome: Outcome) -> None:
        """The handler returned after `invoke` had answered `timeout`."""


@runtime_checkable
class DebugSupport(Protocol):
    """What the pool asks of the debugger. Implemented by `livetui.debug`, injected by the engine."""

    async def prepare(self, function_id: str) -> Mapping[str, Any] | None:
        """Configuration for a new worker of this function, or None when it is not to be debugged.

        A mapping that JSON can hold; the worker hands it to `worker_debug.start` before the handler is imported.
        The pool gives such a worker a fresh interpreter with `-X frozen_modules=off`,
        `PYDEVD_DISABLE_FILE_VALIDATION=1` and no time limit for its init; but when the mapping's `attach` is false
        (errors are photographed, nothing stops), it is started like any other.
        """

    async def ready(self, pid: int) -> None:
        """Awaited after the worker's init and before its first work: return when breakpoints are set in it."""

    def gone(self, pid: int) -> None:
        """The worker's process has ended."""

    def stands(self, pid: int) -> bool:
        """Whether the worker is paused: then it is not replaced while somebody looks at it."""


class LaneStats(msgspec.Struct, frozen=True):
    """How busy one function is here."""

    workers: int
    busy: int
    queued: int
    pids: tuple[int, ...] = ()
    spawn: Literal["fresh", "fork"] = "fresh"
    """How the next worker is started."""
    spawn_reason: str = ""
    """Why not forked, when it is not."""
