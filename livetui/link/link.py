"""The link as the engine sees it: opens, owns the stage, hands calls in and takes answers out."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from livetui.aws import Aws, IotEndpoint
from livetui.errors import LivetuiError
from livetui.link.connection import Connection, confirmed
from livetui.link.machine import ConsoleAction, ConsoleMachine, Contested, Deliver, Dropped, Known, Respond
from livetui.link.messages import Answer, Call, LinkConfig, LinkPhase, LinkState
from livetui.link.owner import LinkHeld, Others, OwnerObject, Ownership
from livetui.link.payloads import Bucket, PayloadError
from livetui.link.usage import Counter, LinkUsage, total
from stub_runtime.actions import Fetch, Publish
from stub_runtime.mqtt import Received
from stub_runtime.presence import Presence, presence_frame
from stub_runtime.sealing import SessionKey, verify_key_of
from stub_runtime.topics import MAX_CONNECTIONS, Topics
from stub_runtime.wire import NO_ATTEMPT, Frame, Kind, WireError

R = TypeVar("R")
log = logging.getLogger(__name__)
CONNECT_WITHIN = 15.0
SWITCH_S = 0.0005
"""How long a thread may keep the interpreter while others wait. Python's 5 ms would be paid three times by each ack
while a thread moves a large payload: by awscrt's thread, by the loop's, and on the way back."""
INLINE = 64 * 1024
"""Answers up to this many bytes are sealed on the loop (0.2 ms); larger ones on a thread."""
PING_IDLE, PING_BUSY, DEAF = 30.0, 5.0, 5.0
RENEW_AFTER = 23 * 3600.0
"""AWS IoT ends WebSocket connections after 24 h."""
BUSY = 0.85
"""Share of a connection's quota from which another connection is opened."""


class Link:
    """See the module. Made, used and closed on one asyncio loop; callbacks are called on it and must not block.

    `known(attempt)` asks the store: `unknown` runs, `started` (and no answer) is told `LivetuiInterrupted`, and an
    `Answer` is sent again.
    """

    def __init__(self, config: LinkConfig, aws: Aws, on_call: Callable[[Call], None],
                 on_cancel: Callable[[str], None], on_state: Callable[[LinkState], None],
                 known: Callable[[str], Known] = lambda attempt: "unknown") -> None:
        self.config = config
        self.session = uuid.uuid4().hex[:16]
        self.topics = Topics(config.app, config.stage)
        self.state = LinkState("connecting")
        self._aws = aws
        self._on_call, self._on_cancel, self._on_state = on_call, on_cancel, on_state
        self._known = known
        self._key = SessionKey()
        self._machine: ConsoleMachine | None = None
        self._connections: dict[int, Connection] = {}
        self._counters: list[Counter] = []
        self._renewals = 0
        self._endpoint: IotEndpoint | None = None
        self._owner: OwnerObject | None = None
        self._ownership = Ownership()
        self._bucket = Bucket(aws, config.bucket) if config.bucket else None
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="livetui-link")
        self._others = Others(self.topics, verify_key_of(config.signing_key))
        self._ups: dict[Connection, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._work: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._early: list[Coroutine[Any, Any, None]] = []
        """What waits for the group."""

    # -- opening -------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect, own the stage, publish presence. Raises `LinkHeld`, or `LivetuiError` with what to do."""
        self._tell("connecting")
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_S))
        try:
            seen = await self._look()
            since = time.time()
            will = Presence(False, self.session, seen.epoch + 1, since, self.config.owner)
            first = await self._connect(0, [self.topics.presence, self.topics.stubs], self._last_will(will))
            epoch, inherits = await self._own(seen, since)
            self._machine = ConsoleMachine(
                self.topics, self.config.signing_key,
                Presence(True, self.session, epoch, since, self.config.owner, self._key.public,
                         max(1, min(MAX_CONNECTIONS, self.config.connections)), history=self.config.history),
                self._key, self._known, inherits)
            await self._listen(first, self.topics.console(0))
            for number in range(1, self._machine.presence.connections):
                await self._connect(number, [self.topics.console(number)], None)
            await confirmed(first.retain(self._machine.announce(self._now())), "the presence of this console")
        except BaseException:
            await self._shut()
            raise
        self._work = asyncio.create_task(self._run(), name="livetui-link")
        self._work.add_done_callback(self._ended)
        self._publish(self._machine.ping(self._now()))
        self._tell("live")

    async def ask(self) -> None:
        """Raise `LinkHeld` when another console has the stage now: for who is about to change it, instead of `open`."""
        try:
            seen = await self._look()
            if not seen.free:
                await self._connect(0, [self.topics.presence, self.topics.stubs], None)
                if await self._alive(seen.session, await self._others.presence()):
                    raise LinkHeld(seen.owner, seen.since)
        finally:
            await self._shut()

    async def _look(self) -> Ownership:
        """Where the broker is, and who had the stage last."""
        if self.config.bucket:
            self._owner = OwnerObject(self._aws, self.config.bucket, self.topics)
        self._endpoint, seen = await asyncio.gather(
            self._off_loop(self._aws.iot_endpoint),
            self._off_loop(self._owner.read) if self._owner is not None else asyncio.sleep(0, Ownership()))
        return seen

    def _last_will(self, gone: Presence) -> Publish:
        frame = presence_frame(gone, self.topics.root, self.config.signing_key)
        return Publish(self.topics.presence, frame.encode(), retain=True)

    async def _connect(self, number: int, topics: list[str], will: Publish | None) -> Connection:
        if self._endpoint is None:
            raise RuntimeError("the endpoint is not known yet")
        self._renewals += 1
        client_id = self.topics.console_client(self.session, number, self._renewals)
        connection = Connection(number, client_id, self._endpoint, self._aws, topics, self._heard, self._changed, will)
        self._counters.append(connection.counter)
        previous = self._connections.get(number)
        self._connections[number] = connection
        try:
            await self._until_up(connection, connection.start, f"AWS IoT cannot be reached at {self._endpoint.host}.",
                                 "Check the network, a proxy (HTTPS_PROXY) and the policy in docs/security.md. In an "
                                 "account that never used IoT, the endpoint needs about ten minutes.")
        finally:
            if previous is not None:
                await previous.close()
        return connection

    async def _listen(self, connection: Connection, topic: str) -> None:
        connection.also(topic)
        connection.up = False
        await self._until_up(connection, partial(connection.subscribe, [topic]),
                             "AWS IoT did not confirm a subscription.", "Check iot:Subscribe in docs/security.md.")

    async def _until_up(self, connection: Connection, begin: Callable[[], None], what: str, hint: str) -> None:
        up = self._ups[connection] = asyncio.get_running_loop().create_future()
        begin()
        try:
            await asyncio.wait_for(up, CONNECT_WITHIN)
        except TimeoutError as error:
            raise LivetuiError(what, self.state.detail, hint) from error
        finally:
            self._ups.pop(connection, None)

    async def _own(self, seen: Ownership, since: float) -> tuple[int, bool]:
        """Become the owner of the stage: its epoch, and whether the owner before us is dead. Raises `LinkHeld`."""
        presence = await self._others.presence()
        for _ in range(3):
            alive = not seen.free and await self._alive(seen.session, presence)
            if alive and not self.config.take_over:
                raise LinkHeld(seen.owner, seen.since)
            epoch = max(seen.epoch, presence.epoch if presence is not None else 0) + 1
            if self._owner is None:
                return epoch, not alive
            wanted = Ownership(self.config.owner, self.session, epoch, since, False)
            written = await self._off_loop(self._owner.write, wanted, seen)
            if written is not None:
                self._ownership = written
                return epoch, not alive
            seen = await self._off_loop(self._owner.read)
        if not seen.tag:
            raise LivetuiError("The owner of the stage cannot be read.",
                               "S3 says that the owner object exists, but does not show it.",
                               "Allow s3:GetObject on it (docs/security.md).")
        raise LinkHeld(seen.owner, seen.since)

    async def _alive(self, session: str, presence: Presence | None) -> bool:
        """Whether the console of that session lives: its last will says no, its lease after a ping says yes."""
        if presence is not None and not presence.live and presence.session == session:
            return False
        ping = Frame(Kind.PING, NO_ATTEMPT, self.session.encode("ascii"))
        self._publish(Publish(self.topics.console(0), ping.encode(), expiry=5))
        return await self._others.lease_of(session)

    @property
    def usage(self) -> LinkUsage:
        """What went over all connections since the link was made; from any thread."""
        return total(list(self._counters), len(self._connections), time.monotonic())

    @property
    def taken_over(self) -> bool:
        """Whether the stage is another console's by now."""
        return self._machine is not None and self._machine.taken_over

    @property
    def duplicates(self) -> int:
        """Repeated calls (frames of an attempt that is known already) that were not run again."""
        return self._machine.duplicates if self._machine is not None else 0

    # -- the engine's side ---------------------------------------------------------------------------------------

    def answer(self, attempt: str, answer: Answer) -> bool:
        """Send an answer; call it on the loop. False when nobody waits for it any more (it came too late)."""
        return self._respond(attempt, answer, "")

    def _respond(self, attempt_id: str, answer: Answer, link: str) -> bool:
        machine = self._the_machine()
        attempt = machine.waiting(attempt_id)
        if attempt is None:
            return False
        if len(answer.body) <= INLINE:
            self._carry_out(machine.answered(attempt_id, machine.seal(attempt, answer, link), self._now()))
        else:
            self._begin(self._respond_large(attempt_id, answer))
        return True

    def _begin(self, task: Coroutine[Any, Any, None]) -> None:
        if self._group is not None:
            self._group.create_task(task)
        else:
            self._early.append(task)

    async def _respond_large(self, attempt_id: str, answer: Answer) -> None:
        machine = self._the_machine()
        attempt = machine.waiting(attempt_id)
        if attempt is None:
            return
        try:
            message = await self._off_loop(machine.seal, attempt, answer)
            if self._bucket is not None and len(message) >= self.config.s3_from:
                key = machine.answer_key(attempt)
                await self._off_loop(self._bucket.put, key, message)
                message = machine.pointer(attempt, key, len(message))
            self._carry_out(machine.answered(attempt_id, message, self._now()))
        except Exception as error:  # one answer's failure is not the link's
            log.warning("an answer could not be sent", exc_info=error)
            told = Answer(f"The answer could not be stored: {_words(error)}".encode(), True)
            self._carry_out(machine.answered(attempt_id, machine.seal(attempt, told, "LivetuiPayload"), self._now()))

    async def close(self) -> None:
        """Tell waiting callers and all stubs that this console ends, give the stage back, and disconnect."""
        try:
            if self._machine is not None and self.state.phase != "closed":
                await self._take_leave(self._machine)
        finally:
            await self._shut()
            self._tell("closed")

    async def _take_leave(self, machine: ConsoleMachine) -> None:
        for attempt in machine.unanswered:
            told = Answer(b"The console was closed while it ran this call.", True)
            self._respond(attempt, told, "LivetuiInterrupted")
        await asyncio.gather(*(connection.emptied() for connection in self._connections.values()))
        first = self._connections.get(0)
        if not machine.taken_over and first is not None and first.up:
            try:
                await confirmed(first.retain(machine.farewell()), "the farewell of this console")
            except LivetuiError as error:
                self._tell("offline", error.what)
            await self._give_back()

    async def _give_back(self) -> None:
        if self._owner is None or not self._ownership.tag:
            return
        try:
            await self._off_loop(self._owner.write, replace(self._ownership, free=True), self._ownership)
        except LivetuiError as error:
            self._tell("offline", error.what)

    async def _shut(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
            self._work = None
        while self._early:
            self._early.pop().close()
        await asyncio.gather(*(connection.close() for connection in self._connections.values()))
        self._connections.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    # -- what arrives --------------------------------------------------------------------------------------------

    def _heard(self, number: int, received: Received, at: float) -> None:
        machine = self._machine
        if machine is None:
            self._others.heard(received)
            return
        before = machine.round_trip_ms
        self._carry_out(machine.received(number, received.topic, received.payload, received.reply_to, at))
        if machine.round_trip_ms != before and self.state.phase in ("live", "offline"):
            self._tell("live")

    def _changed(self, number: int, up: bool, detail: str) -> None:
        connection = self._connections.get(number)
        waiting = self._ups.get(connection) if connection is not None else None
        if waiting is not None:
            if up and not waiting.done():
                waiting.set_result(None)
            elif not up:
                self.state = replace(self.state, detail=detail)
                if "NOT_AUTHORIZED" in detail and not waiting.done():
                    waiting.set_exception(LivetuiError(
                        "AWS IoT refused this console.", detail, "Allow what docs/security.md lists for the console."))
            return
        machine = self._machine
        if number != 0 or machine is None or machine.taken_over:
            return
        if not up:
            self._tell("offline", detail)
            return
        self._tell("live")
        self._publish(machine.ping(self._now()))
        if machine.unanswered:
            self._publish(machine.lease(self._now()))

    def _carry_out(self, actions: Iterable[ConsoleAction]) -> None:
        for action in actions:
            if isinstance(action, Publish):
                self._publish(action)
            elif isinstance(action, Deliver):
                self._on_call(action.call)
            elif isinstance(action, Respond):
                self._respond(action.attempt, action.answer, action.link)
            elif isinstance(action, Dropped):
                self._on_cancel(action.attempt)
            elif isinstance(action, Fetch):
                self._begin(self._fetch(action))
            elif isinstance(action, Contested):
                self._begin(self._contest(action.presence))
            else:
                self._tell("taken-over", f"{action.presence.owner} since "
                           f"{time.strftime('%H:%M', time.localtime(action.presence.since))}")
        self._arm()

    async def _contest(self, other: Presence) -> None:
        """Whether that session was the owner of the stage after this one, as its owner object says."""
        lost = self._owner is None or await self._owner.is_anothers(self.session, self._off_loop)
        machine = self._the_machine()
        if machine.owns:
            self._carry_out(machine.lost(other) if lost else [machine.announce(self._now())])

    async def _fetch(self, fetch: Fetch) -> None:
        machine = self._the_machine()
        try:
            if self._bucket is None:
                raise PayloadError("this console has no bucket")
            content = await self._off_loop(self._bucket.get, fetch.key)
            head, body = await self._off_loop(machine.open_object, content, fetch.attempt)
            self._carry_out(machine.fetched(fetch.attempt, head, body, self._now()))
        except Exception as error:  # one call's failure is not the link's
            log.warning("a large event was not delivered", exc_info=error)
            self._carry_out(machine.not_fetched(fetch.attempt, _words(error)))
            return
        try:
            await self._off_loop(self._bucket.delete, fetch.key)
        except PayloadError as error:
            log.warning("%s stays in the bucket until its lifecycle rule deletes it: %s", fetch.key, error)

    def _publish(self, publish: Publish) -> None:
        connection = self._connections.get(publish.connection)
        if connection is None or not connection.up:
            connection = self._connections.get(0)
        if connection is None:
            return
        if publish.retain:
            connection.retain(publish)
        elif not connection.publish(publish) and self._machine is not None:
            connection.publish(self._machine.still_coming(publish))

    # -- time ----------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Wake the machine when it has something to do."""
        due = self._machine.next_tick() if self._machine is not None else None
        if self._timer is not None:
            if due is not None and abs(self._timer.when() - due) < 0.001:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None and self._work is not None:
            self._timer = asyncio.get_running_loop().call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._carry_out(self._the_machine().tick(self._now()))

    def _ended(self, work: asyncio.Task[None]) -> None:
        """The background work ends by being cancelled; anything else is told, since nothing is received any more."""
        error = None if work.cancelled() else work.exception()
        if error is not None:
            log.error("the link failed", exc_info=error)
            self._tell("offline", f"the link failed, start livetui again: {error!r}")

    async def _run(self) -> None:
        """Owns everything that goes on in the background until `close`."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                while self._early:
                    group.create_task(self._early.pop(0))
                self._arm()
                await self._housekeep()
        finally:
            self._group = None

    async def _housekeep(self) -> None:
        """Once a second: notice sleep, a deaf connection, an old connection, and a quota that is used up."""
        machine = self._the_machine()
        born = pinged = now = self._now()
        wall, busy = time.time(), 0
        while True:
            await asyncio.sleep(1)
            before, now = now, self._now()
            wall_before, wall = wall, time.time()
            asleep = (wall - wall_before) - (now - before)
            if asleep > 5 or now - before > 10:
                self._carry_out(machine.slept(max(0.0, asleep), now))
                pinged = 0.0
            first = self._connections[0]
            if (first.up and machine.deaf_for(now) > DEAF) or now - born > RENEW_AFTER:
                born = now
                await self._renew()
            if first.up and now - pinged >= (PING_BUSY if machine.unanswered else PING_IDLE):
                pinged = now
                self._publish(machine.ping(now))
            busy = busy + 1 if max(c.pace.load(now) for c in self._connections.values()) > BUSY else 0
            most = 0 if machine.taken_over else min(self.config.most_connections, MAX_CONNECTIONS)
            if busy >= 2 and len(self._connections) < most:
                busy = 0
                await self._widen()

    async def _renew(self) -> None:
        """Put fresh connections in the place of those that are old or deaf, before the old ones are closed."""
        machine = self._the_machine()
        for number in sorted(self._connections):
            topics = [self.topics.presence, self.topics.stubs] if number == 0 else []
            will = machine.farewell(said=False) if number == 0 else None
            try:
                await self._connect(number, [*topics, self.topics.console(number)], will)
            except LivetuiError as error:
                self._tell("offline", error.what)
                return
        self._publish(machine.ping(self._now()))

    async def _widen(self) -> None:
        """One connection's quota is not enough: open another, and tell the stubs to spread."""
        machine = self._the_machine()
        number = len(self._connections)
        try:
            await self._connect(number, [self.topics.console(number)], None)
        except LivetuiError as error:
            await self._connections.pop(number).close()
            self._tell(self.state.phase, error.what)
            return
        if machine.taken_over:
            return
        machine.presence = replace(machine.presence, connections=number + 1)
        self._publish(machine.announce(self._now()))

    # -- small things --------------------------------------------------------------------------------------------

    async def _off_loop(self, operation: Callable[..., R], *args: Any) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, operation, *args)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _the_machine(self) -> ConsoleMachine:
        if self._machine is None:
            raise RuntimeError("the link is not open")
        return self._machine

    def _tell(self, phase: LinkPhase, detail: str = "") -> None:
        state = LinkState(phase, self._machine.round_trip_ms if self._machine is not None else None, detail)
        if state != self.state or phase == "connecting":
            self.state = state
            self._on_state(state)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, PayloadError | WireError) else repr(error)
