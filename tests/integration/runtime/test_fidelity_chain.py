"""The same handlers through the whole chain, compared with AWS's runtime client alone.

awslambdaric → stub → MQTT → link → worker and back: what the caller gets must be what it gets without livetui.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from livetui.aws import Aws
from livetui.link.messages import Answer, Call
from livetui.runtime.contract import Work
from livetui.runtime.pool import Pool
from tests.integration.link.link_live import Live, console

from .conftest import Recorder
from .test_fidelity import CASES, Seen, comparable, names, request_id, run_reference, spec_of

pytest.importorskip("awslambdaric", reason="awslambdaric has wheels for Linux only")


@pytest.fixture
def live(aws: Aws) -> Live:
    """A new app and stage with a bucket of its own."""
    token = uuid.uuid4().hex[:8]
    aws.client("s3").create_bucket(Bucket=f"livetui-{token}",
                                   CreateBucketConfiguration={"LocationConstraint": aws.region})
    return Live(aws, f"app-{token}", "dev", f"livetui-{token}")


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


async def through_the_chain(live: Live, folder: Path, module: str) -> Mapping[str, Seen]:
    """All cases of a module, invoked at the stub and run by the pool."""
    spec = spec_of(folder, f"{module}.handler", "python3.11")
    pool = Pool(Recorder())
    pool.configure([spec])
    running: set[asyncio.Task[None]] = set()

    def handle(call: Call) -> None:
        async def run() -> None:
            outcome = await pool.invoke("F", Work(call.attempt, call.event, call.context))
            here.link.answer(call.attempt, Answer(outcome.body, error=outcome.kind != "ok"))

        task = asyncio.get_running_loop().create_task(run())
        running.add(task)
        task.add_done_callback(running.discard)

    seen = {}
    async with console(live, handle) as here:
        with live.environment() as environment:
            for case in names(module):
                result = await asyncio.to_thread(environment.invoke, json.dumps(case).encode(), 30.0,
                                                 request_id(case))
                assert result.kind in ("response", "error"), (case, result, environment.log[-20:])
                kind = {"response": "ok", "error": "error"}.get(result.kind, result.kind)
                seen[case] = Seen(kind, result.body.decode("latin-1"), "")
        await pool.close()
        await asyncio.gather(*running)
    return seen


@pytest.mark.parametrize("module", ["answers", "errors"])
async def test_the_caller_gets_what_it_gets_without_livetui(live: Live, folder: Path, module: str) -> None:
    shutil.copy(CASES / f"{module}.py", folder)
    events = {case: json.dumps(case).encode() for case in names(module)}
    alone, _ = await run_reference(spec_of(folder, f"{module}.handler", "python3.11"), events)
    chain = await through_the_chain(live, folder, module)
    different = {}
    for case, expected in alone.items():
        if expected.kind == "exit":  # Lambda itself words what a process that ended means to the caller
            assert chain[case].kind == "error" and "Runtime.ExitError" in chain[case].body, case
        elif comparable(chain[case]) != comparable(Seen(expected.kind, expected.body, "")):
            different[case] = (chain[case], expected)
    assert different == {}
