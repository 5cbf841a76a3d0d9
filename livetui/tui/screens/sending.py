"""Events that are written or changed by hand before they are run: of a row, a sample, a file, or pasted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

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

T = TypeVar("T")
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

    async def action_edit(self) -> None:
        """Change the event, then run it as a new row."""
        row = self.chosen()
        if row is None:
            return

        def send(event: bytes) -> None:
            if self.app.ask(lambda: self.session.replay(row.id, event)):
                self.expect(row.id)

        masked = self.details.opened is None or not self.details.opened.unmasked
        title = f"Edit #{row.id} {row.function} · {row.trigger}"
        await self._edit(title, "Replay", lambda: self.session.invocation(row.id).event, send, masked)

    async def _edit(self, title: str, verb: str, read: Callable[[], bytes], send: Callable[[bytes], None],
                    masked: bool = False) -> None:
        """Have an event edited, here or in $EDITOR when it is large, then send it.

        It is read in a thread and waited for: what is typed meanwhile is meant for the editor.
        """
        from livetui.tui.screens.edit import EDITABLE, EditScreen, draft_of  # with grammars: read when one edits

        draft = await self._in_thread(lambda: draft_of(read(), masked))
        if draft is None:
            return
        if len(draft.text) > EDITABLE:
            await self._edit_outside(draft, verb, send)
            return
        self.app.push_screen(EditScreen(title, draft, verb), lambda event: None if event is None else send(event))

    async def _edit_outside(self, draft: Draft, verb: str, send: Callable[[bytes], None]) -> None:
        edited = self.app.edit_outside(draft.text)
        if edited == draft.text and verb == "Replay":  # r does that
            self.app.tell(LivetuiError("The event was not sent.", "Nothing was changed."))
        elif edited is not None:
            event = await self._in_thread(lambda: draft.sent(edited))
            if event is not None:
                send(event)

    async def _in_thread(self, work: Callable[[], T]) -> T | None:
        """What takes a while; None when it was refused, which is told."""
        try:
            return await asyncio.to_thread(work)
        except LivetuiError as error:
            self.app.tell(error)
            return None

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
        async def chosen(name: str | None) -> None:
            match name:
                case None:
                    return
                case "file":
                    self._ask_event_file(function)
                case "paste":
                    self._paste(function)
                case "":
                    await self._edit_and_invoke(function, lambda: b"{}")
                case captured if captured.startswith("#"):
                    id = int(captured[1:])
                    await self._edit_and_invoke(function, lambda: self.session.invocation(id).event, True)
                case _:
                    await self._edit_and_invoke(function, partial(self.app.sample, name))

        def captured_as(row: Row) -> Pick:
            return Pick(f"#{row.id}", f"#{row.id}", f"{text.clock(row.time)}  {row.trigger}")

        rows = [row for row in self.table.rows.all() if row.function == function]
        last = {row.trigger: row for row in rows if row.replay_of is None}
        samples = [pick for pick in self.app.samples() if pick.id != "empty"]
        triggers = (*last, *self._routes_of(function))
        near = [pick for pick in samples if any(is_like(pick.id, trigger) for trigger in triggers)]
        picks = [
            *map(captured_as, list(last.values())[:-4:-1]),
            *near,
            Pick("", "an empty event", "{}"),
            Pick("paste", "pasted text …", "JSON, or an export: curl, aws lambda invoke, pytest"),
            Pick("file", "a file …", "the same, by its name"),
            *(pick for pick in samples if pick not in near),
        ]
        self.app.push_screen(Choose(f"Invoke {function} with", picks), chosen)

    async def _edit_and_invoke(self, function: str, read: Callable[[], bytes], masked: bool = False) -> None:
        await self._edit(f"Invoke {function}", "Invoke", read, partial(self._invoke, function), masked)

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

        async def chosen(answer: str | None) -> None:
            if answer:
                path = named(root, answer)
                await self._edit_and_invoke(function, partial(read_event, path, self._routes_of(function)))

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
