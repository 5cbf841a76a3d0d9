"""JSON exactly as Lambda's Python runtime writes and reads it. Runs in the user's interpreter: stdlib only, 3.9+.

Lambda's runtime client encodes with simplejson and special-cases `Decimal`; the standard library differs for named
tuples, bytes and Decimals. What both write alike (plain containers and scalars) goes through the standard
library's C encoder; everything else through `_Writer`, which follows simplejson's order of checks.
"""

import decimal
import json
import marshal
import sys
from json.encoder import encode_basestring, encode_basestring_ascii

_UNICODE_RUNTIMES = ("AWS_Lambda_python3.12", "AWS_Lambda_python3.13", "AWS_Lambda_python3.14", "AWS_Lambda_python3.15")


def _not_serializable(value):
    return TypeError("Object of type %s is not JSON serializable" % value.__class__.__name__)


class Encoder:
    """Encode answers and errors. `execution_env` decides, as in Lambda, whether non-ASCII text is escaped."""

    def __init__(self, execution_env=""):
        self.ascii = execution_env not in _UNICODE_RUNTIMES
        self._plain = json.JSONEncoder(ensure_ascii=self.ascii, default=self._default)
        self._quote = encode_basestring_ascii if self.ascii else encode_basestring

    @staticmethod
    def _default(value):
        if type(value) is bytes:
            return value.decode("utf-8")
        raise _not_serializable(value)

    def encode(self, value):
        """Return `value` as JSON text. Raises what Lambda's encoder raises, with the same message."""
        kind = type(value)
        if kind is str:
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
        except Exception:  # noqa: BLE001  (the exact encoder decides, and raises Lambda's own message)
            return _Writer(self._quote).text(value)


class _Writer:
    """The checks of simplejson, in its order, with `Decimal` written as a number."""

    def __init__(self, quote):
        self._quote = quote
        self._open = set()

    def text(self, value):
        parts = []
        self._value(value, parts.append)
        return "".join(parts)

    def _string(self, value):
        if isinstance(value, bytes):
            value = value.decode("utf-8")
        return self._quote(value)

    def _number(self, value):
        if isinstance(value, int):
            return str(value if type(value) is int else int(value))
        if value != value:
            return "NaN"
        if value in (float("inf"), float("-inf")):
            return "Infinity" if value > 0 else "-Infinity"
        return repr(value if type(value) is float else float(value))

    def _value(self, value, put):
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

    def _container(self, value, put):
        fields = self._named_fields(value)
        if fields is not None:
            self._guarded(value, self._members, fields, put)
        elif isinstance(value, (list, tuple)):
            self._items(value, put)
        elif isinstance(value, dict):
            self._guarded(value, self._members, value, put)
        elif isinstance(value, decimal.Decimal):
            put("NaN" if value.is_nan() else str(value))
        else:
            raise _not_serializable(value)

    @staticmethod
    def _named_fields(value):
        method = getattr(value, "_asdict", None)
        if not callable(method):
            return None
        try:
            fields = method()
        except TypeError:
            return None
        if not isinstance(fields, dict):
            raise TypeError("_asdict() must return a dict, not %s" % type(fields).__name__)
        return fields

    def _guarded(self, owner, write, content, put):
        mark = id(owner)
        if mark in self._open:
            raise ValueError("Circular reference detected")
        self._open.add(mark)
        write(content, put)
        self._open.discard(mark)

    def _items(self, value, put):
        if not value:
            put("[]")
            return
        self._guarded(value, self._elements, value, put)

    def _elements(self, value, put):
        separator = "["
        for item in value:
            put(separator)
            separator = ", "
            self._value(item, put)
        put("]")

    def _members(self, value, put):
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

    def _key(self, key):
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
        raise TypeError("keys must be str, int, float, bool or None, not %s" % key.__class__.__name__)


def _no_constant(name):
    raise ValueError("Expecting value: %s is not JSON" % name)


_decoder = json.JSONDecoder(parse_constant=_no_constant)


def decode(body):
    """Read an event. Raises `ValueError` for what is not JSON in UTF-8; a byte order mark is skipped."""
    text = str(body, "utf-8")
    if text[:1] == "\ufeff":
        text = text[1:]
    return _decoder.decode(text)


if sys.version_info < (3, 9):
    raise SystemExit("livetui runs handlers on Python 3.9 and newer; this is " + sys.version.split()[0])
