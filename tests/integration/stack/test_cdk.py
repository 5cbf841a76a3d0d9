"""CDK assemblies go live: one written by hand for every run, and one that CDK itself synthesises (long)."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path
from typing import Any

import pytest

from livetui.aws import Aws
from livetui.config import Settings
from livetui.config import load as load_settings
from livetui.errors import UsageError
from livetui.session import chores
from livetui.stack import template
from livetui.stack.bootstrap import Bootstrap
from livetui.stack.contract import LiveStack
from livetui.stack.deployment import deploy_live, remove_live, resources_of
from livetui.stack.names import stack_name

BUCKET = "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"
ROLE = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}}}


def function(key: str, runtime: str = "python3.12", **variables: Any) -> dict[str, Any]:
    return {"Type": "AWS::Lambda::Function", "Properties": {
        "Code": {"S3Bucket": {"Fn::Sub": BUCKET}, "S3Key": f"{key}.zip"}, "Handler": "index.handler",
        "Runtime": runtime, "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Environment": {"Variables": variables}}}


def asset(path: str, key: str, packaging: str) -> dict[str, Any]:
    return {"source": {"path": path, "packaging": packaging},
            "destinations": {"here": {"bucketName": BUCKET, "objectKey": key}}}


@pytest.fixture
def settings(tmp_path: Path, aws: Aws) -> Any:
    made = load_settings(tmp_path, {"app": f"t{uuid.uuid4().hex[:8]}", "stage": "dev", "local": True})
    yield made
    remove_live(aws, made, lambda _: None)


@pytest.fixture
def assembly(tmp_path: Path) -> Path:
    """Two stacks, one of which imports from the other and nests a third; sources in `fn`, copies in `cdk.out`."""
    folder = tmp_path / "cdk.out"
    (tmp_path / "fn").mkdir()
    (tmp_path / "fn" / "index.py").write_text("def handler(event, context):\n    return 'edited since'\n")
    for copy in ("asset.aaa", "asset.bbb"):
        (folder / copy).mkdir(parents=True)
    (folder / "asset.aaa" / "index.py").write_text("def handler(event, context):\n    return 1\n")
    (folder / "asset.bbb" / "index.js").write_text("exports.handler = async () => 1\n")
    templates: dict[str, Any] = {
        "Data.template.json": {
            "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}, "Usage": {"Type": "AWS::CDK::Metadata"}},
            "Outputs": {"Ref": {"Value": {"Ref": "Queue"}, "Export": {"Name": "Data:Ref"}}}},
        "App.template.json": {
            "Parameters": {"BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk/v"}},
            "Rules": {"CheckBootstrapVersion": {"Assertions": []}},
            "Resources": {"Role": ROLE, "Hello": function("aaa", QUEUE={"Fn::ImportValue": "Data:Ref"}),
                          "Node": function("bbb", "nodejs22.x"),
                          "Nest": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": {
                              "Fn::Join": ["", ["https://s3.amazonaws.com/", {"Fn::Sub": BUCKET}, "/nest.json"]]}}}},
            "Outputs": {"Name": {"Value": {"Ref": "Hello"}}}},
        "Nest.nested.template.json": {"Resources": {"Role": ROLE, "Deep": function("aaa")}},
        "App.assets.json": {"files": {"a": asset("asset.aaa", "aaa.zip", "zip"),
                                      "b": asset("asset.bbb", "bbb.zip", "zip"),
                                      "n": asset("Nest.nested.template.json", "nest.json", "file")}},
        "manifest.json": {"version": "1", "artifacts": {
            "App": {"type": "aws:cloudformation:stack", "properties": {"templateFile": "App.template.json"},
                    "dependencies": ["Data", "App.assets"]},
            "App.assets": {"type": "cdk:asset-manifest", "properties": {"file": "App.assets.json"}},
            "Data": {"type": "aws:cloudformation:stack", "properties": {"templateFile": "Data.template.json"}}}},
    }
    for name, content in templates.items():
        (folder / name).write_text(json.dumps(content))
    return folder


def deploy(aws: Aws, bootstrap: Bootstrap, settings: Settings) -> LiveStack:
    return deploy_live(template.load(settings), aws, bootstrap, settings, lambda _: None)


def test_stacks_of_an_assembly_become_one_live_stack(aws: Aws, bootstrap: Bootstrap, settings: Settings,
                                                     assembly: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = deploy(aws, bootstrap, settings)
    assert {name: item.live for name, item in live.functions.items()} == {
        "App-Hello": True, "App-Node": False, "App-Nest-Deep": True}
    assert live.functions["App-Hello"].code_root == settings.root / "fn"
    assert live.outputs["Name"] == live.functions["App-Hello"].name
    variables = aws.client("lambda").get_function_configuration(FunctionName=live.functions["App-Hello"].name)["Environment"]
    assert "Queue" in variables["Variables"]["QUEUE"]
    monkeypatch.setattr(chores, "reach", lambda _: aws)
    for name in ("App-Hello", "App-Nest-Deep"):
        assert "LivetuiOffline" in chores.invoke(settings, name, b"{}", asynchronous=False).body
    with pytest.raises(UsageError) as refused:
        chores.invoke(settings, "Hello", b"{}", asynchronous=False)
    assert refused.value.hint == "Did you mean App-Hello? Its functions: App-Hello, App-Nest-Deep, App-Node"
    assert not deploy(aws, bootstrap, settings).changed


@pytest.mark.parametrize("metadata", [True, False])
def test_a_source_that_is_not_found_is_said(settings: Settings, assembly: Path, metadata: bool) -> None:
    """CDK's command line notes the copy's name beside each function; the sources count all the same."""
    if metadata:
        text = json.loads((assembly / "App.template.json").read_text())
        text["Resources"]["Hello"]["Metadata"] = {"aws:asset:path": "asset.aaa"}
        (assembly / "App.template.json").write_text(json.dumps(text))
    hello = template.load(settings).functions["App-Hello"]
    assert (hello.code_root, hello.warnings) == (settings.root / "fn", ())
    (settings.root / "fn" / "index.py").rename(settings.root / "fn" / "renamed.py")
    hello = template.load(settings).functions["App-Hello"]
    assert hello.code_root == assembly / "asset.aaa"
    assert "cdk synth" in hello.warnings[0]


@pytest.mark.parametrize("change", ["region", "names"])
def test_what_cannot_be_deployed_here_is_refused_before_anything_is_made(
        aws: Aws, bootstrap: Bootstrap, settings: Settings, assembly: Path, change: str) -> None:
    file = assembly / ("manifest.json" if change == "region" else "Nest.nested.template.json")
    content = json.loads(file.read_text())
    if change == "region":
        content["artifacts"]["App"]["environment"] = "aws://123456789012/us-west-2"
    else:
        content["Resources"]["Deep"]["Properties"]["FunctionName"] = "one"
        content["Resources"]["Other"] = content["Resources"]["Deep"]
    file.write_text(json.dumps(content))
    with pytest.raises(UsageError, match="us-west-2" if change == "region" else "all to be called 'one'"):
        deploy(aws, bootstrap, settings)
    assert resources_of(aws, stack_name(settings.app, settings.stage)) == []


def test_an_application_that_is_not_synthesised_says_so(settings: Settings) -> None:
    (settings.root / "cdk.json").write_text('{"app": "python app.py"}')
    with pytest.raises(UsageError, match="not synthesised") as refused:
        template.load(settings)
    assert "cdk synth" in refused.value.hint


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_real_cdk_application(aws: Aws, bootstrap: Bootstrap, settings: Settings, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("CDK needs Node, which is not here")
    import uv

    environment = tmp_path / "venv"
    subprocess.run([uv.find_uv_bin(), "venv", "-q", "-p", sys.executable, environment], check=True, timeout=60)
    subprocess.run([uv.find_uv_bin(), "pip", "install", "-q", "-p", environment, "aws-cdk-lib>=2,<3"], check=True,
                   timeout=200)
    (tmp_path / "fn").mkdir()
    (tmp_path / "fn" / "index.py").write_text("def handler(event, context):\n    return 1\n")
    (tmp_path / "app.py").write_text(textwrap.dedent("""
        import aws_cdk as cdk
        from aws_cdk import aws_lambda, aws_sqs
        from aws_cdk.aws_lambda_event_sources import SqsEventSource

        app = cdk.App()
        data, stack = cdk.Stack(app, "Data"), cdk.Stack(app, "App")
        queue = aws_sqs.Queue(data, "Queue", visibility_timeout=cdk.Duration.seconds(90))
        function = aws_lambda.Function(stack, "Hello", runtime=aws_lambda.Runtime.PYTHON_3_12, handler="index.handler",
                                       code=aws_lambda.Code.from_asset("fn"), environment={"Q": queue.queue_url})
        function.add_event_source(SqsEventSource(queue))
        cdk.CfnOutput(stack, "Name", value=function.function_name)
        app.synth()
    """))
    subprocess.run([environment / "bin" / "python", "app.py"], check=True, cwd=tmp_path, timeout=120,
                   env={"CDK_OUTDIR": "cdk.out", "PATH": str(Path(shutil.which("node") or "").parent)},
                   capture_output=True)
    live = deploy(aws, bootstrap, settings)
    function = next(item for item in live.functions.values() if item.live)
    assert (function.name, function.code_root) == (live.outputs["Name"], tmp_path / "fn")
    answer = aws.client("lambda").invoke(FunctionName=function.arn)["Payload"].read().decode()
    assert "LivetuiOffline" in answer
    assert remove_live(aws, settings, lambda _: None)


@pytest.mark.long
def test_a_custom_resource_in_node_answers_the_cloud(aws: Aws, bootstrap: Bootstrap, settings: Settings) -> None:
    """CDK's own custom resources are Node functions; they must trust the local cloud's certificate to answer."""
    if shutil.which("node") is None:
        pytest.skip("there is no Node here")
    (settings.root / "src").mkdir()
    (settings.root / "src" / "app.py").write_text("def handler(event, context):\n    return 1\n")
    answer = textwrap.dedent("""
        const https = require('https');
        exports.handler = (event) => new Promise((done, failed) => {
          const body = JSON.stringify({Status: 'SUCCESS', PhysicalResourceId: 'made', StackId: event.StackId,
            RequestId: event.RequestId, LogicalResourceId: event.LogicalResourceId, Data: {Answer: 'from node'}});
          const to = https.request(event.ResponseURL, {method: 'PUT', headers: {'content-length': body.length}},
            (got) => { got.resume(); got.on('end', done); });
          to.on('error', failed);
          to.end(body);
        });
    """)
    python = {"Type": "AWS::Lambda::Function", "Properties": {
        "Code": "src", "Handler": "app.handler", "Runtime": "python3.12", "Role": {"Fn::GetAtt": ["Role", "Arn"]}}}
    node = {"Type": "AWS::Lambda::Function", "Properties": {
        "Code": {"ZipFile": answer}, "Handler": "index.handler", "Runtime": "nodejs22.x",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]}}}
    (settings.root / "template.json").write_text(json.dumps({
        "Resources": {"Role": ROLE, "Node": node, "Python": python, "Made": {
            "Type": "Custom::Made", "Properties": {"ServiceToken": {"Fn::GetAtt": ["Node", "Arn"]}}}},
        "Outputs": {"Answer": {"Value": {"Fn::GetAtt": ["Made", "Answer"]}}}}))
    assert deploy(aws, bootstrap, settings).outputs["Answer"] == "from node"
