"""Workers where a child inherits no sockets (Windows): each connects over loopback and proves itself by a token.

Threads do what the event loop cannot do there with pipes and processes. `LIVETUI_LOOPBACK=1` has other systems use it
too, which is how it is tested.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import queue
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from livetui.runtime.channel import Frame, Frames, encoded
from livetui.runtime.process import WORKER, Launch, Spawned, wait_in_thread

_READ = 1 << 18
_LOOK_S = 0.2
_TOKEN_WITHIN_S = 2.0


class LoopbackChannel:
    """A channel over one accepted connection; `open` begins to receive, `finish` ends the threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.token = secrets.token_hex(32).encode()
        self._loop = loop
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4)
        self._listener.settimeout(_LOOK_S)
        self.port: int = self._listener.getsockname()[1]
        self._sock: socket.socket | None = None
        self._unsent: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._reader: threading.Thread | None = None

    def open(self, on_frame: Frame, on_end: Callable[[], None]) -> LoopbackChannel:
        """Receive from now on; both are called on the loop."""
        frames = Frames(on_frame)
        self._reader = threading.Thread(target=self._serve, args=(frames.feed, on_end), daemon=True)
        self._reader.start()
        return self

    def _serve(self, feed: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        with self._listener:
            sock = self._accept()
        if sock is None:
            return
        self._sock = sock
        writer = threading.Thread(target=self._write, args=(sock,), daemon=True)
        writer.start()
        with sock, suppress(OSError):
            while content := sock.recv(_READ):
                self._tell(feed, content)
        self._unsent.put(None)
        writer.join(1)
        self._tell(on_end)

    def _accept(self) -> socket.socket | None:
        """The worker's connection; whoever does not know the token is turned away."""
        while not self._ended.is_set():
            try:
                sock, _ = self._listener.accept()
                sock.settimeout(_TOKEN_WITHIN_S)
                said = b""
                while len(said) < len(self.token) and (more := sock.recv(len(self.token) - len(said))):
                    said += more
            except OSError:  # nobody yet, or somebody who says nothing
                continue
            if hmac.compare_digest(said, self.token):
                sock.settimeout(None)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock
            sock.close()
        return None

    def _write(self, sock: socket.socket) -> None:
        with suppress(OSError):  # the end of the worker is told by its exit
            while (content := self._unsent.get()) is not None:
                sock.sendall(content)

    def _tell(self, function: Callable[..., None], *values: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(function, *values)

    def send(self, header: Mapping[str, Any], body: bytes = b"") -> None:
        """Queue one frame."""
        for part in encoded(header, body):
            self._unsent.put(part)

    def receive_rest(self) -> None:
        """Nothing to do: the exit of the worker is told after its last frame (`finish`)."""

    def finish(self) -> None:
        """The process has ended: return when all that it sent was handed to the loop."""
        self._ended.set()
        if self._reader is None:
            self._listener.close()
        else:
            self._reader.join(5)

    def close(self) -> None:
        """Close our end; an idle worker then leaves."""
        self._ended.set()
        if self._sock is not None:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)


def spawn_with_loopback(launch: Launch) -> Spawned:
    """Start a fresh interpreter that connects to us. Raises `OSError` when there is none at `launch.interpreter`."""
    loop = asyncio.get_running_loop()
    channel = LoopbackChannel(loop)
    out, err = os.pipe(), os.pipe()
    flags = ["-X", "frozen_modules=off"] if launch.is_debugged else []
    try:
        process = subprocess.Popen(
            [str(launch.interpreter), *flags, str(WORKER), "loopback"], stdin=subprocess.PIPE, stdout=out[1],
            stderr=err[1], cwd=launch.code_root, env={**launch.environment, **launch.call_environment},
            **_of_its_own_group())
    except OSError:
        channel.finish()
        os.close(out[0])
        os.close(err[0])
        raise
    finally:
        os.close(out[1])
        os.close(err[1])
    assert process.stdin is not None
    lifeline = os.dup(process.stdin.fileno())
    os.write(lifeline, b"%d %s\n" % (channel.port, channel.token))
    process.stdin.close()
    exited: asyncio.Future[int] = loop.create_future()
    wait_in_thread(process, exited, channel.finish)
    return Spawned(process.pid, channel.open, out[0], err[0], lifeline, exited, secrets.token_bytes(16), watched=False)


def _of_its_own_group() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}
