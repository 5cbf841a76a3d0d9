"""Masking: what must not be seen is not, what is harmless stays, and nothing is slow or deep enough to break it."""

from __future__ import annotations

import base64
import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetui.session.secret_lines import mask_lines
from livetui.session.secrets import MASK, is_secret_name, mask, mask_json, mask_text

SECRET = "s3cr3t-Zq9xT7"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.dozjgNryP4J3jVmNHl0w5N"


def by_lines(value: object) -> object:
    lines = msgspec.json.format(json.dumps(value).encode(), indent=2).decode().split("\n")
    mask_lines(lines)
    return json.loads("\n".join(lines))


@pytest.mark.parametrize("event", [
    {"headers": {"Authorization": f"Bearer {SECRET}"}},
    {"headers": {"cookie": f"session={SECRET}; theme=dark"}},
    {"multiValueHeaders": {"X-Api-Key": [SECRET, SECRET]}},
    {"cookies": [f"a={SECRET}"]},
    {"headers": [{"name": "authorization", "value": SECRET}]},
    {"cf": {"headers": {"cookie": [{"key": "Cookie", "value": SECRET}]}}},
    {"messageAttributes": {"apiKey": {"stringValue": SECRET, "dataType": "String"}}},
    {"credentials": {"accessKeyId": SECRET, "deep": [{"x": SECRET}]}},
    {"body": json.dumps({"user": "ada", "password": SECRET})},
    {"body": f"user=ada&password={SECRET}"},
    {"isBase64Encoded": True, "body": base64.b64encode(f"password={SECRET}".encode()).decode()},
    {"isBase64Encoded": True, "body": base64.b64encode(json.dumps({"token": SECRET}).encode()).decode()},
    {"Records": [{"kinesis": {"data": base64.b64encode(json.dumps({"secret": SECRET}).encode()).decode()}}]},
    {"Records": [{"body": json.dumps({"Message": json.dumps({"client_secret": SECRET})})}]},
    {"url": f"https://ada:{SECRET}@example.com/"},
    {"url": f"https://example.com/?a=1&access_token={SECRET}"},
    {"inputS3Url": f"https://b.s3.amazonaws.com/k?X-Amz-Signature={SECRET}&X-Amz-Security-Token={SECRET}"},
    {"log": f"aws_secret_access_key = {SECRET}"},
    {"log": f"Authorization: Basic {SECRET}"},
    {"authorizationToken": SECRET}, {"DB_PASSWORD": SECRET}, {"dbPassword": SECRET}, {"x-api-key": SECRET},
    {"x-amz-security-token": SECRET}, {"refresh_token": SECRET}, {"SET-COOKIE": SECRET}, {"ResponseURL": SECRET},
    {"note": f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----"},
    {"note": f"-----BEGIN PRIVATE KEY-----\n{SECRET}"},
    {"note": f"xoxb-{SECRET}"}, {"note": f"ghp_{SECRET}"},
])
def test_a_secret_is_masked_wherever_it_stands(event: object) -> None:
    shown = json.dumps(mask(event))
    assert SECRET not in shown
    assert base64.b64encode(SECRET.encode()).decode()[:10] not in shown
    assert mask(mask(event)) == mask(event)
    assert by_lines(event) == mask(event)


def test_numbers_that_are_secrets_and_keys_by_their_look() -> None:
    assert mask({"pin": 4711, "otp": 123456}) == {"pin": MASK, "otp": MASK}
    assert mask(["AKIAIOSFODNN7EXAMPLE", JWT]) == [MASK, MASK]
    assert mask_text(f"token {JWT} and") == f"token {MASK} and"


@pytest.mark.parametrize("value", [
    {"nextToken": "abc", "max_tokens": 100, "secretName": "shop/db", "SecretId": "arn:x", "isCookie": True},
    {"path": "/orders/7", "monkey": "banana", "design": "blue", "tokenType": "x", "key": "photos/cat.jpg"},
    {"Records": [{"eventSource": "aws:sqs", "messageId": "5f0c2a34"}], "compass": 3, "basic": "Basic"},
    {"password": None, "hasPassword": False}, ["The token bucket is empty.", "keyboard: qwerty", "a=b"], 5, "", None,
    {"body": '{"a":  1}'}, {"time": "2026-03-14T09:26:53Z"},
])
def test_what_is_no_secret_stays_as_it_is(value: object) -> None:
    assert mask(value) == value
    assert by_lines(value) == value


def test_the_scheme_of_a_header_can_still_be_seen() -> None:
    assert mask({"Authorization": f"Bearer {SECRET}"}) == {"Authorization": f"Bearer {MASK}"}
    assert mask_text(f"Authorization: Bearer {SECRET}") == f"Authorization: Bearer {MASK}"


def test_values_under_any_secret_name_are_hidden() -> None:
    names = ["Authorization", "proxy-authorization", "Cookie", "passwd", "clientSecret", "api_key", "AccessKeyId",
             "pwd"]
    assert all(is_secret_name(name) for name in names)


LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
TREE = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner,
                                                                                       max_size=4), max_leaves=15)
NAMED = st.sampled_from(["password", "name", "key", "value", "values", "body", "isBase64Encoded", "token", "x"]) | st.text(
    max_size=3)
WORDS = st.sampled_from([SECRET, "authorization", '{"pin": "1234"}', f"password={SECRET}", "eyJwaW4iOiAiMSJ9", "", "]"])
EVENT = st.recursive(st.none() | st.booleans() | st.integers() | WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMED, inner, max_size=5),
                     max_leaves=20)


@given(EVENT)
def test_line_by_line_it_is_the_same(event: object) -> None:
    assert by_lines(event) == mask(event)


@given(EVENT, st.integers(0, 30))
def test_the_beginning_of_a_document_shows_no_more_than_all_of_it(event: object, cut: int) -> None:
    lines = msgspec.json.format(json.dumps({"password": event}).encode(), indent=2).decode().split("\n")[:cut]
    mask_lines(lines)
    assert SECRET not in "".join(lines)


PLACE = st.sampled_from(["password", "Authorization", "X-Api-Key", "cookie", "client_secret", "sessionToken"])


@given(tree=TREE, place=PLACE, wraps=st.lists(st.sampled_from(["list", "dict", "json", "twice"]), max_size=4))
def test_no_nesting_leaks(tree: object, place: str, wraps: list[str]) -> None:
    value: object = {place: SECRET, "other": tree}
    for index, wrap in enumerate(wraps):
        if wrap == "json" and wraps[:index].count("json") < 2:
            value = {"body": json.dumps(value)}
        else:
            value = {"inner": value, "more": tree} if wrap == "dict" else [tree, value]
    assert SECRET not in json.dumps(mask(value))


@given(TREE)
def test_masking_keeps_the_shape_and_is_final(tree: object) -> None:
    once = mask(tree)
    assert mask(once) == once
    assert type(once) is type(tree)


@given(st.text(max_size=60))
def test_text_is_masked_once_and_for_all(text: str) -> None:
    once = mask_text(text)
    assert mask_text(once) == once


def test_bodies_that_are_no_json_are_masked_as_text() -> None:
    assert SECRET.encode() not in mask_json(f"\x00 password={SECRET}".encode())
    assert mask_json(b'{"a": 1}') == b'{"a": 1}'
    assert SECRET.encode() not in mask_json(json.dumps({"password": SECRET}).encode())
    assert mask_json(b"[" * 100_000) == b"[" * 100_000


def test_depth_does_not_matter() -> None:
    value: object = {"password": SECRET}
    for _ in range(20_000):
        value = [value]
    found = mask(value)
    for _ in range(20_000):
        found = found[0]
    assert found == {"password": MASK}


@pytest.mark.parametrize("text", [
    "a" * 3_000_000, "token=" * 300_000, "-----BEGIN PRIVATE KEY-----" * 50_000, "://a:" * 300_000,
    "Bearer " * 300_000, "eyJaaaaaaa.aaaaaaa." * 100_000, "secret-" * 300_000, 'key:\\"' * 300_000,
    "https://" + "a" * 1_000_000, "eyJ" + "a" * 2_000_000, "AKIA" * 500_000,
], ids=lambda text: text[:12])
def test_texts_made_to_be_slow_are_not(text: str) -> None:
    began = time.perf_counter()
    mask_text(text)
    assert time.perf_counter() - began < 5
