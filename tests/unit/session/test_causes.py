"""What caused what is known by the ids of what was sent."""

from __future__ import annotations

import json

from recorded import invocation

from livetui.session.causes import Causes, new_trace, parents, received
from livetui.session.invocation import AwsCall

QUEUE = json.dumps({"Records": [{"messageId": "m-1"}, {"messageId": "m-2"}]}).encode()
TOPIC = json.dumps({"Records": [{"EventSource": "aws:sns", "Sns": {"MessageId": "n-1"}}]}).encode()
BUS = json.dumps({"id": "e-1", "detail-type": "Shipped", "source": "shop", "detail": {}}).encode()


def test_ids_of_messages_events_and_calls_are_found():
    assert received(QUEUE, "r") == ["r", "m-1", "m-2"]
    assert received(TOPIC) == ["n-1"]
    assert received(BUS) == ["e-1"]
    assert received(b'{"id": 7}', "") == []
    assert received(b"\xff no json") == []


def test_who_receives_a_message_belongs_to_the_trace_of_who_sent_it():
    causes, trace = Causes(), new_trace()
    assert causes.trace_of(received(QUEUE, "r")) == ""
    assert causes.sent(["m-2", "call-1"], trace) == set()
    assert causes.trace_of(received(QUEUE, "r")) == trace
    assert causes.trace_of(received(b"{}", "call-1")) == trace
    assert causes.trace_of(received(BUS, "r")) == ""


def test_what_came_before_its_sender_told_of_it_is_found_again():
    causes = Causes()
    causes.came(["r", "e-1"], 7)
    assert causes.sent(["e-1", "e-2"], "1-a") == {7}
    assert causes.sent(["e-1"], "1-a") == set()


def test_only_so_many_are_remembered(monkeypatch):
    monkeypatch.setattr("livetui.session.causes.MOST_REMEMBERED", 2)
    causes = Causes()
    causes.sent(["m-1", "x", "y"], "1-a")
    assert causes.trace_of(["m-1"]) == ""
    assert causes.trace_of(["y"]) == "1-a"


def test_each_invocation_stands_below_its_own_cause():
    def sends(*ids: str) -> list[AwsCall]:
        return [AwsCall("sqs", "SendMessage", "q", 200, 1.0, sent=list(ids))]

    chain = [
        invocation(1, "CreateOrder", "POST /", calls=sends("m-1")),
        invocation(2, "Ship", "sqs", event=QUEUE, calls=sends("e-1")),
        invocation(3, "Notify", "event", event=BUS),
        invocation(4, "Ship", "replay", event=QUEUE, replay_of=2),
        invocation(5, "Alone", "event", event=TOPIC),
    ]
    assert parents(chain) == {2: 1, 3: 2, 4: 2}
