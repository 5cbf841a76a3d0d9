"""An event is changed before it is run again, or made up and sent."""

from __future__ import annotations

import json

from console import console
from recorded import invocation, live_session


async def test_edit_and_replay_checks_shows_the_difference_and_sends_what_was_edited():
    session = live_session(
        [invocation(1, "GetOrder", "GET /", event=b'{"id": 99, "authorization": "Bearer abcdefgh.secret"}')]
    )
    async with console(session) as shown:
        await shown.opened(1)
        await shown.press("e")
        await shown.until(lambda: bool(shown.app.screen.query("#editor")), "the editor")
        editor = shown.app.screen.query_one("#editor")
        assert "secret" not in editor.text
        good = editor.text
        editor.text = good.replace("99", "7,,")
        await shown.settle()
        await shown.sees("✗ line 2")
        await shown.press("ctrl+s")
        assert not [asked for asked in session.asked if asked[0] == "replay"]
        editor.text = good.replace("99", "7")
        await shown.settle()
        await shown.sees("~ id")
        await shown.press("ctrl+s")
        sent = next(asked for asked in session.asked if asked[0] == "replay")
        await shown.opened(2)
        await shown.press("7")
        await shown.sees("#1 → #2  how its event was edited", "~ id")
        assert "↻ edit of 1" in shown.screen_text("#details")
        assert "↻ edit of 1" in shown.screen_text("#list")
    assert json.loads(sent[2]) == {"id": 7, "authorization": "Bearer abcdefgh.secret"}


async def test_a_mask_that_cannot_be_put_back_is_told_and_not_sent():
    session = live_session([invocation(1, "GetOrder", "GET /", event=b'{"body": "password=hunter22&qty=1"}')])
    async with console(session) as shown:
        await shown.opened(1)
        await shown.press("e")
        await shown.until(lambda: bool(shown.app.screen.query("#editor")), "the editor")
        editor = shown.app.screen.query_one("#editor")
        good = editor.text
        editor.text = good.replace("password=", "pass=")
        await shown.settle()
        await shown.press("ctrl+s")
        await shown.sees("Unmask with u before you edit.")
        assert not [asked for asked in session.asked if asked[0] == "replay"]
        editor.text = good.replace("qty=1", "qty=2")
        await shown.settle()
        await shown.press("ctrl+s")
        await shown.until(lambda: shown.app.screen is shown.main, "the editor to close")
    sent = next(asked for asked in session.asked if asked[0] == "replay")
    assert json.loads(sent[2]) == {"body": "password=hunter22&qty=2"}


async def test_an_event_that_was_not_touched_is_sent_byte_for_byte():
    event = b'{"a":   1.0}'
    async with console(live_session([invocation(1, "GetOrder", "GET /", event=event)])) as shown:
        await shown.opened(1)
        await shown.press("e")
        await shown.until(lambda: bool(shown.app.screen.query("#editor")), "the editor")
        await shown.press("ctrl+s")
        assert ("replay", 1, event, 1) in shown.session.asked

async def test_a_sample_is_sent_to_a_function():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("i", "enter")
        await shown.press("down", "down", "down", "enter")
        await shown.until(lambda: bool(shown.app.screen.query("#editor")), "the editor")
        await shown.press("ctrl+s")
        sent = next(asked for asked in shown.session.asked if asked[0] == "invoke")
    assert sent[1] == "GetOrder"
    assert json.loads(sent[2])
