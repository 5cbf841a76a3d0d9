"""The pool's side of a parent that forks workers: start it, ask it for workers, decide when it must not be used."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from livetui.runtime.process import WORKER, Launch, Spawned, WorkerEnds, kill_group, use_loopback, watch_process

NEVER = frozenset({"gevent", "eventlet", "ddtrace", "newrelic"})
"""Packages that change other modules for those that are imported after them: the order of imports decides."""

_BATCH = 500
_PRELOAD_LIMIT_S = 120.0
_FORK_LIMIT_S = 5.0
_BUFFER = 1 << 20


def can_fork_here() -> bool:
    """Linux only: macOS frameworks do not survive a fork, and only Linux tells threads and descriptors."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open") and not (
        "LIVETUI_NO_FORK_SERVER" in os.environ or use_loopback())


class ForkError(Exception):
    """The parent cannot be used. `module` is what was unsafe to import, when that is the reason."""

    def __init__(self, reason: str, module: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.module = module


class ForkServer:
    """One parent process with the modules of others imported."""

    def __init__(self, launch: Launch, names: Sequence[str]) -> None:
        self.names = frozenset(names)
        self.children = 0
        self.preload_ms = 0.0
        self.changed_environment: frozenset[str] = frozenset()
        self._loop = asyncio.get_running_loop()
        self._token = secrets.token_bytes(16)
        self._preloaded: asyncio.Future[Mapping[str, Any]] = self._loop.create_future()
        self._forks: deque[asyncio.Future[int]] = deque()
        self._exits: dict[int, asyncio.Future[int]] = {}
        self._closing = False
        self.usable = False
        self._start(launch, list(names))

    def _start(self, launch: Launch, names: list[str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        lifeline, self._lifeline = os.pipe()
        with theirs, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                process = subprocess.Popen(
                    [str(launch.interpreter), str(WORKER), "fork", str(theirs.fileno()), str(lifeline)],
                    stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=launch.code_root,
                    env={**launch.environment, **launch.call_environment}, pass_fds=(theirs.fileno(), lifeline),
                    start_new_session=True)
            except OSError:
                ours.close()
                os.close(self._lifeline)
                raise
            finally:
                os.close(lifeline)
        self.pid = process.pid
        self._sock = ours
        try:
            self._set_up(launch, names)
            self.exited = watch_process(process)
        except BaseException:
            self._loop.remove_reader(ours.fileno())
            kill_group(process.pid)
            process.wait()
            ours.close()
            os.close(self._lifeline)
            raise
        self.exited.add_done_callback(self._ended)

    def _set_up(self, launch: Launch, names: list[str]) -> None:
        for start in range(0, max(1, len(names)), _BATCH):
            batch = {"names": names[start:start + _BATCH], "complete": start + _BATCH >= len(names)}
            setup = {"code_root": str(launch.code_root), "layers": [str(layer) for layer in launch.layers],
                     "token": self._token.hex()} if start == 0 else {}
            self._sock.send(json.dumps({**setup, **batch}).encode())
        self._sock.setblocking(False)
        self._loop.add_reader(self._sock.fileno(), self._readable)

    async def ready(self) -> None:
        """Return when the modules are imported. Raises `ForkError` when that is not safe or did not work."""
        try:
            async with asyncio.timeout(_PRELOAD_LIMIT_S):
                message = await self._preloaded
        except TimeoutError:
            self.kill()
            raise ForkError("importing the packages took too long") from None
        if message["t"] == "unsafe":
            raise ForkError(f"{message['module']} {message['why']}", message["module"])
        if message["t"] != "preloaded":
            raise ForkError("the parent process ended while it imported the packages")
        self.preload_ms = message["ms"]
        self.changed_environment = frozenset(message["changed_environment"])
        self.usable = True

    async def spawn(self) -> Spawned:
        """Fork one worker. Raises `ForkError` when the parent is stale, stuck or gone; it is not usable then."""
        ends = WorkerEnds.open()
        answer: asyncio.Future[int] = self._loop.create_future()
        self._forks.append(answer)
        try:
            fds = [ends.theirs.fileno(), ends.stdout[1], ends.stderr[1], ends.lifeline[0]]
            socket.send_fds(self._sock, [b'{"t": "fork"}'], fds)
            async with asyncio.timeout(_FORK_LIMIT_S):
                pid = await answer
        except (OSError, TimeoutError, ForkError, asyncio.CancelledError) as error:
            ends.close_ours()
            self.usable = False
            if not isinstance(error, (ForkError, asyncio.CancelledError)):
                self.kill()
                raise ForkError("the parent process does not answer") from error
            raise
        finally:
            ends.close_theirs()
        self.children += 1
        return ends.spawned(pid, self._watch(pid), self._token)

    def _watch(self, pid: int) -> asyncio.Future[int]:
        exited: asyncio.Future[int] = self._loop.create_future()
        self._exits[pid] = exited
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._gone(pid, -9)
            return exited

        def ended() -> None:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)
            kill_group(pid)
            try:
                self._sock.send(json.dumps({"t": "reap", "pid": pid}).encode())
            except OSError:
                self._gone(pid, -9)  # the parent is gone, and with it how its child ended

        self._loop.add_reader(pidfd, ended)
        return exited

    def _readable(self) -> None:
        try:
            content = self._sock.recv(1 << 16)
        except OSError:
            return
        if not content:
            self._loop.remove_reader(self._sock.fileno())
            return
        message = json.loads(content)
        kind = message["t"]
        if kind in ("preloaded", "unsafe"):
            if not self._preloaded.done():
                self._preloaded.set_result(message)
        elif kind == "reaped":
            self._gone(message["pid"], message["code"])
        elif self._forks:
            self._answer_fork(self._forks.popleft(), message)

    def _answer_fork(self, answer: asyncio.Future[int], message: Mapping[str, Any]) -> None:
        if message["t"] == "stale":
            self.usable = False
            if not answer.done():
                answer.set_exception(ForkError("an installed package changed"))
        elif answer.done():
            kill_group(message["pid"])  # nobody waits for it any more
        else:
            answer.set_result(message["pid"])

    def _gone(self, pid: int, code: int) -> None:
        exited = self._exits.pop(pid, None)
        if exited is not None and not exited.done():
            exited.set_result(code)
        self.children -= 1
        if self._closing and self.children <= 0:
            self.kill()

    def _ended(self, _: asyncio.Future[int]) -> None:
        self.usable = False
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        os.close(self._lifeline)
        if not self._preloaded.done():
            self._preloaded.set_result({"t": "ended"})
        while self._forks:
            answer = self._forks.popleft()
            if not answer.done():
                answer.set_exception(ForkError("the parent process ended"))
        for pid in list(self._exits):
            kill_group(pid)
            self._gone(pid, -9)

    def retire(self) -> None:
        """End it once its children have ended."""
        self.usable = False
        self._closing = True
        if self.children <= 0:
            self.kill()

    def kill(self) -> None:
        """End it now."""
        self.usable = False
        if not self.exited.done():
            kill_group(self.pid)
