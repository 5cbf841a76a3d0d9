"""From a template file to functions: what is found, what is understood, what is refused and how that reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from livetui.errors import UsageError
from tests.unit.stack.conftest import Project, load

ONE = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Hello:
        Type: AWS::Serverless::Function
        Properties: {CodeUri: src/, Handler: app.handler, Runtime: python3.12}
"""


def test_no_template_says_where_it_looked_and_what_to_do(project: Project, tmp_path: Path) -> None:
    settings = project("", name="other.txt")
    with pytest.raises(UsageError) as refused:
        load(settings)
    assert str(tmp_path) in refused.value.what
    assert "template.yaml" in refused.value.why
    assert "livetui demo" in refused.value.hint


@pytest.mark.parametrize(("text", "place"), [
    ("Resources:\n  A: [1, 2\n  B: 3\n", "line 3"),
    ("Resources:\n\tA: 1\n", "line 2, column 1"),
    ("Resources:\n  A: 'x\n", "line"),
    ("{\n  \"Resources\": {,}\n}", "line 2, column 17"),
])
def test_a_broken_template_names_line_and_column(project: Project, tmp_path: Path, text: str, place: str) -> None:
    settings = project("")
    (tmp_path / "template.yaml").write_text(text)
    with pytest.raises(UsageError, match=f"template.yaml, {place}"):
        load(settings)


@pytest.mark.parametrize(("text", "words"), [
    ("", "holds nothing"), ("- a\n- b\n", "no mapping"), ("just words", "no mapping"),
    ("Resources: {Q: {Type: AWS::SQS::Queue}}", "no Lambda function"),
    ("Resources: {F: {Type: AWS::Lambda::Function, Properties: {Runtime: nodejs22.x, Code: src}}}", "made live"),
    ("Resources: []", "not a mapping"),
])
def test_a_template_that_cannot_be_used_says_why(project: Project, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load(project(text))


def test_globals_parameters_conditions_and_mappings_count(project: Project, tmp_path: Path) -> None:
    application = load(project("""
        Transform: [AWS::Serverless-2016-10-31]
        Parameters:
          Seconds: {Type: Number, Default: 4}
          Stage: {Type: String, Default: dev}
        Mappings:
          Sizes: {dev: {Memory: 256}, prod: {Memory: 1024}}
        Conditions:
          IsProd: !Equals [!Ref Stage, prod]
          Both: !And [!Not [!Condition IsProd], !Equals [a, a]]
        Globals:
          Function: {Runtime: !Sub "python${Version}", Timeout: !Ref Seconds, Layers: [arn:one]}
        Resources:
          A:
            Type: AWS::Serverless::Function
            Properties:
              CodeUri: !If [IsProd, prod/, !Join [/, [src, a]]]
              Runtime: !If [Both, python3.11, nodejs22.x]
              Handler: a.handler
              MemorySize: !FindInMap [Sizes, !Ref Stage, Memory]
              Layers: [arn:two]
          B:
            Type: AWS::Serverless::Function
            Condition: IsProd
            Properties: {CodeUri: b, Handler: b.handler, Runtime: python3.12}
    """, parameters={"Seconds": "9"}))
    a, b = application.functions["A"], application.functions["B"]
    assert (a.runtime, a.timeout_s, a.memory_mb, a.layers) == ("python3.11", 9, 256, ("arn:one", "arn:two"))
    assert a.code_root == tmp_path / "src/a"
    assert (b.live, b.reason) == (False, "its condition does not hold")


def test_samconfig_gives_parameters_and_the_real_stack(project: Project) -> None:
    application = load(project("""
        Transform: AWS::Serverless-2016-10-31
        Parameters: {A: {Type: String}, B: {Type: String}, C: {Type: String, Default: c}, D: {Type: String}}
        Resources:
          F: {Type: AWS::Serverless::Function, Properties: {CodeUri: ., Handler: a.b, Runtime: python3.12}}
    """, {"samconfig.toml": """
        version = 0.1
        [default.deploy.parameters]
        stack_name = "real"
        parameter_overrides = 'A=1 B="x y" Unknown=2'
    """}, parameters={"A": "mine"}))
    assert application.parameters == {"A": "mine", "B": "x y"}
    assert application.missing == ("D",)
    assert application.real_stack == "real"


def test_an_unknown_parameter_is_refused(project: Project) -> None:
    with pytest.raises(UsageError, match="no parameter 'Nope'"):
        load(project(ONE, parameters={"Nope": "1"}))


def test_the_routes_that_lead_to_a_function(project: Project) -> None:
    application = load(project("""
        Transform: AWS::Serverless-2016-10-31
        Globals: {Function: {CodeUri: ., Runtime: python3.12, Handler: a.b}}
        Parameters: {Base: {Type: String, Default: /orders}}
        Resources:
          Sam:
            Type: AWS::Serverless::Function
            Properties:
              Events:
                One: {Type: HttpApi, Properties: {Method: get, Path: !Sub "${Base}/{id}"}}
                All: {Type: HttpApi}
                Old: {Type: Api, Properties: {Method: get, Path: /rest}}
                Later: {Type: HttpApi, Properties: {Method: get, Path: !ImportValue X}}
          Plain: {Type: AWS::Lambda::Function, Properties: {Runtime: python3.12, Handler: a.b, Code: .}}
          Route:
            Type: AWS::ApiGatewayV2::Route
            Properties: {RouteKey: "POST /plain", Target: !Sub "integrations/${Integration}"}
          Integration: {Type: AWS::ApiGatewayV2::Integration, Properties: {IntegrationUri: !GetAtt Plain.Arn}}
    """))
    assert application.functions["Sam"].routes == ("GET /orders/{id}", "$default")
    assert application.functions["Plain"].routes == ("POST /plain",)


@pytest.mark.parametrize(("resource", "reason"), [
    ("{Type: AWS::Serverless::Function, Properties: {Runtime: nodejs22.x, CodeUri: ., Handler: a.b}}", "nodejs22"),
    ("{Type: AWS::Serverless::Function, Properties: {Runtime: !ImportValue X, CodeUri: .}}", "only after deployment"),
    ("{Type: AWS::Serverless::Function, Properties: {Runtime: python3.12, CodeUri: 's3://b/k'}}", "lies in S3"),
    ("{Type: AWS::Lambda::Function, Properties: {Runtime: python3.12, Code: {S3Bucket: b, S3Key: k}}}", "lies in S3"),
    ("{Type: AWS::Serverless::Function, Properties: {Runtime: python3.12, CodeUri: x.zip}}", "built archive"),
    ("{Type: AWS::Serverless::Function, Properties: {Runtime: python3.12, CodeUri: ., CodeSigningConfigArn: x}}",
     "signed code"),
    ("{Type: AWS::Serverless::Function, Properties: {PackageType: Image, ImageUri: repo}}", "container image"),
    ("{Type: AWS::Serverless::Function, Metadata: {DockerContext: node}, Properties: {PackageType: Image}}",
     "not from Python"),
])
def test_what_is_not_live_says_why(project: Project, resource: str, reason: str) -> None:
    text = ONE.replace("\n    ", "\n") + f"  Other: {resource}\n"
    application = load(project(text, {"x.zip": "", "node/Dockerfile": "FROM public.ecr.aws/lambda/nodejs:22\n"}))
    assert application.functions["Hello"].live
    assert not application.functions["Other"].live
    assert reason in application.functions["Other"].reason


def test_functions_that_cloudformation_and_cloudfront_call_are_left_alone(project: Project) -> None:
    application = load(project("""
        Transform: AWS::Serverless-2016-10-31
        Globals: {Function: {CodeUri: ., Runtime: python3.12, Handler: a.b}}
        Resources:
          Live: {Type: AWS::Serverless::Function}
          Answers: {Type: AWS::Serverless::Function}
          Edge: {Type: AWS::Serverless::Function, Properties: {AutoPublishAlias: live}}
          Macro: {Type: AWS::Serverless::Function}
          Custom: {Type: Custom::Thing, Properties: {ServiceToken: !GetAtt Answers.Arn}}
          TheMacro: {Type: AWS::CloudFormation::Macro, Properties: {Name: M, FunctionName: !Ref Macro}}
          Site:
            Type: AWS::CloudFront::Distribution
            Properties:
              DistributionConfig:
                DefaultCacheBehavior:
                  LambdaFunctionAssociations: [{EventType: viewer-request, LambdaFunctionARN: !Ref Edge.Version}]
    """))
    assert [name for name, function in application.functions.items() if function.live] == ["Live"]


def test_a_container_image_tells_handler_and_python_from_its_dockerfile(project: Project, tmp_path: Path) -> None:
    application = load(project("""
        Transform: AWS::Serverless-2016-10-31
        Resources:
          F:
            Type: AWS::Serverless::Function
            Metadata: {DockerContext: ./app, Dockerfile: Dockerfile}
            Properties: {PackageType: Image}
    """, {"app/Dockerfile": 'FROM public.ecr.aws/lambda/python:3.12\nCOPY . .\nCMD ["main.handler"]\n'}))
    function = application.functions["F"]
    assert (function.runtime, function.handler, function.code_root) == ("python3.12", "main.handler", tmp_path / "app")


def test_inline_code_is_written_where_it_can_be_edited(project: Project) -> None:
    application = load(project("""
        Resources:
          F:
            Type: AWS::Lambda::Function
            Properties:
              Runtime: python3.12
              Handler: index.handler
              Code:
                ZipFile: |
                  def handler(event, context):
                      return event
    """))
    root = application.functions["F"].code_root
    assert root is not None
    assert (root / "index.py").read_text() == "def handler(event, context):\n    return event\n"


def test_local_layers_are_folders(project: Project, tmp_path: Path) -> None:
    application = load(project(ONE.replace("Runtime: python3.12", "Runtime: python3.12, Layers: [!Ref L, arn:x]") + """
      L: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer/}}
    """))
    assert application.functions["Hello"].layers == (str(tmp_path / "layer"), "arn:x")


def test_a_layer_that_the_template_does_not_tell_is_a_warning(project: Project) -> None:
    layers = "[arn:x, !ImportValue shared-layer]"
    function = load(project(ONE.replace("Runtime: python3.12", f"Runtime: python3.12, Layers: {layers}"))).functions["Hello"]
    assert function.layers == ("arn:x",)
    assert any("A layer of it cannot be told" in warning for warning in function.warnings)


def test_selection_by_glob(project: Project) -> None:
    text = ONE + """
      Bye:
        Type: AWS::Serverless::Function
        Properties: {CodeUri: src/, Handler: app.handler, Runtime: python3.12}
    """
    application = load(project(text, function=("He*",)))
    assert {name: function.live for name, function in application.functions.items()} == {"Hello": True, "Bye": False}
    with pytest.raises(UsageError, match="--function Nope"):
        load(project(text, function=("Nope",)))


def test_nested_stacks_are_part_of_the_application(project: Project, tmp_path: Path) -> None:
    application = load(project("""
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Inner:
            Type: AWS::Serverless::Application
            Properties: {Location: inner/app.yaml, Parameters: {Seconds: 8}}
          Remote:
            Type: AWS::CloudFormation::Stack
            Properties: {TemplateURL: "https://s3.amazonaws.com/b/k"}
    """, {"inner/app.yaml": """
        Transform: AWS::Serverless-2016-10-31
        Parameters: {Seconds: {Type: Number, Default: 3}}
        Resources:
          F:
            Type: AWS::Serverless::Function
            Properties: {CodeUri: src, Handler: a.b, Runtime: python3.12, Timeout: !Ref Seconds}
    """}))
    function = application.functions["Inner-F"]
    assert (function.timeout_s, function.code_root) == (8, tmp_path / "inner/src")


def test_a_template_that_nests_itself_is_refused(project: Project) -> None:
    with pytest.raises(UsageError, match="nests itself"):
        load(project("Resources: {A: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: template.yaml}}}"))


def test_a_json_template(project: Project) -> None:
    settings = project('{"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": '
                       '{"Runtime": "python3.12", "Handler": "a.b", "Code": "src"}}}}', name="template.json")
    application = load(settings)
    assert application.functions["F"].live
    assert application.root.document.text().startswith("{")


def test_functions_made_by_a_loop_are_found(project: Project) -> None:
    application = load(project("""
        Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
        Parameters: {Names: {Type: CommaDelimitedList, Default: "Read,Write"}}
        Resources:
          Fn::ForEach::Handlers:
            - Name
            - !Ref Names
            - ${Name}Function:
                Type: AWS::Serverless::Function
                Properties:
                  CodeUri: src/
                  Handler: !Sub "app.${Name}"
                  Runtime: python3.12
                  Environment: {Variables: {NAME: !Ref Name}}
          Fn::ForEach::Later:
            - Name
            - !ImportValue Elsewhere
            - ${Name}Queue: {Type: AWS::SQS::Queue}
    """, parameters={"Names": "Read,List"}))
    assert {name: function.handler for name, function in application.functions.items()} == {
        "ReadFunction": "app.Read", "ListFunction": "app.List"}
    resources = application.root.resources
    assert resources["ListFunction"]["Properties"]["Environment"]["Variables"]["NAME"] == "List"
    assert "Fn::ForEach::Later" in resources
