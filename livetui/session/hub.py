"""Who hears what: one stream of session events for all front ends, and a snapshot for those that come late."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from livetui.session.events import (
    FunctionChanged,
    FunctionInfo,
    LinkChanged,
    SessionEnded,
    SessionEvent,
    SessionFailed,
    SessionLive,
    StackProgress,
)

log = logging.getLogger(__name__)
Listener = Callable[[SessionEvent], None]
Phase = Literal["starting", "cloud", "bootstrap", "deploying", "connecting", "live", "failed", "ended"]
_PHASE_OF_STEP: dict[str, Phase] = {"cloud": "cloud", "bootstrap": "bootstrap", "package": "deploying",
                                    "deploy": "deploying", "remove": "deploying", "connect": "connecting"}
_MOST_STEPS = 2_000


class Status(msgspec.Struct, frozen=True):
    """Where the session stands, for a front end that has not followed it from the start."""

    phase: Phase = "starting"
    live: SessionLive | None = None
    link: LinkChanged | None = None
    failed: SessionFailed | None = None
    steps: tuple[StackProgress, ...] = ()


class Hub:
    """Publishes events to listeners, on the thread that publishes; keeps the `Status`. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()
        self._steps: list[StackProgress] = []
        self._status = Status()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; it must return at once. Returns the function that removes it."""
        with self._lock:
            self._listeners += (listener,)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(other for other in self._listeners if other is not listener)

        return unsubscribe

    def status(self) -> Status:
        """The snapshot as it is now."""
        with self._lock:
            return msgspec.structs.replace(self._status, steps=tuple(self._steps))

    def publish(self, event: SessionEvent) -> None:
        """Tell everyone. A listener that fails is logged and never stops the engine or the other listeners."""
        with self._lock:
            self._remember(event)
            listeners = self._listeners
        for listener in listeners:
            try:
                listener(event)
            except Exception:
                log.exception("a front end failed on %s", type(event).__name__)

    def tell_of(self, functions: Mapping[str, FunctionInfo]) -> None:
        """Publish those that are no longer as people know them."""
        live = self.status().live
        for name, info in functions.items():
            if live is not None and live.functions.get(name, info) != info:
                self.publish(FunctionChanged(name, info))

    def _remember(self, event: SessionEvent) -> None:
        status = self._status
        match event:
            case StackProgress():
                self._steps.append(event)
                del self._steps[:-_MOST_STEPS]
                if status.phase != "live":
                    status = msgspec.structs.replace(status, phase=_PHASE_OF_STEP[event.phase], failed=None)
            case SessionLive():
                status = msgspec.structs.replace(status, phase="live", live=event)
            case FunctionChanged() if status.live is not None:
                status = msgspec.structs.replace(status, live=event.of(status.live))
            case LinkChanged():
                status = msgspec.structs.replace(status, link=event)
            case SessionFailed():
                status = msgspec.structs.replace(status, phase="failed", failed=event)
            case SessionEnded() if status.phase != "failed":
                status = msgspec.structs.replace(status, phase="ended")
            case _:
                return
        self._status = status
