"""Which functions a save touches."""

from __future__ import annotations

from pathlib import Path

import pytest

from livetui.runtime.reload import Graph, forget_bytecode, is_settings, source_folders, touched


def graph(root: Path, *files: str) -> Graph:
    made = Graph(root)
    made.add(files)
    return made


def test_a_file_touches_the_functions_that_imported_it(tmp_path: Path) -> None:
    shared, own = str(tmp_path / "shared.py"), str(tmp_path / "own.py")
    graphs = {"A": graph(tmp_path, shared, own), "B": graph(tmp_path, shared), "C": graph(tmp_path)}
    assert touched([shared], graphs) == {"A": shared, "B": shared}
    assert touched([own], graphs) == {"A": own}
    assert touched([str(tmp_path / "unused.py")], graphs) == {}


def test_a_folder_touches_what_lies_in_it(tmp_path: Path) -> None:
    graphs = {"A": graph(tmp_path, str(tmp_path / "package/module.py"))}
    assert touched([str(tmp_path / "package")], graphs) == {"A": str(tmp_path / "package")}
    assert touched([str(tmp_path / "pack")], graphs) == {}


def test_a_link_and_its_target_are_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/module.py").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    graphs = {"A": graph(tmp_path / "elsewhere", str(tmp_path / "link/module.py"))}
    for path in ("real/module.py", "link/module.py", "link"):
        assert touched([str(tmp_path / path)], graphs), path


@pytest.mark.parametrize(("name", "broken", "expected"), [
    ("data.json", False, True), (".env", False, True), (".env.local", False, True), ("image.png", False, False),
    ("new.py", False, False), ("new.py", True, True), ("module.pyc", True, False),
])
def test_files_of_the_code_folder_that_were_not_imported(tmp_path: Path, name: str, broken: bool,
                                                         expected: bool) -> None:
    assert graph(tmp_path).touched_by(str(tmp_path / name), broken=broken) is expected


def test_a_folder_that_comes_may_bring_the_code_that_is_missing(tmp_path: Path) -> None:
    missing = graph(tmp_path / "functions/one")
    for path in ("functions", "functions/one"):
        assert missing.touched_by(str(tmp_path / path), broken=True)
        assert not missing.touched_by(str(tmp_path / path))
    assert not missing.touched_by(str(tmp_path / "func"), broken=True)


def test_settings_are_the_engines_to_act_on(tmp_path: Path) -> None:
    for name in ("template.yaml", "samconfig.toml", "livetui.toml", ".env", "requirements.txt", "requirements-dev.txt"):
        assert is_settings(str(tmp_path / name)), name
    for name in ("app.py", "data.yaml", "requirements.md"):
        assert not is_settings(str(tmp_path / name)), name


def test_folders_without_source_are_not_watched(tmp_path: Path) -> None:
    for name in ("package/inner", ".git/objects", "node_modules/x", "__pycache__", "my-env/lib/site-packages", ".venv"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "my-env/pyvenv.cfg").touch()
    found = {str(folder.relative_to(tmp_path)) for folder in source_folders(tmp_path)}
    assert found - {"my-env"} == {".", "package", "package/inner"}


def test_bytecode_of_a_saved_source_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").mkdir()
    kept, gone = tmp_path / "__pycache__/app2.cpython-311.pyc", tmp_path / "__pycache__/app.cpython-311.pyc"
    kept.touch(), gone.touch()
    forget_bytecode(str(tmp_path / "app.py"))
    assert kept.exists() and not gone.exists()
