"""How fast the history is: invocations recorded per second, the time of a filter over 100,000 rows, the file's size.

    python -m benchmarks.store [--rows 100000] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from livetui.session.filter import parse
from livetui.session.invocation import LogLine, Timing
from livetui.session.samples import sample
from livetui.session.store import Store

FILTERS = ("state:error", "fn:Get*", "ms:>900", "is:marked", "orders/4242", "nowhere to be found",
           "!state:ok trigger:POST", "/orders.*77$/")


def main() -> None:
    """Fill a history, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder) / "invocations.sqlite", options.rows)
    if options.json:
        print(json.dumps(results))
        return
    width = max(map(len, results))
    for name, value in results.items():
        print(f"{name:<{width}}  {value:>12,.2f}")


def measure(path: Path, rows: int) -> dict[str, float]:
    """All rows of the table, by name."""
    store = Store.open(path, max_invocations=rows * 2, max_mb=4096)
    store.begin_session("benchmark")
    results = record(store, rows)
    counts = store.counts()
    results["file, bytes per invocation"] = counts.bytes / counts.held
    for text in FILTERS:
        results[f"filter {text!r}, numbers of all hits, ms"] = best(lambda text=text: store.numbers(text))
    results["newest 1,000 rows, ms"] = best(lambda: store.rows(limit=1000))
    held = store.rows(limit=rows)
    for text in ("state:error", "orders/4242"):
        wanted = parse(text)
        results[f"filter {text!r}, in Python over rows held, ms"] = best(
            lambda wanted=wanted: [row for row in held if wanted.matches(row)])
    results["open one invocation, ms"] = best(lambda: store.invocation(rows // 2))
    results.update(big(store))
    store.close()
    results["open the file again, ms"] = best(lambda: Store.open(path).close())
    results.update(full(path.with_name("full.sqlite")))
    return results


def record(store: Store, rows: int) -> dict[str, float]:
    """Each invocation as the engine records it: arrived, started, two lines, finished."""
    event, response = sample("http-api"), b'{"statusCode": 200, "body": "{}"}'
    context = {"request_id": "5f0c2a34-9b1e-4d7c-8a63-1e2d3c4b5a69", "function_name": "orders-dev-live-GetOrder"}
    lines = [LogLine("stdout", "START", 0.1), LogLine("stdout", "looked up order", 3.2)]
    took = []
    began = time.perf_counter()
    for number in range(rows):
        attempt = f"{number:032x}"
        at = time.perf_counter()
        row = store.arrived(attempt, ("GetOrder", "CreateOrder", "Worker")[number % 3],
                            f"{('GET', 'POST')[number % 2]} /orders/{number}", event, context, time=time.time())
        store.started(attempt)
        store.logged(row.id, lines)
        store.finished(attempt, "error" if number % 17 == 0 else "ok", response, Timing(handler_ms=number % 1000),
                       "KeyError: 'id'" if number % 17 == 0 else "")
        took.append(time.perf_counter() - at)
        if number % 500 == 0:
            store.changed(row.id, marked=True)
    took.sort()
    return {"invocations recorded per second": rows / (time.perf_counter() - began),
            "one invocation, median ms": took[len(took) // 2] * 1000,
            "one invocation, p99 ms": took[int(len(took) * 0.99)] * 1000, "one invocation, longest ms": took[-1] * 1000}


def big(store: Store) -> dict[str, float]:
    """An event of 6 MB."""
    event = json.dumps([{"id": number, "name": f"customer {number}", "amount": number * 1.37, "tags": ["a", "b"]}
                        for number in range(85_000)]).encode()
    began = time.perf_counter()
    row = store.arrived("b" * 32, "Big", "invoke", event, {}, time=time.time())
    wrote = time.perf_counter()
    assert store.invocation(row.id).event == event
    return {"event of 6 MB, write ms": (wrote - began) * 1000,
            "event of 6 MB, read ms": (time.perf_counter() - wrote) * 1000}


def full(path: Path) -> dict[str, float]:
    """Recording into a history that is full, so that each arrival drops the oldest."""
    store = Store.open(path, max_invocations=2000)
    record(store, 2000)
    began = time.perf_counter()
    for number in range(5000):
        attempt = f"full{number}"
        store.arrived(attempt, "GetOrder", "GET /", b"{}", {}, time=1.0)
        store.started(attempt)
        store.finished(attempt, "ok", b"{}")
    rate = 5000 / (time.perf_counter() - began)
    store.close()
    return {"invocations per second into a full history": rate}


def best(action: Callable[[], object]) -> float:
    """Median of five runs, in ms."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        action()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    main()
