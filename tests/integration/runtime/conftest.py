"""A pool with a listener that remembers, and functions written into a temporary folder."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from livetui.runtime.contract import FunctionSpec, Outcome, Work
from livetui.runtime.pool import Pool

_numbers = itertools.count(1)


@dataclass
class Recorder:
    """Remembers what the pool tells; `until` waits for something of it."""

    started: dict[str, int] = field(default_factory=dict)
    logs: list[tuple[str, str, str]] = field(default_factory=list)
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    reloads: list[tuple[str, float, str, str]] = field(default_factory=list)
    notices: list[tuple[str, str, str]] = field(default_factory=list)
    late: dict[str, Outcome] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def work_started(self, work_id: str, pid: int) -> None:
        self.started[work_id] = pid
        self.changed.set()

    def work_logged(self, work_id: str, stream: str, text: str, at_ms: float) -> None:
        self.logs.append((work_id, stream, text))
        self.changed.set()

    def work_called_aws(self, work_id: str, call: Mapping[str, Any]) -> None:
        self.calls.append((work_id, call))

    def code_reloaded(self, function_id: str, ms: float, error: str, path: str) -> None:
        self.reloads.append((function_id, ms, error, path))
        self.changed.set()

    def notice(self, function_id: str, level: str, text: str) -> None:
        self.notices.append((function_id, level, text))
        self.changed.set()

    def work_finished_late(self, work_id: str, outcome: Outcome) -> None:
        self.late[work_id] = outcome
        self.changed.set()

    def lines(self, work_id: str, stream: str | None = None) -> list[str]:
        return [text for work, kind, text in self.logs if work == work_id and stream in (None, kind)]

    async def until(self, condition: Callable[[], Any], seconds: float = 10) -> None:
        """Wait until what was told satisfies the condition."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def pool(recorder: Recorder) -> AsyncIterator[Pool]:
    made = Pool(recorder, concurrency=4)
    yield made
    await made.close()


def make_function(folder: Path, source: str, function_id: str = "F", **changes: Any) -> FunctionSpec:
    """Write `source` as app.py and describe a function that runs it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(textwrap.dedent(source))
    spec = FunctionSpec(function_id, f"demo-{function_id}", "app.handler", folder, Path(sys.executable), 3, 128,
                        "eu-west-1", runtime="python3.11")
    return msgspec.structs.replace(spec, **changes)


@pytest.fixture
def function(tmp_path: Path, pool: Pool) -> Callable[..., FunctionSpec]:
    """Make a function and configure the pool with it."""
    def make(source: str, **changes: Any) -> FunctionSpec:
        spec = make_function(tmp_path / "code", source, **changes)
        pool.configure([spec])
        return spec
    return make


def work(event: Any = None, **changes: Any) -> Work:
    """One piece of work with an id of its own; `event` becomes JSON unless it is bytes."""
    number = next(_numbers)
    body = event if isinstance(event, bytes) else json.dumps({} if event is None else event).encode()
    made = Work(f"w{number}", body, {"request_id": f"request-{number}", "log_stream_name": "stream", "trace_id": None},
                {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"})
    return msgspec.structs.replace(made, **changes)


async def eventually(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Wait for a condition that nothing tells of."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
