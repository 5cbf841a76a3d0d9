"""An event is changed before it is run again, or made up and sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from console import console
from hostile import PAYLOADS
from recorded import invocation, live_session

from livetui.errors import LivetuiError
from livetui.tui.outside import editor_command, pager_command, text_file


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


@pytest.mark.parametrize("name", ["~nobody_of_this_name/x", "x" * 300, "x/" * 3_000, "a\0b"],
                         ids=["home", "long", "deep", "nul"])
async def test_a_name_that_can_be_no_file_is_told_and_not_opened(name):
    async with console() as shown:
        await shown.opened(12)
        for ask in (shown.main._ask_event_file, lambda function: shown.main._ask_file()):
            ask("GetOrder")
            await shown.until(lambda: bool(shown.app.screen.query("#answer")), "the question")
            shown.app.screen.query_one("#answer").value = name
            await shown.sees("✗")
            await shown.press("enter", "escape")
            await shown.until(lambda: shown.app.screen is shown.main, "the question to close")


@pytest.mark.parametrize("name", ["~nobody_of_this_name/x", "x" * 300, "a\0b"], ids=["home", "long", "nul"])
async def test_an_export_to_a_name_that_can_be_no_file_is_told_or_written(name, tmp_path):
    session = live_session()
    session.settings = type(session.settings)(app="orders", stage="dev", project=str(tmp_path))
    async with console(session) as shown:
        await shown.opened(12)
        await shown.press("x", "enter")
        await shown.until(lambda: bool(shown.app.screen.query("#answer")), "the question for a name")
        shown.app.screen.query_one("#answer").value = name
        await shown.press("enter")
        await shown.sees("Written" if name.startswith("~") else "could not be written")


@pytest.mark.parametrize("event", [
    PAYLOADS["huge numbers"],
    *(json.dumps({"password": "hunter22", "n": 1}).encode()[:-1] + b', "deep": ' + b"[" * deep + b"]" * deep + b"}"
      for deep in (300, 500, 940, 980))], ids=["huge numbers", "300", "500", "940", "980"])
async def test_an_event_that_python_reads_with_trouble_is_edited_or_refused(event):
    session = live_session([invocation(1, "GetOrder", "GET /", event=event)])
    async with console(session) as shown:
        await shown.opened(1)
        await shown.press("e")
        await shown.until(lambda: bool(shown.app.screen.query("#editor")), "the editor")
        editor = shown.app.screen.query_one("#editor")
        assert "hunter22" not in editor.text
        editor.text = editor.text.replace('"n": 1', '"n": 2, "more": ' + "[" * 400 + "]" * 400)
        await shown.settle()
        await shown.press("ctrl+s")
        asked = [each for each in session.asked if each[0] == "replay"]
        assert not asked or json.loads(asked[0][2])["password"] == "hunter22"
        assert asked or "✗" in shown.screen_text() or "nested too deeply" in shown.screen_text()


def test_a_program_that_cannot_be_named_is_told(monkeypatch):
    monkeypatch.setenv("EDITOR", "vim 'open")
    with pytest.raises(LivetuiError, match="no editor"):
        editor_command("x")
    monkeypatch.setenv("PAGER", "less 'open")
    with pytest.raises(LivetuiError, match="no pager"):
        pager_command("x")
    monkeypatch.setenv("PAGER", "  ")
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    assert pager_command("x") == ["less", "x"]


def test_a_text_that_cannot_be_written_or_read_back_is_told(monkeypatch, tmp_path):
    with pytest.raises(LivetuiError, match="handed"), text_file("words", ".json") as path:
        path.unlink()
        path.read_text()
    assert not path.parent.exists()
    monkeypatch.setattr("tempfile.tempdir", str(Path(tmp_path, "gone")))
    with pytest.raises(LivetuiError, match="handed"), text_file("words", ".json"):
        pass
