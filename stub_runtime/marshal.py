"""Events and answers as the exact bytes that Lambda sees, and errors as its runtime client reports them.

The managed runtime parses every event and serialises every answer. The stub needs neither: where the runtime client
(awslambdaric) is loaded, its marshaller is made to pass raw JSON through, so that no value is changed on the way.
"""

from __future__ import annotations

import json
import sys
from typing import Any

MAX_ANSWER = 6 * 1024 * 1024 + 100
"""Largest synchronous answer in bytes (6 MB and Lambda's allowance: 6291556)."""
TOO_LARGE = ("Function.ResponseSizeTooLarge",
             f"Response payload size exceeded maximum allowed payload size ({MAX_ANSWER} bytes).")
"""Lambda's own type and words for a larger one."""


class RawEvent(bytes):
    """An event's JSON as Lambda sent it."""


class RawAnswer:
    """JSON that is handed to Lambda as it is."""

    def __init__(self, body: bytes) -> None:
        self.body = body


def install() -> bool:
    """Let raw JSON through the runtime client's marshaller; False where there is none (the local cloud)."""
    marshaller = sys.modules.get("awslambdaric.lambda_runtime_marshaller")
    cls = getattr(marshaller, "LambdaMarshaller", None)
    if cls is None:
        return False
    if getattr(cls, "livetui", False):
        return True
    plain_request, plain_response = cls.unmarshal_request, cls.marshal_response

    def unmarshal_request(self: Any, request: Any, content_type: str = "application/json") -> Any:
        if content_type == "application/json" and isinstance(request, (bytes, bytearray)):
            return RawEvent(request)
        return plain_request(self, request, content_type)

    def marshal_response(self: Any, response: Any) -> Any:
        if isinstance(response, RawAnswer):
            return response.body, "application/json"
        return plain_response(self, response)

    cls.unmarshal_request, cls.marshal_response, cls.livetui = unmarshal_request, marshal_response, True
    return True


def event_bytes(event: Any) -> bytes:
    """The event's JSON: as Lambda sent it, else written so that every value parses back identically."""
    if isinstance(event, RawEvent):
        return bytes(event)
    try:
        return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate is JSON only when it is escaped
        return json.dumps(event, separators=(",", ":")).encode("ascii")


def answer_value(body: bytes, raw: bool) -> Any:
    """What the handler returns for an answer's JSON. Raises Lambda's own error when it is over 6 MB."""
    if len(body) > MAX_ANSWER:
        raise function_error(*TOO_LARGE, [])
    return RawAnswer(body) if raw else json.loads(body)


def function_error(kind: str, message: str, trace: list[str]) -> BaseException:
    """An exception that makes Lambda report exactly this type, message and stack trace.

    The runtime client's `FaultException` carries all three (awslambdaric `handle_event_request`); elsewhere an
    exception class of that name is the best there is.
    """
    module = sys.modules.get("awslambdaric.lambda_runtime_exception")
    fault = getattr(module, "FaultException", None)
    if fault is not None:
        error: BaseException = fault(kind, message, trace)
        return error
    name = kind.rpartition(".")[2] if kind.isprintable() else ""
    exception: BaseException = type(name or "Exception", (Exception,), {"__module__": "builtins"})(message)
    return exception


def error_from_json(body: bytes) -> BaseException:
    """The exception for Lambda's error JSON (`errorType`, `errorMessage`, `stackTrace`)."""
    try:
        shape = json.loads(body)
    except ValueError:
        shape = None
    if not isinstance(shape, dict):
        return function_error("Exception", body.decode("utf-8", "replace")[:1000], [])
    trace = shape.get("stackTrace")
    return function_error(str(shape.get("errorType") or "Exception"), str(shape.get("errorMessage") or ""),
                          [str(line) for line in trace] if isinstance(trace, list) else [])
