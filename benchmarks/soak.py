"""Everything at once for a long time: traffic, saves, breakpoints and a bad network, and a count of what went wrong.

    python -m benchmarks.soak [--minutes 30] [--seed 1] [--json] [--save FILE]

A real session in a process of its own on the real local cloud. Exit code 1 when a call was lost (no answer and no
typed error), got another call's answer, or was executed twice, when a queued message was never executed, when the
caller was told that nothing ran although it did, when the console's memory or descriptors grew by more than 20 % from
a tenth of the time to its end, or when a process is left. `--save benchmarks/soak.json` also renews RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import logging
import queue
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from benchmarks import report
from benchmarks.soaking.project import PAUSE_LINE, Project
from benchmarks.soaking.traffic import Callers, Tally
from livetui.aws import Aws
from livetui.cloud import LocalCloud
from livetui.cloud.traffic import Traffic
from tests.integration.link.fault_proxy import FaultProxy

ROOT = Path(__file__).parents[1]
GROWTH = 0.2
SETTLED_MINUTES = 10
"""Shorter runs end before the console has warmed up (pools, caches of SQLite): their growth is shown, not judged."""
WORKER_DESCRIPTORS = 5
"""Pipes and sockets that each further worker may hold here."""
DRAIN_S = 60
"""How long queued messages may take when all is well again: the queue shows a failed one after 20 s."""

FAULTS = (("cut", 0), ("reset", 0), ("stall", 1), ("stall", 4), ("stall", 13), ("half-open", 0), ("delay", 5),
          ("throttle", 2))
"""What the network does, and for how many seconds. After 10 s of silence a stub gives its console up."""

Row = float | int | str


class ConsoleChild:
    """`benchmarks.soaking.console` as a child process: its events, its orders, and how large it is."""

    def __init__(self, project: Project, broker_port: int) -> None:
        options = {"project": str(project.folder), "broker_port": broker_port,
                   "pause_path": str(project.pause_path), "pause_line": PAUSE_LINE}
        self._errors = (project.folder.parent / "console.stderr").open("w+", encoding="utf-8")
        self.process = subprocess.Popen([sys.executable, "-m", "benchmarks.soaking.console", json.dumps(options)],
                                        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
                                        text=True)
        self.measured = psutil.Process(self.process.pid)
        self.seen: Counter[str] = Counter()
        self.texts: Counter[str] = Counter()
        self.paused_tokens: list[str] = []
        self.live: dict[str, Any] = {}
        self.objects: list[dict[str, int]] = []
        """Objects by type, at a tenth of the time and at its end."""
        self.rows: dict[str, Any] = {"unfinished": ["the console did not say"], "held": 0}
        self.is_live = threading.Event()
        self.reloads: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="console-reader")
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            kind = event["event"]
            self.seen[kind if kind != "link" else f"link {event['state']}"] += 1
            if kind == "live":
                self.live = event
                self.is_live.set()
            elif kind == "paused":
                self.paused_tokens.append(event["token"])
            elif kind == "reloaded" and event["function"] == "Count":
                self.reloads.put(event["error"])
            elif kind == "objects":
                self.objects.append(event["counts"])
            elif kind == "rows":
                self.rows = event
            elif kind in ("notice", "failed", "debug.failed"):
                self.texts[f"{kind}: {event['text'][:160]}"] += 1
        self.is_live.set()

    def order(self, words: str) -> None:
        """Tell it something."""
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()

    def end(self) -> list[psutil.Process]:
        """Stop it; the processes of its own that are left afterwards (and are killed now)."""
        children = self.measured.children(recursive=True)
        if self.process.poll() is None:
            self.order("stop")
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        self._errors.close()
        _, left = psutil.wait_procs(children, timeout=5)
        for each in left:
            each.kill()
        return left


class Soak:
    """One run. `rows()` is its table, `failures()` what must not be."""

    def __init__(self, folder: Path, minutes: float, seed: int) -> None:
        self.minutes = minutes
        self.tally = Tally()
        self.faults: Counter[str] = Counter()
        self.reloads = 0
        self.saves = 0
        self.samples: list[tuple[float, int, int, int]] = []
        """Share of the time, RSS in bytes, descriptors, processes below the console."""
        self.left: list[psutil.Process] = []
        self.traffic_notes: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._seed = seed
        self._project = Project(folder / "soak")
        self._over = threading.Event()
        self._counted = False
        self._executions: Counter[str] = Counter()

    def run(self) -> None:
        """Start everything, wait, end everything."""
        with LocalCloud.start(self._project.folder / ".livetui") as cloud:
            cloud_pid = psutil.Process(cloud.record.pid)
            with FaultProxy(cloud.record.gateway_port) as proxy:
                console = self.console = ConsoleChild(self._project, proxy.port)
                try:
                    if not console.is_live.wait(120) or not console.live:
                        raise RuntimeError(f"the session is not live: {dict(console.texts)}")
                    self._soak(cloud, console, proxy)
                finally:
                    self.left += console.end()
            below = cloud_pid.children(recursive=True)
        self.left += psutil.wait_procs(below, timeout=5)[1]

    def _soak(self, cloud: LocalCloud, console: ConsoleChild, proxy: FaultProxy) -> None:
        aws = Aws(cloud.access)
        live = console.live
        shop = Traffic(cloud.access, live["outputs"], lambda text: self.traffic_notes.update([text[:120]])).start()
        callers = Callers(aws, live["functions"], live["outputs"], self.tally, self._seed).start()
        workers = [threading.Thread(target=work, args=words) for work, words in (
            (self._save_code, (console,)), (self._set_breakpoints, (console,)), (self._break_network, (proxy,)),
            (self._sample, (console,)))]
        for worker in workers:
            worker.start()
        self._over.wait(self.minutes * 60)
        self._over.set()
        for worker in workers:
            worker.join()
        shop.stop()
        callers.stop()
        self._drain()
        console.order("objects")

    def _drain(self) -> None:
        deadline = time.monotonic() + DRAIN_S
        while True:
            self._executions = self._project.executions()
            if self.tally.queued_tokens <= self._executions.keys() or time.monotonic() > deadline:
                return
            time.sleep(0.5)

    # --- what happens at the same time ----------------------------------------------------------------------------

    def _save_code(self, console: ConsoleChild) -> None:
        while not self._over.wait(self._random.uniform(2, 5)):
            if self.saves % 7 == 6:
                self._project.save_broken()
                self._over.wait(0.7)
            self.saves += 1
            while not console.reloads.empty():
                console.reloads.get()
            self._project.save(self.saves)
            deadline = time.monotonic() + 15
            while (left := deadline - time.monotonic()) > 0:
                try:
                    if not console.reloads.get(timeout=left):
                        self.reloads += 1
                        self.tally.release = self.saves
                        break
                except queue.Empty:
                    break

    def _set_breakpoints(self, console: ConsoleChild) -> None:
        while not self._over.is_set():
            console.order("breakpoint on")
            self._over.wait(12)
            console.order("breakpoint off")
            self._over.wait(8)

    def _break_network(self, proxy: FaultProxy) -> None:
        while not self._over.wait(self._random.uniform(7, 14)):
            name, seconds = self._random.choices(FAULTS, [2, 2, 2, 1, 1, 2, 2, 2])[0]
            self.faults[f"{name} {seconds} s" if seconds else name] += 1
            proxy.fault(name, seconds)

    def _sample(self, console: ConsoleChild) -> None:
        began = time.monotonic()
        while not self._over.wait(1):
            share = (time.monotonic() - began) / (self.minutes * 60)
            if share >= 0.13 and not self._counted:
                self._counted = True
                console.order("objects")
            try:
                self.samples.append((share, console.measured.memory_info().rss, console.measured.num_fds(),
                                     len(console.measured.children(recursive=True))))
            except psutil.Error:
                return

    # --- the table ------------------------------------------------------------------------------------------------

    def _around(self, low: float, high: float, index: int) -> float:
        return statistics.median([sample[index] for sample in self.samples if low <= sample[0] <= high] or [0])

    def _growth(self, index: int) -> tuple[float, float, float]:
        at_tenth, at_end = self._around(0.08, 0.18, index), self._around(0.9, 1.1, index)
        return at_tenth, at_end, at_end / at_tenth - 1 if at_tenth else 0.0

    @property
    def duplicates(self) -> list[str]:
        """Tokens of calls with a waiting caller that were executed more than once."""
        return [token for token in self.tally.sync_tokens if self._executions[token] > 1]

    @property
    def denied(self) -> list[str]:
        """What callers of executed calls were told, as if nobody had run them: they may well try again."""
        return [f"executed, yet told {told}" for token, told in self.tally.offline.items() if self._executions[token]]

    @property
    def foreign_pauses(self) -> list[str]:
        """Tokens that the debugger showed and nobody had sent."""
        return [token for token in self.console.paused_tokens if token not in self.tally.sync_tokens]

    @property
    def unread(self) -> list[str]:
        """Queued messages that were never executed."""
        return [token for token in self.tally.queued_tokens if not self._executions[token]]

    def rows(self) -> dict[str, Row]:
        """The table."""
        tally, console = self.tally, self.console
        rss, descriptors, processes = self._growth(1), self._growth(2), self._growth(3)
        return {
            "minutes": self.minutes, "calls": tally.calls, "ok": tally.verdicts["ok"],
            "typed errors": tally.verdicts["typed error"],
            **{f"  {name}": count for name, count in sorted(tally.errors.items())},
            "lost": tally.verdicts["lost"], "wrong": tally.verdicts["wrong"], "duplicates": len(self.duplicates),
            "told offline, yet executed": len(self.denied),
            "answers of code older than a finished reload": tally.stale,
            "queued messages": len(tally.queued_tokens), "queued messages never executed": len(self.unread),
            "queued messages executed again (at least once)": sum(
                1 for token in tally.queued_tokens if self._executions[token] > 1),
            "saves": self.saves, "reloads seen within 15 s": self.reloads,
            "pauses and steps": len(console.paused_tokens), "pauses with a foreign call": len(self.foreign_pauses),
            "debugger requests that failed": console.seen["debug.failed"],
            "link faults": sum(self.faults.values()),
            **{f"  {name}": count for name, count in sorted(self.faults.items())},
            "link lost by the console": console.seen["link offline"],
            "invocations held at the end": console.rows["held"],
            "invocations left unfinished": len(console.rows["unfinished"]),
            "console MB at 10, 25, 50, 75 and 100 %": " · ".join(f"{megabytes / 1e6:.0f}" for megabytes in (
                rss[0], *(self._around(share - 0.04, share + 0.04, 1) for share in (0.25, 0.5, 0.75)), rss[1])),
            "console memory growth %": round(rss[2] * 100, 1),
            "descriptors at 10 and 100 %": f"{descriptors[0]:g} · {descriptors[1]:g}",
            "workers at 10 and 100 %": f"{processes[0]:g} · {processes[1]:g}",
            "processes left": len(self.left),
        }

    def failures(self) -> list[str]:
        """Why this run failed; empty when it did not."""
        rows = self.rows()
        names = ("lost", "wrong", "duplicates", "told offline, yet executed",
                 "queued messages never executed", "pauses with a foreign call",
                 "answers of code older than a finished reload",
                 "invocations left unfinished", "processes left")
        found = [f"{name}: {rows[name]}" for name in names if rows[name]]
        if self.minutes >= SETTLED_MINUTES:
            at_tenth, at_end, _ = self._growth(2)
            workers = self._growth(3)
            allowed = at_tenth * (1 + GROWTH) + WORKER_DESCRIPTORS * max(0.0, workers[1] - workers[0])
            if self._growth(1)[2] > GROWTH:
                found.append(f"memory grew by {self._growth(1)[2]:.0%}")
            if at_end > allowed:
                found.append(f"descriptors grew from {at_tenth:g} to {at_end:g}, more than new workers explain")
        return found

    def grown(self) -> list[str]:
        """Types of which the console holds the most more objects at the end than at a tenth of the time."""
        if len(self.console.objects) < 2:
            return []
        more = Counter(self.console.objects[-1])
        more.subtract(self.console.objects[0])
        return [f"{count:+,} objects of {name}" for name, count in more.most_common(8) if count > 0]

    def explanations(self) -> list[str]:
        """What to look at: examples of failures, and what console and traffic said."""
        return [*self.tally.examples, *self.denied[:5], *(f"duplicate {token}" for token in self.duplicates),
                *self.console.rows["unfinished"], *self.grown(), *(f"left: {process}" for process in self.left),
                *(f"{count} × {text}" for text, count in (self.console.texts + self.traffic_notes).most_common(12))]


def main() -> int:
    """Soak, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", type=Path, help="also write the table to this file, as JSON")
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it, to look at its log")
    options = parser.parse_args()
    when, where = report.now(), report.machine()
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # the proxy's own connections, cancelled at the end
    with tempfile.TemporaryDirectory(prefix="livetui-soak-") as temporary:
        soak = Soak(options.keep or Path(temporary), options.minutes, options.seed)
        soak.run()
    rows = soak.rows()
    if options.save:
        options.save.write_text(json.dumps({"when": when, "machine": where, "rows": rows,
                                            "failures": soak.failures()}, indent=1) + "\n", "utf-8")
        if options.save.resolve() == report.SOAKED:
            report.renew_soak()
    if options.json:
        print(json.dumps(rows))
    else:
        width = max(map(len, rows))
        print("\n".join(f"{name:<{width}}  {value:>10}" for name, value in rows.items()))
    for line in [*soak.explanations(), *(f"FAILED: {failure}" for failure in soak.failures())]:
        print(line, file=sys.stderr)
    return 1 if soak.failures() else 0


if __name__ == "__main__":
    sys.exit(main())
