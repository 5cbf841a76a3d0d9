"""What the console costs, measured in a pseudo-terminal of 160×45: the real application over made-up rows.

Usage: python -m benchmarks.console [--quick] [--json]
Prints one table; with --json one JSON object whose keys are the table's rows. On a machine that is busy with other
things, times on the clock say more about those; rows that end in "own" count the console's processor time alone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import json
import os
import pty
import resource
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.console_ack import link_beside, without_and_with

ROOT = Path(__file__).resolve().parent.parent
SIZE = (45, 160)
TARGETS = {
    "--help (s)": 0.15,
    "--version (s)": 0.15,
    "first paint (s)": 0.6,
    "first paint, own (s)": 0.6,
    "200/s, 20k rows: CPU of one core (%)": 40,
    "200/s, 20k rows: loop lag p95 (ms)": 25,
    "200/s, 20k rows: longest turn of the loop, own (ms)": 100,
    "200/s: key to repaint p95 (ms)": 60,
    "200/s: key to repaint p95, own (ms)": 60,
    "200/s, 20k rows: ack of the link p99 (ms)": 25,
    "6 MB event: longest block (ms)": 100,
    "6 MB event: longest block, own (ms)": 100,
    "100k rows: RSS (MB)": 300,
    "100k rows: filter (ms)": 150,
}


# -- inside the pseudo-terminal ------------------------------------------------------------------------------------


def child(report_fd: int, task: dict[str, Any]) -> None:
    """Run the console and do one task in it; the result goes to the report pipe as JSON."""
    if task["kind"] == "bare":
        bare()
        os.write(report_fd, b"{}")
        return
    sys.path[:0] = [str(ROOT / "tests" / "tui")]
    from recorded import invocation, live_session

    from livetui.tui.app import LivetuiApp, settle_memory

    session = live_session([])
    session.invocation = lambda id: (  # type: ignore[method-assign]
        session.invocations.get(id) or invocation(id, "GetOrder", f"GET /orders/{id}")
    )
    app = LivetuiApp(session, begin=settle_memory)
    result: dict[str, float] = {}

    async def work() -> None:
        while not app.main.ready:  # noqa: ASYNC110  (Textual has no event for it)
            await asyncio.sleep(0.005)
        await TASKS[task["kind"]](app, session, task, result)
        app.exit(0)

    def ready() -> None:
        app.run_worker(work(), exit_on_error=True)

    app.call_later(ready)
    with link_beside(task.get("link")):
        app.run()
    os.write(report_fd, json.dumps(result).encode())


def bare() -> None:
    """The least that Textual can show: what no console of it can be faster than."""
    from textual.app import App, ComposeResult
    from textual.widgets import Static

    class Least(App[None]):
        def compose(self) -> ComposeResult:
            yield Static("Invocations")

        def on_mount(self) -> None:
            self.call_after_refresh(self.exit)

    Least().run()


def rows_of(count: int, first: int = 1) -> list[Any]:
    """Finished rows that look like those of a busy afternoon."""
    import msgspec
    from recorded import invocation

    kinds = [
        invocation(1, name, trigger, state).row
        for name, trigger, state in (
            ("GetOrder", "GET /orders/7", "ok"),
            ("CreateOrder", "POST /orders", "ok"),
            ("Worker", "sqs orders ×10", "ok"),
            ("GetOrder", "GET /orders/99", "error"),
        )
    ]
    return [
        msgspec.structs.replace(
            kinds[id % 4],
            id=id,
            time=time.time(),
            request_id=f"{id:032x}",
            trigger=f"{kinds[id % 4].trigger} {id}",
            trace_id=f"1-{id:08x}",
        )
        for id in range(first, first + count)
    ]


async def lag_and_cpu(seconds: float) -> tuple[float, float]:
    """p95 of how late the loop wakes (ms), and the share of one core in use (%)."""
    lags: list[float] = []
    cpu, began = time.process_time(), time.perf_counter()
    while time.perf_counter() - began < seconds:
        before = time.perf_counter()
        await asyncio.sleep(0.01)
        lags.append((time.perf_counter() - before - 0.01) * 1e3)
    elapsed = time.perf_counter() - began
    return statistics.quantiles(lags, n=20)[18], (time.process_time() - cpu) / elapsed * 100


@contextlib.contextmanager
def turns() -> Iterator[list[float]]:
    """Processor time (ms) of every callback that the loop runs meanwhile: none of them lets another one in."""
    handle = asyncio.events.Handle
    run, found = handle._run, [0.0]

    def timed(self: asyncio.Handle) -> None:
        before = time.thread_time()
        run(self)
        found.append((time.thread_time() - before) * 1e3)

    handle._run = timed  # type: ignore[method-assign]
    try:
        yield found
    finally:
        handle._run = run  # type: ignore[method-assign]


async def load(app: Any, session: Any, task: dict[str, Any], result: dict[str, float]) -> None:
    """Invocations arrive at a rate while many are held; optionally keys are pressed."""
    from livetui.session.events import InvocationArrived, InvocationFinished

    app.main.table.take(rows_of(task["held"]))
    stop = threading.Event()
    told: list[float] = []

    def produce() -> None:
        import msgspec

        rows = rows_of(int(task["rate"] * (task["seconds"] + 9)), task["held"] + 1)
        step = max(1, task["rate"] // 50)
        due = time.perf_counter()
        for at in range(0, len(rows), step):
            if stop.is_set():
                return
            for row in rows[at : at + step]:
                session.tell(InvocationArrived(msgspec.structs.replace(row, state="queued", handler_ms=None)))
                before = time.perf_counter()
                session.tell(InvocationFinished(row))
                told.append((time.perf_counter() - before) * 1e3)
            due += step / task["rate"]
            time.sleep(max(0.0, due - time.perf_counter()))

    # The rows exist before the clock runs: making them is the benchmark's own cost.
    producer = threading.Thread(target=produce)
    producer.start()
    await asyncio.sleep(1)
    result["lag p95"], result["cpu"] = await lag_and_cpu(task["seconds"])
    with turns() as found:
        await asyncio.sleep(2)
    result["turn"] = max(found)
    if task.get("keys"):
        result["key p95"], result["key own p95"] = await keys(app)
    stop.set()
    producer.join()
    result["told p99"] = statistics.quantiles(told, n=100)[98]


async def keys(app: Any) -> tuple[float, float]:
    """p95 of the time from a key to the repaint it causes, on the clock and of the processor (ms)."""
    from textual import events

    times, own = [], []
    for at in range(60):
        before, worked = time.perf_counter(), time.process_time()
        key = events.Key("k" if at % 6 else "G", "k" if at % 6 else "G")
        key.set_sender(app)
        app._driver.process_message(key)
        painted = asyncio.Event()
        cursor = app.main.table.cursor
        deadline = before + 1
        while app.main.table.cursor == cursor and time.perf_counter() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        app.main.call_after_refresh(painted.set)
        await asyncio.wait_for(painted.wait(), 2)
        times.append((time.perf_counter() - before) * 1e3)
        own.append((time.process_time() - worked) * 1e3)
        await asyncio.sleep(0.03)
    return statistics.quantiles(times, n=20)[18], statistics.quantiles(own, n=20)[18]


async def large(app: Any, session: Any, task: Any, result: dict[str, float]) -> None:
    """Open a 6 MB event: until its first lines are on screen, and the longest time in which the loop stood."""
    from hostile import PAYLOADS
    from recorded import invocation

    session.hold(
        invocation(1, "GetOrder", "POST /large", event=PAYLOADS["6 MB"], response=PAYLOADS["6 MB in one line"])
    )
    await asyncio.sleep(0.5)
    worst = 0.0
    before = time.perf_counter()
    app.main.table.take([session.invocations[1].row])
    shown = False
    with turns() as found:
        while time.perf_counter() - before < 3:
            tick = time.perf_counter()
            await asyncio.sleep(0.001)
            worst = max(worst, time.perf_counter() - tick)
            if not shown and app.main.details.opened is not None and len(app.main.details.pane) > 1_000:
                shown = True
                result["opened"] = (time.perf_counter() - before) * 1e3
                app.main.action_tab(2)
    result["block"], result["block own"] = worst * 1e3, max(found)


async def many(app: Any, session: Any, task: Any, result: dict[str, float]) -> None:
    """100,000 rows: memory, and a filter over all of them from its last letter to the list that it leaves."""
    from livetui.session.store import Store

    app.main.table.take(rows_of(100_000))
    await asyncio.sleep(0.5)
    result["rss"] = resident_mb()
    filtered, arrange = asyncio.Event(), app.main.table.filter

    def told(*given: Any) -> None:
        arrange(*given)
        filtered.set()

    app.main.table.filter = told
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "x.sqlite", max_invocations=200_000)
        store.begin_session("bench")
        await asyncio.to_thread(fill, store)
        session.numbers = lambda words, of: store.numbers(words, session=of)
        session.rows, session.counts = store.rows, store.counts
        timings = []
        for words in ("state:error", "fn:Get* ms:>1", "orders/99"):
            filtered.clear()
            before = time.perf_counter()
            app.main.invocations.filter.value = words
            await filtered.wait()
            timings.append((time.perf_counter() - before) * 1e3)
            assert 0 < len(app.main.table.rows) < 100_000
        result["filter"] = max(timings)
        store.close()


def fill(store: Any) -> None:
    """100,000 finished invocations in a store."""
    from livetui.session.invocation import Timing

    for row in rows_of(100_000):
        attempt = row.request_id
        store.arrived(attempt, row.function, row.trigger, b"{}", {}, time=row.time)
        store.started(attempt)
        store.finished(attempt, row.state, b"{}", Timing(handler_ms=row.handler_ms))


def resident_mb() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


async def stop(app: Any, session: Any, task: dict[str, Any], result: dict[str, float]) -> None:
    """A call stops at a breakpoint: until its frames and variables are on screen. `debug.py` asks for it."""
    from benchmarks.debug import on_screen

    await on_screen(app, session, task["python"], result)


TASKS = {"load": load, "large": large, "many": many, "stop": stop}


# -- outside -------------------------------------------------------------------------------------------------------


def in_terminal(command: list[str], cwd: Path, *fds: int) -> tuple[subprocess.Popen[bytes], int]:
    """Start a command in a pseudo-terminal of its own, with code compiled as it is where livetui is installed."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, pass_fds=fds, env=environment, cwd=cwd,
        start_new_session=True,
    )
    os.close(slave)
    return process, master


def first_paint() -> tuple[float, float]:
    """`livetui demo` from nothing to the frame with its list: seconds on the clock, and of the processor."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        process, master = in_terminal([sys.executable, "-m", "livetui", "demo"], Path(folder))
        screen = b""
        while b"Invocations" not in screen:
            screen += os.read(master, 65_536)
        painted = time.perf_counter() - started
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
        process.terminate()
        while process.poll() is None:
            with contextlib.suppress(OSError):
                os.read(master, 65_536)
        os.close(master)
    return painted, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def one_command(option: str) -> float:
    """`livetui` with one option, from nothing to its end: seconds on the clock."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "livetui", option], stdout=subprocess.DEVNULL, check=True, cwd=ROOT,
                   env=environment)
    return time.perf_counter() - started


def measure(**task: Any) -> dict[str, float]:
    """Run one task in a pseudo-terminal of its own and read what it reports."""
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "benchmarks.console", "--child", str(writer), json.dumps(task)]
    started, painted = time.perf_counter(), 0.0
    process, master = in_terminal(command, ROOT, writer)
    os.close(writer)
    report, screen = b"", b""
    ends = time.monotonic() + 400
    while time.monotonic() < ends:
        ready, _, _ = select.select([reader, master], [], [], 1)
        if master in ready:
            with contextlib.suppress(OSError):
                screen = (screen + os.read(master, 65_536))[-40_000:]
            if not painted and b"Invocations" in screen:
                painted = time.perf_counter() - started
        if reader in ready:
            part = os.read(reader, 65_536)
            if not part:
                break
            report += part
    process.kill()
    process.wait()
    os.close(reader)
    os.close(master)
    if not report:
        ending = screen[-4_000:].decode('utf-8', 'replace')
        raise SystemExit(f"{task} reported nothing; the end of its screen:\n{ending}")
    return {**json.loads(report), "first paint": painted}


def table(quick: bool) -> dict[str, float]:
    """All rows of the table."""
    rows = {f"{option} (s)": min(one_command(option) for _ in range(5)) for option in ("--help", "--version")}
    paints, least = [], []
    for _ in range(5):  # in turns: the machine's speed changes
        paints.append(first_paint())
        least.append(measure(kind="bare")["first paint"])
    rows["first paint (s)"] = min(clock for clock, _ in paints)
    rows["first paint, own (s)"] = min(own for _, own in paints)
    rows["first paint of one word in Textual (s)"] = min(least)
    rows["first paint, times that"] = rows["first paint (s)"] / min(least)
    loads = (
        [(200, 20_000)] if quick else [(rate, held) for held in (1_000, 20_000, 100_000) for rate in (20, 200, 1_000)]
    )
    for rate, held in loads:
        found = measure(kind="load", rate=rate, held=held, seconds=3 if quick else 5, keys=rate == 200)
        name = f"{rate}/s, {held // 1000}k rows"
        rows[f"{name}: CPU of one core (%)"] = found["cpu"]
        rows[f"{name}: loop lag p95 (ms)"] = found["lag p95"]
        rows[f"{name}: longest turn of the loop, own (ms)"] = found["turn"]
        if (rate, held) == (200, 20_000):
            rows["200/s: key to repaint p95 (ms)"] = found["key p95"]
            rows["200/s: key to repaint p95, own (ms)"] = found["key own p95"]
            rows["200/s: engine waits for the screen p99 (ms)"] = found["told p99"]
    # The probe takes about 15 s; the console goes on for longer than that.
    alone, beside = without_and_with(lambda link: measure(kind="load", rate=200, held=20_000, seconds=20, link=link))
    rows["ack of the link without a console p99 (ms)"] = statistics.quantiles(alone, n=100)[98]
    rows["200/s, 20k rows: ack of the link p50 (ms)"] = statistics.median(beside)
    rows["200/s, 20k rows: ack of the link p99 (ms)"] = statistics.quantiles(beside, n=100)[98]
    found = measure(kind="large")
    rows["6 MB event: on screen after (ms)"] = found["opened"]
    rows["6 MB event: longest block (ms)"] = found["block"]
    rows["6 MB event: longest block, own (ms)"] = found["block own"]
    found = measure(kind="many")
    rows["100k rows: RSS (MB)"] = found["rss"]
    rows["100k rows: filter (ms)"] = found["filter"]
    rows["machine's load, one minute"] = os.getloadavg()[0]
    return rows


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one load instead of nine")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(int(given.child[0]), json.loads(given.child[1]))
        return
    rows = table(given.quick)
    if given.json:
        print(json.dumps({name: round(value, 2) for name, value in rows.items()}))
        return
    for name, value in rows.items():
        target = TARGETS.get(name)
        verdict = "" if target is None else f"   to reach: ≤ {target:g}   {'✓' if value <= target else '✗'}"
        print(f"{name:<56} {value:>9.{1 if value >= 3 else 2}f}{verdict}")


if __name__ == "__main__":
    main()
