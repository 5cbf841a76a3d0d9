"""Runs invocations in worker processes: per function as many in parallel as Lambda would, up to a cap."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from livetui.runtime.contract import DebugSupport, FunctionSpec, LaneStats, Outcome, PoolListener, Trouble, Work
from livetui.runtime.lane import Lane
from livetui.runtime.reload import OnSettings, Reloader


class Pool:
    """The workers of all functions. All methods are called on one event loop, which also calls the listener.

    `concurrency` is the most workers of one function at a time; further calls wait, in order, for that function
    only. `debug` makes new workers debuggable. `on_trouble` is told when `troubles` changed.
    """

    def __init__(self, listener: PoolListener, *, concurrency: int = 8, debug: DebugSupport | None = None,
                 on_trouble: Callable[[], None] = lambda: None) -> None:
        self.listener = listener
        self.concurrency = concurrency
        self.debug = debug
        self.trouble_changed = on_trouble
        self._lanes: dict[str, Lane] = {}
        self._former: list[Lane] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._reloader: Reloader | None = None
        self._specs: list[FunctionSpec] = []

    def configure(self, specs: Iterable[FunctionSpec]) -> None:
        """Set the functions. A changed one gets new workers; one that is no longer named loses its workers."""
        self._specs = list(specs)
        wanted = {spec.id: spec for spec in self._specs}
        for function_id in self._lanes.keys() - wanted.keys():
            former = self._lanes.pop(function_id)
            former.close()
            self._former.append(former)
        for function_id, spec in wanted.items():
            lane = self._lanes.get(function_id)
            if lane is None:
                self._lanes[function_id] = Lane(spec, self)
            else:
                lane.respec(spec)
        if self._reloader is not None:
            self._reloader.follow(self._specs)

    async def invoke(self, function_id: str, work: Work) -> Outcome:
        """Run one piece of work. Raises `KeyError` for a function that `configure` did not name."""
        return await self._lanes[function_id].invoke(work)

    def cancel(self, work_id: str) -> bool:
        """Drop work that has not started; its `invoke` answers `cancelled`. False when it runs or is unknown."""
        return any(lane.cancel(work_id) for lane in self._lanes.values())

    def hold(self, work_id: str) -> None:
        """Stop the clock of running work: it is paused in a debugger."""
        for lane in self._lanes.values():
            if (instance := lane.running(work_id)) is not None:
                instance.hold()

    def release(self, work_id: str) -> None:
        """Let the clock run on after `hold`."""
        for lane in self._lanes.values():
            if (instance := lane.running(work_id)) is not None:
                instance.release()

    def awaited(self, pid: int) -> str:
        """The work that waits for this worker, such as while its module stands at a breakpoint; or empty."""
        return next((found for lane in self._lanes.values() if (found := lane.awaited(pid))), "")

    def kill(self, work_id: str) -> bool:
        """End the worker of running work; its outcome is a `crash`."""
        for lane in self._lanes.values():
            if (instance := lane.running(work_id)) is not None:
                instance.kill()
                return True
        return False

    def restart(self, function_id: str | None = None) -> None:
        """Replace the workers of one function, or of all: idle ones now, busy ones after their call."""
        for lane in [self._lanes[function_id]] if function_id is not None else list(self._lanes.values()):
            lane.outdate()

    async def start_watching(self, project: Path, on_settings: OnSettings | None = None) -> None:
        """Renew workers when what they are made of is saved; returns when saves are seen.

        Call after `configure`. `on_settings` is told, on the loop, of saves that are the engine's to act on: the
        template, samconfig, livetui.toml, pyproject, requirements and `.env` files, and what `watch_settings` named;
        it may call `configure`. It is told of one burst at a time; workers that the saves touch start after it.
        """
        if self._reloader is None:
            self._reloader = Reloader(project, self._lanes, self.listener, self.run, on_settings)
            self._reloader.follow(self._specs)
            self.run(self._reloader.run())
        await self._reloader.ready()

    def watch_settings(self, files: Iterable[Path]) -> None:
        """Take these files as settings too, wherever they lie; call after `start_watching`."""
        if self._reloader is not None:
            self._reloader.follow_settings(files)

    def stats(self) -> dict[str, LaneStats]:
        """Per function: workers, busy, queued."""
        return {function_id: lane.stats() for function_id, lane in self._lanes.items()}

    def troubles(self) -> dict[str, Trouble]:
        """Why functions cannot answer, by what the newest worker of each told; none for one that can."""
        return {function_id: lane.trouble for function_id, lane in self._lanes.items() if lane.trouble is not None}

    async def close(self) -> None:
        """End all workers and wait until they are gone; work that had not started answers `cancelled`."""
        lanes = [*self._lanes.values(), *self._former]
        for lane in lanes:
            lane.close(leaving=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if exits := [exit_ for lane in lanes for exit_ in lane.close()]:
            await asyncio.wait(exits, timeout=5)
        for lane in lanes:
            lane.abandon()
        self._lanes.clear()
        self._former.clear()

    # -- for the lanes

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine as a task that `close` ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def imported(self, function_id: str, files: list[str], started: float) -> None:
        """Remember which files a function's code came from."""
        if self._reloader is not None:
            self._reloader.imported(function_id, files, started)
