"""What is known of an attached function: how it was, what was put into it, and what it is without that.

One object per function in the bootstrap bucket, written before the first change, so that a crash loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from botocore.exceptions import ClientError

from livetui.aws import Aws
from livetui.stack.bootstrap import ATTACHED, Bootstrap
from livetui.stack.bundle import LAYER_MODULE
from livetui.stack.changeset import refused, refusing
from stub_runtime.config import VARIABLE, StubConfig

HANDLER = f"{LAYER_MODULE}.handler"


@dataclass(frozen=True)
class Attachment:
    """A function as it was before livetui was attached to it: what `restore` puts back."""

    function: str
    arn: str
    app: str
    stage: str
    since: float
    """Seconds since the epoch."""
    handler: str
    layers: tuple[str, ...]
    variables: Mapping[str, str] | None = field(repr=False)
    """None: it had no environment at all."""
    timeout_s: int
    memory_mb: int
    id: str = ""
    """What its stub calls it: the logical id where that is unique in the stage, else the function's name."""
    owner: str = ""
    """Who attached it."""
    live_timeout_s: int = 0
    """What its timeout was raised to."""
    live_memory_mb: int = 0
    role: str = ""
    """Name of the role that got our policy; empty when it was not changed."""
    layer: str = ""
    """ARN of the layer version made for it."""

    @property
    def key(self) -> str:
        """Where the snapshot lies in the bootstrap bucket."""
        return f"{ATTACHED}{self.function}.json"

    @property
    def policy_name(self) -> str:
        """Our inline policy on the role."""
        return f"livetui-{self.function}"[:128]

    def write(self, aws: Aws, bootstrap: Bootstrap) -> None:
        """Keep it in the bootstrap bucket."""
        aws.client("s3").put_object(Bucket=bootstrap.bucket, Key=self.key, ContentType="application/json",
                                    Body=json.dumps(vars(self)).encode())


@refusing("The attached functions cannot be listed.")
def attached(aws: Aws, bootstrap: Bootstrap) -> list[Attachment]:
    """Every function that livetui is attached to in this account and region, also from consoles that crashed."""
    s3 = aws.client("s3")
    known = {item.name for item in fields(Attachment)}
    found: list[Attachment] = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bootstrap.bucket, Prefix=ATTACHED):
        for item in page.get("Contents", []):
            values = json.loads(s3.get_object(Bucket=bootstrap.bucket, Key=item["Key"])["Body"].read())
            found.append(Attachment(**{**{name: value for name, value in values.items() if name in known},
                                       "layers": tuple(values["layers"])}))
    return found


def is_armed(configuration: Mapping[str, Any]) -> bool:
    """Whether the function's calls still come to the stub; a real deployment puts the function's own handler back."""
    return bool(configuration.get("Handler") == HANDLER)


def is_touched(configuration: Mapping[str, Any]) -> bool:
    """Whether anything of ours is in the function's configuration."""
    return (is_armed(configuration) or VARIABLE in variables_of(configuration)
            or any(map(_is_ours, layers_of(configuration))))


def snapshot(configuration: Mapping[str, Any], app: str, stage: str, held: Attachment | None = None) -> Attachment:
    """The function without what livetui put into it; `held` is what an earlier session noted of it.

    What others changed since stays changed: of the noted values only those count that the function cannot tell
    itself. Without a note (its bucket is gone) the stub's own variable tells them.
    """
    variables, layers = variables_of(configuration), layers_of(configuration)
    environment = configuration.get("Environment")
    plain = Attachment(
        str(configuration["FunctionName"]), str(configuration["FunctionArn"]), app, stage, 0.0,
        str(configuration["Handler"]), tuple(layer for layer in layers if not _is_ours(layer)),
        {name: value for name, value in variables.items() if name != VARIABLE} if environment else None,
        int(configuration["Timeout"]), int(configuration["MemorySize"]))
    if held is not None and not plain.variables and held.variables is None:
        plain = replace(plain, variables=None)
    if not is_armed(configuration):
        return plain
    if held is None:
        told = StubConfig.from_json(variables[VARIABLE])
        return replace(plain, handler=told.handler, timeout_s=told.timeout, memory_mb=told.memory)
    return replace(
        plain, since=held.since, handler=held.handler, role=held.role, layer=held.layer,
        timeout_s=held.timeout_s if plain.timeout_s == held.live_timeout_s else plain.timeout_s,
        memory_mb=held.memory_mb if plain.memory_mb == held.live_memory_mb else plain.memory_mb)


def variables_of(configuration: Mapping[str, Any]) -> Mapping[str, str]:
    """The function's variables; empty when it has none."""
    variables: Mapping[str, str] = configuration.get("Environment", {}).get("Variables", {})
    return variables


def layers_of(configuration: Mapping[str, Any]) -> list[str]:
    """ARNs of the function's layer versions."""
    return [str(layer["Arn"]) for layer in configuration.get("Layers", [])]


def configure(aws: Aws, function: str, **properties: Any) -> None:
    """Change a configuration between two waits: Lambda refuses a change while another is in progress."""
    awslambda = aws.client("lambda")
    waiter = awslambda.get_waiter("function_updated_v2")
    patience = {"Delay": 0.1 if aws.access.is_local else 1, "MaxAttempts": 120}
    try:
        waiter.wait(FunctionName=function, WaiterConfig=patience)
        awslambda.update_function_configuration(FunctionName=function, **properties)
        waiter.wait(FunctionName=function, WaiterConfig=patience)
    except ClientError as error:
        raise refused(error, f"The configuration of {function} cannot be changed.") from error


def layer_name(app: str, stage: str) -> str:
    """The layer that carries the stub of one stage."""
    return f"livetui-attached-{app}-{stage}"


def _is_ours(layer: str) -> bool:
    return ":layer:livetui-attached-" in layer
