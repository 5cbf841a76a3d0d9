"""The console: the Textual application over one session."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.constants import DEFAULT_THEME
from textual.reactive import Initialize, Reactive

from livetui.errors import LivetuiError
from livetui.tui.clipboard import to_system_clipboard
from livetui.tui.commands import Commands
from livetui.tui.keys import APP_KEYS, BINDING_IDS
from livetui.tui.messages import CopyRequested, SessionFace
from livetui.tui.outside import editor_command, run_outside, text_file
from livetui.tui.screens.help import HelpScreen, help_document
from livetui.tui.screens.main import MainScreen
from livetui.tui.screens.prompt import Pick
from livetui.tui.screens.quit import QuitScreen
from livetui.tui.terminal import LOOK_EVERY_S, end_within, is_gone, when_ended
from livetui.tui.text import escaped, safe, size
from livetui.tui.typeahead import OneKeyAtATime

LEAVE_AFTER_S = 5.0
"""How long `q` waits for the session to say goodbye to the cloud."""


class LivetuiApp(OneKeyAtATime):
    """Holds a session and nothing else of livetui; every view reads the session's events."""

    TITLE = "livetui"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS = {Commands}  # noqa: RUF012  (as Textual declares it)
    BINDINGS: ClassVar[list[BindingType]] = [*APP_KEYS]

    def _chosen_theme(self) -> str:
        chosen = self.session.settings.theme
        return chosen if chosen in self.available_themes else DEFAULT_THEME

    theme: Reactive[str] = Reactive(Initialize(_chosen_theme))
    """The user's from the beginning: another one at first would have all styles read three times."""

    def __init__(
        self, session: SessionFace, clock: Callable[[], float] = time.time, begin: Callable[[], object] = lambda: None
    ) -> None:
        self.session = session  # its settings name the theme
        super().__init__()
        self.animation_level = "none"  # whoever presses a key sees what it did, over any line
        self.begin = begin
        """Called once the first frame is on screen."""
        self.clock = clock
        self.main = MainScreen(session, clock)
        self.leaving = False
        self.ended_with = 0
        """The exit code of a signal or a closed terminal, which no later reason to leave replaces."""
        self.user_keys: dict[str, str] = {}

    def on_mount(self) -> None:
        """Settings of the user, then the main screen."""
        settings = self.session.settings
        if settings.theme not in self.available_themes:
            self.notify(f"There is no theme {settings.theme!r}.", severity="warning", markup=False)
        unknown = sorted(set(settings.keys) - BINDING_IDS)
        if unknown:
            self.notify("\n".join(map(_no_action, unknown)), severity="warning", markup=False)
        self.user_keys = {id: key for id, key in settings.keys.items() if id in BINDING_IDS}
        self.set_keymap(self.user_keys)
        self.push_screen(self.main)
        if not self.is_headless:
            when_ended(self._ended, LEAVE_AFTER_S * 2)
            self.set_interval(LOOK_EVERY_S, self._look_at_terminal)

    async def on_event(self, event: events.Event) -> None:
        """What is pasted may be a stranger's: fields draw it as it is, so what could steer a terminal is escaped."""
        if isinstance(event, events.Paste):
            event.text = escaped(event.text)
        await super().on_event(event)

    @property
    def clipboard(self) -> str:
        """What was copied, as fields get it when ctrl+v pastes it: as any paste."""
        return escaped(super().clipboard)

    def _ended(self, exit_code: int) -> None:
        self.ended_with = exit_code
        self.session.stop()
        self.leave(exit_code)

    def _look_at_terminal(self) -> None:
        if is_gone() and not self.leaving:
            self.leaving = True
            end_within(LEAVE_AFTER_S * 2, 129)
            self._ended(129)

    def action_explain(self) -> None:
        """Explain the focused pane and its keys."""
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(help_document(self, self.focused, self.screen.active_bindings)))

    # -- leaving ---------------------------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """Ask the session to end and leave when it has; a second time: at once.

        Where queues and rules outlive the session, the user is asked first whether they shall wait.
        """
        if self.leaving or self.main.failed is not None:
            self.session.stop()
            self.leave(0)
        elif not self.session.can_park or isinstance(self.screen, QuitScreen):
            self._end("leave")
        elif self.session.settings.park == "on-exit":
            self._end("park")
        else:
            self.push_screen(QuitScreen(), self._end)

    def action_quit_parked(self) -> None:
        """Leave, and let what triggers the live stack wait, if anything of it outlives the session."""
        self._end("park" if self.session.can_park else "leave")

    def _end(self, answer: str | None) -> None:
        if answer is None or self.leaving:
            return
        self.leaving = True
        self.main.header.link = (f"… {'parking' if answer == 'park' else 'ending'}, q again leaves at once", "warn")
        if answer == "park":  # takes as long as the cloud does: a mapping that is being changed is waited for
            self.session.park_and_stop()
        else:
            self.session.stop()
            self.set_timer(LEAVE_AFTER_S, lambda: self.leave(0))

    def action_help_quit(self) -> None:
        """Ctrl+c, where it copies nothing, means what it means in every terminal."""
        self.call_later(self.action_quit)

    def leave(self, exit_code: int) -> None:
        """Give the terminal back."""
        failed = self.main.failed
        code = self.ended_with or exit_code or (failed.exit_code if failed is not None else 0)
        self.exit(code, return_code=code)

    # -- for screens and widgets -----------------------------------------------------------------------------------

    def ask(self, request: Callable[[], object]) -> bool:
        """Ask the session for something; what it refuses is told. True when it was taken."""
        try:
            request()
        except LivetuiError as error:
            self.tell(error)
            return False
        return True

    def tell(self, error: LivetuiError) -> None:
        """Show an error: what, why, and what to do next."""
        words = "\n".join(safe(part[:2_000]) for part in (error.why, error.hint and f"→ {error.hint}") if part)
        self.notify(words[:2_000] or " ", title=safe(error.what[:200]), severity="error", timeout=10, markup=False)

    @on(CopyRequested)
    def _copy(self, event: CopyRequested) -> None:
        event.stop()
        self.copy(event.text, event.title)

    def copy(self, words: str, title: str) -> None:
        """Copy to the system's clipboard and, for terminals over SSH, by OSC 52: always both."""
        if not words:
            self.notify("There is nothing to copy.", severity="warning", timeout=2)
            return
        self.copy_to_clipboard(words)
        self.run_worker(lambda: to_system_clipboard(words), thread=True, group="clipboard", description="clipboard")
        self.notify(
            f"{safe(title)}, {size(len(words.encode('utf-8', 'replace')))}", title="Copied", timeout=2, markup=False
        )

    def edit_outside(self, words: str) -> str | None:
        """Let the user change a text in $EDITOR; None when that could not be done."""
        edited: str | None = None

        def edit() -> None:
            nonlocal edited
            with text_file(words, ".json") as path:
                run_outside(self, editor_command(str(path)))
                edited = path.read_text("utf-8", "replace").removesuffix("\n")

        return edited if self.ask(edit) else None

    def samples(self) -> list[Pick]:
        """The library of sample events."""
        from livetui.session import samples

        return [Pick(each.name, each.name, each.description) for each in samples.list_samples()]

    def sample(self, name: str) -> bytes:
        """One of them."""
        from livetui.session import samples

        return samples.sample(name)


def _no_action(id: str) -> str:
    """What is said of an id that no binding has."""
    import difflib

    near = difflib.get_close_matches(id, BINDING_IDS, 1)
    return f"[keys] has no action {safe(id)[:60]!r}.{f' Did you mean {near[0]!r}?' if near else ''}"


def settle_memory() -> None:
    """Keep the garbage collector away from what lives as long as the console: each look at it took 80 ms."""
    gc.freeze()
    gc.set_threshold(5_000, 10, 50)


def run(session: SessionFace) -> int:
    """Show the console until the user leaves or the session ends; the exit code of the command."""

    # Starting imports and connects: the screen is drawn first, so that something is seen at once.
    def begin() -> None:
        settle_memory()
        session.start()

    app = LivetuiApp(session, begin=begin)
    try:
        result = app.run()
    finally:
        session.stop()
    return result if result is not None else app.return_code or 0
