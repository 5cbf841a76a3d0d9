"""When the variables of a function are asked for again."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from livetui.errors import LivetuiError
from livetui.link.messages import Call
from livetui.session import variables as module
from livetui.session.variables import Variables


class Cloud:
    """Counts who asks it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.renewed: list[str] = []
        self.warned: list[str] = []
        self.old = self.fails = False
        self.can_renew = True
        self.answers = threading.Event()
        self.answers.set()
        self.variables = Variables(self.are_old, self.renew, asyncio.create_task, self.warned.append)

    def are_old(self, function: str) -> bool:
        assert threading.current_thread() is not threading.main_thread()
        self.asked.append(function)
        self.answers.wait(20)
        if self.fails:
            raise LivetuiError("no answer")
        return self.old

    async def renew(self, function: str) -> bool:
        self.renewed.append(function)
        return self.can_renew

    async def call(self, environment: str, variables: str, function: str = "Hello") -> None:
        await self.variables.prepare(Call("a" * 32, function, environment, b"{}", {}, None, time.monotonic() + 60, 0.0,
                                          environment_hash=variables))


async def test_the_cloud_is_asked_once_per_content_and_never_again_for_an_environment() -> None:
    cloud = Cloud()
    await asyncio.gather(*(cloud.call(f"environment {n}", "1") for n in range(10)))
    assert (cloud.asked, cloud.renewed) == (["Hello"], [])

    cloud.old = True
    await asyncio.gather(*(cloud.call(f"new {n}", "2") for n in range(10)))
    for n in range(10):  # those of before still answer for a while
        await cloud.call(f"environment {n}", "1")
    assert (cloud.asked, cloud.renewed) == (["Hello"] * 2, ["Hello"])

    await cloud.call("newest", "1")  # put back to what it was
    assert (cloud.asked, cloud.renewed) == (["Hello"] * 3, ["Hello"] * 2)


async def test_an_environment_of_before_that_calls_late_is_not_taken_for_the_newest() -> None:
    cloud = Cloud()
    await cloud.call("one", "1")
    cloud.old = True
    await cloud.call("two", "2")
    cloud.old = False
    await cloud.call("late", "1")
    cloud.old = True
    await cloud.call("put back", "1")
    assert cloud.renewed == ["Hello"] * 2


async def test_a_stub_that_tells_no_hash_and_another_function_change_nothing() -> None:
    cloud = Cloud()
    await cloud.call("an old stub", "")
    assert cloud.asked == []
    await cloud.call("one", "1")
    await cloud.call("another", "1", "Goodbye")
    assert cloud.asked == ["Hello", "Goodbye"]


async def test_who_could_not_be_asked_or_given_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud()
    cloud.fails = True
    await cloud.call("one", "1")
    assert "Hello runs with the variables of before: no answer" in cloud.warned[0]
    cloud.fails, cloud.old, cloud.can_renew = False, True, False
    await cloud.call("one", "1")
    await cloud.call("one", "1")
    assert cloud.asked == ["Hello"] * 2  # not with every call of a deployment
    later = time.monotonic() + module.PAUSE_S
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    cloud.can_renew = True
    await cloud.call("one", "1")
    await cloud.call("one", "1")
    assert (cloud.asked, cloud.renewed) == (["Hello"] * 3, ["Hello"] * 2)


async def test_a_call_does_not_wait_for_a_cloud_that_takes_long_nor_for_another_function(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = Cloud()
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    cloud.answers.clear()
    try:
        await cloud.call("one", "1")
        assert "the cloud does not say" in cloud.warned[0]
        await cloud.call("another", "1", "Goodbye")
        assert cloud.asked == ["Hello", "Goodbye"]
    finally:
        cloud.answers.set()
