"""Parking on exit: what triggers the live stack waits while nobody is there, and wakes with the next session."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livetui.aws import Aws
from livetui.cloud import LocalCloud
from livetui.config import Settings, load
from livetui.session import chores
from livetui.session.events import LinkChanged, SessionFailed, SessionLive
from livetui.session.headless import live
from livetui.session.session import Session
from tests.integration.events import Heard

ORDERS = Path(__file__).parents[2] / "examples" / "orders"
pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("restart")]


def states_of(awslambda: Any) -> set[str]:
    """Of all event source mappings."""
    return {mapping["State"] for mapping in awslambda.list_event_source_mappings()["EventSourceMappings"]}


def test_what_was_on_is_off_after_the_session_and_on_again_with_the_next(tmp_path: Path) -> None:
    project = tmp_path / "shop"
    shutil.copytree(ORDERS, project)
    with LocalCloud.start(project / ".livetui") as cloud:
        awslambda = Aws(cloud.access).client("lambda")

        def states() -> set[str]:
            return states_of(awslambda)

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


def resumed(event: object) -> bool:
    """Whether this tells that sources were switched on again."""
    return "Resumed" in getattr(event, "text", "")


@contextlib.contextmanager
def parking(folder: Path) -> Iterator[tuple[Any, Settings]]:
    """A copy of the orders with a cloud of its own, whose sessions park when they end."""
    project = folder / "shop"
    shutil.copytree(ORDERS, project)
    with LocalCloud.start(project / ".livetui") as cloud:
        yield Aws(cloud.access).client("lambda"), load(project, {"local": True, "app": "shop", "park": "on-exit"})


def test_only_who_holds_the_stage_wakes_it_and_parks_it_and_only_at_the_end(tmp_path: Path) -> None:
    with parking(tmp_path) as (awslambda, settings):
        heard = Heard()
        first = Session(settings)
        with live(first, heard):
            # The stack is removed and deployed again under the open session: the link is opened anew.
            chores.remove(settings, on_progress=lambda step: None)
            told = len(heard.events)
            first.redeploy()
            heard.wait_for(lambda event: isinstance(event, SessionLive), after=told)
            assert states_of(awslambda) == {"Enabled"}
            assert first.can_park

            # Somebody who cannot have the stage wakes nothing.
            chores.park(settings, on_progress=lambda step: None)
            assert states_of(awslambda) == {"Disabled"}
            refused = Heard()
            second = Session(settings)
            second.subscribe(refused)
            second.start()
            refused.wait_for(lambda event: isinstance(event, SessionFailed))
            second.close()
            assert states_of(awslambda) == {"Disabled"}
            assert not any(resumed(event) for event in refused.events)

            # Who takes it over wakes it, and the one before may not park it any more.
            other = Heard()
            third = Session(load(settings.root, {"local": True, "app": "shop", "take_over": True}))
            with live(third, other):
                heard.wait_for(lambda event: isinstance(event, LinkChanged) and event.state == "taken-over")
                other.wait_for(resumed)
                assert (first.can_park, third.can_park) == (False, True)
                first.stop()
                assert first.wait(30)
                assert states_of(awslambda) == {"Enabled"}


@pytest.mark.long
def test_who_leaves_while_the_link_is_opened_anew_parks_all_the_same(tmp_path: Path) -> None:
    with parking(tmp_path) as (awslambda, settings):
        heard = Heard()
        session = Session(settings)
        with live(session, heard):
            chores.remove(settings, on_progress=lambda step: None)
            told = len(heard.events)
            session.subscribe(lambda event: isinstance(event, LinkChanged) and event.state == "connecting" and session.stop())
            session.redeploy()
            assert session.wait(60)
            assert not any(isinstance(event, SessionLive) for event in heard.events[told:])
        assert states_of(awslambda) == {"Disabled"}
