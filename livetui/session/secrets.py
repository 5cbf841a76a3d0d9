"""Hides credentials, tokens, cookies and passwords in payloads, for the screen and for exports, until asked for.

Two things give a secret away: the name of the member it stands under, and its own look (a JWT, an access key, a
`Bearer …`, a signed URL, a private key). Both are tables below. JSON inside strings and base64 is looked into as well.
What is masked keeps its place and type of container, so that the shape of an event can still be read. This is a net
for people's eyes and for what they paste elsewhere; it cannot know a secret that neither name nor look betrays.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
from collections.abc import Iterator
from typing import Any

MASK = "••••••••"
_DEEPEST = 3
"""Layers of JSON or base64 inside strings that are opened."""
_LONGEST_INNER = 8 * 1024 * 1024
_SHORTEST = len("pwd=123")
_SHORTEST_TOKEN = len("xoxb-0123456789")

SENSITIVE_NAME = (
    r"passw(or)?d|passwd|passphrase|secret|apikey|privatekey|accesskey|authorization|cookie|credential|signature|"
    r"sessionid|csrf|xsrf|connectionstring|responseurl|webhookurl|(token|pwd|otp|pincode)s?$|^jwt$|^pin$|^auth$")
"""Members whose name, in lower case and without `-` and `_`, has this in it hold a secret."""
HARMLESS_NAME = (
    r"^(next|page|pagination|continuation|marker|service)token$|^(max|min|input|output|total|prompt|completion)?tokens$|"
    r"^(signatureversion|secretid|secretarn|secretname|credentialscope|tokentype|tokenuse)$|"
    r"^x?amz?signedheaders$|^iscookie|policy$|algorithm$|enabled$|type$|expir")
"""Names that only sound like it."""
NAMES = ("name", "key", "Name", "Key", "header")
"""Members whose text may name what a sibling among `VALUES` holds."""
VALUES = ("value", "Value", "stringValue", "StringValue", "values")

_SCHEMES = "bearer|basic|negotiate|digest|aws4-hmac-sha256"
_NAMED = (r"(?i)((?:passw(?:or)?d|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key|access[_-]?key|"
          r"authorization|cookie|signature|credentials?|session[_-]?id|(?<![a-z])(?:sig|pwd|code(?==)))"
          r"(?:[_-]?access)?(?:[_-]?(?:key|id|value))?\\?[\"']?\s{0,4}[=:]\s{0,4}\\?[\"']?)"
          rf"(?!•|(?:{_SCHEMES})\s)[^\s\"'&,;<>{{}}\[\]\\]{{3,}}")
_Rule = tuple[tuple[str, ...], str, str]
RULES: tuple[_Rule, ...] = (
    (("eyj",), r"eyJ[A-Za-z0-9_-]{6,}+\.[A-Za-z0-9_-]{6,}+(?:\.[A-Za-z0-9_-]*+)*+", MASK),
    (("akia", "asia"), r"(?:AKIA|ASIA)[A-Z0-9]{12,}", MASK),
    (("bearer ", "basic ", "negotiate ", "digest ", "aws4-hmac-sha256 "),
     rf"(?i)({_SCHEMES}) +(?!•)[^\s\"',;<>][^\r\n\"'<>\\]{{4,4096}}", rf"\1 {MASK}"),
    (("://",), r"(://[^/\s:@\"']{1,200}):(?!•)[^/\s@\"']{1,200}@", rf"\1:{MASK}@"),
    (("-----begin ",), r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:[^-]++|-(?!----))*+"
                      r"(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?", MASK),
    (("ghp_", "gho_", "ghs_", "ghu_", "github_pat_", "glpat-", "xox", "sk_live_", "sk_test_", "rk_live_", "aiza"),
     r"(?:gh[posu]_|github_pat_|glpat-|xox[abeprs]-|[sr]k_(?:live|test)_|AIza)[A-Za-z0-9_-]{10,}", MASK),
    (("passw", "passphrase", "secret", "token", "apikey", "api_key", "api-key", "private", "accesskey", "access_key",
      "access-key", "authorization", "cookie", "signature", "credential", "session", "sig=", "pwd", "code="),
     _NAMED, rf"\1{MASK}"),
)
"""What secrets look like: how they begin (lower case), the pattern from there, and what replaces it.

A pattern is only tried where one of its beginnings is found, which keeps megabytes cheap; none of them backtracks
over more than a few characters. They are compiled when first needed, which the start of the console need not wait for.
"""


@functools.lru_cache(4096)
def is_secret_name(name: str) -> bool:
    """Whether a member of this name is to be masked."""
    plain = name[:200].lower().replace("-", "").replace("_", "")
    return re.search(SENSITIVE_NAME, plain) is not None and re.search(HARMLESS_NAME, plain) is None


def mask_text(text: str) -> str:
    """`text` with everything in it that looks like a secret masked; linear in its length."""
    if len(text) < _SHORTEST_TOKEN and not (len(text) >= _SHORTEST and ("=" in text or ":" in text)):
        return text
    folded = _fold(text)
    for beginnings, pattern, replacement in RULES:
        places = [place for beginning in beginnings if beginning in folded for place in _places(folded, beginning)]
        if not places:
            continue
        masked = _replace(text, sorted(places), re.compile(pattern), replacement)
        if masked is not text:
            text, folded = masked, _fold(masked)
    return text


def _fold(text: str) -> str:
    """Lower case at the same positions: the one letter whose lower case is longer is left as it is."""
    return text.replace("\u0130", "\u0131").lower()


def _places(folded: str, beginning: str) -> Iterator[int]:
    place = folded.find(beginning)
    while place >= 0:
        yield place
        place = folded.find(beginning, place + 1)


def _replace(text: str, places: list[int], pattern: re.Pattern[str], replacement: str) -> str:
    pieces, done = [], 0
    for place in places:
        found = pattern.match(text, place) if place >= done else None
        if found is not None:
            pieces += [text[done:place], found.expand(replacement)]
            done = found.end()
    return "".join([*pieces, text[done:]]) if done else text


def mask(value: Any) -> Any:
    """A copy of parsed JSON with its secrets masked. Handles any depth; numbers and flags without a name stay."""
    return _mask(value, _DEEPEST)


def mask_json(body: bytes) -> bytes:
    """The same for a body of bytes: as JSON with the masked values, or as text when it is no JSON."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return mask_text(body.decode("utf-8", "backslashreplace")).encode("utf-8", "backslashreplace")
    masked = mask(value)
    return body if masked == value else json.dumps(masked, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _mask(value: Any, layers: int) -> Any:
    """Walk without recursion: each step fills one slot of a container that was made before."""
    root: list[Any] = [None]
    work: list[tuple[Any, Any, Any, bool]] = [(root, 0, value, False)]
    while work:
        holder, slot, found, secret = work.pop()
        match found:
            case dict():
                copy: dict[str, Any] = dict.fromkeys(found)
                holder[slot] = copy
                named = _named_values(found)
                encoded = "body" if found.get("isBase64Encoded") is True else None
                for key, inner in found.items():
                    hidden = secret or key in named or is_secret_name(key)
                    told = _Encoded(inner) if key == encoded and isinstance(inner, str) else inner
                    work.append((copy, key, told, hidden))
            case list():
                items: list[Any] = [None] * len(found)
                holder[slot] = items
                work.extend((items, index, inner, secret) for index, inner in enumerate(found))
            case _Encoded():
                holder[slot] = MASK if secret else mask_base64(found.text, layers)
            case str():
                holder[slot] = mask_secret(found) if secret else mask_string(found, layers)
            case bool() | None:
                holder[slot] = found
            case _:
                holder[slot] = MASK if secret else found
    return root[0]


class _Encoded:
    """A body that its event says is base64."""

    def __init__(self, text: str) -> None:
        self.text = text


def _named_values(found: dict[str, Any]) -> tuple[str, ...]:
    """Members that hold the value of a named secret: `{"name": "Authorization", "value": …}`."""
    for key in NAMES:
        name = found.get(key)
        if isinstance(name, str) and len(name) < 200 and is_secret_name(name):
            return VALUES
    return ()


def mask_secret(text: str) -> str:
    """A secret's text: only a scheme such as `Bearer` is left of it."""
    if not text:
        return text
    scheme = re.match(r"(?i)(bearer|basic|negotiate|digest) ", text)
    return f"{scheme[1]} {MASK}" if scheme else MASK


def mask_string(text: str, layers: int = _DEEPEST) -> str:
    """A string of JSON: opened where it holds JSON or base64, else masked by its look."""
    if layers and len(text) <= _LONGEST_INNER:
        start = text[:64].lstrip()[:3]
        if start[:1] in ("{", "["):
            return _mask_inner(text, layers)
        if start[:2] in ("ey", "ew", "W1", "W3", "Wy") and "." not in text[:200] and len(text) >= 16:
            return mask_base64(text, layers)
    return mask_text(text)


def _mask_inner(text: str, layers: int) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return mask_text(text)
    masked = _mask(value, layers - 1)
    return text if masked == value else json.dumps(masked, ensure_ascii=False)


def mask_base64(text: str, layers: int = _DEEPEST) -> str:
    """Base64 text, with what it encodes masked."""
    try:
        opened = base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return mask_text(text)
    masked = mask_string(opened, layers - 1) if layers else mask_text(opened)
    return text if masked == opened else base64.b64encode(masked.encode("utf-8", "replace")).decode()
