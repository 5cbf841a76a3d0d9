"""Functions, roles and processes for the tests of the local cloud."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from livetui.aws import Aws

LAMBDA_TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}]})


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 20) -> Any:
    """The condition's first true value; fails with `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    pytest.fail(f"after {seconds} s not so: {what}")


def zipped(**sources: str) -> bytes:
    """A deployment package with one module per keyword."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, source in sources.items():
            archive.writestr(f"{name}.py", source)
    return buffer.getvalue()


def deploy_function(aws: Aws, source: str) -> str:
    """A function with `source` as `app.handler` and a role that allows nothing; returns its name."""
    name = f"fn-{uuid4().hex[:8]}"
    role = aws.client("iam").create_role(RoleName=f"role-{name}", AssumeRolePolicyDocument=LAMBDA_TRUST)["Role"]["Arn"]
    aws.client("lambda").create_function(FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=role,
                                         Code={"ZipFile": zipped(app=source)}, Timeout=20)
    return name


def invoke(aws: Aws, name: str, event: Any = None) -> Any:
    """The function's answer, decoded."""
    answer = aws.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event or {}))
    return json.loads(answer["Payload"].read())


@dataclass(frozen=True)
class Shop:
    """`examples/orders`, deployed as it stands (not live) on the shared cloud."""

    stack: str
    outputs: dict[str, str]
    functions: dict[str, str]
    """Logical id to physical name."""


@pytest.fixture(scope="session")
def shop(aws: Aws) -> Shop:
    """Deploy the example through a change set, with its code uploaded as `aws cloudformation package` does."""
    stack = f"orders-{uuid4().hex[:8]}"
    example = Path(__file__).parents[3] / "examples" / "orders"
    code = zipped(**{source.stem: source.read_text("utf-8") for source in (example / "src").glob("*.py")})
    aws.client("s3").create_bucket(Bucket=stack, CreateBucketConfiguration={"LocationConstraint": aws.region})
    aws.client("s3").put_object(Bucket=stack, Key="src.zip", Body=code)
    template = (example / "template.yaml").read_text("utf-8").replace("CodeUri: src/", f"CodeUri: s3://{stack}/src.zip")
    formation = aws.client("cloudformation")
    formation.create_change_set(
        StackName=stack, ChangeSetName="create", ChangeSetType="CREATE", TemplateBody=template,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    formation.get_waiter("change_set_create_complete").wait(
        StackName=stack, ChangeSetName="create", WaiterConfig={"Delay": 1})
    formation.execute_change_set(StackName=stack, ChangeSetName="create")
    formation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    outputs = formation.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    resources = formation.describe_stack_resources(StackName=stack)["StackResources"]
    return Shop(stack, {output["OutputKey"]: output["OutputValue"] for output in outputs},
                {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources
                 if resource["ResourceType"] == "AWS::Lambda::Function"})
