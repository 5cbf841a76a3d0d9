"""Writes down what each live stack consists of, for `livetui apps`: one JSON object per application and stage.

Called by EventBridge with "CloudFormation Stack Status Change". Such events come for every stack of the account:
the rule lets only `*-live` through, and stacks without livetui's tags are ignored here. They come late and in any
order: what is written down is the stack as it is, and what is taken away is older than the event.
"""

from __future__ import annotations

import json
import os
from typing import Any

import boto3
from botocore.exceptions import ClientError

cloudformation = boto3.client("cloudformation")
s3 = boto3.client("s3")
awslambda = boto3.client("lambda")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Upload the stack's metadata, or delete it (and the application's other objects) when the stack is gone."""
    stack_id = event["detail"]["stack-id"]
    status = event["detail"]["status-details"]["status"]
    if "-live/" not in stack_id or status.endswith("_IN_PROGRESS"):
        return {"ignored": stack_id}
    stack = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
    tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
    app, stage = tags.get("livetui:app"), tags.get("livetui:stage")
    if not app or not stage:
        return {"ignored": stack_id}
    key = f"apps/{app}/{stage}.json"
    gone = stack["StackStatus"] == "DELETE_COMPLETE"
    if gone and (status != "DELETE_COMPLETE" or is_replaced(stack_id)):
        return {"ignored": stack_id}
    if gone:
        s3.delete_object(Bucket=os.environ["BUCKET"], Key=key)
        awslambda.invoke(FunctionName=os.environ["CLEANER"], InvocationType="Event",
                         Payload=json.dumps({"remove": {"app": app, "stage": stage, "until": event["time"]}}).encode())
        return {"deleted": key}
    metadata = {"app": app, "stage": stage, "status": stack["StackStatus"], "stack": stack["StackName"],
                "arn": stack_id, "updated": event["time"], "reason": stack.get("StackStatusReason", ""),
                "outputs": {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
                "resources": resources_of(stack_id)}
    s3.put_object(Bucket=os.environ["BUCKET"], Key=key, Body=json.dumps(metadata).encode(),
                  ContentType="application/json")
    return {"uploaded": key}


def is_replaced(stack_id: str) -> bool:
    """Whether a newer stack has the name by now: what lies in the bucket is then its own."""
    try:
        newest = cloudformation.describe_stacks(StackName=stack_id.split("/")[1])["Stacks"][0]
    except ClientError:  # no stack has the name
        return False
    return bool(newest["StackId"] != stack_id and not newest["StackStatus"].startswith("DELETE_"))


def resources_of(stack_id: str) -> list[dict[str, str]]:
    """Logical id, type, physical id and status of every resource of the stack."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_id)
    return [{"id": item["LogicalResourceId"], "type": item["ResourceType"],
             "name": item.get("PhysicalResourceId", ""), "status": item["ResourceStatus"]}
            for page in pages for item in page["StackResourceSummaries"]]
