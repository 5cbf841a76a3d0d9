"""Breakpoints, which errors stop, and the entry of an editor: what can be done while nothing is paused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from textual import on
from textual.screen import Screen

from livetui.errors import LivetuiError, UsageError
from livetui.session.debugging import Breakpoint, ExceptionFilters, mistake
from livetui.session.invocation import Row
from livetui.tui import text
from livetui.tui.messages import DebugFace, SessionFace
from livetui.tui.screens.prompt import Ask, Choose, Pick
from livetui.tui.widgets.debugger import DebugView, PointsPane
from livetui.tui.widgets.source import SourcePane

if TYPE_CHECKING:
    from livetui.tui.app import LivetuiApp

T = TypeVar("T")
_QUESTIONS = {
    "condition": ("Stop when", 'A Python expression, such as order["amount"] > 100. Empty: always.'),
    "hit": ("Stop at hits", "5 the fifth, >=3 from the third, %10 every tenth. Empty: every hit."),
    "log": ("Write", "Text with {expressions}; the call does not stop. Empty: stop instead."),
}


class PointActions(Screen[None]):
    """What the console does with the debugger without a paused call."""

    app: LivetuiApp
    session: SessionFace
    debugger: DebugView

    def open_source(self, path: str, number: int | None, here: int | None = None) -> bool:
        """Show a file; False when it cannot be read."""
        raise AssertionError("the main screen has its own")

    def chosen(self) -> Row | None:
        """The invocation that is looked at."""
        raise AssertionError("the main screen has its own")

    def replay_row(self, row: Row) -> None:
        """Run its event again."""
        raise AssertionError("the main screen has its own")

    @property
    def debug(self) -> DebugFace | None:
        """The session's debugger, where it has one."""
        return getattr(self.session, "debug", None)

    async def answer_of(self, future: Future[T]) -> T | None:
        """Wait for the debugger; what it refuses is told and gives None."""
        try:
            return await asyncio.wrap_future(future)
        except LivetuiError as error:
            self.app.tell(error)
            return None

    def ask_debugger(self, question: Callable[[DebugFace], Future[Any]]) -> None:
        """Ask for something whose answer comes as an event."""
        debug = self.debug
        if debug is None:
            self.app.notify("This session has no debugger.", severity="warning")
            return
        self.run_worker(self.answer_of(question(debug)), group="debug", description="debug")

    # -- what can be done ------------------------------------------------------------------------------------------

    def _place(self) -> tuple[str, int] | None:
        point = self.debugger.points.chosen
        if isinstance(self.focused, PointsPane):
            return None if point is None else (point.path, point.line)
        pane = self.debugger.source
        return (pane.path, pane.line_number) if pane.path else None

    def _point(self) -> Breakpoint | None:
        place, debug = self._place(), self.debug
        if place is None or debug is None:
            return None
        return next(
            (
                point
                for point in debug.breakpoints()
                if point.path == place[0] and place[1] in (point.line, point.asked)
            ),
            None,
        )

    def action_toggle_point(self) -> None:
        """Set or remove a breakpoint on this line."""
        place = self._place()
        if place is not None:
            self.ask_debugger(lambda debug: debug.toggle(*place))

    @on(SourcePane.Toggled)
    def _gutter_clicked(self, event: SourcePane.Toggled) -> None:
        self.ask_debugger(lambda debug: debug.toggle(event.path, event.line))

    @on(PointsPane.Chosen)
    def _point_chosen(self, event: PointsPane.Chosen) -> None:
        if self.open_source(event.point.path, event.point.line):
            self.debugger.source.focus()

    def action_point(self, what: Literal["condition", "hit", "log"]) -> None:
        """Ask for a condition, a hit count or a message, and set it."""
        place, known = self._place(), self._point()
        if place is None:
            return
        title, hint = _QUESTIONS[what]
        texts = {name: getattr(known, name) if known else "" for name in _QUESTIONS}

        def chosen(answer: str | None) -> None:
            if answer is not None:
                wanted = {**texts, what: answer.strip()}
                self.ask_debugger(
                    lambda debug: debug.set(
                        *place,
                        condition=wanted["condition"],
                        hit=wanted["hit"],
                        log=wanted["log"],
                        enabled=known is None or known.enabled,
                    )
                )

        problem = partial(mistake, what)
        self.app.push_screen(Ask(f"{title} · {Path(place[0]).name}:{place[1]}", texts[what], hint, problem), chosen)

    def action_enable_point(self) -> None:
        """Disable or enable this breakpoint."""
        point = self._point()
        if point is not None:
            self.ask_debugger(lambda debug: debug.enable(point.path, point.line, not point.enabled))

    def action_exceptions(self) -> None:
        """Choose which errors stop."""
        debug = self.debug
        if debug is None:
            return
        now = debug.filters()

        def chosen(answer: str | None) -> None:
            match answer:
                case "none":
                    self.ask_debugger(lambda face: face.set_filters())
                case "classes":
                    self._ask_classes(now)
                case "uncaught" | "raised":
                    self._stop_on(now, uncaught=True, raised=answer == "raised")

        marks = {"raised"} if now.raised else {"uncaught"} if now.uncaught else set()
        marks |= {"classes"} if now.classes else set() if marks else {"none"}
        picks = [
            Pick(id, f"{'●' if id in marks else '○'} {label}", remark)
            for id, label, remark in (
                ("none", "never", ""),
                ("uncaught", "errors the handler lets out", "shown where they are raised"),
                ("raised", "every exception", "handled ones too; slows handlers down"),
                ("classes", "exceptions of some classes …", ", ".join(now.classes) or "handled ones too"),
            )
        ]
        self.app.push_screen(Choose("Stop on", picks), chosen)

    def _stop_on(self, now: ExceptionFilters, *, uncaught: bool, raised: bool) -> None:
        self.ask_debugger(lambda debug: debug.set_filters(uncaught=uncaught, raised=raised, classes=now.classes))

    def _ask_classes(self, now: ExceptionFilters) -> None:
        def problem(answer: str) -> str:
            try:
                ExceptionFilters(classes=_names(answer)).check()
            except UsageError as error:
                return error.what
            return ""

        def chosen(answer: str | None) -> None:
            if answer is not None:
                self.ask_debugger(lambda debug: debug.set_filters(now.uncaught, now.raised, _names(answer)))

        hint = "ValueError, shop.errors.OutOfStock; where they are raised. Empty: none."
        self.app.push_screen(Ask("Stop on exceptions of", ", ".join(now.classes), hint, problem), chosen)

    def action_replay_debugged(self) -> None:
        """Run the chosen event again and stop where the handler's error is raised."""
        row, debug = self.chosen(), self.debug
        if row is None or debug is None:
            return

        async def replay() -> None:
            try:
                await asyncio.wrap_future(debug.stop_on_errors_of(row.id))
            except LivetuiError as error:
                self.app.tell(error)
                return
            self.replay_row(row)

        self.run_worker(replay(), group="debug", description="replay")

    def action_vscode(self) -> None:
        """Write VS Code's entry."""

        def write() -> None:
            path = self.session.vscode()
            self.app.notify(f"Run and Debug › livetui attaches now: {text.safe(str(path))}", markup=False)

        self.app.ask(write)


def _names(words: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words.replace(",", " ").split()))
