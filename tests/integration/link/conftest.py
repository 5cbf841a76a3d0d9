"""The fixture of a stage of its own, whose connections are metered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from livetui.aws import Aws
from tests.integration.link.link_live import Live
from tests.integration.link.quota_meter import QuotaMeter


@pytest.fixture(scope="session")
def meter(aws: Aws) -> Iterator[QuotaMeter]:
    """What all stages of these tests are metered by."""
    with QuotaMeter(aws.iot_endpoint().port, aws.access.ca_bundle or "") as running:
        yield running


@pytest.fixture
def live(aws: Aws, meter: QuotaMeter) -> Iterator[Live]:
    """A new app and stage with a bucket of its own; afterwards its functions are deleted, and no connection of its
    stubs and consoles may have passed a quota of AWS IoT."""
    stage = Live.new(aws, meter.port)
    yield stage
    meter.check(stage.app)
    for name in stage.functions.values():
        aws.client("lambda").delete_function(FunctionName=name)
