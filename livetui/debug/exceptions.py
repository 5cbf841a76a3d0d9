"""Which errors stop: each owner's filters, their union, and how pydevd wants to be told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from livetui.errors import UsageError

UNCAUGHT = "uncaught"
RAISED = "raised"
SHOWN = [
    {"filter": UNCAUGHT, "label": "Handler errors", "default": False,
     "description": "Stop when the handler raises, before Lambda would see the error."},
    {"filter": RAISED, "label": "Every raised exception", "default": False,
     "description": "Stop wherever an exception is raised. Slow: up to 36 times on Python 3.11 and older."},
]
"""What editors offer as exception filters."""

_NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


class ExceptionFilters(msgspec.Struct, frozen=True):
    """Which errors stop the handler."""

    uncaught: bool = False
    """Errors that the handler lets out."""
    raised: bool = False
    """Every exception, also handled ones."""
    classes: tuple[str, ...] = ()
    """Exceptions of these classes where they are raised: `ValueError`, `app.errors.OutOfStock`."""

    def __bool__(self) -> bool:
        return self.uncaught or self.raised or bool(self.classes)

    def check(self) -> None:
        """Raises `UsageError` for a class name that can be none."""
        for name in self.classes:
            if not _NAME.fullmatch(name):
                raise UsageError(f"This is no exception class: {name}", "",
                                 "Write a builtin's name, or module.Class for others.")

    def arguments(self) -> dict[str, Any]:
        """The arguments of pydevd's `setExceptionBreakpoints`."""
        if self.raised or not self.classes:
            return {"filters": [name for name, on in ((RAISED, self.raised), (UNCAUGHT, self.uncaught)) if on]}
        options: list[dict[str, Any]] = [
            {"path": [{"names": ["Python Exceptions"]}, {"names": list(self.classes)}], "breakMode": "always"}]
        if self.uncaught:
            options.append({"path": [{"names": ["Python Exceptions"]}], "breakMode": "unhandled"})
        return {"filters": [], "exceptionOptions": options}


def read_filters(file: Path) -> ExceptionFilters:
    """What was chosen in an earlier session; nothing when that is not known or cannot be read."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=ExceptionFilters)
    except (OSError, msgspec.DecodeError):
        return ExceptionFilters()


def write_filters(file: Path, filters: ExceptionFilters) -> None:
    """Keep them for the next session. Raises `OSError`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.encode(filters) + b"\n")


def union(filters: Iterable[ExceptionFilters]) -> ExceptionFilters:
    """What all owners together want."""
    every = list(filters)
    classes = dict.fromkeys(name for item in every for name in item.classes)
    return ExceptionFilters(any(item.uncaught for item in every), any(item.raised for item in every), tuple(classes))


def from_editor(arguments: Mapping[str, Any]) -> ExceptionFilters:
    """An editor's `setExceptionBreakpoints` arguments."""
    filters = set(arguments.get("filters") or ())
    filters |= {item.get("filterId") for item in arguments.get("filterOptions") or ()}
    classes = [name for option in arguments.get("exceptionOptions") or () if option.get("breakMode") == "always"
               for part in option.get("path", [])[1:] for name in part.get("names", ())]
    return ExceptionFilters(UNCAUGHT in filters, RAISED in filters, tuple(classes))
