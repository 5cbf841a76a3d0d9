"""What makes the stub's import cheap is undone when it is over."""

from __future__ import annotations

import json
import subprocess
import sys

SCRIPT = """
import dataclasses, gc, json
whole = dataclasses.dataclass
import stub_runtime.handler
import awscrt.mqtt5

@dataclasses.dataclass
class Users:
    name: str

print(json.dumps({
    "whole": dataclasses.dataclass is whole, "equal": Users("a") == Users("a"), "shown": repr(Users("a")),
    "collects": gc.isenabled(), "frozen": gc.get_freeze_count() > 10_000,
    "cheap": "__eq__" not in vars(awscrt.mqtt5.PublishPacket)}))
"""


def test_the_users_data_classes_are_whole_and_garbage_is_collected_again() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {
        "whole": True, "equal": True, "shown": "Users(name='a')", "collects": True, "frozen": True, "cheap": True}
