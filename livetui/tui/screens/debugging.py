"""What can be done with breakpoints and paused calls; every question to the debugger is a future that is awaited."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeVar, cast

from textual import on
from textual.widgets import ContentSwitcher, Input
from textual.worker import WorkType

from livetui.errors import LivetuiError
from livetui.session.debugging import Frame, PausedThread, Variable, mistake
from livetui.session.events import BreakpointsChanged, EditorsChanged, SessionLive, ThreadPaused, ThreadResumed
from livetui.session.invocation import Row
from livetui.session.secrets import MASK
from livetui.session.trigger import caller_waits_s
from livetui.tui import text
from livetui.tui.files import is_file, missing, named
from livetui.tui.messages import DebugFace
from livetui.tui.outside import editor_command, run_outside
from livetui.tui.python_source import first_statement, read_source
from livetui.tui.screens.breakpoints import PointActions
from livetui.tui.screens.prompt import Ask, Choose, Pick
from livetui.tui.widgets.debugger import Evaluate, FramesPane
from livetui.tui.widgets.variables import VariablesPane

if TYPE_CHECKING:
    from livetui.config import AtDeadline
    from livetui.tui.widgets.details import Details
    from livetui.tui.widgets.invocations import InvocationList

T = TypeVar("T")
_AT_DEADLINE = (
    ("answer", "answer its caller with an error", "it stays paused and ends as late"),
    ("continue", "let it run on", "its caller gets its answer if it is quick"),
    ("wait", "nothing", "Lambda times out; it stays paused"),
)
STEP_S = 1.0
"""How long a step may take before another paused call is shown."""

_OWN_FRAME = re.compile(r'\ATraceback \(most recent call last\):\n  File "<string>", line 1, in <module>\n(?!  File )')
"""How the traceback of an expression begins that is wrong itself: it says nothing of the code."""
_OF_A_PAUSE = frozenset(("resume", "resume_all", "step", "run_to", "answer_now", "watch", "set_variable"))
_THEN = {"answer": "then its caller is answered", "continue": "then it runs on", "wait": ""}


class DebugActions(PointActions):
    """The main screen inherits them."""

    clock: Callable[[], float]
    live: SessionLive | None
    table: InvocationList
    details: Details
    views: ContentSwitcher
    thread: PausedThread | None
    """The paused call that is looked at."""
    frame: Frame | None
    editors: tuple[str, ...]
    stepping: bool
    """A step was asked for: the call stops again in a moment."""
    _frames: list[Frame]
    _siblings: list[PausedThread]

    # -- what the debugger tells -----------------------------------------------------------------------------------

    def hear_debugger(self, event: ThreadPaused | ThreadResumed | BreakpointsChanged | EditorsChanged) -> None:
        """A pause, its end, other breakpoints, other editors."""
        match event:
            case ThreadPaused():
                self._paused(event.paused)
            case ThreadResumed():
                if self.thread is None:
                    return
                if self.thread.pid != event.paused.pid:
                    self._fill_frames()
                elif self.stepping:
                    # A step runs on and stops again at once; if it does not, the call has ended.
                    self.set_timer(STEP_S, lambda: self._step_ended(event.paused))
                else:
                    self._resumed()
            case BreakpointsChanged():
                self.follow_source()
                self.debugger.points.fill(event.breakpoints)
                self.debugger.source.mark(event.breakpoints)
            case EditorsChanged():
                self.editors = tuple(event.editors)
                self.show_badges()

    def stand_again(self) -> None:
        """Which calls stand, and where breakpoints are, was not told: see."""
        if self.debug is None or self.thread is None or self.thread not in self.debug.paused():
            self.stepping = False
            self._resumed()
        self._mark()

    def _step_ended(self, thread: PausedThread) -> None:
        if self.stepping and self.thread is not None and self.thread.pid == thread.pid:
            self.stepping = False
            self._resumed()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of a paused call are shown, and do something, only while one is."""
        return self.thread is not None if action in _OF_A_PAUSE else super().check_action(action, parameters)

    def on_screen_resume(self) -> None:
        """A dialog has closed: a call may have stopped, or run on, behind it."""
        self.refresh_bindings()

    def show_badges(self) -> None:
        """Write how many calls are paused and which editors are attached."""
        raise AssertionError("the main screen has its own")

    def _paused(self, thread: PausedThread) -> None:
        if self.thread is not None and self.thread.pid != thread.pid:
            self._fill_frames()
            row = self.row_of(thread) if thread.work_id else None
            number = "" if row is None else f"#{row.id} "
            place = f"{text.safe(Path(thread.path).name)}:{thread.line}"
            self.app.notify(f"‖ {number}{text.safe(thread.function_id)} stands at {place} too.", markup=False)
            return
        self.stepping = False
        self.look_at(thread, turn=True)

    def look_at(self, thread: PausedThread, *, turn: bool = False) -> None:
        """Show a paused call; `turn` to the source view, too."""
        self.thread, self.frame, self._frames, self._siblings = thread, None, [], []
        self._look_into(partial(self._read_stack, thread, turn))

    def _look_into(self, reading: WorkType[None]) -> None:
        # A callable, because the next one may take its place before it began.
        self.run_worker(reading, group="stack", exclusive=True, description="stack")

    def _resumed(self) -> None:
        self.thread, self.frame = None, None
        debug = self.debug
        others = debug.paused() if debug is not None else []
        if others:
            self.look_at(others[0])
            return
        self.refresh_bindings()
        self.debugger.source.here = None
        self.debugger.show_paused(False)
        self._mark()

    def _mark(self) -> None:
        debug = self.debug
        points = debug.breakpoints() if debug is not None else []
        self.debugger.points.fill(points)
        self.debugger.source.mark(points)
        self.show_countdown()

    async def _read_stack(self, thread: PausedThread, turn: bool) -> None:
        debug = self.debug
        assert debug is not None
        found = await self.answer_of(debug.look(thread.thread_id))
        if self.thread is not thread:
            return
        if found is None and not self.stepping and all(each.pid != thread.pid for each in debug.paused()):
            self._resumed()  # it was gone before this was told
            return
        # From here on without a pause, so that it is laid out and drawn once.
        # The user set the breakpoint to be shown this; who is typing, or steps from another pane, is not torn away.
        if turn and self.app.screen is self and not isinstance(self.focused, Input) and self.views.current != "source":
            self.action_view("source")
        self.debugger.show_paused(True)
        if found is None:
            self.open_source(thread.path, thread.line, thread.line)
            self.refresh_bindings()
            return
        self._show_frame(found.frame, found.frames, found.reference, found.variables)
        self.call_after_refresh(self.refresh_bindings)  # the footer is made anew: not before the call is on screen
        await self._read_watches(debug, found.frame)
        siblings = await self.answer_of(debug.siblings(thread.thread_id))
        if siblings and self.thread is thread:
            self._siblings = siblings
            self._fill_frames()

    async def _choose_frame(self, frame: Frame, frames: list[Frame]) -> None:
        debug = self.debug
        if debug is None or self.thread is None:
            return
        self.frame = frame
        found = await self.answer_of(debug.locals(frame.id))
        if found is not None and self.frame is frame:
            self._show_frame(frame, frames, *found)
            await self._read_watches(debug, frame)

    def _show_frame(self, frame: Frame, frames: list[Frame], reference: int, variables: list[Variable]) -> None:
        self.frame, self._frames = frame, frames
        self._fill_frames()
        self.open_source(frame.path, frame.line, frame.line)
        self.debugger.variables.fill(variables, reference)

    async def _read_watches(self, debug: DebugFace, frame: Frame) -> None:
        watched = await self.answer_of(debug.watched(frame.id))
        if watched is not None and self.frame is frame:
            self.debugger.variables.fill_watches(watched)

    def _fill_frames(self) -> None:
        """Show the frames of the call that is looked at, its other threads and the other calls that stand now."""
        debug, thread = self.debug, self.thread
        others = (
            []
            if debug is None or thread is None
            else [each for each in debug.paused() if each.pid != thread.pid]
        )
        rows = {each.work_id: row.id for each in others if each.work_id and (row := self.row_of(each))}
        others.sort(key=lambda each: rows.get(each.work_id, 0))
        chosen = self._frames.index(self.frame) if self.frame in self._frames else 0
        self.debugger.frames.fill(self._frames, chosen, [*self._siblings, *others], rows)

    @on(FramesPane.Chosen)
    def _frame_chosen(self, event: FramesPane.Chosen) -> None:
        if event.thread is not None:
            self.look_at(event.thread)
        elif event.frame is not None:
            self._look_into(partial(self._choose_frame, event.frame, self._frames))

    @on(VariablesPane.Wanted)
    def _children_wanted(self, event: VariablesPane.Wanted) -> None:
        async def read() -> None:
            debug = self.debug
            if debug is not None:
                children = await self.answer_of(debug.variables(event.node.variable.reference))
                if children is not None:
                    self.debugger.variables.add(event.node, children)

        self.run_worker(read(), group="children", description="children")

    @on(Evaluate.Asked)
    def _evaluate(self, event: Evaluate.Asked) -> None:
        async def ask() -> None:
            debug = self.debug
            if debug is None or self.frame is None:
                self.debugger.evaluate.answer("Nothing is paused.", "", "error")
                return
            try:
                frame, frames = self.frame, self._frames
                given = await asyncio.wrap_future(debug.evaluate(event.expression, frame.id))
            except LivetuiError as error:
                self.debugger.evaluate.answer(_OWN_FRAME.sub("", error.what.strip()), "", "error")
                return
            self.debugger.evaluate.answer(given.value, given.type)
            if self.frame is frame:  # not another call meanwhile; a statement may have changed what is shown
                await self._choose_frame(frame, frames)

        self.run_worker(ask(), group="evaluate", description="evaluate")

    # -- source ----------------------------------------------------------------------------------------------------

    def open_source(self, path: str, number: int | None, here: int | None = None) -> bool:
        """Show a file; False when it cannot be read."""
        debug = self.debug
        try:
            source = read_source(path)
        except LivetuiError as error:
            self.app.tell(error)
            return False
        self.debugger.source.open(path, source, number, here, debug.breakpoints() if debug is not None else [])
        self.show_countdown()
        return True

    def follow_source(self) -> None:
        """Show the file anew when it was saved, unless a paused call still runs the older text."""
        pane = self.debugger.source
        if not pane.path or self.thread is not None:
            return
        with contextlib.suppress(LivetuiError):  # it is just being written, or gone: what was read stays
            source = read_source(pane.path)
            if source != pane.text:
                pane.open(pane.path, source, pane.line_number, None, self.debug.breakpoints() if self.debug else [])

    def show_countdown(self) -> None:
        """Write how long the paused call may stand."""
        thread = self.thread
        row = None if thread is None else self.row_of(thread)
        then = "" if self.debug is None else _THEN[self.debug.at_deadline]
        self.debugger.title(thread, row, str(self.session.settings.root), self.clock(), self._caller_waits(row), then)
        if row is not None and self.details.row == row:
            self.details.show_row(row, self.clock())

    def _caller_waits(self, row: Row | None) -> float | None:
        if row is None:
            return None
        if self._waits is None or self._waits[0] != row.id:
            try:
                self._waits = (row.id, caller_waits_s(self.session.invocation(row.id).event))
            except LivetuiError:  # dropped from the store: nobody knows
                self._waits = (row.id, None)
        return self._waits[1]

    _waits: tuple[int, float | None] | None = None

    def row_of(self, thread: PausedThread) -> Row | None:
        """The row of a paused call."""
        id = self._rows_of_calls.get(thread.work_id)
        if id is None:
            id = self._row_among_paused(thread)
            if id is not None and thread.work_id:
                self._rows_of_calls = {**self._rows_of_calls, thread.work_id: id}
        return None if id is None else self.table.rows.get(id)

    _rows_of_calls: Mapping[str, int] = MappingProxyType({})

    def _row_among_paused(self, thread: PausedThread) -> int | None:
        found = [
            row for row in self.table.rows.unfinished() if row.state == "paused" and row.function == thread.function_id
        ]
        if len(found) > 1 and thread.work_id:
            # Several calls of one function stand still: the attempt tells them apart. There are never many.
            found = [row for row in found[:20] if self._attempt_of(row) == thread.work_id]
        return found[0].id if found else None

    def _attempt_of(self, row: Row) -> str:
        try:
            return self.session.invocation(row.id).attempt
        except LivetuiError:  # dropped from the store: it is not the one
            return ""

    def handler_file(self, function: str) -> str:
        """The file of a function's handler; empty when it is not known."""
        known = self.live.functions.get(function) if self.live else None
        if known is None or not known.code_root or "." not in known.handler:
            return ""
        module = known.handler.rsplit(".", 1)[0].replace(".", "/")
        tried = [Path(known.code_root, f"{module}.py"), Path(known.code_root, module, "__init__.py")]
        return next((str(path) for path in tried if is_file(path)), "")

    def action_source(self) -> None:
        """Show the source of the chosen invocation's handler."""
        row = None if self.thread is not None else self.table.meant() or self.details.row
        path = "" if row is None else self.handler_file(row.function)
        if row is not None and path and path != self.debugger.source.path:
            self._open_handler(row.function, path)
        elif not path and not self.debugger.source.path:
            self.app.notify("The handler's file is not known yet. O chooses a function.", severity="warning")
        self._mark()
        self.action_view("source")

    def _open_handler(self, function: str, path: str) -> None:
        """Show a handler's file where a breakpoint stops every call."""
        name = self.live.functions[function].handler.rpartition(".")[2] if self.live else ""
        self.open_source(path, first_statement(path, name))

    def action_view(self, name: str) -> None:
        """Show another view."""
        raise AssertionError("the main screen has its own")

    def action_choose_source(self) -> None:
        """Choose a function whose handler is shown."""
        found = [(name, self.handler_file(name)) for name in (self.live.functions if self.live else {})]
        picks = [Pick(name, name, Path(path).name) for name, path in found if path]

        def chosen(function: str | None) -> None:
            if function:
                self._open_handler(function, self.handler_file(function))
            elif function is not None:
                self._ask_file()

        self.app.push_screen(Choose("Show whose handler?", [*picks, Pick("", "another file …", "by its name")]), chosen)

    def _ask_file(self) -> None:
        root = self.session.settings.root

        def chosen(answer: str | None) -> None:
            if answer:
                self.open_source(str(named(root, answer).resolve()), 1)

        hint = f"Below {root}, or absolute."
        self.app.push_screen(Ask("Show which file?", hint=hint, problem=partial(missing, root)), chosen)

    def action_edit_source(self) -> None:
        """Open this line in $EDITOR."""
        pane = self.debugger.source
        if pane.path:
            self.app.ask(lambda: run_outside(self.app, editor_command(pane.path, pane.line_number)))
            self.open_source(pane.path, pane.line_number, pane.here)

    # -- running on ------------------------------------------------------------------------------------------------

    def _with_thread(self, question: Callable[[DebugFace, int], Future[None]]) -> None:
        thread = self.thread
        if thread is None:
            self.app.notify("Nothing is paused.", severity="warning", timeout=2)
            return
        self.ask_debugger(lambda debug: question(debug, thread.thread_id))

    def action_resume(self) -> None:
        """Let the paused call run on."""
        self.stepping = False
        self._with_thread(lambda debug, thread: debug.resume(thread))

    def action_resume_all(self) -> None:
        """Let every paused call run on."""
        self.stepping = False
        for paused in [] if self.debug is None else self.debug.paused():
            self.ask_debugger(lambda debug, thread=paused.thread_id: debug.resume(thread))  # type: ignore[misc]

    def action_step(self, how: Literal["over", "into", "out"]) -> None:
        """One step."""
        self.stepping = self.thread is not None
        self._with_thread(lambda debug, thread: debug.step(thread, how))

    def action_run_to(self) -> None:
        """Let the paused call run to this line."""
        pane = self.debugger.source
        self.stepping = self.thread is not None
        self._with_thread(lambda debug, thread: debug.run_to(thread, pane.path, pane.line_number))

    def action_answer_now(self) -> None:
        """Give the caller of the paused call a typed error now."""
        row = None if self.thread is None else self.row_of(self.thread)
        if row is None:
            self.app.notify("Nothing is paused.", severity="warning", timeout=2)
            return
        self.app.ask(lambda: self.session.answer_now(row.id))  # the session tells how it went

    def action_at_deadline(self) -> None:
        """Choose what happens to a paused call before Lambda gives up on it."""
        debug = self.debug
        if debug is None:
            return

        def chosen(answer: str | None) -> None:
            if answer is not None:
                debug.at_deadline = cast("AtDeadline", answer)
                self.show_countdown()

        picks = [
            Pick(id, f"{'●' if id == debug.at_deadline else '○'} {label}", remark) for id, label, remark in _AT_DEADLINE
        ]
        self.app.push_screen(Choose("3 s before Lambda gives up on a paused call", picks), chosen)

    def action_watch(self) -> None:
        """Watch an expression; change or remove the one under the cursor."""
        pane, debug, frame = self.debugger.variables, self.debug, self.frame
        if debug is None or frame is None:
            return
        node = pane.chosen if pane.has_focus else None
        old = "" if node is None else node.watch
        suggested = old or ("" if node is None else node.variable.expression)

        async def change(new: str) -> None:
            try:
                await asyncio.wrap_future(debug.watch(old, new))
            except LivetuiError as error:
                self.app.tell(error)
            if self.frame is frame:
                await self._read_watches(debug, frame)

        def chosen(answer: str | None) -> None:
            if answer is not None and (answer.strip() or old):
                self.run_worker(change(answer), group="watch", description="watch")

        hint = "A Python expression, evaluated at every stop." + " Empty: no longer." * bool(old)
        self.app.push_screen(Ask("Watch", suggested, hint, partial(mistake, "expression"), replace=not old), chosen)

    def action_set_variable(self) -> None:
        """Give a variable another value."""
        pane = self.debugger.variables
        node = pane.chosen
        if node is None or self.frame is None:
            return
        told = pane.told(node.variable)

        def chosen(answer: str | None) -> None:
            if answer is not None:
                self.run_worker(set_it(answer), group="evaluate", description="set")

        async def set_it(value: str) -> None:
            debug, frame, frames = self.debug, self.frame, self._frames
            if debug is not None and frame is not None:
                given = await self.answer_of(
                    debug.evaluate(f"{node.watch} = {value}", frame.id)
                    if node.watch
                    else debug.set_variable(node.parent, node.variable.name, value)
                )
                if given is not None and self.frame is frame:
                    await self._choose_frame(frame, frames)

        hint = "A Python expression. ctrl+u empties the line."
        value = "" if MASK in told else told[:1_000]
        self.app.push_screen(Ask(f"Set {node.variable.name} to", value, hint), chosen)
