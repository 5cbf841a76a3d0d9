"""A console in a process of its own, to be killed: answers with the event, or never (`hold`).

With a `store` it keeps what the engine keeps: an attempt's line is on disk before it runs, and again when it is done.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from livetui.aws import CloudAccess
from livetui.link.link import Link
from livetui.link.machine import Known
from livetui.link.messages import Answer, Call, LinkConfig
from stub_runtime.config import S3_FROM
from tests.integration.link.link_live import Dialled


async def main(settings: dict[str, Any]) -> None:
    """Run until stdin ends."""
    store = Path(settings["store"]) if settings.get("store") else None
    started = set(store.read_text().split()) if store is not None and store.exists() else set()
    journal = store.open("a") if store is not None else None

    def on_call(call: Call) -> None:
        if journal is not None:
            journal.write(call.attempt + "\n")
            journal.flush()
            os.fsync(journal.fileno())
        if not settings.get("quiet"):
            print("call", call.attempt, link.duplicates, flush=True)
        if not settings["hold"]:
            link.answer(call.attempt, Answer(call.event))

    def known(attempt: str) -> Known:
        return "started" if attempt in started else "unknown"

    config = LinkConfig(settings["app"], settings["stage"], settings["bucket"], bytes.fromhex(settings["seed"]),
                        settings["owner"], history=settings.get("history", "one"), connections=settings.get("connections", 1),
                        most_connections=settings.get("most_connections", 4),
                        s3_from=settings.get("s3_from", S3_FROM))
    link = Link(config, Dialled(CloudAccess(**settings["access"]), settings.get("port", 0)), on_call, lambda attempt: None, lambda state: None, known)
    await link.open()
    print("live", link.session, flush=True)
    await asyncio.to_thread(sys.stdin.read)  # ends with the one who started it
    print("end", link.session, link.duplicates, flush=True)
    await link.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
