"""Which part of which line of a document each row of a pane shows: long lines are broken, those looked at first."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from time import monotonic

from rich.cells import cell_len

from livetui.tui.documents import Document
from livetui.tui.text import LINE_LIMIT, Line, broken, cut, plain

WHOLE = (0, LINE_LIMIT * 2)
"""The part of a line that fits."""
_CHUNK = 8
"""Lines that are broken between two looks at the clock."""


class Layout:
    """Rows in the order of the document's lines. Without `room` (cells) each line is one row.

    With it, every line is one row until `grow` comes to it: it begins at the line `around` and works its way to both
    ends, so that what is looked at is right at once, however long the document is.
    """

    def __init__(
        self, document: Document, folds: Mapping[int, int], room: int | None = None, around: int = 0
    ) -> None:
        self._document = document
        self._folds = folds
        self._room = room
        shown = _unfolded(folds, len(document)) if folds else range(len(document))
        self._lines: Sequence[int] = shown
        self._spans: list[tuple[int, int]] | None = None
        self._above = self._below = 0
        if room is not None:
            self._lines, self._spans = list(shown), [WHOLE] * len(shown)
            self._above = bisect_left(shown, around)
            self._below = len(shown) - self._above

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def growing(self) -> bool:
        """Whether lines are left to be broken."""
        return bool(self._above or self._below)

    @property
    def wraps(self) -> bool:
        """Whether long lines are broken."""
        return self._spans is not None

    def line(self, row: int) -> int:
        """The document's line on a row."""
        return self._lines[row]

    def row(self, line: int) -> int:
        """The first row of a line; of a folded one, that of the fold."""
        last = bisect_right(self._lines, line) - 1
        return bisect_left(self._lines, self._lines[last]) if last >= 0 else 0

    def shown(self) -> Sequence[int]:
        """The lines that are not folded, some of them several times."""
        return self._lines

    def place(self, row: int) -> tuple[int, tuple[int, int]]:
        """What a row shows: the line, and which characters of it."""
        return self._lines[row], WHOLE if self._spans is None else self._spans[row]

    def pieces(self, row: int) -> Line:
        """What a row shows, painted."""
        pieces = self._document.line(self._lines[row])
        if self._spans is None or self._spans[row] is WHOLE:
            return pieces
        start, end = self._spans[row]
        part = cut(pieces, start, end - start)
        return part if start == 0 else ((" " * self._hang(plain(pieces)), ""), *part)

    # -- changes ---------------------------------------------------------------------------------------------------

    def grow(self, seconds: float, least: int = 0, rows: Sequence[int] = ()) -> list[int]:
        """Break lines for so long, but at least so many on either side. Gives where `rows` have gone by that."""
        ends, moved = monotonic() + seconds, list(rows)
        while self.growing and (least > 0 or monotonic() < ends):
            if self._below:
                count = min(_CHUNK, self._below)
                moved = self._break(len(self._lines) - self._below, count, moved)
                self._below -= count
            if self._above and (least > 0 or monotonic() < ends):
                count = min(_CHUNK, self._above)
                moved = self._break(self._above - count, count, moved)
                self._above -= count
            least -= _CHUNK
        return moved

    def _break(self, start: int, count: int, rows: list[int]) -> list[int]:
        assert isinstance(self._lines, list)
        assert self._spans is not None
        lines: list[int] = []
        spans: list[tuple[int, int]] = []
        moved = list(rows)
        for at in range(start, start + count):
            parts = self._parts(self._lines[at])
            moved = [start + len(lines) if row == at else to for row, to in zip(rows, moved, strict=True)]
            lines += [self._lines[at]] * len(parts)
            spans += parts
        self._lines[start : start + count], self._spans[start : start + count] = lines, spans
        return [
            row + len(lines) - count if row >= start + count else to for row, to in zip(rows, moved, strict=True)
        ]

    def _parts(self, line: int) -> list[tuple[int, int]]:
        content, room = self._document.lines[line], self._room
        assert room is not None
        if line in self._folds or (isinstance(content, str) and len(content) <= room and content.isascii()):
            return [WHOLE]
        words = plain(self._document.line(line))
        return [WHOLE] if cell_len(words) <= room else broken(words, room, self._hang(words))

    def _hang(self, words: str) -> int:
        assert self._room is not None
        return min(len(words) - len(words.lstrip(" ")) + self._document.hang, self._room // 2)

    def append(self, count: int) -> None:
        """So many lines were added to the end of the document; `grow` breaks them."""
        total = len(self._document)
        if self._spans is None:
            self._lines = range(total)
            return
        assert isinstance(self._lines, list)
        self._lines += range(total - count, total)
        self._spans += [WHOLE] * count
        self._below += count

    def drop(self, count: int) -> int:
        """So many lines were taken away from its beginning. Gives how many rows have gone with them."""
        rows = bisect_left(self._lines, count)
        if self._spans is None:
            self._lines = range(len(self._document))
            return rows
        self._lines = [line - count for line in self._lines[rows:]]
        del self._spans[:rows]
        self._above = max(0, self._above - rows)
        self._below = min(self._below, len(self._lines))
        return rows


def _unfolded(folds: Mapping[int, int], total: int) -> list[int]:
    order: list[int] = []
    at = 0
    while at < total:
        order.append(at)
        at = folds[at] + 1 if at in folds else at + 1
    return order
