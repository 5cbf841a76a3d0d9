"""A livetui command as a child process whose JSON events can be waited for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class ConsoleProcess:
    """`livetui … --json` in a folder; `events` grows while it runs."""

    def __init__(self, folder: Path, *words: str, environment: dict[str, str] | None = None) -> None:
        self.events: list[Event] = []
        self._grown = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "livetui", *words, "--json"], cwd=folder, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **(environment or {})})
        self._readers = [threading.Thread(target=self._read_events, daemon=True),
                         threading.Thread(target=self._read_words, daemon=True)]
        self.words = ""
        for reader in self._readers:
            reader.start()

    def _read_events(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._grown:
                self.events.append(json.loads(line))
                self._grown.notify_all()
        with self._grown:
            self._grown.notify_all()

    def _read_words(self) -> None:
        assert self.process.stderr
        self.words = self.process.stderr.read()

    def wait_for(self, wanted: Callable[[Event], bool], timeout: float = 60, after: int = 0) -> Event:
        """The first event from index `after` on that is wanted; fails with what was seen when none comes."""
        deadline = time.monotonic() + timeout
        with self._grown:
            while True:
                for event in self.events[after:]:
                    if wanted(event):
                        return event
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._readers[0].is_alive()):
                    seen = [event for event in self.events if event["event"] != "stack.progress"]
                    raise AssertionError(f"not seen within {timeout} s (exit {self.process.poll()}): "
                                         f"{json.dumps(seen[-8:], indent=1)}\n{self.words[-2000:]}")
                self._grown.wait(left)

    def live(self, timeout: float = 90) -> Event:
        """Wait until the session is live; its event."""
        return self.wait_for(lambda event: event["event"] == "session.live", timeout)

    def finished(self, timeout: float = 30, after: int = 0, **fields: Any) -> Event:
        """Wait for an invocation that finished with these fields."""
        return self.wait_for(lambda event: event["event"] == "invocation.finished"
                             and all(event[key] == value for key, value in fields.items()), timeout, after)

    def end(self, number: int = signal.SIGINT, timeout: float = 30) -> int:
        """Send a signal, wait for the end; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(5)
        return code
