"""A project with a handler, a broker on it, and editors that attach to it."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.integration.debug.bench import HANDLER, HELPER, Bench, bench
from tests.integration.debug.editors import EDITORS, Editor


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "project"
    folder.mkdir()
    (folder / "app.py").write_text(HANDLER)
    (folder / "helper.py").write_text(HELPER)
    return folder


@pytest.fixture
def app(project: Path) -> Path:
    return project / "app.py"


@pytest.fixture
def helper(project: Path) -> Path:
    return project / "helper.py"


@pytest.fixture
def write(project: Path) -> Callable[[str, str], Path]:
    """Puts a file into the project."""
    def write(name: str, text: str) -> Path:
        (project / name).write_text(text)
        return project / name

    return write


@pytest.fixture
def via() -> str:
    """How workers come to the broker; a module whose tests are to hold for both ways gives its own."""
    return "dial"


@pytest.fixture
async def desk(project: Path, via: str) -> AsyncIterator[Bench]:
    async with bench(project) as it:
        it.broker.workers.via = via
        yield it


@pytest.fixture
async def editor(desk: Bench) -> AsyncIterator[Callable[..., Awaitable[Editor]]]:
    """Connects an editor of a kind; all are closed at the end."""
    async with contextlib.AsyncExitStack() as stack:
        async def connect(kind: str = "own") -> Editor:
            it = await EDITORS[kind].connect(desk.broker.port)
            stack.push_async_callback(it.close)
            return it

        yield connect
