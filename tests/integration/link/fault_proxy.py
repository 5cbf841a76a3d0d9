"""A TCP proxy in front of the broker that cuts, stalls, delays, half-opens, resets and throttles."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import Counter
from types import TracebackType
from typing import Self


class Pair:
    """One connection through the proxy: its two ends, and whether it swallows what it gets (half-open)."""

    def __init__(self, down: asyncio.StreamWriter, up: asyncio.StreamWriter) -> None:
        self.ends = (down, up)
        self.deaf = False

    def close(self) -> None:
        for end in self.ends:
            end.close()


FAULTS = ("cut", "stall", "delay", "half-open", "reset", "throttle")


class FaultProxy:
    """Forwards to `port` on loopback, from a thread of its own. Faults hit what is connected now."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.port = 0
        self.counts: Counter[str] = Counter()
        self.delay_s = 0.0
        self.bytes_per_s = 0
        self._open = True
        self._gate = asyncio.Event()
        self._pairs: set[Pair] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="fault-proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def fault(self, name: str, seconds: float = 1.5) -> None:
        """Inject a fault; those that last end by themselves."""
        self.counts[name] += 1
        self._loop.call_soon_threadsafe(self._inject, name, seconds)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        self._gate.set()
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # a task of our own: asyncio logs a traceback for each of its handler tasks that is cancelled
        task = self._loop.create_task(self._forward(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        for end in (writer, up_writer):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = Pair(writer, up_writer)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._pump(reader, up_writer, pair), self._pump(up_reader, writer, pair))
        finally:
            self._pairs.discard(pair)
            pair.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: Pair) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536 if not self.bytes_per_s else 256):
                await self._gate.wait()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if self.bytes_per_s:
                    await asyncio.sleep(len(chunk) / self.bytes_per_s)
                if not pair.deaf:
                    writer.write(chunk)
                    await writer.drain()
        if not pair.deaf:
            writer.close()

    def _cut(self) -> None:
        for pair in self._pairs:
            pair.close()

    def _inject(self, name: str, seconds: float) -> None:
        if name == "cut":
            self._cut()
        elif name == "reset":
            for pair in self._pairs:
                for writer in pair.ends:
                    with contextlib.suppress(OSError):
                        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                                                   struct.pack("ii", 1, 0))
                    writer.transport.abort()
        elif name == "half-open":
            for pair in self._pairs:
                pair.deaf = True
        elif name == "stall":
            self._gate.clear()
            self._loop.call_later(seconds, self._gate.set)
        elif name == "delay":
            self.delay_s = 0.15
            self._loop.call_later(seconds, self._clear_delay)
        elif name == "throttle":
            self.bytes_per_s = 1024
            self._loop.call_later(seconds, self._clear_throttle)

    def _clear_delay(self) -> None:
        self.delay_s = 0.0

    def _clear_throttle(self) -> None:
        self.bytes_per_s = 0
