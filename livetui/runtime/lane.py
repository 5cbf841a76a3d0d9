"""The workers and the queue of one function: calls run in parallel up to a cap, then wait in order."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from livetui.runtime import faults
from livetui.runtime.contract import DebugSupport, FunctionSpec, LaneStats, Outcome, PoolListener, Trouble, Work
from livetui.runtime.environment import call_environment, worker_environment
from livetui.runtime.instance import Init, Instance, Item, failed_init
from livetui.runtime.interpreter import missing_module_hint
from livetui.runtime.preload import Preload
from livetui.runtime.process import Launch, spawn

IDLE_EXIT_S = 600.0
"""An idle worker leaves after this time."""
KEYS_AGE_S = 45 * 60.0
"""boto3 clients made at import keep the role's keys of that moment: a worker that was started with other keys than the
newest call's is replaced before its next call when they were first seen longer ago than this."""


class Host(Protocol):
    """What a lane needs of its pool."""

    listener: PoolListener
    debug: DebugSupport | None
    concurrency: int

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine as a task that the pool owns."""

    def imported(self, function_id: str, files: list[str], started: float) -> None:
        """A worker of the function, started at this time of day, imported these files."""

    def trouble_changed(self) -> None:
        """A function's worker imported its handler while the one before did not, or the other way round."""


class Lane:
    """One function's workers."""

    def __init__(self, spec: FunctionSpec, host: Host) -> None:
        self.spec = spec
        self.trouble = spec.trouble
        """Why its newest worker could not be made, or could not import the handler as it is now; None: it could."""
        self.instances: list[Instance] = []
        self._host = host
        self._waiting: deque[Item] = deque()
        self._starting = 0
        self._generation = 0
        self._of: dict[Instance, tuple[int, str]] = {}
        """The generation and the access key that a worker was started with."""
        self._keys_seen: dict[str, float] = {}
        self._last_call: dict[str, str] = {}
        self._idle_timers: dict[Instance, asyncio.TimerHandle] = {}
        self._closed = False
        self._ahead: Callable[[Init], None] | None = None
        """Who waits to hear how the worker that was started ahead imports."""
        self._preload = Preload(host.run, self._launch, KEYS_AGE_S)
        self._preload.renew(allowed=spec.fork_server)

    # -- calls

    @property
    def was_called(self) -> bool:
        """Whether there was a call, whose environment a worker could be started with."""
        return bool(self._last_call)

    async def invoke(self, work: Work) -> Outcome:
        """Run the work on a worker of this function."""
        item = Item(work, asyncio.get_running_loop().create_future(), time.monotonic())
        self._waiting.append(item)
        self._last_call = call_environment(work) or self._last_call
        self._keys_seen.setdefault(self._last_key, item.arrived)
        self._pump()
        try:
            return await item.answer
        except asyncio.CancelledError:
            if item in self._waiting:
                self._waiting.remove(item)
            raise

    def cancel(self, work_id: str) -> bool:
        """Drop work that no worker has yet; its `invoke` answers `cancelled`."""
        for item in self._waiting:
            if item.work.id == work_id:
                self._waiting.remove(item)
                item.finish(Outcome("cancelled", b"", (time.monotonic() - item.arrived) * 1000))
                return True
        return False

    def running(self, work_id: str) -> Instance | None:
        """The worker that has this work."""
        return next((i for i in self.instances if i.item is not None and i.item.work.id == work_id), None)

    def awaited(self, pid: int) -> str:
        """The work that this worker takes when its init has ended, as far as that can be told; or empty."""
        coming = [instance.pid for instance in self.instances if self._is_coming(instance)]
        at = coming.index(pid) if pid in coming else len(self._waiting)
        return self._waiting[at].work.id if at < len(self._waiting) else ""

    def _pump(self) -> None:
        while self._waiting and (instance := self._take_idle()) is not None:
            instance.dispatch(self._waiting.popleft())
        wanted = len(self._waiting) - self._starting - sum(map(self._is_coming, self.instances))
        room = self._host.concurrency - len(self.instances) - self._starting
        for _ in range(min(wanted, room)):
            self._start()

    def _is_coming(self, instance: Instance) -> bool:
        """Whether its init goes on, after which it takes a call that waits now."""
        if instance.ready or instance.gone or self._of[instance][0] != self._generation:
            return False
        return not instance.init.done() or instance.init.result().ok

    def _take_idle(self) -> Instance | None:
        for instance in reversed(self.instances):
            if not instance.idle:
                continue
            self._stop_idle_timer(instance)
            if self._is_current(instance):
                return instance
            self._retire(instance)
        return None

    def _is_current(self, instance: Instance) -> bool:
        generation, key = self._of[instance]
        if generation != self._generation:
            return False
        return key == self._last_key or time.monotonic() - self._keys_seen.get(key, -KEYS_AGE_S) < KEYS_AGE_S

    @property
    def _last_key(self) -> str:
        return self._last_call.get("AWS_ACCESS_KEY_ID", "")

    # -- starting

    def _launch(self, debug: Mapping[str, Any] | None = None) -> Launch:
        spec = self.spec
        return Launch(spec.interpreter, spec.code_root, spec.layers, worker_environment(spec), self._last_call, debug)

    def _start(self, told: Callable[[Init], None] | None = None) -> None:
        self._starting += 1
        self._host.run(self._start_one(told))

    async def _start_one(self, told: Callable[[Init], None] | None) -> None:
        generation = self._generation
        try:
            instance = await self._spawn()
        except Exception as error:  # noqa: BLE001  (the calls that wait hear of it)
            self._starting -= 1
            self._no_process(error, told)
            self._pump()
            return
        except BaseException:
            self._starting -= 1
            raise
        self._starting -= 1
        self._of[instance] = (generation, self._last_key)
        self.instances.append(instance)
        if self._closed:
            instance.kill()
        if instance.gone:
            self.instance_gone(instance)
        init = await instance.init
        if generation != self._generation or self._closed:
            self._retire(instance)
            if told is not None and told is self._ahead and not self._closed:
                self._start(told)  # it was outdated by something that starts none in its place
            self._pump()
            await self._pump_after(instance)
            return
        missing = self._what_is_missing(init)
        before, self.trouble = self.trouble, init.trouble(missing)
        if not self.was_called and not init.is_certain:
            self.trouble = None  # it had no keys, which come with a call, and may need them
        if told is not None:
            told(init)
        if self.trouble != before:
            self._host.trouble_changed()
        if init.ok:
            self._preload.learn_environment(init.changed_environment)
            if instance.known_to_debugger and self._host.debug is not None:
                await self._host.debug.ready(instance.pid)
            if told is None and self._waiting:
                self._waiting[0].init_ms = init.ms
            instance.ready = True
            self.instance_idle(instance)
        elif told is None and self._waiting:
            item = self._waiting.popleft()
            instance.logs_to(item)
            if missing:
                self._host.listener.work_logged(item.work.id, "stderr", f"{faults.OURS}{missing}", init.ms)
            item.finish(failed_init(init, item, self.spec, instance.pid))
        self._pump()
        if not init.ok:
            await self._pump_after(instance)

    async def _pump_after(self, instance: Instance) -> None:
        """Use the place of a worker that leaves."""
        await asyncio.wait([instance.ended])
        if not self._closed:
            self._pump()

    def _what_is_missing(self, init: Init) -> str:
        """Where a missing module was looked for and what to do; empty for other errors."""
        if init.error_type != "Runtime.ImportModuleError":
            return ""
        hint = missing_module_hint(init.message, self.spec.interpreter, self.spec.code_root, self.spec.layers)
        place = init.place.removeprefix(f"{self.spec.code_root}{os.sep}")
        return f"{place} imports it. {hint}" if hint and place else hint

    async def _spawn(self) -> Instance:
        debug = await self._host.debug.prepare(self.spec.id) if self._host.debug is not None else None
        launch = self._launch(debug)
        spawned = None if launch.is_debugged else await self._preload.spawn()
        if spawned is None:
            spawned = spawn(launch)
        return Instance(self.spec, launch, spawned, self, self._host.listener)

    def _no_process(self, error: Exception, told: Callable[[Init], None] | None) -> None:
        spec, before = self.spec, self.trouble
        if not spec.code_root.is_dir():
            self.trouble = Trouble("code", f"Its code is not here: there is no folder {spec.code_root}.")
        elif not spec.interpreter.is_file():
            self.trouble = Trouble("interpreter", f"Its Python is not here: there is no file {spec.interpreter}.")
        else:
            self.trouble = Trouble("interpreter", f"Cannot start {spec.interpreter} in {spec.code_root}: {error}")
        if self.trouble != before:
            self._host.trouble_changed()
        if told is None and self._waiting:
            item, message = self._waiting.popleft(), self.trouble.error
            item.finish(Outcome("error", faults.error_body("Runtime.InvalidEntrypoint", message),
                                error_type="Runtime.InvalidEntrypoint", error_message=message))

    # -- what instances tell

    def instance_idle(self, instance: Instance) -> None:
        """It takes the next call, waits for one, or leaves when its code or keys are old."""
        if self._closed or not instance.idle:
            return
        if instance.served and not instance.debugged:
            self._preload.called()
        if not self._is_current(instance):
            self._retire(instance)
        elif self._waiting:
            instance.dispatch(self._waiting.popleft())
            return
        else:
            loop = asyncio.get_running_loop()
            self._idle_timers[instance] = loop.call_later(IDLE_EXIT_S, self._leave, instance)
        self._pump()

    def instance_gone(self, instance: Instance) -> None:
        """Its process has ended."""
        if instance not in self.instances:
            return
        self.instances.remove(instance)
        self._of.pop(instance, None)
        used = {key for _, key in self._of.values()} | {self._last_key}
        self._keys_seen = {key: seen for key, seen in self._keys_seen.items() if key in used}
        self._stop_idle_timer(instance)
        if instance.known_to_debugger and self._host.debug is not None:
            self._host.debug.gone(instance.pid)
        if not self._closed and instance.init.result().ok:
            self._pump()

    def instance_imported(self, instance: Instance, files: list[str], others: list[str]) -> None:
        """Remember what its code is made of."""
        if not instance.debugged:  # whose debugger imports modules of its own
            self._preload.learn(others)
        self._host.imported(self.spec.id, files, instance.started)

    def _stop_idle_timer(self, instance: Instance) -> None:
        timer = self._idle_timers.pop(instance, None)
        if timer is not None:
            timer.cancel()

    def _retire(self, instance: Instance) -> None:
        self._stop_idle_timer(instance)
        instance.kill()

    def _leave(self, instance: Instance) -> None:
        self._retire(instance)
        if not self._starting and all(other.killed for other in self.instances):
            self._preload.rest()

    # -- changes

    def respec(self, spec: FunctionSpec) -> None:
        """Use other settings from the next worker on."""
        if spec == self.spec:
            return
        self.spec = spec
        self._preload.renew(allowed=spec.fork_server)
        self.outdate()
        if spec.trouble is not None:
            self.trouble = spec.trouble
        elif self.trouble is not None:  # which they may mend
            self._start(lambda _: None)

    def outdate(self) -> None:
        """Replace the workers: idle and starting ones now, busy ones after their call."""
        self._generation += 1
        debug = self._host.debug
        for instance in [i for i in self.instances if i.item is None]:
            if debug is None or not debug.stands(instance.pid):  # at import, where it goes when it runs on
                self._retire(instance)
        self._pump()

    def start_ahead(self, told: Callable[[Init], None]) -> None:
        """Start a worker before a call needs it; `told`, unless another comes first, hears how its init went."""
        self._ahead = told
        self._start(told)

    def stats(self) -> LaneStats:
        """How busy it is now."""
        return LaneStats(len(self.instances) + self._starting, sum(i.item is not None for i in self.instances),
                         len(self._waiting), tuple(i.pid for i in self.instances),
                         "fork" if self._preload.usable else "fresh", self._preload.remark)

    def close(self, *, leaving: bool = False) -> list[asyncio.Future[int]]:
        """End all workers; waiting work answers `cancelled`, and so does running work when the pool is `leaving`.

        Returns the exits to wait for.
        """
        self._closed = True
        while self._waiting:
            item = self._waiting.popleft()
            item.finish(Outcome("cancelled", b"", (time.monotonic() - item.arrived) * 1000))
        for instance in list(self.instances):
            self._stop_idle_timer(instance)
            if leaving:
                instance.cut_off()
            else:
                instance.kill()
        return [*(instance.ended for instance in self.instances), *self._preload.close()]

    def abandon(self) -> None:
        """End what did not end in time after `close`."""
        self._preload.kill()
