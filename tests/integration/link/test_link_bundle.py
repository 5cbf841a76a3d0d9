"""What is in the stub bundles, and what importing the stub from one takes with it."""

from __future__ import annotations

import io
import json
import platform
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from livetui.stack.bundle import MAX_BYTES, StubBundle

_NOT_NEEDED = {"botocore", "boto3", "nacl.bindings", "nacl.public", "awscrt.mqtt", "awscrt.s3", "awsiot", "asyncio",
               "urllib.request", "http.client", "hashlib", "subprocess", "ssl", "pathlib", "tempfile",
               "ast", "dataclasses", "inspect", "typing"}
"""Modules that a quick call does without; each would cost every cold start."""
_ELF_MACHINE = {"x86_64": 62, "arm64": 183}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_the_stub_is_imported_from_its_bundle_alone_compiled_and_without_what_it_does_not_need(cache: Path) -> None:
    with zipfile.ZipFile(StubBundle("python3.11", "x86_64", local=True).path()) as bundle:
        bundle.extractall(cache / "task")
    loaded = _imported(sys.executable, cache / "task")
    assert not _NOT_NEEDED & loaded.keys()
    ours = {name: cached for name, cached in loaded.items() if name.startswith(("stub_runtime.", "awscrt."))}
    assert "stub_runtime.machine" in ours
    assert [name for name, cached in ours.items() if not cached or not Path(cached).is_file()] == []


def _imported(python: str, task: Path) -> dict[str, str | None]:
    """The modules that importing the stub leaves in a bare interpreter, each with its bytecode's file."""
    script = ("import json, sys\n"
              f"sys.path[:] = [p for p in sys.path if 'site-packages' not in p] + [{str(task)!r}]\n"
              "import stub_runtime.handler\n"
              "loaded = {n: getattr(m, '__cached__', None) for n, m in sys.modules.items() if hasattr(m, '__file__')}\n"
              "print(json.dumps(loaded))")
    done = subprocess.run([python, "-I", "-S", "-c", script], capture_output=True, text=True, check=True, cwd=task)
    loaded: dict[str, str | None] = json.loads(done.stdout)
    return loaded


@pytest.mark.long
@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
@pytest.mark.parametrize("runtime", ["python3.10", "python3.11", "python3.12", "python3.13"])
@pytest.mark.usefixtures("cache")
def test_a_bundle_for_aws_holds_its_architecture_and_nothing_else(runtime: str, architecture: str,
                                                                  tmp_path: Path) -> None:
    content = StubBundle(runtime, architecture, local=False).path().read_bytes()
    assert len(content) <= MAX_BYTES
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        names = bundle.namelist()
        libraries = {name: bundle.read(name) for name in names if ".so" in name}
        sources = [name for name in names if name.endswith(".py")]
        bundle.extractall(tmp_path / "task")
    cpython = runtime.removeprefix("python").replace(".", "")
    machine = "x86_64" if architecture == "x86_64" else "aarch64"
    suffix = f"cpython-{cpython}-{machine}-linux-gnu.so"
    crt = f"_awscrt.{suffix}" if runtime == "python3.10" else "_awscrt.abi3.so"
    assert libraries.keys() == {crt, "nacl/_sodium.abi3.so", f"_cffi_backend.{suffix}"}
    for name, library in libraries.items():
        assert library[:4] == b"\x7fELF", name
        assert struct.unpack_from("<H", library, 18)[0] == _ELF_MACHINE[architecture], name
    assert {name.split("/")[0] for name in sources} == {"awscrt", "nacl", "stub_runtime"}
    assert {f"stub_runtime/{path.name}" for path in (Path(__file__).parents[3] / "stub_runtime").glob("*.py")} <= \
        set(sources)
    compiled = [name for name in names if name.endswith(".pyc")]
    assert compiled == [] or len(compiled) == len(sources)
    if runtime == f"python{sys.version_info.major}.{sys.version_info.minor}":
        assert compiled


@pytest.mark.long
@pytest.mark.parametrize("runtime", ["python3.10", "python3.11", "python3.12", "python3.13"])
@pytest.mark.usefixtures("cache")
def test_what_a_cold_start_need_not_import_is_not_imported_by_any_python(runtime: str, tmp_path: Path) -> None:
    versions = (Path.home() / ".pyenv/versions").glob(f"{runtime.removeprefix('python')}.*/bin/python")
    python = next(map(str, versions), shutil.which(runtime))
    if python is None:
        pytest.skip(f"there is no {runtime} here")
    architecture = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    with zipfile.ZipFile(StubBundle(runtime, architecture, local=False).path()) as bundle:
        bundle.extractall(tmp_path)
    assert not _NOT_NEEDED & _imported(python, tmp_path).keys()
