"""Somebody else on the broker: an administrator who listens to everything, an attacker, a thief of client ids."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from livetui.aws import Aws
from stub_runtime.mqtt import Dial, Mqtt, Received, SigningKeys


class Client:
    """One MQTT connection with whatever credentials."""

    def __init__(self, aws: Aws, client_id: str, keys: dict[str, str] | None = None) -> None:
        endpoint = aws.iot_endpoint()
        own = aws.keys()
        signing = SigningKeys(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], keys["AWS_SESSION_TOKEN"]) \
            if keys else SigningKeys(own.access_key_id, own.secret_access_key, own.session_token)
        self.heard: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self.times: list[tuple[float, str, int]] = []
        """When each publish came, by awscrt's own thread, its topic and its size."""
        self.changes: queue.SimpleQueue[tuple[bool, str]] = queue.SimpleQueue()
        self.mqtt = Mqtt(Dial(endpoint.host, endpoint.dial_host, endpoint.port, endpoint.region, endpoint.ca_file),
                         client_id, lambda: signing, self._hear, lambda up, why: self.changes.put((up, why)))
        self.mqtt.start()
        self.up, self.why = self.changes.get(timeout=15)

    def _hear(self, received: Received) -> None:
        self.times.append((time.monotonic(), received.topic, len(received.payload)))
        self.heard.put(received)

    def subscribe(self, topic: str) -> int:
        """The reason code: 128 and above is refused."""
        return self.mqtt.subscribe([topic]).result(10)[0]

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> Any:
        return self.mqtt.publish(topic, payload, retain=retain)

    def dropped(self) -> tuple[bool, str]:
        """The next change of the connection."""
        return self.changes.get(timeout=10)

    def drain(self) -> list[Received]:
        found = []
        while not self.heard.empty():
            found.append(self.heard.get())
        return found


@contextmanager
def client(aws: Aws, client_id: str, keys: dict[str, str] | None = None) -> Iterator[Client]:
    made = Client(aws, client_id, keys)
    try:
        yield made
    finally:
        assert threading.current_thread() is threading.main_thread()
        made.mqtt.stop()
