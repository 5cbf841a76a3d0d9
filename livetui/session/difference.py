"""What changed between two JSON values, member by member: a replay against its origin, an edited event."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from livetui.session.secrets import is_secret_name, mask

Path = tuple[str | int, ...]


class Change(msgspec.Struct, frozen=True):
    """One difference. `before` is None for `added`, `after` for `removed`; `more` says that the list was cut."""

    steps: Path
    before: Any
    after: Any
    kind: Literal["added", "removed", "changed", "more"]

    @property
    def path(self) -> str:
        """The place for people: `items[2].price`; empty for the whole value."""
        return spell(self.steps)


def spell(steps: Path) -> str:
    """A path as text: `headers["x-id"].items[0]`."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.isidentifier():
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
    return text


def diff(before: Any, after: Any, limit: int = 1000) -> list[Change]:
    """The changes that make `after` out of `before`, in the order of the document, at most `limit` and one `more`.

    Numbers are equal by value (1 and 1.0), truth values are no numbers, the order of members does not matter. In
    lists, indexes of `removed` items are those of `before`, all others those of `after`.
    """
    found: list[Change] = []
    for change in _walk(before, after):
        if len(found) == limit:
            found.append(Change((), None, None, "more"))
            break
        found.append(change)
    return found


def diff_bytes(before: bytes | None, after: bytes | None, limit: int = 1000) -> list[Change]:
    """The same for bodies as they are recorded; what is no JSON (or too deep for it) is compared as text."""
    return diff(parsed(before), parsed(after), limit)


def diff_answers(before: bytes | None, after: bytes | None, limit: int = 1000) -> list[Change]:
    """The same for a replay's answer: JSON in strings opened, without the request id, which is another each time."""
    return diff(_answer(before), _answer(after), limit)


def masked(change: Change) -> Change:
    """The same with its secrets masked, also those that the names above them give away."""
    name = next((step for step in reversed(change.steps) if isinstance(step, str) and is_secret_name(step)),
                str(change.steps[-1]) if change.steps else "")
    before, after = (None if value is None else mask({name: value})[name] for value in (change.before, change.after))
    return msgspec.structs.replace(change, before=before, after=after)


def apply(before: Any, changes: list[Change],
          changed: Callable[[Any, Change], Any] = lambda _, change: change.after) -> Any:
    """`before` with the changes made to it, not to a copy; `changed` says what a value that is found there becomes.
    Raises `ValueError` for a list that was cut."""
    if any(change.kind == "more" for change in changes):
        raise ValueError("not all changes are known")
    root: list[Any] = [before]
    for change in _last_removed_first(changes):
        holder: Any = root
        steps: Path = (0, *change.steps)
        for step in steps[:-1]:
            holder = holder[step]
        last: Any = steps[-1]
        if change.kind == "removed":
            del holder[last]
        elif change.kind == "added" and isinstance(holder, list):
            holder.insert(last, change.after)
        else:
            holder[last] = change.after if change.kind == "added" else changed(holder[last], change)
    return root[0]


def _last_removed_first(changes: list[Change]) -> Iterator[Change]:
    """Neighbours that are removed from one list, from the back, so that their indexes hold."""
    for (kind, _), neighbours in itertools.groupby(changes, lambda change: (change.kind, change.steps[:-1])):
        run = list(neighbours)
        yield from run[::-1] if kind == "removed" else run


def _walk(before: Any, after: Any) -> Iterator[Change]:
    """Depth first without recursion; what is equal is skipped in one step."""
    work: list[Change | tuple[Path, Any, Any]] = [((), before, after)]
    while work:
        here = work.pop()
        if isinstance(here, Change):
            yield here
            continue
        steps, old, new = here
        if isinstance(old, dict) and isinstance(new, dict):
            inside = [*_members(steps, old, new)]
        elif isinstance(old, list) and isinstance(new, list):
            inside = [*_items(steps, old, new)]
        else:
            if not _same_scalar(old, new):
                yield Change(steps, old, new, "changed")
            continue
        work.extend(reversed(inside))


def _members(steps: Path, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change | tuple[Path, Any, Any]]:
    for key, value in old.items():
        if key not in new:
            yield Change((*steps, key), value, None, "removed")
        elif not _surely_same(value, new[key]):
            yield ((*steps, key), value, new[key])
    for key, value in new.items():
        if key not in old:
            yield Change((*steps, key), None, value, "added")


def _items(steps: Path, old: list[Any], new: list[Any]) -> Iterator[Change | tuple[Path, Any, Any]]:
    """What one list has more of was put in or taken out at one place: where the rest then agrees best."""
    gap = abs(len(old) - len(new))
    shrinks = len(old) > len(new)
    start = _best_place(new, old) if shrinks else _best_place(old, new)
    for index in range(start, start + gap):
        if shrinks:
            yield Change((*steps, index), old[index], None, "removed")
        else:
            yield Change((*steps, index), None, new[index], "added")
    for index in range(min(len(old), len(new))):
        beyond = gap if index >= start else 0
        one, other = (index + beyond, index) if shrinks else (index, index + beyond)
        if not _surely_same(old[one], new[other]):
            yield ((*steps, other), old[one], new[other])


def _best_place(short: list[Any], long: list[Any]) -> int:
    """Where to leave out `len(long) - len(short)` items of the long list so that most of the others are equal."""
    gap = len(long) - len(short)
    if not gap:
        return 0
    agreeing = sum(_alike(one, other) for one, other in zip(short, long[gap:], strict=True))
    best, place = agreeing, 0
    for index, item in enumerate(short):
        agreeing += _alike(item, long[index]) - _alike(item, long[index + gap])
        if agreeing >= best:
            best, place = agreeing, index + 1
    return place


def _alike(one: Any, other: Any) -> bool:
    """Equal for Python, where True is 1: good enough to find a place."""
    try:
        return bool(one == other)
    except RecursionError:
        return False


def _surely_same(one: Any, other: Any) -> bool:
    """A quick yes for equal containers; no means that it must be looked at."""
    if not isinstance(one, dict | list) or not _alike(one, other):
        return False
    try:
        return msgspec.json.encode(one) == msgspec.json.encode(other)
    except (OverflowError, ValueError, RecursionError):
        return False


def _same_scalar(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or (one != one and other != other)  # noqa: PLR0124  (NaN, which Python's JSON knows)
    return type(one) is type(other) and bool(one == other)


def parsed(body: bytes | None, inside: bool = False) -> Any:
    """A recorded body as a value; `inside` also opens the JSON that lies in its strings, so that it is compared too."""
    if body is None:
        return None
    try:
        value = json.loads(body)
        return _opened(value) if inside else value
    except (ValueError, RecursionError):
        return body.decode("utf-8", "backslashreplace")


def _opened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _opened(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_opened(each) for each in value]
    if isinstance(value, str) and value[:1] in ("{", "[") and len(value) > 1:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _answer(response: bytes | None) -> Any:
    """An answer as it is compared."""
    answer = parsed(response, inside=True)
    if not isinstance(answer, dict) or "errorType" not in answer:
        return answer
    trace = answer.get("stackTrace")
    lines = [line for frame in trace for line in str(frame).rstrip().split("\n")] if isinstance(trace, list) else trace
    return {key: lines if key == "stackTrace" else value for key, value in answer.items() if key != "requestId"}
