"""What a live session says of functions that cannot answer, from their deployment until they can."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from livetui.config import load
from livetui.session.events import FunctionChanged, FunctionInfo, SessionLive
from livetui.session.headless import live
from livetui.session.session import Session
from tests.integration.events import Heard

ORDERS = Path(__file__).parents[2] / "examples" / "orders"
pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("restart")]


def test_a_function_that_cannot_answer_is_told_of_until_it_can(tmp_path: Path) -> None:
    project = tmp_path / "shop"
    shutil.copytree(ORDERS, project)
    template, code = project / "template.yaml", project / "src"
    template.write_text(template.read_text().replace("get_order.handler", "get_order.handlr"))
    (code / "list_orders.py").write_text(f"import tally\n{(code / 'list_orders.py').read_text()}")
    heard = Heard()
    session = Session(load(project, {"local": True, "app": "shop"}))

    def becomes(name: str, lacks: str, interpreter: Path, after: int) -> FunctionInfo:
        event = heard.wait_for(lambda event: isinstance(event, FunctionChanged) and event.function == name and (
            event.info.lacks, event.info.interpreter) == (lacks, str(interpreter)), after=after)
        assert isinstance(event, FunctionChanged)
        assert session.status().live.functions[name] == event.info  # for a front end that comes late
        return event.info

    with live(session, heard):
        functions = heard.events[heard.index(SessionLive)].functions
        assert [name for name, each in functions.items() if each.broken] == ["GetOrder"]
        assert functions["GetOrder"].trouble.startswith("get_order.py defines no 'handlr'")
        told = len(heard.events)
        (code / "get_order.py").write_text(f"{(code / 'get_order.py').read_text()}\nhandlr = handler\n")
        becomes("GetOrder", "", Path(sys.executable), told)

        session.invoke("ListOrders", b"{}", lambda _: None)
        row = heard.finished("ListOrders").row
        assert "No module named 'tally'" in becomes("ListOrders", "import", Path(sys.executable), told).trouble
        assert row.state == "error"

        told = len(heard.events)
        own = project / ".venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", own], check=True)
        becomes("ListOrders", "import", own / "bin/python", told)
        packages = own / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        (packages / "boto3.pth").write_text(sysconfig.get_path("purelib"))
        (packages / "tally.py").touch()
        session.invoke("ListOrders", b"{}", lambda _: None)
        becomes("ListOrders", "", own / "bin/python", told)
        assert heard.finished("ListOrders", after=told).row.state == "ok"
