"""Where a breakpoint belongs in the text of its file: which lines can stop, and where a line went in an edit."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Iterator, Sequence
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


def anchor(path: str, line: int) -> Anchor:
    """What `find_again` needs to find this line after an edit; empty for a file that cannot be read."""
    lines = _lines(path)
    return Anchor(*(lines[at].strip() if 0 <= at < len(lines) else "" for at in (line - 1, line - 2, line)))


def find_again(path: str, wanted: Sequence[tuple[int, Anchor]]) -> list[int | None]:
    """The line where each of `wanted` (line and text, by line) is now; None where nothing resembles it.

    Same text, best neighbours, nearest; else next to a neighbour. Each line is taken once, and by those in the order
    in which they were, as far as that can be; an empty anchor stays where it is.
    """
    lines = [text.strip() for text in _lines(path)]
    found: list[int | None] = [None if was else line for line, was in wanted]
    if not lines:
        return found
    likely = [_likely(lines, line, was) for line, was in wanted]
    # What fits best in order: of all ways that end at a line or above, only the best one can become the best.
    ways: list[tuple[int, tuple[int, int], tuple[tuple[int, int], ...]]] = [(0, (0, 0), ())]
    for at, places in enumerate(likely):
        more = list(ways)
        for place, (likeness, nearness) in places.items():
            _, (sum_, near), taken = ways[bisect.bisect_left(ways, place, key=lambda way: way[0]) - 1]
            more.append((place, (sum_ + likeness, near + nearness), (*taken, (at, place))))
        ways = []
        for way in sorted(more, key=lambda way: (way[0], (-way[1][0], -way[1][1]))):
            if not ways or way[1] > ways[-1][1]:
                ways.append(way)
    for at, place in ways[-1][2]:
        found[at] = place
    for at, places in enumerate(likely):  # text that was moved past others
        free = {place: fit for place, fit in places.items() if place not in found}
        if found[at] is None and free:
            found[at] = max(free, key=lambda place: free[place])
    return found


def _likely(lines: list[str], line: int, was: Anchor) -> dict[int, tuple[int, int]]:
    """Lines that resemble `was`, each with how well and how near."""
    same, beside = dict[int, tuple[int, int]](), dict[int, tuple[int, int]]()
    for at, text in enumerate(lines):
        around = (lines[at - 1] if at else "", was.before), (lines[at + 1] if at + 1 < len(lines) else "", was.after)
        if was.text and text == was.text:
            same[at + 1] = 4 + sum(mine == its for mine, its in around), -abs(at + 1 - line)
        elif (alike := sum(bool(mine) and mine == its for mine, its in around)) and (text or alike == 2):
            beside[at + 1] = alike, -abs(at + 1 - line)
    return same or beside


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
