"""Opens the console over a recorded session and waits for what a test is about to look at."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from recorded import NOON, RecordedSession, live_session
from rich.segment import Segment
from textual import events
from textual._context import visible_screen_stack
from textual.keys import _character_to_key
from textual.message_pump import MessagePump
from textual.pilot import Pilot
from textual.strip import Strip
from textual.worker import WorkerCancelled

from livetui.tui.app import LivetuiApp
from livetui.tui.screens.main import MainScreen

THREADS = {"rows", "details", "document", "event", "export", "filter", "causes", "clipboard", "debug"}
SIZES = [(80, 24), (120, 40), (160, 45)]


@dataclass
class Console:
    """The running console of one test."""

    app: LivetuiApp
    pilot: Pilot[int]
    session: RecordedSession

    @property
    def main(self) -> MainScreen:
        return self.app.main

    async def press(self, *keys: str) -> None:
        """Press keys one after the other, as the terminal would send them, without waiting for an idle processor."""
        for key in keys:
            character = " " if key == "space" else key if len(key) == 1 else None
            name = _character_to_key(key) if len(key) == 1 else key
            event = events.Key(name, character)
            event.set_sender(self.app)
            self.app._driver.process_message(event)
            await self.handled()
        await self.settle()

    async def type(self, words: str) -> None:
        await self.press(*words)

    async def handled(self) -> None:
        """Every widget has handled its messages, and those that came of them, and waits for the next."""
        began, quiet = time.monotonic(), 0
        ends = began + 15
        while quiet < 2:  # a timer or a thread may have begun something meanwhile
            # What takes longer is done in a thread, which looking without pause would keep the interpreter from.
            await asyncio.sleep(0 if time.monotonic() < began + 0.05 else 0.005)
            at_work = [each for each in (*self.app._registry, self.app) if busy(each)]
            assert time.monotonic() < ends, f"these do not come to rest: {at_work}"
            quiet = 0 if at_work else quiet + 1

    async def settle(self) -> None:
        """Events drained, threads done, messages handled."""
        for _ in range(2):
            self.main.drain()
            await self.handled()
            if self.main._loading is not None:
                self.main._loading.stop()
                self.main._loading = None
                self.main._load()
            await self.threads()
            await self.handled()

    async def drawn(self) -> None:
        """All that was asked for is there, and the screen is drawn after it, twice: a layout may ask for another."""
        for _ in range(2):
            await self.settle()
            done = asyncio.Event()
            self.app.screen.call_after_refresh(done.set)
            self.app.screen.refresh()
            await done.wait()
        await self.settle()

    async def threads(self) -> None:
        """What was read or made in threads is there."""
        for worker in [worker for worker in self.app.workers if worker.group in THREADS]:
            with contextlib.suppress(WorkerCancelled):  # a newer request took its place
                await worker.wait()

    async def until(self, condition: Callable[[], bool], what: str = "condition", within_s: float = 15.0) -> None:
        """Wait for a condition; fails after `within_s` seconds."""
        ends = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < ends, f"waited {within_s} s for {what}; the screen:\n{self.screen_text()}"
            await self.settle()
            await asyncio.sleep(0.01)

    async def sees(self, *words: str) -> None:
        """Wait until all of it is on screen."""
        await self.until(lambda: all(each in self.screen_text() for each in words), f"{words} on screen")

    async def lacks(self, *words: str) -> None:
        """Wait until none of it is on screen."""
        await self.until(lambda: not any(each in self.screen_text() for each in words), f"{words} to go")

    async def opened(self, id: int) -> None:
        """Choose a row and wait until its details are shown."""
        assert self.main.table.stay(id)  # the newest row would be followed
        await self.until(
            lambda: (
                self.main.details.opened is not None
                and self.main.details.opened.invocation.row.id == id == self.main.details.shown
                and len(self.main.details.pane) > 0
            ),
            f"details of #{id}",
        )

    def screen_text(self, within: str = "") -> str:
        """What is on screen, as text; or what is in the part that a selector names."""
        width, height = self.app.size
        lines = [strip.text[:width] for strip in self._strips()[:height]]
        if within:
            region = self.app.screen.query_one(within).region
            lines = [line[region.x : region.right] for line in lines[region.y : region.bottom]]
        return "\n".join(line.rstrip() for line in lines)

    def drawn_parts(self) -> list[Segment]:
        """All that is on screen, with its styles."""
        return [part for strip in self._strips() for part in strip]

    def _strips(self) -> list[Strip]:
        # As Textual says when it draws: what lies below a dialog stays blank otherwise, if a test looks first.
        visible_screen_stack.set(self.app._background_screens)
        return self.app.screen._compositor.render_strips()

    def pane_text(self) -> str:
        """All lines of the details pane."""
        document = self.main.details.pane.document
        return "\n".join("".join(text for text, _ in document.line(at)) for at in range(len(document)))


def busy(pump: MessagePump) -> bool:
    """Whether a widget has a message to handle, or is at one. Pilot asks all of them by messages of its own."""
    queue = pump._message_queue
    return pump._running and (not queue.empty() or not queue.ready_event._waiters)


@asynccontextmanager
async def console(
    session: RecordedSession | None = None, size: tuple[int, int] = (120, 40), now: float = NOON + 22
) -> AsyncIterator[Console]:
    """The console over a session, live with the orders example unless told otherwise."""
    session = live_session() if session is None else session
    app = LivetuiApp(session, clock=lambda: now)
    async with app.run_test(size=size, notifications=True) as pilot:
        shown = Console(app, pilot, session)
        await shown.until(lambda: shown.main.ready and bool(shown.main.query("FooterKey")), "all views and the footer")
        yield shown
