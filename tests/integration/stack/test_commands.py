"""Deploying, failing, recovering, attaching and removing as their user meets them: separate processes, one cloud."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livetui.aws import Aws
from livetui.cloud import LocalCloud
from livetui.stack.bootstrap import STACK
from tests.integration.console_process import ConsoleProcess
from tests.integration.stack.conftest import TEMPLATE
from tests.integration.stack.test_attach import make_function, remove_function, state

BROKEN = TEMPLATE.replace("VisibilityTimeout: 60", "VisibilityTimeout: 999999")
pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("stack-commands")]


def livetui(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "livetui", *words, "--local"], cwd=folder, capture_output=True,
                          text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)


def events(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def steps(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str]]:
    return [(event["resource"], event["status"]) for event in events(done) if event["event"] == "stack.progress"]


@pytest.fixture
def cloud(project: Path) -> Iterator[Aws]:
    """The project's own local cloud, which outlives the commands."""
    with LocalCloud.start(project / ".livetui") as running:
        yield Aws(running.access)


@pytest.mark.long
def test_a_failure_its_recovery_an_update_and_the_removal(project: Path, cloud: Aws) -> None:
    """Everything that happens is on stdout as NDJSON, and the cause in one line."""
    (project / "template.yaml").write_text(BROKEN)
    failed = livetui(project, "deploy", "--json", "--stage", "dev")
    assert failed.returncode == 1, failed.stderr
    assert {status for resource, status in steps(failed) if resource == "Queue"} >= {"CREATE_FAILED"}
    end = next(event for event in events(failed) if event["event"] == "session.failed")
    assert "Queue: " in end["why"]
    assert "\n" not in end["why"]
    print(end["what"], "|", end["why"])
    stack = "project-dev-live"

    def status() -> str:
        return str(cloud.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])

    assert status() == "ROLLBACK_COMPLETE"

    (project / "template.yaml").write_text(TEMPLATE)
    good = livetui(project, "deploy", "--json", "--stage", "dev")
    assert good.returncode == 0, good.stderr
    reasons = [event["reason"] for event in events(good) if event["event"] == "stack.progress"]
    assert any("Clearing away a stack in state ROLLBACK_COMPLETE" in reason for reason in reasons)
    assert steps(good)[-1][1] == "done"
    assert ("Hello", "CREATE_COMPLETE") in steps(good)

    (project / "template.yaml").write_text(BROKEN)
    failed = livetui(project, "deploy", "--json", "--stage", "dev")
    assert failed.returncode == 1
    assert ("Queue", "UPDATE_FAILED") in steps(failed)
    assert status() == "UPDATE_ROLLBACK_COMPLETE"
    (project / "template.yaml").write_text(TEMPLATE.replace("Default: hello", "Default: moin"))
    assert ("Hello", "UPDATE_COMPLETE") in steps(livetui(project, "deploy", "--json", "--stage", "dev"))

    removed = livetui(project, "remove", "--yes", "--json", "--stage", "dev")
    assert removed.returncode == 0
    assert ("Queue", "DELETE_COMPLETE") in steps(removed)
    assert f"{stack} is removed." in events(removed)[-1]["text"]


@pytest.mark.long
def test_production_wants_its_name_and_all_that_is_made_is_tagged(project: Path, cloud: Aws) -> None:
    (project / "livetui.toml").write_text('permissions-boundary = "arn:aws:iam::aws:policy/PowerUserAccess"\n'
                                          '[tags]\ncost-centre = "42"\n')
    refused = livetui(project, "deploy", "--stage", "prod")
    assert refused.returncode == 2
    assert "--yes-production 'project-prod-live'" in refused.stdout + refused.stderr
    assert "the stage is called prod" in refused.stdout + refused.stderr
    cloudformation = cloud.client("cloudformation")
    assert "project-prod-live" not in {item["StackName"] for item in cloudformation.describe_stacks()["Stacks"]}

    allowed = livetui(project, "deploy", "--stage", "prod", "--yes-production", "project-prod-live", "--json")
    assert allowed.returncode == 0, allowed.stderr

    def tags(stack: str) -> dict[str, str]:
        found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["Tags"]
        return {tag["Key"]: tag["Value"] for tag in found}

    made = tags("project-prod-live")
    assert made.pop("livetui:owner")
    assert made == {"livetui:app": "project", "livetui:stage": "prod", "cost-centre": "42"}
    assert tags(STACK).keys() == {"livetui:bootstrap", "livetui:owner", "cost-centre"}
    parameter = cloud.client("ssm").list_tags_for_resource(
        ResourceType="Parameter", ResourceId="/livetui/project/prod/signing-key")["TagList"]
    assert {"Key": "livetui:stage", "Value": "prod"} in parameter
    deployed = cloudformation.get_template(StackName="project-prod-live", TemplateStage="Original")["TemplateBody"]
    assert "PowerUserAccess" in str(deployed)


def test_a_terminal_is_asked_for_the_name(project: Path) -> None:
    """The name is asked for before anything else is done; another name than the right one stops it there."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}
    asking = subprocess.Popen([sys.executable, "-m", "livetui", "deploy", "--stage", "prod", "--region", "eu-west-1"],
                              cwd=project, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = ""
    while "to go on" not in shown:
        shown += os.read(ours, 4096).decode()
    assert "the stage is called prod" in shown
    assert "project-prod-live" in shown
    os.write(ours, b"something else\n")
    while "nothing was done" not in shown:
        shown += os.read(ours, 4096).decode()
    assert asking.wait(30) == 2
    os.close(ours)


@pytest.mark.long
def test_attach_kill_restart_restore_leaves_everything_as_it_was(project: Path, cloud: Aws) -> None:
    function = f"f{uuid.uuid4().hex[:8]}"
    make_function(cloud, function)
    (project / "app.py").write_text("def handler(event, context):\n    return ['local code', event]\n")

    def ask() -> Any:
        answer = cloud.client("lambda").invoke(FunctionName=function, Payload=b'{"a": 1}')
        return json.loads(answer["Payload"].read())

    try:
        before = state(cloud, function)
        assert ask() == "own code"
        first = ConsoleProcess(project, "attach", function, "--local")
        first.live()
        assert ask() == ["local code", {"a": 1}]
        assert state(cloud, function) != before
        first.end(signal.SIGKILL)
        assert ask() == "own code", "nobody is there: the deployed code answers"
        second = ConsoleProcess(project, "attach", function, "--local")
        second.live()
        assert ask() == ["local code", {"a": 1}]
        assert second.end() == 130
        restored = livetui(project, "restore")
        assert (restored.returncode, f"Restored: {function}." in restored.stderr) == (0, True), restored.stderr
        assert state(cloud, function) == before
        assert ask() == "own code"
        assert "No function is attached." in livetui(project, "restore").stderr

        awslambda = cloud.client("lambda")
        version = awslambda.publish_version(FunctionName=function)["Version"]
        awslambda.create_alias(FunctionName=function, Name="live", FunctionVersion=version)
        awslambda.add_permission(FunctionName=function, Qualifier="live", StatementId="t",
                                 Action="lambda:InvokeFunction", Principal="events.amazonaws.com")
        refused = livetui(project, "attach", function, "--json")
        assert refused.returncode == 1
        why = next(event["why"] for event in events(refused) if event["event"] == "session.failed")
        print(why)
        assert "its triggers call live" in why
    finally:
        remove_function(cloud, function)
