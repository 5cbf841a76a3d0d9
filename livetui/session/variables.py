"""Notices that a function's variables changed in the cloud, by the hash that its stubs send with every call."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from livetui.errors import LivetuiError
from livetui.link.messages import Call

PATIENCE_S = 3.0
"""How long a call waits for what the cloud says."""
PAUSE_S = 1.0
"""How long a function's variables are not asked for again after workers could not be given them (a deployment)."""
_MOST = 10_000


class Variables:
    """Has workers get the variables that the execution environments have whose calls they run. On one loop."""

    def __init__(self, are_old: Callable[[str], bool], renew: Callable[[str], Awaitable[bool]],
                 start: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
                 warn: Callable[[str], None]) -> None:
        """`are_old(function)` asks the cloud, and blocks; `renew(function)` gives its workers what is there now.

        What `renew` could not do is asked for again a moment later. `start` owns tasks.
        """
        self._are_old = are_old
        self._renew = renew
        self._start = start
        self._warn = warn
        self._hashes: dict[str, str] = {}
        """Of the variables that a function's workers have."""
        self._compared: dict[str, None] = {}
        """Execution environments, which keep the variables that they were started with."""
        self._asked_again_from: dict[str, float] = {}
        self._looking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def prepare(self, call: Call) -> None:
        """Wait until workers have this call's variables; where the cloud takes long, it runs with those of before."""
        if self._needs_no_look(call):
            return
        patience = min(PATIENCE_S, max(0.0, call.deadline - time.monotonic()) / 2)
        done, _ = await asyncio.wait({self._start(self._look(call))}, timeout=patience)
        if not done:
            self._warn(f"{call.function} runs with the variables of before: the cloud does not say whether they "
                       "changed.")

    async def _look(self, call: Call) -> None:
        try:
            await self._compare_with_cloud(call)
        except LivetuiError as error:
            self._warn(f"{call.function} runs with the variables of before: {error}")

    async def _compare_with_cloud(self, call: Call) -> None:
        async with self._looking[call.function]:
            if self._needs_no_look(call):
                return
            if await asyncio.to_thread(self._are_old, call.function):
                if not await self._renew(call.function):
                    self._asked_again_from[call.function] = time.monotonic() + PAUSE_S
                    return
                self._hashes[call.function] = call.environment_hash
            elif self._hashes.setdefault(call.function, call.environment_hash) != call.environment_hash:
                del self._hashes[call.function]  # an environment of before, or one made while it was asked
            self._remember(call)

    def _needs_no_look(self, call: Call) -> bool:
        """Its environment is known, or has the variables of the workers; or it is too soon to ask again."""
        if not call.environment_hash or call.environment in self._compared:
            return True
        if self._hashes.get(call.function) == call.environment_hash:
            self._remember(call)
            return True
        return time.monotonic() < self._asked_again_from.get(call.function, 0.0)

    def _remember(self, call: Call) -> None:
        if len(self._compared) >= _MOST:
            self._compared.clear()
        self._compared[call.environment] = None
