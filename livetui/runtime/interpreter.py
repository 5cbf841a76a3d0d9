"""Which Python runs a function, and why: settings, environments, project tools, then the current one."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from livetui.errors import LivetuiError, UsageError

_BIN = "Scripts" if os.name == "nt" else "bin"
_PYTHON = "python.exe" if os.name == "nt" else "python"
_VENV_NAMES = (".venv", "venv", "env", ".env")
_TOOL_TIMEOUT_S = 10


@dataclass(frozen=True)
class Interpreter:
    """The Python of a function. `version` is `3.12`; empty when it cannot be told without running it."""

    path: Path
    reason: str
    version: str
    warnings: tuple[str, ...] = ()
    requirements: Path | None = None
    """A requirements file for which `make_environment` could make an environment, when none was found."""


def find_interpreter(code_root: Path, runtime: str, configured: str | None, project: Path, state: Path) -> Interpreter:
    """Find the interpreter of a function; nothing is installed and, unless a project tool must be asked, nothing run.

    In this order: `configured` (a Python, or the folder of an environment; relative to the project) → an environment
    in the code folder or above it, up to the project → one that uv, poetry, pipenv or conda keep for the project →
    one that livetui made for the requirements earlier → the current one. Raises `UsageError` when `configured` does
    not lead to a Python.
    """
    found = (
        (_configured(configured, project) if configured else None)
        or _environment_above(code_root, project)
        or _tool_environment(code_root, project)
        or _made_environment(code_root, runtime, project, state)
        or _current(code_root, project)
    )
    return replace(found, warnings=found.warnings + _mismatch(found, runtime))


def _configured(configured: str, project: Path) -> Interpreter:
    path = (project / Path(configured).expanduser()).absolute()
    if path.is_dir():
        path = path / _BIN / _PYTHON
    if not path.is_file() and os.sep not in configured and (found := shutil.which(configured)):
        path = Path(found)
    if not path.is_file():
        raise UsageError(f"The configured Python was not found: {configured}", f"There is no file {path}.",
                         "Set `python` under [functions.NAME] in livetui.toml to an interpreter or an environment.")
    return Interpreter(path, "configured", _version_of(path))


def _environment_above(code_root: Path, project: Path) -> Interpreter | None:
    for folder in _upwards(code_root, project):
        for name in _VENV_NAMES:
            python = folder / name / _BIN / _PYTHON
            if python.is_file() and (folder / name / "pyvenv.cfg").is_file():
                where = os.path.relpath(folder / name, project)
                return Interpreter(python, f"environment {where}", _version_of(python))
    return None


def _upwards(code_root: Path, project: Path) -> list[Path]:
    """The code folder and its parents up to the project; only itself and the project when it lies elsewhere."""
    code_root, project = code_root.absolute(), project.absolute()
    if code_root == project or project in code_root.parents:
        return [code_root, *[p for p in code_root.parents if p == project or project in p.parents]]
    return [code_root, project]


def _tool_environment(code_root: Path, project: Path) -> Interpreter | None:
    for folder in _upwards(code_root, project):
        for tool, is_used, command in _TOOLS:
            if is_used(folder) and (python := _ask(tool, command, folder)) is not None:
                return Interpreter(python, f"{tool} project {os.path.relpath(folder, project)}", _version_of(python))
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


_TOOLS: tuple[tuple[str, Callable[[Path], bool], tuple[str, ...]], ...] = (
    ("uv", _has("uv.lock"), ("uv", "python", "find", "--offline", "--no-python-downloads")),
    ("poetry", _pyproject_has("poetry"), ("poetry", "env", "info", "--executable")),
    ("pipenv", _has("Pipfile"), ("pipenv", "--py")),
    ("conda", _has("environment.yml"),
     ("conda", "run", "-n", "{conda}", "python", "-c", "import sys;print(sys.executable)")),
)


def _ask(tool: str, command: tuple[str, ...], folder: Path) -> Path | None:
    if shutil.which(tool) is None:
        return None
    words = [word.replace("{conda}", _conda_name(folder)) for word in command]
    try:
        answer = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=_TOOL_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None  # the tool has no environment for this project; the next source is tried
    lines = answer.stdout.strip().splitlines()
    python = Path(lines[-1]) if lines else None
    # uv answers with a system Python when the project has no environment of its own.
    if python is None or not python.is_file() or (tool == "uv" and not (python.parent.parent / "pyvenv.cfg").is_file()):
        return None
    return python


def _conda_name(folder: Path) -> str:
    text = (folder / "environment.yml").read_text("utf-8", "replace") if (folder / "environment.yml").is_file() else ""
    name = re.search(r"^name:\s*(\S+)", text, re.MULTILINE)
    return name[1] if name else "base"


def requirements_of(code_root: Path, project: Path) -> Path | None:
    """The `requirements.txt` that belongs to the code: beside it, or above it up to the project."""
    return next((folder / "requirements.txt" for folder in _upwards(code_root, project)
                 if (folder / "requirements.txt").is_file()), None)


def _environment_folder(requirements: Path, runtime: str, state: Path) -> Path:
    version = runtime.removeprefix("python") or f"{sys.version_info[0]}.{sys.version_info[1]}"
    digest = hashlib.sha256(requirements.read_bytes() + version.encode()).hexdigest()[:16]
    return state / "environments" / f"{version}-{digest}"


def _made_environment(code_root: Path, runtime: str, project: Path, state: Path) -> Interpreter | None:
    requirements = requirements_of(code_root, project)
    if requirements is None:
        return None
    folder = _environment_folder(requirements, runtime, state)
    python = folder / _BIN / _PYTHON
    if (folder / "livetui-complete").is_file() and python.is_file():
        return Interpreter(python, f"made from {os.path.relpath(requirements, project)}", _version_of(python))
    return None


def _current(code_root: Path, project: Path) -> Interpreter:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    requirements = requirements_of(code_root, project)
    warning = "No environment of the project was found: handlers run on livetui's own Python."
    if requirements is not None:
        warning += f" {os.path.relpath(requirements, project)} is not installed for them."
    return Interpreter(Path(sys.executable), "the Python that runs livetui", version, (warning,), requirements)


def make_environment(requirements: Path, runtime: str, state: Path) -> Interpreter:
    """Make, with uv, an environment of the function's own Python version from its requirements, and keep it.

    boto3 is added, since Lambda's own runtime has it.

    Takes seconds to minutes and needs a package index; done once per content of the file. Raises `LivetuiError` with
    uv's words when it cannot be made.
    """
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    version = runtime.removeprefix("python") or f"{sys.version_info[0]}.{sys.version_info[1]}"
    folder = _environment_folder(requirements, runtime, state)
    python = folder / _BIN / _PYTHON
    if not (folder / "livetui-complete").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        for command in ([uv, "venv", "--quiet", "--clear", "--python", version, str(folder)],
                        [uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(requirements), "boto3"]):
            try:
                subprocess.run(command, check=True, capture_output=True, text=True, cwd=requirements.parent)
            except FileNotFoundError as error:
                raise LivetuiError("The environment was not made: uv is not installed.", str(error),
                                   "pip install uv, or make a .venv beside the code yourself.") from error
            except subprocess.CalledProcessError as error:
                raise LivetuiError(f"The environment for {requirements.name} was not made.", error.stderr.strip(),
                                   f"Make it yourself: python{version} -m venv .venv && .venv/bin/pip install -r "
                                   f"{requirements.name}") from error
        (folder / "livetui-complete").write_text(str(requirements))
    return Interpreter(python, f"made from {requirements.name}", _version_of(python))


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


def _mismatch(found: Interpreter, runtime: str) -> tuple[str, ...]:
    wanted = runtime.removeprefix("python")
    if not runtime.startswith("python") or not found.version or found.version == wanted:
        return ()
    return (f"The function is {runtime}, but runs here on Python {found.version}.",)


_PACKAGE_OF = {
    "PIL": "pillow", "attr": "attrs", "bs4": "beautifulsoup4", "cv2": "opencv-python", "dateutil": "python-dateutil",
    "dotenv": "python-dotenv", "google": "google-api-python-client", "jose": "python-jose", "jwt": "pyjwt",
    "magic": "python-magic", "OpenSSL": "pyopenssl", "psycopg2": "psycopg2-binary", "sklearn": "scikit-learn",
    "yaml": "pyyaml", "aws_lambda_powertools": "aws-lambda-powertools", "aws_xray_sdk": "aws-xray-sdk",
}
"""Packages whose name is not that of the module."""


def missing_package_hint(message: str, interpreter: Path, code_root: Path) -> str:
    """What to type when an import error names a package that is not installed; empty for other errors.

    A module that lies in the code folder is no package: then the name that was imported is wrong.
    """
    found = re.search(r"No module named '([\w.]+)'", message)
    if found is None:
        return ""
    module = found[1].split(".")[0]
    if (code_root / module).exists() or (code_root / f"{module}.py").exists() or module == message.split("'")[1]:
        return ""
    package = _PACKAGE_OF.get(module, module)
    if shutil.which("uv"):
        return f"uv pip install --python {interpreter} {package}"
    return f"{interpreter} -m pip install {package}"
