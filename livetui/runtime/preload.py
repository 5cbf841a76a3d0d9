"""Whether and how the workers of one function are forked: what to import before, and when to begin anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from livetui.runtime.forkserver import NEVER, ForkError, ForkServer, can_fork_here
from livetui.runtime.process import Launch, Spawned

START_DELAY_S = 0.3
"""A parent is started this long after a call, so that it does not compete with the calls that follow."""
_ATTEMPTS = 6

Run = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Preload:
    """Keeps a fork server for one function once a call has shown which modules it needs."""

    def __init__(self, run: Run, launch: Callable[[], Launch], keys_age_s: float) -> None:
        self.reason = ""
        self._run = run
        self._launch = launch
        self._keys_age_s = keys_age_s
        self._names: dict[str, None] = {}
        self._changed_environment: frozenset[str] = frozenset()
        self._without: dict[str, str] = {}
        self._server: ForkServer | None = None
        self._all: list[ForkServer] = []
        self._began = 0.0
        self._attempts = 0
        self._generation = 0
        self._task_generation = 0
        self._task: asyncio.Task[None] | None = None
        self._off = False
        self._closed = False

    def renew(self, *, allowed: bool) -> None:
        """Begin anew: the function's settings changed, or it is new."""
        self.rest()
        self._without.clear()
        self._changed_environment = frozenset()
        self._attempts = 0
        self.reason = "" if can_fork_here() else "workers are forked on Linux only"
        if not allowed:
            self.reason = "switched off"
        self._off = bool(self.reason)

    @property
    def usable(self) -> bool:
        """Whether the next worker will be forked."""
        return self._server is not None and self._server.usable

    @property
    def remark(self) -> str:
        """What to say about it: why not, or what is left out."""
        if self.reason:
            return self.reason
        return "; ".join(f"without {module}: {why}" for module, why in self._without.items())

    def learn(self, modules: Iterable[str]) -> None:
        """Modules of others that a worker imported, in the order it did."""
        for name in modules:
            self._names.setdefault(name)
            if name.partition(".")[0] in NEVER:
                self._give_up(f"{name.partition('.')[0]} changes the modules that are imported after it")

    def learn_environment(self, changed: frozenset[str]) -> None:
        """Environment variables that changed while a worker imported the handler."""
        self._changed_environment |= changed

    def called(self) -> None:
        """A call ended: its worker has imported what calls need."""
        begun = self._task is not None and not self._task.done() and self._task_generation == self._generation
        if self._off or self._closed or begun:
            return
        server = self._server
        if server is None or not server.usable or self._is_old() or not self._wanted() <= server.names:
            self._task_generation = self._generation
            self._task = self._run(self._start())

    def _wanted(self) -> frozenset[str]:
        return frozenset(name for name in self._names if name.partition(".")[0] not in self._without)

    def _is_old(self) -> bool:
        return time.monotonic() - self._began > self._keys_age_s

    async def _start(self) -> None:
        generation = self._generation
        await asyncio.sleep(START_DELAY_S)
        while not self._off and not self._closed and generation == self._generation and self._attempts < _ATTEMPTS:
            wanted = self._wanted()
            try:
                server = ForkServer(self._launch(), [name for name in self._names if name in wanted])
            except OSError as error:
                self._give_up(str(error))
                return
            self._began = time.monotonic()
            self._all = [*(known for known in self._all if not known.exited.done()), server]
            try:
                await server.ready()
            except ForkError as error:
                if generation != self._generation:  # ended by us while it imported: says nothing about the packages
                    return
                self._refused(error)
                continue
            if self._closed or generation != self._generation:
                server.retire()
                return
            unexplained = self._changed_environment - server.changed_environment
            if unexplained:
                self._give_up(f"the code sets {', '.join(sorted(unexplained))} while it is imported")
                return
            if self._server is not None:
                self._server.retire()
            self._server = server
            self._attempts = self._attempts if self._without else 0
            return

    def _refused(self, error: ForkError) -> None:
        self._attempts += 1
        package = error.module.partition(".")[0]
        if not package or package in self._without or not any(n.partition(".")[0] == package for n in self._names):
            self._give_up(error.reason)
        else:
            self._without[package] = error.reason.removeprefix(error.module).strip()
        if self._attempts >= _ATTEMPTS:
            self._give_up(error.reason)

    def _give_up(self, reason: str) -> None:
        self._off = True
        self.reason = reason
        self.rest()

    async def spawn(self) -> Spawned | None:
        """A forked worker, or None when a fresh one has to be started."""
        server = self._server
        if server is None or not server.usable or self._is_old():
            return None
        try:
            return await server.spawn()
        except ForkError:
            server.retire()
            self._attempts = 0
            return None  # a call will have it started anew

    def rest(self) -> None:
        """End the parent until the next call."""
        self._generation += 1
        for server in self._all:
            server.retire()
        self._server = None

    def close(self) -> list[asyncio.Future[int]]:
        """End the parents once their children have ended; returns the exits to wait for."""
        self._closed = True
        for server in self._all:
            server.retire()
        return [server.exited for server in self._all if not server.exited.done()]

    def kill(self) -> None:
        """End the parents now."""
        for server in self._all:
            server.kill()
