"""A meter between both sides and the broker: it ends their TLS, reads every MQTT packet, and knows IoT's quotas.

It forwards bytes as they are. For each connection it keeps what a client is answerable for: the size of each packet,
bytes out in any second, and a publish of its own in a second that had 100 publishes in and out already. What comes *to*
a client is let through no faster than IoT would (512 KiB/s), since no client can hold that back. As IoT does, it ends
the connection of a client that is silent for 1.5 times its keep-alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stub_runtime.mqtt import KEEP_ALIVE

PUBLISHES_PER_S = 100
BYTES_PER_S = 512 * 1024
PACKET_BYTES = 128 * 1024
SILENCE_S = 1.5 * KEEP_ALIVE
"""IoT ends the connection of a client that says nothing for so long; the local broker does not."""
_CONNECT, _PUBLISH = 1, 3


@dataclass
class Metered:
    """One connection: who it was, and every packet that passed."""

    client: str = ""
    credential: str = ""
    """The access key that signed its upgrade."""
    publishes: list[tuple[float, bool, int]] = field(default_factory=list)
    """When, whether it came from the client, and its size in bytes."""
    sent: list[tuple[float, int]] = field(default_factory=list)
    """When the client sent bytes, and how many, TLS aside."""

    def exceeded(self) -> list[str]:
        """Which quotas were passed, in words."""
        found = [f"a packet of {size} bytes" for _, mine, size in self.publishes if mine and size > PACKET_BYTES]
        if self.most_publishes > PUBLISHES_PER_S:
            found.append(f"{self.most_publishes} publishes in a second")
        if self.most_bytes > BYTES_PER_S:
            found.append(f"{self.most_bytes} bytes out in a second")
        return [f"{self.client}: {words}" for words in found]

    @property
    def most_publishes(self) -> int:
        """In the busiest second that ends with a publish of the client's own."""
        return _busiest([(at, 1, mine) for at, mine, _ in self.publishes])

    @property
    def most_bytes(self) -> int:
        """What the client sent in its busiest second."""
        return _busiest([(at, size, True) for at, size in self.sent])


def _busiest(passed: list[tuple[float, int, bool]]) -> int:
    window: deque[tuple[float, int]] = deque()
    most = total = 0
    for at, amount, counts in passed:
        window.append((at, amount))
        total += amount
        while window[0][0] <= at - 1.0:
            total -= window.popleft()[1]
        if counts:
            most = max(most, total)
    return most


class Packets:
    """Cuts one direction of a WebSocket connection into MQTT packets."""

    def __init__(self, told: Callable[[bytes], None]) -> None:
        self._told = told
        self.upgrade = ""
        """The head of the HTTP request or response that the connection began with."""
        self._raw = bytearray()
        self._mqtt = bytearray()
        self._upgraded = False

    def feed(self, chunk: bytes) -> None:
        """Take what passed; each whole MQTT packet is told."""
        self._raw += chunk
        if not self._upgraded:
            end = self._raw.find(b"\r\n\r\n")
            if end < 0:
                return
            self.upgrade = self._raw[:end].decode("latin-1")
            del self._raw[:end + 4]
            self._upgraded = True
        for payload in self._messages():
            self._mqtt += payload
        while (size := _packet_size(self._mqtt)) and len(self._mqtt) >= size:
            self._told(bytes(self._mqtt[:size]))
            del self._mqtt[:size]

    def _messages(self) -> Iterator[bytes]:
        """WebSocket frames (RFC 6455, section 5.2), without those of control."""
        raw = self._raw
        while len(raw) >= 2:
            length, start = raw[1] & 0x7F, 2
            if length >= 126:
                start = 4 if length == 126 else 10
                length = int.from_bytes(raw[2:start], "big")
            masked = bool(raw[1] & 0x80)
            if len(raw) < start + 4 * masked + length:
                return
            mask = bytes(raw[start:start + 4]) if masked else b""
            start += len(mask)
            payload, control = bytes(raw[start:start + length]), raw[0] & 0x08
            del raw[:start + length]
            if not control:
                yield _unmasked(payload, mask) if masked else payload


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    repeated = (mask * (len(payload) // 4 + 1))[:len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(payload), "big")


def _packet_size(mqtt: bytearray) -> int:
    """The size of the first MQTT packet, header included; 0 while that is not known (MQTT 5, section 2.1.4)."""
    size = 0
    for index, byte in enumerate(mqtt[1:5]):
        size |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return 2 + index + size
    return 0


def _client_of(connect: bytes) -> str:
    """The client id in a CONNECT packet of MQTT 5."""
    at = 1
    while connect[at] & 0x80:
        at += 1
    at += 1 + 2 + 4 + 1 + 1 + 2  # remaining length, protocol name, version, flags, keep alive
    properties = connect[at]  # fewer than 128 bytes here
    at += 1 + properties
    size = int.from_bytes(connect[at:at + 2], "big")
    return connect[at + 2:at + 2 + size].decode()


class QuotaMeter:
    """See the module. Listens on `port` with the cloud's own certificate, and forwards to the broker at `target`."""

    def __init__(self, target: int, ca_bundle: str, shape: bool = False) -> None:
        self.target = target
        self.shape = shape
        """Let bytes through at IoT's pace from the first one on, both ways: for measurements."""
        self.port = 0
        self.connections: list[Metered] = []
        self._folder = Path(ca_bundle).parent
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="quota-meter")
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> QuotaMeter:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def of(self, app: str) -> list[Metered]:
        """The connections that an app's stubs and consoles made so far."""
        return [each for each in list(self.connections) if each.client.startswith(f"livetui.{app}.")]

    def check(self, app: str) -> None:
        """Fail when one of them ever passed a quota."""
        exceeded = [words for each in self.of(app) for words in each.exceeded()]
        assert exceeded == [], exceeded

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        theirs.load_cert_chain(self._folder / "server.pem", self._folder / "server.key")
        self._ours = ssl.create_default_context(cafile=str(self._folder / "ca.pem"))
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, ssl=theirs)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        metered = Metered()
        self.connections.append(metered)
        with contextlib.suppress(OSError):
            up_reader, up_writer = await asyncio.open_connection("localhost", self.target, ssl=self._ours)
            with contextlib.suppress(OSError):
                await asyncio.gather(self._pump(reader, up_writer, metered, from_client=True),
                                     self._pump(up_reader, writer, metered, from_client=False))
            up_writer.close()
        writer.close()

    async def _read(self, reader: asyncio.StreamReader, within: float | None) -> bytes:
        async with asyncio.timeout(within):
            return await reader.read(64 * 1024)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, metered: Metered, *,
                    from_client: bool) -> None:
        def told(packet: bytes) -> None:
            kind = packet[0] >> 4
            if kind == _CONNECT:
                metered.client = _client_of(packet)
                signed = re.search(r"X-Amz-Credential=(\w+)", packets.upgrade)
                metered.credential = signed[1] if signed else ""
            elif kind == _PUBLISH:
                metered.publishes.append((self._loop.time(), from_client, len(packet)))

        packets = Packets(told)
        free_at, credit = 0.0, 0.0 if self.shape else 1.0
        try:
            while chunk := await self._read(reader, SILENCE_S if from_client else None):
                packets.feed(chunk)
                if from_client:
                    metered.sent.append((self._loop.time(), len(chunk)))
                if self.shape or not from_client:
                    free_at = max(free_at, self._loop.time() - credit) + len(chunk) / BYTES_PER_S
                    if (wait := free_at - self._loop.time()) > 0:
                        await asyncio.sleep(wait)
                writer.write(chunk)  # not drained: a stalled broker must not make a client look faster afterwards
        finally:
            writer.close()
