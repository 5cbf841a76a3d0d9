"""The pool runs handlers in processes: parallel up to the cap, timed, told apart, and gone when closed."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from livetui.runtime import lane
from livetui.runtime.contract import FunctionSpec
from livetui.runtime.pool import Pool
from livetui.runtime.process import WORKER

from .conftest import Recorder, eventually, make_function, work


@contextmanager
def held(path: Path) -> Iterator[Path]:
    """A file that is locked while the block runs: handlers that lock it wait until then."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield path


async def test_answer_is_the_handlers_json(pool: Pool, function) -> None:
    function("def handler(event, context): return {'got': event, 'id': context.aws_request_id}")
    call = work({"a": [1, "ü"]})
    outcome = await pool.invoke("F", call)
    assert outcome.kind == "ok"
    assert json.loads(outcome.body) == {"got": {"a": [1, "ü"]}, "id": call.context["request_id"]}


async def test_worker_stays_warm_and_reports_its_init_once(pool: Pool, function) -> None:
    function("n = 0\ndef handler(event, context):\n    global n\n    n += 1\n    return n")
    first, second = await pool.invoke("F", work()), await pool.invoke("F", work())
    assert (first.body, second.body) == (b"1", b"2")
    assert first.init_ms is not None and second.init_ms is None
    assert first.pid == second.pid


async def test_parallel_calls_get_processes_up_to_the_cap_then_wait(pool: Pool, function, recorder: Recorder,
                                                                     tmp_path: Path) -> None:
    with held(tmp_path / "gate") as gate:
        function(f"""
            import fcntl, os
            def handler(event, context):
                with open({str(gate)!r}) as gate:
                    fcntl.flock(gate, fcntl.LOCK_SH)
                return os.getpid()
        """)
        calls = [asyncio.create_task(pool.invoke("F", work())) for _ in range(6)]
        await recorder.until(lambda: len(recorder.started) == 4)
        stats = pool.stats()["F"]
        assert (stats.workers, stats.busy, stats.queued) == (4, 4, 2)
    await asyncio.wait(calls)
    assert {call.result().kind for call in calls} == {"ok"}
    assert len({call.result().body for call in calls}) == 4


async def test_a_call_never_waits_for_another_function(pool: Pool, tmp_path: Path, recorder: Recorder) -> None:
    slow = make_function(tmp_path / "slow", "import time\ndef handler(event, context): time.sleep(60)", "Slow")
    quick = make_function(tmp_path / "quick", "def handler(event, context): return 1", "Quick")
    pool.configure([slow, quick])
    waiting = [asyncio.create_task(pool.invoke("Slow", work())) for _ in range(5)]
    await recorder.until(lambda: len(recorder.started) == 4)
    assert (await pool.invoke("Quick", work())).body == b"1"
    await pool.close()
    assert {task.result().kind for task in waiting} == {"cancelled"}  # also what ran: its code did nothing wrong


async def test_queued_work_can_be_cancelled_and_running_work_cannot(recorder: Recorder, tmp_path: Path) -> None:
    pool = Pool(recorder, concurrency=1)
    pool.configure([make_function(tmp_path, "import time\ndef handler(event, context): time.sleep(60)")])
    running, queued = work(), work()
    first = asyncio.create_task(pool.invoke("F", running))
    await recorder.until(lambda: recorder.started)
    second = asyncio.create_task(pool.invoke("F", queued))
    await asyncio.sleep(0)
    assert not pool.cancel(running.id)
    assert pool.cancel(queued.id)
    assert (await second).kind == "cancelled"
    assert pool.kill(running.id)
    assert (await first).kind == "crash"
    await pool.close()


async def test_overrunning_handler_times_out_in_lambdas_words(pool: Pool, function) -> None:
    function("import time\ndef handler(event, context):\n    print('begun')\n    time.sleep(60)", timeout_s=1)
    call = work()
    outcome = await pool.invoke("F", call)
    assert outcome.kind == "timeout"
    assert json.loads(outcome.body) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {call.context['request_id']} Error: Task timed out after 1.00 seconds"}
    assert pool.stats()["F"].workers == 0


async def test_where_a_handler_was_when_its_time_was_over_is_in_its_log(pool: Pool, function, recorder: Recorder,
                                                                       tmp_path: Path) -> None:
    function("""
        import re, sys, threading, time
        gate = threading.Event()
        def deep(é):
            re.match(r"(a+)+$", "a" * 40 + "b")  # C code that lets no other thread in
        def waits():
            gate.wait()
        def handler(event, context):
            print("begun", file=sys.stderr)
            threading.Thread(target=waits, daemon=True).start()
            deep(1)
    """, timeout_s=1)
    call = work()
    assert (await pool.invoke("F", call)).kind == "timeout"
    app = tmp_path / "code/app.py"
    begun, *where = recorder.lines(call.id, "stderr")
    assert (begun, where[0]) == ("begun", "livetui: its time was over here (most recent call last):")
    assert where[1:5] == [f'  File "{app}", line 11, in handler', "    deep(1)", f'  File "{app}", line 5, in deep',
                          '    re.match(r"(a+)+$", "a" * 40 + "b")  # C code that lets no other thread in']
    other = where.index("livetui: and in another thread:")
    assert f'  File "{app}", line 7, in waits' in where[other:]
    assert not [line for line in where if "worker_loop" in line]


async def test_where_an_import_was_when_its_time_was_over_is_in_its_log(pool: Pool, function, recorder: Recorder,
                                                                       monkeypatch) -> None:
    monkeypatch.setattr("livetui.runtime.instance.INIT_LIMIT_S", 0)
    function("import time\ntime.sleep(60)", timeout_s=1)
    call = work()
    assert (await pool.invoke("F", call)).kind == "timeout"
    assert recorder.lines(call.id, "stderr")[-1] == "    time.sleep(60)"


async def test_a_handler_that_prints_without_end_times_out_all_the_same(pool: Pool, function) -> None:
    function("import os\ndef handler(event, context):\n    while True:\n        os.write(2, b'\\n' * 4096)", timeout_s=1)
    async with asyncio.timeout(20):
        assert (await pool.invoke("F", work())).kind == "timeout"


async def test_an_import_that_ends_just_after_its_limit_was_too_long(pool: Pool, function, monkeypatch) -> None:
    monkeypatch.setattr("livetui.runtime.instance.INIT_LIMIT_S", 0)
    function("""
        import faulthandler, signal
        faulthandler.unregister(signal.SIGRTMAX - 3)
        signal.signal(signal.SIGRTMAX - 3, lambda *_: None)
        signal.pause()  # until somebody asks where it is
        def handler(event, context): return 1
    """, timeout_s=1)
    assert (await pool.invoke("F", work())).kind == "timeout"


async def test_held_work_does_not_time_out(pool: Pool, function, recorder: Recorder, tmp_path: Path) -> None:
    with held(tmp_path / "gate") as gate:
        function(f"""
            import fcntl
            def handler(event, context):
                with open({str(gate)!r}) as gate:
                    fcntl.flock(gate, fcntl.LOCK_SH)
                return "done"
        """, timeout_s=1)
        call = work()
        task = asyncio.create_task(pool.invoke("F", call))
        await recorder.until(lambda: recorder.started)
        pool.hold(call.id)
        assert await asyncio.wait([task], timeout=1.3) == (set(), {task})
        pool.release(call.id)
    assert (await task).body == b'"done"'


async def test_overrun_may_finish_late(pool: Pool, function, recorder: Recorder) -> None:
    function("import time\ndef handler(event, context):\n    time.sleep(1.2)\n    return 'late'", timeout_s=1)
    call = work(overrun="finish")
    outcome = await pool.invoke("F", call)
    assert outcome.kind == "timeout"
    await recorder.until(lambda: call.id in recorder.late)
    assert recorder.late[call.id].body == b'"late"'
    assert recorder.lines(call.id, "stderr")[-1] == "    time.sleep(1.2)"
    assert pool.stats()["F"].workers == 1


async def test_remaining_time_counts_from_the_configured_timeout(pool: Pool, function) -> None:
    function("def handler(event, context): return context.get_remaining_time_in_millis()", timeout_s=9)
    assert 8_000 < int((await pool.invoke("F", work())).body) <= 9_000
    assert int((await pool.invoke("F", work(remaining_ms=500))).body) <= 500


async def test_process_that_ends_is_an_exit_error(pool: Pool, function) -> None:
    function("""
        import ctypes, os, signal, sys
        def handler(event, context):
            if event == "exit": sys.exit(3)
            if event == "clean": sys.exit(0)
            if event == "_exit": os._exit(7)
            if event == "segfault": ctypes.string_at(0)
            if event == "kill": os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt
    """)
    expected = {"exit": "Runtime exited with error: exit status 3",
                "clean": "Runtime exited without providing a reason",
                "_exit": "Runtime exited with error: exit status 7",
                "segfault": "Runtime exited with error: signal: segmentation fault",
                "kill": "Runtime exited with error: signal: killed",
                "interrupt": "Runtime exited with error: signal: interrupt"}
    for event, words in expected.items():
        call = work(event)
        outcome = await pool.invoke("F", call)
        assert outcome.kind == "crash", event
        assert json.loads(outcome.body) == {"errorType": "Runtime.ExitError",
                                            "errorMessage": f"RequestId: {call.context['request_id']} Error: {words}"}


async def test_exit_during_import_is_an_exit_error_and_the_next_call_tries_again(pool: Pool, function) -> None:
    spec = function("import sys\nprint('bye')\nsys.exit(4)")
    assert (await pool.invoke("F", work())).error_message.endswith("exit status 4")
    (spec.code_root / "app.py").write_text("def handler(event, context): return 'well again'")
    assert (await pool.invoke("F", work())).body == b'"well again"'


@pytest.mark.parametrize(("changes", "error_type"), [
    ({}, "Runtime.UserCodeSyntaxError"), ({"interpreter": Path("/nowhere/python")}, "Runtime.InvalidEntrypoint")])
async def test_calls_that_wait_for_a_place_are_answered_when_nothing_starts(
        recorder: Recorder, tmp_path: Path, changes: dict[str, Path], error_type: str) -> None:
    pool = Pool(recorder, concurrency=1)
    pool.configure([make_function(tmp_path, "def handler(", **changes)])
    async with asyncio.timeout(20):
        outcomes = await asyncio.gather(*(pool.invoke("F", work()) for _ in range(3)))
    assert [outcome.error_type for outcome in outcomes] == [error_type] * 3
    await pool.close()


async def test_a_killed_worker_gets_no_call(pool: Pool, function) -> None:
    function("def handler(event, context): return 'done'")
    first = await pool.invoke("F", work())
    pool._lanes["F"].instances[0].kill()
    second = await pool.invoke("F", work())
    assert (second.kind, second.body) == ("ok", b'"done"')
    assert second.pid != first.pid


async def test_handler_sees_no_environment_of_the_developer(pool: Pool, function, monkeypatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "GITHUB_TOKEN", "PYTHONPATH", "LD_PRELOAD_X",
                 "VIRTUAL_ENV", "LIVETUI_STAGE"):
        monkeypatch.setenv(name, "developer")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    function("import os\ndef handler(event, context): return dict(os.environ)", environment={"TABLE": "orders"})
    seen = json.loads((await pool.invoke("F", work())).body)
    assert "developer" not in seen.values()
    assert seen["AWS_ACCESS_KEY_ID"] == "AKIA"
    always = {"PATH", "HOME", "TABLE", "HTTPS_PROXY", "TZ", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
              "AWS_EC2_METADATA_DISABLED", "AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_DAEMON_ADDRESS", "_HANDLER",
              "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
              "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
              "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_INITIALIZATION_TYPE",
              "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    machine = {"TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE",
               "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", *(n for n in seen if n.lower().endswith("_proxy"))}
    assert always <= seen.keys()
    assert seen.keys() - always - machine == set()


async def test_credentials_are_those_of_the_call(pool: Pool, function) -> None:
    function("import os\ndef handler(event, context): return os.environ['AWS_ACCESS_KEY_ID']")
    for key in ("first", "second"):
        assert (await pool.invoke("F", work(credentials={"AWS_ACCESS_KEY_ID": key}))).body == json.dumps(key).encode()


async def test_private_channel_is_not_the_handlers(pool: Pool, function) -> None:
    function("""
        import os, subprocess, sys
        def handler(event, context):
            inherited = subprocess.run([sys.executable, "-c", "import os; print(sorted(os.listdir('/proc/self/fd')))"],
                                       capture_output=True, text=True).stdout
            return {"stdin": os.readlink("/proc/self/fd/0"), "child": inherited.strip(), "argv": sys.argv[1:]}
    """)
    seen = json.loads((await pool.invoke("F", work())).body)
    assert seen == {"stdin": "/dev/null", "child": "['0', '1', '2', '3']", "argv": []}


async def test_a_changed_function_gets_new_workers(pool: Pool, function) -> None:
    source = "import os\ndef handler(event, context): return os.environ.get('COLOUR')"
    function(source, environment={"COLOUR": "red"})
    assert (await pool.invoke("F", work())).body == b'"red"'
    function(source, environment={"COLOUR": "blue"})
    assert (await pool.invoke("F", work())).body == b'"blue"'


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or waits for init to notice that it is."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_workers_whose_import_saw_old_keys_are_replaced(pool: Pool, function, monkeypatch) -> None:
    function("import os\nkey = os.environ['AWS_ACCESS_KEY_ID']\ndef handler(event, context): return key")
    assert (await pool.invoke("F", work(credentials={"AWS_ACCESS_KEY_ID": "old"}))).body == b'"old"'
    assert (await pool.invoke("F", work(credentials={"AWS_ACCESS_KEY_ID": "new"}))).body == b'"old"'
    monkeypatch.setattr(lane, "KEYS_AGE_S", 0.0)
    assert (await pool.invoke("F", work(credentials={"AWS_ACCESS_KEY_ID": "newest"}))).body == b'"newest"'


async def test_idle_workers_leave(pool: Pool, function, monkeypatch) -> None:
    monkeypatch.setattr(lane, "IDLE_EXIT_S", 0.05)
    function("def handler(event, context): return 1")
    await pool.invoke("F", work())
    await eventually(lambda: pool.stats()["F"].workers == 0)
    assert (await pool.invoke("F", work())).body == b"1"


async def test_a_caller_that_is_cancelled_leaves_the_worker_usable(pool: Pool, function, recorder: Recorder) -> None:
    function("import time\ndef handler(event, context):\n    time.sleep(event)\n    return event")
    first = work(0.3)
    task = asyncio.create_task(pool.invoke("F", first))
    await recorder.until(lambda: first.id in recorder.started)
    task.cancel()
    await asyncio.wait([task])
    await eventually(lambda: pool.stats()["F"].busy == 0)
    assert (await pool.invoke("F", work(0))).body == b"0"


async def test_close_leaves_nothing_behind(recorder: Recorder, tmp_path: Path) -> None:
    gc.collect()  # loops of earlier tests give their descriptors back
    me = psutil.Process()
    before, children = me.num_fds(), me.children()
    pool = Pool(recorder)
    pool.configure([make_function(tmp_path, """
        import subprocess
        def handler(event, context):
            return subprocess.Popen(["sleep", "60"]).pid
    """)])
    grandchild = int((await pool.invoke("F", work())).body)
    await pool.close()
    assert me.children() == children
    assert me.num_fds() == before
    await eventually(lambda: has_ended(grandchild))


def test_workers_end_with_a_killed_console(tmp_path: Path) -> None:
    spec: FunctionSpec = make_function(tmp_path, """
        import os, subprocess, time
        def handler(event, context):
            child = subprocess.Popen(["sleep", "60"])
            print("pids", os.getpid(), child.pid)
            time.sleep(60)
    """)
    console = subprocess.Popen([sys.executable, "-c", textwrap.dedent(f"""
        import asyncio, sys
        from pathlib import Path
        from livetui.runtime.contract import FunctionSpec, Work
        from livetui.runtime.pool import Pool
        class Listener:
            def __getattr__(self, name):
                return lambda *values: name == "work_logged" and print(values[2], flush=True)
        async def main():
            pool = Pool(Listener())
            pool.configure([FunctionSpec("F", "f", "app.handler", Path({str(spec.code_root)!r}), Path(sys.executable),
                                         60, 128, "eu-west-1")])
            await pool.invoke("F", Work("w", b"{{}}", {{}}))
        asyncio.run(main())
    """)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])
    assert console.stdout is not None
    pids = [int(word) for word in console.stdout.readline().split()[1:]]
    assert len(pids) == 2, "the handler did not run"
    workers = [psutil.Process(pid) for pid in pids]
    console.kill()
    console.wait()
    console.stdout.close()
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []


async def test_later_layers_win_and_all_come_after_the_code_and_before_everything_else(pool: Pool, function, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    packages = f"python/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    for layer, module, value in ((first, "python/both", 1), (second, "python/both", 2), (second, "python/app", 3),
                                 (second, f"{packages}/deep", 4), (second, "python/colorsys", 5)):
        path = layer / f"{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"value = {value}")
    (second / "bin").mkdir()
    (second / "bin/layered").write_text("#!/bin/sh\necho from the layer")
    (second / "bin/layered").chmod(0o755)
    function("""
        import both, colorsys, deep, subprocess
        def handler(event, context):
            return [both.value, deep.value, colorsys.value, subprocess.check_output(["layered"], text=True)]
    """, layers=(first, second))
    assert json.loads((await pool.invoke("F", work())).body) == [2, 4, 5, "from the layer\n"]


async def test_a_layers_source_folder_is_used_as_sam_build_would_package_it(pool: Pool, function, tmp_path) -> None:
    (tmp_path / "layer").mkdir()
    (tmp_path / "layer/shared.py").write_text("value = 'source'")
    function("import shared\ndef handler(event, context): return shared.value", layers=(tmp_path / "layer",))
    assert (await pool.invoke("F", work())).body == b'"source"'


async def test_ends_are_told_where_there_are_no_process_descriptors(recorder: Recorder, tmp_path: Path,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    pool = Pool(recorder)
    pool.configure([make_function(tmp_path, "import sys\ndef handler(event, context): sys.exit(event)")])
    assert (await pool.invoke("F", work(3))).error_message.endswith("exit status 3")
    assert (await pool.invoke("F", work(4))).error_message.endswith("exit status 4")
    await pool.close()


def test_workers_end_with_the_console_where_the_kernel_does_not_see_to_it() -> None:
    lifeline, console = os.pipe()
    worker = subprocess.Popen([sys.executable, "-c", textwrap.dedent(f"""
        import fcntl, sys, time
        del fcntl.F_SETSIG
        sys.path.insert(0, {str(WORKER.parent)!r})
        import worker_loop
        worker_loop.end_with_console({lifeline})
        print("ready", flush=True)
        time.sleep(60)
    """)], pass_fds=(lifeline,), stdout=subprocess.PIPE, start_new_session=True)
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"ready\n"
    os.close(lifeline)
    os.close(console)
    assert worker.wait(5) == -9
    worker.stdout.close()


async def test_a_restart_while_calls_come_starts_no_worker_too_many(pool: Pool, function, tmp_path: Path) -> None:
    function(f"""
        import os
        open({str(tmp_path / "started")!r}, "a").write("x")
        def handler(event, context):
            return os.getpid()
        """)
    await asyncio.gather(pool.invoke("F", work()), pool.invoke("F", work()))
    await eventually(lambda: len((tmp_path / "started").read_text()) == pool.stats()["F"].workers)
    before = len((tmp_path / "started").read_text())
    pool.restart()
    outcome = await pool.invoke("F", work())
    assert outcome.kind == "ok"
    await eventually(lambda: pool.stats()["F"].workers == 1)
    assert len((tmp_path / "started").read_text()) == before + 1


async def test_a_restart_starts_anew_for_the_call_whose_worker_was_still_importing(pool: Pool, function,
                                                                                  tmp_path: Path) -> None:
    block = tmp_path / "block"
    block.touch()
    function(f"""
        import os, time
        while os.path.exists({str(block)!r}):
            time.sleep(0.01)
        def handler(event, context):
            return 1
        """)
    call = asyncio.create_task(pool.invoke("F", work()))
    await eventually(lambda: pool.stats()["F"].pids)
    block.unlink()
    pool.restart()
    assert (await call).kind == "ok"
