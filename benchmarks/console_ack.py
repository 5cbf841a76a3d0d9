"""How soon the link acknowledges while the console draws: a real broker, a real link in the console's own process.

Another client of the broker pings the link thirty times a second; the answer comes from the link's thread, as every
acknowledgement of a call does. Used by `benchmarks/console.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PINGS = 300
GAP_S = 0.033


@contextlib.contextmanager
def link_beside(settings: dict[str, Any] | None) -> Iterator[None]:
    """In the console's process: an open link on a thread and a loop of its own, as the engine has it."""
    if settings is None:
        yield
        return
    from livetui.aws import Aws, CloudAccess
    from livetui.link.link import Link
    from livetui.link.messages import LinkConfig

    opened, ending = threading.Event(), threading.Event()

    async def serve() -> None:
        config = LinkConfig(settings["app"], settings["stage"], settings["bucket"], bytes(32), "ada@laptop")
        aws = Aws(CloudAccess(**settings["access"]))
        link = Link(config, aws, lambda call: None, lambda attempt: None, lambda state: None, lambda attempt: "unknown")
        await link.open()
        opened.set()
        await asyncio.to_thread(ending.wait)
        await link.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="link")
    thread.start()
    opened.wait(30)
    try:
        yield
    finally:
        ending.set()
        thread.join()


def acks(aws: Any, app: str) -> list[float]:
    """Milliseconds from each ping to its answer, once the link is there and has settled for two seconds."""
    from stub_runtime.topics import Topics
    from stub_runtime.wire import Frame, Kind
    from tests.integration.link.mqtt_client import Client

    topics = Topics(app, "dev")
    me, ping = topics.stub("Probe", "ab"), Frame(Kind.PING, "c" * 32).encode()
    probe = Client(aws, f"probe-{uuid.uuid4().hex[:6]}")
    probe.subscribe(me)

    def once(patience: float) -> float:
        started = time.perf_counter()
        probe.mqtt.publish(topics.console(0), ping, reply_to=me)
        probe.heard.get(timeout=patience)
        return (time.perf_counter() - started) * 1000

    while True:
        with contextlib.suppress(queue.Empty):
            once(0.5)
            break
    time.sleep(2)
    times = []
    for _ in range(PINGS):
        times.append(once(10))
        time.sleep(GAP_S)
    probe.mqtt.stop()
    return times


def without_and_with(run_console: Callable[[dict[str, Any]], object]) -> tuple[list[float], list[float]]:
    """The acks of a link that is alone in its process, and of one beside the console that `run_console` runs."""
    from livetui.aws import Aws
    from livetui.cloud import LocalCloud

    with LocalCloud.start() as cloud:
        aws = Aws(cloud.access)

        def settings() -> dict[str, Any]:
            token = uuid.uuid4().hex[:8]
            where = {"LocationConstraint": aws.region}
            aws.client("s3").create_bucket(Bucket=f"livetui-{token}", CreateBucketConfiguration=where)
            return {"app": f"app-{token}", "stage": "dev", "bucket": f"livetui-{token}", "access": asdict(aws.access)}

        plain = settings()
        command = [sys.executable, "-m", "tests.integration.link.console_child",
                   json.dumps({**plain, "seed": bytes(32).hex(), "owner": "ada@laptop", "hold": True})]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as alone:
            without = acks(aws, plain["app"])
            assert alone.stdin is not None
            alone.stdin.close()
        shown = settings()
        found: list[float] = []
        probing = threading.Thread(target=lambda: found.extend(acks(aws, shown["app"])))
        probing.start()
        run_console(shown)
        probing.join()
    return without, found
