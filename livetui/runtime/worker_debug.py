"""The debugger's side in a worker: dial the console, stop at handler errors, photograph them.

Runs in the user's interpreter (Python 3.9 and newer) and imports the standard library only; debugpy comes from the
user's environment or, by path, from livetui's.
"""
# Paths by os.path: pathlib would be imported into every worker for these few lines only.
# ruff: noqa: PTH100, PTH118, PTH120

from __future__ import annotations

import _socket  # the C part: `socket` itself takes milliseconds, and user code may replace it (gevent, test tools)
import json
import os
import sys
import time
import types
from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

OLDEST = (1, 8, 22)
"""The oldest debugpy that can do all that is needed: earlier ones lack `trigger_exception_handler`."""
READY_S = 10.0
"""Seconds to wait for the console to configure the debugger; the worker runs undebugged after them."""

_state: dict[str, Any] = {"config": None, "work": "", "attached": False, "listens": False, "debugger": None}
_attaching = allocate_lock()


def start(config: Mapping[str, Any]) -> None:
    """Attach to the console as `config` (from `Broker.prepare`) says, before the handler is imported.

    Blocks until breakpoints are set; never raises: what prevents debugging is told to the console.
    """
    _state["config"] = dict(config)
    if config.get("attach"):
        _try_to_attach(config)


def may_attach() -> bool:
    """Whether `stop_at` would attach first: nothing could stop this worker when it was started, but a console is there.

    Tried once only.
    """
    config = _state["config"]
    return config is not None and config.get("on_demand", False) and not _state["attached"]


def _try_to_attach(config: Mapping[str, Any]) -> None:
    try:
        _attach(config)
        _state["attached"] = True
        os.register_at_fork(after_in_child=_run_undebugged)
    except BaseException as error:  # noqa: BLE001 - told to the console; the handler must run all the same
        _tell({"kind": "refused", "reason": _refusal(error, config)})


def exempt(thread: threading.Thread) -> None:
    """Let `thread` run while user code is paused, and never stop in it."""
    thread.pydev_do_not_trace = True  # type: ignore[attr-defined]
    thread.is_pydev_daemon_thread = True  # type: ignore[attr-defined]


def before_invocation(work_id: str = "") -> None:
    """Call on the handler's thread before each invocation: traces it only when something can stop it.

    Python 3.12 and newer cost nothing when nothing can stop; older ones are 1.4 to 6 times slower while traced.
    """
    _state["work"] = work_id
    if not _state["attached"] or sys.version_info >= (3, 12):
        return
    import debugpy

    debugger = _debugger()
    wanted = any(getattr(debugger, name, None) for name in (
        "breakpoints", "break_on_caught_exceptions",
        "break_on_user_uncaught_exceptions", "function_breakpoint_name_to_breakpoint"))
    debugpy.trace_this_thread(wanted)


def stop_at(frame: types.FrameType) -> bool:
    """Stop in `frame` at its next line, for `breakpoint()`; False when nothing is attached, nor can be."""
    with _attaching:
        if may_attach():
            _state["config"]["on_demand"] = False
            _try_to_attach(_state["config"])
    if not _state["attached"]:
        return False
    sys.modules["pydevd"].settrace(suspend=True, trace_only_current_thread=True, patch_multiprocessing=False,
                                   stop_at_frame=frame)
    return True


def on_handler_error(error: BaseException) -> None:
    """Call in the `except` around the handler, on its thread: photographs `error`, and stops there when wanted."""
    if _state["config"] is None:
        return
    try:
        _tell(_photograph(error))
        if _state["attached"]:
            import debugpy

            debugpy.trigger_exception_handler(error)
    except Exception as trouble:  # noqa: BLE001 - told to the console; the handler's own error must get through
        _tell({"kind": "notice", "reason": f"The error could not be shown: {trouble!r}"})


def _attach(config: Mapping[str, Any]) -> None:
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    try:
        debugpy = _import_debugpy(config.get("debugpy"))
        _keep_no_log()
        debugpy.configure(subProcess=False)
        sys.modules["pydevd"].livetui_log = _log_text  # type: ignore[attr-defined]
        _state["listens"] = config.get("via") == "listen" or not _can_dial()
        if _state["listens"]:
            port = debugpy.listen((config["host"], 0))[1]
            _state["debugger"] = _debugger()
            _tell({"kind": "listening", "port": port})
            _wait_until_ready(debugpy.wait_for_client)
        else:
            _wait_until_ready(lambda: _dial(debugpy, config))
    finally:
        os.environ.pop("PYDEVD_DISABLE_FILE_VALIDATION", None)
    # pydevd writes in pieces; the console's own remedy, quick acknowledgements, exists on Linux only.
    _debugger().writer.sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)


def _run_undebugged() -> None:
    # In a process that the handler forked: pydevd's threads are not there, so what stopped would never run on.
    _state.update(config=None, attached=False)
    sys.settrace(None)
    if "threading" in sys.modules:
        sys.modules["threading"].settrace(None)
    from importlib import import_module

    if hasattr(sys, "monitoring"):
        import_module("_pydevd_sys_monitoring.pydevd_sys_monitoring").stop_monitoring(all_threads=True)
    # It forgets the debugger and leaves its connection, which is the parent's, alone.
    sys.modules["pydevd"].settrace_forked(setup_tracing=False)


def _log_text(parts: Sequence[str], globals_: dict[str, Any], locals_: Mapping[str, Any]) -> str:
    # What a log point writes: text and expressions in turn.
    return "".join(_value(part, globals_, locals_) if at % 2 else part for at, part in enumerate(parts))


def _value(expression: str, globals_: dict[str, Any], locals_: Mapping[str, Any]) -> str:
    try:
        return str(eval(expression, globals_, locals_))  # noqa: S307 - what the user asked for
    except BaseException as error:  # noqa: BLE001 - shown in the place of the value
        return f"<{type(error).__name__}: {error}>"


def _can_dial() -> bool:
    # The requests by which the console takes in a worker that dials are not public: one day they may not be there.
    from importlib import import_module

    try:
        processor = import_module("_pydevd_bundle.pydevd_process_net_command_json").PyDevJsonCommandProcessor
    except (ImportError, AttributeError):
        return False
    return all(hasattr(processor, f"on_pydevd{name}_request") for name in ("authorize", "systeminfo"))


def _keep_no_log() -> None:
    # For its log, which nobody keeps, debugpy would read the metadata of every installed package: 100 ms and more.
    from importlib import import_module

    api = import_module("debugpy.server.api")
    if hasattr(api, "ensure_logging"):
        api.ensure_logging.ensured = True


def _dial(debugpy: Any, config: Mapping[str, Any]) -> None:
    from importlib import import_module

    pydevd: Any = import_module("pydevd")
    clock, make = getattr(pydevd, "time", None), pydevd.PyDB

    def skip(seconds: float) -> None:
        pydevd.time = clock

    def made(*arguments: Any, **named: Any) -> Any:
        # Kept from the first moment: when the connection is lost pydevd forgets it, and the waiting thread needs it.
        pydevd.PyDB = make
        _state["debugger"] = make(*arguments, **named)
        return _state["debugger"]

    pydevd.PyDB = made
    if clock is not None:
        # pydevd naps 100 ms for its threads to start; whoever they talk to waits for them anyway. One nap is skipped.
        names = {name: getattr(clock, name) for name in dir(clock) if not name.startswith("_")}
        pydevd.time = types.SimpleNamespace(**{**names, "sleep": skip})
    try:
        debugpy.connect((config["host"], config["port"]), access_token=config["token"])
    finally:
        pydevd.PyDB = make
        if clock is not None:
            pydevd.time = clock


def _wait_until_ready(connect: Callable[[], object]) -> None:
    import threading

    done, given_up = threading.Event(), threading.Event()
    watch = threading.Thread(target=_watch, args=(done, given_up), daemon=True, name="livetui-debug-watch")
    exempt(watch)
    watch.start()
    try:
        connect()
    finally:
        done.set()
    if given_up.is_set():
        sys.modules["pydevd"].stoptrace()
        raise TimeoutError("the console did not configure the debugger")


def _watch(done: threading.Event, given_up: threading.Event) -> None:
    # pydevd waits for its configuration without end, even when the connection is lost meanwhile.
    until = time.monotonic() + READY_S
    while not done.wait(0.05):
        debugger = _state["debugger"]
        if debugger is not None and (_debugger() is None or time.monotonic() > until):
            given_up.set()
            debugger.ready_to_run = True
            cancel = getattr(sys.modules["debugpy"].wait_for_client, "cancel", None)
            if _state["listens"] and cancel is not None:
                cancel()
            return


def _debugger() -> Any:
    pydevd = sys.modules.get("pydevd")
    return getattr(pydevd, "get_global_debugger", lambda: None)()


def _import_debugpy(folder: str | None) -> Any:
    import importlib.util

    spec = importlib.util.find_spec("debugpy")
    if spec is not None:
        import debugpy

        if _version(debugpy) >= OLDEST:
            return debugpy
        for name in [name for name in sys.modules if name.partition(".")[0] == "debugpy"]:
            del sys.modules[name]
    if not folder:
        raise ImportError(f"debugpy is not installed in {sys.prefix}")
    # By path, so that nothing else of livetui's environment becomes importable for the handler.
    spec = importlib.util.spec_from_file_location("debugpy", os.path.join(folder, "__init__.py"),
                                                  submodule_search_locations=[folder])
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no debugpy in {folder}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["debugpy"] = module
    spec.loader.exec_module(module)
    if _version(module) < OLDEST:
        raise ImportError(f"debugpy {module.__version__} in {folder} is older than {'.'.join(map(str, OLDEST))}")
    return module


def _version(debugpy: Any) -> tuple[int, ...]:
    digits = str(getattr(debugpy, "__version__", "0")).split("+")[0].split(".")[:3]
    return tuple(int(part) if part.isdigit() else 0 for part in digits)


def _refusal(error: BaseException, config: Mapping[str, Any]) -> str:
    version = ".".join(map(str, sys.version_info[:2]))
    return f"{config.get('function')} cannot be debugged with Python {version}: {type(error).__name__}: {error}"


def _tell(report: dict[str, Any]) -> None:
    config = _state["config"]
    report.update(token=config["token"], pid=os.getpid(), function=config.get("function", ""), work=_state["work"])
    body = json.dumps({"seq": 1, "type": "event", "event": "livetui", "body": report}).encode("utf-8", "replace")
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        connection.settimeout(1.0)
        connection.connect((config["host"], config["port"]))
        connection.sendall(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        while connection.recv(4096):
            pass  # the console closes when it has read; what follows, such as the answer, must come after
    except OSError:
        return  # the console is gone, so nobody is left to be told
    finally:
        connection.close()


# ── the photograph ─────────────────────────────────────────────────────────────────────────────────────────────────

FRAMES, LOCALS, CHILDREN, DEPTH, TEXT, NODES, SECONDS = 40, 80, 40, 3, 300, 4000, 0.25
_PLAIN = (int, float, complex, bool, type(None), type(Ellipsis))
_LEAVES = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType, str, bytes)
_TRUSTED = frozenset(("datetime", "decimal", "fractions", "uuid", "pathlib", "pathlib._local", "ipaddress", "re",
                      "zoneinfo"))
"""Modules of the standard library whose objects' `repr` says more than their fields, and may be run when none of the
fields is of a type that could bring code of its own."""


def _photograph(error: BaseException) -> dict[str, Any]:
    """The error's frames and locals; bounded in size and time, and without running any of the user's code."""
    budget = {"nodes": NODES, "until": time.monotonic() + SECONDS}
    frames, trace, own = [], error.__traceback__, os.path.dirname(os.path.abspath(__file__))
    while trace is not None:
        code = trace.tb_frame.f_code
        if not (os.path.dirname(os.path.abspath(code.co_filename)) == own or _is_import(code.co_filename)):
            frames.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    kept = frames[: FRAMES // 2] + frames[max(FRAMES // 2, len(frames) - FRAMES // 2):]
    shown = [_frame(frame, line, budget) for frame, line in reversed(kept)]  # innermost first spends the budget best
    arguments = vars(BaseException)["args"].__get__(error)
    return {"kind": "postMortem", "error_type": _of_type(type(error), "__name__"), "error_message": _text(arguments),
            "frames": shown[::-1]}


def _is_import(path: str) -> bool:
    return path.startswith("<frozen importlib") or path == getattr(sys.modules.get("importlib"), "__file__", None)


def _frame(frame: types.FrameType, line: int | None, budget: dict[str, float]) -> dict[str, Any]:
    found = frame.f_locals
    # A class body may have a mapping of its own, by a metaclass's `__prepare__`.
    names = list(found.items()) if type(found) in (dict, type(sys._getframe().f_locals)) else []
    if frame.f_code.co_name == "<module>":
        names = [(name, value) for name, value in names if not name.startswith("__")]
    return {"name": frame.f_code.co_name, "path": os.path.abspath(frame.f_code.co_filename), "line": line or 0,
            "locals": [_photo(name, value, 0, budget) for name, value in names[:LOCALS]],
            "more": max(0, len(names) - LOCALS)}


def _photo(name: str, value: object, depth: int, budget: dict[str, float]) -> dict[str, Any]:
    kind = type(value)
    photo: dict[str, Any] = {"name": name[:TEXT], "type": _of_type(kind, "__name__"), "value": _summary(value, kind)}
    budget["nodes"] -= 1
    if depth >= DEPTH or budget["nodes"] <= 0 or time.monotonic() > budget["until"]:
        return photo
    children, total = _children(value, kind)
    if children:
        photo["children"] = [_photo(key, child, depth + 1, budget) for key, child in children]
        photo["more"] = max(0, total - len(children))
    return photo


def _summary(value: Any, kind: type) -> str:
    if kind in _PLAIN:
        # A huge int takes minutes to print, and newer Pythons refuse it.
        return repr(value) if kind is not int or value.bit_length() < 10000 else f"int of {value.bit_length()} bits"
    if kind is str or kind is bytes:
        return repr(value[:TEXT]) + (f"… {len(value)} in all" if len(value) > TEXT else "")
    if kind in (list, tuple, dict, set, frozenset):
        return f"{kind.__name__} of {len(value)}"
    if kind is types.ModuleType:
        return f"<module {_plain_text(types.ModuleType.__getattribute__(value, '__dict__').get('__name__'))}>"
    if _is_trusted(value, kind):
        return repr(value)[:TEXT]
    name = _of_type(kind, "__name__")
    if BaseException in _of_type(kind, "__mro__"):
        return f"{name}({_text(vars(BaseException)['args'].__get__(value))})"
    if kind is types.MethodType:
        value = value.__func__
    if type(value) in (types.FunctionType, types.BuiltinFunctionType):
        return f"<{name} {_plain_text(value.__name__)}>"
    if type in _of_type(kind, "__mro__"):
        return f"<class {_of_type(value, '__name__')}>"
    return f"<{name}>"


def _children(value: Any, kind: type) -> tuple[list[tuple[str, object]], int]:
    if kind in (list, tuple):
        return [(f"[{at}]", item) for at, item in enumerate(value[:CHILDREN])], len(value)
    if kind is dict:
        return [(_text((key,)), item) for key, item in list(value.items())[:CHILDREN]], len(value)
    if kind in (set, frozenset):
        return [("", item) for item in list(value)[:CHILDREN]], len(value)
    if kind in _PLAIN or kind in _LEAVES or type in _of_type(kind, "__mro__") or _is_trusted(value, kind):
        return [], 0
    return _attributes(value, kind)


def _attributes(value: object, kind: type) -> tuple[list[tuple[str, object]], int]:
    spaces = [(base, _of_type(base, "__dict__")) for base in _of_type(kind, "__mro__")]
    own = next((space["__dict__"] for _, space in spaces if "__dict__" in space), None)
    # A class may have something of its own in the place of its objects' `__dict__`.
    fields = own.__get__(value) if type(own) is types.GetSetDescriptorType else {}
    found = [(_plain_text(name), field) for name, field in list(fields.items())] if type(fields) is dict else []
    for base, space in spaces:
        for name, slot in list(space.items()):
            if type(slot) is types.MemberDescriptorType and _of_type(base, "__module__") != "builtins":
                try:
                    found.append((name, slot.__get__(value)))
                except AttributeError:
                    continue  # a slot that was never filled
    return found[:CHILDREN], len(found)


def _is_trusted(value: Any, kind: type) -> bool:
    """Whether `repr(value)` runs code of the standard library only."""
    if kind in _PLAIN or kind is str or kind is bytes:
        return True
    if kind in (list, tuple):
        return len(value) < CHILDREN and all(_is_trusted(item, type(item)) for item in value)
    if _of_type(kind, "__module__") not in _TRUSTED:
        return False
    module = sys.modules["datetime"] if _of_type(kind, "__module__") == "datetime" else None
    if module is not None and kind is module.timezone:
        return type(kind.tzname(value, None)) is str
    if module is not None and kind in (module.datetime, module.time):
        return value.tzinfo is None or _is_trusted(value.tzinfo, type(value.tzinfo))
    return all(_is_trusted(field, type(field)) for _, field in _attributes(value, kind)[0])


def _of_type(kind: type, what: str) -> Any:
    # What `type` itself knows of a class: asking the class would run its metaclass's code.
    known = vars(type)[what].__get__(kind)
    return _plain_text(known) if what in ("__name__", "__module__") else known


def _plain_text(value: object) -> str:
    return value if type(value) is str else "?"


def _text(values: Iterable[object]) -> str:
    """Arguments or keys as text, without running a user's `__repr__`."""
    return ", ".join(_summary(value, type(value)) for value in values)[:TEXT]
