"""Earlier sessions, events from outside, and what the views of functions and link count."""

from __future__ import annotations

import json
import shlex
import threading

import pytest
from console import Console, console
from recorded import HTTP_EVENT, invocation, live_session, orders
from textual.widgets import OptionList

from livetui.config import Settings
from livetui.errors import LivetuiError
from livetui.session import export
from livetui.session.events import CodeReloaded
from livetui.session.filter import parse
from livetui.tui.screens import history
from livetui.tui.widgets.invocations_pane import FilterChanged


def two_sessions():
    earlier = [invocation(id, "GetOrder", f"GET /orders/{id}", session="s-0") for id in (1, 2, 3)]
    return live_session([*earlier, *orders()])


async def choose_the_earlier(shown: Console) -> None:
    await shown.press("P")
    await shown.sees("all sessions", "3 invocations", "8 invocations")
    await shown.press("end", "enter")


async def test_an_earlier_session_is_shown_alone_and_left_again():
    session = two_sessions()
    async with console(session) as shown:
        await shown.opened(12)
        await choose_the_earlier(shown)
        await shown.until(lambda: shown.main.table.rows.shown == [1, 2, 3], "the rows of the earlier session")
        await shown.sees("Session of", "esc goes back", "GET /orders/2")
        session.arrive(invocation(17, "Worker", "sqs orders ×1", "queued"))
        await shown.until(lambda: shown.main.table.rows.held == 12, "a call of the present session")
        assert shown.main.table.rows.shown == [1, 2, 3]
        await shown.press("escape")
        await shown.until(lambda: len(shown.main.table.rows) == 12, "all rows")
        await shown.lacks("Session of")


async def test_a_filter_narrows_an_earlier_session_too():
    async with console(two_sessions()) as shown:
        await shown.opened(12)
        await choose_the_earlier(shown)
        await shown.until(lambda: shown.main.table.rows.shown == [1, 2, 3], "the rows of the earlier session")
        await shown.press("slash")
        await shown.type("id:2..9")
        await shown.until(lambda: shown.main.table.rows.shown == [2, 3], "the filter")
        await shown.press("enter", "escape")
        await shown.until(lambda: shown.main.table.rows.shown == [1, 2, 3], "no filter")


async def test_a_replay_of_an_earlier_session_is_a_new_row_of_this_one():
    session = two_sessions()
    async with console(session) as shown:
        await shown.opened(12)
        await choose_the_earlier(shown)
        await shown.until(lambda: shown.main.table.rows.shown == [1, 2, 3], "the rows of the earlier session")
        await shown.press("r")
        await shown.until(
            lambda: shown.main.table.current is not None and shown.main.table.current.id == 17, "the replay"
        )
        assert shown.main.past is None
        assert len(shown.main.table.rows) == 12
    assert session.asked[0][:2] == ("replay", 3)


@pytest.mark.parametrize("filtered_at_once", [0, 20_000])
async def test_a_replay_appears_though_the_filter_hides_such_rows_until_another_is_typed(monkeypatch, filtered_at_once):
    monkeypatch.setattr(history, "FILTERED_AT_ONCE", filtered_at_once)
    async with console() as shown:
        await shown.press("slash", *"state:error", "enter")
        await shown.opened(12)
        await shown.press("r")
        await shown.until(lambda: shown.main.table.current.id == 17, "the replay's row")
        shown.session.finish(invocation(17, "GetOrder", "replay of #12", replay_of=12))
        shown.session.arrive(invocation(18, "GetOrder", "GET /orders/1"))
        await shown.settle()
        assert shown.main.table.rows.shown == [12, 17]
        await shown.press("slash", "enter", "M")
        assert shown.main.table.rows.shown == [12, 17]
        assert [row.id for row in shown.main.table.rows.all() if row.marked] == [12], "all that the filter lets through"
        await shown.press("slash", *" fn:Get*")
        assert shown.main.table.rows.shown == [12]


async def test_a_pinned_call_that_runs_again_is_no_row_of_an_earlier_session():
    session = two_sessions()
    async with console(session) as shown:
        await shown.opened(12)
        await shown.press("p")
        await choose_the_earlier(shown)
        session.tell(CodeReloaded("GetOrder", 41.0))
        await shown.until(lambda: shown.main.table.rows.get(17) is not None, "the replay")
        assert shown.main.table.rows.shown == [1, 2, 3]


def long_history(monkeypatch, read, page, many):
    """So many calls, of which the newest are `read` at the start."""
    monkeypatch.setattr(history, "FIRST_ROWS", read)
    monkeypatch.setattr(history, "PAGE", page)
    return live_session([invocation(id, "GetOrder", f"GET /orders/{id}") for id in range(1, many + 1)])


@pytest.mark.parametrize("at_once", [0, 5_000])
async def test_a_filter_finds_what_was_not_read_from_the_history_even_while_the_list_is_frozen(monkeypatch, at_once):
    monkeypatch.setattr(history, "FILTERED_AT_ONCE", at_once)
    async with console(long_history(monkeypatch, 5, 3, 20)) as shown:
        rows = shown.main.table.rows
        await shown.until(lambda: rows.shown == [16, 17, 18, 19, 20], "the newest rows")
        await shown.press("space", "slash")
        shown.main.invocations.filter.value = "id:2..17"  # as pasted: what is half typed finds rows, too
        await shown.until(lambda: rows.shown == [15, 16, 17], "a page of what the filter lets through")
        shown.main.invocations.filter.value = "id:2..17 trigger:*2"
        await shown.until(lambda: rows.shown == [2, 12], "what a smaller filter lets through")
        await shown.sees("2 of 20")
        await shown.press("escape")
        await shown.until(lambda: rows.shown == [*range(16, 21)], "all without a hole")


async def test_an_answer_to_a_filter_that_was_taken_away_since_hides_nothing(monkeypatch):
    session = long_history(monkeypatch, 20, 10, 20)
    monkeypatch.setattr(history, "FILTERED_AT_ONCE", 0)
    asked, answered = threading.Event(), threading.Event()

    def numbers(filter: str, session: str | None) -> list[int]:
        asked.set()
        answered.wait(15)
        return [2]

    async with console(session) as shown:
        monkeypatch.setattr(session, "numbers", numbers)
        shown.main.post_message(FilterChanged("id:2", parse("id:2")))
        await shown.handled()
        assert asked.wait(15)
        shown.main.post_message(FilterChanged("", None))
        await shown.handled()
        answered.set()
        await shown.settle()
        assert len(shown.main.table.rows) == 20


async def test_older_rows_come_when_the_top_is_reached_and_move_nothing(monkeypatch):
    async with console(long_history(monkeypatch, 60, 50, 120)) as shown:
        table = shown.main.table
        await shown.until(lambda: len(table.rows) == 60, "the newest rows")
        for held, at in ((110, 61), (120, 11), (120, 1)):
            await shown.press("g")
            await shown.until(lambda held=held: len(table.rows) == held, f"{held} rows")
            assert table.current.id == at
            assert table.cursor == table.scroll_offset.y, "it stands where it stood"
        assert table.rows.shown == list(range(1, 121))
        assert table.unseen == 0


async def test_what_a_filter_found_far_below_leaves_no_list_with_a_hole(monkeypatch):
    async with console(long_history(monkeypatch, 60, 50, 400)) as shown:
        table = shown.main.table
        await shown.until(lambda: len(table.rows) == 60, "the newest rows")
        shown.main.post_message(FilterChanged("id:<20", parse("id:<20")))
        await shown.until(lambda: len(table.rows) == 19, "the oldest")
        shown.main.post_message(FilterChanged("", None))
        await shown.until(lambda: len(table.rows) == 60, "the newest again")
        assert table.rows.shown == list(range(341, 401))
        await shown.press("g")
        await shown.until(lambda: len(table.rows) == 110, "a page")
        assert table.rows.shown == list(range(291, 401))


async def test_a_page_that_could_not_be_read_or_was_not_waited_for_is_read_again(monkeypatch):
    session = long_history(monkeypatch, 60, 50, 400)
    async with console(session) as shown:
        table = shown.main.table
        await shown.until(lambda: len(table.rows) == 60, "the newest rows")
        rows = session.rows

        def broken(*_: object) -> list[object]:
            raise LivetuiError("The history cannot be read.", "disk I/O error")

        monkeypatch.setattr(session, "rows", broken)
        await shown.press("g")
        await shown.sees("The history cannot be read.")
        monkeypatch.setattr(session, "rows", rows)
        await shown.press("G", "g")
        await shown.until(lambda: len(table.rows) == 110, "a page")


async def invoke_with(shown: Console, words: str) -> None:
    """Choose what the function of the chosen row is invoked with."""
    await shown.press("i", "enter")
    await shown.until(lambda: bool(shown.app.screen.query("#narrow")), "the choices")
    await shown.type(words)
    await shown.press("enter")


async def test_before_the_first_call_samples_for_the_functions_routes_come_first():
    async with console(live_session([])) as shown:
        await shown.press("i", "down", "enter")  # GetOrder
        await shown.until(lambda: bool(shown.app.screen.query("#narrow")), "the choices")
        choices = shown.app.screen.query_one(OptionList)
        first = [str(choices.get_option_at_index(at).prompt).split()[0] for at in (0, 1)]
        assert first == ["http-api", "http-api-post"]


@pytest.mark.parametrize("kind", export.KINDS)
async def test_what_was_exported_is_sent_from_pasted_text(kind, tmp_path):
    exported = export.export(
        orders()[1],
        kind,
        reveal=True,
        endpoint="https://shop.example",
        handler="src/orders.handler",
        code_root=tmp_path,
        project=tmp_path,
    )
    async with console() as shown:
        await shown.opened(12)
        await invoke_with(shown, "pasted")
        await shown.sees("paste an export")
        await shown.press("ctrl+s")
        assert shown.app.screen.query("#editor"), "nothing is sent while nothing is there"
        shown.app.screen.query_one("#editor").text = exported
        await shown.sees("✓ JSON")
        await shown.press("ctrl+s")
        await shown.until(lambda: any(asked[0] == "invoke" for asked in shown.session.asked), "the event to be sent")
    sent = json.loads(next(asked for asked in shown.session.asked if asked[0] == "invoke")[2])
    assert (sent.get("rawPath") or sent["path"]) == "/orders/99"
    assert sent["pathParameters"] == {"id": "99"}


async def test_what_is_no_event_is_told_and_not_sent():
    async with console() as shown:
        await shown.opened(12)
        await invoke_with(shown, "pasted")
        await shown.until(lambda: bool(shown.app.screen.query("#editor")), "the editor")
        shown.app.screen.query_one("#editor").text = "hello there"
        await shown.sees("There is no event in this text.")
        await shown.press("ctrl+s", "escape")
    assert not [asked for asked in shown.session.asked if asked[0] == "invoke"]


async def test_a_file_is_sent(tmp_path):
    command = f"aws lambda invoke --function-name f --payload {shlex.quote(HTTP_EVENT.decode())} out.json"
    (tmp_path / "call.sh").write_text(command)
    session = live_session()
    session.settings = Settings(app="orders", stage="dev", project=str(tmp_path))
    async with console(session) as shown:
        await shown.opened(12)
        await invoke_with(shown, "a file")
        await shown.type("call.s")
        await shown.sees("call.s is not there")
        await shown.press("h", "enter")
        await shown.until(lambda: bool(shown.app.screen.query("#editor")), "the editor")
        await shown.press("ctrl+s")
    sent = next(asked for asked in session.asked if asked[0] == "invoke")
    assert json.loads(sent[2])["rawPath"] == "/orders/99"


async def test_functions_tell_of_their_workers_and_the_link_of_its_quotas():
    async with console() as shown:
        await shown.press("f3")
        await shown.sees("waiting", "start afresh: threads run")
        row = next(line for line in shown.screen_text("#functions").split("\n") if "GetOrder" in line)
        assert row.strip("│▌ ").split() == ["GetOrder", "●", "live", "2", "3", "src/orders.handler"]
        await shown.press("f9")
        await shown.sees("64 of 100 a second", "131 KB of 512 KiB", "480 units of 5 KB", "about $0.0005")


async def test_a_call_that_overran_and_ended_after_that_is_counted_once():
    session = live_session([])
    async with console(session) as shown:
        session.finish(invocation(1, "GetOrder", "GET /", "timeout", handler_ms=3_000.0))
        session.finish(invocation(1, "GetOrder", "GET /", "late", handler_ms=5_000.0))
        await shown.settle()
        tally = shown.main.seen.tallies["GetOrder"]
        assert (tally.calls, tally.failed, tally.handler_ms) == (1, 1, 5_000.0)
