"""One MQTT 5 connection to AWS IoT over WebSocket, signed afresh at every connect: what both sides stand on.

Callbacks come on awscrt's own thread and must only put things on a queue.
"""

from __future__ import annotations

import _socket  # what `socket` is made of: its own module would cost the stub's cold start 3 ms
import contextlib
import os
import stat
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from awscrt import auth, http, io, mqtt5

KEEP_ALIVE = 30
"""Seconds; the least that AWS IoT keeps to ("Connection inactivity", 30 to 1200 s)."""
PING_TIMEOUT_MS = 5_000
CONNECT_TIMEOUT_MS = 5_000

_FAILURES = (OSError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Dial:
    """Where to connect. `host` is signed and sent as `Host`; `dial_host` and `port` are dialled."""

    host: str
    dial_host: str
    port: int
    region: str
    ca_file: str | None = None


@dataclass(frozen=True)
class SigningKeys:
    """AWS credentials for one signature."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"SigningKeys({self.access_key_id!r})"  # the rest is secret


@dataclass(frozen=True)
class Received:
    """One publish that arrived."""

    topic: str
    payload: bytes
    reply_to: str | None = None
    retained: bool = False


@dataclass(frozen=True)
class Will:
    """What the broker publishes, retained, when the connection dies without a farewell."""

    topic: str
    payload: bytes


class Mqtt:
    """One connection that keeps itself up, until `stop`.

    `keys` is asked at every connect. `on_state(connected, detail)` tells each change; after each connect the session
    is clean, so subscribe again. Publishes that are under way when the connection breaks fail; none is queued.
    """

    def __init__(self, dial: Dial, client_id: str, keys: Callable[[], SigningKeys],
                 on_message: Callable[[Received], None], on_state: Callable[[bool, str], None],
                 will: Will | None = None, min_reconnect_ms: int = 700, threads: int = 1,
                 environ: Mapping[str, str] | None = None) -> None:
        self.dial = dial
        self.client_id = client_id
        self.no_delay = False
        self.connected = False
        self._keys = keys
        self._on_message = on_message
        self._on_state = on_state
        self._stopped = threading.Event()
        self._provider = auth.AwsCredentialsProvider.new_delegate(self._credentials)
        tls = _trusting(dial.ca_file)
        if dial.port == 443 and io.is_alpn_available():
            tls.alpn_list = ["http/1.1"]
        socket_options = io.SocketOptions()
        socket_options.connect_timeout_ms = CONNECT_TIMEOUT_MS
        group = io.EventLoopGroup(threads)
        last_will = None if will is None else mqtt5.PublishPacket(
            topic=will.topic, payload=will.payload, qos=mqtt5.QoS.AT_LEAST_ONCE, retain=True)
        self._client: mqtt5.Client | None = mqtt5.Client(mqtt5.ClientOptions(
            host_name=dial.dial_host, port=dial.port, tls_ctx=io.ClientTlsContext(tls),
            bootstrap=io.ClientBootstrap(group, io.DefaultHostResolver(group)), socket_options=socket_options,
            http_proxy_options=_proxy_options(dial, os.environ if environ is None else environ),
            websocket_handshake_transform=self._sign,
            connect_options=mqtt5.ConnectPacket(client_id=client_id, keep_alive_interval_sec=KEEP_ALIVE,
                                                session_expiry_interval_sec=0, will=last_will),
            session_behavior=mqtt5.ClientSessionBehaviorType.CLEAN,
            extended_validation_and_flow_control_options=mqtt5.ExtendedValidationAndFlowControlOptions.NONE,
            offline_queue_behavior=mqtt5.ClientOperationQueueBehaviorType.FAIL_ALL_ON_DISCONNECT,
            retry_jitter_mode=mqtt5.ExponentialBackoffJitterMode.DECORRELATED,
            min_reconnect_delay_ms=min_reconnect_ms, max_reconnect_delay_ms=max(8_000, min_reconnect_ms),
            min_connected_time_to_reset_reconnect_delay_ms=1_000, ping_timeout_ms=PING_TIMEOUT_MS,
            connack_timeout_ms=CONNECT_TIMEOUT_MS, ack_timeout_sec=5, disable_metrics=True,
            on_publish_callback_fn=self._received, on_lifecycle_event_stopped_fn=self._has_stopped,
            on_lifecycle_event_connection_success_fn=self._up, on_lifecycle_event_connection_failure_fn=self._failed,
            on_lifecycle_event_disconnection_fn=self._down))

    def start(self) -> None:
        """Connect, and reconnect with jitter whenever the connection breaks."""
        if self._client is not None:
            self._client.start()

    def stop(self, wait: float | None = 2.0) -> bool:
        """Say goodbye (so that no last will is published) and end. True when it has ended within `wait` seconds.

        Call `release` later when there was no `wait`.
        """
        client = self._client
        if client is None:
            return True
        client.stop(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION))
        if wait is None:
            return True
        ended = self._stopped.wait(wait)
        self.release()
        return ended

    def release(self) -> None:
        """Give back the client, with its threads and descriptors. Not on awscrt's own thread.

        The client holds this object's callbacks where the garbage collector cannot see them, and would live forever.
        """
        self._client = None

    def publish(self, topic: str, payload: bytes, reply_to: str | None = None, expiry: int | None = None,
                retain: bool = False) -> Future[Any]:
        """Publish one frame; retained ones are confirmed by the broker (QoS 1), the others are not."""
        client = self._client
        if client is None:
            return _ended()
        return client.publish(mqtt5.PublishPacket(  # type: ignore[no-any-return]
            topic=topic, payload=payload, retain=retain, response_topic=reply_to,
            message_expiry_interval_sec=None if retain else expiry,
            qos=mqtt5.QoS.AT_LEAST_ONCE if retain else mqtt5.QoS.AT_MOST_ONCE))

    def subscribe(self, topics: list[str]) -> Future[list[int]]:
        """Subscribe; the future holds a reason code per topic (128 and above: refused)."""
        done: Future[list[int]] = Future()
        client = self._client
        if client is None:
            return _ended()

        def granted(suback: Future[Any]) -> None:
            error = suback.exception()
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result([int(code) for code in suback.result().reason_codes])

        client.subscribe(mqtt5.SubscribePacket(subscriptions=[
            mqtt5.Subscription(topic, mqtt5.QoS.AT_MOST_ONCE) for topic in topics])).add_done_callback(granted)
        return done

    def _credentials(self) -> auth.AwsCredentials:
        keys = self._keys()
        return auth.AwsCredentials(keys.access_key_id, keys.secret_access_key, keys.session_token)

    def _sign(self, transform_args: Any) -> None:
        """Sign the WebSocket upgrade for `iotdevicegateway`; the session token is appended after signing."""
        try:
            request = transform_args.http_request
            request.headers.set("host", self.dial.host)
            signing = auth.AwsSigningConfig(
                algorithm=auth.AwsSigningAlgorithm.V4,
                signature_type=auth.AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS, credentials_provider=self._provider,
                region=self.dial.region, service="iotdevicegateway", omit_session_token=True)
            auth.aws_sign_request(request, signing).add_done_callback(
                lambda signed: transform_args.set_done(signed.exception()))
        except _FAILURES as error:
            transform_args.set_done(error)

    def _received(self, received: Any) -> None:
        packet = received.publish_packet
        self._on_message(Received(packet.topic, packet.payload or b"", packet.response_topic, bool(packet.retain)))

    def _up(self, _event: Any) -> None:
        self.no_delay = set_no_delay(self.dial.port)
        self.connected = True
        self._on_state(True, "")

    def _failed(self, event: Any) -> None:
        self.connected = False
        connack = getattr(event, "connack_packet", None)
        detail = f"refused: {connack.reason_code!r}" if connack is not None else str(event.exception)
        self._on_state(False, detail)

    def _down(self, event: Any) -> None:
        self.connected = False
        packet = getattr(event, "disconnect_packet", None)
        detail = f"ended by the broker: {packet.reason_code!r}" if packet is not None else str(event.exception)
        self._on_state(False, detail)

    def _has_stopped(self, _event: Any) -> None:
        self.connected = False
        self._stopped.set()


def _trusting(ca_file: str | None) -> io.TlsContextOptions:
    options = io.TlsContextOptions()
    if ca_file:
        options.override_default_trust_store_from_path(None, ca_file)
    return options


def _ended() -> Future[Any]:
    failed: Future[Any] = Future()
    failed.set_exception(ConnectionError("the connection was ended"))
    return failed


def set_no_delay(port: int) -> bool:
    """Turn Nagle's algorithm off on this process's connections to `port`; False where that cannot be done.

    awscrt offers no such option, and Nagle with delayed ACKs costs 44 ms a message; so the sockets are found among
    the process's own descriptors. A duplicate shares the options with the original. Only sockets are duplicated:
    closing any descriptor of a file drops the process's POSIX locks on it, and SQLite relies on those.
    """
    done = False
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            descriptors = [int(name) for name in os.listdir(folder)]  # noqa: PTH208  (pathlib costs the stub 4 ms)
        except (OSError, ValueError):
            continue
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                    continue
                copy = os.dup(descriptor)
                try:
                    found = _socket.socket(fileno=copy)
                except OSError:
                    os.close(copy)
                    continue
                with contextlib.closing(found):
                    if found.type == _socket.SOCK_STREAM and _peer_port(found) == port:
                        found.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
                        done = True
        return done
    return done


def _peer_port(connection: _socket.socket) -> int:
    peer = connection.getpeername()
    return int(peer[1]) if isinstance(peer, tuple) and len(peer) >= 2 else -1


def proxy_for(host: str, environ: Mapping[str, str]) -> str | None:
    """The HTTPS proxy to use for `host`, from `HTTPS_PROXY` / `ALL_PROXY` and `NO_PROXY`, or None."""
    if host in ("localhost", "127.0.0.1", "::1"):
        return None
    lowered = {name.lower(): value for name, value in environ.items() if value and name.lower().endswith("_proxy")}
    chosen = lowered.get("https_proxy") or lowered.get("all_proxy")
    if not chosen:
        return None
    # 20 ms to import, which a stub without a proxy never pays
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

    if proxy_bypass_environment(host, {"no": lowered.get("no_proxy", "")}):
        return None
    return chosen if "//" in chosen else f"http://{chosen}"


def _proxy_options(dial: Dial, environ: Mapping[str, str]) -> http.HttpProxyOptions | None:
    url = proxy_for(dial.dial_host, environ)
    if url is None:
        return None
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    options = http.HttpProxyOptions(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 8080),
                                    connection_type=http.HttpProxyConnectionType.Tunneling)
    if parts.scheme == "https":
        options.tls_connection_options = io.ClientTlsContext(_trusting(dial.ca_file)).new_connection_options()
    if parts.username:
        options.auth_type = http.HttpProxyAuthenticationType.Basic
        options.auth_username = unquote(parts.username)
        options.auth_password = unquote(parts.password or "")
    return options


__all__ = ["Dial", "Mqtt", "Received", "SigningKeys", "Will", "proxy_for", "set_no_delay"]
