"""Where a breakpoint belongs in the text of its file: which lines can stop, and where a line went in an edit."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import msgspec


class Anchor(msgspec.Struct, frozen=True):
    """The text of a line and of its neighbours, without indentation."""

    text: str = ""
    before: str = ""
    after: str = ""

    def __bool__(self) -> bool:
        return bool(self.text or self.before or self.after)

    def resembles(self, other: Anchor) -> bool:
        """Whether any of the three lines is the same."""
        return any(mine and mine == its for mine, its in zip(
            (self.text, self.before, self.after), (other.text, other.before, other.after), strict=True))


def anchor(path: str, line: int) -> Anchor:
    """What `find_again` needs to find this line after an edit; empty for a file that cannot be read."""
    lines = _lines(path)
    return Anchor(*(lines[at].strip() if 0 <= at < len(lines) else "" for at in (line - 1, line - 2, line)))


def find_again(path: str, line: int, was: Anchor) -> int:
    """The line where `was` is now: same text, best neighbours, nearest; else next to a neighbour; else as before."""
    lines = [text.strip() for text in _lines(path)]
    if not was or not lines:
        return line

    def likeness(at: int) -> tuple[int, int]:
        before = lines[at - 1] if at else ""
        after = lines[at + 1] if at + 1 < len(lines) else ""
        return (before == was.before) + (after == was.after), -abs(at + 1 - line)

    same = [at for at, text in enumerate(lines) if text == was.text] if was.text else []
    if same:
        return max(same, key=likeness) + 1
    beside = [at for at in range(len(lines)) if likeness(at)[0] == 2 or (likeness(at)[0] and lines[at])]
    if beside:
        return max(beside, key=likeness) + 1
    return min(line, len(lines))


def executable_line(path: str, line: int) -> tuple[int, bool, str]:
    """(line that stops, verified, why not), found as pydevd does: the line itself or the nearest above with code."""
    try:
        status = Path(path).stat()
    except OSError:
        return line, False, "There is no such file."
    lines = _stops(path, status.st_mtime_ns, status.st_size)
    if lines is None:
        return line, False, "The file does not compile."
    at = bisect.bisect_right(lines, line)
    return (lines[at - 1], True, "") if at else (line, False, "No line above this one has code.")


@functools.lru_cache(maxsize=64)
def _stops(path: str, stamp: int, size: int) -> list[int] | None:
    del stamp, size  # they make the cache follow the file
    try:
        return sorted(set(_code_lines(compile(Path(path).read_bytes(), path, "exec", dont_inherit=True))))
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def _code_lines(code: CodeType) -> Iterator[int]:
    # A function's first line is its `def`, which belongs to the code around it; line 0 is the module's own start.
    yield from (line for _, _, line in code.co_lines() if line)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_lines(constant)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []
