"""What several editors and the console live through together, with real debugpy and clients that are not ours.

All of it is lived through twice: with workers that dial in, and with `debugpy.listen`, the way out should debugpy's private
requests ever go.
"""

import asyncio
from pathlib import Path

import pytest

from livetui.debug.exceptions import ExceptionFilters
from livetui.debug.worker_link import RefusedError
from tests.integration.debug.bench import HANDLER, HELPER, Bench, Worker, line_of
from tests.integration.debug.editors import Editor, EditorRefusedError

ADD = line_of(HELPER, "total += value")
BLANK = line_of(HELPER, "# one by one") - 1
RETURN = line_of(HANDLER, "return {")
TOTAL = line_of(HANDLER, "total = helper.add")
LIMIT = line_of(HANDLER, "LIMIT = 3")
BOX = line_of(HANDLER, "box.append")
KINDS = ["own", "npm"]


@pytest.fixture(params=["dial", pytest.param("listen", marks=pytest.mark.long)], autouse=True)
def via(request: pytest.FixtureRequest) -> str:
    return request.param


async def test_attach_with_no_worker_then_both_see_the_hit_and_inspect(desk: Bench, editor, app: Path, helper: Path):
    first, second = await editor("npm"), await editor()
    assert await first.attach(desk.broker.token, {str(helper): [ADD]}) == {str(helper): [
        {"id": 1, "verified": True, "line": ADD, "source": {"path": str(helper), "name": "helper.py"}}]}
    assert (await first.request("threads"))["threads"] == []
    await second.attach(desk.broker.token)
    worker = await desk.worker(app)
    worker.send(values=[5, 6])
    hits = [await one.event("stopped") for one in (first, second)]
    assert [(hit["reason"], hit["hitBreakpointIds"]) for hit in hits] == [("breakpoint", [1])] * 2
    for one, hit in zip((first, second), hits, strict=True):
        assert await one.locals(hit["threadId"]) == {"total": "0", "value": "5", "values": "[5, 6]"}
        assert await one.evaluate("sum(values)", hit["threadId"]) == "11"
    threads = (await first.request("threads"))["threads"]
    assert [thread["name"] for thread in threads] == [f"Orders {worker.pid} · MainThread"]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_union_survives_one_client_clearing_a_file(desk: Bench, editor, app: Path, helper: Path, kind: str):
    one, other = await editor(kind), await editor()
    await one.attach(desk.broker.token, {str(helper): [ADD]})
    await other.attach(desk.broker.token, {str(helper): [ADD], str(app): [RETURN]})
    await desk.face.set(helper, ADD)
    await other.break_at(str(helper), [])
    assert [(item.line, item.owners) for item in desk.face.breakpoints() if item.path == str(helper)] == [
        (ADD, ("npm-1" if kind == "npm" else "own-1", "console"))]
    worker = await desk.worker(app)
    worker.send(values=[1])
    assert (await desk.heard.until("paused")).line == ADD


@pytest.mark.parametrize("kind", KINDS)
async def test_a_worker_killed_while_stopped_is_followed_without_attaching_again(desk: Bench, editor, app: Path,
                                                                                helper: Path, kind: str):
    one = await editor(kind)
    await one.attach(desk.broker.token, {str(helper): [ADD]})
    worker = await desk.worker(app)
    worker.send()
    hit = await one.event("stopped")
    frames = (await one.request("stackTrace", threadId=hit["threadId"]))["stackFrames"]
    pending = asyncio.ensure_future(one.request("evaluate", expression="__import__('time').sleep(60)",
                                                context="repl", frameId=frames[0]["id"]))
    await one.request("threads")  # answered in order, so the evaluation has reached the worker
    await desk.end(worker)
    with pytest.raises(EditorRefusedError, match="worker restarting"):
        await pending
    await one.event("continued", lambda body: body["threadId"] == hit["threadId"])
    await one.event("thread", lambda body: body == {"reason": "exited", "threadId": hit["threadId"]})
    assert one.told("terminated") == []
    again = await desk.worker(app)
    again.send()
    assert (await one.event("stopped", count=2))["threadId"] != hit["threadId"]
    assert (await desk.heard.until("resumed")).pid == worker.pid


async def test_a_worker_whose_end_breaks_its_connection_is_restarting_too(desk: Bench, app: Path, helper: Path):
    await desk.face.set(helper, ADD)
    worker = await desk.worker(app)
    worker.send()
    paused = await desk.heard.until("paused")
    frame = (await desk.face.stack(paused.thread_id))[0].id
    # With this the kernel resets the connection, as it does when a request has arrived that nobody will read.
    await desk.face.evaluate("__import__('pydevd').get_global_debugger().writer.sock.setsockopt("
                             "1, 13, __import__('struct').pack('ii', 1, 0))", frame)
    pending = asyncio.ensure_future(desk.face.evaluate("__import__('time').sleep(60)", frame))
    await desk.broker.threads()  # answered in order, so the evaluation has reached the worker
    await desk.end(worker)
    with pytest.raises(RefusedError, match="worker restarting"):
        await pending


@pytest.mark.parametrize("kind", KINDS)
async def test_a_late_joiner_sees_what_is_there(desk: Bench, editor, app: Path, helper: Path, kind: str):
    await desk.face.set(helper, ADD)
    worker = await desk.worker(app)
    worker.send(values=[3])
    paused = await desk.heard.until("paused")
    late = await editor(kind)
    await late.attach(desk.broker.token)
    assert (await late.event("stopped"))["threadId"] == paused.thread_id
    assert (await late.event("process"))["systemProcessId"] == worker.pid
    new = await late.event("breakpoint")
    assert (new["reason"], new["breakpoint"]["line"]) == ("new", ADD)
    assert await late.evaluate("value", paused.thread_id) == "3"


async def test_a_step_by_one_is_seen_by_the_other_and_the_console(desk: Bench, editor, app: Path):
    one, other = await editor("npm"), await editor()
    await one.attach(desk.broker.token, {str(app): [TOTAL]})
    await other.attach(desk.broker.token)
    worker = await desk.worker(app)
    worker.send()
    thread = (await one.event("stopped"))["threadId"]
    await one.request("stepIn", threadId=thread)
    for seen in (one, other):
        assert (await seen.event("stopped", lambda body: body["reason"] == "step"))["threadId"] == thread
    assert len(other.told("continued")) == 1
    assert one.told("continued") == []
    assert (await desk.heard.until("paused", lambda paused: paused.reason == "step")).path.endswith("helper.py")
    await other.request("continue", threadId=thread)
    assert await worker.answer() == {"ok": {"total": 3}}
    assert (await one.event("continued"))["threadId"] == thread


@pytest.mark.parametrize("kind", KINDS)
async def test_a_crashed_client_takes_its_breakpoints_and_nothing_else(desk: Bench, editor, app: Path, helper: Path,
                                                                       kind: str):
    one = await editor(kind)
    await one.attach(desk.broker.token, {str(helper): [ADD]})
    await desk.face.set(app, RETURN)
    worker = await desk.worker(app)
    worker.send(values=[1, 2, 3])
    paused = await desk.heard.until("paused")
    one.crash()
    await desk.heard.until("clients", lambda clients: clients == [])
    await desk.heard.until("breakpoints", lambda union: [item.line for item in union] == [RETURN])
    assert desk.face.paused() == [paused]
    await desk.face.resume(paused.thread_id)
    assert (await desk.heard.until("paused", count=2)).line == RETURN
    await desk.face.resume(paused.thread_id)
    assert await worker.answer() == {"ok": {"total": 6}}


async def test_five_rapid_reloads(desk: Bench, editor, app: Path, helper: Path):
    one = await editor("npm")
    await one.attach(desk.broker.token, {str(helper): [ADD]})
    await desk.face.set(app, RETURN)
    for _ in range(5):
        worker = await desk.worker(app)
        worker.send(values=[1])
        await desk.end(worker)
    worker = await desk.worker(app)
    worker.send(values=[1])
    for line in (ADD, RETURN):
        paused = await desk.heard.until("paused", lambda paused, line=line: (paused.pid, paused.line)
                                        == (worker.pid, line))
        await desk.face.resume(paused.thread_id)
    assert await worker.answer() == {"ok": {"total": 1}}
    assert (await one.request("threads"))["threads"][0]["name"].startswith(f"Orders {worker.pid}")
    assert [level for _, level, _ in desk.heard.all("notice") if level == "error"] == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_breakpoint_in_a_thread(desk: Bench, editor, app: Path, kind: str):
    one = await editor(kind)
    await one.attach(desk.broker.token, {str(app): [BOX]})
    worker = await desk.worker(app)
    worker.send(thread=True)
    hit = await one.event("stopped")
    assert await one.locals(hit["threadId"]) == {"box": "[]"}
    paused = await desk.heard.until("paused")
    main = await desk.face.siblings(paused.thread_id)
    assert [(thread.text, thread.path.rpartition("/")[2]) for thread in main] == [("MainThread", "app.py")]
    assert "handler" in [frame.name for frame in await desk.face.stack(main[0].thread_id)]
    await one.request("continue", threadId=hit["threadId"])
    assert await worker.answer() == {"ok": {"total": 3}}


async def test_a_breakpoint_in_the_code_that_runs_at_import(desk: Bench, app: Path):
    await desk.face.set(app, LIMIT)
    worker = await desk.worker(app, ready=False)
    paused = await desk.heard.until("paused")
    assert (paused.line, (await desk.face.stack(paused.thread_id))[0].name) == (LIMIT, "<module>")
    await desk.face.resume(paused.thread_id)
    await worker.ready()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_blank_line_stops_above_and_says_so(desk: Bench, editor, app: Path, helper: Path, kind: str):
    one = await editor(kind)
    answers = await one.attach(desk.broker.token, {str(helper): [BLANK]})
    assert [(item["verified"], item["line"]) for item in answers[str(helper)]] == [(True, BLANK - 1)]
    worker = await desk.worker(app)
    worker.send()
    assert (await desk.heard.until("paused")).line == BLANK - 1


@pytest.mark.parametrize("kind", KINDS)
async def test_conditions_hits_and_log_points(desk: Bench, editor, app: Path, helper: Path, kind: str):
    one = await editor(kind)
    await one.attach(desk.broker.token, {
        str(helper): [{"line": ADD, "condition": "value == 2"}],
        str(app): [{"line": RETURN, "logMessage": "total is {total}"}, {"line": TOTAL, "hitCondition": "2"}]})
    worker = await desk.worker(app)
    worker.send(values=[1, 2])
    hit = await one.event("stopped")
    assert await one.evaluate("value", hit["threadId"]) == "2"
    await one.request("continue", threadId=hit["threadId"])
    assert await worker.answer() == {"ok": {"total": 3}}
    assert (await one.event("output", lambda body: "total" in body["output"]))["output"].strip() == "total is 3"
    assert (await desk.heard.until("output", lambda output: "total is 3" in output.text)).function_id == "Orders"
    worker.send(values=[])
    assert (await desk.heard.until("paused", count=2)).line == TOTAL


async def test_a_log_point_writes_what_raises_in_its_place(desk: Bench, app: Path, helper: Path):
    await desk.face.set(helper, ADD, log='100 % of {value} {nope} {{"a": 1}["a"]} \\ "{value / 0}"')
    worker = await desk.worker(app)
    assert await worker.call(values=[2]) == {"ok": {"total": 2}}
    written = await desk.heard.until("output")
    assert written.text.strip() == ("100 % of 2 <NameError: name 'nope' is not defined> 1 \\ "
                                    '"<ZeroDivisionError: division by zero>"')


async def test_a_condition_that_cannot_work_is_refused_by_name(desk: Bench, editor, helper: Path):
    one = await editor("npm")
    answers = await one.attach(desk.broker.token, {str(helper): [{"line": ADD, "condition": "value ="}, BLANK]})
    bad, good = answers[str(helper)]
    assert not bad["verified"]
    assert "does not compile" in bad["message"]
    assert good["verified"]


async def test_a_condition_that_raises_stops_and_says_so(desk: Bench, app: Path, helper: Path):
    await desk.face.set(helper, ADD, condition="unheard_of == 2")
    worker = await desk.worker(app)
    worker.send(values=[1])
    paused = await desk.heard.until("paused")
    assert (paused.line, paused.text) == (ADD, "condition failed: NameError: name 'unheard_of' is not defined")
    await desk.face.step_over(paused.thread_id)
    step = await desk.heard.until("paused", lambda paused: paused.reason == "step")
    assert step.text == ""
    await desk.face.remove(helper, ADD)
    await desk.face.resume(step.thread_id)
    assert await worker.answer() == {"ok": {"total": 1}}
    assert desk.heard.all("output") == []


async def test_a_log_points_condition_that_raises_is_one_line_of_the_log(desk: Bench, app: Path, helper: Path):
    await desk.face.set(helper, ADD, condition="unheard_of == 2", log="adds {value}")
    worker = await desk.worker(app)
    assert await worker.call(values=[7]) == {"ok": {"total": 7}}
    await desk.heard.until("output", lambda output: "adds 7" in output.text)
    assert [output.text.strip() for output in desk.heard.all("output")] == [
        "condition failed: NameError: name 'unheard_of' is not defined", "adds 7"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_handler_error_stops_where_it_was_raised(desk: Bench, editor, app: Path, kind: str):
    one = await editor(kind)
    await one.attach(desk.broker.token)
    await one.request("setExceptionBreakpoints", filters=["uncaught"])
    worker = await desk.worker(app)
    worker.send(fail=7)
    hit = await one.event("stopped")
    assert hit["reason"] == "exception"
    assert (await one.locals(hit["threadId"]))["total"] == "3"
    info = await one.request("exceptionInfo", threadId=hit["threadId"])
    assert info["exceptionId"].startswith("ValueError")
    await one.request("continue", threadId=hit["threadId"])
    assert await worker.answer() == {"error": "ValueError"}


async def test_an_error_passes_by_where_nobody_who_chose_cares(desk: Bench, editor, app: Path):
    one = await editor()
    await one.attach(desk.broker.token)
    await desk.broker.filter_exceptions("replay", ExceptionFilters(uncaught=True))
    mine, other = await desk.worker(app), await desk.worker(app)
    desk.broker.cares = lambda owner, pid: (owner, pid) == ("replay", mine.pid)
    assert await other.call(fail=7) == {"error": "ValueError"}
    mine.send(fail=7)
    paused = await desk.heard.until("paused")
    assert (paused.pid, paused.reason) == (mine.pid, "exception")
    assert len(one.told("stopped")) == 1
    await desk.face.resume(paused.thread_id)
    assert await mine.answer() == {"error": "ValueError"}


async def test_chosen_exception_classes_stop_also_when_handled(desk: Bench, write, app: Path):
    write("app.py", "def handler(event, context):\n    try:\n        return {}[event['key']]\n"
                    "    except KeyError:\n        return 'none'\n")
    await desk.face.set_exception_filters(classes=("KeyError",))
    worker = await desk.worker(app)
    worker.send(key="a")
    paused = await desk.heard.until("paused")
    assert (paused.reason, paused.line) == ("exception", 3)
    await desk.face.set_exception_filters()
    await desk.face.resume(paused.thread_id)
    assert await worker.answer() == {"ok": "none"}


@pytest.mark.parametrize("kind", KINDS)
async def test_of_two_paused_workers_one_runs_on(desk: Bench, editor, app: Path, helper: Path, kind: str):
    one = await editor(kind)
    await one.attach(desk.broker.token, {str(helper): [ADD]})
    workers: list[Worker] = [await desk.worker(app, function) for function in ("Orders", "Billing")]
    for worker in workers:
        worker.send(values=[1])
    await one.event("stopped", count=2)
    first, second = [await desk.heard.until("paused", lambda paused, pid=worker.pid: paused.pid == pid)
                     for worker in workers]
    assert all(not body["allThreadsStopped"] for body in one.told("stopped"))
    body = await one.request("continue", threadId=first.thread_id)
    assert body == {"allThreadsContinued": False}
    assert await workers[0].answer() == {"ok": {"total": 1}}
    assert await desk.heard.until("resumed") == first
    assert desk.face.paused() == [second]
    assert await one.evaluate("value", second.thread_id) == "1"
    names = {thread["name"].split()[0] for thread in (await one.request("threads"))["threads"]}
    assert names == {"Orders", "Billing"}


@pytest.mark.parametrize("kind", KINDS)
async def test_restart_replaces_workers_and_keeps_the_session(desk: Bench, editor, kind: str):
    one = await editor(kind)
    await one.attach(desk.broker.token)
    await one.request("restart")
    await desk.heard.until("restart")
    assert (await one.request("threads"))["threads"] == []


async def test_console_breakpoints_are_mirrored_and_removed_everywhere(desk: Bench, editor: "Editor", helper: Path):
    one = await editor()
    await one.attach(desk.broker.token, {str(helper): [ADD]})
    await desk.face.toggle(helper, ADD + 1)
    new = await one.event("breakpoint")
    assert (new["reason"], new["breakpoint"]["line"]) == ("new", ADD + 1)
    await desk.face.toggle(helper, ADD)
    await desk.face.toggle(helper, ADD + 1)
    removed = [await one.event("breakpoint", lambda body: body["reason"] == "removed", count) for count in (1, 2)]
    assert [body["breakpoint"]["id"] for body in removed] == [1, new["breakpoint"]["id"]]
    assert desk.face.breakpoints() == []


async def test_a_mirrored_condition_survives_an_editor_that_sends_it_back_plain(desk: Bench, editor, helper: Path):
    one = await editor()
    await one.attach(desk.broker.token)
    await desk.face.set(helper, ADD, condition="value == 2")
    await one.event("breakpoint")
    answers = await one.break_at(str(helper), [ADD, ADD + 1])
    assert [(item["line"], item["verified"]) for item in answers] == [(ADD, True), (ADD + 1, True)]
    await one.break_at(str(helper), [ADD, ADD + 1])
    assert [(item.condition, item.owners) for item in desk.face.breakpoints()] == [
        ("value == 2", ("console",)), ("", ("own-1",))]


async def test_who_never_attached_is_not_told_of(desk: Bench, editor):
    stranger = await editor()
    await stranger.request("initialize", adapterID="debugpy")
    await stranger.close()
    known = await editor()
    await known.attach(desk.broker.token)
    await desk.heard.until("clients")
    assert desk.heard.all("clients") == [["Test own"]]
