"""The system's clipboard, through whichever program there is for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


def _commands() -> list[list[str]]:
    if sys.platform == "darwin":
        return [["pbcopy"]]
    found: list[list[str]] = []
    if os.environ.get("WAYLAND_DISPLAY"):
        found.append(["wl-copy"])
    if os.environ.get("DISPLAY"):
        found += [["xclip", "-selection", "clipboard"], ["xsel", "--clipboard", "--input"]]
    return found


def to_system_clipboard(words: str) -> bool:
    """Hand `words` to the system's clipboard; False where there is none, as over SSH."""
    for command in _commands():
        if shutil.which(command[0]) is None:
            continue
        try:
            subprocess.run(
                command,
                input=words.encode("utf-8", "replace"),
                timeout=3,
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        return True
    return False
