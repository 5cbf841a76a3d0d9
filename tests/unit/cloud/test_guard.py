"""Who may be root of the local cloud: only requests that name a key of this run."""

from __future__ import annotations

from typing import Any

import pytest

from livetui.cloud.guard import Guard, is_admissible

GOOD = "AKIAABCDEFGHIJKLMNOP"
SIGV4 = "AWS4-HMAC-SHA256 Credential={}/20260101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=00"
API = "3698ca23.execute-api.localhost:4566"


def request(path: str = "/", query: str = "", host: str = "127.0.0.1:4566", kind: str = "http", method: str = "POST",
            **headers: str) -> dict[str, Any]:
    pairs = [(b"host", host.encode()), *((name.encode(), value.encode()) for name, value in headers.items())]
    return {"type": kind, "method": method, "path": path, "query_string": query.encode(), "headers": pairs}


@pytest.mark.parametrize("scope", [
    request(authorization=SIGV4.format(GOOD)),
    request(authorization=SIGV4.format("ASIA0123456789ABCDEF")),
    request(authorization=f"AWS {GOOD}:c2ln"),
    request(query=f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={GOOD}%2F20260101%2Feu-west-1%2Fs3%2Faws4_request"),
    request("/mqtt", f"X-Amz-Credential={GOOD}%2F20260101&X-Amz-Signature=0", kind="websocket"),
    request(),  # ministack itself refuses what is not signed and needs to be
    request("/_ministack/health", method="GET"),
    request("/_ministack/cfn-response/0c945dc4-16bb", method="PUT"),
    request("/orders", host=API, authorization="Bearer a.b.c"),
    request("/_aws/execute-api/3698ca23/$default/orders", authorization="Basic dTpw"),
    request("/orders", host=API, kind="websocket"),
], ids=str)
def test_admitted(scope: dict[str, Any]) -> None:
    assert is_admissible(scope)


@pytest.mark.parametrize("scope", [
    request(authorization=SIGV4.format("test")),
    request(authorization=SIGV4.format("123456789012")),
    request(authorization=SIGV4.format("")),
    request(authorization="AWS test:c2ln"),
    request(authorization="Bearer anything"),
    request(authorization=""),
    request(host=API, authorization=SIGV4.format("test")),
    request(host=API, authorization="AWS4-HMAC-SHA256 nonsense"),
    request(query="X-Amz-Credential=test%2F20260101"),
    request(query="x-amz-algorithm=AWS4-HMAC-SHA256"),
    request(query=f"X-Amz-Credential={GOOD}%2F2026&X-Amz-Credential=test%2F2026"),
    request(query="AWSAccessKeyId=test&Signature=0"),
    request(query="X-Amz-Credential=test%2F2026", authorization=SIGV4.format(GOOD)),
    request("/mqtt", kind="websocket"),
    request("/_ministack/reset"),
    request("/_ministack/config", authorization=SIGV4.format(GOOD)),
    request("/_ministack/lambda-code/000000000000/eu-west-1/fn", method="GET"),
    request("/_localstack/health", method="GET"),
], ids=str)
def test_refused(scope: dict[str, Any]) -> None:
    assert not is_admissible(scope)


async def test_a_refused_request_is_answered_and_never_reaches_the_emulator() -> None:
    reached: list[Any] = []
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope)

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await Guard(app)(request(authorization=SIGV4.format("test")), receive, send)
    await Guard(app)(request("/mqtt", kind="websocket"), receive, send)

    assert reached == []
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body", "websocket.close"]
    assert sent[0]["status"] == 403


async def test_start_up_and_shut_down_pass() -> None:
    reached: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])

    await Guard(app)({"type": "lifespan"}, app, app)  # type: ignore[arg-type]

    assert reached == ["lifespan"]
