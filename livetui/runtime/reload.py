"""New code before the next call: watches what the functions are made of and says which of them a save touches."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Container, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from watchfiles import Change, awatch

from livetui.runtime.contract import FunctionSpec, PoolListener

if TYPE_CHECKING:
    from livetui.runtime.instance import Init
    from livetui.runtime.lane import Lane

IGNORED_FOLDERS = frozenset({
    "__pycache__", "node_modules", "site-packages", "dist-packages", "venv", "env", "build", "dist", "htmlcov",
    "cdk.out",
})
"""Folders that hold no source of a handler; those that begin with a dot or hold a `pyvenv.cfg` are ignored too."""
CONTENT_SUFFIXES = frozenset({
    ".json", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".txt", ".html", ".j2", ".jinja", ".jinja2", ".sql",
    ".graphql", ".proto", ".xml", ".csv", ".md", ".so", ".pem",
})
"""Files that code reads rather than imports: a save of one renews all functions of its code folder."""
SETTINGS_FILES = frozenset({
    "template.yaml", "template.yml", "template.json", "samconfig.toml", "livetui.toml", "pyproject.toml",
})
FOLDER_LIMIT = 5_000

_QUIET_MS = 5
_BURST_MS = 1_500
OnSettings = Callable[[list[Path]], Awaitable[None]]
Run = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
_RETRY_S = 1.0


@dataclass
class Graph:
    """What a function is made of, as its workers told it."""

    code_root: Path
    files: dict[str, str] = field(default_factory=dict)
    """Paths of imported files, as imported and as they are when links are resolved."""

    def add(self, paths: Iterable[str]) -> None:
        """Take imported files."""
        self.files.update({path: os.path.realpath(path) for path in paths})

    def touched_by(self, path: str, *, broken: bool = False) -> bool:
        """Whether a change of `path` (a file, a folder, a link to one) changes what the function does.

        A broken one did not import last: any save in its folder may mend it, and so may the folder's coming.
        """
        prefix = path + os.sep
        if any(path in pair or pair[0].startswith(prefix) or pair[1].startswith(prefix) for pair in self.files.items()):
            return True
        root = str(self.code_root)
        if broken and f"{root}{os.sep}".startswith(prefix):
            return True
        if not path.startswith((root + os.sep, os.path.realpath(root) + os.sep)):
            return False
        suffix = Path(path).suffix
        return suffix in CONTENT_SUFFIXES or is_dotenv(path) or (broken and suffix == ".py")


def is_dotenv(path: str) -> bool:
    """`.env`, `.env.local`, …"""
    name = Path(path).name
    return name == ".env" or name.startswith(".env.")


def is_own_output(path: str) -> bool:
    """Whether this process's own output goes to the file (`livetui --headless > events.txt`)."""
    try:
        file = Path(path).stat()
        return any(os.path.samestat(file, os.fstat(descriptor)) for descriptor in (1, 2))
    except OSError:
        return False


def is_settings(path: str) -> bool:
    """Whether the engine has to look at the change: template, settings, requirements and `.env`."""
    name = Path(path).name
    return name in SETTINGS_FILES or is_dotenv(path) or (name.startswith("requirements") and name.endswith(".txt"))


def touched(changes: Iterable[str], graphs: Mapping[str, Graph], broken: Container[str] = ()) -> dict[str, str]:
    """The functions that a burst of changes touches, each with the first path that does; `broken` are not well."""
    found: dict[str, str] = {}
    for path in sorted(changes):
        if is_own_output(path):
            continue
        for function_id, graph in graphs.items():
            if function_id not in found and graph.touched_by(path, broken=function_id in broken):
                found[function_id] = path
    return found


def source_folders(root: Path) -> list[Path]:
    """`root` and the folders below it that may hold source; at most `FOLDER_LIMIT`."""
    found: list[Path] = []
    for folder, names, files in os.walk(os.path.realpath(root)):
        if "pyvenv.cfg" in files:
            names.clear()
            continue
        found.append(Path(folder))
        names[:] = sorted(name for name in names if name not in IGNORED_FOLDERS and not name.startswith("."))
        if len(found) >= FOLDER_LIMIT:
            break
    return found


def forget_bytecode(path: str) -> None:
    """Delete the cached bytecode of a changed source: Python trusts it when size and second of the change agree."""
    source = Path(path)
    if source.suffix == ".py":
        for cached in (source.parent / "__pycache__").glob(f"{source.stem}.*.pyc"):
            with suppress(OSError):  # a folder that cannot be written holds no bytecode of ours
                cached.unlink(missing_ok=True)


class Watcher:
    """Tells of saves below a set of folders, one burst at a time."""

    def __init__(self, on_burst: Callable[[set[str]], None], known: Callable[[], Iterable[str]]) -> None:
        """`known` names the files whose changes must not be missed while the set of folders grows."""
        self.exact: frozenset[str] = frozenset()
        """Files that count whatever their names are."""
        self._on_burst = on_burst
        self._known = known
        self._folders: set[Path] = set()
        self._again = asyncio.Event()
        self._watching = asyncio.Event()
        self._left_off = 0.0

    def watch(self, folders: Iterable[Path]) -> None:
        """Also watch these folders (not what is below them)."""
        new = {folder for folder in folders if folder not in self._folders}
        if new:
            self._folders |= new
            self._again.set()

    async def ready(self) -> None:
        """Return when changes of the folders named so far are seen."""
        await self._watching.wait()

    async def run(self) -> None:
        """Watch until cancelled. May be called again after an error: what was saved meanwhile is not missed."""
        while True:
            self._again.clear()
            folders = [folder for folder in self._folders if folder.is_dir()]
            if not folders:
                await self._again.wait()
                continue
            # awatch is watching when it first waits, which is when the loop gets to this call.
            asyncio.get_running_loop().call_soon(self._resumed, self._left_off)
            try:
                async for burst in awatch(*folders, debounce=_BURST_MS, step=_QUIET_MS, recursive=False,
                                          stop_event=self._again, watch_filter=self._counts):
                    self._follow(path for change, path in burst if change == Change.added)
                    self._on_burst({path for _, path in burst})
            finally:
                self._left_off = time.time()
                self._watching.set()

    def _counts(self, change: Change, path: str) -> bool:
        return path in self.exact or _is_source(change, path)

    def _resumed(self, left_off: float) -> None:
        self._watching.set()
        if left_off:
            missed = {path for path in self._known() if _changed_since(path, left_off - 0.02)}
            if missed:
                self._on_burst(missed)

    def _follow(self, added: Iterable[str]) -> None:
        """Watch folders that appeared."""
        for folder in map(Path, added):
            if folder.is_dir():
                # What was watched under this name, if anything, is gone.
                again = {folder, folder.resolve()}
                self._folders -= {known for known in self._folders if again & {known, *known.parents}}
                self.watch([folder, *source_folders(folder)])


def _changed_since(path: str, moment: float) -> bool:
    try:
        return Path(path).stat().st_mtime >= moment
    except OSError:
        return False


def _is_source(change: Change, path: str) -> bool:
    name = Path(path).name
    if name.startswith(".") and not is_dotenv(path):
        return False
    return name not in IGNORED_FOLDERS and not name.endswith((".pyc", "~", ".swp", ".tmp"))


class Reloader:
    """Renews the workers of the functions that a save touches, and tells when the new code is ready."""

    def __init__(self, project: Path, lanes: Mapping[str, Lane], listener: PoolListener, run: Run,
                 on_settings: OnSettings | None) -> None:
        self._run = run
        self._lanes = lanes
        self._listener = listener
        self._on_settings = on_settings
        self._graphs: dict[str, Graph] = {}
        self._settings: set[str] = set()
        self._saved: set[str] = set()
        self._looks: asyncio.Task[None] | None = None
        self._watcher = Watcher(self._burst, self._files)
        self._watcher.watch([project])

    async def run(self) -> None:
        """Watch until cancelled; an error is told and does not end it."""
        told = ""
        while True:
            try:
                await self._watcher.run()
            except Exception as error:  # noqa: BLE001  (told, and tried again)
                if str(error) != told:
                    told = str(error)
                    self._listener.notice("", "error", f"Saves may be missed: {type(error).__name__}: {error}")
            await asyncio.sleep(_RETRY_S)

    async def ready(self) -> None:
        """Return when saves are seen."""
        await self._watcher.ready()

    def follow(self, specs: Iterable[FunctionSpec]) -> None:
        """Watch these functions, and no others."""
        known = self._graphs
        graphs = {spec.id: known[spec.id] if spec.id in known and known[spec.id].code_root == spec.code_root
                  else Graph(spec.code_root) for spec in specs}
        for root in {graph.code_root for graph in graphs.values()} - {g.code_root for g in self._graphs.values()}:
            there = next(folder for folder in (root, *root.parents) if folder.is_dir())
            self._watcher.watch(source_folders(root) if there == root else [there])  # where it may come to lie
        self._graphs = graphs

    def follow_settings(self, files: Iterable[Path]) -> None:
        """Take these files, wherever they lie and whatever their names are, as settings."""
        self._settings = {found for file in files for found in (str(file.absolute()), os.path.realpath(file))}
        self._watcher.exact = frozenset(self._settings)
        self._watcher.watch({Path(file).parent for file in self._settings})

    def imported(self, function_id: str, files: Iterable[str], started: float) -> None:
        """A worker of the function, started at this time, imported these files."""
        graph = self._graphs.get(function_id)
        new = set(files) - graph.files.keys() if graph is not None else set()
        if graph is None or not new:
            return
        graph.add(new)
        self._watcher.watch({Path(file).parent for pair in graph.files.items() for file in pair})
        if saved := {file for file in new if _changed_since(file, started)}:  # when nobody knew that it counts
            asyncio.get_running_loop().call_soon(self._burst, saved)

    def _files(self) -> set[str]:
        files = {file for graph in self._graphs.values() for pair in graph.files.items() for file in pair}
        return files | self._settings

    def _burst(self, paths: set[str]) -> None:
        settings = {path for path in paths if is_settings(path) or path in self._settings}
        if settings and self._on_settings is not None:
            self._saved |= settings
            paths = paths - settings
            if self._looks is None or self._looks.done():
                self._looks = self._run(self._look(self._on_settings))
        self._renew(paths)

    async def _look(self, on_settings: OnSettings) -> None:
        """Have saved settings looked at, then renew with the new ones what they touch."""
        while self._saved:
            saved, self._saved = self._saved, set()
            before = {function_id: lane.spec for function_id, lane in self._lanes.items()}
            try:
                await on_settings([Path(path) for path in sorted(saved)])
            except Exception as error:  # noqa: BLE001  (told)
                self._listener.notice("", "error", f"Saved settings could not be read: {error}")
            respecified = {function_id for function_id, lane in self._lanes.items()
                           if before.get(function_id, lane.spec) != lane.spec}
            self._renew(saved, {function_id: min(saved) for function_id in respecified})

    def _renew(self, paths: set[str], others: Mapping[str, str] = MappingProxyType({})) -> None:
        """Renew what a change of `paths` touches, and `others`."""
        began = time.monotonic()
        found = {**others, **touched(paths, self._graphs, {id for id, lane in self._lanes.items() if lane.trouble})}
        lanes = {function_id: self._lanes[function_id] for function_id in found if function_id in self._lanes}
        for lane in lanes.values():
            lane.outdate()
        for path in paths | self._links_to(paths):
            forget_bytecode(path)
        for function_id, lane in lanes.items():
            if lane.was_called or lane.trouble:
                self._start(lane, function_id, found[function_id], began)

    def _links_to(self, paths: set[str]) -> set[str]:
        return {file for graph in self._graphs.values() for file, real in graph.files.items() if real in paths}

    def _start(self, lane: Lane, function_id: str, path: str, began: float) -> None:
        def told(init: Init) -> None:
            error = lane.trouble.error if lane.trouble else ""
            self._listener.code_reloaded(function_id, (time.monotonic() - began) * 1000, error, init.place or path)

        lane.start_ahead(told)
