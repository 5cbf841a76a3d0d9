"""Other ways to run a Python handler here, each asked to echo an event: what one warm call of theirs takes, in ms.

They are installed once into a cache in the temp folder. What cannot be installed or does not start says so as
`{"skipped": reason}` and fails nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.integration.runtime_api import Reference

SERVERLESS = ("serverless", "serverless@3.40.0", "serverless-offline@13.10.1")
LIVE_DEBUGGER = ("live-debugger", "lambda-live-debugger@1.2.3")
CACHE = Path(tempfile.gettempdir()) / "livetui-benchmarks"
INSTALL_S = 120
START_S = 40
Row = dict[str, Any]


def skipped(why: object) -> Row:
    """A row that says why it has no numbers."""
    words = str(why).strip().splitlines() or [type(why).__name__]
    return {"skipped": words[-1][:120]}


def times(call: Callable[[], object], count: int) -> list[float]:
    """Milliseconds of each of `count` calls, after two that are not counted."""
    found = []
    for _ in range(count + 2):
        began = time.perf_counter()
        call()
        found.append((time.perf_counter() - began) * 1000)
    return found[2:]


def awslambdaric(folder: Path, event: bytes, count: int) -> Row:
    """AWS's own runtime client behind a minimal Runtime API: what a call costs at least."""
    async def measure() -> list[float]:
        found = []
        async with Reference(folder, "echo.handler", {"PATH": os.environ["PATH"]}) as reference:
            for _ in range(count + 2):
                began = time.perf_counter()
                reply = await reference.api.invoke(event)
                found.append((time.perf_counter() - began) * 1000)
                if reply.kind != "response":
                    raise RuntimeError(f"{reply.kind}: {reply.body[:100]!r}")
        return found[2:]

    if sys.platform != "linux":
        return skipped("it has wheels for Linux only")
    return {"call ms": statistics.median(asyncio.run(measure()))}


def python_lambda_local(folder: Path, event: bytes, count: int) -> Row:
    """python-lambda-local 0.1.13: a command per call."""
    try:
        command = _installed_lambda_local()
        (folder / "event.json").write_bytes(event)
        call = [str(command), "-f", "handler", "-t", "30", str(folder / "echo.py"), str(folder / "event.json")]
        found = times(lambda: _run(*call), count)
    except (OSError, subprocess.SubprocessError) as error:
        return skipped(getattr(error, "stderr", None) or error)
    return {"call ms": statistics.median(found)}


def install() -> None:
    """Have all of them, so that no installation is within anyone's time limit; what fails is told by its row later."""
    for get in (lambda: installed_by_npm(*SERVERLESS), lambda: installed_by_npm(*LIVE_DEBUGGER),
                _installed_lambda_local):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            get()


def _installed_lambda_local() -> Path:
    home = CACHE / "python-lambda-local"
    if not (home / "done").exists():
        uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home))
        _run(uv, "pip", "install", "--quiet", "--python", str(home / "bin" / "python"),
             "python-lambda-local==0.1.13", "setuptools<81")
        (home / "done").touch()
    return home / "bin" / "python-lambda-local"


def installed_by_npm(name: str, *packages: str) -> Path:
    """The `node_modules` with these packages, installed once per machine."""
    home = CACHE / name
    if not (home / "done").exists():
        home.mkdir(parents=True, exist_ok=True)
        _run("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(home), *packages)
        (home / "done").touch()
    return home / "node_modules"


def serverless_offline(folder: Path, event: bytes, count: int, *words: str) -> Row:
    """serverless-offline 13.10.1 with a Python handler, over HTTP. `--reloadHandler` makes it notice new code."""
    try:
        modules = installed_by_npm(*SERVERLESS)
        project = folder / f"serverless-{len(words)}"
        project.mkdir()
        shutil.copy(folder / "echo.py", project)
        (project / "node_modules").symlink_to(modules)
        with _serverless(project, words) as url:
            def call() -> None:
                with urllib.request.urlopen(urllib.request.Request(url, event), timeout=10) as answer:
                    answer.read()

            return {"call ms": statistics.median(times(call, count))}
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        return skipped(getattr(error, "stderr", None) or error)


@contextlib.contextmanager
def _serverless(project: Path, words: tuple[str, ...]) -> Iterator[str]:
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (project / "serverless.yml").write_text(json.dumps({
        "service": "echo", "frameworkVersion": "3", "plugins": ["serverless-offline"],
        "provider": {"name": "aws", "runtime": version, "stage": "dev"},
        "functions": {"echo": {"handler": "echo.http", "events": [{"httpApi": "POST /echo"}]}}}))
    ports = [str(port) for port in _free_ports(3)]
    log = (project / "log.txt").open("w+")
    server = psutil.Popen(
        ["node", str(project / "node_modules" / "serverless" / "bin" / "serverless.js"), "offline", "--httpPort",
         ports[0], "--lambdaPort", ports[1], "--albPort", ports[2], *words], cwd=project, stdout=log, stderr=log,
        stdin=subprocess.DEVNULL, env={
            **os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "SLS_TRACKING_DISABLED": "1",
            "SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off", "HOME": str(project)})
    url = f"http://127.0.0.1:{ports[0]}/echo"
    try:
        deadline = time.monotonic() + START_S
        while not _answers(url):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((project / "log.txt").read_text("utf-8", "replace")[-300:] or "it did not start")
            time.sleep(0.2)
        yield url
    finally:
        family = [*server.children(recursive=True), server]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=5)
        log.close()


def _free_ports(count: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, b'"x"'), timeout=10):
            return True
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"HTTP {error.code}: {error.read()[:200]!r}") from error
    except OSError:
        return False


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S, stdin=subprocess.DEVNULL)
