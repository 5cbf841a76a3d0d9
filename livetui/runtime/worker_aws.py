"""Records the AWS calls that a handler makes with botocore. Runs in the user's interpreter: stdlib only, 3.9+.

Nothing is imported for it: a finder waits for the handler to import `botocore.client`, and each client then gets
three event hooks, which only look. A call's arguments, answer and timing are the client's own.
"""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_MODULE = "botocore.client"
_STARTED = "_livetui_started"
_TARGET = "_livetui_target"
_TARGETS = (
    "TableName", "Bucket", "QueueUrl", "QueueName", "TopicArn", "TargetArn", "FunctionName", "stateMachineArn",
    "SecretId", "KeyId", "StreamName", "DeliveryStreamName", "ParameterName", "RoleArn", "logGroupName", "StackName",
    "EventBusName", "UserPoolId", "modelId", "Name", "Names", "Id",
)
"""Parameters that say what a call is about, the most telling first."""


def watch(send: Callable[[Mapping[str, Any]], None]) -> None:
    """Report each call of every client through `send`, once botocore is imported."""
    if _MODULE in sys.modules:
        _hook(sys.modules[_MODULE], send)
    else:
        sys.meta_path.insert(0, _Finder(send))


class _Finder:
    """Lets the import of `botocore.client` happen as it would, and then hooks the module."""

    def __init__(self, send: Callable[[Mapping[str, Any]], None]) -> None:
        self._send = send

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The spec of the others' finding, with a loader that hooks the module after it ran."""
        if name != _MODULE:
            return None
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                self._follow(spec.loader)
                return spec
        return None

    def _follow(self, loader: Any) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            _hook(module, self._send)

        loader.exec_module = exec_module


def _hook(module: Any, send: Callable[[Mapping[str, Any]], None]) -> None:
    """Have every new client of the module tell its calls."""
    plain = module.BaseClient.__init__

    def __init__(self: Any, *values: Any, **named: Any) -> None:  # noqa: N807
        plain(self, *values, **named)
        _listen(self, send)

    module.BaseClient.__init__ = __init__


def _listen(client: Any, send: Callable[[Mapping[str, Any]], None]) -> None:
    events, region = client.meta.events, client.meta.region_name

    def provided(params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        context[_TARGET] = _target(params)

    def before(model: Any, context: dict[str, Any], **_: Any) -> None:
        context[_STARTED] = (time.perf_counter(), model)

    def after(http_response: Any, parsed: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        meta = parsed.get("ResponseMetadata") or {}
        error = parsed.get("Error") or {}
        words = f"{error.get('Code', '')}: {error.get('Message', '')}" if error else ""
        status = meta.get("HTTPStatusCode", http_response.status_code)
        tell(context, status, meta.get("RequestId", ""), words, _sent(parsed))

    def failed(exception: BaseException, context: dict[str, Any], **_: Any) -> None:
        tell(context, 0, "", f"{type(exception).__name__}: {exception}")

    def tell(context: dict[str, Any], status: int, request_id: str, error: str, sent: tuple[str, ...] = ()) -> None:
        started, model = context.get(_STARTED, (0.0, None))
        if model is not None:
            send({"t": "aws", "service": model.service_model.service_name, "operation": model.name,
                  "target": context.get(_TARGET, ""), "status": status, "request_id": request_id, "error": error,
                  "sent": (request_id,) if model.name == "Invoke" and request_id else sent,
                  "region": region or "", "ms": (time.perf_counter() - started) * 1000})

    events.register_first("before-parameter-build", provided, unique_id="livetui-provided")
    events.register_first("before-call", before, unique_id="livetui-before")
    events.register_last("after-call", after, unique_id="livetui-after")
    events.register_last("after-call-error", failed, unique_id="livetui-failed")


def _sent(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids of the messages and events that a call sent: SendMessage, Publish, their batches, PutEvents."""
    entries = answer.get("Successful") or answer.get("Entries") or ()
    found = [answer.get("MessageId"), *(each.get("MessageId") or each.get("EventId") for each in entries
                                        if isinstance(each, dict))]
    return tuple(id for id in found if isinstance(id, str))[:1000]


def _target(params: Mapping[str, Any]) -> str:
    """What the call is about, in a few words: table, bucket and key, queue's name, …"""
    for name in _TARGETS:
        value = params.get(name)
        if isinstance(value, str) and value:
            short = value.rsplit("/", 1)[-1] if name == "QueueUrl" else value
            return f"{short}/{params['Key']}" if name == "Bucket" and params.get("Key") else short
        if isinstance(value, (list, tuple)) and value and isinstance(value[0], str):
            return str(value[0])
    entries = params.get("Entries")
    if isinstance(entries, (list, tuple)) and entries and isinstance(entries[0], dict):
        return str(entries[0].get("EventBusName", "default"))
    tables = params.get("RequestItems")
    return ", ".join(map(str, tables)) if isinstance(tables, dict) else ""
