"""Editors for tests: a small one of our own, and npm's `@vscode/debugadapter-testsupport`, with one face."""

import asyncio
import contextlib
import fcntl
import functools
import itertools
import json
import shutil
import subprocess
import tempfile
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livetui.debug.wire import PEER_LIMIT, Decoder, frame

PACKAGE = "@vscode/debugadapter-testsupport@1.68.0"
DEADLINE = 30.0


class EditorRefusedError(Exception):
    """The adapter answered `success: false`."""


class Editor:
    """What a debug client does; subclasses carry the bytes."""

    name = "own"

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._changed = asyncio.Event()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)
        self._reading: asyncio.Task[None] | None = None

    async def request(self, command: str, **arguments: Any) -> Any:
        number = next(self._ids)
        self._answers[number] = asyncio.get_running_loop().create_future()
        self._write(number, command, arguments)
        async with asyncio.timeout(DEADLINE):
            return await self._answers[number]

    async def attach(self, token: str, breakpoints: dict[str, list[Any]] | None = None, **extra: Any,
                     ) -> dict[str, list[dict[str, Any]]]:
        """Everything an editor does until its session is live; what was answered for each file."""
        await self.request("initialize", adapterID="debugpy", clientID=self.name, clientName=f"Test {self.name}",
                           linesStartAt1=True, pathFormat="path")
        await self.request("attach", livetuiToken=token, subProcess=False, **extra)
        await self.event("initialized")
        answers = {path: await self.break_at(path, lines) for path, lines in (breakpoints or {}).items()}
        await self.request("setExceptionBreakpoints", filters=[])
        await self.request("configurationDone")
        return answers

    async def break_at(self, path: str, lines: list[Any]) -> list[dict[str, Any]]:
        wanted = [line if isinstance(line, dict) else {"line": line} for line in lines]
        return (await self.request("setBreakpoints", source={"path": path}, breakpoints=wanted))["breakpoints"]

    async def event(self, name: str, wanted: Callable[[dict[str, Any]], bool] = lambda body: True,
                    count: int = 1) -> Any:
        """The body of the `count`th event of this name that is `wanted`."""
        async with asyncio.timeout(DEADLINE):
            while True:
                self._changed.clear()
                found = [body for heard, body in self.events if heard == name and wanted(body)]
                if len(found) >= count:
                    return found[count - 1]
                await self._changed.wait()

    def told(self, name: str) -> list[dict[str, Any]]:
        return [body for heard, body in self.events if heard == name]

    async def locals(self, thread: int) -> dict[str, str]:
        stack = await self.request("stackTrace", threadId=thread, startFrame=0, levels=20)
        scopes = await self.request("scopes", frameId=stack["stackFrames"][0]["id"])
        variables = await self.request("variables", variablesReference=scopes["scopes"][0]["variablesReference"])
        return {item["name"]: item["value"] for item in variables["variables"]}

    async def evaluate(self, expression: str, thread: int) -> str:
        stack = await self.request("stackTrace", threadId=thread, startFrame=0, levels=1)
        body = await self.request("evaluate", expression=expression, frameId=stack["stackFrames"][0]["id"],
                                  context="watch")
        return body["result"]

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    def _write(self, number: int, command: str, arguments: dict[str, Any]) -> None: ...

    def _heard(self, name: str, body: Any) -> None:
        self.events.append((name, body or {}))
        self._changed.set()

    def _answered(self, number: int, body: Any, error: str | None) -> None:
        answer = self._answers.pop(number)
        if error is None:
            answer.set_result(body)
        else:
            answer.set_exception(EditorRefusedError(error))

    def _lost(self) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the adapter closed the connection"))


class OwnEditor(Editor):
    """Speaks DAP itself."""

    @classmethod
    async def connect(cls, port: int) -> "OwnEditor":
        editor = cls()
        editor._reader, editor._writer = await asyncio.open_connection("127.0.0.1", port)
        editor._reading = asyncio.create_task(editor._read())
        return editor

    def _write(self, number: int, command: str, arguments: dict[str, Any]) -> None:
        self._writer.write(frame({"seq": number, "type": "request", "command": command, "arguments": arguments}))

    async def _read(self) -> None:
        decoder = Decoder(PEER_LIMIT)
        with contextlib.suppress(ConnectionError):
            while chunk := await self._reader.read(65536):
                for message in decoder.feed(chunk):
                    if message["type"] == "event":
                        self._heard(message["event"], message.get("body"))
                    else:
                        self._answered(message["request_seq"], message.get("body"),
                                       None if message["success"] else message["message"])
        self._heard("closed", {})
        self._lost()

    def crash(self) -> None:
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        await self._reading


class NpmEditor(Editor):
    """The client that VS Code's own adapters are tested with, in a node process."""

    name = "npm"

    @classmethod
    async def connect(cls, port: int) -> "NpmEditor":
        editor = cls()
        script = Path(__file__).with_name("npm_client.js")
        editor._process = await asyncio.create_subprocess_exec(
            "node", str(script), str(testsupport()), str(port), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            limit=2**24)
        editor._reading = asyncio.create_task(editor._read())
        await editor.event("connected")
        return editor

    def _write(self, number: int, command: str, arguments: dict[str, Any]) -> None:
        self._process.stdin.write(json.dumps({"id": number, "command": command, "args": arguments}).encode() + b"\n")

    async def _read(self) -> None:
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "event" in said:
                self._heard(said["event"], said["body"])
            else:
                self._answered(said["id"], said.get("body"), said.get("error"))
        self._lost()

    def crash(self) -> None:
        self._process.kill()

    async def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reading


@functools.cache
def testsupport() -> Path:
    """Where the npm package is, installed once per machine; skips with the reason where it cannot be had."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not here, so npm's debug client cannot be had")
    folder = Path(tempfile.gettempdir()) / "livetui-test-npm" / PACKAGE.rpartition("@")[2]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "node_modules" / "@vscode" / "debugadapter-testsupport").is_dir():
            try:
                subprocess.run(["npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(folder),
                                PACKAGE], check=True, capture_output=True, timeout=60)
            except (subprocess.SubprocessError, OSError) as error:
                pytest.skip(f"npm's debug client cannot be had: {error}")
    return folder


testsupport.__test__ = False  # type: ignore[attr-defined]
EDITORS = {"own": OwnEditor, "npm": NpmEditor}
