"""What the debug room tells the session and the console: frozen values and a listener."""

from __future__ import annotations

import msgspec

from livetui.debug.breakpoints import Breakpoint


class PausedThread(msgspec.Struct, frozen=True):
    """A thread of a worker that stands still; the whole worker stands still with it."""

    pid: int
    thread_id: int
    function_id: str
    work_id: str
    """The invocation that runs in the worker, when the engine told (`Broker.work_of`)."""
    path: str
    line: int
    reason: str
    """`breakpoint`, `step`, `exception`, `pause`, `goto` or `entry`."""
    text: str = ""
    """The exception's class and message, when `reason` is `exception`; or that the breakpoint's condition failed."""
    stale: bool = False
    """The file was saved after the worker started: it runs older code than the one shown."""


class Frame(msgspec.Struct, frozen=True):
    """One frame of a paused thread, innermost first."""

    id: int
    name: str
    path: str
    line: int
    subtle: bool = False
    """Not the user's code."""


class Scope(msgspec.Struct, frozen=True):
    """A set of variables of a frame: its locals, or its module's globals."""

    name: str
    reference: int


class Variable(msgspec.Struct, frozen=True):
    """One variable or element. `reference` asks for its children; 0 has none."""

    name: str
    value: str
    type: str = ""
    reference: int = 0
    expression: str = ""
    """What evaluates to it in its frame, when pydevd knows."""


class Look(msgspec.Struct, frozen=True):
    """What a paused thread shows first: its frames, and the locals of the innermost one that is the user's."""

    frames: list[Frame]
    frame: Frame
    reference: int
    """Of the frame's locals, by which they are given other values."""
    variables: list[Variable]


class Evaluated(msgspec.Struct, frozen=True):
    """The result of an expression, or a variable's new value."""

    value: str
    type: str = ""
    reference: int = 0


class Watched(msgspec.Struct, frozen=True):
    """A watch expression and what it gave in a frame: `result`, or why there is none."""

    expression: str
    result: Evaluated | None = None
    error: str = ""


class Output(msgspec.Struct, frozen=True):
    """What a log point or the debugger itself wrote."""

    pid: int
    function_id: str
    category: str
    text: str


class Photo(msgspec.Struct, frozen=True):
    """A value as it was: its type, its text, and its children as far as they were taken."""

    name: str
    type: str = ""
    value: str = ""
    children: list[Photo] = []
    more: int = 0
    """Children that were left out."""


class PhotoFrame(msgspec.Struct, frozen=True):
    """A frame of an error, outermost first, with its locals as they were."""

    name: str
    path: str
    line: int
    locals: list[Photo] = []
    more: int = 0


class PostMortem(msgspec.Struct, frozen=True):
    """An unhandled error of a handler, photographed when it was raised; needs no worker to be looked at."""

    pid: int
    function_id: str
    work_id: str
    error_type: str
    error_message: str
    frames: list[PhotoFrame]


class DebugListener:
    """What the broker tells, on its event loop; override what is wanted. Must not block."""

    def on_paused(self, paused: PausedThread) -> None:
        """A worker stands still: hold its deadline."""

    def on_resumed(self, paused: PausedThread) -> None:
        """It runs on, or is gone. Called for a step too; the next `on_paused` follows."""

    def on_breakpoints_changed(self, breakpoints: list[Breakpoint]) -> None:
        """The union changed: all of it."""

    def on_output(self, output: Output) -> None:
        """A log point or the debugger wrote something."""

    def on_post_mortem(self, error: PostMortem) -> None:
        """A handler error was photographed."""

    def on_wanted_changed(self, wanted: bool) -> None:
        """From now on new workers are (not) debugged: replace idle ones."""

    def on_restart(self) -> None:
        """An editor's restart button: replace all workers."""

    def on_clients_changed(self, clients: list[str]) -> None:
        """Editors came or went."""

    def on_notice(self, function_id: str, level: str, text: str) -> None:
        """Something people should know, such as a worker that cannot be debugged."""
