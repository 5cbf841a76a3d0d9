"""Which invocation caused which: by the ids that AWS gives to what a handler sends and hands to who receives it.

A message of SQS or SNS, an event of EventBridge and an asynchronous call of Lambda keep their id on the way. That works
where no trace header travels, too: without X-Ray, and on the local cloud.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice

from livetui.session.invocation import Invocation
from livetui.session.peek import Peek

MOST_REMEMBERED = 20_000
_MOST_RECORDS = 1_000
_LARGEST = 1_000_000
"""Bytes up to which it takes no time that the engine's loop would feel."""


def received(event: bytes, request_id: str = "") -> list[str]:
    """The ids of what an invocation was called with. Events beyond a megabyte are not looked into."""
    whole = Peek(event if len(event) <= _LARGEST else b"")
    found = [request_id]
    if whole.has("Records"):
        for record in islice(whole["Records"], _MOST_RECORDS):
            found += [record.text("messageId"), record.text("Sns.MessageId")]
    elif whole.has("id", "detail-type"):
        found.append(whole.text("id"))
    return [id for id in found if id]


class Causes:
    """Remembers in which trace something was sent, until it comes back as an invocation; and what came before that."""

    def __init__(self) -> None:
        self._traces: OrderedDict[str, str] = OrderedDict()
        self._early: OrderedDict[str, int] = OrderedDict()

    def sent(self, ids: Iterable[str], trace: str) -> set[int]:
        """A handler of this trace sent these. Gives the invocations that came of them before this was known."""
        early: set[int] = set()
        for id in ids:
            if id in self._early:
                early.add(self._early.pop(id))
            self._traces[id] = trace
            if len(self._traces) > MOST_REMEMBERED:
                self._traces.popitem(last=False)
        return early

    def trace_of(self, ids: Iterable[str]) -> str:
        """The trace of whoever sent what came with these ids; empty when that is not known."""
        return next((self._traces[id] for id in ids if id in self._traces), "")

    def came(self, ids: Iterable[str], number: int) -> None:
        """An invocation came whose cause is not known yet."""
        for id in ids:
            self._early[id] = number
            if len(self._early) > MOST_REMEMBERED:
                self._early.popitem(last=False)


def new_trace() -> str:
    """The root of a trace, as X-Ray writes it."""
    return f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"


def parents(invocations: Iterable[Invocation]) -> dict[int, int]:
    """The id of each invocation's cause, for those whose cause is among them; a replay's cause is its origin."""
    senders: dict[str, int] = {}
    came: dict[int, list[str]] = {}
    found: dict[int, int] = {}
    for each in invocations:  # one at a time: events may be megabytes
        row = each.row
        senders.update((id, row.id) for call in each.calls for id in call.sent)
        if row.replay_of is not None:
            found[row.id] = row.replay_of
        else:
            came[row.id] = received(each.event, row.request_id)
    for number, ids in came.items():
        cause = next((senders[id] for id in ids if senders.get(id, number) != number), None)
        if cause is not None:
            found[number] = cause
    return found
