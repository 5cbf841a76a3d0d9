"""Secrets and payloads stay out of what logs and tracebacks show of values."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.pretty import pretty_repr

from livetui.runtime.contract import FunctionSpec, Outcome, Work
from livetui.stack.contract import LiveStack

SECRET = "hunter22"
VALUES = [
    FunctionSpec("F", "shop-F", "app.handler", Path(), Path(), 3, 128, "eu-west-1", {"TOKEN": SECRET}),
    Work("w1", SECRET.encode(), {"identity": SECRET}, {"AWS_SECRET_ACCESS_KEY": SECRET}),
    Outcome("ok", SECRET.encode(), error_message=SECRET),
    LiveStack("shop", "arn", "shop", "dev", {}, {}, "bucket", signing_key=SECRET.encode()),
]


@pytest.mark.parametrize("value", VALUES, ids=[type(each).__name__ for each in VALUES])
def test_no_secret_is_shown(value: object) -> None:
    for shown in (repr(value), str(value), pretty_repr([value])):
        assert type(value).__name__ in shown
        assert SECRET not in shown
