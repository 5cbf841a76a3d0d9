"""A handler with one function per kind of answer; the event names it."""
# ruff: noqa

import collections
import dataclasses
import datetime
import decimal
import enum
import pathlib
import types
import uuid

Point = collections.namedtuple("Point", "x y")


class Colour(enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


class Loud(str):
    def __repr__(self):
        return "LOUD"


class Odd(int):
    def __repr__(self):
        return "odd"

    __str__ = __repr__


class Half(float):
    def __repr__(self):
        return "half"


@dataclasses.dataclass
class Order:
    id: int


class WithFields:
    def __init__(self, fields):
        self.fields = fields

    def _asdict(self):
        return self.fields


class NeedsArgument:
    def _asdict(self, argument):
        return {}


class BrokenFields:
    def _asdict(self):
        raise ValueError("no fields")


def circular_list():
    value = []
    value.append(value)
    return value


def circular_dict():
    value = {}
    value["self"] = [value]
    return value


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


async def asynchronous():
    return 1


CASES = {
    "none": lambda: None,
    "true": lambda: True,
    "string": lambda: "text",
    "empty string": lambda: "",
    "unicode": lambda: "Grüße 日本 🎉",
    "unicode in a list": lambda: ["Grüße 日本 🎉"],
    "escapes": lambda: 'quote " backslash \\ slash / tab \t newline \n bell \x07 delete \x7f \b\f\r',
    "escapes in a dict": lambda: {'k"\n': 'quote " backslash \\ slash / tab \t bell \x07 delete \x7f \b\f\r'},
    "line separators": lambda: "a\u2028b\u2029c",
    "line separators in a list": lambda: ["a\u2028b\u2029c"],
    "null character": lambda: ["a\x00b"],
    "int": lambda: 42,
    "negative": lambda: -1,
    "huge int": lambda: 2**200,
    "int beyond the digit limit": lambda: 10**5000,
    "float": lambda: 1.5,
    "floats": lambda: [0.1, 1e22, 1e-7, -0.0, 1e16, 123456789.123],
    "nan": lambda: float("nan"),
    "infinities": lambda: [float("inf"), float("-inf"), float("nan")],
    "list": lambda: [1, [2, [3]], {"a": []}],
    "empty containers": lambda: [[], {}, (), ""],
    "tuple": lambda: (1, (2, 3)),
    "dict": lambda: {"statusCode": 200, "body": "{}", "headers": {"a": None}},
    "keys": lambda: {1: "int", 1.5: "float", None: "none", "s": "string"},
    "bool keys": lambda: {True: 1, False: 0},
    "nan key": lambda: {float("nan"): 1},
    "int and string key alike": lambda: {1: "a", "1": "b"},
    "bytes key": lambda: {b"k": 1},
    "tuple key": lambda: {(1, 2): 1},
    "enum key": lambda: {Number.ONE: 1},
    "decimal key": lambda: {decimal.Decimal(1): 1},
    "decimal": lambda: decimal.Decimal("1.10"),
    "decimals": lambda: [decimal.Decimal(d) for d in ("0", "-0", "1E+3", "1e-10", "123456789.000000001", "7")],
    "decimal nan": lambda: {"n": decimal.Decimal("NaN")},
    "decimal signalling nan": lambda: {"n": decimal.Decimal("sNaN")},
    "decimal infinity": lambda: [decimal.Decimal("Infinity"), decimal.Decimal("-Infinity")],
    "dynamodb item": lambda: {"id": "7", "price": decimal.Decimal("9.99"), "tags": ["ä"], "n": decimal.Decimal(3)},
    "named tuple": lambda: Point(1, 2),
    "named tuples inside": lambda: {"points": [Point(1, Point(2, 3)), (Point(4, 5),)]},
    "asdict": lambda: WithFields({"a": decimal.Decimal("1.0")}),
    "asdict of a list": lambda: WithFields([1]),
    "asdict with argument": lambda: NeedsArgument(),
    "asdict that raises": lambda: BrokenFields(),
    "dataclass": lambda: Order(1),
    "datetime": lambda: {"at": datetime.datetime(2026, 1, 2)},
    "date": lambda: datetime.date(2026, 1, 2),
    "set": lambda: {1},
    "frozenset": lambda: [frozenset()],
    "generator": lambda: (n for n in [1]),
    "range": lambda: range(3),
    "bytes": lambda: b"\x00\xff raw",
    "empty bytes": lambda: b"",
    "bytes inside": lambda: {"b": b"caf\xc3\xa9"},
    "broken bytes inside": lambda: ["fine", b"\xff"],
    "bytearray": lambda: bytearray(b"x"),
    "memoryview": lambda: memoryview(b"x"),
    "complex": lambda: 1j,
    "enum": lambda: Colour.RED,
    "int enum": lambda: [Number.ONE],
    "str subclass": lambda: [Loud("quiet")],
    "int subclass": lambda: [Odd(5)],
    "float subclass": lambda: [Half(0.5)],
    "ordered dict": lambda: collections.OrderedDict(b=1, a=2),
    "default dict": lambda: collections.defaultdict(list, a=[1]),
    "counter": lambda: collections.Counter("aab"),
    "user dict": lambda: collections.UserDict(a=1),
    "mapping proxy": lambda: types.MappingProxyType({"a": 1}),
    "deque": lambda: collections.deque([1]),
    "path": lambda: pathlib.PurePosixPath("/tmp"),
    "uuid": lambda: {"id": uuid.UUID(int=1)},
    "exception": lambda: ValueError("x"),
    "function": lambda: len,
    "class": lambda: [Order],
    "module": lambda: types,
    "ellipsis": lambda: ...,
    "coroutine": asynchronous,
    "circular list": circular_list,
    "circular dict": circular_dict,
    "shared, not circular": lambda: [[1]] * 3,
    "nested 300": lambda: nested(300),
    "many": lambda: list(range(50_000)),
    "long string": lambda: "x" * 300_000,
    "structured 200 KB": lambda: [{"id": n, "name": f"näme {n}", "price": n / 7} for n in range(3000)],
    "mixed with a fault at the end": lambda: [1, 2, {"a": [object()]}],
    "surrogate": lambda: "\ud800",
    "surrogate inside": lambda: {"k": ["\udfff"]},
}


def handler(event, context):
    return CASES[event]()
