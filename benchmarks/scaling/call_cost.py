"""What one call puts on the wire, counted by running the two real state machines against each other."""

from __future__ import annotations

import functools
import json
import random
from dataclasses import dataclass, field

from benchmarks.scaling.quotas import UNIT
from livetui.link.machine import ConsoleMachine, Deliver
from livetui.link.messages import Answer
from stub_runtime.actions import Fetch, Finish, Publish, Store, StubAction
from stub_runtime.call import ACK_AFTER
from stub_runtime.config import S3_FROM
from stub_runtime.machine import StubMachine
from stub_runtime.presence import Presence, presence_frame
from stub_runtime.sealing import SessionKey, verify_key_of
from stub_runtime.topics import Topics

SEED = bytes(range(32))
TOPICS = Topics("orders", "ada")
ENVIRONMENT = "0123456789abcdef"
FUNCTION = "CreateOrder"


@dataclass
class CallCost:
    """Publishes, bytes and objects of one call. `up` is towards the console, sizes as they are metered."""

    up: list[int] = field(default_factory=list)
    down: list[int] = field(default_factory=list)
    puts: int = 0
    gets: int = 0
    downloaded: int = 0
    """Bytes that leave S3 for the developer's machine."""

    @property
    def publishes(self) -> int:
        """Against the quota of 100 per second and connection."""
        return len(self.up) + len(self.down)

    @property
    def units(self) -> int:
        """Metered messages: every publish is metered when it comes in and when it goes out."""
        return 2 * sum(units(size) for size in (*self.up, *self.down))


def units(size: int) -> int:
    """Started 5 KB."""
    return -(-size // int(UNIT.value))


def metered(publish: Publish) -> int:
    """Bytes of a publish that count: payload, topic and response topic."""
    return len(publish.payload) + len(publish.topic) + len(publish.reply_to or "")


@functools.cache
def document(size: int) -> bytes:
    """JSON of about `size` bytes that compresses as business data does: random ids, amounts, words."""
    rng = random.Random(size)
    words = [f"word{number:x}" for number in range(4000)]
    records: list[dict[str, object]] = []
    length = 2
    while length < size:
        record = {"id": f"{rng.getrandbits(64):x}", "amount": rng.random() * 1000,
                  "text": " ".join(rng.choices(words, k=8))}
        length += len(json.dumps(record)) + 2
        records.append(record)
    return json.dumps(records).encode()[:size]


def call_head() -> dict[str, object]:
    """What goes with every event: a context and keys as long as AWS's are."""
    rng = random.Random(7)
    token = "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", k=1100))
    arn = f"arn:aws:lambda:eu-west-1:123456789012:function:orders-ada-live-{FUNCTION}-A1B2C3D4E5F6"
    context = {"request_id": "5f0c2a34-9b1e-4d7c-8a63-1e2d3c4b5a69", "function_name": arn.rpartition(":")[2],
               "function_version": "$LATEST", "invoked_function_arn": arn, "memory_limit_in_mb": "128",
               "log_group_name": f"/aws/lambda/{arn.rpartition(':')[2]}",
               "log_stream_name": "2026/01/01/[$LATEST]" + "0" * 32, "identity": None, "client_context": None,
               "trace_id": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
               "tenant_id": None}
    return {"function": FUNCTION, "environment": ENVIRONMENT, "hash": "0" * 16, "context": context,
            "keys": ["A" * 20, "s" * 40, token]}


@functools.cache
def call_cost(event: int, answer: int, seconds: float, s3_from: int = S3_FROM) -> CallCost:
    """Run one call whose handler takes `seconds`, with an event and an answer of so many bytes."""
    cost = CallCost()
    key = SessionKey()
    presence = Presence(True, "a" * 16, 1, 0.0, "ada@laptop", key.public)
    console = ConsoleMachine(TOPICS, SEED, presence, key, lambda attempt: "unknown")
    stub = StubMachine(TOPICS, FUNCTION, ENVIRONMENT, verify_key_of(SEED), s3_from)
    stub.subscribed(0.0)
    stub.received(presence_frame(presence, TOPICS.root, SEED).encode(), 0.0)
    bucket: dict[str, bytes] = {}
    call: Deliver | None = None

    sent = stub.begin("ab" * 16, call_head(), document(event), lambda: 30_000, 1.0)
    while sent:
        action = sent.pop(0)
        if isinstance(action, Store):
            bucket[action.key] = action.content
            cost.puts += 1
            sent += stub.stored(action.key, "", 1.0)
        elif isinstance(action, Publish):
            cost.up.append(metered(action))
            for reaction in console.received(0, action.topic, action.payload, action.reply_to, 1.0):
                if isinstance(reaction, Fetch):
                    content = bucket.pop(reaction.key)
                    cost.gets += 1
                    cost.downloaded += len(content)
                    head, body = console.open_object(content, reaction.attempt)
                    delivered = console.fetched(reaction.attempt, head, body, 1.0)
                    call = next(each for each in delivered if isinstance(each, Deliver))
                elif isinstance(reaction, Deliver):
                    call = reaction
    if call is None:
        raise RuntimeError("the call did not arrive")
    if seconds > ACK_AFTER:
        acks = [action for action in console.tick(1.0 + ACK_AFTER + 0.01) if isinstance(action, Publish)]
        cost.down += map(metered, acks)
    attempt = console.waiting(call.call.attempt)
    assert attempt is not None
    message = console.seal(attempt, Answer(document(answer)))
    if len(message) >= s3_from:
        bucket[console.answer_key(attempt)] = message
        cost.puts += 1
        message = console.pointer(attempt, console.answer_key(attempt), len(message))
    finished: StubAction | None = None
    for reply in console.answered(call.call.attempt, message, 1.0 + seconds):
        if isinstance(reply, Publish):
            cost.down.append(metered(reply))
            for effect in stub.received(reply.payload, 1.0 + seconds):
                if isinstance(effect, Fetch):
                    cost.gets += 1
                    finished = stub.fetched(effect.key, bucket.pop(effect.key), "", 1.0 + seconds)[0]
                elif isinstance(effect, Finish):
                    finished = effect
    if not isinstance(finished, Finish) or finished.body != document(answer):
        raise RuntimeError(f"the answer did not arrive: {finished!r}"[:200])
    return cost


@functools.cache
def presence_cost() -> int:
    """Metered bytes of a retained presence."""
    presence = Presence(True, "a" * 16, 1, 0.0, "ada@laptop", SessionKey().public)
    return len(presence_frame(presence, TOPICS.root, SEED).encode()) + len(TOPICS.presence)


def lease_cost() -> int:
    """Metered bytes of a lease."""
    key = SessionKey()
    presence = Presence(True, "a" * 16, 1, 0.0, "ada@laptop", key.public)
    return metered(ConsoleMachine(TOPICS, SEED, presence, key, lambda attempt: "unknown").lease(0.0))
