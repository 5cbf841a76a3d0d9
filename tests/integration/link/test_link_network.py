"""Proxies, quotas, credentials that change, connections that are renewed: the network as offices and AWS make it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import boto3
import botocore.session
import pytest
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import SSLError

from livetui.aws import Aws, IotEndpoint
from stub_runtime.mqtt import proxy_for
from stub_runtime.topics import console_policy
from stub_runtime.wire import Frame, Kind
from tests.integration.link.link_live import Dialled, Live, console, echo
from tests.integration.link.mqtt_client import client
from tests.integration.link.quota_meter import BYTES_PER_S, PUBLISHES_PER_S, Metered, QuotaMeter
from tests.integration.link.runtime_api import Environment, Result


async def invoke(environment: Environment, event: bytes = b"{}", seconds: float = 20.0) -> Result:
    return await asyncio.to_thread(environment.invoke, event, seconds)


@asynccontextmanager
async def connect_proxy() -> AsyncIterator[tuple[str, list[str]]]:
    """An HTTP proxy that understands CONNECT and nothing else: its URL, and what was asked of it."""
    asked: list[str] = []
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split()
        asked.append(f"{method} {target}")
        host, _, port = target.rpartition(":")
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


OFFICE = "LOCALHOST"
"""A name of this machine that is not taken for loopback, which never goes through a proxy."""


class Named(Aws):
    """The broker is dialled by another name."""

    def iot_endpoint(self) -> IotEndpoint:
        return dataclasses.replace(super().iot_endpoint(), dial_host=OFFICE)


async def test_both_sides_go_through_an_https_proxy(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    port = live.aws.iot_endpoint().port
    async with connect_proxy() as (url, asked):
        with live.environment(extra={"HTTPS_PROXY": url}, dial_host=OFFICE) as environment:
            monkeypatch.setenv("HTTPS_PROXY", url)
            monkeypatch.setenv("NO_PROXY", "")
            # clients keep the proxy they were made with, so this console has its own
            async with console(Live(Named(live.aws.access), live.app, live.stage, live.bucket), echo):
                assert (await invoke(environment, b"1")).body == b"1"
    assert {f"CONNECT {OFFICE}:{live.port}", f"CONNECT {OFFICE}:{port}"} <= set(asked)  # the stub, the console


@pytest.mark.long
async def test_no_proxy_is_honoured(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connect_proxy() as (url, asked):
        with live.environment(extra={"HTTPS_PROXY": url, "NO_PROXY": "localhost,127.0.0.1"},
                              dial_host=OFFICE) as environment:
            monkeypatch.setenv("HTTPS_PROXY", url)
            monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
            async with console(Live(Named(live.aws.access), live.app, live.stage, live.bucket), echo):
                assert (await invoke(environment, b"1")).body == b"1"
    assert asked == []


async def test_the_consoles_own_ca_bundle_is_honoured(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = live.aws.access.ca_bundle or ""
    access = dataclasses.replace(live.aws.access, ca_bundle=None)
    monkeypatch.setenv("AWS_CA_BUNDLE", bundle)
    with live.environment() as environment:
        async with console(Live(Aws(access), live.app, live.stage, live.bucket), echo):
            assert (await invoke(environment, b"1")).body == b"1"
    monkeypatch.delenv("AWS_CA_BUNDLE")
    with pytest.raises(SSLError):
        Aws(access).iot_endpoint()


@pytest.mark.parametrize(("host", "environ", "proxy"), [
    ("x.iot.eu-west-1.amazonaws.com", {}, None),
    ("x.iot.eu-west-1.amazonaws.com", {"https_proxy": "http://p:3128"}, "http://p:3128"),
    ("x.iot.eu-west-1.amazonaws.com", {"HTTPS_PROXY": "p:3128"}, "http://p:3128"),
    ("x.iot.eu-west-1.amazonaws.com", {"HTTP_PROXY": "http://p:1"}, None),
    ("x.iot.eu-west-1.amazonaws.com", {"ALL_PROXY": "http://p:2"}, "http://p:2"),
    ("x.iot.eu-west-1.amazonaws.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".amazonaws.com"}, None),
    ("x.iot.eu-west-1.amazonaws.com", {"HTTPS_PROXY": "http://p:1", "no_proxy": "*"}, None),
    ("x.iot.eu-west-1.amazonaws.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "aws.com"}, "http://p:1")])
def test_the_proxy_is_chosen_as_other_tools_do(host: str, environ: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(host, environ) == proxy


class Expiring(Dialled):
    """Credentials of a role as SSO and assume-role profiles have them: they expire, and botocore fetches others."""

    def __init__(self, live: Live) -> None:
        super().__init__(live.aws.access, live.port)
        policy = console_policy(self.partition, self.region, self.account, live.topics, live.bucket)
        self.expired = False

        def fetch() -> dict[str, str]:
            keys = live.role(policy)
            self.expired = False
            return {"access_key": keys["AWS_ACCESS_KEY_ID"], "secret_key": keys["AWS_SECRET_ACCESS_KEY"],
                    "token": keys["AWS_SESSION_TOKEN"],
                    "expiry_time": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}

        def now() -> datetime:
            return datetime.now(UTC) + timedelta(hours=2 if self.expired else 0)

        credentials = RefreshableCredentials.create_from_metadata(fetch(), fetch, "test")
        credentials._time_fetcher = now
        core = botocore.session.get_session()
        core._credentials = credentials
        self.session = boto3.Session(botocore_session=core, region_name=self.region)
        self._clients.clear()


async def test_a_reconnect_after_the_credentials_expired_is_signed_with_fresh_ones(
        live: Live, meter: QuotaMeter, monkeypatch: pytest.MonkeyPatch) -> None:
    aws = await asyncio.to_thread(Expiring, live)
    monkeypatch.setattr("tests.integration.link.link_live.Dialled", lambda *_: aws)

    def signers() -> list[str]:
        return [each.credential for each in meter.of(live.app)]

    async with console(live, echo) as here:
        first = aws.keys().access_key_id
        assert signers() == [first]
        for number in (1, 2):
            aws.expired = True
            await asyncio.to_thread(live.kick_client, here.link.topics.console_client(here.link.session, 0, 1))
            await here.until(lambda: here.link.state.phase == "offline")
            await here.until(lambda: here.link.state.phase == "live")
            assert len(set(signers())) == number + 1
            assert signers()[-1] == aws.keys().access_key_id


async def test_an_old_connection_renews_itself_and_loses_no_call_and_no_presence(
        live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livetui.link.link.RENEW_AFTER", 3.0)
    with live.environment() as environment, client(live.aws, f"watch-{live.app}") as watch:
        async with console(live, echo) as here:
            assert (await invoke(environment, b"1")).body == b"1"
            watch.subscribe(live.topics.presence)
            first = here.link._connections[0]
            async with asyncio.timeout(30):
                while here.link._connections[0] is first or not here.link._connections[0].up:
                    assert (await invoke(environment, b"1")).body == b"1"
            assert (await invoke(environment, b"2")).body == b"2"
            kinds = [Frame.decode(r.payload).kind for r in watch.drain()]
            assert Kind.GONE not in kinds
            assert here.link.state.phase == "live"


async def test_the_round_trip_is_told(live: Live) -> None:
    async with console(live, echo) as here:
        await here.until(lambda: here.link.state.round_trip_ms is not None)
    told = next(state.round_trip_ms for state in here.states if state.round_trip_ms is not None)
    assert 0 < told < 1000


async def test_nagle_is_off_where_the_platform_allows(live: Live) -> None:
    async with console(live, echo) as here:
        assert here.link._connections[0].no_delay


@pytest.mark.parametrize(("size", "busy"), [
    (3_000, lambda console: console.most_publishes > 0.8 * PUBLISHES_PER_S),
    pytest.param(100_000, lambda console: console.most_bytes > 0.7 * BYTES_PER_S, marks=pytest.mark.long)])
async def test_a_busy_console_uses_its_quota_and_never_more(live: Live, meter: QuotaMeter, size: int,
                                                            busy: Callable[[Metered], bool]) -> None:
    """Four stubs call without a pause; that no quota was passed is checked by the fixture."""
    environments = [live.environment() for _ in range(4)]
    event = b'"' + random.Random(3).randbytes(size // 2).hex().encode() + b'"'
    try:
        async with console(live, echo, most_connections=1) as here:
            end = time.monotonic() + 4

            async def caller(environment: Environment) -> None:
                while time.monotonic() < end:
                    assert (await invoke(environment, event)).body == event

            await asyncio.gather(*(caller(environment) for environment in environments))
            waited = here.link._connections[0].waited
    finally:
        for environment in environments:
            environment.close()
    assert waited > 0, "the quota was never reached, so nothing was shown"
    assert any(busy(each) for each in meter.of(live.app) if ".console." in each.client)


async def test_a_used_up_quota_opens_another_connection_and_stubs_spread(live: Live,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livetui.link.link.BUSY", 0.01)
    environments = [live.environment() for _ in range(2)]
    try:
        with client(live.aws, f"watch-{live.app}") as watch:
            watch.subscribe(f"{live.topics.root}/console/+")
            async with console(live, echo) as here:
                async with asyncio.timeout(30):
                    while len({r[1] for r in watch.times if r[2] > 100}) < 2:
                        for environment in environments:
                            assert (await invoke(environment, b"1")).body == b"1"
                assert len(here.link._connections) > 1
    finally:
        for environment in environments:
            environment.close()
