"""Payloads that try to crash, restyle or block the console."""

from __future__ import annotations

import base64
import json
import re

ESCAPES = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J \x9b31m bell\x07 back\x08 \x7f"
BIDI = "\u202eevil\u202c \u2066iso\u2069 \u200f"
WIDE = "日本語 한국어 中文 👩‍👩‍👧‍👦 🇩🇪 e\u0301 \u200d\ufe0f"
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f]")
"""What none of them may bring onto the screen."""
MARKUP = "[/foo] [bold]x[/] [link=https://x] [@click=app.quit]y[/] [$primary]"

PAYLOADS: dict[str, bytes] = {
    "markup": json.dumps({MARKUP: MARKUP, "list": [MARKUP] * 3}).encode(),
    "escapes": json.dumps({"raw": ESCAPES, ESCAPES: 1}, ensure_ascii=False).encode("utf-8", "surrogatepass"),
    "escapes, no JSON": ESCAPES.encode() + b"\n" + ESCAPES.encode(),
    "bidi": json.dumps({"text": BIDI}, ensure_ascii=False).encode(),
    "wide": json.dumps({"text": WIDE, WIDE: [WIDE]}, ensure_ascii=False).encode(),
    "nul": b'{"nul": "\x00", "a": "\\u0000"}',
    "surrogate": b'{"half": "\\ud800", "other": "\xed\xa0\x80"}',
    "not utf-8": b"\xff\xfe\x00{\x80",
    "empty": b"",
    "a string": b'"only"',
    "one long line": json.dumps({"line": "x" * 1_000_000}).encode(),
    "one long wide line": json.dumps({"line": "日" * 300_000}, ensure_ascii=False).encode(),
    "long line, no JSON": b"y" * 1_000_000,
    "deep": b"[" * 10_000 + b"]" * 10_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deepest that indents": b"[" * 900 + b"]" * 900,
    "broken": b'{"a": [1, 2',
    "huge numbers": b'{"n": ' + b"9" * 20_000 + b', "e": 1e999999}',
    "many keys": json.dumps({f"k{n}": n for n in range(60_000)}).encode(),
    "6 MB": json.dumps([{"id": n, "name": "name" * 5, "tags": [1, 2, 3]} for n in range(85_000)]).encode(),
    "6 MB in one line": json.dumps("z" * 6_000_000).encode(),
    "bomb": base64.b64encode(b"\x1f\x8b" + b"\x00" * 50),
}
