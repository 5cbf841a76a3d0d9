"""Whatever a handler writes, however it writes it, arrives with its own call and before that call's result."""

from __future__ import annotations

import asyncio

from livetui.runtime.pool import Pool

from .conftest import Recorder, work


async def test_prints_and_records_keep_their_order(pool: Pool, function, recorder: Recorder) -> None:
    function("""
        import logging
        def handler(event, context):
            for n in range(50):
                print("print", n)
                logging.warning("record %d", n)
    """)
    call = work()
    await pool.invoke("F", call)
    kinds = [(stream, text.split()[-1]) for w, stream, text in recorder.logs if w == call.id]
    assert kinds == [(stream, str(n)) for n in range(50) for stream in ("stdout", "logging")]


async def test_every_way_to_write_is_seen(pool: Pool, function, recorder: Recorder) -> None:
    function("""
        import ctypes, os, subprocess, sys, threading, warnings
        libc = ctypes.CDLL(None)
        print("at import")
        def handler(event, context):
            sys.stdout.buffer.write(b"buffer\\n")
            os.write(1, b"descriptor\\n")
            libc.puts(b"from C")
            subprocess.run(["echo", "child"])
            thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()
            warnings.warn("careful")
            context.log("context log")
            sys.stderr.write("error no newline")
    """)
    call = work()
    await pool.invoke("F", call)
    out = recorder.lines(call.id, "stdout")
    assert set(out) == {"at import", "buffer", "descriptor", "from C", "child", "thread"}
    err = "\n".join(recorder.lines(call.id, "stderr"))
    assert "UserWarning: careful" in err and err.endswith("error no newline")
    assert recorder.lines(call.id, "logging") == ["context log"]


async def test_megabytes_and_garbage_survive_and_are_complete(pool: Pool, function, recorder: Recorder) -> None:
    function("""
        import sys
        def handler(event, context):
            for n in range(20_000):
                print(n, "x" * 100)
            sys.stdout.buffer.write(bytes(range(256)) + b"\\n")
            print("y" * 3_000_000)
    """)
    call = work()
    await pool.invoke("F", call)
    lines = recorder.lines(call.id, "stdout")
    assert lines[:20_000] == [f"{n} {'x' * 100}" for n in range(20_000)]
    assert "\\xff" in "\n".join(lines[20_000:20_003])
    assert sum(line.count("y") for line in lines[20_001:]) == 3_000_001  # one of the 256 bytes is a y


async def test_long_records_arrive_whole(pool: Pool, function, recorder: Recorder) -> None:
    function("""
        import logging
        def handler(event, context):
            logging.error("é" * 100_000)
    """)
    call = work()
    await pool.invoke("F", call)
    assert recorder.lines(call.id, "logging")[0].count("é") == 100_000


async def test_parallel_calls_keep_their_lines_apart(pool: Pool, function, recorder: Recorder) -> None:
    function("""
        import logging, sys
        def handler(event, context):
            for n in range(200):
                print(event, n)
                logging.warning("%s", event)
                print(event, file=sys.stderr)
    """)
    calls = [work(f"event-{n}") for n in range(12)]
    await asyncio.gather(*(pool.invoke("F", call) for call in calls))
    for call in calls:
        lines = recorder.lines(call.id)
        event = call.event.decode().strip('"')
        assert len(lines) == 600
        assert all(event in line for line in lines)
        assert not any(f"{event}{digit}" in line for line in lines for digit in "0123456789")


async def test_a_thread_that_outlives_its_call_still_writes_for_it(pool: Pool, function, recorder: Recorder) -> None:
    function("""
        import threading, time
        def later():
            time.sleep(0.2)
            print("later")
        def handler(event, context):
            threading.Thread(target=later).start()
    """)
    call = work()
    outcome = await pool.invoke("F", call)
    assert outcome.kind == "ok", outcome
    await recorder.until(lambda: recorder.lines(call.id) == ["later"])


async def test_closed_or_replaced_streams_do_not_break_the_answer(pool: Pool, function, recorder: Recorder) -> None:
    function("""
        import io, logging, os, sys
        def handler(event, context):
            if event == "close": sys.stdout.close()
            if event == "replace": sys.stdout = sys.stderr = io.StringIO()
            if event == "dup": os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            logging.warning("still told")
            return event
    """)
    for event in ("replace", "dup", "close"):
        call = work(event)
        assert (await pool.invoke("F", call)).body == f'"{event}"'.encode()
        assert recorder.lines(call.id, "logging")[0].endswith("still told")


async def test_what_a_worker_writes_before_its_call_has_an_end(pool: Pool, function, recorder: Recorder) -> None:
    function("for n in range(10_003): print(n)\ndef handler(event, context): print('called')")
    call = work()
    await pool.invoke("F", call)
    lines = recorder.lines(call.id)
    assert lines[9_999:] == ["9999", "livetui: 3 lines left out", "called"]
