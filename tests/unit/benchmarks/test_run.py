"""The one command: every script is bounded in time, and what it said becomes rows or a reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report as written
from benchmarks import run as bench
from benchmarks.report import words
from benchmarks.run import ROOT, SCRIPTS, TOTAL_S, Outcome, Script, found_rows, report, table


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_every_script_of_the_list_starts_as_a_module_and_takes_its_words(script: Script) -> None:
    helped = subprocess.run([sys.executable, "-m", f"benchmarks.{script.name}", "--help"], cwd=ROOT, capture_output=True,
                            text=True, check=True)
    for word in ("--json", *(word for word in script.words if word.startswith("--"))):
        assert word in helped.stdout


def test_all_together_stay_under_a_quarter_of_an_hour() -> None:
    assert TOTAL_S < 15 * 60
    assert all(script.seconds <= TOTAL_S for script in SCRIPTS)


@pytest.mark.parametrize(("said", "rows"), [
    ('{"a": 1}\n', {"a": 1}),
    ('progress 1 2\n{"not json\n{"a": {"p50": 1.5}}\n', {"a": {"p50": 1.5}}),
    ("nothing of use\n", {}),
    ("", {}),
])
def test_rows_are_found_behind_progress(said: str, rows: dict[str, object]) -> None:
    assert found_rows(said) == rows


@pytest.mark.parametrize(("value", "shown"), [
    (3, "3"), (1234567.0, "1,234,567"), (0.04243, "0.0424"), (1234.56, "1,235"), (float("nan"), "–"),
    ({"p50": 1.5, "bare": {"p99": 2.25}}, "p50 1.5 · bare p99 2.25"), ("skipped: no npm", "skipped: no npm"),
])
def test_values_are_shown_with_the_digits_that_matter(value: object, shown: str) -> None:
    assert words(value) == shown


def test_a_script_that_takes_too_long_is_stopped_with_its_children(monkeypatch: pytest.MonkeyPatch,
                                                                   tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "slow.py").write_text(
        "import subprocess, sys, pathlib\n"
        "print('{\"first part\": 1}', flush=True)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "pathlib.Path('pid').write_text(str(child.pid))\nchild.wait()\n", "utf-8")
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    outcome = bench.run(Script("slow", "Slow", 4), 4)
    assert outcome.failure == "stopped after 4 s"
    assert outcome.rows == {"first part": 1}
    pid = int((tmp_path / "pid").read_text())
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    assert state.strip()[:1] in ("", "Z")


def test_a_failure_is_a_row_of_the_table_and_of_the_report() -> None:
    script = Script("store", "The history", 10)
    outcomes = [Outcome(script, {"a | b": {"p50": 2.0}}, "exit code 1: what went wrong", 3.0)]
    assert "| FAILED | exit code 1: what went wrong |" in table(outcomes)
    assert "| a \\| b | p50 2 |" in report(outcomes, "a machine", "now")


def test_the_make_target_calls_it() -> None:
    assert "python -m benchmarks.run\n" in (ROOT / "Makefile").read_text("utf-8")


def test_a_soak_replaces_the_one_before_in_the_results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(written, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(written, "SOAKED", tmp_path / "soak.json")
    bench_only = report([Outcome(SCRIPTS[0], {"a row": 1}, "", 1.0)], "a machine", "now")
    written.RESULTS.write_text(bench_only, "utf-8")
    for lost in (3, 0):
        written.SOAKED.write_text(json.dumps({"when": "then", "machine": "another", "failures": ["lost: 3"][:lost],
                                              "rows": {"minutes": 30.0, "lost": lost}}), "utf-8")
        written.renew_soak()
    text = written.RESULTS.read_text("utf-8")
    assert text.startswith(bench_only.rstrip("\n"))
    assert text.count("## The last long soak: 30 minutes") == 1
    assert "| lost | 0 |" in text
    assert "- verdict: nothing lost" in text
    assert report([Outcome(SCRIPTS[0], {"a row": 1}, "", 1.0)], "a machine", "now") == text
