"""Processes that run `worker_script.py`, and a listener that records what a broker tells."""

import asyncio
import contextlib
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from livetui.debug.broker import Broker
from livetui.debug.values import DebugListener, Output, PausedThread, PostMortem

SCRIPT = Path(__file__).with_name("worker_script.py")
MODULE = Path(__file__).parents[3] / "livetui" / "runtime" / "worker_debug.py"
DEADLINE = 30.0
PYTHONS = [pytest.param(sys.executable, id="this"), *(
    pytest.param(str(path), id=path.parts[-3], marks=pytest.mark.long)
    for path in sorted((Path.home() / ".pyenv/versions").glob("3.*/bin/python"))
    if re.fullmatch(r"3\.(9|1[0-4])\.\w+", path.parts[-3]))]
"""Interpreters of functions: this one and, in the long tests, every supported one of the machine."""
HELPER = """def add(values):
    total = 0

    # one by one
    for value in values:
        total += value
    return total
"""
HANDLER = """import threading

import helper

LIMIT = 3


def in_thread(box):
    box.append(len(box))


def handler(event, context):
    values = event.get("values", [1, 2])
    total = helper.add(values)
    if event.get("thread"):
        box = []
        thread = threading.Thread(target=in_thread, args=(box,))
        thread.start()
        thread.join()
    if event.get("fail"):
        raise ValueError("no such order", event["fail"])
    return {"total": total}
"""


def line_of(text: str, needle: str) -> int:
    """1-based number of the first line that contains `needle`."""
    return next(at for at, line in enumerate(text.splitlines(), 1) if needle in line)


class Recorder(DebugListener):
    """Keeps everything it is told, and lets tests wait for more."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self._changed = asyncio.Event()

    def _hear(self, kind: str, value: Any) -> None:
        self.heard.append((kind, value))
        self._changed.set()

    def on_paused(self, paused: PausedThread) -> None:
        self._hear("paused", paused)

    def on_resumed(self, paused: PausedThread) -> None:
        self._hear("resumed", paused)

    def on_breakpoints_changed(self, breakpoints: list[Any]) -> None:
        self._hear("breakpoints", breakpoints)

    def on_output(self, output: Output) -> None:
        self._hear("output", output)

    def on_post_mortem(self, error: PostMortem) -> None:
        self._hear("post mortem", error)

    def on_wanted_changed(self, wanted: bool) -> None:
        self._hear("wanted", wanted)

    def on_restart(self) -> None:
        self._hear("restart", None)

    def on_clients_changed(self, clients: list[str]) -> None:
        self._hear("clients", clients)

    def on_notice(self, function_id: str, level: str, text: str) -> None:
        self._hear("notice", (function_id, level, text))

    def all(self, kind: str) -> list[Any]:
        return [value for heard, value in self.heard if heard == kind]

    async def until(self, kind: str, wanted: Callable[[Any], bool] = lambda value: True, count: int = 1) -> Any:
        """The `count`th value of this kind that is `wanted`."""
        async with asyncio.timeout(DEADLINE):
            while True:
                self._changed.clear()
                found = [value for value in self.all(kind) if wanted(value)]
                if len(found) >= count:
                    return found[count - 1]
                await self._changed.wait()


class Worker:
    """A process of a function; `call` sends it an event."""

    def __init__(self, process: asyncio.subprocess.Process, commands: Any, answers: asyncio.StreamReader,
                 transport: Any) -> None:
        self.process, self.pid = process, process.pid
        self._commands, self._answers, self._transport = commands, answers, transport

    @classmethod
    async def start(cls, config: Any, handler: Path, python: str = sys.executable, env: dict[str, str] | None = None,
                    ) -> "Worker":
        commands_in, commands_out = os.pipe()
        answers_in, answers_out = os.pipe()
        process = await asyncio.create_subprocess_exec(
            python, "-Xfrozen_modules=off", str(SCRIPT), str(MODULE), str(handler), str(commands_in), str(answers_out),
            pass_fds=(commands_in, answers_out), stdin=asyncio.subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", ""), **(env or {})})
        os.close(commands_in)
        os.close(answers_out)
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(answers_in, "rb"))
        worker = cls(process, os.fdopen(commands_out, "w", buffering=1), reader, transport)
        worker._commands.write(json.dumps(None if config is None else dict(config)) + "\n")
        return worker

    async def ready(self) -> None:
        assert await self.answer() == {"ready": self.pid}

    def send(self, **event: Any) -> None:
        self._commands.write(json.dumps(event) + "\n")

    async def answer(self) -> Any:
        async with asyncio.timeout(DEADLINE):
            return json.loads(await self._answers.readline() or "null")

    async def call(self, **event: Any) -> Any:
        self.send(**event)
        return await self.answer()

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        self._commands.close()
        self._transport.close()


class Bench:
    """A broker with its workers, on a project with a handler."""

    def __init__(self, project: Path, post_mortem: bool = False) -> None:
        self.project = project
        self.heard = Recorder()
        self.broker = Broker(project / ".livetui", project, 0, self.heard, post_mortem=post_mortem)
        self.face = self.broker.face
        self.workers: list[Worker] = []

    async def worker(self, handler: Path, function: str = "Orders", *, python: str = sys.executable,
                     env: dict[str, str] | None = None, ready: bool = True, debugpy: Path | None = None) -> Worker:
        config = await self.broker.prepare(function)
        if debugpy is not None:
            config = {**config, "debugpy": str(debugpy)}
        worker = await Worker.start(config, handler, python, env)
        self.workers.append(worker)
        if ready:
            await worker.ready()
            await self.broker.ready(worker.pid)
        return worker

    async def end(self, worker: Worker) -> None:
        await worker.kill()
        self.broker.gone(worker.pid)
        self.workers.remove(worker)


@contextlib.asynccontextmanager
async def bench(project: Path, post_mortem: bool = False) -> AsyncIterator[Bench]:
    it = Bench(project, post_mortem)
    await it.broker.start()
    try:
        yield it
    finally:
        for worker in list(it.workers):
            await worker.kill()
        await it.broker.close()


def now_ms() -> float:
    return time.perf_counter() * 1000
