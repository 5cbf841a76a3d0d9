"""A real browser's page that posts to the debugger's ports: nothing runs, nothing is said, nobody is thrown out."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.debug.bench import HANDLER, Bench, line_of
from tests.integration.debug.test_debug_security import INITIALIZE, evaluate

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PAGE = """<!doctype html><script>
const bodies = %s, ports = %s, answers = [];
async function ask(port, how) {
  try { const answer = await fetch('http://127.0.0.1:' + port + '/', how); answers.push('got ' + await answer.text()); }
  catch (error) { answers.push('nothing'); }
}
(async () => {
  for (const port of ports) {
    for (const body of bodies) {
      await ask(port, {method: 'POST', mode: 'no-cors', body: body, headers: {'Content-Type': 'text/plain'}});
      await ask(port, {method: 'POST', mode: 'cors', body: body});
    }
    await ask(port, {});
    await new Promise(done => {
      const socket = new WebSocket('ws://127.0.0.1:' + port + '/');
      socket.onopen = () => { answers.push('got a socket'); done(); };
      socket.onerror = () => { answers.push('nothing'); done(); };
    });
  }
  await fetch('/done', {method: 'POST', body: JSON.stringify(answers)});
})();
</script>"""


def browser() -> str:
    """The browser's command; skips with the reason where there is none."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser is here: none of {', '.join(BROWSERS)} is installed")
    return found


@asynccontextmanager
async def site(page: str, done: asyncio.Future[list[str]]) -> AsyncIterator[int]:
    """Serves the page, and hears on `/done` what became of it; its port."""
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = next((int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
        if head.startswith("post /done") and not done.done():
            done.set_result(json.loads(await reader.readexactly(length)))
        body = page.encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                     % len(body) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def visited(url: str, profile: Path) -> AsyncIterator[None]:
    """The page is open in a headless browser."""
    process = await asyncio.create_subprocess_exec(
        browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", f"--user-data-dir={profile}", "--remote-debugging-port=0", url,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def test_a_page_in_a_browser_gets_nothing(desk: Bench, app: Path, project: Path, tmp_path: Path, editor) -> None:
    browser()
    await desk.face.set(app, line_of(HANDLER, "return {"))
    await desk.worker(app)
    marker = project / "pwned"
    attack = (INITIALIZE + evaluate(str(marker))).decode()
    ports = [desk.broker.port, desk.broker.workers.port]
    page = PAGE % (json.dumps([attack, "\r\n\r\n" + attack]), json.dumps(ports))
    done: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
    async with site(page, done) as port, visited(f"http://127.0.0.1:{port}/", tmp_path / "profile"):
        async with asyncio.timeout(60):
            answers = await done
    assert answers == ["nothing"] * len(ports) * 6
    assert not marker.exists()
    one = await editor("own")
    await one.attach(desk.broker.token)
    assert "threads" in await one.request("threads")
