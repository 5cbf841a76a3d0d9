"""What attach finds out before it changes a function: its variables' size, versions and aliases, its network."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from livetui.aws import Aws
from livetui.config import Settings
from livetui.errors import LivetuiError, UsageError
from livetui.stack import template
from livetui.stack.attach import attach, restore
from livetui.stack.attachment import attached
from livetui.stack.bootstrap import Bootstrap
from livetui.stack.deployment import deploy_live, key_name, remove_live, signing_key
from livetui.stack.network import network_warnings
from livetui.stack.targets import find_targets
from tests.integration.stack.test_attach import (  # noqa: F401
    function,
    local_code,
    make_function,
    remove_function,
    state,
)

MakeSettings = Callable[..., Settings]


@pytest.fixture
def aliased(aws: Aws, function: str) -> str:  # noqa: F811
    """A function with a version, an alias of that, and one of what is newest."""
    awslambda = aws.client("lambda")
    awslambda.publish_version(FunctionName=function)
    awslambda.create_alias(FunctionName=function, Name="stable", FunctionVersion="1")
    awslambda.create_alias(FunctionName=function, Name="newest", FunctionVersion="$LATEST")
    return function


def test_variables_that_leave_no_room_for_ours_are_refused_before_anything_changes(
        aws: Aws, bootstrap: Bootstrap, function: str, make_settings: MakeSettings) -> None:  # noqa: F811
    settings = local_code(make_settings(), "app")
    room = 4096 - len(json.dumps({"MINE": "", "LONGEST": ""}, separators=(",", ":")))
    aws.client("lambda").update_function_configuration(
        FunctionName=function, Environment={"Variables": {"MINE": "", "LONGEST": "x" * room}})
    before = state(aws, function)
    with pytest.raises(LivetuiError, match="cannot be attached") as refused:
        attach(aws, bootstrap, settings, [function], lambda _: None)
    assert "4096" in refused.value.why
    assert "LONGEST" in refused.value.why
    assert state(aws, function) == before
    assert function not in {item.function for item in attached(aws, bootstrap)}
    assert keys(aws, settings) == []


@pytest.mark.parametrize("arn", [False, True], ids=["name", "arn"])
def test_a_version_and_what_leads_to_one_are_told_apart_from_the_newest(aws: Aws, aliased: str, arn: bool) -> None:
    name = aws.client("lambda").get_function(FunctionName=aliased)["Configuration"]["FunctionArn"] if arn else aliased
    for qualifier, told in (("1", "a published version"), ("stable", "an alias of version 1")):
        with pytest.raises(UsageError, match=told) as refused:
            find_targets(aws, [f"{name}:{qualifier}"])
        assert "cannot be changed" in refused.value.why
        assert name in refused.value.hint
    with pytest.raises(UsageError, match="no alias"):
        find_targets(aws, [f"{name}:nowhere"])
    for qualifier in ("$LATEST", "newest"):
        assert [target.name for target in find_targets(aws, [f"{name}:{qualifier}"])] == [aliased]


def test_a_trigger_through_an_alias_of_the_newest_is_no_hindrance(
        aws: Aws, bootstrap: Bootstrap, aliased: str, make_settings: MakeSettings) -> None:
    aws.client("lambda").add_permission(FunctionName=aliased, Qualifier="newest", StatementId="t",
                                        Action="lambda:InvokeFunction", Principal="events.amazonaws.com")
    live = attach(aws, bootstrap, local_code(make_settings(), "app"), [aliased], lambda _: None)
    assert "stable" in " ".join(live.functions[aliased].warnings)
    assert "newest" not in " ".join(live.functions[aliased].warnings)
    restore(aws, bootstrap, lambda _: None, [aliased])


def test_an_arn_of_another_region_says_which(aws: Aws) -> None:
    with pytest.raises(UsageError, match="us-west-2") as refused:
        find_targets(aws, ["arn:aws:lambda:us-west-2:000000000000:function:orders"])
    assert "--region us-west-2" in refused.value.hint


def test_a_network_without_a_way_to_iot_is_told_with_what_to_add(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)

    def told(**also: Any) -> str:
        return " ".join(network_warnings(aws, {"VpcConfig": {"VpcId": vpc, "SubnetIds": [subnet]}, **also}))

    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    assert f"{subnet} have no way to AWS IoT" in told(), "a function's interface has no public address"
    assert f"com.amazonaws.{aws.region}.iot.data" in told()

    endpoint = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.{aws.region}.iot.data",
                                       VpcEndpointType="Interface")["VpcEndpoint"]["VpcEndpointId"]
    assert "no way to AWS IoT" not in told()
    assert f"com.amazonaws.{aws.region}.s3" in told(), "large payloads"

    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    nat = ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")["NatGateway"]["NatGatewayId"]
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    assert "no way" not in told()
    assert "com.amazonaws" not in told()


def test_the_network_is_looked_at_before_anything_changes_and_a_silent_one_hinders_nothing(
        aws: Aws, bootstrap: Bootstrap, function: str, make_settings: MakeSettings) -> None:  # noqa: F811
    ec2, awslambda = aws.client("ec2"), aws.client("lambda")
    vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.8.1.0/24")["Subnet"]["SubnetId"]
    awslambda.update_function_configuration(FunctionName=function, VpcConfig={
        "SubnetIds": [subnet], "SecurityGroupIds": [ec2.create_security_group(
            GroupName=function, Description="s", VpcId=vpc)["GroupId"]]})
    before = awslambda.get_function_configuration(FunctionName=function)
    handlers: list[str] = []

    def unreachable(**_: Any) -> None:
        handlers.append(awslambda.get_function_configuration(FunctionName=function)["Handler"])
        raise EndpointConnectionError(endpoint_url="https://ec2.eu-west-1.amazonaws.com")

    ec2.meta.events.register("before-call.ec2.DescribeRouteTables", unreachable, unique_id="unreachable")
    try:
        live = attach(aws, bootstrap, local_code(make_settings(), "app"), [function], lambda _: None)
    finally:
        ec2.meta.events.unregister("before-call.ec2.DescribeRouteTables", unique_id="unreachable")
        restore(aws, bootstrap, lambda _: None, [function])
    assert "needs a NAT gateway" in " ".join(live.functions[function].warnings)
    assert set(handlers) == {before["Handler"]}


def test_an_alias_restores_its_function(aws: Aws, bootstrap: Bootstrap, aliased: str,
                                        make_settings: MakeSettings) -> None:
    attach(aws, bootstrap, local_code(make_settings(), "app"), [f"{aliased}:newest"], lambda _: None)
    assert restore(aws, bootstrap, lambda _: None, [f"{aliased}:newest"]) == [aliased]
    attach(aws, bootstrap, local_code(make_settings(), "app"), [aliased], lambda _: None)
    arn = aws.client("lambda").get_function_configuration(FunctionName=aliased)["FunctionArn"]
    assert restore(aws, bootstrap, lambda _: None, [f"{arn}:$LATEST"]) == [aliased]


def test_a_stack_is_a_target_by_its_arn_too_and_nothing_else_is(aws: Aws, function: str) -> None:  # noqa: F811
    cloudformation = aws.client("cloudformation")
    role = aws.client("iam").get_role(RoleName=function)["Role"]["Arn"]
    stack = cloudformation.create_stack(StackName=f"s-{function}", TemplateBody=json.dumps({"Resources": {"Made": {
        "Type": "AWS::Lambda::Function", "Properties": {
            "Runtime": "python3.12", "Handler": "index.handler", "Role": role,
            "Code": {"ZipFile": "def handler(event, context): ..."}}}}}))["StackId"]
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    assert [target.logical_id for target in find_targets(aws, [stack])] == ["Made"]
    with pytest.raises(UsageError, match="us-west-2"):
        find_targets(aws, [stack.replace(aws.region, "us-west-2")])
    with pytest.raises(UsageError, match="no function and no stack") as refused:
        find_targets(aws, [f"arn:aws:sqs:{aws.region}:000000000000:orders"])
    assert "CloudFormation stack" in refused.value.hint
    cloudformation.delete_stack(StackName=stack)


def test_a_function_without_a_network_of_its_own_is_not_warned_of(aws: Aws) -> None:
    assert list(network_warnings(aws, {"VpcConfig": {"VpcId": "", "SubnetIds": [], "SecurityGroupIds": []}})) == []


def test_an_attached_function_with_a_file_system_is_warned_of(
        aws: Aws, bootstrap: Bootstrap, function: str, make_settings: MakeSettings) -> None:  # noqa: F811
    mounted = "arn:aws:elasticfilesystem:eu-west-1:000000000000:access-point/fsap-1"
    aws.client("lambda").update_function_configuration(
        FunctionName=function, FileSystemConfigs=[{"Arn": mounted, "LocalMountPath": "/mnt/a"}])
    live = attach(aws, bootstrap, local_code(make_settings(), "app"), [function], lambda _: None)
    assert "file system" in " ".join(live.functions[function].warnings)
    restore(aws, bootstrap, lambda _: None, [function])


def test_the_key_of_a_stage_without_a_stack_goes_with_its_last_attached_function(
        aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings) -> None:
    settings, names = local_code(make_settings(), "app"), [f"{letter}{uuid.uuid4().hex[:8]}" for letter in "ab"]
    for name in names:
        make_function(aws, name)
    try:
        live = attach(aws, bootstrap, settings, names, lambda _: None)
        assert keys(aws, settings) == [base64.b64encode(live.signing_key).decode()]
        restore(aws, bootstrap, lambda _: None, names[:1])
        assert len(keys(aws, settings)) == 1, "the other function's stub still asks for it"
        restore(aws, bootstrap, lambda _: None, names[1:])
        assert keys(aws, settings) == []
    finally:
        for name in names:
            remove_function(aws, name)


def test_a_live_stack_and_an_attached_function_keep_each_others_key(
        aws: Aws, bootstrap: Bootstrap, function: str, make_settings: MakeSettings) -> None:  # noqa: F811
    settings = make_settings()
    deployed = deploy_live(template.load(settings), aws, bootstrap, settings, lambda _: None)
    attach(aws, bootstrap, local_code(settings, "app"), [function], lambda _: None)
    assert remove_live(aws, settings, lambda _: None)
    kept = keys(aws, settings)
    assert kept == [base64.b64encode(deployed.signing_key).decode()]
    assert not remove_live(aws, settings, lambda _: None)
    assert keys(aws, settings) == kept
    restore(aws, bootstrap, lambda _: None, [function])
    assert keys(aws, settings) == []


def test_a_restore_leaves_the_key_of_a_live_stack(
        aws: Aws, bootstrap: Bootstrap, function: str, make_settings: MakeSettings) -> None:  # noqa: F811
    settings = make_settings()
    deploy_live(template.load(settings), aws, bootstrap, settings, lambda _: None)
    attach(aws, bootstrap, local_code(settings, "app"), [function], lambda _: None)
    restore(aws, bootstrap, lambda _: None, [function])
    assert len(keys(aws, settings)) == 1


def test_a_key_that_a_broken_start_left_goes_with_remove(aws: Aws, bootstrap: Bootstrap,
                                                         make_settings: MakeSettings) -> None:
    settings = make_settings()
    signing_key(aws, settings)
    assert not remove_live(aws, settings, lambda _: None)
    assert keys(aws, settings) == []


def keys(aws: Aws, settings: Settings) -> list[str]:
    """The stage's signing key, as SSM has it."""
    try:
        found = aws.client("ssm").get_parameter(Name=key_name(settings.app, settings.stage), WithDecryption=True)
    except aws.client("ssm").exceptions.ParameterNotFound:
        return []
    return [found["Parameter"]["Value"]]
