"""How rows come into the list, and the chosen one into the details; what happens while the console starts."""

from __future__ import annotations

import msgspec
from console import console
from recorded import LIVE, NOON, RecordedSession, invocation, live_session
from textual import events
from textual.geometry import Region
from textual.widgets import TextArea

from livetui.errors import LivetuiError
from livetui.tui.screens.main import MainScreen
from livetui.tui.widgets.columns import state_words


async def test_the_first_row_takes_the_place_of_the_words_and_a_longer_name_moves_every_row():
    session = live_session([])
    async with console(session) as shown:
        await shown.sees("Waiting for the first call")
        session.arrive(invocation(1, "GetOrder", "GET /orders/1"))
        await shown.sees("GET /orders/1")
        assert "Waiting" not in shown.screen_text()
        session.arrive(invocation(2, "ProcessMessages", "sqs orders ×3"))
        await shown.sees("ProcessMessages")
        first, second = (line for line in shown.screen_text("#list").split("\n") if "orders" in line)
        assert first.index("GET") == second.index("sqs")


async def test_the_clock_of_a_long_limit_keeps_its_unit():
    row = invocation(1, "ShipOrders", "sqs", "paused").row
    words, _ = state_words(msgspec.structs.replace(row, time=NOON, deadline=NOON + 900), NOON + 800)
    assert words == "‖ 800/900s"


async def test_rows_of_other_sessions_are_as_the_store_has_them_once_this_one_is_live():
    session = RecordedSession()
    session.hold(invocation(1, "ShipOrders", "sqs orders", "paused"))
    session.hold(invocation(4, "GetOrder", "GET /orders/4"))
    async with console(session) as shown:
        await shown.sees("‖", "GET /orders/4")
        session.hold(invocation(1, "ShipOrders", "sqs orders", "interrupted"))  # its console was killed
        session.hold(invocation(2, "GetOrder", "GET /orders/2"))  # another console's
        session.hold(invocation(4, "GetOrder", "GET /orders/4", "running"))  # was read before it ended
        session.tell(LIVE)
        await shown.sees("✗ cut off", "GET /orders/2")
        assert shown.main.table.rows.get(4).state == "ok"


async def test_a_sentence_in_place_of_a_document_is_read_to_its_end():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("7")
        await shown.sees("replays", "this event.")
        assert not shown.main.details.pane.show_horizontal_scrollbar


async def test_rows_that_another_process_wrote_come_in(monkeypatch):
    session = live_session()
    async with console(session) as shown:
        session.hold(invocation(40, "GetOrder", "elsewhere"))
        monkeypatch.setattr(session, "others_wrote", lambda: True)
        await shown.sees("elsewhere", "9 of 9")


async def test_a_changed_event_is_thrown_away_by_a_second_escape_only():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("e")
        await shown.until(lambda: bool(shown.app.screen.query("#editor")), "the editor")
        editor = shown.app.screen.query_one("#editor", TextArea)
        await shown.press("space", "escape")
        await shown.sees("esc again throws that away")
        assert shown.app.screen.query("#editor")
        await shown.press("ctrl+r", "escape")  # nothing is changed any more
        await shown.until(lambda: shown.app.screen is shown.main, "the list")
        await shown.press("e")
        await shown.until(lambda: bool(shown.app.screen.query("#editor")), "the editor")
        assert shown.app.screen.query_one("#editor", TextArea) is not editor
        await shown.press("space", "escape", "escape")
        await shown.until(lambda: shown.app.screen is shown.main, "the list")


async def test_keys_that_are_pressed_while_the_console_starts_do_no_harm(monkeypatch):
    mounted = MainScreen.on_mount

    def on_mount(self: MainScreen) -> None:
        mounted(self)
        for key in ("2", "f3", "b", "escape", "f12", "f2"):
            self.app._driver.process_message(events.Key(key, key if len(key) == 1 else None))

    monkeypatch.setattr(MainScreen, "on_mount", on_mount)
    async with console() as shown:
        await shown.opened(12)
        await shown.press("2")
        await shown.sees("Response")


async def test_a_history_that_cannot_be_read_is_told_once_and_ends_nothing(monkeypatch):
    session = live_session()
    async with console(session) as shown:
        def broken(*_: object) -> list[object]:
            raise LivetuiError("The history cannot be read.", "disk I/O error")

        monkeypatch.setattr(session, "others_wrote", lambda: True)
        monkeypatch.setattr(session, "rows", broken)
        await shown.sees("The history cannot be read.")
        told = len(shown.app._notifications)
        for _ in range(20):
            await shown.settle()
        assert len(shown.app._notifications) == told
        await shown.opened(12)


async def test_an_own_row_that_is_read_before_its_event_comes_is_gone_to_all_the_same(monkeypatch):
    session = live_session()
    async with console(session) as shown:
        monkeypatch.setattr(session, "replay", lambda *_: None)
        await shown.opened(10)
        await shown.press("r")
        session.hold(invocation(50, "GetOrder", "GET /orders/7", replay_of=10))
        shown.main._rows_read(session.rows())
        assert shown.main.table.current.id == 50


async def test_going_back_to_the_row_that_is_still_shown_leaves_it_there():
    session = live_session()
    async with console(session) as shown:
        await shown.opened(12)
        shown.main.details.show_row(session.invocations[11].row, NOON)
        shown.main.details.show_row(session.invocations[12].row, NOON)
        assert shown.main.details._late is None, "nothing is to empty the pane in a moment"
        assert shown.pane_text() != ""


async def test_new_words_in_a_frame_draw_their_line_and_not_the_pane():
    async with console() as shown:
        await shown.settle()
        pane = shown.main.invocations
        pane._exchange_repaint_regions()
        width, height = pane.outer_size
        pane.frame("Other words")
        pane.frame(subtitle="1 of 2")
        assert pane._exchange_repaint_regions() == {Region(0, 0, width, 1), Region(0, height - 1, width, 1)}
        pane.frame("Other words", "1 of 2")
        assert not pane._exchange_repaint_regions()
        await shown.sees("Other words", "1 of 2")


async def test_rows_and_their_number_come_in_one_frame():
    async with console() as shown:
        await shown.settle()
        held = len(shown.main.table.rows)
        shown.main.take({at: invocation(at, "GetOrder", "GET /", "ok").row for at in range(900, 903)})
        assert shown.main.invocations.border_subtitle.startswith(f"{held + 3} of ")  # at once, not a message later
