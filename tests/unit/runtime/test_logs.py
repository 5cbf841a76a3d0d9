"""Bytes of a worker's pipes become lines and records, wherever the reads happen to cut them."""

from __future__ import annotations

import itertools
import struct

from hypothesis import given
from hypothesis import strategies as st

from livetui.runtime.logs import Lines, Records

TOKEN = bytes(range(1, 17))
HEAD = struct.Struct(">IBH")


def chunk(record: int, more: bool, text: bytes) -> bytes:
    return TOKEN + HEAD.pack(record, more, len(text)) + text


def cut(content: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(content), *(place % (len(content) + 1) for place in places)})
    return [content[a:b] for a, b in itertools.pairwise(edges)]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"))), st.lists(st.integers(0, 10_000)))
def test_lines_survive_every_cut(lines: list[str], places: list[int]) -> None:
    seen: list[tuple[str, str]] = []
    sink = Lines("stdout", lambda stream, text: seen.append((stream, text)))
    for part in cut("".join(line + "\n" for line in lines).encode(), places):
        sink.feed(part)
    sink.finish()
    assert seen == [("stdout", line) for line in lines]


@given(st.lists(st.tuples(st.booleans(), st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1))),
       st.lists(st.integers(0, 10_000)))
def test_records_and_prints_keep_their_order_at_every_cut(entries: list[tuple[bool, str]], places: list[int]) -> None:
    seen: list[tuple[str, str]] = []
    sink = Records(TOKEN, lambda stream, text: seen.append((stream, text)))
    content = b"".join(chunk(n, False, text.encode()) if logged else text.encode() + b"\n"
                       for n, (logged, text) in enumerate(entries))
    for part in cut(content, places):
        sink.feed(part)
    sink.finish()
    assert seen == [("logging" if logged else "stdout", text) for logged, text in entries]


def test_chunks_of_two_records_may_be_interleaved() -> None:
    seen: list[str] = []
    sink = Records(TOKEN, lambda stream, text: seen.append(text))
    sink.feed(chunk(1, True, b"one, ") + chunk(2, True, b"two, ") + chunk(1, False, b"whole") + chunk(2, False, b"too"))
    assert seen == ["one, whole", "two, too"]


def test_what_is_no_utf8_is_shown_and_a_last_line_needs_no_newline() -> None:
    seen: list[str] = []
    sink = Lines("stderr", lambda stream, text: seen.append(text))
    sink.feed(b"\xff\x00ok\npartial")
    sink.finish()
    assert seen == ["\\xff\x00ok", "partial"]


def test_a_line_without_end_comes_in_pieces() -> None:
    seen: list[str] = []
    sink = Lines("stdout", lambda stream, text: seen.append(text))
    for _ in range(40):
        sink.feed(b"x" * 65_536)
    assert len(seen) == 2
    sink.finish()
    assert sum(map(len, seen)) == 40 * 65_536
