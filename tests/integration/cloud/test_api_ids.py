"""Addresses of APIs stay the same from one local cloud to the next, and never stand in the way of a second stack."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

from livetui.aws import Aws
from livetui.cloud import LocalCloud

OPERATION = {"x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET",
                                                 "uri": "https://example.com", "payloadFormatVersion": "1.0"}}
TEMPLATE = json.dumps({
    "Resources": {
        "Web": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {
            "Body": {"openapi": "3.0.1", "info": {"title": "web"}, "paths": {"/a": {"get": OPERATION}}}}},
        "Rest": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "rest", "Tags": [
            {"Key": "team", "Value": "shop"}]}},
        "Untagged": {"Type": "AWS::ApiGateway::RestApi", "Properties": {
            "Body": {"swagger": "2.0", "info": {"title": "rest"}, "paths": {"/a": {"get": OPERATION}}}}}},
    "Outputs": {name: {"Value": {"Ref": name}} for name in ("Web", "Rest", "Untagged")}})


def deployed(cloud: LocalCloud, stack: str) -> dict[str, str]:
    """The ids of a new stack's APIs."""
    formation = Aws(cloud.access).client("cloudformation")
    formation.create_stack(StackName=stack, TemplateBody=TEMPLATE)
    formation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 0.2})
    outputs = formation.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def test_a_project_has_the_same_addresses_in_its_next_cloud(tmp_path: Path) -> None:
    with LocalCloud.start(tmp_path / ".livetui") as first:
        before, port = deployed(first, "shop"), first.record.front_port
        others = deployed(first, "shop-too")
    with LocalCloud.start(tmp_path / ".livetui") as second:
        assert deployed(second, "shop") == before
        assert second.record.front_port == port
    assert len({*before.values(), *others.values()}) == 6
    assert all(re.fullmatch(r"[0-9a-f]{8}", each) for each in before.values())


def test_a_port_in_use_is_no_reason_not_to_start(tmp_path: Path) -> None:
    with LocalCloud.start(tmp_path / ".livetui") as cloud:
        port = cloud.record.front_port
    with (socket.create_server(("127.0.0.1", port)),
          LocalCloud.start(tmp_path / ".livetui") as next_one):
        assert next_one.record.front_port != port
