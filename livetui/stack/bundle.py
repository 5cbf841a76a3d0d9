"""The stub bundle: the zip that stands in for a live function's code, built once per content and kept.

On AWS it holds hash-locked manylinux wheels for the function's Python and architecture; on the local cloud, which
runs functions with this very interpreter, the packages that are installed here. Bytecode is in it too when this machine
has that Python: Lambda's `/var/task` is read-only, so each cold start would compile the sources again.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import io
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import platformdirs

from livetui.errors import LivetuiError

REQUIREMENTS = Path(__file__).with_name("stub-requirements.txt")
"""awscrt, PyNaCl and cffi with the hashes of all their wheels."""
MAX_BYTES = 8 * 1024 * 1024
_PLATFORMS = {"x86_64": "x86_64-manylinux2014", "arm64": "aarch64-manylinux2014"}
_OLD_GLIBC = ("python3.10", "python3.11")
"""Runtimes on Amazon Linux 2 (glibc 2.26); later ones are on Amazon Linux 2023 (2.34)."""
_LOCAL_PACKAGES = ("awscrt", "nacl")
_LOCAL_MODULES = ("_awscrt", "_cffi_backend")
_DISTRIBUTIONS = ("awscrt", "pynacl", "cffi")
_LEFT_OUT = {"bin", "cffi", "tests"}
_SUFFIXES = {".py", ".so", ".txt"}
_building = threading.Lock()
LAYER_MODULE = "livetui_attached"
"""The module that a layer puts on the import path: the handler of an attached function."""
_SHIM = '''\
"""Stands in for a function's handler while livetui is attached; its modules are on the path only while it imports."""

import os
import sys

_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "livetui")
sys.path.insert(0, _FOLDER)
try:
    from stub_runtime.handler import handler
finally:
    sys.path.remove(_FOLDER)
'''


@dataclass(frozen=True)
class StubBundle:
    """One bundle: where it belongs in the bootstrap bucket, and how to get its bytes."""

    runtime: str
    architecture: str
    local: bool
    layer: bool = False
    """As a layer: the stub outside the import path (`/opt/livetui`), and a module that imports it."""

    @property
    def key(self) -> str:
        """The S3 key, which names the content: known before anything is built."""
        packages = _local_versions() if self.local else _requirements()
        parts = [_stub_digest(), _SHIM if self.layer else "", packages, "bytecode" if self._compiler() else ""]
        if not self.local:
            parts += [self.runtime, self.architecture]
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]
        name = "local" if self.local else f"{self.runtime}-{self.architecture}"
        return f"stubs/{name}-{digest}{'-layer' if self.layer else ''}.zip"

    def path(self) -> Path:
        """The zip in the user's cache, built when it is not there yet (a second; on AWS a download besides).

        Raises `LivetuiError` when the wheels cannot be fetched or the zip is too big.
        """
        target = Path(platformdirs.user_cache_dir("livetui")) / self.key
        with _building:
            if target.is_file():
                return target
            target.parent.mkdir(parents=True, exist_ok=True)
            content = zip_of(self._files())
            if len(content) > MAX_BYTES:
                raise LivetuiError(f"The stub bundle has {len(content)} bytes, more than {MAX_BYTES}.")
            with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as partial:
                partial.write(content)
            return Path(partial.name).replace(target)

    def _files(self) -> Iterator[tuple[str, bytes]]:
        if self.layer:
            yield f"python/{LAYER_MODULE}.py", _SHIM.encode()
        with tempfile.TemporaryDirectory(prefix="livetui-stub-") as folder:
            root = Path(folder)
            if not self.local:
                self._fetch(root)
            for name, content in _local_files() if self.local else _stub_files():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            if compiler := self._compiler():
                subprocess.run([compiler, "-m", "compileall", "-q", "-s", folder, "-p", "/var/task",
                                "--invalidation-mode", "unchecked-hash", folder], check=True, stdin=subprocess.DEVNULL)
            for name, content in _tree(root, root, {*_SUFFIXES, ".pyc"}):
                yield (f"livetui/{name}" if self.layer else name), content

    def _fetch(self, folder: Path) -> None:
        platform = _PLATFORMS[self.architecture]
        if self.runtime not in _OLD_GLIBC:
            platform = platform.replace("manylinux2014", "manylinux_2_28")
        command = [_uv(), "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
                   "--python-platform", platform, "--python-version", self.runtime.removeprefix("python"),
                   "--target", str(folder), "--requirement", str(REQUIREMENTS)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise LivetuiError(f"The stub's wheels for {self.runtime} ({self.architecture}) cannot be fetched.",
                               " ".join(done.stderr.split())[-600:],
                               "livetui needs the Python package index once; a proxy is set with HTTPS_PROXY, "
                               "another index with UV_INDEX_URL.")

    def _compiler(self) -> str:
        """An interpreter of the function's version on this machine, or an empty string."""
        here = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return sys.executable if self.local or self.runtime == here else _installed(self.runtime)


def _uv() -> str:
    import uv  # the local cloud needs none

    return str(uv.find_uv_bin())


@cache
def _installed(runtime: str) -> str:
    found = subprocess.run([_uv(), "python", "find", "--no-project", "--no-python-downloads",
                            runtime.removeprefix("python")], capture_output=True, text=True, check=False,
                           stdin=subprocess.DEVNULL)
    return found.stdout.strip() if found.returncode == 0 else ""


def _local_files() -> Iterator[tuple[str, bytes]]:
    """What this interpreter itself imports, and the stub."""
    for name in _LOCAL_PACKAGES:
        folder = _origin(name).parent
        yield from _tree(folder, folder.parent)
    for name in _LOCAL_MODULES:
        file = _origin(name)
        yield file.name, file.read_bytes()
    yield from _stub_files()


def _origin(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise LivetuiError(f"The package {module} is not installed beside livetui.", "",
                           "Install livetui again: pip install --force-reinstall livetui")
    return Path(spec.origin)


def _stub_files() -> Iterator[tuple[str, bytes]]:
    folder = _origin("stub_runtime").parent
    yield from _tree(folder, folder.parent)


def _tree(folder: Path, root: Path, suffixes: set[str] = _SUFFIXES) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(root)
        wanted = path.suffix in suffixes or ".so" in path.suffixes
        if path.is_file() and wanted and not _LEFT_OUT & set(relative.parts) and ".dist-info" not in str(relative):
            yield relative.as_posix(), path.read_bytes()


@cache
def _requirements() -> str:
    return REQUIREMENTS.read_text("utf-8")


@cache
def _stub_digest() -> str:
    digest = hashlib.sha256()
    for name, content in _stub_files():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


@cache
def _local_versions() -> str:
    versions = [f"{name}={importlib.metadata.version(name)}" for name in _DISTRIBUTIONS]
    return " ".join([*versions, sys.implementation.cache_tag or "", sys.platform])


def zip_of(files: Iterable[tuple[str, bytes]], modes: dict[str, int] | None = None) -> bytes:
    """A zip with the same bytes for the same files: fixed times, given order, Unix modes (0o644 by default)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            executable = 0o755 if ".so" in Path(name).suffixes else 0o644
            entry.external_attr = (modes or {}).get(name, executable) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return stream.getvalue()
