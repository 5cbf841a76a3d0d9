"""Which Python runs a function, and why: settings, environments, project tools, then the current one."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from livetui.errors import UsageError
from livetui.runtime.requirements import BIN, OWN, PYTHON, Requirements, find_uv, requirements_in

_VENV_NAMES = (".venv", "venv", "env", ".env")
_TOOL_TIMEOUT_S = 30
_TOOL_AGAIN_S = 60.0
"""A tool takes seconds to answer, and is asked for every function of a project: its answer counts this long."""
_answers: dict[tuple[str, Path], tuple[float, Path | None]] = {}


@dataclass(frozen=True)
class Interpreter:
    """The Python of a function. `version` is `3.12`; empty when it cannot be told without running it."""

    path: Path
    reason: str
    version: str
    warnings: tuple[str, ...] = ()
    requirements: Requirements | None = None
    """What `make_environment` could make an environment of, when none was found."""


def find_interpreter(code_root: Path, runtime: str, configured: str | None, project: Path, state: Path,
                     architecture: str = "") -> Interpreter:
    """Find the interpreter of a function; nothing is installed and, unless a project tool must be asked, nothing run.

    In this order: `configured` (a Python, or the folder of an environment; relative to the project) → an environment
    in the code folder or above it, up to the project → one that uv, poetry, pipenv or conda keep for the project →
    one that livetui made of the requirements earlier → the current one. Raises `UsageError` when `configured` does
    not lead to a Python.
    """
    found = (
        (_configured(configured, project) if configured else None)
        or _environment_above(code_root, project)
        or _tool_environment(code_root, project)
        or _made_environment(code_root, runtime, project, state)
        or _current(code_root, project)
    )
    return replace(found, warnings=found.warnings + _mismatch(found, runtime, architecture))


def _configured(configured: str, project: Path) -> Interpreter:
    path = (project / Path(configured).expanduser()).absolute()
    if path.is_dir():
        path = path / BIN / PYTHON
    if not path.is_file() and os.sep not in configured and (found := shutil.which(configured)):
        path = Path(found)
    if not path.is_file():
        raise UsageError(f"The configured Python was not found: {configured}", f"There is no file {path}.",
                         "Set `python` under [functions.NAME] in livetui.toml to an interpreter or an environment.")
    return Interpreter(path, "configured", _version_of(path))


def _environment_above(code_root: Path, project: Path) -> Interpreter | None:
    python = environment_above(code_root, project)
    if python is None:
        return None
    return Interpreter(python, f"environment {os.path.relpath(python.parent.parent, project)}", _version_of(python))


def environment_above(code_root: Path, project: Path) -> Path | None:
    """The Python of the environment in the code folder or above it, up to the project; looks at files only."""
    for folder in _upwards(code_root, project):
        uvs = os.environ.get("UV_PROJECT_ENVIRONMENT") if (folder / "uv.lock").is_file() else None
        for name in (*_VENV_NAMES, *([uvs] if uvs else [])):
            python = folder / name / BIN / PYTHON
            if python.is_file() and (folder / name / "pyvenv.cfg").is_file():
                return python
    return None


def _upwards(code_root: Path, project: Path) -> list[Path]:
    """The code folder and its parents up to the project; only itself and the project when it lies elsewhere."""
    code_root, project = code_root.absolute(), project.absolute()
    if code_root == project or project in code_root.parents:
        return [code_root, *[p for p in code_root.parents if p == project or project in p.parents]]
    return [code_root, project]


def _tool_environment(code_root: Path, project: Path) -> Interpreter | None:
    for folder in _upwards(code_root, project):
        for tool in _TOOLS:
            if tool.is_used(folder) and (python := _answer(tool, folder)) is not None:
                where = os.path.relpath(folder, project)
                return Interpreter(python, f"{tool.name} project {where}", _version_of(python))
    return None


def _pyproject_has(section: str) -> Callable[[Path], bool]:
    def has(folder: Path) -> bool:
        try:
            return f"[tool.{section}" in (folder / "pyproject.toml").read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return False
    return has


def _has(name: str) -> Callable[[Path], bool]:
    return lambda folder: (folder / name).is_file()


def _is_in_uv_workspace(folder: Path) -> bool:
    return _has("pyproject.toml")(folder) and any(map(_has("uv.lock"), (folder, *folder.parents)))


def _any(*tests: Callable[[Path], bool]) -> Callable[[Path], bool]:
    return lambda folder: any(test(folder) for test in tests)


@dataclass(frozen=True)
class Tool:
    """A project tool that keeps environments."""

    name: str
    is_used: Callable[[Path], bool]
    """Whether a folder is one of its projects."""
    ask: tuple[str, ...]
    """The command that prints the project's Python."""
    make: str


_TOOLS: tuple[Tool, ...] = (
    Tool("uv", _is_in_uv_workspace, ("uv", "python", "find", "--offline", "--no-python-downloads"), "uv sync"),
    Tool("poetry", _any(_pyproject_has("poetry"), _has("poetry.lock")), ("poetry", "env", "info", "--executable"),
         "poetry install"),
    Tool("pipenv", _has("Pipfile"), ("pipenv", "--py"), "pipenv install"),
    Tool("conda", _any(_has("environment.yml"), _has("environment.yaml")),
         ("conda", "run", "-n", "{conda}", "python", "-c", "import sys;print(sys.executable)"), "conda env create"),
)


def _answer(tool: Tool, folder: Path) -> Path | None:
    asked, python = _answers.get((tool.name, folder), (-_TOOL_AGAIN_S, None))
    if time.monotonic() - asked >= _TOOL_AGAIN_S:
        python = _ask(tool, folder)
        _answers[tool.name, folder] = time.monotonic(), python
    return python


def _ask(tool: Tool, folder: Path) -> Path | None:
    program = find_uv() if tool.name == "uv" else shutil.which(tool.ask[0])
    if program is None:
        return None
    words = [program, *(word.replace("{conda}", _conda_name(folder)) for word in tool.ask[1:])]
    try:
        answer = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=_TOOL_TIMEOUT_S, check=True,
                                stdin=subprocess.DEVNULL, env=_without_our_environment())
    except (OSError, subprocess.SubprocessError):
        return None  # the tool has no environment for this project; the next source is tried
    lines = answer.stdout.strip().splitlines()
    python = Path(lines[-1]) if lines else None
    # uv answers with a system Python when the project has no environment of its own.
    if python is None or not python.is_file():
        return None
    return None if tool.name == "uv" and not (python.parent.parent / "pyvenv.cfg").is_file() else python


def _without_our_environment() -> dict[str, str]:
    """livetui's own activated environment must not be taken for the project's."""
    return {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "CONDA_PREFIX")}


def _conda_name(folder: Path) -> str:
    files = [path for name in ("environment.yml", "environment.yaml") if (path := folder / name).is_file()]
    text = files[0].read_text("utf-8", "replace") if files else ""
    name = re.search(r"^name:\s*(\S+)", text, re.MULTILINE)
    return name[1] if name else "base"


def requirements_of(code_root: Path, project: Path) -> Requirements | None:
    """What belongs to the code: the nearest `requirements.txt` or `pyproject.toml` up to the project."""
    return next(filter(None, map(requirements_in, _upwards(code_root, project))), None)


def _made_environment(code_root: Path, runtime: str, project: Path, state: Path) -> Interpreter | None:
    requirements = requirements_of(code_root, project)
    if requirements is None:
        return None
    for version in dict.fromkeys((runtime, OWN)):
        folder = requirements.folder(version, state)
        python = folder / BIN / PYTHON
        if (folder / "livetui-complete").is_file() and python.is_file():
            again = f"Its own could not be had when the packages were installed; to try again, delete {folder}."
            return Interpreter(python, f"made from {os.path.relpath(requirements.file, project)}", _version_of(python),
                               () if version == runtime else (again,))
    return None


def _current(code_root: Path, project: Path) -> Interpreter:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    requirements = requirements_of(code_root, project)
    warning = "No environment of the project was found: handlers run on livetui's own Python."
    if requirements is not None:
        warning += f" {os.path.relpath(requirements.file, project)} is not installed for them."
    for tool in _TOOLS:
        if any(map(tool.is_used, _upwards(code_root, project))):
            warning += f" This is a {tool.name} project: `{tool.make}` makes its environment."
    return Interpreter(Path(sys.executable), "the Python that runs livetui", version, (warning,), requirements)


def _version_of(python: Path) -> str:
    """`3.12`, read from the environment's configuration when there is one, else asked."""
    try:
        text = (python.parent.parent / "pyvenv.cfg").read_text("utf-8")
    except OSError:
        text = ""
    found = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+)", text, re.MULTILINE)
    if found:
        return found[1]
    try:
        answer = subprocess.run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                                capture_output=True, text=True, timeout=_TOOL_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()


_ARCHITECTURES = {"amd64": "x86_64", "aarch64": "arm64"}


def _mismatch(found: Interpreter, runtime: str, architecture: str) -> tuple[str, ...]:
    warnings = []
    wanted = runtime.removeprefix("python")
    if runtime.startswith("python") and found.version and found.version != wanted:
        warnings.append(f"The function is {runtime}, but runs here on Python {found.version}.")
    machine = platform.machine().lower()
    if architecture and _ARCHITECTURES.get(machine, machine) != architecture:
        warnings.append(f"The function is {architecture}, but this machine is {_ARCHITECTURES.get(machine, machine)}: "
                        "compiled packages are other builds here, and those in layers may not load.")
    return tuple(warnings)


_PACKAGE_OF = {
    "PIL": "pillow", "attr": "attrs", "bs4": "beautifulsoup4", "cv2": "opencv-python", "dateutil": "python-dateutil",
    "dotenv": "python-dotenv", "jose": "python-jose", "jwt": "pyjwt",
    "magic": "python-magic", "OpenSSL": "pyopenssl", "psycopg2": "psycopg2-binary", "sklearn": "scikit-learn",
    "yaml": "pyyaml", "aws_lambda_powertools": "aws-lambda-powertools", "aws_xray_sdk": "aws-xray-sdk",
}
"""Packages whose name is not that of the module."""


def missing_module_hint(message: str, interpreter: Path, code_root: Path, layers: Sequence[Path] = ()) -> str:
    """Where a module was looked for that an import error names, and what to do; empty for other errors."""
    found = re.search(r"No module named '([\w.]+)'", message)
    if found is None:
        return ""
    module, _, part = found[1].partition(".")
    if (code_root / module).exists() or (code_root / f"{module}.py").exists():
        return f"{module} is in {code_root}{f', but has no {part}' if part else ''}."
    if module == message.split("'")[1].split(".", maxsplit=1)[0]:
        return f"Looked for {module}.py in {code_root}: the function's Handler or CodeUri does not lead there."
    places = [f"the packages of {interpreter}", str(code_root), *map(str, layers)]
    looked = f"Looked in {', '.join(places[:5])}{f' and {len(places) - 5} more layers' if len(places) > 5 else ''}."
    package = _PACKAGE_OF.get(module, module)
    if module == "google":  # many packages share that name
        if not part.startswith("cloud."):
            return looked
        package = "-".join(found[1].split(".")[:3])
    # The user's own uv: the one beside livetui is not on their PATH.
    install = f"uv pip install --python {interpreter}" if shutil.which("uv") else f"{interpreter} -m pip install"
    required = requirements_in(code_root)
    if required is not None and required.file.name == "requirements.txt" and required.names(package):
        return f"{looked} It stands in {required.file}, which is not installed there: {install} -r {required.file}"
    return f"{looked} To install it: {install} {package}"
