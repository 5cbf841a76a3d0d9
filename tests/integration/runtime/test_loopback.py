"""Workers as they are on Windows, tried here: no inherited descriptor, a loopback connection, threads instead of the loop.

The tests of the other way run again, as far as they do not ask for what only descriptors give (forked workers).
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from pathlib import Path

import pytest

from livetui.runtime.channel import Frames
from livetui.runtime.loopback import LoopbackChannel

from . import test_logs, test_pool, test_stress, test_trouble
from .conftest import Recorder
from .test_fidelity import CASES, EVENTS, INITS, both, check, check_print, comparable, names, spec_of


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVETUI_LOOPBACK", "1")


@pytest.mark.parametrize("module", ["answers", "errors", "surroundings"])
async def test_it_differs_in_nothing_from_awslambdaric(tmp_path: Path, module: str) -> None:
    pytest.importorskip("awslambdaric", reason="awslambdaric has wheels for Linux only")
    shutil.copy(CASES / f"{module}.py", tmp_path)
    (tmp_path / "data.txt").write_text("beside the code")
    events = {case: json.dumps(case).encode() for case in names(module)}
    run = await both(spec_of(tmp_path, f"{module}.handler", "python3.11"), events)
    assert {case: comparable(seen) for case, seen in run.ours.items()} == {
        case: comparable(seen) for case, seen in run.reference.items()}
    check_print(run.printed)


async def test_events_and_failing_imports_too(tmp_path: Path) -> None:
    pytest.importorskip("awslambdaric", reason="awslambdaric has wheels for Linux only")
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return [event, repr(event)]")
    run = await both(spec_of(tmp_path, "app.handler", "python3.11"), EVENTS)
    assert run.ours == run.reference
    for case in ("import error inside", "syntax error", "raises", "exits", "logs while imported"):
        handler, source = INITS[case]
        (tmp_path / "app.py").write_text(source)
        spec = spec_of(tmp_path, handler, "python3.11")
        check(await both(spec, {case: b"{}"}), case)


async def test_whoever_does_not_know_the_token_is_turned_away() -> None:
    channel = LoopbackChannel(asyncio.get_running_loop())
    got: asyncio.Queue[dict] = asyncio.Queue()
    channel.open(lambda header, body: got.put_nowait(dict(header)), lambda: got.put_nowait({"t": "end"}))
    stranger = socket.create_connection(("127.0.0.1", channel.port))
    stranger.sendall(b"0" * len(channel.token))
    assert await asyncio.to_thread(stranger.recv, 1) == b""
    stranger.close()
    worker = socket.create_connection(("127.0.0.1", channel.port))
    worker.sendall(channel.token + b'\0\0\0\x0b\0\0\0\0{"t":"say"}')
    assert await got.get() == {"t": "say"}
    channel.send({"t": "init"}, b"body")
    frames: list[tuple[dict, bytes]] = []
    received = Frames(lambda header, body: frames.append((dict(header), body)))
    while not frames:
        received.feed(await asyncio.to_thread(worker.recv, 100))
    assert frames == [({"t": "init"}, b"body")]
    worker.close()
    assert await got.get() == {"t": "end"}
    channel.finish()


test_process_ends = test_pool.test_process_that_ends_is_an_exit_error
test_timeout = test_pool.test_overrunning_handler_times_out_in_lambdas_words
test_parallel = test_pool.test_parallel_calls_get_processes_up_to_the_cap_then_wait
test_private = test_pool.test_private_channel_is_not_the_handlers
test_close = test_pool.test_close_leaves_nothing_behind
test_killed_console = test_pool.test_workers_end_with_a_killed_console
test_what_it_lacks = test_trouble.test_what_a_function_lacks_is_told
test_exit_in_import = test_pool.test_exit_during_import_is_an_exit_error_and_the_next_call_tries_again
test_megabytes = test_logs.test_megabytes_and_garbage_survive_and_are_complete
test_lines_apart = test_logs.test_parallel_calls_keep_their_lines_apart
test_late_thread = test_logs.test_a_thread_that_outlives_its_call_still_writes_for_it


async def test_a_large_event_and_answer(pool, function) -> None:  # type: ignore[no-untyped-def]
    function("def handler(event, context): return event")
    event = json.dumps("x" * 6_000_000).encode()
    assert (await pool.invoke("F", test_pool.work(event))).body == event


async def test_three_hundred_calls(recorder: Recorder, tmp_path: Path) -> None:
    await test_stress.stress(300, recorder, tmp_path)
