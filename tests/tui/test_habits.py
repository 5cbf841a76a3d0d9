"""What people do without thinking about it: the console does what they mean."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from console import Console, console
from hypothesis import given
from hypothesis import strategies as st
from recorded import LIVE, RecordedSession, invocation, live_session
from rich.cells import cell_len
from textual import events
from textual.widgets import ContentSwitcher, Input, OptionList, TextArea

from livetui.session.events import Notice, SessionEnded, SessionFailed
from livetui.tui import app as app_module
from livetui.tui.screens.prompt import Choose, Pick
from livetui.tui.text import broken
from livetui.tui.widgets import invocations
from livetui.tui.widgets.views import LogsPane


def burst(shown: Console, *keys: str) -> None:
    """Keys that come in one go: none waits for the one before."""
    for key in keys:
        event = events.Key(key, key if len(key) == 1 else None)
        event.set_sender(shown.app)
        shown.app._driver.process_message(event)


# -- a start that failed -------------------------------------------------------------------------------------------


async def test_a_failed_start_stays_on_screen_though_its_session_has_ended():
    session = RecordedSession(end_at_once=False)
    async with console(session) as shown:
        session.tell(SessionFailed("There is no template here.", "", "Run livetui in another folder.", 2))
        session.tell(SessionEnded(2))
        await shown.sees("There is no template here.", "r Try again")
        assert shown.main.header.link[0] == "✗ not started"
        await shown.press("r")
        assert ("redeploy",) in session.asked
        await shown.lacks("There is no template here.")
        await shown.press("q")
        session.tell(SessionEnded(0))
        await shown.settle()
    assert shown.app.return_code == 0


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """What time it is for rows that slide: it stands still."""
    now = [0.0]
    monkeypatch.setattr(invocations, "monotonic", lambda: now[0])
    return now


# -- the row that is meant -----------------------------------------------------------------------------------------


async def test_a_key_is_about_the_row_that_was_seen_not_one_that_slid_under_the_cursor(clock):
    session = live_session()
    async with console(session) as shown:
        clock[0] = 10.0
        session.arrive(invocation(17, "GetOrder", "GET /orders/1", "queued"))
        shown.main.drain()
        await shown.press("m")
        assert ("mark", 16, True) in session.asked
        assert shown.main.table.current.id == 16
        assert not shown.main.table.following


async def test_under_steady_traffic_the_row_of_a_moment_ago_is_meant(clock):
    session = live_session()
    async with console(session) as shown:
        table = shown.main.table
        for id, at in ((17, 10.0), (18, 10.25)):
            clock[0] = at
            session.arrive(invocation(id, "GetOrder", "GET /orders/1", "queued"))
            shown.main.drain()
        clock[0] = 10.35
        assert table.meant().id == 17
        assert table.current.id == 17


@pytest.mark.parametrize(("key", "done"), [("enter", "details"), ("b", "source"), ("y", "copy")])
async def test_no_key_is_about_a_row_that_just_slid_under_the_cursor(key, done, clock):
    session = live_session()
    async with console(session) as shown:
        clock[0] = 10.0
        opened: list[str] = []
        shown.main._open_handler = lambda function, path: opened.append(function)
        shown.main.handler_file = lambda function: f"{function}.py"
        session.arrive(invocation(17, "Worker", "sqs orders ×1", "queued", event=b'"of 17"'))
        shown.main.drain()
        await shown.press(key)
        assert shown.main.table.current.id == 16, done
        assert opened == (["CreateOrder"] if key == "b" else [])
        if key == "y":
            await shown.sees("event of #16")


async def test_a_click_is_on_the_line_that_was_seen_there(clock):
    rows = [invocation(id, "GetOrder", f"GET /orders/{id}") for id in range(1, 60)]
    session = live_session(rows)
    async with console(session) as shown:
        await shown.sees("GET /orders/59")
        line = next(at for at, each in enumerate(shown.screen_text("#list").split("\n")) if "GET /orders/50" in each)
        clock[0] = 10.0
        session.arrive(invocation(60, "GetOrder", "GET /orders/60"))
        shown.main.drain()
        await shown.pilot.click("#list", offset=(5, line))
        assert shown.main.table.current.id == 50


async def test_opening_a_row_ends_following():
    session = live_session()
    async with console(session) as shown:
        await shown.press("enter")
        session.arrive(invocation(17, "GetOrder", "GET /orders/1", "queued"))
        await shown.settle()
        assert shown.main.details.row.id == 16


async def test_a_row_chosen_in_a_frozen_list_stays_chosen_when_it_goes_on():
    session = live_session()
    async with console(session) as shown:
        await shown.press("space", "g")
        session.arrive(invocation(17, "GetOrder", "GET /orders/1", "queued"))
        await shown.press("space")
        assert shown.main.table.current.id == 9


async def test_a_replay_appears_while_the_list_is_frozen_and_nothing_else_does():
    session = live_session()
    async with console(session) as shown:
        await shown.opened(12)
        await shown.press("space", "r")
        await shown.until(lambda: shown.main.table.current.id == 17, "the replay's row")
        session.arrive(invocation(18, "GetOrder", "GET /orders/1", "queued"))
        session.finish(invocation(17, "GetOrder", "replay of #12", replay_of=12))
        await shown.settle()
        assert shown.main.table.rows.get(18) is None
        assert shown.main.table.rows.get(17).state == "ok"


async def test_a_mark_shows_while_the_list_is_frozen():
    async with console() as shown:
        await shown.opened(14)
        await shown.press("space", "m")
        shown.session.finish(invocation(14, "Nightly", "schedule", marked=True))
        await shown.settle()
        row = shown.main.table.current
        assert (row.marked, row.state) == (True, "paused")


async def test_all_rows_of_a_repeated_replay_appear_while_the_list_is_frozen():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("space", "R", "ctrl+u", "3", "enter")
        await shown.until(lambda: shown.main.table.current.id == 17, "the first of them")
        assert [shown.main.table.rows.get(id) is not None for id in (17, 18, 19)] == [True] * 3
        shown.session.arrive(invocation(20, "GetOrder", "replay of #12", "queued", replay_of=12))
        await shown.settle()
        assert shown.main.table.rows.get(20) is None  # nobody asked for a fourth


async def test_marked_rows_that_run_again_appear_while_the_list_is_frozen():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("m")
        await shown.opened(10)
        await shown.press("m", "space", "ctrl+r")
        await shown.until(lambda: shown.main.table.current.id == 17, "the first of them")
        assert [shown.main.table.rows.get(id).replay_of for id in (17, 18)] == [10, 12]


@pytest.mark.parametrize("row_is_faster", [False, True])
async def test_the_row_of_an_event_sent_from_here_appears_while_the_list_is_frozen(row_is_faster):
    async with console() as shown:
        await shown.opened(12)
        await shown.press("space", "i", "enter")
        await shown.until(lambda: bool(shown.app.screen.query("#narrow")), "the samples")
        await shown.type("an empty")
        await shown.press("enter")
        await shown.until(lambda: bool(shown.app.screen.query("#editor")), "the editor")
        await shown.press("ctrl+s")
        await shown.until(lambda: any(asked[0] == "invoke" for asked in shown.session.asked), "the call")
        steps = [
            lambda: shown.session.taken("r-18"),
            lambda: [
                shown.session.arrive(invocation(id, "GetOrder", "event", "queued")) for id in (17, 18)
            ],
        ]
        for step in reversed(steps) if row_is_faster else steps:
            step()
            await shown.settle()
        assert shown.main.table.rows.get(17) is None
        assert shown.main.table.current.id == 18


async def test_the_cursor_is_back_on_its_row_when_a_filter_that_hid_it_goes():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("slash")
        await shown.type("schedule")
        assert shown.main.table.current.id == 14
        await shown.press("escape")
        assert shown.main.table.current.id == 12


async def test_all_rows_of_a_filter_are_marked_and_replayed():
    async with console() as shown:
        await shown.press("slash")
        await shown.type("fn:GetOrder !is:replay")
        await shown.press("enter", "M")
        await shown.until(lambda: [each for each in shown.session.asked if each[0] == "mark"] == [
            ("mark", 10, True), ("mark", 12, True)], "the marks")
        await shown.press("ctrl+r")
        assert [each[1] for each in shown.session.asked if each[0] == "replay"] == [10, 12]


# -- the filter ----------------------------------------------------------------------------------------------------


async def test_half_a_field_hides_nothing_and_a_mistake_is_explained():
    async with console() as shown:
        await shown.press("slash")
        await shown.type("stat")
        assert len(shown.main.table.rows) == 8
        await shown.type("e:err")
        await shown.sees("There is no state `err`", "timeout")
        assert len(shown.main.table.rows) == 8


async def test_pinned_rows_can_be_asked_for_as_they_are_now():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("p", "slash")
        await shown.type("is:pinned")
        await shown.press("enter")
        assert [row.id for row in map(shown.main.table.rows.at, range(9)) if row] == [12]
        await shown.press("p")
        await shown.sees("No row matches the filter")
        await shown.press("slash", "ctrl+u")
        await shown.type("!is:pinned fn:GetOrder")
        await shown.press("enter", "p")
        assert len(shown.main.table.rows) == 2  # of 10, 12 and 13, one is pinned now
        await shown.press("slash", "ctrl+u")
        await shown.type("is:pinned,marked")
        await shown.sees("`is:` knows marked", "`is:pinned` stands on its own.")


async def test_tab_completes_a_filter():
    async with console() as shown:
        await shown.press("slash")
        await shown.type("!state:err")
        shown_suggestion = shown.main.invocations.filter
        await shown.until(lambda: shown_suggestion._suggestion == "!state:error", "the suggestion")
        await shown.press("tab")
        assert shown_suggestion.value == "!state:error"
        assert shown.app.focused is shown_suggestion


# -- typing --------------------------------------------------------------------------------------------------------


async def test_keys_that_come_in_one_burst_are_taken_in_their_order():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("e")
        await shown.until(lambda: bool(shown.app.screen.query("#editor")), "the editor")
        editor = shown.app.screen.query_one("#editor", TextArea)
        editor.text = '"card 42"'
        burst(shown, "end", "left", "left", "backspace", "9", "home", "delete", "x")
        await shown.settle()
        assert editor.text == 'xcard 92"'


async def test_keys_right_behind_one_that_moves_the_focus_go_where_it_is_then():
    async with console() as shown:
        await shown.opened(12)
        burst(shown, "slash", *"err", "enter", "down", "slash", *"!")
        await shown.settle()
        assert shown.app.screen.query_one("#filter", Input).value == "err!"
        assert [what for what, *_ in shown.session.asked if what == "replay"] == []


async def test_keys_right_behind_one_that_opens_a_dialog_are_typed_there():
    async with console() as shown:
        await shown.opened(12)
        burst(shown, "a", *"why?", "enter", "f3")  # opens a dialog, answers it, and goes to another view
        await shown.until(lambda: shown.main.query_one("#views", ContentSwitcher).current == "functions", "the view")
        assert shown.session.asked[-1] == ("note", 12, "why?")


async def test_a_key_whose_end_is_not_seen_holds_the_others_up_for_a_moment_only(monkeypatch):
    async with console() as shown:
        monkeypatch.setattr(shown.app, "_follow", lambda event, at, rounds: None)
        burst(shown, "f4", "f3")
        await shown.until(lambda: shown.main.query_one("#views", ContentSwitcher).current == "functions", "the view")


async def test_ctrl_e_opens_the_editor_of_the_user(monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(app_module, "run_outside", lambda app, command: asked.append(command[0]))
    monkeypatch.setenv("VISUAL", sys.executable)
    async with console() as shown:
        await shown.opened(12)
        await shown.press("e")
        await shown.until(lambda: bool(shown.app.screen.query("#editor")), "the editor")
        await shown.press("ctrl+e")
        assert asked == [sys.executable]


async def test_samples_are_narrowed_down_and_the_functions_own_events_come_first():
    async with console() as shown:
        await shown.opened(11)
        await shown.press("i", "enter")
        await shown.until(lambda: bool(shown.app.screen.query("#narrow")), "the samples")
        choices = shown.app.screen.query_one("#choices", OptionList)
        first = [str(choices.get_option_at_index(at).prompt) for at in range(3)]
        assert first[0].startswith("#15"), first
        assert first[2].startswith("sqs"), first
        shown.app.screen.query_one("#narrow", Input).focus()
        await shown.type("sched rule")
        assert 0 < choices.option_count < 5


@pytest.mark.parametrize("field", ["answer", "narrow", "logs-filter", "search", "expression"])
async def test_every_field_takes_a_burst_of_keys_in_its_order(field):
    async with console() as shown:
        match field:
            case "answer":
                await shown.press("a")
            case "narrow":
                shown.app.push_screen(Choose("Which?", [Pick(str(at), f"n {at}") for at in range(12)]))
            case "logs-filter":
                await shown.press("f6", "slash")
            case "search":
                await shown.opened(12)
                await shown.press("enter", "slash")
            case _:
                await shown.press("f12")
                shown.main.debugger.show_paused(True)
        await shown.until(lambda: bool(shown.app.screen.query(f"#{field}")), "the field")
        line = shown.app.screen.query_one(f"#{field}", Input)
        line.focus()
        await shown.settle()
        burst(shown, "a", "b", "c", "left", "backspace", "x", "home", "y")
        await shown.settle()
        assert line.value == "yaxc"


# -- looking -------------------------------------------------------------------------------------------------------


async def test_rows_are_laid_out_anew_when_the_terminal_changes_its_size():
    async with console(size=(80, 24)) as shown:
        await shown.sees("#")
        await shown.pilot.resize_terminal(160, 45)
        await shown.settle()
        lines = shown.screen_text("#list").split("\n")
        head = shown.screen_text("ListHead").split("\n")[0]
        at = head.index("state")
        assert [line[at] for line in lines[:3]] == ["✓", "✓", "✓"], (head, lines[:3])


async def test_the_other_views_are_named_and_clicked():
    async with console() as shown:
        line = next(each for each in shown.screen_text().split("\n") if "f3 Functions" in each)
        await shown.pilot.click(offset=(line.index("Functions") + 2, 1))
        await shown.until(lambda: shown.main.views.current == "functions", "the view")
        await shown.sees("f2 Invocations", "CreateOrder", "handler")
        await shown.lacks("f3 Functions")


async def test_enter_on_a_log_line_goes_to_the_invocation_that_wrote_it():
    async with console() as shown:
        shown.session.write(10, "found order 7")
        shown.session.write(12, "nothing found")
        await shown.press("f6")
        await shown.sees("14:03:10", "found order 7")
        await shown.press("k", "enter")
        await shown.until(lambda: shown.main.views.current == "invocations", "the invocations")
        assert shown.main.table.current.id == 10
        assert shown.main.details.tab == "Logs"


async def test_logs_are_at_their_end_when_they_are_opened_and_grow_there():
    async with console() as shown:
        for at in range(100):
            shown.session.write(10, f"line {at} {'long ' * 40}")
        await shown.press("f6")
        await shown.sees("line 99")
        shown.session.write(10, "the last one")
        await shown.sees("the last one")


async def test_answers_are_compared_inside_their_json_strings_and_without_request_ids():
    first = b'{"statusCode":200,"body":"{\\"id\\":1,\\"name\\":\\"tea\\"}"}'
    second = b'{"statusCode":200,"body":"{\\"id\\":2,\\"name\\":\\"tea\\"}"}'
    error = b'{"errorType":"E","errorMessage":"m","requestId":"%s","stackTrace":[]}'
    session = live_session(
        [
            invocation(1, "GetOrder", "GET /", response=first),
            invocation(2, "GetOrder", "replay", response=second, replay_of=1),
            invocation(3, "GetOrder", "GET /", "error", response=error % b"a", error="E"),
            invocation(4, "GetOrder", "replay", "error", response=error % b"b", error="E", replay_of=3),
        ]
    )
    async with console(session) as shown:
        await shown.opened(2)
        await shown.press("7")
        await shown.sees("~ body.id", "- 1", "+ 2")
        await shown.opened(4)
        await shown.sees("✓ The answers are equal.")


async def test_an_empty_list_says_how_to_make_the_first_call():
    async with console(live_session([])) as shown:
        await shown.sees("Waiting for the first call.", "curl https://ab12cd34", "i sends a sample event")


@given(st.text(alphabet=st.sampled_from("ab 日👍é"), max_size=200), st.integers(12, 60), st.integers(0, 6))
def test_broken_lines_lose_nothing_and_fit(words, room, hang):
    spans = broken(words, room, hang)
    assert "".join(words[start:end] for start, end in spans) == words
    for at, (start, end) in enumerate(spans):
        assert cell_len(words[start:end]) <= (room if at == 0 else room - hang)


async def test_a_template_that_changed_is_told_until_it_is_deployed():
    async with console() as shown:
        shown.session.tell(Notice("info", "The template changed: …", lasting="template changed, D deploys it"))
        await shown.sees("template changed, D deploys it")
        shown.session.tell(LIVE)
        await shown.until(lambda: not shown.main.header.badges or "template" not in shown.main.header.badges[0])


async def test_a_template_that_is_again_as_deployed_is_told_no_more():
    async with console() as shown:
        shown.session.tell(Notice("info", "The template changed: …", lasting="template changed, D deploys it"))
        await shown.sees("template changed, D deploys it")
        shown.session.tell(Notice("info", "Something else."))
        await shown.settle()
        assert shown.main.header.badges[0] == "template changed, D deploys it"
        shown.session.tell(Notice("info", "The template is again as it was deployed.", lasting=""))
        await shown.lacks("template changed")


async def test_a_large_event_goes_to_the_editor_at_once(monkeypatch):
    given: list[str] = []

    def edit(app: object, command: list[str]) -> None:
        path = Path(command[-1])
        given.append(path.read_text())
        path.write_text(given[0].replace('"n": 1', '"n": 2'))

    monkeypatch.setattr(app_module, "run_outside", edit)
    monkeypatch.setenv("VISUAL", sys.executable)
    large = invocation(1, "GetOrder", "POST /", event=json.dumps(
        {"n": 1, "password": "hunter22", "x": "y" * 1_100_000}).encode())
    async with console(live_session([large])) as shown:
        await shown.opened(1)
        await shown.press("e")
        await shown.until(lambda: any(asked[0] == "replay" for asked in shown.session.asked), "the replay")
    sent = next(asked for asked in shown.session.asked if asked[0] == "replay")[2]
    assert "hunter22" not in given[0]
    assert {name: json.loads(sent)[name] for name in ("n", "password")} == {"n": 2, "password": "hunter22"}


async def test_lines_that_came_while_the_logs_were_hidden_are_seen_at_the_second_look():
    async with console() as shown:
        logs = shown.main.query_one(LogsPane)
        for number in range(60):
            shown.session.write(12, f"line {number} of words that go on and on " * 9)
        await shown.press("f6")
        await shown.sees("line 59 of")
        logs.move_to(15)
        chosen, before = logs.current, len(logs.document)
        await shown.press("escape")
        shown.session.write(12, "a word that came while hidden " * 9)
        await shown.settle()
        await shown.press("f6")
        await shown.until(lambda: len(logs.document) == before + 1, "the line to be taken")
        await shown.settle()
        assert logs.current == chosen
        await shown.press("G")
        await shown.sees("came while hidden")
