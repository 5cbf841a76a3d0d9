"""The debug adapter: workers dial in, editors attach to one stable port, the console calls in-process.

One per session, in the engine's asyncio loop. The pool uses `prepare`, `ready` and `gone`; the console `face`.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from livetui.debug.breakpoints import CONSOLE, Breakpoint, BreakpointStore, Wish
from livetui.debug.client import Client
from livetui.debug.crew import HOST, Crew
from livetui.debug.discovery import DebugPort
from livetui.debug.exceptions import ExceptionFilters, read_filters, union, write_filters
from livetui.debug.face import Face
from livetui.debug.ids import UnknownIdError
from livetui.debug.values import DebugListener
from livetui.debug.watches import Watches
from livetui.debug.wire import Channel
from livetui.debug.worker_link import RefusedError, WorkerLink
from livetui.debug.workers import RUNTIME, Workers, users

PORT = 5710
"""Where editors attach, unless the project has another port already or it is taken."""
STRANGERS = 16
"""Editors that may be connected without having attached; the oldest goes when one more comes."""
REPORT_LIMIT = 8 * 1024 * 1024
"""Largest frame in bytes on the workers' port: an error's photograph."""

_FILTERS = "exceptions.json"
_RESUMING = frozenset(("continue", "next", "stepIn", "stepOut"))


class Broker:
    """Routes between workers, editors and the console, and keeps the union of their breakpoints."""

    def __init__(self, state: Path, project: Path, port: int = PORT, listener: DebugListener | None = None, *,
                 post_mortem: bool = False, console: bool = True) -> None:
        """`state` is `.livetui/`; `port` 0 takes any.

        With `post_mortem`, handler errors are photographed also in workers that are not debugged. Without `console`
        the console's kept breakpoints are left alone: nobody would be there to let a call run on.
        """
        self.listener = listener or DebugListener()
        self.work_of: Callable[[int], str] = lambda pid: ""
        """Set by the engine: the invocation that a worker runs, by pid."""
        self.cares: Callable[[str, int], bool] = lambda owner, pid: True
        """Set by the engine: whether that owner's filters are about errors of what that worker runs."""
        self.port = 0
        """Where editors attach, once started."""
        self.token = ""
        self.store = BreakpointStore(state / "breakpoints.json", project)
        self.watches = Watches(state / "watches.json")
        self.crew = Crew(self._failed)
        self.workers = Workers(self)
        self.face = Face(self)
        self._state, self._asked_port, self._post_mortem = state, port, post_mortem
        self._has_console = console
        self._clients: list[Client] = []
        self._client_count = 0
        self._filters: dict[str, ExceptionFilters] = {}
        self._just_my_code = True
        self._was_wanted = False
        self._shown: list[Breakpoint] = []

    async def start(self) -> None:
        """Open both ports and read the project's breakpoints. Raises `LivetuiError` when no port is free.

        Editors find the port once it is announced.
        """
        known = DebugPort.read(self._state)
        self.token = known.token
        self.workers.port = await self.crew.serve(self.workers.dialed, 0, REPORT_LIMIT)
        self.port = await self.crew.serve(self._editor_connected, known.port if self._asked_port and known.port
                                          else self._asked_port)
        self.store.on_trouble = lambda text: self.listener.on_notice("", "warning", text)
        if self._has_console:
            if trouble := self.store.load():
                self.store.on_trouble(trouble)
            self._filters[CONSOLE] = read_filters(self._state / _FILTERS)
            self.watches.load()
        self._was_wanted, self._shown = self.wanted, self.union()

    def announce(self) -> None:
        """Tell editors where to attach: this console receives the calls."""
        known = DebugPort.read(self._state)
        if known.port:  # it may have been made since the start, by `livetui vscode`
            self.token = known.token
        DebugPort(self.port, self.token).write(self._state)
        if known.port and self._asked_port and self.port != known.port:
            self.listener.on_notice("", "warning", f"Port {known.port} is taken, so editors attach to {self.port} from "
                                    "now on: run `livetui vscode`, and change it in other editors.")

    async def close(self) -> None:
        """End every editor's session and close everything; the pool ends the workers."""
        for client in list(self._clients):
            client.end("livetui has ended.")
        await self.crew.close("livetui has ended")

    @property
    def wanted(self) -> bool:
        """Whether a new worker is to be debugged: something can stop it, or an editor is attached."""
        return (bool(union(self._filters.values())) or any(item.enabled for item in self.store.everything())
                or any(client.state in ("attached", "live") for client in self._clients))

    # ── the pool (livetui.runtime.contract.DebugSupport) ───────────────────────────────────────────────────────────

    async def prepare(self, function_id: str) -> Mapping[str, Any] | None:
        """Configuration for a new worker's `worker_debug.start`; None while there is nothing to debug."""
        if moved := self.store.moved():
            self.crew.spawn(self.apply(moved))  # a worker that is busy may not answer for long
        attach = self.wanted
        if not (attach or self._post_mortem):
            return None
        spec = importlib.util.find_spec("debugpy")
        return {"function": function_id, "host": HOST, "port": self.workers.port, "via": self.workers.via,
                "token": self.workers.ticket(function_id, attach, self._has_console), "attach": attach,
                "on_demand": self._has_console and not attach,
                "debugpy": str(Path(spec.origin).parent) if spec is not None and spec.origin else None}

    async def ready(self, pid: int) -> None:
        """Return when the worker's breakpoints are set, or when it is known that it is not debugged."""
        await self.workers.ready(pid)

    def gone(self, pid: int) -> None:
        """The worker's process has ended."""
        self.workers.gone(pid)

    def stands(self, pid: int) -> bool:
        """Whether the worker is paused."""
        link = self.workers.links.get(pid)
        return link is not None and bool(link.stopped)

    # ── breakpoints and exceptions ─────────────────────────────────────────────────────────────────────────────────

    def union(self) -> list[Breakpoint]:
        """Everyone's breakpoints, by path and line."""
        return self.store.everything()

    async def replace(self, client: Client, path: str, wishes: list[Wish]) -> None:
        """An editor's breakpoints of one file; nobody else's are touched."""
        await self.apply(self.store.replace(client.owner, path, wishes))

    async def apply(self, paths: set[str]) -> None:
        """Tell workers and people that the union of these files may have changed."""
        await self._everywhere(lambda link: self._push(link, paths))
        self.show_breakpoints()
        self._check_wanted()

    async def filter_exceptions(self, owner: str, filters: ExceptionFilters) -> None:
        """Which errors stop, for one owner. Raises `UsageError` for an impossible class name."""
        filters.check()
        self._filters[owner] = filters
        if owner != CONSOLE and not filters:
            del self._filters[owner]
        if owner == CONSOLE:
            try:
                write_filters(self._state / _FILTERS, filters)
            except OSError as error:
                self.listener.on_notice("", "warning", f"Which errors stop is forgotten after this session: {error}")
        await self._push_exceptions()
        self._check_wanted()

    def filters_of(self, owner: str) -> ExceptionFilters:
        """What one owner chose."""
        return self._filters.get(owner, ExceptionFilters())

    def passes(self, pid: int) -> bool:
        """Whether nobody who chose which errors stop cares about those of what this worker runs."""
        owners = [owner for owner, filters in self._filters.items() if filters]
        return bool(owners) and not any(self.cares(owner, pid) for owner in owners)

    def show_breakpoints(self) -> None:
        """Let every editor and the console see the union as it is now."""
        shown = self.union()
        for client in self._clients:
            client.show(shown)
        if shown != self._shown:
            self._shown = shown
            self.listener.on_breakpoints_changed(shown)

    async def run_to(self, link: WorkerLink, path: str, line: int) -> None:
        """Let one worker stop at this line too, until it stops anywhere or its call has ended.

        Raises `RefusedError` when it is not paused, or runs older text in which that line is another.
        """
        if not link.stopped:
            raise RefusedError("It is not paused.")
        if link.runs_older_than(path):
            raise RefusedError(f"{Path(path).name} was saved since this worker started; its lines are others now.", "",
                               "Step, or let it run on: the next call runs the new code.")
        self._forget_cursor(link)
        link.cursor = path, line
        await self._push(link, {path})

    def call_ended(self, pid: int) -> None:
        """The worker has answered its call: a line that it was to run to was not reached."""
        if link := self.workers.links.get(pid):
            self._forget_cursor(link)

    def _forget_cursor(self, link: WorkerLink) -> None:
        if link.cursor is not None:
            path, link.cursor = link.cursor[0], None
            self.crew.spawn(self._push(link, {path}))

    def stopped(self, link: WorkerLink) -> None:
        """A worker stopped somewhere, so "run to cursor" is over."""
        self._forget_cursor(link)

    async def _push(self, link: WorkerLink, paths: set[str], *, again: bool = True) -> None:
        failed = set()
        for path in paths:
            cursor = link.cursor[1] if link.cursor and link.cursor[0] == path else 0
            try:
                if link.runs_older_than(path):
                    # New line numbers would mislead it, and its own say nothing about the file as it is now.
                    await link.push(path, link.remaining(path, {item.id for item in self.store.of(path)
                                                                if item.enabled}))
                else:
                    self.workers.confirm(link, await link.push(path, self.store.pushable(path, cursor)) or [])
            except RefusedError as error:
                failed.add(path)
                reason = error.what
        if failed and link.state != "gone":
            self.listener.on_notice(link.function_id, "warning", f"Breakpoints could not be set: {reason}"
                                    + " They are sent again when the worker answers." * again)
            if again:
                self.crew.spawn(self._push_later(link, failed))

    async def _push_later(self, link: WorkerLink, paths: set[str]) -> None:
        with contextlib.suppress(RefusedError):  # it is gone
            await link.request("threads", {}, None)  # answered in order, so when it listens again
            await self._push(link, paths, again=False)
            self.show_breakpoints()

    async def _push_exceptions(self) -> None:
        arguments = self.exception_arguments()
        await self._everywhere(lambda link: self._ask_quietly(link, "setExceptionBreakpoints", arguments))

    async def _everywhere(self, tell: Callable[[WorkerLink], Coroutine[Any, Any, None]]) -> None:
        # A worker that is being configured is told, in order, but nobody waits for it.
        for link in self.workers.links.values():
            if link.state == "configuring":
                self.crew.spawn(tell(link))
        await asyncio.gather(*(tell(link) for link in self.workers.live()))

    async def _ask_quietly(self, link: WorkerLink, command: str, arguments: Mapping[str, Any]) -> None:
        try:
            await link.request(command, arguments)
        except RefusedError as error:
            if link.state != "gone":
                self.listener.on_notice(link.function_id, "warning", f"{command} was refused: {error.what}")

    def _check_wanted(self) -> None:
        if (wanted := self.wanted) != self._was_wanted:
            self._was_wanted = wanted
            self.listener.on_wanted_changed(wanted)

    # ── requests to workers ────────────────────────────────────────────────────────────────────────────────────────

    async def threads(self) -> list[dict[str, Any]]:
        """All threads of all workers, as DAP wants them."""
        await asyncio.gather(*(self.workers.name_threads(link) for link in self.workers.live()))
        return [{"id": self.workers.ids.dense(link.pid, "thread", thread),
                 "name": f"{link.function_id} {link.pid} · {name}"}
                for link in self.workers.live() for thread, name in link.threads.items()]

    async def forward(self, asker: object, command: str, arguments: Mapping[str, Any],
                      within: float | None = None) -> Any:
        """Let the worker that the ids mean answer, within that many seconds. Raises `RefusedError`."""
        link, own = self._meant(command, arguments)
        if command in _RESUMING:
            if not link.stopped:
                raise RefusedError("It is not paused.")
            link.asker = asker
            body = await link.run_on(command, own, within)
        else:
            body = await link.request(command, own, within)
        if command == "continue":
            return {"allThreadsContinued": len(self.workers.live()) <= 1}
        return self.workers.ids.outward(link.pid, command, users(body) if command == "stackTrace" else body)

    def worker_of(self, thread_id: int) -> WorkerLink:
        """The worker of a thread. Raises `RefusedError`."""
        return self._meant("continue", {"threadId": thread_id})[0]

    def _meant(self, command: str, arguments: Mapping[str, Any]) -> tuple[WorkerLink, dict[str, Any]]:
        try:
            pid, own = self.workers.ids.inward(command, arguments)
        except UnknownIdError:
            raise RefusedError("That has run on and can no longer be looked at.") from None
        link = self.workers.links.get(pid) if pid is not None else self._any_worker()
        if link is None:
            raise RefusedError("No worker is running.", "", "Call the function first.")
        return link, own

    def restart(self) -> None:
        """An editor's restart button: workers are replaced, the session stays."""
        self.listener.on_restart()

    def _any_worker(self) -> WorkerLink | None:
        links = self.workers.live()
        return next((link for link in links if link.stopped), links[0] if links else None)

    # ── what workers need (livetui.debug.workers) ──────────────────────────────────────────────────────────────

    def attach_arguments(self) -> Mapping[str, Any]:
        """How pydevd is configured in a worker."""
        return {"justMyCode": self._just_my_code, "showReturnValue": True, "subProcess": False,
                "redirectOutput": False, "resolveSymlinks": True, "guiEventLoop": "none",
                "autoReload": {"enable": False}, "rules": [{"path": RUNTIME + "**", "include": False}]}

    def exception_arguments(self) -> Mapping[str, Any]:
        """The union of everyone's exception filters, for pydevd."""
        return union(self._filters.values()).arguments()

    def tell(self, event: str, body: Mapping[str, Any], but: object = None) -> None:
        """Send an event to every editor, except to the one who caused it."""
        for client in self._clients:
            if client is not but:
                client.event(event, body)

    def introduce(self, link: WorkerLink) -> None:
        """A worker is READY: editors see a process with threads."""
        link.known = True
        for client in self._clients:
            self._introduce(link, client)

    def _introduce(self, link: WorkerLink, client: Client) -> None:
        client.event("process", {"name": f"{link.function_id} (worker {link.pid})", "systemProcessId": link.pid,
                                 "isLocalProcess": True, "startMethod": "attach"})
        for thread in link.threads:
            client.event("thread", {"reason": "started",
                                    "threadId": self.workers.ids.dense(link.pid, "thread", thread)})
        for body in link.stopped.values():
            client.event("stopped", self.workers.stop_body(link, body))

    # ── editors (livetui.debug.client) ─────────────────────────────────────────────────────────────────────────

    def _editor_connected(self, channel: Channel) -> None:
        self._client_count += 1
        client = Client(channel, self, self._client_count)
        self._clients.append(client)
        strangers = [known for known in self._clients if known.state in ("connected", "initialized")]
        if len(strangers) > STRANGERS:
            strangers[0].channel.abort()
        self.crew.spawn(client.expire())

    def attached(self, client: Client) -> None:
        """Its token was right; its breakpoints follow."""
        self.listener.on_clients_changed(self._names())
        self._check_wanted()

    def joined(self, client: Client) -> None:
        """It is LIVE: replay what is there."""
        for link in self.workers.live():
            if link.known:
                self._introduce(link, client)
        client.show(self.union())

    def left(self, client: Client, had_attached: bool) -> None:
        """Its connection is closed: its breakpoints go, what is paused stays paused."""
        self._clients.remove(client)
        if not had_attached:
            return
        paths = self.store.drop(client.owner)
        had_filters = self._filters.pop(client.owner, None)
        self.listener.on_clients_changed(self._names())
        self.crew.spawn(self._clean_up(paths, bool(had_filters)))

    async def _clean_up(self, paths: set[str], exceptions: bool) -> None:
        if exceptions:
            await self._push_exceptions()
        await self.apply(paths)

    def note_just_my_code(self, wanted: bool) -> None:
        """`justMyCode` of the last editor that attached holds for new workers."""
        self._just_my_code = wanted

    def _names(self) -> list[str]:
        return [client.name for client in self._clients if client.state in ("attached", "live")]

    def _failed(self, error: BaseException) -> None:
        self.listener.on_notice("", "error", f"The debugger failed at something: {error!r}")
