"""A console that goes and comes back: callers are told the truth meanwhile, and nothing is deployed again."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

import pytest

from livetui.aws import Aws
from livetui.cloud import LocalCloud
from livetui.stack.names import stack_name
from tests.integration.console_process import ConsoleProcess

ORDERS = Path(__file__).parents[2] / "examples" / "orders"
pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("restart")]


def shop(folder: Path) -> Path:
    """A copy of the example whose queue offers a message again after 12 s, not after two minutes."""
    project = folder / "shop"
    shutil.copytree(ORDERS, project)
    template = project / "template.yaml"
    text = template.read_text("utf-8")
    assert "VisibilityTimeout: 120" in text
    template.write_text(text.replace("VisibilityTimeout: 120", "VisibilityTimeout: 12"), "utf-8")
    return project


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGKILL])
def test_offline_is_an_error_within_2_s_and_a_restart_needs_no_deployment(tmp_path: Path, number: int) -> None:
    project = shop(tmp_path)
    with LocalCloud.start(project / ".livetui") as cloud:
        aws = Aws(cloud.access)
        lambda_, sqs = aws.client("lambda"), aws.client("sqs")
        first = ConsoleProcess(project, "--local")
        live = first.live()
        list_orders = live["functions"]["ListOrders"]["name"]

        def invoke() -> tuple[float, str, dict[str, object]]:
            began = time.monotonic()
            answer = lambda_.invoke(FunctionName=list_orders, Payload=b'{"queryStringParameters": null}')
            return time.monotonic() - began, answer.get("FunctionError", ""), json.load(answer["Payload"])

        assert invoke()[1] == ""
        first.end(number)
        within = 2.0 if number == signal.SIGINT else 10.0
        took, error, answer = invoke()
        assert (error != "", took < within) == (True, True), (took, answer)
        assert "LivetuiOffline" in json.dumps(answer)

        queue = live["outputs"]["QueueUrl"]
        sqs.send_message(QueueUrl=queue, MessageBody='{"id": "none"}')
        second = ConsoleProcess(project, "--local")
        began = time.monotonic()
        again = second.live()
        assert again["changed"] is False
        assert again["functions"] == live["functions"]
        assert time.monotonic() - began < 15
        assert invoke()[1] == ""
        second.finished(function="ShipOrders", state="ok", timeout=60)
        assert second.end() == 130


def test_a_second_console_is_told_who_holds_the_stage_and_may_take_over(tmp_path: Path) -> None:
    project = shop(tmp_path)
    with LocalCloud.start(project / ".livetui") as cloud:
        stacks = Aws(cloud.access).client("cloudformation")
        first = ConsoleProcess(project, "--local")
        live = first.live()
        stack = stack_name(live["app"], live["stage"])
        deployed = stacks.get_template(StackName=stack)["TemplateBody"]
        template = project / "template.yaml"
        template.write_text(template.read_text("utf-8").replace("VisibilityTimeout: 12", "VisibilityTimeout: 13"), "utf-8")
        attach = project / ".livetui" / "debug.json"
        of_first = attach.read_text("utf-8")
        second = ConsoleProcess(project, "--local")
        failed = second.wait_for(lambda event: event["event"] == "session.failed")
        assert second.process.wait(20) == 1
        assert "@" in failed["what"] + failed["why"]
        assert "--take-over" in failed["hint"]
        assert attach.read_text("utf-8") == of_first  # editors still find the console that has the stage
        assert stacks.get_template(StackName=stack)["TemplateBody"] == deployed
        third = ConsoleProcess(project, "--local", "--take-over")
        third.live()
        assert stacks.get_template(StackName=stack)["TemplateBody"] != deployed
        assert attach.read_text("utf-8") != of_first
        first.wait_for(lambda event: event["event"] == "link.changed" and event["state"] == "taken-over")
        first.end()
        third.end()
