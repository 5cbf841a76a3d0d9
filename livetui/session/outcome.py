"""What an answer says of itself: its HTTP status, and how many items of a batch it gives back as failed."""

from __future__ import annotations

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
