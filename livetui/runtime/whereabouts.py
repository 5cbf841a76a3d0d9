"""Where a handler was when its time was over: faulthandler's words, as the worker writes them, made a traceback."""

from __future__ import annotations

import linecache
import os
import re
import signal
from pathlib import Path

from livetui.runtime.faults import HUNG

SIGNAL: int | None = signal.SIGRTMAX - 3 if hasattr(signal, "SIGRTMAX") else None
"""What has a worker write it (`worker_loop` has the same); None where nothing can, as on Windows and macOS."""
ASK_S = 0.1
"""Seconds that a worker has for it; C code that runs does not keep it from it."""
_THREAD = re.compile(r"(?:Current thread|Thread) 0x[0-9a-f]+ .*\(most recent call first\):")
_FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+|\?\?\?) in (?P<name>.*)')
_NO_FRAME = ("  ...", "  Garbage-collecting", "  <no Python frame>")
_OWN = str(Path(__file__).parent) + os.sep
_OTHERS = 4
"""Threads besides the handler's that are shown."""


class Whereabouts:
    """Takes the lines of a worker's stderr after it was asked."""

    def __init__(self, code_root: Path) -> None:
        self._code_root = str(code_root) + os.sep
        self._threads: list[list[str]] = []
        self._asked = False
        self._parts = False
        self.complete = False
        """Whether all was said: the handler's thread comes last, which `worker.py` began; of one that is too deep its
        begin is left out, and it is known as the one that was asked."""

    def takes(self, line: str) -> bool:
        """Whether a line is of these words, and not one of the handler's own."""
        parts, self._parts = self._parts, False
        if self.complete:
            return False
        if _THREAD.fullmatch(line):
            self._threads.append([])
            self._asked = line.startswith("Current")
            return True
        if self._threads and line == "...":  # there are more threads than faulthandler writes
            return True
        if not self._threads or not (_FRAME.fullmatch(line) or line in _NO_FRAME):
            return parts and not line  # faulthandler parts threads by one empty line
        self._threads[-1].append(line)
        self._parts = True
        self.complete = (self._asked and line == "  ...") or _is_outermost(line)
        return True

    def traceback(self) -> list[str]:
        """Lines of a traceback as Python prints it, the innermost frame last; empty unless all was said."""
        if not self.complete:
            return []
        *others, main = self._threads
        lines = [HUNG, *self._frames(main)]
        for thread in [frames for frames in others if any(self._code_root in frame for frame in frames)][:_OTHERS]:
            lines += ["livetui: and in another thread:", *self._frames(thread)]
        return lines

    @staticmethod
    def _frames(thread: list[str]) -> list[str]:
        lines: list[str] = []
        for frame in filter(None, map(_FRAME.fullmatch, reversed(thread))):
            file = _file(frame)
            if file.startswith((_OWN, "<frozen importlib")):
                continue
            lines.append(f'  File "{file}", line {frame["line"]}, in {frame["name"]}')
            linecache.checkcache(file)
            if frame["line"].isdigit() and (source := linecache.getline(file, int(frame["line"])).strip()):
                lines.append(f"    {source}")
        return lines


def _file(frame: re.Match[str]) -> str:
    return re.sub(r"\\(?:x\w{2}|u\w{4}|U\w{8})", lambda found: chr(int(found[0][2:], 16)), frame["file"])


def _is_outermost(line: str) -> bool:
    frame = _FRAME.fullmatch(line)
    return frame is not None and (frame["name"], _file(frame)) == ("<module>", _OWN + "worker.py")
