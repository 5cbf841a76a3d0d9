"""Turning Nagle's algorithm off touches sockets and nothing else."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stub_runtime.mqtt import set_no_delay

fcntl = pytest.importorskip("fcntl", reason="no POSIX locks here")


def test_file_locks_of_the_process_survive(tmp_path: Path) -> None:
    file = tmp_path / "history"
    with file.open("w") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        set_no_delay(1)
        other = subprocess.run([sys.executable, "-c", "import fcntl, sys\nwith open(sys.argv[1], 'w') as file:\n"
                                "    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)", file],
                               capture_output=True, check=False)
        assert other.returncode != 0, "the lock was lost"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir() and not Path("/dev/fd").is_dir(), reason="no descriptor folder")
def test_the_connection_to_the_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as connection:
            assert set_no_delay(port)
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert not set_no_delay(1)
