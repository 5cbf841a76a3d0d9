"""Nested applications, local artifacts of every kind, plain CloudFormation and projects without a template go live."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from livetui.aws import Aws
from livetui.config import Settings
from livetui.errors import LivetuiError
from livetui.stack import guard, template
from livetui.stack.bootstrap import Bootstrap
from livetui.stack.changeset import StackState
from livetui.stack.contract import LiveStack, Progress
from livetui.stack.deployment import deploy_live, key_name, remove_live
from tests.integration.stack.test_park import answering

MakeSettings = Callable[..., Settings]


def deploy(aws: Aws, bootstrap: Bootstrap, settings: Settings, steps: list[Progress] | None = None) -> LiveStack:
    steps = [] if steps is None else steps
    return deploy_live(template.load(settings), aws, bootstrap, settings, steps.append)


def offline(aws: Aws, live: LiveStack, function: str) -> bool:
    answer = aws.client("lambda").invoke(FunctionName=live.functions[function].arn, Payload=b"{}")
    return "LivetuiOffline" in answer["Payload"].read().decode()


def test_nested_stacks_and_their_events(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings,
                                        project: Path) -> None:
    (project / "inner.yaml").write_text((project / "template.yaml").read_text())
    (project / "template.yaml").write_text(textwrap.dedent("""
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Inner:
            Type: AWS::CloudFormation::Stack
            Properties: {TemplateURL: inner.yaml, Parameters: {Greeting: nested}}
    """))
    steps: list[Progress] = []
    live = deploy(aws, bootstrap, make_settings(), steps)
    assert ("Inner/Queue", "CREATE_COMPLETE") in [(step.resource, step.status) for step in steps]
    assert live.functions["Inner-Other"].reason == "nodejs22"
    assert offline(aws, live, "Inner-Hello")


def test_local_artifacts_are_uploaded_once(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings,
                                           project: Path) -> None:
    (project / "layer" / "python").mkdir(parents=True)
    (project / "layer" / "python" / "shared.py").write_text("VALUE = 1\n")
    (project / "machine.asl.json").write_text(json.dumps(
        {"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": True}}}))
    text = (project / "template.yaml").read_text()
    (project / "template.yaml").write_text(text.replace("Outputs:", textwrap.indent(textwrap.dedent("""
        Layer:
          Type: AWS::Serverless::LayerVersion
          Properties: {ContentUri: layer/}
        Machine:
          Type: AWS::Serverless::StateMachine
          Properties: {DefinitionUri: machine.asl.json}
    """), "  ") + "\nOutputs:"))
    steps: list[Progress] = []
    live = deploy(aws, bootstrap, make_settings(), steps)
    packaged = {step.resource: step.status for step in steps if step.phase == "package" and step.status != "started"}
    assert packaged.keys() == {"stub", "js", "layer", "machine.asl.json"}
    assert live.changed
    (project / "layer" / "python" / "shared.py").write_text("VALUE = 2\n")
    steps.clear()
    settings = make_settings(app=live.app)
    assert deploy(aws, bootstrap, settings, steps).changed
    sent = [step.resource for step in steps if step.phase == "package" and step.status == "done"]
    assert sent == ["layer"]


def test_plain_cloudformation(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings, project: Path) -> None:
    (project / "template.yaml").write_text(textwrap.dedent("""
        Resources:
          Role:
            Type: AWS::IAM::Role
            Properties:
              AssumeRolePolicyDocument:
                Version: "2012-10-17"
                Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]
          Zip:
            Type: AWS::Lambda::Function
            Properties: {Runtime: python3.12, Handler: app.hello, Code: src, Role: !GetAtt Role.Arn}
          Inline:
            Type: AWS::Lambda::Function
            Properties:
              Runtime: python3.12
              Handler: index.handler
              Role: !GetAtt Role.Arn
              Code: {ZipFile: "def handler(event, context): return 1"}
          Version: {Type: AWS::Lambda::Version, Properties: {FunctionName: !Ref Zip}}
          Alias:
            Type: AWS::Lambda::Alias
            Properties: {FunctionName: !Ref Zip, Name: now, FunctionVersion: !GetAtt Version.Version}
    """))
    live = deploy(aws, bootstrap, make_settings())
    assert offline(aws, live, "Inline")
    alias = aws.client("lambda").get_alias(FunctionName=live.functions["Zip"].name, Name="now")
    assert alias["FunctionVersion"] == "$LATEST"


def test_a_project_without_a_template(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings,
                                      project: Path) -> None:
    (project / "template.yaml").unlink()
    (project / "livetui.toml").write_text(
        '[functions.Hello]\nhandler = "app.hello"\ncode = "src"\nroutes = ["GET /hello"]\nqueue = "work"\n')
    live = deploy(aws, bootstrap, make_settings())
    assert live.outputs.keys() == {"ApiUrl", "WorkQueueUrl"}
    assert live.functions["Hello"].name


def test_log_groups_go_on_request(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings) -> None:
    settings = make_settings()
    live = deploy(aws, bootstrap, settings)
    group = f"/aws/lambda/{live.functions['Hello'].name}"
    logs = aws.client("logs")
    if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        logs.create_log_group(logGroupName=group)
    with (answering(aws, "ssm", "DeleteParameter", "AccessDeniedException", "not authorized: ssm:DeleteParameter"),
          pytest.raises(LivetuiError, match="key")):
        remove_live(aws, settings, lambda _: None, log_groups=True)
    assert not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    remove_live(aws, settings, lambda _: None)
    with pytest.raises(aws.client("ssm").exceptions.ParameterNotFound):
        aws.client("ssm").get_parameter(Name=key_name(settings.app, settings.stage))


def test_the_guard_knows_production_by_its_names(aws: Aws, make_settings: MakeSettings) -> None:
    assert guard.warnings(aws, make_settings()) == []
    assert guard.warnings(aws, make_settings(stage="Prod")) == ["the stage is called Prod"]
    assert guard.warnings(aws, make_settings(stage="product-team")) == []
    tagged = StackState("shop", tags={"Environment": "production"})
    assert guard.warnings(aws, make_settings(), tagged) == ["shop is tagged Environment=production"]
