"""Calls to fill a history with, and a console that was killed."""

from __future__ import annotations

import uuid

from livetui.session import store as store_module
from livetui.session.invocation import Timing
from livetui.session.store import Store


def arrive(store: Store, event: bytes = b"{}", **fields):
    attempt = fields.pop("attempt", uuid.uuid4().hex)
    values = {"function": "GetOrder", "trigger": "GET /orders/7", "context": {}, "time": 1000.0, **fields}
    return attempt, store.arrived(attempt, event=event, **values)


def kill(store: Store) -> None:
    """What a killed console leaves behind: a session without an end, of a process that is gone."""
    store_module._OPEN.discard(store.current)
    store.current = ""


def run(store: Store, event: bytes = b"{}", **fields):
    attempt, _ = arrive(store, event, **fields)
    store.started(attempt)
    return store.finished(attempt, "ok", b"{}", Timing(handler_ms=3.0))
