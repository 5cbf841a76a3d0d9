"""The whole product as its user meets it: what a live function's caller waits longer, and how that cost grows.

    python -m benchmarks.whole [--only direct rivals payload concurrency history functions] [--json]

Every number is taken beside its counterpart in the same run: a bare function with the same code lies in the same stack
on the same emulator, and the calls of both take turns. The emulator itself waits some 50 ms for log lines of calls
that print nothing, in both; so `added ms` (live minus bare) is the number to look at, not the ratio.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from botocore.config import Config

from benchmarks import rivals
from benchmarks.live_debugger import lambda_live_debugger
from livetui.aws import Aws
from livetui.cloud import LocalCloud
from livetui.session.invocation import Timing
from livetui.session.samples import sample
from livetui.session.store import Store
from tests.integration.console_process import ConsoleProcess

Row = dict[str, Any]
Rows = dict[str, Row]
PARTS = ("direct", "rivals", "payload", "concurrency", "history", "functions")
ECHO = """
import json


def handler(event, context):
    return event


def http(event, context):
    return {"statusCode": 200, "body": json.dumps({"got": len(event.get("body") or "")})}
"""
SIZES = {"1 KB": 1_000, "20 KB": 20_000, "200 KB": 200_000, "2 MB": 2_000_000}
CALLERS = (1, 4, 8, 16)
HISTORIES = (0, 1_000, 10_000, 50_000)
FUNCTIONS = (1, 5, 20, 50, 100)


def payload(size: int) -> bytes:
    """JSON records of about `size` bytes, which compress as real events do."""
    record = {"id": "8c1f5b2e", "name": "a name of a thing", "price": 12.5, "tags": ["red", "blue"], "stock": None}
    return json.dumps([{**record, "id": f"{n * 2654435761 % 2**32:08x}"}
                       for n in range(max(1, size // (len(json.dumps(record)) + 2)))]).encode()


def template(live: int) -> str:
    """`live` functions that become live, and one bare one with the same code; both kinds behind one HTTP API."""
    function = {"Type": "AWS::Serverless::Function", "Properties": {}}
    resources: dict[str, Any] = {f"Live{number}": function for number in range(live)}
    resources["Bare"] = function
    for name in ("Live0", "Bare"):
        resources[f"{name}Http"] = {"Type": "AWS::Serverless::Function", "Properties": {
            "Handler": "echo.http",
            "Events": {"Http": {"Type": "HttpApi", "Properties": {"Method": "POST", "Path": f"/{name.lower()}"}}}}}
    runtime = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return json.dumps({
        "AWSTemplateFormatVersion": "2010-09-09", "Transform": "AWS::Serverless-2016-10-31",
        "Globals": {"Function": {"Runtime": runtime, "CodeUri": "src/", "Handler": "echo.handler", "Timeout": 30}},
        "Resources": resources,
        "Outputs": {"ApiUrl": {"Value": {
            "Fn::Sub": "https://${ServerlessHttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/"}}}})


class Stage:
    """A project on a local cloud of its own, and the calls that can be made of it."""

    def __init__(self, folder: Path, cloud: LocalCloud, functions: int = 1) -> None:
        self.folder = folder
        (folder / "src").mkdir(parents=True)
        (folder / "src" / "echo.py").write_text(ECHO[1:], "utf-8")
        (folder / "template.yaml").write_text(template(functions), "utf-8")
        (folder / "livetui.toml").write_text("concurrency = 16\n[history]\nmax-invocations = 100000\n", "utf-8")
        aws = Aws(cloud.access)
        self._lambda = aws.session.client(
            "lambda", endpoint_url=aws.access.endpoint_url, verify=aws.access.ca_bundle,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=60, max_pool_connections=32))
        self.console: ConsoleProcess | None = None
        self.names: dict[str, str] = {}
        self.url = ""

    @contextmanager
    def live(self) -> Iterator[float]:
        """A console while the block runs; yields the seconds until it was live."""
        began = time.perf_counter()
        console = self.console = ConsoleProcess(self.folder, "--local", "--function", "Live*", "--stage", "bench")
        try:
            event = console.live(150)
            took = time.perf_counter() - began
            self.names = {name: function["name"] for name, function in event["functions"].items()}
            self.url = event["outputs"]["ApiUrl"]
            yield took
        finally:
            console.end()

    def invoke(self, function: str, event: bytes) -> None:
        """Invoke and check the answer."""
        answer = self._lambda.invoke(FunctionName=self.names[function], Payload=event)
        got = answer["Payload"].read()
        if answer.get("FunctionError") or len(got) < len(event) * 0.7:
            raise RuntimeError(f"{function}: {got[:300]!r}")

    def post(self, path: str, body: bytes) -> None:
        """Call over HTTP and check the status."""
        api = urlsplit(self.url)
        connection = http.client.HTTPConnection(api.netloc, timeout=30)
        connection.request("POST", f"{api.path}{path}", body)
        answer = connection.getresponse()
        got = answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {got[:300]!r}")


def beside(bare: Callable[[], None], live: Callable[[], None], times: int, at_once: int = 1) -> Row:
    """Medians of both, their calls taking turns; `at_once` callers at the same time for each turn."""
    found: dict[str, list[float]] = {"bare ms": [], "live ms": []}

    def timed(call: Callable[[], None]) -> float:
        began = time.perf_counter()
        call()
        return (time.perf_counter() - began) * 1000

    with ThreadPoolExecutor(at_once) as pool:
        for turn in range(times + 2):
            for name, call in (("bare ms", bare), ("live ms", live)):
                took = list(pool.map(timed, [call] * at_once))
                if turn >= 2:
                    found[name] += took
    row = {name: statistics.median(took) for name, took in found.items()}
    return {**row, "added ms": row["live ms"] - row["bare ms"], "ratio": row["live ms"] / row["bare ms"]}


def direct(stage: Stage, rows: Rows) -> None:
    """A small call, invoked and over HTTP."""
    event = payload(1_000)
    rows["invoke, 1 KB"] = beside(lambda: stage.invoke("Bare", event), lambda: stage.invoke("Live0", event), 25)
    rows["HTTP, 1 KB"] = beside(lambda: stage.post("bare", event), lambda: stage.post("live0", event), 25)


def compared(folder: Path, cloud: LocalCloud, rows: Rows) -> None:
    """What a call takes in other tools, beside what livetui adds to one."""
    event = payload(1_000)
    added = rows["invoke, 1 KB"]["added ms"] if "invoke, 1 KB" in rows else None
    for name, row in (
            ("awslambdaric behind a Runtime API", rivals.awslambdaric(folder, event, 200)),
            ("serverless-offline", rivals.serverless_offline(folder, event, 20)),
            ("serverless-offline --reloadHandler", rivals.serverless_offline(folder, event, 10, "--reloadHandler")),
            ("python-lambda-local", rivals.python_lambda_local(folder, event, 5)),
            ("Lambda Live Debugger (Node)", lambda_live_debugger(folder / "lld", cloud, event, 15))):
        theirs = row.get("added ms", row.get("call ms"))
        if added is not None and theirs is not None:
            row["livetui adds / this"] = added / theirs
        rows[f"{name}, 1 KB"] = row


def by_payload(stage: Stage, folder: Path, rows: Rows) -> None:
    """Echo of four sizes."""
    for name, size in SIZES.items():
        event = payload(size)
        row = beside(lambda: stage.invoke("Bare", event), lambda: stage.invoke("Live0", event),  # noqa: B023
                     5 if size > 1_000_000 else 12)
        reference = rivals.awslambdaric(folder, event, 5)
        rows[f"payload {name}"] = {**row, "awslambdaric ms": reference.get("call ms", reference.get("skipped"))}


def by_callers(stage: Stage, rows: Rows) -> None:
    """Several callers at once."""
    event = payload(1_000)
    for at_once in CALLERS:
        rows[f"concurrency {at_once}"] = beside(lambda: stage.invoke("Bare", event),
                                                lambda: stage.invoke("Live0", event), max(3, 16 // at_once), at_once)


def fill(path: Path, rows: int) -> None:
    """Add invocations to a project's history."""
    store = Store.open(path, max_invocations=100_000, max_mb=512)
    store.begin_session("benchmark")
    event = sample("http-api")
    for number in range(rows):
        attempt = f"{time.time_ns():x}{number:x}"
        store.arrived(attempt, "Live0", f"POST /orders/{number}", event, {}, time=time.time())
        store.started(attempt)
        store.finished(attempt, "ok", b"{}", Timing(handler_ms=number % 1000))
    store.close()


def by_history(stage: Stage, rows: Rows) -> None:
    """The same call with more and more recorded invocations. A new console each time, on an unchanged stack."""
    event = payload(1_000)
    held = 0
    for history in HISTORIES:
        if history > held:
            fill(stage.folder / ".livetui" / "invocations.sqlite", history - held)
            held = history
        with stage.live() as seconds:
            row = beside(lambda: stage.invoke("Bare", event), lambda: stage.invoke("Live0", event), 8)
            rows[f"history {history:,}"] = {**row, "seconds to live": seconds, "console MB": memory(stage)}


def by_functions(folder: Path, rows: Rows, so_far: Callable[[Rows], None]) -> None:
    """Stacks of more and more live functions."""
    event = payload(1_000)
    for functions in FUNCTIONS:
        with LocalCloud.start(folder / f"many{functions}" / ".livetui") as cloud:
            stage = Stage(folder / f"many{functions}", cloud, functions)
            with stage.live() as first:
                row = beside(lambda: stage.invoke("Bare", event), lambda: stage.invoke("Live0", event), 5)  # noqa: B023
                megabytes = memory(stage)
            with stage.live() as again:
                rows[f"functions {functions}"] = {**row, "first deployment s": first, "next start s": again,
                                                  "console MB": megabytes}
        so_far(rows)


def memory(stage: Stage) -> float:
    """The console's memory in MB."""
    assert stage.console is not None
    return psutil.Process(stage.console.process.pid).memory_info().rss / 1e6


def measure(parts: list[str], so_far: Callable[[Rows], None]) -> Rows:
    """All rows, in the order of `PARTS`; `so_far` is told of them after each part."""
    rows: Rows = {}
    with tempfile.TemporaryDirectory(prefix="livetui-whole-") as temporary:
        folder = Path(temporary)
        with LocalCloud.start(folder / "one" / ".livetui") as cloud:
            stage = Stage(folder / "one", cloud)
            sources = folder / "one" / "src"
            if {"direct", "payload", "concurrency", "rivals"} & set(parts):
                with stage.live():
                    if {"direct", "rivals"} & set(parts):
                        direct(stage, rows)
                        so_far(rows)
                    if "payload" in parts:
                        by_payload(stage, sources, rows)
                        so_far(rows)
                    if "concurrency" in parts:
                        by_callers(stage, rows)
                        so_far(rows)
            if "rivals" in parts:
                compared(copied(sources, folder / "rivals"), cloud, rows)
                so_far(rows)
            if "history" in parts:
                by_history(stage, rows)
                so_far(rows)
        if "functions" in parts:
            by_functions(folder, rows, so_far)
    return rounded(rows)


def rounded(rows: Rows) -> Rows:
    """Numbers with three digits behind the point."""
    return {name: {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}
            for name, row in rows.items()}


def copied(source: Path, target: Path) -> Path:
    """A folder with the handler alone: what rivals leave there must not reload ours."""
    target.mkdir()
    (target / "echo.py").write_bytes((source / "echo.py").read_bytes())
    return target


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    rows = measure(options.only, lambda found: print(json.dumps(rounded(found)), flush=True) if options.json else None)
    if options.json:
        print(json.dumps(rows))
        return
    width = max(map(len, rows))
    for name, row in rows.items():
        print(f"{name:<{width}}  " + " · ".join(
            f"{key} {value:,.2f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
