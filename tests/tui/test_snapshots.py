"""What the main states look like at the three sizes. `LIVETUI_ACCEPT=1 pytest …` accepts changes."""

from __future__ import annotations

import pytest
from console import SIZES, Console, console
from recorded import STEPS, RecordedSession, live_session
from recorded_debugger import RecordedDebugger

from livetui.session.events import SessionFailed


async def live(shown: Console) -> None:
    await shown.opened(12)


async def starting(shown: Console) -> None:
    for step in STEPS:
        shown.session.tell(step)
    await shown.sees("OrdersTable")


async def failed(shown: Console) -> None:
    shown.session.tell(
        SessionFailed(
            "There is no template here.",
            "Neither template.yaml nor livetui.toml is in ~/empty.",
            "Run livetui in a folder with a SAM template, or try livetui demo.",
            2,
        )
    )
    await shown.sees("There is no template here.")


async def paused(shown: Console) -> None:
    shown.session.debug.put(13)
    shown.session.debug.pause()
    await shown.until(lambda: bool(shown.main.debugger.variables.nodes), "the variables")
    await shown.sees("f5 Continue")  # the footer is made anew


STATES = {"live": live, "starting": starting, "failed": failed, "paused": paused}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("state", STATES)
async def test_looks_the_same(state, size, snap_compare_text, tmp_path):
    session = RecordedSession() if state in ("starting", "failed") else live_session()
    if state == "paused":
        session.debug = RecordedDebugger(session, tmp_path / "src")
        session.settings = type(session.settings)(app="orders", stage="dev", project=str(tmp_path))
    async with console(session, size=size) as shown:
        await STATES[state](shown)
        await shown.drawn()
        snap_compare_text(f"{state}-{size[0]}x{size[1]}", shown.screen_text("#dialog" if state == "failed" else ""))
