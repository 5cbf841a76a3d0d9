"""A small SAM application to deploy, and a bootstrap stack of its own cloud."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from livetui.aws import Aws
from livetui.config import Settings
from livetui.config import load as load_settings
from livetui.stack import bootstrap as bootstrap_stack
from livetui.stack.bootstrap import Bootstrap
from livetui.stack.deployment import remove_live

TEMPLATE = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31

Globals:
  Function:
    Runtime: python3.12
    Timeout: 7

Parameters:
  Greeting:
    Type: String
    Default: hello

Resources:
  # says hello
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src/
      Handler: app.hello
      Environment:
        Variables:
          GREETING: !Ref Greeting   # may be changed
          PYTHONSTARTUP: /tmp/evil.py
      Events:
        Http: {Type: HttpApi, Properties: {Method: GET, Path: /hello}}
  Consumer:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src/
      Handler: app.consume
      Role: !GetAtt ConsumerRole.Arn
      Events:
        Queue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}
  ConsumerRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
      Policies:
        - PolicyName: queue
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - Effect: Allow
                Action: [sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes]
                Resource: !GetAtt Queue.Arn
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
  Other:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: nodejs22.x
      CodeUri: js/
      Handler: index.handler

Outputs:
  QueueUrl:
    Value: !Ref Queue
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "js").mkdir()
    (folder / "src" / "app.py").write_text("def hello(event, context):\n    return 'hi'\n\n\ndef consume(event, context): ...\n")
    (folder / "js" / "index.js").write_text("exports.handler = async () => 'js'\n")
    (folder / "template.yaml").write_text(TEMPLATE)
    return folder


@pytest.fixture
def make_settings(project: Path, aws: Aws) -> Iterator[Callable[..., Settings]]:
    """Settings with an application name of their own; what was deployed under it is removed afterwards."""
    made: list[Settings] = []

    def make(**flags: Any) -> Settings:
        settings = load_settings(project, {"app": f"t{uuid.uuid4().hex[:8]}", "stage": "dev", "local": True, **flags})
        made.append(settings)
        return settings

    yield make
    for settings in made:
        remove_live(aws, settings, lambda _: None)


def eventually(ask: Callable[[], Any], seconds: float = 20) -> Any:
    """What `ask` returns as soon as it is true; for what the cloud does in its own time."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        threading.Event().wait(0.05)
    return answer


@pytest.fixture
def bootstrap(aws: Aws) -> Bootstrap:
    return bootstrap_stack.ensure(aws, lambda _: None)
