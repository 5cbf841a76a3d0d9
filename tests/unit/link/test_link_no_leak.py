"""A connection that ends takes its threads and descriptors with it, and says what it could not send."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest
from awscrt.exceptions import AwsCrtError

from livetui.errors import LivetuiError
from livetui.link.connection import confirmed
from stub_runtime.config import StubConfig
from stub_runtime.connection import Connection
from stub_runtime.topics import Topics

TASKS = Path("/proc/self/task")


@pytest.mark.skipif(not TASKS.is_dir(), reason="awscrt's threads are counted in /proc")
def test_reopening_keeps_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    config = StubConfig("shop", "ada", "Orders", "", "localhost:1", "eu-west-1", dial_host="127.0.0.1", port=1)
    connection = Connection(config, Topics("shop", "ada"), "ab")
    connection.open()
    before = len(list(TASKS.iterdir()))
    for _ in range(20):
        connection.reopen()
    assert len(list(TASKS.iterdir())) < before + 20, "two threads a connection stayed"
    connection.close()


@pytest.mark.parametrize("error", [AwsCrtError(5155, "USER_REQUESTED_STOP", "interrupted"), ConnectionError("ended")])
async def test_a_farewell_whose_connection_ends_meanwhile_is_told_as_not_taken(error: Exception) -> None:
    publish: Future[object] = Future()
    publish.set_exception(error)
    with pytest.raises(LivetuiError, match="did not take the farewell"):
        await confirmed(publish, "the farewell")
