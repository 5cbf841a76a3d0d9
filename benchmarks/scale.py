"""Beyond one laptop: a simulation from AWS's published quotas and prices. No AWS call is made.

    python -m benchmarks.scale [--json] [--write docs/scale.md]

Frames, bytes and metered units of a call are counted by running the real state machines of stub and console against
each other; only rates, quotas and prices are arithmetic. `--write` renews the tables in the document.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from benchmarks.scaling.call_cost import call_cost
from benchmarks.scaling.model import Load, Team, load, most_calls
from benchmarks.scaling.quotas import PRICES, QUOTAS, UNIT
from stub_runtime.config import S3_FROM

TEAMS = {
    "one developer, an API": Team(1, 1, 2_000, 2_000),
    "ten developers, an API": Team(10, 1, 2_000, 2_000),
    "ten, slow handlers (2 s)": Team(10, 1, 2_000, 2_000, seconds=2.0),
    "ten, always a call at a breakpoint": Team(10, 1 / 60, 2_000, 2_000, seconds=60.0),
    "ten, a queue at full speed": Team(10, 40, 10_000, 200, functions=2, hours=10),
    "twenty, 20 KB pages": Team(20, 3, 2_000, 20_000),
    "twenty, 200 KB documents": Team(20, 1, 200_000, 200_000),
    "five, 2 MB files": Team(5, 0.2, 2_000_000, 2_000_000),
    "a hundred, two stages each": Team(100, 1, 5_000, 5_000, stages=2, functions=20),
    "five hundred, two stages each": Team(500, 1, 5_000, 5_000, stages=2, functions=20),
    "five hundred, in a small region": Team(500, 1, 5_000, 5_000, stages=2, functions=20, small_region=True),
}
SIZES = {"1 KB": 1_000, "5 KB": 5_000, "20 KB": 20_000, "100 KB": 100_000, "200 KB": 200_000, "500 KB": 500_000,
         "2 MB": 2_000_000, "6 MB": 6_000_000}
THRESHOLDS = {"32 KiB": 32 * 1024, "one frame": S3_FROM, "256 KiB": 256 * 1024, "never": 1 << 40}
CONNECTIONS = (1, 2, 4)
Row = dict[str, float | int | str]


def per_call() -> dict[str, Row]:
    """One call by size, the event echoed."""
    rows: dict[str, Row] = {}
    for name, size in SIZES.items():
        cost = call_cost(size, size, 0.1)
        team = Team(1, 1, size, size)
        bill = load(team).cost
        rows[f"call {name}"] = {
            "publishes": cost.publishes, "metered units": cost.units,
            "KB on MQTT": (sum(cost.up) + sum(cost.down)) / 1e3, "S3 requests": cost.puts + cost.gets,
            "$ per million calls": sum(bill.values()) / (team.hours * 3600) * 1e6,
            **{f"calls/s, {count} conn.": most_calls(replace(team, connections=count))[0] for count in CONNECTIONS},
            "what binds": most_calls(team)[1].name}
    return rows


def by_threshold() -> dict[str, Row]:
    """Where large payloads should leave MQTT for the bucket: the most calls per second of a stage, and their price."""
    rows: dict[str, Row] = {}
    for name in ("20 KB", "100 KB", "200 KB", "500 KB"):
        for threshold, s3_from in THRESHOLDS.items():
            team = Team(1, 1, SIZES[name], SIZES[name], s3_from=s3_from)
            calls, limit = most_calls(team)
            price = sum(load(team).cost.values()) / (team.hours * 3600) * 1e6
            rows[f"s3_from {threshold}, {name}"] = {"calls/s": calls, "$ per million calls": price,
                                                    "what binds": limit.name}
    return rows


def by_team() -> dict[str, Row]:
    """Whole teams: load, first limit, bill."""
    rows: dict[str, Row] = {}
    for name, team in TEAMS.items():
        found: Load = load(team)
        rows[name] = {
            "consoles": team.consoles, "calls/s each": team.calls, "connections each": found.connections_used,
            "publishes/s in": found.inbound, "publishes/s out": found.outbound,
            "tightest limit": found.first.name, "used %": found.first.share * 100,
            "moved by": found.first.moved_by if found.first.share > 0.5 else "–",
            **{f"{part} $": amount for part, amount in found.cost.items()},
            "month $": sum(found.cost.values()), "month $ per developer": sum(found.cost.values()) / team.developers}
    return rows


def number(value: float | int | str) -> str:
    """A number for people: three digits that matter."""
    if isinstance(value, str):
        return value
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(rows: dict[str, Row]) -> str:
    """Markdown."""
    columns = list(next(iter(rows.values())))
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(number(row[column]) for column in columns)} |" for name, row in rows.items()]
    return "\n".join(lines)


def facts() -> str:
    """The published numbers, as Markdown."""
    lines = ["| quota or price | value | | source |", "|---|---|---|---|"]
    for name, fact in {**QUOTAS, "metered unit": UNIT, **PRICES}.items():
        value = f"{fact.value:,.0f}" if fact.value >= 1 else f"{fact.value:.12f}".rstrip("0")
        raised = "; can be raised" if fact.adjustable else ""
        lines.append(f"| {name} | {value} | {fact.unit}{raised} | {fact.source} |")
    return "\n".join(lines)


def written(document: str) -> str:
    """The document with its tables renewed. Raises `ValueError` when it has no place for one."""
    for name, text in (("calls", table(per_call())), ("thresholds", table(by_threshold())),
                       ("teams", table(by_team())), ("facts", facts())):
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, found, rest = document.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"the document has no place for {name}")
        document = f"{before}{begin}{text}\n{end}{after}"
    return document


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    if options.write:
        options.write.write_text(written(options.write.read_text("utf-8")), "utf-8")
        return
    if options.json:
        print(json.dumps({**per_call(), **by_threshold(), **by_team()}))
        return
    for title, rows in (("One call, by size of event and answer", per_call()),
                        ("Where payloads leave MQTT for the bucket", by_threshold()), ("Teams", by_team())):
        print(f"{title}\n\n{table(rows)}\n")


if __name__ == "__main__":
    main()
