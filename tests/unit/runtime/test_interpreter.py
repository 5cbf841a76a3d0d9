"""Which Python runs a function, in which order, and what is said about it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from livetui.errors import LivetuiError, UsageError
from livetui.runtime import interpreter, requirements
from livetui.runtime.interpreter import Tool, find_interpreter, missing_module_hint
from livetui.runtime.requirements import NoPythonError, make_environment, requirements_in

TOOLS = interpreter._TOOLS
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def fake_environment(folder: Path, version: str = HERE) -> Path:
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
    fake_environment(tmp_path / ".venv")
    wanted = fake_environment(tmp_path / "other")
    for configured in ("other", "other/bin/python", str(wanted)):
        found = find(tmp_path, configured=configured)
        assert (found.path, found.reason, found.version) == (wanted, "configured", HERE)


def test_a_configured_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        find(tmp_path, configured="nowhere/python")


def test_the_environment_nearest_to_the_code_is_used(tmp_path: Path) -> None:
    outer = fake_environment(tmp_path / ".venv")
    code = tmp_path / "functions/orders"
    code.mkdir(parents=True)
    assert find(tmp_path, code).path == outer
    inner = fake_environment(tmp_path / "functions/venv")
    found = find(tmp_path, code)
    assert (found.path, found.reason) == (inner, "environment functions/venv")
    assert found.warnings == ()


def test_an_environment_above_the_project_is_not_the_projects(tmp_path: Path) -> None:
    fake_environment(tmp_path / ".venv")
    (tmp_path / "project").mkdir()
    assert find(tmp_path / "project").path == Path(sys.executable)


def test_another_version_than_the_functions_is_a_warning(tmp_path: Path) -> None:
    fake_environment(tmp_path / ".venv", "3.9")
    found = find(tmp_path, runtime="python3.13")
    assert found.warnings == ("The function is python3.13, but runs here on Python 3.9.",)


def test_a_tools_environment_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = fake_environment(tmp_path / "cache/env")
    monkeypatch.setattr(interpreter, "_TOOLS", (
        Tool("env", lambda folder: (folder / "Pipfile").is_file(), ("env", "echo", str(python)), "env make"),))
    (tmp_path / "Pipfile").touch()
    found = find(tmp_path)
    assert (found.path, found.reason) == (python, "env project .")


def test_an_environment_made_earlier_belongs_to_one_content_of_the_requirements(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("boto3\n-r more.txt\n")
    (tmp_path / "more.txt").write_text("six\n-r requirements.txt\n")
    needed = find(tmp_path).requirements
    assert needed is not None and needed.file == file
    folder = needed.folder(f"python{HERE}", tmp_path / ".livetui")
    python = fake_environment(folder)
    assert find(tmp_path).path == Path(sys.executable)
    (folder / "livetui-complete").touch()
    assert find(tmp_path).path == python
    (tmp_path / "more.txt").write_text("six==1\n-r requirements.txt\n")
    assert find(tmp_path).path == Path(sys.executable)


def test_the_dependencies_of_a_pyproject_are_requirements(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text('[project]\nname = "shop"\nversion = "1"\ndependencies = ["six>=1", "idna"]\n')
    needed = requirements_in(tmp_path)
    assert needed is not None
    assert (needed.file, needed.arguments) == (file, ("six>=1", "idna"))
    file.write_text(file.read_text() + "[tool.ruff]\nline-length = 100\n")
    assert requirements_in(tmp_path) == needed  # settings of other tools make no new environment
    (tmp_path / "requirements.txt").write_text("six")
    assert requirements_in(tmp_path).file.name == "requirements.txt"


@pytest.mark.parametrize("text", ["[tool.ruff]", "[project]\nname = 'x'", "project = 1", "not toml", "[project]\ndependencies = []"])
def test_a_pyproject_without_dependencies_requires_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert requirements_in(tmp_path) is None


@pytest.mark.parametrize(("machine", "architecture", "warned"), [
    ("x86_64", "x86_64", False), ("AMD64", "x86_64", False), ("aarch64", "arm64", False), ("arm64", "arm64", False),
    ("x86_64", "arm64", True), ("arm64", "x86_64", True),
])
def test_another_architecture_than_the_functions_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                              machine: str, architecture: str, warned: bool) -> None:
    monkeypatch.setattr(interpreter.platform, "machine", lambda: machine)
    fake_environment(tmp_path / ".venv")
    found = find_interpreter(tmp_path, f"python{HERE}", None, tmp_path, tmp_path / ".livetui", architecture)
    assert [f"The function is {architecture}, " in text for text in found.warnings] == [True] * warned


def test_the_current_one_is_the_last_and_says_so(tmp_path: Path) -> None:
    found = find(tmp_path)
    assert (found.path, found.version) == (Path(sys.executable), HERE)
    assert "No environment of the project was found" in found.warnings[0]


@pytest.mark.parametrize(("message", "package"), [
    ("Unable to import module 'app': No module named 'requests'", "requests"),
    ("Unable to import module 'app': No module named 'yaml'", "pyyaml"),
    ("Unable to import module 'app': No module named 'google.cloud.storage'", "google-cloud-storage"),
    ("Unable to import module 'app': No module named 'google'", None),
    ("Unable to import module 'app': cannot import name 'x'", None),
])
def test_what_to_type_for_a_missing_package(tmp_path: Path, message: str, package: str | None) -> None:
    hint = missing_module_hint(message, Path("/env/bin/python"), tmp_path, (Path("/layer"),))
    looked = f"Looked in the packages of /env/bin/python, {tmp_path}, /layer."
    assert hint.startswith(looked) if "No module" in message else hint == ""
    assert ("To install it" in hint) == (package is not None)
    assert package is None or (hint.endswith(f" {package}") and hint.count("/env/bin/python") == 2)


@pytest.mark.parametrize(("uv", "install"), [(None, "/env/python -m pip install"),
                                             ("/bin/uv", "uv pip install --python /env/python")])
def test_a_missing_package_that_is_required_is_installed_with_the_others(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uv: str | None, install: str) -> None:
    monkeypatch.setattr(interpreter.shutil, "which", lambda _: uv)
    (tmp_path / "requirements.txt").write_text("boto3\nPyYAML>=6 ; python_version > '3'\n")
    hint = missing_module_hint("Unable to import module 'app': No module named 'yaml'", Path("/env/python"), tmp_path)
    assert hint.endswith(f": {install} -r {tmp_path / 'requirements.txt'}")


def test_a_missing_module_of_ones_own_is_no_package(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for handler, missing, words in (
            ("app", "app", f"Looked for app.py in {tmp_path}: the function's Handler or CodeUri"),
            ("gone.app", "gone", f"Looked for gone.py in {tmp_path}: the function's Handler or CodeUri"),
            ("app", "mine.part", f"mine is in {tmp_path}, but has no part."),
            ("mine.app.handler", "mine.part", f"mine is in {tmp_path}, but has no part."),
            ("mine.app", "mine", f"mine is in {tmp_path}.")):
        message = f"Unable to import module '{handler}': No module named '{missing}'"
        assert missing_module_hint(message, Path("/p"), tmp_path).startswith(words)


def test_a_tools_project_without_an_environment_is_told_how_to_make_it(tmp_path: Path,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "_TOOLS", TOOLS)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "poetry.lock").touch()
    assert "`poetry install` makes its environment" in find(tmp_path).warnings[0]


def test_conda_is_asked_for_the_environment_that_the_project_names(tmp_path: Path,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    python = fake_environment(tmp_path / "envs/shop")
    (tmp_path / "conda").write_text(f"#!/bin/sh\n[ \"$1 $2 $3 $4\" = \"run -n shop python\" ] && echo {python}\n")
    (tmp_path / "conda").chmod(0o755)
    (tmp_path / "environment.yaml").write_text("name: shop\ndependencies: []\n")
    monkeypatch.setattr(interpreter, "_TOOLS", TOOLS)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = find(tmp_path)
    assert (found.path, found.reason) == (python, "conda project .")


@pytest.mark.long
@pytest.mark.parametrize("with_uv", [True, False])
@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_an_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, with_uv: bool) -> None:
    text = "six\n" if name.endswith("txt") else '[project]\nname = "shop"\nversion = "1"\ndependencies = ["six"]\n'
    (tmp_path / name).write_text(text)
    if not with_uv:
        monkeypatch.setattr(requirements, "find_uv", lambda: None)
    found = find(tmp_path)
    assert found.requirements is not None
    made = make_environment(found.requirements, f"python{HERE}", tmp_path / ".livetui")
    assert subprocess.run([made, "-c", "import six, boto3"], check=False).returncode == 0
    monkeypatch.setattr(requirements.subprocess, "run", lambda *command, **_: pytest.fail(f"again: {command}"))
    assert make_environment(found.requirements, f"python{HERE}", tmp_path / ".livetui") == made
    again = find(tmp_path)
    assert (again.path, again.reason, again.warnings) == (made, f"made from {name}", ())


@pytest.mark.long
@pytest.mark.parametrize("with_uv", [True, False])
def test_an_environment_is_of_the_functions_own_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                       with_uv: bool) -> None:
    others = [path for path in (Path.home() / ".pyenv/versions").glob("3.*/bin/python3.*")
              if path.name in ("python3.10", "python3.12", "python3.13") and path.name != f"python{HERE}"]
    if not others:
        pytest.skip("there is no other Python here")
    monkeypatch.setenv("PATH", str(others[0].parent), prepend=":")
    if not with_uv:
        monkeypatch.setattr(requirements, "find_uv", lambda: None)
    (tmp_path / "requirements.txt").write_text("six\n")
    make_environment(requirements_in(tmp_path), others[0].name, tmp_path / ".livetui")
    found = find(tmp_path, runtime=others[0].name)
    assert (found.version, found.warnings) == (others[0].name.removeprefix("python"), ())


def test_without_uv_and_that_python_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "find_uv", lambda: None)
    monkeypatch.setenv("PATH", "")
    (tmp_path / "requirements.txt").write_text("six\n")
    with pytest.raises(NoPythonError, match=r"Install Python 3\.99, or uv"):
        make_environment(requirements_in(tmp_path), "python3.99", tmp_path / ".livetui")


@pytest.mark.long
@pytest.mark.parametrize("with_uv", [True, False])
def test_requirements_that_cannot_be_met_are_told_in_the_tools_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                     with_uv: bool) -> None:
    if not with_uv:
        monkeypatch.setattr(requirements, "find_uv", lambda: None)
    (tmp_path / "requirements.txt").write_text("six==0.0.0.1\n")
    with pytest.raises(LivetuiError, match=r"six==0\.0\.0\.1"):
        make_environment(requirements_in(tmp_path), f"python{HERE}", tmp_path / ".livetui")


@pytest.mark.long
@pytest.mark.parametrize(("tool", "make"), [
    ("uv", ["sync", "--python", HERE]), ("poetry", ["install", "--no-root"]), ("pipenv", ["install"])])
def test_the_tools_own_environment_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str,
                                            make: list[str]) -> None:
    tools, project = tmp_path / "tools", tmp_path / "workspace/member"
    uv = requirements.find_uv()
    for command in ([uv, "venv", "--python", sys.executable, tools],
                    [uv, "pip", "install", "--python", tools / "bin/python", tool]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{tool} cannot be installed here: {done.stderr[-300:]}")
    project.mkdir(parents=True)
    table = f'[project]\nname = "shop"\nversion = "1"\nrequires-python = ">={HERE}"\ndependencies = []\n'
    (project / "pyproject.toml").write_text(table)
    if tool == "uv":  # its environment lies in the workspace, above the project
        (project.parent / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["member"]\n')
    if tool == "pipenv":
        (project / "Pipfile").write_text("[packages]\n")
    monkeypatch.setenv("POETRY_VIRTUALENVS_PATH", str(tmp_path / "workspace/poetry"))
    monkeypatch.setenv("POETRY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WORKON_HOME", str(tmp_path / "workspace/pipenv"))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setenv("PATH", str(tools / "bin"), prepend=":")
    made = subprocess.run([tools / "bin" / tool, *make], cwd=project, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    monkeypatch.setattr(interpreter, "_TOOLS", TOOLS)
    found = find(project)
    assert found.reason == f"{tool} project ."
    assert (tmp_path / "workspace") in found.path.parents
    monkeypatch.setattr(interpreter.subprocess, "run", lambda *command, **_: pytest.fail(f"asked again: {command}"))
    assert find(project) == found


def test_uvs_environment_is_where_its_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_PROJECT_ENVIRONMENT", str(tmp_path / "elsewhere"))
    python = fake_environment(tmp_path / "elsewhere")
    (tmp_path / "project").mkdir()
    assert find(tmp_path / "project").path == Path(sys.executable)
    (tmp_path / "project/uv.lock").touch()
    assert find(tmp_path / "project").path == python
