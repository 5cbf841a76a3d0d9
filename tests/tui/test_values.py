"""Variables of a paused call and expressions that are watched."""

from __future__ import annotations

import pytest
from console import console
from hostile import ESCAPES, STEERING
from recorded import invocation
from recorded_debugger import debugged
from textual.widgets import Input


async def test_variables_open_lazily_and_close(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause()
        await shown.until(lambda: bool(shown.main.debugger.variables.nodes), "the variables")
        assert ("variables", 50) not in session.debug.asked
        shown.main.debugger.variables.focus()
        await shown.press("enter")
        await shown.sees("'id': '7'")
        assert ("variables", 50) in session.debug.asked
        await shown.press("enter")
        await shown.lacks("'id': '7'")


async def test_a_variable_is_given_another_value(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause()
        await shown.until(lambda: bool(shown.main.debugger.variables.nodes), "the variables")
        shown.main.debugger.variables.focus()
        await shown.press("j", "equals_sign", *["backspace"] * 4)
        await shown.type("7")
        await shown.press("enter")
        await shown.until(
            lambda: ("set_variable", 101, "s", "7") in session.debug.asked, "the question to the debugger"
        )


@pytest.mark.parametrize(("keys", "offered"), [([], ""), (["u"], "'sk-123456'")], ids=["masked", "shown"])
async def test_a_masked_variable_is_not_offered_to_be_changed(tmp_path, keys, offered):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause()
        await shown.until(lambda: bool(shown.main.debugger.variables.nodes), "the variables")
        shown.main.debugger.variables.focus()
        await shown.press("j", "j", "j", *keys, "equals_sign")
        await shown.sees("Set api_key to")
        assert shown.app.screen.query_one("#answer", Input).value == offered


async def test_escapes_in_a_value_or_a_note_reach_no_line_that_is_typed_into(tmp_path):
    session = debugged(tmp_path)
    session.debug.values["s"] = ESCAPES
    session.hold(invocation(1, "Nightly", "schedule", note=ESCAPES))
    async with console(session) as shown:
        await shown.opened(1)
        await shown.press("a")
        await shown.sees("Note on #1")
        assert not STEERING.search(shown.screen_text())
        await shown.press("escape")
        session.debug.pause()
        await shown.until(lambda: bool(shown.main.debugger.variables.nodes), "the variables")
        shown.main.debugger.variables.focus()
        await shown.press("j", "equals_sign")
        await shown.sees("Set s to")
        assert not STEERING.search(shown.screen_text())


async def test_watch_expressions_are_kept_shown_at_every_stop_and_opened(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause()
        await shown.until(lambda: bool(shown.main.debugger.variables.nodes), "the variables")
        shown.main.debugger.variables.focus()
        await shown.press("j", "W")
        await shown.sees("Watch")
        await shown.type("s *")
        await shown.sees("✗")
        await shown.press("enter")
        await shown.type(" 2")
        await shown.press("enter")
        assert ("watch", "", "s * 2") in session.debug.asked
        await shown.sees("◇ s * 2  2500")
        assert shown.main.debugger.variables.chosen.variable.name == "s"
        session.debug.values["s"] = "7"
        await shown.press("n")
        await shown.sees("◇ s * 2  14")
        session.debug.watches += ["rows", "nope"]
        await shown.press("f10")
        await shown.sees("▶ rows  list(2)", "◇ nope  NameError")
        await shown.press("g", "j", "enter")
        await shown.sees("'id': '7'")
        await shown.press("g", "W", "ctrl+u", "enter")
        assert ("watch", "s * 2", "") in session.debug.asked
        await shown.lacks("s * 2")


async def test_a_watch_is_suggested_from_the_variables_only_and_typing_takes_its_place(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause()
        await shown.until(lambda: bool(shown.main.debugger.variables.nodes), "the variables")
        shown.main.debugger.variables.focus()
        at = next(at for at, node in enumerate(shown.main.debugger.variables.nodes) if node.variable.expression)
        shown.main.debugger.variables.move_to(at)
        await shown.press("W")
        assert shown.app.screen.query_one("#answer", Input).value != ""
        await shown.type("x")
        assert shown.app.screen.query_one("#answer", Input).value == "x"
        await shown.press("escape")
        shown.main.debugger.source.focus()
        await shown.press("W")
        assert shown.app.screen.query_one("#answer", Input).value == ""
