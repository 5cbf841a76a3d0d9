"""What lies folded in strings is opened, what is not is left, and nothing unfolds without bound."""

from __future__ import annotations

import base64
import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetui.session.decode import LIMIT, find, open_text
from livetui.session.samples import sample


def packed(body: bytes) -> str:
    return base64.b64encode(body).decode()


@pytest.mark.parametrize(("text", "named", "steps", "value"), [
    ('{"a": 1}', {}, ("json",), {"a": 1}),
    ("a=1&b=&a=2", {"content_type": "application/x-www-form-urlencoded"}, ("form",), {"a": ["1", "2"], "b": ""}),
    (packed(b'{"a": 1, "b": 2}'), {}, ("base64", "json"), {"a": 1, "b": 2}),
    (packed(b"hello"), {"is_base64": True}, ("base64", "text"), "hello"),
    (packed(gzip.compress(data=b'{"a": 1}', mtime=0)), {}, ("base64", "gzip", "json"), {"a": 1}),
    (packed(zlib.compress(b"plain words here")), {}, ("base64", "deflate", "text"), "plain words here"),
    (packed(b"\x89PNG\r\n\x1a\n\xff\xfe"), {"is_base64": True}, ("base64", "binary"), b"\x89PNG\r\n\x1a\n\xff\xfe"),
    (packed(b"a sentence with spaces"), {}, ("base64", "text"), "a sentence with spaces"),
    (packed(b"item=1"), {"is_base64": True, "content_type": "application/x-www-form-urlencoded; charset=utf-8"},
     ("base64", "form"), {"item": "1"}),
])
def test_bodies_are_opened(text: str, named: dict, steps: tuple, value: object) -> None:
    opened = open_text(text, **named)
    assert opened is not None
    assert (opened.steps, opened.value, opened.truncated) == (steps, value, False)


@pytest.mark.parametrize("text", ["", "hello world", "{not json", "5f0c2a349b1e4d7c8a631e2d3c4b5a69",
                                  "deadbeefdeadbeef",
                                  "GetOrderFunctionName", "[" * 10_000, "AQEBE7XoI7IQRLF7SrpiW9W4BanmOWe8UtVDbv6"],
                         ids=lambda text: text[:20])
def test_what_only_looks_folded_is_left(text: str) -> None:
    assert open_text(text) is None


def test_a_small_body_that_holds_gigabytes_is_opened_only_so_far() -> None:
    bomb = packed(gzip.compress(b"a" * (LIMIT * 40), 9))
    opened = open_text(bomb)
    assert opened is not None
    assert opened.truncated
    assert len(opened.value) == LIMIT


def test_a_big_body_is_opened_only_so_far() -> None:
    opened = open_text(packed("é".encode() * LIMIT), is_base64=True)
    assert opened is not None
    assert opened.truncated
    assert len(opened.value) <= LIMIT


def test_an_event_is_searched_through_all_layers() -> None:
    event = {"Records": [{"body": json.dumps({"Message": json.dumps({"order": 7})})}]}
    assert {opened.path: opened.value for opened in find(event)} == {
        ("Records", 0, "body"): {"Message": '{"order": 7}'}, ("Records", 0, "body", "Message"): {"order": 7}}
    assert [opened.steps for opened in find(json.loads(sample("cloudwatch-logs")))] == [("base64", "gzip", "json")]
    assert [opened.value for opened in find(json.loads(sample("function-url")))] == [{"item": "teapot",
                                                                                      "quantity": "2"}]
    assert len(find(json.loads(sample("kinesis")))) == 2
    assert len(find({"x": ['{"a":1}'] * 500})) == 100


@given(st.text(max_size=60) | st.binary(max_size=60).map(packed))
def test_any_text_can_be_tried(text: str) -> None:
    open_text(text)
    open_text(text, is_base64=True, content_type="application/x-www-form-urlencoded")
