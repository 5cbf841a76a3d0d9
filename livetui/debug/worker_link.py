"""One worker's pydevd: authorize it, configure it, ask it, and keep what is known about its threads."""

from __future__ import annotations

import asyncio
import hmac
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from livetui.debug.breakpoints import Wish
from livetui.debug.conditions import log_for_pydevd
from livetui.debug.wire import Channel, Message
from livetui.errors import LivetuiError

AUTHORIZE = "pydevdAuthorize"
State = Literal["dialed", "configuring", "ready", "stopped", "gone"]
HANDSHAKE_S = 10.0
"""Time that a worker has from its connection to READY."""
ANSWER_S = 10.0
"""Time that a worker has to answer what does not run user code."""
_ENDED = re.compile(r"No more messages|\[(?:Errno|WinError) \d+\] .*|")
"""How debugpy's own adapter words that the worker behind it has ended: its stream's end, or what broke the stream."""


class RefusedError(LivetuiError):
    """The debugger in the worker refused a request, or the worker is gone; `what` is its reason."""

    late = False
    """Whether it did not answer in time; it may still be at it."""


class WorkerLink:
    """One connection that a worker dialed. The broker hears `on_event(link, event, body)`."""

    def __init__(self, channel: Channel, on_event: Callable[[WorkerLink, str, dict[str, Any]], None]) -> None:
        self.channel = channel
        self.state: State = "dialed"
        self.pid = 0
        self.function_id = ""
        self.threads: dict[int, str] = {}
        """Names of its threads by pydevd's id."""
        self.stopped: dict[int, dict[str, Any]] = {}
        """Body of the last `stopped` event by thread."""
        self.tops: dict[int, int] = {}
        """The innermost frame of what is stopped, by thread."""
        self.cursor: tuple[str, int] | None = None
        """Path and line that it runs to."""
        self.failed = ""
        """Why the condition of the breakpoint at which it stops next cannot be evaluated."""
        self.since = time.time()
        """When it read its files, at the earliest."""
        self.listens = False
        """Whether it listened for us instead of dialing in."""
        self.known = False
        """Whether editors have heard of it."""
        self.asker: object = None
        """Who resumed it last; that one is not told `continued`."""
        self._on_event = on_event
        self._pushed: dict[str, list[Wish] | None] = {}  # None: nobody knows what it has
        self._told: dict[str, Sequence[tuple[Wish, tuple[int, ...]]]] = {}
        self._known: dict[int, tuple[str, tuple[int, ...]]] = {}
        self._answers: dict[int, asyncio.Future[Message]] = {}
        channel.on_message = self._received

    async def authorize(self, expects: Callable[[str], tuple[str, float] | None]) -> None:
        """Ask for the worker's token and its pid. `expects(token)` is function and `since`, or None for a stranger.

        Raises `RefusedError`.
        """
        answer = await self.request(AUTHORIZE, {"debugServerAccessToken": None})
        expected = expects(str(answer.get("clientAccessToken") or ""))
        if expected is None:
            raise RefusedError("A process without a worker's token connected.")
        self.channel.trust()
        self.function_id, self.since = expected
        # Like the authorization, no public API; tests try both with the oldest and the newest debugpy.
        info = await self.request("pydevdSystemInfo", {})
        self.pid = int(info["process"]["pid"])

    async def configure(self, files: Mapping[str, Sequence[tuple[Wish, tuple[int, ...]]]],
                        exceptions: Mapping[str, Any], attach: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
        """Bring it to READY with these breakpoints; returns pydevd's, one list per file. Raises `RefusedError`."""
        self.state = "configuring"
        first = [("initialize", {"clientID": "livetui", "adapterID": "debugpy", "pathFormat": "path",
                                 "linesStartAt1": True, "columnsStartAt1": True, "supportsVariableType": True}),
                 ("attach", dict(attach)),
                 # A condition that raises stops there and says so, instead of never stopping.
                 ("setDebuggerProperty", {"skipSuspendOnBreakpointException": [], "skipPrintBreakpointException": []}),
                 ("setExceptionBreakpoints", dict(exceptions))]
        # Sent together: a round trip each would be most of the handshake.
        waiting = [self.ask(command, arguments) for command, arguments in first]
        pushes = {path: self._push(path, wishes) for path, wishes in files.items()}
        done = self.ask("configurationDone", {})
        for answer in waiting:
            _body(await answer)
        said = [self._learn(path, _body(await answer), files[path]) for path, answer in pushes.items()]
        _body(await done)
        if self.state == "configuring":  # it may have stopped at once
            self.state = "ready"
        return said

    async def push(self, path: str, wishes: Sequence[tuple[Wish, tuple[int, ...]]]) -> list[dict[str, Any]] | None:
        """Tell it a file's breakpoints; None when it knows them already (pushing again would reset hit counts)."""
        wanted = [wish for wish, _ in wishes]
        if self._pushed.get(path, []) == wanted:
            return None
        answer = self._push(path, wishes)
        sent = self._pushed[path]
        try:
            return self._learn(path, _body(await self._answered(answer, "setBreakpoints", ANSWER_S)), wishes)
        except RefusedError:
            if self._pushed[path] is sent:  # and not something newer
                self._pushed[path] = None
            raise

    def runs_older_than(self, path: str) -> bool:
        """Whether the file was saved after this worker started."""
        try:
            return Path(path).stat().st_mtime > self.since
        except OSError:
            return False

    def breakpoints(self, upstream: int) -> tuple[int, ...] | None:
        """The breakpoints that one of pydevd's stands for; None when it is not known."""
        known = self._known.get(upstream)
        return None if known is None else known[1]

    def logs_when(self, condition: str) -> bool:
        """Whether a log point has this condition."""
        return any(wish.log and wish.condition == condition for told in self._told.values() for wish, _ in told)

    def remaining(self, path: str, enabled: set[int]) -> list[tuple[Wish, tuple[int, ...]]]:
        """What it was told of a file, less the breakpoints that are not `enabled` any more."""
        left = [(wish, tuple(id_ for id_ in ids if id_ in enabled)) for wish, ids in self._told.get(path, ())]
        return [(wish, ids) for wish, ids in left if ids]

    async def request(self, command: str, arguments: Mapping[str, Any], within: float | None = ANSWER_S) -> Any:
        """The answer's body. Raises `RefusedError`, also after `within` seconds."""
        return _body(await self._answered(self.ask(command, arguments), command, within))

    def ask(self, command: str, arguments: Mapping[str, Any]) -> asyncio.Future[Message]:
        """Send a request; the future has the whole response, also a failed one, and never an exception."""
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        if self.state == "gone":
            answer.set_result(_failure(command))
            return answer
        seq = self.channel.send({"type": "request", "command": command, "arguments": dict(arguments)})
        self._answers[seq] = answer
        return answer

    async def run_on(self, command: str, arguments: Mapping[str, Any], within: float | None) -> Any:
        """Continue or step. Raises `RefusedError`."""
        answer = self.ask(command, arguments)
        top = self.tops.pop(arguments["threadId"], 0)
        # A paused thread looks up every 200 ms, unless something is put into its queue: so ask for what it need not
        # answer. A step is in the queue itself and has to be out of it first; a continue is not, and waits for us.
        if command != "continue":
            await self._answered(answer, command, within)
        if top:
            self.ask("variables", {"variablesReference": top})
        try:
            return _body(await self._answered(answer, command, within))
        except RefusedError:
            if self.state != "gone":
                raise
            return {}  # it ran to its end before it could answer

    @staticmethod
    async def _answered(answer: asyncio.Future[Message], command: str, within: float | None) -> Message:
        try:
            return await asyncio.wait_for(answer, within)
        except TimeoutError:
            error = RefusedError(f"The worker did not answer within {within:g} s.", f"request: {command}",
                                 "It may be running code that blocks.")
            error.late = True
            raise error from None

    def lost(self) -> None:
        """Its connection is closed: everything that waits for an answer fails with "worker restarting"."""
        self.state = "gone"
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(_failure(""))
        self._answers.clear()

    def _push(self, path: str, wishes: Sequence[tuple[Wish, tuple[int, ...]]]) -> asyncio.Future[Message]:
        self._pushed[path] = [wish for wish, _ in wishes]
        self._told[path] = wishes
        lines = [{"line": wish.line, "condition": wish.condition or None, "hitCondition": wish.hit or None,
                  "logMessage": log_for_pydevd(wish.log) or None} for wish, _ in wishes]
        return self.ask("setBreakpoints", {"source": {"path": path}, "breakpoints": lines})

    def _learn(self, path: str, body: Mapping[str, Any],
               wishes: Sequence[tuple[Wish, tuple[int, ...]]]) -> list[dict[str, Any]]:
        answers = list(body.get("breakpoints", ()))
        for old in [id_ for id_, (file, _) in self._known.items() if file == path]:
            del self._known[old]
        for item, (_, ids) in zip(answers, wishes, strict=False):
            self._known[item["id"]] = (path, ids)
        return answers

    def _received(self, message: Message) -> None:
        if message["type"] == "response":
            answer = self._answers.pop(message.get("request_seq", 0), None)
            if answer is not None and not answer.done():
                ended = self.listens and not message.get("success") and _ENDED.fullmatch(message.get("message") or "")
                answer.set_result(_failure("") if ended else message)
        elif message["type"] == "event":
            self._on_event(self, str(message.get("event")), message.get("body") or {})
        # Requests from a worker are not answered: nothing that user code controls may ask anything of us.


def same_token(given: str, expected: str) -> bool:
    """Compare two tokens in constant time."""
    return hmac.compare_digest(given.encode(), expected.encode())


def _failure(command: str) -> Message:
    return {"type": "response", "success": False, "command": command, "message": "worker restarting"}


def _body(answer: Message) -> Any:
    if not answer.get("success"):
        body = answer.get("body") or {}
        raise RefusedError(str(answer.get("message") or body.get("error", {}).get("format") or "The debugger refused."))
    return answer.get("body") or {}
