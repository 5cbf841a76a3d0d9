"""The screen people keep open: what it shows while it starts, while it is live, and when it fails."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import msgspec
import pytest
from console import SIZES, console
from recorded import LIVE, NOON, STEPS, RecordedSession, invocation, live_session
from textual.screen import Screen

from livetui.session.events import CodeReloaded, LinkChanged, Notice, SessionEnded, SessionFailed, StackProgress
from livetui.tui.app import LivetuiApp
from livetui.tui.documents import Document
from livetui.tui.screens.main import MainScreen
from livetui.tui.widgets import details
from livetui.tui.widgets.header import Header, endpoint_of
from livetui.tui.widgets.lines import DetailPane
from livetui.tui.widgets.progress import waiting_words


@pytest.mark.parametrize("size", SIZES)
async def test_shows_app_link_rows_and_details(size):
    async with console(size=size) as shown:
        await shown.opened(12)
        await shown.sees("orders · dev", "● live 23 ms", "GET /orders/99", "✗ error", '"routeKey": "GET /orders/{id}"')


async def test_the_endpoint_is_copied_by_a_click():
    async with console() as shown:
        await shown.pilot.click("Header", offset=(90, 0))
        await shown.settle()
        assert shown.app.clipboard == "https://ab12cd34.execute-api.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("outputs", "shown", "curl"),
    [
        (["https://sqs.eu-west-1.amazonaws.com/123456789012/orders", "https://localhost:39435/000000000000/b"], "", None),
        (["https://x.example/", "https://ab12.execute-api.eu-west-1.amazonaws.com/Prod/"], 1, "Prod/…"),
        (["http://localhost:20946/c7d83a03"], 0, "c7d83a03/…"),
        (["http://localhost:23850/713309d6/prod/message"], 0, "prod/message"),
        (["https://ab12.execute-api.eu-west-1.amazonaws.com/prod/message"], 0, "prod/message"),
        (["no address", "https://site.example"], 1, "site.example/…"),
    ],
)
def test_the_address_to_call_is_an_apis_and_no_queues(outputs, shown, curl):
    live = msgspec.structs.replace(LIVE, outputs=dict(enumerate(outputs)))
    assert endpoint_of(live) == (outputs[shown] if shown != "" else "")
    said = [line for line in waiting_words(live, None) if line.startswith("curl")]
    assert (said[0].endswith(curl) if curl else not said), said


def test_an_address_is_shown_whole_or_visibly_cut():
    header = Header()
    header.endpoint = "http://localhost:20946/c7d83a03/"
    shown = {header._endpoint_in(room) for room in range(60)}
    assert {"", "http://localhost:20946/c7d83a03", "localhost:20946/c7d83a03"} < shown
    assert all(each.endswith(("/c7d83a03", "…")) for each in shown if each)


async def test_the_other_views_are_named_and_clicked_on_a_narrow_screen():
    async with console(size=(80, 24)) as shown:
        await shown.sees("d f3 f4 f6 f9 f12")
        await shown.pilot.click("ViewBar", offset=(6, 0))
        await shown.until(lambda: shown.main.views.current == "stack", "the stack")


async def test_the_other_views_are_made_after_the_first_paint(monkeypatch):
    painted: list[tuple[int, bool]] = []
    display = LivetuiApp._display

    def seen(app: LivetuiApp, screen: Screen[object], renderable: object) -> None:
        if isinstance(screen, MainScreen) and not app._batch_count:
            painted.append((len(screen.views.children), screen.ready))
        display(app, screen, renderable)

    monkeypatch.setattr(LivetuiApp, "_display", seen)
    async with console() as shown:
        assert painted[0] == (1, False)  # the invocations alone
        assert len(shown.main.views.children) > 1


async def test_steps_are_listed_until_the_session_is_live_and_come_back_with_d():
    session = RecordedSession(script=list(STEPS))
    async with console(session) as shown:
        session.start()
        await shown.settle()
        assert shown.main.progress.expanded
        await shown.sees("OrdersTable", "DynamoDB::Table")
        session.tell(LIVE)
        await shown.settle()
        assert not shown.main.progress.expanded
        await shown.sees("✓ deployed 14 resources in 41 s")
        await shown.press("d")
        assert shown.main.progress.expanded


async def test_the_steps_open_at_the_newest_and_a_failed_deployment_stays_on_screen():
    many = [StackProgress("deploy", f"Table{n}", "CREATE_COMPLETE", "AWS::DynamoDB::Table") for n in range(30)]
    session = RecordedSession(script=[*STEPS, *many, LIVE])
    async with console(session) as shown:
        session.start()
        await shown.settle()
        await shown.press("d")
        await shown.sees("Table29")
        await shown.lacks("local cloud  ")
        session.tell(StackProgress("deploy", "Table3", "UPDATE_IN_PROGRESS", "AWS::DynamoDB::Table"))
        await shown.sees("… deploy      Table3 ")
        session.tell(StackProgress("deploy", "Table3", "UPDATE_FAILED", "AWS::DynamoDB::Table", "no such key"))
        session.tell(StackProgress("deploy", "orders-dev-live", "failed", "AWS::CloudFormation::Stack",
                                   "Table3: no such key, " * 5 + "really"))
        session.tell(Notice("error", "The deployment failed.", lasting="✗ not deployed"))
        await shown.sees("✗ deploy      orders-dev-live", "✗ not deployed: Table3: no such key", "key, really")
        assert shown.main.header.badges == ("✗ not deployed",)
        session.tell(StackProgress("bootstrap", "livetui-bootstrap", "skipped"))
        session.tell(LIVE)
        await shown.sees("✓ deployed 14 resources in 41 s")
        assert shown.main.header.badges == ()


async def test_a_failed_start_says_what_why_and_what_to_do_and_hands_its_exit_code_on():
    session = RecordedSession(end_at_once=False)
    async with console(session) as shown:
        session.tell(StackProgress("deploy", "Table", "CREATE_FAILED", "AWS::DynamoDB::Table", "Table already exists"))
        session.tell(
            StackProgress("deploy", "Other", "CREATE_FAILED", "AWS::SQS::Queue", "Resource creation cancelled")
        )
        session.tell(SessionFailed("The stack could not be deployed.", "Table already exists", "Rename [/red]it.", 2))
        await shown.settle()
        await shown.sees("The stack could not be deployed.", "→ Rename [/red]it.")
        await shown.press("y")
        assert "Table already exists" in shown.app.clipboard
        await shown.press("q")
    assert shown.app.return_code == 2


async def test_a_session_that_ends_by_itself_leaves_with_its_code():
    session = live_session()
    async with console(session) as shown:
        session.tell(SessionEnded(130))
        await shown.settle()
    assert shown.app.return_code == 130


async def test_q_asks_the_session_to_stop_and_leaves_when_it_has():
    session = live_session()
    session.end_at_once = False
    async with console(session) as shown:
        await shown.press("q")
        assert ("stop",) in session.asked
        await shown.sees("ending")
        session.tell(SessionEnded(0))
        await shown.settle()
    assert shown.app.return_code == 0


async def test_escape_never_quits():
    async with console() as shown:
        await shown.press("escape", "escape", "escape")
        assert shown.app.is_running
        assert ("stop",) not in shown.session.asked


async def test_a_row_appears_at_once_and_is_updated_in_place():
    session = live_session([])
    async with console(session) as shown:
        session.arrive(invocation(1, "GetOrder", "GET /orders/1", "queued"))
        await shown.settle()
        await shown.sees("… queued")
        session.begin(1)
        await shown.settle()
        await shown.sees("▶ running")
        session.finish(invocation(1, "GetOrder", "GET /orders/1", "ok", handler_ms=17.0))
        await shown.settle()
        assert len(shown.main.table.rows) == 1
        await shown.sees("✓ ok")


async def test_the_list_follows_until_the_cursor_leaves_the_newest_row():
    session = live_session()
    async with console(session) as shown:
        assert shown.main.table.current.id == 16
        session.arrive(invocation(17, "GetOrder", "GET /orders/1", "queued"))
        await shown.settle()
        assert shown.main.table.current.id == 17
        await shown.press("k")
        session.arrive(invocation(18, "GetOrder", "GET /orders/1", "queued"))
        await shown.settle()
        assert shown.main.table.current.id == 16
        await shown.sees("1 new")
        await shown.press("F")
        assert shown.main.table.current.id == 18
        await shown.sees("FOLLOW")


async def test_a_row_gone_to_from_the_logs_or_among_the_causes_ends_following():
    session = live_session([invocation(id, "GetOrder", "GET /", trace_id="1-a") for id in (1, 2)])
    async with console(session) as shown:
        session.write(2, "a line of the newest")
        await shown.press("f6")
        await shown.sees("a line of the newest")
        await shown.press("enter")
        await shown.until(lambda: not shown.main.table.following, "the row of the line")
        assert shown.main.table.current.id == 2
        shown.main.table.focus()
        await shown.press("g", "t")
        await shown.sees("What belongs to #1")
        await shown.press("end", "enter")
        assert shown.main.table.current.id == 2
        assert not shown.main.table.following


async def test_space_freezes_the_list_and_lets_it_go_on():
    session = live_session()
    async with console(session) as shown:
        await shown.press("space")
        session.arrive(invocation(17, "GetOrder", "GET /orders/1", "queued"))
        await shown.settle()
        assert len(shown.main.table.rows) == 8
        await shown.sees("FROZEN · 1 new")
        await shown.press("space")
        assert len(shown.main.table.rows) == 9


async def test_r_replays_as_a_new_row_and_goes_there():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("r")
        await shown.until(lambda: shown.main.table.current.id == 17, "the replay's row")
        assert ("replay", 12, None, 1) in shown.session.asked
        assert shown.main.table.rows.get(12).state == "error"
        await shown.sees("↻ replay of 12")


async def test_the_replay_button_does_the_same():
    async with console() as shown:
        await shown.opened(12)
        await shown.pilot.click("#button-replay")
        await shown.settle()
        assert ("replay", 12, None, 1) in shown.session.asked


async def test_number_keys_choose_tabs_and_each_shows_its_part():
    async with console() as shown:
        await shown.opened(12)
        seen = {}
        for number, name in enumerate(("Event", "Response", "Logs", "Error", "Context", "Timing", "Diff", "Calls"), 1):
            await shown.press(str(number))
            assert shown.main.details.tab == name
            seen[name] = shown.pane_text()
    assert "rawPath" in seen["Event"]
    assert "OrderNotFound" in seen["Response"]
    assert "slow table" in seen["Logs"]
    assert "order 99 does not exist" in seen["Error"]
    assert "src/orders.py:12" in seen["Error"]
    assert "memory_limit_in_mb" in seen["Context"]
    assert "way out" in seen["Timing"]
    assert "Not a replay" in seen["Diff"]
    assert "s3:PutObject" in seen["Calls"]


async def test_logs_of_the_chosen_row_grow_while_it_runs():
    async with console() as shown:
        await shown.opened(16)
        await shown.press("3")
        shown.session.write(16, "first", "second [bold]line[/bold]")
        await shown.settle()
        assert "second [bold]line[/bold]" in shown.pane_text()


async def test_the_link_going_down_is_said_in_words():
    async with console() as shown:
        shown.session.tell(LinkChanged("offline", detail="no route"))
        await shown.settle()
        await shown.sees("○ offline since 14:03 · no route")


async def test_a_session_that_ends_under_the_console_says_so_until_d_starts_it_anew():
    async with console() as shown:
        shown.session.tell(StackProgress("cloud", "local cloud", "failed", reason="It has ended."))
        shown.session.tell(LinkChanged("closed"))
        shown.session.tell(SessionFailed("The local cloud has ended.", "", "D starts a new one."))
        await shown.sees("✗ The local cloud has ended.", "→ D starts a new one.")
        await shown.press("escape")
        await shown.sees("✗ ended · D starts anew")
        await shown.press("D")
        await shown.sees("… starting", "reading the template")
        assert ("redeploy",) in shown.session.asked


async def test_a_paused_row_is_counted_in_the_header():
    async with console(now=NOON + 22) as shown:
        shown.session.tell(LinkChanged("live", 20.0))
        shown.session.arrive(invocation(20, "Nightly", "schedule", "paused", deadline=NOON + 49))
        await shown.settle()
        await shown.sees("‖ 2 paused")
        await shown.sees("‖ 2/29 s")


async def test_notices_and_reloads_are_told():
    async with console() as shown:
        shown.session.tell(Notice("warning", "low [/disk]"))
        shown.session.tell(CodeReloaded("GetOrder", 41.0))
        shown.session.tell(CodeReloaded("GetOrder", 3.0, "SyntaxError: orders.py line 3"))
        await shown.sees("SyntaxError", "low [/disk]", "GetOrder reloaded in 41 ms")


async def test_rows_that_come_together_are_all_drawn(monkeypatch):
    drawn: set[int] = set()
    async with console() as shown:
        await shown.opened(16)
        draw = shown.main.table.refresh_line
        monkeypatch.setattr(shown.main.table, "refresh_line", lambda at: (drawn.add(at), draw(at)))
        for id in (17, 18, 19):
            shown.session.arrive(invocation(id, "Worker", "schedule", "queued"))
        await shown.until(lambda: len(shown.main.table.rows) == 11, "the rows")
    assert drawn >= {8, 9, 10}


async def test_the_cursor_goes_to_a_replay_that_ended_before_the_screen_heard_of_it():
    async with console() as shown:
        await shown.opened(12)
        held = shown.session.arrive
        shown.session.arrive = lambda each: None
        await shown.press("r")
        shown.session.arrive = held
        shown.session.finish(invocation(17, "GetOrder", "GET /orders/99", "error", replay_of=12))
        shown.session.finish(invocation(18, "Worker", "schedule", "ok"))
        await shown.until(lambda: len(shown.main.table.rows) == 10, "both rows")
        assert shown.main.table.current is not None
        assert shown.main.table.current.id == 17


async def test_rows_that_come_while_another_view_is_shown_find_the_list_as_wide_as_it_was():
    async with console() as shown:
        await shown.opened(16)
        columns = shown.main.table.columns
        await shown.press("f3")
        shown.session.arrive(invocation(17, "Worker", "sqs late", "queued"))
        await shown.until(lambda: len(shown.main.table.rows) == 9, "the row")
        await shown.press("f2")
        await shown.sees("sqs late")
        assert shown.main.table.columns == columns


async def test_a_row_takes_the_place_of_another_in_one_step(monkeypatch):
    monkeypatch.setattr(details, "_UNNOTICED_S", 60)
    painted: list[int] = []
    show = DetailPane.show

    def counted(self: DetailPane, made: Document, *how: bool) -> None:
        painted.append(len(made.lines))
        show(self, made, *how)

    monkeypatch.setattr(DetailPane, "show", counted)
    async with console() as shown:
        await shown.opened(12)
        painted.clear()
        await shown.opened(11)
        assert len(painted) == 1 and painted[0] > 1
        assert shown.main.details.border_title.startswith("#11 ")


async def test_a_row_that_takes_long_to_read_is_announced_over_an_empty_pane(monkeypatch):
    monkeypatch.setattr(details, "_UNNOTICED_S", 0.01)
    session = live_session()
    async with console(session) as shown:
        await shown.opened(12)
        read, may_go = session.invocation, threading.Event()
        monkeypatch.setattr(session, "invocation", lambda id: (may_go.wait(30), read(id))[1])
        assert shown.main.table.stay(11)
        async with asyncio.timeout(15):
            while shown.main.details.shown != 11:  # noqa: ASYNC110  (Textual has no event for it)
                await asyncio.sleep(0.01)
        assert shown.main.details.border_title.startswith("#11 ")
        assert shown.pane_text() == ""
        may_go.set()
        await shown.opened(11)
        assert "routeKey" in shown.pane_text() or "Records" in shown.pane_text()


async def test_a_timer_that_is_told_of_after_the_row_has_come_empties_nothing():
    async with console() as shown:
        await shown.opened(12)
        pane, details_ = shown.pane_text(), shown.main.details
        details_.show_row(shown.session.invocations[11].row, NOON)
        details_.call_next(details_._noticed)  # its time has come
        details_.show_row(shown.session.invocations[12].row, NOON)
        await shown.handled()
        assert shown.pane_text() == pane


async def test_an_empty_pane_opens_no_pager_and_copies_nothing(monkeypatch):
    outside: list[list[str]] = []
    monkeypatch.setattr("livetui.tui.screens.records.run_outside", lambda app, command: outside.append(command))
    async with console() as shown:
        await shown.press("f6", "o")
        await shown.sees("There is nothing to show.")
        await shown.press("y")
        await shown.sees("There is nothing to copy.")
    assert not outside


async def test_the_pager_gets_the_text_with_its_secrets_masked(monkeypatch):
    seen: list[str] = []
    monkeypatch.setenv("PAGER", "cat")
    monkeypatch.setattr(
        "livetui.tui.screens.records.run_outside", lambda app, command: seen.append(Path(command[-1]).read_text())
    )
    async with console() as shown:
        await shown.opened(12)
        await shown.press("enter", "o")
        await shown.settle()
        shown.session.write(11, "hello from Worker")
        await shown.press("f6")
        await shown.sees("hello from Worker")
        await shown.press("o")
    assert "routeKey" in seen[0]
    assert "secret" not in seen[0]
    assert "hello from Worker" in seen[1]
