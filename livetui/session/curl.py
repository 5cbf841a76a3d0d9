"""Between HTTP events and `curl` commands: an event as a command that can be pasted, a pasted command as an event."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from livetui.errors import LivetuiError, UsageError
from livetui.session.routes import choose

_LONGEST_ARGUMENT = 30_000
"""Characters of a body that are passed as an argument; Linux takes 128 KiB in one."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_UNSENT = re.compile(r"(?i)(host|content-length|connection|accept-encoding|transfer-encoding|x-forwarded-.*|"
                     r"x-amzn-trace-id|x-amz-cf-id|via|cloudfront-.*)\Z")
"""Headers that curl or the cloud adds by itself."""
_LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?\Z")
_LOCAL_API = re.compile(r"\A/([0-9a-f]{8}|[0-9a-z]{32})(?=/|\Z)")
"""The id of an API or function URL, with which its addresses on the local cloud begin."""
_VALUED = {"-X": "request", "--request": "request", "-H": "header", "--header": "header", "-d": "body",
           "--data": "body", "--data-raw": "body", "--data-binary": "body", "--data-ascii": "body", "--json": "json",
           "-b": "cookie", "--cookie": "cookie", "-u": "user", "--user": "user", "--url": "url", "-A": "agent",
           "--user-agent": "agent", "-o": "", "--output": "", "-m": "", "--max-time": "", "-e": "", "--referer": "",
           "--cacert": "", "--connect-timeout": "", "-x": "", "--proxy": "", "-w": "", "--write-out": ""}


def is_http(event: Any) -> bool:
    """Whether an event came over HTTP: API Gateway, function URL, load balancer, VPC Lattice."""
    if not isinstance(event, dict):
        return False
    request = event.get("requestContext")
    return ("httpMethod" in event and "path" in event) or (
        isinstance(request, dict) and (isinstance(request.get("http"), dict) or "serviceNetworkArn" in request))


def to_curl(event: Mapping[str, Any], endpoint: str = "") -> str:
    """An HTTP event as a `curl` command for a POSIX shell; every value is quoted.

    `endpoint` replaces the event's own host, such as the local cloud's URL. Raises `LivetuiError` when the event has
    no host either, or its method is none.
    """
    method = _text(event.get("httpMethod") or event.get("method") or _at(event, "requestContext", "http", "method"))
    if not _TOKEN.match(method):
        raise LivetuiError("This event cannot be sent with curl.", f"{method!r} is no HTTP method.")
    words = ["curl", "--globoff", "--path-as-is"]
    words += ["--head"] if method == "HEAD" else ["--request", method]
    for name, value in _headers(event):
        words += ["--header", f"{name}: {value}" if value else f"{name};"]
    body, prefix = _text(event.get("body") or ""), ""
    is_base64 = event.get("isBase64Encoded") is True
    if body and (is_base64 or "\0" in body or len(body) > _LONGEST_ARGUMENT):  # printf is the shell's own: no limit
        encoded = body if is_base64 else base64.b64encode(body.encode("utf-8", "replace")).decode()
        prefix = f"printf %s {shlex.quote(encoded)} | base64 -d | "
        words += ["--data-binary", "@-"]
    elif body:
        words += ["--data-raw", body]
    words += ["--url", _url(event, endpoint)]
    return prefix + " ".join(_quote(word) for word in words) + "\n"


def from_curl(command: str, routes: Sequence[str] = ()) -> bytes:
    """The HTTP API event (payload format 2.0) that a `curl` command would cause. Raises `UsageError`.

    `routes` are the route keys that lead to the function: the one that the request takes fills in `routeKey` and
    `pathParameters`.
    """
    try:
        words = shlex.split(command.replace("\\\r\n", " ").replace("\\\n", " "))
        piped = base64.b64decode(words[2]) if words[:2] == ["printf", "%s"] and "|" in words else None
    except ValueError as error:
        raise UsageError("The curl command cannot be read.", str(error)) from error
    words = words[words.index("curl") + 1:] if "curl" in words else words
    method, url, headers, body, form = "", "", dict[str, str](), list[str](), False
    index = 0
    while index < len(words):
        word, index = words[index], index + 1
        name, equals, inline = word.partition("=") if word.startswith("--") else (word, "", "")
        if not word.startswith("--") and word.startswith("-") and len(word) > 2 and word[:2] in _VALUED:
            name, equals, inline = word[:2], "=", word[2:]
        if name in _VALUED:
            if not equals:
                inline, index = (words[index] if index < len(words) else ""), index + 1
            match _VALUED[name]:
                case "request":
                    method = inline
                case "header":
                    key, _, value = inline.partition(":")
                    headers[key.strip().rstrip(";").lower()] = value.strip()
                case "cookie":
                    headers["cookie"] = inline
                case "agent":
                    headers["user-agent"] = inline
                case "user":
                    headers["authorization"] = "Basic " + base64.b64encode(inline.encode()).decode()
                case "url":
                    url = inline
                case "json":
                    body.append(inline)
                    headers.setdefault("content-type", "application/json")
                case "body":
                    body.append(inline)
                    form = True
        elif name in ("-I", "--head"):
            method = "HEAD"
        elif not word.startswith("-") and word not in ("|", "printf", "%s") and not url:
            url = word
    if not url:
        raise UsageError("The curl command has no URL.", hint="Paste the whole command.")
    if form:
        headers.setdefault("content-type", "application/x-www-form-urlencoded")
    content: str | bytes | None = piped if piped is not None else "&".join(body) if body else None
    try:
        return json.dumps(_event(method or ("POST" if body else "GET"), url, headers, content, routes)).encode()
    except ValueError as error:
        raise UsageError("The curl command's URL cannot be read.", str(error)) from error


def _event(method: str, url: str, headers: dict[str, str], body: str | bytes | None,
           routes: Sequence[str]) -> dict[str, Any]:
    parts = urlsplit(url if "://" in url else f"https://{url}")
    path = _LOCAL_API.sub("", parts.path) if _LOCAL_HOST.match(parts.netloc) else parts.path
    path, stage = path or "/", "$default"
    route = choose(method, path, routes)
    if route is None and path.count("/") > 1 and (route := choose(method, path[path.index("/", 1):], routes)):
        stage = path.split("/")[1]
    key, parameters = route or ("$default", {})
    query: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    cookies = [each.strip() for each in headers.pop("cookie", "").split(";") if each.strip()]
    event: dict[str, Any] = {
        "version": "2.0", "routeKey": key, "rawPath": unquote(path), "rawQueryString": parts.query,
        **({"cookies": cookies} if cookies else {}), "headers": {**headers, "host": parts.netloc},
        **({"queryStringParameters": query} if query else {}),
        **({"pathParameters": parameters} if parameters else {}),
        "requestContext": {"domainName": parts.netloc, "routeKey": key, "stage": stage,
                           "http": {"method": method, "path": path, "protocol": "HTTP/1.1",
                                    "sourceIp": "127.0.0.1", "userAgent": headers.get("user-agent", "")}},
        "isBase64Encoded": isinstance(body, bytes)}
    if body is not None:
        event["body"] = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    return event


def _quote(word: str) -> str:
    return shlex.quote(word.encode("utf-8", "replace").decode())


def _headers(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values that may be sent: tokens, and text without control characters."""
    several = event.get("multiValueHeaders")
    plain = event.get("headers")
    pairs: list[tuple[Any, Any]] = []
    if isinstance(several, dict):
        pairs = [(name, value) for name, values in several.items() if isinstance(values, list) for value in values]
    elif isinstance(plain, dict):
        pairs = [(name, each) for name, value in plain.items()
                 for each in (value if isinstance(value, list) else [value])]
    cookies = event.get("cookies")
    if isinstance(cookies, list):
        pairs.append(("cookie", "; ".join(_text(each) for each in cookies)))
    for name, value in pairs:
        if isinstance(name, str) and _TOKEN.match(name) and not _UNSENT.match(name):
            yield name, re.sub(r"[\x00-\x1f\x7f]", " ", _text(value)).strip()


def _url(event: Mapping[str, Any], endpoint: str) -> str:
    path = _text(_at(event, "requestContext", "path") or event.get("rawPath") or event.get("path") or "/")
    base = endpoint.rstrip("/")
    if base:
        path = _text(event.get("path") or event.get("rawPath") or "/")
    else:
        headers = event.get("headers") if isinstance(event.get("headers"), dict) else {}
        host = _text(_at(event, "requestContext", "domainName")) or next(
            (_text(value) for name, value in (headers or {}).items() if name.lower() == "host"), "")
        if not re.match(r"[A-Za-z0-9.-]+(:\d{1,5})?\Z", host):
            raise LivetuiError("This event does not say which host it was sent to.",
                               hint="Export it while the session is live, or as json.")
        base = f"https://{host}"
    path = "/" + quote(path.lstrip("/"), safe="/%:@!$&'()*+,;=-._~", errors="replace")
    query = _query(event)
    return f"{base}{path}{'?' if query else ''}{query}"


def _query(event: Mapping[str, Any]) -> str:
    if isinstance(raw := event.get("rawQueryString"), str):
        return quote(raw, safe="%&=+,;:@!$'()*/?-._~", errors="replace")
    several = event.get("multiValueQueryStringParameters")
    plain = event.get("queryStringParameters")
    chosen = several if isinstance(several, dict) else plain if isinstance(plain, dict) else {}
    pairs = [(name, _text(each)) for name, value in chosen.items() for each in (
        value if isinstance(value, list) else [value])]
    if isinstance(event.get("requestContext"), dict) and "elb" in event["requestContext"]:
        return "&".join(f"{name}={value}" for name, value in pairs)  # a load balancer hands them over as they came
    return urlencode(pairs, errors="replace")


def _at(event: Any, *keys: str) -> Any:
    for key in keys:
        event = event.get(key) if isinstance(event, dict) else None
    return event


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
