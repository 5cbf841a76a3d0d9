"""A careful look into a payload: reads only what is asked for, never raises, never copies megabytes.

The JSON is split into its members without building them (a few ms for 6 MB); a member is decoded when it is asked
for. Whatever is not there, is of another type, or is no JSON, reads as empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import msgspec

T = TypeVar("T")
_LONGEST_TEXT = 64 * 1024
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)
_scalar = msgspec.json.Decoder(str | int | float | bool | None)


class Peek:
    """One JSON value: an object, a list or a scalar, not decoded yet."""

    def __init__(self, body: bytes | msgspec.Raw) -> None:
        self._body = body
        self._members: dict[str, msgspec.Raw] | None = None
        self._items: list[msgspec.Raw] | None = None

    def _decode(self, decoder: msgspec.json.Decoder[T], fallback: T) -> T:
        try:
            return decoder.decode(self._body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
            return fallback

    def _object(self) -> dict[str, msgspec.Raw]:
        if self._members is None:
            self._members = self._decode(_members, {})
        return self._members

    def _list(self) -> list[msgspec.Raw]:
        if self._items is None:
            self._items = self._decode(_items, [])
        return self._items

    def has(self, *keys: str) -> bool:
        """Whether this is an object with all of these members."""
        members = self._object()
        return all(key in members for key in keys)

    def keys(self) -> list[str]:
        """The names of the members, in order."""
        return list(self._object())

    def __getitem__(self, path: str) -> Peek:
        """A member by its path: `detail`, `requestContext.http`; an empty value when it is not there."""
        found = self
        for key in path.split("."):
            found = found.member(key)
        return found

    def member(self, key: str) -> Peek:
        """A member by its exact name, dots and all."""
        return Peek(self._object().get(key, b""))

    def __len__(self) -> int:
        """How many items a list has; 0 for anything else."""
        return len(self._list())

    def __iter__(self) -> Iterator[Peek]:
        return (Peek(item) for item in self._list())

    def first(self) -> Peek:
        """The first item of a list."""
        items = self._list()
        return Peek(items[0]) if items else Peek(b"")

    def text(self, path: str = "") -> str:
        """The text of this value or of a member; empty for anything that is no text, or is longer than 64 KiB."""
        value = self[path] if path else self
        if len(memoryview(value._body)) > _LONGEST_TEXT:
            return ""
        return value._decode(_text, "")

    def scalar(self, path: str) -> str:
        """A text, number or truth value of a member as text."""
        value = self[path]
        if len(memoryview(value._body)) > _LONGEST_TEXT:
            return ""
        found = value._decode(_scalar, None)
        return "" if found is None else str(found)
