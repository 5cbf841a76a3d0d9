"""What each tab of the details says about an invocation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from livetui.session import decode
from livetui.session.debugging import PostMortem
from livetui.session.difference import Change, diff, diff_answers, masked, parsed, spell
from livetui.session.invocation import FAILED, FINISHED, AwsCall, Invocation, LogLine
from livetui.session.outcome import hung_at, remedies
from livetui.session.policy import reason_for, statement_for
from livetui.session.secrets import MASK, is_secret_name, mask, mask_text
from livetui.tui import text
from livetui.tui.documents import Document, Target, empty, heading, joined, of_json, of_lines
from livetui.tui.files import is_file
from livetui.tui.text import Line, Piece

TABS = ("Event", "Response", "Logs", "Error", "Context", "Timing", "Diff", "Calls")
MOST_LOG_LINES = 20_000
MOST_CHANGES = 500
MOST_LINES_OF_A_CHANGE = 40
MOST_BODIES = 20
OPENED_UP_TO = 512_000
"""Bytes of a payload whose strings are looked into."""
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>.*)$')


class Opened(msgspec.Struct, frozen=True):
    """An invocation as the details show it."""

    invocation: Invocation
    origin: Invocation | None = None
    """What it is a replay of."""
    code_root: str = ""
    """Where its function's sources lie, for frames of the traceback."""
    unmasked: bool = False

    post_mortem: PostMortem | None = None
    """Frames and locals at its error, while they are remembered."""

    def masked(self, words: str) -> str:
        """A line of text without its secrets, unless they are asked for."""
        return words if self.unmasked else mask_text(words)


def label(tab: str, invocation: Invocation) -> str:
    """A tab's name, with how much there is behind it."""
    counts = {"Logs": len(invocation.logs), "Calls": len(invocation.calls)}
    return f"{tab} {counts[tab]}" if counts.get(tab) else tab


def has_to_say(tab: str, invocation: Invocation) -> bool:
    """Whether a tab is of use for an invocation: there is no error without a failure, no difference but of a replay."""
    row = invocation.row
    if tab == "Error":
        return row.state in FAILED
    return tab != "Diff" or row.replay_of is not None


def document(tab: str, opened: Opened) -> Document:
    """The document of one tab. Costs what the payload costs: call it in a thread."""
    return _BUILDERS[tab](opened)


def _event(opened: Opened) -> Document:
    return with_bodies(
        of_json(opened.invocation.event, not opened.unmasked, _legs(opened.invocation)),
        opened.invocation.event,
        not opened.unmasked,
    )


def _response(opened: Opened) -> Document:
    invocation = opened.invocation
    if invocation.response is None:
        words = {
            "queued": "It waits for a worker.",
            "running": "The handler is running.",
            "paused": "The handler stands at a breakpoint.",
        }
        return empty(words.get(invocation.row.state, "There was no answer."))
    return with_bodies(
        of_json(invocation.response, not opened.unmasked, _legs(invocation)), invocation.response, not opened.unmasked
    )


def with_bodies(document: Document, payload: bytes, masked: bool) -> Document:
    """The document, and below it what lies folded in the payload's strings: base64, gzip, forms, JSON in JSON."""
    if len(payload) > OPENED_UP_TO:
        return document
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return document
    sections: list[Document] = []
    for found in decode.find(mask(value) if masked else value)[:MOST_BODIES]:
        how = " → ".join(found.steps) + (", cut" if found.truncated else "")
        title = of_lines([((" ", ""),), heading(text.safe(spell(found.path))[:200], how)])
        if isinstance(found.value, bytes):
            sections += [title, of_lines([text.line(found.value[:64].hex(" "), "dim")])]
        elif isinstance(found.value, str):
            sections += [title, of_lines([text.line(each) for each in found.value.split("\n")[:2_000]])]
        else:
            opened = json.dumps(found.value, default=str, ensure_ascii=False)
            sections += [title, of_json(opened.encode("utf-8", "backslashreplace"))]
    if not sections:
        return document
    note = f"{document.note} · {len(sections) // 2} opened below"
    return joined([document, *sections], note)


def _legs(invocation: Invocation) -> str:
    timing = invocation.timing
    legs = (
        ("in", timing.inbound_ms),
        ("queue", timing.queue_ms),
        ("handler", timing.handler_ms),
        ("out", timing.outbound_ms),
    )
    return " · ".join(f"{name} {text.ms(value)}" for name, value in legs if value is not None)


def _logs(opened: Opened) -> Document:
    logs = opened.invocation.logs
    if not logs:
        return empty("The handler wrote nothing.")
    lines = log_lines(opened, logs[-MOST_LOG_LINES:])
    if len(logs) > MOST_LOG_LINES:
        lines.insert(0, text.line(f"… {len(logs) - MOST_LOG_LINES:,} earlier lines: o opens all in the pager", "dim"))
    made = of_lines(lines, log_note(len(logs)), kind="log", wrap=True, hang=8)
    made.source, made.masked = "\n".join(each.text for each in logs), not opened.unmasked
    return made


def log_lines(opened: Opened, logs: Sequence[LogLine]) -> list[Line]:
    """Some of its log lines, as the tab shows them."""
    return [log_line(each.stream, opened.masked(each.text), f"{each.at_ms:.0f}") for each in logs]


def log_note(count: int) -> str:
    """So many log lines there are."""
    return f"{count:,} line{'' if count == 1 else 's'} · ms since the start"


def log_line(stream: str, words: str, when: str, function: str = "", left_out: int = 0) -> Line:
    """A line that a handler wrote: when, where, what; so many of its characters are left out already."""
    shown, more = text.clipped(text.without_colours(words))
    left_out += more
    pieces: list[Piece] = [(f"{when:>8} " if function else f"{when:>6} ", "dim")]
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
    if row.state not in FAILED:
        return empty("No error.")
    answer = _error_answer(response)
    if answer is None:
        return of_lines([text.line(opened.masked(row.error) or f"It ended as {row.state}.", "error")])
    message = opened.masked(str(answer.get("errorMessage", "")))
    lines: list[str | Line] = [
        (
            (text.safe(str(answer.get("errorType", ""))[:200]), "error"),
            (": ", "error"),
            *text.line(message.split("\n")[0], "error"),
        )
    ]
    lines += [text.line(each) for each in message.split("\n")[1:200]]
    if answer.get("errorType") == "Runtime.ImportModuleError":
        lines += [text.line(f"→ {opened.masked(each)}", "ok") for each in remedies(opened.invocation.logs)]
    targets: dict[int, Target] = {}
    trace = answer.get("stackTrace") or hung_at(opened.invocation.logs)
    for frame in trace[:200] if isinstance(trace, list) else []:
        _frame(str(frame), opened.code_root, lines, targets)
    lines += _locals(opened)
    for call in opened.invocation.calls:
        if call.error:
            lines += _statement(statement_for(call, opened.invocation.context), f"for {text.safe(call.operation)}")
    made = of_lines(lines, "enter opens a frame in the editor" if targets else "", targets, wrap=True)
    made.source, made.masked = _plain_trace(answer), not opened.unmasked
    return made


def _locals(opened: Opened) -> list[Line]:
    if opened.post_mortem is None or not any(frame.locals for frame in opened.post_mortem.frames):
        return []
    lines: list[Line] = [((" ", ""),), heading("Variables when it was raised", "innermost frame last")]
    for frame in opened.post_mortem.frames[-20:]:
        lines.append(
            (
                (f"{text.safe(frame.path.rsplit('/', 1)[-1])}:{frame.line}", "link"),
                ("  ", ""),
                (text.safe(frame.name), "title"),
            )
        )
        for photo in frame.locals[:50]:
            hidden = not opened.unmasked and is_secret_name(photo.name)
            lines.append(
                (
                    (f"    {text.safe(photo.name)[:60]} = ", "key"),
                    *text.line(MASK if hidden else opened.masked(photo.value)[:500]),
                )
            )
    return lines


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


def _frame(frame: str, code_root: str, lines: list[str | Line], targets: dict[int, Target]) -> None:
    first, _, rest = frame.partition("\n")
    match = _FRAME.match(first)
    if match is None:
        lines += [text.line(each, "code") for each in frame.rstrip("\n").split("\n")[:50]]
        return
    path, number = local_path(match["file"], code_root), int(match["line"])
    targets[len(lines)] = Target(str(path or match["file"]), number)
    shown = text.safe(short_path(match["file"], code_root))
    lines.append(((f"{shown}:{number}", "link"), ("  in ", "dim"), (text.safe(match["name"])[:200], "title")))
    around = source_around(path, number) if path is not None else []
    if not around and rest.strip():
        around = [(number, rest.strip("\n").split("\n")[0].strip())]
    for at, source in around:
        targets[len(lines)] = Target(str(path or match["file"]), at)
        here = at == number
        lines.append(
            ((f"{'▶' if here else ' '}{at:>5} ", "error" if here else "dim"), *text.line(source, "" if here else "dim"))
        )


def short_path(name: str, code_root: str) -> str:
    """A path in a traceback as its developer knows it: below the function's code, of an installed package, or whole."""
    for root in ("/var/task/", f"{code_root.rstrip('/')}/" if code_root else ""):
        if root and name.startswith(root):
            name = name.removeprefix(root)
    return name.rpartition("site-packages/")[2]


def local_path(name: str, code_root: str) -> Path | None:
    """The file here that a path in a traceback means: `/var/task/…` is the function's code root."""
    path = (
        Path(code_root, name.removeprefix("/var/task/")) if code_root and name.startswith("/var/task/") else Path(name)
    )
    return path if path.is_absolute() and is_file(path) else None


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
    known = {
        **opened.invocation.context,
        "requestId": row.request_id,
        "traceId": row.trace_id,
        "attempt": opened.invocation.attempt,
        "session": row.session,
    }
    payload = json.dumps({key: value for key, value in known.items() if value not in (None, "")}, default=str)
    return of_json(payload.encode("utf-8", "replace"), not opened.unmasked)


def _timing(opened: Opened) -> Document:
    timing, row = opened.invocation.timing, opened.invocation.row
    legs = [
        ("way in", timing.inbound_ms, "from the stub in Lambda to this console"),
        ("queue", timing.queue_ms, "waited for a worker"),
        ("import", timing.init_ms, "a new worker imported the handler's module"),
        ("handler", timing.handler_ms, "your code"),
        ("way out", timing.outbound_ms, "from this console back to the stub"),
    ]
    known = [value for _, value, _ in legs if value is not None]
    if not known:
        return empty("Nothing is measured yet.")
    total = sum(known)
    lines: list[Line] = []
    before = 0.0
    for name, value, _ in legs:
        if value is None:
            lines.append(((f"{name:<8}", "dim"), ("       –", "dim")))
            continue
        lines.append(((f"{name:<8}", ""), (f"{text.ms(value):>6} ms", ""), ("  ", ""), *bar(before, value, total)))
        before += value
    lines.append((("", ""),))
    lines.append((("total   ", "title"), (f"{text.ms(total):>6} ms", "title")))
    if row.overhead_ms is not None:
        lines.append(
            (
                ("livetui ", ""),
                (f"{text.ms(row.overhead_ms):>6} ms", ""),
                ("  of it, for the way to here and back", "dim"),
            )
        )
    if row.deadline:
        given = f"{text.clock(row.deadline)}, {row.deadline - row.time:.0f} s after the call"
        lines.append((("deadline", ""), (f"  {given}", "dim")))
    lines.append(((" ", ""),))
    lines += [((f"{name:<8}  {remark}", "dim"),) for name, _, remark in legs]
    return of_lines(lines, f"{text.ms(total)} ms")


def bar(start: float, length: float, total: float, width: int = 28) -> Line:
    """A bar of `width` cells that stands where a leg began; at least one cell long."""
    if total <= 0:
        return ((" " * width, ""),)
    first = min(width - 1, int(start / total * width))
    cells = max(1, min(width - first, round(length / total * width)))
    return (("·" * first, "dim"), ("━" * cells, "bar"), ("·" * (width - first - cells), "dim"))


def _diff(opened: Opened) -> Document:
    if opened.origin is None:
        return empty("Not a replay: there is nothing to compare with. r replays this event.")
    changes = diff_answers(opened.origin.response, opened.invocation.response, MOST_CHANGES)
    event, changed = opened.origin.event, opened.invocation.event
    edited = [] if event == changed else diff(parsed(event, True), parsed(changed, True), MOST_CHANGES)
    before, after = opened.origin.row, opened.invocation.row
    lines: list[Line] = []
    if event != changed:
        lines = [heading(f"#{before.id} → #{after.id}", "how its event was edited")]
        lines += [each for change in edited for each in change_lines(change, opened.unmasked)] or [
            text.line("Only its spacing.", "dim")
        ]
        lines.append(((" ", ""),))
    lines.append(heading(f"#{before.id} → #{after.id}", "what the replay answered differently"))
    if before.state != after.state:
        lines.append((("~ state   ", "warn"), (before.state, "remove"), (" → ", "dim"), (after.state, "add")))
    if before.handler_ms is not None and after.handler_ms is not None:
        lines.append((("  handler ", "dim"), (f"{text.ms(before.handler_ms)} → {text.ms(after.handler_ms)} ms", "dim")))
    if after.state in FINISHED:
        lines += [each for change in changes for each in change_lines(change, opened.unmasked)] or [
            text.line("✓ The answers are equal.", "ok")
        ]
    else:
        lines.append(text.line("The replay has not answered yet.", "dim"))
    return of_lines(lines, f"{len(changes)} change{'' if len(changes) == 1 else 's'}", wrap=True)


def change_lines(change: Change, unmasked: bool = False) -> list[Line]:
    """One difference between two JSON values, with a sign that says which."""
    if change.kind == "more":
        return [text.line("… and more changes", "dim")]
    if not unmasked:
        change = masked(change)

    def value(sign: str, shown: Any, role: str, lead: str = "") -> list[Line]:
        told = json.dumps(shown, ensure_ascii=False, default=str, indent=2 if isinstance(shown, dict | list) else None)
        words = told[:20_000].split("\n")
        if len(words) > MOST_LINES_OF_A_CHANGE:
            words = [*words[:MOST_LINES_OF_A_CHANGE], "…"]
        first, *rest = words
        lines: list[Line] = [((f"{sign} {lead}", role), *text.line(first, role))]
        return lines + [((f"{sign} ", role), *text.line(each, role)) for each in rest]

    path = text.safe(change.path)[:300] or "the whole value"
    match change.kind:
        case "added":
            return value("+", change.after, "add", f"{path}: ")
        case "removed":
            return value("-", change.before, "remove", f"{path}: ")
        case _:
            before, after = value("  -", change.before, "remove"), value("  +", change.after, "add")
            return [((f"~ {path}", "warn"),), *before, *after]


def _calls(opened: Opened) -> Document:
    calls = opened.invocation.calls
    if not calls:
        return empty("No AWS calls were seen.")
    took = text.ms(sum(call.ms for call in calls))
    return of_lines(
        [line for call in calls[:5_000] for line in _call(call, opened)],
        f"{len(calls)} call{'' if len(calls) == 1 else 's'} · {took} ms · C copies all",
        wrap=True,
    )


def _call(call: AwsCall, opened: Opened) -> list[str | Line]:
    failed = bool(call.error) or call.status >= 400
    lines: list[str | Line] = [
        (
            (f"{'✗' if failed else '✓'} ", "error" if failed else "ok"),
            (f"{call.status:>3} ", "error" if failed else "dim"),
            (f"{text.ms(call.ms):>5} ms  ", "dim"),
            (text.safe(call.service), "title"),
            (f" {text.safe(call.operation)}  ", ""),
            (text.safe(call.target)[:300], "string"),
        )
    ]
    if call.error:
        lines.append((("      ", ""), *text.line(opened.masked(call.error), "error")))
    why = text.safe(opened.masked(reason_for(call)))
    lines += _statement(
        statement_for(call, opened.invocation.context), f"but: {why}" if why else "add it to the function's policy"
    )
    return lines


def _statement(statement: dict[str, Any] | None, remark: str) -> list[str | Line]:
    if statement is None:
        return []
    return [heading("Missing permission", remark), *json.dumps(statement, indent=2).split("\n")]


_BUILDERS: dict[str, Callable[[Opened], Document]] = {
    "Event": _event,
    "Response": _response,
    "Logs": _logs,
    "Error": _error,
    "Context": _context,
    "Timing": _timing,
    "Diff": _diff,
    "Calls": _calls,
}
