"""A console in a process of its own, to be killed: answers with the event, or never (`hold`)."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from livetui.aws import Aws, CloudAccess
from livetui.link.link import Link, LinkConfig
from livetui.link.messages import Answer, Call


async def main(settings: dict[str, Any]) -> None:
    def on_call(call: Call) -> None:
        print("call", call.attempt, flush=True)
        if not settings["hold"]:
            link.answer(call.attempt, Answer(call.event))

    config = LinkConfig(settings["app"], settings["stage"], settings["bucket"], bytes.fromhex(settings["seed"]),
                        settings["owner"])
    link = Link(config, Aws(CloudAccess(**settings["access"])), on_call, lambda attempt: None, lambda state: None)
    await link.open()
    print("live", link.session, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
