"""One dense id space over the ids of all workers.

pydevd's ids are unique within one process and may be as large as an address; DAP clients want them below 2³¹ and
unique within their session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FLEETING = ("frame", "variables", "gotoTargets", "stepInTargets")
"""Kinds that die when their worker runs on."""

_KINDS = {"threadId": "thread", "frameId": "frame", "variablesReference": "variables", "sourceReference": "source"}
_LISTS = {"stackFrames": "frame", "threads": "thread"}
_TARGETS = {"goto": "gotoTargets", "stepIn": "stepInTargets"}


class UnknownIdError(LookupError):
    """The id belongs to nothing that is paused or alive now."""


class IdTable:
    """Ids as clients see them, each standing for an id of one worker (`pid`)."""

    def __init__(self) -> None:
        self._dense: dict[tuple[int, str, int], int] = {}
        self._upstream: dict[int, tuple[int, str, int]] = {}
        self._last = 0

    def dense(self, pid: int, kind: str, upstream: int) -> int:
        """The id for clients; 0 stays 0, which DAP uses for "none"."""
        if not upstream:
            return 0
        key = (pid, kind, upstream)
        if key not in self._dense:
            self._last += 1
            self._dense[key] = self._last
            self._upstream[self._last] = key
        return self._dense[key]

    def upstream(self, kind: str, dense: int) -> tuple[int, int]:
        """(pid, its own id). Raises `UnknownIdError`."""
        key = self._upstream.get(dense)
        if key is None or key[1] != kind:
            raise UnknownIdError(dense)
        return key[0], key[2]

    def forget(self, pid: int, kinds: tuple[str, ...] = ()) -> None:
        """Drop the ids of a worker: all, or those of `kinds`."""
        for key in [key for key in self._dense if key[0] == pid and (not kinds or key[1] in kinds)]:
            del self._upstream[self._dense.pop(key)]

    def outward(self, pid: int, command: str, part: Any) -> Any:
        """A body that came from a worker, with ids for clients. `command` tells what `targets` are."""
        if isinstance(part, list):
            return [self.outward(pid, command, item) for item in part]
        if not isinstance(part, dict):
            return part
        shown: dict[str, Any] = {}
        for key, value in part.items():
            if key in _KINDS and isinstance(value, int):
                shown[key] = self.dense(pid, _KINDS[key], value)
            elif (key in _LISTS or key == "targets") and isinstance(value, list):
                kind = _LISTS.get(key, command)
                shown[key] = [{**self.outward(pid, command, item),
                               "id": self.dense(pid, kind, item["id"] + _base(kind))} for item in value]
            else:
                shown[key] = self.outward(pid, command, value)
        return shown

    def inward(self, command: str, arguments: Mapping[str, Any]) -> tuple[int | None, dict[str, Any]]:
        """(pid that is meant, arguments with its own ids); pid None when no id tells. Raises `UnknownIdError`."""
        pid: int | None = None
        own: dict[str, Any] = {}
        for key, value in arguments.items():
            kind = _TARGETS.get(command) if key == "targetId" else _KINDS.get(key)
            if kind and isinstance(value, int) and value:
                pid, upstream = self.upstream(kind, value)
                own[key] = upstream - _base(kind)
            elif key == "source" and isinstance(value, dict):
                inner, own[key] = self.inward(command, value)
                pid = pid if inner is None else inner
            else:
                own[key] = value
        return pid, own


def _base(kind: str) -> int:
    # pydevd numbers targets from 0, which would read as "none".
    return 1 if kind.endswith("Targets") else 0
