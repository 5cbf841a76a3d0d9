"""How a function of the cloud runs here, and what people hear when it cannot as it should."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from livetui.config import load
from livetui.errors import LivetuiError, in_one_line
from livetui.session.functions import Functions
from livetui.stack.contract import LiveFunction, LiveStack

RUNTIME = f"python{sys.version_info[0]}.{sys.version_info[1]}"


def test_requirements_that_cannot_be_installed_stay_in_sight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livetui.session.functions.deployment.environments", lambda *_: {"F": {}})
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
    function = LiveFunction("F", "f", "arn", "app.handler", RUNTIME, tmp_path, 3, 128, live=True)
    stack = LiveStack("s", "arn", "a", "dev", {}, {"F": function}, "bucket")

    class Aws:
        region = "eu-west-1"

    functions.specs(Aws(), stack, {})  # type: ignore[arg-type]
    info = functions.infos(stack, None)["F"]
    assert (info.lacks, info.broken, info.words) == ("packages", False, "runs without its packages")
    assert steps[0].startswith(f"environment for {tmp_path.name}/requirements.txt: The environment for requirements.txt")
    assert "not-here" in steps[0], "the reason, in the tool's words"
    assert "\n" not in steps[0]
    assert "it is used as soon as it is there" in warned[0]
