"""Variables that somebody changes in the cloud while a session is live."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
Globals:
  Function: {Handler: app.handler, Runtime: python3.11, CodeUri: ., Environment: {Variables: {GREETING: hello}}}
Resources:
  Hello: {Type: AWS::Serverless::Function}
  Attacked: {Type: AWS::Serverless::Function}
"""
CODE = """
import os, sys

def handler(event, context):
    return {"environ": dict(os.environ), "path": sys.path}
"""

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("restart")]


class Shop:
    """A live session, and somebody else in the same account."""

    def __init__(self, session: Session, heard: Heard, cloud: LocalCloud) -> None:
        self.session, self.heard = session, heard
        self._lambda: Any = Aws(cloud.access).client("lambda")

    def seen_by(self, function: str) -> Any:
        """What the handler finds in its process."""
        before = len(self.heard.events)
        self.session.invoke(function, b"{}", lambda _: None)
        return json.loads(self.session.invocation(
            self.heard.finished(function, after=before).row.id).response or b"")

    def change(self, function: str, **variables: str) -> None:
        """Set variables in the cloud."""
        name = self.session.status().live.functions[function].name
        now = self._lambda.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        self._lambda.update_function_configuration(
            FunctionName=name, Environment={"Variables": {**now, **variables}})
        self._lambda.get_waiter("function_updated_v2").wait(FunctionName=name)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "template.yaml").write_text(TEMPLATE, "utf-8")
    (folder / "app.py").write_text(CODE, "utf-8")
    settings, heard = load(folder, {"local": True, "app": "shop"}), Heard()
    session = Session(settings)
    with live(session, heard):
        cloud = LocalCloud.find(settings.state)
        assert cloud is not None
        yield Shop(session, heard, cloud)


def test_a_variable_changed_in_the_cloud_counts_for_the_next_call(shop: Shop) -> None:
    assert [shop.seen_by("Hello")["environ"]["GREETING"] for _ in range(2)] == ["hello"] * 2
    shop.change("Hello", GREETING="hi")
    assert shop.seen_by("Hello")["environ"]["GREETING"] == "hi"
    told = [event.text for event in shop.heard.events if isinstance(event, Notice) and "variables of Hello" in event.text]
    assert told == ["The variables of Hello changed in the cloud: they count now."]


def test_a_variable_that_executes_code_never_comes_from_the_cloud(shop: Shop, tmp_path: Path) -> None:
    before = shop.seen_by("Attacked")
    evil = str(tmp_path / "evil")
    shop.change("Attacked", GREETING="attack", PYTHONPATH=evil, PYTHONHOMES=evil, LD_PRELOAD=f"{evil}/evil.so",
                DYLD_INSERT_LIBRARIES=evil, PATH=f"{evil}:{before['environ']['PATH']}",
                AWS_LAMBDA_RUNTIME_API="127.0.0.1:9", AWS_LAMBDA_EXEC_WRAPPER=evil)
    after = shop.seen_by("Attacked")
    assert after["environ"]["GREETING"] == "attack"
    assert after["environ"].keys() == before["environ"].keys()
    assert after["environ"]["PATH"] == before["environ"]["PATH"]
    assert after["path"] == before["path"]
