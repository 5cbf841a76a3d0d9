"""JSON exactly as Lambda's Python runtime writes and reads it. Runs in the user's interpreter: stdlib only, 3.9+.

Lambda's runtime client encodes with simplejson and special-cases `Decimal`; the standard library differs for named
tuples, bytes and Decimals. What both write alike (plain containers and scalars) goes through the standard
library's C encoder; everything else through `_Writer`, which follows simplejson's order of checks.
"""

from __future__ import annotations

import json
import marshal
import sys
from json.encoder import encode_basestring, encode_basestring_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_UNICODE_RUNTIMES = ("AWS_Lambda_python3.12", "AWS_Lambda_python3.13", "AWS_Lambda_python3.14", "AWS_Lambda_python3.15")


def _not_serializable(value: Any) -> TypeError:
    return TypeError(f"Object of type {value.__class__.__name__} is not JSON serializable")


class Encoder:
    """Encode answers and errors. `execution_env` decides, as in Lambda, whether non-ASCII text is escaped."""

    def __init__(self, execution_env: str = "") -> None:
        self.ascii = execution_env not in _UNICODE_RUNTIMES
        self._plain = json.JSONEncoder(ensure_ascii=self.ascii, default=self._default)
        self._quote = encode_basestring_ascii if self.ascii else encode_basestring

    @staticmethod
    def _default(value: Any) -> str:
        if type(value) is bytes:
            return value.decode("utf-8")
        raise _not_serializable(value)

    def encode(self, value: Any) -> str:
        """Return `value` as JSON text. Raises what Lambda's encoder raises, with the same message."""
        if type(value) is str:
            return self._quote(value)
        try:
            # Only exact built-in types can be marshalled: named tuples, Decimals and subclasses end up below.
            marshal.dumps(value, 2)
        except (ValueError, RecursionError):
            return _Writer(self._quote).text(value)
        try:
            return self._plain.encode(value)
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001  (the exact encoder decides, with Lambda's own message)
            return _Writer(self._quote).text(value)


def _is_decimal(value: Any) -> bool:
    """Whether it is a `Decimal`; there is none unless somebody imported the module."""
    decimal = sys.modules.get("decimal")
    return decimal is not None and isinstance(value, decimal.Decimal)


class _Writer:
    """The checks of simplejson, in its order, with `Decimal` written as a number."""

    def __init__(self, quote: Callable[[str], str]) -> None:
        self._quote = quote
        self._open: set[int] = set()

    def text(self, value: Any) -> str:
        parts: list[str] = []
        self._value(value, parts.append)
        return "".join(parts)

    def _string(self, value: str | bytes) -> str:
        if isinstance(value, bytes):
            value = value.decode("utf-8")
        return self._quote(value)

    def _number(self, value: float) -> str:
        if isinstance(value, int):
            return str(value if type(value) is int else int(value))
        if value != value:  # noqa: PLR0124  (only NaN differs from itself)
            return "NaN"
        if value in (float("inf"), float("-inf")):
            return "Infinity" if value > 0 else "-Infinity"
        return repr(value if type(value) is float else float(value))

    def _value(self, value: Any, put: Callable[[str], None]) -> None:
        if isinstance(value, (str, bytes)):
            put(self._string(value))
        elif value is None:
            put("null")
        elif value is True:
            put("true")
        elif value is False:
            put("false")
        elif isinstance(value, (int, float)):
            put(self._number(value))
        else:
            self._container(value, put)

    def _container(self, value: Any, put: Callable[[str], None]) -> None:
        fields = self._named_fields(value)
        if fields is not None:
            self._guarded(value, self._members, fields, put)
        elif isinstance(value, (list, tuple)):
            self._items(value, put)
        elif isinstance(value, dict):
            self._guarded(value, self._members, value, put)
        elif _is_decimal(value):
            put("NaN" if value.is_nan() else str(value))
        else:
            raise _not_serializable(value)

    @staticmethod
    def _named_fields(value: Any) -> dict[Any, Any] | None:
        method = getattr(value, "_asdict", None)
        if not callable(method):
            return None
        try:
            fields = method()
        except TypeError:
            return None
        if not isinstance(fields, dict):
            raise TypeError(f"_asdict() must return a dict, not {type(fields).__name__}")
        return fields

    def _guarded(self, owner: Any, write: Callable[..., None], content: Any, put: Callable[[str], None]) -> None:
        mark = id(owner)
        if mark in self._open:
            raise ValueError("Circular reference detected")
        self._open.add(mark)
        write(content, put)
        self._open.discard(mark)

    def _items(self, value: Any, put: Callable[[str], None]) -> None:
        if not value:
            put("[]")
            return
        self._guarded(value, self._elements, value, put)

    def _elements(self, value: Any, put: Callable[[str], None]) -> None:
        separator = "["
        for item in value:
            put(separator)
            separator = ", "
            self._value(item, put)
        put("]")

    def _members(self, value: dict[Any, Any], put: Callable[[str], None]) -> None:
        if not value:
            put("{}")
            return
        separator = "{"
        for key, item in value.items():
            put(separator)
            separator = ", "
            put(self._quote(self._key(key)))
            put(": ")
            self._value(item, put)
        put("}")

    def _key(self, key: Any) -> str:
        if isinstance(key, str):
            return key
        if isinstance(key, bytes):
            return key.decode("utf-8")
        if key is True:
            return "true"
        if key is False:
            return "false"
        if key is None:
            return "null"
        if isinstance(key, (int, float)):
            return self._number(key)
        raise TypeError(f"keys must be str, int, float, bool or None, not {key.__class__.__name__}")


def _no_constant(name: str) -> None:
    raise ValueError(f"Expecting value: {name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_no_constant)


def decode(body: bytes) -> Any:
    """Read an event. Raises `ValueError` for what is not JSON in UTF-8; a byte order mark is skipped."""
    text = str(body, "utf-8")
    if text[:1] == "\ufeff":
        text = text[1:]
    return _decoder.decode(text)
