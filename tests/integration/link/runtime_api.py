"""A minimal Lambda Runtime API with one real runtime client (awslambdaric) behind it: what a caller would see.

The local cloud rewrites errors and cannot freeze an environment; this can. Nothing else of Lambda is imitated.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[3]


@dataclass
class Result:
    """What the runtime client posted for one invocation."""

    kind: str
    """`response`, `error` or `exit`."""
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class _Pending:
    event: bytes
    request_id: str
    deadline_ms: int
    client_context: str
    done: queue.SimpleQueue[Result] = field(default_factory=queue.SimpleQueue)


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A runtime client that is killed resets its connection; that is no news."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Environment:
    """One execution environment: a process of awslambdaric that runs `handler`."""

    def __init__(self, handler: str, environ: dict[str, str], python_path: tuple[Path, ...] = (ROOT,)) -> None:
        self._next: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._running: dict[str, _Pending] = {}
        self.log: list[str] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._closing = False
        self._serving = threading.Thread(target=self._serve)
        self._serving.start()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", handler], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**{k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR", "LANG")},
                 "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_address[1]}",
                 "AWS_LAMBDA_FUNCTION_NAME": "orders", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                 "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/orders",
                 "AWS_LAMBDA_LOG_STREAM_NAME": "stream", "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
                 "PYTHONPATH": os.pathsep.join(map(str, python_path)), "PYTHONDONTWRITEBYTECODE": "1", **environ})
        self._reading = threading.Thread(target=self._read_log)
        self._reading.start()

    def invoke(self, event: bytes, timeout: float = 30.0, request_id: str = "", client_context: str = "") -> Result:
        """Run one invocation and wait for its end, at most a little longer than its deadline."""
        pending = _Pending(event, request_id or str(uuid.uuid4()), int((time.time() + timeout) * 1000), client_context)
        self._next.put(pending)
        try:
            return pending.done.get(timeout=timeout + 5)
        except queue.Empty:
            return Result("timeout", b"")

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def close(self) -> None:
        self._next.put(None)
        self.process.kill()
        self.process.wait()
        self._closing = True
        with contextlib.suppress(OSError):
            socket.create_connection(self._server.server_address[:2]).close()  # wakes it
        self._serving.join()
        self._server.server_close()
        self._reading.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    def _serve(self) -> None:
        """Without `serve_forever`, which looks at a clock: twenty of those would be a load of their own."""
        while not self._closing:
            self._server.handle_request()

    def _read_log(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line.decode("utf-8", "replace"))
        self.process.stdout.close()
        for pending in list(self._running.values()):
            pending.done.put(Result("exit", b""))

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        environment = self

        class Api(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                pending = environment._next.get()
                if pending is None:
                    self.close_connection = True
                    return
                environment._running[pending.request_id] = pending
                self.send_response(200)
                headers = {"Lambda-Runtime-Aws-Request-Id": pending.request_id,
                           "Lambda-Runtime-Deadline-Ms": str(pending.deadline_ms),
                           "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:1:function:orders",
                           "Lambda-Runtime-Trace-Id": "Root=1-2-3;Sampled=1", "Content-Type": "application/json",
                           "Content-Length": str(len(pending.event))}
                if pending.client_context:
                    headers["Lambda-Runtime-Client-Context"] = pending.client_context
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(pending.event)
                self.wfile.flush()

            def do_POST(self) -> None:
                if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                    body = b""
                    while (size := int(self.rfile.readline(), 16)) > 0:
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self._hand_over(body)
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                self.wfile.flush()

            def _hand_over(self, body: bytes) -> None:
                parts = self.path.split("/")
                if parts[-2] == "init":
                    environment.log.append("init error: " + body.decode())
                    for pending in environment._running.values():
                        pending.done.put(Result("init", body))
                    return
                pending = environment._running.pop(parts[-2], None)
                if pending is not None:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    pending.done.put(Result(parts[-1], body, headers))

        return Api
