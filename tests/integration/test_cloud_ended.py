"""A local cloud that ends under its console: whoever ends it is asked first, and the console says so and starts another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from livetui.cli import cli
from livetui.cloud import LocalCloud
from livetui.config import load
from livetui.errors import UsageError
from livetui.session import chores
from livetui.session.events import SessionEnded, SessionFailed, SessionLive
from livetui.session.headless import live
from livetui.session.session import Session
from tests.integration.events import Heard

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler, Runtime: python3.11, CodeUri: .}
"""


@pytest.mark.long
@pytest.mark.timeout(120)
@pytest.mark.xdist_group("restart")
def test_who_stops_the_cloud_of_a_console_is_asked_and_the_console_starts_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE, "utf-8")
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return 'hello'\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    settings, heard = load(tmp_path, {"local": True, "app": "shop"}), Heard()
    session = Session(settings)
    with live(session, heard):
        first = LocalCloud.find(settings.state)
        assert first is not None

        unasked = CliRunner().invoke(cli, ["cloud", "stop"])
        assert isinstance(unasked.exception, UsageError)
        assert (f"process {os.getpid()}" in str(unasked.exception), "--yes" in str(unasked.exception)) == (True, True)
        assert first.is_alive

        told = len(heard.events)
        assert "has ended" in CliRunner().invoke(cli, ["cloud", "stop", "--yes"]).output
        failed = heard.wait_for(lambda event: isinstance(event, SessionFailed), timeout=20)
        assert failed.what == "The local cloud has ended."
        assert "D starts a new one" in failed.hint
        heard.wait_for(lambda event: isinstance(event, SessionEnded), after=told)
        assert "No local cloud" in CliRunner().invoke(cli, ["cloud", "stop"]).output  # nothing to ask about

        session.redeploy()
        heard.wait_for(lambda event: isinstance(event, SessionLive), after=told)
        second = LocalCloud.find(settings.state)
        assert second is not None
        assert second.record.pid != first.record.pid
        assert chores.invoke(settings, "Hello", b"{}", asynchronous=False).body == '"hello"'
