"""A rule for "CloudFormation Stack Status Change" fires on the local cloud as it does on AWS."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from livetui.aws import Aws
from tests.integration.cloud.conftest import wait_until

EMPTY = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})


def test_a_rule_hears_of_every_status_of_a_stack(aws: Aws) -> None:
    stack, sqs, events = f"told-{uuid4().hex[:8]}", aws.client("sqs"), aws.client("events")
    queue = sqs.create_queue(QueueName=stack)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.cloudformation"], "detail-type": ["CloudFormation Stack Status Change"],
               "detail": {"stack-id": [{"wildcard": f"*:stack/{stack}-live/*"}],
                          "status-details": {"status": [{"suffix": "_COMPLETE"}]}}}
    events.put_rule(Name=stack, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=stack, Targets=[{"Id": "queue", "Arn": arn}])
    formation = aws.client("cloudformation")
    stack_id = formation.create_stack(StackName=f"{stack}-live", TemplateBody=EMPTY)["StackId"]
    formation.get_waiter("stack_create_complete").wait(StackName=f"{stack}-live", WaiterConfig={"Delay": 1})
    formation.delete_stack(StackName=f"{stack}-live")

    heard: list[dict[str, Any]] = []

    def deleted() -> bool:
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            heard.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return any(event["detail"]["status-details"]["status"] == "DELETE_COMPLETE" for event in heard)

    wait_until(deleted, "the deletion was told")
    assert [event["detail"]["status-details"]["status"] for event in heard] == ["CREATE_COMPLETE", "DELETE_COMPLETE"]
    assert {event["detail"]["stack-id"] for event in heard} == {stack_id}
    assert heard[0]["resources"] == [stack_id]
