"""What is invoked and does not arrive here: the user hears what the cloud said."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from livetui.aws import Aws
from livetui.link.messages import Call
from livetui.session.events import Notice
from livetui.session.hub import Hub
from livetui.session.invoking import Invoking
from livetui.stack.contract import LiveFunction
from tests.integration.cloud.conftest import deploy_function
from tests.integration.events import Heard

SOURCE = """
def handler(event, context):
    if "fail" in event:
        raise ValueError(event["fail"])
    return {"was": event}
"""


@pytest.fixture(scope="module")
def function(aws: Aws) -> LiveFunction:
    name = deploy_function(aws, SOURCE)
    return LiveFunction("Elsewhere", name, "", "app.handler", "python3.11", None, 20, 128, live=True)


def call(event: bytes) -> Call:
    now = time.monotonic()
    return Call("a" * 32, "Elsewhere", "e", event, {"request_id": "r-1"}, None, now + 20, now)


@pytest.mark.parametrize(("event", "level", "words"), [
    ({"n": 1}, "info", '{"was": {"n": 1}}'),
    ({"fail": "no stock"}, "warning", "no stock"),
])
def test_the_answer_of_a_call_that_ran_elsewhere_is_told(
    aws: Aws, function: LiveFunction, event: Any, level: str, words: str
) -> None:
    heard, hub = Heard(), Hub()
    hub.subscribe(heard)
    Invoking(hub, threading.Event()).send(aws, function, json.dumps(event).encode(), lambda _: pytest.fail("not here"))
    notice = heard.wait_for(lambda event: isinstance(event, Notice))
    assert notice.level == level
    assert "did not run here" in notice.text
    assert words in notice.text


def test_one_that_arrived_is_known_by_its_event_and_nothing_more_is_said(aws: Aws, function: LiveFunction) -> None:
    heard, hub = Heard(), Hub()
    hub.subscribe(heard)
    invoking = Invoking(hub, threading.Event())
    taken: list[str] = []

    def took(request: str) -> None:
        taken.append(request)

    invoking.send(aws, function, b'{"fail": "quietly"}', took)
    invoking.came(call(b'{"fail": "another"}'))
    assert taken == []
    invoking.came(call(b'{"fail":"quietly"}'))
    invoking.came(call(b'{"fail":"quietly"}'))
    assert taken == ["r-1"]
    for thread in threading.enumerate():
        if thread.name == "livetui-invoke":
            thread.join(20)
    assert heard.events == []


def test_what_cannot_be_sent_is_told_unless_the_session_has_ended(aws: Aws) -> None:
    nobody = LiveFunction("Nobody", "no-such-function", "", "app.handler", "python3.11", None, 20, 128, live=True)
    for over in (False, True):
        heard, hub, ended = Heard(), Hub(), threading.Event()
        hub.subscribe(heard)
        if over:
            ended.set()
        Invoking(hub, ended).send(aws, nobody, b"{}", lambda _: None)
        for thread in threading.enumerate():
            if thread.name == "livetui-invoke":
                thread.join(20)
        assert [event.text.split(":")[0] for event in heard.events if isinstance(event, Notice)] == (
            [] if over else ["Nobody could not be invoked"])
