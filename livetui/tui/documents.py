"""Texts that panes show line by line: lazily painted, foldable where they are JSON, bounded whatever the payload is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import msgspec

from livetui.session.secret_lines import mask_lines, member
from livetui.session.secrets import MASK, mask_json, mask_text
from livetui.tui.text import LINE_LIMIT, Line, Piece, json_line, line, plain, size

TEXT_LIMIT = 1_000_000
"""Characters of one payload that a pane shows; the pager shows the rest."""

LONG_STRING = 500
"""Characters of a string that are shown of a payload that is too large to be shown whole."""

MASKED_WHOLE = 512_000
"""Bytes up to which a payload is taken apart to mask it; larger ones are masked line by line."""


class Target(msgspec.Struct, frozen=True):
    """A place in source code that a line points at."""

    path: str
    line: int


class Unpainted(Protocol):
    """A line that is painted when it is looked at: there may be more of them than anyone reads."""

    def painted(self) -> Line:
        """As it is drawn."""


class Document(msgspec.Struct):
    """Lines of a pane. A `str` is a line of JSON that is painted when it is drawn, a tuple is painted already."""

    lines: Sequence[str | Line | Unpainted]
    note: str = ""
    """One line for the pane's lower border, such as its size."""
    targets: dict[int, Target] = msgspec.field(default_factory=dict)
    source: str | bytes = ""
    """The whole text, which the pager gets; without it, the lines."""
    masked: bool = False
    """Whether secrets in the source are to be masked."""
    wrap: bool = False
    """Whether long lines go on in the next one instead of beyond the border."""
    hang: int = 0
    """Cells by which the further parts of a wrapped line stand in, beyond the line's own indentation."""
    values: dict[int, str] = msgspec.field(default_factory=dict)
    """What is copied of a painted line, where that is not the line itself."""
    backs: dict[int, str] = msgspec.field(default_factory=dict)
    """Lines with a background of their own, by role."""
    kind: str = "json"
    """What the source is: `json`, `text`, `log`; the pager's file gets it as its suffix."""
    nothing: bool = False
    """Whether it only says why there is nothing to see."""

    def __len__(self) -> int:
        return len(self.lines)

    def line(self, index: int) -> Line:
        """A line, painted."""
        content = self.lines[index]
        if isinstance(content, str):
            return json_line(content)
        return content if isinstance(content, tuple) else content.painted()

    def text(self, index: int) -> str:
        """A line's text as it is, for search and copying."""
        content = self.lines[index]
        return content if isinstance(content, str) else plain(self.line(index))

    def whole(self) -> bytes:
        """All of it, for the pager: JSON indented, secrets masked where they are. Call it in a thread."""
        source = self.source or "\n".join(map(self.text, range(len(self))))
        body = source if isinstance(source, bytes) else source.encode("utf-8", "replace")
        body = masked_json(body) if self.masked else body
        try:
            return msgspec.json.format(body, indent=2) if self.kind == "json" else body
        except (msgspec.DecodeError, RecursionError):
            return body

    def closing(self, index: int) -> int | None:
        """The line that closes the object or array opened on a line."""
        content = self.lines[index]
        if not isinstance(content, str) or content[-1:] not in ("{", "["):
            return None
        depth = _indent(content)
        for at in range(index + 1, len(self.lines)):
            other = self.lines[at]
            if not isinstance(other, str):
                return None
            if _indent(other) <= depth:
                return at
        return None

    def outermost(self, first: int) -> dict[int, int]:
        """The objects and arrays from a line on that lie in no other one: where each opens and closes."""
        closes: dict[int, int] = {}
        opened: list[tuple[int, int]] = []
        for at in range(first, len(self.lines)):
            content = self.lines[at]
            if not isinstance(content, str):  # what was opened above is cut off here
                opened.clear()
                continue
            depth = _indent(content)
            while opened and depth <= opened[-1][1]:
                closes[opened.pop()[0]] = at
            if content[-1:] in ("{", "["):
                opened.append((at, depth))
        found: dict[int, int] = {}
        after = first
        for at in sorted(closes):
            if at >= after:
                found[at] = after = closes[at]
        return found

    def folded(self, index: int, end: int) -> Line:
        """The line that stands for a folded object or array."""
        content = self.text(index)
        inner = _indent(content) + 2
        count = sum(
            1 for at in range(index + 1, end) if _indent(self.text(at)) == inner and self.text(at)[inner] not in "]}"
        )
        word = ("key" if content[-1] == "{" else "item") + ("" if count == 1 else "s")
        return (*json_line(content), (f" {count} {word} ", "dim"), *json_line(self.text(end).strip()))

    def path(self, index: int) -> str:
        """Where a line stands, as `jq` writes it: `.headers.accept`, `.Records[3].body`."""
        steps: list[str] = []
        at = index
        while at >= 0 and isinstance(self.lines[at], str):
            text = self.text(at)
            depth = _indent(text)
            if text.strip()[:1] in ("}", "]"):
                at = self._opening(at)
                continue
            if depth == 0:
                break
            key, _ = member(text)
            above = self._parent(at, depth)
            if key is not None:
                steps.append(f".{key}" if re.fullmatch(r"[A-Za-z_]\w*", key) else f'["{key}"]')
            else:
                items = sum(
                    1
                    for i in range(above + 1, at)
                    if _indent(self.text(i)) == depth and self.text(i).strip()[:1] not in ("}", "]")
                )
                steps.append(f"[{items}]")
            at = above
        return "".join(reversed(steps)) or "."

    def value(self, index: int) -> str:
        """The JSON value that begins on a line, without indentation of its surroundings; other lines as they are."""
        content = self.lines[index]
        if not isinstance(content, str):
            return self.values.get(index) or plain(self.line(index))
        end = self.closing(index)
        first = member(content)[1]
        if end is None:
            return first
        depth = _indent(content)
        rest = [self.text(at)[depth:] for at in range(index + 1, end + 1)]
        return "\n".join([first, *rest]).removesuffix(",")

    def _parent(self, index: int, depth: int) -> int:
        while index > 0 and _indent(self.text(index)) >= depth:
            index -= 1
        return index

    def _opening(self, index: int) -> int:
        depth = _indent(self.text(index))
        index -= 1
        while index > 0 and _indent(self.text(index)) > depth:
            index -= 1
        return index


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


def empty(text: str) -> Document:
    """A document that says why there is nothing to see."""
    return Document([line(text, "dim")], kind="text", nothing=True, wrap=True, hang=0)


def of_lines(
    lines: Sequence[str | Line],
    note: str = "",
    targets: dict[int, Target] | None = None,
    kind: str = "text",
    wrap: bool = False,
    hang: int = 2,
) -> Document:
    """A document of painted lines, and of JSON among them."""
    words = "\n".join(each if isinstance(each, str) else plain(each) for each in lines)
    return Document(lines, note, targets or {}, words, kind=kind, wrap=wrap, hang=hang)


def formatted(payload: bytes) -> tuple[list[str] | None, str]:
    """A payload as lines of indented JSON, at most `TEXT_LIMIT` characters; None and the reason when it is no JSON."""
    try:
        pretty = msgspec.json.format(payload, indent=2)
        # The formatter does not look inside strings: what is not text would surface as broken characters.
        text = pretty[: TEXT_LIMIT * 4].decode("utf-8", "replace")
    except RecursionError:
        return None, "nested too deeply to indent"
    except msgspec.DecodeError as error:
        return None, f"not JSON: {error}"
    return (text.split("\n"), "") if len(text) <= TEXT_LIMIT else _shortened(pretty)


def _shortened(pretty: bytes) -> tuple[list[str], str]:
    """As many lines as may be shown. Long strings are cut first: what stands behind them matters as much."""
    lines: list[str] = []
    left, at, cut_off = TEXT_LIMIT, 0, 0
    while at < len(pretty) and left > 0:
        found = pretty.find(b"\n", at)
        end = found if found >= 0 else len(pretty)
        words = pretty[at : min(end, at + LINE_LIMIT)].decode("utf-8", "replace")
        if end - at > LINE_LIMIT:
            over = end - at - LONG_STRING
            comma = "," if pretty[end - 1 : end] == b"," else ""
            words = f'{words[:LONG_STRING]}… {size(over)} more"{comma}'
            cut_off += 1
        lines.append(words)
        left -= len(words) + 1
        at = end + 1
    told = f"{cut_off} long string{'' if cut_off == 1 else 's'} cut" if cut_off else ""
    rest = f"{size(len(pretty) - at)} more indented" if at < len(pretty) else ""
    return lines, " · ".join(part for part in (told, rest) if part)


def of_json(payload: bytes, masked: bool = False, note: str = "") -> Document:
    """A document of a JSON payload, or of its plain text when it cannot be indented; `masked` hides its secrets."""
    whole = len(payload) <= MASKED_WHOLE
    shown = mask_json(payload) if masked and whole else payload
    lines, trouble = formatted(shown)
    content: list[str | Line]
    if lines is None:
        words = shown[:TEXT_LIMIT].decode("utf-8", "replace")
        content = [line(each) for each in (mask_text(words) if masked else words).split("\n")]
        if len(payload) > TEXT_LIMIT:
            trouble += f", {size(len(payload) - TEXT_LIMIT)} more"
    else:
        if masked and not whole:
            mask_lines(lines)
        content = list(lines)
    hidden = sum(MASK in each for each in lines or ()) if masked else 0
    if trouble:
        content.append((("… ", "dim"), (trouble, "warn"), (" · o opens all of it in the pager", "dim")))
    notes = (size(len(payload)), note, f"{hidden} masked, u shows" if hidden else "")
    told = " · ".join(part for part in notes if part)
    return Document(content, told, source=payload, masked=masked, wrap=True, hang=2)


def masked_json(payload: bytes) -> bytes:
    """`payload` with its secrets masked. Call it in a thread.

    A large one line by line, and so indented if there are any: to parse it whole would hold the interpreter, and the
    link with it.
    """
    if len(payload) <= MASKED_WHOLE:
        return mask_json(payload)
    try:
        lines = msgspec.json.format(payload, indent=2).decode("utf-8", "replace").split("\n")
    except (msgspec.DecodeError, RecursionError):
        return mask_text(payload.decode("utf-8", "replace")).encode("utf-8", "replace")
    before = list(lines)
    mask_lines(lines)
    return payload if lines == before else "\n".join(lines).encode("utf-8", "replace")


def joined(documents: Sequence[Document], note: str = "") -> Document:
    """Several documents below one another."""
    lines: list[str | Line | Unpainted] = []
    targets: dict[int, Target] = {}
    for document in documents:
        targets |= {at + len(lines): target for at, target in document.targets.items()}
        lines.extend(document.lines)
    first = documents[0]
    return msgspec.structs.replace(first, lines=lines, note=note or first.note, targets=targets)


def heading(text: str, remark: str = "") -> Line:
    """A line that begins a section."""
    pieces: tuple[Piece, ...] = ((text, "title"),)
    return (*pieces, (f"  {remark}", "dim")) if remark else pieces
