"""Long documents are wrapped from where one looks, a part at a time, and nothing on screen moves by it."""

from __future__ import annotations

from console import console
from hypothesis import given
from hypothesis import strategies as st

from livetui.session.invocation import LogLine
from livetui.tui.documents import Document
from livetui.tui.text import plain
from livetui.tui.widgets.layout import Layout
from livetui.tui.widgets.views import LogsPane

LINES = st.lists(st.text("ab 日👍", max_size=90).map(lambda words: ((words, ""),)), min_size=1, max_size=300)


def rows(layout: Layout) -> list[str]:
    return [plain(layout.pieces(row)) for row in range(len(layout))]


def whole(document: Document, room: int) -> Layout:
    layout = Layout(document, {}, room)
    layout.grow(60)
    return layout


@given(LINES, st.integers(12, 40), st.data())
def test_a_document_wrapped_in_parts_is_the_one_wrapped_at_once(lines, room, data):
    document = Document(lines, wrap=True, hang=2)
    around = data.draw(st.integers(0, len(lines) - 1))
    layout = Layout(document, {}, room, around)
    row = layout.row(around)
    while layout.growing:
        (row,) = layout.grow(0, 1, [row])
        assert layout.line(row) == around
    assert rows(layout) == rows(whole(document, room))


@given(LINES, LINES, st.integers(12, 40), st.data())
def test_lines_that_come_and_go_are_wrapped_as_those_that_stay(first, then, room, data):
    document = Document(list(first), wrap=True, hang=2)
    layout = Layout(document, {}, room, data.draw(st.integers(0, len(first) - 1)))
    layout.grow(0, data.draw(st.integers(0, 200)))
    document.lines += then
    layout.append(len(then))
    layout.grow(0, data.draw(st.integers(0, 200)))
    gone = data.draw(st.integers(0, len(document)))
    del document.lines[:gone]
    layout.drop(gone)
    layout.grow(60)
    assert rows(layout) == rows(whole(document, room))


def test_what_is_looked_at_is_wrapped_first_and_the_rest_is_left_for_later():
    document = Document([(("word " * 30, ""),)] * 20_000, wrap=True)
    layout = Layout(document, {}, 40, 19_990)
    layout.grow(0, 50)
    assert layout.growing
    assert len(layout) < 21_000
    assert [layout.line(row) for row in range(len(layout) - 4, len(layout))] == [19_999] * 4


async def test_20_000_lines_open_at_their_end_and_are_whole_a_moment_later():
    async with console() as shown:
        logs = shown.main.query_one(LogsPane)
        lines = [LogLine("stdout", f"line {at} of words that go on and on " * 5, 1.0) for at in range(20_000)]
        shown.main.logs.add("GetOrder", 12, lines)
        await shown.press("f6")
        await shown.sees("line 19999 of")
        assert logs.current == 19_999
        await shown.until(lambda: not logs._layout.growing, "all lines")
        await shown.sees("line 19999 of")
        assert logs.current == 19_999


async def test_lines_let_go_of_leave_what_is_read_where_it_is(monkeypatch):
    monkeypatch.setattr("livetui.tui.widgets.views.MOST_LINES", 1_000)
    async with console() as shown:
        logs = shown.main.query_one(LogsPane)
        for at in range(1_000):
            shown.main.logs.add("GetOrder", 12, [LogLine("stdout", f"line {at}.", 1.0)])
        await shown.press("f6")
        await shown.sees("line 999.")
        logs.move_to(900)
        await shown.settle()
        before = [line[:60].rstrip() for line in shown.screen_text("#logs-pane").split("\n")]  # without the scroll bar
        shown.main.logs.add("GetOrder", 12, [LogLine("stdout", f"more {at}.", 1.0) for at in range(300)])
        await shown.until(lambda: "more 299." in logs.document.text(len(logs.document) - 1), "the newest")
        assert len(logs.document) == 1_000
        await shown.settle()
        assert [line[:60].rstrip() for line in shown.screen_text("#logs-pane").split("\n")] == before
        await shown.press("G")
        await shown.sees("more 299.")


async def test_long_numbers_stand_apart_from_the_time():
    async with console() as shown:
        shown.main.logs.add("GetOrder", 1_234_567, [LogLine("stdout", "hello", 1.0)], began=0.0)
        await shown.press("f6")
        await shown.sees("#1234567 00:00:00 GetOrder")


async def test_a_filter_that_nothing_matches_is_not_tried_again_until_something_comes():
    async with console() as shown:
        shown.main.logs.add("GetOrder", 1, [LogLine("stdout", "hello", 1.0)])
        await shown.press("f6", "slash", "z", "z", "z")
        await shown.sees("Nothing matches.")
        looked = []
        shown.main.logs._show_afresh = looked.append
        for _ in range(3):
            shown.main.logs.refresh_lines_shown()
        shown.main.logs.add("GetOrder", 2, [LogLine("stdout", "hello again", 1.0)])
        shown.main.logs.refresh_lines_shown()
        assert looked == []
        shown.main.logs.add("GetOrder", 3, [LogLine("stdout", "zzz", 1.0)])
        shown.main.logs.refresh_lines_shown()
        assert len(looked) == 1
