"""Unhandled errors with their frames and locals as they were."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from livetui.debug.values import Photo, PostMortem
from tests.integration.debug.bench import HANDLER, HELPER, Bench, bench, line_of

NASTY = '''
import datetime
import decimal
import pathlib
import re
import threading


class Hostile:
    __slots__ = ("secret", "unset")

    def __init__(self):
        self.secret = 42

    def __repr__(self):
        raise SystemExit("repr ran")

    def __getattribute__(self, name):
        raise SystemExit("getattribute ran")

    def __eq__(self, other):
        raise SystemExit("eq ran")

    __hash__ = object.__hash__


class Meta(type):
    def __getattribute__(cls, name):
        if armed:
            raise SystemExit("the metaclass ran")
        return super().__getattribute__(name)


class Odd(metaclass=Meta):
    def __init__(self):
        self.kept = 1


class Zone(datetime.tzinfo):
    def utcoffset(self, when):
        raise SystemExit("utcoffset ran")

    def __repr__(self):
        raise SystemExit("the zone's repr ran")


class Text(str):
    def __repr__(self):
        raise SystemExit("the text's repr ran")


class Hidden:
    @property
    def __dict__(self):
        raise SystemExit("the property ran")


class Failure(Exception):
    @property
    def args(self):
        raise SystemExit("the property ran")


armed = []


class Order:
    def __init__(self):
        self.lines = list(range(1000))
        self.parent = self
        self.lock = threading.Lock()


def handler(event, context):
    hostile, order = Hostile(), Order()
    odd, odd_class, hidden, failure = Odd(), Odd, Hidden(), Failure("kept")
    there = datetime.datetime(2026, 11, 23, tzinfo=Zone())
    named = datetime.datetime(2026, 11, 23, tzinfo=datetime.timezone(datetime.timedelta(hours=1), Text("odd")))
    utc, day = datetime.datetime(2026, 11, 23, tzinfo=datetime.timezone.utc), datetime.date(2026, 11, 23)
    pattern, odd_pattern = re.compile("a+"), re.compile(Text("a+"))
    path, amount = pathlib.PurePosixPath("a/b"), decimal.Decimal("1.50")
    armed.append(1)
    text, number = "x" * 10**6, 7 ** (10**6)
    nested = {"a": {"b": {"c": {"d": 1}}}, hostile: 1}
    deep(0, hostile)


def deep(depth, hostile):
    if depth == 100:
        raise ValueError("at the bottom", hostile)
    deep(depth + 1, hostile)
'''


def named(photos: list[Photo]) -> dict[str, Photo]:
    return {photo.name: photo for photo in photos}


async def test_an_error_is_photographed_without_a_debugger(project: Path, app: Path) -> None:
    async with bench(project, post_mortem=True) as desk:
        assert (await desk.broker.prepare("Orders"))["attach"] is False
        worker = await desk.worker(app)
        assert await worker.call(work="w-1", fail="x", values=[1, 2]) == {"error": "ValueError"}
        error: PostMortem = await desk.heard.until("post mortem")
        assert (error.pid, error.function_id, error.work_id, error.error_type) == (
            worker.pid, "Orders", "w-1", "ValueError")
        last = error.frames[-1]
        assert (last.name, last.path, last.line) == ("handler", str(app), line_of(HANDLER, "raise ValueError"))
        assert named(last.locals)["total"] == Photo("total", "int", "3")
        assert [item.value for item in named(last.locals)["values"].children] == ["1", "2"]
        assert msgspec.json.decode(msgspec.json.encode(error), type=PostMortem) == error
        assert "debugpy" not in (await worker.call(work="w-2", values=[]))


async def test_a_photograph_runs_none_of_the_users_code_and_is_bounded(project: Path, write: Callable[[str, str], Path],
                                                                       ) -> None:
    async with bench(project, post_mortem=True) as desk:
        worker = await desk.worker(write("nasty.py", NASTY))
        assert await worker.call() == {"error": "ValueError"}
        error = await desk.heard.until("post mortem")
        assert error.error_message == "'at the bottom', <Hostile>"
        assert error.frames[-1].name == "deep"
        assert len(error.frames) <= 40
        handler = named(next(frame for frame in error.frames if frame.name == "handler").locals)
        assert handler["number"].value == "int of 2807355 bits"
        assert handler["text"].value.endswith("1000000 in all")
        order = named(handler["order"].children)
        assert (order["lines"].value, len(order["lines"].children), order["lines"].more) == ("list of 1000", 40, 960)
        assert named(handler["hostile"].children) == {"secret": Photo("secret", "int", "42")}
        assert (handler["odd"].value, handler["odd"].children) == ("<Odd>", [Photo("kept", "int", "1")])
        assert (handler["odd_class"].value, handler["failure"].value) == ("<class Odd>", "Failure('kept')")
        assert [handler[name].value for name in ("there", "named", "odd_pattern", "hidden")] == [
            "<datetime>", "<datetime>", "<Pattern>", "<Hidden>"]
        assert [handler[name].value for name in ("utc", "day", "path", "pattern", "amount")] == [
            "datetime.datetime(2026, 11, 23, 0, 0, tzinfo=datetime.timezone.utc)", "datetime.date(2026, 11, 23)",
            "PurePosixPath('a/b')", "re.compile('a+')", "Decimal('1.50')"]
        assert handler["nested"].children[0].children[0].children[0].children == []
        assert len(msgspec.json.encode(error)) < 2_000_000


async def test_a_stop_at_the_error_shows_living_frames_with_the_debugger(desk: Bench, app: Path) -> None:
    await desk.face.set_exception_filters(uncaught=True)
    worker = await desk.worker(app)
    worker.send(fail=3, values=[4])
    paused = await desk.heard.until("paused")
    assert (paused.reason, paused.text, paused.line) == ("exception", "ValueError: ('no such order', 3)",
                                                         line_of(HANDLER, "raise ValueError"))
    frame = (await desk.face.stack(paused.thread_id))[0]
    assert (await desk.face.evaluate("total + 1", frame.id)).value == "5"
    await desk.face.resume(paused.thread_id)
    assert await worker.answer() == {"error": "ValueError"}
    assert (await desk.heard.until("post mortem")).error_type == "ValueError"


async def test_an_error_in_a_helper_shows_the_whole_way(desk: Bench, app: Path, helper: Path) -> None:
    await desk.face.set_exception_filters(uncaught=True)
    worker = await desk.worker(app)
    worker.send(values=[1, "two"])
    paused = await desk.heard.until("paused")
    assert (paused.path, paused.line) == (str(helper), line_of(HELPER, "total += value"))
    frames = await desk.face.stack(paused.thread_id)
    assert [frame.name for frame in frames[:2]] == ["add", "handler"]
    await desk.face.resume(paused.thread_id)
    assert await worker.answer() == {"error": "TypeError"}
