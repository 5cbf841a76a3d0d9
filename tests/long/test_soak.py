"""Traffic, saves, breakpoints and link faults at once, for as long as `LIVETUI_SOAK_MINUTES` says (default 30)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MINUTES = float(os.environ.get("LIVETUI_SOAK_MINUTES", "30"))


@pytest.mark.long
@pytest.mark.timeout(MINUTES * 60 + 600)
def test_nothing_is_lost_crossed_or_run_twice_while_everything_happens_at_once(tmp_path: Path) -> None:
    table = tmp_path / "soak.json"
    done = subprocess.run([sys.executable, "-m", "benchmarks.soak", "--minutes", str(MINUTES), "--save", str(table)],
                          cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    rows = json.loads(table.read_text("utf-8"))["rows"]
    assert (rows["lost"], rows["wrong"], rows["duplicates"]) == (0, 0, 0), done.stderr
    assert rows["calls"] > 60 * MINUTES
    assert rows["reloads seen within 15 s"] > 0
    assert rows["pauses and steps"] > 0
    assert rows["link faults"] > 0
    assert done.returncode == 0, done.stderr
