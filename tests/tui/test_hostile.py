"""Whatever is in a payload, no pane crashes, restyles the screen, sends control characters out, or blocks the loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import time

import pytest
from console import Console, console
from hostile import BIDI, ESCAPES, MARKUP, PAYLOADS, STEERING, WIDE
from recorded import HTTP_EVENT, RecordedSession, invocation, live_session

from livetui.errors import LivetuiError
from livetui.session.events import LogLines, Notice
from livetui.session.invocation import AwsCall, LogLine
from livetui.tui.record import TABS
from livetui.tui.screens.edit import EDITABLE, draft_of
from livetui.tui.screens.records import EXPORTS

BLOCK_S = 0.1
LARGE = {name for name, payload in PAYLOADS.items() if len(payload) > 100_000}


async def watch_the_loop(slices: list[float]) -> None:
    """Processor time of the screen's thread between two turns: other programs on the machine do not count."""
    while True:
        before = time.thread_time()
        await asyncio.sleep(0)
        slices.append(time.thread_time() - before)


def session_of(names: list[str]) -> RecordedSession:
    session = live_session([])
    for number, name in enumerate(names, 1):
        payload = PAYLOADS[name]
        words = payload[:5_000].decode("utf-8", "replace")
        session.hold(
            invocation(
                number,
                f"Fn{MARKUP}{ESCAPES}",
                f"GET {words[:300]}",
                "error",
                event=payload,
                response=payload[::-1] or payload,
                error=words[:500],
                note=words[:100],
                replay_of=max(1, number - 1),
                logs=[
                    LogLine("stdout", words, 1.0),
                    LogLine("stderr", payload[:1_100_000].decode("utf-8", "replace"), 2.0),
                ],
                calls=[AwsCall(MARKUP, ESCAPES, words, 500, 1.0, error=words)],
                context={MARKUP: words, "function_name": ESCAPES},
            )
        )
    return session


def repaint_s(shown: Console) -> float:
    """What painting the whole screen costs on this machine now."""
    before = time.thread_time()
    shown.app.screen._compositor.render_update(full=True)
    return time.thread_time() - before


def tabs_for(number: int, every: bool) -> list[int]:
    """All tabs; or the first and two others, so that every tab gets many payloads and every payload three tabs."""
    tabs = [at for at, tab in enumerate(TABS, 1) if tab not in ("Timing", "Event")]
    return [1, *(tabs if every else [tabs[number % len(tabs)], tabs[(number + 3) % len(tabs)]])]


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.long)], ids=["some-tabs", "all-tabs"])
@pytest.mark.parametrize("names", [sorted(set(PAYLOADS) - LARGE), sorted(LARGE)], ids=["small", "large"])
async def test_every_pane_takes_every_payload(names, every):
    slices: list[float] = []
    async with console(session_of(names)) as shown:
        await shown.opened(1)
        gc.collect()
        gc.disable()  # what pytest holds takes longer to collect than any pane to draw
        watching = asyncio.create_task(watch_the_loop(slices))
        for number, name in enumerate(names, 1):
            await shown.opened(number)
            for tab in tabs_for(number, every):
                shown.main.action_tab(tab)
                await shown.handled()
                await shown.threads()
                pane = shown.main.details.pane
                for act in (pane.action_bottom, pane.action_open, pane.action_fold_all, pane.action_copy_path):
                    act()
                await shown.handled()
                assert not STEERING.search(shown.screen_text()), (name, tab)
            shown.main.action_unmask()
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        gc.enable()
        allowed = BLOCK_S + 2 * repaint_s(shown)
    assert max(slices) < allowed, (
        f"the loop was blocked for {max(slices):.3f} s, a repaint takes {allowed - BLOCK_S:.3f} s"
    )


async def test_markup_in_payloads_is_shown_as_it_is_written():
    session = live_session([invocation(1, "GetOrder", MARKUP, event=PAYLOADS["markup"])])
    async with console(session, size=(160, 45)) as shown:
        await shown.opened(1)
        await shown.sees(MARKUP[:20])
        assert MARKUP in shown.pane_text()


async def test_hostile_words_of_the_session_itself():
    session = live_session([invocation(1, WIDE, BIDI)])
    async with console(session) as shown:
        session.tell(Notice("error", MARKUP + ESCAPES))
        await shown.sees("[/foo]")
        assert not STEERING.search(shown.screen_text())


STEERED = ["markup", "escapes", "escapes, no JSON", "bidi", "wide", "nul", "surrogate", "not utf-8", "empty"]


async def test_logs_of_all_functions_take_every_payload():
    session = session_of(STEERED)
    async with console(session) as shown:
        for number, name in enumerate(sorted(PAYLOADS), 1):
            words = PAYLOADS[name][:1_100_000].decode("utf-8", "replace")
            session.tell(LogLines(number, f"Fn{MARKUP}{ESCAPES}", [LogLine("stdout", words, 1.0)]))
        await shown.press("f6")
        await shown.sees(f"{len(PAYLOADS)} of {len(PAYLOADS)} lines")
        for _ in range(3):
            assert not STEERING.search(shown.screen_text())
            await shown.press("pageup")


@pytest.mark.parametrize("names", [
    ["escapes", "bidi", "markup", "huge numbers"],
    pytest.param(sorted(set(PAYLOADS) - LARGE), marks=pytest.mark.long),
    pytest.param(sorted(LARGE), marks=pytest.mark.long)], ids=["some", "small", "large"])
async def test_dialogs_and_lists_take_every_payload(names, monkeypatch):
    session = session_of(names)
    edited: list[str] = []
    async with console(session, size=(160, 45)) as shown:
        monkeypatch.setattr(shown.app, "edit_outside", lambda words: edited.append(words) or words)
        for number, name in enumerate(names, 1):
            await shown.opened(number)
            for key, words in (("e", "Changes"), ("x", "aws lambda invoke"), ("t", "What belongs to"), ("P", "all sessions")):
                await shown.press(key)
                if key == "e" and len(draft_of(PAYLOADS[name], masked=True).text) > EDITABLE:
                    await shown.until(lambda: bool(edited), "$EDITOR")
                    assert not STEERING.search(edited.pop())
                    continue
                await shown.sees(words)
                assert not STEERING.search(shown.screen_text()), (name, key)
                await shown.press("escape")
                await shown.until(lambda: shown.app.screen is shown.main, f"{key} to close")


READ = {"a string", "bidi", "deepest that indents", "escapes", "markup", "surrogate", "wide",
        "one long line", "one long wide line", "many keys", "6 MB", "6 MB in one line"}
"""The payloads among them that Python reads as JSON."""
every_kind = pytest.mark.parametrize("kind", [each.id for each in EXPORTS])
small_and_large = pytest.mark.parametrize(
    "names", [sorted(set(PAYLOADS) - LARGE), pytest.param(sorted(LARGE), marks=pytest.mark.long)], ids=["small", "large"])


@small_and_large
@every_kind
def test_every_payload_is_exported_or_refused(kind, names):
    session = session_of(names)
    exported = set()
    for number, name in enumerate(names, 1):
        with contextlib.suppress(LivetuiError):
            assert session.export(number, kind).encode()  # whole characters: it can be written to a file
            exported.add(name)
    neither_request_nor_answer = set()
    read = READ & set(names)
    assert exported == {"json": set(names), "sam": read, "aws": read}.get(kind, neither_request_nor_answer)


@small_and_large
@every_kind
def test_requests_with_every_payload_are_exported(kind, names):
    session = live_session([])
    for number, name in enumerate(names, 1):
        event = json.dumps({**json.loads(HTTP_EVENT), "body": PAYLOADS[name].decode("utf-8", "replace")}).encode()
        session.hold(invocation(number, f"Fn{MARKUP}{ESCAPES}", "GET /", "ok", event=event,
                                response=PAYLOADS[name] or b"null"))
    refused = set()
    for number, name in enumerate(names, 1):
        try:
            assert session.export(number, kind).encode()
        except LivetuiError:
            refused.add(name)
    no_json = set(names) - READ - {"empty"}
    assert refused == (no_json if kind == "pytest" else set())  # an answer that is no JSON cannot be compared
