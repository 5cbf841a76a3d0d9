"""What is known of an attached function: how it was, what was put into it, and what it is without that.

One object per function in the bootstrap bucket, written before the first change, so that a crash loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from botocore.exceptions import ClientError

from livetui.aws import Aws
from livetui.errors import LivetuiError
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
    timeout_s: int
    memory_mb: int
    id: str = ""
    """What its stub calls it: the logical id where that is unique in the stage, else the function's name."""
    owner: str = ""
    """Who attached it."""
    live_timeouts_s: tuple[int, ...] = ()
    """What its timeout was raised to: several where an attach did not come to its end."""
    live_memories_mb: tuple[int, ...] = ()
    role: str = ""
    """Name of the role that got our policy; empty when it was not changed."""
    made_layers: tuple[str, ...] = ()
    """ARNs of the layer versions made for it."""

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
            noted: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value
                                     for name, value in values.items() if name in known}
            found.append(Attachment(**noted))
    return found


def has_our_handler(configuration: Mapping[str, Any]) -> bool:
    """Whether Lambda calls the stub; a real deployment puts the function's own handler back."""
    return bool(configuration.get("Handler") == HANDLER)


def has_our_layer(configuration: Mapping[str, Any]) -> bool:
    """Whether the stub's code is there."""
    return any(map(_is_ours, layers_of(configuration)))


def missing_of(configuration: Mapping[str, Any]) -> str:
    """What else overwrote of the stub, in words; empty while the function's calls come to it."""
    if not has_our_handler(configuration):
        return f"its handler is {configuration.get('Handler') or 'that of an image'}"
    if VARIABLE not in variables_of(configuration):
        return f"its variable {VARIABLE} is gone"
    return "" if has_our_layer(configuration) else "its layer with the stub is gone"


def is_touched(configuration: Mapping[str, Any]) -> bool:
    """Whether anything of ours is in the function's configuration."""
    return (has_our_handler(configuration) or VARIABLE in variables_of(configuration) or has_our_layer(configuration))


def snapshot(configuration: Mapping[str, Any], app: str, stage: str, held: Attachment | None = None) -> Attachment:
    """The function without what livetui put into it; `held` is what an earlier session noted of it.

    What others changed since stays changed: of the noted values only those count that the function cannot tell
    itself. Without a note (its bucket is gone) the stub's own variable tells them.
    """
    plain = Attachment(
        str(configuration["FunctionName"]), str(configuration["FunctionArn"]), app, stage, 0.0,
        str(configuration.get("Handler", "")),
        tuple(layer for layer in layers_of(configuration) if not _is_ours(layer)),
        int(configuration["Timeout"]), int(configuration["MemorySize"]))
    if held is not None and is_touched(configuration):
        plain = replace(plain,
                        timeout_s=held.timeout_s if plain.timeout_s in held.live_timeouts_s else plain.timeout_s,
                        memory_mb=held.memory_mb if plain.memory_mb in held.live_memories_mb else plain.memory_mb)
    if not has_our_handler(configuration):
        return plain
    if held is not None:
        return replace(plain, since=held.since, handler=held.handler)
    variable = variables_of(configuration).get(VARIABLE)
    if variable is None:
        raise LivetuiError(f"Nothing tells what the handler of {plain.function} was.",
                           f"Its handler is livetui's, its variable {VARIABLE} is gone, and so is the note of it.",
                           "Deploy the function again.")
    told = StubConfig.from_json(variable)
    return replace(plain, handler=told.handler, timeout_s=told.timeout, memory_mb=told.memory)


def own_variables(configuration: Mapping[str, Any]) -> dict[str, str]:
    """The function's variables without ours."""
    return {name: value for name, value in variables_of(configuration).items() if name != VARIABLE}


def variables_of(configuration: Mapping[str, Any]) -> Mapping[str, str]:
    """The function's variables; empty when it has none."""
    variables: Mapping[str, str] = configuration.get("Environment", {}).get("Variables", {})
    return variables


def layers_of(configuration: Mapping[str, Any]) -> list[str]:
    """ARNs of the function's layer versions."""
    return [str(layer["Arn"]) for layer in configuration.get("Layers", [])]


def configure(aws: Aws, function: str, **properties: Any) -> None:
    """Change a configuration between two waits: Lambda refuses a change while another is in progress.

    With a `RevisionId` it is refused, too, when something else changed the function since that was read.
    """
    try:
        settled(aws, function)
        aws.client("lambda").update_function_configuration(FunctionName=function, **properties)
        settled(aws, function)
    except ClientError as error:
        told = refused(error, f"The configuration of {function} cannot be changed.")
        if error.response["Error"]["Code"] == "PreconditionFailedException":
            told.hint = "Something else changed the function in this moment: try again."
        raise told from error


def settled(aws: Aws, function: str) -> Mapping[str, Any]:
    """The function's configuration once no change of it is in progress."""
    awslambda = aws.client("lambda")
    awslambda.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={
        "Delay": 0.1 if aws.access.is_local else 1, "MaxAttempts": 120})
    configuration: Mapping[str, Any] = awslambda.get_function_configuration(FunctionName=function)
    return configuration


def layer_name(app: str, stage: str) -> str:
    """The layer that carries the stub of one stage."""
    return f"livetui-attached-{app}-{stage}"


def _is_ours(layer: str) -> bool:
    return ":layer:livetui-attached-" in layer
