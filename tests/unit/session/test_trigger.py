"""Trigger summaries: right for every known shape, harmless for any bytes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetui.session.samples import list_samples, sample
from livetui.session.trigger import LONGEST, caller_waits_s, describe, trace_root

EXPECTED = {
    "activemq": "mq orders", "alb": "alb GET /orders/7", "appsync": "appsync Query.getOrder",
    "bedrock-agent": "bedrock orders GET /orders/{id}",
    "cloudformation-status": "event aws.cloudformation CloudFormation Stack Status Change",
    "cloudwatch-alarm": "alarm orders-errors ALARM", "cloudwatch-logs": "logs /aws/lambda/orders",
    "codedeploy": "codedeploy d-EXAMPLE01", "cognito-pre-signup": "cognito PreSignUp_SignUp",
    "cognito-pre-token": "cognito TokenGeneration_Authentication", "config-rule": "config tags-required",
    "custom-resource": "cfn Create Custom::SeedData SeedData", "dynamodb": "dynamodb orders ×3", "empty": "invoke",
    "eventbridge": "event shop.orders OrderCreated", "firehose": "firehose clicks ×2", "function-url": "POST /orders",
    "http-api": "GET /orders/7", "http-api-post": "POST /orders", "kafka": "kafka orders ×2",
    "kinesis": "kinesis clicks ×2", "rabbitmq": "rabbitmq orders", "rest-api": "GET /orders/7",
    "rest-api-post": "POST /orders", "rest-authorizer": "authorizer GET /orders/7",
    "s3-batch": "s3 batch photos/cats/sleepy cat.jpg", "s3-delete": "s3 delete photos/cats/sleepy cat.jpg",
    "s3-put": "s3 put photos/cats/sleepy cat.jpg", "schedule": "schedule nightly-report",
    "scheduler": "schedule nightly-report", "secret-rotation": "rotate database-AbCdEf createSecret",
    "ses": "ses to orders@example.com", "sns": "sns order-events", "sqs": "sqs orders ×3",
    "sqs-fifo": "sqs orders.fifo", "step-function": "step function task", "vpc-lattice": "lattice GET /orders/7",
    "websocket": "ws $connect",
}


def test_every_sample_is_recognised() -> None:
    assert {each.name: describe(sample(each.name)) for each in list_samples()} == EXPECTED


def corpus() -> Path:
    return Path(os.environ.get("LIVETUI_CORPUS") or Path(__file__).parents[4] / "shared" / "corpus") / "events"


def test_events_of_the_corpus_are_recognised() -> None:
    if not corpus().is_dir():
        pytest.skip(f"no corpus at {corpus()}")
    unknown = {path.name for path in corpus().glob("*.json") if describe(path.read_bytes()) == "invoke"}
    assert unknown == {"appSyncAuthorizerResponse.json"}  # which is no event


@pytest.mark.parametrize(("event", "words"), [
    ({"Records": [{"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:1:orders"}] * 10},
     "sqs orders ×10"),
    ([{"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:1:orders"}], "sqs orders"),
    ({"Records": [{"cf": {"request": {"method": "GET", "uri": "/a"}}}]}, "cloudfront GET /a"),
    ({"Records": [{"eventSource": "aws:dynamodb", "eventName": "INSERT",
                   "eventSourceARN": "arn:aws:dynamodb:eu-west-1:1:table/t/stream/x"}]}, "dynamodb insert t"),
    ({"Records": [{"eventSource": "aws:new-thing"}] * 2}, "new-thing ×2"),
    ({"session": {}, "request": {"type": "LaunchRequest"}, "version": "1.0"}, "alexa LaunchRequest"),
    ({"CodePipeline.job": {"id": "1"}}, "codepipeline"),
    ({"bot": {}, "sessionState": {"intent": {"name": "Order"}}}, "lex Order"),
    ({"eventSource": "aws:docdb", "events": [{"event": {"operationType": "insert", "ns": {"db": "d", "coll": "c"}}}]},
     "docdb insert d.c"),
    ({"requestPayload": {}, "requestContext": {"functionArn": "arn:aws:lambda:r:1:function:f:1",
                                               "condition": "Success"}}, "destination of f Success"),
    ({"httpMethod": "GET\r\n\x1b[31m", "path": "/\u202ex\ud800" + "y" * 500}, None),
])
def test_shapes(event: object, words: str | None) -> None:
    found = describe(json.dumps(event).encode())
    assert len(found) <= LONGEST
    assert found.isprintable()
    assert words is None or found == words


@given(st.binary(max_size=200))
def test_any_bytes_give_a_line(event: bytes) -> None:
    found = describe(event)
    assert found
    assert found.isprintable()


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
                        ["Records", "eventSource", "requestContext", "http", "method", "awslogs", "data", "s3",
                         "records",
                         "source", "detail-type", "resources", "info", "messages", "events", "path", "httpMethod"]),
                        inner, max_size=5), max_leaves=12)


@given(JSON)
def test_known_members_of_unexpected_types_do_no_harm(event: object) -> None:
    found = describe(json.dumps(event).encode())
    assert found.isprintable()
    assert len(found) <= LONGEST


@pytest.mark.parametrize("event", [
    b"[" * 100_000, b'{"Records":' * 50_000, b'{"Records":[[[[',
    b'{"httpMethod":"' + b"x" * 3_000_000 + b'","path":"/"}',
    b'{"awslogs":{"data":"' + b"A" * 3_000_000 + b'"}}', b'{"a":1e999999}', b"\xff\xfe{}", b'{"Records":[null]}',
], ids=lambda event: event[:14].decode("latin-1"))
def test_hostile_events(event: bytes) -> None:
    assert describe(event).isprintable()


def test_six_megabytes_are_cheap() -> None:
    body = [{"id": number, "name": "x" * 20} for number in range(120_000)]
    event = json.dumps({"version": "2.0", "rawPath": "/x", "body": body,
                        "requestContext": {"http": {"method": "POST"}}}).encode()
    assert len(event) > 5_000_000
    began = time.perf_counter()
    assert describe(event) == "POST /x"
    assert time.perf_counter() - began < 0.25


def test_a_consumer_belongs_to_the_trace_of_its_message() -> None:
    event = {"Records": [{"attributes": {"AWSTraceHeader": "Root=1-aaaa-bbbb;Parent=1;Sampled=1"}}]}
    assert trace_root(json.dumps(event).encode(), {"trace_id": "Root=1-cccc-dddd"}) == "1-aaaa-bbbb"
    assert trace_root(b"{}", {"trace_id": "Root=1-cccc-dddd;Sampled=0"}) == "1-cccc-dddd"
    assert trace_root(b"\xff", {}) == ""


def test_a_mobile_client_is_named() -> None:
    assert describe(b"{}", {"client_context": {"client": {"app_title": "Shop\n"}}}) == "invoke from Shop"
    assert describe(b"{}", {"client_context": "x"}) == "invoke"


@pytest.mark.parametrize(("name", "seconds"), [
    ("rest-api", 29.0), ("rest-api-post", 29.0), ("http-api", 30.0), ("function-url", None), ("alb", None),
    ("sqs", None), ("empty", None)])
def test_how_long_the_caller_of_an_http_event_waits(name: str, seconds: float | None) -> None:
    assert caller_waits_s(sample(name)) == seconds
