"""Ten thousand calls on eight workers that crash at random: nothing is mixed up, nothing is left, nothing grows."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import psutil
import pytest

from livetui.runtime.contract import Outcome
from livetui.runtime.pool import Pool

from .conftest import Recorder, make_function, work

SOURCE = """
    import logging, os, random, sys, threading
    def handler(event, context):
        tag = event["tag"]
        for n in range(event["lines"]):
            print(tag, n)
            logging.warning("%s %d", tag, n)
        sys.stderr.write(tag)
        if event["end"] == "exit": sys.exit(9)
        if event["end"] == "kill": os.kill(os.getpid(), 9)
        if event["end"] == "raise": raise ValueError(tag)
        return {"tag": tag, "request": context.aws_request_id, "filler": "x" * event["size"]}
"""


async def run(pool: Pool, recorder: Recorder, number: int, chance: random.Random) -> None:
    """One call, checked: its answer or error, and exactly its own lines."""
    end = chance.choices(["return", "raise", "exit", "kill"], [95, 3, 1, 1])[0]
    tag = f"tag-{number}-end"
    call = work({"tag": tag, "lines": chance.randrange(4), "size": chance.choice([0, 10, 5_000, 300_000]), "end": end})
    outcome: Outcome = await pool.invoke("F", call)
    event = json.loads(call.event)
    lines = recorder.lines(call.id)
    assert len(lines) >= 2 * event["lines"] + 1, (event, lines)
    assert all(tag in line or line.startswith(("Traceback", "\u00a0")) for line in lines), (event, lines)
    assert outcome.kind == {"return": "ok", "raise": "error"}.get(end, "crash")
    if end == "return":
        answer = json.loads(outcome.body)
        assert (answer["tag"], answer["request"]) == (tag, call.context["request_id"])
        assert len(answer["filler"]) == event["size"]
    else:
        assert (tag if end == "raise" else call.context["request_id"]) in outcome.error_message
    recorder.logs = [entry for entry in recorder.logs if entry[0] != call.id]


async def stress(calls: int, recorder: Recorder, folder: Path) -> tuple[int, int]:
    """Returns the memory of this process after a tenth of the calls and at the end; nothing else may be left."""
    me = psutil.Process()
    descriptors, children = me.num_fds(), me.children(recursive=True)
    pool = Pool(recorder, concurrency=8)
    pool.configure([make_function(folder, SOURCE)])
    chance = random.Random(7)
    memory = 0
    numbers = iter(range(calls))

    async def caller() -> None:
        nonlocal memory
        for number in numbers:
            await run(pool, recorder, number, chance)
            if number == calls // 10:
                memory = me.memory_info().rss

    async with asyncio.TaskGroup() as callers:
        for _ in range(16):
            callers.create_task(caller())
    assert pool.stats()["F"].workers <= 8
    await pool.close()
    assert me.children(recursive=True) == children
    assert me.num_fds() == descriptors
    return memory, me.memory_info().rss


async def test_three_hundred_calls(recorder: Recorder, tmp_path: Path) -> None:
    await stress(300, recorder, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_ten_thousand_calls(recorder: Recorder, tmp_path: Path) -> None:
    early, late = await stress(10_000, recorder, tmp_path)
    assert late - early < 40_000_000
