"""The workers' side of the broker: who may dial in, who has, where they stand, and what they say."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from livetui.debug.conditions import failure
from livetui.debug.ids import FLEETING, IdTable
from livetui.debug.values import Output, PausedThread, PostMortem
from livetui.debug.wire import Channel
from livetui.debug.worker_link import HANDSHAKE_S, RefusedError, WorkerLink

if TYPE_CHECKING:
    from livetui.debug.broker import Broker

DIALERS = 64
"""Processes that may be connected without having shown a token; the oldest goes when one more comes."""
TOKENS = 1000
"""Tokens that are remembered for reports of errors."""

SKIPPED = "Frame skipped from debugging"
"""How pydevd begins a note at each step that passes code which is not the user's; no word of the handler's."""
_NOTE = re.compile(r"\s*\(note: full exception trace is shown[^)]*\)")


RUNTIME = str(Path(__file__).resolve().parent.parent / "runtime") + os.sep
"""Where livetui's own code in workers lies."""


def users(stack: Mapping[str, Any]) -> dict[str, Any]:
    """A stack trace without livetui's own frames around the handler, which tell people nothing."""
    every = stack.get("stackFrames") or ()
    frames = [frame for frame in every if not str((frame.get("source") or {}).get("path") or "").startswith(RUNTIME)]
    hidden = len(every) - len(frames)
    return {**stack, "stackFrames": frames, "totalFrames": stack.get("totalFrames", len(frames) + hidden) - hidden}


@dataclass
class _Ticket:
    function_id: str
    attaches: bool
    """Whether it dials in before its init."""
    may_attach: bool
    """Whether it may dial in later, at a `breakpoint()`."""
    made_at: float
    dialed: bool = False

    @property
    def since(self) -> float:
        """When a worker that dials now read its files: in a moment, or when it was started."""
        return time.time() if self.attaches else self.made_at


class Workers:
    """Every worker that is, or may become, connected."""

    def __init__(self, broker: Broker) -> None:
        self.links: dict[int, WorkerLink] = {}
        """Workers by pid, from their token on until they are gone."""
        self.paused: dict[tuple[int, int], PausedThread] = {}
        """What stands still, by pid and pydevd's thread id."""
        self.ids = IdTable()
        self.port = 0
        self.via: Literal["dial", "listen"] = "dial"
        """How new workers come: they dial in, or listen for us as those do whose debugpy lacks the private requests."""
        self._broker = broker
        self._tickets: dict[str, _Ticket] = {}
        self._configuring: set[int] = set()
        self._arrived = asyncio.Condition()
        self._dialing: list[Channel] = []

    def live(self) -> list[WorkerLink]:
        """The workers that are READY or further."""
        return [link for link in self.links.values() if link.state in ("ready", "stopped")]

    def ticket(self, function_id: str, attaches: bool, may_attach: bool) -> str:
        """A token for one worker of this function; it may dial with it once, if at all."""
        while len(self._tickets) >= TOKENS:
            del self._tickets[next(iter(self._tickets))]
        token = secrets.token_hex(16)
        self._tickets[token] = _Ticket(function_id, attaches, may_attach, time.time())
        return token

    async def ready(self, pid: int) -> None:
        """Return when the breakpoints of a worker whose init has ended are set; at once when it is not debugged."""
        # Init waits for the debugger, so by now a worker that is debugged has dialed and is being configured.
        try:
            async with asyncio.timeout(HANDSHAKE_S), self._arrived:
                await self._arrived.wait_for(lambda: pid not in self._configuring)
        except TimeoutError:
            self._broker.listener.on_notice("", "warning", f"Worker {pid} has not let itself be debugged.")

    def gone(self, pid: int) -> None:
        """Its process has ended."""
        if link := self.links.get(pid):
            link.channel.abort()

    def dialed(self, channel: Channel) -> None:
        """A process has connected to the workers' port: ask who it is."""
        self._dialing.append(channel)
        if len(self._dialing) > DIALERS:
            self._dialing[0].abort()
        link = WorkerLink(channel, self._said)
        channel.on_close = lambda reason: self._lost(link)
        self._broker.crew.spawn(self._welcome(link, link.authorize(self._spend)))

    async def _call(self, ticket: _Ticket, pid: int, port: int) -> None:
        # The fallback: the worker listens, and livetui is debugpy's only client.
        def opened(channel: Channel) -> None:
            link = WorkerLink(channel, self._said)
            link.pid, link.function_id, link.listens, link.since = pid, ticket.function_id, True, ticket.since
            channel.on_close = lambda reason: self._lost(link)
            channel.trust()
            self._broker.crew.spawn(self._welcome(link))

        try:
            await self._broker.crew.connect(opened, port)
        except OSError as error:
            self._broker.listener.on_notice(ticket.function_id, "warning", f"A worker cannot be debugged: {error}")

    def stop_body(self, link: WorkerLink, body: Mapping[str, Any]) -> dict[str, Any]:
        """A `stopped` event as editors get it."""
        shown: dict[str, Any] = self.ids.outward(link.pid, "stopped", dict(body))
        shown["allThreadsStopped"] = len(self.live()) == 1
        shown["hitBreakpointIds"] = [id_ for upstream in shown.pop("hitBreakpointIds", None) or ()
                                     for id_ in link.breakpoints(upstream) or ()]
        return shown

    def confirm(self, link: WorkerLink, answers: list[dict[str, Any]]) -> None:
        """pydevd said where breakpoints really are."""
        for answer in answers:
            for id_ in link.breakpoints(answer.get("id", -1)) or ():
                if answer.get("line"):
                    self._broker.store.confirm(id_, answer["line"], bool(answer.get("verified")),
                                               "" if answer.get("verified") else str(answer.get("message") or ""))

    async def _welcome(self, link: WorkerLink, authorized: Awaitable[None] | None = None) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                if authorized is not None:
                    await authorized
                self._configuring.add(link.pid)
                # From here on changes are pushed to it too; what is sent first arrives first.
                self.links[link.pid] = link
                files = {path: self._broker.store.pushable(path) for path in self._broker.store.paths()}
                for answers in await link.configure(files, self._broker.exception_arguments(),
                                                    self._broker.attach_arguments()):
                    self.confirm(link, answers)
                await self.name_threads(link)
        except (RefusedError, TimeoutError, KeyError, TypeError, ValueError) as error:
            if link.function_id and link.state != "gone":
                reason = str(error) or f"it did not answer within {HANDSHAKE_S:g} s"
                self._broker.listener.on_notice(link.function_id, "warning", f"A worker cannot be debugged: {reason}")
            link.channel.abort()
        else:
            self._broker.introduce(link)
            self._broker.show_breakpoints()
        finally:
            if link.channel in self._dialing:
                self._dialing.remove(link.channel)
            self._configuring.discard(link.pid)
            async with self._arrived:
                self._arrived.notify_all()

    async def name_threads(self, link: WorkerLink) -> None:
        """Ask for its threads' names; keeps those that are known when it does not answer."""
        with contextlib.suppress(RefusedError):
            listed = await link.request("threads", {})
            link.threads = {thread["id"]: str(thread.get("name", "")) for thread in listed.get("threads", ())}

    def _spend(self, token: str) -> tuple[str, float] | None:
        ticket = self._tickets.get(token)
        if ticket is None or ticket.dialed or not (ticket.attaches or ticket.may_attach):
            return None
        ticket.dialed = True
        return ticket.function_id, ticket.since

    def _lost(self, link: WorkerLink) -> None:
        link.lost()
        if self.links.get(link.pid) is not link:
            return
        self._runs_on(link)
        for thread in link.threads:
            self._broker.tell("thread", {"reason": "exited", "threadId": self.ids.dense(link.pid, "thread", thread)})
        del self.links[link.pid]
        self.ids.forget(link.pid)

    def _said(self, link: WorkerLink, event: str, body: dict[str, Any]) -> None:
        if event == "livetui":
            self._reported(body)
            link.channel.close("it has reported")
        elif link.pid == 0 or link.state == "gone":
            return
        elif event == "stopped":
            self._stopped(link, body)
        elif event == "continued":
            self._runs_on(link)
        elif event == "thread":
            self._thread(link, body)
        elif event == "output" and body.get("category") != "telemetry":  # of debugpy's own adapter
            self._broker.tell("output", self.ids.outward(link.pid, event, body))
            self._wrote(link, str(body.get("category") or ""), str(body.get("output") or ""))
        elif event == "breakpoint":
            self.confirm(link, [body.get("breakpoint") or {}])
            self._broker.show_breakpoints()

    def _wrote(self, link: WorkerLink, category: str, text: str) -> None:
        if failed := failure(text):
            condition, text = failed
            if not link.logs_when(condition):
                link.failed = text  # it stops in a moment
                return
        if not text.startswith(SKIPPED):
            self._broker.listener.on_output(Output(link.pid, link.function_id, category, text))

    def _stopped(self, link: WorkerLink, body: dict[str, Any]) -> None:
        if body.get("reason") == "breakpoint" and link.failed:
            body["description"], link.failed = link.failed, ""
        hit = [link.breakpoints(upstream) for upstream in body.get("hitBreakpointIds") or ()]
        # The next call came to the line that its forerunner was to run to, before the worker heard that it ended.
        astray = hit and link.cursor is None and not any(ids is None or ids for ids in hit)
        if astray or (body.get("reason") == "exception" and self._broker.passes(link.pid)):
            self._broker.crew.spawn(self._pass(link, body))
            return
        link.state = "stopped"
        link.stopped[body["threadId"]] = body
        if link.known:
            self._broker.tell("stopped", self.stop_body(link, body))
        self._broker.crew.spawn(self._locate(link, body))
        self._broker.stopped(link)

    @staticmethod
    async def _pass(link: WorkerLink, body: Mapping[str, Any]) -> None:
        with contextlib.suppress(RefusedError):  # it is gone
            await link.request("continue", {"threadId": body["threadId"]})

    async def _locate(self, link: WorkerLink, body: dict[str, Any]) -> None:
        # The listener wants to know where, so the top frame is asked for before it is told.
        path, line = "", 0
        try:
            stack = users(await link.request("stackTrace", {"threadId": body["threadId"], "levels": 20}))
            top = (stack["stackFrames"] or [{}])[0]
            link.tops[body["threadId"]] = int(top.get("id") or 0)
            path, line = str((top.get("source") or {}).get("path") or ""), int(top.get("line") or 0)
        except RefusedError:
            if link.state == "gone":
                return
        if link.stopped.get(body["threadId"]) is not body:
            return  # it runs on already
        reason = ": ".join(_NOTE.sub("", str(body[key])) for key in ("text", "description") if body.get(key))
        paused = PausedThread(
            link.pid, self.ids.dense(link.pid, "thread", body["threadId"]), link.function_id,
            self._broker.work_of(link.pid), path, line, str(body.get("reason") or "pause"), reason,
            stale=link.runs_older_than(path))
        self.paused[link.pid, body["threadId"]] = paused
        self._broker.listener.on_paused(paused)

    def _runs_on(self, link: WorkerLink) -> None:
        stopped, asker, link.asker = list(link.stopped), link.asker, None
        link.stopped.clear()
        link.tops.clear()
        if link.state == "stopped":
            link.state = "ready"
        self.ids.forget(link.pid, FLEETING)
        for thread in stopped:
            self._broker.tell("continued", {"threadId": self.ids.dense(link.pid, "thread", thread),
                                         "allThreadsContinued": len(self.live()) <= 1}, but=asker)
            if paused := self.paused.pop((link.pid, thread), None):
                self._broker.listener.on_resumed(paused)

    def _thread(self, link: WorkerLink, body: dict[str, Any]) -> None:
        thread = body.get("threadId", 0)
        if body.get("reason") == "exited":
            link.threads.pop(thread, None)
        else:
            link.threads.setdefault(thread, "")
        if link.known:
            self._broker.tell("thread", self.ids.outward(link.pid, "thread", body))

    def _reported(self, body: dict[str, Any]) -> None:
        ticket = self._tickets.get(str(body.get("token") or ""))
        if ticket is None:
            return
        listener, function, pid = self._broker.listener, ticket.function_id, int(body.get("pid") or 0)
        if body.get("kind") == "postMortem":
            work = str(body.get("work") or self._broker.work_of(pid))
            try:
                listener.on_post_mortem(msgspec.convert({**body, "function_id": function, "work_id": work},
                                                        PostMortem))
            except msgspec.ValidationError as error:
                listener.on_notice(function, "warning", f"An error's frames cannot be read: {error}")
        elif body.get("kind") == "listening":
            ticket.dialed = True
            self._broker.crew.spawn(self._call(ticket, pid, int(body.get("port") or 0)))
        elif body.get("kind") == "refused":
            ticket.dialed = True
            listener.on_notice(function, "warning", str(body.get("reason") or ""))
        else:
            listener.on_notice(function, "info", str(body.get("reason") or ""))
