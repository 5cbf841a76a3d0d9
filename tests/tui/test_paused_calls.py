"""Several calls that stand still at once, and the threads of one."""

from __future__ import annotations

import msgspec
from console import console
from recorded_debugger import debugged

from livetui.session.debugging import PausedThread
from livetui.session.events import ThreadPaused, ThreadResumed


async def test_the_other_threads_of_the_worker_can_be_looked_at(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause()
        await shown.sees("· [/poller]  Nightly nightly.py:8")
        shown.main.debugger.frames.focus()
        await shown.press("G", "enter")
        await shown.sees("nightly.py:8 · [/poller] · worker 2")
        await shown.press("n")
        await shown.sees("▶  14")


async def test_every_paused_call_runs_on(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause()
        other = msgspec.structs.replace(session.debug.standing[0], pid=3, thread_id=9)
        session.debug.standing.append(other)
        session.tell(ThreadPaused(other))
        await shown.until(lambda: bool(shown.main.debugger.variables.nodes), "the variables")
        await shown.press("ctrl+f5")
        await shown.until(lambda: not session.debug.standing, "both to run on")
        await shown.until(lambda: shown.main.thread is None, "nothing to stand")


async def test_a_step_stays_with_its_call_while_another_one_is_paused_too(tmp_path):
    session = debugged(tmp_path)
    async with console(session) as shown:
        session.debug.pause()
        await shown.sees("▶  13")
        other = PausedThread(3, 9, "Nightly", "", session.debug.path, 7, "breakpoint")
        session.debug.standing.append(other)
        session.tell(ThreadPaused(other))
        await shown.sees("stands at nightly.py:7 too", "‖ worker 3")
        shown.main.debugger.source.focus()
        await shown.press("f10")
        await shown.sees("▶  14", "worker 2")
        assert shown.main.thread.pid == 2


async def test_another_calls_pause_and_its_end_are_shown_and_move_nothing(tmp_path):
    session = debugged(tmp_path)
    debugger = session.debug
    async with console(session) as shown:
        debugger.pause()
        await shown.sees("▶ total", "api_key")
        shown.main.debugger.frames.focus()
        await shown.press("down", "enter")
        await shown.sees("▶ handler")
        other = PausedThread(3, 9, "Worker", "", debugger.path, 5, "breakpoint")
        debugger.standing.append(other)
        session.tell(ThreadPaused(other))
        await shown.sees("‖ worker 3", "▶ handler")
        debugger.standing.remove(other)
        session.tell(ThreadResumed(other))
        await shown.lacks("‖ worker 3")
        assert "▶ handler" in shown.screen_text("#frames")


async def test_a_call_that_is_gone_before_it_is_chosen_takes_no_key_of_the_one_that_stands(tmp_path):
    session = debugged(tmp_path)
    debugger = session.debug
    async with console(session) as shown:
        other = PausedThread(3, 9, "Worker", "", debugger.path, 5, "breakpoint")
        debugger.standing.append(other)
        debugger.pause()
        await shown.sees("▶ total", "‖ worker 3")
        debugger.standing.remove(other)  # its end is not told yet
        shown.main.debugger.frames.focus()
        await shown.press("end", "enter")
        await shown.sees("It runs on.", "▶ total")
        await shown.press("f5")
        assert ("resume", 7) in debugger.asked
