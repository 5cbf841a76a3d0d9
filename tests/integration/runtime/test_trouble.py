"""Why a function cannot answer is what its newest worker told, and goes with the first that can."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from livetui.runtime.contract import Trouble
from livetui.runtime.pool import Pool

from .conftest import Recorder, eventually, make_function, work


async def test_trouble_goes_with_the_first_worker_that_imports_the_handler(tmp_path: Path, recorder: Recorder) -> None:
    told: list[dict[str, Trouble]] = []
    pool = Pool(recorder, on_trouble=lambda: told.append(pool.troubles()))
    pool.configure([spec := make_function(tmp_path, "import later\ndef handler(event, context): return later.value")])
    assert pool.troubles() == {}
    for _ in range(2):
        assert (await pool.invoke("F", work())).error_type == "Runtime.ImportModuleError"
    assert [each["F"].lacks for each in told] == ["import"], "once, though two workers told the same"
    (spec.code_root / "later.py").write_text("value = 1")
    assert (await pool.invoke("F", work())).body == b"1"
    assert told[1:] == [{}]
    await pool.close()


@pytest.mark.parametrize(("changes", "lacks", "error"), [
    ({"handler": "app.handlr"}, "handler", "Runtime.HandlerNotFound: Handler 'handlr' missing on module 'app'"),
    ({"code_root": Path("/nowhere/code")}, "code", "Its code is not here: there is no folder /nowhere/code."),
    ({"interpreter": Path("/nowhere/python")}, "interpreter", "Its Python is not here: there is no file /nowhere/python."),
])
async def test_what_a_function_lacks_is_told(pool: Pool, function, changes: dict[str, str], lacks: str, error: str) -> None:
    function("def handler(event, context): return 1", **changes)
    outcome = await pool.invoke("F", work())
    assert pool.troubles() == {"F": Trouble(lacks, error)}
    assert error.endswith(outcome.error_message)


async def test_other_settings_that_mend_a_function_are_seen_without_a_call(pool: Pool, function) -> None:
    source = "import os\nos.environ['TABLE']\ndef handler(event, context): return 1"
    function(source)
    await pool.invoke("F", work())
    assert pool.troubles()["F"].lacks == "import"
    function(source, environment={"TABLE": "orders"})
    await eventually(lambda: not pool.troubles())


async def test_a_missing_package_is_named_with_the_command_that_adds_it(pool: Pool, function, recorder) -> None:
    function("import json\nimport yaml_that_is_missing.part")
    calls = [work(), work()]
    for call in calls:
        assert (await pool.invoke("F", call)).error_type == "Runtime.ImportModuleError"
    text = pool.troubles()["F"].error
    hint = "app.py:2 imports it. Looked in the packages of "
    assert hint in text and text.endswith("pip install yaml_that_is_missing")
    for call in calls:
        assert recorder.lines(call.id, "stderr")[-1] == "livetui: " + text[text.index(hint):]


async def test_a_save_may_mend_a_function_that_was_never_called(pool: Pool, recorder: Recorder, tmp_path: Path) -> None:
    wrong = Trouble("handler", "app.py defines no 'handler', which its handler 'app.handler' names.")
    source = "import os\nkey = os.environ.get('AWS_ACCESS_KEY_ID')\ndef handler(event, context): return key"
    pool.configure([make_function(tmp_path / "F", "", trouble=wrong)])
    assert pool.troubles() == {"F": wrong}
    await pool.start_watching(tmp_path)
    (tmp_path / "F/app.py").write_text(source)
    await recorder.until(lambda: recorder.reloads and recorder.reloads[-1][2] == "")
    assert pool.troubles() == {}
    assert (await pool.invoke("F", work())).body == b'"AKIA"', "not by the worker that was started without keys"


async def test_code_that_comes_to_lie_where_it_should_is_seen(pool: Pool, recorder: Recorder, tmp_path: Path) -> None:
    spec = make_function(tmp_path / "elsewhere/F", "def handler(event, context): return 1")
    pool.configure([replace(spec, code_root=tmp_path / "functions/F", trouble=Trouble("code", "There is no folder."))])
    await pool.start_watching(tmp_path)
    (tmp_path / "elsewhere").rename(tmp_path / "functions")
    await recorder.until(lambda: recorder.reloads and recorder.reloads[-1][2] == "")
    assert pool.troubles() == {}
