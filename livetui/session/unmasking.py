"""Puts masked secrets back into an event that was edited as it was shown: what still reads as it did is what it was."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from livetui.errors import LivetuiError
from livetui.session.difference import Change, apply, diff
from livetui.session.secrets import MASK

MOST_CHANGES = 5_000
UNMASK = "Unmask with u before you edit."
_SEPARATORS = re.compile(r"([&\r\n])")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _from_base64(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()


def _to_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _parts(text: str) -> list[str]:
    parts = _SEPARATORS.split(text)
    if len(parts) == 1:
        raise ValueError("neither a form nor lines")
    return parts


_KINDS: tuple[tuple[Callable[[str], Any], Callable[[Any], str]], ...] = (
    (json.loads, _json), (_from_base64, _to_base64), (_parts, "".join))
"""How a text is opened and closed again: JSON, base64, the fields of a form or lines."""


def unmasked(edited: str, shown: str, original: str) -> str:
    """`edited`, made of `shown`, with the secrets of `original` that are masked in `shown`; texts in it are opened as
    the masking opens them. Raises `LivetuiError` when a mask would remain, or too much was changed."""
    if shown in (original, edited):
        return edited if shown == original else original
    for opened, closed in _KINDS:
        try:
            was, before, after = opened(original), opened(shown), opened(edited)
        except (ValueError, RecursionError):
            continue
        if isinstance(was, list) and isinstance(before, list) and len(was) != len(before):
            continue  # what is masked reaches over several of them
        if isinstance(before, str) and isinstance(was, str) and isinstance(after, str):
            return closed(unmasked(after, before, was))
        if _may_be_either(was, before, after):
            raise LivetuiError("A masked secret cannot be put back.",
                               "Several look the same, and some were added or removed beside them.", UNMASK)
        changes = diff(before, after, MOST_CHANGES)
        if any(change.kind == "more" for change in changes):
            raise LivetuiError("Too much was changed to put the masked secrets back.",
                               f"More than {MOST_CHANGES:,} changes.", UNMASK)
        original = closed(was)
        edited = closed(apply(was, changes, _changed))
        break
    if _masks(edited) > _masks(original):
        raise LivetuiError("A masked secret cannot be put back.", "The text around it was changed, or it was copied.",
                           UNMASK)
    return edited


def _changed(was: Any, change: Change) -> Any:
    texts = (change.after, change.before, was)
    return unmasked(*texts) if all(isinstance(text, str) for text in texts) else change.after


def _may_be_either(was: Any, before: Any, after: Any) -> bool:
    """Whether members of a list that look the same and are not were added to or removed from, somewhere in it."""
    waiting = [(was, before, after)]
    while waiting:
        was, before, after = waiting.pop()
        if isinstance(before, dict) and isinstance(after, dict):
            waiting.extend((was[name], before[name], after[name]) for name in before.keys() & after.keys())
        elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
            waiting.extend(zip(was, before, after, strict=True))
        elif isinstance(before, list) and isinstance(after, list):
            hidden: dict[str, str] = {}
            for secret, seen in zip(was, before, strict=True):
                if secret != seen and hidden.setdefault(_json(seen), _json(secret)) != _json(secret):
                    return True
    return False


def _masks(text: str) -> int:
    """How many masks are in a text, also in what is base64 in it."""
    count = text.count(MASK)
    try:
        waiting = [json.loads(text)]
    except (ValueError, RecursionError):
        return count
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            waiting.extend(value.values() if isinstance(value, dict) else value)
        elif isinstance(value, str):
            try:
                count += _masks(_from_base64(value))
            except (ValueError, RecursionError):
                continue
    return count
