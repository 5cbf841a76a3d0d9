"""The same handlers under AWS's runtime client and under our worker: answers, errors, context and log, byte for byte.

A case that differs is either a defect of ours or listed in docs/fidelity.md with its reason, and here in `KNOWN`.
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from livetui.runtime.contract import FunctionSpec, Work
from livetui.runtime.environment import call_environment, worker_environment
from livetui.runtime.pool import Pool
from tests.integration.runtime_api import Reference, Reply

from .conftest import Recorder

pytest.importorskip("awslambdaric", reason="awslambdaric has wheels for Linux only")

CASES = Path(__file__).parent / "cases"
RUNTIMES = ("python3.11", "python3.12")  # from 3.12 on Lambda does not escape non-ASCII text
CONTEXT = {
    "invoked_function_arn": "arn:aws:lambda:eu-west-1:123456789012:function:demo", "function_version": "$LATEST",
    "log_group_name": "/aws/lambda/demo", "log_stream_name": "2026/01/02/[$LATEST]abc",
    "trace_id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", "tenant_id": "tenant",
    "client_context": '{"client": {"app_title": "app"}, "custom": {"a": [1]}, "env": {"e": "v"}, '
                      '"w3c": {"traceparent": "00-1", "other": "x"}}',
    "identity": '{"cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool"}',
}
HEADERS = {
    "Lambda-Runtime-Invoked-Function-Arn": CONTEXT["invoked_function_arn"],
    "Lambda-Runtime-Trace-Id": CONTEXT["trace_id"], "Lambda-Runtime-Aws-Tenant-Id": CONTEXT["tenant_id"],
    "Lambda-Runtime-Client-Context": CONTEXT["client_context"],
    "Lambda-Runtime-Cognito-Identity": CONTEXT["identity"],
}


@dataclass(frozen=True)
class Seen:
    """What the caller gets and what the log says; times of day are not compared."""

    kind: str
    body: str
    log: str


Printed = Mapping[str, list[str]]
"""Lines of stdout and of stderr."""


@dataclass(frozen=True)
class Both:
    reference: Mapping[str, Seen]
    ours: Mapping[str, Seen]
    printed: tuple[Printed, Printed]


def without_times(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", "TIME", text)


def request_id(name: str) -> str:
    return "request-" + re.sub(r"\W", "-", name)


def spec_of(folder: Path, handler: str, runtime: str, interpreter: str = sys.executable,
            **environment: str) -> FunctionSpec:
    return FunctionSpec("F", "demo", handler, folder, Path(interpreter), 30, 128, "eu-west-1", environment,
                        runtime=runtime)


def seen_reply(reply: Reply, records: list[str]) -> Seen:
    log = without_times("\n".join(record.removesuffix("\n") for record in records))
    if reply.kind == "exit":
        return Seen("exit", str(reply.exit_code), log)
    return Seen("ok" if reply.kind == "response" else "error", reply.body.decode("latin-1"), log)


async def run_reference(spec: FunctionSpec, events: Mapping[str, bytes]) -> tuple[dict[str, Seen], Printed]:
    """All events under awslambdaric; a process that ended is replaced, as Lambda does."""
    environment = {**worker_environment(spec), **call_environment(Work("", b"", CONTEXT))}
    seen: dict[str, Seen] = {}
    stdout = stderr = ""
    left = dict(events)
    while left:
        async with Reference(spec.code_root, spec.handler, environment, spec.interpreter) as reference:
            taken = 0  # what the import logs is of the first call
            for name, event in list(left.items()):
                reply = await reference.api.invoke(event, request_id=request_id(name), headers=HEADERS)
                reference.read_records()
                seen[name] = seen_reply(reply, reference.records[taken:])
                taken = len(reference.records)
                del left[name]
                if reply.kind == "exit":
                    break
        stdout += reference.stdout.decode()
        stderr += reference.stderr.decode()
    return seen, {"stdout": stdout.splitlines(), "stderr": stderr.splitlines()}


async def run_ours(spec: FunctionSpec, events: Mapping[str, bytes]) -> tuple[dict[str, Seen], Printed]:
    """All events on a pool."""
    recorder = Recorder()
    pool = Pool(recorder)
    pool.configure([spec])
    seen: dict[str, Seen] = {}
    for name, event in events.items():
        outcome = await pool.invoke("F", Work(name, event, {**CONTEXT, "request_id": request_id(name)}))
        log = without_times("\n".join(recorder.lines(name, "logging")))
        if outcome.kind == "crash":
            status = re.search(r"exit status (\d+)", outcome.error_message)
            signalled = "interrupt" in outcome.error_message
            seen[name] = Seen("exit", status[1] if status else "-2" if signalled else "0", log)
        else:
            seen[name] = Seen(outcome.kind, outcome.body.decode("latin-1"), log)
    await pool.close()
    return seen, {kind: [text for _, stream, text in recorder.logs if stream == kind] for kind in ("stdout", "stderr")}


async def both(spec: FunctionSpec, events: Mapping[str, bytes]) -> Both:
    reference, theirs = await run_reference(spec, events)
    ours, printed = await run_ours(spec, events)
    return Both(reference, ours, (theirs, printed))


@functools.cache
def observed(module: str, runtime: str, log: str = "", interpreter: str = sys.executable) -> Both:
    """Run all cases of a module once, under both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(CASES / f"{module}.py", folder)
        (folder / "data.txt").write_text("beside the code")
        environment = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": log} if log else {}
        events = {case: json.dumps(case).encode() for case in names(module)}
        return asyncio.run(both(spec_of(folder, f"{module}.handler", runtime, interpreter, **environment), events))


@functools.cache
def names(module: str) -> tuple[str, ...]:
    return tuple(runpy.run_path(str(CASES / f"{module}.py"))["CASES"])


def without_runtime_frames(text: str) -> str:
    if "/awslambdaric/" not in text or not text.startswith("{"):
        return text
    error = json.loads(text)
    error["stackTrace"] = [entry for entry in error["stackTrace"] if "/awslambdaric/" not in entry]
    return json.dumps(error)


def comparable(seen: Seen) -> Seen:
    """Without what docs/fidelity.md says differs: frames of the runtime client itself, the depth of a recursion,
    and AWS's advice on runtime updates."""
    body, log = (re.sub(r"repeated \d+ more", "repeated N more", text) for text in (seen.body, seen.log))
    body = without_runtime_frames(body)
    kept, frame = [], False
    for line in map(without_runtime_frames, log.split("\n")):
        frame = "/awslambdaric/" in line or (frame and line.startswith("\u00a0" * 4))
        if not frame and "LAMBDA_WARNING: Unhandled exception" not in line:
            kept.append(line)
    return Seen(seen.kind, body, "\n".join(kept))


OF_A_RUNTIME = re.compile(r'  File "(?:[^"]*/(?:awslambdaric|livetui/runtime)/[^"]*|<string>)", line')
WARNED_IN_A_RUNTIME = re.compile(r"\S*/(?:awslambdaric|livetui/runtime)/\S+ (?=\w+Warning: )")


def comparable_print(stream: str, lines: list[str]) -> str:
    """Without frames of either runtime, the place of a warning that is raised in one, and what livetui adds.

    Lines of stdout are joined: an open one ends with its call here, as docs/fidelity.md says.
    """
    kept, skips = [], ""
    for line in lines:
        if skips and line.startswith(skips) and not line.startswith("  File"):
            continue
        skips = ""
        if OF_A_RUNTIME.match(line):
            skips = " " * 4
        elif WARNED_IN_A_RUNTIME.match(line):
            skips = " " * 2  # the line of code
            kept.append(WARNED_IN_A_RUNTIME.sub("", line))
        elif stream == "stdout" or not line.startswith("livetui: "):
            kept.append(re.sub(r"repeated \d+ more", "repeated N more", line))
    return "\n".join(kept) if stream == "stderr" else "".join(kept)


def check_print(printed: tuple[Printed, Printed]) -> None:
    theirs, ours = ({stream: comparable_print(stream, lines) for stream, lines in each.items()} for each in printed)
    assert ours == theirs


def check(run: Both, case: str) -> None:
    assert comparable(run.ours[case]) == comparable(run.reference[case])


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("case", names("answers"))
def test_answer(case: str, runtime: str) -> None:
    check(observed("answers", runtime), case)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("case", names("errors"))
def test_error(case: str, runtime: str) -> None:
    check(observed("errors", runtime), case)


@pytest.mark.parametrize("log", ["", "INFO"])
@pytest.mark.parametrize("case", names("surroundings"))
def test_surroundings(case: str, log: str) -> None:
    check(observed("surroundings", "python3.11", log), case)


@pytest.mark.parametrize("log", ["", "INFO"])
def test_what_surroundings_print(log: str) -> None:
    check_print(observed("surroundings", "python3.11", log).printed)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("module", ["answers", "errors"])
def test_what_is_printed(module: str, runtime: str) -> None:
    check_print(observed(module, runtime).printed)


EVENTS = {
    "object": b'{"a": 1}', "array": b"[1, 2]", "string": b'"text"', "number": b"1.50", "null": b"null", "true": b"true",
    "unicode": '{"ü": "日本 🎉"}'.encode(),
    "escapes": rb'{"a": "\u00e9\ud83c\udf89\n\/"}', "spaces": b' \n{"a" : 1 }\t',
    "twice the same key": b'{"a": 1, "a": 2}', "huge number": b"1" * 300, "exponent": b"[1e400, -1E-400, 1E5, 0.1e1]",
    "lone surrogate": rb'["\ud800"]', "nested": b"[" * 200 + b"]" * 200, "byte order mark": b"\xef\xbb\xbf[1]",
    "long": json.dumps(["x" * 100_000]).encode(),
    "empty object": b"{}", "slash": b'"a\\/b"', "minus zero": b"[-0, -0.0]",
}


@functools.cache
def observed_events(interpreter: str = sys.executable) -> Both:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "app.py").write_text("def handler(event, context):\n    return [event, repr(event)]")
        return asyncio.run(both(spec_of(Path(name), "app.handler", "python3.11", interpreter), EVENTS))


OTHER_VERSIONS = tuple(v for v in ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
                       if v != f"{sys.version_info[0]}.{sys.version_info[1]}")


@pytest.fixture(scope="module", params=OTHER_VERSIONS)
def other_interpreter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Another Python of this machine with awslambdaric in an environment of its own, and its version."""
    versions = sorted((Path.home() / ".pyenv/versions").glob(f"{request.param}.*/bin/python"))
    wanted = str(versions[-1]) if versions else request.param
    return environment(tmp_path_factory.mktemp("python"), wanted, "awslambdaric"), request.param


def environment(folder: Path, python: str, *packages: str) -> str:
    """The Python of a new environment; skips the test where it cannot be made."""
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    made = str(folder / "environment/bin/python")
    for command in ([uv, "venv", "--no-python-downloads", "--python", python, str(folder / "environment")],
                    [uv, "pip", "install", "--python", made, *packages]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"Python {python} with {packages} cannot be had here: {done.stderr.strip()[-300:]}")
    return made


@pytest.mark.long
@pytest.mark.parametrize("module", ["answers", "errors", "surroundings", "events"])
def test_other_interpreter(other_interpreter: tuple[str, str], module: str) -> None:
    interpreter, version = other_interpreter
    run = (observed_events(interpreter) if module == "events"
           else observed(module, f"python{version}", "", interpreter))
    if version == "3.9":
        different_client = {"context"}  # the last awslambdaric for 3.9 has no context.w3c() yet
        run = Both({k: v for k, v in run.reference.items() if k not in different_client}, run.ours, run.printed)
    different = [case for case in run.reference if comparable(run.ours[case]) != comparable(run.reference[case])]
    assert {case: (run.ours[case], run.reference[case]) for case in different} == {}
    check_print(run.printed)


@pytest.mark.long
async def test_powertools_write_what_they_write_in_lambda(tmp_path: Path) -> None:
    interpreter = environment(tmp_path, sys.executable, "awslambdaric", "aws-lambda-powertools[tracer]")
    shutil.copy(CASES / "powertools.py", tmp_path)
    events = {name: json.dumps(name).encode() for name in ("logger", "metrics", "tracer")}
    run = await both(spec_of(tmp_path, "powertools.handler", "python3.11", interpreter), events)
    assert {name: seen.kind for name, seen in run.reference.items()} == dict.fromkeys(events, "ok")
    assert run.ours == run.reference
    theirs, ours = ([re.sub(r'"(timestamp|Timestamp)":("[^"]*"|\d+)', "TIME", line) for line in out]
                    for out in (printed["stdout"] for printed in run.printed))
    assert len(theirs) >= 4
    assert ours == theirs


@pytest.mark.parametrize("case", EVENTS)
def test_event(case: str) -> None:
    check(observed_events(), case)


INITS = {
    "no module": ("missing.handler", ""),
    "no function": ("app.missing", "x = 1"),
    "no dot": ("handler", ""),
    "only a dot": (".handler", ""),
    "built-in module": ("sys.handler", ""),
    "slashes": ("app/inner.handler", ""),
    "not callable": ("app.handler", "handler = 7"),
    "too few arguments": ("app.handler", "def handler(event): return 1"),
    "class as handler": ("app.handler", "class handler:\n    def __init__(self, event, context): pass"),
    "import error inside": ("app.handler", "import no_such_module"),
    "import error of a name": ("app.handler", "from json import nothing"),
    "import error of one's own": ("app.handler", "raise ImportError('mine')"),
    "syntax error": ("app.handler", "def handler(event, context):\n    return ("),
    "indentation": ("app.handler", "def handler(event, context):\nreturn 1"),
    "tabs": ("app.handler", "if 1:\n        x = 1\n\ty = 2"),
    "null bytes": ("app.handler", "x = 1\x00"),
    "bad encoding": ("app.handler", "# -*- coding: nothing -*-\nx = 1"),
    "raises": ("app.handler", "def f():\n    raise ValueError('at import')\nf()"),
    "raises with no message": ("app.handler", "raise KeyError"),
    "name error": ("app.handler", "undefined"),
    "exits": ("app.handler", "import sys; sys.exit(7)"),
    "system exit with words": ("app.handler", "raise SystemExit('words')"),
    "logs while imported": ("app.handler", "import logging\nlogging.error('early')\ndef handler(e, c): return 1"),
    "handler deleted": ("app.handler", "def handler(e, c): return 1\ndel handler"),
}


@pytest.mark.parametrize("case", INITS)
async def test_init(case: str, tmp_path: Path) -> None:
    handler, source = INITS[case]
    (tmp_path / "app.py").write_text(source)
    events = {case: b"{}"}
    spec = spec_of(tmp_path, handler, "python3.11")
    run = await both(spec, events)
    check(run, case)
    check_print(run.printed)
