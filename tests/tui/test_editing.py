"""An event is changed before it is run again, or made up and sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import threading
from pathlib import Path

import pytest
from console import console
from hostile import PAYLOADS
from recorded import invocation, live_session
from textual import events

from livetui.errors import LivetuiError
from livetui.tui.outside import editor_command, pager_command, run_outside, text_file
from livetui.tui.screens.edit import EditScreen, draft_of


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


async def test_ctrl_home_and_ctrl_end_go_to_the_ends_of_the_event():
    async with console(live_session([invocation(1, "GetOrder", "GET /", event=b'{"a": 1, "b": [2, 3]}')])) as shown:
        await shown.opened(1)
        await shown.press("e")
        await shown.until(lambda: bool(shown.app.screen.query("#editor")), "the editor")
        editor = shown.app.screen.query_one("#editor")
        good = editor.text
        await shown.press("ctrl+end", "z")
        assert editor.text == f"{good}z"
        await shown.press("ctrl+home", "a")
        assert editor.text == f"a{good}z"


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


def deep(levels: int) -> bytes:
    return b'{"password": "hunter22", "n": 1, "deep": ' + b"[" * levels + b"]" * levels + b"}"


@pytest.mark.parametrize("event", [PAYLOADS["huge numbers"], deep(300), deep(500)], ids=["huge numbers", "300", "500"])
async def test_an_event_that_python_reads_with_trouble_is_edited_or_refused(event):
    session = live_session([invocation(1, "GetOrder", "GET /", event=event)])
    async with console(session) as shown:
        await shown.opened(1)
        await shown.press("e")
        await shown.until(lambda: bool(shown.app.screen.query("#editor")), "the editor")
        editor = shown.app.screen.query_one("#editor")
        assert "hunter22" not in editor.text
        editor.text = editor.text.replace("{", '{ "more": ' + "[" * 400 + "]" * 400 + ",", 1)
        await shown.settle()
        await shown.press("ctrl+s")
        await shown.until(lambda: bool(session.asked) or "not sent" in shown.screen_text(), "an answer")
    assert bool(session.asked) == (event != PAYLOADS["huge numbers"])


def test_a_deep_event_is_sent_with_its_secrets_or_refused():
    sent = set()
    for levels in range(900, 1_000, 5):
        draft = draft_of(deep(levels), masked=True)
        assert "hunter22" not in draft.text
        with contextlib.suppress(LivetuiError):
            assert b"hunter22" in draft.sent(draft.text.replace('"n": 1', '"n": 2'))
            sent.add(levels)
    assert 900 in sent
    assert 995 not in sent


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


def test_ctrl_c_in_a_pager_is_the_pagers(tmp_path):
    class Terminal:
        suspend = staticmethod(contextlib.nullcontext)

    handlers, before = tmp_path / "handlers", signal.getsignal(signal.SIGINT)
    pager = "import os, pathlib, signal, sys; pathlib.Path(sys.argv[1]).write_text(str(signal.getsignal(signal.SIGINT)))"
    interrupt = "os.kill(os.getppid(), signal.SIGINT)"
    run_outside(Terminal(), [sys.executable, "-c", f"{pager}; {interrupt}", str(handlers)])
    assert handlers.read_text() == str(signal.default_int_handler)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_text_that_cannot_be_written_or_read_back_is_told(monkeypatch, tmp_path):
    with pytest.raises(LivetuiError, match="handed"), text_file("words", ".json") as path:
        path.unlink()
        path.read_text()
    assert not path.parent.exists()
    monkeypatch.setattr("tempfile.tempdir", str(Path(tmp_path, "gone")))
    with pytest.raises(LivetuiError, match="handed"), text_file("words", ".json"):
        pass


LARGE = json.dumps({"password": "hunter22", "pad": ["x" * 100] * 12_000, "n": 1}).encode()


async def test_a_large_event_to_invoke_with_is_edited_outside_too(monkeypatch):
    session = live_session([invocation(1, "GetOrder", "GET /", event=LARGE)])
    seen: list[str] = []

    def edit(words: str) -> str:
        seen.append(words)
        return words.replace('"n": 1', '"n": 2')

    async with console(session) as shown:
        monkeypatch.setattr(shown.app, "edit_outside", edit)
        await shown.opened(1)
        await shown.press("i", "enter", "enter")
        await shown.until(lambda: any(asked[0] == "invoke" for asked in session.asked), "the event to be sent")
        assert shown.app.screen is shown.main
    assert "hunter22" not in seen[0]
    sent = next(asked for asked in session.asked if asked[0] == "invoke")
    assert json.loads(sent[2]) == {**json.loads(LARGE), "n": 2}


async def test_a_large_file_is_sent_as_it_is_when_nothing_is_changed(monkeypatch, tmp_path):
    session = live_session()
    (tmp_path / "large.json").write_bytes(LARGE)
    async with console(session) as shown:
        monkeypatch.setattr(shown.app, "edit_outside", lambda words: words)
        shown.main._ask_event_file("GetOrder")
        await shown.until(lambda: bool(shown.app.screen.query("#answer")), "the question")
        shown.app.screen.query_one("#answer").value = str(tmp_path / "large.json")
        await shown.press("enter")
        await shown.until(lambda: any(asked[0] == "invoke" for asked in session.asked), "the event to be sent")
    assert next(asked for asked in session.asked if asked[0] == "invoke")[2] == LARGE


async def test_what_is_typed_is_judged_in_a_thread_and_only_its_last_state(monkeypatch):
    judged: list[tuple[str, bool]] = []
    real = EditScreen.judged

    def judge(screen, text):
        judged.append((text, threading.current_thread() is threading.main_thread()))
        return real(screen, text)

    monkeypatch.setattr(EditScreen, "judged", judge)
    async with console(live_session([invocation(1, "GetOrder", "GET /", event=b"{}")])) as shown:
        await shown.opened(1)
        await shown.press("e")
        await shown.sees("Nothing is changed.")
        judged.clear()
        editor = shown.app.screen.query_one("#editor")
        for number in range(20):
            editor.text = f'{{"n": {number}}}'
            await shown.handled()
        await shown.sees("+ n: 19")
    assert judged[-1] == ('{"n": 19}', False)
    assert len(judged) < 20


async def test_what_is_typed_while_an_event_is_read_waits_for_the_editor(monkeypatch):
    session = live_session([invocation(1, "GetOrder", "GET /", event=b"{}")])
    async with console(session) as shown:
        await shown.opened(1)
        may_go, real = threading.Event(), session.invocation

        def slow(id):
            may_go.wait(10)
            return real(id)

        monkeypatch.setattr(session, "invocation", slow)
        for key in ("e", "r"):
            shown.app._driver.process_message(events.Key(key, key))
        asyncio.get_running_loop().call_later(0.2, may_go.set)
        await shown.handled()
        await shown.until(lambda: bool(shown.app.screen.query("#editor")), "the editor")
        await shown.until(lambda: "r" in shown.app.screen.query_one("#editor").text, "what was typed")
    assert not session.asked
