"""The live transform: what it changes, and that it changes nothing else."""

from __future__ import annotations

import difflib
import json
from typing import Any

import pytest
from ruamel.yaml import YAML

from livetui.stack.assembly import synth
from livetui.stack.document import long_form
from livetui.stack.live import live_timeout
from livetui.stack.names import fixed_names
from stub_runtime.config import StubConfig
from tests.unit.stack.conftest import Project, live, load, properties

SAM = "Transform: AWS::Serverless-2016-10-31\n"


def test_comments_order_and_short_forms_survive(project: Project) -> None:
    text = """\
# top
Transform: AWS::Serverless-2016-10-31
Resources:
  # the queue
  Queue:
    Type: AWS::SQS::Queue   # plain
    Properties:
      QueueName: !Sub "${AWS::StackName}-q"
      Tags:
      - Key: a
        Value: !If [X, 'b', "c"]
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src/
      Handler: app.handler
      Runtime: python3.12
      Policies:
      - SQSPollerPolicy: {QueueName: !GetAtt Queue.QueueName}  # reads
"""
    settings = project("")
    (settings.root / "template.yaml").write_text(text)
    after = live(load(settings)).document.text()
    removed = [line[1:].strip() for line in difflib.ndiff(text.splitlines(), after.splitlines()) if line[0] == "-"]
    assert removed == ["CodeUri: src/", "Handler: app.handler"]


def test_what_a_sam_function_becomes(project: Project) -> None:
    application = load(project(SAM + """\
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src/
      Handler: app.handler
      Runtime: python3.12
      Layers: [arn:a]
      SnapStart: {ApplyOn: PublishedVersions}
      DeploymentPreference: {Type: Canary10Percent5Minutes}
      ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 2}
      Tracing: Active
      VpcConfig: {SubnetIds: [a], SecurityGroupIds: [b]}
      Environment: {Variables: {A: 1, AWS_LAMBDA_EXEC_WRAPPER: /opt/x, PYTHONPATH: /opt/y}}
"""))
    after = properties(application, "F")
    assert after["CodeUri"] == {"Bucket": "the-bucket", "Key": "stubs/python3.12-x86_64.zip"}
    assert (after["Handler"], after["Timeout"], after["MemorySize"]) == ("stub_runtime.handler.handler", 900, 512)
    assert (after["Tracing"], after["VpcConfig"]) == ("Active", {"SubnetIds": ["a"], "SecurityGroupIds": ["b"]})
    assert not {"Layers", "SnapStart", "DeploymentPreference", "ProvisionedConcurrencyConfig"} & set(after)
    assert after["Environment"]["Variables"].keys() == {"A", "LIVETUI"}
    config = StubConfig.from_json(after["Environment"]["Variables"]["LIVETUI"])
    assert (config.app, config.stage, config.function, config.handler) == ("shop", "dev", "F", "app.handler")
    assert application.functions["F"].warnings[0].startswith("It runs in a VPC")


def test_the_stubs_policy_names_its_own_topics(project: Project) -> None:
    application = load(project(SAM + """\
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: src/, Handler: a.b, Runtime: python3.12, Policies: AmazonS3ReadOnlyAccess}
"""))
    managed, ours = properties(application, "F")["Policies"]
    assert managed == "AmazonS3ReadOnlyAccess"
    connect = next(statement for statement in ours["Statement"] if statement["Action"] == ["iot:Connect"])
    assert connect["Resource"] == [{"Fn::Sub": "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}:"
                                               "client/livetui.shop.dev.stub.F.*"}]


@pytest.mark.parametrize("policies", ["", "Policies: !If [C, [a], !Ref AWS::NoValue]", "Policies: [a]"])
def test_a_role_of_the_template_gets_an_inline_policy_for_all_its_functions(project: Project, policies: str) -> None:
    application = load(project(f"""\
Conditions: {{C: !Equals [!Ref AWS::Region, x]}}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {{}}
      {policies}
  A:
    Type: AWS::Lambda::Function
    Properties: {{Runtime: python3.12, Handler: a.b, Code: a, Role: !GetAtt Role.Arn}}
  B:
    Type: AWS::Lambda::Function
    Properties: {{Runtime: python3.12, Handler: a.b, Code: a, Role: !Sub "${{Role.Arn}}"}}
"""))
    given = properties(application, "Role")["Policies"]
    lists = given["Fn::If"][1:] if isinstance(given, dict) else [given]
    for entries in lists:
        written = json.dumps(entries[-1])
        assert "stub.A.*" in written
        assert "stub.B.*" in written


def test_a_role_from_elsewhere_is_an_instruction_with_the_policy(project: Project) -> None:
    application = load(project("""\
Parameters: {RoleArn: {Type: String}}
Resources:
  A: {Type: AWS::Lambda::Function, Properties: {Runtime: python3.12, Handler: a.b, Code: a, Role: !Ref RoleArn}}
"""))
    warning = live(application).functions["A"].warnings[-1]
    assert "comes from elsewhere" in warning
    assert "iot:Connect" in warning


def test_a_plain_function_gets_an_s3_address_and_aliases_point_at_latest(project: Project) -> None:
    application = load(project("""\
Resources:
  F:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.9
      Handler: index.handler
      Architectures: [arm64]
      Role: !GetAtt R.Arn
      Code: {ZipFile: "def handler(e, c): return 1"}
  R: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}}}
  Version: {Type: AWS::Lambda::Version, Properties: {FunctionName: !Ref F, CodeSha256: x,
            ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 1}}}
  Alias:
    Type: AWS::Lambda::Alias
    Properties: {FunctionName: !Ref F, Name: live, FunctionVersion: !GetAtt Version.Version,
                 RoutingConfig: {AdditionalVersionWeights: []}}
"""))
    after = properties(application, "F")
    assert after["Code"] == {"S3Bucket": "the-bucket", "S3Key": "stubs/python3.13-arm64.zip"}
    assert after["Runtime"] == "python3.13"
    assert properties(application, "Alias") == {"FunctionName": {"Ref": "F"}, "Name": "live",
                                                "FunctionVersion": "$LATEST"}
    assert properties(application, "Version") == {"FunctionName": {"Ref": "F"}}


def test_a_container_image_becomes_a_zip(project: Project) -> None:
    application = load(project("""\
Resources:
  R: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}}}
  F:
    Type: AWS::Lambda::Function
    Metadata: {DockerContext: app}
    Properties: {PackageType: Image, Role: !GetAtt R.Arn, Code: {ImageUri: repo}, ImageConfig: {Command: [m.h]}}
""", {"app/Dockerfile": "FROM python:3.12-slim\n"}))
    after = properties(application, "F")
    assert after["Code"]["S3Bucket"] == "the-bucket"
    assert (after["Runtime"], after["Handler"]) == ("python3.12", "stub_runtime.handler.handler")
    assert not {"PackageType", "ImageConfig"} & set(after)


@pytest.mark.parametrize(("queue", "configured", "expected"), [
    ("{VisibilityTimeout: 120}", 10, 120), ("{}", 10, 30), ("{VisibilityTimeout: 43200}", 10, 900),
    ("{VisibilityTimeout: 20}", 60, 60),
])
def test_the_live_timeout_stays_within_the_queues_visibility(project: Project, queue: str, configured: int,
                                                              expected: int) -> None:
    application = load(project(SAM + f"""\
Resources:
  Q: {{Type: AWS::SQS::Queue, Properties: {queue}}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src/
      Handler: a.b
      Runtime: python3.12
      Timeout: {configured}
      Events: {{Q: {{Type: SQS, Properties: {{Queue: !GetAtt Q.Arn}}}}}}
  P:
    Type: AWS::Lambda::Function
    Properties: {{Code: src, Handler: a.b, Runtime: python3.12, Timeout: {configured}, Role: "arn:x"}}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {{FunctionName: !Ref P, EventSourceArn: !GetAtt Q.Arn}}
"""))
    for name in ("F", "P"):
        assert live_timeout(application.root, application.root.functions[name]) == expected


@pytest.mark.parametrize(("feeding", "expected"), [
    ("Mapping: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !Ref Live, "
     "EventSourceArn: !GetAtt Q.Arn}}", 45),
    ("Mapping: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !Ref FAliasnow, "
     "EventSourceArn: !GetAtt Q.Arn}}", 45),
    ("Mapping: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !Sub '${AWS::StackName}-f', "
     "EventSourceArn: !GetAtt Q.Arn}}", 45),
    ("Mapping: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !Ref Live, "
     "EventSourceArn: !GetAtt Stream.Arn}}", 900),
    ("Mapping: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !Ref Live, "
     "EventSourceArn: !ImportValue q}}", 7),
])
def test_a_mapping_reaches_a_function_by_its_aliases_and_names(project: Project, feeding: str, expected: int) -> None:
    application = load(project(SAM + f"""\
Resources:
  Q: {{Type: AWS::SQS::Queue, Properties: {{VisibilityTimeout: 45}}}}
  Stream: {{Type: AWS::Kinesis::Stream}}
  F:
    Type: AWS::Serverless::Function
    Properties: {{CodeUri: src/, Handler: a.b, Runtime: python3.12, Timeout: 7, AutoPublishAlias: now,
                  FunctionName: !Sub "${{AWS::StackName}}-f"}}
  Live: {{Type: AWS::Lambda::Alias, Properties: {{FunctionName: !Ref F, Name: live, FunctionVersion: "1"}}}}
  {feeding}
"""))
    assert live_timeout(application.root, application.root.functions["F"]) == expected


@pytest.mark.parametrize(("subscription", "expected"), [
    ("true", 30), ("{QueueArn: !GetAtt Q.Arn, QueueUrl: !Ref Q}", 45), ("false", 900), ("{BatchSize: 3}", 7)])
def test_a_topic_that_goes_through_a_queue_counts_as_that_queue(project: Project, subscription: str,
                                                                expected: int) -> None:
    application = load(project(SAM + f"""\
Resources:
  Q: {{Type: AWS::SQS::Queue, Properties: {{VisibilityTimeout: 45}}}}
  T: {{Type: AWS::SNS::Topic}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      {{CodeUri: src/, Handler: a.b, Runtime: python3.12, Timeout: 7,
        Events: {{T: {{Type: SNS, Properties: {{Topic: !Ref T, SqsSubscription: {subscription}}}}}}}}}
"""))
    assert live_timeout(application.root, application.root.functions["F"]) == expected


@pytest.mark.parametrize("target", ["!GetAtt Inner.Outputs.Arn", "!Sub '${Inner.Outputs.Arn}'"])
def test_a_queue_of_the_stack_that_nests_a_function_counts(project: Project, target: str) -> None:
    application = load(project(f"""\
Resources:
  Inner: {{Type: AWS::CloudFormation::Stack, Properties: {{TemplateURL: inner.yaml}}}}
  Q: {{Type: AWS::SQS::Queue, Properties: {{VisibilityTimeout: 45}}}}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {{FunctionName: {target}, EventSourceArn: !GetAtt Q.Arn}}
""", {"inner.yaml": """\
        Resources:
          F: {Type: AWS::Lambda::Function, Properties: {Code: s, Handler: a.b, Runtime: python3.12, Role: r}}
          G: {Type: AWS::Lambda::Function, Properties: {Code: s, Handler: a.b, Runtime: python3.12, Role: r}}
        Outputs: {Arn: {Value: !GetAtt F.Arn}}
"""}))
    inner = application.root.children["Inner"]
    assert [live_timeout(inner, inner.functions[name]) for name in ("F", "G")] == [45, 900]


def test_a_queue_from_elsewhere_keeps_the_configured_timeout(project: Project) -> None:
    application = load(project(SAM + """\
Parameters: {QueueArn: {Type: String}}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src/
      Handler: a.b
      Runtime: python3.12
      Timeout: 11
      Events: {Q: {Type: SQS, Properties: {Queue: !Ref QueueArn}}}
"""))
    assert properties(application, "F")["Timeout"] == 11
    assert live_timeout(application.root, application.root.functions["F"]) == 11


def test_globals_keep_what_other_functions_need(project: Project) -> None:
    application = load(project(SAM + """\
Globals:
  Function:
    Layers: [arn:shared]
    SnapStart: {ApplyOn: PublishedVersions}
    Environment: {Variables: {AWS_LAMBDA_EXEC_WRAPPER: /opt/w, A: b}}
Resources:
  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: src/, Handler: a.b, Runtime: python3.12}}
  J: {Type: AWS::Serverless::Function, Properties: {CodeUri: js/, Handler: a.b, Runtime: nodejs22.x, Layers: [arn:own]}}
"""))
    root = YAML().load(live(application).document.text())
    assert long_form(root["Globals"]["Function"]) == {"Environment": {"Variables": {"A": "b"}}}
    other = properties(application, "J")
    assert other["Layers"] == ["arn:shared", "arn:own"]
    assert other["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert other["Environment"] == {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/w"}}


def test_a_published_alias_gets_a_new_address_when_its_configuration_changes(project: Project) -> None:
    def address(memory: int) -> Any:
        application = load(project(SAM + f"""\
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties: {{CodeUri: s, Handler: a.b, Runtime: python3.12, AutoPublishAlias: live,
                  EphemeralStorage: {{Size: {memory}}}}}
"""))
        after = live(application)
        return properties(application, "F")["CodeUri"]["Key"], dict(after.copies)

    (first, copies), (second, _) = address(512), address(1024)
    assert first != second
    assert copies == {first: "stubs/python3.12-x86_64.zip"}


def test_environment_behind_conditions(project: Project) -> None:
    application = load(project(SAM + """\
Conditions: {C: !Equals [!Ref AWS::Region, x]}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: s
      Handler: a.b
      Runtime: python3.12
      Environment: !If [C, {Variables: {A: 1}}, !Ref AWS::NoValue]
"""))
    condition, first, second = properties(application, "F")["Environment"]["Fn::If"]
    assert condition == "C"
    assert first["Variables"].keys() == {"A", "LIVETUI"}
    assert second["Variables"].keys() == {"LIVETUI"}


def test_aliases_and_merge_keys_are_written_out(project: Project) -> None:
    text = synth(load(settings := project(SAM + """\
X-Common: &common
  Runtime: python3.12
  CodeUri: src/
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      <<: *common
      Handler: a.b
  G:
    Type: AWS::Serverless::Function
    Properties: {<<: *common, Handler: c.d}
""")), settings)
    assert "*common" not in text
    assert "&common" not in text
    for name in ("F", "G"):
        assert YAML().load(text)["Resources"][name]["Properties"]["Runtime"] == "python3.12"


def test_synth_is_deterministic_and_leaves_the_file_alone(project: Project) -> None:
    settings = project(SAM + """\
Resources:
  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: src/, Handler: a.b, Runtime: python3.12}}
""")
    before = (settings.root / "template.yaml").read_text()
    application = load(settings)
    assert synth(application, settings) == synth(application, settings)
    assert (settings.root / "template.yaml").read_text() == before


def test_too_many_variables_and_fixed_names_are_found_before_deploying(project: Project) -> None:
    application = load(project(SAM + f"""\
Parameters: {{Stage: {{Type: String, Default: dev}}}}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: s
      Handler: a.b
      Runtime: python3.12
      FunctionName: !Sub "f-${{Stage}}"
      Environment: {{Variables: {{LONG: {"x" * 4000}}}}}
  Q: {{Type: AWS::SQS::Queue, Properties: {{QueueName: !Sub "${{AWS::StackName}}-q"}}}}
"""))
    assert "4096" in live(application).functions["F"].warnings[-1]
    assert fixed_names(application) == {"F": "f-dev"}


def test_names_of_what_sam_makes_of_events_are_found(project: Project) -> None:
    application = load(project(SAM + """\
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: s
      Handler: a.b
      Runtime: python3.12
      Events:
        Rule: {Type: Schedule, Properties: {Schedule: rate(1 hour)}}
        Named: {Type: Schedule, Properties: {Schedule: rate(1 hour), Name: hourly}}
        Heard: {Type: EventBridgeRule, Properties: {Pattern: {source: [a]}, RuleName: heard}}
        Later: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour)}}
        Kept: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour), OmitName: false}}
        Free: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour), OmitName: true}}
        Called: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour), Name: called}}
"""))
    assert fixed_names(application) == {"FNamed": "hourly", "FHeard": "heard", "FKept": "FKept", "FCalled": "called"}
    events = live(application).document.root["Resources"]["F"]["Properties"]["Events"]
    assert {name: event["Properties"].get("OmitName") for name, event in events.items() if "V2" in event["Type"]} == {
        "Later": True, "Kept": False, "Free": True, "Called": None}


def test_a_functions_logging_is_what_its_template_says(project: Project) -> None:
    settings = project("""
        Transform: AWS::Serverless-2016-10-31
        Globals: {Function: {Runtime: python3.12, Handler: a.b, CodeUri: ., LoggingConfig: {LogFormat: JSON}}}
        Resources:
          Shared: {Type: AWS::Serverless::Function, Properties: {}}
          Own:
            Type: AWS::Serverless::Function
            Properties: {LoggingConfig: {ApplicationLogLevel: DEBUG}}
          Plain:
            Type: AWS::Lambda::Function
            Properties: {Runtime: python3.12, Handler: a.b, Code: ., Role: r, LoggingConfig: {LogFormat: Text}}
    """)
    functions = load(settings).functions
    assert {name: (item.log_format, item.log_level) for name, item in functions.items()} == {
        "Shared": ("JSON", ""), "Own": ("JSON", "DEBUG"), "Plain": ("Text", "")}


def test_what_only_a_deployment_tells_is_the_larger_one(project: Project) -> None:
    application = load(project(SAM + """\
Conditions: {Here: !Equals [!Ref "AWS::AccountId", "1"]}
Resources:
  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: ., Handler: a.b, Runtime: python3.12,
      Timeout: !If [Here, 5, 60], MemorySize: !If [Here, 2048, 128]}}
"""))
    assert (application.functions["F"].timeout_s, application.functions["F"].memory_mb) == (60, 2048)


def test_what_belongs_to_published_versions_and_other_runtimes_goes(project: Project) -> None:
    application = load(project("""\
Resources:
  F:
    Type: AWS::Lambda::Function
    Properties: {Code: s, Handler: a.b, Runtime: python3.9, Role: r,
                 RuntimeManagementConfig: {UpdateRuntimeOn: Manual, RuntimeVersionArn: "arn:of-3.9"}}
  Alias:
    Type: AWS::Lambda::Alias
    UpdatePolicy: {CodeDeployLambdaAliasUpdate: {ApplicationName: a, DeploymentGroupName: g}}
    Properties: {FunctionName: !Ref F, Name: live, FunctionVersion: "1"}
"""))
    assert properties(application, "F")["RuntimeManagementConfig"] == {"UpdateRuntimeOn": "Auto"}
    assert "UpdatePolicy" not in YAML().load(live(application).document.text())["Resources"]["Alias"]


def test_an_image_that_was_not_built_is_refused_until_it_is_named(project: Project) -> None:
    text = SAM + """\
Resources:
  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: ., Handler: a.b, Runtime: python3.12}}
  Js: {Type: AWS::Serverless::Function, Metadata: {DockerContext: js}, Properties: {PackageType: Image}}
"""
    dockerfile = {"js/Dockerfile": "FROM public.ecr.aws/lambda/nodejs:22\n"}
    assert [item.id for item in load(project(text, dockerfile)).found.values() if item.needs_image] == ["Js"]
    named = load(project(text, dockerfile, functions={"Js": {"image": "1.dkr.ecr.x.amazonaws.com/js:1"}}))
    assert not any(item.needs_image for item in named.found.values())
    assert properties(named, "Js")["ImageUri"] == "1.dkr.ecr.x.amazonaws.com/js:1"


@pytest.mark.parametrize("dockerfile", [
    "FROM python:3.12-slim\n", "ARG V=3.12\nFROM public.ecr.aws/lambda/python:${V} AS Base\nFROM base\n",
    "FROM node:22 AS js\nFROM --platform=linux/amd64 python:3.12\nCOPY --from=js /x /x\n"])
def test_an_image_stands_on_the_base_of_its_last_stage(project: Project, dockerfile: str) -> None:
    application = load(project(SAM + """\
Resources:
  F: {Type: AWS::Serverless::Function, Metadata: {DockerContext: app},
      Properties: {PackageType: Image, ImageConfig: {Command: [m.h]}}}
""", {"app/Dockerfile": dockerfile}))
    assert application.functions["F"].runtime == "python3.12"
