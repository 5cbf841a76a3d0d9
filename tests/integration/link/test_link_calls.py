"""A call through the cloud and back: Lambda, stub, MQTT, link, answer."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from livetui.link.messages import Answer, Call
from tests.integration.link.link_live import Live, console, echo


async def invoke(live: Live, name: str, event: Any) -> dict[str, Any]:
    return await asyncio.to_thread(live.invoke, name, event)


async def test_a_call_arrives_with_event_context_and_keys_and_its_answer_is_returned(live: Live) -> None:
    name = await asyncio.to_thread(live.deploy, "Orders", memory=256)
    async with console(live, lambda call: Answer(b'{"status":"made"}')) as here:
        result = await invoke(live, name, {"order": 7})

    assert result == {"error": None, "payload": {"status": "made"}}
    call = here.calls[0]
    assert call.function == "Orders"
    assert json.loads(call.event) == {"order": 7}
    assert call.context["function_name"] == name
    assert call.context["memory_limit_in_mb"] == "256"
    assert call.context["request_id"]
    assert call.keys is not None and call.keys.session_token
    assert call.via == "mqtt"
    assert 20 < call.deadline - call.received < 30
    assert here.link.state.phase == "closed"


@pytest.mark.parametrize("size", [pytest.param(100_000, marks=pytest.mark.long),
                                  pytest.param(1_000_000, marks=pytest.mark.long), 6_000_000])
async def test_large_events_and_answers_pass_unchanged(live: Live, size: int) -> None:
    name = await asyncio.to_thread(live.deploy, "Big")
    event = {"text": "\u2028日本" + "".join(f"{i:x}é" for i in range(size // 8)), "n": 2**70, "f": 0.1}
    async with console(live, echo) as here:
        result = await invoke(live, name, event)

    assert result["error"] is None
    assert result["payload"] == event
    assert json.loads(here.calls[0].event) == event
    leftovers = live.aws.client("s3").list_objects_v2(Bucket=live.bucket, Prefix="payloads/").get("Contents", [])
    assert leftovers == []


async def test_an_error_of_the_handler_is_raised_in_lambda(live: Live) -> None:
    name = await asyncio.to_thread(live.deploy, "Fails")
    shape = {"errorMessage": "no such order", "errorType": "OrderMissing", "stackTrace": ["  File app.py"]}
    async with console(live, lambda call: Answer(json.dumps(shape).encode(), error=True)):
        result = await invoke(live, name, {})

    assert result["error"] == "Unhandled"
    assert result["payload"]["errorMessage"] == "no such order"


async def test_nobody_listening_is_a_typed_error_soon(live: Live) -> None:
    name = await asyncio.to_thread(live.deploy, "Lonely")
    await invoke(live, name, {})
    async with console(live, echo):
        assert (await invoke(live, name, {"a": 1}))["payload"] == {"a": 1}

    started = time.monotonic()
    result = await invoke(live, name, {})

    assert time.monotonic() - started < 2
    assert result["error"] == "Unhandled"
    assert result["payload"]["errorMessage"].startswith("LivetuiOffline: No livetui console is live")


@pytest.mark.long
async def test_a_slow_answer_is_waited_for(live: Live) -> None:
    name = await asyncio.to_thread(live.deploy, "Slow")
    later: list[Call] = []
    async with console(live, later.append) as here:
        waiting = asyncio.create_task(invoke(live, name, {}))
        await here.until(lambda: bool(later))
        asyncio.get_running_loop().call_later(1.5, here.link.answer, later[0].attempt, Answer(b'"done"'))
        result = await waiting

    assert result["payload"] == "done"
    assert len(here.calls) == 1
