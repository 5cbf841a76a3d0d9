"""A minimal Lambda Runtime API on loopback, and `awslambdaric` behind it: the reference for how handlers behave.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, version 2018-06-01, as far as the Python client uses it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

_PREFIX = "/2018-06-01/runtime/"


@dataclass(frozen=True)
class Reply:
    """What the runtime client posted: a response, an error, an init error; or how its process ended."""

    kind: Literal["response", "error", "init-error", "exit"]
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    exit_code: int | None = None


@dataclass
class _Call:
    event: bytes
    headers: Mapping[str, str]
    reply: asyncio.Future[Reply]


class RuntimeApi:
    """Hands invocations to one runtime client and takes its answers."""

    def __init__(self) -> None:
        self.address = ""
        self._server: asyncio.Server | None = None
        self._calls: asyncio.Queue[_Call] = asyncio.Queue()
        self._running: _Call | None = None
        self.init_error: Reply | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> RuntimeApi:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 24)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def invoke(self, event: bytes, *, request_id: str = "request", headers: Mapping[str, str] | None = None,
                     deadline_ms: int = 4_000_000_000_000) -> Reply:
        """Have the client run one invocation."""
        call = _Call(event, {"Lambda-Runtime-Aws-Request-Id": request_id, "Content-Type": "application/json",
                             "Lambda-Runtime-Deadline-Ms": str(deadline_ms), **(headers or {})},
                     asyncio.get_running_loop().create_future())
        self._calls.put_nowait(call)
        return await call.reply

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        if "chunked" in headers.get("transfer-encoding", ""):
            body = await _chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        if method == "GET" and path == _PREFIX + "invocation/next":
            self._running = await self._calls.get()
            _send(writer, "200 OK", self._running.headers, self._running.event)
            return True
        kind: Literal["response", "error", "init-error"] = (
            "init-error" if path.endswith("init/error") else "error" if path.endswith("/error") else "response")
        reply = Reply(kind, body, headers)
        if kind == "init-error":
            self.init_error = reply
        elif self._running is not None:
            self._running.reply.set_result(reply)
            self._running = None
        _send(writer, "202 Accepted", {"Content-Type": "application/json"}, b'{"status": "OK"}\n')
        return True

    def ended(self, exit_code: int) -> None:
        """The client's process ended: whatever runs or waits is answered with that."""
        calls = [self._running] if self._running is not None else []
        self._running = None
        while not self._calls.empty():
            calls.append(self._calls.get_nowait())
        for call in calls:
            if not call.reply.done():
                call.reply.set_result(self.init_error or Reply("exit", b"", {}, exit_code))


def _send(writer: asyncio.StreamWriter, status: str, headers: Mapping[str, str], body: bytes) -> None:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items()),
             f"Content-Length: {len(body)}", "", ""]
    writer.write("\r\n".join(lines).encode() + body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(parts)


class Reference:
    """`awslambdaric` running one handler: an async context manager. `records` are its log entries, in order.

    With `PYTHONPATH` absent and the folder as cwd, the handler is found as Lambda's bootstrap finds it.
    """

    def __init__(self, folder: Path, handler: str, environment: Mapping[str, str],
                 interpreter: Path = Path(sys.executable)) -> None:
        self.api = RuntimeApi()
        self.stdout = b""
        self.stderr = b""
        self.records: list[str] = []
        self._folder = folder
        self._handler = handler
        self._environment = environment
        self._interpreter = interpreter
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._telemetry = b""

    async def __aenter__(self) -> Reference:
        await self.api.__aenter__()
        ours, theirs = os.pipe()
        os.set_blocking(ours, False)
        self._telemetry_fd = ours
        asyncio.get_running_loop().add_reader(ours, self.read_records)
        script = ("import sys; sys.path.insert(0, sys.argv.pop()); import awslambdaric.__main__ as main; "
                  "main.main(sys.argv)")
        self._process = await asyncio.create_subprocess_exec(
            self._interpreter, "-c", script, self._handler, str(self._folder), cwd=self._folder,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            pass_fds=(theirs,), env={**self._environment, "AWS_LAMBDA_RUNTIME_API": self.api.address,
                                     "_HANDLER": self._handler, "_LAMBDA_TELEMETRY_LOG_FD": str(theirs)})
        os.close(theirs)
        self._watch = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._process is not None and self._watch is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._watch
        asyncio.get_running_loop().remove_reader(self._telemetry_fd)
        os.close(self._telemetry_fd)
        await self.api.__aexit__()

    @property
    def pid(self) -> int:
        """The client's process."""
        assert self._process is not None
        return self._process.pid

    async def _follow(self) -> None:
        assert self._process is not None and self._process.stdout is not None and self._process.stderr is not None
        self.stdout, self.stderr = await asyncio.gather(self._process.stdout.read(), self._process.stderr.read())
        code = await self._process.wait()
        self.read_records()
        self.api.ended(code)

    def read_records(self) -> None:
        """Take the log entries that were written so far."""
        try:
            while content := os.read(self._telemetry_fd, 1 << 16):
                self._telemetry += content
        except BlockingIOError:
            pass  # read up to now
        while len(self._telemetry) >= 16:
            size = int.from_bytes(self._telemetry[4:8], "big")
            if len(self._telemetry) < 16 + size:
                break
            self.records.append(self._telemetry[16:16 + size].decode())
            self._telemetry = self._telemetry[16 + size:]
