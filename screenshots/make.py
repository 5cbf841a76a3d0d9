"""Pictures of the real console over a recorded session: SVG from the application, PNG through headless Chromium.

Usage: python screenshots/make.py [NAME…]
Without Chromium (or `CHROMIUM=path`) only the SVGs are written.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "tui")]
os.environ.update(TZ="UTC", TEXTUAL_ANIMATIONS="none")
os.environ.pop("NO_COLOR", None)
time.tzset()

from console import Console  # noqa: E402  (the folders above must be on the path first)
from recorded import LIVE, NOON, STEPS, RecordedSession, invocation, live_session  # noqa: E402
from recorded_debugger import RecordedDebugger, photograph  # noqa: E402

from livetui.config import Settings  # noqa: E402
from livetui.session.events import EditorsChanged, LinkChanged, SessionFailed, StackProgress  # noqa: E402
from livetui.session.invocation import AwsCall  # noqa: E402
from livetui.tui.app import LivetuiApp  # noqa: E402

Act = Callable[[Console], Awaitable[None]]


@dataclass(frozen=True)
class Picture:
    """One picture: what is done before it is taken, at which size, in which theme."""

    act: Act
    size: tuple[int, int] = (120, 34)
    theme: str = "tokyo-night"
    session: Callable[[Path], RecordedSession] | None = None


def orders(folder: Path) -> RecordedSession:
    """The orders example with a debugger and sources that can be shown."""
    session = live_session()
    session.settings = Settings(app="orders", stage="dev", project=str(folder))
    session.debug = RecordedDebugger(session, folder / "src")  # type: ignore[attr-defined]
    source = folder / "src" / "orders.py"
    source.write_text(ORDERS)
    return session


ORDERS = '''import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


class OrderNotFound(Exception):
    pass


def find(id):
    order = table.get_item(Key={"id": id}).get("Item")
    if order is None:
        raise OrderNotFound(f"order {id} does not exist")
    return order


def handler(event, context):
    """GET /orders/{id}"""
    order = find(event["pathParameters"]["id"])
    return {"statusCode": 200, "body": str(order)}
'''


def press(*keys: str, row: int | None = 12) -> Act:
    """Choose a row, then press keys."""

    async def act(shown: Console) -> None:
        if row is not None:
            await shown.opened(row)
        for key in keys:
            await (shown.type(key[5:]) if key.startswith("type:") else shown.press(key))

    return act


async def error(shown: Console) -> None:
    """The error tab with its source and variables."""
    folder = str(shown.session.settings.root)
    functions = {
        name: type(each)(
            **{field: getattr(each, field) for field in each.__struct_fields__ if field != "code_root"},
            code_root=folder,
        )
        for name, each in LIVE.functions.items()
    }
    shown.session.tell(
        type(LIVE)(
            **{field: getattr(LIVE, field) for field in LIVE.__struct_fields__ if field != "functions"},
            functions=functions,
        )
    )
    shown.session.debug.post_mortems[12] = photograph(f"{folder}/src/orders.py")  # type: ignore[attr-defined]
    frames = [
        f'  File "/var/task/src/orders.py", line {line}, in {name}\n    …\n'
        for line, name in ((21, "handler"), (15, "find"))
    ]
    import json

    answer = json.dumps(
        {"errorType": "OrderNotFound", "errorMessage": "order 99 does not exist", "stackTrace": frames}
    ).encode()
    shown.session.hold(
        invocation(
            12,
            "GetOrder",
            "GET /orders/99",
            "error",
            handler_ms=3.0,
            response=answer,
            calls=[],
            error="OrderNotFound: order 99 does not exist",
        )
    )
    await press("4")(shown)


async def replayed(shown: Console) -> None:
    """A replay beside its origin."""
    shown.session.hold(
        invocation(
            13,
            "GetOrder",
            "replay of #12",
            handler_ms=9.0,
            overhead_ms=0.0,
            replay_of=12,
            response=b'{"statusCode":200,"body":"{\\"id\\":\\"99\\",\\"amount\\":1250}"}',
        )
    )
    await press("7", row=13)(shown)


async def paused(shown: Console) -> None:
    """A call at a breakpoint."""
    debug = shown.session.debug  # type: ignore[attr-defined]
    debug.put(7, enabled=False)
    debug.put(13)
    debug.watches = ["s * 2", "rows"]
    debug.put(15, condition="s > 5000")
    shown.session.tell(EditorsChanged(["VS Code"]))
    debug.pause()
    await shown.until(lambda: bool(shown.main.debugger.variables.nodes), "the variables")
    shown.main.debugger.variables.focus()
    await shown.press("enter")
    shown.main.debugger.evaluate.line.focus()
    await shown.type("sum(r['amount'] for r in rows)")
    await shown.press("enter")
    shown.main.debugger.source.focus()
    await shown.settle()


async def logs(shown: Console) -> None:
    """What all handlers wrote."""
    for id, words in (
        (9, "order 41 created"),
        (11, "batch of 10"),
        (11, "order 7 is out of stock"),
        (10, "found order 7"),
        (12, "[ERROR] order 99 does not exist"),
        (14, "nightly report begins"),
        (14, "[WARNING] 3 orders without an amount"),
    ):
        shown.session.write(id, words)
    await press("f6", row=None)(shown)


async def link(shown: Console) -> None:
    """Round trips and traffic."""
    for at in range(60):
        shown.session.tell(LinkChanged("live", 21.0 + (at * 7 % 13)))
        shown.session.finish(invocation(20 + at, "GetOrder", f"GET /orders/{at}", overhead_ms=4.0 + at % 5))
    await press("f9", row=None)(shown)


async def starting(shown: Console) -> None:
    """Half way through the first deployment."""
    for step in STEPS:
        shown.session.tell(step)
    await shown.settle()


async def failed(shown: Console) -> None:
    """A deployment that cannot work."""
    await starting(shown)
    shown.session.tell(
        StackProgress(
            "deploy", "OrdersTable", "CREATE_FAILED", "AWS::DynamoDB::Table", "Table orders-dev already exists", 3.0
        )
    )
    shown.session.tell(
        SessionFailed(
            "The stack orders-dev could not be deployed.",
            "OrdersTable: Table orders-dev already exists",
            "Give the table another name, or remove it, then press D.",
        )
    )
    await shown.settle()


async def causes(shown: Console) -> None:
    """A request, the message it sent, and what came of that."""

    def sends(service: str, id: str) -> list[AwsCall]:
        return [AwsCall(service, "SendMessage", "orders", 200, 4.0, sent=[id])]

    chain = (
        invocation(20, "CreateOrder", "POST /orders", trace_id="1-a", calls=sends("sqs", "m-1")),
        invocation(
            21,
            "Worker",
            "sqs orders ×1",
            trace_id="1-a",
            calls=sends("events", "e-1"),
            event=b'{"Records":[{"messageId":"m-1"}]}',
        ),
        invocation(
            22,
            "Notify",
            "event shop.shipping",
            trace_id="1-a",
            event=b'{"id":"e-1","detail-type":"Shipped","detail":{}}',
        ),
    )
    for each in chain:
        shown.session.finish(each)
    await shown.settle()
    await press("t", row=21)(shown)


def quiet(folder: Path) -> RecordedSession:
    """Live, and no call has come."""
    session = orders(folder)
    session.invocations.clear()
    return session


def fresh(folder: Path) -> RecordedSession:
    """Nothing has happened yet."""
    return RecordedSession(settings=Settings(app="orders", stage="dev", project=str(folder)))


PICTURES: dict[str, Picture] = {
    "main": Picture(press()),
    "main-wide": Picture(press(), (160, 45)),
    "main-small": Picture(press(), (80, 24)),
    "main-light": Picture(press(), theme="textual-light"),
    "main-ansi": Picture(press(), theme="ansi-dark"),
    "starting": Picture(starting, session=fresh),
    "failed": Picture(failed, session=fresh),
    "filter": Picture(press("slash", "type:fn:Get* !is:replay")),
    "error": Picture(error, (140, 36)),
    "calls": Picture(press("8"), (140, 34)),
    "timing": Picture(press("6"), (140, 30)),
    "diff": Picture(replayed),
    "edit": Picture(press("e"), (120, 40)),
    "paused": Picture(paused, (120, 38)),
    "functions": Picture(press("f3", row=None)),
    "stack": Picture(press("f4", row=None)),
    "logs": Picture(logs),
    "link": Picture(link),
    "help": Picture(press("question_mark", row=None)),
    "palette": Picture(press("ctrl+p", "type:replay", row=None)),
    "export": Picture(press("x")),
    "sample": Picture(press("i", "enter")),
    "causes": Picture(causes),
    "sessions": Picture(press("P", row=None)),
    "waiting": Picture(press(row=None), session=quiet),
}


async def take(name: str, picture: Picture) -> Path:
    """One picture as SVG."""
    with tempfile.TemporaryDirectory() as folder:
        session = (picture.session or orders)(Path(folder))
        app = LivetuiApp(session, clock=lambda: NOON + 22)
        async with app.run_test(size=picture.size, notifications=True) as pilot:
            shown = Console(app, pilot, session)
            await shown.until(lambda: shown.main.ready, "all views")
            app.theme = picture.theme
            await picture.act(shown)
            await pilot.pause(0.4)
            target = HERE / f"{name}.svg"
            target.write_text(app.export_screenshot(title="livetui").replace(folder, "~/orders"))
    return target


def to_png(svg: Path) -> bool:
    """Draw an SVG with headless Chromium; False when there is none."""
    chromium = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if chromium is None:
        return False
    drawing = svg.read_text()
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawing)
    assert found is not None
    width, height = (round(float(size)) for size in found.groups())
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        sized = drawing.replace("<svg ", f'<svg width="{width}" height="{height}" ', 1)
        page.write_text(f'<body style="margin:0">{sized}</body>')
        subprocess.run(
            [
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--user-data-dir={folder}/profile",
                f"--screenshot={svg.with_suffix('.png')}",
                f"--window-size={width},{height}",
                page.as_uri(),
            ],
            check=True,
            timeout=120,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return True


def main() -> None:
    """Take the pictures that were asked for, all by default."""
    for name in sys.argv[1:] or PICTURES:
        svg = asyncio.run(take(name, PICTURES[name]))
        drawn = to_png(svg)
        if drawn:
            svg.unlink()
        made = svg.with_suffix(".png").name if drawn else f"{svg.name} (no Chromium: no .png)"
        print(made)  # noqa: T201  (what the script is for)


if __name__ == "__main__":
    main()
