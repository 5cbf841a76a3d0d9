"""Variables that somebody changes in the cloud while a session is live."""

from __future__ import annotations

from pathlib import Path

import pytest

from livetui.aws import Aws
from livetui.cloud import LocalCloud
from livetui.config import load
from livetui.session.events import Notice
from livetui.session.headless import live
from livetui.session.session import Session
from tests.integration.events import Heard

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler, Runtime: python3.11, CodeUri: ., Environment: {Variables: {GREETING: hello}}}
"""
CODE = """
import os

def handler(event, context):
    return os.environ["GREETING"]
"""


@pytest.mark.timeout(120)
@pytest.mark.xdist_group("restart")
def test_a_variable_changed_in_the_cloud_counts_for_the_next_call(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE, "utf-8")
    (tmp_path / "app.py").write_text(CODE, "utf-8")
    settings, heard = load(tmp_path, {"local": True, "app": "shop"}), Heard()
    session = Session(settings)
    with live(session, heard):

        def greeting() -> bytes | None:
            before = len(heard.events)
            session.invoke("Hello", b"{}", lambda _: None)
            return session.invocation(heard.finished("Hello", after=before).row.id).response

        assert [greeting(), greeting()] == [b'"hello"'] * 2
        cloud = LocalCloud.find(settings.state)
        assert cloud is not None
        awslambda = Aws(cloud.access).client("lambda")
        name = session.status().live.functions["Hello"].name
        variables = awslambda.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        awslambda.update_function_configuration(
            FunctionName=name, Environment={"Variables": {**variables, "GREETING": "hi"}})
        awslambda.get_waiter("function_updated_v2").wait(FunctionName=name)
        assert greeting() == b'"hi"'
        told = [event.text for event in heard.events if isinstance(event, Notice) and "variables" in event.text]
        assert told == ["The variables of Hello changed in the cloud: they count now."]
