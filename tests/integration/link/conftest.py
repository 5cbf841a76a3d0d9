"""The fixture of a stage of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from livetui.aws import Aws
from tests.integration.link.link_live import Live


@pytest.fixture
def live(aws: Aws) -> Iterator[Live]:
    """A new app and stage with a bucket of its own; its functions are deleted afterwards."""
    token = uuid.uuid4().hex[:8]
    bucket = f"livetui-{token}"
    aws.client("s3").create_bucket(Bucket=bucket,
                                   CreateBucketConfiguration={"LocationConstraint": aws.region})
    stage = Live(aws, f"app-{token}", "dev", bucket)
    yield stage
    for name in stage.functions.values():
        aws.client("lambda").delete_function(FunctionName=name)
