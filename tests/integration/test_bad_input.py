"""Mistakes of users: one clear message that says what to do, the right exit code, nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.console_process import ConsoleProcess

FUNCTION = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties: {Runtime: %s, Handler: %s, CodeUri: .}
"""


GOES_WRONG = {
    "Missing": ("", "Runtime.HandlerNotFound"),
    "Import": ("import nothing_of_this_name\n", "Runtime.ImportModuleError"),
    "Syntax": ("def handler(event, context)\n    pass\n", "Runtime.UserCodeSyntaxError"),
    "Exit": ("import sys\ndef handler(event, context): sys.exit(3)\n", "Runtime.ExitError"),
    "Unmarshalled": ("def handler(event, context): return object()\n", "Runtime.MarshalError"),
    "Megabytes": ("def handler(event, context):\n    print('x' * 3_000_000)\n    return 'ok'\n", ""),
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ConsoleProcess]]:
    """A live application with one function per mistake."""
    folder = tmp_path_factory.mktemp("shop")
    template = "Transform: AWS::Serverless-2016-10-31\nResources:\n"
    for name, (code, _) in GOES_WRONG.items():
        template += (f"  {name}: {{Type: AWS::Serverless::Function, "
                     f"Properties: {{Runtime: python3.13, Handler: app.handler, CodeUri: {name}/}}}}\n")
        (folder / name).mkdir()
        (folder / name / "app.py").write_text(code)
    (folder / "template.yaml").write_text(template)
    console = ConsoleProcess(folder, "--local")
    console.live()
    yield folder, console
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


@pytest.mark.xdist_group("goes-wrong")
@pytest.mark.parametrize("function", GOES_WRONG)
def test_handlers_that_go_wrong_are_told_as_lambda_would(shop: tuple[Path, ConsoleProcess], function: str) -> None:
    folder, console = shop
    error = GOES_WRONG[function][1]
    livetui(folder, "invoke", function)
    row = console.finished(function=function)
    assert (row["state"], row["error"].partition(":")[0]) == (("error", error) if error else ("ok", ""))


@pytest.mark.parametrize("stage", ["live", *(
    pytest.param(each, marks=pytest.mark.long) for each in ("cloud", "bootstrap", "package", "deploy", "connect"))])
def test_ctrl_c_at_every_stage_ends_cleanly(tmp_path: Path, stage: str) -> None:
    console = ConsoleProcess(tmp_path, "demo", "--no-traffic", environment={"TMPDIR": str(tmp_path)})
    console.wait_for(lambda event: stage in (event.get("phase"), event["event"].removeprefix("session.")))
    children = psutil.Process(console.process.pid).children(recursive=True)
    assert console.end() == 130
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert console.events[-1]["event"] == "session.ended"
    assert "Traceback" not in console.words
    assert not (tmp_path / ".livetui" / "cloud.json").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".livetui", "livetui-demo"]


def test_a_second_ctrl_c_leaves_at_once_when_aws_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(FUNCTION % ("python3.13", "app.handler"))
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        console = ConsoleProcess(tmp_path, "--region", "eu-west-1", environment={
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}", "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "y"})
        silent.settimeout(30)
        silent.accept()
        console.process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            console.process.wait(1)
        assert console.end(signal.SIGINT, timeout=5) == 130


@pytest.mark.parametrize(("settings", "word"), [("app = 5\n", "app"), ('stage = ["x"]\n', "stage")])
def test_settings_of_the_wrong_kind(tmp_path: Path, settings: str, word: str) -> None:
    (tmp_path / "livetui.toml").write_text(settings)
    done = livetui(tmp_path, "config")
    assert (done.returncode, "Traceback" in done.stderr, word in done.stderr) == (2, False, True)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(FUNCTION % ("python3.13", "app.handler"))
    for words in (["synth", "-o", "nowhere/x"], ["--headless", "--log", "/dev/null/x"]):
        done = livetui(tmp_path, *words)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert "cannot be written" in done.stderr
