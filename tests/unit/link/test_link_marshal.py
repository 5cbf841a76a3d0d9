"""Events and answers keep every value; errors keep their type; reserved events open for the right key only."""

from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetui.link.timing import Legs
from stub_runtime import marshal
from stub_runtime.config import StubConfig
from stub_runtime.replay import MARK, reply_with_keys, request_event
from stub_runtime.sealing import CannotOpen, ReplyKey, SessionKey, StubKey, verify_key_of

SEED = b"k" * 32
CONFIG = StubConfig("shop", "ada", "Orders", base64.b64encode(verify_key_of(SEED)).decode(), "host", "eu-west-1")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10**30, 10**30) | st.floats(allow_nan=False)
    | st.text(st.characters(codec=None, exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4), max_leaves=20)


@given(event=JSON)
def test_an_event_that_lambda_parsed_is_written_so_that_every_value_is_the_same(event: object) -> None:
    again = json.loads(marshal.event_bytes(event))
    assert again == event
    assert repr(again) == repr(event)


def test_an_event_as_lambda_sent_it_is_not_touched() -> None:
    raw = b'{ "a" : 1.0e2, "a": "\\ud800" }'
    assert marshal.event_bytes(marshal.RawEvent(raw)) == raw


def test_an_answer_over_six_megabytes_fails_as_in_lambda() -> None:
    with pytest.raises(Exception, match="6291556") as caught:
        marshal.answer_value(b'"' + b"x" * marshal.MAX_ANSWER + b'"', raw=False)
    assert type(caught.value).__name__ == "ResponseSizeTooLarge"


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"errorType":7}', b'{"errorType":"A.B","stackTrace":1}'])
def test_any_error_json_becomes_an_exception(body: bytes) -> None:
    assert isinstance(marshal.error_from_json(body), Exception)


def test_a_users_error_keeps_its_name() -> None:
    error = marshal.error_from_json(b'{"errorType":"OrderMissing","errorMessage":"no 7","stackTrace":[]}')
    assert (type(error).__name__, str(error)) == ("OrderMissing", "no 7")


def request(reply: ReplyKey, seed: bytes = SEED, at: float | None = None, function: str = "Orders") -> bytes:
    return json.dumps(request_event("shop", "ada", function, reply.public, seed, at or time.time())).encode()


def test_replay_credentials_are_sealed_to_the_one_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-value")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    reply = ReplyKey()
    answer = reply_with_keys(request(reply), CONFIG)
    assert answer is not None
    assert b"secret-value" not in answer
    sealed = base64.b64decode(json.loads(answer)[MARK])
    assert json.loads(reply.open(sealed)) == ["AKIA", "secret-value", "token"]
    with pytest.raises(CannotOpen):
        ReplyKey().open(sealed)


@pytest.mark.parametrize("body", [
    request(ReplyKey(), seed=b"x" * 32), request(ReplyKey(), at=time.time() - 900),
    request(ReplyKey(), function="Other"), b'{"livetui-keys": {}}', b'{"livetui-keys": 1}', b"[]", b"{}",
    b'{"livetui-keys":{"key":"*","at":1,"signature":"*"}}'],
    ids=["foreign-seed", "old", "other-function", "empty", "number", "list", "object", "nonsense"])
def test_any_other_request_is_an_event_like_any_other(body: bytes) -> None:
    assert reply_with_keys(body, CONFIG) is None


def test_sealed_messages_open_for_their_receiver_only() -> None:
    console, other, stub = SessionKey(), SessionKey(), StubKey()
    sealed = stub.seal(console.public, b"secret")
    assert b"secret" not in sealed
    assert console.is_mine(sealed)
    assert not other.is_mine(sealed)
    plain, key = console.open(sealed)
    assert plain == b"secret"
    assert stub.open(console.seal(key, b"answer")) == b"answer"
    for broken in (sealed[:20], sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1]), b""):
        with pytest.raises(CannotOpen):
            console.open(broken)
    with pytest.raises(CannotOpen):
        StubKey().open(console.seal(key, b"answer"))


def test_the_way_in_is_estimated_without_comparing_clocks() -> None:
    legs = Legs()
    assert legs.inbound_ms("a", 1_000_000.0, 50.0, 20.0) == 10.0
    assert legs.inbound_ms("a", 1_000_100.0, 165.0, 20.0) == 25.0
    assert legs.inbound_ms("a", 1_000_200.0, 245.0, 20.0) == 10.0
    assert legs.inbound_ms("b", 5.0, 1e9, None) == 0.0
