"""The console's hand on the debugger: plain values in, frozen values out; call it on the broker's event loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from livetui.debug.breakpoints import CONSOLE, Breakpoint, Wish, real
from livetui.debug.exceptions import ExceptionFilters
from livetui.debug.values import Evaluated, Frame, Look, PausedThread, Scope, Variable, Watched
from livetui.debug.worker_link import RefusedError

if TYPE_CHECKING:
    from livetui.debug.broker import Broker

LOOK_S = 10.0
"""Longest wait in seconds for something that may run user code, such as a `__repr__`."""
_GROUPS = frozenset(("special variables", "function variables", "class variables"))
TEXT = 8192
"""Characters of a variable's value that are kept in the tree; `evaluate` has more of it."""


class Face:
    """Breakpoints, exception filters, what is paused, and what is in it.

    Ids of threads, frames and references are valid until their worker runs on; then `RefusedError` is raised.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    # ── breakpoints ────────────────────────────────────────────────────────────────────────────────────────────────

    def breakpoints(self) -> list[Breakpoint]:
        """The union of all owners, by path and line."""
        return self._broker.union()

    async def toggle(self, path: str | Path, line: int) -> Breakpoint | None:
        """Set a plain breakpoint, or remove the one that stops at (or was asked for at) this line."""
        here = self._at(real(path), line)
        if here is not None:
            await self.remove(here.path, here.asked)
            return None
        return await self.set(path, line)

    async def set(self, path: str | Path, line: int, *, condition: str = "", hit: str = "", log: str = "",
                  enabled: bool = True) -> Breakpoint:
        """Set or change the console's breakpoint. Raises `UsageError` for a text that cannot work."""
        name = real(path)
        here = self._at(name, line)
        line = here.asked if here else line
        paths = self._broker.store.put(CONSOLE, name, Wish(line, condition, hit, log))
        self._broker.store.enable(name, line, enabled)
        wanted = next(item for item in self._broker.union() if (item.path, item.asked) == (name, line))
        await self._broker.apply(paths)
        # where the worker says it stops; as it was asked for when it was removed again meanwhile
        return next((item for item in self._broker.union() if (item.path, item.asked) == (name, line)), wanted)

    async def remove(self, path: str | Path, line: int) -> None:
        """Remove a breakpoint, whoever owns it."""
        name = real(path)
        here = self._at(name, line)
        await self._broker.apply(self._broker.store.remove(name, here.asked if here else line))

    async def enable(self, path: str | Path, line: int, enabled: bool = True) -> None:
        """Let a breakpoint stop or not, whoever owns it."""
        name = real(path)
        here = self._at(name, line)
        await self._broker.apply(self._broker.store.enable(name, here.asked if here else line, enabled))

    async def set_exception_filters(self, uncaught: bool = False, raised: bool = False,
                                    classes: tuple[str, ...] = ()) -> None:
        """Which errors stop. Raises `UsageError` for an impossible class name."""
        await self._broker.filter_exceptions(CONSOLE, ExceptionFilters(uncaught, raised, tuple(classes)))

    def exception_filters(self) -> ExceptionFilters:
        """The console's own choice."""
        return self._broker.filters_of(CONSOLE)

    def _at(self, path: str, line: int) -> Breakpoint | None:
        here = [item for item in self._broker.union() if item.path == path and line in (item.asked, item.line)]
        return min(here, key=lambda item: item.asked != line, default=None)

    # ── what is paused ─────────────────────────────────────────────────────────────────────────────────────────────

    def paused(self) -> list[PausedThread]:
        """Everything that stands still now, in all workers, oldest first."""
        return list(self._broker.workers.paused.values())

    async def siblings(self, thread_id: int) -> list[PausedThread]:
        """The other threads of a paused thread's worker, where each is, with its name as `text`."""
        link, found = self._broker.worker_of(thread_id), []
        for own, name in list(link.threads.items()):
            other = self._broker.workers.ids.dense(link.pid, "thread", own)
            frames = [] if other == thread_id else await self.stack(other, 0, 1)
            found += [PausedThread(link.pid, other, link.function_id, self._broker.work_of(link.pid), frame.path,
                                   frame.line, "thread", name) for frame in frames]
        return found

    async def stack(self, thread_id: int, start: int = 0, count: int = 100) -> list[Frame]:
        """Frames of a paused thread, innermost first."""
        body = await self._ask("stackTrace", threadId=thread_id, startFrame=start, levels=count)
        return [Frame(item["id"], str(item["name"]), str((item.get("source") or {}).get("path") or ""),
                      int(item["line"]), item.get("presentationHint") == "subtle") for item in body["stackFrames"]]

    async def look(self, thread_id: int) -> Look:
        """Frames and locals of a paused thread in one answer: asked for one by one, a console would draw between."""
        frames = await self.stack(thread_id)
        if not frames:
            raise RefusedError("It has no Python frames.")
        frame = next((frame for frame in frames if not frame.subtle), frames[0])
        return Look(frames, frame, *await self.locals(frame.id))

    async def locals(self, frame_id: int) -> tuple[int, list[Variable]]:
        """Reference and children of a frame's innermost scope."""
        scope = (await self.scopes(frame_id))[0]
        return scope.reference, await self.variables(scope.reference)

    async def scopes(self, frame_id: int) -> list[Scope]:
        """The frame's locals and globals."""
        body = await self._ask("scopes", frameId=frame_id)
        return [Scope(str(item["name"]), item["variablesReference"]) for item in body["scopes"]]

    async def variables(self, reference: int, start: int = 0, count: int = 200) -> list[Variable]:
        """Children of a scope or of a variable; fewer than `count` when there are no more."""
        body = await self._ask("variables", variablesReference=reference)
        return [Variable(str(item["name"]), str(item.get("value") or "")[:TEXT], str(item.get("type") or ""),
                         item.get("variablesReference") or 0, str(item.get("evaluateName") or ""))
                for item in sorted(body["variables"], key=lambda item: item["name"] in _GROUPS)[start:start + count]]

    async def evaluate(self, expression: str, frame_id: int | None = None, context: str = "repl",
                       within: float = LOOK_S) -> Evaluated:
        """Evaluate (or, with context `repl`, run) in a frame. Raises `RefusedError` with the error's text."""
        frame = {} if frame_id is None else {"frameId": frame_id}
        body = await self._broker.forward(self, "evaluate", {"expression": expression, "context": context, **frame},
                                       within)
        return Evaluated(str(body.get("result") or ""), str(body.get("type") or ""),
                         body.get("variablesReference") or 0)

    async def watched(self, frame_id: int) -> list[Watched]:
        """What the watch expressions give in a frame; each has `WATCH_S` seconds."""
        async def evaluate(expression: str, within: float) -> Evaluated:
            result = await self.evaluate(expression, frame_id, "watch", within)
            return msgspec.structs.replace(result, value=result.value[:TEXT])

        return await self._broker.watches.evaluated(evaluate)

    async def watch(self, old: str, new: str) -> None:
        """Change a watch expression; an empty `old` adds one, an empty `new` removes it. Raises `UsageError`."""
        try:
            self._broker.watches.change(old, new)
        except OSError as error:
            self._broker.listener.on_notice("", "warning", f"Watches are forgotten after this session: {error}")

    async def set_variable(self, reference: int, name: str, value: str) -> Evaluated:
        """Give a variable of a scope, or an element, the value of the expression `value`."""
        body = await self._ask("setVariable", variablesReference=reference, name=name, value=value)
        return Evaluated(str(body.get("value") or ""), str(body.get("type") or ""),
                         body.get("variablesReference") or 0)

    # ── running on ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def resume(self, thread_id: int) -> None:
        """Let the thread's worker run on."""
        await self._ask("continue", threadId=thread_id)

    async def step_over(self, thread_id: int) -> None:
        """Run to the next line."""
        await self._ask("next", threadId=thread_id)

    async def step_into(self, thread_id: int) -> None:
        """Run into the call."""
        await self._ask("stepIn", threadId=thread_id)

    async def step_out(self, thread_id: int) -> None:
        """Run until the function returns."""
        await self._ask("stepOut", threadId=thread_id)

    async def run_to(self, thread_id: int, path: str | Path, line: int) -> None:
        """Run until the line is reached, anything else stops, or the call has ended."""
        await self._broker.run_to(self._broker.worker_of(thread_id), real(path), line)
        await self.resume(thread_id)

    async def pause(self, pid: int) -> None:
        """Stop a running worker wherever it is. Raises `RefusedError` when it is not debugged."""
        link = self._broker.workers.links.get(pid)
        if link is None or not link.threads:
            raise RefusedError(f"Worker {pid} is not being debugged.", "",
                               "Set a breakpoint, then call the function again.")
        await link.request("pause", {"threadId": next(iter(link.threads))})

    async def _ask(self, command: str, **arguments: Any) -> Any:
        return await self._broker.forward(self, command, arguments, LOOK_S)
