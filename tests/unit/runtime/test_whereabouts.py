"""A dump of faulthandler as it comes line by line: what is taken, when all was said, and what is shown of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from livetui.runtime import faults, worker_loop
from livetui.runtime.whereabouts import Whereabouts

OWN = Path(worker_loop.__file__).parent
OTHER = ["Thread 0x00007f0 (most recent call first):", '  File "/code/app.py", line 7 in waits']
MAIN = ["Current thread 0x00007f1 (most recent call first):", '  File "/code/app.py", line 5 in handler',
        f'  File "{OWN / "worker_loop.py"}", line 9 in main', f'  File "{OWN / "worker.py"}", line 41 in <module>']
DEEP = [MAIN[0], *MAIN[1:2] * 100, "  ..."]


@pytest.fixture
def where() -> Whereabouts:
    return Whereabouts(Path("/code"))


@pytest.mark.parametrize("main", [MAIN, DEEP], ids=["whole", "too deep"])
def test_all_was_said_when_the_handlers_thread_was(where: Whereabouts, main: list[str]) -> None:
    for line in [*OTHER, "", *main[:-1]]:
        assert where.takes(line)
        assert not where.complete
    assert where.takes(main[-1])
    assert where.complete
    assert not any(map(where.takes, ["", *OTHER]))  # which the handler prints
    shown = where.traceback()
    assert shown[:2] == [faults.HUNG, '  File "/code/app.py", line 5, in handler']
    assert shown[-2:] == ["livetui: and in another thread:", '  File "/code/app.py", line 7, in waits']


@pytest.mark.parametrize("said", [0, 2, 3, 4, 6])
def test_nothing_is_shown_of_a_dump_that_did_not_end(where: Whereabouts, said: int) -> None:
    for line in [*OTHER, "", *MAIN][:said]:
        where.takes(line)
    assert where.traceback() == []


def test_the_sign_that_there_are_more_threads_is_not_the_handlers(where: Whereabouts) -> None:
    assert not where.takes("...")
    for line in [*OTHER, "", "..."]:
        assert where.takes(line)
    assert where.traceback() == []


def test_a_handlers_empty_lines_are_its_own(where: Whereabouts) -> None:
    assert not where.takes("")
    where.takes(OTHER[0])
    assert not where.takes("")
    where.takes(OTHER[1])
    assert where.takes("")
    assert not where.takes("")
    where.takes(OTHER[1])
    assert not where.takes("mine")
    assert not where.takes("")
