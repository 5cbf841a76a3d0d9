"""What the views of functions, stack and link say."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from livetui.session.events import CodeReloaded, FunctionInfo, LinkChanged, SessionLive, StackProgress
from livetui.session.invocation import Row
from livetui.session.measures import BYTES_PER_S, PUBLISHES_PER_S, UNIT, LinkUsage
from livetui.session.secrets import mask_text
from livetui.tui import text
from livetui.tui.documents import Document, empty, heading, of_lines
from livetui.tui.text import Line
from livetui.tui.widgets.progress import latest, step_line

if TYPE_CHECKING:
    from livetui.session.measures import LaneStats

_BARS = "▁▂▃▄▅▆▇█"
MOST_TROUBLES = 3
MOST_OVERRAN = 1_000


class Tally(msgspec.Struct):
    """What a function did since the console was opened."""

    calls: int = 0
    failed: int = 0
    handler_ms: float = 0.0
    last_error: str = ""


class Seen(msgspec.Struct):
    """What the console counted since it was opened."""

    tallies: dict[str, Tally] = msgspec.field(default_factory=dict)
    reloads: dict[str, CodeReloaded] = msgspec.field(default_factory=dict)
    round_trips: deque[float] = msgspec.field(default_factory=lambda: deque(maxlen=120))
    overheads: deque[float] = msgspec.field(default_factory=lambda: deque(maxlen=1_000))
    _overran: dict[int, float] = msgspec.field(default_factory=dict)
    """Calls that were counted as timeouts and may end yet, with the time counted for them."""

    def finished(self, row: Row) -> None:
        """Count an invocation that has its final state; once, though one that overran may end after that."""
        tally = self.tallies.setdefault(row.function, Tally())
        counted_ms = self._overran.pop(row.id, None)
        if counted_ms is not None:
            tally.handler_ms += (row.handler_ms or 0.0) - counted_ms
            return
        if row.state == "timeout":
            self._overran[row.id] = row.handler_ms or 0.0
            if len(self._overran) > MOST_OVERRAN:
                del self._overran[next(iter(self._overran))]
        tally.calls += 1
        tally.handler_ms += row.handler_ms or 0.0
        if row.failed:
            tally.failed += 1
            tally.last_error = mask_text(row.error) or tally.last_error
        if row.replay_of is not None:
            return
        if row.overhead_ms is not None:
            self.overheads.append(row.overhead_ms)

    def troubles(self, before: SessionLive | None, now: SessionLive) -> list[tuple[str, str]]:
        """What is wrong with functions, and why, that was not said yet: of their last save neither."""
        said = {(name, each.trouble) for name, each in (before.functions if before else {}).items()}
        said |= {(name, reload.error) for name, reload in self.reloads.items()}
        well = {name for name, each in now.functions.items() if not each.broken}
        self.reloads = {name: each for name, each in self.reloads.items() if not (each.error and name in well)}
        new = [(name, each) for name, each in now.functions.items() if each.broken and (name, each.trouble) not in said]
        return [(f"✗ {text.safe(name)} {each.words}", each.trouble) for name, each in new[:MOST_TROUBLES]]

    def linked(self, link: LinkChanged) -> None:
        """Remember a round trip."""
        if link.round_trip_ms is not None:
            self.round_trips.append(link.round_trip_ms)


def function_badge(live: SessionLive | None) -> str:
    """What is wrong with a function, the worst first, and how many more there are."""
    wrong = sorted(
        ((name, each) for name, each in (live.functions if live else {}).items() if each.lacks),
        key=lambda each: not each[1].broken,
    )
    if not wrong:
        return ""
    name, first = wrong[0]
    more = f", {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return f"{'✗ ' if first.broken else ''}{text.safe(name)[:30]} {first.words}{more}"


def functions_document(live: SessionLive | None, seen: Seen, workers: Mapping[str, LaneStats]) -> Document:
    """A line for each function, what is wrong first; below it where their code lies and what runs it."""
    if live is None:
        return empty("The functions are known once the stack is live.")
    if not live.functions:
        return empty("The template has no functions.")
    order = sorted(live.functions.items(), key=lambda each: (not each[1].broken, not each[1].live, each[0]))
    wide = min(32, max(8, *map(len, live.functions)))
    numbers = f"{'calls':>6}{'failed':>8}{'avg ms':>8}{'workers':>9}{'waiting':>9}"
    lines: list[Line] = [((f"{'function':<{wide}}  {'state':<17}{numbers}  handler", "dim"),)]
    for name, function in order:
        tally, lane = seen.tallies.get(name, Tally()), workers.get(name)
        state, role = ("● live", "ok") if function.live else (f"○ {text.safe(function.reason) or 'not chosen'}", "warn")
        if function.broken:
            state, role = f"✗ no {function.lacks}", "error"
        mean = text.ms(tally.handler_ms / tally.calls) if tally.calls else ""
        lines.append(
            (
                (text.fit(text.safe(name), wide) + "  ", "title"),
                (text.fit(state, 16) + " ", role),
                (f"{tally.calls or '':>6}", ""),
                (f"{tally.failed or '':>8}", "error"),
                (f"{mean:>8}", ""),
                (f"{lane.workers if lane else '':>9}", ""),
                (f"{(lane.queued or '') if lane else '':>9}", "warn"),
                (f"  {text.safe(function.handler)}", "dim"),
            )
        )
    for name, function in order:
        lines += _remarks(name, function, seen.tallies.get(name), seen.reloads.get(name), workers.get(name))
    lines += _places(live)
    on = sum(function.live and not function.broken for function in live.functions.values())
    return of_lines(lines, f"{on} of {len(live.functions)} live", wrap=True)


def _remarks(
    name: str, function: FunctionInfo, tally: Tally | None, reload: CodeReloaded | None, lane: LaneStats | None
) -> list[Line]:
    """What is worth a word about one function."""
    found: list[tuple[str, str, str]] = [("warning", warning, "warn") for warning in function.warnings]
    if function.trouble:
        found.append((f"no {function.lacks}", function.trouble.split("\n")[0], "error"))
    elif reload is not None and not reload.error:
        found.append(("last save", f"reloaded in {text.ms(reload.ms)} ms", "ok"))
    if tally is not None and tally.last_error:
        found.append(("last error", tally.last_error, "error"))
    if lane is not None and lane.spawn != "fork" and lane.spawn_reason:
        found.append(("new workers", f"start afresh: {lane.spawn_reason}", "dim"))
    if not found:
        return []
    lines: list[Line] = [((" ", ""),), heading(text.safe(name))]
    return lines + [((f"  {label:<12} ", "dim"), *text.line(words, role)) for label, words, role in found]


def _places(live: SessionLive) -> list[Line]:
    """Code, interpreter and how it was found, once for all functions that share them."""
    shared: dict[tuple[str, str, str, str], list[str]] = {}
    for name, function in live.functions.items():
        if function.live:
            place = (function.code_root, function.interpreter, function.interpreter_reason, function.runtime)
            shared.setdefault(place, []).append(name)
    lines: list[Line] = []
    for (code, interpreter, reason, runtime), names in shared.items():
        title = "All functions" if len(shared) == 1 else ", ".join(names)
        lines += [((" ", ""),), heading(text.safe(title)[:300])]
        for label, words in (
            ("code", code),
            ("interpreter", f"{interpreter}{f'  ({reason})' if reason else ''}"),
            ("runtime", runtime and f"{runtime} in the cloud"),
        ):
            if words.strip():
                lines.append(((f"  {label:<12} ", "dim"), *text.line(words)))
    return lines


def stack_document(live: SessionLive | None, steps: list[StackProgress]) -> Document:
    """Outputs, what is deployed, then the last word on each step of this session."""
    lines: list[Line] = []
    values: dict[int, str] = {}
    if live is not None:
        lines.append(heading("Outputs", "y copies a value"))
        width = max((len(key) for key in live.outputs), default=0)
        for key, value in live.outputs.items():
            values[len(lines)] = value
            lines.append(((f"  {text.safe(key).ljust(width)}  ", "key"), *text.line(value, "string")))
        lines += [((" ", ""),), heading("Resources")]
        kinds = [text.safe(each.type.removeprefix("AWS::")) for each in live.resources]
        longest = min(40, max((len(each.id) for each in live.resources), default=0))
        widest = min(40, max(map(len, kinds), default=0))
        for each, kind in zip(live.resources, kinds, strict=True):
            values[len(lines)] = each.name
            known_as = f"  {text.fit(text.safe(each.id), longest)}  "
            lines.append(((known_as, "key"), (f"{text.fit(kind, widest)}  ", "dim"), *text.line(each.name, "string")))
        lines.append(((" ", ""),))
    lines.append(heading("Steps of this session"))
    lines += [step_line(step) for step in latest(steps)] or [text.line("Nothing was deployed in this session.", "dim")]
    note = "" if live is None else f"{live.app} · {live.stage} · {len(live.resources)} resources"
    if live is not None and live.bootstrap_version:
        note += f" · bootstrap v{live.bootstrap_version.lstrip('v')}"
    return msgspec.structs.replace(of_lines(lines, note), values=values)


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
        local = live is not None and live.local
        cost = f"{'nothing here; in AWS ' if local else ''}about ${usage.dollars:.4f} for AWS IoT"
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
