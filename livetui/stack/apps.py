"""Which applications and stages live in this account and region, from the bootstrap bucket's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from livetui.aws import Aws
from livetui.stack.bootstrap import Bootstrap
from livetui.stack.changeset import refusing


@dataclass(frozen=True)
class LiveApp:
    """One stage of one application, as the metadata function last wrote it down."""

    app: str
    stage: str
    stack: str
    arn: str
    status: str
    updated: str
    """When it was written down, UTC, ISO 8601."""
    reason: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    functions: tuple[str, ...] = ()
    """Physical names of its functions."""
    resources: int = 0


@refusing("The applications cannot be listed.")
def apps(aws: Aws, bootstrap: Bootstrap) -> list[LiveApp]:
    """All of them, by application and stage. Metadata of a newer livetui is read as far as it is known."""
    s3 = aws.client("s3")
    found: list[LiveApp] = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bootstrap.bucket, Prefix="apps/"):
        for item in page.get("Contents", []):
            found.append(_read(json.loads(s3.get_object(Bucket=bootstrap.bucket, Key=item["Key"])["Body"].read())))
    return sorted(found, key=lambda item: (item.app, item.stage))


def _read(metadata: Mapping[str, Any]) -> LiveApp:
    resources = metadata.get("resources", [])
    outputs = {name: value for name, value in metadata.get("outputs", {}).items() if name != "LivetuiTemplate"}
    return LiveApp(metadata["app"], metadata["stage"], metadata.get("stack", ""), metadata.get("arn", ""),
                   metadata.get("status", ""), metadata.get("updated", ""), metadata.get("reason", ""), outputs,
                   tuple(item["name"] for item in resources if item["type"] == "AWS::Lambda::Function"),
                   len(resources))
