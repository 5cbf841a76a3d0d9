"""A real session over a copy of the orders example, and the console on it: what tests of the whole product share."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from console import Console

from livetui.aws import Aws
from livetui.cloud import LocalCloud
from livetui.config import load
from livetui.session.events import InvocationFinished, SessionLive
from livetui.session.headless import live
from livetui.session.session import Session
from livetui.tui.app import LivetuiApp
from tests.integration.events import Heard

ORDERS = Path(__file__).parents[2] / "examples" / "orders"


class Shop:
    """The running shop: its session, what it told, and how it is called from outside."""

    def __init__(self, session: Session, heard: Heard) -> None:
        self.session = session
        self.heard = heard
        self.folder = session.settings.root
        self.live: SessionLive = heard.wait_for(lambda event: isinstance(event, SessionLive))
        self.url = next(value for name, value in self.live.outputs.items() if "ApiUrl" in name)

    async def curl(self, path: str, *words: str) -> tuple[int, Any]:
        """The HTTP status and the answer that the command `curl` gets."""
        process = await asyncio.create_subprocess_exec(
            "curl",
            "--silent",
            "--show-error",
            "--max-time",
            "60",
            "--write-out",
            "\n%{http_code}",
            *words,
            self.url + path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, trouble = await process.communicate()
        assert process.returncode == 0, trouble.decode()
        body, _, status = said.decode().rpartition("\n")
        return int(status), json.loads(body) if body else None

    async def invoke(self, function: str, event: Any) -> Any:
        """What `aws lambda invoke` gives: the payload."""
        cloud = LocalCloud.find(self.session.settings.state)
        assert cloud is not None
        client = Aws(cloud.access).client("lambda")
        name = self.live.functions[function].name
        answer = await asyncio.to_thread(client.invoke, FunctionName=name, Payload=json.dumps(event).encode())
        return json.loads(answer["Payload"].read())

    def finished(self, function: str) -> list[InvocationFinished]:
        """All invocations of a function that have ended, oldest first."""
        return [
            event
            for event in self.heard.events
            if isinstance(event, InvocationFinished) and event.row.function == function
        ]


@contextmanager
def shop(project: Path) -> Iterator[Shop]:
    """The orders example, live on the local cloud."""
    shutil.copytree(ORDERS, project, ignore=shutil.ignore_patterns("__pycache__", ".livetui"))
    template = project / "template.yaml"
    # Its callers wait 12 s at most: long enough for a test at a breakpoint, short enough to see the deadline come.
    template.write_text(template.read_text("utf-8").replace("VisibilityTimeout: 120", "VisibilityTimeout: 12"), "utf-8")
    heard = Heard()
    session = Session(load(project, {"local": True, "app": "shop"}))
    with live(session, heard):
        yield Shop(session, heard)


@asynccontextmanager
async def console_on(running: Shop, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Console]:
    """The console over the shop's session."""
    app = LivetuiApp(running.session, clock=time.time)
    async with app.run_test(size=size, notifications=True) as pilot:
        shown = Console(app, pilot, running.session)  # type: ignore[arg-type]
        await shown.until(lambda: shown.main.ready, "all views")
        yield shown
