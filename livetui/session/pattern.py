"""Regular expressions that people type into a filter, bounded so that none can stall the screen.

Python's `re` backtracks and cannot be interrupted, so the bound is set before: what a pattern could cost on a text of
`LONGEST` characters is estimated from its parse tree, and a pattern that could cost too much is refused with a reason.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Callable
from typing import Any

_parser: Any = importlib.import_module("re._parser")
LONGEST = 200
"""Characters of a text that are searched."""
_MOST = LONGEST**4 * 16
"""Start positions times three open repeats; by experiment under a second for texts made to be slow."""
_REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
_PLAIN = {"LITERAL", "NOT_LITERAL", "ANY", "ANY_ALL", "IN", "AT"}


class PatternError(ValueError):
    """The pattern is wrong or could take too long; `position` counts from its start."""

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.position = position


def compile_safely(pattern: str) -> Callable[[str], bool]:
    """A function that says whether the first `LONGEST` characters of a text match, without case.

    Raises `PatternError` for a pattern that is wrong, has repeats or alternatives inside a repeat, has more than
    three open repeats, or refers back to a group.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = _parser.parse(pattern, re.IGNORECASE)
            compiled = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise PatternError(f"This regular expression is wrong: {error.msg}.", error.pos or 0) from error
    except (OverflowError, RecursionError, Warning) as error:
        raise PatternError(f"This regular expression is wrong: {error}.") from error
    if LONGEST * _ways(tree) > _MOST:
        raise PatternError("This regular expression could take too long: use at most three of `*`, `+`, `{n,}`.")
    return lambda text: compiled.search(text[:LONGEST]) is not None


def _ways(tree: Any) -> int:
    """In how many ways a sequence could match from one position, at most: what backtracking would try."""
    ways = 1
    for operation, argument in tree:
        ways *= _ways_of(str(operation), argument)
        if ways > _MOST:
            return _MOST + 1
    return ways


def _ways_of(operation: str, argument: Any) -> int:
    if operation in _PLAIN:
        return 1
    if operation in _REPEATS:
        least, most, inner = argument
        return _ways_of_repeat(int(least), min(int(most), LONGEST), _ways(inner))
    if operation == "SUBPATTERN":
        return _ways(argument[3])
    if operation == "ATOMIC_GROUP":
        return _ways(argument)
    if operation in ("ASSERT", "ASSERT_NOT"):
        return _ways(argument[1])
    if operation == "BRANCH":
        return sum(_ways(branch) for branch in argument[1])
    raise PatternError("References to groups and conditions cannot be used in a filter.")


def _ways_of_repeat(least: int, most: int, inner: int) -> int:
    if inner > 1 and most > 1 and (least, most) != (1, 1):
        raise PatternError("Repeats or alternatives inside a repeat could take for ever; write it without nesting.")
    return inner + (1 if least == 0 else 0) if most <= 1 else max(1, most - least + 1)
