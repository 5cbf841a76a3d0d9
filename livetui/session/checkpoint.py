"""Moves what was written from the write-ahead log into the file, on a thread of its own.

SQLite would do that inside some commit, and wait for the disk there: 5 to 50 ms in which the engine answers nobody.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from pathlib import Path

from livetui.session import schema

log = logging.getLogger(__name__)
_PAGE = 4096
_EVERY = 1000
"""Pages written between two checkpoints, about 4 MB: what SQLite does by itself."""


class Checkpointer:
    """Owned by a store that writes; its thread starts at the first need and ends with `close()`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pages = 0
        self._due = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    def wrote(self, size: int) -> None:
        """A transaction with about `size` bytes of bodies was committed."""
        self._pages += 3 + size // _PAGE
        if self._pages >= _EVERY:
            self._pages = 0
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="livetui-checkpoint", daemon=True)
                self._thread.start()
            self._due.set()

    def close(self) -> None:
        """End the thread; a checkpoint that runs is finished first. Safe to call twice."""
        self._closing = True
        self._due.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._closing:
                return
            try:
                with contextlib.closing(schema.connect(self._path)) as connection:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            except sqlite3.Error as error:  # the log grows meanwhile; writing and reading tell what is wrong
                log.warning("the history's log could not be checkpointed: %s", error)
