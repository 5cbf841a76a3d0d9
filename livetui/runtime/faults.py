"""The errors that Lambda's platform reports about a worker, in its words: timeouts and processes that ended."""

from __future__ import annotations

import json
import signal

# The names that Lambda's supervisor (a Go program) gives to signals.
_SIGNALS = {
    "SIGABRT": "aborted", "SIGALRM": "alarm clock", "SIGBUS": "bus error", "SIGFPE": "floating point exception",
    "SIGHUP": "hangup", "SIGILL": "illegal instruction", "SIGINT": "interrupt", "SIGKILL": "killed",
    "SIGPIPE": "broken pipe", "SIGQUIT": "quit", "SIGSEGV": "segmentation fault", "SIGTERM": "terminated",
    "SIGTRAP": "trace/breakpoint trap", "SIGUSR1": "user defined signal 1", "SIGUSR2": "user defined signal 2",
}

OURS = "livetui: "
"""How a line of a call's log begins that the handler did not write."""
HUNG = f"{OURS}its time was over here (most recent call last):"
"""The line in a call's log above the stack of a handler that ran out of time."""


def error_body(kind: str, message: str) -> bytes:
    """The JSON of an error that the platform reports, in Lambda's order of keys."""
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


def timeout_message(request_id: str, timeout_s: int) -> str:
    """What callers of a function get with `Sandbox.Timedout`; a time of day is in the platform's log line only."""
    return f"RequestId: {request_id} Error: Task timed out after {timeout_s}.00 seconds"


def exit_message(request_id: str, code: int) -> str:
    """How Lambda words a runtime process that ended; `code` as in `subprocess`, negative for a signal."""
    if code == 0:
        return f"RequestId: {request_id} Error: Runtime exited without providing a reason"
    if code > 0:
        return f"RequestId: {request_id} Error: Runtime exited with error: exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = ""
    return f"RequestId: {request_id} Error: Runtime exited with error: signal: {_SIGNALS.get(name, f'signal {-code}')}"
