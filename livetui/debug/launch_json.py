"""VS Code's launch.json: put livetui's entry in, and leave comments and everything else as they are.

The file is JSON with comments and trailing commas, so it is edited as text at the places where its values stand.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livetui.errors import UsageError

NAME = "livetui"
"""The entry's name; an entry of this name is updated."""

_SPACE = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_WORD = re.compile(r"[-+.\w]+")


@dataclass
class _Node:
    start: int
    end: int = 0
    value: Any = None
    members: dict[str, _Node] = field(default_factory=dict)
    items: list[_Node] = field(default_factory=list)


def entry(port: int, token: str) -> dict[str, Any]:
    """What VS Code needs to attach to this project's session."""
    return {"name": NAME, "type": "debugpy", "request": "attach", "connect": {"host": "127.0.0.1", "port": port},
            "livetuiToken": token, "subProcess": False}


def write_launch_json(project: Path, port: int, token: str) -> Path:
    """Add or update the entry in `.vscode/launch.json`, readable by the user only since it holds the token.

    Raises `UsageError` when the file cannot be understood; it is then left alone.
    """
    file = project / ".vscode" / "launch.json"
    wanted = entry(port, token)
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read.", str(error)) from error
    try:
        merged = merge(text, wanted)
    except ValueError as error:
        raise UsageError(f"{file} cannot be understood; it was left alone.", str(error),
                         "Mend it, or add this to its configurations: " + json.dumps(wanted)) from error
    if merged != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name("launch.json.new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(merged)
        fresh.replace(file)
    elif os.name == "posix":
        file.chmod(0o600)
    return file


def merge(text: str, wanted: dict[str, Any]) -> str:
    """`text` with the entry in it; raises `ValueError` when it is not a launch.json."""
    if not text.strip():
        return json.dumps({"version": "0.2.0", "configurations": [wanted]}, indent=4) + "\n"
    root = _parse(text)
    if root.value is not dict:
        raise ValueError("the file is not a JSON object")
    array = root.members.get("configurations")
    if array is None:
        return _insert(text, root, f'"configurations": [\n        {_indented(wanted, 8)}\n    ]', 4)
    if array.value is not list:
        raise ValueError("configurations is not a list")
    for node in array.items:
        if node.members.get("name", _Node(0)).value == wanted["name"]:
            return _update(text, node, wanted)
    return _append(text, array, _indented(wanted, 8))


def _update(text: str, node: _Node, wanted: dict[str, Any]) -> str:
    # From the end, so that the places before stay right; keys that the user added stay.
    missing = {key: value for key, value in wanted.items() if key not in node.members}
    places = sorted(((node.members[key], value) for key, value in wanted.items() if key in node.members),
                    key=lambda place: -place[0].start)
    for place, value in places:
        if _plain(place) != value:
            text = text[: place.start] + _indented(value, 12) + text[place.end:]
    for key, value in reversed(missing.items()):
        at = node.start + 1
        text = f"{text[:at]}\n            {json.dumps(key)}: {_indented(value, 12)},{text[at:]}"
    return text


def _insert(text: str, node: _Node, member: str, indent: int) -> str:
    at, comma = node.start + 1, "," if node.members else ""
    return f"{text[:at]}\n{' ' * indent}{member}{comma}{text[at:]}"


def _append(text: str, array: _Node, item: str) -> str:
    if not array.items:
        at = array.start + 1
        return f"{text[:at]}\n        {item}\n    {text[at:].lstrip()}"
    at = array.items[-1].end
    rest = _SPACE.match(text, at)
    trailing = rest is not None and text[rest.end(): rest.end() + 1] == ","
    if trailing and rest is not None:
        after = rest.end() + 1
        return f"{text[:after]}\n        {item}{text[after:]}"
    return f"{text[:at]},\n        {item}{text[at:]}"


def _indented(value: Any, by: int) -> str:
    return json.dumps(value, indent=4).replace("\n", "\n" + " " * by)


def _plain(node: _Node) -> Any:
    if node.value is dict:
        return {key: _plain(member) for key, member in node.members.items()}
    if node.value is list:
        return [_plain(item) for item in node.items]
    return node.value


def _parse(text: str) -> _Node:
    node, at = _value(text, _skip(text, 1 if text.startswith("\ufeff") else 0))
    if _skip(text, at) != len(text):
        raise ValueError(f"something follows the object at character {at}")
    return node


def _value(text: str, at: int) -> tuple[_Node, int]:
    node = _Node(at)
    if text[at: at + 1] == "{":
        node.value, at = dict, _skip(text, at + 1)
        while text[at: at + 1] != "}":
            key, at = _string(text, at)
            at = _skip(text, at)
            if text[at: at + 1] != ":":
                raise ValueError(f"a colon is missing at character {at}")
            node.members[key], at = _value(text, _skip(text, at + 1))
            at = _separator(text, at, "}")
        at += 1
    elif text[at: at + 1] == "[":
        node.value, at = list, _skip(text, at + 1)
        while text[at: at + 1] != "]":
            item, at = _value(text, at)
            node.items.append(item)
            at = _separator(text, at, "]")
        at += 1
    elif text[at: at + 1] == '"':
        node.value, at = _string(text, at)
    else:
        word = _WORD.match(text, at)
        if word is None:
            raise ValueError(f"a value is missing at character {at}")
        node.value, at = json.loads(word[0]), word.end()
    node.end = at
    return node, at


def _separator(text: str, at: int, closing: str) -> int:
    at = _skip(text, at)
    if text[at: at + 1] == ",":
        return _skip(text, at + 1)
    if text[at: at + 1] != closing:
        raise ValueError(f"a comma or {closing} is missing at character {at}")
    return at


def _string(text: str, at: int) -> tuple[str, int]:
    found = _STRING.match(text, at)
    if found is None:
        raise ValueError(f"a string is missing at character {at}")
    return str(json.loads(found[0])), found.end()


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
