"""Has APIs give their callers up when API Gateway would, while the function runs on.

ministack 1.5.33 waits as long as the function may run. Source: API Gateway quotas, "Integration timeout".
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

Answer = tuple[int, dict[str, Any], bytes]
_HTTP_API, _REST_API = (30.0, 503, "Service Unavailable"), (29.0, 504, "Endpoint request timed out")
_LEFT: set[asyncio.Future[Answer]] = set()
"""Calls that run, some of them without a caller."""


def install() -> None:
    """Change ministack's invocations of functions by APIs, in this process."""
    for module, name, (seconds, status, words) in (
        ("apigateway", "_invoke_lambda_proxy", _HTTP_API),
        ("apigateway_v1", "_invoke_lambda_proxy_v1", _REST_API),
        ("apigateway_v1", "_invoke_lambda_custom_v1", _REST_API),
    ):
        service = importlib.import_module(f"ministack.services.{module}")
        given_up = status, {"Content-Type": "application/json"}, json.dumps({"message": words}).encode()
        setattr(service, name, for_at_most(seconds, getattr(service, name), given_up))


def _ended(call: asyncio.Future[Answer]) -> None:
    _LEFT.discard(call)
    if not call.cancelled():
        call.exception()  # of one that was left, nobody asks


def for_at_most(
    seconds: float, invoke: Callable[..., Awaitable[Answer]], given_up: Answer
) -> Callable[..., Awaitable[Answer]]:
    """`invoke`, which is not waited for any longer; its caller gets `given_up` then."""

    @functools.wraps(invoke)
    async def invoke_and_wait(*arguments: Any, **named: Any) -> Answer:
        running = asyncio.ensure_future(invoke(*arguments, **named))
        _LEFT.add(running)
        running.add_done_callback(_ended)
        done, _ = await asyncio.wait({running}, timeout=seconds)
        status, headers, body = running.result() if done else given_up
        return status, dict(headers), body  # ministack adds headers of each caller's own

    return invoke_and_wait
