"""One editor: the gate before a token-checked attach, what is answered here, and what it has been shown.

`CONNECTED → INITIALIZED → ATTACHED → LIVE`. Attaching works while no worker exists.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from livetui.debug.breakpoints import CONSOLE, Breakpoint, Wish, real
from livetui.debug.exceptions import SHOWN, from_editor
from livetui.debug.wire import Channel, Message
from livetui.debug.worker_link import same_token
from livetui.errors import LivetuiError, UsageError

if TYPE_CHECKING:
    from livetui.debug.broker import Broker

ClientState = Literal["connected", "initialized", "attached", "live", "gone"]
ATTACH_S = 10.0
"""Time from connecting to a valid attach."""

FORWARDED = frozenset((
    "stackTrace", "scopes", "variables", "evaluate", "setVariable", "setExpression", "source", "completions",
    "exceptionInfo", "goto", "gotoTargets", "stepInTargets", "pause", "next", "stepIn", "stepOut", "continue"))
"""Requests that a worker answers."""

CAPABILITIES: dict[str, Any] = {
    "supportsConfigurationDoneRequest": True,
    "supportsConditionalBreakpoints": True,
    "supportsHitConditionalBreakpoints": True,
    "supportsLogPoints": True,
    "supportsEvaluateForHovers": True,
    "supportsClipboardContext": True,
    "supportsCompletionsRequest": True,
    "supportsSetVariable": True,
    "supportsSetExpression": True,
    "supportsExceptionInfoRequest": True,
    "supportsExceptionOptions": True,
    "supportsDelayedStackTraceLoading": True,
    "supportsGotoTargetsRequest": True,
    "supportsStepInTargetsRequest": True,
    "supportsValueFormattingOptions": True,
    # An editor's restart button then replaces workers; without it VS Code would tear the session down.
    "supportsRestartRequest": True,
    "supportsTerminateRequest": False,
    "exceptionBreakpointFilters": SHOWN,
}


class Client:
    """An editor's connection; `owner` names its breakpoints."""

    def __init__(self, channel: Channel, broker: Broker, number: int) -> None:
        self.channel = channel
        self.state: ClientState = "connected"
        self.owner = f"editor-{number}"
        self.name = "an editor"
        self._broker = broker
        self._number = number
        self._shown: dict[int, dict[str, Any]] = {}
        self._prefixes: dict[str, str] = {}  # real folder → the editor's name for it
        channel.on_message = self._received
        channel.on_close = self._closed

    async def expire(self) -> None:
        """Cut it off unless it attaches in time."""
        await asyncio.wait([self.channel.closed], timeout=ATTACH_S)
        if self.state in ("connected", "initialized"):
            self.channel.abort()

    def event(self, event: str, body: Mapping[str, Any]) -> None:
        """Send an event, once it is LIVE."""
        if self.state == "live":
            self.channel.send({"type": "event", "event": event, "body": self._named(body)})

    def show(self, union: list[Breakpoint]) -> None:
        """Send what changed among the breakpoints that it is to see: its own and the console's."""
        if self.state != "live":
            return
        target = {item.id: self._body(item) for item in union if self.owner in item.owners or CONSOLE in item.owners}
        for id_, body in target.items():
            if self._shown.get(id_) != body:
                self.event("breakpoint", {"reason": "changed" if id_ in self._shown else "new", "breakpoint": body})
        for id_ in self._shown.keys() - target.keys():
            self.event("breakpoint", {"reason": "removed", "breakpoint": {"id": id_, "verified": False}})
        self._shown = target

    def end(self, reason: str) -> None:
        """livetui is leaving: end the editor's session."""
        if self.state == "live":
            self.channel.send({"type": "event", "event": "output",
                               "body": {"category": "console", "output": f"{reason}\n"}})
            self.channel.send({"type": "event", "event": "terminated", "body": {}})
        self.channel.close(reason)

    def _closed(self, reason: str) -> None:
        had_attached = self.state in ("attached", "live")
        if self.state != "gone":
            self.state = "gone"
            self._broker.left(self, had_attached)

    def _received(self, message: Message) -> None:
        if message["type"] != "request" or not isinstance(message.get("command"), str):
            return
        command, arguments = message["command"], message.get("arguments")
        arguments = arguments if isinstance(arguments, dict) else {}
        if self.state in ("attached", "live"):
            self._broker.crew.spawn(self._answer(message, command, arguments))
        elif command == "initialize":
            self._initialize(message, arguments)
        elif command == "attach":
            self._attach(message, arguments)
        elif command == "disconnect":
            self._disconnect(message)
        else:
            # Not even an error: whoever is not attached learns nothing and runs nothing.
            self.channel.abort()

    def _initialize(self, message: Message, arguments: Mapping[str, Any]) -> None:
        self.state = "initialized"
        self.name = str(arguments.get("clientName") or arguments.get("clientID") or "an editor")[:60]
        plain = re.sub(r"[^a-z0-9]+", "-", str(arguments.get("clientID") or "editor").lower()).strip("-")[:20]
        self.owner = f"{plain or 'editor'}-{self._number}"
        self._respond(message, CAPABILITIES)

    def _attach(self, message: Message, arguments: Mapping[str, Any]) -> None:
        given = arguments.get("livetuiToken")
        if self.state != "initialized":
            self._refuse(message, "attach needs initialize first")
        elif not isinstance(given, str) or not same_token(given, self._broker.token):
            self._refuse(message, "livetui: the token in launch.json is missing or not this project's. "
                                  "Run `livetui vscode` to write it again.")
            self.channel.close("wrong token")
        else:
            self.state = "attached"
            self.channel.trust()
            self._broker.note_just_my_code(arguments.get("justMyCode") is not False)
            self._broker.attached(self)
            self._respond(message, {})
            self.channel.send({"type": "event", "event": "initialized", "body": {}})

    async def _answer(self, message: Message, command: str, arguments: dict[str, Any]) -> None:
        try:
            if command in FORWARDED:
                self._respond(message, await self._broker.forward(self, command, self._resolved(arguments)))
            elif command == "setBreakpoints":
                self._respond(message, await self._set_breakpoints(arguments))
            elif command == "setExceptionBreakpoints":
                await self._broker.filter_exceptions(self.owner, from_editor(arguments))
                self._respond(message, {})
            elif command == "threads":
                self._respond(message, {"threads": await self._broker.threads()})
            elif command == "configurationDone":
                self._respond(message, {})
                self.state = "live"
                self._broker.joined(self)
            elif command == "restart":
                self._broker.restart()
                self._respond(message, {})
            elif command == "disconnect":
                self._disconnect(message)
            elif command in ("setFunctionBreakpoints", "setDataBreakpoints", "setInstructionBreakpoints"):
                self._respond(message, {"breakpoints": []})
            elif command == "loadedSources":
                self._respond(message, {"sources": []})
            elif command == "modules":
                self._respond(message, {"modules": [], "totalModules": 0})
            else:
                self._refuse(message, f"livetui does not know the request {command}")
        except LivetuiError as error:
            self._refuse(message, " ".join(str(error).split("\n")))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._refuse(message, f"The request {command} cannot be read: {error!r}")

    async def _set_breakpoints(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        given = str(arguments["source"]["path"])
        path = real(given)
        self._remember_prefix(path, given)
        wanted = arguments.get("breakpoints")
        if wanted is None:
            wanted = [{"line": line} for line in arguments.get("lines") or ()]
        answers: list[dict[str, Any] | None] = []
        mirrored = {item.line: item for item in self._broker.union()
                    if item.path == path and item.id in self._shown and self.owner not in item.owners}
        wishes: list[Wish] = []
        for item in wanted:
            wish = Wish(int(item["line"]), str(item.get("condition") or ""), str(item.get("hitCondition") or ""),
                        str(item.get("logMessage") or ""))
            try:
                wish.check()
            except UsageError as error:
                answers.append({"verified": False, "line": wish.line, "message": " ".join(str(error).split("\n"))})
            else:
                # VS Code sends what it was shown of others' as its own, without the condition.
                if wish == Wish(wish.line) and wish.line in mirrored:
                    answers.append(self._body(mirrored[wish.line]))
                    continue
                wishes.append(wish)
                answers.append(None)
        await self._broker.replace(self, path, wishes)
        known = {item.asked: self._body(item) for item in self._broker.union() if item.path == path}
        mine = iter(wishes)
        bodies = [answer or known.get(line := next(mine).line) or {"verified": False, "line": line}
                  for answer in answers]
        # What it cleared but the console holds is shown to it again; what it was just answered is not.
        self._shown = {id_: body for id_, body in self._shown.items() if body["source"]["path"] != path}
        self._shown.update({body["id"]: body for body in bodies if "id" in body})
        self._broker.crew.spawn(self._show_again())
        return self._named({"breakpoints": bodies})  # type: ignore[no-any-return]

    async def _show_again(self) -> None:
        self.show(self._broker.union())

    def _disconnect(self, message: Message) -> None:
        self._respond(message, {})
        self.channel.close("it disconnected")

    @staticmethod
    def _body(item: Breakpoint) -> dict[str, Any]:
        body: dict[str, Any] = {"id": item.id, "verified": item.verified and item.enabled, "line": item.line,
                                "source": {"path": item.path, "name": item.path.rpartition("/")[2]}}
        message = item.message if item.enabled else "Disabled in livetui's console."
        return {**body, "message": message} if message else body

    def _respond(self, message: Message, body: Any) -> None:
        self.channel.send({"type": "response", "request_seq": message.get("seq", 0), "success": True,
                           "command": message["command"], "body": self._named(body)})

    def _refuse(self, message: Message, reason: str) -> None:
        self.channel.send({"type": "response", "request_seq": message.get("seq", 0), "success": False,
                           "command": message["command"], "message": reason,
                           "body": {"error": {"id": 1, "format": reason, "showUser": True}}})

    # Workers are told real paths; an editor that opened the project through a link keeps seeing its own.

    def _remember_prefix(self, path: str, given: str) -> None:
        while path != given and path and path.rpartition("/")[2] == given.rpartition("/")[2]:
            path, given = path.rpartition("/")[0], given.rpartition("/")[0]
        if path != given and path and given:
            self._prefixes[path + "/"] = given + "/"

    def _named(self, part: Any) -> Any:
        if not self._prefixes:
            return part
        if isinstance(part, list):
            return [self._named(item) for item in part]
        if not isinstance(part, dict):
            return part
        return {key: self._shown_path(value) if key == "path" and isinstance(value, str) else self._named(value)
                for key, value in part.items()}

    def _shown_path(self, path: str) -> str:
        for prefix, given in self._prefixes.items():
            if path.startswith(prefix):
                return given + path[len(prefix):]
        return path

    @staticmethod
    def _resolved(arguments: dict[str, Any]) -> dict[str, Any]:
        source = arguments.get("source")
        if isinstance(source, dict) and isinstance(source.get("path"), str):
            return {**arguments, "source": {**source, "path": real(source["path"])}}
        return arguments
