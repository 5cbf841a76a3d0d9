"""The front ends without a screen: stable JSON, safe lines, and a quiet end when nobody reads."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time

import msgspec
import pytest

from livetui.session import outputs
from livetui.session.events import (
    CodeReloaded,
    FunctionChanged,
    FunctionInfo,
    InvocationArrived,
    InvocationFinished,
    InvocationPaused,
    LinkChanged,
    LogLines,
    Notice,
    SessionEnded,
    SessionEvent,
    SessionFailed,
    SessionLive,
    StackProgress,
)
from livetui.session.invocation import AwsCall, Invocation, LogLine, Row, Timing

ROW = Row(id=12, session="s", function="GetOrder", trigger="GET /orders/99", state="error", time=0.0, handler_ms=3.1,
          overhead_ms=4.0, replay_of=7, error="KeyError: 'id'", marked=True, note="look")
LIVE = SessionLive(app="orders", stage="ada", account="123456789012", region="eu-west-1", local=False,
                   outputs={"Api": "https://x"}, link_ms=23.0,
                   functions={"Get": FunctionInfo("p", "app.handler", True, warnings=("uses a VPC",)),
                              "Js": FunctionInfo("q", "index.handler", False, "nodejs22.x")})
HOSTILE = "[/foo] \x1b[31m\x00\r\n\u202eabc\u2028\ud800 漢字 😀"
EVENTS: list[SessionEvent] = [
    StackProgress("deploy", HOSTILE, "CREATE_COMPLETE", reason=HOSTILE), LIVE, SessionFailed(HOSTILE, HOSTILE, HOSTILE),
    SessionEnded(0), InvocationArrived(ROW), InvocationPaused(ROW), InvocationFinished(ROW), LogLines(12, "GetOrder", [
        LogLine("stdout", HOSTILE), LogLine("stderr", "password=hunter22")]), LinkChanged("live", 23.0, HOSTILE),
    CodeReloaded("GetOrder", 12.0, HOSTILE), Notice("warning", HOSTILE), FunctionChanged(
        "GetOrder", FunctionInfo("p", "app.handler", True, lacks="import", trouble=HOSTILE))]


def test_the_fields_of_a_row_lie_beside_the_event() -> None:
    told = json.loads(outputs.event_json(InvocationFinished(ROW)))
    assert told.items() >= {"event": "invocation.finished", "id": 12, "function": "GetOrder", "state": "error",
                            "trigger": "GET /orders/99", "handler_ms": 3.1, "overhead_ms": 4.0, "replay_of": 7}.items()
    assert next(iter(told)) == "event"


def test_a_live_session_is_told_as_the_command_line_promises() -> None:
    told = json.loads(outputs.event_json(LIVE))
    assert told.items() >= {"event": "session.live", "stage": "ada", "outputs": {"Api": "https://x"},
                            "link_ms": 23.0}.items()
    assert told["functions"]["Js"].items() >= {"live": False, "reason": "nodejs22.x", "name": "q"}.items()
    assert json.loads(outputs.event_json(LogLines(1, "F", [LogLine("stdout", "a")])))["lines"] == [
        {"stream": "stdout", "text": "a", "at_ms": 0.0}]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("kind", [outputs.JsonOutput, outputs.LineOutput])
def test_no_event_can_break_a_line_or_an_encoding(kind: type, encoding: str) -> None:
    raw = io.BytesIO()
    output = kind(io.TextIOWrapper(raw, encoding=encoding))
    for event in EVENTS:
        output(event)
    text = raw.getvalue().decode(encoding)
    assert all(line.isprintable() for line in text.split("\n"))
    assert "hunter22" not in text or kind is outputs.JsonOutput
    if kind is outputs.JsonOutput:
        assert [json.loads(line)["event"] for line in text.splitlines()] == [
            event.__struct_config__.tag for event in EVENTS]


def test_lines_say_what_people_want_to_know() -> None:
    line = outputs.row_line(ROW)
    for part in ("12*", "error", "↻7 GetOrder", "GET /orders/99", "3.1 ms", "+4.0 ms", "KeyError: 'id'", "(look)"):
        assert part in line
    lines = outputs.event_lines(LIVE)
    assert lines == ["● live: orders · ada · 123456789012/eu-west-1, link 23 ms; 1 functions: Get",
                     "  Js: not live, nodejs22.x", "  warning: uses a VPC (Get)", "  Api = https://x"]


NOON = time.mktime((2026, 3, 14, 12, 0, 0, 0, 0, -1))
SHORT = msgspec.structs.replace(ROW, function="F", trigger="sqs", replay_of=None, time=NOON)


def test_a_list_has_columns_as_wide_as_it_needs() -> None:
    long = msgspec.structs.replace(SHORT, function="F" * 30, trigger="GET /\x1b[31m" + "x" * 20, overhead_ms=None)
    lines = outputs.row_lines([SHORT, long], NOON)
    assert len({line.index("3.1 ms") for line in lines}) == 1
    assert len({line.index("KeyError") for line in lines}) == 1
    assert len(outputs.row_lines([SHORT], NOON)[0]) < len(lines[0])
    assert outputs.row_lines([]) == []


def test_a_long_text_does_not_widen_a_list_without_end() -> None:
    hostile = msgspec.structs.replace(SHORT, trigger="x" * 5_000)
    assert len(outputs.row_lines([SHORT, hostile], NOON)[0]) < 200


def test_a_list_has_the_day_where_one_row_is_not_of_today() -> None:
    old = msgspec.structs.replace(SHORT, time=NOON - 3 * 86_400)
    assert "2026" not in "".join(outputs.row_lines([SHORT, SHORT], NOON))
    today, before = outputs.row_lines([SHORT, old], NOON)
    assert "2026-03-14 12:00:00" in today
    assert "2026-03-11" in before


def test_every_line_is_flushed() -> None:
    read, write = os.pipe()
    output = outputs.JsonOutput(os.fdopen(write, "w"))
    output(Notice("info", "now"))
    assert json.loads(os.read(read, 4096)) == {"event": "session.notice", "level": "info", "text": "now"}
    os.close(read)


@pytest.mark.parametrize("kind", ["JsonOutput", "LineOutput"])
def test_a_reader_that_goes_away_is_told_once_and_quietly(kind: str) -> None:
    script = ("import sys\nfrom livetui.session import outputs\nfrom livetui.session.events import Notice\n"
              f"output = outputs.{kind}(sys.stdout)\n"
              "try:\n    while True: output(Notice('info', 'x' * 1000))\nexcept BrokenPipeError:\n    sys.exit(7)\n")
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 7


def test_a_closed_stream_is_a_broken_pipe() -> None:
    stream = io.TextIOWrapper(io.BytesIO())
    stream.close()
    with pytest.raises((BrokenPipeError, ValueError)):
        outputs.JsonOutput(stream)(SessionEnded())


def invocation(event: bytes = b'{"password": "hunter22"}', response: bytes | None = b'{"a": 1}', **row) -> Invocation:
    return Invocation(row=Row(**{"id": 1, "session": "s", "function": "F", "trigger": "t", "state": "ok", "time": 0.0,
                                 **row}), attempt="a", event=event, response=response,
                      context={"request_id": "r"}, logs=[LogLine("stdout", "hi \x1b[0m")],
                      calls=[AwsCall("s3", "GetObject", "b/k", 403, 1.0, error="AccessDenied: token=hunter22")],
                      timing=Timing(handler_ms=2.0))


def test_all_of_an_invocation_as_text_and_json() -> None:
    text = outputs.invocation_text(invocation())
    for part in ("Event", "Response", "Logs", "Calls", "Context", "handler 2.0 ms", "hi \\x1b[0m", "s3:GetObject",
                 "the role needs"):
        assert part in text
    assert "hunter22" not in text
    assert "hunter22" in outputs.invocation_text(invocation(), reveal=True)
    told = json.loads(outputs.invocation_json(invocation()))
    assert (told["id"], told["response"], told["attempt"]) == (1, {"a": 1}, "a")
    assert told["event"] != {"password": "hunter22"} == json.loads(
        outputs.invocation_json(invocation(), reveal=True))["event"]


@pytest.mark.parametrize("event", [b"\xff\x00", b"", b"[" * 10_000 + b"]" * 10_000, b"[" * 950 + b"]" * 950,
                                   HOSTILE.encode("utf-8", "surrogatepass"), b'"' + b"x" * 1_000_000 + b'"'],
                         ids=["bytes", "none", "deep", "almost", "odd", "long"])
def test_hostile_payloads_are_shown_somehow(event: bytes) -> None:
    shown = outputs.invocation_text(invocation(event, event))
    assert all(line.isprintable() for line in shown.split("\n"))
    json.loads(json.dumps(json.loads(outputs.invocation_json(invocation(event, event)))["id"]))


def test_a_replay_is_compared_with_its_origin() -> None:
    origin = invocation(response=b'{"a": 1, "token": "one-secret", "old": 0}')
    replay = invocation(response=b'{"a": 2, "token": "two-secret", "new": 0}', id=5, state="error")
    text = "\n".join(outputs.difference_lines(origin, replay))
    assert text.split("\n") == ["state: ok → error", "~ a: 1 → 2",
                                '~ token: "••••••••" → "••••••••"', "- old: 0", "+ new: 0"]
    assert outputs.difference_lines(origin, origin) == []
