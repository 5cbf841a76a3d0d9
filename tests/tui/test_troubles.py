"""What keeps a function, or a stage, from answering stays on screen until it can answer."""

from __future__ import annotations

from console import console
from msgspec.structs import replace
from recorded import LIVE, STEPS, RecordedSession, live_session

from livetui.session.events import CodeReloaded, FunctionChanged, LinkChanged, SessionFailed, StackProgress
from livetui.tui.widgets.progress import summary


async def test_a_function_that_does_not_import_is_told_until_it_does():
    async with console() as shown:
        well = LIVE.functions["GetOrder"]
        ill = replace(well, lacks="import", trouble="SyntaxError: invalid syntax")
        shown.session.tell(FunctionChanged("GetOrder", ill))  # by a call: nothing was saved
        await shown.sees("✗ GetOrder does not import", "2 functions live")
        assert len(shown.app._notifications) == 1
        shown.app.clear_notifications()  # they cover the table for ten seconds
        await shown.press("f3")
        await shown.sees("✗ no import", "SyntaxError: invalid syntax", "2 of 4 live")
        shown.session.tell(CodeReloaded("GetOrder", 5.0, "NameError: x", "src/orders.py"))
        shown.session.tell(FunctionChanged("GetOrder", replace(ill, trouble="NameError: x")))
        await shown.sees("NameError: x")
        assert len(shown.app._notifications) == 1, "a save that does not mend it is told of once"
        shown.app.clear_notifications()
        shown.session.tell(FunctionChanged("GetOrder", well))
        await shown.lacks("GetOrder does not import", "✗ no import", "NameError")


async def test_a_function_without_its_handler_or_code_is_told_of_when_it_is_deployed():
    async with console() as shown:
        functions = {
            **LIVE.functions,
            "GetOrder": replace(LIVE.functions["GetOrder"], lacks="handler", trouble="orders.py defines no 'handler'."),
            "Worker": replace(LIVE.functions["Worker"], lacks="code", trouble="There is no folder /src."),
            "CreateOrder": replace(LIVE.functions["CreateOrder"], lacks="packages"),
        }
        shown.session.tell(replace(LIVE, functions=functions))
        await shown.sees("✗ GetOrder has no handler, 2 more", "orders.py defines no 'handler'.", "no folder /src")
        shown.app.clear_notifications()
        await shown.press("f3")
        await shown.sees("✗ no handler", "✗ no code", "1 of 4 live")
        shown.session.tell(replace(LIVE, functions={**LIVE.functions, "CreateOrder": functions["CreateOrder"]}))
        await shown.sees("CreateOrder runs without its packages")
        await shown.lacks("✗ CreateOrder")


async def test_why_an_environment_was_not_made_can_be_read_to_its_end():
    name = "environment for src/requirements.txt"
    async with console() as shown:
        why = f"The environment for requirements.txt was not made. error: {'Request failed. ' * 9}dns error at last"
        shown.session.tell(StackProgress("package", name, "failed", reason=why))
        await shown.press("d")
        await shown.sees("✗ package", "dns error at last")
    assert "making the environment for src/requirements.txt" in summary(
        [*STEPS, StackProgress("package", name, "started")], None, None).plain


async def test_a_stage_that_is_held_is_taken_from_the_failure():
    session = RecordedSession(end_at_once=False)
    async with console(session) as shown:
        session.tell(SessionFailed("Ada is at it.", "", "", 1, "ada@laptop"))
        await shown.sees("T Take over")
        await shown.press("T")
        assert ("take_over",) in session.asked


async def test_a_stage_that_nobody_else_has_is_not_taken():
    session = live_session()
    async with console(session) as shown:
        await shown.press("T")
        assert ("take_over",) not in session.asked
        assert shown.main.live is not None
        session.tell(LinkChanged("taken-over", detail="ada@laptop"))
        await shown.press("T")
        assert ("take_over",) in session.asked
