"""What an answer says of itself, and a log of a call that ran out of time."""

from __future__ import annotations

from collections.abc import Iterable

from livetui.runtime.faults import HUNG
from livetui.session.invocation import LogLine
from livetui.session.peek import Peek


def outcome_of(response: bytes) -> tuple[int | None, int]:
    """The `statusCode` (100 to 599) and the number of `batchItemFailures` of a handler's answer.

    Sources: API Gateway, "Lambda proxy integrations"; Lambda, "Handling errors for an SQS event source".
    """
    status, failed = None, 0
    if b'"statusCode"' in response:
        code = Peek(response).scalar("statusCode")
        status = int(code) if code.isascii() and code.isdigit() and len(code) == 3 and code[0] in "12345" else None
    if b'"batchItemFailures"' in response:
        failed = len(Peek(response)["batchItemFailures"])
    return status, failed


def hung_at(logs: Iterable[LogLine]) -> list[str]:
    """The frames where a call was when its time was over, as in a `stackTrace`; empty when its log does not say."""
    frames: list[str] = []
    lines = iter(logs)
    for each in lines:
        if each.text == HUNG:
            break
    for each in lines:
        if each.text.startswith('  File "'):
            frames.append(each.text + "\n")
        elif frames and each.text.startswith("    "):
            frames[-1] += each.text + "\n"
        else:
            break
    return frames
