"""An event that is edited with its secrets masked is sent with them, or not at all."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from livetui.errors import LivetuiError
from livetui.session.secrets import MASK, mask_json
from livetui.session.unmasking import unmasked

PEM = "PRIVATE" + " KEY-----"  # else the file would look as if it held one


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def sent(event: Any, old: str, new: str) -> Any:
    """What is sent of an event in which one word is replaced while its secrets are masked."""
    original = json.dumps(event)
    shown = mask_json(original.encode()).decode()
    assert MASK in shown
    assert old in shown
    return json.loads(unmasked(shown.replace(old, new), shown, original))


@pytest.mark.parametrize("body", [
    '{"password": "hunter22", "what": "apples"}',
    '{"inner": "{\\"password\\": \\"hunter22\\", \\"what\\": \\"apples\\"}"}',
    "password=hunter22&what=apples",
    "what: apples\npassword=hunter22",
], ids=["JSON", "JSON in JSON", "form", "lines"])
def test_secrets_in_strings_come_back_when_something_beside_them_is_edited(body: str) -> None:
    assert sent({"body": body, "token": "t0ken"}, "apples", "pears") == {
        "body": body.replace("apples", "pears"), "token": "t0ken"}


def test_secrets_in_a_base64_body_come_back() -> None:
    body = '{"password": "hunter22", "qty": 1}'
    shown = mask_json(body.encode()).decode()
    got = sent({"isBase64Encoded": True, "body": encoded(body), "token": "x"}, encoded(shown),
               encoded(shown.replace("1", "2")))
    assert base64.b64decode(got["body"]).decode() == body.replace("1", "2")


def test_what_is_typed_in_place_of_a_mask_is_sent_and_what_is_removed_is_gone() -> None:
    event = {"body": '{"password": "hunter22", "qty": 1}', "token": "t0ken"}
    assert json.loads(sent(event, f'\\"{MASK}\\"', '\\"new\\"')["body"]) == {"password": "new", "qty": 1}
    assert sent(event, f', "token": "{MASK}"', "") == {"body": event["body"]}


@pytest.mark.parametrize(("event", "old", "new"), [
    ({"note": "the password=hunter22 of Ann"}, "Ann", "Bob"),
    ({"password": "hunter22", "n": 1}, '"n": 1', f'"copy": "{MASK}"'),
    ({"body": "password=hunter22&token=t0ken22"}, f"password={MASK}&token={MASK}", f"token={MASK}&password={MASK}"),
    ({"body": f"-----BEGIN {PEM}\nMIIsecret1\nMIIsecret2\n-----END {PEM}\nname=Ann"}, "Ann", "Bob"),
    ({"body": "Basic abcdefgh&x=1&y=2&z=3\nname=Ann"}, "Ann", "Bob"),
    ({"body": "token=aaaabbbb&x=1&token=ccccdddd&x=2"}, f"token={MASK}&x=1&", ""),
    ({"tokens": [{"token": "aaaabbbb"}, {"token": "ccccdddd"}]}, f'{{"token": "{MASK}"}}, {{', "{"),
], ids=["around it", "copied", "moved", "over several lines", "over several fields", "one of two fields",
        "one of two members"])
def test_a_mask_that_cannot_be_put_back_is_not_sent(event: Any, old: str, new: str) -> None:
    with pytest.raises(LivetuiError, match="cannot be put back"):
        sent(event, old, new)


def test_a_mask_that_is_copied_inside_base64_is_not_sent() -> None:
    record = {"data": encoded('{"password": "hunter22"}')}
    original = json.dumps({"Records": [record]})
    shown = mask_json(original.encode()).decode()
    [hidden] = json.loads(shown)["Records"]
    assert hidden != record
    with pytest.raises(LivetuiError, match="cannot be put back"):
        unmasked(json.dumps({"Records": [hidden, hidden]}, ensure_ascii=False), shown, original)


def test_a_mask_of_the_event_itself_is_sent() -> None:
    assert sent({"password": MASK, "token": "t0ken", "n": 1}, '"n": 1', '"n": 2') == {
        "password": MASK, "token": "t0ken", "n": 2}


def test_too_many_changes_are_refused() -> None:
    original = json.dumps({"password": "hunter22", "n": [0] * 6_000})
    shown = mask_json(original.encode()).decode()
    with pytest.raises(LivetuiError, match="Too much"):
        unmasked(shown.replace("0", "1"), shown, original)
