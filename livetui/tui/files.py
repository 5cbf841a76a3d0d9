"""Files as people and tracebacks name them: to look for one never fails, whatever the name is."""

from __future__ import annotations

from pathlib import Path


def is_file(path: Path) -> bool:
    """Whether there is a file that may be looked at."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name, a folder that is closed to us
        return False


def named(root: Path, answer: str) -> Path:
    """The path that an answer means: below the root, absolute, or in somebody's home."""
    path = Path(answer.strip())
    try:
        return root / path.expanduser()
    except RuntimeError:  # there is no such user
        return root / path


def missing(root: Path, answer: str) -> str:
    """What is wrong with an answer that has to name a file; empty while there is none."""
    return "" if not answer or is_file(named(root, answer)) else f"{answer} is not there"
