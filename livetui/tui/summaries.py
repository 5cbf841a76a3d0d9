"""What the views of functions, stack and link say."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from livetui.session.events import CodeReloaded, FunctionInfo, LinkChanged, SessionLive, StackProgress
from livetui.session.invocation import Row
from livetui.session.measures import BYTES_PER_S, PUBLISHES_PER_S, UNIT, LaneStats, LinkUsage
from livetui.tui import text
from livetui.tui.documents import Document, empty, heading, of_lines
from livetui.tui.text import Line
from livetui.tui.widgets.progress import latest, step_line

_BARS = "▁▂▃▄▅▆▇█"


@dataclass
class Tally:
    """What a function did since the console was opened."""

    calls: int = 0
    errors: int = 0
    handler_ms: float = 0.0
    last_error: str = ""


@dataclass
class Seen:
    """What the console counted since it was opened."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    reloads: dict[str, CodeReloaded] = field(default_factory=dict)
    round_trips: deque[float] = field(default_factory=lambda: deque(maxlen=120))
    overheads: deque[float] = field(default_factory=lambda: deque(maxlen=1_000))

    def finished(self, row: Row) -> None:
        """Count an invocation that has its final state."""
        tally = self.tallies.setdefault(row.function, Tally())
        tally.calls += 1
        tally.handler_ms += row.handler_ms or 0.0
        if row.state in ("error", "timeout"):
            tally.errors += 1
            tally.last_error = row.error
        if row.replay_of is not None:
            return
        if row.overhead_ms is not None:
            self.overheads.append(row.overhead_ms)

    def linked(self, link: LinkChanged) -> None:
        """Remember a round trip."""
        if link.round_trip_ms is not None:
            self.round_trips.append(link.round_trip_ms)


def functions_document(live: SessionLive | None, seen: Seen, workers: Mapping[str, LaneStats]) -> Document:
    """Every function: where it runs, how it was reloaded, what it did, what is wrong with it."""
    if live is None:
        return empty("The functions are known once the stack is live.")
    lines: list[Line] = []
    for name, function in sorted(live.functions.items(), key=lambda each: (not each[1].live, each[0])):
        lines += _function(name, function, seen.tallies.get(name, Tally()), seen.reloads.get(name), workers.get(name))
    on = sum(function.live for function in live.functions.values())
    return of_lines(
        lines or [text.line("The template has no functions.", "dim")], f"{on} of {len(live.functions)} live"
    )


def _function(
    name: str, function: FunctionInfo, tally: Tally, reload: CodeReloaded | None, lane: LaneStats | None
) -> list[Line]:
    mark: Line = (
        (("● live  ", "ok"),)
        if function.live
        else ((f"○ not live: {text.safe(function.reason) or 'not chosen'}  ", "warn"),)
    )
    lines: list[Line] = [
        (
            (f"{text.safe(name)}  ", "title"),
            *mark,
            (f"{text.safe(function.handler)}  {text.safe(function.runtime)}", ""),
        )
    ]
    facts = [
        ("cloud name", function.name),
        ("code", function.code_root),
        (
            "interpreter",
            f"{function.interpreter}{f'  ({function.interpreter_reason})' if function.interpreter_reason else ''}",
        ),
    ]
    lines += [((f"  {label:<12} ", "dim"), *text.line(value)) for label, value in facts if value.strip()]
    if lane is not None:
        lines.append((("  workers      ", "dim"), *_workers(lane)))
    if tally.calls:
        mean = tally.handler_ms / tally.calls
        lines.append(
            (
                ("  calls        ", "dim"),
                (f"{tally.calls:,}", ""),
                (f", {tally.errors} failed", "error" if tally.errors else "dim"),
                (f", {text.ms(mean)} ms on average", "dim"),
            )
        )
    if tally.last_error:
        lines.append((("  last error   ", "dim"), *text.line(tally.last_error, "error")))
    if reload is not None:
        words = (
            text.line(reload.error.split("\n")[0], "error")
            if reload.error
            else ((f"reloaded in {text.ms(reload.ms)} ms", "ok"),)
        )
        lines.append((("  code         ", "dim"), *words))
    lines += [(("  warning      ", "warn"), *text.line(warning)) for warning in function.warnings]
    return [*lines, (("", ""), (" ", ""))]


def _workers(lane: LaneStats) -> Line:
    """How busy a function is, and how its next worker is started."""
    start = "forked in a moment" if lane.spawn == "fork" else "started fresh"
    why = f": {text.safe(lane.spawn_reason)[:200]}" if lane.spawn_reason else ""
    return (
        (f"{lane.workers}", ""),
        (f", {lane.busy} busy", "warn" if lane.busy else "dim"),
        (f", {lane.queued} calls wait", "warn" if lane.queued else "dim"),
        (f"; the next one is {start}{why}", "dim"),
    )


def stack_document(live: SessionLive | None, steps: list[StackProgress]) -> Document:
    """Outputs, then the last word on each resource."""
    lines: list[Line] = []
    if live is not None:
        lines.append(heading("Outputs", "y copies a value"))
        width = max((len(key) for key in live.outputs), default=0)
        lines += [
            ((f"  {text.safe(key).ljust(width)}  ", "key"), *text.line(value, "string"))
            for key, value in live.outputs.items()
        ]
        lines += [((" ", ""),), heading("Functions")]
        lines += [
            ((f"  {text.safe(name)}  ", ""), (text.safe(function.name), "dim"))
            for name, function in live.functions.items()
        ]
        lines.append(((" ", ""),))
    lines.append(heading("Steps and resources"))
    lines += [step_line(step) for step in latest(steps)] or [text.line("Nothing was deployed in this session.", "dim")]
    note = "" if live is None else f"{live.app} · {live.stage} · {live.resources} resources"
    return of_lines(lines, note)


def sparkline(values: list[float], width: int = 60) -> str:
    """The last values as a row of bars, the highest as high as a line."""
    shown = values[-width:]
    top = max(shown, default=0.0)
    return "".join(_BARS[min(7, int(value / top * 7.99))] if top else _BARS[0] for value in shown)


def link_document(
    live: SessionLive | None, link: LinkChanged | None, words: str, seen: Seen, usage: LinkUsage | None
) -> Document:
    """State, round trip, what went over the link and what that costs."""
    lines: list[Line] = [heading("Connection")]
    facts: list[tuple[str, str]] = [("state", words)]
    if link is not None and link.detail:
        facts.append(("detail", link.detail))
    if live is not None:
        facts.append(("where", "the local cloud" if live.local else f"{live.account} / {live.region}"))
    trips = list(seen.round_trips)
    if trips:
        ordered = sorted(trips)
        facts += [
            (
                "round trip",
                f"{text.ms(trips[-1])} ms now, {text.ms(ordered[len(ordered) // 2])} ms median, "
                f"{text.ms(ordered[-1])} ms worst",
            ),
            ("", sparkline(trips)),
        ]
    overheads = sorted(seen.overheads)
    if overheads:
        facts.append(
            (
                "overhead",
                f"{text.ms(overheads[len(overheads) // 2])} ms median, "
                f"{text.ms(overheads[int(len(overheads) * 0.95)])} ms for the slowest 5 %",
            )
        )
    lines += [((f"  {label:<12} ", "dim"), *text.line(value)) for label, value in facts]
    if usage is not None:
        lines += [((" ", ""),), heading("Quotas of a connection", "the busiest one, in its last second")]
        lines += [
            _share(
                "publishes", f"{usage.messages_per_s:,} of {PUBLISHES_PER_S}", usage.messages_per_s / PUBLISHES_PER_S
            ),
            _share("bytes", f"{text.size(usage.bytes_per_s)} of 512 KiB", usage.bytes_per_s / BYTES_PER_S),
        ]
        lines += [((" ", ""),), heading("Traffic of this session", "payloads, counted where they go")]
        cost = (
            "nothing: the local cloud" if live is not None and live.local else f"about ${usage.dollars:.4f} of AWS IoT"
        )
        lines += [
            ((f"  {label:<12} ", "dim"), (value, ""))
            for label, value in (
                ("connections", f"{usage.connections}, {text.seconds(usage.connected_s)} in all"),
                ("in", f"{usage.messages_in:,} publishes, {text.size(usage.bytes_in)}"),
                ("out", f"{usage.messages_out:,} publishes, {text.size(usage.bytes_out)}"),
                ("metered", f"{usage.units:,} units of {UNIT // 1024} KB, in and out of AWS IoT each"),
                ("cost", cost),
            )
        ]
    return of_lines(lines)


def _share(label: str, words: str, share: float) -> Line:
    """How much of a quota is used, as a bar of twenty cells."""
    filled = min(20, round(share * 20))
    role = "error" if share > 0.9 else "warn" if share > 0.6 else "ok"
    return (
        (f"  {label:<12} ", "dim"),
        ("█" * filled, role),
        ("░" * (20 - filled), "dim"),
        (f"  {words} a second", ""),
    )
