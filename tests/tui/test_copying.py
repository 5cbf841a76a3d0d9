"""What reaches the clipboard."""

from __future__ import annotations

import json

import msgspec
import pytest
from console import console
from recorded import live_session

from livetui.session.secrets import MASK
from livetui.tui import documents
from livetui.tui.messages import CopyRequested


async def test_y_copies_the_event_of_a_row_the_value_of_a_line_and_its_path():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("y")
        await shown.until(lambda: "routeKey" in shown.app.clipboard, "the event on the clipboard")
        await shown.press("enter", "j", "j", "y")
        assert shown.app.clipboard == '"GET /orders/{id}"'
        await shown.press("Y")
        assert shown.app.clipboard == ".routeKey"
        await shown.press("j", "j", "y")
        assert json.loads(shown.app.clipboard)["accept"] == "application/json"


async def test_a_copied_event_has_its_secrets_only_where_they_are_shown():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("y")
        await shown.until(lambda: "routeKey" in shown.app.clipboard, "the event on the clipboard")
        assert "secret.token" not in shown.app.clipboard
        assert MASK in shown.app.clipboard
        await shown.press("u", "y")
        await shown.until(lambda: "secret.token" in shown.app.clipboard, "the event with its secrets")


async def test_secrets_that_are_shown_of_one_row_are_masked_in_what_is_copied_of_another():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("u")
        assert shown.main._reveals(12)
        assert not shown.main._reveals(11)
        shown.main.post_message(CopyRequested("", "event", shown.session.invocations[12].row))
        await shown.until(lambda: "secret.token" in shown.app.clipboard, "the event with its secrets")
        await shown.opened(11)
        shown.main.post_message(CopyRequested("", "event", shown.session.invocations[12].row))
        await shown.until(lambda: MASK in shown.app.clipboard, "the event with its secrets masked")
        assert "secret.token" not in shown.app.clipboard


@pytest.mark.parametrize("words", ["password=hunter22", '{"password": "hunter22"', "x " * 9 + "Bearer hunter22hunter22"])
def test_large_text_that_is_no_json_is_masked_too(words):
    payload = "\n".join(["y" * 1000] * 600 + [words]).encode()
    assert b"hunter22" in payload
    assert b"hunter22" not in documents.masked_json(payload)


async def test_a_large_event_is_copied_masked_line_by_line(monkeypatch):
    whole = documents.mask_json

    def small_only(payload: bytes) -> bytes:
        assert len(payload) <= documents.MASKED_WHOLE, "holds the interpreter for as long as it takes"
        return whole(payload)

    monkeypatch.setattr(documents, "mask_json", small_only)
    session = live_session()
    event = json.dumps({"password": "hunter22", "rows": ["x" * 1000] * 700}).encode()
    session.invocations[12] = msgspec.structs.replace(session.invocations[12], event=event)
    async with console(session) as shown:
        shown.main.post_message(CopyRequested("", "event", session.invocations[12].row))
        await shown.until(lambda: bool(shown.app.clipboard), "the event on the clipboard")
    assert json.loads(shown.app.clipboard) == {"password": MASK, "rows": ["x" * 1000] * 700}
