"""What a session tells its front ends. Frozen values; the tag is the event's name in `--json` output."""

from __future__ import annotations

from typing import Literal

import msgspec

from livetui.debug.breakpoints import Breakpoint
from livetui.debug.values import PausedThread
from livetui.session.invocation import LogLine, Row
from livetui.stack.contract import Resource


class SessionEvent(msgspec.Struct, frozen=True, tag_field="event"):
    """Base of all events."""


class StackProgress(SessionEvent, frozen=True, tag="stack.progress"):
    """One step of starting the local cloud, bootstrapping, deploying or removing."""

    phase: Literal["cloud", "bootstrap", "package", "deploy", "remove", "connect"]
    resource: str
    """Logical id of the resource, or a step's name (`stub bundle`)."""
    status: str
    """CloudFormation's resource status, or `started` / `done` / `skipped` / `failed` for our own steps."""
    type: str = ""
    reason: str = ""
    elapsed_s: float = 0.0


class FunctionInfo(msgspec.Struct, frozen=True):
    """One function of the stack, live or not."""

    name: str
    """Physical name in the cloud."""
    handler: str
    live: bool
    reason: str = ""
    """Why it is not live, such as `nodejs22.x`."""
    runtime: str = ""
    code_root: str = ""
    interpreter: str = ""
    interpreter_reason: str = ""
    warnings: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    """Route keys of HTTP APIs that lead to it: `GET /orders/{id}`, `$default`."""
    lacks: Literal["", "code", "handler", "import", "interpreter", "packages"] = ""
    """What is missing, or that its module does not import, as the worker that was started last found; empty: nothing
    is. Without the packages that its requirements name it is called all the same."""
    trouble: str = ""
    """Why, and what to do where that is known."""

    @property
    def broken(self) -> bool:
        """Whether it cannot answer."""
        return self.lacks not in ("", "packages")

    @property
    def words(self) -> str:
        """What is wrong, as it follows its name."""
        return {"": "", "import": "does not import", "packages": "runs without its packages"}.get(
            self.lacks, f"has no {self.lacks}")


class SessionLive(SessionEvent, frozen=True, tag="session.live"):
    """The stack is deployed, the link is up and presence is published: calls arrive from now on."""

    app: str
    stage: str
    account: str
    region: str
    local: bool
    outputs: dict[str, str]
    functions: dict[str, FunctionInfo]
    link_ms: float | None
    bootstrap_version: str = ""
    resources: tuple[Resource, ...] = ()
    deploy_s: float = 0.0
    changed: bool = True


class FunctionChanged(SessionEvent, frozen=True, tag="function.changed"):
    """A function of the live stack can answer now, or no longer; or another interpreter runs it."""

    function: str
    info: FunctionInfo

    def of(self, live: SessionLive) -> SessionLive:
        """The stack with the function as it is now."""
        return msgspec.structs.replace(live, functions={**live.functions, self.function: self.info})


class SessionFailed(SessionEvent, frozen=True, tag="session.failed"):
    """The session cannot start or go on. `what`, `why`, `hint` as in `LivetuiError`."""

    what: str
    why: str = ""
    hint: str = ""
    exit_code: int = 1
    held_by: str = ""
    """Who has the stage, when that is why: it can be taken over."""


class SessionEnded(SessionEvent, frozen=True, tag="session.ended"):
    """Everything is closed; nothing follows."""

    exit_code: int = 0


class InvocationArrived(SessionEvent, frozen=True, tag="invocation.arrived"):
    """A call came in, or a replay was asked for; it waits for a worker."""

    row: Row


class InvocationStarted(SessionEvent, frozen=True, tag="invocation.started"):
    """A worker has it."""

    row: Row


class InvocationPaused(SessionEvent, frozen=True, tag="invocation.paused"):
    """It stopped at a breakpoint."""

    row: Row


class InvocationFinished(SessionEvent, frozen=True, tag="invocation.finished"):
    """It has its final state."""

    row: Row


class InvocationChanged(SessionEvent, frozen=True, tag="invocation.changed"):
    """A mark or a note of it changed, or it runs on after a pause."""

    row: Row


class LogLines(SessionEvent, frozen=True, tag="invocation.logs"):
    """Lines that a running handler wrote."""

    id: int
    function: str
    lines: list[LogLine]


class LinkChanged(SessionEvent, frozen=True, tag="link.changed"):
    """The connection's state or its round trip."""

    state: Literal["connecting", "live", "offline", "held", "taken-over", "closed"]
    round_trip_ms: float | None = None
    detail: str = ""


class CodeReloaded(SessionEvent, frozen=True, tag="code.reloaded"):
    """A save was noticed and the function's next call runs the new code."""

    function: str
    ms: float
    error: str = ""
    """The import error with its line, when the new code does not import."""
    path: str = ""


class Notice(SessionEvent, frozen=True, tag="session.notice", omit_defaults=True):
    """Something people should know that is not tied to one invocation."""

    level: Literal["info", "warning", "error"]
    text: str
    lasting: str | None = None
    """A few words that stay true, and on screen, until the next deployment or until a notice takes them away (`""`)."""


class ThreadPaused(SessionEvent, frozen=True, tag="debug.paused"):
    """A worker stands still at a breakpoint, a step or an error."""

    paused: PausedThread


class ThreadResumed(SessionEvent, frozen=True, tag="debug.resumed"):
    """It runs on, or is gone; also before each step."""

    paused: PausedThread


class BreakpointsChanged(SessionEvent, frozen=True, tag="debug.breakpoints"):
    """All breakpoints, of the console and of every editor."""

    breakpoints: list[Breakpoint]


class EditorsChanged(SessionEvent, frozen=True, tag="debug.editors"):
    """The editors that are attached, by name."""

    editors: list[str]


class DebugOutput(SessionEvent, frozen=True, tag="debug.output"):
    """What a log point or the debugger wrote."""

    function: str
    text: str


class PostMortemTaken(SessionEvent, frozen=True, tag="debug.post-mortem"):
    """The frames of an unhandled error were photographed; `Debugging.post_mortem(id)` has them."""

    id: int
    error_type: str
