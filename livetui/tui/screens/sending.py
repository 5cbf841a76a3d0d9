"""Events that are written or changed by hand before they are run: of a row, a sample, a file, or pasted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on

from livetui.errors import LivetuiError
from livetui.session.invocation import Row
from livetui.tui import text
from livetui.tui.files import missing, named
from livetui.tui.messages import RequestTaken
from livetui.tui.screens.history import ShownRows
from livetui.tui.screens.prompt import Ask, Choose, Pick

if TYPE_CHECKING:
    from livetui.session.events import SessionLive
    from livetui.tui.screens.edit import Draft
    from livetui.tui.widgets.details import Details

MOST_IMPORTED = 24 * 1024 * 1024
"""Bytes of a file with an event in it; escapes make an export several times as large as its event."""


def is_like(sample: str, trigger: str) -> bool:
    """Whether a sample event comes from the same source as an event with this trigger."""
    kind = trigger.partition(" ")[0]
    names = ("http-api", "rest-api") if kind.isupper() else ("eventbridge",) if kind == "event" else (kind,)
    return sample.startswith(names)


class EventActions(ShownRows):
    """Edit and replay, invoke with; the main screen inherits them."""

    live: SessionLive | None
    details: Details

    def chosen(self) -> Row | None:
        """The row that actions are about; says so when there is none."""
        row = self.table.meant() or self.details.row
        if row is None:
            self.app.notify("Choose an invocation first.", severity="warning")
        return row

    def action_edit(self) -> None:
        """Change the event, then run it as a new row."""
        row = self.chosen()
        if row is None:
            return

        def send(event: bytes) -> None:
            if self.app.ask(lambda: self.session.replay(row.id, event)):
                self.expect(row.id)

        masked = self.details.opened is None or not self.details.opened.unmasked
        title = f"Edit #{row.id} {row.function} · {row.trigger}"
        self._edit(title, "Replay", lambda: self.session.invocation(row.id).event, send, masked)

    def _edit(self, title: str, verb: str, read: Callable[[], bytes], send: Callable[[bytes], None],
              masked: bool = False) -> None:
        """Read an event in a thread, have it edited, here or in $EDITOR when it is large, then send it."""
        from livetui.tui.screens.edit import EDITABLE, EditScreen, draft_of  # with grammars: read when one edits

        def prepare() -> Callable[[], None]:
            draft = draft_of(read(), masked)
            if len(draft.text) > EDITABLE:
                return lambda: self._edit_outside(draft, verb, send)
            return lambda: opened(draft)

        def opened(draft: Draft) -> None:
            self.app.push_screen(EditScreen(title, draft, verb), lambda event: None if event is None else send(event))

        self._in_thread(prepare)

    def _edit_outside(self, draft: Draft, verb: str, send: Callable[[bytes], None]) -> None:
        edited = self.app.edit_outside(draft.text)
        if edited is None:
            return

        def check() -> Callable[[], None]:
            if edited == draft.text and verb == "Replay":  # r does that
                raise LivetuiError("The event was not sent.", "Nothing was changed.")
            event = draft.sent(edited)
            return lambda: send(event)

        self._in_thread(check)

    def _in_thread(self, work: Callable[[], Callable[[], None]]) -> None:
        """Do what takes a while in a thread, then what comes of it on the screen; what is refused is told."""

        def run() -> None:
            try:
                then = work()
            except LivetuiError as error:
                then = partial(self.app.tell, error)
            self.app.call_from_thread(then)

        self.run_worker(run, thread=True, group="event", description="event")

    def action_sample(self) -> None:
        """Send an event of one's own to a function."""
        functions = [name for name, function in (self.live.functions if self.live else {}).items() if function.live]
        if not functions:
            self.app.notify("No function is live yet.", severity="warning")
            return

        def chosen(function: str | None) -> None:
            if function is not None:
                self._choose_sample(function)

        current = self.table.meant()
        functions.sort(key=lambda name: (current is None or name != current.function, name))
        self.app.push_screen(Choose("Invoke which function?", [Pick(name, name) for name in functions]), chosen)

    def _choose_sample(self, function: str) -> None:
        def chosen(name: str | None) -> None:
            match name:
                case None:
                    return
                case "file":
                    self._ask_event_file(function)
                case "paste":
                    self._paste(function)
                case "":
                    self._edit_and_invoke(function, lambda: b"{}")
                case captured if captured.startswith("#"):
                    self._edit_and_invoke(function, lambda: self.session.invocation(int(captured[1:])).event, True)
                case _:
                    self._edit_and_invoke(function, partial(self.app.sample, name))

        def captured_as(row: Row) -> Pick:
            return Pick(f"#{row.id}", f"#{row.id}", f"{text.clock(row.time)}  {row.trigger}")

        rows = [row for row in self.table.rows.all() if row.function == function]
        last = {row.trigger: row for row in rows if row.replay_of is None}
        samples = [pick for pick in self.app.samples() if pick.id != "empty"]
        near = [pick for pick in samples if any(is_like(pick.id, trigger) for trigger in last)]
        picks = [
            *map(captured_as, list(last.values())[:-4:-1]),
            *near,
            Pick("", "an empty event", "{}"),
            Pick("paste", "pasted text …", "JSON, or an export: curl, aws lambda invoke, pytest"),
            Pick("file", "a file …", "the same, by its name"),
            *(pick for pick in samples if pick not in near),
        ]
        self.app.push_screen(Choose(f"Invoke {function} with", picks), chosen)

    def _edit_and_invoke(self, function: str, read: Callable[[], bytes], masked: bool = False) -> None:
        self._edit(f"Invoke {function}", "Invoke", read, partial(self._invoke, function), masked)

    def _paste(self, function: str) -> None:
        from livetui.tui.screens.edit import ImportScreen

        def send(event: bytes | None) -> None:
            if event is not None:
                self._invoke(function, event)

        self.app.push_screen(ImportScreen(f"Invoke {function}", self._routes_of(function)), send)

    def _routes_of(self, function: str) -> tuple[str, ...]:
        info = self.live.functions.get(function) if self.live else None
        return info.routes if info is not None else ()

    def _ask_event_file(self, function: str) -> None:
        root = self.session.settings.root

        def chosen(answer: str | None) -> None:
            if answer:
                self._edit_and_invoke(function, partial(read_event, named(root, answer), self._routes_of(function)))

        question = Ask(f"Invoke {function} with which file?", hint=f"Below {root}.", problem=partial(missing, root))
        self.app.push_screen(question, chosen)

    def _invoke(self, function: str, event: bytes) -> None:
        def taken(request: str) -> None:
            self.post_message(RequestTaken(request))

        if self.app.ask(lambda: self.session.invoke(function, event, taken)):
            self.app.notify(f"Sent to {text.safe(function)}; its row comes in a moment.", timeout=3, markup=False)

    @on(RequestTaken)
    def _request_taken(self, event: RequestTaken) -> None:
        self.expect(event.request)
        id = self.table.let_through(event.request)
        if id is not None:  # its row was faster
            del self.expected[event.request]
            self.go_to_own(id)


def read_event(path: Path, routes: tuple[str, ...]) -> bytes:
    """The event in a file. Raises `LivetuiError` when there is none."""
    from livetui.session import export

    try:
        if path.stat().st_size > MOST_IMPORTED:
            raise LivetuiError(f"{path.name} is too large.", "Lambda takes at most 6 MB.")
        return export.import_event(path.read_text("utf-8"), routes)
    except (OSError, UnicodeDecodeError) as error:
        raise LivetuiError(f"{path.name} cannot be read.", str(error)) from error
