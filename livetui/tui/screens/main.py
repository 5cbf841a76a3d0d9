"""The screen people keep open: header, start-up line, views, footer; it takes the session's events in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from livetui.session.events import (
    BreakpointsChanged,
    CodeReloaded,
    DebugOutput,
    EditorsChanged,
    FunctionChanged,
    InvocationFinished,
    LinkChanged,
    LogLines,
    Notice,
    PostMortemTaken,
    SessionEnded,
    SessionEvent,
    SessionFailed,
    SessionLive,
    StackProgress,
    ThreadPaused,
    ThreadResumed,
)
from livetui.session.invocation import LogLine, Row
from livetui.tui import text
from livetui.tui.feed import Feed
from livetui.tui.keys import BACK_KEY, VIEW_KEYS
from livetui.tui.messages import EventsWaiting, RowOpened, RowSelected, SessionFace
from livetui.tui.screens.debugging import DebugActions
from livetui.tui.screens.failure import Answer, FailureScreen
from livetui.tui.screens.opening import OpenedRow
from livetui.tui.screens.records import RecordActions
from livetui.tui.summaries import Seen, function_badge, functions_document, link_document, stack_document
from livetui.tui.widgets.debugger import DebugView
from livetui.tui.widgets.details import Details
from livetui.tui.widgets.header import Header, endpoint_of, link_words
from livetui.tui.widgets.invocations_pane import InvocationsPane, words_of_filters
from livetui.tui.widgets.keys_line import KeysLine
from livetui.tui.widgets.progress import Progress, is_not_deployed, waiting_words
from livetui.tui.widgets.views import LogsPane, LogsView, TextView

if TYPE_CHECKING:
    from livetui.tui.app import LivetuiApp

TICK_S = 0.25
OTHERS_EVERY = 8
"""Ticks between two looks at whether another process wrote to the history."""
MAXIMISED = {"invocations-pane", "details", "source-pane", "points", "frames", "variables", "evaluate"}
"""Panes that can have the whole screen."""


class MainScreen(RecordActions, DebugActions, OpenedRow):
    """Everything that is always there. Its actions are in the classes that it inherits."""

    app: LivetuiApp
    BINDINGS: ClassVar[list[BindingType]] = [*VIEW_KEYS, BACK_KEY]
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012  (as Textual declares it)
        (0, "-stacked"),
        (100, "-beside"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-low"),
        (30, "-high"),
    ]

    def __init__(self, session: SessionFace, clock: Callable[[], float]) -> None:
        super().__init__()
        self.session = session
        self.clock = clock
        self.feed = Feed(lambda: self.post_message(EventsWaiting()))
        self.live: SessionLive | None = None
        self.failed: SessionFailed | None = None
        self.link: LinkChanged | None = None
        self.steps: list[StackProgress] = []
        self.header = Header()
        self.progress = Progress()
        self.invocations = InvocationsPane(clock, id="invocations-pane")
        self.table = self.invocations.table
        self.details = Details(id="details")
        self.views = ContentSwitcher(initial="invocations", id="views")
        self.functions = TextView("Functions", id="functions")
        self.stack = TextView("Stack", id="stack")
        self.logs = LogsView(id="logs")
        self.link_view = TextView("Link", id="link")
        self.debugger = DebugView(id="source")
        self.thread, self.frame, self.editors = None, None, ()
        self._frames, self._siblings = [], []
        self.stepping = False
        self.expected: Counter[int | str] = Counter()
        self.going = False
        self.seen = Seen()
        self.pinned = {}
        self.table.pinned = lambda id: id in self.pinned.values()
        self.invocations.pins = self.pinned.values
        self.past, self._filter = None, None
        self.ready = False
        """Whether every view is mounted and events are taken in."""
        self.lasting = ""
        """What the header says until the next deployment."""
        self._offline_since = ""
        self._ticks = 0

    def compose(self) -> ComposeResult:
        """Header, start-up line, views, footer."""
        yield self.header
        yield self.progress
        with self.views, Horizontal(id="invocations"):
            yield self.invocations
            yield self.details

    def on_mount(self) -> None:
        """Listen first, then look where the session stands, so that nothing falls between."""
        self._unsubscribe = self.session.subscribe(self.feed.put)
        status = self.session.status()
        self.live, self.failed, self.link = status.live, status.failed, status.link
        self.steps = list(status.steps)
        if self.link is not None:
            self.seen.linked(self.link)
        self.progress.expanded = self.live is None
        self._show_start()
        self._show_header()
        self.table.focus()
        # Nothing is drawn while the application starts, but a refresh counts as done: its first message comes later.
        self.app.call_later(self.call_after_refresh, self._mount_views)

    async def _mount_views(self) -> None:
        # The other views come after the first paint. Only then are events taken in: they may write to any of them.
        views = (self.functions, self.stack, self.logs, self.link_view, self.debugger)
        for view in views:
            view.display = False
        await self.details.fill()
        await self.mount(KeysLine(compact=True, show_command_palette=True))
        await self.views.mount(*views)
        self.set_interval(TICK_S, self.drain, name="drain")
        self.ready = True
        self.refresh_bindings()  # a footer that comes late is told of the keys only when they change
        self.read_again()
        self.app.begin()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Until every view is there, keys that are about one do nothing; nor can a stage be taken that nobody has."""
        return self.ready and (action != "take_over" or self.held) and super().check_action(action, parameters)

    @property
    def held(self) -> bool:
        """Whether another console has the stage."""
        link = self.link is not None and self.link.state in ("held", "taken-over")
        return link or (self.failed is not None and bool(self.failed.held_by))

    def on_unmount(self) -> None:
        """Hear no more."""
        self._unsubscribe()

    def _forget_failure(self) -> None:
        self.steps = [step for step in self.steps if not is_not_deployed(step)]
        self._show_start()

    # -- events ----------------------------------------------------------------------------------------------------

    @on(EventsWaiting)
    def drain(self) -> None:
        """Take in what happened since the last tick: rows in one batch, the rest one by one."""
        if not self.ready:
            return
        changed: dict[int, Row] = {}
        others: list[SessionEvent] = []
        for event in self.feed.take():
            row: Row | None = getattr(event, "row", None)
            if row is not None:
                changed[row.id] = row
                if isinstance(event, InvocationFinished):
                    self.seen.finished(row)
            else:
                others.append(event)
        if changed:
            self.take(changed)
        for event in others:  # they may speak of the rows
            self.hear(event)
        self._ticks += 1
        self.refresh_view()
        if self._ticks % OTHERS_EVERY == 0:
            self.run_worker(self.read_of_others, thread=True, group="rows", description="rows of others")
        if self._ticks % 4 == 0:
            self.table.refresh_clocks()
            if self.thread is not None:
                self.show_countdown()
        if len(self.feed):
            self.post_message(EventsWaiting())
        elif self.feed.lost:
            self._look_again()

    def _look_again(self) -> None:
        """Events were let go of: see how all stands that they may have told of."""
        self.feed.lost = False
        since, self.feed.lost_row = self.feed.lost_row, None
        if since is not None:
            self.read_again(since)
        status = self.session.status()
        for event, known in ((status.live, self.live), (status.failed, self.failed), (status.link, self.link)):
            if event is not None and event != known:
                self.hear(event)
        self.stand_again()
        self.load_soon()

    def hear(self, event: SessionEvent) -> None:
        """One event that is not a row's."""
        match event:
            case StackProgress():
                self.steps.append(event)
                self._show_start()
            case SessionLive():
                self.failed, self.lasting = None, ""
                self._forget_failure()
                self._functions_are(event)
                self.read_again()  # another console may have written rows, and what a killed one left open has an end
                self.progress.expanded = False
                self.invocations.suggests.words = words_of_filters(event.functions)
                self._show_header()
            case FunctionChanged() if self.live is not None:
                self._functions_are(event.of(self.live))
            case SessionFailed():
                self.failed = event
                self.progress.expanded = bool(self.steps)
                self._show_start()
                self._show_header()
                self._explain(event)
            case SessionEnded():
                # A start that failed has ended too: the user reads why, and leaves or tries again.
                if self.failed is None or self.app.leaving:
                    self.app.leave(event.exit_code)
            case LinkChanged():
                self._link_changed(event)
            case LogLines():
                self._log_lines(event)
            case ThreadPaused() | ThreadResumed() | BreakpointsChanged() | EditorsChanged():
                self.hear_debugger(event)
            case DebugOutput():
                self.logs.add(event.function, 0, [LogLine("stdout", each) for each in event.text.split("\n")])
            case PostMortemTaken():
                if self.details.row is not None and self.details.row.id == event.id:
                    self.load_soon()
            case CodeReloaded():
                self._code_reloaded(event)
            case Notice():
                severity = {"info": "information", "warning": "warning", "error": "error"}[event.level]
                words = "\n".join(map(text.safe, event.text[:1_000].split("\n")))
                if event.lasting is not None:
                    self.lasting = text.safe(event.lasting)[:60]
                    self.show_badges()
                    if not self.lasting:  # the template is again what is live
                        self._forget_failure()
                self.app.notify(words, severity=severity, markup=False)  # type: ignore[arg-type]
            case _:
                self.log.warning(f"an event of an unknown kind: {type(event).__name__}")

    def _explain(self, failed: SessionFailed) -> None:
        self.app.push_screen(FailureScreen(failed, self.progress.steps.document), self._failure_seen)

    def _failure_seen(self, answer: Answer | None) -> None:
        failed = self.failed
        if failed is None:
            return
        if answer == "quit":
            self.app.leave(failed.exit_code)
        elif answer in ("retry", "take-over"):
            self.restart(self.session.redeploy if answer == "retry" else self.session.take_over)
            if self.failed is failed:  # the settings cannot be read, which is told beside it
                self._explain(failed)

    def restart(self, ask: Callable[[], object]) -> None:
        """Start anew after a failure: what was done before is not shown with it."""
        if not self.app.ask(ask):
            return
        self.failed = self.live = self.link = None
        self.steps = []
        self.progress.expanded = True
        self._show_start()
        self._show_header()

    def _link_changed(self, event: LinkChanged) -> None:
        if event.state == "offline" and (self.link is None or self.link.state != "offline"):
            self._offline_since = text.clock(self.clock())[:5]
        self.link = event
        self.seen.linked(event)
        self._show_header()

    def _code_reloaded(self, event: CodeReloaded) -> None:
        name = text.safe(event.function)
        self.seen.reloads[event.function] = event
        self.follow_source()
        if event.error:
            self._say_trouble(f"✗ {name} does not import", event.error)
        else:
            self.app.notify(f"↻ {name} reloaded in {text.ms(event.ms)} ms", timeout=3, markup=False)
            self.replay_pinned(event.function)

    def _functions_are(self, live: SessionLive) -> None:
        """Show them; say what is wrong with some by now."""
        before, self.live = self.live, live
        for what, why in self.seen.troubles(before, live):
            self._say_trouble(what, why)
        self.show_badges()
        self._show_start()

    def _say_trouble(self, what: str, why: str) -> None:
        self.app.notify(text.safe(why)[:1_000], title=what, severity="error", timeout=10, markup=False)

    def _show_start(self) -> None:
        self.progress.show(self.steps, self.live, self.failed)
        self.invocations.waiting = waiting_words(self.live, self.failed)
        self._list_changed()

    def _show_header(self) -> None:
        settings = self.session.settings
        live = self.live
        app, stage = (live.app, live.stage) if live else (settings.app, settings.stage)
        place = "" if live is None else f"{text.short_account(live.account)}/{live.region}"
        if live is not None and live.local:
            place = f"local cloud/{live.region}"
        self.header.where = (text.safe(app), text.safe(stage), text.safe(place))
        self.header.link = link_words(self.link, live is not None, self._offline_since)
        if self.failed is not None:
            self.header.link = ("✗ not started" if live is None else "✗ ended · D starts anew", "error")
        self.header.endpoint = endpoint_of(live)

    # -- the selected row ------------------------------------------------------------------------------------------

    @on(RowSelected)
    def _row_selected(self, event: RowSelected) -> None:
        self.feed.watched = None if event.row is None else event.row.id
        if event.row is None:
            self.details.show_row(None, self.clock())
        self.load_soon()

    @on(LogsPane.Opened)
    def _log_opened(self, event: LogsPane.Opened) -> None:
        self.action_view("invocations")
        if self.table.stay(event.id):
            self.action_tab(3)
        else:
            self.app.notify(f"#{event.id} is not in the list: a filter hides it, or it is too old.", severity="warning")

    @on(RowOpened)
    def _row_opened(self, event: RowOpened) -> None:
        if self.table.following:
            self.table.stay(event.row.id)
        self.details.pane.focus()

    def rows_changed(self, changed: dict[int, Row], mine: list[int]) -> None:
        """Show the chosen one anew, and go to the user's own."""
        if mine:
            self.go_to_own(mine[0])
        row = self.details.row
        if row is not None and row.id in changed:
            self.details.show_row(changed[row.id], self.clock())
            self.load_soon()
        self.show_badges()

    def show_badges(self) -> None:
        """Write what stays true for a while: what is broken, what waits for a deployment, who is attached."""
        paused = sum(1 for each in self.table.rows.unfinished() if each.state == "paused")
        editors = f"{text.safe(', '.join(self.editors))[:40]} attached" if self.editors else ""
        badges = (function_badge(self.live), self.lasting, editors, f"‖ {paused} paused" if paused else "")
        self.header.badges = tuple(filter(None, badges))

    def _log_lines(self, event: LogLines) -> None:
        if self.details.row is not None and event.id == self.details.row.id:
            self.details.add_logs(event.lines, self.clock())
        row = self.table.rows.get(event.id)
        self.logs.add(event.function, event.id, event.lines, None if row is None else row.time)

    def refresh_view(self) -> None:
        """Show what changed in the view that is looked at; the others are made when they are."""
        match self.views.current:
            case "logs":
                self.logs.refresh_lines_shown()
            case "functions":
                self.functions.show(functions_document(self.live, self.seen, self.session.workers()))
            case "stack":
                self.stack.show(stack_document(self.live, self.steps))
            case "link":
                usage = self.session.usage() if self.live else None
                self.link_view.show(link_document(self.live, self.link, self.header.link[0], self.seen, usage))

    # -- moving about ----------------------------------------------------------------------------------------------

    def action_view(self, name: str) -> None:
        """Show another view."""
        self.views.current = self.progress.views.current = name
        self.refresh_view()
        first = next((each for each in self.query_one(f"#{name}").query("*") if each.focusable), None)
        if first is not None:
            first.focus()

    def action_back(self) -> None:
        """One step back: search, filter, maximised pane, details, view. Never quits."""
        if self.details.close_search():
            return
        if self.focused is self.invocations.filter:
            self.invocations.clear_filter()
            self.table.focus()
            return
        if self.maximized is not None:
            self.minimize()
        elif self.views.current != "invocations":
            self.action_view("invocations")
        elif self.focused is self.table:
            if not self.invocations.clear_filter():
                self.leave_session()
        else:
            self.table.focus()

    def action_maximise(self) -> None:
        """Give the focused pane the whole screen, or give it back."""
        if self.maximized is not None:
            self.minimize()
            return
        pane: Widget | None = self.focused
        while pane is not None and pane.id not in MAXIMISED:
            pane = pane.parent if isinstance(pane.parent, Widget) else None
        if pane is not None:
            self.maximize(pane, container=False)

    def action_toggle_steps(self) -> None:
        """Show or hide the steps of the start."""
        self.progress.expanded = not self.progress.expanded

    def action_tab(self, number: int) -> None:
        """Show a tab of the details."""
        self.details.choose_number(number)

    def action_redeploy(self) -> None:
        """Deploy the template as it is now."""
        if self.failed is not None:
            self.restart(self.session.redeploy)
        elif self.app.ask(self.session.redeploy):
            self.progress.expanded = True

    def action_take_over(self) -> None:
        """Take the stage from the console that holds it."""
        self.restart(self.session.take_over)

    def action_filter(self) -> None:
        """Type a filter."""
        self.action_view("invocations")
        self.invocations.filter.focus()
