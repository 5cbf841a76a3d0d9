"""Source, breakpoints and paused calls in the console."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest
from console import console
from recorded import NOON, invocation
from recorded_debugger import NIGHTLY, debugged, photograph

from livetui.session.debugging import Breakpoint, ExceptionFilters
from livetui.session.events import CodeReloaded, EditorsChanged
from livetui.tui.widgets.lines import LinesPane


async def test_b_opens_the_handler_and_sets_a_breakpoint(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        await shown.opened(14)
        await shown.press("b")
        await shown.sees("def total(rows):")
        shown.main.debugger.source.move_to(12)
        await shown.press("b")
        assert ("toggle", 13) in session.debug.asked
        await shown.sees("●   13")
        await shown.sees("● nightly.py:13")
        await shown.press("b")
        await shown.lacks("●   13")


async def test_a_click_on_the_gutter_does_the_same(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        await shown.opened(14)
        await shown.press("b")
        await shown.sees("def handler(event, context):")
        await shown.pilot.click("#source-pane", offset=(3, 6))
        await shown.settle()
        assert ("toggle", 6) in session.debug.asked


async def test_a_saved_file_is_shown_anew(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        await shown.opened(14)
        await shown.press("b")
        await shown.sees("def total(rows):")
        Path(session.debug.path).write_text("# saved\n" + NIGHTLY)  # noqa: ASYNC240
        session.tell(CodeReloaded("Nightly", 20.0))
        await shown.sees("  1  # saved")


async def test_e_opens_the_line_in_the_editor_and_shows_what_was_written_there(tmp_path, monkeypatch):
    commands: list[list[str]] = []

    def edit(app: object, command: list[str]) -> None:
        commands.append(command)
        Path(command[-1]).write_text("# edited\n" + NIGHTLY)

    monkeypatch.setattr("livetui.tui.screens.debugging.run_outside", edit)
    monkeypatch.setenv("EDITOR", sys.executable)
    session = debugged(tmp_path)
    async with console(session) as shown:
        await shown.opened(14)
        await shown.press("b")
        shown.main.debugger.source.move_to(12)
        await shown.press("e")
        assert commands == [[sys.executable, "+13", session.debug.path]]
        await shown.sees("  1  # edited")
        assert shown.main.debugger.source.line_number == 13


async def test_conditions_are_compiled_before_they_are_set(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        await shown.opened(14)
        await shown.press("b")
        shown.main.debugger.source.move_to(12)
        await shown.press("c")
        await shown.type("s >")
        await shown.sees("✗")
        await shown.press("enter")
        assert not session.debug.points
        await shown.type(" 5")
        await shown.press("enter")
        assert ("set", 13, "s > 5", "", "") in session.debug.asked
        await shown.sees("◆   13")


async def test_hit_counts_log_points_and_disabling(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        await shown.opened(14)
        await shown.press("b")
        shown.main.debugger.source.move_to(12)
        await shown.press("H")
        await shown.type(">=3")
        await shown.press("enter")
        assert ("set", 13, "", ">=3", "") in session.debug.asked
        await shown.press("L")
        await shown.type("row {row}")
        await shown.press("enter")
        assert ("set", 13, "", ">=3", "row {row}") in session.debug.asked
        await shown.sees("✎   13")
        await shown.press("space")
        assert ("enable", 13, False) in session.debug.asked
        await shown.sees("○   13")


async def test_a_pause_shows_source_frames_variables_and_how_long_it_may_stand(tmp_path):
    session = debugged(tmp_path)
    async with console(session, now=NOON + 22) as shown:
        session.debug.pause()
        await shown.sees(
            "Frames", "rows", "‖ #14 Nightly", "▶  13", "▶ total", "Lambda deadline 0:21", "‖ 1 paused", "api_key"
        )
        await shown.lacks("sk-123456")


async def test_a_pause_says_why_its_condition_could_not_be_evaluated(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause(text="condition failed: NameError: name 'amount' is not defined")
        await shown.sees("nightly.py:13 · condition failed: NameError: name 'amount' is not defined")


async def test_the_caller_of_an_http_call_is_counted_down_too(tmp_path):
    session = debugged(tmp_path)
    session.hold(invocation(20, "Api", "GET /orders", "paused", time=NOON, deadline=NOON + 60))
    async with console(session, now=NOON + 21) as shown:
        session.debug.pause(function="Api")
        await shown.sees("caller gone in 0:09")


async def test_another_frame_shows_its_variables(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause()
        await shown.until(lambda: bool(shown.main.debugger.variables.nodes), "the variables")
        shown.main.debugger.frames.focus()
        await shown.press("j", "enter")
        await shown.sees("2026-11-23")
        await shown.sees("▶  20")


async def test_expressions_are_evaluated_in_the_frame(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause()
        await shown.until(lambda: bool(shown.main.debugger.variables.nodes), "the variables")
        shown.main.debugger.evaluate.line.focus()
        await shown.type("sum(rows)")
        await shown.press("enter")
        await shown.sees("5400")
        assert ("evaluate", "sum(rows)", 1) in session.debug.asked
        await shown.type("nope")
        await shown.press("enter")
        await shown.sees("> nope", "NameError: name 'nope' is not", "defined")
        assert "Traceback" not in shown.screen_text("#answers")


async def test_tab_into_evaluate_lands_where_one_types(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause()
        await shown.until(lambda: bool(shown.main.debugger.variables.nodes), "the variables")
        await shown.press("tab", "tab", "tab")
        await shown.type("nope")
        await shown.press("enter")
        assert ("evaluate", "nope", 1) in session.debug.asked
        await shown.press("tab", "C")
        await shown.sees("all of the pane")


async def test_enter_on_a_breakpoint_goes_to_its_line_in_the_source(tmp_path, monkeypatch):
    monkeypatch.setenv("EDITOR", "false")
    session = debugged(tmp_path)
    other = (tmp_path / "src" / "shop.py").resolve()
    other.write_text("TAX = 19\nPRICE = 7\n")
    async with console(session) as shown:
        session.debug.put(20, log="rows {rows}")
        session.debug.points[str(other), 2] = Breakpoint(9, str(other), 2, 2, owners=("console",))
        await shown.press("f12")
        shown.main._mark()
        await shown.sees("shop.py:2")
        await shown.press("tab", "G", "enter")
        await shown.sees("PRICE = 7")
        source = shown.main.debugger.source
        assert (shown.app.focused, source.path, source.line_number) == (source, str(other), 2)


@pytest.mark.parametrize(("pane", "name"), [
    ("points", "Breakpoints"), ("frames", "Frames"), ("variables", "Variables"), ("expression", "Evaluate")])
async def test_the_debuggers_panes_are_explained_by_name(tmp_path, pane, name):
    session = debugged(tmp_path)
    async with console(session) as shown:
        await shown.press("f12")
        if pane != "points":
            session.debug.pause()
            await shown.sees("Frames")
        shown.main.query_one(f"#{pane}").focus()
        await shown.press("f1")
        await shown.until(lambda: shown.app.screen is not shown.main, "the help")
        help = shown.app.screen.query_one("#help-pane", LinesPane)
        assert help.document.text(0).strip() == name


async def test_a_call_runs_on_by_its_key_from_the_line_of_expressions_too(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause()
        await shown.until(lambda: bool(shown.main.debugger.variables.nodes), "the variables")
        shown.main.debugger.evaluate.line.focus()
        await shown.type("rs")  # letters are text there
        assert shown.main.debugger.evaluate.line.value == "rs"
        await shown.press("f5")
        await shown.until(lambda: ("resume", 7) in session.debug.asked, "the call to run on")


async def test_what_happens_at_lambdas_deadline_is_chosen(tmp_path):
    session = debugged(tmp_path)
    async with console(session, now=NOON + 22) as shown:
        session.debug.pause()
        await shown.sees("Lambda deadline 0:21, then its caller is answered")
        await shown.press("t")
        await shown.sees("● answer its caller with an error", "○ let it run on")
        await shown.press("down", "enter")
        await shown.sees("Lambda deadline 0:21, then it runs on")
        assert session.debug.at_deadline == "continue"


async def test_steps_and_continue(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause()
        await shown.until(lambda: bool(shown.main.debugger.variables.nodes), "the variables")
        for key, how in (("f10", "over"), ("f7", "into"), ("f8", "out")):
            await shown.press(key)
            assert ("step", how) in session.debug.asked
        await shown.sees("▶  16")
        await shown.press("f5")
        assert ("resume", 7) in session.debug.asked
        await shown.lacks("Frames")


async def test_a_paused_call_runs_to_the_line_under_the_cursor_of_whichever_file_is_shown(tmp_path):
    session = debugged(tmp_path)
    other = (tmp_path / "src" / "shop.py").resolve()
    other.write_text("TAX = 19\nPRICE = 7\n")
    async with console(session) as shown:
        await shown.opened(14)
        await shown.press("b", "ctrl+f10")
        assert not session.debug.asked, "nothing is paused"
        session.debug.pause(line=8)
        await shown.sees("▶   8")
        shown.main.debugger.source.move_to(19)
        await shown.press("ctrl+f10")
        assert ("run_to", 7, session.debug.path, 20) in session.debug.asked
        await shown.sees("▶  20")
        await shown.press("O", "end", "enter")
        await shown.type("src/shop.py")
        await shown.press("enter", "j", "ctrl+f10")
        assert ("run_to", 7, str(other), 2) in session.debug.asked


async def test_the_caller_is_answered_now(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause()
        await shown.until(lambda: bool(shown.main.debugger.variables.nodes), "the variables")
        await shown.press("A")
        assert ("answer_now", 14) in session.asked


async def test_a_pause_does_not_tear_the_user_from_what_is_typed(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        await shown.press("slash")
        session.debug.pause()
        await shown.settle()
        assert shown.main.views.current == "invocations"
        assert shown.app.focused is shown.main.invocations.filter


async def test_attached_editors_are_named(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.tell(EditorsChanged(["VS Code"]))
        await shown.settle()
        await shown.sees("VS Code attached")


async def test_the_error_tab_shows_the_variables_of_the_error(tmp_path):
    session = debugged(tmp_path)
    session.debug.post_mortems[12] = photograph(session.debug.path)
    async with console(session) as shown:
        await shown.opened(12)
        await shown.press("4")
        text = shown.pane_text()
    assert "id = '99'" in text
    assert "hunter2" not in text


async def test_which_errors_stop_is_chosen(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        await shown.opened(14)
        await shown.press("b", "E", "down", "enter")
        assert ("filters", True, False) in session.debug.asked


async def test_exceptions_of_chosen_classes_stop(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        await shown.opened(14)
        await shown.press("b", "E", "down", "down", "down", "enter")
        await shown.type("ValueError shop.2")
        await shown.sees("✗ This is no exception class: shop.2")
        await shown.press("enter")
        assert not session.debug.chosen
        await shown.press("backspace", "backspace", "comma", "space")
        await shown.type("KeyError")
        await shown.press("enter")
        await shown.press("E")
        await shown.sees("● exceptions of some classes", "ValueError, shop, KeyError")
        await shown.press("down", "enter")
        assert session.debug.chosen == ExceptionFilters(True, False, ("ValueError", "shop", "KeyError"))
        await shown.press("E", "enter")
        assert not session.debug.chosen


async def test_a_captured_call_is_replayed_under_the_debugger(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        await shown.opened(12)
        await shown.press("B")
        await shown.until(lambda: ("replay", 12, None, 1) in session.asked, "the replay")
        assert session.debug.asked[-1] == ("stop on errors of", 12)
        assert not session.debug.chosen


async def test_any_file_of_the_project_opens_by_its_name(tmp_path):
    session = debugged(tmp_path)
    session.settings = msgspec.structs.replace(session.settings, project=str(tmp_path))
    (tmp_path / "src" / "shop.py").write_text("TAX = 19\n")
    async with console(session) as shown:
        await shown.press("f12", "O", "end", "enter")
        await shown.type("src/shop")
        await shown.sees("✗ src/shop is not there")
        await shown.type(".py")
        await shown.press("enter")
        await shown.sees("TAX = 19")


@pytest.mark.parametrize("name", ["Replay under the debugger", "Stop on errors", "At Lambda's deadline", "VS Code"])
async def test_the_palette_has_what_the_debugger_can_do(tmp_path, name):
    async with console(debugged(tmp_path)) as shown:
        await shown.press("ctrl+p")
        await shown.type(name.lower())
        await shown.sees(name)


async def test_what_needs_a_paused_call_is_offered_while_there_is_one(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        await shown.press("f12")
        await shown.sees("b Breakpoint", "c Condition", "O Open file")
        await shown.lacks("f5 Continue")
        await shown.drawn()  # Textual shows nothing behind a dialog that is opened before the view is laid out
        await shown.press("O")
        await shown.drawn()
        await shown.sees("Show whose handler?", "b Breakpoint")
        assert "f5 Continue" not in shown.screen_text()
        session.debug.pause()
        await shown.until(lambda: shown.main.thread is not None, "the pause")
        await shown.press("escape")
        await shown.sees("f5 Continue", "A Answer caller now")
        await shown.press("ctrl+p")
        await shown.type("answer caller")
        await shown.sees("Give the caller a typed error now")


async def test_the_entry_for_vs_code_is_written(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        await shown.press("f12", "V")
        await shown.sees("launch.json")
        assert ("vscode",) in session.asked
