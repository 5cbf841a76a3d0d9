"""Owner of the debug room's sockets and tasks: what it opened, it closes."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Coroutine
from typing import Any

from livetui.debug.wire import STRANGER_LIMIT, Channel
from livetui.errors import LivetuiError

HOST = "127.0.0.1"
NEIGHBOURS = 20
"""Ports that are tried after one that is taken."""


class Crew:
    """Servers, connections and tasks with one end. What a task raises is handed to `on_error`."""

    def __init__(self, on_error: Callable[[BaseException], None]) -> None:
        self._on_error = on_error
        self._servers: list[asyncio.Server] = []
        self._channels: set[Channel] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, opened: Callable[[Channel], None], port: int, limit: int = STRANGER_LIMIT) -> int:
        """Listen on the loopback interface only; returns the port: `port`, a neighbour when it is taken, any for 0.

        Raises `LivetuiError` when all neighbours are taken.
        """
        loop = asyncio.get_running_loop()
        for candidate in range(port, min(port + NEIGHBOURS, 65536)) if port else (0,):
            try:
                server = await loop.create_server(lambda: self._channel(opened, limit), HOST, candidate)
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise LivetuiError(f"The debugger cannot listen on port {candidate}.", str(error)) from error
                continue
            self._servers.append(server)
            return int(server.sockets[0].getsockname()[1])
        raise LivetuiError(f"No port between {port} and {port + NEIGHBOURS - 1} is free for the debugger.")

    async def connect(self, opened: Callable[[Channel], None], port: int) -> None:
        """Connect to a port of this machine. Raises `OSError`."""
        await asyncio.get_running_loop().create_connection(lambda: self._channel(opened, STRANGER_LIMIT), HOST, port)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something that ends with the crew at the latest."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def close(self, reason: str) -> None:
        """Close everything: first politely, after a second at once."""
        for server in self._servers:
            server.close()
        open_ = list(self._channels)
        for channel in open_:
            channel.close(reason)
        if open_:
            await asyncio.wait([channel.closed for channel in open_], timeout=1.0)
        for channel in open_:
            channel.abort()
        running = list(self._tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, *(channel.closed for channel in open_), return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()

    def _channel(self, opened: Callable[[Channel], None], limit: int) -> Channel:
        channel = Channel(opened, limit)
        self._channels.add(channel)
        channel.closed.add_done_callback(lambda _: self._channels.discard(channel))
        return channel

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)
