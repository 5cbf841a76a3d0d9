"""Whether the network of a deployed function leads to AWS IoT, as its route tables and endpoints tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from livetui.aws import Aws

_EVERYWHERE = "0.0.0.0/0"


def network_warnings(aws: Aws, configuration: Mapping[str, Any]) -> Iterator[str]:
    """What the user has to know of a function's `VpcConfig`; nothing for a function outside of VPCs.

    Interfaces of functions have no public address, so an internet gateway alone leads nowhere (Lambda guide,
    "Internet access for VPC-connected functions").
    """
    network = configuration.get("VpcConfig") or {}
    subnets = list(network.get("SubnetIds") or ())
    if not subnets:
        return
    yield "It runs in a VPC: its private addresses are not reachable from here."
    wanted = {what: f"com.amazonaws.{aws.region}.{what}" for what in ("iot.data", "s3")}
    try:
        closed = [subnet for subnet in subnets if not _leads_out(aws, network["VpcId"], subnet)]
        if not closed:
            return
        there = _endpoints(aws, network["VpcId"])
    except (ClientError, BotoCoreError):  # who may not look, or cannot, is told what is needed
        yield f"Its stub needs a NAT gateway, or endpoints {' and '.join(wanted.values())}."
        return
    if wanted["iot.data"] not in there:
        yield (f"Its subnets {', '.join(closed)} have no way to AWS IoT, so its stub cannot connect: add a NAT "
               f"gateway, or an interface endpoint {wanted['iot.data']} with a private DNS record for the account's "
               "endpoint.")
    if wanted["s3"] not in there:
        yield f"Large payloads cannot pass: add a NAT gateway, or a gateway endpoint {wanted['s3']}."


def _leads_out(aws: Aws, vpc: str, subnet: str) -> bool:
    """Whether the subnet's default route leads to anything but an internet gateway."""
    return any(route.get("DestinationCidrBlock") == _EVERYWHERE and route.get("State", "active") == "active"
               and not str(route.get("GatewayId", "")).startswith("igw-") for route in _routes(aws, vpc, subnet))


def _routes(aws: Aws, vpc: str, subnet: str) -> Sequence[Mapping[str, Any]]:
    """Of the subnet's own route table, else of the main one of its VPC."""
    for name, value in (("association.subnet-id", subnet), ("association.main", "true")):
        tables = aws.client("ec2").describe_route_tables(Filters=[
            {"Name": "vpc-id", "Values": [vpc]}, {"Name": name, "Values": [value]}])["RouteTables"]
        if tables:
            routes: Sequence[Mapping[str, Any]] = tables[0]["Routes"]
            return routes
    return []


def _endpoints(aws: Aws, vpc: str) -> set[str]:
    pages = aws.client("ec2").get_paginator("describe_vpc_endpoints").paginate(
        Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    return {item["ServiceName"] for page in pages for item in page["VpcEndpoints"] if item["State"] == "available"}
