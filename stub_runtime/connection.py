"""The one MQTT connection of an execution environment, and the queue on which everything it hears is waiting."""

from __future__ import annotations

import os
import time
from _queue import Empty, SimpleQueue  # what `queue` is made of, which brings heaps and more
from concurrent.futures import Future
from dataclasses import dataclass

from stub_runtime.actions import Publish
from stub_runtime.config import StubConfig
from stub_runtime.mqtt import Dial, Mqtt, Received, SigningKeys
from stub_runtime.pace import Pace
from stub_runtime.topics import Topics


@dataclass(frozen=True)
class Happened:
    """One thing from awscrt's thread: `message`, `subscribed`, `down` or `denied`."""

    what: str
    payload: bytes = b""
    detail: str = ""
    generation: int = 0


class Connection:
    """Opened lazily and kept; `reopen` replaces a connection that may have died while the container was frozen."""

    def __init__(self, config: StubConfig, topics: Topics, environment: str) -> None:
        self.config = config
        self.topics = topics
        self.environment = environment
        self._events: SimpleQueue[Happened] = SimpleQueue()
        self._generation = 0
        self._mqtt: Mqtt | None = None
        self._left: Mqtt | None = None
        """The connection before: released when it has had time to say goodbye."""
        self._pace = Pace()

    def open(self) -> None:
        """Begin to connect; returns at once."""
        if self._mqtt is not None:
            return
        self._generation += 1
        generation = self._generation
        config = self.config
        host, _, port = config.host.partition(":")
        dial = Dial(config.host, config.dial_host or host, config.port or int(port or 443), config.region,
                    os.environ.get("AWS_CA_BUNDLE") or None)

        def heard(received: Received) -> None:
            self._events.put(Happened("message", received.payload, received.topic, generation))

        def changed(connected: bool, detail: str) -> None:
            if connected:
                self._subscribe([self.topics.stub(config.function, self.environment), self.topics.stubs,
                                 self.topics.presence], generation)
            else:
                self._events.put(Happened("down", detail=detail, generation=generation))

        client_id = self.topics.stub_client(config.function, self.environment, generation)
        self._mqtt = Mqtt(dial, client_id, _role_keys, heard, changed)
        self._mqtt.start()

    def reopen(self) -> None:
        """Leave the present connection behind and make a new one, under a new client id."""
        self._release()
        if self._mqtt is not None:
            self._mqtt.stop(wait=None)
            self._left, self._mqtt = self._mqtt, None
        self._pace = Pace()
        self.open()

    def close(self) -> None:
        """End the connection."""
        self._release()
        if self._mqtt is not None:
            self._mqtt.stop()
            self._mqtt = None

    def _release(self) -> None:
        if self._left is not None:
            self._left.release()
            self._left = None

    def look(self) -> None:
        """Subscribe to presence again; the retained message is sent again."""
        self._subscribe([self.topics.presence], self._generation)

    def publish(self, publish: Publish) -> None:
        """Send one frame, when the quotas allow it. A publish that fails is noticed by its missing answer."""
        if self._mqtt is None:
            return
        while (wait := self._pace.wait(time.monotonic(), len(publish.payload))) > 0:
            time.sleep(wait)
        self._pace.sent(time.monotonic(), len(publish.payload))
        self._mqtt.publish(publish.topic, publish.payload, publish.reply_to, publish.expiry)

    def next(self, timeout: float) -> Happened | None:
        """The next thing that happened, or None after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                happened = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                return None
            if happened.generation == self._generation:
                if happened.what == "message":
                    self._pace.heard(time.monotonic())
                return happened

    def _subscribe(self, topics: list[str], generation: int) -> None:
        mqtt = self._mqtt
        if mqtt is None:
            return

        def granted(done: Future[list[int]]) -> None:
            error = done.exception()
            if error is not None:
                return  # the connection broke: `down` follows
            refused = [topic for topic, code in zip(topics, done.result()) if code >= 128]  # noqa: B905  (Python 3.9)
            if refused:
                self._events.put(Happened("denied", detail=f"iot:Subscribe on {', '.join(refused)}",
                                          generation=generation))
            else:
                self._events.put(Happened("subscribed", generation=generation))

        mqtt.subscribe(topics).add_done_callback(granted)


def _role_keys() -> SigningKeys:
    """The role's credentials as Lambda keeps them in the environment: fresh at every connect."""
    return SigningKeys(os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", ""),
                       os.environ.get("AWS_SESSION_TOKEN") or None)
