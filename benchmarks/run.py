"""All benchmarks, one after the other, in one table: what `make bench` runs. Writes `benchmarks/RESULTS.md`.

    python -m benchmarks.run [--only store link …] [--json] [--output FILE]

Every script is a child process with a time limit, and all together take less than 15 minutes. A script that fails or
takes too long is a row that says so, and the exit code is 1; the others still run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks import rivals
from benchmarks.report import RESULTS, cell, machine, now, soak_section, versions, words

ROOT = Path(__file__).parents[1]
TOTAL_S = 860.0
"""For everything, so that `make bench` stays under 15 minutes."""


@dataclass(frozen=True)
class Script:
    """One benchmark: `python -m benchmarks.NAME --json WORDS`."""

    name: str
    title: str
    seconds: float
    words: tuple[str, ...] = ()


SCRIPTS = (
    Script("scale", "Beyond one laptop (simulation; docs/scale.md)", 30),
    Script("whole", "The whole product, beside a bare function and others", 290),
    Script("runtime", "A call in a worker, beside AWS's runtime client", 90),
    Script("link", "What the link adds", 230, ("--count", "30", "--many", "16", "--only", "latency", "concurrent",
                                               "cold", "ack", "messages", "sustained", "imports")),
    Script("reload", "From a save to an answer of the new code", 120),
    Script("debug", "What debugging costs", 110),
    Script("console", "The console", 160, ("--quick",)),
    Script("store", "The history", 100),
    Script("soak", "One minute of everything at once", 130, ("--minutes", "1")),
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
    failure = ""
    try:
        said, complained = process.communicate(timeout=limit)
        if process.returncode:
            failure = f"exit code {process.returncode}: {last_line(complained)}"
    except subprocess.TimeoutExpired:
        end(process.pid)
        said, _ = process.communicate()
        failure = f"stopped after {limit:.0f} s"
    finally:
        end(process.pid)
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
    psutil.wait_procs(family, timeout=5)


def last_line(text: str) -> str:
    """The last line that is not empty, cut."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:160] if lines else "it said nothing"


def found_rows(said: str) -> Mapping[str, Any]:
    """The last JSON object among a script's lines: some print progress, some their rows as they come."""
    for line in reversed(said.splitlines()):
        if line.startswith("{"):
            try:
                rows = json.loads(line)
            except json.JSONDecodeError:
                continue
            return rows if isinstance(rows, dict) else {}
    return {}


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


def report(outcomes: list[Outcome], where: str, when: str) -> str:
    """The whole of RESULTS.md."""
    parts = [
        "# Results\n\nWritten by `make bench`; do not edit. Times in ms unless a row says otherwise. Numbers of one "
        "row were taken in one run,\nbeside each other; compare them with each other, not with another machine's.\n",
        f"- when: {when}\n- machine: {where}\n- versions: {versions()}\n", table(outcomes)]
    return "\n".join([*parts, "", soak_section()]).rstrip("\n") + "\n"


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=[script.name for script in SCRIPTS], default=None)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    where, when = machine(), now()
    deadline = time.monotonic() + TOTAL_S
    outcomes: list[Outcome] = []
    if options.only is None or "whole" in options.only:
        print("installing what the whole product is compared with …", file=sys.stderr, flush=True)
        rivals.install()
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
