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
from livetui.config import load
from livetui.session.headless import live
from livetui.session.session import Session
from tests.integration.console_process import ConsoleProcess
from tests.integration.events import Heard

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
        began = console.live()

        def updated() -> object:
            return stacks.describe_stacks(StackName=f"{began['app']}-{began['stage']}-live")["Stacks"][0].get(
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


@pytest.mark.long
def test_breakpoints_of_a_console_do_not_stop_a_session_without_one(tmp_path: Path) -> None:
    project = tmp_path / "shop"
    shutil.copytree(ORDERS, project)
    source = project / "src" / "list_orders.py"
    line = 2 + source.read_text("utf-8").splitlines().index("def handler(event, context):")
    with LocalCloud.start(project / ".livetui"):
        with live(Session(load(project, {"local": True})), Heard()) as session:
            session.debug.toggle(source, line).result(10)
        kept = (project / ".livetui" / "breakpoints.json").read_text("utf-8")
        assert "list_orders.py" in kept
        console = ConsoleProcess(project, "--local")
        console.live()
        livetui(project, "invoke", "ListOrders")
        assert console.finished(function="ListOrders")["state"] == "ok"
        port = (project / ".livetui" / "debug.json").read_text("utf-8")
        livetui(project, "replay", "1")
        assert (project / ".livetui" / "debug.json").read_text("utf-8") == port
        assert (project / ".livetui" / "breakpoints.json").read_text("utf-8") == kept
        console.end()
