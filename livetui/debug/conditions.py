"""Refuse a condition, a hit condition or a log message that would silently never do anything; word what fails later."""

from __future__ import annotations

import re
from typing import Literal

from livetui.errors import UsageError

_FAILED = re.compile(
    r"pydevd: Error while evaluating expression in conditional breakpoint: (.*?)\nTraceback .*\n  [^\n]*\n(.*)", re.S)
_HIT = re.compile(r"(?:==|>=|<=|>|<|%)?\s*[0-9]{1,9}")


def check_condition(text: str) -> None:
    """Raises `UsageError` when `text` is not a Python expression."""
    try:
        compile(text.strip(), "<condition>", "eval")
    except (SyntaxError, ValueError) as error:
        hint = "Use == to compare." if re.search(r"[^=!<>:]=[^=]", text) else "A condition is one Python expression."
        raise UsageError(f"The condition does not compile: {text}", _reason(error), hint) from error


def check_expression(text: str) -> None:
    """Raises `UsageError` when `text` is not a Python expression."""
    try:
        compile(text.strip(), "<watch>", "eval")
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"The expression does not compile: {text}", _reason(error),
                         "Watch one Python expression, such as sum(rows).") from error


def mistake(what: Literal["condition", "hit", "log", "expression"], text: str) -> str:
    """Why `text` cannot be used as that, in one line; empty when it can, or is empty."""
    check = {"condition": check_condition, "hit": check_hit, "log": check_log, "expression": check_expression}[what]
    try:
        if text.strip():
            check(text)
    except UsageError as error:
        return f"{error.why or error.what} · {error.hint}"
    return ""


def check_hit(text: str) -> None:
    """Raises `UsageError` when `text` is not a hit condition that pydevd knows."""
    if not _HIT.fullmatch(text.strip()):
        raise UsageError(f"This is no hit condition: {text}", "", "Write 5, ==5, >5, >=5, <5, <=5 or %5 (every fifth).")


def check_log(text: str) -> None:
    """Raises `UsageError` when an expression in braces of the message does not compile."""
    for expression in _parts(text)[1::2]:
        try:
            compile(expression.strip(), "<log point>", "eval")
        except (SyntaxError, ValueError) as error:
            raise UsageError(f"The log message's {{{expression}}} does not compile.", _reason(error),
                             "Put one Python expression in each pair of braces.") from error


def log_for_pydevd(text: str) -> str:
    """The message as pydevd is told of it: one expression, which writes what raises in its place in the text.

    By itself pydevd shows one error instead of the whole text, and takes a `%` of the text for its own.
    """
    if not text:
        return ""
    parts = ascii([part.strip() if at % 2 else part for at, part in enumerate(_parts(text))])
    # pydevd counts braces, also those in strings, to find where the expression ends.
    escaped = parts.replace("{", r"\x7b").replace("}", r"\x7d")
    return f'{{__import__("pydevd").livetui_log({escaped}, globals(), locals())}}'


def failure(said: str) -> tuple[str, str] | None:
    """A condition that raised and, in words, what; None when pydevd said something else."""
    found = _FAILED.match(said)
    return found and (found[1], f"condition failed: {found[2].strip()}")


def _parts(text: str) -> list[str]:
    # Text and expressions in turn. Braces nest, as in {totals[{"a": 1}["a"]]}: the outermost pair marks an expression.
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        if letter == "{":
            depth += 1
            if depth == 1:
                parts.append(text[start:at])
                start = at + 1
        elif letter == "}":
            depth -= 1
            if depth == 0:
                parts.append(text[start:at])
                start = at + 1
        if depth < 0:
            break
    if depth:
        raise UsageError(f"The log message's braces do not pair up: {text}", "",
                         "Put expressions in braces: total is {total}.")
    return [*parts, text[start:]]


def _reason(error: Exception) -> str:
    return error.msg if isinstance(error, SyntaxError) else str(error)
