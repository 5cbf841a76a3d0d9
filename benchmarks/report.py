"""What the benchmarks say, as Markdown: cells, where it was measured, and the section of the long soak."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import math
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "RESULTS.md"
SOAKED = Path(__file__).parent / "soak.json"
"""What the last long soak said: `make soak`."""
SOAK_HEADING = "## The last long soak"
VERSIONS = ("livetui", "ministack", "awscrt", "botocore", "debugpy", "textual", "msgspec", "pynacl", "awslambdaric")


def words(value: Any) -> str:
    """A value of a row for people: numbers with the digits that matter, parts of a row by name."""
    if isinstance(value, Mapping):
        return " · ".join(f"{name} {words(part)}" for name, part in value.items())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if math.isnan(value):
        return "–"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def cell(text: str) -> str:
    """Text that does not end its cell."""
    return text.strip().replace("|", "\\|").replace("\n", " ")


def machine() -> str:
    """Where and with what it was measured."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        found = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                 if line.startswith("model name")]
        model = found[0] if found else model
    with contextlib.suppress(ValueError, OSError, AttributeError):
        model += f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return f"{model}, {os.cpu_count()} cores{load}; {platform.system()} {platform.release()}"


def versions() -> str:
    """Python and the packages that matter."""
    found = [f"Python {platform.python_version()}"]
    for name in VERSIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append(f"{name} {importlib.metadata.version(name)}")
    return ", ".join(found)


def now() -> str:
    """The time of a measurement, in UTC."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def soak_section() -> str:
    """The table of the last long soak; empty when there was none."""
    if not SOAKED.exists():
        return ""
    soaked = json.loads(SOAKED.read_text("utf-8"))
    verdict = "; ".join(soaked["failures"]) or (
        "nothing lost, wrong or left behind, no attempt run twice (a queue's own redelivery is counted apart)")
    rows = "".join(f"| {cell(name)} | {cell(words(value))} |\n" for name, value in soaked["rows"].items())
    return (f"{SOAK_HEADING}: {words(soaked['rows']['minutes'])} minutes\n\nWritten by `make soak`.\n\n"
            f"- when: {soaked['when']}\n- machine: {soaked['machine']}\n- verdict: {verdict}\n\n"
            f"| | |\n|---|---|\n{rows}")


def renew_soak() -> None:
    """Put the last long soak into RESULTS.md in place of the one before."""
    before = RESULTS.read_text("utf-8").partition(SOAK_HEADING)[0].rstrip("\n") if RESULTS.exists() else "# Results"
    RESULTS.write_text(f"{before}\n\n{soak_section()}", "utf-8")
