"""The console's hand on the debugger: big and hostile values, mistakes, run to cursor, pause."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from livetui.debug import face as face_module
from livetui.debug.breakpoints import Breakpoint
from livetui.debug.broker import Broker
from livetui.debug.discovery import DebugPort
from livetui.debug.exceptions import ExceptionFilters
from livetui.debug.worker_link import RefusedError
from livetui.errors import UsageError
from tests.integration.debug.bench import HANDLER, HELPER, Bench, Recorder, bench, line_of

RETURN = line_of(HANDLER, "return {")
VALUES = """
import time


class Hostile:
    def __repr__(self):
        raise RuntimeError("[/boom] \\x1b[31m")


class Slow:
    def __repr__(self):
        time.sleep(30)


def handler(event, context):
    big = list(range(5000))
    hostile, slow = Hostile(), (Slow() if event.get("slow") else None)
    wide = {"[/foo]": "\\x1b[31m", "日本": "\\x00" * 3, "text": "x" * 10**6}
    answer = "before"
    return answer
"""


async def test_variables_are_a_lazy_tree_that_survives_anything(desk: Bench, write) -> None:
    file = write("values.py", VALUES)
    await desk.face.set(file, line_of(VALUES, "return answer"))
    worker = await desk.worker(file)
    worker.send()
    paused = await desk.heard.until("paused")
    frame = (await desk.face.stack(paused.thread_id))[0]
    scopes = await desk.face.scopes(frame.id)
    assert [scope.name for scope in scopes] == ["Locals", "Globals"]
    every = await desk.face.variables(scopes[1].reference)
    assert [item.name.endswith(" variables") for item in every] == sorted(item.name.endswith(" variables")
                                                                          for item in every)
    assert every[-1].name.endswith(" variables")
    found = {item.name: item for item in await desk.face.variables(scopes[0].reference)}
    assert found["big"].reference and not found["answer"].reference
    items = await desk.face.variables(found["big"].reference, start=10, count=5)
    assert len(items) == 5
    assert "Hostile" in found["hostile"].type
    wide = {item.name: item.value for item in await desk.face.variables(found["wide"].reference)}
    assert "'\\x1b[31m'" in wide["'[/foo]'"]
    assert len(wide["'text'"]) == face_module.TEXT
    changed = await desk.face.set_variable(scopes[0].reference, "answer", "'after' + str(len(big))")
    assert changed.value == "'after5000'"
    await desk.face.resume(paused.thread_id)
    assert await worker.answer() == {"ok": "after5000"}


async def test_what_takes_too_long_is_given_up(desk: Bench, write, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write("values.py", VALUES)
    await desk.face.set(file, line_of(VALUES, "return answer"))
    worker = await desk.worker(file)
    worker.send(slow=True)
    paused = await desk.heard.until("paused")
    frame = (await desk.face.stack(paused.thread_id))[0]
    scope = (await desk.face.scopes(frame.id))[0]
    monkeypatch.setattr(face_module, "LOOK_S", 0.3)
    with pytest.raises(RefusedError, match=r"within 0\.3 s"):
        await desk.face.variables(scope.reference)


async def test_an_expression_that_raises_says_what(desk: Bench, app: Path) -> None:
    await desk.face.set(app, RETURN)
    worker = await desk.worker(app)
    worker.send()
    paused = await desk.heard.until("paused")
    frame = (await desk.face.stack(paused.thread_id))[0]
    with pytest.raises(RefusedError, match="nowhere"):
        await desk.face.evaluate("nowhere + 1", frame.id, "watch")
    assert (await desk.face.evaluate("import json", frame.id)).value == ""
    assert (await desk.face.evaluate("json.dumps(values)", frame.id)).value == "'[1, 2]'"
    await desk.face.resume(paused.thread_id)
    with pytest.raises(RefusedError):
        await desk.face.scopes(frame.id)
    assert await worker.answer() == {"ok": {"total": 3}}
    with pytest.raises(RefusedError):
        await desk.face.resume(paused.thread_id)


async def test_run_to_cursor_leaves_no_breakpoint(desk: Bench, app: Path, helper: Path) -> None:
    await desk.face.set(app, line_of(HANDLER, "values ="))
    worker = await desk.worker(app)
    worker.send()
    paused = await desk.heard.until("paused")
    await desk.face.run_to(paused.thread_id, helper, line_of(HELPER, "return total"))
    there = await desk.heard.until("paused", count=2)
    assert (there.path, there.line) == (str(helper), line_of(HELPER, "return total"))
    assert [item.path for item in desk.face.breakpoints()] == [str(app)]
    await desk.face.step_out(there.thread_id)
    assert (await desk.heard.until("paused", count=3)).path == str(app)
    await desk.face.resume(paused.thread_id)
    assert await worker.answer() == {"ok": {"total": 3}}


async def test_watches_are_kept_and_survive_hostile_values(desk: Bench, write, monkeypatch) -> None:
    monkeypatch.setattr("livetui.debug.watches.WATCH_S", 0.5)
    file = write("values.py", VALUES)
    await desk.face.set(file, line_of(VALUES, "return answer"))
    for expression in ("len(big)", "hostile", "nowhere", "wide['text']", "wide", "slow", "answer"):
        await desk.face.watch("", expression)
    with pytest.raises(UsageError):
        await desk.face.watch("", "len(")
    worker = await desk.worker(file)
    worker.send(slow=True)
    paused = await desk.heard.until("paused")
    watched = await desk.face.watched((await desk.face.stack(paused.thread_id))[0].id)
    values = {item.expression: item.result.value if item.result else item.error for item in watched}
    assert (values["len(big)"], values["nowhere"]) == ("5000", "NameError: name 'nowhere' is not defined")
    assert "boom" not in values["hostile"]
    assert len(values["wide['text']"]) <= face_module.TEXT
    assert (values["slow"], values["answer"]) == ("took longer than 0.5 s", "not evaluated: slow still runs")
    wide = next(item.result for item in watched if item.expression == "wide")
    assert wide is not None
    assert wide.reference
    await desk.face.watch("slow", "")
    await desk.face.watch("answer", "answer.upper()")
    async with bench(desk.project) as later:
        assert later.broker.watches.expressions == ["len(big)", "hostile", "nowhere", "wide['text']", "wide",
                                                    "answer.upper()"]


async def test_a_line_that_was_not_reached_does_not_stop_the_next_call(desk: Bench, app: Path, helper: Path) -> None:
    await desk.face.set(app, line_of(HANDLER, "values ="))
    worker = await desk.worker(app)
    worker.send()
    paused = await desk.heard.until("paused")
    await desk.face.run_to(paused.thread_id, app, line_of(HANDLER, "raise ValueError"))
    assert await worker.answer() == {"ok": {"total": 3}}
    worker.send(fail=1)  # before anybody said that the first call has ended: what stops here is passed by
    await desk.face.resume((await desk.heard.until("paused", count=2)).thread_id)
    desk.broker.call_ended(worker.pid)
    assert await worker.answer() == {"error": "ValueError"}
    worker.send(fail=1)
    last = await desk.heard.until("paused", count=3)
    await desk.face.resume(last.thread_id)
    assert await worker.answer() == {"error": "ValueError"}
    assert {item.line for item in desk.heard.all("paused")} == {line_of(HANDLER, "values =")}


async def test_breakpoints_that_a_busy_worker_did_not_take_are_sent_again(desk: Bench, write, monkeypatch,
                                                                         tmp_path: Path) -> None:
    file = write("values.py", VALUES)
    await desk.face.set(file, line_of(VALUES, "answer ="))
    worker = await desk.worker(file)
    monkeypatch.setattr("livetui.debug.worker_link.ANSWER_S", 0.3)
    os.kill(worker.pid, signal.SIGSTOP)
    await desk.face.set(file, line_of(VALUES, "return answer"))
    assert "sent again" in (await desk.heard.until("notice"))[2]
    os.kill(worker.pid, signal.SIGCONT)
    link = desk.broker.workers.links[worker.pid]
    for _ in range(2):  # answered in order: after the first they are sent again, before the second they are set
        await link.request("threads", {}, 10.0)
    worker.send()
    for line in ("answer =", "return answer"):
        paused = await desk.heard.until("paused", lambda item, line=line: item.line == line_of(VALUES, line))
        await desk.face.resume(paused.thread_id)
    assert await worker.answer() == {"ok": "before"}
    assert len(await link.push(str(file), []) or ()) == 0
    assert link._pushed[str(file)] == []


async def test_a_running_worker_can_be_paused(desk: Bench, write) -> None:
    file = write("loop.py", "import time\n\n\ndef handler(event, context):\n    stop = False\n    time.sleep(0)\n"
                            "    while not stop:\n        time.sleep(0.01)\n    return 1\n")
    await desk.face.set(file, 9)
    await desk.face.set(file, 6, log="running")
    worker = await desk.worker(file)
    worker.send()
    await desk.heard.until("output")
    await desk.face.pause(worker.pid)
    paused = await desk.heard.until("paused")
    assert paused.reason == "pause"
    frame = next(frame for frame in await desk.face.stack(paused.thread_id) if frame.name == "handler")
    await desk.face.evaluate("stop = True", frame.id)
    await desk.face.resume(paused.thread_id)
    end = await desk.heard.until("paused", count=2)
    assert end.line == 9
    with pytest.raises(RefusedError, match="not being debugged"):
        await desk.face.pause(1)


async def test_disabled_breakpoints_do_not_stop_until_enabled(desk: Bench, app: Path) -> None:
    kept = await desk.face.set(app, RETURN, enabled=False)
    assert (kept.enabled, desk.broker.wanted) == (False, False)
    await desk.face.set_exception_filters(uncaught=True)
    worker = await desk.worker(app)
    assert await worker.call() == {"ok": {"total": 3}}
    await desk.face.enable(app, RETURN)
    worker.send()
    assert (await desk.heard.until("paused")).line == RETURN


async def test_mistakes_are_refused_and_change_nothing(desk: Bench, app: Path) -> None:
    good: Breakpoint = await desk.face.set(app, RETURN, condition="total > 1")
    for wrong in ({"condition": "total >"}, {"hit": "often"}, {"log": "{"}):
        with pytest.raises(UsageError):
            await desk.face.set(app, RETURN, **wrong)
    with pytest.raises(UsageError):
        await desk.face.set_exception_filters(classes=("not a class",))
    assert desk.face.breakpoints() == [good]


async def test_what_can_stop_decides_whether_workers_are_debugged(desk: Bench, editor, app: Path) -> None:
    assert await desk.broker.prepare("Orders") is None
    await desk.face.toggle(app, RETURN)
    assert (await desk.broker.prepare("Orders"))["attach"]
    await desk.face.toggle(app, RETURN)
    assert await desk.broker.prepare("Orders") is None
    one = await editor("own")
    await one.attach(desk.broker.token)
    assert (await desk.broker.prepare("Orders"))["attach"]
    await one.close()
    await desk.heard.until("wanted", lambda wanted: not wanted, count=2)
    assert desk.heard.all("wanted") == [True, False, True, False]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="up to 3.11 an invocation that began untraced stays so")
async def test_a_breakpoint_set_while_the_handler_runs_stops_it(desk: Bench, write, tmp_path: Path) -> None:
    file = write("loop.py", "import pathlib\n\n\ndef handler(event, context):\n"
                            "    while not pathlib.Path(event['until']).exists():\n        pass\n    return 1\n")
    await desk.face.set_exception_filters(uncaught=True)
    worker = await desk.worker(file)
    worker.send(until=str(tmp_path / "done"))
    await desk.face.set(file, 6)
    paused = await desk.heard.until("paused")
    await desk.face.remove(file, 6)
    await asyncio.to_thread((tmp_path / "done").touch)
    await desk.face.resume(paused.thread_id)
    assert await worker.answer() == {"ok": 1}


async def test_which_errors_stop_is_kept_for_the_next_session(project: Path) -> None:
    async with bench(project) as desk:
        await desk.face.set_exception_filters(uncaught=True, classes=("shop.OutOfStock",))
    async with bench(project) as desk:
        assert desk.face.exception_filters() == ExceptionFilters(True, False, ("shop.OutOfStock",))
        assert desk.broker.wanted
        await desk.face.set_exception_filters()
    (project / ".livetui" / "exceptions.json").write_text("not JSON")
    async with bench(project) as desk:
        assert not desk.face.exception_filters()


async def test_a_condition_given_where_a_breakpoint_snapped_to_is_that_breakpoints(desk: Bench, helper: Path) -> None:
    comment = line_of(HELPER, "# one by one")
    snapped = await desk.face.toggle(helper, comment)
    assert snapped is not None
    changed = await desk.face.set(helper, snapped.line, condition="total > 1")
    assert [(item.id, item.asked, item.condition) for item in desk.face.breakpoints()] == [
        (snapped.id, comment, "total > 1")]
    assert changed.line == snapped.line


async def test_a_port_that_moved_is_told(project: Path) -> None:
    async with await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0) as taken:
        port = taken.sockets[0].getsockname()[1]
        DebugPort(port).write(project / ".livetui")
        heard = Recorder()
        broker = Broker(project / ".livetui", project, port, heard)
        await broker.start()
        assert (heard.heard, DebugPort.read(project / ".livetui").port) == ([], port)
        broker.announce()
        assert f"Port {port} is taken" in (await heard.until("notice"))[2]
        assert DebugPort.read(project / ".livetui").port == broker.port != port
        await broker.close()
