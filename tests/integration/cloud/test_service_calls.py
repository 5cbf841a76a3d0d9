"""A REST API that hands requests to a queue itself, without a function, on the local cloud."""

from __future__ import annotations

import json
import urllib.request
import uuid

import pytest

from livetui.aws import Aws
from livetui.cloud import LocalCloud

TEMPLATE = {
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Body": {
            "swagger": "2.0", "info": {"title": "messages", "version": "1"},
            "paths": {"/message": {"post": {"x-amazon-apigateway-integration": {
                "type": "aws", "httpMethod": "POST", "passthroughBehavior": "never",
                "uri": {"Fn::Sub": "arn:aws:apigateway:${AWS::Region}:sqs:path/${AWS::AccountId}/${Queue.QueueName}"},
                "requestTemplates": {"application/json": "Action=SendMessage&MessageBody=$input.body"},
                "responses": {"default": {"statusCode": "202", "responseTemplates": {
                    "application/json": '{"taken": true}'}}}}}}}}}},
        "Deployment": {"Type": "AWS::ApiGateway::Deployment", "Properties": {"RestApiId": {"Ref": "Api"}}},
        "Stage": {"Type": "AWS::ApiGateway::Stage", "Properties": {
            "RestApiId": {"Ref": "Api"}, "DeploymentId": {"Ref": "Deployment"}, "StageName": "prod"}},
    },
    "Outputs": {"Queue": {"Value": {"Ref": "Queue"}}, "Api": {"Value": {"Ref": "Api"}}},
}


@pytest.mark.timeout(60)
def test_what_is_posted_lies_in_the_queue_and_the_answer_is_the_documents(aws: Aws, local_cloud: LocalCloud) -> None:
    cloudformation, name = aws.client("cloudformation"), f"messages-{uuid.uuid4().hex[:8]}"
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(TEMPLATE))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    outputs = {each["OutputKey"]: each["OutputValue"]
               for each in cloudformation.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]}
    request = urllib.request.Request(
        f"http://localhost:{local_cloud.record.front_port}/{outputs['Api']}/prod/message", b'{"n": 1}',
        {"content-type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert (answer.status, json.load(answer)) == (202, {"taken": True})
    (message,) = aws.client("sqs").receive_message(QueueUrl=outputs["Queue"], WaitTimeSeconds=5)["Messages"]
    assert json.loads(message["Body"]) == {"n": 1}
    cloudformation.delete_stack(StackName=name)
