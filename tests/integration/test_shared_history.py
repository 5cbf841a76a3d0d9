"""Commands beside a running console: they read and write one history, run nothing twice, and deploy nothing unasked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from livetui.aws import Aws
from livetui.cloud import LocalCloud
from tests.integration.console_process import ConsoleProcess

ORDERS = Path(__file__).parents[2] / "examples" / "orders"
pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("restart")]


def livetui(folder: Path, *words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "livetui", *words], cwd=folder, capture_output=True, text=True,
                          timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_replay_from_the_command_line_keeps_the_consoles_history_and_stack(tmp_path: Path) -> None:
    project = tmp_path / "shop"
    shutil.copytree(ORDERS, project)
    with LocalCloud.start(project / ".livetui") as cloud:
        stacks = Aws(cloud.access).client("cloudformation")
        console = ConsoleProcess(project, "--local")
        live = console.live()

        def updated() -> object:
            return stacks.describe_stacks(StackName=f"{live['app']}-{live['stage']}-live")["Stacks"][0].get(
                "LastUpdatedTime")

        before = updated()
        livetui(project, "invoke", "ListOrders")
        first = console.finished(function="ListOrders")
        template = project / "template.yaml"
        template.write_text(template.read_text("utf-8").replace("Timeout: 10", "Timeout: 12"), "utf-8")
        replayed = json.loads(livetui(project, "replay", str(first["id"]), "--json"))
        assert replayed["replay_of"] == first["id"]
        assert updated() == before
        seen = len(console.events)
        livetui(project, "invoke", "ListOrders")
        later = console.finished(function="ListOrders", after=seen)
        listed = [json.loads(line)["id"] for line in livetui(project, "invocations", "--json").splitlines()]
        assert {first["id"], replayed["id"], later["id"]} <= set(listed)
        console.end()
    assert not (project / ".livetui" / "invocations.sqlite-wal").exists()
