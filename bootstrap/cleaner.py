"""Deletes the bucket's objects that are no longer needed: all of them with the stack, one application's on request.

Called in two ways: by CloudFormation as the custom resource `EmptyBucket` (answered at its ResponseURL on every path,
or the stack would hang for an hour), and directly with `{"remove": {"app": "orders", "stage": "dev", "until": TIME}}`.
What was written at that time (ISO 8601, whole seconds) or after it stays: such a call may come hours late, when a newer
session is at work.
"""

from __future__ import annotations

import json
import os
import urllib.request
from datetime import datetime
from typing import Any

import boto3

s3 = boto3.client("s3")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer CloudFormation when it asks, else delete one application's objects and say how many they were."""
    if "ResponseURL" in event:
        return answer_cloudformation(event, context)
    app, stage, until = (event["remove"].get(name) for name in ("app", "stage", "until"))
    limit = datetime.fromisoformat(until.replace("Z", "+00:00")) if until else None
    return {"deleted": sum(empty(os.environ["BUCKET"], prefix, until=limit) for prefix in prefixes_of(app, stage))}


def prefixes_of(app: str, stage: str) -> list[str]:
    """The places in the bucket that belong to one stage of one application and to nothing else."""
    single = [f"{place}/{app}/{stage}.json" for place in ("owners", "parked")]
    return single + [f"{place}/{app}/{stage}/" for place in ("payloads", "templates", "artifacts")]


def answer_cloudformation(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Empty the bucket on Delete and report the outcome; a failure to empty it is reported, not raised."""
    bucket = event["ResourceProperties"]["Bucket"]
    answer = {"Status": "SUCCESS", "Reason": "", "PhysicalResourceId": event.get("PhysicalResourceId") or bucket,
              "StackId": event["StackId"], "RequestId": event["RequestId"],
              "LogicalResourceId": event["LogicalResourceId"]}
    try:
        # A changed physical id makes CloudFormation send Delete for the old bucket name, which is right.
        if event["RequestType"] == "Delete":
            answer["Data"] = {"Deleted": str(empty(answer["PhysicalResourceId"], "", context))}
        else:
            answer["PhysicalResourceId"] = bucket
    except Exception as error:  # noqa: BLE001  (the answer below carries it to the stack's events)
        answer["Status"] = "FAILED"
        answer["Reason"] = f"{type(error).__name__}: {error}"[:1000]
    request = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT",  # noqa: S310
                                     headers={"Content-Type": ""})
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310  (CloudFormation's own presigned address)
        return answer


def empty(bucket: str, prefix: str, context: Any = None, until: datetime | None = None) -> int:
    """Delete every object and version under `prefix`, or those from before `until`; no bucket counts as empty.

    Raises `TimeoutError` half a minute before the function's own deadline, while there is time to answer.
    """
    deleted = 0
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
            found = [{"Key": item["Key"], "VersionId": item["VersionId"]}
                     for item in page.get("Versions", []) + page.get("DeleteMarkers", [])
                     if until is None or item["LastModified"].replace(microsecond=0) < until]
            if not found:
                continue
            failed = s3.delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True}).get("Errors")
            if failed:
                raise RuntimeError(f"{failed[0]['Key']}: {failed[0]['Message']}")
            deleted += len(found)
            if context is not None and context.get_remaining_time_in_millis() < 30_000:
                raise TimeoutError(f"{deleted} objects are deleted, more are left: delete the stack once more.")
    except s3.exceptions.NoSuchBucket:
        return deleted
    return deleted
