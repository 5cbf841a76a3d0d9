"""The soak's own parts: a judge that can say no, and a project whose breakpoint is where the soak thinks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.soaking.project import PAUSE_LINE, Project
from benchmarks.soaking.traffic import judge


def answer(**values: Any) -> bytes:
    return json.dumps(values).encode()


@pytest.mark.parametrize(("pad", "fail", "error", "payload", "verdict"), [
    ("", False, "", answer(token="mine"), "ok"),
    ("ab", False, "", answer(token="mine", pad="ab"), "ok"),
    ("ab", False, "", answer(token="mine", pad="a"), "wrong"),
    ("", False, "", answer(token="another's"), "wrong"),
    ("", False, "", b"null", "wrong"),
    ("", True, "", answer(token="mine"), "wrong"),
    ("", True, "Unhandled", answer(errorType="DeclinedError", errorMessage="mine"), "ok"),
    ("", True, "Unhandled", answer(errorType="Runtime.HandlerError", errorMessage="mine"), "ok"),
    ("", True, "Unhandled", answer(errorType="DeclinedError", errorMessage="another's"), "wrong"),
    ("", False, "Unhandled", answer(errorType="DeclinedError", errorMessage="another's"), "wrong"),
    ("", False, "Unhandled", answer(errorType="Runtime.HandlerError", errorMessage="LivetuiOffline: no"),
     "typed error"),
    ("", False, "Unhandled", answer(errorType="LivetuiTimeout", errorMessage="late"), "typed error"),
    ("", False, "Unhandled", answer(errorMessage="Task timed out after 20.00 seconds"), "lost"),
])
def test_an_answer_is_judged_by_what_its_caller_sent(pad: str, fail: bool, error: str, payload: bytes,
                                                     verdict: str) -> None:
    assert judge("mine", pad, fail, error, payload)[0] == verdict


def test_the_breakpoint_of_the_project_is_on_a_line_that_knows_the_token(tmp_path: Path) -> None:
    project = Project(tmp_path / "soak")
    lines = project.pause_path.read_text("utf-8").splitlines()
    assert "token = " in lines[PAUSE_LINE - 2]
    assert "execute(token)" in lines[PAUSE_LINE - 1]


@pytest.mark.parametrize("release", [0, 7])
def test_the_code_that_is_saved_compiles_and_names_its_release(tmp_path: Path, release: int) -> None:
    project = Project(tmp_path / "soak")
    project.save(release)
    source = (project.folder / "src" / "count.py").read_text("utf-8")
    compile(source, "count.py", "exec")
    assert f"RELEASE = {release}" in source
