"""The project that is soaked: `examples/orders`, and two functions whose every execution is written to a ledger."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

ORDERS = Path(__file__).parents[2] / "examples" / "orders"

_RESOURCES = """
  Count:
    Type: AWS::Serverless::Function
    Properties:
      Handler: count.handler
      Timeout: 20
      Events:
        Http: {Type: HttpApi, Properties: {Method: POST, Path: /count}}
        Tokens: {Type: SQS, Properties: {Queue: !GetAtt TokenQueue.Arn, BatchSize: 5}}

  Pause:
    Type: AWS::Serverless::Function
    Properties:
      Handler: pause.handler
      Timeout: 20

  TokenQueue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 20

Outputs:
  TokenQueueUrl:
    Value: !Ref TokenQueue
"""
_LEDGER = """
import json
import os


def execute(token):
    ledger = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, (token + "\\n").encode())
    os.close(ledger)
"""
_COUNT = """
import json

from ledger import execute

RELEASE = {release}


class DeclinedError(Exception):
    pass


def handler(event, context):
    if "Records" in event:
        for record in event["Records"]:
            execute(record["body"])
        return {{}}
    if "requestContext" in event:
        asked = json.loads(event["body"])
        execute(asked["token"])
        return {{"statusCode": 200, "body": json.dumps({{"token": asked["token"], "release": RELEASE}})}}
    execute(event["token"])
    if event.get("fail"):
        raise DeclinedError(event["token"])
    return {{"token": event["token"], "release": RELEASE, "pad": event.get("pad", "")}}
"""
_PAUSE = """
from ledger import execute


def handler(event, context):
    token = event["token"]
    execute(token)
    answer = {"token": token, "release": 1 << 30}
    return answer
"""
PAUSE_LINE = _PAUSE[1:].splitlines().index("    execute(token)") + 1
"""Where the breakpoint is: `token` is known there, and the next line too."""


class Project:
    """A folder with the application; `save` is what an editor does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder.parent / "ledger.txt"
        shutil.copytree(ORDERS, folder, ignore=shutil.ignore_patterns("__pycache__", ".livetui"))
        template = folder / "template.yaml"
        text = template.read_text("utf-8")
        template.write_text(text.replace("\nOutputs:\n", _RESOURCES), "utf-8")
        (folder / "livetui.toml").write_text(
            "".join(f"[functions.{name}.env]\nLEDGER = '{self.ledger}'\n" for name in ("Count", "Pause")), "utf-8")
        (folder / "src" / "ledger.py").write_text(_LEDGER[1:], "utf-8")
        (folder / "src" / "pause.py").write_text(_PAUSE[1:], "utf-8")
        self.save(0)

    def save(self, release: int) -> None:
        """New code for `Count`, whose answers name the release."""
        self._write(_COUNT[1:].format(release=release))

    def save_broken(self) -> None:
        """Code for `Count` that does not parse."""
        self._write("def handler(event, context:\n")

    def _write(self, code: str) -> None:
        target = self.folder / "src" / "count.py"
        beside = target.with_suffix(".saving")
        beside.write_text(code, "utf-8")
        beside.replace(target)

    @property
    def pause_path(self) -> Path:
        """The file with the breakpoint."""
        return self.folder / "src" / "pause.py"

    def executions(self) -> Counter[str]:
        """How often each token was executed."""
        return Counter(self.ledger.read_text("utf-8").split()) if self.ledger.exists() else Counter()
