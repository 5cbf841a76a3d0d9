"""Every key of every pane and dialog reaches its action: nothing above, below or beside it takes it away.

What each action does is tested where it belongs.
"""

from __future__ import annotations

from console import Console, console
from recorded_debugger import debugged
from textual import actions, events
from textual.app import App
from textual.widget import Widget
from textual.widgets import Button, Input

from livetui.session.events import LinkChanged, SessionFailed
from livetui.tui.keys import BINDING_IDS
from livetui.tui.screens.edit import Draft, EditScreen
from livetui.tui.screens.failure import FailureScreen
from livetui.tui.screens.help import HelpScreen
from livetui.tui.screens.prompt import MANY, Ask, Choose, Pick
from livetui.tui.screens.quit import QuitScreen


def is_taken(id: str, key: str, widget: Widget) -> bool:
    """Whether a key means something else on purpose: a list's own arrows, `n` among hits, enter on a button."""
    if id in ("choose-down", "choose-up"):
        return key in ("down", "up") or isinstance(widget, Input)
    return (id == "step-over-pdb" and bool(widget.hits)) or (key == "enter" and isinstance(widget, Button))


class Keyboard:
    """Presses all keys that a focused widget, what it is in and the application declare; the actions do not run."""

    def __init__(self, shown: Console) -> None:
        self.shown = shown
        self.ids: set[str] = set()
        self.reached: list[tuple[str, tuple[object, ...]]] = []

    async def dispatch(self, _target: object, name: str, parameters: tuple[object, ...]) -> bool:
        self.reached.append((name, parameters))
        return True

    async def press_all(self, widget: Widget) -> None:
        app = self.shown.app
        app.screen.set_focus(widget)
        await self.shown.handled()
        assert app.focused is widget
        owners = [each for each in widget.ancestors_with_self if each is not app or not app.screen.is_modal]
        keys = [
            (binding, key, (name, parameters))
            for owner in owners
            for binding in vars(type(owner)).get("BINDINGS", [])
            for where, name, parameters in [actions.parse(binding.action)]
            if binding.id
            and {"app": app, "screen": app.screen}.get(where, owner).check_action(name, parameters)
            for key in binding.key.split(",")
            if not is_taken(binding.id, key, widget)
        ]
        self.reached.clear()
        for _, key, _ in keys:
            app._driver.process_message(events.Key(key, key if len(key) == 1 else None))
        await self.shown.handled()
        await self.shown.until(lambda: not app._typed, "all keys to be handled")
        assert self.reached == [action for _, _, action in keys], widget
        self.ids |= {binding.id for binding, _, _ in keys}


async def test_every_key_of_every_pane_and_dialog_reaches_its_action(tmp_path, monkeypatch):
    session = debugged(tmp_path)
    session.can_park = True
    async with console(session) as shown:
        await shown.opened(12)
        main, keyboard = shown.main, Keyboard(shown)
        panes = main.debugger
        session.tell(LinkChanged("held"))
        session.debug.put(13)
        main._mark()
        await shown.settle()
        with monkeypatch.context() as patched:
            patched.setattr(App, "_dispatch_action", keyboard.dispatch)
            await keyboard.press_all(main.table)
            await keyboard.press_all(main.invocations.filter)
            await keyboard.press_all(main.details.pane)
            main.details.pane.search("order")
            await keyboard.press_all(main.details.pane)
            for view in ("logs", "source"):
                main.action_view(view)
                await shown.settle()
                await keyboard.press_all(shown.app.focused)
            await keyboard.press_all(panes.points)
            session.debug.pause()
            await shown.sees("api_key")
            panes.evaluate.answer("1", "int")
            for pane in (panes.source, panes.frames, panes.variables, panes.evaluate.pane):
                await keyboard.press_all(pane)
            picks = [Pick(str(at), f"choice {at}") for at in range(MANY + 1)]
            failure = SessionFailed("It is held.", held_by="somebody")
            for screen, focus in (
                (Ask("A line"), "#answer"), (Choose("One", picks[:2]), "#choices"), (Choose("One of many", picks), "#narrow"),
                (EditScreen("Edit", Draft(b"{}", b"{}", "{}")), "#editor"), (HelpScreen(panes.source.document), "#help-pane"),
                (QuitScreen(), "*:focus"), (FailureScreen(failure), "*:focus"),
            ):  # fmt: skip
                await shown.app.push_screen(screen)
                await shown.settle()
                await keyboard.press_all(screen.query(focus).first())
                screen.dismiss(None)
                await shown.until(lambda: shown.app.screen is main, "the dialog to close")
        assert keyboard.ids == BINDING_IDS
