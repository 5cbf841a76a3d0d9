"""A history in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from livetui.session.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".livetui" / "invocations.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store.open(path)
    opened.begin_session("dev", app="orders", stage="ada", region="eu-west-1")
    yield opened
    opened.close()
