"""The values that the stack room hands out: progress while it works, and the live stack when it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from livetui.discreet import Discreet

Phase = Literal["bootstrap", "package", "deploy", "remove"]


class Progress(msgspec.Struct, frozen=True):
    """One step: a stack event of CloudFormation, or a step of our own (`started`, `done`, `skipped`, `failed`)."""

    phase: Phase
    resource: str
    status: str
    type: str = ""
    reason: str = ""
    elapsed_s: float = 0.0


OnProgress = Callable[[Progress], None]


class Resource(msgspec.Struct, frozen=True):
    """One resource of the deployed stack, or of a nested one."""

    id: str
    """Logical id, application-wide."""
    type: str
    """Such as `AWS::SQS::Queue`."""
    name: str
    """Physical id: a name, an ARN or a URL."""


class LiveFunction(msgspec.Struct, frozen=True):
    """One function of the deployed stack."""

    id: str
    """Logical id; functions of nested stacks are `Nested-Function`."""
    name: str
    """Physical name; empty before deployment."""
    arn: str
    handler: str
    """The user's handler, not the stub's."""
    runtime: str
    code_root: Path | None
    timeout_s: int
    """As configured by the user, not the raised live one."""
    memory_mb: int
    live: bool
    reason: str = ""
    layers: tuple[str, ...] = ()
    """Local folders or layer version ARNs."""
    warnings: tuple[str, ...] = ()
    log_format: str = ""
    """`JSON` or `Text` of its LoggingConfig."""
    log_level: str = ""
    """`ApplicationLogLevel` of its LoggingConfig."""
    architecture: str = "x86_64"
    routes: tuple[str, ...] = ()
    """Route keys of HTTP APIs that lead to it: `GET /orders/{id}`, `$default`."""


class LiveStack(Discreet, frozen=True):
    """What is deployed."""

    SHOWN = ("name", "arn")

    name: str
    arn: str
    app: str
    stage: str
    outputs: Mapping[str, str]
    functions: Mapping[str, LiveFunction]
    bucket: str
    """The bootstrap bucket."""
    resources: tuple[Resource, ...] = ()
    """Without the nested stacks that hold some of them."""
    changed: bool = True
    seconds: float = 0.0
    signing_key: bytes = b""
    """Ed25519 seed of the stage (32 bytes), from SSM; its public half is in the stubs' environment."""
