"""The stub's side of the protocol as a pure state machine: frames and clock ticks in, actions out.

No sockets, no threads and no clock of its own. One machine lives as long as its execution environment; it has at most
one call at a time, since Lambda hands an environment one event at a time. Times are seconds of any steady clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from stub_runtime.actions import Fetch, Finish, Json, Look, Publish, Reconnect, Store, StubAction
from stub_runtime.call import (
    ABSENT_AFTER,
    ASK_EVERY,
    CONNECT_WITHIN,
    GONE_GRACE,
    IDLE_RECONNECT,
    IDLE_SUSPECT,
    LEASE_EVERY,
    LOST_GRACE,
    MARGIN,
    RECONNECT_EVERY,
    SILENCE,
    STALE_WITHIN,
    SUBSCRIBE_WITHIN,
    WINDOW,
    WINDOW_BYTES_PER_S,
    StubCall,
)
from stub_runtime.config import S3_FROM
from stub_runtime.errors import NOTHING_RAN
from stub_runtime.presence import Lease, Presence, read_lease, read_presence
from stub_runtime.sealing import CannotOpen, StubKey
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

_MAY_HAVE_RUN = "The call had been sent to it and may have run; it is not run again."


class StubMachine:
    """See the module. Every method returns the actions to carry out, in order."""

    def __init__(self, topics: Topics, function: str, environment: str, verify_key: bytes,
                 s3_from: int = S3_FROM, bucket: bool = True) -> None:
        self.topics = topics
        self.function = function
        self.environment = environment
        self.verify_key = verify_key
        self.s3_from = s3_from
        self.bucket = bucket
        self.key = StubKey()
        self.reply_to = topics.stub(function, environment)
        self.presence: Presence | None = None
        self.epoch = 0
        self.call: StubCall | None = None
        self.active_at = -1e9
        self.idle = 0.0
        self.connected = False
        self.version_seen = 0
        self.reconnected_at: float | None = None
        """When the connection was last replaced; None before there was one."""
        self._broken = ""
        """Why there was no connection last."""
        self._lease = Lease("", 0)
        """The last one that was heard."""
        self._joiner = Joiner(max_sets=8, max_bytes=16 * 1024 * 1024)

    # -- a call begins -------------------------------------------------------------------------------------------

    def begin(self, attempt: str, head: Json, body: bytes, remaining_ms: Callable[[], int],
              now: float, idle: float | None = None) -> list[StubAction]:
        """Start a call. `head` is JSON: function, environment, context, keys.

        `idle` is how long the container slept, in seconds, when a wall clock knows better than `now`.
        """
        idle = max(idle or 0.0, now - self.active_at) if self.active_at > -1e8 else 0.0
        self.idle = idle
        self.call = StubCall(attempt, body, head, remaining_ms, now, now + remaining_ms() / 1000 - MARGIN, heard=now)
        if not self.connected and self.reconnected_at is None:
            return self._wait_connected(now)
        if not self.connected or idle > IDLE_RECONNECT:
            return self._reconnect(now)
        if self.presence is not None and self.presence.live and idle <= IDLE_SUSPECT:
            return self._offer(self.presence, now)
        return self._look(now)

    def end(self, now: float) -> None:
        """The call is over and its container may be frozen."""
        self.active_at = now
        if self.call is not None:
            self._joiner.forget(self.call.attempt)
        self.call = None

    # -- the connection ------------------------------------------------------------------------------------------

    def subscribed(self, now: float) -> list[StubAction]:
        """A subscription was confirmed: the retained presence follows, if there is one."""
        self.connected = True
        self.reconnected_at = self.reconnected_at if self.reconnected_at is not None else -1e9
        call = self.call
        if call is None:
            return []
        call.looked_at = now
        if call.phase in ("connecting", "looking"):
            call.phase = "looking"
            call.until = now + ABSENT_AFTER
        return []

    def disconnected(self, now: float, detail: str = "") -> list[StubAction]:
        """The connection is gone. With a call waiting a new one is made at once: the old one's back-off is too slow."""
        self.connected = False
        self._broken = detail or self._broken
        call = self.call
        if call is None or call.phase in ("done", "fetching", "storing"):
            return []
        if self.reconnected_at is not None and now - self.reconnected_at > RECONNECT_EVERY:
            return self._reconnect(now)
        return self._wait_connected(now) if call.phase == "looking" else []

    def denied(self, detail: str, now: float) -> list[StubAction]:
        """IAM refused a subscription. The next call asks again, over a new connection."""
        self.connected = False
        self._broken = f"its role lacks {detail}"
        self.reconnected_at = self.reconnected_at if self.reconnected_at is not None else -1e9
        return self._fail("LivetuiUnreachable", f"The function's role lacks {detail}.", now) if self.call else []

    def _wait_connected(self, now: float) -> list[StubAction]:
        call = self._call()
        if call.phase != "connecting":
            call.phase = "connecting"
            call.until = now + CONNECT_WITHIN
        return []

    def _reconnect(self, now: float) -> list[StubAction]:
        self.connected = False
        self.reconnected_at = now
        call = self._call()
        if call.offered_to is None or call.phase == "looking":
            self._wait_connected(now)
        return [Reconnect()]

    def _look(self, now: float) -> list[StubAction]:
        call = self._call()
        call.looked_at = None
        if call.offered_to is None:
            call.phase = "looking"
            call.until = now + (WINDOW if self.idle > IDLE_SUSPECT else SUBSCRIBE_WITHIN)
        return [Look()]

    # -- what arrives --------------------------------------------------------------------------------------------

    def received(self, payload: bytes, now: float) -> list[StubAction]:
        """One publish from any of the subscribed topics. Hostile bytes are ignored."""
        try:
            frame = Frame.decode(payload)
        except VersionError as error:
            self.version_seen = error.version
            return []
        except WireError:
            return []
        try:
            return self._frame(frame, now)
        except (ValueError, AttributeError, RecursionError):
            return []

    def _frame(self, frame: Frame, now: float) -> list[StubAction]:
        if frame.kind in (Kind.LIVE, Kind.GONE):
            presence = read_presence(frame, self.topics.root, self.verify_key)
            return self._saw(presence, now) if presence is not None else []
        if frame.kind is Kind.LEASE:
            lease = read_lease(frame, self.topics.root, self.verify_key)
            return self._leased(lease, now) if lease is not None else []
        call = self.call
        if call is None or call.offered_to is None or call.phase == "done":
            return []
        if frame.kind is Kind.REFUSE and frame.attempt in (call.attempt, NO_ATTEMPT):
            refused = json.loads(frame.payload[:4096])
            return self._fail("LivetuiVersion", str(refused.get("message", "refused")), now)
        if frame.attempt != call.attempt:
            return []
        if frame.kind is Kind.ANSWER:
            message = self._joiner.add(frame, now)
            call.heard = now
            return self._answered(message, now) if message is not None else []
        if frame.kind is Kind.ACK:
            return self._acked(now)
        if frame.kind is Kind.AGAIN:
            call.heard = now
            return self._send(call.frames, now)
        if frame.kind is Kind.NACK:
            kind, message_id, indexes = read_nack(frame)
            call.heard = now
            wanted = set(indexes)
            return self._send([f for f in call.frames
                               if f.kind == kind and f.message_id == message_id and f.index in wanted], now)
        if frame.kind is Kind.REKEY:
            presence = read_presence(Frame.decode(frame.payload), self.topics.root, self.verify_key)
            return self._saw(presence, now) if presence is not None else []
        return []

    def _saw(self, presence: Presence, now: float) -> list[StubAction]:
        """A signed presence: obey the highest epoch, and ignore `gone` of any session but the current one."""
        current = self.presence
        if presence.live:
            if presence.epoch < self.epoch:
                return []
            if presence.epoch == self.epoch and current is not None and current.session not in ("", presence.session):
                return []
            self.presence, self.epoch, self.version_seen = presence, presence.epoch, 0
            return self._present(presence, now)
        if current is not None and current.live and presence.session != current.session:
            return []
        if presence.farewell or (current is not None and presence.session == current.session):
            # Else it may be the will of a console that never became the owner.
            self.epoch = max(self.epoch, presence.epoch)
        self.presence = presence
        return self._absent(presence, now)

    def _present(self, presence: Presence, now: float) -> list[StubAction]:
        call = self.call
        if call is None or call.phase in ("done", "storing", "fetching"):
            return []
        if call.died:
            call.heard = now  # it is back; what is merely retained is no sign of life
        call.died = False
        if call.offered_to is None:
            return self._offer(presence, now)
        if call.offered_to.session != presence.session:
            return self._offer(presence, now)
        return self._ask(now)

    def _absent(self, presence: Presence, now: float) -> list[StubAction]:
        call = self.call
        if call is None:
            return []
        if call.phase == "looking":
            call.until = now + (GONE_GRACE if presence.farewell or not presence.session else LOST_GRACE)
        elif call.phase == "offered":
            call.died = now - call.offered_at > STALE_WITHIN and not presence.farewell
            call.until = min(call.until, now + GONE_GRACE)
        elif call.phase == "acked" and presence.farewell:
            call.heard = min(call.heard, now - SILENCE + 2 * GONE_GRACE)
        return []

    def _leased(self, lease: Lease, now: float) -> list[StubAction]:
        if lease.epoch < self.epoch or (lease.epoch, lease.number) <= (self._lease.epoch, self._lease.number):
            return []  # also one that somebody recorded and sends again
        self._lease = lease
        call = self.call
        if call is None or call.offered_to is None:
            return []
        if lease.session != call.offered_to.session:
            return self._look(now) if now - (call.looked_at or -1e9) > ASK_EVERY else []
        if call.phase not in ("offered", "acked"):
            return []
        if call.attempt[:16] in lease.attempts:
            return self._acked(now)
        call.heard = now
        return self._ask(now) if call.phase == "acked" else []

    # -- offering ------------------------------------------------------------------------------------------------

    def _offer(self, presence: Presence, now: float) -> list[StubAction]:
        call = self._call()
        if call.offered_to is not None:
            call.earlier += (call.offered_to.history,)
        call.offered_to = presence
        call.phase, call.tries, call.touched = "offered", 0, False
        call.heard = call.offered_at = now
        remaining = call.remaining_ms()
        head = {**call.head, "attempt": call.attempt, "remaining": remaining, "sent": round(now * 1000, 3),
                "earlier": call.earlier[-8:]}
        sealed = self.key.seal(presence.key, pack(head, call.body))
        if not self.bucket or len(sealed) < self.s3_from:
            call.frames = split(Kind.INVOKE, call.attempt, sealed)
            return self._send(call.frames, now)
        call.phase = "storing"
        call.until = call.deadline
        call.pending = sealed
        key = f"{self.topics.payloads(self.function)}{call.attempt}-event-{len(call.earlier)}"
        return [Store(call.attempt, key, sealed)]

    def stored(self, key: str, failure: str, now: float) -> list[StubAction]:
        """The event lies in the bucket (or does not: `failure`); the pointer to it is what is offered."""
        call = self.call
        if call is None or call.phase != "storing" or call.offered_to is None:
            return []
        if failure:
            return self._fail("LivetuiPayload", f"The event could not be put into the bucket: {failure}", now)
        pointer = {"attempt": call.attempt, "s3": key, "size": len(call.pending),
                   "remaining": call.remaining_ms(), "sent": round(now * 1000, 3)}
        call.pending = b""
        call.frames = split(Kind.INVOKE, call.attempt, self.key.seal(call.offered_to.key, pack(pointer)))
        actions = self._send(call.frames, now)
        if self.presence is not None and self.presence.live and self.presence.session != call.offered_to.session:
            return self._offer(self.presence, now)
        return actions

    def _send(self, frames: Sequence[Frame], now: float) -> list[StubAction]:
        call = self._call()
        size = sum(len(frame.payload) for frame in frames)
        if call.phase != "acked":
            call.phase = "offered"
        call.window = WINDOW + size / WINDOW_BYTES_PER_S
        call.until = now + call.window
        return [self._publish(frame) for frame in frames]

    def _publish(self, frame: Frame) -> Publish:
        call = self._call()
        spread = call.offered_to.connections if call.offered_to is not None else 1
        connection = int(self.environment[:8], 16) % max(1, spread)
        expiry = max(1, min(60, call.remaining_ms() // 1000))
        return Publish(self.topics.console(connection), frame.encode(), reply_to=self.reply_to, expiry=expiry)

    def _ask(self, now: float) -> list[StubAction]:
        call = self._call()
        if now - call.asked < ASK_EVERY / 2:
            return []
        call.asked = now
        if call.phase == "offered":
            call.until = now + WINDOW
        return [self._publish(Frame(Kind.ASK, call.attempt))]

    def _acked(self, now: float) -> list[StubAction]:
        call = self._call()
        call.heard = now
        call.touched = True
        if call.phase == "offered":
            call.phase = "acked"
            call.tries = 0
        return []

    # -- the end -------------------------------------------------------------------------------------------------

    def _answered(self, message: Message, now: float) -> list[StubAction]:
        call = self._call()
        try:
            head, body = unpack(self.key.open(message.payload))
        except CannotOpen:
            return []
        if head.get("attempt") != call.attempt:
            return []
        if "s3" in head:
            key, size = str(head["s3"]), int(head.get("size", 0))
            if call.phase == "fetching" or not key.startswith(self.topics.payloads(self.function)):
                return []
            call.phase, call.fetching, call.until, call.touched = "fetching", key, call.deadline, True
            return [Fetch(call.attempt, key, size)]
        if head.get("link"):
            return self._fail(str(head["link"]), body.decode("utf-8", "replace"), now, cancel=False)
        return self._finish(Finish(body, bool(head.get("error")), log=str(head.get("log", ""))))

    def fetched(self, key: str, content: bytes, failure: str, now: float) -> list[StubAction]:
        """The answer's object (or why it could not be had)."""
        call = self.call
        if call is None or call.phase != "fetching" or call.fetching != key:
            return []
        if failure:
            return self._fail("LivetuiPayload", f"The answer could not be fetched from the bucket: {failure}", now)
        try:
            head, body = unpack(self.key.open(content))
        except WireError as error:
            return self._fail("LivetuiPayload", f"The answer in the bucket cannot be read: {error}", now)
        if head.get("attempt") != call.attempt:
            return self._fail("LivetuiPayload", "The answer in the bucket belongs to another call.", now)
        return self._finish(Finish(body, bool(head.get("error")), log=str(head.get("log", ""))))

    def _finish(self, finish: Finish) -> list[StubAction]:
        self._call().phase = "done"
        return [finish]

    def _fail(self, failure: str, reason: str, now: float, cancel: bool = True) -> list[StubAction]:
        call = self._call()
        if call.offered_to is not None and failure in NOTHING_RAN:
            failure, reason = "LivetuiInterrupted", f"{reason} {_MAY_HAVE_RUN}"
        actions: list[StubAction] = []
        if cancel and call.offered_to is not None and call.phase != "done":
            actions.append(self._publish(Frame(Kind.CANCEL, call.attempt)))
        call.phase = "done"
        return [*actions, Finish(failure=failure, reason=reason)]

    # -- time ----------------------------------------------------------------------------------------------------

    def left(self, now: float) -> float:
        """Seconds until the call is given up."""
        return max(0.0, self._call().deadline - now)

    def next_tick(self) -> float | None:
        """When `tick` has something to do."""
        call = self.call
        if call is None or call.phase == "done":
            return None
        times = [call.deadline, call.until]
        if call.phase == "acked":
            times = [call.deadline, max(call.heard + 1.5 * LEASE_EVERY, call.asked + ASK_EVERY), call.heard + SILENCE]
        joiner = self._joiner.next_tick()
        return min(times if joiner is None else [*times, joiner])

    def tick(self, now: float) -> list[StubAction]:
        """Time has passed."""
        call = self.call
        if call is None or call.phase == "done":
            return []
        actions: list[StubAction] = [self._publish(frame) for frame in self._joiner.missing(now)]
        if now >= call.deadline:
            return actions + self._fail("LivetuiTimeout", self._late(), now)
        if call.phase == "acked":
            return actions + self._quiet(now)
        if now < call.until:
            return actions
        if call.phase == "connecting":
            why = f" ({self._broken})" if self._broken else ""
            return actions + self._fail("LivetuiUnreachable", f"The stub cannot reach AWS IoT{why}: check the "
                                        "function's network (VPC, NAT), its role and the endpoint.", now)
        if call.phase == "looking":
            if call.looked_at is None:
                return actions + self._reconnect(now)
            return actions + self._nobody(now)
        if call.phase == "offered":
            return actions + self._unheard(now)
        return actions

    def _quiet(self, now: float) -> list[StubAction]:
        call = self._call()
        if now - call.heard >= SILENCE:
            return self._fail("LivetuiInterrupted", "The console has been silent for 10 s while it ran this call; "
                              "the call is not run again.", now)
        return self._ask(now) if now - call.heard >= 1.5 * LEASE_EVERY else []

    def _unheard(self, now: float) -> list[StubAction]:
        """No ack and no answer in the window: ask, look at the presence, make a new connection; then give up."""
        call = self._call()
        if call.died and now - call.heard < SILENCE:
            call.until = min(now + WINDOW, call.heard + SILENCE)
            return []
        if call.died:
            return self._fail("LivetuiInterrupted", "The console went away while it may have been running this call "
                              "and did not come back within 10 s.", now)
        if self.presence is not None and not self.presence.live:
            if call.looked_at is not None and call.looked_at >= call.started and call.tries >= 2:
                return self._nobody(now)
            call.tries = max(call.tries, 1)
        if now - call.heard >= SILENCE:
            return self._fail("LivetuiInterrupted",
                              f"A console is registered but does not answer. {_MAY_HAVE_RUN}", now)
        call.tries += 1
        call.until = now + WINDOW
        if call.tries == 1:
            return self._ask(now)
        if call.tries % 3 == 2:
            return [*self._look(now), *self._ask(now)]
        if call.tries % 3 == 0 and call.looked_at is None:
            call.until = now + SUBSCRIBE_WITHIN
            return self._reconnect(now)
        return self._ask(now)

    def _nobody(self, now: float) -> list[StubAction]:
        if self.version_seen:
            return self._fail("LivetuiVersion", _refused(self.version_seen), now)
        last = f" The last one was {self.presence.owner}." if self.presence and self.presence.owner else ""
        return self._fail("LivetuiOffline", f"No livetui console is live for {self.topics.app}/{self.topics.stage}."
                          f"{last} Start livetui, or remove the live stack.", now)

    def _late(self) -> str:
        call = self._call()
        state = "was still running it" if call.touched else "had not confirmed it"
        return f"Lambda's deadline was reached; the console {state}."

    def _call(self) -> StubCall:
        if self.call is None:
            raise RuntimeError("there is no call")
        return self.call


def _refused(version: int) -> str:
    return str(json.loads(refusal(version, "stub"))["message"])
