"""Makes text of strangers safe to draw, and numbers easy to read."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

LINE_LIMIT = 2_000
"""Characters of one line that are drawn; the rest is counted. Longer lines are read in the pager."""

Piece = tuple[str, str]
"""Text and its role: `""`, `key`, `string`, `number`, `literal`, `dim`, `title`, `ok`, `error`, `warn`, `add`, …"""
Line = tuple[Piece, ...]

_PICTURES = {chr(code): chr(0x2400 + code) for code in range(32)} | {"\t": "    ", "\n": "␊", "\r": "␍", "\x7f": "␡"}
_NEEDS_CARE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_SGR = re.compile(r"\x1b\[[0-9;:]*[A-Za-z]")
_JSON = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*"?)(?P<colon>\s*:)?|(?P<number>-?\d[\d.eE+-]*)|(?P<literal>true|false|null)'
    r'|(?P<rest>[^"\d\-tfn]+|.)'
)


def safe(text: str) -> str:
    """`text` with all that could steer a terminal made visible: control, bidirectional, surrogate characters."""
    return _NEEDS_CARE.sub(_visible, text)


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return _PICTURES.get(found[0]) or (f"\\x{code:02x}" if code < 0xA0 else f"\\u{code:04x}")


def escaped(text: str) -> str:
    """`text` with the same characters, but for ends of lines and tabs, as escapes of JSON."""
    return _NEEDS_CARE.sub(lambda found: found[0] if found[0] in "\t\n\r" else f"\\u{ord(found[0]):04x}", text)


def without_colours(text: str) -> str:
    """`text` without the ANSI sequences that log libraries write for terminals."""
    return _SGR.sub("", text) if "\x1b" in text else text


def clipped(text: str) -> tuple[str, int]:
    """The first `LINE_LIMIT` characters, safe to draw, and how many are left out."""
    return safe(text[:LINE_LIMIT]), max(0, len(text) - LINE_LIMIT)


def line(text: str, role: str = "") -> Line:
    """One line with one role, clipped."""
    shown, left_out = clipped(text)
    return ((shown, role), (f" … {left_out:,} more characters", "dim")) if left_out else ((shown, role),)


def json_line(text: str) -> Line:
    """One line of indented JSON, coloured."""
    shown, left_out = clipped(text)
    pieces: list[Piece] = []
    for match in _JSON.finditer(shown):
        if match["text"] is not None:
            pieces.append((match["text"], "key" if match["colon"] else "string"))
            if match["colon"]:
                pieces.append((match["colon"], ""))
        elif match["number"] is not None:
            pieces.append((match["number"], "number"))
        elif match["literal"] is not None:
            pieces.append((match["literal"], "literal"))
        else:
            pieces.append((match["rest"], ""))
    if left_out:
        pieces.append((f" … {left_out:,} more characters", "dim"))
    return tuple(pieces)


def plain(pieces: Sequence[Piece]) -> str:
    """A line's text without its roles."""
    return "".join(text for text, _ in pieces)


def cut(pieces: Line, start: int, length: int) -> Line:
    """A stretch of a line, counted in characters."""
    found: list[Piece] = []
    at = 0
    for words, role in pieces:
        first, last = max(0, start - at), min(len(words), start + length - at)
        if first < last:
            found.append((words[first:last], role))
        at += len(words)
    return tuple(found)


def broken(words: str, room: int, hang: int) -> list[tuple[int, int]]:
    """Where a line is broken to fit into `room` cells: first and last character of each part, between words where it
    can be. All parts but the first leave `hang` cells free before them."""
    spans: list[tuple[int, int]] = []
    start, width = 0, room
    ascii = words.isascii()
    while start < len(words):
        end = min(len(words), start + max(1, width)) if ascii else _reach(words, start, width)
        if end < len(words):
            space = words.rfind(" ", start + (end - start) * 2 // 3, end)
            end = space + 1 if space > start else end
        spans.append((start, end))
        start, width = end, room - hang
    return spans or [(0, 0)]


def _reach(words: str, start: int, width: int) -> int:
    """The end of a stretch from `start` that fits into `width` cells; at least one character."""
    end = min(len(words), start + max(1, width))
    if cell_len(words[start:end]) > width:  # half of it fits in any case
        fits, end = start, end - 1
        while fits < end:
            middle = (fits + end + 1) // 2
            fits, end = (middle, end) if cell_len(words[start:middle]) <= width else (fits, middle - 1)
    return max(end, start + 1)


def fit(text: str, width: int, right: bool = False) -> str:
    """`text` in exactly `width` cells, shortened with an ellipsis."""
    if width <= 0:
        return ""
    if text.isascii():
        if len(text) > width:
            return text[: width - 1] + "…"
        return text.rjust(width) if right else text.ljust(width)
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    return " " * (width - length) + text if right else text + " " * (width - length)


def size(count: int | None) -> str:
    """Bytes for people: `812 B`, `1.2 KB`, `5.9 MB`."""
    if count is None:
        return "–"
    if count < 1000:
        return f"{count} B"
    for unit, scale in (("KB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if count < scale * 999.5:
            return f"{count / scale:.1f} {unit}" if count < scale * 9.95 else f"{count / scale:.0f} {unit}"
    return f"{count / 1e12:.1f} TB"


def ms(value: float | None) -> str:
    """Milliseconds in at most five characters: `0.4`, `12`, `3400`, `75 s`."""
    if value is None:
        return ""
    if value < 0.95:
        return f"{value:.1f}".rstrip("0").rstrip(".") or "0"
    return f"{value:.0f}" if value < 10_000 else f"{value / 1000:.0f} s"


def seconds(value: float) -> str:
    """Seconds as a stopwatch shows them: `8.2 s`, `41 s`, `3:07`."""
    if value < 10:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 60 else countdown(value)


def stopwatch(value: float) -> str:
    """Seconds in at most five characters: `8.2s`, `41s`, `3:07`, `245m`."""
    return seconds(value).replace(" ", "") if value < 600 else f"{value / 60:.0f}m"


def countdown(value: float) -> str:
    """Seconds left as `m:ss`, never below zero."""
    left = max(0, int(value))
    return f"{left // 60}:{left % 60:02d}"


def clock(when: float) -> str:
    """Local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(when))


def short_account(account: str) -> str:
    """An account id that is recognisable but not readable over a shoulder: `1234…9012`."""
    return f"{account[:4]}…{account[-4:]}" if len(account) > 8 else account
