"""All benchmarks, one after the other, in one table: what `make bench` runs. Writes `benchmarks/RESULTS.md`.

    python -m benchmarks.run [--only store link …] [--json] [--output FILE]

Every script is a child process with a time limit, and all together take less than 15 minutes. A script that fails or
takes too long is a row that says so, and the exit code is 1; the others still run.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib.metadata
import json
import math
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "RESULTS.md"
SOAKED = Path(__file__).parent / "soak.json"
"""The table of the last long soak: `python -m benchmarks.soak --save benchmarks/soak.json`."""
TOTAL_S = 860.0
"""For everything, so that `make bench` stays under 15 minutes."""
VERSIONS = ("livetui", "ministack", "awscrt", "botocore", "debugpy", "textual", "msgspec", "pynacl", "awslambdaric")


@dataclass(frozen=True)
class Script:
    """One benchmark: `python -m benchmarks.NAME --json WORDS`."""

    name: str
    title: str
    seconds: float
    words: tuple[str, ...] = ()


SCRIPTS = (
    Script("scale", "Beyond one laptop (simulation; docs/scale.md)", 30),
    Script("runtime", "A call in a worker, beside AWS's runtime client", 90),
    Script("reload", "From a save to an answer of the new code", 120),
    Script("debug", "What debugging costs", 110),
    Script("store", "The history", 100),
    Script("console", "The console", 160, ("--quick",)),
    Script("link", "What the link adds", 180, ("--count", "30", "--many", "16")),
    Script("soak", "One minute of everything at once", 130, ("--minutes", "1")),
    Script("whole", "The whole product, beside a bare function and others", 290),
)


@dataclass(frozen=True)
class Outcome:
    """What one script said: its rows, or why it has none."""

    script: Script
    rows: Mapping[str, Any]
    failure: str
    seconds: float


def run(script: Script, limit: float) -> Outcome:
    """Run one script for at most `limit` seconds; what it started ends with it."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{script.name}", "--json", *script.words], cwd=ROOT, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        said, complained = process.communicate(timeout=limit)
        failure = "" if process.returncode == 0 else f"exit code {process.returncode}: {last_line(complained)}"
    except subprocess.TimeoutExpired:
        said, failure = "", f"stopped after {limit:.0f} s"
    finally:
        end(process.pid)
    process.communicate()
    rows = found_rows(said)
    if not rows and not failure:
        failure = "printed no rows"
    return Outcome(script, rows, failure, time.monotonic() - began)


def end(pid: int) -> None:
    """Kill a script that is still there, and what it started, also in sessions of their own (a terminal's)."""
    family = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def last_line(text: str) -> str:
    """The last line that is not empty, cut."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:160] if lines else "it said nothing"


def found_rows(said: str) -> Mapping[str, Any]:
    """The JSON object among a script's lines; some print their progress first."""
    for line in reversed(said.splitlines()):
        if line.startswith("{"):
            try:
                rows = json.loads(line)
            except json.JSONDecodeError:
                continue
            return rows if isinstance(rows, dict) else {}
    return {}


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


def table(outcomes: list[Outcome]) -> str:
    """One Markdown table of everything."""
    lines = ["| | |", "|---|---|"]
    for outcome in outcomes:
        lines.append(f"| **{outcome.script.title}** | `python -m benchmarks.{outcome.script.name}`, "
                     f"{outcome.seconds:.0f} s |")
        if outcome.failure:
            lines.append(f"| FAILED | {cell(outcome.failure)} |")
        lines += [f"| {cell(name)} | {cell(words(value))} |" for name, value in outcome.rows.items()]
    return "\n".join(lines)


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


def report(outcomes: list[Outcome], where: str, when: str) -> str:
    """The whole of RESULTS.md."""
    parts = [
        "# Results\n\nWritten by `make bench`; do not edit. Times in ms unless a row says otherwise. Numbers of one "
        "row were taken in one run,\nbeside each other; compare them with each other, not with another machine's.\n",
        f"- when: {when}\n- machine: {where}\n- versions: {versions()}\n", table(outcomes)]
    if SOAKED.exists():
        soaked = json.loads(SOAKED.read_text("utf-8"))
        parts.append(f"\n## The last long soak: {words(soaked['minutes'])} minutes\n\n"
                     "`python -m benchmarks.soak --save benchmarks/soak.json`\n\n| | |\n|---|---|\n" +
                     "\n".join(f"| {cell(name)} | {cell(words(value))} |" for name, value in soaked.items()))
    return "\n".join(parts) + "\n"


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=[script.name for script in SCRIPTS], default=None)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    where, when = machine(), datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    deadline = time.monotonic() + TOTAL_S
    outcomes: list[Outcome] = []
    for script in SCRIPTS:
        if options.only is not None and script.name not in options.only:
            continue
        left = deadline - time.monotonic()
        if left < 5:
            outcomes.append(Outcome(script, {}, f"not run: {TOTAL_S:.0f} s are used up", 0.0))
            continue
        print(f"{script.name}: {script.title} …", file=sys.stderr, flush=True)
        outcomes.append(run(script, min(script.seconds, left)))
    if options.json:
        print(json.dumps({outcome.script.name: outcome.rows or {"failure": outcome.failure} for outcome in outcomes}))
    else:
        print(table(outcomes))
    if options.only is None or options.output != RESULTS:
        options.output.write_text(report(outcomes, where, when), "utf-8")
    return 1 if any(outcome.failure for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
