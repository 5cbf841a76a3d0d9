"""A debugger that plays a script: breakpoints are kept, one call can be paused, and its variables are fixed."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
from recorded import LIVE, RecordedSession, live_session

from livetui.config import Settings
from livetui.debug.values import Scope
from livetui.errors import LivetuiError
from livetui.session.debugging import (
    Breakpoint,
    Evaluated,
    ExceptionFilters,
    Frame,
    Look,
    PausedThread,
    Photo,
    PhotoFrame,
    PostMortem,
    Variable,
    Watched,
)
from livetui.session.events import BreakpointsChanged, FunctionInfo, ThreadPaused, ThreadResumed

NIGHTLY = '''import boto3

table = boto3.resource("dynamodb").Table("orders")


def rows_of(day):
    return table.query(KeyConditionExpression=day)["Items"]


def total(rows):
    """Sum of the amounts, in cents."""
    s = 0
    for row in rows:
        s += row["amount"]
    return s


def handler(event, context):
    rows = rows_of(event["day"])
    return {"orders": len(rows), "total": total(rows)}
'''


def done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    if isinstance(value, Exception):
        future.set_exception(value)
    else:
        future.set_result(value)
    return future


class RecordedDebugger:
    """Remembers what it was asked for in `asked`."""

    def __init__(self, session: RecordedSession, folder: Path) -> None:
        self.session = session
        folder.mkdir(parents=True, exist_ok=True)
        self.path = str((folder / "nightly.py").resolve())
        Path(self.path).write_text(NIGHTLY)
        self.asked: list[tuple[Any, ...]] = []
        self.points: dict[tuple[str, int], Breakpoint] = {}
        self.standing: list[PausedThread] = []
        self.values = {"s": "1250"}
        self.post_mortems: dict[int, PostMortem] = {}
        self.chosen = ExceptionFilters()
        self.at_deadline = "answer"
        self.watches: list[str] = []

    def breakpoints(self) -> list[Breakpoint]:
        return sorted(self.points.values(), key=lambda point: (point.path, point.line))

    def paused(self) -> list[PausedThread]:
        return list(self.standing)

    def filters(self) -> ExceptionFilters:
        return self.chosen

    def post_mortem(self, id: int) -> PostMortem | None:
        return self.post_mortems.get(id)

    def _changed(self) -> None:
        self.session.tell(BreakpointsChanged(self.breakpoints()))

    def put(self, line: int, **values: Any) -> None:
        self.points[self.path, line] = Breakpoint(
            len(self.points) + 1, self.path, line, line, owners=("console",), **values
        )

    def toggle(self, path: str, line: int) -> Future[Any]:
        self.asked.append(("toggle", line))
        if (path, line) in self.points:
            del self.points[path, line]
        else:
            self.put(line)
        self._changed()
        return done(None)

    def set(
        self, path: str, line: int, *, condition: str = "", hit: str = "", log: str = "", enabled: bool = True
    ) -> Future[Any]:
        self.asked.append(("set", line, condition, hit, log))
        self.put(line, condition=condition, hit=hit, log=log, enabled=enabled)
        self._changed()
        return done(self.points[path, line])

    def enable(self, path: str, line: int, enabled: bool = True) -> Future[Any]:
        self.asked.append(("enable", line, enabled))
        self.put(line, enabled=enabled)
        self._changed()
        return done(None)

    def stop_on_errors_of(self, id: int) -> Future[Any]:
        self.asked.append(("stop on errors of", id))
        return done(None)

    def set_filters(self, uncaught: bool = False, raised: bool = False, classes: tuple[str, ...] = ()) -> Future[Any]:
        self.asked.append(("filters", uncaught, raised))
        self.chosen = ExceptionFilters(uncaught, raised, classes)
        return done(None)

    def pause(self, line: int = 13, function: str = "Nightly", text: str = "") -> None:
        thread = PausedThread(2, 7, function, "", self.path, line, "breakpoint", text)
        self.standing = [thread, *(each for each in self.standing if each.thread_id != 7)]
        self.session.tell(ThreadPaused(thread))

    def look(self, thread_id: int) -> Future[Any]:
        if thread_id % 70 not in [each.thread_id for each in self.standing]:
            return done(LivetuiError("It runs on."))
        frames = self.stack(thread_id).result()
        return done(Look(frames, frames[0], *self.locals(frames[0].id).result()))

    def locals(self, frame_id: int) -> Future[Any]:
        reference = self.scopes(frame_id).result()[0].reference
        return done((reference, self.variables(reference).result()))

    def siblings(self, thread_id: int) -> Future[Any]:
        return done([PausedThread(2, 70 + thread_id, "Nightly", "", self.path, 8, "thread", "[/poller]")][: thread_id < 70])

    def stack(self, thread_id: int) -> Future[Any]:
        line = self.standing[0].line
        return done(
            [
                Frame(1, "total", self.path, line),
                Frame(2, "handler", self.path, 20),
                Frame(3, "run", "/runtime/loop.py", 80, subtle=True),
            ]
        )

    def scopes(self, frame_id: int) -> Future[Any]:
        return done([Scope("Locals", 100 + frame_id), Scope("Globals", 200)])

    def variables(self, reference: int) -> Future[Any]:
        self.asked.append(("variables", reference))
        known = {
            101: [
                Variable("rows", "list(2)", "list", 50),
                Variable("s", self.values["s"], "int"),
                Variable("row", "{'amount': 2900}", "dict", 51, "row"),
                Variable("api_key", "'sk-123456'", "str"),
            ],
            102: [Variable("event", "{'day': '2026-11-23'}", "dict", 52)],
            50: [
                Variable("0", "{'amount': 1250, 'id': '7'}", "dict", 53),
                Variable("1", "{'amount': 2900, 'id': '9'}", "dict", 54),
            ],
        }
        return done(known.get(reference, []))

    def evaluate(self, expression: str, frame_id: int | None = None) -> Future[Any]:
        self.asked.append(("evaluate", expression, frame_id))
        if expression == "nope":
            raised = 'Traceback (most recent call last):\n  File "<string>", line 1, in <module>\n'
            return done(LivetuiError(f"{raised}NameError: name 'nope' is not defined\n"))
        return done(Evaluated("5400", "int"))

    def watched(self, frame_id: int) -> Future[Any]:
        s = self.values["s"]
        doubled = Evaluated(str(int(s) * 2) if s.isdecimal() else s * 2, "int")
        values = {"rows": Evaluated("list(2)", "list", 50), "s * 2": doubled}
        return done([Watched(each, values.get(each), "" if each in values else "NameError") for each in self.watches])

    def watch(self, old: str, new: str) -> Future[Any]:
        self.asked.append(("watch", old, new))
        self.watches = [each for each in [*(each for each in self.watches if each != old), new] if each]
        return done(None)

    def set_variable(self, reference: int, name: str, value: str) -> Future[Any]:
        self.asked.append(("set_variable", reference, name, value))
        self.values[name] = value
        return done(Evaluated(value, "int"))

    def resume(self, thread_id: int) -> Future[Any]:
        self.asked.append(("resume", thread_id))
        thread = next(each for each in self.standing if each.thread_id == thread_id)
        self.standing.remove(thread)
        self.session.tell(ThreadResumed(thread))
        return done(None)

    def step(self, thread_id: int, how: str) -> Future[Any]:
        self.asked.append(("step", how))
        thread = self.standing[0]
        self.session.tell(ThreadResumed(thread))
        self.pause(thread.line + 1)
        return done(None)

    def run_to(self, thread_id: int, path: str, line: int) -> Future[Any]:
        self.asked.append(("run_to", thread_id, path, line))
        self.pause(line)
        return done(None)


def debugged(tmp_path: Path) -> RecordedSession:
    """A live session with a debugger, and the file of Nightly's handler."""
    session = live_session()
    session.settings = Settings(app="orders", stage="dev", project=str(tmp_path))
    session.debug = RecordedDebugger(session, tmp_path / "src")
    functions = {
        **LIVE.functions,
        "Nightly": FunctionInfo("orders-dev-Nightly", "src/nightly.handler", True, code_root=str(tmp_path)),
    }
    session.tell(msgspec.structs.replace(LIVE, functions=functions))
    return session


def photograph(path: str) -> PostMortem:
    return PostMortem(
        2,
        "GetOrder",
        "",
        "OrderNotFound",
        "order 99 does not exist",
        [
            PhotoFrame("handler", path, 31, [Photo("event", "dict", "{'id': '99'}")]),
            PhotoFrame("find", path, 12, [Photo("id", "str", "'99'"), Photo("password", "str", "'hunter2'")]),
        ],
    )
