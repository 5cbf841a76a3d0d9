"""What is given away: the source distribution, the wheel's metadata, the lock file, and the repository itself."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement

from livetui import __version__

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("wheel")]
LOCKS = ("requirements.lock", "livetui/stack/stub-requirements.txt")


def build(kind: str, source: Path, folder: Path) -> Path:
    """Build one distribution with the pinned backend of this environment; nothing is downloaded."""
    subprocess.run([sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", folder, source],
                   check=True, capture_output=True)
    return next(folder.glob("*.tar.gz" if kind == "sdist" else "*.whl"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built from the source distribution, as `pip install livetui-….tar.gz` does."""
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return build("wheel", next(folder.iterdir()), tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def about(wheel: Path) -> Message:
    """The wheel's metadata."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def tracked(*options: str) -> list[str]:
    """Files of the checkout, by `git ls-files`."""
    listed = subprocess.run(["git", "ls-files", "-z", *options], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not in a git checkout")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


# --- the source distribution ----------------------------------------------------------------------------------------

def members(sdist: Path) -> set[str]:
    """Its files, without the folder at the top."""
    with tarfile.open(sdist) as archive:
        return {str(PurePosixPath(*PurePosixPath(file.name).parts[1:])) for file in archive if file.isfile()}


def test_the_source_distribution_has_what_it_must(sdist: Path) -> None:
    needed = {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "PKG-INFO", "Makefile", "requirements.lock",
              "livetui/cli/__init__.py", "livetui/tui/app.tcss", "livetui/stack/stub-requirements.txt", "stub_runtime/wire.py",
              "bootstrap/template.yaml", "examples/orders/template.yaml", "docs/architecture.md",
              "tests/wheel/test_packaging.py"}
    assert needed - members(sdist) == set()


def test_the_source_distribution_has_nothing_that_is_not_in_the_repository(sdist: Path) -> None:
    ours = {*tracked("--cached", "--others", "--exclude-standard"), "PKG-INFO"}
    assert members(sdist) - ours == set()


def test_the_source_distribution_has_no_state_and_no_corpus(sdist: Path) -> None:
    parts = {part for name in members(sdist) for part in PurePosixPath(name).parts}
    assert not parts & {".livetui", ".venv", "__pycache__", "corpus", ".git", "dist", "build", ".mypy_cache"}


# --- the wheel ------------------------------------------------------------------------------------------------------

def test_twine_accepts_both(sdist: Path, wheel: Path) -> None:
    checked = subprocess.run([sys.executable, "-m", "twine", "check", "--strict", sdist, wheel], capture_output=True,
                             text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_wheel_out_of_the_source_distribution_is_whole(wheel: Path) -> None:
    carried = {PurePosixPath(name) for name in zipfile.ZipFile(wheel).namelist()}
    places = {"livetui": "livetui", "stub_runtime": "stub_runtime", "bootstrap": "livetui/bootstrap",
              "examples/orders": "livetui/examples/orders"}
    for source, place in places.items():
        wanted = {PurePosixPath(place, PurePosixPath(name).relative_to(source)) for name in tracked(source)}
        assert wanted - carried == set()
    assert {str(name) for name in carried if "tests" in name.parts or name.suffix in (".pyc", ".lock")} == set()


def test_the_metadata_says_what_it_is(about: Message) -> None:
    assert (about["Name"], about["Version"]) == ("livetui", __version__)
    assert (about["License-Expression"], about.get_all("License-File")) == ("MIT", ["LICENSE"])
    assert about["Requires-Python"] == ">=3.11"
    assert about["Description-Content-Type"] == "text/markdown"
    assert str(about.get_payload()).startswith("# livetui")


def test_the_classifiers_exist_and_name_the_pythons(about: Message) -> None:
    trove = pytest.importorskip("trove_classifiers")
    stated = set(about.get_all("Classifier") or [])
    assert stated - trove.classifiers == set()
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)} <= stated
    assert not any(line.startswith("License ::") for line in stated)  # the expression says it; both are refused


def test_the_wheel_installs_one_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        points = configparser.ConfigParser()
        points.read_string(archive.read(name).decode())
    assert {section: dict(points[section]) for section in points.sections()} == {
        "console_scripts": {"livetui": "livetui.cli:main"}}


def test_the_local_cloud_is_an_extra(about: Message) -> None:
    asked = [Requirement(line) for line in about.get_all("Requires-Dist") or []]
    extra = {each.name for each in asked if each.marker is not None and "extra" in str(each.marker)}
    assert about.get_all("Provides-Extra") == ["local"]
    assert "ministack" in extra
    assert not extra & {each.name for each in asked if each.marker is None}


def test_the_changelog_begins_with_this_version() -> None:
    headings = re.findall(r"(?m)^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"))
    assert headings[0] == __version__


# --- the lock files -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_with_hashes_and_no_place(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert not re.search(r"://|--(?:extra-)?index-url|--find-links|--trusted-host", text)
    lines = text.replace("\\\n", " ").splitlines()
    requirements = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert requirements
    for line in requirements:
        assert re.match(r"[\w.-]+(?:\[[\w,-]+\])?==[\w.+!]+\s", line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}(?:\s|$)", line), line


def test_the_lock_has_every_dependency_that_is_declared(about: Message) -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pinned = {re.sub(r"[-_.]+", "-", name).lower(): version
              for name, version in re.findall(r"(?m)^([\w.-]+)(?:\[[\w,-]+\])?==([\w.+!]+)", lock)}
    for line in about.get_all("Requires-Dist") or []:
        asked = Requirement(line)
        version = pinned.get(re.sub(r"[-_.]+", "-", asked.name).lower())
        assert version is not None, f"{asked.name} is not in requirements.lock; run: make lock"
        assert asked.specifier.contains(version), f"requirements.lock has {asked.name} {version}, not {asked.specifier}"


# --- the repository -------------------------------------------------------------------------------------------------

def texts() -> list[tuple[str, str]]:
    """Every file of the repository that is text, with its name."""
    found = []
    for name in tracked():
        content = (ROOT / name).read_bytes()
        if b"\0" not in content:
            found.append((name, content.decode("utf-8", "replace")))
    return found


def lines_with(pattern: re.Pattern[str], but: tuple[str, ...] = ()) -> list[str]:
    """`file:line: text` of every line that the pattern finds, outside of `but`."""
    return [f"{name}:{number}: {line[:120]}" for name, text in texts() if not name.startswith(but)
            for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]


def test_no_file_names_a_place_of_the_machine_it_was_written_on() -> None:
    places = ["/" + "work/", "/" + "root/", "/" + "workspace/", str(Path.home()) + "/"]
    assert lines_with(re.compile("|".join(re.escape(place) for place in places))) == []


def registry_hosts() -> set[str]:
    """Hosts of the package indexes that this machine is set up for, besides the public one."""
    asked = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    set_up = asked.stdout + " ".join(value for name, value in os.environ.items()
                                     if name.startswith(("PIP_", "UV_", "npm_config_", "NPM_CONFIG_")))
    hosts = {urlsplit(url).hostname or "" for url in re.findall(r"https?://[^\s'\"]+", set_up)}
    return {host for host in hosts if host and host not in ("pypi.org", "localhost", "127.0.0.1")}


def test_no_file_names_a_package_index() -> None:
    index = [r"--(?:extra-)?" + r"index-url[ =]\s*https?:", "files[.]" + "pythonhosted", "registry[.]" + "npmjs"]
    hosts = [re.escape(host) for host in registry_hosts()]
    assert lines_with(re.compile("|".join([*index, *hosts]))) == []


def test_no_file_holds_a_secret() -> None:
    keys = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY|\bgh[pousr]_\w{30}|"
                      r"\bxox[abprs]-\d{8,}-")
    assert lines_with(keys, but=("tests/",)) == []
    documented = re.compile(r"EXAMPLE|NOBODY|ABCDEFGHIJ|0123456789|SECRET")
    assert [line for line in lines_with(keys) if not documented.search(line) and '-----" *' not in line] == []


def test_no_file_holds_a_long_run_of_letters_and_digits() -> None:
    assert lines_with(re.compile(r"[A-Za-z0-9+=_-]{160}")) == []


def test_no_file_is_state_or_a_product_of_a_run() -> None:
    wrong = re.compile(r"(?:^|/)(?:\.livetui|__pycache__|\.venv|node_modules|dist|build)(?:/|$)|"
                       r"\.(?:pyc|sqlite|log|whl)$")
    assert [name for name in tracked() if wrong.search(name)] == []


# --- installers -----------------------------------------------------------------------------------------------------

def with_pip(wheel: Path, folder: Path) -> Path:
    """Into an environment of its own, by pip; the folder of its commands."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([folder / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                    "--constraint", unhashed(folder), f"{wheel}[local]"], check=True, capture_output=True)
    return folder / "venv/bin"


def with_uv_tool(wheel: Path, folder: Path) -> Path:
    """As a tool, by uv; the folder of its commands."""
    places = {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    subprocess.run([sys.executable, "-m", "uv", "tool", "install", "--quiet", "--python", sys.executable,
                    "--constraints", unhashed(folder), f"livetui[local] @ file://{wheel}"], check=True,
                   capture_output=True, env={**os.environ, **places})
    return folder / "bin"


def with_pipx(wheel: Path, folder: Path) -> Path:
    """As an application, by pipx; the folder of its commands."""
    places = {"PIPX_HOME": str(folder / "home"), "PIPX_BIN_DIR": str(folder / "bin"), "PIPX_MAN_DIR": str(folder / "man")}
    subprocess.run([sys.executable, "-m", "uv", "tool", "run", "--quiet", "--python", sys.executable, "--from",
                    "pipx==1.8.0", "pipx", "install", "--quiet", "--python", sys.executable, "--pip-args",
                    f"--constraint {unhashed(folder)}", f"{wheel}[local]"], check=True, capture_output=True,
                   env={**os.environ, **places})
    return folder / "bin"


def unhashed(folder: Path) -> Path:
    """The lock's versions as constraints; with hashes pip would want one of the wheel itself."""
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pins = re.findall(r"(?m)^(\S+==[^\s;\\]+(?: ; [^\\\n]+)?)", lock)
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(re.sub(r"\[.*?\]", "", pin, count=1) for pin in pins) + "\n")
    return constraints


@pytest.mark.long
@pytest.mark.parametrize("install", [with_pip, with_uv_tool, with_pipx], ids=["pip", "uv-tool", "pipx"])
def test_it_works_however_it_is_installed(install: Callable[[Path, Path], Path], wheel: Path, tmp_path: Path) -> None:
    commands = install(wheel, tmp_path)
    folder = tmp_path / "empty"
    folder.mkdir()
    clean = {"PATH": f"{commands}{os.pathsep}/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path),
             "LANG": "C.UTF-8"}
    told = subprocess.run([commands / "livetui", "demo", "--headless", "--json", "--for", "6"], cwd=folder, env=clean,
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=120)
    assert told.returncode == 0, told.stderr
    assert {"session.live", "invocation.finished"} <= {json.loads(line)["event"] for line in told.stdout.splitlines()}
