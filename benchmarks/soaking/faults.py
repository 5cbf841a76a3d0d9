"""A TCP proxy that breaks on purpose: both sides reach the broker through it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends a reset, as a network that is gone does."""


class FaultProxy:
    """Forwards 127.0.0.1:`port` to `host:target`, in a thread of its own, until `stop()`.

    Faults may be asked for from any thread, and end by themselves: `cut` resets connections, `refuse` also turns new
    ones away, `stall` keeps all open but forwards nothing (a half-open network), `slow` delays every chunk.
    """

    def __init__(self, host: str, target: int, seed: int = 1) -> None:
        self.port = 0
        self._target = (host, target)
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._open: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._forwarding: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._delay = 0.0
        self._started = threading.Event()
        self._ending = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()], name="faults")

    def start(self) -> FaultProxy:
        """Listen; `port` is known afterwards."""
        self._thread.start()
        self._started.wait()
        return self

    def stop(self) -> None:
        """End, with all connections."""
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()
        self._loop.close()

    # --- faults ---------------------------------------------------------------------------------------------------

    def cut(self, share: float = 1.0) -> None:
        """Reset some of the connections."""
        self._loop.call_soon_threadsafe(self._cut, share)

    def refuse(self, seconds: float) -> None:
        """Reset all connections and turn new ones away for a while."""
        def begin() -> None:
            self._refusing = True
            self._cut(1.0)
            self._loop.call_later(seconds, end)

        def end() -> None:
            self._refusing = False

        self._loop.call_soon_threadsafe(begin)

    def stall(self, seconds: float) -> None:
        """Forward nothing for a while; what came in meanwhile is forwarded then."""
        def begin() -> None:
            self._flowing.clear()
            self._loop.call_later(seconds, self._flowing.set)

        self._loop.call_soon_threadsafe(begin)

    def slow(self, seconds: float, delay: float) -> None:
        """Forward every chunk `delay` seconds late for a while."""
        def begin() -> None:
            self._delay = delay
            self._loop.call_later(seconds, end)

        def end() -> None:
            self._delay = 0.0

        self._loop.call_soon_threadsafe(begin)

    def _cut(self, share: float) -> None:
        for pair in list(self._open):
            if self._random.random() < share:
                for writer in pair:
                    _reset(writer)

    # --- forwarding -----------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._ending.wait()
        server.close()
        for task in self._forwarding:
            task.cancel()
        await asyncio.gather(*self._forwarding, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._forward(reader, writer))
        self._forwarding.add(task)
        task.add_done_callback(self._forwarding.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            _reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            return
        pair = (writer, far_writer)
        self._open.add(pair)
        pumps = [self._loop.create_task(self._pump(reader, far_writer)),
                 self._loop.create_task(self._pump(far_reader, writer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.discard(pair)
            for pump in pumps:
                pump.cancel()
            for each in pair:
                each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(1 << 16):
                await self._flowing.wait()
                if self._delay:
                    await asyncio.sleep(self._delay)
                writer.write(chunk)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    if found is not None:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
