"""Templates that are wrong or hostile: always an error that says so, never a raw one."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livetui.config import load as load_settings
from livetui.errors import LivetuiError, UsageError
from livetui.stack import queues
from livetui.stack.document import MAX_BYTES
from livetui.stack.live import live_timeout
from livetui.stack.names import fixed_names
from tests.unit.stack.conftest import Project, live, load

SAM = "Transform: AWS::Serverless-2016-10-31\n"
WHOLE: dict[str, Any] = {
    "Transform": ["AWS::Serverless-2016-10-31", "AWS::LanguageExtensions"],
    "Parameters": {"P": {"Type": "String", "Default": "a"}},
    "Mappings": {"M": {"a": {"b": "c"}}},
    "Conditions": {"C": {"Fn::And": [{"Fn::Equals": [{"Ref": "P"}, "a"]}, {"Fn::Not": [{"Condition": "C"}]}]}},
    "Globals": {"Function": {"Runtime": "python3.12", "Layers": ["arn:a"],
                             "Environment": {"Variables": {"G": "1", "PYTHONPATH": "x"}}}},
    "Resources": {
        "F": {"Type": "AWS::Serverless::Function", "Condition": "C", "Metadata": {"aws:asset:path": "src"},
              "Properties": {"CodeUri": "src/", "Handler": "app.handler", "AutoPublishAlias": "live",
                             "Environment": {"Variables": {"A": {"Fn::Sub": ["${B}", {"B": {"Ref": "P"}}]}}},
                             "Policies": [{"SQSPollerPolicy": {"QueueName": {"Fn::GetAtt": ["Q", "QueueName"]}}}],
                             "Events": {"E": {"Type": "SQS", "Properties": {"Queue": {"Fn::GetAtt": ["Q", "Arn"]}}},
                                        "S": {"Type": "SNS", "Properties": {"SqsSubscription": {"QueueArn": "a"}}}},
                             "Timeout": {"Fn::If": ["C", 5, 6]}}},
        "L": {"Type": "AWS::Lambda::Function",
              "Properties": {"Code": {"ZipFile": "x = 1"}, "Runtime": "python3.12", "Handler": "index.handler",
                             "Role": {"Fn::GetAtt": ["R", "Arn"]}, "LoggingConfig": {"LogFormat": "JSON"},
                             "Layers": [{"Ref": "Y"}], "Architectures": ["arm64"]}},
        "I": {"Type": "AWS::Serverless::Function", "Metadata": {"DockerContext": ".", "Dockerfile": "Dockerfile"},
              "Properties": {"PackageType": "Image", "ImageConfig": {"Command": ["app.handler"]}}},
        "R": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}, "Policies": []}},
        "Y": {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "layer"}},
        "Q": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 60, "QueueName": "q"}},
        "A": {"Type": "AWS::Lambda::Alias", "UpdatePolicy": {"CodeDeployLambdaAliasUpdate": {}},
              "Properties": {"FunctionName": {"Ref": "L"}, "FunctionVersion": "1", "Name": "n"}},
        "X": {"Type": "AWS::Lambda::EventSourceMapping",
              "Properties": {"FunctionName": {"Fn::GetAtt": ["L", "Arn"]},
                             "EventSourceArn": {"Fn::GetAtt": ["Q", "Arn"]}}},
        "D": {"Type": "AWS::CloudFront::Distribution", "Properties": {"DistributionConfig": {
            "DefaultCacheBehavior": {"LambdaFunctionAssociations": [{"LambdaFunctionARN": {"Ref": "V"}}]}}}},
        "V": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "I"}}},
        "K": {"Type": "Custom::Thing", "Properties": {"ServiceToken": {"Fn::GetAtt": ["I", "Arn"]}}},
        "Fn::ForEach::Z": ["Z", ["a", "b"], {"T${Z}": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "x"}}}],
    },
    "Outputs": {"O": {"Value": {"Fn::Sub": "${Q.Arn}"}, "Export": {"Name": "e"}}},
}
JUNK = st.sampled_from([None, "x", "", 0, -1, 1.5, True, [], ["a"], ["a", None], [[]], {}, {"a": None}, {"a": ["b"]},
                        {"Ref": ["a"]}, {"Ref": "L"}, {"Fn::Sub": {}}, {"Fn::Sub": ["a"]}, {"Fn::GetAtt": []},
                        {"Fn::If": ["C"]}, {"Fn::If": ["C", {}, None]}, {"Fn::And": "x"}, {"Fn::Select": "x"},
                        {"Fn::Join": [",", "x"]}, {"Fn::FindInMap": [1]}, {"Ref": "AWS::NoValue"}, {"Fn::Split": {}}])


def places(node: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for key, value in inner for place in ((*above, key), *places(value, (*above, key)))]


def everything(settings: Any) -> None:
    application = load(settings)
    live(application).document.text()
    fixed_names(application)
    for function in application.root.functions.values():
        live_timeout(application.root, function)
        queues.visibilities(application.root, function)


def test_the_whole_template_is_understood(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(json.dumps(WHOLE))
    everything(load_settings(tmp_path, {"app": "shop", "stage": "dev"}, {}))


@settings(max_examples=40, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow,
                                 HealthCheck.data_too_large])
@given(changes=st.lists(st.tuples(st.sampled_from(places(WHOLE)), JUNK), min_size=1, max_size=2))
def test_a_broken_shape_is_never_a_raw_error(changes: list[tuple[tuple[Any, ...], Any]], tmp_path: Path) -> None:
    broken = copy.deepcopy(WHOLE)
    for place, junk in changes:
        with contextlib.suppress(KeyError, IndexError, TypeError):  # an earlier change took the place away
            holder: Any = broken
            for key in place[:-1]:
                holder = holder[key]
            holder[place[-1]] = junk
    (tmp_path / "template.yaml").write_text(json.dumps(broken))
    with contextlib.suppress(LivetuiError):
        everything(load_settings(tmp_path, {"app": "shop", "stage": "dev"}, {}))


@pytest.mark.parametrize(("line", "place"), [
    ("Environment: {Variables: {A: !Sub [a]}}", "Fn::Sub"), ("Environment: {Variables: {A: {Fn::Sub: {}}}}", "Fn::Sub"),
    ("Timeout: !If [C]", "Fn::If"), ("Environment: x", "F.Environment"),
    ("Events: {E: {Type: SQS, Properties: x}}", "F.Events.E.Properties"), ("Role: !GetAtt []", "Fn::GetAtt")])
def test_the_place_is_named(project: Project, line: str, place: str) -> None:
    with pytest.raises(UsageError) as wrong:
        load(project(SAM + "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n"
                     f"      Handler: app.handler\n      Runtime: python3.12\n      {line}\n"))
    assert place in wrong.value.what


def test_what_would_take_all_memory_is_refused(project: Project) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    depth = 50_000
    for text, name in ((bomb + "Resources: {}\n", "template.yaml"), ("a: &a [*a]\nResources: {}\n", "template.yaml"),
                       ('{"Resources": ' + "[" * depth + "]" * depth + "}", "template.yaml"),
                       ("Resources:\n  A: " + "[" * 300 + "]" * 300 + "\n", "template.yaml"),
                       ("#" * (MAX_BYTES + 1), "template.yaml")):
        with pytest.raises(UsageError):
            load(project(text, name=name))
