"""From a file saved to the first answer of the new code: p50 and p99 in ms, with workers forked and fresh.

Three handlers: standard library only; a boto3 client made at import; pandas and boto3 imported. The last needs an
environment with pandas, which is made with uv in the temp folder (`--python` names one that exists). `--json` prints
one object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from livetui.runtime.contract import FunctionSpec, Work
from livetui.runtime.pool import Pool

HANDLERS = {
    "standard library": "import json, datetime, re\n",
    "boto3 client at import": "import boto3\nclient = boto3.client('dynamodb')\n",
    "pandas and boto3": "import pandas, boto3\n",
}
SAVES = 25


class Silence:
    """A listener that ignores everything."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *values: None


async def measure(name: str, interpreter: Path, fork: bool) -> list[float]:
    """Milliseconds from each save to the first answer of the code that was saved."""
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder) / "app.py"
        source = HANDLERS[name] + "def handler(event, context): return {}\n"
        app.write_text(source.format(0))
        pool = Pool(Silence())
        pool.configure([FunctionSpec("F", "bench", "app.handler", Path(folder), interpreter, 60, 128, "eu-west-1",
                                     fork_server=fork)])
        await pool.start_watching(Path(folder))
        work = Work("w", b"{}", {"request_id": "r"}, {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"})
        await pool.invoke("F", work)
        while fork and pool.stats()["F"].spawn != "fork":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        found = []
        for number in range(1, SAVES + 1):
            await asyncio.sleep(0.05)
            began = time.perf_counter()
            app.write_text(source.format(number))
            while (await pool.invoke("F", work)).body != str(number).encode():  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            found.append((time.perf_counter() - began) * 1000)
        await pool.close()
    return sorted(found)


def environment(folder: Path) -> Path:
    """A Python with pandas and boto3."""
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    python = folder / "bin/python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), "pandas", "boto3"],
                   check=True)
    return python


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--python", type=Path, help="an interpreter that has pandas and boto3")
    options = parser.parse_args()
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        interpreter = options.python or environment(Path(folder) / "environment")
        for name in HANDLERS:
            for way, fork in (("forked", True), ("fresh", False)):
                found = asyncio.run(measure(name, interpreter, fork))
                rows[f"{name}, {way}"] = {"p50_ms": found[len(found) // 2], "p99_ms": found[-1]}
    if options.json:
        print(json.dumps(rows))
        return
    table = Table("from save to answer", "p50 ms", "p99 ms")
    for name, row in rows.items():
        table.add_row(name, f"{row['p50_ms']:.0f}", f"{row['p99_ms']:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
