"""The bootstrap stack on the local cloud: made once, skipped, cleaned up with everything in it."""

from __future__ import annotations

import json
import time

import pytest

from livetui.aws import Aws
from livetui.stack import bootstrap
from livetui.stack.contract import Progress


def test_a_second_call_is_skipped_at_once(aws: Aws) -> None:
    bootstrap.ensure(aws, lambda _: None)
    steps: list[Progress] = []
    begun = time.monotonic()
    again = bootstrap.ensure(aws, steps.append)
    assert time.monotonic() - begun < 0.5
    assert not again.created
    assert [step.status for step in steps] == ["skipped"]


def test_the_bucket_is_private_and_encrypted(aws: Aws) -> None:
    bucket = bootstrap.ensure(aws, lambda _: None).bucket
    s3 = aws.client("s3")
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_encryption(Bucket=bucket)
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    assert policy["Statement"][0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_removal_takes_the_objects_with_it(aws: Aws) -> None:
    bucket = bootstrap.ensure(aws, lambda _: None).bucket
    s3 = aws.client("s3")
    for number in range(3):
        s3.put_object(Bucket=bucket, Key=f"payloads/{number}", Body=b"x")
    steps: list[Progress] = []
    assert bootstrap.remove(aws, steps.append)
    assert bootstrap.find(aws) is None
    assert bucket not in [item["Name"] for item in s3.list_buckets()["Buckets"]]
    assert ("EmptyBucket", "DELETE_COMPLETE") in [(step.resource, step.status) for step in steps]
    assert not bootstrap.remove(aws, steps.append)


def test_an_older_stack_is_upgraded_in_place(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    first = bootstrap.ensure(aws, lambda _: None)
    newer = bootstrap.template().replace(f'Value: "{first.version}"', f'Value: "{first.version + 1}"')
    with monkeypatch.context() as patch:
        patch.setattr(bootstrap, "VERSION", first.version + 1)
        patch.setattr(bootstrap, "template", lambda: newer)
        upgraded = bootstrap.ensure(aws, lambda _: None)
    assert upgraded.created
    assert upgraded.version == first.version + 1
    assert upgraded.bucket == first.bucket
    assert not bootstrap.ensure(aws, lambda _: None).created, "a newer stack is used as it is"
    bootstrap.remove(aws, lambda _: None)
