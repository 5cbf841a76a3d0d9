"""The same handlers through the whole chain, compared with AWS's runtime client alone.

awslambdaric → stub → MQTT → link → dispatcher → worker and back: what the caller gets, and what is logged, must be what
it is without livetui.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest

from livetui.aws import Aws, Keys
from livetui.link.link import Link
from livetui.link.messages import LinkConfig
from livetui.runtime.contract import FunctionSpec, Work
from livetui.runtime.environment import call_environment, worker_environment
from livetui.runtime.faults import HUNG
from livetui.runtime.pool import Pool
from livetui.session.dispatch import Dispatcher
from livetui.session.events import InvocationFinished, SessionEvent
from livetui.session.hub import Hub
from livetui.session.invocation import LogLine, Row
from livetui.session.store import Store
from tests.integration.link.link_live import ROOT, SEED, Live
from tests.integration.runtime_api import Reference, Reply

from .test_fidelity import (
    CASES,
    CONTEXT,
    EVENTS,
    HEADERS,
    INITS,
    Seen,
    comparable,
    names,
    request_id,
    run_reference,
    spec_of,
    without_times,
)

pytest.importorskip("awslambdaric", reason="awslambdaric has wheels for Linux only")

ENDS = {"0": "Runtime exited without providing a reason", "1": "Runtime exited with error: exit status 1",
        "3": "Runtime exited with error: exit status 3", "7": "Runtime exited with error: exit status 7",
        "-2": "Runtime exited with error: signal: interrupt"}
"""What Lambda's platform says of a runtime client that ended with a status."""


@dataclass
class Chain:
    """A stub under the runtime client, and all of a session that serves its calls."""

    pool: Pool
    store: Store
    stub: Reference
    finished: dict[str, Row] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def invoke(self, name: str, event: bytes) -> tuple[Reply, list[LogLine]]:
        """What the caller gets, and what the console has of the call's log."""
        reply = await self.stub.api.invoke(event, request_id=request_id(name), headers=HEADERS,
                                           deadline_ms=int((time.time() + 60) * 1000))
        while request_id(name) not in self.finished:  # the caller may have heard of it first
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 10)
        return reply, list(self.store.invocation(self.finished[request_id(name)].id).logs)

    async def seen(self, name: str, event: bytes) -> Seen:
        reply, lines = await self.invoke(name, event)
        log = without_times("\n".join(line.text for line in lines if line.stream == "logging"))
        return Seen("ok" if reply.kind == "response" else "error", reply.body.decode("latin-1"), log)


@asynccontextmanager
async def chain_of(aws: Aws, folder: Path, stub_folder: Path = ROOT) -> AsyncIterator[Chain]:
    """Everything between the Runtime API and the worker, on the local cloud's broker."""
    live = Live.new(aws)
    hub, finished, news, loop = Hub(), dict[str, Row](), asyncio.Event(), asyncio.get_running_loop()

    def hear(event: SessionEvent) -> None:
        if isinstance(event, InvocationFinished):
            finished[event.row.request_id] = event.row
            loop.call_soon_threadsafe(news.set)

    hub.subscribe(hear)
    store = Store.open(folder / "history.db")
    store.begin_session("dev")
    dispatcher = Dispatcher(store, hub, lambda function: Keys("AKIA", "secret"), cloudwatch_logs=True)
    pool = Pool(dispatcher)
    link = Link(LinkConfig(live.app, live.stage, live.bucket, SEED, "ada@laptop"), aws, dispatcher.call,
                dispatcher.cancelled, lambda state: None, dispatcher.known)
    dispatcher.connect(pool, link)
    await link.open()
    stub = spec_of(stub_folder, "stub_runtime.handler.handler", "python3.11", **{
        "LIVETUI": live.config("F").to_json(), "AWS_ENDPOINT_URL": aws.access.endpoint_url or "",
        "AWS_CA_BUNDLE": aws.access.ca_bundle or "", **live.stub_role("F")})
    environment = {**worker_environment(stub), **call_environment(Work("", b"", CONTEXT))}
    try:
        async with Reference(stub_folder, stub.handler, environment) as reference:
            yield Chain(pool, store, reference, finished, news)
    finally:
        await link.close()
        await pool.close()
        await dispatcher.close()
        store.close()


def case_folder(folder: Path, module: str) -> Path:
    shutil.copy(CASES / f"{module}.py", folder)
    (folder / "data.txt").write_text("beside the code")
    return folder


def without_log(seen: Seen) -> Seen:
    return Seen(seen.kind, seen.body, "")


def as_told_to_the_caller(seen: Seen, name: str) -> Seen:
    """What Lambda's platform makes of a runtime client that ended."""
    if seen.kind != "exit":
        return seen
    body = json.dumps({"errorMessage": f"RequestId: {request_id(name)} Error: {ENDS[seen.body]}",
                       "errorType": "Runtime.ExitError", "requestId": request_id(name), "stackTrace": []})
    return Seen("error", body, seen.log)


def differences(chain: Mapping[str, Seen], alone: Mapping[str, Seen]) -> dict[str, tuple[Seen, Seen]]:
    pairs = {case: (comparable(chain[case]), comparable(as_told_to_the_caller(seen, case)))
             for case, seen in alone.items()}
    return {case: pair for case, pair in pairs.items() if pair[0] != pair[1]}


async def through_the_chain(aws: Aws, tmp_path: Path, spec: FunctionSpec,
                            events: Mapping[str, bytes]) -> tuple[dict[str, Seen], list[str]]:
    """All events at one stub; besides, what the stub's own log has of each call."""
    logs = []
    async with chain_of(aws, tmp_path) as chain:
        chain.pool.configure([spec])
        seen = {}
        for name, event in events.items():
            before = len(chain.stub.records)
            seen[name] = await chain.seen(name, event)
            chain.stub.read_records()
            logs.append("".join(chain.stub.records[before:]))
    return seen, logs


@pytest.mark.parametrize("module", ["answers", "errors", "surroundings"])
async def test_callers_and_log_get_what_they_get_without_livetui(aws: Aws, tmp_path: Path, module: str) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    spec = spec_of(case_folder(folder, module), f"{module}.handler", "python3.11")
    events = {case: json.dumps(case).encode() for case in names(module)}
    alone, _ = await run_reference(spec, events)
    chain, stub_logs = await through_the_chain(aws, tmp_path, spec, events)
    assert differences(chain, alone) == {}
    for (case, seen), stub_log in zip(alone.items(), stub_logs, strict=True):
        if seen.kind == "error":  # the runtime client logs the stub's error as it would the handler's own
            logged = comparable(replace(seen, log=without_times(stub_log).removesuffix("\n"))).log
            assert comparable(seen).log.endswith(logged) and logged, case


async def test_events_arrive_as_they_do_without_livetui(aws: Aws, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return [event, repr(event)]")
    spec = spec_of(tmp_path, "app.handler", "python3.11")
    alone, _ = await run_reference(spec, EVENTS)
    chain, _ = await through_the_chain(aws, tmp_path, spec, EVENTS)
    assert differences(chain, alone) == {}


@pytest.mark.long
async def test_imports_that_fail_are_told_as_they_are_without_livetui(aws: Aws, tmp_path: Path) -> None:
    alone, chained = {}, {}
    async with chain_of(aws, tmp_path) as chain:
        for case, (handler, source) in INITS.items():
            folder = tmp_path / request_id(case)
            folder.mkdir()
            (folder / "app.py").write_text(source)
            spec = spec_of(folder, handler, "python3.11")
            chain.pool.configure([spec])
            chained[case] = await chain.seen(case, b"{}")
            alone |= (await run_reference(spec, {case: b"{}"}))[0]
    # a failed init has no request yet; the stub's own call, which reports it, has one
    different = differences(chained, alone)
    assert {case: pair for case, pair in different.items() if not _differs_in_request_id(*pair, case)} == {}


def _differs_in_request_id(chained: Seen, alone: Seen, case: str) -> bool:
    body = {**json.loads(alone.body), "requestId": request_id(case)}
    return (chained.kind, json.loads(chained.body), chained.log) == (alone.kind, body, alone.log)


async def test_a_timeout_and_signals_are_told_in_lambdas_words(aws: Aws, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import ctypes, os, signal, time\n"
        "def handler(event, context):\n"
        "    print('begun')\n"
        "    if event == 'sleep': time.sleep(60)\n"
        "    if event == 'segfault': ctypes.string_at(0)\n"
        "    os.kill(os.getpid(), getattr(signal, event))\n")
    spec = msgspec.structs.replace(spec_of(tmp_path, "app.handler", "python3.11"), timeout_s=1)
    async with chain_of(aws, tmp_path) as chain:
        chain.pool.configure([spec])
        for event, kind, words in (
                ("sleep", "Sandbox.Timedout", f"RequestId: {request_id('sleep')} Error: Task timed out after 1.00 seconds"),
                ("segfault", "Runtime.ExitError", "Runtime exited with error: signal: segmentation fault"),
                ("SIGKILL", "Runtime.ExitError", "Runtime exited with error: signal: killed"),
                ("SIGTERM", "Runtime.ExitError", "Runtime exited with error: signal: terminated")):
            reply, lines = await chain.invoke(event, json.dumps(event).encode())
            error = json.loads(reply.body)
            assert (reply.kind, error["errorType"]) == ("error", kind)
            assert error["errorMessage"].endswith(words)
            assert [line.text for line in lines if line.stream != "stderr"] == ["begun"]
            told = [line.text for line in lines if line.stream == "stderr"]
            assert told[:1] == ([HUNG] if event == "sleep" else [])


async def test_what_a_handler_writes_is_in_the_functions_own_log_too(aws: Aws, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import logging, sys\n"
        "def handler(event, context):\n"
        "    print('printed', event)\n"
        "    logging.warning('logged\\nin two lines ü')\n"
        "    sys.stderr.write('no newline')\n"
        "    for n in range(event): print(n, 'x' * 100)\n")
    async with chain_of(aws, tmp_path) as chain:
        chain.pool.configure([spec_of(tmp_path, "app.handler", "python3.11")])
        lines = [line.text for name, event in (("few", b"3"), ("many", b"5000"))
                 for line in (await chain.invoke(name, event))[1]]
    printed = chain.stub.stdout.decode().splitlines()
    few = lines.index("printed 5000")
    assert sorted(printed[:few]) == sorted(lines[:few])
    left_out = len(lines) - len(printed) + 1
    assert printed[-1] == f"livetui: {left_out} more lines are in the console only."
    assert printed[few:-1] == lines[few:len(printed) - 1]
    assert 25_000 < sum(map(len, printed[few:])) < 32 * 1024
