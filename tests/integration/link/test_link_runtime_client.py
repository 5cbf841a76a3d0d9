"""What the caller sees when the stub runs under AWS's own runtime client, joined to the console by real MQTT."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import socket
import time
from collections.abc import Iterator

import pytest

from livetui.link.messages import Answer, Call
from stub_runtime.mqtt import KEEP_ALIVE
from tests.integration.link.link_live import Live, console, echo
from tests.integration.link.quota_meter import QuotaMeter
from tests.integration.link.runtime_api import Environment, Result


@pytest.fixture
def environment(live: Live) -> Iterator[Environment]:
    with live.environment() as environment:
        yield environment


async def invoke(environment: Environment, event: bytes = b"{}", seconds: float = 30.0, **more: str) -> Result:
    return await asyncio.to_thread(environment.invoke, event, seconds, **more)


async def test_event_and_answer_pass_byte_for_byte(live: Live, environment: Environment) -> None:
    event = '{ "a" : 1.00, "a": 2, "s": "\\ud800 \u2028 日本", "big": 123456789012345678901234567890 }'.encode()
    async with console(live, echo) as here:
        result = await invoke(environment, event)
    assert here.calls[0].event == event
    assert result.kind == "response"
    assert result.body == event
    assert result.headers["content-type"] == "application/json"


async def test_an_error_has_the_users_type_message_and_frames(live: Live, environment: Environment) -> None:
    error = {"errorType": "OrderMissing", "errorMessage": "no order 7", "requestId": "x",
             "stackTrace": ['  File "/var/task/app.py", line 3, in handler\n    raise OrderMissing(7)\n']}
    async with console(live, lambda call: Answer(json.dumps(error).encode(), error=True)):
        result = await invoke(environment)
    assert result.kind == "error"
    assert {name: result.json[name] for name in ("errorType", "errorMessage", "stackTrace")} == {
        "errorType": "OrderMissing", "errorMessage": "no order 7", "stackTrace": error["stackTrace"]}


async def test_offline_is_a_typed_error_within_two_seconds(environment: Environment) -> None:
    await invoke(environment)
    started = time.monotonic()
    result = await invoke(environment)
    assert time.monotonic() - started < 2
    assert (result.kind, result.json["errorType"]) == ("error", "LivetuiOffline")
    assert result.json["stackTrace"] == []


async def test_an_http_event_may_be_answered_503_and_others_still_fail(live: Live) -> None:
    http = {"version": "2.0", "requestContext": {"http": {"method": "GET"}}}
    with live.environment(offline="http-503") as environment:
        answer = await invoke(environment, json.dumps(http).encode())
        other = await invoke(environment, b'{"Records": []}')
    assert answer.json["statusCode"] == 503
    assert other.json["errorType"] == "LivetuiOffline"


async def test_the_deployed_handler_answers_when_nobody_listens(live: Live) -> None:
    with live.environment(offline="deployed", handler="json.dumps") as environment:
        # json.dumps(event, context) refuses a second positional argument, as a handler of that shape would.
        result = await invoke(environment, b'{"a": 1}')
    assert result.json["errorType"] == "TypeError"


@pytest.mark.parametrize(("since", "answer"), [(100, "response"), (1, "error")])
async def test_the_dead_man_rule_outweighs_the_offline_policy(live: Live, since: int, answer: str) -> None:
    with live.environment(handler="operator.is_not", armed=int(time.time()) - since, disarm_after=50) as environment:
        assert (await invoke(environment)).kind == answer


async def test_a_stub_that_rests_does_not_look_but_a_new_one_does(live: Live) -> None:
    attached = {"handler": "operator.is_not", "armed": int(time.time()) - 100, "disarm_after": 50}
    with live.environment(**attached) as resting:
        assert (await invoke(resting)).body == b"true"
        async with console(live, echo) as here:
            assert (await invoke(resting)).body == b"true"
            assert here.calls == []
            with live.environment(**attached) as fresh:
                assert (await invoke(fresh, b'"here"')).body == b'"here"'


async def test_an_answer_over_six_megabytes_fails_as_lambda_says(live: Live, environment: Environment) -> None:
    async with console(live, lambda call: Answer(b'"' + b"x" * 6_400_000 + b'"')):
        result = await invoke(environment)
    assert (result.kind, result.json["errorType"]) == ("error", "Function.ResponseSizeTooLarge")


@pytest.mark.parametrize(("size", "via"), [(100, "mqtt"), (120_000, "mqtt"), (200_000, "s3"), (5_900_000, "s3")])
async def test_payloads_of_every_way_pass_both_ways(live: Live, environment: Environment, size: int, via: str) -> None:
    event = b'"' + base64.b64encode(random.Random(size).randbytes(size * 3 // 4)) + b'"'
    async with console(live, echo) as here:
        result = await invoke(environment, event)
        assert result.body == event
        assert here.calls[0].via == via


async def test_many_frames_carry_what_no_bucket_does(live: Live) -> None:
    event = b'"' + base64.b64encode(random.Random(4).randbytes(400_000)) + b'"'
    with live.environment(s3_from=1 << 30) as environment:
        async with console(live, echo, s3_from=1 << 30) as here:
            assert (await invoke(environment, event)).body == event
            assert here.calls[0].via == "mqtt"


async def test_partial_batch_failures_pass_as_they_are(live: Live, environment: Environment) -> None:
    answer = b'{"batchItemFailures": [{"itemIdentifier": "2"}]}'
    async with console(live, lambda call: Answer(answer)):
        assert (await invoke(environment, b'{"Records": [{"messageId": "2"}]}')).body == answer


async def test_a_retry_with_the_same_request_id_is_run_again(live: Live, environment: Environment) -> None:
    async with console(live, echo) as here:
        for _ in range(2):
            await invoke(environment, b"1", request_id="00000000-0000-0000-0000-000000000001")
    assert len({call.attempt for call in here.calls}) == 2
    assert len({call.context["request_id"] for call in here.calls}) == 1


async def test_the_client_context_arrives(live: Live, environment: Environment) -> None:
    async with console(live, echo) as here:
        await invoke(environment, client_context=json.dumps({"custom": {"a": "b"}, "client": {"app_title": "t"}}))
    assert here.calls[0].context["client_context"]["custom"] == {"a": "b"}
    assert here.calls[0].context["trace_id"] == "Root=1-2-3;Sampled=1"


async def test_lambdas_deadline_ends_a_call_with_a_typed_error_and_the_console_hears_of_it(
        live: Live, environment: Environment) -> None:
    async with console(live, lambda call: None) as here:
        result = await invoke(environment, seconds=2.5)
        await here.until(lambda: bool(here.cancelled))
        assert here.link.answer(here.calls[0].attempt, Answer(b"1")) is False
    assert result.json["errorType"] == "LivetuiTimeout"
    assert "was still running it" in result.json["errorMessage"]


async def test_a_bucket_that_does_not_answer_costs_no_more_than_lambdas_deadline(live: Live) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nowhere = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        with live.environment(extra=nowhere, s3_from=1) as environment:
            async with console(live, echo):
                result = await invoke(environment, seconds=4.0)
    assert result.json["errorType"] == "LivetuiTimeout"


def stubs_connections(live: Live, meter: QuotaMeter) -> int:
    """How many connections the stage's stubs made so far."""
    return sum(each.client.startswith(f"livetui.{live.app}.{live.stage}.stub.") for each in meter.of(live.app))


async def test_a_frozen_environment_costs_one_reconnect_and_loses_nothing(live: Live, meter: QuotaMeter,
                                                                          environment: Environment) -> None:
    async with console(live, echo) as here:
        assert (await invoke(environment, b"1")).body == b"1"
        environment.freeze()
        # The broker drops the connection of a frozen client when somebody else takes its place.
        await asyncio.to_thread(live.kick, here.calls[0].environment, "Orders")
        environment.thaw()
        assert (await invoke(environment, b"2")).body == b"2"
    assert [call.event for call in here.calls] == [b"1", b"2"]
    assert stubs_connections(live, meter) == 2


@pytest.mark.long
async def test_a_freeze_past_the_keep_alive_costs_one_reconnect_and_loses_nothing(live: Live, meter: QuotaMeter,
                                                                                 environment: Environment) -> None:
    async with console(live, echo) as here:
        assert (await invoke(environment, b"1")).body == b"1"
        environment.freeze()
        past: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(1.7 * KEEP_ALIVE, past.set_result, None)
        await past
        environment.thaw()
        assert (await invoke(environment, b"2")).body == b"2"
    assert [call.event for call in here.calls] == [b"1", b"2"]
    assert stubs_connections(live, meter) == 2


@pytest.mark.long
async def test_a_paused_handler_is_waited_for_beyond_the_silence(live: Live, environment: Environment) -> None:
    calls: list[Call] = []
    async with console(live, calls.append) as here:
        waiting = asyncio.create_task(invoke(environment))
        await here.until(lambda: bool(calls))
        asyncio.get_running_loop().call_later(11.0, here.link.answer, calls[0].attempt, Answer(b'"late"'))
        assert (await waiting).json == "late"
