"""The debugger with the real pool: deadlines, reloads, and several invocations that stand still at once."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest

from livetui.debug.values import PausedThread
from livetui.debug.worker_link import RefusedError
from livetui.runtime.contract import FunctionSpec, Outcome, Work
from livetui.runtime.pool import Pool
from tests.integration.debug.bench import HANDLER, HELPER, PYTHONS, Bench, Recorder, line_of

ADD = line_of(HELPER, "total += value")
RETURN = line_of(HANDLER, "return {")


class Ears(Recorder):
    """Does what the engine does: pauses hold the work, and idle workers follow what is wanted."""

    pool: Pool

    def __init__(self) -> None:
        super().__init__()
        self.works: dict[int, str] = {}

    def on_paused(self, paused: PausedThread) -> None:
        super().on_paused(paused)
        self.pool.hold(paused.work_id)

    def on_resumed(self, paused: PausedThread) -> None:
        super().on_resumed(paused)
        self.pool.release(paused.work_id)

    def on_wanted_changed(self, wanted: bool) -> None:
        super().on_wanted_changed(wanted)
        self.pool.restart()

    def work_started(self, work_id: str, pid: int) -> None:
        self.works[pid] = work_id

    def work_logged(self, work_id: str, stream: Literal["stdout", "stderr", "logging"], text: str,
                    at_ms: float) -> None:
        self._hear("log", text)

    def work_called_aws(self, work_id: str, call: Any) -> None:
        self._hear("aws", call)

    def code_reloaded(self, function_id: str, ms: float, error: str, path: str) -> None:
        self._hear("reloaded", (function_id, error))

    def notice(self, function_id: str, level: str, text: str) -> None:
        self._hear("notice", (function_id, level, text))


class PoolDesk(Bench):
    pool: Pool
    heard: Ears

    def call(self, work_id: str, function: str = "Orders", **event: Any) -> asyncio.Task[Outcome]:
        keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
        work = Work(work_id, json.dumps(event).encode(), {"request_id": work_id}, keys)
        return asyncio.get_running_loop().create_task(self.pool.invoke(function, work))


@pytest.fixture
def python(request: pytest.FixtureRequest) -> str:
    """The functions' interpreter."""
    return getattr(request, "param", sys.executable)


every_python = pytest.mark.parametrize("python", PYTHONS, indirect=True)


@pytest.fixture
def photographs() -> bool:
    """Whether errors are photographed in workers that nothing can stop, as in a session."""
    return False


@pytest.fixture
async def office(project: Path, python: str, photographs: bool) -> AsyncIterator[PoolDesk]:
    desk = PoolDesk(project, photographs)
    desk.heard = desk.broker.listener = ears = Ears()
    desk.broker.work_of = lambda pid: ears.works.get(pid, "")
    await desk.broker.start()
    desk.pool = ears.pool = Pool(ears, debug=desk.broker)
    desk.pool.configure([FunctionSpec(name, name, "app.handler", project, Path(python), 1, 128, "eu-west-1")
                         for name in ("Orders", "Billing")])
    try:
        yield desk
    finally:
        await desk.pool.close()
        await desk.broker.close()


async def test_a_pause_outlives_the_functions_timeout(office: PoolDesk, helper: Path) -> None:
    await office.face.set(helper, ADD)
    call = office.call("w-1", values=[7])
    paused = await office.heard.until("paused")
    assert (paused.work_id, paused.function_id, paused.line, paused.stale) == ("w-1", "Orders", ADD, False)
    frames = await office.face.stack(paused.thread_id)
    assert [frame.name for frame in frames] == ["add", "handler"]
    done, _ = await asyncio.wait([call], timeout=1.5)  # longer than the function's timeout of 1 s
    assert not done
    scope = (await office.face.scopes(frames[0].id))[0]
    await office.face.set_variable(scope.reference, "value", "35")
    await office.face.resume(paused.thread_id)
    outcome = await call
    assert (outcome.kind, json.loads(outcome.body)) == ("ok", {"total": 35})


async def test_the_first_breakpoint_replaces_idle_workers(office: PoolDesk, app: Path) -> None:
    first = await office.call("w-1")
    await office.face.set(app, RETURN)
    assert office.heard.all("wanted") == [True]
    call = office.call("w-2")
    paused = await office.heard.until("paused")
    assert paused.pid != first.pid
    await office.face.resume(paused.thread_id)
    assert (await call).kind == "ok"


async def test_other_functions_run_while_several_invocations_stand_still(office: PoolDesk, helper: Path) -> None:
    await office.face.set(helper, ADD, condition="value > 1")
    calls = [office.call(work, function, values=[2]) for work, function in (
        ("w-1", "Orders"), ("w-2", "Orders"), ("w-3", "Billing"))]
    await office.heard.until("paused", count=3)
    assert {(item.work_id, item.function_id) for item in office.face.paused()} == {
        ("w-1", "Orders"), ("w-2", "Orders"), ("w-3", "Billing")}
    assert (await office.call("w-4", "Billing", values=[1])).kind == "ok"
    for item in office.face.paused():
        await office.face.resume(item.thread_id)
    assert [outcome.kind for outcome in await asyncio.gather(*calls)] == ["ok"] * 3


async def test_a_save_while_paused_keeps_that_worker_and_the_breakpoint_moves(office: PoolDesk, write,
                                                                              helper: Path) -> None:
    await office.pool.start_watching(office.project)
    await office.face.set(helper, ADD)
    old = office.call("w-1", values=[1])
    paused = await office.heard.until("paused")
    write("helper.py", "'''Now with a docstring.'''\n\n" + HELPER)
    await office.heard.until("reloaded")
    new = office.call("w-2", values=[1])
    last = await office.heard.until("paused", lambda item: item.work_id == "w-2")
    assert office.face.paused() == [paused, last]
    assert last.pid != paused.pid
    for item in (paused, last):
        await office.face.resume(item.thread_id)
    assert [(await call).kind for call in (old, new)] == ["ok", "ok"]
    assert (last.line, last.stale) == (ADD + 2, False)
    assert [item.line for item in office.face.breakpoints()] == [ADD + 2]


async def test_a_worker_that_stands_still_can_be_killed(office: PoolDesk, app: Path) -> None:
    await office.face.set(app, RETURN)
    call = office.call("w-1")
    paused = await office.heard.until("paused")
    office.pool.kill("w-1")
    assert (await call).kind == "crash"
    assert (await office.heard.until("resumed")).pid == paused.pid
    assert office.face.paused() == []
    with pytest.raises(ProcessLookupError):
        os.kill(paused.pid, 0)


async def test_errors_stop_and_are_photographed_without_our_own_frames(office: PoolDesk) -> None:
    await office.face.set_exception_filters(uncaught=True)
    call = office.call("w-1", fail=3)
    paused = await office.heard.until("paused")
    assert (paused.reason, paused.work_id) == ("exception", "w-1")
    await office.face.resume(paused.thread_id)
    outcome = await call
    assert (outcome.kind, outcome.error_type) == ("error", "ValueError")
    error = await office.heard.until("post mortem")
    assert error.work_id == "w-1"
    assert [frame.name for frame in error.frames] == ["handler"]


@every_python
async def test_steps_never_stop_in_livetuis_own_code(office: PoolDesk, write) -> None:
    file = write("app.py", "def handler(event, context):\n    print('one')\n    total = 2\n    return total\n")
    await office.face.set(file, 2)
    call = office.call("w-1")
    paused = await office.heard.until("paused")
    await office.face.step_into(paused.thread_id)  # `print` writes to a stream of livetui's
    for at, line in ((2, 3), (3, 4)):
        paused = await office.heard.until("paused", count=at)
        assert (paused.path, paused.line) == (str(file), line)
        await office.face.step_over(paused.thread_id)
    await office.heard.until("paused", lambda item: item.line == 4)
    outcome = await call
    assert outcome.body == b"2"
    again = office.call("w-2")
    hit = await office.heard.until("paused", lambda item: item.work_id == "w-2")
    assert (hit.line, hit.reason) == (2, "breakpoint")
    await office.face.step_out(hit.thread_id)
    assert (await again).body == b"2"
    assert {item.path for item in office.heard.all("paused")} == {str(file)}
    assert office.heard.all("output") == []  # debugpy's note on frames that it skipped is no word of the handler's


@every_python
async def test_a_process_that_the_handler_forks_passes_every_breakpoint(office: PoolDesk, write) -> None:
    file = write("app.py", "import os\n\n\ndef work():\n    return 7\n\n\ndef handler(event, context):\n"
                           "    child = os.fork()\n    if child == 0:\n        breakpoint()\n        os._exit(work())\n"
                           "    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n")
    await office.face.set(file, 5)
    assert (await asyncio.wait_for(office.call("w-1"), 30)).body == b"7"
    assert office.heard.all("paused") == []


@every_python
@pytest.mark.parametrize("photographs", [True])
async def test_breakpoint_stops_though_nothing_else_could(office: PoolDesk, write) -> None:
    file = write("app.py", "import threading\n\n\ndef ask(box):\n    breakpoint()\n    box.append(5)\n    return box\n\n\n"
                           "def handler(event, context):\n    box = []\n    if event.get('thread'):\n"
                           "        one = threading.Thread(target=ask, args=(box,))\n        one.start()\n"
                           "        one.join()\n    elif event.get('ask'):\n        ask(box)\n    return box\n")
    for work, event in (("w-1", {}), ("w-2", {"ask": True}), ("w-3", {"thread": True}), ("w-4", {"ask": True})):
        call = office.call(work, **event)
        if event:
            paused = await office.heard.until("paused", lambda item, work=work: item.work_id == work)
            assert (paused.path, paused.line, paused.stale) == (str(file), 6, False)
            assert (await office.face.look(paused.thread_id)).variables[0].name == "box"
            await office.face.step_over(paused.thread_id)
            paused = await office.heard.until("paused", lambda item, work=work: (item.work_id, item.reason)
                                              == (work, "step"))
            await office.face.resume(paused.thread_id)
        assert (await call).body == (b"[5]" if event else b"[]")
    assert len({item.pid for item in office.heard.all("paused")}) == 1
    assert office.heard.all("log") + office.heard.all("notice") + office.heard.all("wanted") == []


@pytest.mark.parametrize("photographs", [True])
async def test_breakpoint_at_import_holds_the_workers_init(office: PoolDesk, write, monkeypatch) -> None:
    monkeypatch.setattr("livetui.runtime.instance.INIT_LIMIT_S", 0)
    office.broker.work_of = office.pool.awaited
    file = write("app.py", "LIMIT = 3\nbreakpoint()\n\n\ndef handler(event, context):\n    return LIMIT\n")
    call = office.call("w-1")
    paused = await office.heard.until("paused")
    assert (paused.path, paused.line, paused.work_id) == (str(file), 5, "w-1")
    done, _ = await asyncio.wait([call], timeout=1.5)  # longer than what init may take, which is the time-out of 1 s
    assert not done
    await office.face.resume(paused.thread_id)
    assert (await call).body == b"3"


SLOW_DEBUGPY = """import sys, time


class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "debugpy":
            sys.meta_path.remove(self)
            {does}


sys.meta_path.insert(0, Finder())


def handler(event, context):
    if event:
        breakpoint()
    time.sleep(event.get("sleep", 0))
    return 3


"""


@pytest.mark.parametrize("photographs", [True])
async def test_taking_up_the_debugger_is_none_of_the_calls_time(office: PoolDesk, write) -> None:
    write("app.py", SLOW_DEBUGPY.format(does="time.sleep(1.3)"))  # the function's timeout is 1 s
    assert (await office.call("w-1")).body == b"3"
    call = office.call("w-2", stop=True)
    paused = await office.heard.until("paused")
    await office.face.resume(paused.thread_id)
    assert (await call).body == b"3"
    call = office.call("w-3", sleep=60)  # stops again, and overruns when it runs on
    paused = await office.heard.until("paused", lambda item: item.work_id == "w-3")
    await office.face.resume(paused.thread_id)
    async with asyncio.timeout(20):
        assert (await call).kind == "timeout"


@pytest.mark.parametrize("photographs", [True])
async def test_a_call_that_takes_up_the_debugger_and_never_stops_overruns(office: PoolDesk, write) -> None:
    write("app.py", "def hangs():\n    while True: pass\n\n\ndef handler(event, context):\n    breakpoint(); hangs()\n")
    async with asyncio.timeout(30):
        assert (await office.call("w-1")).kind == "timeout"


@pytest.mark.parametrize("photographs", [True])
@pytest.mark.parametrize("at_import", [False, True])
async def test_the_clock_runs_on_when_the_debugger_cannot_be_taken_up(office: PoolDesk, write, monkeypatch,
                                                                      at_import: bool) -> None:
    monkeypatch.setattr("livetui.runtime.instance.INIT_LIMIT_S", 0)
    at_end = "handler({'sleep': 60}, None)\n" if at_import else ""
    write("app.py", SLOW_DEBUGPY.format(does="raise ImportError('none')") + at_end)
    async with asyncio.timeout(20):
        assert (await office.call("w-1", sleep=60)).kind == "timeout"
    assert "no debugger is attached" in await office.heard.until("log")


@pytest.mark.parametrize("photographs", [True])
async def test_breakpoint_in_a_process_that_the_handler_forks_passes(office: PoolDesk, write) -> None:
    write("app.py", "import os\n\n\ndef handler(event, context):\n    child = os.fork()\n    if child == 0:\n"
                    "        breakpoint()\n        os._exit(7)\n"
                    "    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n")
    assert (await office.call("w-1")).body == b"7"
    assert "no debugger is attached" in await office.heard.until("log")
    assert office.heard.all("paused") == []


@every_python
async def test_breakpoint_stops_with_the_debugger_and_says_what_to_do_without(office: PoolDesk, write) -> None:
    file = write("app.py", "def handler(event, context):\n    breakpoint()\n    return 1\n")
    assert (await office.call("w-1")).body == b"1"
    assert "set a breakpoint with b" in await office.heard.until("log")
    await office.face.set_exception_filters(uncaught=True)
    call = office.call("w-2")
    paused = await office.heard.until("paused")
    assert (paused.path, paused.line) == (str(file), 3)
    await office.face.resume(paused.thread_id)
    assert (await call).body == b"1"


async def test_an_error_at_import_stops_and_is_photographed(office: PoolDesk, write) -> None:
    file = write("app.py", "LIMIT = 3\nassert LIMIT > 5, 'too low'\n")
    office.broker.work_of = office.pool.awaited
    await office.face.set_exception_filters(uncaught=True)
    call = office.call("w-1")
    paused = await office.heard.until("paused")
    assert (paused.path, paused.line, paused.work_id) == (str(file), 2, "w-1")
    await office.face.resume(paused.thread_id)
    assert (await call).error_type == "AssertionError"
    error = await office.heard.until("post mortem")
    assert (error.work_id, [frame.name for frame in error.frames]) == ("w-1", ["<module>"])


async def test_the_debuggers_modules_are_not_taken_for_the_handlers(office: PoolDesk, app: Path) -> None:
    await office.face.set(app, RETURN)
    call = office.call("w-1")
    await office.face.resume((await office.heard.until("paused")).thread_id)
    await call
    lane = office.pool._lanes["Orders"]
    assert not [name for name in lane._preload._names if "pydev" in name or "debugpy" in name]


async def test_a_stale_paused_worker_follows_what_is_removed_and_refuses_new_lines(office: PoolDesk, write,
                                                                                        helper: Path) -> None:
    await office.face.set(helper, ADD)
    await office.face.set(helper, ADD + 1)
    call = office.call("w-1", values=[1, 2, 3])
    paused = await office.heard.until("paused")
    write("helper.py", "'''Now with a docstring.'''\n\n" + HELPER)
    await office.broker.prepare("Orders")  # what a new worker does: breakpoints move with the text
    await office.face.remove(helper, ADD + 2)
    with pytest.raises(RefusedError, match="was saved since"):
        await office.face.run_to(paused.thread_id, helper, ADD + 4)
    await office.face.resume(paused.thread_id)
    last = await office.heard.until("paused", count=2)
    assert (last.line, last.stale) == (ADD + 1, True)
    await office.face.resume(last.thread_id)
    assert (await call).body == b'{"total": 6}'
    with pytest.raises(RefusedError, match="not paused"):
        await office.face.run_to(last.thread_id, helper, ADD)
    assert office.broker.workers.links[last.pid].cursor is None


async def test_a_worker_that_stands_at_import_outlives_what_replaces_workers(office: PoolDesk, app: Path) -> None:
    limit = line_of(HANDLER, "LIMIT = 3")
    await office.face.set(app, limit)
    call = office.call("w-1")
    paused = await office.heard.until("paused")
    await office.face.remove(app, limit)
    assert office.heard.all("wanted")[-1] is False  # which replaced all workers but this
    assert (await call).pid != paused.pid
    assert await office.face.stack(paused.thread_id)
    await office.face.resume(paused.thread_id)
    assert (await office.heard.until("resumed")).pid == paused.pid
