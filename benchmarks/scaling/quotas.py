"""AWS's published quotas and prices, each with its source. Read in stored copies, most of them undated, in 2026."""

from __future__ import annotations

from dataclasses import dataclass

_QUOTAS = "AWS IoT developer guide, limits page"
_REGIONAL = "AWS IoT Core quotas as noted by others for a smaller region; look yours up in Service Quotas"
_METERING = "AWS IoT Core pricing, “additional metering details”"
_IOT_PRICE = "AWS IoT Core pricing, US East (N. Virginia), first tier, as quoted in January 2025"
_LAMBDA = "AWS Lambda quotas and pricing, x86, US East (N. Virginia), as quoted by others"
_S3 = "Amazon S3 pricing, Standard, US East (N. Virginia), as quoted by others; without free transfer"
_S3_RATE = "Amazon S3 user guide, performance design patterns, as quoted by others"


@dataclass(frozen=True)
class Fact:
    """One published number."""

    value: float
    unit: str
    source: str
    adjustable: bool = False
    """Whether AWS raises it on request."""


QUOTAS = {
    "publishes per connection": Fact(100, "per second, in and out together; more are dropped", _QUOTAS),
    "throughput per connection": Fact(512 * 1024, "bytes/s each way; more is delayed", _QUOTAS),
    "message size": Fact(128 * 1024, "bytes; larger ones end the connection", _QUOTAS),
    "inbound publishes per account": Fact(20_000, "per second and region", _QUOTAS, True),
    "outbound publishes per account": Fact(20_000, "per second and region", _QUOTAS, True),
    "publishes per account, small regions": Fact(2_000, "per second, in and out each", _REGIONAL, True),
    "connections per account": Fact(500_000, "at a time", _QUOTAS, True),
    "connects per account": Fact(500, "per second", _QUOTAS, True),
    "Lambda concurrency": Fact(1_000, "executions at a time; new accounts have fewer", _LAMBDA, True),
    "S3 writes": Fact(3_500, "PUT/DELETE per second and prefix (a function's)", _S3_RATE),
}

PRICES = {
    "IoT message": Fact(1.00 / 1e6, "$ per started 5 KB, in and out each", _IOT_PRICE),
    "IoT connection": Fact(0.08 / 1e6, "$ per minute", _IOT_PRICE),
    "S3 PUT": Fact(0.005 / 1e3, "$ each", _S3),
    "S3 GET": Fact(0.0004 / 1e3, "$ each; DELETE is free", _S3),
    "S3 to the internet": Fact(0.09 / 1e9, "$ per byte", _S3),
    "Lambda request": Fact(0.20 / 1e6, "$ each", _LAMBDA),
    "Lambda duration": Fact(0.0000166667, "$ per GB and second", _LAMBDA),
}

UNIT = Fact(5 * 1024, "bytes: payload, topic, response topic and other properties of a publish", _METERING)
STUB_GB = 0.5
"""Memory of a live function: at least 512 MB, whatever the template says."""
KEEP_ALIVE_S = 45
"""A frozen container's connection is cut after 1.5 keep-alives of 30 s, and made again at its next call."""
