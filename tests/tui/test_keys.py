"""Every key is explained, can be bound anew, and is in the palette where it does something."""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages

import pytest
from console import console
from recorded import LIVE, RecordedSession, live_session
from recorded_debugger import debugged

from livetui import tui
from livetui.config import Settings
from livetui.session.events import SessionFailed
from livetui.tui.keys import BINDING_IDS
from livetui.tui.screens.edit import Editor
from livetui.tui.widgets.lines import LinesPane
from livetui.tui.widgets.typing import Completed, Narrowing


async def test_keys_are_rebound_by_id_and_mistakes_are_told():
    session = live_session()
    session.settings = Settings(app="orders", stage="dev", keys={"replay": "Z", "replya": "X", "ask-bakc": "f5"})
    async with console(session) as shown:
        await shown.sees("'replya'", "'replay'?", "'ask-bakc'", "'ask-back'?")
        await shown.press("r")
        assert not [asked for asked in session.asked if asked[0] == "replay"]
        await shown.press("Z")
        assert ("replay", 16, None, 1) in session.asked


async def test_keys_of_dialogs_are_rebound_too():
    session = live_session()
    session.settings = Settings(app="orders", stage="dev", keys={"choose-down": "ctrl+n", "choose-back": "f8"})
    async with console(session) as shown:
        await shown.press("x")
        await shown.sees("Export #16 as")
        await shown.press("ctrl+n")
        assert shown.app.screen.query_one("OptionList").highlighted == 1
        await shown.press("f8")
        assert shown.app.screen is shown.main


def test_every_binding_has_an_id_that_can_be_rebound_and_a_tooltip():
    modules = [import_module(found.name) for found in walk_packages(tui.__path__, f"{tui.__name__}.")]
    tables = {
        each: vars(each)["BINDINGS"]
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and each.__module__.startswith(tui.__name__) and "BINDINGS" in vars(each)
    }
    assert {Editor, Completed, Narrowing, LinesPane} <= set(tables)
    wrong = [
        (each.__name__, binding.key)
        for each, table in tables.items()
        for binding in table
        if not binding.tooltip or binding.id not in BINDING_IDS
    ]
    assert not wrong


@pytest.mark.parametrize(("pane", "name"), [("source", "Run to here"), ("variables", "Set"), ("details", "Copy all")])
async def test_the_palette_has_what_only_the_focused_pane_can_do(tmp_path, pane, name):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause()
        await shown.sees("api_key")
        panes = shown.main.debugger
        await shown.until(lambda: panes.source.has_focus, "the source")
        {"source": panes.source, "variables": panes.variables, "details": shown.main.details.pane}[pane].focus()
        await shown.press("ctrl+p")
        await shown.type(name.lower())
        await shown.sees(f"{name}   ")


async def test_the_palette_unmasks_what_is_focused(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause()
        await shown.sees("api_key")
        shown.main.debugger.variables.focus()
        await shown.press("ctrl+p")
        await shown.type("unmask")
        await shown.sees("Show or mask secrets")
        await shown.press("enter")
        await shown.sees("sk-123456")


async def test_the_endpoint_is_copied():
    session = RecordedSession()
    async with console(session) as shown:
        await shown.press("U")
        await shown.sees("The stack has no address among its outputs.")
        session.tell(LIVE)
        await shown.settle()
        await shown.press("U")
        assert shown.app.clipboard == LIVE.outputs["OrdersApi"]
        await shown.sees("Copied", "endpoint")


async def test_another_theme_is_chosen_and_drawn_at_once():
    async with console() as shown:
        await shown.opened(12)
        before = shown.app.theme_variables["background"].lower()
        await shown.press("ctrl+t")
        await shown.type("solarized-light")
        await shown.sees("solarized-light")
        await shown.press("enter")
        await shown.until(lambda: shown.app.theme == "solarized-light", "the theme")
        await shown.drawn()
        behind = {each.style.bgcolor.name for each in shown.drawn_parts() if each.style and each.style.bgcolor}
        assert shown.app.theme_variables["background"].lower() in behind
        assert before not in behind


@pytest.mark.parametrize("keys", [("slash", "q"), ("e",)], ids=["typing", "editing"])
async def test_ctrl_q_leaves_from_wherever_one_is(keys):
    async with console() as shown:
        await shown.opened(12)
        await shown.press(*keys)
        assert not shown.session.asked
        await shown.press("ctrl+q")
        assert shown.session.asked == [("stop",)]
    assert shown.app.return_code == 0


async def test_arrows_choose_above_and_below_while_one_types():
    async with console() as shown:
        await shown.press("i", "enter")
        await shown.until(lambda: bool(shown.app.screen.query("#narrow")), "the samples")
        await shown.type("sq")
        choices = shown.app.screen.query_one("#choices")
        await shown.press("down", "down", "up")
        assert choices.highlighted == 1
        await shown.press("up", "s")
        assert shown.app.screen.query_one("#narrow").value == "sqs"
        assert choices.highlighted == 0


async def test_letters_choose_above_and_below_in_a_list():
    async with console() as shown:
        await shown.press("x")
        await shown.sees("Export #16 as")
        await shown.press("j", "j", "k")
        assert shown.app.screen.query_one("#choices").highlighted == 1


async def test_z_folds_everything_and_unfolds_it():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("enter", "z")
        await shown.sees('"headers": { 4 keys },', '"pathParameters": { 1 key },')
        assert '"accept"' not in shown.screen_text()
        await shown.press("z")
        await shown.sees('"accept"')


async def test_a_failure_is_copied_and_left_with_its_exit_code():
    session = RecordedSession(end_at_once=False)
    async with console(session) as shown:
        session.tell(SessionFailed("There is no template here.", "It is not.", "Run livetui in another folder.", 2))
        await shown.sees("There is no template here.")
        await shown.press("y")
        assert shown.app.clipboard == "There is no template here.\nIt is not.\n→ Run livetui in another folder."
        await shown.press("q")
    assert shown.app.return_code == 2


async def test_a_search_is_in_the_steps_when_they_are_focused():
    async with console() as shown:
        await shown.press("d")
        shown.main.progress.steps.focus()
        await shown.press("slash")
        await shown.type("Worker")
        await shown.press("enter")
        assert not shown.main.details.query_one("#search").display
        assert "Worker" in shown.main.progress.steps.document.text(shown.main.progress.steps.current)
