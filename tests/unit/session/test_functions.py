"""How a function of the cloud runs here, and what people hear when it cannot as it should."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from livetui.config import load
from livetui.errors import LivetuiError, in_one_line
from livetui.session.functions import Functions
from livetui.stack.contract import LiveFunction, LiveStack

RUNTIME = f"python{sys.version_info[0]}.{sys.version_info[1]}"


class Aws:
    region = "eu-west-1"


def stack_of(code_root: Path, handler: str, runtime: str = RUNTIME) -> LiveStack:
    function = LiveFunction("F", "f", "arn", handler, runtime, code_root, 3, 128, live=True)
    return LiveStack("s", "arn", "a", "dev", {}, {"F": function}, "bucket")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livetui.session.functions.deployment.environments", lambda *_: {"F": {}})


def test_a_handler_that_a_package_brings_is_not_missed(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, "tracing_lambda.handler.handler")
    packages = tmp_path / ".venv/lib" / RUNTIME / "site-packages"
    for path in (tmp_path / ".venv/bin/python", packages / "tracing_lambda/handler.py"):
        path.parent.mkdir(parents=True)
        path.touch()
    functions = Functions(load(tmp_path, {"app": "shop"}), nullcontext, print)
    missed, = functions.specs(Aws(), stack, {})  # type: ignore[arg-type]
    assert missed.trouble is not None and missed.trouble.lacks == "handler", "no environment: without its pyvenv.cfg"
    (tmp_path / ".venv/pyvenv.cfg").write_text("version = 3.12.1")
    found, = functions.specs(Aws(), stack, {})  # type: ignore[arg-type]
    assert found.trouble is None


@pytest.mark.long
@pytest.mark.parametrize("with_uv", [True, False])
def test_where_its_python_is_not_to_be_had_the_packages_are_installed_for_livetuis_own(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_uv: bool) -> None:
    if not with_uv:
        monkeypatch.setattr("livetui.runtime.requirements.find_uv", lambda: None)
    (tmp_path / "app.py").write_text("def handler(event, context): ...")
    (tmp_path / "requirements.txt").write_text("six\n")
    warned: list[str] = []
    for _ in range(2):
        functions = Functions(load(tmp_path, {"app": "shop"}), nullcontext, warned.append)
        spec, = functions.specs(Aws(), stack_of(tmp_path, "app.handler", "python3.99"), {})  # type: ignore[arg-type]
        assert subprocess.run([spec.interpreter, "-c", "import six, boto3"], check=False).returncode == 0
        assert "3.99" in warned[0], "why, in the tool's words"
        info = functions.infos(stack_of(tmp_path, "app.handler", "python3.99"), None)["F"]
        assert info.lacks == ""
        assert any("to try again, delete" in each for each in info.warnings), info.warnings
    assert len([each for each in warned if "was not made" in each or "There is no Python" in each]) == 1


def test_requirements_that_cannot_be_installed_stay_in_sight(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def handler(event, context): ...")
    (tmp_path / "requirements.txt").write_text("./not-here\n")
    steps: list[str] = []

    @contextmanager
    def step(name: str) -> Iterator[None]:
        try:
            yield
        except LivetuiError as error:
            steps.append(f"{name}: {in_one_line(error)}")
            raise

    warned: list[str] = []
    functions = Functions(load(tmp_path, {"app": "shop"}), step, warned.append)
    stack = stack_of(tmp_path, "app.handler")
    functions.specs(Aws(), stack, {})  # type: ignore[arg-type]
    info = functions.infos(stack, None)["F"]
    assert (info.lacks, info.broken, info.words) == ("packages", False, "runs without its packages")
    assert steps[0].startswith(f"environment for {tmp_path.name}/requirements.txt: The environment for requirements.txt")
    # The folder is not there, or the Python for it cannot be had where nothing is reached: in the tool's words.
    assert steps[0].partition(" was not made. ")[2], steps[0]
    assert "\n" not in steps[0]
    assert "it is used as soon as it is there" in warned[0]
