"""A session that takes its stage back keeps its local cloud; one whose stage was removed serves again once deployed."""

from __future__ import annotations

import contextlib
import queue
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from livetui.aws import Aws
from livetui.cloud import LocalCloud
from livetui.config import load
from livetui.session import chores, engine
from livetui.session.events import LinkChanged, Notice, SessionLive
from livetui.session.headless import live
from livetui.session.session import Session
from livetui.stack.names import stack_name
from tests.integration.events import Heard

ORDERS = Path(__file__).parents[2] / "examples" / "orders"


@contextlib.contextmanager
def refused_for(session: Session, rounds: int) -> Iterator[None]:
    """At least so many times the functions' configurations may not be read; it ends with the last."""
    aws = session._engine.aws
    assert aws is not None
    events, name = aws.client("lambda").meta.events, "before-call.lambda.GetFunctionConfiguration"
    asked: queue.Queue[str] = queue.Queue()

    def refuse(params: dict[str, Any], **_: Any) -> None:
        asked.put(params["url_path"])
        raise ClientError({"Error": {"Code": "ServiceException", "Message": "later"}}, "GetFunctionConfiguration")

    events.register(name, refuse, unique_id="refuse")
    try:
        yield
        first = asked.get(timeout=30)
        for _ in range(rounds - 1):
            while asked.get(timeout=30) != first:
                pass
    finally:
        events.unregister(name, unique_id="refuse")


@pytest.mark.timeout(120)
@pytest.mark.xdist_group("restart")
def test_whose_stage_was_taken_over_deploys_nothing_beneath_the_new_owner(tmp_path: Path) -> None:
    project = tmp_path / "shop"
    shutil.copytree(ORDERS, project)
    template = project / "template.yaml"
    settings, heard = load(project, {"local": True, "app": "shop"}), Heard()
    with LocalCloud.start(settings.state) as cloud, live(first := Session(settings), heard):
        stacks = Aws(cloud.access).client("cloudformation")
        with live(Session(load(project, {"local": True, "app": "shop", "take_over": True})), Heard()):
            heard.wait_for(lambda event: isinstance(event, LinkChanged) and event.state == "taken-over")
            name = stack_name("shop", settings.stage)
            deployed = stacks.get_template(StackName=name)["TemplateBody"]
            template.write_text(template.read_text("utf-8").replace("VisibilityTimeout: 120", "VisibilityTimeout: 12"))
            first.redeploy()
            heard.wait_for(lambda event: "is held by" in getattr(event, "reason", "") + getattr(event, "text", ""))
            assert stacks.get_template(StackName=name)["TemplateBody"] == deployed


@pytest.mark.timeout(120)
@pytest.mark.xdist_group("restart")
def test_the_stage_taken_back_or_deployed_again_serves_on_the_same_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_DRIFT_EVERY_S", 1.0)
    project = tmp_path / "shop"
    shutil.copytree(ORDERS, project)
    settings = load(project, {"local": True, "app": "shop"})
    heard = Heard()
    session = Session(settings)
    with live(session, heard):
        before = LocalCloud.find(settings.state)
        assert before is not None
        sqs = Aws(before.access).client("sqs")
        sqs.create_queue(QueueName="made-by-hand")

        session.take_over()
        heard.wait_for(lambda event: isinstance(event, SessionLive), after=heard.index(SessionLive) + 1)
        after = LocalCloud.find(settings.state)
        assert after is not None
        assert after.record == before.record
        assert "made-by-hand" in sqs.get_queue_url(QueueName="made-by-hand")["QueueUrl"]

        with refused_for(session, rounds=3):
            heard.wait_for(lambda event: isinstance(event, Notice) and "cannot be seen" in event.text)
        assert sum("cannot be seen" in getattr(event, "text", "") for event in heard.events) == 1

        assert "removed" in chores.remove(settings, on_progress=lambda step: None)
        heard.wait_for(lambda event: isinstance(event, Notice) and "stack removed" in (event.lasting or ""))
        told = len(heard.events)
        session.redeploy()
        heard.wait_for(lambda event: isinstance(event, SessionLive), after=told)
        assert 'orders' in chores.invoke(settings, "ListOrders", b"{}", asynchronous=False).body
    assert LocalCloud.find(settings.state) is None
