"""Ten thousand calls on eight workers that crash at random: nothing is mixed up, nothing is left, nothing grows."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from livetui.runtime.contract import Outcome
from livetui.runtime.pool import Pool

from .conftest import Recorder, eventually, make_function, work

SOURCE = """
    import logging, os, subprocess, sys
    def handler(event, context):
        tag = event["tag"]
        for n in range(event["lines"]):
            print(tag, n)
            logging.warning("%s %d", tag, n)
        sys.stderr.write(tag)
        if event["end"] == "child": subprocess.Popen(["sleep", "600"])
        if event["end"] in ("exit", "child"): sys.exit(9)
        if event["end"] == "kill": os.kill(os.getpid(), 9)
        if event["end"] == "raise": raise ValueError(tag)
        return {"tag": tag, "request": context.aws_request_id, "filler": "x" * event["size"]}
"""
TOKEN = "LIVETUI_STRESS"


def expected_lines(event: dict, request: str) -> list[str]:
    """All that a call writes, sorted; of a traceback its first two lines only."""
    numbers = range(event["lines"])
    lines = [f"{event['tag']} {n}" for n in numbers] + [f"{request}\t{event['tag']} {n}" for n in numbers]
    if event["end"] == "raise":
        lines += [f"[ERROR] ValueError: {event['tag']}", "Traceback (most recent call last):"]
    return sorted([*lines, event["tag"]])


async def run(pool: Pool, recorder: Recorder, number: int, chance: random.Random) -> None:
    """One call, checked: its answer or error, and its own lines, all of them and no other."""
    end = chance.choices(["return", "raise", "exit", "kill", "child"], [950, 30, 8, 8, 4])[0]
    tag = f"tag-{number}-end"
    call = work({"tag": tag, "lines": chance.randrange(4), "size": chance.choice([0, 10, 5_000, 300_000]), "end": end})
    outcome: Outcome = await pool.invoke("F", call)
    event, request = json.loads(call.event), call.context["request_id"]
    lines = [line.split("Z\t", 1)[-1] for line in recorder.lines(call.id) if not line.startswith("\u00a0")]
    assert sorted(lines) == expected_lines(event, request)
    recorder.logs = [entry for entry in recorder.logs if entry[0] != call.id]
    assert outcome.kind == {"return": "ok", "raise": "error"}.get(end, "crash")
    assert recorder.started.pop(call.id) == outcome.pid
    if end == "return":
        answer = json.loads(outcome.body)
        assert (answer["tag"], answer["request"]) == (tag, request)
        assert len(answer["filler"]) == event["size"]
    else:
        assert (tag if end == "raise" else request) in outcome.error_message


@dataclass
class Memory:
    """Bytes of this process, and of its largest worker."""

    console: int
    worker: int


def memory(pool: Pool) -> Memory:
    workers = [0]
    for pid in pool.stats()["F"].pids:
        try:
            workers.append(psutil.Process(pid).memory_full_info().uss)
        except psutil.NoSuchProcess:
            continue  # it crashed just now
    return Memory(psutil.Process().memory_info().rss, max(workers))


def of_this_run(token: str) -> list[psutil.Process]:
    """Processes that a worker of this run is or started, whoever is their parent now."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(TOKEN) == token:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


async def stress(calls: int, recorder: Recorder, folder: Path) -> tuple[Memory, Memory]:
    """Returns the memory after a fifth of the calls and at the end; nothing else may be left."""
    gc.collect()  # what earlier tests left is none of this
    me, token = psutil.Process(), uuid.uuid4().hex
    descriptors, children = me.num_fds(), me.children(recursive=True)
    pool = Pool(recorder, concurrency=8)
    pool.configure([make_function(folder, SOURCE, environment={TOKEN: token})])
    chance = random.Random(7)
    early = Memory(0, 0)
    numbers = iter(range(calls))

    async def caller() -> None:
        nonlocal early
        for number in numbers:
            await run(pool, recorder, number, chance)
            if number == calls // 5:
                early = memory(pool)

    async with asyncio.TaskGroup() as callers:
        for _ in range(16):
            callers.create_task(caller())
    assert pool.stats()["F"].workers <= 8
    assert len(of_this_run(token)) >= 1  # they are seen
    late = memory(pool)
    await pool.close()
    assert recorder.logs == []  # no line came after its call, or for no call
    await eventually(lambda: of_this_run(token) == [])
    assert me.children(recursive=True) == children
    assert me.num_fds() == descriptors
    return early, late


async def test_three_hundred_calls(recorder: Recorder, tmp_path: Path) -> None:
    await stress(300, recorder, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_ten_thousand_calls(recorder: Recorder, tmp_path: Path) -> None:
    early, late = await stress(10_000, recorder, tmp_path)
    print(early, late)
    assert late.console - early.console < 10_000_000
    assert late.worker - early.worker < 4_000_000


@pytest.mark.long
async def test_one_worker_does_not_grow(recorder: Recorder, tmp_path: Path) -> None:
    pool = Pool(recorder, concurrency=1)
    pool.configure([make_function(tmp_path, SOURCE)])

    async def many(calls: int) -> int:
        for number in range(calls):
            await pool.invoke("F", work({"tag": str(number), "lines": 2, "size": 5_000,
                                         "end": "raise" if number % 10 == 0 else "return"}))
            recorder.logs.clear()
        return memory(pool).worker

    early = await many(1_000)
    assert await many(9_000) - early < 500_000
    await pool.close()
