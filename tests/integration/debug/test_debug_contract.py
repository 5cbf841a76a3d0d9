"""What livetui needs of debugpy beyond its public API, with the oldest and the newest that is supported.

The same is lived through with `debugpy.listen`, the way out should the private requests ever go.
"""

import fcntl
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import debugpy
import pytest
from packaging.requirements import Requirement

from livetui.debug.worker_link import RefusedError, WorkerLink
from tests.integration.debug.bench import HANDLER, HELPER, Bench, line_of

OLDEST = "1.8.22"
TOO_OLD = "1.8.21"
"""It cannot stop at a handler's error."""
ADD = line_of(HELPER, "total += value")
RETURN = line_of(HANDLER, "return {")
PLAIN = sys._base_executable
"""An interpreter without debugpy of its own, so that the version under test is used."""


@functools.cache
def debugpy_folder(version: str) -> Path:
    """debugpy of this version, fetched once per machine; skips with the reason where it cannot be had."""
    if version == debugpy.__version__:
        return Path(debugpy.__file__).parent
    folder = Path(tempfile.gettempdir()) / "livetui-test-debugpy" / version
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "debugpy").is_dir():
            try:
                subprocess.run([sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--python",
                                sys.executable, "--target", str(folder), f"debugpy=={version}"],
                               check=True, capture_output=True, timeout=60)
            except (subprocess.SubprocessError, OSError) as error:
                pytest.skip(f"debugpy {version} cannot be had: {error}")
    return folder / "debugpy"


@pytest.fixture(params=sorted({OLDEST, debugpy.__version__}))
def folder(request: pytest.FixtureRequest) -> Path:
    return debugpy_folder(request.param)


def test_only_the_versions_that_are_held_to_it_are_asked_for() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))["project"]
    asked = next(line for line in map(Requirement, project["dependencies"]) if line.name == "debugpy").specifier
    assert [version in asked for version in (TOO_OLD, OLDEST, debugpy.__version__, "1.9.0", "2.0.0")] == [
        False, True, True, False, False]


async def test_private_requests_answer(desk: Bench, app: Path, folder: Path) -> None:
    await desk.face.set(app, RETURN)
    worker = await desk.worker(app, python=PLAIN, debugpy=folder)
    link = desk.broker.workers.links[worker.pid]
    assert (await link.request("pydevdSystemInfo", {}))["process"]["pid"] == worker.pid
    assert len((await link.request("pydevdAuthorize", {"debugServerAccessToken": None}))["clientAccessToken"]) == 32
    await link.request("setDebuggerProperty", {"skipSuspendOnBreakpointException": []})
    assert [name for name in link.threads.values() if name != "MainThread"] == []


@pytest.mark.parametrize("via", ["dial", "listen"])
async def test_a_whole_life(desk: Bench, app: Path, helper: Path, folder: Path, via: str) -> None:
    desk.broker.workers.via = via
    await desk.face.set(helper, ADD, condition="value == 2")
    await desk.face.set(app, RETURN, log="total is {total}")
    worker = await desk.worker(app, python=PLAIN, debugpy=folder)
    worker.send(values=[1, 2])
    paused = await desk.heard.until("paused")
    frames = await desk.face.stack(paused.thread_id)
    assert [(frame.name, frame.line) for frame in frames[:1]] == [("add", ADD)]
    assert (await desk.face.evaluate("__import__('debugpy').__file__", frames[0].id)).value == repr(
        str(folder / "__init__.py"))
    scope = (await desk.face.scopes(frames[0].id))[0]
    await desk.face.set_variable(scope.reference, "value", "10")
    await desk.face.step_over(paused.thread_id)
    step = await desk.heard.until("paused", count=2)
    assert (step.reason, step.line) == ("step", line_of(HELPER, "for value"))
    await desk.face.resume(step.thread_id)
    assert await worker.answer() == {"ok": {"total": 11}}
    assert "total is 11" in (await desk.heard.until("output", lambda output: "total" in output.text)).text
    await desk.face.remove(helper, ADD)
    await desk.face.set_exception_filters(uncaught=True)
    worker.send(fail=1)
    error = await desk.heard.until("paused", count=3)
    assert (error.reason, error.line) == ("exception", line_of(HANDLER, "raise ValueError"))
    await desk.end(worker)
    assert (await desk.heard.until("resumed", lambda resumed: resumed.reason == "exception")) == error
    assert [level for _, level, _ in desk.heard.all("notice") if level != "info"] == []


async def test_a_debugpy_without_the_private_requests_listens(desk: Bench, app: Path, tmp_path: Path) -> None:
    later = tmp_path / "later" / "debugpy"
    shutil.copytree(Path(debugpy.__file__).parent, later, copy_function=os.link)
    bundle = later / "_vendored/pydevd/_pydevd_bundle"
    for file in (bundle / "pydevd_process_net_command_json.py", bundle / "_debug_adapter/pydevd_schema.py",
                 bundle / "_debug_adapter/debugProtocolCustom.json", later / "adapter/servers.py"):
        text = file.read_text("utf-8").replace("pydevdAuthorize", "laterAuthorize")
        file.unlink()
        file.write_text(text.replace("pydevdauthorize", "laterauthorize"), "utf-8")
    await desk.face.set(app, RETURN)
    worker = await desk.worker(app, python=PLAIN, debugpy=later)
    worker.send()
    paused = await desk.heard.until("paused")
    await desk.face.resume(paused.thread_id)
    assert await worker.answer() == {"ok": {"total": 3}}
    assert desk.broker.workers.links[worker.pid].listens
    assert desk.heard.all("notice") == []
    assert not desk.broker.workers.links[(await desk.worker(app)).pid].listens


async def test_a_worker_that_was_cut_off_runs_undebugged_and_the_next_one_dials_again(desk: Bench, app: Path,
                                                                                     monkeypatch) -> None:
    async def cut_off(link: WorkerLink, expects: object) -> None:
        monkeypatch.undo()
        raise RefusedError("too slow")

    monkeypatch.setattr(WorkerLink, "authorize", cut_off)
    await desk.face.set(app, RETURN)
    worker = await desk.worker(app)
    assert "did not configure" in (await desk.heard.until("notice"))[2]
    assert await worker.call() == {"ok": {"total": 3}}
    again = await desk.worker(app)
    again.send()
    assert (await desk.heard.until("paused")).pid == again.pid
    assert not desk.broker.workers.links[again.pid].listens


async def test_a_worker_whose_console_is_gone_runs_on(desk: Bench, app: Path) -> None:
    await desk.face.set(app, RETURN)
    worker = await desk.worker(app)
    worker.send()
    await desk.heard.until("paused")
    await desk.broker.close()
    assert await worker.answer() == {"ok": {"total": 3}}
    assert await worker.call(values=[5]) == {"ok": {"total": 5}}


async def test_an_interpreter_without_debugpy_is_told(desk: Bench, app: Path, tmp_path: Path) -> None:
    await desk.face.set(app, RETURN)
    worker = await desk.worker(app, python=PLAIN, debugpy=tmp_path)
    function, level, text = await desk.heard.until("notice")
    assert (function, level) == ("Orders", "warning")
    assert "Orders cannot be debugged with Python" in text
    assert await worker.call() == {"ok": {"total": 3}}


async def test_a_debugpy_that_is_too_old_is_passed_over_for_livetuis_own(desk: Bench, app: Path) -> None:
    old = debugpy_folder(TOO_OLD)
    await desk.face.set_exception_filters(uncaught=True)
    worker = await desk.worker(app, python=PLAIN, env={"PYTHONPATH": str(old.parent)})
    worker.send(fail=1)
    paused = await desk.heard.until("paused")
    assert (paused.reason, paused.line) == ("exception", line_of(HANDLER, "raise ValueError"))
    frame = (await desk.face.stack(paused.thread_id))[0].id
    assert (await desk.face.evaluate("__import__('debugpy').__file__", frame)).value == repr(debugpy.__file__)


async def test_a_worker_that_has_only_one_that_is_too_old_says_so(desk: Bench, app: Path) -> None:
    await desk.face.set(app, RETURN)
    worker = await desk.worker(app, python=PLAIN, debugpy=debugpy_folder(TOO_OLD))
    assert f"debugpy {TOO_OLD} in " in (await desk.heard.until("notice"))[2]
    assert "older than 1.8.22" in desk.heard.all("notice")[0][2]
    assert await worker.call() == {"ok": {"total": 3}}
