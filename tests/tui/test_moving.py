"""Lines, half pages, pages and ends: the cursor moves alike in every pane, and is on screen where it went."""

from __future__ import annotations

from console import Console, console
from recorded import invocation, live_session
from recorded_debugger import debugged

LINES = 200
KEYS = {
    "ctrl+d": "half", "ctrl+u": "-half", "pagedown": "page", "ctrl+f": "page", "pageup": "-page", "ctrl+b": "-page",
    "j": "line", "down": "line", "k": "-line", "up": "-line", "G": "end", "g": "start", "end": "end", "home": "start",
}  # fmt: skip


async def moves_by(shown: Console, pane, *keys: str, below: int = 0) -> None:
    """Each key moves the cursor of the pane by what it stands for, and the line under it is on screen. `below` lines follow."""
    height, last = pane.size.height, LINES - 1 + below
    steps = {"line": 1, "half": height // 2, "page": height - 1, "end": last}
    assert 10 < height < LINES // 4
    at = pane.cursor
    for key in keys:
        what = KEYS[key]
        by = -last if what == "start" else -steps[what[1:]] if what[0] == "-" else steps[what]
        at = max(0, min(last, at + by))
        await shown.press(key)
        assert pane.cursor == at, key
        assert at - height < pane.scroll_offset.y <= at, key
        assert f"line {min(at, LINES - 1)}." in shown.screen_text(), key


ALL = ("g", "j", "down", "k", "up", "ctrl+d", "ctrl+d", "ctrl+u", "pagedown", "ctrl+f", "pageup", "ctrl+b", "ctrl+b", "G",
       "ctrl+d", "pagedown", "home", "ctrl+u", "pageup", "end")  # fmt: skip


async def test_in_the_list():
    rows = [invocation(number + 1, "GetOrder", f"line {number}.") for number in range(LINES)]
    async with console(live_session(rows)) as shown:
        await shown.sees(f"line {LINES - 1}.")
        await moves_by(shown, shown.main.table, *ALL)
        await shown.press("ctrl+u")
        assert not shown.main.table.following
        assert shown.main.table.current.id == LINES - shown.main.table.size.height // 2


async def test_in_the_source(tmp_path):
    session = debugged(tmp_path)
    file = tmp_path / "lines.py"
    file.write_text("\n".join(f"# line {number}." for number in range(LINES)))
    async with console(session) as shown:
        await shown.press("f12")
        shown.main.open_source(str(file), 1)
        await shown.sees("line 0.")
        await moves_by(shown, shown.main.debugger.source, *ALL)


async def test_in_the_details_and_sideways():
    event = "\n".join(f"line {number}. {'x' * 45} its end" for number in range(LINES)).encode()
    async with console(live_session([invocation(1, "GetOrder", "GET /", event=event)])) as shown:
        await shown.opened(1)
        await shown.press("enter", "w")
        pane = shown.main.details.pane
        await moves_by(shown, pane, *ALL, below=1)
        await shown.press("g")
        assert "its end" not in shown.screen_text("#details")
        for key, x in (("l", 8), ("right", 16), ("l", 24), ("h", 16), ("right", 24)):
            await shown.press(key)
            assert pane.scroll_offset.x == x
        await shown.sees("its end")
        assert "line 0." not in shown.screen_text("#details")
        await shown.press("left", "h", "left", "left")
        assert pane.scroll_offset.x == 0
        await shown.sees("line 0.")


async def test_in_the_help_where_space_is_a_page_too():
    async with console(size=(80, 24)) as shown:
        await shown.press("question_mark")
        await shown.until(lambda: bool(shown.app.screen.query("#help-pane")), "the help")
        pane = shown.app.screen.query_one("#help-pane")
        page = pane.size.height - 1
        for key, at in (("space", page), ("pageup", 0), ("pagedown", page), ("j", page + 1), ("k", page), ("up", page - 1)):
            await shown.press(key)
            assert pane.cursor == at
