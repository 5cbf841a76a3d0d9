"""What comes in larger or faster than it can be shown stays within its bounds, and keeps no key waiting."""

from __future__ import annotations

import asyncio
import threading

import msgspec
import pytest
from console import console
from recorded import LIVE, invocation, live_session
from recorded_debugger import RecordedDebugger
from textual.geometry import Offset
from textual.selection import Selection

from livetui.session.events import LinkChanged
from livetui.session.invocation import LogLine
from livetui.tui import feed, record
from livetui.tui.documents import Document
from livetui.tui.screens import history
from livetui.tui.text import plain
from livetui.tui.widgets import details, invocations, layout, lines, views


class Slow:
    """A line that takes a while to paint, on a clock of its own."""

    now = 0.0
    painted_lines = 0

    def painted(self):
        Slow.now += 0.004
        Slow.painted_lines += 1
        return (("words " * 50, ""),)


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setattr(layout, "monotonic", lambda: Slow.now)
    Slow.now, Slow.painted_lines = 0.0, 0
    return Slow()


async def test_of_a_long_log_line_its_beginning_is_held_and_the_rest_is_counted():
    async with console() as shown:
        shown.main.logs.add("GetOrder", 12, [LogLine("stdout", "x" * 1_000_000, 1.0)])
        assert len(shown.main.logs.lines[0].line.text) == views.KEPT
        assert plain(shown.main.logs.lines[0].painted()).endswith(" … 998,000 more characters")


async def test_lines_before_what_is_read_are_wrapped_while_others_are_added(monkeypatch):
    async with console() as shown:
        shown.session.write(11, "a line")
        await shown.press("f6")
        await shown.sees("a line")  # the pane has its width
        pane = shown.main.logs.pane
        monkeypatch.setattr(lines, "AT_ONCE_S", 1e-6)
        document = Document([((f"{at} " + "words " * 60, ""),) for at in range(1_000)], wrap=True)
        pane.show(document, keep=True, at_end=True)
        pane.move_to(len(pane) - 60)
        before, line = pane._on_screen(), pane.current
        assert pane._layout.growing
        monkeypatch.setattr(lines, "AT_ONCE_S", 60.0)
        pane.append([(("the last", ""),)], "")
        assert not pane._layout.growing
        assert (pane._on_screen(), pane.current) == (before, line)


def test_the_clock_is_looked_at_after_a_few_lines_on_either_side(slow):
    arranged = layout.Layout(Document([slow] * 1_000, wrap=True), {}, 40, 500)
    arranged.grow(0.02)
    assert Slow.now < 0.06
    while arranged.growing:
        arranged.grow(0.02)
    assert {arranged.line(row) for row in range(len(arranged))} == set(range(1_000))


async def test_only_the_rows_that_the_mouse_chose_are_painted_to_copy_them(slow):
    async with console() as shown:
        pane = shown.main.logs.pane
        pane.show(Document([*[slow] * 500, (("first words", ""),), (("then others", ""),), *[slow] * 500]))
        Slow.painted_lines = 0
        assert pane.get_selection(Selection(Offset(7, 500), Offset(5, 501))) == ("words\n then", "\n")
        assert pane.get_selection(Selection(Offset(0, 1_001), None))[0].startswith(" words")
        assert Slow.painted_lines == 1


async def test_a_frozen_list_holds_no_more_back_than_it_could_show_and_goes_on_in_parts(monkeypatch):
    monkeypatch.setattr(invocations, "MOST_ROWS", 100)
    monkeypatch.setattr(invocations, "AT_ONCE", 30)
    async with console() as shown:
        table = shown.main.table
        held = len(table.rows)
        rows = [invocation(id, "GetOrder", "GET /", "running").row for id in range(100, 300)]
        table.action_freeze()
        table.take(rows)
        assert len(table.rows) == held
        table.action_freeze()
        assert len(table.rows) == held + 30
        table.take([msgspec.structs.replace(rows[-1], state="ok")])  # newer than what is held back of it
        await shown.until(lambda: not table._held_back, "the rest")
        assert table.rows.shown[held:] == list(range(200, 300))
        assert table.rows.get(299).state == "ok"


async def test_lines_that_were_let_go_of_are_counted_as_shown_and_wrapping_stays_off(monkeypatch):
    monkeypatch.setattr(views, "MOST_LINES", 100)
    async with console() as shown:
        logs = shown.main.logs
        await shown.press("f6")
        logs.lines = type(logs.lines)(maxlen=100)
        logs.add("GetOrder", 12, [LogLine("stdout", f"line {at}", 1.0) for at in range(90)])
        await shown.sees("90 of 90 lines")
        logs.add("GetOrder", 12, [LogLine("stdout", f"line {at}", 1.0) for at in range(90, 110)])
        await shown.sees("110 of 110 lines")
        assert "dropped" not in shown.screen_text()
        logs.pane.action_wrap()
        await shown.press("slash", "9")
        await shown.sees("19 of 110 lines · 10 dropped")
        assert not logs.pane.document.wrap


async def test_of_a_call_that_writes_only_the_new_lines_are_painted(monkeypatch):
    made = []
    monkeypatch.setattr(details, "document", lambda tab, opened: made.append(tab) or record.document(tab, opened))
    async with console() as shown:
        await shown.opened(16)
        await shown.press("3")
        await shown.sees("The handler wrote nothing.")
        for at in range(40):
            shown.session.write(16, f"line {at}")
            await shown.settle()
        await shown.sees("Logs 40", "line 39", "40 lines")
        assert [line.split()[-1] for line in shown.pane_text().split("\n")] == [str(at) for at in range(40)]
        assert made.count("Logs") == 2
        assert shown.main.details.pane.document.source.split("\n")[-1] == "line 39"
        await shown.press("1", "3")
        assert len(shown.main.details.pane.document) == 40
        monkeypatch.setattr(details, "MOST_LOG_LINES", 40)
        monkeypatch.setattr(record, "MOST_LOG_LINES", 40)
        shown.session.write(16, *(f"line {at}" for at in range(40, 60)))
        await shown.sees("line 59", "60 lines")
        assert shown.pane_text().startswith("… 20 earlier lines")


async def test_lines_that_a_call_writes_neither_make_its_event_anew_nor_keep_it_from_the_screen(monkeypatch):
    made, begun, go_on = [], threading.Event(), threading.Event()

    def slow(tab, opened):
        made.append(tab)
        begun.set()
        go_on.wait(15)
        return record.document(tab, opened)

    async with console() as shown:
        await shown.opened(12)
        monkeypatch.setattr(details, "document", slow)
        assert shown.main.table.stay(16)
        assert await asyncio.to_thread(begun.wait, 15)
        for at in range(5):
            shown.session.write(16, f"line {at}")
            shown.main.drain()
            await shown.handled()
        assert made == ["Event"]
        go_on.set()
        await shown.sees("GET /orders/{id}", "Logs 5")


async def test_what_a_full_queue_let_go_of_is_looked_at_again(monkeypatch, tmp_path):
    session = live_session()
    session.debug = debugger = RecordedDebugger(session, tmp_path)
    async with console(session) as shown:
        monkeypatch.setattr(feed, "CAPACITY", 10)
        monkeypatch.setattr(history, "FIRST_ROWS", 1)
        session.finish(invocation(15, "Worker", "sqs orders ×2"))
        session.arrive(invocation(20, "GetOrder", "GET /late"))
        session.tell(LinkChanged("offline", detail="no route"))
        session.tell(msgspec.structs.replace(LIVE, resources=LIVE.resources[:9]))
        debugger.toggle(debugger.path, 13)
        debugger.pause()
        for id in range(21, 32):
            session.arrive(invocation(id, "GetOrder", "GET /"))
        assert len(shown.main.feed) == 10
        await shown.until(lambda: shown.main.thread is not None, "the paused call")
        await shown.until(lambda: shown.main.table.rows.get(15).state == "ok", "the end of #15")
        assert shown.main.table.rows.get(20).trigger == "GET /late"
        assert shown.main.link.state == "offline"
        assert shown.main.live.resources == LIVE.resources[:9]
        assert [point.line for point in shown.main.debugger.points.points] == [13]
        debugger.standing.clear()
        shown.main.feed.lost = True
        await shown.until(lambda: shown.main.thread is None, "no call that stands")
