"""Exports do what they say: the test file runs and fails, curl sends what was received, and all of it comes back."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetui.errors import LivetuiError, UsageError
from livetui.session.curl import from_curl, to_curl
from livetui.session.export import KINDS, export, import_event
from livetui.session.invocation import AwsCall, Invocation, Row, Timing
from livetui.session.samples import sample

CONTEXT = {"request_id": "r-1", "function_name": "shop-GetOrder-X1", "memory_limit_in_mb": "512",
           "invoked_function_arn": "arn:aws:lambda:eu-west-1:123456789012:function:shop-GetOrder-X1"}
HOSTILE = "'\"; touch /tmp/pwned #$(id)`id`\\ \n\x1b[31m é 漢 ''' \"\"\" {x} %s !1"


def recorded(event: object, response: object = None, state: str = "ok", **row) -> Invocation:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return Invocation(row=Row(**{"id": 12, "session": "s", "function": "GetOrder", "trigger": "GET /orders/7",
                                 "state": state, "time": 0.0, **row}), attempt="a", event=body,
                      response=json.dumps(response).encode(), context=CONTEXT, logs=[], calls=[], timing=Timing())


# --- pytest ---------------------------------------------------------------------------------------------------------

HANDLER = """
import os
from decimal import Decimal
from shared import greeting

def handler(event, context):
    if event.get("fail"):
        raise KeyError("id")
    return {"statusCode": 200, "body": greeting(event["name"]), "total": Decimal("1.5"), "where": os.environ["TABLE"],
            "request": context.aws_request_id, "token": event.get("token"),
            "left": context.get_remaining_time_in_millis() > 0, "items": (1, 2)}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, greeting in (("orders", "hello {}"), ("other", "bye {}")):
        code = tmp_path / "src" / name
        code.mkdir(parents=True)
        (code / "app.py").write_text(HANDLER)
        (code / "shared.py").write_text(f"def greeting(name):\n    return {greeting!r}.format(name)\n")
        (code / "pytest.ini").write_text("")
    (tmp_path / "tests").mkdir()
    return tmp_path


def answer(greeting: str, name: str, token: str | None = None) -> dict:
    return {"statusCode": 200, "body": greeting.format(name), "total": 1.5, "where": "orders", "request": "r-1",
            "token": token, "left": True, "items": [1, 2]}


def as_test(project: Path, invocation: Invocation, folder: str = "orders", **options) -> str:
    return export(invocation, "pytest", handler="app.handler", code_root=project / "src" / folder, project=project,
                  environment={"TABLE": "orders", "API_TOKEN": "hunter22"}, **options)


def run_pytest(project: Path, *files: str, environ: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *files],
                          cwd=project, capture_output=True, text=True, timeout=60, check=False,
                          env={**environ, "PYTHONDONTWRITEBYTECODE": "1"})


def test_an_exported_test_runs_as_it_stands_and_fails_when_the_answer_changes(project: Path) -> None:
    event = {"name": HOSTILE}
    (project / "tests" / "test_orders.py").write_text(as_test(project, recorded(event, answer("hello {}", HOSTILE))))
    (project / "tests" / "test_other.py").write_text(
        as_test(project, recorded(event, answer("bye {}", HOSTILE), id=13), "other"))
    (project / "tests" / "test_error.py").write_text(as_test(project, recorded(
        {"fail": True}, {"errorType": "KeyError", "errorMessage": "'id'"}, "error", id=14)))
    passed = run_pytest(project, "tests")
    assert "3 passed" in passed.stdout, passed.stdout

    (project / "src" / "orders" / "shared.py").write_text("def greeting(name):\n    return 'changed'\n")
    failed = run_pytest(project, "tests")
    assert "1 failed, 2 passed" in failed.stdout, failed.stdout
    assert "changed" in failed.stdout


def test_an_exported_test_finds_what_the_layers_hold(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    away = tmp_path_factory.mktemp("layer of the cloud")
    for folder, name, value in ((project / "built" / "python", "stamp", "built"), (project / "sources", "stamp", "late"),
                                (project / "sources", "plain", "plain"), (away / "python", "far", "far"),
                                (project / "other_layer", "plain", "of another function")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.py").write_text(f"VALUE = {value!r}\n")
    packages = project / "built" / "python" / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "package.py").write_text("VALUE = 'package'\n")
    (project / "src" / "orders" / "app.py").write_text(
        "import far, package, plain, stamp\n\n\ndef handler(event, context):\n"
        "    return [each.VALUE for each in (far, package, plain, stamp)]\n")
    (project / "src" / "other" / "app.py").write_text(
        "import plain\n\n\ndef handler(event, context):\n    return plain.VALUE\n")
    text = as_test(project, recorded({}, ["far", "package", "plain", "late"]),
                   layers=[project / "built", away, project / "sources"])
    assert str(project) not in text
    (project / "tests" / "test_orders.py").write_text(text)
    (project / "tests" / "test_other.py").write_text(as_test(
        project, recorded({}, "of another function", id=13), "other", layers=[project / "other_layer"]))
    passed = run_pytest(project, "tests")
    assert "2 passed" in passed.stdout, passed.stdout


def test_what_is_masked_is_not_compared(project: Path) -> None:
    text = as_test(project, recorded({"name": "ada", "token": "hunter22"}, answer("hello {}", "ada", "hunter22")))
    assert "hunter22" not in text
    (project / "test_masked.py").write_text(text)
    assert "1 passed" in run_pytest(project, "test_masked.py").stdout
    (project / "src" / "orders" / "shared.py").write_text("def greeting(name):\n    return 'changed'\n")
    assert "1 failed" in run_pytest(project, "test_masked.py").stdout
    revealed = as_test(project, recorded({"name": "ada", "token": "hunter22"}, answer("hello {}", "ada", "hunter22")),
                       reveal=True)
    assert "'API_TOKEN': 'hunter22'" in revealed


def test_the_secret_in_an_error_is_not_exported_and_may_be_any(project: Path) -> None:
    (project / "src" / "orders" / "app.py").write_text(
        "def handler(event, context):\n    raise ValueError(f'no password={event} for ada')\n")
    told = {"errorType": "ValueError", "errorMessage": "no password=hunter22 for ada"}
    text = as_test(project, recorded("other", told, "error"))
    assert "hunter22" not in text
    assert "--reveal" in text
    (project / "test_masked.py").write_text(text)
    assert "1 passed" in run_pytest(project, "test_masked.py").stdout
    (project / "test_masked.py").write_text(text.replace("for ada", "for bob"))
    assert "1 failed" in run_pytest(project, "test_masked.py").stdout


def test_a_handler_finds_the_variables_of_lambda_and_of_its_secrets(project: Path) -> None:
    (project / "src" / "orders" / "app.py").write_text(
        "import os\n\nOWN = [os.environ[name] for name in ('AWS_LAMBDA_FUNCTION_NAME', '_HANDLER', 'AWS_REGION',\n"
        "       'AWS_LAMBDA_FUNCTION_MEMORY_SIZE')]\nROOT, KEY = os.environ['LAMBDA_TASK_ROOT'], os.environ['API_TOKEN']\n\n\n"
        "def handler(event, context):\n    return [OWN, ROOT == os.getcwd(), KEY == event.get('key', KEY)]\n")
    answer = [["shop-GetOrder-X1", "app.handler", "eu-west-1", "512"], True, True]
    text = as_test(project, recorded({}, answer))
    assert "hunter22" not in text
    (project / "test_own.py").write_text(text)
    passed = run_pytest(project, "test_own.py", environ={"PATH": os.environ["PATH"]})
    assert "1 passed" in passed.stdout, passed.stdout
    (project / "test_own.py").write_text(as_test(project, recorded({"key": "its own"}, answer)))
    passed = run_pytest(project, "test_own.py", environ={"PATH": os.environ["PATH"], "API_TOKEN": "its own"})
    assert "1 passed" in passed.stdout, passed.stdout


def test_a_handler_that_calls_aws_is_not_run_without_credentials(project: Path) -> None:
    called = msgspec.structs.replace(recorded({"name": "ada"}, answer("hello {}", "ada")), calls=[
        AwsCall("dynamodb", "GetItem", "orders", 200, 3.0), AwsCall("dynamodb", "GetItem", "orders", 200, 3.0)])
    (project / "test_aws.py").write_text(as_test(project, called))
    nobody = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(project), "PATH": os.environ["PATH"]}
    skipped = run_pytest(project, "-rs", "test_aws.py", environ=nobody)
    assert "1 skipped" in skipped.stdout, skipped.stdout
    assert "the handler calls dynamodb:GetItem, and there are no AWS credentials" in " ".join(skipped.stdout.split())
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    assert "1 passed" in run_pytest(project, "test_aws.py", environ={**nobody, **keys}).stdout


def test_no_path_of_this_machine_is_in_a_test(project: Path) -> None:
    assert str(project) not in as_test(project, recorded({"name": "a"}, {}))


@pytest.mark.parametrize(("state", "response"), [
    ("timeout", {"errorType": "Sandbox.Timedout"}), ("error", {"errorType": "Runtime.ExitError"}), ("queued", None),
    ("error", {"errorType": "LivetuiNotRun"}), ("interrupted", None)])
def test_endings_that_a_test_cannot_ask_for_are_refused(project: Path, state: str, response: object) -> None:
    with pytest.raises(LivetuiError, match="cannot become a test"):
        as_test(project, recorded({}, response, state))


# --- curl -----------------------------------------------------------------------------------------------------------

class _Echo(http.server.BaseHTTPRequestHandler):
    requests: list[tuple[str, str, list[tuple[str, str]], bytes]]

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.requests.append((self.command, self.path, self.headers.items(), body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_POST = do_HEAD = do_DELETE = do_PATCH = handle_any  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as running:
        running.requests = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def send(server, command: str) -> tuple[str, str, list[tuple[str, str]], bytes]:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    done = subprocess.run(["sh"], input=command.encode(), capture_output=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    return server.requests.pop()


def address(server) -> str:
    return f"http://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize("name", ["http-api", "http-api-post", "rest-api", "rest-api-post", "function-url", "alb",
                                  "vpc-lattice"])
def test_curl_sends_what_the_sample_received(server, name: str) -> None:
    event = json.loads(sample(name))
    command = export(recorded(event), "curl", endpoint=address(server), reveal=True)
    method, path, headers, body = send(server, command)
    assert method == ("POST" if "POST" in json.dumps(event) else "GET")
    assert urlsplit(path).path in ("/orders", "/orders/7")
    assert parse_qsl(urlsplit(path).query) == ([("expand", "items")] if method == "GET" else [])
    assert ("accept", "application/json") in [(key.lower(), value) for key, value in headers]
    assert body == {"function-url": b"item=teapot&quantity=2"}.get(
        name, b'{"item": "teapot", "quantity": 2}' if method == "POST" else b"")


@pytest.mark.parametrize("body", [HOSTILE, HOSTILE * 5000, "@/etc/passwd", "a\0b", "-x", ""],
                         ids=["odd", "big", "file", "nul", "option", "none"])
def test_hostile_values_reach_the_server_and_nothing_else(server, tmp_path: Path, body: str) -> None:
    event = {"httpMethod": "POST", "path": f"/a b/{HOSTILE}/../[x]", "body": body, "isBase64Encoded": False,
             "headers": {"X-Odd": HOSTILE, "@/etc/passwd": "x", "Bad Name": "x", "X-Empty": "", "X-At": "@/etc/passwd"},
             "queryStringParameters": {HOSTILE: HOSTILE}}
    method, path, headers, sent = send(server, to_curl(event, address(server)))
    assert (method, sent) == ("POST", body.encode())
    assert parse_qsl(urlsplit(path).query) == [(HOSTILE, HOSTILE)]
    names = {key.lower() for key, _ in headers}
    assert {"x-odd", "x-at", "x-empty"} <= names
    assert not names & {"@/etc/passwd", "bad name"}
    assert {key.lower(): value for key, value in headers}["x-at"] == "@/etc/passwd"
    assert not Path("/tmp/pwned").exists()


def test_half_a_character_in_a_request_is_replaced() -> None:
    event = json.loads(sample("http-api")) | {"rawPath": "/\ud800", "rawQueryString": "q=\udfff"}
    event["requestContext"].pop("path", None)
    assert "/%3F?q=?" in to_curl(event)
    assert "q=%3F" in to_curl({"httpMethod": "GET", "path": "/", "headers": {"host": "a.example"},
                               "queryStringParameters": {"q": "\ud800"}})


def test_a_masked_command_says_so_and_an_event_of_another_kind_is_refused() -> None:
    event = json.loads(sample("http-api")) | {"headers": {"Authorization": "Bearer hunter22-hunter22"}}
    command = export(recorded(event), "curl")
    assert command.startswith("# Secrets are masked")
    assert "hunter22" not in command
    assert "https://ab12cd34ef.execute-api.eu-west-1.amazonaws.com/orders/7?expand=items" in command
    with pytest.raises(LivetuiError, match="did not come over HTTP"):
        export(recorded(json.loads(sample("sqs"))), "curl")
    with pytest.raises(LivetuiError, match="which host"):
        export(recorded({"httpMethod": "GET", "path": "/", "headers": {"host": "a b"}}), "curl")


def test_a_pasted_curl_command_becomes_an_event() -> None:
    event = json.loads(from_curl("curl 'https://api.example.com/orders?x=1&x=2' \\\n  -XPUT -H 'X-A: b' "
                                 "--data-raw '{\"a\": 1}' --compressed -b 'c=d; e=f' -u ada:pw -o out"))
    assert event["requestContext"]["http"]["method"] == "PUT"
    assert (event["rawPath"], event["rawQueryString"], event["body"]) == ("/orders", "x=1&x=2", '{"a": 1}')
    assert event["queryStringParameters"] == {"x": "1,2"}
    assert event["cookies"] == ["c=d", "e=f"]
    assert event["headers"].items() >= {"x-a": "b", "host": "api.example.com",
                                        "authorization": "Basic YWRhOnB3"}.items()
    for wrong in ("curl", "curl 'open", "curl http://[", "curl http://[::1", "curl http://\u2100.example/",
                  "printf %s a | base64 -d | curl --data-binary @- https://api.example.com/"):
        with pytest.raises(UsageError):
            from_curl(wrong)


# --- the others -----------------------------------------------------------------------------------------------------

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=12), lambda inner: st.lists(
    inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=8)


@settings(deadline=None)
@given(JSON, st.sampled_from(["sam", "json", "aws", "pytest"]))
def test_what_was_exported_can_be_imported(event: object, kind: str) -> None:
    text = export(recorded(event), kind, reveal=True, handler="app.handler", code_root=Path("src"))
    assert json.loads(import_event(text)) == event


def test_a_curl_command_comes_back_as_the_same_request() -> None:
    event = json.loads(sample("http-api-post"))
    again = json.loads(import_event(export(recorded(event), "curl", reveal=True)))
    assert (again["rawPath"], again["body"]) == (event["rawPath"], event["body"])
    assert again["requestContext"]["http"]["method"] == "POST"
    form = json.loads(sample("function-url"))
    back = json.loads(import_event(export(recorded(form), "curl", reveal=True)))
    assert (back["body"], back["isBase64Encoded"]) == (form["body"], True)


ROUTES = ("GET /orders", "GET /orders/{id}", "ANY /orders/{id}", "GET /orders/latest", "GET /files/{path+}",
          "ANY /{proxy+}")


@pytest.mark.parametrize(("command", "key", "parameters"), [
    ("curl https://x/orders/1", "GET /orders/{id}", {"id": "1"}),
    ("curl -X DELETE https://x/orders/1", "ANY /orders/{id}", {"id": "1"}),
    ("curl https://x/orders/latest?a=1", "GET /orders/latest", None),
    ("curl https://x/files/a/b%20c.txt", "GET /files/{path+}", {"path": "a/b c.txt"}),
    ("curl https://x/elsewhere/1", "ANY /{proxy+}", {"proxy": "elsewhere/1"}),
    ("curl http://localhost:20946/ab12cd34/orders/7", "GET /orders/{id}", {"id": "7"}),
])
def test_a_curl_command_takes_the_route_of_its_function(
    command: str, key: str, parameters: dict[str, str] | None
) -> None:
    event = json.loads(import_event(command, ROUTES))
    assert (event["routeKey"], event["requestContext"]["routeKey"]) == (key, key)
    assert event.get("pathParameters") == parameters
    assert "ab12cd34" not in event["rawPath"]


def test_a_curl_command_to_a_stage_or_nowhere() -> None:
    staged = json.loads(import_event("curl https://x/prod/orders/1", ROUTES[:3]))
    assert (staged["routeKey"], staged["pathParameters"]) == ("GET /orders/{id}", {"id": "1"})
    assert (staged["requestContext"]["stage"], staged["rawPath"]) == ("prod", "/prod/orders/1")
    nowhere = json.loads(import_event("curl https://x/other", ROUTES[:3]))
    assert nowhere["routeKey"] == "$default"
    assert "pathParameters" not in nowhere


def test_aws_takes_a_hostile_payload_as_one_argument(tmp_path: Path) -> None:
    stand_in = tmp_path / "aws"
    stand_in.write_text(f"#!{sys.executable}\nimport json, sys\nwords = sys.argv[1:]\n"
                        "payload = words[words.index('--payload') + 1]\n"
                        "if payload == 'file:///dev/stdin':\n    payload = sys.stdin.read()\n"
                        "print(json.dumps([words[:4], json.loads(payload)]))\n")
    stand_in.chmod(0o755)
    for size in (1, 3000):
        event = {"x": HOSTILE * size}
        command = export(recorded(event), "aws", reveal=True)
        done = subprocess.run(["sh"], input=command, capture_output=True, text=True, timeout=20, check=True,
                              env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
        assert json.loads(done.stdout) == [["lambda", "invoke", "--function-name", "shop-GetOrder-X1"], event]
        assert json.loads(import_event(command)) == event


@pytest.mark.parametrize("kind", KINDS)
def test_secrets_stay_inside_unless_asked_for(kind: str) -> None:
    headers = {"authorization": "Bearer hunter22-hunter22", "cookie": "a=hunter22"}
    event = json.loads(sample("http-api")) | {"headers": headers, "cookies": ["sid=hunter22"]}
    masked, open_ = (export(recorded(event, {"token": "hunter22"}), kind, reveal=reveal, handler="app.handler",
                            code_root=Path("src")) for reveal in (False, True))
    assert "hunter22" not in masked
    assert "hunter22" in open_


def test_mistakes_are_explained() -> None:
    with pytest.raises(UsageError, match="no export called"):
        export(recorded({}), "xml")
    with pytest.raises(LivetuiError, match="not known"):
        export(recorded({}), "pytest")
    with pytest.raises(LivetuiError, match="no JSON"):
        export(recorded(b"\xff"), "sam")
    with pytest.raises(LivetuiError):
        export(recorded(b"[" * 10_000 + b"]" * 10_000), "sam")
    assert "\\\\xff" in export(recorded(b"\xff"), "json")
    for text in ("", "hello", "aws lambda invoke --function-name x", "def x(: pass", "EVENT = 5"):
        with pytest.raises(UsageError):
            import_event(text)
    assert import_event(" null ") == b"null"
