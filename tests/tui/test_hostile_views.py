"""Names, outputs, files, frames and the link's words may be a stranger's too: no view is styled or steered by them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from console import Console, console
from hostile import BIDI, ESCAPES, MARKUP, STEERING
from recorded import RecordedSession, invocation, live_session
from recorded_debugger import RecordedDebugger, done
from textual import events
from textual.widgets import Input, TextArea

from livetui.config import Settings
from livetui.runtime.contract import LaneStats
from livetui.session.debugging import Breakpoint, Evaluated, Frame, PausedThread, Variable, Watched
from livetui.session.events import (
    CodeReloaded,
    DebugOutput,
    EditorsChanged,
    FunctionInfo,
    LinkChanged,
    Notice,
    SessionLive,
    StackProgress,
)
from livetui.stack.contract import Resource

HOSTILE = f"{MARKUP} {ESCAPES} {BIDI}"
NAME = f"Fn{HOSTILE}"
FILE = HOSTILE.replace("/", "∕").replace(".", "·")


def looks_harmless(shown: Console) -> bool:
    """Whether nothing on screen steers the terminal, is a link, or does what a stranger's words say when it is clicked."""
    styles = [each.style for each in shown.drawn_parts() if each.style]
    return not STEERING.search(shown.screen_text()) and not any(each.link or "@click" in each.meta for each in styles)


class HostileDebugger(RecordedDebugger):
    """Its file, frames, variables, watches and errors have hostile names."""

    def __init__(self, session: RecordedSession, folder: Path) -> None:
        super().__init__(session, folder)
        self.path = str(folder / f"{FILE}.py")
        Path(self.path).write_text(f"def handler(event, context):\n    x = '{HOSTILE}'  # {HOSTILE}\n    return x\n{HOSTILE}")
        self.points[self.path, 2] = Breakpoint(1, self.path, 2, 2, HOSTILE, owners=(HOSTILE,), message=HOSTILE, verified=False)

    def stack(self, thread_id):
        return done([Frame(1, HOSTILE, self.path, 2), Frame(2, HOSTILE, HOSTILE, 1, subtle=True)])

    def siblings(self, thread_id):
        return done([PausedThread(2, 77, NAME, "", self.path, 2, "thread", HOSTILE)])

    def variables(self, reference):
        return done([Variable(HOSTILE, HOSTILE, HOSTILE, 50), Variable("x", HOSTILE, "str", expression=HOSTILE)])

    def watched(self, frame_id):
        return done([Watched(HOSTILE, Evaluated(HOSTILE, HOSTILE)), Watched(HOSTILE, None, HOSTILE)])

    def evaluate(self, expression, frame_id=None):
        return done(Evaluated(HOSTILE, HOSTILE))


def hostile_session(tmp_path: Path) -> RecordedSession:
    session = live_session([invocation(1, NAME, HOSTILE, "paused")])
    session.settings = Settings(app="orders", stage="dev", project=str(tmp_path / FILE))
    session.debug = HostileDebugger(session, tmp_path / FILE)
    lane = LaneStats(1, 0, 0, spawn="spawn", spawn_reason=HOSTILE)
    session.workers = lambda: {NAME: lane}
    code = {"runtime": HOSTILE, "code_root": str(tmp_path / FILE), "interpreter": HOSTILE, "interpreter_reason": HOSTILE}
    handler = f"{FILE}.handler"
    functions = {
        NAME: FunctionInfo(HOSTILE, handler, True, warnings=(HOSTILE,), routes=(HOSTILE,), **code),
        f"Off{HOSTILE}": FunctionInfo(HOSTILE, HOSTILE, False, HOSTILE, **code),
        "Fine": FunctionInfo(HOSTILE, HOSTILE, True, **code),
        f"Broken{HOSTILE}": FunctionInfo(HOSTILE, HOSTILE, True, lacks="import", trouble=HOSTILE, **code),
    }
    outputs = {HOSTILE: HOSTILE, "Api": f"https://ab12cd34.execute-api.aws/{HOSTILE}"}
    session.tell(StackProgress("deploy", HOSTILE, f"{HOSTILE}_FAILED", HOSTILE, HOSTILE))
    session.tell(SessionLive(HOSTILE, HOSTILE, HOSTILE, HOSTILE, False, outputs, functions, 1.0, HOSTILE,
                             (Resource(HOSTILE, HOSTILE, HOSTILE),)))
    session.tell(LinkChanged("offline", None, HOSTILE))
    return session


async def test_no_view_is_steered_by_a_strangers_names(tmp_path):
    session = hostile_session(tmp_path)
    wrong: list[str] = []
    async with console(session, size=(200, 50)) as shown:

        async def look(what: str, *words: str, there: str = "[/foo] [bold]x[/]") -> None:
            await shown.sees(there, *words)
            if not looks_harmless(shown):
                wrong.append(what)
            shown.app.clear_notifications()  # they lie over what is looked at next

        await shown.opened(1)
        session.tell(session.status().live)
        session.finish(invocation(2, NAME, HOSTILE, "error", error=HOSTILE))
        await look("invocations", "error")
        for event in (CodeReloaded(NAME, 1.0, HOSTILE), Notice("info", HOSTILE, lasting=HOSTILE), EditorsChanged([HOSTILE]),
                      DebugOutput(NAME, HOSTILE)):  # fmt: skip
            session.tell(event)
        await look("notices and badges")
        for key, words in (("f3", "last error"), ("f4", "Resources"), ("f6", "lines"), ("f9", "detail"), ("b", "Breakpoints")):
            await shown.press(*["escape"] * (key == "b"), key)
            await look(key, words)
        await shown.press("c")
        await look("a condition", "Stop when")
        await shown.press("escape", "O")
        await look("handlers", "Show whose handler?")
        await shown.press("end", "enter")
        await look("which file", "Show which file?", "Below", there="[∕foo] [bold]x[∕]")
        await shown.press("escape")
        session.debug.pause(2, NAME, HOSTILE)
        await look("a paused call", "Frames", "◇")
        shown.main.debugger.evaluate.line.focus()
        await shown.press("x", "enter")
        await look("an answer", "> x")
        shown.main.debugger.variables.focus()
        await shown.press("W")
        await look("a watch", "evaluated at every stop", there="\\u202eevil\\u202c")
        await shown.press("escape", "equals_sign")
        await look("a variable", "Set [/foo]")
        await shown.press("escape")
        await shown.press("f2", "i")
        await look("functions to invoke", "Invoke which function?")
        await shown.press("enter")
        await look("events to invoke it with", "with", "an empty event")
        await shown.press("escape", "slash")
        await shown.type("fn:F")
        await shown.until(lambda: shown.main.invocations.filter._suggestion == "fn:Fine", "what it is completed with")
        await look("what a filter is completed with")
    assert not wrong


@pytest.mark.parametrize("keys", [("slash",), ("e",)], ids=["filter", "editor"])
async def test_what_is_pasted_steers_nothing(keys):
    async with console(live_session([invocation(1, "GetOrder", "GET /", event=b"1")])) as shown:
        await shown.opened(1)
        await shown.press(*keys)
        await shown.until(lambda: isinstance(shown.app.focused, Input | TextArea), "where one types")
        shown.app._driver.process_message(events.Paste(f"{BIDI} {ESCAPES}"))
        await shown.sees("\\u202eevil\\u202c")
        assert looks_harmless(shown)


async def test_what_was_copied_steers_nothing_when_it_is_pasted():
    event = json.dumps({"a": BIDI}, ensure_ascii=False).encode()
    async with console(live_session([invocation(1, "GetOrder", "GET /", event=event)])) as shown:
        await shown.opened(1)
        await shown.press("y", "slash", "ctrl+v")
        assert "\\u202eevil\\u202c" in shown.main.invocations.filter.value
        assert looks_harmless(shown)


async def test_what_comes_back_from_the_editor_steers_nothing(monkeypatch):
    async with console(live_session([invocation(1, "GetOrder", "GET /", event=b"1")])) as shown:
        monkeypatch.setattr(shown.app, "edit_outside", lambda words: f'"{BIDI}"')
        await shown.opened(1)
        await shown.press("e")
        await shown.until(lambda: bool(shown.app.screen.query("#editor")), "the editor")
        await shown.press("ctrl+e")
        await shown.sees("\\u202eevil\\u202c", "✓ JSON")
        assert looks_harmless(shown)
        await shown.press("ctrl+s")
    sent = next(asked for asked in shown.session.asked if asked[0] == "replay")
    assert json.loads(sent[2]) == BIDI
