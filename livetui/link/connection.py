"""One of the console's MQTT connections, for the engine's loop: awscrt's thread only puts things on a queue."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from awscrt.exceptions import AwsCrtError

from livetui.aws import Aws, IotEndpoint
from livetui.errors import LivetuiError
from livetui.link.outgoing import Outgoing
from livetui.link.usage import Counter
from stub_runtime.actions import Publish
from stub_runtime.mqtt import Dial, Mqtt, Received, SigningKeys, Will
from stub_runtime.pace import Pace

log = logging.getLogger(__name__)
LEAVE_WITHIN = 3.0
"""Seconds that answers which wait for the quota get when the link is closed."""
Heard = Callable[[int, Received, float], None]
"""Called on the loop with the connection's number, the publish, and when it came (loop time)."""
Changed = Callable[[int, bool, str], None]
"""Called on the loop with the connection's number, whether it is up (and subscribed), and why not."""


class Connection:
    """Keeps one MQTT connection up and subscribed, and paces what goes out. Made and used on one loop.

    Everything awscrt reports is appended to a queue, which the loop is woken to empty; publishes go out at once or,
    when the quota is used up, when the sliding window allows it.
    """

    def __init__(self, number: int, client_id: str, endpoint: IotEndpoint, aws: Aws, topics: list[str], heard: Heard,
                 changed: Changed, will: Publish | None = None) -> None:
        self.number = number
        self.up = False
        self._topics = topics
        self._heard = heard
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self.counter = Counter(self._loop.time())
        self._lock = threading.Lock()
        self._inbox: deque[tuple[str, Any, float]] = deque()
        self._woken = False
        self._closed = False
        self._outgoing = Outgoing()
        self._empty = asyncio.Event()
        self._empty.set()
        self._timer: asyncio.TimerHandle | None = None

        def keys() -> SigningKeys:
            now = aws.keys()
            return SigningKeys(now.access_key_id, now.secret_access_key, now.session_token)

        self._mqtt = Mqtt(
            Dial(endpoint.host, endpoint.dial_host, endpoint.port, endpoint.region, endpoint.ca_file), client_id, keys,
            lambda received: self._put("heard", received), lambda up, detail: self._put("up" if up else "down", detail),
            will=None if will is None else Will(will.topic, will.payload))

    @property
    def pace(self) -> Pace:
        """What went over it lately."""
        return self._outgoing.pace

    @property
    def waited(self) -> float:
        """Seconds in which something waited for the quota, in all."""
        return self._outgoing.waited

    @property
    def no_delay(self) -> bool:
        """Whether Nagle's algorithm could be turned off."""
        return self._mqtt.no_delay

    def start(self) -> None:
        """Begin to connect."""
        self._mqtt.start()

    def retain(self, publish: Publish) -> Future[Any]:
        """Send a retained frame at once; the broker's confirmation can be waited for."""
        self.pace.sent(self._loop.time(), len(publish.payload))
        return self._send(publish)

    def publish(self, publish: Publish) -> bool:
        """Send a frame now, or as soon as the quota allows; False when this frame of an answer waits already."""
        if not self._outgoing.add(publish):
            return False
        self._empty.clear()
        self._pump()
        return True

    async def emptied(self) -> None:
        """Wait until nothing waits for the quota any more, at most `LEAVE_WITHIN` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), LEAVE_WITHIN)

    def _pump(self) -> None:
        """Send what the quota allows, and come back for the rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for publish in self._outgoing.due(self._loop.time()):
            self._send(publish)
        wait = self._outgoing.wait(self._loop.time())
        if wait is None:
            self._empty.set()
        else:
            self._timer = self._loop.call_later(wait, self._pump)

    def also(self, topic: str) -> None:
        """Subscribe to this topic too after every reconnect."""
        self._topics = [*self._topics, topic]

    def subscribe(self, topics: list[str]) -> None:
        """Subscribe (again) to some of the topics; retained messages are sent again."""
        self._mqtt.subscribe(topics).add_done_callback(lambda done: self._put("granted", (topics, done)))

    async def close(self) -> None:
        """Say goodbye, so that no last will is published, and end."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._outgoing.clear()
        self.up = False
        self.counter.ended(self._loop.time())
        await asyncio.to_thread(self._mqtt.stop)

    def _send(self, publish: Publish) -> Future[Any]:
        self.counter.sent(self._loop.time(), len(publish.payload))
        return self._mqtt.publish(publish.topic, publish.payload, publish.reply_to, publish.expiry, publish.retain)

    def _put(self, what: str, value: Any) -> None:
        """On awscrt's thread: queue, and wake the loop unless it is already awake for us."""
        at = self._loop.time()
        with self._lock:
            self._inbox.append((what, value, at))
            if self._woken:
                return
            self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:
            self._closed = True  # the loop has ended; nobody is left to hear this

    def _drain(self) -> None:
        with self._lock:
            waiting, self._inbox, self._woken = self._inbox, deque(), False
        for what, value, at in waiting:
            if self._closed:
                return
            try:
                self._take(what, value, at)
            except Exception as error:  # what came with it must still be heard
                log.error("%s of the link was not taken", what, exc_info=error)

    def _take(self, what: str, value: Any, at: float) -> None:
        if what == "heard":
            self.pace.heard(at)
            self.counter.heard(at, len(value.payload))
            self._heard(self.number, value, at)
        elif what == "up":
            self.subscribe(self._topics)
        elif what == "granted":
            self._granted(*value)
        else:
            self.up = False
            self._changed(self.number, False, self._explain(str(value)))

    def _explain(self, detail: str) -> str:
        if "NOT_AUTHORIZED" in detail and "refused" in detail:
            return f"NOT_AUTHORIZED: iot:Connect on client {self._mqtt.client_id}, or iot:Publish of its last will"
        return detail

    def _granted(self, topics: list[str], done: Future[list[int]]) -> None:
        error = done.exception()
        if error is not None:
            return  # the connection broke; `down` follows
        refused = [topic for topic, code in zip(topics, done.result(), strict=False) if code >= 128]
        if refused:
            self._changed(self.number, False, f"NOT_AUTHORIZED: iot:Subscribe on {', '.join(refused)}")
        elif not self.up:
            self.up = True
            self._changed(self.number, True, "")


async def confirmed(publish: Future[Any] | None, what: str) -> None:
    """Wait for the broker's confirmation of a retained publish. Raises `LivetuiError` when it was refused."""
    if publish is None:
        return
    answered = asyncio.wrap_future(publish)
    answered.add_done_callback(lambda done: done.cancelled() or done.exception())  # also when it comes too late
    try:
        result = await asyncio.wait_for(asyncio.shield(answered), 5)
    except AwsCrtError as error:
        raise LivetuiError(f"AWS IoT did not take {what}.", f"The connection ended: {error}",
                           "Check the network, and start again.") from error
    except (TimeoutError, RuntimeError, OSError) as error:
        raise LivetuiError(f"AWS IoT did not take {what}.", str(error) or "It did not answer in 5 s.",
                           "Check iot:Publish and iot:RetainPublish on presence (docs/security.md).") from error
    code = getattr(getattr(result, "puback", None), "reason_code", 0)
    if int(code or 0) >= 128:
        raise LivetuiError(f"AWS IoT refused {what}.", f"Reason: {code!r}.",
                           "Allow iot:Publish and iot:RetainPublish on the presence topic (docs/security.md).")
