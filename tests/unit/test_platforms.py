"""What is different on macOS and Windows, as far as it can be shown on Linux: by the branch that is taken there."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from livetui.cloud import supervisor
from livetui.runtime.forkserver import can_fork_here
from livetui.tui.clipboard import to_system_clipboard

ROOT = Path(__file__).parents[2]
POSIX_ONLY = {"fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"}


def program(folder: Path, name: str, body: str) -> None:
    """A program of that name, first on the PATH that the test sets."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    path.chmod(0o755)


@pytest.mark.parametrize(("platform", "name", "variables"), [
    ("darwin", "pbcopy", {}), ("linux", "wl-copy", {"WAYLAND_DISPLAY": "wayland-0"}), ("linux", "xclip", {"DISPLAY": ":0"}),
    ("linux", "xsel", {"DISPLAY": ":0"}),
])
def test_each_system_has_its_own_clipboard_program(platform: str, name: str, variables: dict[str, str], tmp_path: Path,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, name, f"/bin/cat > {tmp_path}/copied")
    for variable in ("WAYLAND_DISPLAY", "DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in {"PATH": str(tmp_path), **variables}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert to_system_clipboard("ünïcode 👍")
    assert (tmp_path / "copied").read_text("utf-8") == "ünïcode 👍"


def test_a_clipboard_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "pbcopy", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not to_system_clipboard("words")


def test_workers_are_forked_on_linux_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVETUI_NO_FORK_SERVER", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert can_fork_here()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not can_fork_here()


@pytest.mark.parametrize(("system", "shared"), [("posix", True), ("nt", False)])
def test_a_port_is_never_shared_on_windows(system: str, shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as there:
        there.setattr(os, "name", system)
        listener = supervisor._listen("127.0.0.1", 0)
    with listener:
        assert bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)) == shared


def test_on_windows_the_local_cloud_ends_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "taskkill", f'echo "$@" > {tmp_path}/asked; kill -9 "$4"')
    gateway = subprocess.Popen(["/bin/sleep", "600"])
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with monkeypatch.context() as windows:
        windows.setattr(os, "name", "nt")
        supervisor._kill_group(gateway)
    assert (tmp_path / "asked").read_text("utf-8").split() == ["/T", "/F", "/PID", str(gateway.pid)]
    assert gateway.returncode is not None


def test_no_module_needs_posix_to_be_imported() -> None:
    found = {(path.relative_to(ROOT).as_posix(), name) for folder in ("livetui", "stub_runtime", "bootstrap")
             for path in (ROOT / folder).rglob("*.py")
             for node in ast.parse(path.read_text("utf-8")).body
             for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import)
                          else [node.module] if isinstance(node, ast.ImportFrom) else [])
             if name in POSIX_ONLY}
    assert found == set()
