"""The stacks of a CDK assembly: told apart, chosen, and not deployed where they do not belong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from livetui.config import Settings
from livetui.config import load as load_settings
from livetui.errors import UsageError
from livetui.stack.cdk import check_place
from livetui.stack.names import fixed_names, named_alike
from tests.unit.stack.conftest import Project, load


def function(**also: Any) -> dict[str, Any]:
    return {"Type": "AWS::Lambda::Function", "Metadata": {"aws:asset:path": "asset.aaa"}, "Properties": {
        "Handler": "index.handler", "Runtime": "python3.12", "Code": {"S3Bucket": "b", "S3Key": "aaa.zip"}, **also}}


def assembly(folder: Path, stacks: dict[str, dict[str, Any]], needs: dict[str, list[str]] | None = None,
             **environments: str) -> Settings:
    """Write one, with these stacks' resources; the settings of its project."""
    out = folder / "cdk.out"
    (out / "asset.aaa").mkdir(parents=True)
    (out / "asset.aaa" / "index.py").write_text("def handler(event, context):\n    return 1\n")
    artifacts: dict[str, Any] = {}
    for name, resources in stacks.items():
        (out / f"{name}.template.json").write_text(json.dumps({"Resources": resources}))
        artifacts[name] = {"type": "aws:cloudformation:stack", "dependencies": (needs or {}).get(name, []),
                           "environment": environments.get(name, "aws://unknown-account/unknown-region"),
                           "properties": {"templateFile": f"{name}.template.json"}}
    (out / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return load_settings(folder, {"app": "shop", "stage": "dev"}, {})


def test_stacks_whose_names_differ_by_a_dash_are_two(tmp_path: Path) -> None:
    application = load(assembly(tmp_path, {"Api-A": {"Hello": function()}, "ApiA": {"Hello": function()}},
                                {"ApiA": ["Api-A"]}))
    assert len(application.functions) == 2
    nested = application.root.resources
    first, second = nested
    assert nested[second]["DependsOn"] == [first]
    assert all(name.isalnum() and name.startswith("ApiA") for name in nested)


def test_functions_of_two_stacks_with_one_name_are_found_before_deploying(tmp_path: Path) -> None:
    settings = assembly(tmp_path, {"Dev": {"Hello": function(FunctionName="hello")},
                                   "Prod": {"Hello": function(FunctionName="hello"),
                                            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "hello"}}}})
    assert named_alike(load(settings)) == {"hello": ["Dev-Hello", "Prod-Hello"]}


def test_one_of_two_by_a_condition_is_no_collision(project: Project) -> None:
    application = load(project("""
        Parameters: {Big: {Type: String, Default: "yes"}, Place: {Type: "AWS::SSM::Parameter::Value<String>"}}
        Conditions:
          Big: !Equals [!Ref Big, "yes"]
          Small: !Not [!Condition Big]
          There: !Equals [!Ref Place, there]
        Resources:
          A: {Type: AWS::SQS::Queue, Condition: Big, Properties: {QueueName: q}}
          B: {Type: AWS::SQS::Queue, Condition: Small, Properties: {QueueName: q}}
          C: {Type: AWS::SQS::Queue, Condition: There, Properties: {QueueName: q}}
          F:
            Type: AWS::Lambda::Function
            Properties: {Runtime: python3.12, Handler: a.b, Code: ., Role: r}
    """))
    assert named_alike(application) == {}
    assert fixed_names(application) == {"A": "q", "C": "q"}


def test_one_stack_is_chosen_by_its_template_with_what_it_needs(tmp_path: Path) -> None:
    settings = assembly(tmp_path, {"Base": {"B": function()}, "Dev": {"Hello": function()}, "Prod": {"P": function()}},
                        {"Dev": ["Base"]})
    (settings.root / "cdk.out" / "Base.template.json").write_text(json.dumps({
        "Resources": {"B": function()}, "Outputs": {"X": {"Value": "x", "Export": {"Name": "Base:X"}}}}))
    chosen = load_settings(tmp_path, {"app": "shop", "stage": "dev", "template": "cdk.out/Dev.template.json"}, {})
    assert list(load(chosen).functions) == ["Base-B", "Dev-Hello"]
    alone = load_settings(tmp_path, {"app": "shop", "stage": "dev", "template": "cdk.out/Prod.template.json"}, {})
    assert list(load(alone).functions) == ["P"]
    assert load(alone).functions["P"].live, "its code is an asset of the assembly"


def test_a_stack_for_another_place_is_refused_with_what_to_do(tmp_path: Path) -> None:
    places = load(assembly(tmp_path, {"Here": {"Hello": function()}, "There": {"Hello": function()}},
                           There="aws://123456789012/us-east-1")).places
    assert places == {"There": ("123456789012", "us-east-1")}
    check_place(places, "123456789012", "us-east-1")
    with pytest.raises(UsageError, match="There is synthesised for us-east-1, and this session is in eu-west-1") as wrong:
        check_place(places, "123456789012", "eu-west-1")
    assert "--region us-east-1" in wrong.value.hint
    assert "--template cdk.out/" in wrong.value.hint
    with pytest.raises(UsageError, match="for the account 123456789012") as wrong:
        check_place(places, "999999999999", "us-east-1")
    assert "--profile" in wrong.value.hint


@pytest.mark.parametrize(("environment", "place"), [
    ("aws://unknown-account/eu-west-1", ("", "eu-west-1")), ("aws://1/unknown-region", ("1", "")),
    ("aws://unknown-account/unknown-region", None), ("", None)])
def test_what_the_manifest_leaves_open_is_open(tmp_path: Path, environment: str,
                                               place: tuple[str, str] | None) -> None:
    application = load(assembly(tmp_path, {"Only": {"Hello": function()}}, Only=environment))
    assert application.places == ({"Only": place} if place else {})


@pytest.mark.parametrize("manifest", ["not json", "[]", "{}", '{"artifacts": ["a"]}', '{"artifacts": {"A": "b"}}',
                                      '{"artifacts": {"A": {"properties": "b"}}}'])
def test_a_manifest_that_is_no_cdk_manifest_beside_a_template_is_none_of_ours(project: Project, manifest: str) -> None:
    settings = project(json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}, "F": function()}}),
                       {"manifest.json": manifest}, name="stack.json", template="stack.json")
    assert list(load(settings).root.resources) == ["Q", "F"]


@pytest.mark.parametrize("manifest", ["not json", "[]", '{"artifacts": ["a"]}', '{"artifacts": {"A": "b"}}'])
def test_an_assembly_with_a_broken_manifest_is_said(tmp_path: Path, manifest: str) -> None:
    settings = assembly(tmp_path, {"A": {"F": function()}})
    (tmp_path / "cdk.out" / "manifest.json").write_text(manifest)
    with pytest.raises(UsageError, match=r"is not complete|has no stack"):
        load(settings)
