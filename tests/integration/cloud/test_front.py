"""The front: what a stack prints as its URL works in a plain HTTP client, and the function sees what AWS would send."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from livetui.aws import Aws
from livetui.cloud import LocalCloud
from livetui.cloud.front import MAX_REQUEST_BYTES

ECHO = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Timeout: 60
      InlineCode: |
        import json, time
        def handler(event, context):
            if "slow" in str(event.get("rawPath") or event.get("path")):
                time.sleep(32)
            if "redirect" in str(event.get("rawPath")):
                return {"statusCode": 302, "headers": {"location": "/elsewhere"}, "cookies": ["a=1", "b=2"]}
            return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(event)}
      FunctionUrlConfig: {AuthType: NONE}
      Events:
        Http: {Type: HttpApi, Properties: {Method: ANY, Path: "/{proxy+}"}}
        Rest: {Type: Api, Properties: {Method: ANY, Path: "/{proxy+}"}}
Outputs:
  Http: {Value: !Sub "https://${ServerlessHttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}"}
  Rest: {Value: !Sub "https://${ServerlessRestApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/Prod"}
  Url: {Value: !GetAtt EchoUrl.FunctionUrl}
"""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The event that the function was called with."""
        return json.loads(self.body)


def call(url: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body, dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def echo(aws: Aws, local_cloud: LocalCloud) -> dict[str, str]:
    """The front's URLs of a function that answers with its event, behind each kind of API."""
    stack = f"echo-{uuid4().hex[:8]}"
    formation = aws.client("cloudformation")
    formation.create_stack(StackName=stack, TemplateBody=ECHO,
                           Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    formation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    outputs = formation.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    return {output["OutputKey"]: local_cloud.public_url(output["OutputValue"]).rstrip("/") for output in outputs}


def test_an_http_api_gets_path_query_headers_and_body_as_they_were_sent(echo: dict[str, str]) -> None:
    event = call(f"{echo['Http']}/orders/caf%C3%A9/7?a=1&a=2&b=x%20y", "PATCH", b'{"n": 1}',
                 {"content-type": "application/json", "x-mine": "yes"}).event

    assert event["rawPath"] == "/orders/café/7"
    assert event["rawQueryString"] == "a=1&a=2&b=x%20y"
    assert event["requestContext"]["http"]["method"] == "PATCH"
    assert event["headers"]["x-mine"] == "yes"
    assert event["body"] == '{"n": 1}'
    assert event["requestContext"]["stage"] == "$default"


def test_the_api_sees_its_own_host_and_not_the_front(echo: dict[str, str]) -> None:
    api_id = echo["Http"].rpartition("/")[2]
    event = call(f"{echo['Http']}/x").event

    assert event["headers"]["host"].startswith(f"{api_id}.execute-api.")


def test_a_rest_api_keeps_its_stage(echo: dict[str, str]) -> None:
    event = call(f"{echo['Rest']}/orders/7?a=1").event

    assert event["path"] == "/orders/7"
    assert event["requestContext"]["stage"] == "Prod"
    assert event["requestContext"]["path"] == "/Prod/orders/7"
    assert event["queryStringParameters"] == {"a": "1"}


@pytest.mark.long
def test_apis_give_their_callers_up_as_api_gateway_does_and_function_urls_do_not(echo: dict[str, str]) -> None:
    with ThreadPoolExecutor() as callers:
        http, rest, url = callers.map(lambda kind: call(f"{echo[kind]}/slow"), ("Http", "Rest", "Url"))

    assert (http.status, json.loads(http.body)) == (503, {"message": "Service Unavailable"})
    assert (rest.status, json.loads(rest.body)) == (504, {"message": "Endpoint request timed out"})
    assert url.status == 200


def test_a_function_url_is_reached(echo: dict[str, str]) -> None:
    event = call(f"{echo['Url']}/a/b?c=d", "POST", b"text", {"content-type": "text/plain"}).event

    assert event["rawPath"] == "/a/b"
    assert event["rawQueryString"] == "c=d"
    assert event["body"] == "text"


def test_the_same_api_has_a_host_name_of_its_own(echo: dict[str, str], local_cloud: LocalCloud) -> None:
    api_id = echo["Http"].rpartition("/")[2]
    port = local_cloud.record.front_port
    event = call(f"http://127.0.0.1:{port}/orders/7", headers={"Host": f"{api_id}.localhost:{port}"}).event

    assert event["rawPath"] == "/orders/7"


def test_redirects_and_several_cookies_come_back_unchanged(echo: dict[str, str]) -> None:
    answer = call(f"{echo['Http']}/redirect")

    assert answer.status == 302
    assert [value for name, value in answer.headers if name.lower() == "set-cookie"] == ["a=1", "b=2"]
    assert ("location", "/elsewhere") in answer.headers


def test_a_chunked_body_arrives_whole(echo: dict[str, str], local_cloud: LocalCloud) -> None:
    connection = http.client.HTTPConnection("localhost", local_cloud.record.front_port, timeout=30)
    connection.request("POST", f"{urlsplit(echo['Http']).path}/up", iter([b"one,", b"two"]),
                       {"content-type": "text/plain"}, encode_chunked=True)
    event = json.loads(connection.getresponse().read())
    connection.close()

    assert event["body"] == "one,two"


def test_a_head_request_has_no_body(echo: dict[str, str]) -> None:
    answer = call(f"{echo['Http']}/x", "HEAD")

    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_what_is_printed_works_in_curl_as_it_stands(echo: dict[str, str]) -> None:
    printed = subprocess.run(["curl", "-sS", "--max-time", "30", f"{echo['Http']}/orders"], capture_output=True,
                             text=True, check=True, env={"PATH": "/usr/bin:/bin"})

    assert json.loads(printed.stdout)["rawPath"] == "/orders"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1"])
def test_a_page_whose_name_was_bound_to_loopback_gets_nothing(echo: dict[str, str], host: str) -> None:
    answer = call(f"{echo['Http']}/x", headers={"Host": host})

    assert answer.status == 421


def test_only_apis_are_behind_the_front(local_cloud: LocalCloud) -> None:
    base = f"http://localhost:{local_cloud.record.front_port}"

    assert call(f"{base}/").status == 404
    assert call(f"{base}/_ministack/health").status == 404
    assert call(f"{base}/12345678/x").status == 404


def test_an_oversized_body_is_refused_before_it_is_read(echo: dict[str, str], local_cloud: LocalCloud) -> None:
    with socket.create_connection(("127.0.0.1", local_cloud.record.front_port), timeout=10) as client:
        client.sendall(f"POST {urlsplit(echo['Http']).path}/x HTTP/1.1\r\nHost: localhost\r\n"
                       f"Content-Length: {MAX_REQUEST_BYTES + 1}\r\n\r\n".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("length", ["-1", "1e3", "٣"])
def test_a_length_that_is_no_number_is_refused(local_cloud: LocalCloud, length: str) -> None:
    with socket.create_connection(("127.0.0.1", local_cloud.record.front_port), timeout=10) as client:
        client.sendall(f"POST /12345678/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 400")
