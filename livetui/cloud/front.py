"""A plain HTTP door on loopback to the APIs of the local cloud, so that what is printed works in curl and a browser.

`http://localhost:PORT/API-ID/orders/7` (any client) and `http://API-ID.localhost:PORT/orders/7` (curl, browsers) reach
what AWS would serve at `https://API-ID.execute-api.REGION.amazonaws.com/orders/7`; ids of function URLs work the same.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import ssl
import sys
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MAX_REQUEST_BYTES = 10 * 1024 * 1024
"""API Gateway's own limit of a request's body."""
MAX_RESPONSE_BYTES = 32 * 1024 * 1024
_IDLE_TIMEOUT_S = 75
# A function URL waits as long as its function may run: 15 minutes.
_ANSWER_TIMEOUT_S = 930
_HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
})

_API_ID = r"[0-9a-f]{8}"
_URL_ID = r"[0-9a-z]{32}"
_IN_PATH = re.compile(rf"/({_API_ID}|{_URL_ID})(?=[/?#]|$)")
_IN_HOST = re.compile(rf"({_API_ID}|{_URL_ID})\.localhost")
_OUTPUTS = tuple(re.compile(pattern) for pattern in (
    rf"https?://({_API_ID})\.execute-api\.[\w.-]+(?::\d+)?((?:[/?#].*)?)",
    rf"https?://({_URL_ID})\.lambda-url\.[\w.-]+(?::\d+)?((?:[/?#].*)?)",
    rf"https?://[\w.-]+(?::\d+)?/_aws/(?:execute-api|lambda-url)/({_API_ID}|{_URL_ID})((?:/.*)?)",
))


def public_url(url: str, front_port: int) -> str:
    """The address of a stack output's API or function URL on the front; any other string unchanged."""
    for pattern in _OUTPUTS:
        if found := pattern.fullmatch(url):
            rest = found[2].removeprefix("/$default") if "/_aws/" in url else found[2]
            return f"http://localhost:{front_port}/{found[1]}{rest or '/'}"
    return url


class Front:
    """Serves the front on sockets that are already bound and listening, until `close()`."""

    def __init__(self, sockets: Iterable[socket.socket], gateway: tuple[str, int], ca: str, region: str) -> None:
        self._servers = [_Server(sock, gateway, ca, region) for sock in sockets]
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.1,), name="cloud-front", daemon=True)
            for server in self._servers
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop listening; answers on their way are dropped."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, sock: socket.socket, gateway: tuple[str, int], ca: str, region: str) -> None:
        super().__init__(sock.getsockname()[:2], _Request, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self.gateway = gateway
        self.region = region
        self.tls = ssl.create_default_context(cafile=ca)

    def upstream_host(self, resource_id: str) -> str:
        """The Host header by which the gateway knows an API or a function URL."""
        if len(resource_id) == 8:
            return f"{resource_id}.execute-api.localhost:{self.gateway[1]}"
        return f"{resource_id}.lambda-url.{self.region}.on.aws"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong, except that a client hung up in the middle of an answer: its own affair."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Request(BaseHTTPRequestHandler):
    """One connection of a client."""

    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_TIMEOUT_S
    # Headers and body leave in one packet each; without it the second one waits for the first one's delayed ACK.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        try:
            resource_id, target = self._target()
            body = self._body()
            self._forward(resource_id, target, body)
        except _RefusedError as refused:
            self._say(refused.status, str(refused))
        except TimeoutError:
            self._say(504, "The API did not answer in time.")
        except (OSError, http.client.HTTPException) as error:
            self._say(502, f"The local cloud did not answer: {error}")

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

    def _target(self) -> tuple[str, str]:
        """The API's id and the path (with query) that the API is to see."""
        host = _host_name(self.headers.get("Host", ""))
        if host not in ("localhost", "127.0.0.1", "::1") and not host.endswith(".localhost"):
            # A page of another site whose name was re-bound to 127.0.0.1 must not reach the developer's API.
            raise _RefusedError(421, "This address serves localhost only.")
        if "upgrade" in self.headers.get("Connection", "").lower():
            raise _RefusedError(501, "WebSocket APIs are not served here; connect to the local cloud's gateway itself.")
        if not self.path.startswith("/"):
            raise _RefusedError(400, "Only paths are served here; this is no proxy.")
        if named := _IN_HOST.fullmatch(host):
            return named[1], self.path
        if named := _IN_PATH.match(self.path):
            rest = self.path[named.end():]
            return named[1], rest if rest.startswith("/") else f"/{rest}"
        raise _RefusedError(404, "The APIs of the livetui local cloud are at /API-ID/…, for example the ApiUrl that a "
                            "stack's outputs name.")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunked_body()
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdigit():
            raise _RefusedError(400, "Content-Length is not a number.")
        if int(length) > MAX_REQUEST_BYTES:
            raise _RefusedError(413, f"A request may have {MAX_REQUEST_BYTES} bytes, as with API Gateway.")
        return self.rfile.read(int(length))

    def _chunked_body(self) -> bytes:
        parts: list[bytes] = []
        total = 0
        while True:
            try:
                size = int(self.rfile.readline(1024).split(b";")[0], 16)
            except ValueError as error:
                raise _RefusedError(400, "The chunked body is malformed.") from error
            total += size
            if size < 0 or total > MAX_REQUEST_BYTES:
                raise _RefusedError(413, f"A request may have {MAX_REQUEST_BYTES} bytes, as with API Gateway.")
            if size == 0:
                while self.rfile.readline(65_536).strip():
                    pass
                return b"".join(parts)
            parts.append(self.rfile.read(size))
            self.rfile.readline(1024)

    def _forward(self, resource_id: str, target: str, body: bytes) -> None:
        address, port = self.server.gateway
        upstream = http.client.HTTPSConnection(address, port, context=self.server.tls, timeout=_ANSWER_TIMEOUT_S)
        with contextlib.closing(upstream):
            upstream.putrequest(self.command, target, skip_host=True, skip_accept_encoding=True)
            upstream.putheader("Host", self.server.upstream_host(resource_id))
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP | {"host", "content-length"}:
                    upstream.putheader(name, value)
            if body or self.command in ("POST", "PUT", "PATCH"):
                upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body)
            response = upstream.getresponse()
            answer = response.read(MAX_RESPONSE_BYTES + 1)
        if len(answer) > MAX_RESPONSE_BYTES:
            raise _RefusedError(502, f"The answer has more than {MAX_RESPONSE_BYTES} bytes.")
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in _HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        self._finish(response.status, answer, response.getheader("Content-Length"))

    def _say(self, status: int, message: str) -> None:
        """An answer of the front itself. The request's body may be unread, so the connection ends with it."""
        self.close_connection = True
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self._finish(status, json.dumps({"message": message}).encode() + b"\n", None)

    def _finish(self, status: int, answer: bytes, stated_length: str | None) -> None:
        if status >= 200 and status not in (204, 304):
            # HEAD has the length that GET would have, and no body.
            length = stated_length if self.command == "HEAD" and stated_length else str(len(answer))
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are the console's to show, not stderr's."""


def _host_name(header: str) -> str:
    """The name in a Host header, without port and brackets, in lower case."""
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:]+)\](?::\d+)?", header)
    return bracketed[1].lower() if bracketed else header.partition(":")[0].rstrip(".").lower()
