"""What a handler sees of Lambda: its context, errors and logging. Runs in the user's interpreter: stdlib only, 3.9+.

The reference is AWS's `awslambdaric` (`bootstrap.py`, `lambda_context.py`, `lambda_runtime_log_utils.py`);
`docs/fidelity.md` lists what differs and why.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import time
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import Any, ClassVar, Protocol

    class Sink(Protocol):
        """Where log records go."""

        def log(self, message: str) -> None:
            """Send one record."""

W3C_FIELDS = ("traceparent", "tracestate", "baggage")
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_NO_BREAK_SPACE = "\u00a0"


class Fault(Exception):
    """An error that the runtime itself reports, with the type Lambda gives it (`Runtime.…`)."""

    def __init__(self, kind: str, message: str, trace: list[str] | None = None) -> None:
        Exception.__init__(self, message)
        self.kind = kind
        self.message = message
        self.trace = trace


def load_handler(name: str) -> Callable[[Any, LambdaContext], Any]:
    """Import `module.function`. Raises `Fault`, or whatever the module raises while it is imported."""
    module_name, dot, function = name.rpartition(".")
    if not dot:
        raise Fault("Runtime.MalformedHandlerName",
                    f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)")
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict",
                    f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}",
                    [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']) from error
    try:
        handler: Callable[[Any, LambdaContext], Any] = getattr(module, function)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound",
                    f"Handler '{function}' missing on module '{module_name}'") from None
    return handler


def error_json(kind: str, message: str, trace: list[str] | None, request_id: str | None = None) -> dict[str, Any]:
    """The error object in Lambda's order of keys."""
    return {"errorMessage": message or "", "errorType": kind or "", "requestId": request_id or "",
            "stackTrace": trace or []}


def describe_exception(error: BaseException, own_files: Collection[str],
                       request_id: str | None = None) -> dict[str, Any]:
    """The error object of an exception of user code, without the frames of the runtime (`own_files`)."""
    if isinstance(error, Fault):
        return error_json(error.kind, error.message, error.trace, request_id)
    frames: list[Any] = [(f.filename, f.lineno, f.name, f.line) for f in traceback.extract_tb(error.__traceback__)
                         if f.filename not in own_files]
    # Lambda hides leading frames of any file named bootstrap.py, its own being one.
    for index, frame in enumerate(frames):
        if "/bootstrap.py" not in frame[0]:
            frames = frames[index:]
            break
    return error_json(type(error).__name__, str(error), traceback.format_list(frames), request_id)


class _Slots:
    """An object with fixed fields, filled from a mapping; absent ones are None."""

    __slots__: tuple[str, ...] = ()
    _shown: ClassVar[tuple[str, ...]] = ()

    def __init__(self, values: Mapping[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, values.get(name, None))

    def __repr__(self) -> str:
        fields = ",".join(f"{name}={getattr(self, name)}" for name in self._shown)
        return f"{type(self).__name__}([{fields}])"


class CognitoIdentity(_Slots):
    """Who called through a mobile SDK."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")
    _shown = __slots__

    def __init__(self, values: Mapping[str, Any] | None) -> None:
        if values is not None:
            self.cognito_identity_id = values.get("cognitoIdentityId")
            self.cognito_identity_pool_id = values.get("cognitoIdentityPoolId")


class Client(_Slots):
    """The mobile application of a client context."""

    __slots__ = ("app_package_name", "app_title", "app_version_code", "app_version_name", "installation_id")
    _shown = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class ClientContext(_Slots):
    """What a mobile SDK or the caller of Invoke sent along."""

    __slots__ = ("client", "custom", "env")
    _shown = ("custom", "env", "client")
    client: Any

    def __init__(self, values: Mapping[str, Any]) -> None:
        _Slots.__init__(self, values)
        if self.client is not None:
            self.client = Client(self.client)


def _parse(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Fault("Runtime.LambdaContextUnmarshalError",
                    f"Unable to parse {name} JSON: {error}") from error


class LambdaContext:
    """The second argument of a handler."""

    def __init__(self, call: Mapping[str, Any]) -> None:
        client = _parse(call["client_context"], "Client Context") if call.get("client_context") else None
        identity = _parse(call["identity"], "Cognito Identity") if call.get("identity") else None
        environ = os.environ.get
        self.aws_request_id = call["request_id"]
        self.log_group_name = environ("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environ("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environ("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environ("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = call.get("arn")
        self.tenant_id = call.get("tenant_id")
        self._w3c_fields = self._take_w3c(client)
        self.client_context = None if client is None else ClientContext(client)
        self.identity = CognitoIdentity(identity if identity is not None else {})
        self._epoch_deadline_time_in_ms = call["deadline_ms"]

    @staticmethod
    def _take_w3c(client: Any) -> dict[str, str]:
        fields = client.pop("w3c", None) if isinstance(client, dict) else None
        if not isinstance(fields, dict):
            return {}
        return {name: fields[name] for name in W3C_FIELDS if isinstance(fields.get(name), str)}

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function's configured timeout; never negative."""
        return max(0, int(self._epoch_deadline_time_in_ms) - int(time.time() * 1000))

    def w3c(self) -> dict[str, str]:
        """The W3C trace context of the call."""
        return dict(self._w3c_fields)

    def log(self, message: object) -> None:
        """Write to the function's log as it is, without a newline."""
        for handler in logging.getLogger().handlers:
            sink = getattr(handler, "log_sink", None)
            if sink is not None:
                sink.log(str(message))
                return
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        names = ("aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
                 "function_version", "invoked_function_arn", "client_context", "identity", "tenant_id")
        fields = ",".join(f"{name}={getattr(self, name)}" for name in names)
        return f"LambdaContext([{fields}])"


class Unbuffered:
    """A text stream that flushes after every write, as Lambda's stdout and stderr do."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __enter__(self) -> Unbuffered:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> None:
        """Write and flush; returns nothing, as in Lambda."""
        self.stream.write(text)
        self.stream.flush()

    def writelines(self, lines: Iterable[str]) -> None:
        """Write all and flush."""
        self.stream.writelines(lines)
        self.stream.flush()


class LambdaLoggerHandler(logging.Handler):
    """The root logger's handler: one record, one entry of the log."""

    def __init__(self, log_sink: Sink) -> None:
        logging.Handler.__init__(self)
        self.log_sink = log_sink

    def emit(self, record: logging.LogRecord) -> None:
        """Format and send one record."""
        self.log_sink.log(self.format(record))


class LambdaLoggerHandlerWithFrameType(LambdaLoggerHandler):
    """The same under the name it has in Lambda when a log format or level is set."""


class RequestFilter(logging.Filter):
    """Puts the id of the running request (and the tenant's) on every record."""

    request_id = ""
    tenant_id: str | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Let everything pass."""
        record.aws_request_id = self.request_id or ""
        record.tenant_id = self.tenant_id
        return True


_RESERVED = frozenset((  # noqa: SIM905
    "name msg args levelname levelno pathname filename module exc_info exc_text stack_info lineno funcName created "
    "msecs relativeCreated thread threadName processName process aws_request_id tenant_id _frame_type").split())


class JsonFormatter(logging.Formatter):
    """The log format `JSON` of a function's LoggingConfig."""

    _encode = staticmethod(json.JSONEncoder(ensure_ascii=False, default=str).encode)

    def __init__(self) -> None:
        logging.Formatter.__init__(self, datefmt=_TIME_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object and a newline."""
        record.levelno = min(50, max(0, record.levelno)) // 10 * 10
        record.levelname = logging.getLevelName(record.levelno)
        as_is = isinstance(record.msg, dict) and not record.args
        kind, error, trace = record.exc_info or (None, None, None)
        entry: dict[str, Any] = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "message": record.msg if as_is else record.getMessage(),
            "logger": record.name,
            "stackTrace": traceback.format_tb(trace) if record.exc_info else None,
            "errorType": kind.__name__ if kind is not None else None,
            "errorMessage": str(error) if record.exc_info else None,
            "requestId": getattr(record, "aws_request_id", None),
            "location": f"{record.pathname}:{record.funcName}:{record.lineno}" if record.exc_info else None,
        }
        if (tenant := getattr(record, "tenant_id", None)) is not None:
            entry["tenantId"] = tenant
        for name, value in record.__dict__.items():
            if name not in _RESERVED and name not in entry:
                entry[name] = value
        return self._encode({name: value for name, value in entry.items() if value is not None}) + "\n"


def set_up_logging(sink: Sink) -> RequestFilter:
    """Give the root logger Lambda's handler, format and level (`AWS_LAMBDA_LOG_FORMAT`, `…_LEVEL`)."""
    as_json = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    # Lambda maps only the exact name TRACE.
    level = "DEBUG" if os.environ.get("AWS_LAMBDA_LOG_LEVEL") == "TRACE" else level
    logging.Formatter.converter = staticmethod(time.gmtime)
    handler = LambdaLoggerHandlerWithFrameType(sink) if as_json or level else LambdaLoggerHandler(sink)
    if as_json:
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S"))
    root = logging.getLogger()
    if level in ("CRITICAL", "FATAL", "ERROR", "WARN", "WARNING", "INFO", "DEBUG", "NOTSET"):
        root.setLevel(level)
    request_filter = RequestFilter()
    handler.addFilter(request_filter)
    root.addHandler(handler)
    return request_filter


def _hard_indent(line: str) -> str:
    text = line.lstrip(" ")
    return _NO_BREAK_SPACE * (len(line) - len(text)) + text


def log_error(error: Mapping[str, Any], sink: Sink, encode: Callable[[Any], str]) -> None:
    """Write the error to the function's log in the words and shape of Lambda."""
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON":
        stamp = time.strftime(_TIME_FORMAT, logging.Formatter.converter(time.time()))
        sink.log(encode({"timestamp": stamp, "level": "ERROR", **error}))
        return
    kind, message = error["errorType"], error["errorMessage"]
    head = "[ERROR]" + (" " + kind if kind else "")
    if message:
        head += (":" if kind else "") + " " + message
    lines = [head, "Traceback (most recent call last):"]
    for entry in error["stackTrace"]:
        lines.extend([""] if entry == "" else [_hard_indent(line) for line in entry.splitlines()])
    sink.log("\n".join(lines))
