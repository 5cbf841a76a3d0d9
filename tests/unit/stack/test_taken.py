"""What the account has already is told apart from the live stack's own, by physical ids as AWS gives them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from livetui.aws import Aws, CloudAccess
from livetui.errors import UsageError
from livetui.stack.names import NAMES
from livetui.stack.taken import _LOOKS, refuse_taken
from tests.unit.stack.conftest import Project, load

STACK = "arn:aws:cloudformation:eu-west-1:111122223333:stack/shop-dev-live/1"
FUNCTION = "{Type: AWS::Lambda::Function, Properties: {Runtime: python3.12, Handler: a.b, Code: ., Role: r}}"
PHYSICAL = {
    "AWS::SecretsManager::Secret": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:{}-AbCdEf",
    "AWS::SQS::Queue": "https://sqs.eu-west-1.amazonaws.com/111122223333/{}",
}
"""Type → `Ref` of it, where that is not the name alone."""


def having_all(*exports: str) -> Aws:
    """An account in which whatever is looked for is there, and `exports` are another stack's."""
    aws = Aws(CloudAccess("eu-west-1", endpoint_url="http://127.0.0.1:1", access_key_id="a", secret_access_key="a"))
    listed = [{"Name": name, "ExportingStackId": STACK.replace("shop", "real")} for name in exports]
    answer = (SimpleNamespace(status_code=200), {"Exports": listed})
    aws.session.events.register("before-call", lambda **_: answer)
    return aws


@pytest.mark.parametrize("kind", _LOOKS)
def test_the_live_stacks_own_is_not_taken_and_what_only_looks_alike_is(project: Project, kind: str) -> None:
    name = "/shop/the-name" if kind in ("AWS::SSM::Parameter", "AWS::SecretsManager::Secret") else "the-name"
    application = load(project(f"""
        Resources:
          F: {FUNCTION}
          R: {{Type: {kind}, Properties: {{{NAMES[kind]}: {name}, Runtime: python3.12, Handler: a.b, Code: ., Role: r}}}}
    """))
    own = PHYSICAL.get(kind, "{}").format(name)
    refuse_taken(having_all(), application, STACK, [{"ResourceType": kind, "PhysicalResourceId": own}])
    for other_kind, other in (("AWS::SNS::Topic", own), (kind, PHYSICAL.get(kind, "{}").format("/their/the-name-2"))):
        with pytest.raises(UsageError, match=f"R={name}"):
            refuse_taken(having_all(), application, STACK, [{"ResourceType": other_kind, "PhysicalResourceId": other}])


def test_what_a_condition_leaves_out_or_may_leave_out_is_not_looked_for(project: Project) -> None:
    condition: dict[str, Any] = {"files": {"inner.yaml": """
        Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: inner}}}
        Outputs: {O: {Value: a, Export: {Name: inner}}}
    """}}
    application = load(project(f"""
        Parameters: {{Place: {{Type: "AWS::SSM::Parameter::Value<String>"}}}}
        Conditions:
          "No": !Equals [a, b]
          "Yes": !Equals [a, a]
          Perhaps: !Equals [!Ref Place, there]
        Resources:
          F: {FUNCTION}
          A: {{Type: AWS::SQS::Queue, Condition: "No", Properties: {{QueueName: a}}}}
          B: {{Type: AWS::SQS::Queue, Condition: Perhaps, Properties: {{QueueName: b}}}}
          C: {{Type: AWS::SQS::Queue, Condition: "Yes", Properties: {{QueueName: c}}}}
          N: {{Type: AWS::CloudFormation::Stack, Condition: Perhaps, Properties: {{TemplateURL: inner.yaml}}}}
        Outputs:
          A: {{Value: a, Condition: "No", Export: {{Name: out-a}}}}
          B: {{Value: a, Condition: Perhaps, Export: {{Name: out-b}}}}
          C: {{Value: a, Condition: "Yes", Export: {{Name: out-c}}}}
    """, **condition))
    with pytest.raises(UsageError) as refused:
        refuse_taken(having_all("out-a", "out-b", "out-c", "inner"), application, STACK, [])
    assert refused.value.why == "C=c, the export out-c of real-dev-live"
