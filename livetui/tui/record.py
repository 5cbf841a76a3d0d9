"""What each tab of the details says about an invocation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livetui.session.invocation import AwsCall, Invocation
from livetui.tui import text
from livetui.tui.documents import Document, Mask, Target, empty, heading, joined, of_json, of_lines
from livetui.tui.text import Line, Piece

TABS = ("Event", "Response", "Logs", "Error", "Context", "Timing", "Diff", "Calls")
MOST_LOG_LINES = 20_000
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>.*)$')
_DENIED = re.compile(r"(?:is not authorized to perform:?|AccessDenied\w*:?.*?perform:?)\s*([a-z0-9-]+:\w+)"
                     r"(?:\s+on resource:?\s*(?:the resource )?\"?([^\s\"]+))?", re.IGNORECASE)


@dataclass(frozen=True)
class Opened:
    """An invocation as the details show it."""

    invocation: Invocation
    origin: Invocation | None = None
    """What it is a replay of."""
    code_root: str = ""
    """Where its function's sources lie, for frames of the traceback."""
    unmasked: bool = False

    @property
    def mask(self) -> Mask | None:
        """What hides secrets, unless they are asked for."""
        return None if self.unmasked else mask_line


def label(tab: str, invocation: Invocation) -> str:
    """A tab's name, with how much there is behind it."""
    counts = {"Logs": len(invocation.logs), "Calls": len(invocation.calls)}
    return f"{tab} {counts[tab]}" if counts.get(tab) else tab


def document(tab: str, opened: Opened) -> Document:
    """The document of one tab. Costs what the payload costs: call it in a thread."""
    return _BUILDERS[tab](opened)


def _event(opened: Opened) -> Document:
    return of_json(opened.invocation.event, opened.mask, _legs(opened.invocation))


def _response(opened: Opened) -> Document:
    invocation = opened.invocation
    if invocation.response is None:
        words = {"queued": "It waits for a worker.", "running": "The handler is running.",
                 "paused": "The handler stands at a breakpoint."}
        return empty(words.get(invocation.row.state, "There was no answer."))
    return of_json(invocation.response, opened.mask, _legs(invocation))


def _legs(invocation: Invocation) -> str:
    timing = invocation.timing
    legs = (("in", timing.inbound_ms), ("queue", timing.queue_ms), ("handler", timing.handler_ms), ("out", timing.outbound_ms))
    return " · ".join(f"{name} {text.ms(value)}" for name, value in legs if value is not None)


def _logs(opened: Opened) -> Document:
    logs = opened.invocation.logs
    if not logs:
        return empty("The handler wrote nothing.")
    lines = [log_line(each.stream, each.text, each.at_ms) for each in logs[-MOST_LOG_LINES:]]
    if len(logs) > MOST_LOG_LINES:
        lines.insert(0, text.line(f"… {len(logs) - MOST_LOG_LINES:,} earlier lines: o opens all in the pager", "dim"))
    made = of_lines(lines, f"{len(logs):,} line{'' if len(logs) == 1 else 's'}", kind="log")
    made.source = "\n".join(each.text for each in logs)
    return made


def log_line(stream: str, words: str, at_ms: float, function: str = "") -> Line:
    """A line that a handler wrote: when, where, what."""
    shown, left_out = text.clipped(text.without_colours(words))
    pieces: list[Piece] = [(f"{at_ms:>7.0f} ", "dim")]
    if function:
        pieces.append((text.fit(text.safe(function), 16) + " ", "title"))
    if stream == "stderr":
        pieces.append(("err ", "warn"))
    level = re.match(r"\[(ERROR|CRITICAL|WARNING)\]", shown)
    pieces.append((shown, "" if level is None else "warn" if level[1] == "WARNING" else "error"))
    if left_out:
        pieces.append((f" … {left_out:,} more characters", "dim"))
    return tuple(pieces)


def _error(opened: Opened) -> Document:
    row, response = opened.invocation.row, opened.invocation.response
    if row.state in ("ok", "queued", "running", "paused"):
        return empty("No error.")
    answer = _error_answer(response)
    if answer is None:
        return of_lines([text.line(row.error or f"It ended as {row.state}.", "error")])
    lines: list[Line] = [((text.safe(str(answer.get("errorType", "")))[:200], "error"), (": ", "error"),
                          *text.line(str(answer.get("errorMessage", "")).split("\n")[0], "error"))]
    lines += [text.line(each) for each in str(answer.get("errorMessage", "")).split("\n")[1:200]]
    targets: dict[int, Target] = {}
    trace = answer.get("stackTrace")
    for frame in trace[:200] if isinstance(trace, list) else []:
        _frame(str(frame), opened.code_root, lines, targets)
    policy = policy_for(str(answer.get("errorMessage", "")))
    if policy:
        lines += [(("", ""),), heading("Missing permission", "C copies all, enter on a frame opens the editor")]
        lines += [text.json_line(each) for each in policy.split("\n")]
    made = of_lines(lines, "enter opens a frame in the editor" if targets else "", targets)
    made.source = _plain_trace(answer)
    return made


def _error_answer(response: bytes | None) -> dict[str, Any] | None:
    try:
        answer = json.loads(response or b"null")
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) and ("errorType" in answer or "errorMessage" in answer) else None


def _plain_trace(answer: dict[str, Any]) -> str:
    trace = answer.get("stackTrace")
    frames = "".join(map(str, trace)) if isinstance(trace, list) else ""
    return f"{frames}{answer.get('errorType', '')}: {answer.get('errorMessage', '')}\n"


def _frame(frame: str, code_root: str, lines: list[Line], targets: dict[int, Target]) -> None:
    first, _, rest = frame.partition("\n")
    match = _FRAME.match(first)
    if match is None:
        lines += [text.line(each, "code") for each in frame.rstrip("\n").split("\n")[:50]]
        return
    path, number = local_path(match["file"], code_root), int(match["line"])
    targets[len(lines)] = Target(str(path or match["file"]), number)
    shown = text.safe(match["file"].removeprefix("/var/task/"))
    lines.append(((f"{shown}:{number}", "link"), ("  in ", "dim"), (text.safe(match["name"])[:200], "title")))
    around = source_around(path, number) if path is not None else []
    if not around and rest.strip():
        around = [(number, rest.strip("\n").split("\n")[0].strip())]
    for at, source in around:
        targets[len(lines)] = Target(str(path or match["file"]), at)
        here = at == number
        lines.append(((f"{'▶' if here else ' '}{at:>5} ", "error" if here else "dim"), *text.line(source, "" if here else "dim")))


def local_path(name: str, code_root: str) -> Path | None:
    """The file here that a path in a traceback means: `/var/task/…` is the function's code root."""
    path = Path(code_root, name.removeprefix("/var/task/")) if code_root and name.startswith("/var/task/") else Path(name)
    return path if path.is_absolute() and path.is_file() else None


def source_around(path: Path, number: int, reach: int = 2) -> list[tuple[int, str]]:
    """The lines around one line of a source file; empty when it cannot be read."""
    try:
        if path.stat().st_size > 2_000_000:
            return []
        lines = path.read_text("utf-8", "replace").split("\n")
    except OSError:
        return []
    return [(at, lines[at - 1]) for at in range(max(1, number - reach), min(len(lines), number + reach) + 1)]


def _context(opened: Opened) -> Document:
    row = opened.invocation.row
    known = {**opened.invocation.context, "requestId": row.request_id, "traceId": row.trace_id,
             "attempt": opened.invocation.attempt, "session": row.session}
    payload = json.dumps({key: value for key, value in known.items() if value not in (None, "")}, default=str)
    return of_json(payload.encode("utf-8", "replace"), opened.mask)


def _timing(opened: Opened) -> Document:
    timing, row = opened.invocation.timing, opened.invocation.row
    legs = [("way in", timing.inbound_ms, "stub → console"), ("queue", timing.queue_ms, "waited for a worker"),
            ("import", timing.init_ms, "the handler's module, once per worker"),
            ("handler", timing.handler_ms, "your code"), ("way out", timing.outbound_ms, "console → stub")]
    known = [value for _, value, _ in legs if value is not None]
    if not known:
        return empty("Nothing is measured yet.")
    total = sum(known)
    lines: list[Line] = []
    before = 0.0
    for name, value, remark in legs:
        if value is None:
            lines.append(((f"{name:<8}", "dim"), ("       –", "dim"), (f"  {'':32}  {remark}", "dim")))
            continue
        lines.append(((f"{name:<8}", ""), (f"{text.ms(value):>6} ms", ""), ("  ", ""), *bar(before, value, total),
                      (f"  {remark}", "dim")))
        before += value
    lines.append((("", ""),))
    lines.append((("total   ", "title"), (f"{text.ms(total):>6} ms", "title")))
    if row.overhead_ms is not None:
        lines.append((("livetui ", ""), (f"{text.ms(row.overhead_ms):>6} ms", ""), ("  of it added by the way through here", "dim")))
    if row.deadline is not None:
        lines.append(((f"Lambda's deadline was {text.clock(row.deadline)}, {row.deadline - row.time:.0f} s after the call", "dim"),))
    return of_lines(lines, f"{text.ms(total)} ms")


def bar(start: float, length: float, total: float, width: int = 32) -> Line:
    """A bar of `width` cells that stands where a leg began; at least one cell long."""
    if total <= 0:
        return ((" " * width, ""),)
    first = min(width - 1, int(start / total * width))
    cells = max(1, min(width - first, round(length / total * width)))
    return (("·" * first, "dim"), ("━" * cells, "bar"), ("·" * (width - first - cells), "dim"))


def _diff(opened: Opened) -> Document:
    if opened.origin is None:
        return empty("Not a replay: there is nothing to compare with. r replays this event.")
    import difflib  # noqa: PLC0415  (needed by few)

    sides = [of_json(each.response or b"", opened.mask) for each in (opened.origin, opened.invocation)]
    before, after = ([each.text(at) for at in range(min(len(each), 20_000))] for each in sides)
    lines = [text.line(words, {"+": "add", "-": "remove", "@": "dim"}.get(words[:1], ""))
             for words in difflib.unified_diff(before, after, f"#{opened.origin.row.id}", f"#{opened.invocation.row.id}", lineterm="")]
    return of_lines(lines or [text.line("The answers are equal.", "ok")])


def _calls(opened: Opened) -> Document:
    calls = opened.invocation.calls
    if not calls:
        return empty("No AWS calls were seen.")
    documents = [of_lines([line for call in calls[:5_000] for line in _call(call)],
                          f"{len(calls)} calls · {text.ms(sum(call.ms for call in calls))} ms")]
    return joined(documents)


def _call(call: AwsCall) -> list[Line]:
    failed = bool(call.error) or call.status >= 400
    lines: list[Line] = [((f"{'✗' if failed else '✓'} ", "error" if failed else "ok"), (f"{call.status:>3} ", "error" if failed else "dim"),
                          (f"{text.ms(call.ms):>5} ms  ", "dim"), (text.safe(call.service), "title"),
                          (f" {text.safe(call.operation)}  ", ""), (text.safe(call.target)[:300], "string"))]
    if call.error:
        lines.append((("      ", ""), *text.line(call.error, "error")))
    policy = policy_for(call.error)
    if policy:
        lines.append(heading("      Missing permission:", "add this statement to the function's policy"))
        lines += [(("      ", ""), *text.json_line(each)) for each in policy.split("\n")]
    return lines


def policy_for(message: str) -> str:
    """The IAM statement that an `AccessDenied` message asks for, as JSON; empty when it is another message."""
    match = _DENIED.search(message[:4_000])
    if match is None:
        return ""
    return json.dumps({"Effect": "Allow", "Action": match[1], "Resource": (match[2] or "*").rstrip(".,;")}, indent=2)


_SECRET = re.compile(r'("(?:[\w.-]*(?:authorization|cookie|password|secret|token|api[-_]?key|credential)[\w-]*)"\s*:\s*)("(?:[^"\\]|\\.)+")',
                     re.IGNORECASE)


def mask_line(line: str) -> str:
    """A line of JSON without the values of members that are named like secrets."""
    return _SECRET.sub(r'\1"••••••••"', line)


_BUILDERS: dict[str, Callable[[Opened], Document]] = {
    "Event": _event, "Response": _response, "Logs": _logs, "Error": _error, "Context": _context, "Timing": _timing,
    "Diff": _diff, "Calls": _calls}
