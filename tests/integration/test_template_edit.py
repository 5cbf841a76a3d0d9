"""Edits of the template while it is live, and a session on functions that were deployed by somebody else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from livetui.config import load
from livetui.session.events import InvocationArrived, Notice, SessionLive, StackProgress
from livetui.session.headless import live
from livetui.session.session import Session
from tests.integration.events import Heard

ORDERS = Path(__file__).parents[2] / "examples" / "orders"
pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("restart")]


@pytest.mark.parametrize("redeploy", ["ask", "always"])
def test_a_saved_template_says_what_it_would_change_or_is_deployed(tmp_path: Path, redeploy: str) -> None:
    project = tmp_path / "shop"
    shutil.copytree(ORDERS, project)
    (project / "livetui.toml").write_text(f'redeploy = "{redeploy}"\n')
    heard = Heard()
    session = Session(load(project, {"local": True, "app": "shop"}))
    with live(session, heard):
        template = project / "template.yaml"
        before = template.read_text("utf-8")
        after = before.replace("Timeout: 10", "Timeout: 12")
        template.write_text(after, "utf-8")
        if redeploy == "ask":
            notice = heard.wait_for(lambda event: isinstance(event, Notice) and "template changed" in event.text)
            assert "Globals" in notice.text
            template.write_text(before, "utf-8")
            heard.wait_for(lambda event: isinstance(event, Notice) and event.lasting == "")
            template.write_text(after, "utf-8")
            session.redeploy()
        again = heard.wait_for(lambda event: isinstance(event, SessionLive), after=heard.index(SessionLive) + 1)
        assert again.changed


def test_a_broken_template_keeps_what_is_live(tmp_path: Path) -> None:
    project = tmp_path / "shop"
    shutil.copytree(ORDERS, project)
    heard = Heard()
    session = Session(load(project, {"local": True, "app": "shop"}))
    with live(session, heard):
        deployed = (project / "template.yaml").read_text("utf-8")
        (project / "template.yaml").write_text("Resources: [\n", "utf-8")
        notice = heard.wait_for(lambda event: isinstance(event, Notice) and event.lasting == "✗ template broken")
        assert "template.yaml" in notice.text
        session.redeploy()
        heard.wait_for(lambda event: isinstance(event, Notice) and event.lasting == "✗ not deployed")
        step = [event for event in heard.events if isinstance(event, StackProgress)][-1]
        assert (step.phase, step.status) == ("deploy", "failed")
        assert "template.yaml" in step.reason
        told = len(heard.events)
        (project / "template.yaml").write_text(deployed, "utf-8")
        heard.wait_for(lambda event: isinstance(event, Notice) and event.lasting == "", after=told)
        (project / "livetui.toml").write_text("concurrency = 2\n", "utf-8")
        heard.wait_for(lambda event: isinstance(event, Notice) and event.text.startswith("livetui.toml was saved"))
        taken: list[str] = []
        session.invoke("ListOrders", b"{}", taken.append)
        row = heard.finished("ListOrders").row
        assert row.state == "ok"
        assert taken == [row.request_id]


def test_an_invocation_that_fails_runs_once_and_is_known_for_ones_own(tmp_path: Path) -> None:
    project = tmp_path / "shop"
    shutil.copytree(ORDERS, project)
    heard = Heard()
    session = Session(load(project, {"local": True, "app": "shop"}))
    with live(session, heard):
        aws = session._engine.aws
        assert aws is not None
        kinds: list[str] = []
        aws.client("lambda", once=True).meta.events.register(
            "provide-client-params.lambda.Invoke",
            lambda params, **_: kinds.append(params.get("InvocationType", "RequestResponse")))
        taken: list[str] = []
        session.invoke("GetOrder", b'{"not": ["an", "HTTP", "event"]}', taken.append)
        failed = heard.finished("GetOrder").row
        assert failed.state == "error"
        assert taken == [failed.request_id]
        assert kinds == ["RequestResponse"]  # Lambda retries what is sent as an Event
    assert sum(isinstance(event, InvocationArrived) for event in heard.events) == 1
