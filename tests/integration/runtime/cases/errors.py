"""A handler with one function per way to fail; the event names it."""
# ruff: noqa

import asyncio
import json
import sys
import warnings


class Custom(Exception):
    pass


class Outer:
    class Inner(Exception):
        pass


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("cannot be shown")


class NoText(Exception):
    def __str__(self):
        return None


def fail(error):
    raise error


def chained():
    try:
        fail(KeyError("first"))
    except KeyError as error:
        raise Custom("second") from error


def deep(n):
    if n == 0:
        raise ValueError("deep")
    deep(n - 1)


def endless():
    endless()


def from_comprehension():
    return [1 / n for n in (2, 1, 0)]


def from_generator():
    def numbers():
        yield 1
        raise LookupError("in a generator")
    return list(numbers())


def without_source():
    exec(compile("def f():\n    raise ValueError('no source')\nf()", "<made up>", "exec"), {})


def two_lines():
    raise ValueError(
        "over several "
        "lines")


def async_failure():
    async def fails():
        raise TimeoutError("async")
    asyncio.run(fails())


def with_note():
    error = ValueError("noted")
    if hasattr(error, "add_note"):
        error.add_note("a note")
    raise error


def in_finally():
    try:
        fail(ValueError("first"))
    finally:
        fail(TypeError("second"))


CASES = {
    "plain": lambda: fail(ValueError("wrong")),
    "no message": lambda: fail(ValueError()),
    "unicode message": lambda: fail(ValueError("Grüße 🎉")),
    "message of several lines": lambda: fail(ValueError("one\ntwo\n  three")),
    "message that is no string": lambda: fail(ValueError(42)),
    "two arguments": lambda: fail(ValueError("a", 1)),
    "custom": lambda: fail(Custom("mine")),
    "nested class": lambda: fail(Outer.Inner("inner")),
    "key error": lambda: {}["missing"],
    "zero division": lambda: 1 / 0,
    "os error": lambda: open("/nowhere/at/all"),
    "attribute": lambda: None.nothing,
    "unicode error": lambda: b"\xff".decode(),
    "assertion": lambda: fail(AssertionError()),
    "import in handler": lambda: __import__("no_such_module"),
    "syntax error in handler": lambda: compile("(", "made-up.py", "exec"),
    "json": lambda: json.loads("{"),
    "memory error": lambda: fail(MemoryError()),
    "stop iteration": lambda: next(iter([])),
    "not implemented": lambda: fail(NotImplementedError("later")),
    "warning as error": lambda: fail(UserWarning("careful")),
    "chained": chained,
    "deep": lambda: deep(8),
    "recursion": endless,
    "comprehension": from_comprehension,
    "generator": from_generator,
    "without source": without_source,
    "over several lines": two_lines,
    "async": async_failure,
    "with note": with_note,
    "in finally": in_finally,
    "long message": lambda: fail(ValueError("x" * 30_000)),
    "control characters": lambda: fail(ValueError("a\tb\x00c\x1b[31m")),
    "wrong arguments": lambda: deep(),
    "unprintable": lambda: fail(Unprintable()),
    "text that is none": lambda: fail(NoText()),
    "surrogate message": lambda: fail(ValueError("\ud800")),
    "exit": lambda: sys.exit(3),
    "exit zero": lambda: sys.exit(),
    "exit with words": lambda: sys.exit("words"),
    "interrupt": lambda: fail(KeyboardInterrupt()),
    "generator exit": lambda: fail(GeneratorExit()),
    "warning": lambda: warnings.warn("only a warning"),
}


def handler(event, context):
    return CASES[event]()
