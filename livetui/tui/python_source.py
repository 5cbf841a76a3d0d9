"""Python source as coloured lines."""

from __future__ import annotations

import ast
import io
import keyword
import token
import tokenize
from pathlib import Path

from livetui.errors import LivetuiError
from livetui.tui.text import LINE_LIMIT, Line, Piece, line, safe

LARGEST = 2_000_000
"""Bytes of a source file that is shown."""
COLOURED = 300_000
"""Characters up to which a file is coloured; a tenth of a second at most."""


def read_source(path: str) -> str:
    """A source file's text. Raises `LivetuiError` when it cannot be read or is no file a person would read."""
    try:
        file = Path(path)
        if file.stat().st_size > LARGEST:
            raise LivetuiError(f"{file.name} is too large to show.", f"It has more than {LARGEST:,} bytes.")
        with tokenize.open(path) as opened:
            return opened.read()
    except (OSError, SyntaxError, ValueError) as error:
        raise LivetuiError(f"{Path(path).name} cannot be read.", str(error)) from error


def first_statement(path: str, function: str) -> int:
    """The line on which a top-level function begins to work: a breakpoint there stops every call. 1 if none."""
    try:
        module = ast.parse(read_source(path))
    except (LivetuiError, SyntaxError, ValueError):
        return 1
    found = [node for node in module.body
             if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function]
    if not found:
        return 1
    body = found[-1].body
    return body[1 if ast.get_docstring(found[-1]) is not None and len(body) > 1 else 0].lineno


def painted(source: str) -> list[Line]:
    """The lines of a file, coloured as far as they are Python."""
    lines = source.split("\n")
    if len(source) > COLOURED:
        return [line(each) for each in lines]
    spans: list[list[tuple[int, int, str]]] = [[] for _ in lines]
    try:
        previous = ""
        for part in tokenize.generate_tokens(io.StringIO(source).readline):
            role = _role(part, previous)
            if part.type not in (token.NL, token.NEWLINE, token.INDENT, token.DEDENT):
                previous = part.string
            if role:
                _span(spans, lines, part, role)
    except (tokenize.TokenError, SyntaxError):  # a file that is being written: what was read so far is coloured
        pass
    return [_pieces(words, spans[at]) for at, words in enumerate(lines)]


def _role(part: tokenize.TokenInfo, previous: str) -> str:
    if part.type in (
        token.STRING,
        getattr(token, "FSTRING_START", -1),
        getattr(token, "FSTRING_MIDDLE", -1),
        getattr(token, "FSTRING_END", -1),
    ):
        return "string"
    if part.type == token.COMMENT:
        return "comment"
    if part.type == token.NUMBER:
        return "number"
    if part.type != token.NAME:
        return ""
    if part.string in ("True", "False", "None"):
        return "literal"
    if keyword.iskeyword(part.string):
        return "keyword"
    return "call" if previous in ("def", "class") else ""


def _span(spans: list[list[tuple[int, int, str]]], lines: list[str], part: tokenize.TokenInfo, role: str) -> None:
    (first, start), (last, end) = part.start, part.end
    for number in range(first, last + 1):
        if number <= len(lines):
            spans[number - 1].append(
                (start if number == first else 0, end if number == last else len(lines[number - 1]), role)
            )


def _pieces(words: str, spans: list[tuple[int, int, str]]) -> Line:
    pieces: list[Piece] = []
    at = 0
    for start, end, role in spans:
        if start > at:
            pieces.append((safe(words[at:start]), ""))
        if end > start and start < LINE_LIMIT:
            pieces.append((safe(words[start : min(end, LINE_LIMIT)]), role))
        at = max(at, end)
    if at < len(words):
        pieces.append((safe(words[at:LINE_LIMIT]), ""))
    return tuple(pieces) or (("", ""),)
