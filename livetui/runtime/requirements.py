"""What a project says it needs, and an environment made of that for a function's own Python version, once."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from livetui.errors import LivetuiError

BIN = "Scripts" if os.name == "nt" else "bin"
PYTHON = "python.exe" if os.name == "nt" else "python"
OWN = f"python{sys.version_info[0]}.{sys.version_info[1]}"
"""livetui's own Python, as a runtime is named."""
_INCLUDED = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[\s=]+(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Requirements:
    """A `requirements.txt`, or a `pyproject.toml` that lists `[project]` dependencies."""

    file: Path
    arguments: tuple[str, ...]
    """What `pip install` is told."""
    digest: str
    """Changes with what is required; for a `requirements.txt` also with the files that it includes."""

    def names(self, package: str) -> bool:
        """Whether the file names this package."""
        words = re.findall(r"^\s*([\w.-]+)", self.file.read_text("utf-8", "replace"), re.MULTILINE)
        return _normal(package) in map(_normal, words)

    def folder(self, runtime: str, state: Path) -> Path:
        """Where the environment made of them lies."""
        return state / "environments" / f"{_version(runtime)}-{self.digest}"


def requirements_in(folder: Path) -> Requirements | None:
    """What one folder requires; `requirements.txt` counts before `pyproject.toml`."""
    file = folder / "requirements.txt"
    if file.is_file():
        content = b"\0".join(path.read_bytes() for path in _with_included(file, set()))
        return Requirements(file, ("-r", str(file)), hashlib.sha256(content).hexdigest()[:16])
    file = folder / "pyproject.toml"
    try:
        needed = tomllib.loads(file.read_text("utf-8"))["project"]["dependencies"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # none, none that can be read, or one that lists no dependencies
    if not needed or not isinstance(needed, list):
        return None
    wanted = tuple(map(str, needed))
    return Requirements(file, wanted, hashlib.sha256("\0".join(wanted).encode()).hexdigest()[:16])


def _with_included(file: Path, seen: set[Path]) -> Iterator[Path]:
    if file in seen or not file.is_file():
        return
    seen.add(file)
    yield file
    for name in _INCLUDED.findall(file.read_text("utf-8", "replace")):
        yield from _with_included(file.parent / name, seen)


def _normal(package: str) -> str:
    # https://packaging.python.org/en/latest/specifications/name-normalization/
    return re.sub(r"[-_.]+", "-", package).lower()


def _version(runtime: str) -> str:
    return (runtime or OWN).removeprefix("python")


def find_uv() -> str | None:
    """uv on the PATH, or the one that is installed with livetui."""
    beside = Path(sys.executable).parent / ("uv.exe" if os.name == "nt" else "uv")
    return shutil.which("uv") or (str(beside) if beside.is_file() else None)


class NoPythonError(LivetuiError):
    """The Python that an environment is to be of cannot be had, or cannot make one."""


def make_environment(requirements: Requirements, runtime: str, state: Path) -> Path:
    """The Python of an environment with what is required and boto3, which Lambda's own runtime has.

    Made with uv, which also fetches a missing Python; without uv with `python3.N -m venv` and pip. Takes seconds to
    minutes and needs a package index; done once per content. Raises `LivetuiError` with the tool's own words, and
    `NoPythonError` when it is not for the packages: another `runtime` may do then, such as livetui's own, `OWN`.
    """
    folder, version = requirements.folder(runtime, state), _version(runtime)
    python = folder / BIN / PYTHON
    if (folder / "livetui-complete").is_file():
        return python
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = find_uv()
    wanted = sys.executable if runtime == OWN else version
    make = ([uv, "venv", "--quiet", "--clear", "--python", wanted, str(folder)] if uv else
            [_installed_python(version), "-m", "venv", "--clear", str(folder)])
    install = [uv, "pip", "install", "--quiet", "--python", str(python)] if uv else [
        str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command, kind in ((make, NoPythonError), ([*install, *requirements.arguments, "boto3"], LivetuiError)):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                           cwd=requirements.file.parent)
        except (OSError, subprocess.CalledProcessError) as error:
            words = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
            raise kind(f"The environment for {requirements.file.name} was not made.", words,
                       f"Make a .venv with Python {version} beside the code yourself: it is used as "
                       "soon as it is there.") from error
    (folder / "livetui-complete").write_text(str(requirements.file))
    return python


def _installed_python(version: str) -> str:
    found = shutil.which(f"python{version}")
    if found is None and version == _version(OWN):
        found = sys.executable
    if found is None:
        raise NoPythonError(f"There is no Python {version} here to make an environment with.", "",
                            f"Install Python {version}, or uv, which fetches it: pip install uv")
    return found
