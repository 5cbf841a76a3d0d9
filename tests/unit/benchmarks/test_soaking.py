"""The soak's own parts: a judge that can say no, and a proxy that really breaks connections."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.soaking.faults import FaultProxy
from benchmarks.soaking.project import PAUSE_LINE, Project
from benchmarks.soaking.traffic import judge


def answer(**values: Any) -> bytes:
    return json.dumps(values).encode()


@pytest.mark.parametrize(("pad", "fail", "error", "payload", "verdict"), [
    ("", False, "", answer(token="mine"), "ok"),
    ("ab", False, "", answer(token="mine", pad="ab"), "ok"),
    ("ab", False, "", answer(token="mine", pad="a"), "wrong"),
    ("", False, "", answer(token="another's"), "wrong"),
    ("", False, "", b"null", "wrong"),
    ("", True, "", answer(token="mine"), "wrong"),
    ("", True, "Unhandled", answer(errorType="DeclinedError", errorMessage="mine"), "ok"),
    ("", True, "Unhandled", answer(errorType="Runtime.HandlerError", errorMessage="mine"), "ok"),
    ("", True, "Unhandled", answer(errorType="DeclinedError", errorMessage="another's"), "wrong"),
    ("", False, "Unhandled", answer(errorType="DeclinedError", errorMessage="another's"), "wrong"),
    ("", False, "Unhandled", answer(errorType="Runtime.HandlerError", errorMessage="LivetuiOffline: no"),
     "typed error"),
    ("", False, "Unhandled", answer(errorType="LivetuiTimeout", errorMessage="late"), "typed error"),
    ("", False, "Unhandled", answer(errorMessage="Task timed out after 20.00 seconds"), "lost"),
])
def test_an_answer_is_judged_by_what_its_caller_sent(pad: str, fail: bool, error: str, payload: bytes,
                                                     verdict: str) -> None:
    assert judge("mine", pad, fail, error, payload)[0] == verdict


def test_the_breakpoint_of_the_project_is_on_a_line_that_knows_the_token(tmp_path: Path) -> None:
    project = Project(tmp_path / "soak")
    lines = project.pause_path.read_text("utf-8").splitlines()
    assert "token = " in lines[PAUSE_LINE - 2]
    assert "execute(token)" in lines[PAUSE_LINE - 1]


@pytest.mark.parametrize("release", [0, 7])
def test_the_code_that_is_saved_compiles_and_names_its_release(tmp_path: Path, release: int) -> None:
    project = Project(tmp_path / "soak")
    project.save(release)
    source = (project.folder / "src" / "count.py").read_text("utf-8")
    compile(source, "count.py", "exec")
    assert f"RELEASE = {release}" in source


class Echo:
    """A server that sends back what it hears."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=[connection], daemon=True).start()

    @staticmethod
    def _echo(connection: socket.socket) -> None:
        with connection:
            try:
                while heard := connection.recv(1000):
                    connection.sendall(heard)
            except OSError:
                return

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    echo = Echo()
    running = FaultProxy("127.0.0.1", echo.port).start()
    yield running
    running.stop()
    echo.close()


def dial(proxy: FaultProxy) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    connection.sendall(b"hello")
    assert connection.recv(100) == b"hello"
    return connection


def test_a_cut_resets_connections_and_new_ones_work(proxy: FaultProxy) -> None:
    with dial(proxy) as connection:
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
    with dial(proxy):
        pass


def test_while_it_refuses_no_connection_is_served(proxy: FaultProxy) -> None:
    with dial(proxy) as connection:
        proxy.refuse(60)
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
    with pytest.raises(OSError), dial(proxy):
        pass


def test_what_is_said_during_a_stall_arrives_after_it(proxy: FaultProxy) -> None:
    with dial(proxy) as connection:
        proxy.stall(0.5)
        connection.settimeout(0.1)
        heard = b""
        silent = 0
        connection.sendall(b"later")
        while not heard and silent < 50:
            try:
                heard = connection.recv(100)
            except TimeoutError:
                silent += 1
        assert heard == b"later"
        assert silent > 0
