"""A save is live before the next call, touches only what it concerns, and never a call that runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from livetui.runtime import reload
from livetui.runtime.pool import Pool

from .conftest import Recorder, eventually, make_function, work


async def watched(pool: Pool, project: Path, *names: str, **sources: str) -> None:
    """Functions that have answered once and are watched."""
    pool.configure([make_function(project / name, source, name) for name, source in sources.items()])
    await pool.start_watching(project)
    for name in sources:
        await pool.invoke(name, work())


async def test_saved_code_answers_the_next_call(pool: Pool, recorder: Recorder, tmp_path: Path) -> None:
    await watched(pool, tmp_path, F="def handler(event, context): return 1")
    for value in range(2, 12):  # the same length within the same second: cached bytecode would be trusted
        (tmp_path / "F/app.py").write_text(f"def handler(event, context): return {value}")
        await recorder.until(lambda wanted=value - 1: len(recorder.reloads) == wanted)
        assert (await pool.invoke("F", work())).body == str(value).encode()
    assert {error for _, _, error, _ in recorder.reloads} == {""}


async def test_only_functions_that_import_the_file_are_renewed(pool: Pool, recorder: Recorder, tmp_path: Path) -> None:
    code = tmp_path / "code"
    specs = [make_function(code, "", name, handler=f"{name}.handler") for name in ("one", "two")]
    (code / "shared.py").write_text("value = 1")
    (code / "one.py").write_text("import shared, os\ndef handler(event, context): return [shared.value, os.getpid()]")
    (code / "two.py").write_text("import os\ndef handler(event, context): return os.getpid()")
    pool.configure(specs)
    await pool.start_watching(tmp_path)
    await pool.invoke("one", work())
    before = await pool.invoke("two", work())
    (code / "shared.py").write_text("value = 2")
    await recorder.until(lambda: recorder.reloads)
    assert (await pool.invoke("one", work())).body.startswith(b"[2,")
    assert (await pool.invoke("two", work())).body == before.body
    assert [function for function, *_ in recorder.reloads] == ["one"]


async def test_running_call_keeps_its_code(pool: Pool, recorder: Recorder, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    slow = f"def handler(event, context):\n    open({str(gate)!r}).read() if event else None\n    return 'old'"
    await watched(pool, tmp_path, F=slow)
    running = asyncio.create_task(pool.invoke("F", work("wait")))
    await recorder.until(lambda: len(recorder.started) == 2)
    (tmp_path / "F/app.py").write_text("def handler(event, context): return 'new'")
    await recorder.until(lambda: recorder.reloads)
    assert (await pool.invoke("F", work())).body == b'"new"'
    os.close(await asyncio.to_thread(os.open, gate, os.O_WRONLY))
    assert (await running).body == b'"old"'
    assert (await pool.invoke("F", work())).body == b'"new"'


async def test_syntax_error_stays_until_it_is_mended(pool: Pool, recorder: Recorder, tmp_path: Path) -> None:
    await watched(pool, tmp_path, F="def handler(event, context): return 1")
    app = tmp_path / "F/app.py"
    app.write_text("def handler(event, context):\n    return (")
    await recorder.until(lambda: recorder.reloads)
    _, _, error, path = recorder.reloads[-1]
    assert error.startswith("Runtime.UserCodeSyntaxError: Syntax error in module 'app'")
    assert path == f"{app}:2"
    for _ in range(2):
        outcome = await pool.invoke("F", work())
        assert (outcome.kind, outcome.error_type) == ("error", "Runtime.UserCodeSyntaxError")
    app.write_text("def handler(event, context): return 'mended'")
    await recorder.until(lambda: recorder.reloads[-1][2] == "")
    assert (await pool.invoke("F", work())).body == b'"mended"'


async def test_a_missing_module_that_appears_mends_the_function(pool: Pool, recorder: Recorder, tmp_path: Path) -> None:
    await watched(pool, tmp_path, F="import later\ndef handler(event, context): return later.value")
    (tmp_path / "F/later.py").write_text("value = 'here'")
    await recorder.until(lambda: recorder.reloads and recorder.reloads[-1][2] == "")
    assert (await pool.invoke("F", work())).body == b'"here"'


async def test_a_checkout_of_a_thousand_files_is_one_reload(pool: Pool, recorder: Recorder, tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e", *words], cwd=tmp_path, check=True,
                       capture_output=True)

    modules = "".join(f"import m{n}\n" for n in range(1000))
    (tmp_path / "F").mkdir()
    git("init", "--initial-branch", "main")
    for value in (2, 1):
        for n in range(1000):
            (tmp_path / f"F/m{n}.py").write_text(f"value = {value}")
        git("add", ".")
        git("commit", "--message", str(value))
    await watched(pool, tmp_path, F=f"{modules}def handler(event, context): return m0.value + m999.value")
    await asyncio.to_thread(git, "checkout", "HEAD~1")
    await recorder.until(lambda: recorder.reloads)
    assert (await pool.invoke("F", work())).body == b"4"
    assert len(recorder.reloads) == 1


async def test_a_linked_code_folder_is_followed(pool: Pool, recorder: Recorder, tmp_path: Path) -> None:
    make_function(tmp_path / "real", "def handler(event, context): return 1")
    (tmp_path / "project").mkdir()
    (tmp_path / "project/F").symlink_to(tmp_path / "real")
    await watched(pool, tmp_path / "project", F="def handler(event, context): return 2")
    (tmp_path / "real/app.py").write_text("def handler(event, context): return 3")
    await recorder.until(lambda: recorder.reloads)
    assert (await pool.invoke("F", work())).body == b"3"


async def test_atomic_saves_and_linked_files_are_seen(pool: Pool, recorder: Recorder, tmp_path: Path) -> None:
    library = tmp_path / "elsewhere"
    library.mkdir()
    (library / "shared.py").write_text("value = 1")
    (tmp_path / "F").mkdir()
    (tmp_path / "F/shared.py").symlink_to(library / "shared.py")
    await watched(pool, tmp_path, F="import shared\ndef handler(event, context): return shared.value")
    (library / "shared.py").write_text("value = 2")
    await recorder.until(lambda: len(recorder.reloads) == 1)
    (library / "new").write_text("value = 3")
    (library / "new").rename(library / "shared.py")
    await recorder.until(lambda: len(recorder.reloads) == 2)
    assert (await pool.invoke("F", work())).body == b"3"


async def test_a_module_of_a_new_folder_is_followed(pool: Pool, recorder: Recorder, tmp_path: Path) -> None:
    await watched(pool, tmp_path, F="def handler(event, context): return 1")
    package = tmp_path / "F/package"
    package.mkdir()
    (package / "__init__.py").write_text("value = 1")
    (tmp_path / "F/app.py").write_text("import package\ndef handler(event, context): return package.value")
    await recorder.until(lambda: recorder.reloads)
    assert (await pool.invoke("F", work())).body == b"1"
    (package / "__init__.py").write_text("value = 2")
    await recorder.until(lambda: len(recorder.reloads) >= 2)
    assert (await pool.invoke("F", work())).body == b"2"


async def test_settings_are_told_and_data_files_renew(pool: Pool, recorder: Recorder, tmp_path: Path) -> None:
    told: list[Path] = []

    async def tell(paths: list[Path]) -> None:
        told.extend(paths)

    pool.configure([make_function(tmp_path / "F", """
        import json
        data = json.load(open("data.json"))
        def handler(event, context): return data
    """)])
    (tmp_path / "F/data.json").write_text("1")
    await pool.start_watching(tmp_path, tell)
    await pool.invoke("F", work())
    (tmp_path / "template.yaml").write_text("Resources: {}")
    (tmp_path / "F/notes.pyc").write_text("")
    (tmp_path / "F/data.json").write_text("2")
    await recorder.until(lambda: recorder.reloads)
    assert (await pool.invoke("F", work())).body == b"2"
    assert told == [tmp_path / "template.yaml"]


async def test_functions_that_were_never_called_start_nothing(pool: Pool, recorder: Recorder, tmp_path: Path) -> None:
    pool.configure([make_function(tmp_path / name, "def handler(event, context): return 1", name) for name in "AB"])
    await pool.start_watching(tmp_path)
    await pool.invoke("A", work())
    (tmp_path / "B/app.py").write_text("def handler(event, context): return 2")
    (tmp_path / "A/app.py").write_text("def handler(event, context): return 2")
    await recorder.until(lambda: recorder.reloads)
    assert pool.stats()["B"].workers == 0


async def test_a_folder_that_is_made_again_is_followed(pool: Pool, recorder: Recorder, tmp_path: Path) -> None:
    package = tmp_path / "F/package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("value = 1")
    await watched(pool, tmp_path, F="import package\ndef handler(event, context): return package.value")
    shutil.rmtree(package)
    await recorder.until(lambda: recorder.reloads)
    package.mkdir()
    (package / "__init__.py").write_text("value = 2")
    await recorder.until(lambda: recorder.reloads[-1][2] == "")
    assert (await pool.invoke("F", work())).body == b"2"
    (package / "__init__.py").write_text("value = 'three'")
    async with asyncio.timeout(10):
        while (await pool.invoke("F", work())).body != b'"three"':
            recorder.changed.clear()
            await recorder.changed.wait()


async def test_a_save_while_the_first_worker_imports_counts(pool: Pool, recorder: Recorder, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    pool.configure([make_function(tmp_path / "F", f"""
        value = 1
        open({str(gate)!r}).read()
        def handler(event, context): return value
    """, "F", timeout_s=20), make_function(tmp_path / "G", "def handler(event, context): return 1", "G")])
    await pool.start_watching(tmp_path)
    await pool.invoke("G", work())
    first = asyncio.create_task(pool.invoke("F", work()))
    opened = await asyncio.to_thread(os.open, gate, os.O_WRONLY)  # the worker has read its code
    (tmp_path / "F/app.py").write_text("def handler(event, context): return 2")
    (tmp_path / "G/app.py").write_text("def handler(event, context): return 2")
    await recorder.until(lambda: recorder.reloads)  # the watcher has seen both saves
    os.close(opened)
    await first
    await recorder.until(lambda: recorder.reloads[-1][0] == "F")
    assert (await pool.invoke("F", work())).body == b"2"


async def test_a_save_is_told_though_all_workers_are_replaced_while_its_own_imports(
    pool: Pool, recorder: Recorder, tmp_path: Path
) -> None:
    gate, came = tmp_path / "gate", tmp_path / "came"
    os.mkfifo(gate)
    may_go = os.open(gate, os.O_RDWR)
    await watched(pool, tmp_path, F="def handler(event, context): return 1")
    (tmp_path / "F/app.py").write_text(
        f"open({str(came)!r}, 'a').write('.')\nopen({str(gate)!r}).readline()\ndef handler(event, context): return 2")
    await eventually(lambda: came.exists() and came.read_text() == ".")  # its worker imports
    pool.restart()  # as when the first breakpoint is set
    await eventually(lambda: came.read_text() == "..")
    os.write(may_go, b"\n")
    await recorder.until(lambda: recorder.reloads)
    assert (await pool.invoke("F", work())).body == b"2"
    assert [error for _, _, error, _ in recorder.reloads] == [""]
    os.close(may_go)


async def test_an_error_of_the_watcher_is_told_and_does_not_end_it(pool: Pool, recorder: Recorder, tmp_path: Path,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        monkeypatch.undo()
        raise RuntimeError("cannot look")

    await watched(pool, tmp_path, F="def handler(event, context): return 1")
    monkeypatch.setattr(reload, "touched", fail)
    (tmp_path / "F/app.py").write_text("def handler(event, context): return 2")
    await recorder.until(lambda: recorder.notices)
    assert recorder.notices[0][1:] == ("error", "Saves may be missed: RuntimeError: cannot look")
    (tmp_path / "F/app.py").write_text("def handler(event, context): return 3")
    await recorder.until(lambda: recorder.reloads)
    assert (await pool.invoke("F", work())).body == b"3"


async def test_saved_settings_count_before_the_next_worker_starts(pool: Pool, recorder: Recorder,
                                                                  tmp_path: Path) -> None:
    source = "import os\ndef handler(event, context): return os.environ.get('STAGE')"
    project, settings = tmp_path / "project", tmp_path / "elsewhere/.prod-settings"
    settings.parent.mkdir()
    settings.write_text("old")
    spec = make_function(project / "F", source)

    async def configure(paths: list[Path]) -> None:
        pool.configure([replace(spec, environment={"STAGE": settings.read_text()})])

    await configure([])
    await pool.start_watching(project, configure)
    pool.watch_settings([settings])
    assert (await pool.invoke("F", work())).body == b'"old"'
    settings.write_text("new")
    await recorder.until(lambda: recorder.reloads)
    pids = pool.stats()["F"].pids
    outcome = await pool.invoke("F", work())
    assert (outcome.body, outcome.pid in pids) == (b'"new"', True)
