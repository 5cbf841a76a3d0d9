"""`livetui demo` as its user meets it: one process, real triggers, and what can be done with what it captured."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.console_process import ConsoleProcess

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("demo")]


class Demo:
    """A running demo, its folder and its endpoint."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temp = folder / "temp"
        self.temp.mkdir()
        self.console = ConsoleProcess(folder, "demo", environment={"TMPDIR": str(self.temp)})
        self.live = self.console.live()
        self.url = self.live["outputs"]["ApiUrl"]

    def curl(self, path: str, *words: str) -> tuple[int, Any]:
        """What `curl` prints for a path of the printed endpoint, and the HTTP status."""
        done = subprocess.run(["curl", "--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_code}",
                               *words, self.url + path], capture_output=True, text=True, check=True)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(body) if body else None

    def livetui(self, *words: str, code: int = 0) -> str:
        """Run another livetui command in the demo's folder; its stdout."""
        done = subprocess.run([sys.executable, "-m", "livetui", *words], cwd=self.folder, capture_output=True,
                              text=True, timeout=90, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout


class Edited:
    """The handler of `GET /whoami` with other code, as an editor would save it, while the block runs."""

    def __init__(self, demo: Demo, code: str) -> None:
        self.demo, self.code = demo, code
        self.source = demo.folder / "livetui-demo" / "src" / "who_am_i.py"
        self.original = self.source.read_text("utf-8")

    def _save(self, code: str) -> None:
        self.demo.curl("whoami")
        seen = len(self.demo.console.events)
        self.source.write_text(code, "utf-8")
        self.demo.console.wait_for(lambda event: event["event"] == "code.reloaded" and event["function"] == "WhoAmI",
                                   after=seen)

    def __enter__(self) -> None:
        self._save(self.code)

    def __exit__(self, *_error: object) -> None:
        self._save(self.original)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("demo"))
    yield running
    running.console.end()


def test_every_kind_of_trigger_arrives_and_one_call_fails(demo: Demo) -> None:
    for function in ("CreateOrder", "GetOrder", "ListOrders", "ShipOrders", "NotifyCustomer"):
        demo.console.finished(function=function, state="ok")
    failed = demo.console.finished(state="error")
    assert failed["function"] == "PayOrder"


def test_the_printed_endpoint_answers_curl_with_what_the_local_handler_returned(demo: Demo) -> None:
    status, order = demo.curl("orders", "--data", '{"item": "tea", "quantity": 2}')
    assert status == 201, order
    seen = len(demo.console.events)
    status, read = demo.curl(f"orders/{order['id']}")
    assert (status, read["id"], read["item"]) == (200, order["id"], "tea")
    row = demo.console.finished(function="GetOrder", trigger=f"GET /orders/{order['id']}", after=seen - 1)
    shown = json.loads(demo.livetui("show", str(row["id"]), "--json"))
    assert json.loads(shown["response"]["body"])["id"] == order["id"]


def test_a_handler_has_its_functions_own_role_and_no_more(demo: Demo) -> None:
    status, identity = demo.curl("whoami")
    assert status == 200
    assert ":assumed-role/" in identity["identity"]
    assert "WhoAmI" in identity["identity"]
    assert identity["list_buckets"].startswith("refused: AccessDenied")


def test_saved_code_changes_the_next_answer(demo: Demo) -> None:
    with Edited(demo, 'def handler(event, context):\n    return {"edited": True}\n'):
        assert demo.curl("whoami") == (200, {"edited": True})
    assert "identity" in demo.curl("whoami")[1]


def test_what_was_captured_can_be_listed_shown_replayed_and_exported(demo: Demo) -> None:
    demo.curl("orders")
    row = demo.console.finished(function="ListOrders", state="ok")
    rows = [json.loads(line) for line in demo.livetui("invocations", "fn:ListOrders state:ok", "--json").splitlines()]
    assert row["id"] in {listed["id"] for listed in rows}
    replayed = json.loads(demo.livetui("replay", str(row["id"]), "--json"))
    assert (replayed["state"], replayed["replay_of"]) == ("ok", row["id"])
    exported = json.loads(demo.livetui("export", str(row["id"]), "--as", "json"))
    assert exported["event"]["rawPath"] == "/orders"


def test_cloud_env_lets_boto3_in_another_process_talk_to_it(demo: Demo) -> None:
    variables = demo.livetui("cloud", "env")
    listed = subprocess.run(
        ["sh", "-c", f'{variables}\nexec "$0" -c "$1"', sys.executable,
         "import boto3; print(*boto3.client('dynamodb').list_tables()['TableNames'])"],
        capture_output=True, text=True, check=True)
    assert demo.live["outputs"]["TableName"] in listed.stdout


@pytest.mark.parametrize("size", [100_000, 1_000_000])
def test_large_events_and_answers_pass_with_every_string_identical(demo: Demo, size: int, tmp_path: Path) -> None:
    edited = Edited(demo, "def handler(event, context):\n    return event\n")
    words = ["plain", "ünïcödé", "漢字かな", "\u2028\u2029", "🛒", "\x00\x1f\"\\/", "</script>", "[/red]"]
    event = {"rows": [{"n": n, "word": words[n % len(words)] * 3} for n in range(size // 60)]}
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event), "utf-8")
    with edited:
        assert json.loads(demo.livetui("invoke", "WhoAmI", "--event", str(file))) == event


@pytest.mark.long  # the shortest rate is a minute
def test_a_schedule_arrives_by_itself(demo: Demo) -> None:
    row = demo.console.wait_for(lambda event: event["event"] == "invocation.finished"
                                and event["function"] == "CountOrders" and "schedule" in event["trigger"], timeout=75)
    assert row["state"] == "ok"


def test_nothing_is_left_when_it_ends(tmp_path: Path) -> None:
    mine = Demo(tmp_path)
    children = psutil.Process(mine.console.process.pid).children(recursive=True)
    assert children
    with urllib.request.urlopen(mine.url + "orders", timeout=10) as answer:
        assert answer.status == 200
    assert mine.console.end() == 130
    _gone, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    assert list(mine.temp.iterdir()) == []
    assert not (tmp_path / ".livetui" / "cloud.json").exists()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(mine.url + "orders", timeout=5)


@pytest.mark.long
def test_a_run_for_some_seconds_ends_by_itself_with_code_0(tmp_path: Path) -> None:
    console = ConsoleProcess(tmp_path, "demo", "--no-traffic", "--for", "1")
    console.live()
    assert console.process.wait(30) == 0
    assert (tmp_path / "livetui-demo" / "template.yaml").is_file()

