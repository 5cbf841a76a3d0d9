"""Projects without a template, and what an edited template would change."""

from __future__ import annotations

import pytest

from livetui.errors import UsageError
from livetui.stack import template
from livetui.stack.assembly import synth
from livetui.stack.difference import changes
from livetui.stack.live import live_timeout
from tests.unit.stack.conftest import Project, load, properties

TOML = """
    [functions.Hello]
    handler = "app.hello"
    code = "src"
    runtime = "python3.12"
    routes = ["GET /hello", "POST /hello/{name}"]
    schedule = "rate(5 minutes)"

    [functions.Worker]
    handler = "app.work"
    queue = "new orders"
    timeout = 20
"""


def test_functions_routes_queues_and_schedules(project: Project) -> None:
    settings = project(TOML, name="livetui.toml")
    application = load(settings)
    hello = properties(application, "Hello")
    assert [event["Type"] for event in hello["Events"].values()] == ["HttpApi", "HttpApi", "Schedule"]
    assert application.functions["Hello"].code_root == settings.root / "src"
    assert live_timeout(application.root, application.root.functions["Worker"]) == 120
    text = synth(application, settings)
    assert "NewOrdersQueue:" in text
    assert "ApiUrl:" in text


def test_a_template_comes_first(project: Project) -> None:
    project(TOML, name="livetui.toml")
    settings = project("Resources: {F: {Type: AWS::Lambda::Function, "
                       "Properties: {Runtime: python3.12, Handler: a.b, Code: s}}}")
    assert list(load(settings).functions) == ["F"]


@pytest.mark.parametrize(("text", "words"), [
    ('[functions.Hello]\nhandler = "a.b"\nroutes = ["/hello"]', "is not a route"),
    ('[functions.He-llo]\nhandler = "a.b"', "letters and digits"),
])
def test_a_name_or_route_that_cannot_be_used(project: Project, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load(project(text, name="livetui.toml"))


def test_an_edited_template_says_what_it_would_change(project: Project) -> None:
    before = template.load(project("""
        # one
        Resources:
          F: {Type: AWS::Lambda::Function, Properties: {Runtime: python3.12, Handler: a.b, Code: s, Timeout: 3}}
          Q: {Type: AWS::SQS::Queue}
    """))
    same = template.load(project("""
        Resources:
          Q: {Type: AWS::SQS::Queue}   # only moved
          F: {Type: AWS::Lambda::Function, Properties: {Handler: a.b, Runtime: python3.12, Code: s, Timeout: 3}}
    """))
    after = template.load(project("""
        Resources:
          F: {Type: AWS::Lambda::Function, Properties: {Runtime: python3.12, Handler: a.c, Code: s, MemorySize: 512}}
          T: {Type: AWS::SNS::Topic}
    """))
    assert changes(before, same) == []
    assert [str(change) for change in changes(before, after)] == [
        "~ F (AWS::Lambda::Function): Handler, Timeout, MemorySize", "- Q (AWS::SQS::Queue)", "+ T (AWS::SNS::Topic)"]
