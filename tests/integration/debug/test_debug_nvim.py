"""Neovim: the configuration that docs/debugging.md gives is loaded by a real nvim, and used by nvim-dap where it is."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.integration.debug.bench import HELPER, Bench, line_of

DOCS = Path(__file__).parents[3] / "docs" / "debugging.md"
ADD = line_of(HELPER, "total += value")
STAND_IN = "package.loaded.dap = {adapters = {}, configurations = {}}"
"""Two tables are all that the configuration needs of nvim-dap."""
SAY = """
local found
dap.adapters.livetui(function(adapter) found = adapter end)
vim.fn.writefile({vim.json.encode({adapter = found, entry = dap.configurations.python[1]})}, 'said.json')
"""
DRIVE = """
vim.cmd('edit helper.py')
vim.api.nvim_win_set_cursor(0, {%d, 0})
dap.set_breakpoint()
dap.listeners.after.event_initialized.test = function() vim.fn.writefile({}, 'attached') end
dap.listeners.after.event_stopped.test = function(session, body)
  session:request('stackTrace', {threadId = body.threadId}, function(_, stack)
    session:request('evaluate', {expression = 'value', frameId = stack.stackFrames[1].id}, function(_, answer)
      vim.fn.writefile({vim.json.encode({line = stack.stackFrames[1].line, value = answer.result})}, 'said.json')
      dap.continue()
    end)
  end)
end
dap.run(dap.configurations.python[1])
"""


def documented(port: int) -> str:
    """The Lua of the page, with the port of this test."""
    page = DOCS.read_text("utf-8")
    return page.split("```lua\n", 1)[1].split("```", 1)[0].replace("5710", str(port))


async def nvim(folder: Path, script: str, *end: str) -> asyncio.subprocess.Process:
    (folder / "test.lua").write_text(script)
    return await asyncio.create_subprocess_exec(
        "nvim", "--headless", "-n", "-i", "NONE", "-c", "luafile test.lua", *end, cwd=folder,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE)


async def said(process: asyncio.subprocess.Process, file: Path) -> Any:
    async with asyncio.timeout(20):
        _, words = await process.communicate()
    assert file.is_file(), words.decode()  # noqa: ASYNC240
    return json.loads(file.read_text())  # noqa: ASYNC240


@pytest.fixture
def editor_command() -> None:
    if shutil.which("nvim") is None:
        pytest.skip("nvim is not here")


@pytest.mark.usefixtures("editor_command")
async def test_the_documented_configuration_loads_in_nvim(desk: Bench, project: Path) -> None:
    desk.broker.announce()
    process = await nvim(project, STAND_IN + "\n" + documented(desk.broker.port) + SAY, "-c", "quitall!")
    answer = await said(process, project / "said.json")
    assert answer["adapter"] == {"type": "server", "host": "127.0.0.1", "port": desk.broker.port}
    entry = answer["entry"]
    assert (entry["request"], entry["livetuiToken"], entry["subProcess"]) == ("attach", desk.broker.token, False)


@pytest.mark.usefixtures("editor_command")
async def test_nvim_dap_sees_a_stop_and_evaluates(desk: Bench, app: Path, project: Path) -> None:
    probe = await nvim(project, "if not pcall(require, 'dap') then vim.cmd('cquit') end", "-c", "quitall!")
    await probe.communicate()
    if probe.returncode:
        pytest.skip("nvim-dap is not among nvim's plugins, and neither Debian, PyPI nor npm has it")
    desk.broker.announce()
    process = await nvim(project, documented(desk.broker.port) + DRIVE % ADD)
    try:
        await desk.heard.until("clients")
        worker = await desk.worker(app)
        worker.send(values=[5])
        async with asyncio.timeout(20):
            while not (project / "said.json").is_file():  # noqa: ASYNC110  (nvim tells by a file)
                await asyncio.sleep(0.02)
        assert json.loads((project / "said.json").read_text()) == {"line": ADD, "value": "5"}
    finally:
        process.kill()
        await process.wait()
