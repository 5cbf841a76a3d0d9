"""Routes of a REST API that lead to an AWS service itself, not to a function."""

from __future__ import annotations

from livetui.stack import template
from livetui.stack.routes import to_services
from tests.unit.stack.conftest import Project

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler, Runtime: python3.13, CodeUri: .}
  Documented:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      DefinitionBody:
        paths:
          /message:
            post:
              x-amazon-apigateway-integration:
                type: aws
                uri: !Sub "arn:aws:apigateway:${AWS::Region}:sqs:path/${AWS::AccountId}/${Queue.QueueName}"
            get:
              x-amazon-apigateway-integration:
                type: aws_proxy
                uri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"
            put:
              x-amazon-apigateway-integration:
                type: aws
                uri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"
          /events:
            x-amazon-apigateway-any-method:
              x-amazon-apigateway-integration: {type: AWS, uri: "arn:aws:apigateway:eu-west-1:events:action/PutEvents"}
  Queue: {Type: AWS::SQS::Queue}
  Api: {Type: AWS::ApiGateway::RestApi}
  Blog:
    Type: AWS::ApiGateway::Resource
    Properties: {RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: blog}
  Comment:
    Type: AWS::ApiGateway::Resource
    Properties: {RestApiId: !Ref Api, ParentId: !Ref Blog, PathPart: comment}
  PostComment:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Comment
      HttpMethod: POST
      Integration:
        Type: AWS
        Uri: !Join ["", ["arn:aws:apigateway:", !Ref AWS::Region, ":dynamodb:action/PutItem"]]
  Preflight:
    Type: AWS::ApiGateway::Method
    Properties: {RestApiId: !Ref Api, ResourceId: !Ref Comment, HttpMethod: OPTIONS, Integration: {Type: MOCK}}
"""


def test_they_are_found_in_documents_and_methods_and_those_to_functions_are_not(project: Project) -> None:
    root = template.load(project(TEMPLATE)).root
    assert to_services(root) == {"POST /message": "sqs", "ANY /events": "events", "POST /blog/comment": "dynamodb"}
