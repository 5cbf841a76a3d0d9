"""The Lambda entry point of every live function: carries the event to the console and its answer back.

`stub_runtime.handler.handler` is the function's `Handler`; all that it needs to know is in `LIVETUI`.
"""

from __future__ import annotations

from stub_runtime import lean  # first: what follows is cheaper for it

# isort: split
import base64
import importlib
import json
import os
import sys
import time
from typing import Any

from stub_runtime import errors, marshal
from stub_runtime.actions import Fetch, Finish, Look, Publish, Reconnect, Store, StubAction
from stub_runtime.config import VARIABLE, StubConfig
from stub_runtime.connection import Connection, Happened
from stub_runtime.deadman import DeadMan
from stub_runtime.machine import StubMachine
from stub_runtime.payloads import Payloads
from stub_runtime.replay import reply_with_keys
from stub_runtime.sealing import sha256
from stub_runtime.topics import Topics

_VOLATILE = frozenset({
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "_X_AMZN_TRACE_ID", "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_INITIALIZATION_TYPE", VARIABLE,
})


RAW = marshal.install()
"""Whether the runtime client lets raw JSON through; done at import, before the first event is parsed."""


class Stub:
    """One execution environment: its machine, its connection and its bucket."""

    def __init__(self, config: StubConfig, dead_man: DeadMan | None = None) -> None:
        self.config = config
        self.dead_man = dead_man or DeadMan(config.armed, config.disarm_after)
        self.topics = Topics(config.app, config.stage)
        self.environment = os.urandom(8).hex()
        self.raw = RAW
        self.connection = Connection(config, self.topics, self.environment)
        self.payloads = Payloads(config.bucket, config.region)
        self.machine = StubMachine(self.topics, config.function, self.environment, base64.b64decode(config.verify_key),
                                   config.s3_from, bool(config.bucket))
        self._variables = variables_hash()
        self._finished: Finish | None = None
        self._slept_at = time.time()

    def connect(self) -> None:
        """Begin to connect, without waiting."""
        self.connection.open()

    def run(self, body: bytes, context: Any) -> Finish:
        """One call, from the event's bytes to how it ended."""
        self.connection.open()
        while (happened := self.connection.next(0)) is not None:
            self._carry_out(self._feed(happened))
        self._finished = None
        machine = self.machine
        try:
            self._carry_out(machine.begin(os.urandom(16).hex(), self._head(context), body,
                                          context.get_remaining_time_in_millis, time.monotonic(),
                                          time.time() - self._slept_at))
            while self._finished is None:
                wake = machine.next_tick()
                now = time.monotonic()
                happened = self.connection.next(max(0.0, min(1.0, (wake if wake is not None else now) - now)))
                if happened is not None:
                    self._carry_out(self._feed(happened))
                else:
                    self._carry_out(machine.tick(time.monotonic()))
        finally:
            machine.end(time.monotonic())
            self.payloads.settle()
            self._slept_at = time.time()
        return self._finished

    def _feed(self, happened: Happened) -> list[StubAction]:
        now = time.monotonic()
        if happened.what == "message":
            return self.machine.received(happened.payload, now)
        if happened.what == "subscribed":
            return self.machine.subscribed(now)
        if happened.what == "denied":
            return self.machine.denied(happened.detail, now)
        return self.machine.disconnected(now, happened.detail)

    def _carry_out(self, actions: list[StubAction]) -> None:
        for action in actions:
            if isinstance(action, Publish):
                self.connection.publish(action)
            elif isinstance(action, Finish):
                self._finished = action
            elif isinstance(action, Look):
                self.connection.look()
            elif isinstance(action, Reconnect):
                self.connection.reopen()
            elif isinstance(action, Store):
                failure = self.payloads.store(action.key, action.content, self.machine.left(time.monotonic()))
                if failure is not None:
                    self._carry_out(self.machine.stored(action.key, failure, time.monotonic()))
            elif isinstance(action, Fetch):
                fetched = self.payloads.fetch(action.key, self.machine.left(time.monotonic()))
                if fetched is not None:
                    self._carry_out(self.machine.fetched(action.key, *fetched, time.monotonic()))

    def _head(self, context: Any) -> dict[str, Any]:
        environ = os.environ
        return {
            "function": self.config.function, "environment": self.environment, "hash": self._variables,
            "context": describe_context(context, self.config),
            "keys": [environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", ""),
                     environ.get("AWS_SESSION_TOKEN", "")],
        }


def variables_hash() -> str:
    """A short hash of the variables that only a new deployment changes: it gives every environment a new process."""
    lines = sorted(f"{name}={value}" for name, value in os.environ.items() if name not in _VOLATILE)
    return sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hex()[:16]


def describe_context(context: Any, config: StubConfig) -> dict[str, Any]:
    """Lambda's context as plain values; memory is the user's configured one, not the raised live one."""
    identity = getattr(context, "identity", None)
    client = getattr(context, "client_context", None)
    cognito = [getattr(identity, name, None) for name in ("cognito_identity_id", "cognito_identity_pool_id")]
    return {
        "request_id": str(getattr(context, "aws_request_id", "")),
        "function_name": str(getattr(context, "function_name", "")),
        "function_version": str(getattr(context, "function_version", "$LATEST")),
        "invoked_function_arn": str(getattr(context, "invoked_function_arn", "")),
        "memory_limit_in_mb": str(config.memory),
        "log_group_name": str(getattr(context, "log_group_name", "")),
        "log_stream_name": str(getattr(context, "log_stream_name", "")),
        # in the words of Lambda's own headers
        "identity": {"cognitoIdentityId": cognito[0], "cognitoIdentityPoolId": cognito[1]} if any(cognito) else None,
        "client_context": _client_context(client, context),
        "trace_id": os.environ.get("_X_AMZN_TRACE_ID", ""),
        "tenant_id": getattr(context, "tenant_id", None),
    }


def _client_context(client: Any, context: Any) -> dict[str, Any] | None:
    if client is None:
        return None
    app = getattr(client, "client", None)
    w3c = context.w3c() if hasattr(context, "w3c") else {}  # the runtime client takes it out of the client context
    names = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")
    return {"custom": getattr(client, "custom", None), "env": getattr(client, "env", None),
            "client": {name: getattr(app, name, None) for name in names} if app is not None else None,
            **({"w3c": w3c} if w3c else {})}


_stub: Stub | None = None


def _the_stub() -> Stub:
    global _stub  # noqa: PLW0603  (one per execution environment, made when it is first needed)
    if _stub is None:
        told = os.environ.get(VARIABLE)
        if not told:
            raise errors.LivetuiOverwritten(
                f"Something overwrote this function's variables, and {VARIABLE} with them: deploy the function again, "
                "or put it back with: livetui restore")
        _stub = Stub(StubConfig.from_json(told))
    return _stub


def handler(event: Any, context: Any) -> Any:
    """Lambda's entry point: returns or raises what the user's handler, running in the console, did."""
    stub = _the_stub()
    body = marshal.event_bytes(event)
    keys = reply_with_keys(body, stub.config)
    if keys is not None:
        return marshal.answer_value(keys, stub.raw)
    if stub.dead_man.resting(time.time()):
        return _deployed(stub, body, context)
    finish = stub.run(body, context)
    if finish.log:
        sys.stdout.write(finish.log)
        sys.stdout.flush()
    stub.dead_man.looked(finish.failure not in errors.NOTHING_RAN, time.time())
    if not finish.failure:
        if finish.error:
            raise marshal.error_from_json(finish.body)
        return marshal.answer_value(finish.body, stub.raw)
    if finish.failure in errors.NOTHING_RAN:
        return _offline(stub, body, context, finish)
    raise _typed(finish)


def _typed(finish: Finish) -> BaseException:
    if RAW:
        return marshal.function_error(finish.failure, finish.reason, [])
    return errors.BY_NAME.get(finish.failure, errors.LivetuiStubError)(f"{finish.failure}: {finish.reason}")


def _offline(stub: Stub, body: bytes, context: Any, finish: Finish) -> Any:
    """Nobody listens: a typed error, an HTTP 503 for HTTP events, or the deployed code, as configured."""
    policy = stub.config.offline
    overdue = stub.dead_man.overdue(time.time())
    if overdue:
        _rest(stub)
    if overdue or (policy == "deployed" and stub.config.handler):
        return _deployed(stub, body, context)
    if policy == "http-503" and _is_http(body):
        message = json.dumps({"error": finish.failure, "message": finish.reason})
        answer = {"statusCode": 503, "headers": {"content-type": "application/json", "retry-after": "5"},
                  "body": message, "isBase64Encoded": False}
        return marshal.answer_value(json.dumps(answer).encode("ascii"), stub.raw)
    raise _typed(finish)


def _is_http(body: bytes) -> bool:
    """Whether an event is from API Gateway (both versions), a function URL or a load balancer."""
    if b'"requestContext"' not in body:
        return False
    event = json.loads(body)
    context = event.get("requestContext") if isinstance(event, dict) else None
    return isinstance(context, dict) and ("httpMethod" in event or isinstance(context.get("http"), dict))


def _rest(stub: Stub) -> None:
    """Leave the connection; the next look for a console begins anew."""
    global _stub  # noqa: PLW0603
    stub.connection.close()
    _stub = Stub(stub.config, stub.dead_man)


def _deployed(stub: Stub, body: bytes, context: Any) -> Any:
    """What the function's own handler returns or raises."""
    module, _, function = stub.config.handler.rpartition(".")
    return getattr(importlib.import_module(module.replace("/", ".")), function)(json.loads(body), context)


lean.done()
if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "on-demand" and VARIABLE in os.environ:
    # INIT has free CPU; SnapStart and provisioned environments would carry a dead connection into their later life.
    _the_stub().connect()
