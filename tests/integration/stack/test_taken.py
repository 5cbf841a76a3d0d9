"""Names and exports that somebody else has already are found before a deployment begins, or told in one line."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from livetui.aws import Aws
from livetui.config import Settings
from livetui.errors import LivetuiError, UsageError
from livetui.stack import template
from livetui.stack.bootstrap import Bootstrap
from livetui.stack.changeset import StackState, StackWork
from livetui.stack.contract import LiveStack
from livetui.stack.deployment import deploy_live, resources_of
from livetui.stack.names import stack_name
from tests.integration.stack.test_park import answering

MakeSettings = Callable[..., Settings]
FIXED = """\
  Fixed: {{Type: AWS::SQS::Queue, Properties: {{QueueName: {name}-q}}}}
  Named: {{Type: AWS::SSM::Parameter, Properties: {{Name: /{name}/p, Type: String, Value: a}}}}
  Kept: {{Type: AWS::S3::Bucket, Properties: {{BucketName: {name}-b}}}}

Outputs:
  Shared: {{Value: a, Export: {{Name: {name}-e}}}}
"""


def deploy(aws: Aws, bootstrap: Bootstrap, settings: Settings) -> LiveStack:
    return deploy_live(template.load(settings), aws, bootstrap, settings, lambda _: None)


def test_what_is_taken_is_named_before_anything_is_made_and_ones_own_is_not(
        aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings, project: Path) -> None:
    name, settings = f"n{uuid.uuid4().hex[:8]}", make_settings()
    text = (project / "template.yaml").read_text().replace("Outputs:\n", FIXED.format(name=name))
    (project / "template.yaml").write_text(text)
    queue = aws.client("sqs").create_queue(QueueName=f"{name}-q")["QueueUrl"]
    aws.client("ssm").put_parameter(Name=f"/{name}/p", Type="String", Value="theirs")
    aws.client("s3").create_bucket(Bucket=f"{name}-b", CreateBucketConfiguration={"LocationConstraint": aws.region})
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=f"""
Resources: {{T: {{Type: AWS::SNS::Topic}}}}
Outputs: {{E: {{Value: theirs, Export: {{Name: {name}-e}}}}}}
""")
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    with pytest.raises(UsageError) as refused:
        deploy(aws, bootstrap, settings)
    for taken in (f"Fixed={name}-q", f"Named=/{name}/p", f"Kept={name}-b", f"the export {name}-e of {name}"):
        assert taken in refused.value.why
    assert "AWS::StackName" in refused.value.hint
    assert resources_of(aws, stack_name(settings.app, settings.stage)) == []

    aws.client("sqs").delete_queue(QueueUrl=queue)
    aws.client("ssm").delete_parameter(Name=f"/{name}/p")
    aws.client("s3").delete_bucket(Bucket=f"{name}-b")
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert deploy(aws, bootstrap, settings).changed
    (project / "template.yaml").write_text(text.replace("Value: a}", "Value: b}"))
    assert deploy(aws, bootstrap, make_settings(app=settings.app)).changed, "its own names are not taken"


def test_who_may_not_look_deploys_all_the_same(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings,
                                               project: Path) -> None:
    name, settings = f"n{uuid.uuid4().hex[:8]}", make_settings()
    (project / "template.yaml").write_text((project / "template.yaml").read_text().replace(
        "Outputs:\n", FIXED.format(name=name)))
    with answering(aws, "sqs", "GetQueueUrl", "AccessDenied", "no") as queues, \
            answering(aws, "cloudformation", "ListExports", "AccessDenied", "no") as exports:
        assert deploy(aws, bootstrap, settings).changed
    assert queues
    assert exports


@pytest.mark.parametrize(("reason", "hint"), [
    ("Export with name shared is already exported by stack orders-prod.", "export"),
    ("Resource of type 'AWS::SNS::Topic' with identifier 'orders' already exists.", "AWS::StackName"),
    ("orders already exists in stack arn:aws:cloudformation:eu-west-1:1:stack/real/1", "AWS::StackName")])
def test_a_name_that_only_the_deployment_finds_taken_is_one_line_with_what_to_do(
        aws: Aws, reason: str, hint: str) -> None:
    work = StackWork(aws, "live", "deploy", lambda _: None, threading.Event())
    work._root_cause = ("Topic", f"{reason}\n(Service: x)")
    told = work._failure(StackState("live", status="ROLLBACK_COMPLETE"))
    assert isinstance(told, LivetuiError)
    assert told.why.startswith(f"Topic: {reason}")
    assert "\n" not in told.why
    assert hint in told.hint
