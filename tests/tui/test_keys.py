"""Every key is documented and explained, and can be bound anew."""

from __future__ import annotations

from pathlib import Path

from console import console
from recorded import live_session

from livetui.config import Settings
from livetui.tui.keys import BINDING_IDS


async def test_keys_are_rebound_by_id_and_mistakes_are_told():
    session = live_session()
    session.settings = Settings(app="orders", stage="dev", keys={"replay": "Z", "replya": "X"})
    async with console(session) as shown:
        await shown.sees("Did you mean 'replay'?")
        await shown.press("r")
        assert not [asked for asked in session.asked if asked[0] == "replay"]
        await shown.press("Z")
        assert ("replay", 16, None, 1) in session.asked


def test_the_documentation_names_every_key_that_can_be_rebound():
    page = (Path(__file__).parents[2] / "docs" / "console.md").read_text()
    missing = [id for id in sorted(BINDING_IDS) if f"`{id}`" not in page and not id.startswith("tab-")]
    assert not missing


def test_every_binding_has_an_id_and_a_tooltip():
    from livetui.tui import keys

    tables = [value for name, value in vars(keys).items() if name.endswith("_KEYS")]
    assert all(binding.id and binding.tooltip for table in tables for binding in table)
