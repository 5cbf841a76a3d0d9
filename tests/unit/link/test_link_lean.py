"""What makes the stub's import cheap is for awscrt and the stub alone, is enough for both, and is undone when it is over."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import builtins, gc, json, sys
plain = builtins.__import__
import stub_runtime.lean
from dataclasses import dataclass
from inspect import signature
from typing import Optional, get_type_hints
import stub_runtime.handler
import awscrt.mqtt5
from stub_runtime.config import StubConfig
from stub_runtime.topics import Topics

@dataclass
class Users:
    name: Optional[str]

def refused(call):
    try:
        return str(call())
    except (TypeError, ValueError) as error:
        return str(error)

lean = {}
for module in [module for name, module in sys.modules.items() if name.startswith(("awscrt.", "stub_runtime."))]:
    for name, cls in vars(module).items():
        if getattr(getattr(cls, "__init__", None), "__module__", "") == "stub_runtime.lean":
            names = list(vars(cls)["__annotations__"])
            lean[f"{module.__name__}:{name}"] = [names, {n: repr(getattr(cls, n)) for n in names if hasattr(cls, n)}]

print(json.dumps({
    "undone": builtins.__import__ is plain and gc.isenabled(), "frozen": gc.get_freeze_count() > 10_000,
    "equal": Users("a") == Users("a"), "shown": repr(Users("a")), "hints": str(get_type_hints(Users)["name"]),
    "signature": str(signature(Users)), "lean": lean, "incomplete": refused(lambda: StubConfig.from_json("{}")),
    "too many": refused(lambda: Topics("orders", "dev", "more")), "twice": refused(lambda: Topics("orders", app="shop")),
    "callback": refused(lambda: awscrt.mqtt5.Client(
        awscrt.mqtt5.ClientOptions("localhost", on_publish_callback_fn=lambda: None)))}))
"""


@pytest.fixture(scope="module")
def imported() -> Any:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_whoever_else_imports_what_is_stood_in_for_gets_the_real_modules(imported: Any) -> None:
    assert imported["undone"]
    assert imported["frozen"]
    assert imported["equal"]
    assert imported["shown"] == "Users(name='a')"
    assert imported["hints"] == "typing.Optional[str]"
    assert imported["signature"] == "(name: Optional[str]) -> None"


def test_what_is_wrong_is_refused_as_by_the_real_modules(imported: Any) -> None:
    assert imported["incomplete"].startswith("LIVETUI is incomplete")
    assert imported["too many"] == imported["twice"] == "Topics() takes app, stage"
    assert imported["callback"] == "Callable should take one argument"


@pytest.mark.parametrize("told", [True, False])
def test_no_certificate_is_read_before_one_is_needed(tmp_path: Path, told: bool) -> None:
    certificates = tmp_path / "certificates"
    os.mkfifo(certificates)  # who opens it waits for ever
    environ = {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"}
    script = "import stub_runtime.handler, os; print(os.environ.get('SSL_CERT_FILE'))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30,
                          env={**environ, "SSL_CERT_FILE": str(certificates)} if told else environ)
    assert done.stdout.strip() == (str(certificates) if told else "None")


def test_the_stub_and_awscrt_make_do_with_the_stand_ins(imported: Any) -> None:
    lean = imported["lean"]
    assert {"awscrt.mqtt5:PublishPacket", "awscrt.aws_iot_metrics:AWSIoTMetrics", "stub_runtime.wire:Frame",
            "stub_runtime.call:StubCall"} <= lean.keys()
    for path, (names, defaults) in lean.items():
        module, name = path.split(":")
        fields = dataclasses.fields(getattr(importlib.import_module(module), name))
        assert names == [field.name for field in fields], path
        assert defaults == {f.name: repr(f.default) for f in fields if f.default is not dataclasses.MISSING}, path
        assert all(field.default_factory is dataclasses.MISSING for field in fields), path
