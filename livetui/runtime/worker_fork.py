"""A parent from which workers are forked with the modules of others already imported. Stdlib only, 3.9+, Linux.

It never imports the user's own modules. It refuses (`unsafe`) what a fork would break: modules that start threads or
keep descriptors open, or that import the user's code. Messages are JSON in datagrams of a socket pair.
"""

from __future__ import annotations

# pathlib costs a worker 5 ms of its start:
# ruff: noqa: PTH115, PTH208
import gc
import importlib
import json
import os
import random
import socket
import sys
import time
import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from livetui.runtime.worker_loop import Load

THREADS_ALLOWED = ("numpy",)
"""Packages whose threads survive a fork in good order: OpenBLAS ends its threads before a fork and starts them anew
in the child. Each entry has a test in tests/integration/runtime/test_fork.py."""


class Unsafe(Exception):
    """A module that must not be imported before a fork, and why."""

    def __init__(self, module: str, why: str) -> None:
        Exception.__init__(self, module, why)
        self.module = module
        self.why = why


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


def _descriptors() -> dict[str, str]:
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            found[fd] = os.readlink("/proc/self/fd/" + fd)
        except OSError:
            continue  # the one that listed the folder
    return {fd: target for fd, target in found.items() if target not in ("/dev/null", "/dev/urandom")}


class Preload:
    """Imports modules one by one and watches what each leaves running."""

    def __init__(self, is_of_others: Any) -> None:
        self._is_of_others = is_of_others
        self._allowed_threads = 1
        self.randoms: list[random.Random] = []
        self.files: dict[str, tuple[int, int]] = {}

    def run(self, names: list[str]) -> None:
        """Import all. Raises `Unsafe`."""
        first = [name for name in names if name.partition(".")[0] in THREADS_ALLOWED]
        seed = random.Random.seed
        randoms = self.randoms

        def noted(self: random.Random, a: Any = None, version: int = 2) -> None:
            randoms[:] = [other for other in randoms if other is not self]
            if a is None:
                randoms.append(self)
            seed(self, a, version)

        random.Random.seed = noted  # type: ignore[method-assign]
        try:
            for name in first + names:
                if name not in sys.modules:
                    self._import(name)
        finally:
            random.Random.seed = seed  # type: ignore[method-assign]
        self._note_files()

    def _import(self, name: str) -> None:
        before = _descriptors()
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001  (it will be imported, and fail or not, where the user can see it)
            sys.modules.pop(name, None)
            return
        threads = _threads()
        if threads > self._allowed_threads:
            if name.partition(".")[0] not in THREADS_ALLOWED:
                raise Unsafe(name, "starts a thread when it is imported")
            self._allowed_threads = threads
        opened = {fd: target for fd, target in _descriptors().items() if before.get(fd) != target}
        if opened:
            raise Unsafe(name, "keeps open what it opened when it was imported: " + ", ".join(sorted(opened.values())))

    def _note_files(self) -> None:
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None)
            if not isinstance(path, str) or name == "__main__":
                continue
            if not self._is_of_others(path):
                raise Unsafe(name, "is your own code, imported by a package")
            try:
                self.files[path] = _stamp(path)
            except OSError:
                continue  # inside an archive

    def stale(self) -> bool:
        """Whether an imported file has changed since."""
        try:
            return any(_stamp(path) != stamp for path, stamp in self.files.items())
        except OSError:
            return True

    def reseed(self) -> None:
        """Give a child random numbers of its own, as a fresh import would."""
        for generator in self.randoms:
            generator.seed()
        numpy_random = sys.modules.get("numpy.random")
        if numpy_random is not None:
            numpy_random.seed()


def _stamp(path: str) -> tuple[int, int]:
    status = os.stat(path)  # noqa: PTH116
    return status.st_mtime_ns, status.st_size


def main(control: int, lifeline: int, load: Load) -> None:
    """Serve forks until the console closes the socket; in each child, serve as a worker."""
    loop = load("worker_loop")
    sock = socket.socket(fileno=control)
    setup = _receive_setup(sock)
    runtime = loop.Runtime(load, setup)
    environment = dict(os.environ)
    preload = Preload(lambda path: path in loop.OWN_FILES or loop.is_of_others(path))
    began = time.perf_counter()
    try:
        preload.run(setup["names"])
    except Unsafe as unsafe:
        _send(sock, {"t": "unsafe", "module": unsafe.module, "why": unsafe.why})
        os._exit(0)
    changed = [name for name in environment.keys() | os.environ if environment.get(name) != os.environ.get(name)]
    _send(sock, {"t": "preloaded", "ms": (time.perf_counter() - began) * 1000, "changed_environment": changed,
                 "count": len(sys.modules)})
    gc.collect()
    gc.freeze()
    while True:
        content, fds, _, _ = socket.recv_fds(sock, 1 << 16, 4)
        if not content:
            os._exit(0)
        message = json.loads(content)
        if message["t"] == "reap":
            _reap(sock, message["pid"])
        elif preload.stale():
            _close(fds)
            _send(sock, {"t": "stale"})
        else:
            pid = _fork()
            if pid == 0:
                sock.close()
                os.close(lifeline)
                _become_worker(fds, preload, loop)
                runtime.sink.renew()
                loop.serve(loop.Channel.of(loop.private(fds[0])), load, runtime)
                return
            _close(fds)
            _send(sock, {"t": "forked", "pid": pid})


def _receive_setup(sock: socket.socket) -> dict[str, Any]:
    setup: dict[str, Any] = json.loads(sock.recv(1 << 17))
    while not setup.pop("complete"):
        more = json.loads(sock.recv(1 << 17))
        setup["names"] += more["names"]
        setup["complete"] = more["complete"]
    return setup


def _send(sock: socket.socket, message: dict[str, Any]) -> None:
    try:
        sock.send(json.dumps(message).encode())
    except OSError:
        os._exit(0)  # the console is gone


def _fork() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns of threads at a fork; those that are left were found to be safe.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _become_worker(fds: list[int], preload: Preload, loop: ModuleType) -> None:
    """In the child: its own session, descriptors, random numbers and view of the folders."""
    os.setsid()
    printed = [os.pread(fd, 1 << 16, 0) for fd in (1, 2)]
    os.dup2(fds[1], 1)
    os.dup2(fds[2], 2)
    _close(fds[1:3])
    loop.end_with_console(loop.private(fds[3]))
    for fd, content in ((1, printed[0]), (2, printed[1])):
        if content:
            os.write(fd, content)
    preload.reseed()
    for path, finder in sys.path_importer_cache.items():
        if finder is not None and not loop.is_of_others(path + os.sep):
            finder.invalidate_caches()  # type: ignore[attr-defined]


def _reap(sock: socket.socket, pid: int) -> None:
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        _send(sock, {"t": "reaped", "pid": pid, "code": -9})
        return
    code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    _send(sock, {"t": "reaped", "pid": pid, "code": code})


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
