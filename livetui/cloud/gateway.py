"""The process that serves ministack: on a socket that the supervisor bound, as long as the supervisor lives."""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import signal
import sys
import threading
from typing import Any, cast

from livetui.cloud import (
    api_ids,
    cold_starts,
    decisions,
    layer_content,
    open_api,
    output_changes,
    patience,
    stack_events,
)
from livetui.cloud.guard import Guard

# Read by ministack while it is imported and never again. Functions inherit this process's environment, so what is not
# needed any more is taken out: an application's own LOG_LEVEL default must not be overruled by the emulator's.
_ONLY_FOR_IMPORT = ("LOG_LEVEL", "PYTHONPATH")


def main() -> None:
    """Serve until killed. Arguments: the socket (`fd://N`, or `127.0.0.1:PORT` on Windows) and the cloud's folder."""
    bind, folder = sys.argv[1:]
    certified = threading.Event()
    threading.Thread(target=_watch_supervisor, args=(folder, certified), name="supervisor-watch", daemon=True).start()
    _raise_descriptor_limit()
    app = importlib.import_module("ministack.app").app  # patches hypercorn, so it comes before hypercorn
    layer_content.install()
    open_api.install()
    api_ids.install()
    cold_starts.install()
    decisions.install()
    stack_events.install()
    output_changes.install()
    patience.install()
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    for name in _ONLY_FOR_IMPORT:
        os.environ.pop(name, None)
    certified.wait()
    config = Config()
    config.bind = [bind]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    config.certfile, config.keyfile = os.environ["MINISTACK_SSL_CERT"], os.environ["MINISTACK_SSL_KEY"]
    asyncio.run(serve(cast(Any, Guard(app)), config))


def _watch_supervisor(folder: str, certified: threading.Event) -> None:
    """Hear from stdin that the certificates are written, and then that the supervisor is gone before its time.

    Then its last duties are done here.
    """
    if os.read(sys.stdin.fileno(), 1):
        certified.set()
        os.read(sys.stdin.fileno(), 1)
    shutil.rmtree(folder, ignore_errors=True)
    if os.name == "posix":
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def _raise_descriptor_limit() -> None:
    """Bursts of connections must not end at the soft limit of 1,024 (256 on macOS)."""
    if os.name != "posix":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 10_240 if hard == resource.RLIM_INFINITY else min(hard, 10_240)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main()
