"""Every console test runs with a fixed clock and time zone, without the user's settings, and at a known size."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ["TEXTUAL_FPS"] = "20"  # before Textual is imported: tests look when all is still, not at every frame
gc.set_threshold(50_000, 20, 100)  # as the console does for itself

SNAPSHOTS = Path(__file__).parent / "snapshots"


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("NO_COLOR", "TEXTUAL_THEME", "EDITOR", "VISUAL", "PAGER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def snap_compare_text() -> Callable[[str, str], None]:
    """Compares a screen, as text, with the one that was accepted; `LIVETUI_ACCEPT=1` accepts it anew.

    Text shows what moved in a plain diff and does not change with a theme's colours; how the screens look in colour
    is seen in `screenshots/`.
    """

    def compare(name: str, screen: str) -> None:
        path = SNAPSHOTS / f"{name}.txt"
        if os.environ.get("LIVETUI_ACCEPT"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(screen + "\n")
            return
        assert path.is_file(), f"{path.name} was never accepted: run with LIVETUI_ACCEPT=1 and look at it"
        assert screen.splitlines() == path.read_text().splitlines()

    return compare
