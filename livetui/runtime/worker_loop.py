"""Init and the loop of invocations in a worker. Runs in the user's interpreter: stdlib only, 3.9+."""

from __future__ import annotations

# pathlib costs a worker 5 ms of its start:
# ruff: noqa: PTH100, PTH112, PTH118, PTH120
import json
import os
import signal
import struct
import sys
import time
from _thread import allocate_lock, start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType
    from typing import Any

    Load = Callable[[str], ModuleType]

_HERE = os.path.dirname(os.path.abspath(__file__))
OWN_FILES = frozenset(os.path.join(_HERE, name) for name in (
    "worker.py", "worker_loop.py", "worker_lambda.py", "worker_json.py", "worker_aws.py", "worker_fork.py",
    "worker_debug.py", "worker_loopback.py"))
_CHUNK = 4096
_PIPE_BUF = 4096 if sys.platform == "linux" else 512  # such writes are never torn apart by other writers of the pipe
_FRAME = struct.Struct(">II")
_LOG = struct.Struct(">IBH")


class Channel:
    """Frames to and from the pool."""

    def __init__(self, reader: Any, write: Callable[[memoryview], int]) -> None:
        self._reader = reader
        self._send = write
        self._lock = allocate_lock()
        self._pid = os.getpid()

    @classmethod
    def of(cls, fd: int) -> Channel:
        """Over a descriptor, for as long as the process lives."""
        return cls(open(fd, "rb", buffering=1 << 16, closefd=False), lambda view: os.write(fd, view))

    def receive(self) -> tuple[dict[str, Any], bytes] | None:
        """The next frame as (header, body); None when the pool is gone."""
        head = self._reader.read(_FRAME.size)
        if len(head) < _FRAME.size:
            return None
        header, body = _FRAME.unpack(head)
        return json.loads(self._reader.read(header)), self._reader.read(body)

    def send(self, header: Mapping[str, Any], body: bytes = b"") -> None:
        """Send one frame; a process that the handler forked has nothing to say here."""
        if os.getpid() != self._pid:
            return
        text = json.dumps(header).encode()
        with self._lock:
            if len(body) < _CHUNK:
                self._write(_FRAME.pack(len(text), len(body)) + text + body)
            else:
                self._write(_FRAME.pack(len(text), len(body)) + text)
                self._write(body)

    def _write(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[self._send(view):]

    def is_forked(self) -> bool:
        """Whether this process is one that the handler forked."""
        return os.getpid() != self._pid


class LogSink:
    """Log records in the stdout pipe: chunks of token, record id, more-follows, length, text."""

    def __init__(self, token: bytes) -> None:
        self._fd = private(os.dup(1))
        self._token = token
        self._count = 0
        self._room = _PIPE_BUF - len(token) - _LOG.size

    def renew(self) -> None:
        """Follow descriptor 1 to where it leads now."""
        os.dup2(1, self._fd, inheritable=False)

    def log(self, message: str) -> None:
        """Send one record."""
        content = message.encode("utf-8")
        self._count += 1
        record = ((os.getpid() & 0xFFFF) << 16) | (self._count & 0xFFFF)
        while True:
            part, content = content[:self._room], content[self._room:]
            chunk = memoryview(self._token + _LOG.pack(record, bool(content), len(part)) + part)
            while chunk:
                chunk = chunk[os.write(self._fd, chunk):]
            if not content:
                return


def private(fd: int) -> int:
    """A descriptor that children of the handler do not inherit."""
    os.set_inheritable(fd, False)
    return fd


def end_with_console(lifeline: int) -> None:
    """Have this process group killed when the console's end of the lifeline closes, however the console ended."""
    import fcntl

    if not hasattr(fcntl, "F_SETSIG"):
        start_new_thread(_wait_for_end, (lifeline,))
        return
    # Linux: the kernel does it, and no thread of ours is in the handler's process.
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def _wait_for_end(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def say_where_when_asked() -> None:
    """Have the stack written to stderr at a signal (`whereabouts.SIGNAL`), whatever the handler is doing then."""
    if hasattr(signal, "SIGRTMAX"):
        import faulthandler

        faulthandler.register(signal.SIGRTMAX - 3, private(os.dup(2)), all_threads=True)


_libc: list[Any] = []


def _flush() -> None:
    """Push out what is still buffered in Python's streams and, where C code is likely to print, in C's."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()  # type: ignore[union-attr]
        except (AttributeError, OSError, ValueError):
            continue  # the handler replaced or closed it
    if "_ctypes" in sys.modules and os.name == "posix":
        if not _libc:
            import ctypes

            _libc.append(ctypes.CDLL(None))
        _libc[0].fflush(None)


class Modules:
    """Which files the handler's own code came from, and which modules of others it imported."""

    def __init__(self) -> None:
        self._seen = set(sys.modules)
        self._count = len(sys.modules)

    def news(self) -> dict[str, Any] | None:
        """What was imported since the last question, or None."""
        if len(sys.modules) == self._count:
            return None
        files, others = [], []
        for name, module in list(sys.modules.items()):
            if name in self._seen:
                continue
            self._seen.add(name)
            path = getattr(module, "__file__", None)
            if not isinstance(path, str) or not path or path.startswith(_HERE):
                continue
            if is_of_others(path):
                others.append(name)
            else:
                files.append(os.path.abspath(path))
        self._count = len(sys.modules)
        return {"t": "modules", "files": files, "others": others} if files or others else None


def _place(error: BaseException | None) -> tuple[str | None, int | None]:
    """File and line of a syntax error, or of the import that failed."""
    if isinstance(error, SyntaxError):
        return error.filename, error.lineno
    found: tuple[str | None, int | None] = None, None
    trace = error.__traceback__ if isinstance(error, ImportError) else None
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not (file.startswith(_HERE) or file.startswith("<") or is_of_others(file)):
            found = file, trace.tb_lineno
        trace = trace.tb_next
    return found


_STDLIB = os.path.dirname(os.__file__) + os.sep


def is_of_others(path: str) -> bool:
    """Whether a file belongs to the interpreter or to an installed package, not to the user's code."""
    return "site-packages" in path or "dist-packages" in path or path.startswith(_STDLIB)


def prepare_path(code_root: str, layers: list[str]) -> None:
    """`sys.path` as in Lambda: the code first, then the layers, then the interpreter's own.

    Lambda merges the layers into one `/opt`, where a later one overwrites: here the later ones come first. A layer's
    source folder, which `sam build` would put into `python/`, is used as it is.
    """
    version = "python{}.{}".format(*sys.version_info)
    layers = layers[::-1]
    path = [os.path.join(layer, "python", "lib", version, "site-packages") for layer in layers]
    for layer in layers:
        path.append(os.path.join(layer, "python") if os.path.isdir(os.path.join(layer, "python")) else layer)
    sys.path[:0] = [code_root, *filter(os.path.isdir, path)]


class Runtime:
    """One worker's life: init once, then invocations one at a time."""

    channel: Channel

    def __init__(self, load: Load, setup: Mapping[str, Any]) -> None:
        """Make everything as the handler's module finds it: path, streams, logging. Nothing of the user's runs."""
        self.lambda_ = load("worker_lambda")
        self.json = load("worker_json")
        self._load = load
        self.debug: Any = None
        self.requests: Any = None
        self.handler: Any = None
        prepare_path(setup["code_root"], setup["layers"])
        sys.argv[:] = [os.path.join(setup["code_root"], "bootstrap")]
        self.encoder = self.json.Encoder(os.environ.get("AWS_EXECUTION_ENV", ""))
        self.sink = LogSink(bytes.fromhex(setup["token"]))
        sys.stdout = self.lambda_.Unbuffered(sys.stdout)
        sys.stderr = self.lambda_.Unbuffered(sys.stderr)
        self.requests = self.lambda_.set_up_logging(self.sink)
        self._load("worker_aws").watch(self._send)

    def _send(self, header: Mapping[str, Any]) -> None:
        self.channel.send(header)

    def start(self, init: Mapping[str, Any]) -> bool:
        """Import the handler and say how that went. Returns False when it cannot be used."""
        os.environ.update(init["environment"])
        say_where_when_asked()
        if init.get("debug"):
            self.debug = self._load("worker_debug")
            self.debug.start(init["debug"])
        sys.breakpointhook = self._breakpoint  # pydevd has put in its own
        self.modules = Modules()
        environment = dict(os.environ)
        began = time.perf_counter()
        try:
            self.handler = self.lambda_.load_handler(os.environ["_HANDLER"])
        except Exception as error:  # noqa: BLE001  (reported as Lambda does)
            ms = (time.perf_counter() - began) * 1000
            raised = error.__cause__ if isinstance(error, self.lambda_.Fault) else error
            if self.debug is not None and raised is not None:
                self.debug.on_handler_error(raised)
            self._report("failed", self._described(error), ms)
            self._tell_modules()
            return False
        ms = (time.perf_counter() - began) * 1000
        changed = [name for name in environment.keys() | os.environ if environment.get(name) != os.environ.get(name)]
        self.channel.send({"t": "ready", "ms": ms, "changed_environment": changed})
        self._tell_modules()
        return True

    def _breakpoint(self, *arguments: Any, **named: Any) -> Any:
        # Python's own would ask a terminal that a worker does not have.
        if os.environ.get("PYTHONBREAKPOINT"):
            return sys.__breakpointhook__(*arguments, **named)
        if self.debug is not None and not self.channel.is_forked():
            attaches = self.debug.may_attach()
            if attaches:
                self.channel.send({"t": "attaching"})
            stopped = self.debug.stop_at(sys._getframe(1))
            if attaches:
                self.channel.send({"t": "attached", "stops": stopped})
            sys.breakpointhook = self._breakpoint
            if stopped:
                return None
        sys.stderr.write("breakpoint(): no debugger is attached; set a breakpoint with b in livetui's console.\n")
        return None

    def _tell_modules(self) -> None:
        news = self.modules.news()
        if news:
            self.channel.send(news)

    def _described(self, error: Exception, request_id: str | None = None) -> dict[str, Any]:
        file, line = _place(error.__cause__)
        return {"file": file, "line": line, "error": self.lambda_.describe_exception(error, OWN_FILES, request_id)}

    def _report(self, kind: str, failure: dict[str, Any], ms: float) -> None:
        error = failure.pop("error")
        body = self.encoder.encode(error)
        self.lambda_.log_error(error, self.sink, self.encoder.encode)
        _flush()
        self.channel.send({"t": kind, "ms": ms, "type": error["errorType"], "message": error["errorMessage"],
                           **failure}, body.encode("utf-8"))

    def invoke(self, call: Mapping[str, Any], event: bytes) -> None:
        """Run the handler once and send its answer, after everything that it printed."""
        os.environ.update(call["environment"])
        if call.get("trace_id") is not None:
            os.environ["_X_AMZN_TRACE_ID"] = call["trace_id"]
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        self.requests.request_id = call["request_id"]
        self.requests.tenant_id = call.get("tenant_id")
        if self.debug is not None:
            self.debug.before_invocation(call["id"])
        began, failure = time.perf_counter(), None
        try:
            answer = self._answer(call, event)
        except Exception as error:  # noqa: BLE001  (reported as Lambda does)
            ms = (time.perf_counter() - began) * 1000
            if self.channel.is_forked():
                os._exit(1)
            if self.debug is not None and not isinstance(error, self.lambda_.Fault):
                self.debug.on_handler_error(error)
            failure = self._described(error, call["request_id"])
        else:
            ms = (time.perf_counter() - began) * 1000
            if self.channel.is_forked():
                os._exit(0)
            body = answer if isinstance(answer, bytes) else answer.encode("utf-8")
            _flush()
            self.channel.send({"t": "result", "ms": ms}, body)
        if failure is not None:  # here, so that what this may raise in turn is printed alone, as in Lambda
            self._report("error", failure, ms)
        self._tell_modules()

    def _answer(self, call: Mapping[str, Any], event: bytes) -> str | bytes:
        context = self.lambda_.LambdaContext(call)
        try:
            decoded = self.json.decode(event)
        except Exception as error:  # reported as Lambda does
            raise self.lambda_.Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error
        answer = self.handler(decoded, context)
        if isinstance(answer, bytes):
            return answer
        try:
            text: str = self.encoder.encode(answer)
        except Exception as error:  # reported as Lambda does
            raise self.lambda_.Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from error
        return text


def serve(channel: Channel, load: Load, runtime: Runtime | None = None) -> None:
    """Serve one pool until it closes the channel; leaves with status 1 after a failed init, as Lambda's does."""
    frame = channel.receive()
    if frame is None:
        return
    if runtime is None:
        runtime = Runtime(load, frame[0])
    runtime.channel = channel
    if not runtime.start(frame[0]):
        sys.exit(1)
    while True:
        frame = channel.receive()
        if frame is None:
            os._exit(0)
        runtime.invoke(*frame)


def main(load: Load, role: str, *descriptors: str) -> None:
    """Entry of a fresh process: a worker, or a parent from which workers are forked."""
    if role == "loopback":
        serve(Channel(*load("worker_loopback").connect()), load)
        return
    control, lifeline = map(int, descriptors)
    end_with_console(private(lifeline))
    if role == "fork":
        load("worker_fork").main(private(control), lifeline, load)
    else:
        serve(Channel.of(private(control)), load)
