"""Notices that a function's variables changed in the cloud, by the hash that its stubs send with every call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from livetui.link.messages import Call

_MOST = 10_000


class Variables:
    """Has workers get the variables that the execution environments have whose calls they run. On one loop."""

    def __init__(self, are_old: Callable[[str], bool], renew: Callable[[str], Awaitable[None]]) -> None:
        """`are_old(function)` asks the cloud, and blocks; `renew(function)` gives its workers what is there now."""
        self._are_old = are_old
        self._renew = renew
        self._hashes: dict[str, str] = {}
        """Of the variables that a function's workers have."""
        self._compared: dict[str, None] = {}
        """Execution environments, which keep the variables that they were started with."""
        self._looking = asyncio.Lock()

    async def are_right_for(self, call: Call) -> None:
        """Wait until workers have this call's variables. Raises `LivetuiError` when they cannot be asked for."""
        if self._is_known(call):
            return
        async with self._looking:
            if not self._is_known(call):
                if await asyncio.to_thread(self._are_old, call.function):
                    await self._renew(call.function)
                self._hashes[call.function] = call.environment_hash
                self._is_known(call)

    def _is_known(self, call: Call) -> bool:
        if not call.environment_hash or call.environment in self._compared:
            return True
        if self._hashes.get(call.function) != call.environment_hash:
            return False
        if len(self._compared) >= _MOST:
            self._compared.clear()
        self._compared[call.environment] = None
        return True
