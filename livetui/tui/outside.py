"""The user's own editor and pager, with the console out of the way meanwhile."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from textual.app import App, SuspendNotSupported

from livetui.errors import LivetuiError

_LINE_FLAGS = {"code": ["--goto"], "codium": ["--goto"], "cursor": ["--goto"], "subl": [], "zed": []}
"""Editors that take `FILE:LINE`; all others take `+LINE FILE`."""


def editor_command(path: str, line: int | None = None) -> list[str]:
    """The command that opens a file in `$VISUAL`, `$EDITOR` or vi. Raises `LivetuiError` when there is none."""
    words = _words(os.environ.get("VISUAL") or os.environ.get("EDITOR") or shutil.which("vi") or "")
    if not words or shutil.which(words[0]) is None:
        raise LivetuiError(
            "There is no editor.",
            f"$EDITOR is {' '.join(words)!r}." if words else "$EDITOR is not set.",
            "Set EDITOR, such as EDITOR=nano.",
        )
    name = Path(words[0]).stem
    if line is None:
        return [*words, path]
    return [*words, *_LINE_FLAGS[name], f"{path}:{line}"] if name in _LINE_FLAGS else [*words, f"+{line}", path]


def pager_command(path: str) -> list[str]:
    """The command that shows a file in `$PAGER` or less. Raises `LivetuiError` when there is none."""
    words = _words(os.environ.get("PAGER") or "") or ["less"]
    if shutil.which(words[0]) is None:
        raise LivetuiError("There is no pager.", f"{words[0]!r} is not installed.", "Set PAGER, such as PAGER=less.")
    return [*words, path]


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # a quote that is never closed: the name of a program that is not there
        return [command]


def run_outside(app: App[int], command: list[str]) -> None:
    """Give the terminal to a program until it ends, and ctrl+c with it: less stops following, the console stays.

    Raises `LivetuiError` where the terminal cannot be given away.
    """
    try:
        with app.suspend(), _without_interrupts():
            subprocess.run(command, check=False)
    except SuspendNotSupported as error:
        raise LivetuiError("This terminal cannot be handed to another program.", str(error)) from error
    except OSError as error:
        raise LivetuiError(f"{command[0]} could not be started.", str(error)) from error


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """The terminal sends ctrl+c to both. A handler is not handed on to the program, as ignoring would be."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def text_file(words: str | bytes, suffix: str) -> Iterator[Path]:
    """A private temporary file with the text, gone afterwards. Raises `LivetuiError` when it cannot be written or
    read."""
    try:
        with tempfile.TemporaryDirectory(prefix="livetui-", ignore_cleanup_errors=True) as folder:
            path = Path(folder, f"invocation{suffix}")
            path.write_bytes(words if isinstance(words, bytes) else words.encode("utf-8", "replace"))
            yield path
    except OSError as error:
        raise LivetuiError("The text could not be handed to another program.", str(error)) from error
