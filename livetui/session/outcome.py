"""What an answer says of itself, what Lambda makes of it, and a log of a call that ran out of time."""

from __future__ import annotations

import json
from collections.abc import Iterable

import msgspec

from livetui.runtime.contract import Outcome
from livetui.runtime.faults import HUNG, OURS
from livetui.session.invocation import LogLine
from livetui.session.peek import Peek
from stub_runtime.marshal import MAX_ANSWER, TOO_LARGE


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


def failed(error_type: str, message: str) -> Outcome:
    """A call that ends with an error of Lambda's or of livetui's own."""
    body = json.dumps({"errorType": error_type, "errorMessage": message}).encode()
    return Outcome("error", body, error_type=error_type, error_message=message)


def as_lambda_takes_it(outcome: Outcome) -> Outcome:
    """An answer that is too large for Lambda is an error: for the caller, and so for the row."""
    if outcome.kind != "ok" or len(outcome.body) <= MAX_ANSWER:
        return outcome
    error = failed(*TOO_LARGE)
    return msgspec.structs.replace(outcome, kind="error", body=error.body, error_type=error.error_type,
                                   error_message=error.error_message)


def remedies(logs: Iterable[LogLine]) -> list[str]:
    """What livetui says in the log of a call whose module did not import: where it looked, and what to do."""
    return [each.text.removeprefix(OURS) for each in logs if each.stream == "stderr" and each.text.startswith(OURS)]


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
