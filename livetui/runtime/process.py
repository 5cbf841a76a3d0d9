"""Starting a worker's process: one `spawn`, whatever way the process comes into being."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from livetui.runtime.channel import FrameChannel, OpenChannel, channel_pair

WORKER = Path(__file__).parent / "worker.py"


@dataclass(frozen=True)
class Launch:
    """What a worker is started with."""

    interpreter: Path
    code_root: Path
    layers: tuple[Path, ...]
    environment: Mapping[str, str] = field(repr=False)
    """The whole environment of the process."""
    call_environment: Mapping[str, str] = field(repr=False)
    """What the call that it is started for adds to that."""
    debug: Mapping[str, Any] | None = field(default=None, repr=False)
    """What `worker_debug.start` gets; see `DebugSupport.prepare`."""

    @property
    def is_debugged(self) -> bool:
        """Whether something may stop the worker."""
        return self.debug is not None and bool(self.debug.get("attach", True))


@dataclass(frozen=True)
class Spawned:
    """A process that runs the worker's bootstrap and has been told nothing yet.

    `exited` becomes its exit code, negative for a signal. The owner closes channel, pipes and lifeline.
    """

    pid: int
    open_channel: OpenChannel
    stdout: int
    stderr: int
    lifeline: int
    exited: asyncio.Future[int]
    token: bytes = field(repr=False)
    watched: bool = True
    """Whether the event loop can tell when the pipes have something to read."""


@dataclass
class WorkerEnds:
    """The descriptors that go into the worker, and the pool's counterparts."""

    ours: socket.socket
    theirs: socket.socket
    stdout: tuple[int, int]
    stderr: tuple[int, int]
    lifeline: tuple[int, int]

    @classmethod
    def open(cls) -> WorkerEnds:
        """Make all pairs; nothing is inheritable yet."""
        ours, theirs = channel_pair()
        return cls(ours, theirs, os.pipe(), os.pipe(), os.pipe())

    def close_theirs(self) -> None:
        """Close what only the worker needs."""
        self.theirs.close()
        for fd in (self.stdout[1], self.stderr[1], self.lifeline[0]):
            os.close(fd)

    def close_ours(self) -> None:
        """Close the pool's side, when there is no worker to talk to."""
        self.ours.close()
        for fd in (self.stdout[0], self.stderr[0], self.lifeline[1]):
            os.close(fd)

    def spawned(self, pid: int, exited: asyncio.Future[int], token: bytes) -> Spawned:
        """The pool's side as a value."""
        channel = partial(FrameChannel, asyncio.get_running_loop(), self.ours)
        return Spawned(pid, channel, self.stdout[0], self.stderr[0], self.lifeline[1], exited, token)


def init_frame(launch: Launch, token: bytes) -> dict[str, Any]:
    """The first frame to a worker."""
    return {"t": "init", "environment": dict(launch.call_environment), "code_root": str(launch.code_root),
            "layers": [str(layer) for layer in launch.layers], "token": token.hex(),
            "debug": dict(launch.debug) if launch.debug is not None else None}


def spawn(launch: Launch) -> Spawned:
    """Start a fresh interpreter. Raises `OSError` when there is none at `launch.interpreter`."""
    if use_loopback():
        from livetui.runtime.loopback import spawn_with_loopback

        return spawn_with_loopback(launch)
    ends = WorkerEnds.open()
    flags = ["-X", "frozen_modules=off"] if launch.is_debugged else []
    control, lifeline = ends.theirs.fileno(), ends.lifeline[0]
    try:
        process = subprocess.Popen(
            [str(launch.interpreter), *flags, str(WORKER), "worker", str(control), str(lifeline)],
            stdin=subprocess.DEVNULL, stdout=ends.stdout[1], stderr=ends.stderr[1], cwd=launch.code_root,
            env={**launch.environment, **launch.call_environment}, pass_fds=(control, lifeline),
            start_new_session=True)
    except OSError:
        ends.close_ours()
        raise
    finally:
        ends.close_theirs()
    try:
        exited = watch_process(process)
    except BaseException:
        kill_group(process.pid)
        process.wait()
        ends.close_ours()
        raise
    return ends.spawned(process.pid, exited, secrets.token_bytes(16))


def use_loopback() -> bool:
    """Whether workers are reached over loopback: on Windows, where a child inherits no sockets, or to test that."""
    return os.name == "nt" or "LIVETUI_LOOPBACK" in os.environ


def kill_group(pid: int) -> None:
    """Kill a worker with all that its handler started."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(pid)], capture_output=True, check=False)
        return
    with suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            os.kill(pid, signal.SIGKILL)  # just forked, and not yet in a group of its own


def watch_process(process: subprocess.Popen[bytes]) -> asyncio.Future[int]:
    """A future of the exit code; what the handler left running in its group ends with the worker."""
    loop = asyncio.get_running_loop()
    exited: asyncio.Future[int] = loop.create_future()
    if hasattr(os, "pidfd_open"):
        pidfd = os.pidfd_open(process.pid)

        def ended() -> None:
            loop.remove_reader(pidfd)
            os.close(pidfd)
            kill_group(process.pid)
            exited.set_result(process.wait())

        loop.add_reader(pidfd, ended)
    else:
        wait_in_thread(process, exited)
    return exited


def wait_in_thread(process: subprocess.Popen[bytes], exited: asyncio.Future[int],
                   and_then: Callable[[], None] = lambda: None) -> None:
    """Wait for the process in a thread, then `and_then`, and tell the loop (which may be closed by then)."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        code = process.wait()
        and_then()
        if os.name == "posix":  # the group only: the process's own number may be another's by now
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if exited.done() else exited.set_result(code))

    threading.Thread(target=wait, name=f"worker-{process.pid}", daemon=True).start()
