"""The wheel, installed alone in an empty environment, runs the demo from an empty folder and leaves nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("wheel")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
                   check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that holds the wheel and what it asks for, and nothing else."""
    venv = tmp_path_factory.mktemp("venv")
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, "--clear", venv], check=True)
    subprocess.run([*uv, "pip", "install", "--python", venv, f"{wheel}[local]", "--constraint",
                    ROOT / "requirements.lock"], check=True)
    return venv / "bin"


def test_the_wheel_carries_what_the_demo_needs(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("stub_runtime/handler.py", "livetui/bootstrap/template.yaml", "livetui/bootstrap/cleaner.py",
                   "livetui/examples/orders/template.yaml", "livetui/tui/app.tcss"):
        assert needed in names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"livetui", "stub_runtime", next(top for top in tops if top.endswith(".dist-info"))}


@pytest.mark.long
def test_the_demo_runs_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    folder, temp = tmp_path / "empty", tmp_path / "temp"
    folder.mkdir()
    temp.mkdir()
    environment = {"PATH": f"{installed}:/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(temp), "LANG": "C.UTF-8"}
    before = {process.pid for process in psutil.process_iter()}
    demo = subprocess.run([installed / "livetui", "demo", "--headless", "--json", "--for", "12"], cwd=folder,
                          env=environment, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                          check=False)
    events = [json.loads(line) for line in demo.stdout.splitlines()]
    assert demo.returncode == 0, demo.stderr
    live = next(event for event in events if event["event"] == "session.live")
    assert live["functions"]
    states = {(event["function"], event["state"]) for event in events if event["event"] == "invocation.finished"}
    assert any(state == "ok" for _, state in states)
    assert list(temp.iterdir()) == []
    left = [process for process in psutil.process_iter(["cmdline"])
            if process.pid not in before and str(installed.parent) in " ".join(process.info["cmdline"] or [])]
    assert left == []


def test_help_and_version_do_not_load_the_console(installed: Path, tmp_path: Path) -> None:
    nothing_captured = 1
    for word, code in (("--help", 0), ("--version", 0), ("config", 0), ("invocations", nothing_captured), ("events", 0)):
        script = ("import sys; sys.argv[0] = 'livetui'\nfrom livetui.cli import main\n"
                  "try: main()\nexcept SystemExit as end: code = end.code or 0\n"
                  f"assert code == {code}, code\nassert 'textual' not in sys.modules, 'textual was loaded'")
        subprocess.run([installed / "python", "-c", script, word], check=True, capture_output=True, cwd=tmp_path)
