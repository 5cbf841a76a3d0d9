"""The bootstrap template as a document: what the local cloud does not provision is proven here."""

from __future__ import annotations

import ast
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from ruamel.yaml import YAML

from livetui.stack import bootstrap


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    loader = YAML()
    return loader.load(bootstrap.template())


def test_the_version_is_the_one_in_the_template(template: dict[str, Any]) -> None:
    assert template["Outputs"]["Version"]["Value"] == str(bootstrap.VERSION)


def test_payloads_expire(template: dict[str, Any]) -> None:
    rules = template["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert [rule["ExpirationInDays"] for rule in rules if rule.get("Prefix") == "payloads/"] == [1]


def test_the_functions_sources_are_inlined_whole(template: dict[str, Any]) -> None:
    for name, source in (("Cleaner", "cleaner.py"), ("Metadata", "metadata.py")):
        code = template["Resources"][name]["Properties"]["Code"]["ZipFile"]
        assert code == (bootstrap.sources() / source).read_text("utf-8")
        ast.parse(code)


def test_the_template_fits_inline() -> None:
    assert len(bootstrap.template().encode()) < 51_200


@pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
def test_cloudformation_is_answered_on_every_path(request_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    namespace: dict[str, Any] = {}
    exec((bootstrap.sources() / "cleaner.py").read_text("utf-8"), namespace)

    def broken(*_: Any) -> int:
        raise PermissionError("denied")

    namespace["empty"] = broken
    answers: list[bytes] = []

    class Listener(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            answers.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    try:
        answer = namespace["handler"](
            {"RequestType": request_type, "ResponseURL": f"http://127.0.0.1:{server.server_port}/", "StackId": "s",
             "RequestId": "r", "LogicalResourceId": "l", "ResourceProperties": {"Bucket": "b"}}, None)
    finally:
        thread.join(10)
        server.server_close()
    assert len(answers) == 1
    assert answer["Status"] == ("FAILED" if request_type == "Delete" else "SUCCESS")
    assert answer["PhysicalResourceId"] == "b"
    assert "BUCKET" not in os.environ
