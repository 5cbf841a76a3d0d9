"""One local cloud per test process, shared by all integration tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from livetui.aws import Aws
from livetui.cloud import LocalCloud


@pytest.fixture(scope="session")
def local_cloud() -> Iterator[LocalCloud]:
    """A running ministack. It is shared: give resources names of your own (`uuid4`), and assume no empty account."""
    with LocalCloud.start() as cloud:
        yield cloud


@pytest.fixture(scope="session")
def aws(local_cloud: LocalCloud) -> Aws:
    """Clients for the shared local cloud, as its root user."""
    return Aws(local_cloud.access)
