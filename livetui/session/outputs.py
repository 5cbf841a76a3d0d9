"""The two front ends without a screen: lines for people, and one JSON object per line for scripts and agents.

Both are called with every session event, write whole lines and flush each. When the reader has gone they raise
`BrokenPipeError`, after pointing the stream at nothing, so that whoever runs the session can end it quietly and the
interpreter does not complain about the pipe again at its exit.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import msgspec

from livetui.session import secrets
from livetui.session.difference import diff_answers, masked
from livetui.session.events import (
    CodeReloaded,
    FunctionChanged,
    FunctionInfo,
    InvocationArrived,
    InvocationChanged,
    InvocationFinished,
    InvocationPaused,
    InvocationStarted,
    LinkChanged,
    LogLines,
    Notice,
    SessionEnded,
    SessionEvent,
    SessionFailed,
    SessionLive,
    StackProgress,
)
from livetui.session.invocation import Invocation, Row
from livetui.session.policy import statement_for

_LONGEST_VALUE = 100
_WIDEST_COLUMN = 48


class _Output:
    """Writes lines to a stream from any thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def _write(self, lines: list[str]) -> None:
        """Write whole lines. Raises `BrokenPipeError` when nobody reads any more."""
        if not lines:
            return
        encoding = self._stream.encoding or "utf-8"
        text = "".join(f"{line}\n" for line in lines).encode(encoding, "backslashreplace").decode(encoding)
        with self._lock:
            try:
                self._stream.write(text)
                self._stream.flush()
            except BrokenPipeError:
                self._abandon()
                raise
            except ValueError as error:  # the stream was closed
                raise BrokenPipeError("the output is closed") from error

    def _abandon(self) -> None:
        try:
            descriptor = self._stream.fileno()
        except (OSError, ValueError):
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


class JsonOutput(_Output):
    """NDJSON: each event as one object; the fields of an invocation's row lie beside `event`. ASCII only."""

    def __call__(self, event: SessionEvent) -> None:
        """Write one event. Raises `BrokenPipeError` when the reader has gone."""
        self._write([event_json(event)])


class LineOutput(_Output):
    """Lines for people: steps, the endpoint, finished invocations, log lines, mistakes."""

    def __call__(self, event: SessionEvent) -> None:
        """Write one event. Raises `BrokenPipeError` when the reader has gone."""
        self._write([safe(line) for line in event_lines(event)])


class ReplayOutput(LineOutput):
    """What is worth saying while a replay from the command line gets ready: its handler's lines, and mistakes."""

    def __call__(self, event: SessionEvent) -> None:
        """Write one event. Raises `BrokenPipeError` when the reader has gone."""
        if isinstance(event, LogLines | SessionFailed) or (isinstance(event, Notice) and event.level != "info"):
            super().__call__(event)


# --- JSON -----------------------------------------------------------------------------------------------------------

def event_json(event: SessionEvent) -> str:
    """One event as one line of JSON, named as in `cli.md`."""
    fields = msgspec.to_builtins(event)
    row = getattr(event, "row", None)
    if isinstance(row, Row):
        fields = {"event": fields["event"], **_row_fields(row)}
    return json.dumps(fields)


def row_json(row: Row) -> str:
    """One row as one line of JSON."""
    return json.dumps(_row_fields(row))


def invocation_json(invocation: Invocation, *, reveal: bool = False) -> str:
    """Everything of an invocation as one line of JSON; secrets masked unless `reveal`.

    `event` and `response` are the JSON values, or text when they are none.
    """
    fields = {**_row_fields(invocation.row), "attempt": invocation.attempt, "event": _value(invocation.event),
              "response": None if invocation.response is None else _value(invocation.response),
              "context": invocation.context, "timing": msgspec.to_builtins(invocation.timing),
              "logs": [msgspec.to_builtins(line) for line in invocation.logs],
              "calls": [msgspec.to_builtins(call) for call in invocation.calls]}
    try:
        return json.dumps(fields if reveal else secrets.mask(fields))
    except RecursionError:  # nested so deeply that it can be read but not written
        fields["event"] = invocation.event.decode("utf-8", "backslashreplace")
        fields["response"] = (invocation.response or b"null").decode("utf-8", "backslashreplace")
        return json.dumps(fields if reveal else secrets.mask(fields))


def _row_fields(row: Row) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(row)
    return {**fields, "error": secrets.mask_text(row.error)}


def _value(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "backslashreplace")


# --- lines ----------------------------------------------------------------------------------------------------------

def safe(text: str) -> str:
    r"""`text` on one line that cannot move a cursor, restyle or reorder anything: such characters as `\x1b`."""
    text = text.replace("\xa0", " ")  # as AWS's runtime client indents tracebacks
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def event_lines(event: SessionEvent) -> list[str]:
    """One event as lines; none for events that people need not see."""
    match event:
        case StackProgress():
            return [_progress_line(event)]
        case SessionLive():
            return _live_lines(event)
        case InvocationFinished():
            return [row_line(event.row)]
        case InvocationPaused():
            return [f"{row_line(event.row)}  stopped at a breakpoint"]
        case LogLines():
            return [f"{event.id:>6}  {line.stream:>7} │ {secrets.mask_text(line.text)}" for line in event.lines]
        case LinkChanged():
            trip = f"  {event.round_trip_ms:g} ms" if event.round_trip_ms is not None else ""
            return [f"link: {event.state}{trip}  {event.detail}".rstrip()]
        case CodeReloaded():  # why it does not import is told when that changes
            return [f"reloaded: {event.function} in {event.ms:g} ms{', does not import' if event.error else ''}"]
        case FunctionChanged():
            lacking = ", without its packages" if event.info.lacks == "packages" else ""
            return _trouble_lines(event.function, event.info) or [
                f"function: {event.function} runs on {event.info.interpreter}{lacking}"]
        case Notice():
            return [f"{event.level}: {event.text}"]
        case SessionFailed():
            return [line for line in (f"failed: {event.what}", event.why and f"  {event.why}",
                                      event.hint and f"  → {event.hint}") if line]
        case InvocationArrived() | InvocationStarted() | InvocationChanged() | SessionEnded():
            return []
    return []


def _progress_line(step: StackProgress) -> str:
    reason = f"  {step.reason}" if step.reason else ""
    return f"{step.elapsed_s:6.1f} s  {step.phase:<9}  {step.status:<18}  {step.resource}{reason}"


def _live_lines(event: SessionLive) -> list[str]:
    link = f", link {event.link_ms:g} ms" if event.link_ms is not None else ""
    where = "local cloud" if event.local else f"{event.account}/{event.region}"
    live = [name for name, function in event.functions.items() if function.live]
    return [f"● live: {event.app} · {event.stage} · {where}{link}; {len(live)} functions: {', '.join(live)}",
            *(f"  {name}: not live, {function.reason}" for name, function in event.functions.items()
              if not function.live),
            *(line for name, function in event.functions.items() for line in _trouble_lines(name, function)),
            *(f"  warning: {warning} ({', '.join(names)})" for warning, names in _warnings(event).items()),
            *(f"  {name} = {value}" for name, value in event.outputs.items())]


def _trouble_lines(name: str, function: FunctionInfo) -> list[str]:
    return [f"✗ {name} {function.words}: {function.trouble}"] if function.broken else []


def state_word(row: Row) -> str:
    """The state of an invocation; of one that went well, what its answer says: an HTTP status, failed items."""
    if row.state == "ok" and row.failed_items:
        return f"{row.failed_items} failed"
    return f"ok {row.status}" if row.state == "ok" and row.status is not None else row.state


def row_line(row: Row, clock: str = "%H:%M:%S", name_width: int = 20, trigger_width: int = 28) -> str:
    """One invocation on one line. `clock` is a format of `time.strftime`; widths are in letters."""
    at = time.strftime(clock, time.localtime(row.time))
    took = f"{_ms(row.handler_ms):>8}" + (f" +{_ms(row.overhead_ms)}" if row.overhead_ms is not None else "")
    error = f"  {secrets.mask_text(row.error)}" if row.error else ""
    mark = "*" if row.marked else " "
    note = f"  ({row.note})" if row.note else ""
    words = (f"{row.id:>6}{mark} {at}  {state_word(row):<11} {_name(row):<{name_width}} "
             f"{safe(row.trigger):<{trigger_width}} {took:<18}{error}{note}")
    return safe(words.rstrip())


def row_lines(rows: Sequence[Row], now: float | None = None) -> list[str]:
    """Invocations as a table: columns as wide as these rows need, and the day too when not all are of today.

    `now` is the time by which today is meant, the clock's by default.
    """
    def width(texts: Iterable[str]) -> int:
        return min(max(map(len, texts), default=0), _WIDEST_COLUMN)

    today = time.localtime(now)[:3]
    clock = "%H:%M:%S" if all(time.localtime(row.time)[:3] == today for row in rows) else "%Y-%m-%d %H:%M:%S"
    widths = width(map(_name, rows)), width(safe(row.trigger) for row in rows)
    return [row_line(row, clock, *widths) for row in rows]


def _name(row: Row) -> str:
    origin = "" if row.replay_of is None else f"↻{row.replay_of}{' edited' if row.edited else ''} "
    return safe(f"{origin}{row.function}")


def _warnings(event: SessionLive) -> dict[str, list[str]]:
    """Each warning once, with the functions it is about."""
    found: dict[str, list[str]] = {}
    for name, function in event.functions.items():
        for warning in function.warnings:
            found.setdefault(warning, []).append(name)
    return found


def _ms(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value / 1000:.1f} s" if value >= 10_000 else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def invocation_text(invocation: Invocation, *, reveal: bool = False) -> str:
    """Everything of an invocation for people; secrets masked unless `reveal`."""
    row, timing = invocation.row, invocation.timing
    legs = [("way in", timing.inbound_ms), ("queue", timing.queue_ms), ("import", timing.init_ms),
            ("handler", timing.handler_ms), ("way out", timing.outbound_ms)]
    parts = [*row_lines([row]), f"request {row.request_id or '–'} · trace {row.trace_id or '–'} · "
             + " · ".join(f"{name} {_ms(value)}" for name, value in legs if value is not None),
             _section("Event", _pretty(invocation.event, reveal=reveal))]
    if invocation.response is not None:
        parts.append(_section("Response", _pretty(invocation.response, reveal=reveal)))
    if invocation.logs:
        texts = [line.text if reveal else secrets.mask_text(line.text) for line in invocation.logs]
        parts.append(_section("Logs", "\n".join(texts)))
    if invocation.calls:
        parts.append(_section("Calls", "\n".join(_call_lines(invocation, reveal=reveal))))
    parts.append(_section("Context", _pretty(json.dumps(invocation.context).encode(), reveal=reveal)))
    return "\n".join(safe(line) for part in parts for line in part.split("\n"))


def _section(title: str, body: str) -> str:
    return f"\n{title}\n{body}"


def _pretty(body: bytes, *, reveal: bool) -> str:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "backslashreplace")
        return text if reveal else secrets.mask_text(text)
    try:
        return json.dumps(value if reveal else secrets.mask(value), indent=2, ensure_ascii=False)
    except RecursionError:  # nested so deeply that it can be read but not written
        text = body.decode("utf-8", "backslashreplace")
        return text if reveal else secrets.mask_text(text)


def _call_lines(invocation: Invocation, *, reveal: bool) -> list[str]:
    lines = []
    for call in invocation.calls:
        error = call.error if reveal else secrets.mask_text(call.error)
        lines.append(f"{call.ms:8.1f} ms  {call.status}  {call.service}:{call.operation} {call.target}  {error}"
                     .rstrip())
        statement = statement_for(call, invocation.context)
        if statement is not None:
            lines.append("  the role needs: " + json.dumps(statement))
    return lines


def difference_lines(origin: Invocation, replay: Invocation) -> list[str]:
    """What a replay answered differently, one change per line; secrets masked."""
    lines = []
    if origin.row.state != replay.row.state:
        lines.append(f"state: {origin.row.state} → {replay.row.state}")
    for change in map(masked, diff_answers(origin.response, replay.response, limit=200)):
        before, after = _short(change.before), _short(change.after)
        place = change.path or "answer"
        match change.kind:
            case "added":
                lines.append(f"+ {place}: {after}")
            case "removed":
                lines.append(f"- {place}: {before}")
            case "changed":
                lines.append(f"~ {place}: {before} → {after}")
            case "more":
                lines.append("… and more")
    return [safe(line) for line in lines]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE - 1] + "…"
