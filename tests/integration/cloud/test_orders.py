"""The example, deployed as it stands: its triggers fire by themselves, its roles allow what it needs and no more."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from livetui.aws import Aws
from livetui.cloud import LocalCloud
from livetui.cloud.traffic import Traffic
from tests.integration.cloud.conftest import Shop, wait_until
from tests.integration.cloud.test_front import Answer, call


@pytest.fixture
def api(shop: Shop, local_cloud: LocalCloud) -> str:
    return local_cloud.public_url(shop.outputs["ApiUrl"])


def post(url: str, body: object) -> Answer:
    return call(url, "POST", json.dumps(body).encode(), {"content-type": "application/json"})


def logged(aws: Aws, shop: Shop, function: str) -> str:
    """What a function has printed so far."""
    logs = aws.client("logs")
    try:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{shop.functions[function]}")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return ""
    return "\n".join(event["message"] for event in events)


def test_an_order_is_kept_shipped_by_the_queue_and_told_to_the_customer_by_the_bus(
    api: str, shop: Shop, aws: Aws
) -> None:
    created = post(f"{api}orders", {"item": "tea", "quantity": 2})
    order = created.event
    assert (created.status, order["amount"], order["status"]) == (201, 900, "received")

    wait_until(lambda: call(f"{api}orders/{order['id']}").event["status"] == "shipped", "the queue shipped it")
    wait_until(lambda: f"Your order {order['id']} is on its way." in logged(aws, shop, "NotifyCustomer"),
               "the customer was told")
    assert order["id"] in {known["id"] for known in call(f"{api}orders").event["orders"]}


def test_a_form_as_curl_sends_it_is_understood(api: str) -> None:
    created = call(f"{api}orders", "POST", b'{"item": "cake"}', {"content-type": "application/x-www-form-urlencoded"})

    assert created.status == 201


@pytest.mark.parametrize(("path", "body", "status"), [
    ("orders", {"item": "beer"}, 400), ("orders/none", None, 404), ("orders/none/payment", {"card": "1"}, 404)])
def test_a_wrong_request_is_answered_in_words(api: str, path: str, body: Any, status: int) -> None:
    answer = post(f"{api}{path}", body) if body else call(f"{api}{path}")

    assert answer.status == status
    assert answer.event["message"]


def test_a_payment_works_and_a_declined_card_is_the_examples_bug(api: str) -> None:
    order_id = post(f"{api}orders", {"item": "tea"}).event["id"]

    assert post(f"{api}orders/{order_id}/payment", {"card": "4242424242424242"}).status == 200
    assert post(f"{api}orders/{order_id}/payment", {"card": "4000000000000002"}).status >= 500


def test_the_handler_runs_as_its_role_and_may_do_nothing_else(api: str) -> None:
    told = call(f"{api}whoami").event

    assert ":assumed-role/" in told["identity"]
    assert told["list_buckets"] == "refused: AccessDenied"


def test_only_the_message_that_cannot_be_handled_comes_back(shop: Shop, aws: Aws) -> None:
    sqs, queue, good = aws.client("sqs"), shop.outputs["QueueUrl"], uuid4().hex[:8]
    sqs.send_message_batch(QueueUrl=queue, Entries=[
        {"Id": "good", "MessageBody": json.dumps({"id": good})}, {"Id": "bad", "MessageBody": "unreadable"}])

    table = aws.client("dynamodb")
    wait_until(lambda: "Item" in table.get_item(TableName=shop.outputs["TableName"], Key={"id": {"S": good}}),
               "the good one is shipped")
    wait_until(lambda: "cannot be shipped" in logged(aws, shop, "ShipOrders"), "the bad one is reported")

    def waiting() -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(int(count) for count in counts.values())

    wait_until(lambda: waiting() >= 1, "the bad one is still there, and comes back after its visibility timeout")


@pytest.mark.long
def test_the_schedule_fires_by_itself_within_a_minute(shop: Shop, aws: Aws) -> None:
    wait_until(lambda: logged(aws, shop, "CountOrders"), "CountOrders ran", seconds=75)


def test_traffic_reaches_every_trigger(shop: Shop, aws: Aws, local_cloud: LocalCloud) -> None:
    outputs = {name: local_cloud.public_url(value) for name, value in shop.outputs.items()}
    problems: list[str] = []
    called = [name for name in shop.functions if name != "CountOrders"]

    def calls(function: str) -> int:
        return logged(aws, shop, function).count("START RequestId")

    before = {name: calls(name) for name in called}
    traffic = Traffic(local_cloud.access, outputs, problems.append).start()
    try:
        wait_until(lambda: all(calls(name) > before[name] for name in called), "all functions were called", seconds=60)
    finally:
        traffic.stop()

    assert problems == []
    assert "came back to us" in logged(aws, shop, "NotifyCustomer")


def test_traffic_stops_at_once_even_while_an_answer_is_a_breakpoint_away(local_cloud: LocalCloud) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        traffic = Traffic(local_cloud.access, {"ApiUrl": f"http://127.0.0.1:{server.getsockname()[1]}/"}, print)
        traffic.start()
        connection, _ = server.accept()
        with connection:
            assert connection.recv(4).startswith(b"POST")
            began = time.monotonic()
            traffic.stop()

    assert time.monotonic() - began < 1


def test_traffic_says_what_it_could_not_reach(local_cloud: LocalCloud) -> None:
    problems: list[str] = []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        traffic = Traffic(local_cloud.access, {"ApiUrl": f"http://127.0.0.1:{free.getsockname()[1]}/"}, problems.append)
        traffic.start()
        wait_until(lambda: problems, "a problem is told")
        traffic.stop()

    assert problems[0].startswith("The demo's customer could not order: ConnectionRefusedError")


def test_the_example_knows_nothing_of_livetui() -> None:
    sources = (Path(__file__).parents[3] / "examples" / "orders").rglob("*")
    code = "\n".join(source.read_text("utf-8") for source in sources if source.suffix in (".py", ".yaml"))
    imports = [line for line in code.splitlines() if "import" in line]

    assert not any("livetui" in line for line in imports)
