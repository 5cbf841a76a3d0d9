"""Whoever is not a token-carrying editor or worker: nothing runs, nothing hangs, nothing is said."""

import asyncio
import socket

import pytest

from livetui.debug import client
from livetui.debug.broker import STRANGERS
from livetui.debug.wire import STRANGER_LIMIT, frame
from livetui.debug.workers import DIALERS
from tests.integration.debug.bench import HANDLER, Bench, bench, line_of
from tests.integration.debug.editors import EditorRefusedError

RETURN = line_of(HANDLER, "return {")
INITIALIZE = frame({"seq": 1, "type": "request", "command": "initialize", "arguments": {"adapterID": "debugpy"}})


def evaluate(marker: str) -> bytes:
    return frame({"seq": 2, "type": "request", "command": "evaluate",
                  "arguments": {"expression": f"open({marker!r}, 'w')", "context": "repl"}})


async def reply(port: int, *pieces: bytes) -> bytes:
    """Everything that comes back until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
        async with asyncio.timeout(5):
            return await reader.read(-1)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
async def test_a_web_page_that_posts_gets_nothing(desk: Bench, app, project, method: str) -> None:
    await desk.face.set(app, RETURN)
    await desk.worker(app)
    marker = project / "pwned"
    body = INITIALIZE + evaluate(str(marker))
    request = (f"{method} / HTTP/1.1\r\nHost: 127.0.0.1:{desk.broker.port}\r\nOrigin: https://evil.example\r\n"
               f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
    for port in (desk.broker.port, desk.broker.workers.port):
        said = await reply(port, request)
        assert b"HTTP" not in said
        assert b"success" not in said
    assert not marker.exists()


async def test_without_an_attach_nothing_is_answered(desk: Bench, app, project) -> None:
    await desk.face.set(app, RETURN)
    await desk.worker(app)
    marker = project / "pwned"
    said = await reply(desk.broker.port, INITIALIZE, evaluate(str(marker)))
    assert said.count(b"Content-Length") == 1  # the answer to initialize
    assert not marker.exists()


@pytest.mark.parametrize("token", ["", "0" * 32, None, 5, ["x"], "größe"])
async def test_a_wrong_token_is_refused_and_cut_off(desk: Bench, editor, token: object) -> None:
    one = await editor("own")
    await one.request("initialize", adapterID="debugpy")
    with pytest.raises(EditorRefusedError, match="livetui vscode"):
        await one.request("attach", livetuiToken=token)
    await one.event("closed")
    assert desk.heard.all("clients") in ([], [[]])


async def test_an_oversize_frame_is_refused_from_its_header(desk: Bench) -> None:
    assert await reply(desk.broker.port, b"Content-Length: %d\r\n\r\n" % (STRANGER_LIMIT + 1)) == b""


async def test_who_does_not_attach_in_time_is_cut_off(desk: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ATTACH_S", 0.05)
    assert await reply(desk.broker.port, b"Content-Le") == b""
    assert await reply(desk.broker.port, INITIALIZE[:-5]) == b""


async def test_a_flood_of_connections_locks_nobody_out(desk: Bench, editor) -> None:
    flood = [await asyncio.open_connection("127.0.0.1", desk.broker.port) for _ in range(STRANGERS * 4)]
    try:
        one = await editor("own")
        await one.attach(desk.broker.token)
        assert await one.request("threads") == {"threads": []}
        async with asyncio.timeout(10):  # the oldest have been cut off
            assert not any(await asyncio.gather(*(reader.read() for reader, _ in flood[:STRANGERS * 2])))
    finally:
        for _, writer in flood:
            writer.transport.abort()


async def test_a_flood_on_the_workers_port_keeps_no_worker_out(desk: Bench, app) -> None:
    flood = [await asyncio.open_connection("127.0.0.1", desk.broker.workers.port) for _ in range(DIALERS * 2)]
    try:
        await desk.face.set(app, RETURN)
        worker = await desk.worker(app)
        assert worker.pid in desk.broker.workers.links
    finally:
        for _, writer in flood:
            writer.transport.abort()


async def test_a_process_without_a_workers_token_becomes_no_worker(desk: Bench, app) -> None:
    await desk.face.set(app, RETURN)
    config = dict(await desk.broker.prepare("Orders"))
    answer = {"seq": 1, "type": "response", "request_seq": 1, "success": True, "command": "pydevdAuthorize"}
    for token in ("0" * 32, None):
        said = await reply(desk.broker.workers.port, frame({**answer, "body": {"clientAccessToken": token}}))
        assert b"attach" not in said
    assert desk.broker.workers.links == {}
    # Its own token works, once.
    worker = await desk.worker(app)
    said = await reply(desk.broker.workers.port, frame({**answer, "body": {"clientAccessToken": config["token"]}}),
                       frame({"type": "event", "event": "livetui", "body": {"kind": "postMortem", "token": "x"}}))
    assert list(desk.broker.workers.links) == [worker.pid]
    assert desk.heard.all("post mortem") == []


async def test_a_worker_cannot_ask_anything_of_the_console(desk: Bench, editor, app, project) -> None:
    one = await editor("own")
    await one.attach(desk.broker.token, {str(app): [RETURN]})
    worker = await desk.worker(app)
    desk.broker.workers.links[worker.pid].channel.on_message(
        {"type": "request", "seq": 9, "command": "runInTerminal", "arguments": {"args": ["touch", "pwned"]}})
    assert await one.request("threads")
    assert {name for name, _ in one.events} <= {"initialized", "process", "thread", "breakpoint"}


async def test_both_ports_are_on_the_loopback_interface_only(desk: Bench) -> None:
    for server in desk.broker.crew._servers:
        assert [bound.getsockname()[0] for bound in server.sockets] == ["127.0.0.1"]


async def test_nothing_is_left_open_after_the_end(project, app) -> None:
    before = set(asyncio.all_tasks())
    async with bench(project) as desk:
        port, workers = desk.broker.port, desk.broker.workers.port
        stranger = await asyncio.open_connection("127.0.0.1", port)
        await desk.face.set(app, RETURN)
        await desk.worker(app)
    assert await stranger[0].read() == b""
    stranger[1].close()
    assert set(asyncio.all_tasks()) == before
    for closed in (port, workers):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", closed)) != 0
