"""Opens what lies folded inside strings, for the screen: base64, gzip, form bodies, JSON in JSON; always bounded."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import parse_qsl

import msgspec

Step = Literal["base64", "gzip", "deflate", "json", "form", "text", "binary"]
LIMIT = 1024 * 1024
"""Bytes that are opened of one string; a small gzip body may hold gigabytes."""
_MOST_FOUND = 100
_DEEPEST = 4
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}\Z")


class Opened(msgspec.Struct, frozen=True):
    """What a string turned out to hold. `steps` in the order they were taken, such as base64, gzip, json."""

    path: tuple[str | int, ...]
    steps: tuple[Step, ...]
    value: Any
    """Parsed JSON, the pairs of a form (a list where a name repeats), text, or bytes when it is neither."""
    truncated: bool = False


def open_text(text: str, *, is_base64: bool = False, content_type: str = "", path: tuple[str | int, ...] = ()) \
        -> Opened | None:
    """Open one string as far as it goes; None when it is just text.

    `is_base64` and `content_type` are what the event says of it; without them only what can be told for sure is
    opened: base64 must give text, JSON or gzip.
    """
    if not is_base64:
        plain = _open_plain(text, content_type)
        if plain is not None:
            return Opened(path, *plain)
        if not _BASE64.match(text[:LIMIT * 2]) or len(text) % 4 == 1:
            return None
    body, cut = _from_base64(text)
    if body is None:
        return None
    steps: list[Step] = ["base64"]
    packed = _inflate(body)
    if packed is not None:
        kind, body, inflated_cut = packed
        steps.append(kind)
        cut = cut or inflated_cut
    try:
        opened = body.decode("utf-8")
    except UnicodeDecodeError as error:
        if cut and error.start > len(body) - 4:  # cut in the middle of a letter
            opened = body[:error.start].decode("utf-8")
        elif not is_base64 and packed is None:
            return None
        else:
            return Opened(path, (*steps, "binary"), body, cut)
    inner = _open_plain(opened, content_type)
    if inner is not None:
        return Opened(path, (*steps, *inner[0]), inner[1], cut)
    if not is_base64 and packed is None and not _readable(opened):
        return None
    return Opened(path, (*steps, "text"), opened, cut)


def find(value: Any) -> list[Opened]:
    """Everything in an event that can be opened, at most 100 places, also inside what was opened."""
    found: list[Opened] = []
    work: list[tuple[tuple[str | int, ...], Any, int]] = [((), value, 0)]
    while work and len(found) < _MOST_FOUND:
        path, here, depth = work.pop()
        for key, inner, is_base64, content_type in _strings(here):
            opened = open_text(inner, is_base64=is_base64, content_type=content_type, path=(*path, key))
            if opened is not None:
                found.append(opened)
                if depth < _DEEPEST and isinstance(opened.value, dict | list):
                    work.append((opened.path, opened.value, depth + 1))
        members: list[tuple[str | int, Any]] = []
        if isinstance(here, dict):
            members = list(here.items())
        elif isinstance(here, list):
            members = list(enumerate(here))
        work.extend(((*path, key), inner, depth) for key, inner in reversed(members) if isinstance(inner, dict | list))
    return found[:_MOST_FOUND]


def _strings(here: Any) -> Iterator[tuple[str | int, str, bool, str]]:
    """The strings right inside a container, with what the event says of each."""
    if isinstance(here, dict):
        headers = here.get("headers")
        for key, inner in here.items():
            if isinstance(inner, str):
                is_body = key == "body" and "isBase64Encoded" in here
                yield (key, inner, is_body and here["isBase64Encoded"] is True,
                       _content_type(headers) if key == "body" else "")
    elif isinstance(here, list):
        for index, inner in enumerate(here):
            if isinstance(inner, str):
                yield index, inner, False, ""


def _content_type(headers: Any) -> str:
    if isinstance(headers, dict):
        for name, value in headers.items():
            if name.lower() == "content-type" and isinstance(value, str):
                return value.lower()
    return ""


def _open_plain(text: str, content_type: str) -> tuple[tuple[Step, ...], Any] | None:
    start = text[:64].lstrip()[:1]
    if start in ("{", "[") and len(text) <= LIMIT:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return ("json",), value
    if "x-www-form-urlencoded" in content_type and len(text) <= LIMIT:
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=1000)
        except ValueError:
            return None
        form: dict[str, Any] = {}
        for name, value in pairs:
            form[name] = [*_listed(form[name]), value] if name in form else value
        return (("form",), form) if form else None
    return None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _from_base64(text: str) -> tuple[bytes | None, bool]:
    """The bytes, and whether only the first `LIMIT` of them were opened."""
    cut = len(text) > LIMIT * 4 // 3 + 4
    chosen = text[:LIMIT // 3 * 4] if cut else text
    chosen = chosen.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(chosen + "=" * (-len(chosen) % 4), validate=True), cut
    except (binascii.Error, ValueError):
        return None, False


def _inflate(body: bytes) -> tuple[Step, bytes, bool] | None:
    """Open gzip or zlib, never more than `LIMIT` of it."""
    kind: Step = "gzip" if body[:2] == b"\x1f\x8b" else "deflate"
    if kind == "deflate" and (len(body) < 2 or body[0] != 0x78 or int.from_bytes(body[:2], "big") % 31):
        return None
    opener = zlib.decompressobj(47)
    try:
        opened = opener.decompress(body, LIMIT)
    except zlib.error:
        return None
    return kind, opened, not opener.eof


def _readable(text: str) -> bool:
    """Whether bytes that happen to be UTF-8 are text, not an id that happens to be base64."""
    letters = sum(character.isprintable() or character in "\t\r\n" for character in text[:2000])
    return len(text) >= 12 and letters == len(text[:2000]) and " " in text
