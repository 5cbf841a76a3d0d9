"""Which Python runs a function, in which order, and what is said about it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from livetui.errors import LivetuiError, UsageError
from livetui.runtime import interpreter
from livetui.runtime.interpreter import find_interpreter, missing_package_hint

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def make_environment(folder: Path, version: str = HERE) -> Path:
    python = folder / "bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (folder / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {version}.4\n")
    return python


def find(project: Path, code: Path | None = None, runtime: str = f"python{HERE}", configured: str | None = None,
         ) -> interpreter.Interpreter:
    return find_interpreter(code or project, runtime, configured, project, project / ".livetui")


@pytest.fixture(autouse=True)
def no_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "_TOOLS", ())


def test_the_configured_one_comes_first(tmp_path: Path) -> None:
    make_environment(tmp_path / ".venv")
    wanted = make_environment(tmp_path / "other")
    for configured in ("other", "other/bin/python", str(wanted)):
        found = find(tmp_path, configured=configured)
        assert (found.path, found.reason, found.version) == (wanted, "configured", HERE)


def test_a_configured_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        find(tmp_path, configured="nowhere/python")


def test_the_environment_nearest_to_the_code_is_used(tmp_path: Path) -> None:
    outer = make_environment(tmp_path / ".venv")
    code = tmp_path / "functions/orders"
    code.mkdir(parents=True)
    assert find(tmp_path, code).path == outer
    inner = make_environment(tmp_path / "functions/venv")
    found = find(tmp_path, code)
    assert (found.path, found.reason) == (inner, "environment functions/venv")
    assert found.warnings == ()


def test_an_environment_above_the_project_is_not_the_projects(tmp_path: Path) -> None:
    make_environment(tmp_path / ".venv")
    (tmp_path / "project").mkdir()
    assert find(tmp_path / "project").path == Path(sys.executable)


def test_another_version_than_the_functions_is_a_warning(tmp_path: Path) -> None:
    make_environment(tmp_path / ".venv", "3.9")
    found = find(tmp_path, runtime="python3.13")
    assert found.warnings == ("The function is python3.13, but runs here on Python 3.9.",)


def test_a_tools_environment_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = make_environment(tmp_path / "cache/env")
    monkeypatch.setattr(interpreter, "_TOOLS", (
        ("env", lambda folder: (folder / "Pipfile").is_file(), ("env", "echo", str(python))),))
    (tmp_path / "Pipfile").touch()
    found = find(tmp_path)
    assert (found.path, found.reason) == (python, "env project .")


def test_an_environment_made_earlier_belongs_to_one_content_of_the_requirements(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("boto3\n")
    assert find(tmp_path).requirements == requirements
    folder = interpreter._environment_folder(requirements, f"python{HERE}", tmp_path / ".livetui")
    python = make_environment(folder)
    assert find(tmp_path).path == Path(sys.executable)
    (folder / "livetui-complete").touch()
    assert find(tmp_path).path == python
    requirements.write_text("boto3==1\n")
    assert find(tmp_path).path == Path(sys.executable)


def test_the_current_one_is_the_last_and_says_so(tmp_path: Path) -> None:
    found = find(tmp_path)
    assert (found.path, found.version) == (Path(sys.executable), HERE)
    assert "No environment of the project was found" in found.warnings[0]


@pytest.mark.parametrize(("message", "package"), [
    ("Unable to import module 'app': No module named 'requests'", "requests"),
    ("Unable to import module 'app': No module named 'yaml'", "pyyaml"),
    ("Unable to import module 'app': No module named 'google.cloud'", "google-api-python-client"),
    ("Unable to import module 'app': No module named 'app'", None),
    ("Unable to import module 'app': No module named 'mine.part'", None),
    ("Unable to import module 'app': cannot import name 'x'", None),
])
def test_what_to_type_for_a_missing_package(tmp_path: Path, message: str, package: str | None) -> None:
    (tmp_path / "mine").mkdir()
    hint = missing_package_hint(message, Path("/env/bin/python"), tmp_path)
    assert hint.endswith(f" {package}") and "/env/bin/python" in hint if package else hint == ""


@pytest.mark.long
def test_an_environment_is_made_once_from_the_requirements(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("six\n")
    found = find(tmp_path)
    assert found.requirements is not None
    made = interpreter.make_environment(found.requirements, f"python{HERE}", tmp_path / ".livetui")
    assert subprocess.run([made.path, "-c", "import six"], check=False).returncode == 0
    again = find(tmp_path)
    assert (again.path, again.reason, again.warnings) == (made.path, "made from requirements.txt", ())


@pytest.mark.long
def test_requirements_that_cannot_be_met_are_told_in_uvs_words(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("six==0.0.0.1\n")
    with pytest.raises(LivetuiError, match=r"six==0\.0\.0\.1"):
        interpreter.make_environment(requirements, f"python{HERE}", tmp_path / ".livetui")
