"""Leaving: what triggers the live stack can be left parked, where it outlives the session."""

from __future__ import annotations

from console import Console, console
from recorded import RecordedSession, live_session
from textual.widgets import OptionList

from livetui.config import Settings


def parkable(**settings: object) -> RecordedSession:
    session = live_session()
    session.can_park, session.end_at_once = True, False
    session.settings = Settings(app="orders", stage="dev", **settings)  # type: ignore[arg-type]
    return session


async def offered(shown: Console) -> list[str]:
    """What the palette has, when `park` was typed."""
    await shown.press("ctrl+p")
    await shown.type("park")
    await shown.until(lambda: bool(shown.app.screen.query("CommandList")), "the palette")
    found = shown.app.screen.query_one("CommandList", OptionList)
    await shown.until(lambda: 0 < found.option_count < 8, "what matches, and no longer all commands")
    return shown.screen_text().split("\n")


async def test_q_asks_whether_to_park_and_p_does():
    async with console(parkable()) as shown:
        await shown.press("q")
        await shown.sees("p Park and leave", "q Leave", "esc Stay")
        assert shown.session.asked == []
        await shown.press("p")
        assert shown.session.asked == [("park_and_stop",)]
        await shown.sees("parking, q again leaves at once")
        assert shown.app.leaving


async def test_a_second_q_leaves_and_escape_stays():
    async with console(parkable()) as shown:
        await shown.press("q", "escape")
        assert (shown.session.asked, shown.app.leaving) == ([], False)
        await shown.press("q", "q")
        assert shown.session.asked == [("stop",)]


async def test_parking_is_waited_for_and_a_further_q_leaves_at_once():
    async with console(parkable()) as shown:
        await shown.press("Q")
        assert shown.session.asked == [("park_and_stop",)]
        assert not shown.app._exit
        await shown.press("q")
        assert shown.session.asked[1:] == [("stop",)]
        assert shown.app.return_code == 0


async def test_who_parks_always_is_not_asked():
    async with console(parkable(park="on-exit")) as shown:
        await shown.press("q")
        assert shown.session.asked == [("park_and_stop",)]


async def test_the_palette_and_the_help_offer_it_where_it_makes_sense():
    async with console(parkable()) as shown:
        await offered(shown)
        await shown.sees("Park and quit")
        await shown.press("escape", "question_mark")
        await shown.until(lambda: shown.app.screen is not shown.main, "the help")
        assert any("Park" in "".join(text for text, _ in document.line(at))
                   for pane in shown.app.screen.query("LinesPane")
                   for document in [pane.document] for at in range(len(document)))


async def test_where_nothing_outlives_the_session_q_leaves_and_nothing_is_offered():
    async with console() as shown:
        assert not any("Park and quit" in line for line in await offered(shown))
        await shown.press("escape", "Q")
        assert shown.session.asked == [("stop",)]
