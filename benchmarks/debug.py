"""What debugging costs: a handler's overhead, time until a worker can be debugged, latency of stops, looks and steps.

    python -m benchmarks.debug [--python PATH ...] [--json]

Each `--python` is an interpreter to measure (this one by default). Goals: overhead at most 1.05 times on 3.12 and newer
and 1.3 times on 3.11 with no breakpoint set; debug-ready 350 ms; from a stop to the screen 50 ms; stack, scopes and
variables 5 ms. The way to the screen is measured in a pseudo-terminal of 160×45, from the debugger's word that a worker
has stopped to the repaint with its frames and variables.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Literal

from benchmarks import console
from livetui.debug.broker import Broker
from livetui.debug.values import DebugListener, PausedThread
from livetui.runtime.contract import FunctionSpec, Outcome, Work
from livetui.runtime.pool import Pool

RUNS = 7
LOOKS = 20
FIRST = 6
"""Of these, that many come while another view is on screen."""
PERSON_S = 0.3
"""Between what a person does: the console has drawn all that there is to draw."""
HANDLER = """
import json
import time


def price(line):
    return line["count"] * line["cents"]


def handler(event, context):
    began = time.thread_time()
    order = {"lines": [{"count": at % 7, "cents": at} for at in range(200)]}
    total = 0
    for _ in range(event.get("rounds", 1)):
        for line in order["lines"]:
            total += price(line)
        order = json.loads(json.dumps(order))
    return {"total": total, "cpu_ms": (time.thread_time() - began) * 1000}


def never(event):
    return event
"""
OTHER = "def other():\n    return 1\n"
LINE = HANDLER.splitlines().index('    total = 0') + 1
NEVER = HANDLER.splitlines().index("    return event") + 1


class Ears(DebugListener):
    """What the engine would be told; measures need only the pauses."""

    def __init__(self) -> None:
        self.pauses: asyncio.Queue[tuple[float, PausedThread]] = asyncio.Queue()

    def on_paused(self, paused: PausedThread) -> None:
        """Remember when."""
        self.pauses.put_nowait((time.perf_counter(), paused))

    def work_started(self, work_id: str, pid: int) -> None:
        """Not measured."""

    def work_logged(self, work_id: str, stream: str, text: str, at_ms: float) -> None:
        """Not measured."""

    def work_called_aws(self, work_id: str, call: Any) -> None:
        """Not measured."""

    def code_reloaded(self, function_id: str, ms: float, error: str, path: str) -> None:
        """Not measured."""

    def notice(self, function_id: str, level: Literal["info", "warning", "error"], text: str) -> None:
        """Problems must be seen."""
        print(f"{function_id}: {text}", file=sys.stderr)

    on_notice = notice


class Desk:
    """A pool and a broker on one small project."""

    def __init__(self, project: Path, python: str, broker: Broker | None = None) -> None:
        self.project, self.ears = project, Ears()
        self.broker = broker or Broker(project / ".livetui", project, 0, self.ears)
        self.pool = Pool(self.ears, debug=self.broker)
        self.pool.configure([FunctionSpec("F", "F", "app.handler", project, Path(python).absolute(), 60, 128,
                                          "eu-west-1", fork_server=False)])
        self.face = self.broker.face
        self.calls = 0

    async def call(self, **event: Any) -> Outcome:
        """One invocation."""
        self.calls += 1
        return await self.pool.invoke("F", Work(str(self.calls), json.dumps(event).encode(), {"request_id": "r"}))

    async def wanted(self, what: str) -> None:
        """Set what one row of the overhead is about, and take a new worker."""
        for item in self.face.breakpoints():
            await self.face.remove(item.path, item.asked)
        await self.face.set_exception_filters(uncaught=what == "connected, no breakpoint")
        if what == "breakpoint in another file":
            await self.face.set(self.project / "other.py", 2)
        elif what == "breakpoint in another function":
            await self.face.set(self.project / "app.py", NEVER)
        elif what == "breakpoint":
            await self.face.set(self.project / "app.py", LINE)
        self.pool.restart()


def lay_out(folder: str) -> Path:
    """The project's files."""
    project = Path(folder).resolve()
    (project / "app.py").write_text(HANDLER)
    (project / "other.py").write_text(OTHER)
    return project


@contextlib.asynccontextmanager
async def desk(python: str) -> AsyncIterator[Desk]:
    """A desk that leaves nothing behind."""
    with tempfile.TemporaryDirectory() as folder:
        it = Desk(lay_out(folder), python)
        await it.broker.start()
        try:
            yield it
        finally:
            await it.pool.close()
            await it.broker.close()


async def overhead(it: Desk) -> dict[str, float]:
    """Times slower than without a debugger, by what is debugged."""
    plain, results = 0.0, {}
    for what in ("no debugger", "connected, no breakpoint", "breakpoint in another file",
                 "breakpoint in another function"):
        # An exception filter is what connects a worker while no breakpoint is set; the handler raises nothing.
        await it.wanted(what)
        await it.call(rounds=10)
        # Processor time, and the best of some: other programs on the machine are not what is measured.
        took = min([json.loads((await it.call(rounds=150)).body)["cpu_ms"] for _ in range(RUNS)])
        plain = plain or took
        results[f"handler, {what}, ms"] = took
        results[f"handler, {what}, times"] = took / plain
    return results


async def start(it: Desk) -> dict[str, float]:
    """From a call to its answer on a fresh worker, with and without the debugger; the handler's own work is small."""
    results = {}
    for what in ("no debugger", "breakpoint in another file"):
        times = []
        await it.wanted(what)
        for _ in range(RUNS + 1):
            it.pool.restart()
            while it.pool.stats()["F"].workers:  # noqa: ASYNC110 - the pool tells nobody; their end is not measured
                await asyncio.sleep(0.01)
            began = time.perf_counter()
            await it.call()
            times.append((time.perf_counter() - began) * 1000)
        results[f"fresh worker, {what}, ms"] = statistics.median(times[1:])  # the first compiles debugpy's modules
    return results


async def latency(it: Desk) -> dict[str, float]:
    """A call until the stop is told; a look at stack, scopes and variables; a step; median of some."""
    await it.wanted("breakpoint")
    stops, looks, steps = [], [], []
    for _ in range(LOOKS):
        began = time.perf_counter()
        call = asyncio.get_running_loop().create_task(it.call())
        told, paused = await it.ears.pauses.get()
        stops.append((told - began) * 1000)
        looks.append(await timed(lambda thread=paused.thread_id: look(it, thread)))
        began = time.perf_counter()
        await it.face.step_over(paused.thread_id)
        told, paused = await it.ears.pauses.get()
        steps.append((told - began) * 1000)
        await it.face.resume(paused.thread_id)
        await call
    return {"call to stop, ms": statistics.median(stops[1:]), "stack, scopes and variables, ms":
            statistics.median(looks), "step, ms": statistics.median(steps)}


async def look(it: Desk, thread: int) -> None:
    """What a console asks for when something stops."""
    frames = await it.face.stack(thread)
    scopes = await it.face.scopes(frames[0].id)
    await it.face.variables(scopes[0].reference)


async def timed(work: Callable[[], Awaitable[None]]) -> float:
    """Milliseconds that it takes."""
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1000


async def on_screen(app: Any, session: Any, python: str, result: dict[str, float]) -> None:
    """In the pseudo-terminal of `console.py`: the real console over a worker that stops again and again."""
    from livetui.config import Settings
    from livetui.session.debugging import Debugging

    class Calls:
        """There are no rows: the calls come from here."""

        def paused(self, work_id: str) -> None:
            """Nobody waits."""

        resumed = paused

        def row_of(self, work_id: str) -> int | None:
            """None."""

    class Hub:
        """Passes events on to the console."""

        publish = session.tell

    loop = asyncio.new_event_loop()
    engine = threading.Thread(target=loop.run_forever, daemon=True)
    engine.start()
    told: list[tuple[float, float]] = []

    def ask(work: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))

    with tempfile.TemporaryDirectory() as folder:
        project = lay_out(folder)

        async def open_() -> Desk:
            debug = session.debug = Debugging(Settings(project=str(project)), Hub(), Calls())
            debug.broker._asked_port = 0
            await debug.open()
            heard = debug.broker.workers._stopped

            def stopped(*arguments: Any) -> None:
                told.append((time.perf_counter(), time.process_time()))
                heard(*arguments)

            debug.broker.workers._stopped = stopped
            it = Desk(project, python, debug.broker)
            await it.face.set(project / "app.py", LINE)
            return it

        it: Desk = await ask(open_())
        main, times, own = app.main, [], []
        painted, display = asyncio.Event(), app._display

        def displayed(*arguments: Any) -> None:
            shown = main.thread is not None and bool(main.debugger.variables.nodes) and not painted.is_set()
            display(*arguments)  # which writes to the terminal
            if shown:
                times.append((time.perf_counter() - told[-1][0]) * 1000)
                own.append((time.process_time() - told[-1][1]) * 1000)
                painted.set()

        app._display = displayed
        for at in range(LOOKS):
            if at < FIRST:  # from another view, as when the user waits for it among the invocations
                main.action_view("invocations")
            await asyncio.sleep(PERSON_S)
            call = ask(it.call())
            await painted.wait()
            await asyncio.sleep(PERSON_S)
            main.debugger.variables.clear("")
            main.action_resume()
            await call
            while main.thread is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            painted.clear()
        result["first"] = times[0]
        result["turned"] = statistics.median(times[1:FIRST])
        result["stop"], result["worst"] = statistics.median(times[FIRST:]), max(times[FIRST:])
        result["own"] = statistics.median(own[FIRST:])
        await ask(it.pool.close())
        await ask(it.broker.close())
    loop.call_soon_threadsafe(loop.stop)
    engine.join()


async def measure(python: str) -> dict[str, float]:
    """All rows for one interpreter."""
    async with desk(python) as it:
        rows = {**await overhead(it), **await start(it), **await latency(it)}
    shown = console.measure(kind="stop", python=python)
    return {**rows, "stop to screen, ms": shown["stop"], "stop to screen, longest, ms": shown["worst"],
            "stop to screen, processor time, ms": shown["own"], "stop to screen, from another view, ms":
            shown["turned"], "stop to screen, first of a session, ms": shown["first"]}


def version(python: str) -> str:
    """`3.12`, asked of the interpreter."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="an interpreter to measure; may be given again")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = {version(python): asyncio.run(measure(python)) for python in options.python or [sys.executable]}
    if options.json:
        print(json.dumps({f"{name}: {row}": value for name, rows in results.items() for row, value in rows.items()}))
        return
    rows = next(iter(results.values()))
    print(" " * 48 + "".join(f"{name:>10}" for name in results))
    for row in rows:
        print(f"{row:<48}" + "".join(f"{values[row]:>10.2f}" for values in results.values()))


if __name__ == "__main__":
    main()
