"""Hundreds of calls of 100 B to 6 MB while the network between both sides and the broker is broken on purpose."""

from __future__ import annotations

import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.integration.link.fault_proxy import FAULTS, FaultProxy
from tests.integration.link.link_live import ROOT, SEED, Live
from tests.integration.link.quota_meter import QuotaMeter
from tests.integration.link.runtime_api import Environment

SIZES = (100, 100, 100, 2_000, 20_000, 20_000, 120_000, 250_000, 1_000_000, 5_900_000)
TYPED = {"LivetuiOffline", "LivetuiInterrupted", "LivetuiTimeout", "LivetuiUnreachable", "LivetuiPayload"}


class Console:
    """The console's process, killed and started again at will; its journal says what ran."""

    def __init__(self, live: Live, port: int, store: Path) -> None:
        self.settings = {"app": live.app, "stage": live.stage, "bucket": live.bucket, "seed": SEED.hex(),
                         "owner": "ada@laptop", "access": asdict(live.aws.access), "hold": False, "port": port,
                         "store": str(store)}
        self.store = store
        self.suppressed: list[int] = []
        """Duplicates that each run of the console did not run again, as far as it came to say so."""
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.link.console_child", json.dumps(self.settings)], cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        stdout = self.process.stdout
        assert stdout is not None
        self.suppressed.append(0)

        def read() -> None:
            for line in stdout:
                words = line.split()
                if words[0] in (b"call", b"end"):
                    self.suppressed[-1] = int(words[2])
                lines.put(line)

        self.reader = threading.Thread(target=read)
        self.reader.start()
        assert lines.get(timeout=60).startswith((b"live", b"call"))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.end()

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.reader.join()
        self.process.stdout.close()

    def executions(self) -> Counter[str]:
        return Counter(self.store.read_text().split())


@contextmanager
def broken(live: Live) -> Iterator[tuple[FaultProxy, QuotaMeter]]:
    """A broken network before the broker, and a meter before that: what it sees is what the clients did."""
    with FaultProxy(live.aws.iot_endpoint().port) as proxy, \
            QuotaMeter(proxy.port, live.aws.access.ca_bundle or "") as meter:
        yield proxy, meter
        meter.check(live.app)


def storm(live: Live, proxy: FaultProxy, port: int, calls: int, faults: tuple[str, ...], every: int,
          ended: Callable[[int], None] = lambda count: None) -> tuple[Counter[str], list[str]]:
    """Run `calls` calls in six environments; after each `every` of them a fault strikes while the others go on.

    What callers saw, and what was wrong. `ended` is told how many calls have ended.
    """
    rng = random.Random(11)
    work: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
    for number in range(calls):
        work.put((number, rng.choice(SIZES)))
    seen: Counter[str] = Counter()
    wrong: list[str] = []
    lock = threading.Lock()
    count = 0

    def one_ended() -> None:
        nonlocal count
        with lock:
            count += 1
            if count % every == 0:
                proxy.fault(rng.choice(faults))
            ended(count)

    def caller(environment: Environment) -> None:
        while not work.empty():
            try:
                number, size = work.get_nowait()
            except queue.Empty:
                return
            event = json.dumps({"n": number, "x": random.Random(number).randbytes(size // 2).hex()}).encode()
            result = environment.invoke(event, 30.0)
            if result.kind == "response":
                seen["ok"] += 1
                if result.body != event:
                    wrong.append(f"call {number} got another answer")
            elif result.kind == "error" and result.json["errorType"] in TYPED:
                seen[result.json["errorType"]] += 1
            else:
                wrong.append(f"call {number} ended as {result.kind} {result.body[:200]!r}")
            one_ended()

    environments = [live.environment(port=port) for _ in range(6)]
    try:
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(caller, environments))
    finally:
        for environment in environments:
            environment.close()
    return seen, wrong


def table(title: str, proxy: FaultProxy, calls: int, seen: Counter[str], console: Console, seconds: float) -> str:
    runs = console.executions()
    typed = {name: count for name, count in sorted(seen.items()) if name != "ok"}
    faults = ", ".join(f"{name} {count}" for name, count in sorted(proxy.counts.items()))
    return (f"\n{title}\n  faults injected   {sum(proxy.counts.values())} ({faults})\n  calls             {calls} in "
            f"{seconds:.0f} s\n  ok                {seen['ok']}\n  typed errors      "
            f"{typed}\n  duplicates suppressed  {sum(console.suppressed)}\n  attempts run      {len(runs)}\n"
            f"  run twice         {sum(1 for count in runs.values() if count > 1)}")


def check(seen: Counter[str], wrong: list[str], console: Console, calls: int) -> None:
    assert wrong == []
    assert sum(seen.values()) == calls
    assert all(count == 1 for count in console.executions().values()), "an attempt ran twice"
    assert len(console.executions()) >= seen["ok"]
    assert seen["ok"] > calls * 0.5


def test_a_few_calls_survive_cuts(live: Live, tmp_path: Path) -> None:
    with broken(live) as (proxy, meter):
        console = Console(live, meter.port, tmp_path / "store")
        try:
            seen, wrong = storm(live, proxy, meter.port, 8, ("cut", "delay", "reset"), 3)
        finally:
            console.end()
    check(seen, wrong, console, 8)


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_five_hundred_calls_through_every_fault(live: Live, tmp_path: Path,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    with broken(live) as (proxy, meter):
        console = Console(live, meter.port, tmp_path / "store")
        try:
            seen, wrong = storm(live, proxy, meter.port, 500, FAULTS, 10)
        finally:
            console.end()
    with capsys.disabled():
        print(table("faults", proxy, 500, seen, console, time.monotonic() - started))
    check(seen, wrong, console, 500)


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_five_hundred_calls_while_the_console_is_killed_five_times(live: Live, tmp_path: Path,
                                                                   capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    with broken(live) as (proxy, meter):
        console = Console(live, meter.port, tmp_path / "store")
        due: queue.SimpleQueue[bool] = queue.SimpleQueue()
        kills = 0

        def killer() -> None:
            nonlocal kills
            while due.get():
                console.kill()
                kills += 1
                console.start()

        killing = threading.Thread(target=killer)
        killing.start()
        try:
            seen, wrong = storm(live, proxy, meter.port, 500, FAULTS, 15,
                                lambda count: due.put(True) if count in (60, 140, 220, 300, 380) else None)
        finally:
            due.put(False)
            killing.join()
            console.end()
    with capsys.disabled():
        print(table(f"faults, console killed {kills} times", proxy, 500, seen, console, time.monotonic() - started))
    assert kills == 5
    check(seen, wrong, console, 500)
