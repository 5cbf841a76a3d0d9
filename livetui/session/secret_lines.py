"""Masks indented JSON line by line: what `secrets.mask` does, without holding the interpreter for a large payload."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from livetui.session import secrets

_KEY = re.compile(r'^ *"((?:[^"\\]|\\.){0,1000})": ')


def member(line: str) -> tuple[str | None, str]:
    """The key, as it is spelled, and the value of a line of indented JSON, without the comma behind it."""
    key = _KEY.match(line)
    value = line[key.end() :] if key else line.lstrip(" ")
    return key[1] if key else None, value.removesuffix(",")


class _Container:
    """An object or array that is open, and what of it can be judged only when it is closed."""

    def __init__(self, key: str, first: int, secret: bool) -> None:
        self.key = key
        self.first = first
        self.secret = secret
        self.names_a_secret = False
        self.values: list[range] = []
        """The lines of what it may name."""
        self.encoded = False
        self.body: int | None = None


def mask_lines(lines: list[str]) -> None:
    """Mask the secrets of a document, or of its beginning, in place. A string that was cut is masked by its look."""
    containers = [_Container("", 0, False)]
    for at, words in enumerate(lines):
        spelled, value = member(words)
        key = spelled or ""
        if "\\" in key:
            key = _text(f'"{key}"') or ""
        if value in ("}", "]"):
            _close(containers, lines, at)
            continue
        here = containers[-1]
        secret = here.secret or (spelled is not None and secrets.is_secret_name(key))
        if value in ("{", "["):
            containers.append(_Container(key, at, secret))
            continue
        if key in secrets.VALUES:
            here.values.append(range(at, at + 1))
        elif key in secrets.NAMES:
            name = _text(value) or ""
            here.names_a_secret |= len(name) < 200 and secrets.is_secret_name(name)
        elif key == "body":
            here.body = at
        elif key == "isBase64Encoded":
            here.encoded = value == "true"
        if secret:
            lines[at] = _hidden(words)
        elif value[:1] == '"':
            lines[at] = _changed(words, secrets.mask_string)
    while len(containers) > 1:
        _close(containers, lines, len(lines) - 1)


def _close(containers: list[_Container], lines: list[str], last: int) -> None:
    closed = containers.pop()
    if closed.key in secrets.VALUES:
        containers[-1].values.append(range(closed.first, last + 1))
    if closed.encoded and closed.body is not None:
        lines[closed.body] = _changed(lines[closed.body], secrets.mask_base64)
    for at in (each for found in closed.values for each in found if closed.names_a_secret):
        lines[at] = _hidden(lines[at])


def _hidden(words: str) -> str:
    value = member(words)[1]
    if value[:1] == '"':
        return _changed(words, secrets.mask_secret)
    return _with(words, f'"{secrets.MASK}"') if value[:1] in "-0123456789" else words


def _changed(words: str, change: Callable[[str], str]) -> str:
    value = member(words)[1]
    if value[:1] != '"':
        return words
    text = _text(value)
    if text is None:
        return secrets.mask_text(words) if change is not secrets.mask_secret else _with(words, f'"{secrets.MASK}"')
    changed = change(text)
    return words if changed == text else _with(words, json.dumps(changed, ensure_ascii=False))


def _with(words: str, value: str) -> str:
    """The line with another value."""
    comma = words.endswith(",")
    return f"{words[: len(words) - comma - len(member(words)[1])]}{value}{',' * comma}"


def _text(value: str) -> str | None:
    inside = value[1:-1]
    if value == f'"{inside}"' and "\\" not in inside and '"' not in inside:
        return inside
    try:
        text = json.loads(value)
    except ValueError:
        return None
    return text if isinstance(text, str) else None
