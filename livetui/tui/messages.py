"""What the console needs of a session (as protocols), and the messages its widgets send one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from textual.message import Message

from livetui.config import AtDeadline, Settings
from livetui.session.debugging import (
    Breakpoint,
    Evaluated,
    ExceptionFilters,
    Look,
    PausedThread,
    PostMortem,
    Variable,
    Watched,
)
from livetui.session.events import LinkChanged, SessionEvent, SessionFailed, SessionLive, StackProgress
from livetui.session.invocation import Invocation, Row
from livetui.session.records import SessionRecord

if TYPE_CHECKING:
    from livetui.session.measures import LaneStats, LinkUsage

Phase = Literal["starting", "cloud", "bootstrap", "deploying", "connecting", "live", "failed", "ended"]
Unsubscribe = Callable[[], None]


class StatusFace(Protocol):
    """A snapshot of where the session stands."""

    @property
    def phase(self) -> Phase:
        """How far the start has come."""

    @property
    def live(self) -> SessionLive | None:
        """The deployed stack, once calls arrive."""

    @property
    def link(self) -> LinkChanged | None:
        """The last known state of the connection."""

    @property
    def failed(self) -> SessionFailed | None:
        """Why the session cannot go on."""

    @property
    def steps(self) -> Sequence[StackProgress]:
        """Everything that was done so far to start."""


class CountsFace(Protocol):
    """How much the store holds."""

    @property
    def held(self) -> int:
        """Invocations in the store."""

    @property
    def dropped(self) -> int:
        """Invocations that its bounds pushed out."""


class SessionFace(Protocol):
    """The one object the console holds: plain values in, frozen events out. Every method may be called on any thread.

    `invocation`, `rows`, `numbers` and `related` read the store and block for milliseconds; the others return at once.
    Methods that the user asked for raise `LivetuiError` when they cannot be done.
    """

    @property
    def settings(self) -> Settings:
        """The settings in force."""

    def subscribe(self, listener: Callable[[SessionEvent], None]) -> Unsubscribe:
        """Call `listener` with every event, on the engine's thread; the result ends it."""

    def export(self, id: int, kind: str, reveal: bool = False) -> str:
        """An invocation as text for another tool; reads the store."""

    def start(self) -> None:
        """Begin; `SessionLive` or `SessionFailed` follows."""

    def stop(self) -> None:
        """Ask the session to end; `SessionEnded` follows."""

    def status(self) -> StatusFace:
        """Where it stands now."""

    def counts(self) -> CountsFace:
        """How much is held and how much was dropped."""

    def rows(
        self, filter: str = "", limit: int = 1000, before: int | None = None, session: str | None = None
    ) -> list[Row]:
        """The newest rows that match, in the order of their ids, older than `before`, of one session or of all."""

    def others_wrote(self) -> bool:
        """Whether another process wrote rows since this was asked last."""

    def sessions(self) -> list[SessionRecord]:
        """All sessions of the history, newest first."""

    def workers(self) -> Mapping[str, LaneStats]:
        """Workers, queue and way of starting of each live function."""

    def usage(self) -> LinkUsage:
        """What went over the link so far."""

    def invocation(self, id: int) -> Invocation:
        """Everything about one invocation."""

    def numbers(self, filter: str = "", session: str | None = None) -> list[int]:
        """The ids of all invocations that match; blocks, but for 100,000 less than 150 ms."""

    def related(self, id: int) -> list[Row]:
        """Invocations that belong to the same trace, oldest first."""

    def parents(self, ids: Sequence[int]) -> dict[int, int]:
        """The cause of each of these invocations, for those whose cause is among them."""

    def replay(self, id: int, event: bytes | None = None, times: int = 1) -> object:
        """Run a recorded event again, or `event` in its place, as new rows."""

    def mark(self, id: int, on: bool) -> object:
        """Mark or unmark an invocation."""

    def note(self, id: int, text: str) -> object:
        """Write a note on an invocation."""

    def invoke(self, function: str, event: bytes, taken: Callable[[str], object] = ...) -> object:
        """Call a function once with an event of one's own; `taken` hears its row's request id, on any thread."""

    def answer_now(self, id: int) -> object:
        """Give the caller of a paused invocation a typed error; its handler runs on and ends as `late`."""

    def vscode(self) -> Path:
        """Write or update VS Code's launch.json entry; its path. Blocks for milliseconds."""

    @property
    def can_park(self) -> bool:
        """Whether what triggers the live stack outlives the session, and so can be left waiting."""

    def park_and_stop(self) -> object:
        """Switch that off, then end."""

    def redeploy(self) -> object:
        """Deploy the template as it is now."""

    def take_over(self) -> object:
        """Take the stage from the console that holds it."""


class DebugFace(Protocol):
    """The debugger as the console uses it: snapshots at once, everything else as a future.

    A future ends with `LivetuiError` when the worker ran on, is gone, or the expression raised.
    """

    def breakpoints(self) -> list[Breakpoint]:
        """All breakpoints, of the console and of every editor."""

    def paused(self) -> list[PausedThread]:
        """All threads that stand still."""

    def filters(self) -> ExceptionFilters:
        """Which errors stop."""

    at_deadline: AtDeadline
    """What happens to a paused call 3 s before Lambda gives up on it."""

    def post_mortem(self, id: int) -> PostMortem | None:
        """Frames and locals of an invocation's unhandled error."""

    def toggle(self, path: str, line: int) -> Future[Breakpoint | None]:
        """Set or remove a breakpoint."""

    def set(
        self, path: str, line: int, *, condition: str = "", hit: str = "", log: str = "", enabled: bool = True
    ) -> Future[Breakpoint]:
        """Set a breakpoint with all that it has."""

    def enable(self, path: str, line: int, enabled: bool = True) -> Future[None]:
        """Enable or disable one."""

    def stop_on_errors_of(self, id: int) -> Future[None]:
        """Stop on errors that handlers let out until the next replay of invocation `id` has ended."""

    def set_filters(self, uncaught: bool = False, raised: bool = False, classes: tuple[str, ...] = ()) -> Future[None]:
        """Choose which errors stop."""

    def siblings(self, thread_id: int) -> Future[list[PausedThread]]:
        """The other threads of a paused thread's worker; their names as `text`."""

    def look(self, thread_id: int) -> Future[Look]:
        """Frames of a paused thread, and the locals of the one to show first."""

    def locals(self, frame_id: int) -> Future[tuple[int, list[Variable]]]:
        """A frame's locals and the reference by which they are given other values."""

    def variables(self, reference: int) -> Future[list[Variable]]:
        """Children of a scope or a variable."""

    def evaluate(self, expression: str, frame_id: int | None = None) -> Future[Evaluated]:
        """Run an expression or a statement in a frame."""

    def watched(self, frame_id: int) -> Future[list[Watched]]:
        """The watch expressions and what they give in a frame."""

    def watch(self, old: str, new: str) -> Future[None]:
        """Change a watch expression; an empty `old` adds one, an empty `new` removes it."""

    def set_variable(self, reference: int, name: str, value: str) -> Future[Evaluated]:
        """Give a variable another value."""

    def resume(self, thread_id: int) -> Future[None]:
        """Run on."""

    def step(self, thread_id: int, how: Literal["over", "into", "out"]) -> Future[None]:
        """One step."""

    def run_to(self, thread_id: int, path: str, line: int) -> Future[None]:
        """Run on to a line."""


class RequestTaken(Message):
    """The call that was asked for here has arrived."""

    def __init__(self, request: str) -> None:
        super().__init__()
        self.request = request


class EventsWaiting(Message):
    """The engine said something that should not wait for the next tick."""

    def can_replace(self, message: Message) -> bool:
        """One waiting message is enough, however much has happened."""
        return isinstance(message, EventsWaiting)


class RowSelected(Message):
    """The cursor of the invocations list stands on another row."""

    def __init__(self, row: Row | None) -> None:
        super().__init__()
        self.row = row

    def can_replace(self, message: Message) -> bool:
        """Only the last row matters when the cursor moves fast."""
        return isinstance(message, RowSelected)


class RowOpened(Message):
    """Enter or a second click on a row."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row = row


class TargetOpened(Message):
    """A line that points at source code was opened."""

    def __init__(self, path: str, line: int) -> None:
        super().__init__()
        self.path = path
        self.line = line


class CopyRequested(Message):
    """Text should go to the clipboard; or, with a row, its event."""

    def __init__(self, text: str, title: str, row: Row | None = None) -> None:
        super().__init__()
        self.text = text
        self.title = title
        self.row = row
