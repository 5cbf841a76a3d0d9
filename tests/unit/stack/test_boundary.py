"""The permissions boundary of the settings is on every role of a live stack that has none of its own."""

from __future__ import annotations

from dataclasses import replace

from ruamel.yaml import YAML

from livetui.stack.document import long_form
from livetui.stack.live import make_live
from livetui.stack.local_sam import expand
from tests.unit.stack.conftest import WIRING, Project, load


def test_a_boundary_is_put_on_roles_that_have_none(project: Project) -> None:
    role = "{Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}%s}}"
    settings = project(f"""
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Implicit: {{Type: AWS::Serverless::Function, Properties: {{Runtime: python3.12, Handler: a.b, CodeUri: .}}}}
          Own:
            Type: AWS::Serverless::Function
            Properties: {{Runtime: python3.12, Handler: a.b, CodeUri: ., PermissionsBoundary: mine}}
          Given:
            Type: AWS::Serverless::Function
            Properties: {{Runtime: python3.12, Handler: a.b, CodeUri: ., Role: !GetAtt Role.Arn}}
          Role: {role % ""}
          Bounded: {role % ", PermissionsBoundary: mine"}
    """)
    text = make_live(load(settings).root, replace(WIRING, boundary="ours")).document.text()
    resources = long_form(YAML().load(text))["Resources"]
    found = {name: resource["Properties"].get("PermissionsBoundary") for name, resource in resources.items()}
    assert found == {"Implicit": "ours", "Own": "mine", "Given": None, "Role": "ours", "Bounded": "mine"}


def test_every_role_that_sam_makes_has_a_boundary_and_one_of_its_own_stays(project: Project) -> None:
    """As AWS's own translator makes them: schedules of functions and of state machines have roles of their own."""
    schedule = "{Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour)%s}}"
    settings = project(f"""
        Transform: AWS::Serverless-2016-10-31
        Resources:
          F:
            Type: AWS::Serverless::Function
            Properties:
              Runtime: python3.12
              Handler: a.b
              CodeUri: .
              Events:
                Made: {schedule % ""}
                Own: {schedule % ", PermissionsBoundary: mine"}
                Given: {schedule % ", RoleArn: 'arn:aws:iam::1:role/r'"}
          M:
            Type: AWS::Serverless::StateMachine
            Properties:
              DefinitionUri: s3://b/k
              Events: {{Made: {schedule % ""}, Rule: {{Type: Schedule, Properties: {{Schedule: rate(1 hour)}}}}}}
    """)
    live = make_live(load(settings).root, replace(WIRING, boundary="ours")).document
    made = expand(long_form(live.root), "eu-west-1")["Resources"]
    assert {name: role["Properties"].get("PermissionsBoundary") for name, role in made.items()
            if role["Type"] == "AWS::IAM::Role"} == {
        "FRole": "ours", "FMadeRole": "ours", "FOwnRole": "mine", "MRole": "ours", "MMadeRole": "ours",
        "MRuleRole": "ours"}
