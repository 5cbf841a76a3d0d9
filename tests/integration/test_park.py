"""Parking on exit: what triggers the live stack waits while nobody is there, and wakes with the next session."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from livetui.aws import Aws
from livetui.cloud import LocalCloud
from livetui.config import load
from livetui.session.headless import live
from livetui.session.session import Session
from tests.integration.events import Heard

ORDERS = Path(__file__).parents[2] / "examples" / "orders"
pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("restart")]


def test_what_was_on_is_off_after_the_session_and_on_again_with_the_next(tmp_path: Path) -> None:
    project = tmp_path / "shop"
    shutil.copytree(ORDERS, project)
    with LocalCloud.start(project / ".livetui") as cloud:
        awslambda = Aws(cloud.access).client("lambda")

        def states() -> set[str]:
            return {mapping["State"] for mapping in awslambda.list_event_source_mappings()["EventSourceMappings"]}

        settings = load(project, {"local": True, "app": "shop"})
        first = Session(settings)
        with live(first, Heard()):
            assert states() == {"Enabled"}
            first.park_and_stop()
        assert states() == {"Disabled"}
        heard = Heard()
        with live(Session(settings), heard):
            notice = heard.wait_for(lambda event: "Resumed" in getattr(event, "text", ""))
            assert "ShipOrdersOrders" in notice.text
            assert states() == {"Enabled"}
