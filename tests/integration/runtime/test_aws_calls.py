"""The AWS calls of a handler are recorded with its invocation, and are the calls it would have made anyway."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from livetui.runtime.pool import Pool

from .conftest import Recorder, work


class Cloud(BaseHTTPRequestHandler):
    """Answers every DynamoDB call; refuses PutItem."""

    def do_POST(self) -> None:
        operation = self.headers["X-Amz-Target"].split(".")[1]
        self.rfile.read(int(self.headers["Content-Length"]))
        denied = operation == "PutItem"
        body = json.dumps({"__type": "com.amazon#AccessDeniedException", "message": (
            "User: arn:aws:sts::1:assumed-role/r/f is not authorized to perform: dynamodb:PutItem on resource: "
            "arn:aws:dynamodb:eu-west-1:1:table/orders")} if denied else {"Item": {"id": {"S": "7"}}}).encode()
        self.send_response(400 if denied else 200)
        self.send_header("x-amzn-RequestId", "AWS-REQUEST")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture
def cloud() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_calls_and_refusals_are_recorded(pool: Pool, function, recorder: Recorder, cloud: str) -> None:
    function("""
        import boto3
        table = boto3.resource("dynamodb").Table("orders")
        def handler(event, context):
            item = table.get_item(Key={"id": "7"})["Item"]
            try:
                table.put_item(Item={"id": "8"})
            except table.meta.client.exceptions.ClientError as error:
                return [item, error.response["Error"]["Code"]]
    """, environment={"AWS_ENDPOINT_URL": cloud}, timeout_s=20)
    call = work()
    assert json.loads((await pool.invoke("F", call)).body) == [{"id": "7"}, "AccessDeniedException"]
    (first_work, got), (second_work, refused) = recorder.calls
    assert first_work == second_work == call.id
    assert (got["service"], got["operation"], got["target"], got["status"], got["request_id"], got["error"]) == (
        "dynamodb", "GetItem", "orders", 200, "AWS-REQUEST", "")
    assert got["ms"] > 0
    assert refused["status"] == 400
    assert "perform: dynamodb:PutItem on resource: arn:aws:dynamodb:eu-west-1:1:table/orders" in refused["error"]


async def test_calls_at_import_belong_to_the_call_that_started_the_worker(pool: Pool, function, recorder: Recorder,
                                                                          cloud: str) -> None:
    function("""
        import boto3
        item = boto3.resource("dynamodb").Table("settings").get_item(Key={"id": "7"})["Item"]
        def handler(event, context): return item
    """, environment={"AWS_ENDPOINT_URL": cloud}, timeout_s=20)
    call = work()
    assert json.loads((await pool.invoke("F", call)).body) == {"id": "7"}
    assert [(work_id, made["operation"], made["target"]) for work_id, made in recorder.calls] == [
        (call.id, "GetItem", "settings")]


async def test_an_endpoint_that_cannot_be_reached_is_recorded(pool: Pool, function, recorder: Recorder) -> None:
    function("""
        import boto3
        from botocore.config import Config
        client = boto3.client("sqs", config=Config(retries={"max_attempts": 0}))
        def handler(event, context):
            client.send_message(QueueUrl="http://localhost/1/jobs", MessageBody="x")
    """, environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, timeout_s=20)
    outcome = await pool.invoke("F", work())
    assert outcome.error_type == "EndpointConnectionError"
    (_, call), = recorder.calls
    assert (call["operation"], call["target"], call["status"]) == ("SendMessage", "jobs", 0)
    assert call["error"].startswith("EndpointConnectionError")


async def test_frames_of_livetui_are_in_no_trace(pool: Pool, function) -> None:
    function("""
        import boto3
        def handler(event, context): boto3.client("nothing-like-this")
    """, timeout_s=20)
    trace = json.loads((await pool.invoke("F", work())).body)["stackTrace"]
    assert trace and not [entry for entry in trace if "worker_" in entry]
