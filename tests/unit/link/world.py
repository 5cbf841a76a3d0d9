"""A broker, stubs and consoles in simulated time, with every fault of the walk: the two real machines, no sockets."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from livetui.link.machine import ConsoleMachine, Contested, Deliver, Dropped, Known, Respond, TakenOver
from livetui.link.messages import Answer
from livetui.link.outgoing import Outgoing
from stub_runtime.actions import Fetch, Finish, Look, Publish, Reconnect, Store
from stub_runtime.machine import StubMachine
from stub_runtime.presence import Presence, presence_frame
from stub_runtime.sealing import SessionKey, verify_key_of
from stub_runtime.topics import Topics

SEED = b"s" * 32
TOPICS = Topics("shop", "ada")
S3_FROM = 300_000


@dataclass
class Weather:
    """What the network does to each message."""

    lose: float = 0.0
    duplicate: float = 0.0
    delay: tuple[float, float] = (0.005, 0.005)


class World:
    """The broker and the clock; stubs and consoles are its clients."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.now = 1000.0
        self.weather = Weather()
        self.retained: dict[str, bytes] = {}
        self.history: list[bytes] = []
        self.clients: list[Any] = []
        self.bucket: dict[str, bytes] = {}
        self.executed: dict[str, int] = {}
        self.stores: dict[str, dict[str, Known]] = {}
        self.finished: dict[str, Finish] = {}
        self.events: dict[str, bytes] = {}
        self.epoch = 0
        self.owners: list[int] = []
        """Epochs of the sessions that became the owner of the stage."""
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, when: float, what: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._later, (when, self._count, what))

    def publish(self, publish: Publish, sure: bool = False) -> None:
        """To every subscriber; retained publishes are confirmed, so they are never lost."""
        if publish.retain:
            self.retained[publish.topic] = publish.payload
            self.history.append(publish.payload)
        for client in list(self.clients):
            if publish.topic in client.subscriptions:
                self._send(client, publish, sure or publish.retain)

    def _send(self, client: Any, publish: Publish, sure: bool) -> None:
        copies = 2 if self.rng.random() < self.weather.duplicate else 1
        connection = client.connection
        for _ in range(copies):
            if sure or self.rng.random() >= self.weather.lose:
                self.at(self.now + self.rng.uniform(*self.weather.delay),
                        lambda: client.hear(publish) if client.connection == connection else None)

    def subscribe_presence(self, client: Any) -> None:
        payload = self.retained.get(TOPICS.presence)
        if payload is not None:
            self._send(client, Publish(TOPICS.presence, payload), True)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        for turns in itertools.count():
            assert turns < 3000 + 300 * seconds, f"a machine spins: {self._spinning()}"
            due = [(tick, client) for client in self.clients if (tick := client.next_tick()) is not None]
            soonest = min((tick for tick, _ in due), default=end + 1)
            if self._later and self._later[0][0] <= min(soonest, end):
                when, _, what = heapq.heappop(self._later)
                self.now = max(self.now, when)
                what()
            elif soonest <= end:
                self.now = max(self.now, soonest)
                for tick, client in due:
                    if tick <= self.now:
                        client.tick()
                self.now += 1e-4
            else:
                self.now = end
                return


    def _spinning(self) -> str:
        return ", ".join(f"{type(client).__name__} wants {client.next_tick()} at {self.now}" for client in self.clients)


@dataclass
class SimStub:
    """One execution environment."""

    world: World
    number: int
    machine: StubMachine = field(init=False)
    connection: int = 0
    subscriptions: set[str] = field(default_factory=set)
    frozen: bool = False
    calls: int = 0

    def __post_init__(self) -> None:
        self.machine = StubMachine(TOPICS, "Orders", f"{self.number:016x}", verify_key_of(SEED), S3_FROM)
        self.world.clients.append(self)

    @property
    def busy(self) -> bool:
        return self.machine.call is not None

    def connect(self) -> None:
        self.connection += 1
        connection = self.connection
        self.subscriptions = set()

        def up() -> None:
            if self.connection != connection:
                return
            if self.frozen:
                return self.world.at(self.world.now + 0.5, up)
            self.subscriptions = {self.machine.reply_to, TOPICS.stubs, TOPICS.presence}
            self.carry_out(self.machine.subscribed(self.world.now))
            self.world.subscribe_presence(self)

        self.world.at(self.world.now + 0.2, up)

    def cut(self) -> None:
        self.subscriptions = set()
        self.carry_out(self.machine.disconnected(self.world.now))
        self.connect()

    def invoke(self, size: int, seconds: float = 60.0) -> str:
        world = self.world
        self.calls += 1
        attempt = f"{self.number:08x}{self.calls:024x}"
        deadline = world.now + seconds
        event = f"{attempt}:".encode() + random.Random(self.calls).randbytes(size)
        world.events[attempt] = event
        if self.connection == 0:
            self.connect()
        self.carry_out(self.machine.begin(
            attempt, {"function": "Orders", "environment": f"{self.number:016x}", "context": {}, "keys": []}, event,
            lambda: max(0, int((deadline - world.now) * 1000)), world.now))
        return attempt

    def hear(self, publish: Publish) -> None:
        if self.frozen:
            self.world.at(self.world.now + 0.5, lambda: self.hear(publish))
        elif publish.topic in self.subscriptions:
            self.carry_out(self.machine.received(publish.payload, self.world.now))

    def next_tick(self) -> float | None:
        return None if self.frozen else self.machine.next_tick()

    def tick(self) -> None:
        self.carry_out(self.machine.tick(self.world.now))

    def carry_out(self, actions: list[Any]) -> None:
        world = self.world
        for action in actions:
            if isinstance(action, Publish):
                if self.subscriptions:
                    world.publish(action)
            elif isinstance(action, Look):
                if self.subscriptions:
                    world.at(world.now + 0.01, partial(self._looked, self.connection))
            elif isinstance(action, Reconnect):
                self.connect()
            elif isinstance(action, Store):
                world.bucket[action.key] = action.content
                self.carry_out(self.machine.stored(action.key, "", world.now))
            elif isinstance(action, Fetch):
                content = world.bucket.pop(action.key, b"")
                self.carry_out(self.machine.fetched(action.key, content, "" if content else "gone", world.now))
            elif isinstance(action, Finish):
                attempt = self.machine.call.attempt  # type: ignore[union-attr]
                assert attempt not in world.finished, "a call finished twice"
                world.finished[attempt] = action
                self.machine.end(world.now)

    def _looked(self, connection: int) -> None:
        if connection == self.connection and self.subscriptions:
            self.carry_out(self.machine.subscribed(self.world.now))
            self.world.subscribe_presence(self)


@dataclass
class SimConsole:
    """One run of a console with its engine: calls queue, then start, then finish."""

    world: World
    owner: str
    inherits: bool = True
    quick: bool = True
    checkout: str | None = ""
    """Of several on the owner's machine, each with a store of its own; None: it keeps no history."""
    machine: ConsoleMachine = field(init=False)
    connection: int = 1
    subscriptions: set[str] = field(default_factory=set)
    queued: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    alive: bool = True
    outgoing: Outgoing | None = None
    slow_bucket: float = 0.0
    """Seconds that a large event takes to fetch."""

    def __post_init__(self) -> None:
        world = self.world
        world.epoch += 1
        world.owners.append(world.epoch)
        key = SessionKey()
        session = f"{world.epoch:016x}"
        history = "" if self.checkout is None else f"{self.owner} {self.checkout}"
        self.store = world.stores.setdefault(history, {})
        self.machine = ConsoleMachine(
            TOPICS, SEED, Presence(True, session, world.epoch, world.now, self.owner, key.public, history=history), key,
            lambda attempt: self.store.get(attempt, "unknown"), self.inherits)
        world.clients.append(self)
        self.connect()
        self.carry_out([self.machine.announce(world.now)])

    def connect(self) -> None:
        self.subscriptions = {TOPICS.console(0), TOPICS.presence, TOPICS.stubs}
        self.world.subscribe_presence(self)

    def cut(self) -> None:
        """The connection breaks: the broker publishes the will, and a second later it is up again."""
        self.connection += 1
        self.subscriptions = set()
        self.world.publish(self.machine.farewell(said=False))
        self.world.at(self.world.now + 1.0, lambda: self.connect() if self.alive else None)

    def crash(self, will_after: float) -> None:
        """SIGKILL. What was queued is forgotten; the store remembers what had started."""
        self.alive = False
        self.connection += 1
        self.subscriptions = set()
        self.world.clients.remove(self)
        will = self.machine.farewell(said=False)
        self.world.at(self.world.now + will_after, lambda: self.world.publish(will))

    def close(self) -> None:
        for attempt in self.machine.unanswered:
            self.carry_out([Respond(attempt, Answer(b"closed", True), "LivetuiInterrupted")])
        self.carry_out([self.machine.farewell()])
        self.alive = False
        self.subscriptions = set()
        self.world.clients.remove(self)

    def hear(self, publish: Publish) -> None:
        if self.alive and publish.topic in self.subscriptions:
            self.carry_out(self.machine.received(0, publish.topic, publish.payload, publish.reply_to, self.world.now))

    def next_tick(self) -> float | None:
        return self.machine.next_tick()

    def tick(self) -> None:
        self.carry_out(self.machine.tick(self.world.now))

    def start(self) -> None:
        """The engine takes the next call: `started` is committed before it runs."""
        if self.queued and self.alive:
            attempt = self.queued.pop(0)
            self.store[attempt] = "started"
            self.world.executed[attempt] = self.world.executed.get(attempt, 0) + 1
            self.running.append(attempt)

    def finish(self) -> None:
        if self.running and self.alive:
            attempt = self.running.pop(0)
            answer = Answer(b"answer to " + self.world.events[attempt])
            self.store[attempt] = answer
            self.respond(attempt, answer, "")

    def respond(self, attempt_id: str, answer: Answer, link: str) -> None:
        attempt = self.machine.waiting(attempt_id)
        if attempt is None:
            return
        message = self.machine.seal(attempt, answer, link)
        if len(message) >= S3_FROM:
            key = self.machine.answer_key(attempt)
            self.world.bucket[key] = message
            message = self.machine.pointer(attempt, key, len(message))
        self.carry_out(self.machine.answered(attempt_id, message, self.world.now))

    def carry_out(self, actions: list[Any]) -> None:
        for action in actions:
            if isinstance(action, Publish):
                self.publish(action)
            elif isinstance(action, Deliver):
                assert action.call.event == self.world.events[action.call.attempt], "another call's event"
                self.queued.append(action.call.attempt)
                if self.quick:
                    self.start()
                    self.finish()
            elif isinstance(action, Respond):
                self.respond(action.attempt, action.answer, action.link)
            elif isinstance(action, Dropped):
                self.dropped.append(action.attempt)
                if action.attempt in self.queued:
                    self.queued.remove(action.attempt)
            elif isinstance(action, Fetch):
                self._fetch(action)
            elif isinstance(action, TakenOver):
                self.inherits = False
            elif isinstance(action, Contested):
                owner = max(self.world.owners)
                self.carry_out([self.machine.announce(self.world.now)] if owner == self.machine.presence.epoch
                               else self.machine.lost(action.presence))

    def publish(self, publish: Publish) -> None:
        """Over the connection, at the pace of a real one when this console has `outgoing`."""
        if self.outgoing is None or publish.retain:
            if self.subscriptions:
                self.world.publish(publish)
        elif not self.outgoing.add(publish):
            self.outgoing.add(self.machine.still_coming(publish))
        self._pump()

    def _pump(self) -> None:
        if self.outgoing is None or not len(self.outgoing):
            return
        for publish in self.outgoing.due(self.world.now):
            if self.subscriptions:
                self.world.publish(publish)
        wait = self.outgoing.wait(self.world.now)
        if wait is not None:
            self.world.at(self.world.now + wait, self._pump)

    def _fetch(self, fetch: Fetch) -> None:
        if self.slow_bucket:
            self.world.at(self.world.now + self.slow_bucket, partial(self._fetched, fetch))
        else:
            self._fetched(fetch)

    def _fetched(self, fetch: Fetch) -> None:
        if not self.alive:
            return
        content = self.world.bucket.pop(fetch.key, b"")
        if not content:
            self.carry_out(self.machine.not_fetched(fetch.attempt, "gone"))
            return
        head, body = self.machine.open_object(content, fetch.attempt)
        self.carry_out(self.machine.fetched(fetch.attempt, head, body, self.world.now))


def forged_presence(epoch: int) -> bytes:
    """A presence that another key signed."""
    return presence_frame(Presence(True, "f" * 16, epoch, 0, "mallory@evil", SessionKey().public), TOPICS.root,
                          b"m" * 32).encode()
