"""An ASGI layer before ministack that lets nobody be root without the root key of this run.

ministack takes the key id `test`, every 12-digit number and every Authorization header that is not AWS's for the root
user, without looking at the signature. Whoever is root can create functions, and functions run as the developer: on a
machine with more than one user that must not be had for a guess. The root key id of a run is random and works here
like a password; the keys of roles and users are verified by ministack itself.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from livetui.cloud.layer_content import is_signed

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_KEY_ID = re.compile(r"(?:AKIA|ASIA)[0-9A-Z]{16}")
_AWS_AUTHORIZATION = re.compile(r"AWS4-[\w-]+\s.*?Credential=([^/,\s]*)/.*|AWS\s+([^:\s]*):.*", re.DOTALL)
_SIGNED_QUERY = frozenset({"x-amz-algorithm", "x-amz-credential", "x-amz-signature", "awsaccesskeyid", "signature"})
# An API's own Authorization (a JWT, Basic) goes to the API; on any other host it would make its sender root.
_API_HOST = re.compile(r"[0-9a-z-]+\.(?:execute-api|lambda-url)\.[\w.-]+(?::\d+)?")
_API_PATH = re.compile(r"/_aws/(?:execute-api|lambda-url)/|/restapis/[^/]+/[^/]+/_user_request_(?:/|$)")
_ADMINISTRATION = re.compile(r"/_(?:ministack|localstack)(?:/|$)")
# Health, and the one-time tokens that CloudFormation hands to custom resources.
_OPEN_ADMINISTRATION = re.compile(r"GET /_ministack/health|PUT /_ministack/cfn-(?:response|signal)/[\w-]+")
_REFUSAL = b'{"__type":"UnrecognizedClientException","message":"This access key is not one of this local cloud."}'


class Guard:
    """Passes a request on to `app` when it claims nothing or claims a key that has to be known."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry point."""
        if scope["type"] in ("http", "websocket") and not is_admissible(scope):
            await _refuse(scope["type"], receive, send)
        else:
            await self._app(scope, receive, send)


def is_admissible(scope: Scope) -> bool:
    """May this request reach ministack?"""
    headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    host = next((value for name, value in headers if name == b"host"), "")
    path = scope["path"]
    if _ADMINISTRATION.match(path):
        request = f"{scope.get('method', '')} {path}"
        return bool(_OPEN_ADMINISTRATION.fullmatch(request)) or (request.startswith("GET ") and is_signed(path))
    for_an_api = bool(_API_HOST.fullmatch(host.lower()) or _API_PATH.match(path))
    claims = [*_header_claims(headers, for_an_api), *_query_claims(scope.get("query_string", b""))]
    if scope["type"] == "websocket" and not for_an_api and not claims:
        return False  # MQTT without a signature
    return all(_KEY_ID.fullmatch(claim) for claim in claims)


def _header_claims(headers: list[tuple[bytes, str]], for_an_api: bool) -> Iterator[str]:
    """The key ids that Authorization headers name; an empty one for a header that names none."""
    for name, value in headers:
        if name == b"authorization":
            if found := _AWS_AUTHORIZATION.fullmatch(value.strip()):
                yield found[1] or found[2] or ""
            elif not for_an_api or value.strip().upper().startswith("AWS"):
                yield ""


def _query_claims(query: bytes) -> Iterator[str]:
    """The key ids that a pre-signed query names; an empty one when it is signed and names none."""
    pairs = [(name.lower(), value) for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True)]
    if not any(name in _SIGNED_QUERY for name, _ in pairs):
        return
    named = [value.partition("/")[0] for name, value in pairs if name in ("x-amz-credential", "awsaccesskeyid")]
    yield from named or [""]


async def _refuse(kind: str, receive: Receive, send: Send) -> None:
    if kind == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "http.response.start", "status": 403, "headers": [
        (b"content-type", b"application/x-amz-json-1.0"), (b"content-length", str(len(_REFUSAL)).encode()),
        (b"x-amzn-errortype", b"UnrecognizedClientException")]})
    await send({"type": "http.response.body", "body": _REFUSAL})
