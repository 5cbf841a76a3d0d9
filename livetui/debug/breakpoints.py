"""The breakpoints of a project: each owner's wishes, their union, stable ids, and the file that keeps them.

Owners are the console and each attached editor. pydevd knows one breakpoint per line and forgets the rest, so the
union is made here. Only the console's own breakpoints are kept on disk: editors keep theirs themselves.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from livetui.debug.anchors import Anchor, anchor, executable_line, find_again
from livetui.debug.conditions import check_condition, check_hit, check_log
from livetui.errors import UsageError

CONSOLE = "console"
"""The owner whose breakpoints persist."""


class Wish(msgspec.Struct, frozen=True):
    """What one owner asks for at one line."""

    line: int
    condition: str = ""
    hit: str = ""
    log: str = ""

    def check(self) -> None:
        """Raises `UsageError` for what would silently never do anything."""
        if self.line < 1:
            raise UsageError(f"There is no line {self.line}.")
        if self.condition:
            check_condition(self.condition)
        if self.hit:
            check_hit(self.hit)
        if self.log:
            check_log(self.log)


class Breakpoint(msgspec.Struct, frozen=True):
    """One line that stops (or logs), as everyone sees it."""

    id: int
    path: str
    line: int
    """Where it stops. May lie above the line that was asked for: blank lines and comments cannot stop."""
    asked: int
    """The line that was asked for; what `remove` and `enable` take too."""
    condition: str = ""
    hit: str = ""
    log: str = ""
    enabled: bool = True
    owners: tuple[str, ...] = ()
    verified: bool = True
    message: str = ""
    """Why it is not verified."""


class _Kept(msgspec.Struct, frozen=True):
    path: str
    wish: Wish
    enabled: bool
    anchor: Anchor


def real(path: str | Path) -> str:
    """The one name of a file: absolute, links resolved."""
    return os.path.realpath(path)


def merge(wishes: Sequence[Wish]) -> Wish:
    """One breakpoint for one line: whoever wants to stop more often wins.

    Plain before conditional before hit-counted before logged; several conditions are or-ed; several log messages
    are joined.
    """
    line = wishes[0].line
    stops = [wish for wish in wishes if not wish.log]
    if not stops:
        return Wish(line, wishes[0].condition, wishes[0].hit, " | ".join(dict.fromkeys(wish.log for wish in wishes)))
    if len(stops) == 1:
        return stops[0]
    if any(not wish.condition and not wish.hit for wish in stops):
        return Wish(line)
    conditions = list(dict.fromkeys(wish.condition for wish in stops if not wish.hit))
    if conditions:
        return Wish(line, conditions[0] if len(conditions) == 1 else " or ".join(map(_in_brackets, conditions)))
    return stops[0]


def _in_brackets(condition: str) -> str:
    return f"({condition}\n)" if "#" in condition else f"({condition})"  # a comment ends with its line


class BreakpointStore:
    """Wishes by owner, real path and line. Changing methods return the paths whose union may have changed."""

    def __init__(self, file: Path, project: Path) -> None:
        self._file = file
        self._project = Path(real(project))
        self._wishes: dict[str, dict[str, dict[int, Wish]]] = {}  # owner → path → line
        self._ids: dict[tuple[str, int], int] = {}
        self._muted: set[tuple[str, int]] = set()
        self._seen: dict[tuple[str, int], tuple[int, bool, str]] = {}  # what a worker said: line, verified, message
        self._anchors: dict[tuple[str, int], Anchor] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        self._last_id = 0
        self._saved = b""
        self.on_trouble: Callable[[str], None] = lambda text: None
        """Told when the file cannot be written; the breakpoints hold all the same."""

    def load(self) -> str:
        """Read the kept breakpoints; returns what is wrong with the file, if anything."""
        try:
            self._saved = self._file.read_bytes()
            kept = msgspec.json.decode(self._saved, type=list[_Kept])
        except FileNotFoundError:
            return ""
        except (OSError, msgspec.DecodeError, ValueError) as error:
            return f"{self._file.name} cannot be read; its breakpoints are lost: {error}"
        files: dict[str, list[_Kept]] = {}
        for item in sorted(kept, key=lambda item: item.wish.line):
            files.setdefault(real(self._project / item.path), []).append(item)
        for path, items in files.items():
            for item, line in zip(items, self._place(path, [(item.wish, item.anchor) for item in items]), strict=True):
                if not item.enabled:
                    self._muted.add((path, line))
        return ""

    def replace(self, owner: str, path: str, wishes: Iterable[Wish]) -> set[str]:
        """`owner`'s breakpoints of a file are now these (checked by the caller); other owners' stay."""
        self._catch_up(path)
        self._wishes.setdefault(owner, {})[path] = {}
        for wish in wishes:
            self._put(owner, path, wish)
        self._settle(path)
        return {path}

    def put(self, owner: str, path: str, wish: Wish) -> set[str]:
        """Set or change one. Raises `UsageError` for a condition, hit condition or message that cannot work."""
        wish.check()
        self._catch_up(path)
        self._put(owner, path, wish)
        self._settle(path)
        return {path}

    def remove(self, path: str, line: int) -> set[str]:
        """Take a line from every owner."""
        for files in self._wishes.values():
            files.get(path, {}).pop(line, None)
        self._settle(path)
        return {path}

    def drop(self, owner: str) -> set[str]:
        """The owner left: its breakpoints go with it."""
        paths = set(self._wishes.pop(owner, {}))
        for path in paths:
            self._settle(path)
        return paths

    def enable(self, path: str, line: int, enabled: bool) -> set[str]:
        """Let a line stop, or not, whoever owns it."""
        (self._muted.discard if enabled else self._muted.add)((path, line))
        self._settle(path)
        return {path}

    def confirm(self, id_: int, line: int, verified: bool, message: str) -> None:
        """A worker said where the breakpoint really is."""
        if place := next((place for place, known in self._ids.items() if known == id_), None):
            self._seen[place] = (line, verified, message)

    def of(self, path: str) -> list[Breakpoint]:
        """The union for one file, by line, with what is disabled."""
        lines = sorted({line for files in self._wishes.values() for line in files.get(path, {})})
        return [self._breakpoint(path, line) for line in lines]

    def pushable(self, path: str, cursor: int = 0) -> list[tuple[Wish, tuple[int, ...]]]:
        """What pydevd is told of a file: one breakpoint per line that can stop, and the ids of those it stands for.

        Two lines that were asked for may stop at the same one, and pydevd would keep the last only. `cursor` is a line
        that one worker runs to; where nobody else wants to stop it stands for none.
        """
        places: dict[int, list[Breakpoint]] = {}
        for item in self.of(path):
            if item.enabled:
                places.setdefault(executable_line(path, item.asked)[0], []).append(item)
        there = executable_line(path, cursor)[0] if cursor else 0
        if there:
            places.setdefault(there, [])
        return [(Wish(place) if place == there
                 else msgspec.structs.replace(merge([self._merged(path, item.asked) for item in here]), line=place),
                 tuple(item.id for item in here))
                for place, here in sorted(places.items())]

    def everything(self) -> list[Breakpoint]:
        """The union for all files, by path and line."""
        return [item for path in sorted(self.paths()) for item in self.of(path)]

    def paths(self) -> set[str]:
        """Files with a breakpoint."""
        return {path for files in self._wishes.values() for path, lines in files.items() if lines}

    def moved(self) -> set[str]:
        """Follow edits: move breakpoints of files that changed since the last look with the text they are on."""
        return {path for path in self.paths() if self._catch_up(path)}

    def _catch_up(self, path: str) -> bool:
        # Before every change too: where a line belongs is known from the text that it was set on only.
        stamp = _stamp(path)
        if self._stamps.get(path, stamp) == stamp or not stamp[1]:
            return False  # a file that is away or empty is being written: its text comes in a moment
        self._stamps[path] = stamp
        self._follow(path)
        return True

    def _follow(self, path: str) -> None:
        mine = dict(sorted(self._wishes.get(CONSOLE, {}).pop(path, {}).items()))
        others = {line for files in self._wishes.values() for line in files.get(path, {})}
        # Editors send new lines themselves when they save; what a worker said about the old text is stale for all.
        self._seen = {key: said for key, said in self._seen.items() if key[0] != path}
        anchors = {old: self._anchors.pop((path, old)) for old in mine}
        ids = {old: self._ids.pop((path, old), 0) for old in mine if old not in others}
        muted = {old for old in mine if (path, old) in self._muted}
        self._muted -= {(path, old) for old in muted - others}
        places = self._place(path, [(wish, anchors[old]) for old, wish in mine.items()])
        for old, new in zip(mine, places, strict=True):
            if id_ := ids.get(old):  # an editor that has one there already keeps its own
                self._ids.setdefault((path, new), id_)
            if old in muted:
                self._muted.add((path, new))
        self._settle(path)

    def _put(self, owner: str, path: str, wish: Wish) -> None:
        self._wishes.setdefault(owner, {}).setdefault(path, {})[wish.line] = wish
        self._stamps.setdefault(path, _stamp(path))
        if owner == CONSOLE:
            self._anchors[path, wish.line] = anchor(path, wish.line)

    def _place(self, path: str, mine: list[tuple[Wish, Anchor]]) -> list[int]:
        # Put the console's wishes, which are in order, where their text is now; returns the lines.
        found = find_again(path, [(wish.line, was) for wish, was in mine])
        lines = {line for line in found if line}
        for at, (wish, was) in enumerate(mine):
            line = found[at] or next(line for line in itertools.count(wish.line) if line not in lines)
            self._put(CONSOLE, path, msgspec.structs.replace(wish, line=line))
            if found[at] is None:
                # As when a file is half written: the next text is searched for what was there.
                self._anchors[path, line] = was
            lines.add(line)
            found[at] = line
        return [line for line in found if line]

    def _settle(self, path: str) -> None:
        lines = {line for files in self._wishes.values() for line in files.get(path, {})}
        for line in lines:
            if (path, line) not in self._ids:
                self._last_id += 1
                self._ids[path, line] = self._last_id
        gone = {key for key in self._ids if key[0] == path and key[1] not in lines}
        for key in gone:
            del self._ids[key]
            self._seen.pop(key, None)
            self._anchors.pop(key, None)
        self._muted -= gone
        self._save()

    def _breakpoint(self, path: str, asked: int) -> Breakpoint:
        owners = tuple(owner for owner, files in self._wishes.items() if asked in files.get(path, {}))
        wish = self._merged(path, asked)
        if (path, asked) not in self._ids:
            self._settle(path)
        line, verified, message = self._seen.get((path, asked)) or executable_line(path, asked)
        return Breakpoint(self._ids[path, asked], path, line, asked, wish.condition, wish.hit, wish.log,
                          (path, asked) not in self._muted, owners, verified, message)

    def _merged(self, path: str, asked: int) -> Wish:
        return merge([files[path][asked] for files in self._wishes.values() if asked in files.get(path, {})])

    def _save(self) -> None:
        mine = self._wishes.get(CONSOLE, {})
        kept = [_Kept(self._name(path), wish, (path, line) not in self._muted, self._anchors[path, line])
                for path, lines in sorted(mine.items()) for line, wish in sorted(lines.items())]
        content = msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n"
        if content == self._saved or not (kept or self._saved):
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._file.with_suffix(".new")
            fresh.write_bytes(content)
            fresh.replace(self._file)
        except OSError as error:
            self.on_trouble(f"Breakpoints could not be kept for the next session: {error}")
        else:
            self._saved = content

    def _name(self, path: str) -> str:
        try:
            return Path(path).relative_to(self._project).as_posix()
        except ValueError:
            return path


def _stamp(path: str) -> tuple[int, int]:
    try:
        status = Path(path).stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)
