"""An application goes live on the local cloud: deployed, skipped, updated, failed, cancelled, removed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from livetui.aws import Aws
from livetui.config import Settings
from livetui.errors import LivetuiError, UsageError
from livetui.stack import template
from livetui.stack.bootstrap import Bootstrap
from livetui.stack.changeset import DeploymentCancelledError
from livetui.stack.contract import LiveStack, Progress, Resource
from livetui.stack.deployment import deploy_live, environments, remove_live
from livetui.stack.drift import changed_elsewhere, live_ones
from livetui.stack.names import stack_name
from stub_runtime.config import StubConfig
from tests.integration.stack.conftest import eventually

MakeSettings = Callable[..., Settings]


def deploy(aws: Aws, bootstrap: Bootstrap, settings: Settings, steps: list[Progress] | None = None) -> LiveStack:
    steps = [] if steps is None else steps
    return deploy_live(template.load(settings), aws, bootstrap, settings, steps.append)


def test_functions_become_stubs_and_the_rest_stays(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings) -> None:
    settings = make_settings()
    steps: list[Progress] = []
    live = deploy(aws, bootstrap, settings, steps)

    assert live.changed
    assert live.outputs.keys() == {"QueueUrl"}
    assert live.functions["Other"].reason == "nodejs22"
    assert ("Hello", "CREATE_COMPLETE") in [(step.resource, step.status) for step in steps]
    awslambda = aws.client("lambda")
    hello = awslambda.get_function_configuration(FunctionName=live.functions["Hello"].arn)
    assert hello["Handler"] == "stub_runtime.handler.handler"
    assert (hello["Runtime"], hello["Timeout"], hello["MemorySize"]) == ("python3.12", 900, 512)
    config = StubConfig.from_json(hello["Environment"]["Variables"]["LIVETUI"])
    assert (config.handler, config.timeout, config.memory) == ("app.hello", 7, 128)
    assert awslambda.get_function_configuration(FunctionName=live.functions["Consumer"].name)["Timeout"] == 60
    other = awslambda.get_function_configuration(FunctionName=live.functions["Other"].name)
    assert (other["Handler"], other["Runtime"], other["Timeout"]) == ("index.handler", "nodejs22.x", 7)
    assert environments(aws, live.functions.values()) == {"Hello": {"GREETING": "hello"}, "Consumer": {}}
    assert len(live.signing_key) == 32


def test_without_a_console_the_stub_answers_its_typed_error(aws: Aws, bootstrap: Bootstrap,
                                                            make_settings: MakeSettings) -> None:
    live = deploy(aws, bootstrap, make_settings())
    for function in ("Hello", "Consumer"):
        answer = aws.client("lambda").invoke(FunctionName=live.functions[function].arn, Payload=b"{}")
        assert "FunctionError" in answer
        assert "LivetuiOffline" in answer["Payload"].read().decode()


def test_a_function_that_something_else_changed_is_live_again_with_the_next_start(
        aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings) -> None:
    settings = make_settings()
    live = deploy_live(template.load(settings), aws, bootstrap, settings, lambda _: None)
    hello = live.functions["Hello"]
    awslambda = aws.client("lambda")
    before = awslambda.get_function_configuration(FunctionName=hello.name)
    awslambda.update_function_configuration(FunctionName=hello.name, Handler="app.hello", Timeout=7,
                                            Environment={"Variables": {"GREETING": "hello"}})
    assert changed_elsewhere(aws, live_ones(live.functions.values())) == {"Hello": "its handler is app.hello"}
    again = deploy_live(template.load(settings), aws, bootstrap, settings, lambda _: None)
    after = awslambda.get_function_configuration(FunctionName=hello.name)
    same = ("Handler", "Runtime", "Timeout", "MemorySize", "Environment", "CodeSha256")
    assert {name: after.get(name) for name in same} == {name: before.get(name) for name in same}
    assert not again.changed
    assert changed_elsewhere(aws, live_ones(again.functions.values())) == {}


def test_an_unchanged_template_is_not_deployed(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings) -> None:
    settings = make_settings()
    first = deploy(aws, bootstrap, settings)
    steps: list[Progress] = []
    begun = time.monotonic()
    again = deploy(aws, bootstrap, settings, steps)
    assert time.monotonic() - begun < 1
    assert not again.changed
    assert [step.status for step in steps] == ["skipped"]
    assert again.functions == first.functions
    assert again.resources == first.resources
    assert Resource("Hello", "AWS::Lambda::Function", first.functions["Hello"].name) in again.resources
    assert again.signing_key == first.signing_key


def test_outputs_alone_are_deployed_and_go_again(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings,
                                                 project: Path) -> None:
    settings = make_settings()
    plain = (project / "template.yaml").read_text()
    first = deploy(aws, bootstrap, settings)
    for value in ("hello", "world"):
        (project / "template.yaml").write_text(f"{plain}\n  Foo:\n    Value: {value}\n")
        live = deploy(aws, bootstrap, settings)
        assert live.changed
        assert live.outputs == {**first.outputs, "Foo": value}
    (project / "template.yaml").write_text(plain)
    assert deploy(aws, bootstrap, settings).outputs == first.outputs
    assert not deploy(aws, bootstrap, settings).changed


def test_a_change_set_without_any_change_is_still_a_failed_one(aws: Aws) -> None:
    formation, name = aws.client("cloudformation"), f"same-{time.time_ns()}"
    body = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}, "Outputs": {"A": {"Value": "1"}}})
    formation.create_stack(StackName=name, TemplateBody=body)
    formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.2})
    formation.create_change_set(StackName=name, ChangeSetName="none", ChangeSetType="UPDATE", TemplateBody=body)
    found = formation.describe_change_set(StackName=name, ChangeSetName="none")
    assert (found["Status"], found["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")


def test_a_parameter_is_passed_on(aws: Aws, bootstrap: Bootstrap,
                                  make_settings: MakeSettings) -> None:
    settings = make_settings()
    deploy(aws, bootstrap, settings)
    steps: list[Progress] = []
    changed = make_settings(app=settings.app, parameters={"Greeting": "moin"})
    live = deploy(aws, bootstrap, changed, steps)
    assert live.changed
    assert environments(aws, live.functions.values())["Hello"] == {"GREETING": "moin"}
    assert ("Hello", "UPDATE_COMPLETE") in [(step.resource, step.status) for step in steps]


def test_a_failure_names_its_cause_in_one_line_and_the_next_try_works(
        aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings, project: Path) -> None:
    settings = make_settings()
    good = (project / "template.yaml").read_text()
    (project / "template.yaml").write_text(good.replace("VisibilityTimeout: 60", "VisibilityTimeout: 999999"))
    with pytest.raises(LivetuiError) as failed:
        deploy(aws, bootstrap, settings)
    assert "Queue" in failed.value.why
    assert "\n" not in failed.value.why
    (project / "template.yaml").write_text(good)
    assert deploy(aws, bootstrap, settings).changed


def test_a_template_over_the_inline_limit_goes_through_s3(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings,
                                                          project: Path) -> None:
    with (project / "template.yaml").open("a") as file:
        file.writelines(f"  Long{number}:\n    Value: {'x' * 900}\n" for number in range(60))
    live = deploy(aws, bootstrap, make_settings())
    assert len(live.outputs) == 61


def test_a_parameter_without_a_value_is_asked_for(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings,
                                                  project: Path) -> None:
    text = (project / "template.yaml").read_text()
    (project / "template.yaml").write_text(text.replace("    Default: hello\n", ""))
    with pytest.raises(UsageError, match="Greeting"):
        deploy(aws, bootstrap, make_settings())


def test_a_stack_of_somebody_else_is_not_touched(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings) -> None:
    settings = make_settings()
    foreign = make_settings()
    aws.client("cloudformation").create_stack(StackName=stack_name(foreign.app, foreign.stage), TemplateBody=json.dumps(
        {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}))
    try:
        with pytest.raises(LivetuiError, match="not deployed by livetui"):
            deploy(aws, bootstrap, foreign)
    finally:
        aws.client("cloudformation").delete_stack(StackName=stack_name(foreign.app, foreign.stage))
        aws.client("cloudformation").get_waiter("stack_delete_complete").wait(
            StackName=stack_name(foreign.app, foreign.stage), WaiterConfig={"Delay": 1})
    assert settings.app != foreign.app


def test_a_cancelled_deployment_stops(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings) -> None:
    settings = make_settings()
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(DeploymentCancelledError):
        deploy_live(template.load(settings), aws, bootstrap, settings, lambda _: None, cancel)


def test_removal_takes_stack_key_and_metadata(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings) -> None:
    settings = make_settings()
    live = deploy(aws, bootstrap, settings)
    s3 = aws.client("s3")
    key = f"apps/{settings.app}/{settings.stage}.json"
    eventually(lambda: s3.list_objects_v2(Bucket=bootstrap.bucket, Prefix=key)["KeyCount"])
    metadata = json.loads(s3.get_object(Bucket=bootstrap.bucket, Key=key)["Body"].read())
    assert metadata["stack"] == live.name
    assert live.functions["Hello"].name in [resource["name"] for resource in metadata["resources"]]
    assert remove_live(aws, settings, lambda _: None)
    eventually(lambda: not s3.list_objects_v2(Bucket=bootstrap.bucket, Prefix=key)["KeyCount"])
    assert not remove_live(aws, settings, lambda _: None)


def remove_in_another_second(aws: Aws, settings: Settings) -> None:
    """Within the second of the deployment nothing would tell its objects from a newer session's."""
    deployed = datetime.now(UTC).replace(microsecond=0)
    eventually(lambda: datetime.now(UTC).replace(microsecond=0) > deployed)
    remove_live(aws, settings, lambda _: None)


def test_events_that_come_late_undo_nothing_newer(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings) -> None:
    """EventBridge and asynchronous calls may deliver hours later and in any order."""
    settings = make_settings()
    live = deploy(aws, bootstrap, settings)
    remove_in_another_second(aws, settings)
    s3, place = aws.client("s3"), f"{settings.app}/{settings.stage}"
    eventually(lambda: not s3.list_objects_v2(Bucket=bootstrap.bucket, Prefix=f"apps/{place}")["KeyCount"])
    eventually(lambda: not s3.list_objects_v2(Bucket=bootstrap.bucket, Prefix=f"artifacts/{place}/")["KeyCount"])
    newer = f"payloads/{place}/newer"
    s3.put_object(Bucket=bootstrap.bucket, Key=newer, Body=b"of the next session")

    def arrives(status: str, when: datetime) -> Any:
        event = {"time": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
                 "detail": {"stack-id": live.arn, "status-details": {"status": status}}}
        answer = aws.client("lambda").invoke(FunctionName=bootstrap.metadata_function, Payload=json.dumps(event))
        assert "FunctionError" not in answer
        return json.loads(answer["Payload"].read())

    def clean(when: datetime) -> int:
        answer = aws.client("lambda").invoke(FunctionName=bootstrap.cleaner_function, Payload=json.dumps({"remove": {
            "app": settings.app, "stage": settings.stage, "until": when.isoformat()}}))
        return json.loads(answer["Payload"].read())["deleted"]

    now = datetime.now(UTC)
    arrives("UPDATE_COMPLETE", now - timedelta(hours=1))
    assert not s3.list_objects_v2(Bucket=bootstrap.bucket, Prefix=f"apps/{place}")["KeyCount"], "the stack is gone"
    assert clean(now - timedelta(hours=1)) == 0
    written = s3.head_object(Bucket=bootstrap.bucket, Key=newer)["LastModified"].replace(microsecond=0)
    assert clean(written) == 0, "within one second nothing tells which was first"
    assert s3.head_object(Bucket=bootstrap.bucket, Key=newer)
    arrives("DELETE_COMPLETE", now + timedelta(seconds=2))
    eventually(lambda: not s3.list_objects_v2(Bucket=bootstrap.bucket, Prefix=newer)["KeyCount"])


def test_a_new_stack_brings_its_objects_itself(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings) -> None:
    """What a removed stack left may go at any moment; a date of its own keeps an object."""
    settings = make_settings()
    deploy(aws, bootstrap, settings)
    s3, prefix = aws.client("s3"), f"artifacts/{settings.app}/{settings.stage}/"
    kept = {item["Key"]: s3.get_object(Bucket=bootstrap.bucket, Key=item["Key"])["Body"].read()
            for item in s3.list_objects_v2(Bucket=bootstrap.bucket, Prefix=prefix)["Contents"]}
    remove_in_another_second(aws, settings)
    eventually(lambda: not s3.list_objects_v2(Bucket=bootstrap.bucket, Prefix=prefix)["KeyCount"])
    for key, body in kept.items():
        s3.put_object(Bucket=bootstrap.bucket, Key=key, Body=body, Metadata={"left": "behind"})
    deploy(aws, bootstrap, settings)
    assert all(not s3.head_object(Bucket=bootstrap.bucket, Key=key)["Metadata"] for key in kept)
