"""What the views of functions, stack and link say."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from livetui.session.events import CodeReloaded, FunctionInfo, LinkChanged, SessionLive, StackProgress
from livetui.session.invocation import Row
from livetui.tui import text
from livetui.tui.documents import Document, empty, heading, of_lines
from livetui.tui.text import Line
from livetui.tui.widgets.progress import latest, step_line

MESSAGE_UNIT = 5 * 1024
"""Bytes that AWS IoT Core meters as one message. Source: AWS IoT Core pricing, "Messaging"."""
DOLLARS_PER_MILLION = 1.00
"""Of such messages, in most regions; it gets cheaper with volume."""
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
    messages: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
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
        self.bytes_in += row.event_bytes
        self.bytes_out += row.response_bytes or 0
        # One message each way at least, and the acknowledgement.
        self.messages += (
            1
            + max(1, math.ceil(row.event_bytes / MESSAGE_UNIT))
            + max(1, math.ceil((row.response_bytes or 0) / MESSAGE_UNIT))
        )
        if row.overhead_ms is not None:
            self.overheads.append(row.overhead_ms)

    def linked(self, link: LinkChanged) -> None:
        """Remember a round trip."""
        if link.round_trip_ms is not None:
            self.round_trips.append(link.round_trip_ms)


def functions_document(live: SessionLive | None, seen: Seen) -> Document:
    """Every function: where it runs, how it was reloaded, what it did, what is wrong with it."""
    if live is None:
        return empty("The functions are known once the stack is live.")
    lines: list[Line] = []
    for name, function in sorted(live.functions.items(), key=lambda each: (not each[1].live, each[0])):
        lines += _function(name, function, seen.tallies.get(name, Tally()), seen.reloads.get(name))
    on = sum(function.live for function in live.functions.values())
    return of_lines(
        lines or [text.line("The template has no functions.", "dim")], f"{on} of {len(live.functions)} live"
    )


def _function(name: str, function: FunctionInfo, tally: Tally, reload: CodeReloaded | None) -> list[Line]:
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


def link_document(live: SessionLive | None, link: LinkChanged | None, words: str, seen: Seen) -> Document:
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
    cost = seen.messages / 1e6 * DOLLARS_PER_MILLION
    lines += [((" ", ""),), heading("Traffic since the console was opened", "counted here, an estimate")]
    lines += [
        ((f"  {label:<12} ", "dim"), (value, ""))
        for label, value in (
            ("events in", text.size(seen.bytes_in)),
            ("answers out", text.size(seen.bytes_out)),
            ("messages", f"about {seen.messages:,} of {MESSAGE_UNIT // 1024} KB"),
            (
                "cost",
                "nothing: the local cloud"
                if live is not None and live.local
                else f"about ${cost:.4f} at ${DOLLARS_PER_MILLION:.2f} per million",
            ),
        )
    ]
    return of_lines(lines)
