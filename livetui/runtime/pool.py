"""Runs invocations in worker processes: per function as many in parallel as Lambda would, up to a cap."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from livetui.runtime.contract import DebugSupport, FunctionSpec, LaneStats, Outcome, PoolListener, Work
from livetui.runtime.lane import Lane


class Pool:
    """The workers of all functions. All methods are called on one event loop, which also calls the listener.

    `concurrency` is the most workers of one function at a time; further calls wait, in order, for that function
    only. `debug` makes new workers debuggable.
    """

    def __init__(self, listener: PoolListener, *, concurrency: int = 8, debug: DebugSupport | None = None) -> None:
        self.listener = listener
        self.concurrency = concurrency
        self.debug = debug
        self._lanes: dict[str, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._files: dict[str, set[str]] = {}

    def configure(self, specs: Iterable[FunctionSpec]) -> None:
        """Set the functions. A changed one gets new workers; one that is no longer named loses its workers."""
        wanted = {spec.id: spec for spec in specs}
        for function_id in self._lanes.keys() - wanted.keys():
            self._lanes.pop(function_id).close()
        for function_id, spec in wanted.items():
            lane = self._lanes.get(function_id)
            if lane is None:
                self._lanes[function_id] = Lane(spec, self)
            else:
                lane.respec(spec)

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

    def stats(self) -> dict[str, LaneStats]:
        """Per function: workers, busy, queued."""
        return {function_id: lane.stats() for function_id, lane in self._lanes.items()}

    async def close(self) -> None:
        """End all workers and wait until they are gone; work that had not started answers `cancelled`."""
        for lane in self._lanes.values():
            lane.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        exits = [instance.ended for lane in self._lanes.values() for instance in list(lane.instances)]
        for lane in self._lanes.values():
            lane.close()
        if exits:
            await asyncio.wait(exits, timeout=5)
        self._lanes.clear()

    # -- for the lanes

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine as a task that `close` ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def imported(self, function_id: str, files: list[str]) -> None:
        """Remember which files a function's code came from."""
        self._files.setdefault(function_id, set()).update(files)
