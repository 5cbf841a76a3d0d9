"""Breakpoints with everything real: session, local cloud, worker, debugpy and `curl`; only the terminal is Pilot's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from console import Console
from real import Shop, console_on, shop

from livetui.debug.values import PausedThread
from livetui.errors import LivetuiError

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("real-breakpoint")]
PATIENCE_S = 60.0
LINE = 8
"""Of list_orders.py: its table was read, the answer is not made yet."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop(tmp_path_factory.mktemp("real") / "shop") as it:
        yield it


@pytest.fixture
async def desk(running: Shop) -> AsyncIterator[Shop]:
    """The shop with no breakpoint before and after."""
    yield running
    debug = running.session.debug
    for point in debug.breakpoints():
        await asyncio.wrap_future(debug.remove(point.path, point.line))
    await asyncio.wrap_future(debug.set_filters())
    debug.at_deadline = "answer"
    for thread in debug.paused():  # only after a failure
        with contextlib.suppress(LivetuiError):  # it ran on meanwhile
            await asyncio.wrap_future(debug.resume(thread.thread_id))


async def open_handler(shown: Console, function: str) -> None:
    """F12, O, and the function's name in the list."""
    await shown.press("f12", "O")
    names = sorted(shown.main.live.functions, key=list(shown.main.live.functions).index)
    for _ in range(names.index(function)):
        await shown.press("down")
    await shown.press("enter")
    await shown.sees("def handler(event, context)")


async def break_in_list_orders(shown: Console) -> None:
    await open_handler(shown, "ListOrders")
    await shown.press("g", *["j"] * (LINE - 1), "b")
    await shown.sees(f"●{LINE:>5}", f"● list_orders.py:{LINE}")


async def stopped(shown: Console, function: str) -> PausedThread:
    """The call stands, and its variables are on screen."""
    main = shown.main
    await shown.until(
        lambda: main.thread is not None and main.thread.function_id == function and bool(main.debugger.variables.nodes),
        f"{function} at a breakpoint",
        PATIENCE_S,
    )
    return main.thread


async def choose_variable(shown: Console, name: str) -> None:
    pane = shown.main.debugger.variables
    pane.focus()
    await shown.press("g")
    for _ in range([node.variable.name for node in pane.nodes].index(name)):
        await shown.press("j")


async def shown_point(shown: Console) -> int:
    """The line of the only breakpoint, once it is on screen."""
    await shown.until(lambda: len(shown.main.debugger.points.points) == 1, "the breakpoint")
    return shown.main.debugger.points.points[0].line


async def ended(shown: Console, call: asyncio.Task[Any]) -> Any:
    await shown.until(call.done, "the caller's answer", PATIENCE_S)
    return call.result()


async def test_a_variable_changed_at_a_breakpoint_changes_what_curl_receives(desk: Shop) -> None:
    async with console_on(desk) as shown:
        await break_in_list_orders(shown)
        call = asyncio.create_task(desk.curl("orders"))
        await stopped(shown, "ListOrders")
        await shown.sees(
            "Variables",
            "orders  [",
            f"▶{LINE:>4}",
            "▶ handler",
            "‖ 1 paused",
            "Lambda deadline 14:",
            "caller gone in 0:",
        )
        assert not call.done()
        await choose_variable(shown, "orders")
        await shown.press("equals_sign", "ctrl+u")
        await shown.type('[{"id": "changed by hand"}]')
        await shown.press("enter")
        await shown.sees("orders  [{'id': 'changed by hand'}]")
        assert shown.main.debugger.variables.chosen.variable.name == "orders"
        await shown.press("f2")
        await shown.sees("GET /orders", "‖ ")
        await shown.press("f12", "f5")
        assert await ended(shown, call) == (200, {"orders": [{"id": "changed by hand"}]})
        await shown.press("f2")
        await shown.lacks("‖ ")
        await shown.sees("✓ 200")


async def test_the_caller_is_answered_while_the_handler_stays_at_its_breakpoint(desk: Shop) -> None:
    async with console_on(desk) as shown:
        await break_in_list_orders(shown)
        call = asyncio.create_task(desk.curl("orders"))
        await stopped(shown, "ListOrders")
        await shown.press("A")
        status, _ = await ended(shown, call)
        assert status >= 500
        assert shown.main.thread is not None
        await shown.sees("the caller has its answer")
        await shown.lacks("Lambda deadline", "caller gone in")
        await choose_variable(shown, "orders")
        done = len(desk.finished("ListOrders"))
        await shown.press("f5")
        await shown.until(lambda: len(desk.finished("ListOrders")) > done, "the end of the handler", PATIENCE_S)
        last = desk.finished("ListOrders")[-1].row
        assert last.state == "late"
        assert b'"orders' in desk.session.invocation(last.id).response


async def test_before_lambdas_deadline_the_caller_is_answered_by_itself(desk: Shop) -> None:
    async with console_on(desk) as shown:
        await open_handler(shown, "ShipOrders")
        await shown.press("g", *["j"] * 16, "b")
        await shown.sees("● ship_orders.py:")
        call = asyncio.create_task(desk.invoke("ShipOrders", {"Records": []}))
        await stopped(shown, "ShipOrders")
        await shown.sees("Lambda gives up in")
        answer = await ended(shown, call)
        # The local cloud keeps an error's message only, where AWS gives its type (LivetuiDebugTimeout) too.
        assert answer["errorMessage"] == "The handler stands at a breakpoint, so livetui answered its caller."
        assert shown.main.thread is not None
        done = len(desk.finished("ShipOrders"))
        await shown.press("f5")
        await shown.until(lambda: len(desk.finished("ShipOrders")) > done, "the end of the handler", PATIENCE_S)
        assert desk.finished("ShipOrders")[-1].row.state == "late"


@pytest.mark.long
@pytest.mark.parametrize(("downs", "ends"), [(1, "ok"), (2, "late")])
async def test_what_was_chosen_for_lambdas_deadline_happens(desk: Shop, downs: int, ends: str) -> None:
    async with console_on(desk) as shown:
        await open_handler(shown, "ShipOrders")
        await shown.press("g", *["j"] * 16, "b", "t", *["down"] * downs, "enter")
        await shown.sees("● ship_orders.py:")
        done = len(desk.finished("ShipOrders"))
        call = asyncio.create_task(desk.invoke("ShipOrders", {"Records": []}))
        await stopped(shown, "ShipOrders")
        await shown.sees("Lambda gives up in")
        answer = await ended(shown, call)
        if ends == "ok":
            assert answer == {"batchItemFailures": []}
            assert shown.main.thread is None
        else:
            assert "errorMessage" in answer
            await shown.sees("Lambda has given up")
            await shown.press("f5")
        await shown.until(lambda: len(desk.finished("ShipOrders")) > done, "the end of the handler", PATIENCE_S)
        assert desk.finished("ShipOrders")[-1].row.state == ends


async def test_a_module_that_stands_at_its_import_has_a_row_and_a_countdown(desk: Shop) -> None:
    async with console_on(desk) as shown:
        await open_handler(shown, "ListOrders")
        await shown.press("g", "b")
        point = await shown_point(shown)
        call = asyncio.create_task(desk.curl("orders"))
        thread = await stopped(shown, "ListOrders")
        assert (thread.line, thread.work_id != "") == (point, True)
        await shown.sees("<module>", "Lambda deadline 14:", "caller gone in 0:", "‖ 1 paused")
        await shown.press("f5")
        assert (await ended(shown, call))[0] == 200


async def test_a_step_stays_with_its_call_while_another_stands_at_the_same_line(desk: Shop) -> None:
    async with console_on(desk) as shown:
        await break_in_list_orders(shown)
        first = asyncio.create_task(desk.curl("orders"))
        thread = await stopped(shown, "ListOrders")
        second = asyncio.create_task(desk.curl("orders"))
        await shown.until(lambda: len(desk.session.debug.paused()) == 2, "both calls to stand", PATIENCE_S)
        await shown.press("f10")
        await shown.until(lambda: shown.main.thread is not None and shown.main.thread.line == LINE + 1, "the step")
        assert shown.main.thread.thread_id == thread.thread_id
        await shown.press("f5")
        assert (await ended(shown, first))[0] == 200
        await shown.until(
            lambda: shown.main.thread is not None and shown.main.thread.thread_id != thread.thread_id, "the other call"
        )
        await shown.sees(f"▶{LINE:>4}")
        await shown.press("f5")
        assert (await ended(shown, second))[0] == 200


async def test_an_error_is_opened_with_its_variables_and_replayed_under_the_debugger(desk: Shop) -> None:
    _, order = await desk.curl("orders", "--data", '{"item": "tea", "quantity": 2}')
    status, _ = await desk.curl(f"orders/{order['id']}/payment", "--data", '{"card": "4242424242420002"}')
    assert status >= 500
    async with console_on(desk) as shown:
        failed = desk.finished("PayOrder")[-1].row
        await shown.until(lambda: shown.main.table.rows.get(failed.id) is not None, "the row")
        await shown.press("F")  # the order's other functions are still being called: stay where the cursor is put
        await shown.opened(failed.id)
        await shown.press("4")
        await shown.until(lambda: "amount = " in shown.pane_text(), "the photograph of the error")
        assert "order_id = " in shown.pane_text()
        await shown.press("B")
        thread = await stopped(shown, "PayOrder")
        assert (thread.reason, thread.line) == ("exception", 17)
        await shown.sees("amount", "card", "▶ charge", "  handler", "CardDeclinedError")
        status, _ = await desk.curl(f"orders/{order['id']}/payment", "--data", '{"card": "4242424242420002"}')
        assert (status >= 500, desk.session.debug.paused()) == (True, [thread])
        await shown.press("f5")
        await shown.until(lambda: desk.finished("PayOrder")[-1].row.replay_of == failed.id, "the end", PATIENCE_S)
        assert desk.finished("PayOrder")[-1].row.state == "error"


async def test_an_exception_class_stops_where_it_is_raised(desk: Shop) -> None:
    async with console_on(desk) as shown:
        await shown.press("f12", "E", "end", "enter")
        await shown.type("KeyError")
        await shown.press("enter")
        await shown.until(lambda: desk.session.debug.filters().classes == ("KeyError",), "the choice")
        # The handler catches this one and reports the message.
        call = asyncio.create_task(desk.invoke("ShipOrders", {"Records": [{"messageId": "m-1", "body": "{}"}]}))
        thread = await stopped(shown, "ShipOrders")
        assert thread.reason == "exception"
        await shown.press("f5")
        assert await ended(shown, call) == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
