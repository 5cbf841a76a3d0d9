"""Local files that a template names and that are not there: all are told at once, before anything is started."""

from __future__ import annotations

import pytest

from livetui.errors import LivetuiError, UsageError
from livetui.session.events import SessionEvent, SessionFailed
from livetui.session.headless import live
from livetui.session.session import Session
from livetui.stack import artifacts, template
from livetui.stack.assembly import synth
from livetui.stack.deployment import check
from livetui.stack.doctor import examine
from tests.unit.stack.conftest import Project

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Live:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler, Runtime: python3.13, CodeUri: not-here/}
  Node:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler, Runtime: nodejs22.x, CodeUri: node/}
  Steps:
    Type: AWS::Serverless::StateMachine
    Properties: {DefinitionUri: steps.asl.json}
  Schema:
    Type: AWS::AppSync::GraphQLSchema
    Properties: {ApiId: a, DefinitionS3Location: graphql/schema.graphql}
  Resolvers:
    Type: AWS::Serverless::GraphQLApi
    Properties: {SchemaUri: there.graphql, Functions: {one: {CodeUri: one.js}, two: {CodeUri: s3://bucket/two.js}}}
  Nested:
    Type: AWS::Serverless::Application
    Properties: {Location: inner.yaml}
"""
FILES = {"there.graphql": "", "inner.yaml": """
Resources:
  Body:
    Type: AWS::ApiGatewayV2::Api
    Properties: {BodyS3Location: body.yaml}
  Included:
    Type: AWS::SNS::Topic
    Properties: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: part.yaml}}}
"""}
MISSING = ["Node: node/", "Steps: steps.asl.json", "Schema: graphql/schema.graphql", "Resolvers: one.js",
           "Nested-Body: body.yaml", "Nested-Include: part.yaml"]


def test_all_missing_files_are_found_but_the_code_that_a_stub_stands_in_for(project: Project) -> None:
    settings = project(TEMPLATE, FILES)
    application = template.load(settings)
    before = synth(application, settings)
    assert artifacts.missing(application) == MISSING
    assert synth(application, settings) == before  # only looked at


def test_a_deployment_names_them_all(project: Project) -> None:
    settings = project(TEMPLATE, FILES)
    with pytest.raises(UsageError, match="6 files that the template names") as refused:
        check(template.load(settings), settings)
    assert refused.value.why.split("\n") == MISSING


def test_the_doctor_names_them_all_and_none_when_they_are_there(project: Project) -> None:
    settings = project(TEMPLATE, FILES, local=True)
    found = next(each for each in examine(settings, None) if each.name == "files")
    assert (found.ok, found.detail) == (False, f"not there: {'; '.join(MISSING)}")
    for line in MISSING:
        path = settings.root / line.partition(": ")[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert next(each for each in examine(settings, None) if each.name == "files").ok


def test_a_session_stops_at_them_before_it_starts_a_cloud(project: Project) -> None:
    heard: list[SessionEvent] = []
    with pytest.raises(LivetuiError, match="6 files"), live(Session(project(TEMPLATE, FILES, local=True)), heard.append):
        pass
    assert isinstance(heard[0], SessionFailed)
