"""An API gives its caller up after a while; what it called runs on."""

import asyncio

from livetui.cloud.patience import for_at_most

GIVEN_UP = (503, {}, b"")


async def test_a_caller_is_given_up_while_the_call_runs_on() -> None:
    may_end, ended = asyncio.Event(), asyncio.Event()

    async def invoke(name: str) -> tuple[int, dict[str, str], bytes]:
        await may_end.wait()
        ended.set()
        return 200, {}, name.encode()

    call = for_at_most(0.01, invoke, GIVEN_UP)
    assert await call("late") == GIVEN_UP
    may_end.set()
    await asyncio.wait_for(ended.wait(), 10)
    assert await call("in time") == (200, {}, b"in time")
