"""The console's side of the protocol as a pure state machine: frames, answers and clock ticks in, actions out.

No sockets, no clock of its own, no files. Payloads are opaque bytes here. Times are seconds of any steady clock.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from livetui.aws import Keys
from livetui.link.messages import Answer, Call
from livetui.link.timing import Legs
from stub_runtime.actions import Fetch, Publish
from stub_runtime.call import ACK_AFTER, LEASE_EVERY
from stub_runtime.presence import Lease, Presence, lease_frame, presence_frame, read_presence
from stub_runtime.sealing import CannotOpen, SessionKey, verify_key_of
from stub_runtime.topics import Topics
from stub_runtime.wire import (
    NO_ATTEMPT,
    Frame,
    Joiner,
    Kind,
    Message,
    VersionError,
    WireError,
    pack,
    read_nack,
    refusal,
    split,
    unpack,
)

ASSERT_EVERY = 1.0
KEEP_BYTES = 8 * 1024 * 1024
"""Of answers that may be asked for again. What is forgotten is answered from the store."""
KEEP_ATTEMPTS = 5_000
RESEND_AFTER = 0.05
Known = Literal["unknown", "started"] | Answer


@dataclass(frozen=True)
class Deliver:
    """A call to run, for the first time."""

    call: Call


@dataclass(frozen=True)
class Dropped:
    """Nobody waits for this attempt any more: work that has not started is not started, an answer was not received."""

    attempt: str


@dataclass(frozen=True)
class Respond:
    """Answer this attempt at once: with what the store has of it, or with a typed error of the link."""

    attempt: str
    answer: Answer
    link: str = ""


@dataclass(frozen=True)
class TakenOver:
    """Another console owns the stage now; what has not started here will not be started (`Dropped` follows)."""

    presence: Presence


@dataclass(frozen=True)
class Contested:
    """The last will of a later session: of an owner after us, or of one that ended before it was. Ask who owns."""

    presence: Presence


ConsoleAction = Publish | Fetch | Deliver | Dropped | Respond | TakenOver | Contested


@dataclass
class Attempt:
    """What the link knows of one attempt."""

    id: str
    reply_to: str
    connection: int
    stub_key: bytes = field(repr=False)
    received: float = 0.0
    deadline: float = 0.0
    state: Literal["fetching", "delivered", "answered", "cancelled"] = "delivered"
    acked: bool = False
    pointer: Mapping[str, Any] = field(default_factory=dict, repr=False)
    frames: list[Frame] = field(default_factory=list, repr=False)
    sent: float = 0.0
    via: Literal["mqtt", "s3"] = "mqtt"


class ConsoleMachine:
    """See the module. Every method that can cause something returns the actions to carry out, in order.

    `inherits`: the session before this one is dead, so that nothing of it can still start. A call that was offered to
    an earlier session counts as started unless that session is dead and wrote the history that `known` reads.
    """

    def __init__(self, topics: Topics, seed: bytes, presence: Presence, key: SessionKey,
                 known: Callable[[str], Known], inherits: bool = True) -> None:
        self.topics = topics
        self.presence = presence
        self.key = key
        self.taken_over = False
        self.round_trip_ms: float | None = None
        self.duplicates = 0
        self._seed = seed
        self._verify_key = verify_key_of(seed)
        self._known = known
        self._inherits = inherits
        self._attempts: OrderedDict[str, Attempt] = OrderedDict()
        self._open: dict[str, Attempt] = {}
        self._acks: deque[tuple[float, str]] = deque()
        self._joiner = Joiner()
        self._senders: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._legs = Legs()
        self._kept = 0
        self._leases = 0
        self._lease_at = 0.0
        self._asserted = -1e9
        self._assert_due = False
        self._farewell = False
        self._pings = 0
        self._pinged_at: float | None = None
        self._refused: OrderedDict[str, float] = OrderedDict()

    # -- what arrives --------------------------------------------------------------------------------------------

    def received(self, connection: int, topic: str, payload: bytes, reply_to: str | None,
                 now: float) -> list[ConsoleAction]:
        """One publish. Hostile bytes have no effect."""
        if topic == self.topics.presence:
            return self._saw(payload, now)
        if topic == self.topics.stubs:
            return []
        try:
            frame = Frame.decode(payload)
            if frame.kind is Kind.PING:
                return self._pinged(frame, connection, reply_to, now)
            if reply_to is None or not self.topics.is_stub(reply_to):
                raise WireError("no stub of this stage")
            return self._frame(frame, connection, reply_to, now)
        except VersionError as error:
            return self._refuse(error.version, connection, reply_to, now)
        except ValueError:
            return []

    def _frame(self, frame: Frame, connection: int, reply_to: str, now: float) -> list[ConsoleAction]:
        if frame.kind is Kind.INVOKE:
            if frame.attempt in self._attempts:
                return self._again(self._attempts[frame.attempt], now)
            if frame.count > 1:
                self._remember_sender(frame.attempt, reply_to, connection)
            message = self._joiner.add(frame, now)
            return self._invoked(message, connection, reply_to, now) if message is not None else []
        known = self._attempts.get(frame.attempt)
        if known is not None and known.reply_to != reply_to:
            raise WireError("a frame about another stub's attempt")
        if frame.kind is Kind.ASK:
            if known is None:
                return [self._to(reply_to, connection, Frame(Kind.AGAIN, frame.attempt))]
            return self._state_of(known, connection, now)
        if frame.kind is Kind.NACK and known is not None:
            kind, message_id, indexes = read_nack(frame)
            wanted = set(indexes)
            return [self._to(reply_to, connection, f) for f in known.frames
                    if f.kind == kind and f.message_id == message_id and f.index in wanted]
        if frame.kind is Kind.CANCEL and known is None:
            # The call itself may still be on its way; it must not start when it arrives after this.
            self._joiner.forget(frame.attempt)
            self._attempts[frame.attempt] = Attempt(frame.attempt, reply_to, connection, b"", now, state="cancelled")
            self._shrink()
            return [Dropped(frame.attempt)]
        if frame.kind is Kind.CANCEL and known is not None and known.state in ("fetching", "delivered"):
            known.state = "cancelled"
            self._open.pop(known.id, None)
            return [Dropped(known.id)]
        if frame.kind is Kind.CANCEL and known is not None and known.state == "answered":
            return [Dropped(known.id)]
        return []

    def _again(self, attempt: Attempt, now: float) -> list[ConsoleAction]:
        self.duplicates += 1
        if attempt.state == "answered" and now - attempt.sent < RESEND_AFTER:
            return []
        return self._state_of(attempt, attempt.connection, now) if attempt.state == "answered" or attempt.acked else []

    def _state_of(self, attempt: Attempt, connection: int, now: float) -> list[ConsoleAction]:
        attempt.connection = connection
        if attempt.state == "answered":
            attempt.sent = now
            return [self._to(attempt.reply_to, connection, frame) for frame in attempt.frames]
        if attempt.state == "cancelled":
            return []
        attempt.acked = True
        return [self._to(attempt.reply_to, connection, Frame(Kind.ACK, attempt.id))]

    def _invoked(self, message: Message, connection: int, reply_to: str, now: float) -> list[ConsoleAction]:
        self._senders.pop(message.attempt, None)
        if self.taken_over or self._farewell:
            return []
        if not self.key.is_mine(message.payload):
            rekey = presence_frame(self.presence, self.topics.root, self._seed).encode()
            return [self._to(reply_to, connection, Frame(Kind.REKEY, message.attempt, rekey))]
        plain, stub_key = self.key.open(message.payload)
        head, body = unpack(plain)
        if head.get("attempt") != message.attempt:
            raise WireError("a call that is another attempt")
        attempt = Attempt(message.attempt, reply_to, connection, stub_key, received=now)
        if "s3" not in head:
            return self._deliver(attempt, head, body, now)
        object_key = str(head["s3"])
        if not object_key.startswith(f"payloads/{self.topics.app}/{self.topics.stage}/{reply_to.split('/')[4]}/"):
            raise WireError("a pointer to somewhere else")
        attempt.state, attempt.via, attempt.pointer = "fetching", "s3", head
        attempt.deadline = now + _number(head, "remaining") / 1000
        size = int(_number(head, "size"))
        _number(head, "sent")
        self._take(attempt, now)
        return [Fetch(attempt.id, object_key, size)]

    def open_object(self, content: bytes, attempt: str) -> tuple[dict[str, Any], bytes]:
        """Open a fetched event. Pure and slow (14 ms for 6 MB), so call it off the loop. Raises `WireError`."""
        if not self.key.is_mine(content):
            raise CannotOpen("an object for another session")
        head, body = unpack(self.key.open(content)[0])
        if head.get("attempt") != attempt:
            raise WireError("an object of another attempt")
        return head, body

    def fetched(self, attempt_id: str, head: Mapping[str, Any], body: bytes, now: float) -> list[ConsoleAction]:
        """The event of a large call is here."""
        attempt = self._attempts.get(attempt_id)
        if attempt is None or attempt.state != "fetching":
            return []
        merged = {**head, "remaining": attempt.pointer["remaining"], "sent": attempt.pointer["sent"]}
        return self._deliver(attempt, merged, body, now)

    def not_fetched(self, attempt_id: str, failure: str) -> list[ConsoleAction]:
        """The event of a large call cannot be had; the caller is told so."""
        attempt = self._open.get(attempt_id)
        if attempt is None or attempt.state != "fetching":
            return []
        return [Respond(attempt_id, Answer(f"The event could not be fetched: {failure}".encode(), True),
                        "LivetuiPayload")]

    def _deliver(self, attempt: Attempt, head: Mapping[str, Any], body: bytes, now: float) -> list[ConsoleAction]:
        function, environment = str(head.get("function", "")), str(head.get("environment", ""))
        if self.topics.stub(function, environment) != attempt.reply_to:
            raise WireError("a call that names another stub")
        sent, remaining = _number(head, "sent"), _number(head, "remaining")
        inbound = self._legs.inbound_ms(environment, sent, now * 1000, self.round_trip_ms)
        attempt.deadline = attempt.received + (remaining - inbound) / 1000
        attempt.state = "delivered"
        self._take(attempt, now)
        known = self._known(attempt.id)
        earlier = head.get("earlier")
        foreign = isinstance(earlier, list) and bool(earlier) and (
            not self._inherits or any(not history or history != self.presence.history for history in earlier))
        if isinstance(known, Answer):
            return [Respond(attempt.id, known)]
        if known == "started" or foreign:
            return [Respond(attempt.id, Answer(b"The console was restarted or taken over while this call may have been "
                                               b"running; it is not run a second time.", True), "LivetuiInterrupted")]
        keys = head.get("keys")
        context = head.get("context")
        return [Deliver(Call(
            attempt=attempt.id, function=function, environment=environment, event=body,
            context=context if isinstance(context, dict) else {}, keys=_keys(keys), deadline=attempt.deadline,
            received=attempt.received, inbound_ms=inbound, via=attempt.via,
            environment_hash=str(head.get("hash", ""))))]

    def _take(self, attempt: Attempt, now: float) -> None:
        if attempt.id not in self._attempts:
            self._acks.append((attempt.received + ACK_AFTER, attempt.id))
            if not self._open:
                self._lease_at = now + LEASE_EVERY
        self._attempts[attempt.id] = self._open[attempt.id] = attempt
        self._shrink()

    def _remember_sender(self, attempt: str, reply_to: str, connection: int) -> None:
        self._senders[attempt] = (reply_to, connection)
        while len(self._senders) > 1024:
            self._senders.popitem(last=False)

    # -- answering -----------------------------------------------------------------------------------------------

    def waiting(self, attempt_id: str) -> Attempt | None:
        """The attempt when its caller still waits for an answer."""
        return self._open.get(attempt_id)

    def seal(self, attempt: Attempt, answer: Answer, link: str = "") -> bytes:
        """An answer as a sealed message. Pure; slow for megabytes, so call it off the loop then."""
        head: dict[str, Any] = {"attempt": attempt.id, "error": answer.error}
        if link:
            head["link"] = link
        if answer.log:
            head["log"] = answer.log
        return self.key.seal(attempt.stub_key, pack(head, answer.body))

    def pointer(self, attempt: Attempt, key: str, size: int) -> bytes:
        """A sealed message that points to an answer in the bucket."""
        return self.key.seal(attempt.stub_key, pack({"attempt": attempt.id, "s3": key, "size": size}))

    def answer_key(self, attempt: Attempt) -> str:
        """Where the bucket holds a large answer."""
        return f"payloads/{self.topics.app}/{self.topics.stage}/{attempt.reply_to.split('/')[4]}/{attempt.id}-answer"

    def answered(self, attempt_id: str, message: bytes, now: float) -> list[ConsoleAction]:
        """Send an answer, and keep it as long as there is room to be asked for again. Raises `WireError` over 8 MiB."""
        attempt = self._open.get(attempt_id)
        if attempt is None:
            return []
        attempt.frames = split(Kind.ANSWER, attempt.id, message)
        del self._open[attempt_id]
        attempt.state = "answered"
        attempt.sent = now
        self._kept += len(message)
        self._attempts.move_to_end(attempt.id)
        self._shrink()
        return [self._to(attempt.reply_to, attempt.connection, frame) for frame in attempt.frames]

    # -- ownership -----------------------------------------------------------------------------------------------

    def announce(self, now: float) -> Publish:
        """The retained presence of this session."""
        self._asserted = now
        self._assert_due = False
        return Publish(self.topics.presence, presence_frame(self.presence, self.topics.root, self._seed).encode(),
                       retain=True)

    def farewell(self, said: bool = True) -> Publish:
        """The retained end of this session; as the last will when it is not `said`."""
        self._farewell = self._farewell or said
        self._assert_due = self._assert_due and not self._farewell
        gone = Presence(False, self.presence.session, self.presence.epoch, self.presence.since, self.presence.owner,
                        farewell=said)
        return Publish(self.topics.presence, presence_frame(gone, self.topics.root, self._seed).encode(), retain=True)

    def _saw(self, payload: bytes, now: float) -> list[ConsoleAction]:
        """Presence changed: ours again, a later owner's, or nobody's business (then it is asserted again)."""
        if self._farewell or self.taken_over:
            return []
        try:
            seen = read_presence(Frame.decode(payload), self.topics.root, self._verify_key)
        except (WireError, ValueError):
            seen = None
        mine = self.presence
        if seen is not None and seen.live and seen.session == mine.session:
            return []
        later = seen is not None and (seen.epoch, seen.session) > (mine.epoch, mine.session)
        if seen is not None and later and seen.session != mine.session:
            return self.lost(seen) if seen.live or seen.farewell else [Contested(seen)]
        if now - self._asserted < ASSERT_EVERY:
            self._assert_due = True
            return []
        return [self.announce(now)]

    def lost(self, owner: Presence) -> list[ConsoleAction]:
        """The stage is another's from now on; events that are being fetched will not start here."""
        self.taken_over = True
        self._assert_due = False
        dropped = [Dropped(attempt) for attempt in self._open]
        for attempt in [each for each in self._open.values() if each.state == "fetching"]:
            attempt.state = "cancelled"
            del self._open[attempt.id]
        return [TakenOver(owner), *dropped]

    def lease(self, now: float) -> Publish:
        """A broadcast that this console lives, and what it works on."""
        self._leases += 1
        self._lease_at = now + LEASE_EVERY
        running = tuple(attempt[:16] for attempt in list(self._open)[-500:])
        lease = Lease(self.presence.session, self.presence.epoch, self._leases, running)
        return Publish(self.topics.stubs, lease_frame(lease, self.topics.root, self._seed).encode(), expiry=5)

    def ping(self, now: float) -> Publish:
        """Ask ourselves over the broker: measures the round trip, and shows that the connection is alive."""
        self._pings += 1
        self._pinged_at = now
        payload = f"{self.presence.session} {self._pings}".encode("ascii")
        return Publish(self.topics.console(0), Frame(Kind.PING, NO_ATTEMPT, payload).encode(), expiry=5)

    def deaf_for(self, now: float) -> float:
        """Seconds since a ping of ours was sent that has not come back; 0 when none is under way."""
        return now - self._pinged_at if self._pinged_at is not None else 0.0

    def _pinged(self, frame: Frame, connection: int, reply_to: str | None, now: float) -> list[ConsoleAction]:
        if reply_to is not None and self.topics.is_stub(reply_to):
            return [self._to(reply_to, connection, Frame(Kind.PONG, frame.attempt, frame.payload[:64]))]
        if frame.payload.startswith(self.presence.session.encode("ascii")):
            if self._pinged_at is not None and frame.payload.endswith(str(self._pings).encode("ascii")):
                self.round_trip_ms = (now - self._pinged_at) * 1000
                self._pinged_at = None
            return []
        return [] if self.taken_over else [self.lease(now)]

    # -- time ----------------------------------------------------------------------------------------------------

    def next_tick(self) -> float | None:
        """When `tick` has something to do."""
        times = []
        if self._acks:
            times.append(self._acks[0][0])
        if self._open:
            times.append(self._lease_at)
        if self._assert_due:
            times.append(self._asserted + ASSERT_EVERY)
        joiner = self._joiner.next_tick()
        if joiner is not None:
            times.append(joiner)
        return min(times) if times else None

    def tick(self, now: float) -> list[ConsoleAction]:
        """Time has passed: acks, leases, requests for missing frames, presence that is due again."""
        actions: list[ConsoleAction] = []
        while self._acks and self._acks[0][0] <= now:
            attempt = self._open.get(self._acks.popleft()[1])
            if attempt is not None and not attempt.acked:
                attempt.acked = True
                actions.append(self._to(attempt.reply_to, attempt.connection, Frame(Kind.ACK, attempt.id)))
        for frame in self._joiner.missing(now):
            sender = self._senders.get(frame.attempt)
            if sender is not None:
                actions.append(self._to(*sender, frame))
        if self._assert_due and now >= self._asserted + ASSERT_EVERY:
            actions.append(self.announce(now))
        if self._open and now >= self._lease_at:
            actions.append(self.lease(now))
        return actions

    def slept(self, seconds: float, now: float) -> list[ConsoleAction]:
        """The machine slept, or its clock was set: what is past its deadline and has not started is dropped."""
        lost: list[ConsoleAction] = []
        for attempt in list(self._open.values()):
            attempt.deadline -= seconds
            if attempt.deadline < now and self._known(attempt.id) == "unknown":
                attempt.state = "cancelled"
                del self._open[attempt.id]
                lost.append(Dropped(attempt.id))
        return lost

    @property
    def owns(self) -> bool:
        """Whether the stage is still this session's, and it has not said goodbye."""
        return not self.taken_over and not self._farewell

    @property
    def unanswered(self) -> list[str]:
        """Attempts whose callers wait."""
        return list(self._open)

    def _refuse(self, version: int, connection: int, reply_to: str | None, now: float) -> list[ConsoleAction]:
        if reply_to is None or not self.topics.is_stub(reply_to) or now - self._refused.get(reply_to, -1e9) < 1.0:
            return []
        self._refused[reply_to] = now
        while len(self._refused) > 256:
            self._refused.popitem(last=False)
        frame = Frame(Kind.REFUSE, NO_ATTEMPT, refusal(version, "console")).encode(version)
        return [Publish(reply_to, frame, connection, expiry=60)]

    def still_coming(self, publish: Publish) -> Publish:
        """What to send in place of a frame that waits for the quota already: a sign of life."""
        return self._to(publish.topic, publish.connection, Frame(Kind.ACK, Frame.decode(publish.payload).attempt))

    def _to(self, reply_to: str, connection: int, frame: Frame) -> Publish:
        return Publish(reply_to, frame.encode(), connection, expiry=60)

    def _shrink(self) -> None:
        """Forget the oldest answers when they are too many; the store still has them."""
        while self._kept > KEEP_BYTES or len(self._attempts) > KEEP_ATTEMPTS:
            oldest = next((a for a in self._attempts.values() if a.id not in self._open), None)
            if oldest is None:
                return
            self._kept -= sum(len(frame.payload) for frame in oldest.frames)
            del self._attempts[oldest.id]


def _number(head: Mapping[str, Any], name: str) -> float:
    value = head.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e15 < value < 1e15:
        raise WireError(f"a call without a usable {name!r}")
    return float(value)


def _keys(value: Any) -> Keys | None:
    if isinstance(value, list) and len(value) == 3 and all(isinstance(part, str) for part in value) and value[0]:
        return Keys(value[0], value[1], value[2] or None)
    return None
