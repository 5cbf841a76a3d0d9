"""Mistakes of users: one clear message that says what to do, the right exit code, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.console_process import ConsoleProcess


class Shop:
    """One function on a local cloud, whose code each test replaces."""

    def __init__(self, folder: Path, console: ConsoleProcess) -> None:
        self.folder, self.console = folder, console

    def run(self, code: str) -> dict[str, Any]:
        """Save the code as a new module, invoke it, and wait for the row."""
        (self.folder / "app.py").write_text(code)
        seen = len(self.console.events)
        livetui(self.folder, "invoke", "Hello")
        return self.console.wait_for(lambda event: event["event"] == "invocation.finished", after=seen)


FUNCTION = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties: {Runtime: %s, Handler: %s, CodeUri: .}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    tmp_path = tmp_path_factory.mktemp("shop")
    (tmp_path / "template.yaml").write_text(FUNCTION % ("python3.13", "app.handler"))
    (tmp_path / "app.py").write_text("def handler(event, context): ...\n")
    console = ConsoleProcess(tmp_path, "--local")
    console.live()
    yield Shop(tmp_path, console)
    console.end()


def livetui(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return subprocess.run([sys.executable, "-m", "livetui", *words], cwd=folder, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60, check=False,
                          env={**clean, "HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true", **environment})


@pytest.mark.parametrize(("template", "words"), [
    (None, ["template", "livetui demo"]),
    ("Resources: [\n", ["template.yaml", "line"]),
    ("Resources: {Topic: {Type: AWS::SNS::Topic}}\n", ["Lambda function"]),
    (FUNCTION % ("nodejs22.x", "index.handler"), ["Python function"]),
])
def test_a_template_that_cannot_be_used(tmp_path: Path, template: str | None, words: list[str]) -> None:
    if template is not None:
        (tmp_path / "template.yaml").write_text(template)
    done = livetui(tmp_path, "--headless", "--region", "eu-west-1")
    assert done.returncode == 2, done.stdout + done.stderr
    said = done.stdout + done.stderr
    for word in words:
        assert word.lower() in said.lower()
    assert "Traceback" not in said


@pytest.mark.parametrize(("environment", "words"), [
    ({"AWS_REGION": "eu-west-1"}, "credentials"),
    ({}, "region"),
    ({"AWS_REGION": "eu-west-1", "AWS_PROFILE": "nobody"}, "nobody"),
])
def test_no_way_into_aws(tmp_path: Path, environment: dict[str, str], words: str) -> None:
    (tmp_path / "template.yaml").write_text(FUNCTION % ("python3.13", "app.handler"))
    (tmp_path / "app.py").write_text("def handler(event, context): ...\n")
    done = livetui(tmp_path, "--headless", **environment)
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert words in said
    assert "livetui demo" in said or "profile" in said
    assert "Traceback" not in said


def test_ministack_missing_names_the_extra(tmp_path: Path) -> None:
    hide = tmp_path / "hide"
    hide.mkdir()
    (hide / "sitecustomize.py").write_text("import sys\nsys.modules['ministack'] = None\n")
    done = livetui(tmp_path, "demo", "--headless", PYTHONPATH=str(hide))
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert "livetui[local]" in said


@pytest.mark.parametrize(("code", "error"), [
    ("", "Runtime.HandlerNotFound"),
    ("import nothing_of_this_name\n", "Runtime.ImportModuleError"),
    ("def handler(event, context)\n    pass\n", "Runtime.UserCodeSyntaxError"),
    ("import sys\ndef handler(event, context): sys.exit(3)\n", "Runtime.ExitError"),
    ("def handler(event, context): return object()\n", "Runtime.MarshalError"),
    ("def handler(event, context):\n    print('x' * 3_000_000)\n    return 'ok'\n", ""),
])
def test_handlers_that_go_wrong_are_told_as_lambda_would(shop: Shop, code: str, error: str) -> None:
    row = shop.run(code)
    assert (row["state"], row["error"].partition(":")[0]) == (("error", error) if error else ("ok", ""))


@pytest.mark.parametrize("stage", ["cloud", "bootstrap", "deploy", "connect", "live"])
def test_ctrl_c_at_every_stage_ends_cleanly(tmp_path: Path, stage: str) -> None:
    console = ConsoleProcess(tmp_path, "demo", "--no-traffic", environment={"TMPDIR": str(tmp_path)})
    console.wait_for(lambda event: stage in (event.get("phase"), event["event"].removeprefix("session.")))
    assert console.end() == 130
    assert console.events[-1]["event"] == "session.ended"
    assert "Traceback" not in console.words
    assert not (tmp_path / ".livetui" / "cloud.json").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".livetui", "livetui-demo"]
