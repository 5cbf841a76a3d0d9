"""When the variables of a function are asked for again."""

from __future__ import annotations

import asyncio
import threading

import pytest

from livetui.errors import LivetuiError
from livetui.link.messages import Call
from livetui.session.variables import Variables


class Cloud:
    """Counts who asks it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.renewed: list[str] = []
        self.old = False
        self.fails = False

    def are_old(self, function: str) -> bool:
        assert threading.current_thread() is not threading.main_thread()
        self.asked.append(function)
        if self.fails:
            raise LivetuiError("no answer")
        return self.old

    async def renew(self, function: str) -> None:
        self.renewed.append(function)


def call(environment: str, variables: str, function: str = "Hello") -> Call:
    return Call("a" * 32, function, environment, b"{}", {}, None, 0.0, 0.0, environment_hash=variables)


async def test_the_cloud_is_asked_once_per_content_and_never_again_for_an_environment() -> None:
    cloud = Cloud()
    variables = Variables(cloud.are_old, cloud.renew)
    await asyncio.gather(*(variables.are_right_for(call(f"environment {n}", "1")) for n in range(10)))
    assert (cloud.asked, cloud.renewed) == (["Hello"], [])

    cloud.old = True
    await asyncio.gather(*(variables.are_right_for(call(f"new {n}", "2")) for n in range(10)))
    for n in range(10):  # those of before still answer for a while
        await variables.are_right_for(call(f"environment {n}", "1"))
    assert (cloud.asked, cloud.renewed) == (["Hello"] * 2, ["Hello"])

    await variables.are_right_for(call("newest", "1"))  # put back to what it was
    assert (cloud.asked, cloud.renewed) == (["Hello"] * 3, ["Hello"] * 2)


async def test_a_stub_that_tells_no_hash_and_another_function_change_nothing() -> None:
    cloud = Cloud()
    variables = Variables(cloud.are_old, cloud.renew)
    await variables.are_right_for(call("an old stub", ""))
    assert cloud.asked == []
    await variables.are_right_for(call("one", "1"))
    await variables.are_right_for(call("another", "1", "Goodbye"))
    assert cloud.asked == ["Hello", "Goodbye"]


async def test_who_could_not_be_asked_is_asked_with_the_next_call() -> None:
    cloud = Cloud()
    variables = Variables(cloud.are_old, cloud.renew)
    cloud.fails = True
    with pytest.raises(LivetuiError):
        await variables.are_right_for(call("one", "1"))
    cloud.fails = False
    await variables.are_right_for(call("one", "1"))
    assert cloud.asked == ["Hello", "Hello"]
