"""The view of source and breakpoints; when a call is paused also its frames, variables and a line to evaluate in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from livetui.session.debugging import Breakpoint, Frame, PausedThread
from livetui.session.invocation import Row
from livetui.tui import text
from livetui.tui.documents import empty, of_lines
from livetui.tui.keys import FRAME_KEYS, POINT_KEYS, RUN_KEYS
from livetui.tui.text import Line
from livetui.tui.widgets.lines import LinesPane
from livetui.tui.widgets.source import SourcePane, glyph_of
from livetui.tui.widgets.variables import VariablesPane

MOST_ANSWERS = 500


class PointsPane(LinesPane, inherit_bindings=False):
    """The list of all breakpoints; enter goes there, `b` removes."""

    BINDINGS: ClassVar[list[BindingType]] = [*POINT_KEYS]

    class Chosen(Message):
        """The line of a breakpoint is to be shown."""

        def __init__(self, point: Breakpoint) -> None:
            super().__init__()
            self.point = point

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.points: list[Breakpoint] = []

    @property
    def chosen(self) -> Breakpoint | None:
        """The breakpoint under the cursor."""
        return self.points[self.current] if self.points and self.current < len(self.points) else None

    def fill(self, points: Sequence[Breakpoint]) -> None:
        """Show all breakpoints."""
        self.points = list(points)
        lines = [point_line(point) for point in points]
        self.show(
            of_lines(lines) if lines else empty("No breakpoints. b on a line of the source sets one."), keep=True
        )

    def action_open(self) -> None:
        """Show this line of the source."""
        if self.chosen is not None:
            self.post_message(self.Chosen(self.chosen))


class FramesPane(LinesPane, inherit_bindings=False):
    """The frames of the paused call, innermost first, then its other threads and the other calls that stand still."""

    BINDINGS: ClassVar[list[BindingType]] = [*FRAME_KEYS]

    class Chosen(Message):
        """A frame, or another paused call, was chosen."""

        def __init__(self, frame: Frame | None, thread: PausedThread | None) -> None:
            super().__init__()
            self.frame = frame
            self.thread = thread

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._frames: list[Frame] = []
        self._others: list[PausedThread] = []

    def fill(self, frames: Sequence[Frame], chosen: int, others: Sequence[PausedThread],
             rows: Mapping[str, int] = MappingProxyType({})) -> None:
        """Show frames; `chosen` is the one whose variables are shown. `others` are threads and paused calls besides.

        `rows` has the numbers of invocations by `work_id`.
        """
        self._frames, self._others = list(frames), list(others)
        width = max((len(frame.name) for frame in frames[:50]), default=0)
        lines: list[Line] = []
        for at, frame in enumerate(frames):
            role = "dim" if frame.subtle else "title" if at == chosen else ""
            lines.append(
                (
                    ("▶ " if at == chosen else "  ", "warn"),
                    (text.safe(frame.name)[:60].ljust(min(width, 60)) + "  ", role),
                    (f"{text.safe(Path(frame.path).name)}:{frame.line}", "dim"),
                )
            )
        if others:
            lines.append(((" ", ""),))
        lines += [
            (
                (
                    f"· {text.safe(other.text)[:40]}  "
                    if other.reason == "thread"
                    else f"‖ {f'#{rows[other.work_id]}' if other.work_id in rows else f'worker {other.pid}'}  ",
                    "warn",
                ),
                (f"{text.safe(other.function_id)} {text.safe(Path(other.path).name)}:{other.line}", "dim"),
            )
            for other in others
        ]
        self.show(of_lines(lines) if lines else empty("…"), keep=True)

    def action_open(self) -> None:
        """Look at this frame, or at this other call."""
        at = self.current
        if at < len(self._frames):
            self.post_message(self.Chosen(self._frames[at], None))
        elif at - len(self._frames) - 1 in range(len(self._others)):
            self.post_message(self.Chosen(None, self._others[at - len(self._frames) - 1]))


class Evaluate(Vertical):
    """A line for expressions, and what they gave. The keys that let a call run on work while one types."""

    BINDINGS: ClassVar[list[BindingType]] = [*RUN_KEYS]

    class Asked(Message):
        """An expression, or `name = value`, is to be run in the frame."""

        def __init__(self, expression: str) -> None:
            super().__init__()
            self.expression = expression

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.pane = LinesPane(id="answers")
        self.line = Input(placeholder="expression, or name = value", id="expression", select_on_focus=False)
        self._lines: list[Line] = []

    def compose(self) -> ComposeResult:
        """The line first, for tab; it is docked below the answers, which have the focus only when there are any."""
        yield self.line
        yield self.pane

    def on_mount(self) -> None:
        """Nothing was asked yet."""
        self.pane.can_focus = False

    def on_click(self) -> None:
        """Where there is no answer to click on, the line is meant."""
        if not self.pane.can_focus:
            self.line.focus()

    @on(Input.Submitted, "#expression")
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        words = event.value.strip()
        if words:
            self.line.value = ""
            self.answer(words, "", "title", "> ")
            self.post_message(self.Asked(words))

    def answer(self, words: str, kind: str, role: str = "", lead: str = "") -> None:
        """Write an answer below what is there."""
        for at, each in enumerate(words.split("\n")[:200]):
            self._lines.append(((lead if at == 0 else "  ", "dim"), *text.line(each, role)))
        if kind:
            self._lines[-1] = (*self._lines[-1], (f"  {text.safe(kind)}", "dim"))
        del self._lines[:-MOST_ANSWERS]
        self.pane.show(of_lines(list(self._lines), wrap=True), keep=True)
        self.pane.can_focus = True
        self.pane.action_bottom()


class DebugView(Vertical):
    """Source on top; below it the list of breakpoints, or what is known of the paused call."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.source = SourcePane(id="source-pane")
        self.points = PointsPane(id="points")
        self.frames = FramesPane(id="frames")
        self.variables = VariablesPane(id="variables")
        self.evaluate = Evaluate(id="evaluate")
        self._paused = Horizontal(id="paused")

    def compose(self) -> ComposeResult:
        """Source, then breakpoints or the paused call."""
        yield self.source
        yield self.points
        with self._paused:
            yield self.frames
            yield self.variables
            yield self.evaluate

    def on_mount(self) -> None:
        """Titles."""
        self.source.border_title, self.points.border_title = "Source", "Breakpoints"
        self.frames.border_title, self.variables.border_title, self.evaluate.border_title = (
            "Frames",
            "Variables",
            "Evaluate",
        )
        self.source.mark([])
        self.points.fill([])
        self.show_paused(False)

    def show_paused(self, on_: bool) -> None:
        """Show what belongs to a paused call, or the list of breakpoints."""
        self._paused.display = on_
        self.points.display = not on_
        self.source.set_class(on_, "-paused")

    def title(
        self,
        thread: PausedThread | None,
        row: Row | None,
        root: str,
        now: float,
        caller_waits: float | None = None,
        then: str = "",
    ) -> None:
        """The words of the source's frame: what stands where, how long it may, and what happens `then`."""
        path = self.source.path
        shown = text.safe(path.removeprefix(root.rstrip("/") + "/")) if path else "Source"
        if thread is None:
            self.source.border_title, self.source.border_subtitle = Content(shown), ""
            return
        number = f"#{row.id} " if row is not None else ""
        stale = " · stale code: saved since it started" if thread.stale else ""
        why = f" · {text.safe(thread.text)[:80]}" if thread.text else ""
        self.source.border_title = Content(
            f"‖ {number}{text.safe(thread.function_id)} · {shown}:{thread.line}{why} · worker {thread.pid}{stale}"
        )
        self.source.border_subtitle = Content(countdowns(row, now, caller_waits, then))


def countdowns(row: Row | None, now: float, caller_waits: float | None = None, then: str = "") -> str:
    """How long Lambda and the caller still wait; `caller_waits` is the caller's own limit in seconds."""
    if row is None:
        return ""
    if row.deadline == 0:
        return "the caller has its answer"
    parts = []
    if row.deadline is not None:
        left = row.deadline - now
        parts.append(f"Lambda deadline {text.countdown(left)}" if left > 0 else "Lambda has given up")
        if then and 3 < left < 30:
            parts[-1] += f", {then}"
    if row.replay_of is None and caller_waits is not None:
        left = row.time + caller_waits - now
        parts.append(f"caller gone in {text.countdown(left)}" if left > 0 else "the caller is gone")
    return " · ".join(parts)


def point_line(point: Breakpoint) -> Line:
    """A breakpoint in one line: where, when it stops, who set it."""
    when = "".join(
        f"  {label} {value}"
        for label, value in (("when", point.condition), ("hits", point.hit), ("log", point.log))
        if value
    )
    owners = f"  {', '.join(point.owners)}" if point.owners else ""
    message = f"  {point.message}" if not point.verified else ""
    return (
        (f"{glyph_of(point)} ", "point"),
        (f"{text.safe(Path(point.path).name)}:{point.line}", "link"),
        (text.safe(when)[:300], ""),
        (text.safe(message)[:200], "warn"),
        ("" if point.enabled else "  disabled", "dim"),
        (text.safe(owners)[:100], "dim"),
    )
