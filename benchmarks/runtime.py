"""How fast handlers run here, beside AWS's runtime client (`awslambdaric`) behind a minimal Runtime API, in one run.

Rows: warm calls by size (p50 and p99, ms), cold start of a further environment (fresh and forked), memory per worker
(MB, as the share of shared pages counts), throughput with 1 and 8 workers (calls/s). `--json` prints one object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from livetui.runtime.contract import FunctionSpec, Work
from livetui.runtime.environment import worker_environment
from livetui.runtime.pool import Pool
from tests.integration.runtime_api import Reference

SOURCE = """
def handler(event, context):
    return event
"""


class Silence:
    """A listener that ignores everything."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *values: None


def payload(size: int) -> bytes:
    """An event of about `size` bytes: 3 bytes, or records as a queue or an API delivers them."""
    if size < 100:
        return b'"x"'
    record = {"id": 1234567, "name": "a name of a thing", "price": 12.5, "tags": ["red", "blue"], "stock": None}
    count = size // (len(json.dumps(record)) + 2)
    return json.dumps([{**record, "id": n} for n in range(count)]).encode()


async def timed(call: Callable[[], Awaitable[object]], times: int) -> list[float]:
    """Milliseconds of each of `times` calls, after some that are not counted."""
    for _ in range(max(3, times // 20)):
        await call()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        await call()
        found.append((time.perf_counter() - began) * 1000)
    return sorted(found)


def p(found: list[float], share: float) -> float:
    """A percentile of sorted numbers."""
    return found[min(len(found) - 1, int(len(found) * share))]


async def warm(spec: FunctionSpec, rows: dict[str, tuple[float, float]]) -> None:
    """Warm calls of four sizes."""
    pool = Pool(Silence())
    pool.configure([spec])
    async with Reference(spec.code_root, spec.handler, worker_environment(spec)) as reference:
        for name, size, times in (("3 B", 3, 2000), ("20 KB", 20_000, 1000), ("200 KB", 200_000, 300),
                                  ("2 MB", 2_000_000, 40)):
            event = payload(size)
            work = Work("w", event, {"request_id": "request"})
            theirs = await timed(lambda event=event: reference.api.invoke(event), times)
            ours = await timed(lambda work=work: pool.invoke("F", work), times)
            rows[f"warm {name} p50 ms"] = (p(theirs, 0.5), p(ours, 0.5))
            rows[f"warm {name} p99 ms"] = (p(theirs, 0.99), p(ours, 0.99))
        rows["memory per worker MB"] = (_memory(reference.pid), _memory(pool.stats()["F"].pids[0]))
    await pool.close()


def _memory(pid: int) -> float:
    return psutil.Process(pid).memory_full_info().pss / 1e6


async def cold(spec: FunctionSpec, rows: dict[str, tuple[float, float]]) -> None:
    """From the call that needs a new environment to its answer."""
    async def reference_ms() -> float:
        began = time.perf_counter()
        async with Reference(spec.code_root, spec.handler, worker_environment(spec)) as started:
            await started.api.invoke(b"1")
            return (time.perf_counter() - began) * 1000

    async def our_ms(pool: Pool) -> float:
        pool.restart("F")
        while pool.stats()["F"].workers:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        began = time.perf_counter()
        await pool.invoke("F", Work("w", b"1", {"request_id": "request"}))
        return (time.perf_counter() - began) * 1000

    for name, fork in (("fresh", False), ("forked", True)):
        pool = Pool(Silence())
        pool.configure([replace(spec, fork_server=fork)])
        await pool.invoke("F", Work("w", b"1", {"request_id": "request"}))
        while fork and pool.stats()["F"].spawn != "fork":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        pairs = [(await reference_ms(), await our_ms(pool)) for _ in range(20)]
        rows[f"cold, {name} p50 ms"] = (statistics.median(t for t, _ in pairs), statistics.median(o for _, o in pairs))
        if fork:
            rows["memory per forked worker MB"] = (float("nan"), _memory(pool.stats()["F"].pids[0]))
        await pool.close()


async def throughput(spec: FunctionSpec, rows: dict[str, tuple[float, float]]) -> None:
    """Calls per second of 3 bytes, one and eight at a time."""
    for workers in (1, 8):
        references = [Reference(spec.code_root, spec.handler, worker_environment(spec)) for _ in range(workers)]
        for reference in references:
            await reference.__aenter__()
        pool = Pool(Silence(), concurrency=workers)
        pool.configure([spec])

        async def drive(call: Callable[[], Awaitable[object]], times: int) -> None:
            for _ in range(times):
                await call()

        async def rate(calls: list[Callable[[], Awaitable[object]]], times: int = 400) -> float:
            await asyncio.gather(*(drive(call, 3) for call in calls))
            began = time.perf_counter()
            await asyncio.gather(*(drive(call, times) for call in calls))
            return len(calls) * times / (time.perf_counter() - began)

        theirs = await rate([lambda r=r: r.api.invoke(b"1") for r in references])
        ours = await rate([lambda n=n, p=pool: p.invoke("F", Work(f"w{n}", b"1", {})) for n in range(workers)])
        rows[f"throughput, {workers} worker{'s' if workers > 1 else ''} calls/s"] = (theirs, ours)
        await pool.close()
        for reference in references:
            await reference.__aexit__()


async def measure() -> dict[str, tuple[float, float]]:
    """All rows: (awslambdaric, livetui)."""
    rows: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "app.py").write_text(SOURCE)
        spec = FunctionSpec("F", "bench", "app.handler", Path(folder), Path(sys.executable), 60, 128, "eu-west-1",
                            runtime=f"python{sys.version_info[0]}.{sys.version_info[1]}")
        await warm(spec, rows)
        await cold(spec, rows)
        await throughput(spec, rows)
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = asyncio.run(measure())
    if options.json:
        print(json.dumps({name: {"awslambdaric": theirs, "livetui": ours, "ratio": ours / theirs}
                          for name, (theirs, ours) in rows.items()}))
        return
    table = Table("", "awslambdaric", "livetui", "ratio")
    for name, (theirs, ours) in rows.items():
        table.add_row(name, f"{theirs:.2f}", f"{ours:.2f}", f"{ours / theirs:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
