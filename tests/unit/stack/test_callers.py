"""A function that answers CloudFormation is left alone, wherever in the application it is called from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from livetui.config import load as load_settings
from tests.unit.stack.conftest import Project, load

PROVIDER = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Answers: {Type: AWS::Serverless::Function, Properties: {CodeUri: ., Runtime: python3.12, Handler: a.b%s}}
      Live: {Type: AWS::Serverless::Function, Properties: {CodeUri: ., Runtime: python3.12, Handler: a.b}}
      %s
    Outputs:
      Token: {Value: !GetAtt Answers.Arn%s}
"""
CUSTOM = """
    Parameters: {Token: {Type: %s, Default: "%s"}}
    Resources:
      Custom: {Type: Custom::Thing, Properties: {ServiceToken: %s}}
"""
ROOT = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Provider: {Type: AWS::Serverless::Application, Properties: {Location: provider.yaml}}
      Consumer: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: consumer.yaml%s}}
"""


@pytest.mark.parametrize(("provider", "consumer", "passed"), [
    (("", "", ""), ("String", "", "!Ref Token"), ", Parameters: {Token: !GetAtt Provider.Outputs.Token}"),
    (("", "", ""), ("String", "", '!Sub "${Token}"'), ', Parameters: {Token: !Sub "${Provider.Outputs.Token}"}'),
    (("", "", ", Export: {Name: the-token}"), ("String", "", "!ImportValue the-token"), ""),
    (("", "", ', Export: {Name: !Sub "${AWS::Region}-token"}'),
     ("String", "", 'Fn::ImportValue: !Sub "${AWS::Region}-token"'), ""),
    (("", "Kept: {Type: AWS::SSM::Parameter, Properties: {Name: /the/token, Type: String, Value: !GetAtt Answers.Arn}}",
      ""), ("String", "", '"{{resolve:ssm:/the/token}}"'), ""),
    (("", "Kept: {Type: AWS::SSM::Parameter, Properties: {Name: /the/token, Type: String, Value: !GetAtt Answers.Arn}}",
      ""), ("AWS::SSM::Parameter::Value<String>", "/the/token", "!Ref Token"), ""),
    ((", FunctionName: the-provider", "", ""),
     ("String", "", '!Sub "arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:the-provider"'), ""),
    ((", FunctionName: the-provider", "", ""),
     ("String", "the-provider", '!Sub "arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:${Token}"'), ""),
    ((", AutoPublishAlias: live", "", ", Export: {Name: the-token}"), ("String", "", "!ImportValue the-token"), ""),
], ids=["parameter", "sub", "export", "export by region", "ssm", "ssm parameter", "fixed name", "name in a parameter",
        "alias"])
def test_a_provider_in_another_template_is_left_alone(project: Project, provider: tuple[str, ...],
                                                      consumer: tuple[str, ...], passed: str) -> None:
    custom = CUSTOM % consumer
    if "Fn::ImportValue:" in custom:
        custom = custom.replace("{ServiceToken: Fn::", "{ServiceToken: {Fn::").replace('token"}}', 'token"}}}')
    application = load(project(ROOT % passed, {"provider.yaml": PROVIDER % provider, "consumer.yaml": custom},
                               region="eu-west-1"))
    assert {name: function.live for name, function in application.functions.items()} == {
        "Provider-Answers": False, "Provider-Live": True}
    assert "answers CloudFormation" in application.functions["Provider-Answers"].reason


def test_the_parents_provider_serves_its_children(project: Project) -> None:
    """And what the provider itself calls, by its variables; also through a version of it."""
    application = load(project("""
        Transform: AWS::Serverless-2016-10-31
        Globals: {Function: {CodeUri: ., Runtime: python3.12, Handler: a.b}}
        Resources:
          Answers:
            Type: AWS::Serverless::Function
            Properties: {Environment: {Variables: {USER: !GetAtt User.Arn}}}
          User: {Type: AWS::Serverless::Function}
          Live: {Type: AWS::Serverless::Function}
          Version: {Type: AWS::Lambda::Version, Properties: {FunctionName: !Ref Answers}}
          Inner:
            Type: AWS::CloudFormation::Stack
            Properties: {TemplateURL: inner.yaml, Parameters: {Outer: !Ref Version}}
    """, {"inner.yaml": """
        Parameters: {Outer: {Type: String}}
        Resources:
          Deeper:
            Type: AWS::CloudFormation::Stack
            Properties: {TemplateURL: deeper.yaml, Parameters: {Token: !Ref Outer}}
    """, "deeper.yaml": CUSTOM % ("String", "", "!Ref Token")}))
    assert [name for name, function in application.functions.items() if function.live] == ["Live"]


def test_naming_it_does_not_make_the_deployment_hang(project: Project) -> None:
    settings = project("""
        Transform: AWS::Serverless-2016-10-31
        Globals: {Function: {CodeUri: ., Runtime: python3.12, Handler: a.b}}
        Resources:
          Answers: {Type: AWS::Serverless::Function}
          Live: {Type: AWS::Serverless::Function}
          Custom: {Type: Custom::Thing, Properties: {ServiceToken: !GetAtt Answers.Arn}}
    """, function=("Answers", "Live"))
    assert [name for name, function in load(settings).functions.items() if function.live] == ["Live"]


def test_stacks_of_a_cdk_application_share_a_provider_by_an_export(tmp_path: Path) -> None:
    folder = tmp_path / "cdk.out"
    (folder / "asset.aaa").mkdir(parents=True)
    (folder / "asset.aaa" / "index.py").write_text("def handler(event, context):\n    return 1\n")
    function = {"Type": "AWS::Lambda::Function", "Metadata": {"aws:asset:path": "asset.aaa"}, "Properties": {
        "Handler": "index.handler", "Runtime": "python3.12", "Code": {"S3Bucket": "b", "S3Key": "aaa.zip"}}}
    arn = {"Fn::GetAtt": ["Provider", "Arn"]}
    for name, content in {
        "Base.json": {"Resources": {"Provider": function, "Hello": function},
                      "Outputs": {"Out": {"Value": arn, "Export": {"Name": "Base:Provider"}}}},
        "App.json": {"Resources": {"Thing": {"Type": "Custom::Thing", "Properties": {
            "ServiceToken": {"Fn::ImportValue": "Base:Provider"}}}}},
        "manifest.json": {"artifacts": {
            "Base": {"type": "aws:cloudformation:stack", "properties": {"templateFile": "Base.json"}},
            "App": {"type": "aws:cloudformation:stack", "properties": {"templateFile": "App.json"},
                    "dependencies": ["Base"]}}},
    }.items():
        (folder / name).write_text(json.dumps(content))
    application = load(load_settings(tmp_path, {"app": "shop", "stage": "dev"}, {}))
    assert [name for name, function in application.functions.items() if function.live] == ["Base-Hello"]


NAMED = """
    Transform: AWS::Serverless-2016-10-31
    Globals: {Function: {CodeUri: ., Runtime: python3.12, Handler: a.b}}
    Parameters: {Suffix: {Type: "AWS::SSM::Parameter::Value<String>", Default: /suffix}}
    Resources:
      Answers: {Type: AWS::Serverless::Function, Properties: {FunctionName: !Sub "${AWS::StackName}-%s"}}
      Live: {Type: AWS::Serverless::Function, Properties: {FunctionName: !Sub "${AWS::StackName}-live"}}
      Custom: {Type: Custom::Thing, Properties: {ServiceToken: %s}}
"""


@pytest.mark.parametrize(("name", "token"), [
    ("provider", '!Sub "arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-provider"'),
    ("provider-${Suffix}",
     '!Sub "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-provider-${Suffix}"'),
    ("provider", '!Join [":", [arn, aws, lambda, !Ref AWS::Region, !Ref AWS::AccountId, function, '
                 '!Sub "${AWS::StackName}-provider", live]]'),
], ids=["sub", "parameter that AWS knows", "join"])
def test_a_provider_named_after_the_stack_is_left_alone(project: Project, name: str, token: str) -> None:
    application = load(project(NAMED % (name, token)))
    assert [name for name, function in application.functions.items() if function.live] == ["Live"]


@pytest.mark.parametrize(("topic", "subscription", "event"), [
    ("", "Sub: {Type: AWS::SNS::Subscription, Properties: "
         "{Protocol: lambda, TopicArn: !Ref Topic, Endpoint: !GetAtt Answers.Arn}}", ""),
    ("Subscription: [{Protocol: lambda, Endpoint: !GetAtt Answers.Arn}]", "", ""),
    ("", "", "Events: {E: {Type: SNS, Properties: {Topic: !Ref Topic}}}"),
], ids=["subscription", "the topic's own", "SAM's event"])
@pytest.mark.parametrize("token", [
    "!Ref Topic", '!Sub "arn:aws:sns:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}-t"'])
def test_who_is_subscribed_to_the_topic_that_answers_is_left_alone(project: Project, topic: str, subscription: str,
                                                                   event: str, token: str) -> None:
    application = load(project(f"""
        Transform: AWS::Serverless-2016-10-31
        Globals: {{Function: {{CodeUri: ., Runtime: python3.12, Handler: a.b}}}}
        Resources:
          Topic: {{Type: AWS::SNS::Topic, Properties: {{TopicName: !Sub "${{AWS::StackName}}-t", {topic}}}}}
          Other: {{Type: AWS::SNS::Topic}}
          Answers: {{Type: AWS::Serverless::Function, Properties: {{{event}}}}}
          Live:
            Type: AWS::Serverless::Function
            Properties: {{Events: {{E: {{Type: SNS, Properties: {{Topic: !Ref Other}}}}}}}}
          Custom: {{Type: Custom::Thing, Properties: {{ServiceToken: {token}}}}}
          {subscription}
    """))
    assert [name for name, function in application.functions.items() if function.live] == ["Live"]
