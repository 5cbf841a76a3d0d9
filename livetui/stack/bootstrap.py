"""The bootstrap stack, one per account and region: made once, upgraded when older, skipped in one call when current."""

from __future__ import annotations

import importlib.resources
import io
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from livetui.aws import Aws
from livetui.errors import LivetuiError
from livetui.stack.changeset import StackState, StackWork, describe, refusing
from livetui.stack.contract import OnProgress, Progress
from livetui.stack.tags import owned_by

STACK = "livetui-bootstrap"
VERSION = 3
"""Equals `Outputs.Version` in `bootstrap/template.yaml`."""


ATTACHED = "attached/"
"""Where snapshots of attached functions lie in the bucket."""


@dataclass(frozen=True)
class Bootstrap:
    """What the bootstrap stack offers."""

    bucket: str
    version: int
    created: bool = False
    """True when this call made or upgraded the stack."""
    metadata_function: str = ""
    cleaner_function: str = ""


def sources() -> Path:
    """The folder with the template and the functions' sources: in the wheel inside `livetui`, else beside it."""
    package = Path(str(importlib.resources.files("livetui")))
    for folder in (package / "bootstrap", package.parent / "bootstrap"):
        if (folder / "template.yaml").is_file():
            return folder
    raise LivetuiError("livetui is not installed completely.", f"No bootstrap/template.yaml beside {package}.",
                       "Install it again: pip install --force-reinstall livetui")


def template() -> str:
    """The template with the functions' sources put in, which is what is deployed."""
    folder = sources()
    yaml = YAML()
    yaml.width = 10_000
    yaml.preserve_quotes = True
    document = yaml.load((folder / "template.yaml").read_text("utf-8"))
    for resource in document["Resources"].values():
        code = resource.get("Properties", {}).get("Code", {})
        if "ZipFile" in code:
            code["ZipFile"] = (folder / code["ZipFile"]).read_text("utf-8")
    text = io.StringIO()
    yaml.dump(document, text)
    return text.getvalue()


@refusing("The bootstrap stack cannot be made.")
def ensure(aws: Aws, on_progress: OnProgress, cancel: threading.Event | None = None,
           permissions_boundary: str = "", tags: Mapping[str, str] | None = None) -> Bootstrap:
    """The bootstrap of this account and region, made or upgraded when needed.

    `permissions_boundary` bounds its roles, `tags` are put on all of it; both count when it is made or upgraded.
    One DescribeStacks when it is current. A newer stack than ours (a colleague's livetui) is used as it is.
    """
    begun = time.monotonic()
    stack = describe(aws, STACK)
    if stack.usable and (found := _read(stack)) is not None and found.version >= VERSION:
        on_progress(Progress("bootstrap", STACK, "skipped", reason=f"version {found.version} is current",
                             elapsed_s=time.monotonic() - begun))
        return found
    work = StackWork(aws, STACK, "bootstrap", on_progress, cancel)
    after, _ = work.deploy(template(), {**owned_by(tags or {}), "livetui:bootstrap": str(VERSION)},
                           {"PermissionsBoundary": permissions_boundary} if permissions_boundary else {})
    made = _read(after)
    if made is None:
        raise LivetuiError(f"The stack {STACK} has no usable outputs.", f"It has {dict(after.outputs)}.",
                           "Remove it with `livetui bootstrap --remove` and run `livetui bootstrap`.")
    on_progress(Progress("bootstrap", STACK, "done", elapsed_s=time.monotonic() - begun))
    return Bootstrap(made.bucket, made.version, True, made.metadata_function, made.cleaner_function)


def find(aws: Aws) -> Bootstrap | None:
    """The bootstrap as it stands, or None; nothing is changed."""
    stack = describe(aws, STACK)
    return _read(stack) if stack.usable else None


@refusing("The bootstrap stack cannot be removed.")
def remove(aws: Aws, on_progress: OnProgress, cancel: threading.Event | None = None) -> bool:
    """Delete the bootstrap stack and all it holds; False when there is none.

    Refuses while live stacks stand on it, which could not be removed cleanly afterwards, and while functions are
    attached: the bucket holds what they were before.
    """
    begun = time.monotonic()
    stack = describe(aws, STACK)
    if not stack.status:
        return False
    standing = live_stacks(aws)
    if standing:
        raise LivetuiError(f"{len(standing)} live stack(s) still need the bootstrap stack: {', '.join(standing)}.",
                           "Their stubs and payloads lie in its bucket.",
                           "Remove them first: livetui remove --stage STAGE")
    _refuse_attached(aws, stack)
    StackWork(aws, STACK, "remove", on_progress, cancel).delete()
    on_progress(Progress("remove", STACK, "done", elapsed_s=time.monotonic() - begun))
    return True


def _refuse_attached(aws: Aws, stack: StackState) -> None:
    """Whatever the stack's state: deleting one whose upgrade failed deletes its bucket all the same."""
    found = _read(stack)
    if found is None:
        return
    listed = aws.client("s3").list_objects_v2(Bucket=found.bucket, Prefix=ATTACHED, MaxKeys=1000).get("Contents", [])
    if listed:
        names = ", ".join(item["Key"].removeprefix(ATTACHED).removesuffix(".json") for item in listed[:10])
        raise LivetuiError(f"{len(listed)} function(s) are attached: {names}.",
                           "What they were before lies in the bootstrap stack's bucket, and nowhere else.",
                           "Put them back first: livetui restore")


def live_stacks(aws: Aws) -> list[str]:
    """Names of the stacks that livetui deployed in this account and region."""
    pages = aws.client("cloudformation").get_paginator("describe_stacks").paginate()
    return sorted(stack["StackName"] for page in pages for stack in page["Stacks"]
                  if any(tag["Key"] == "livetui:app" for tag in stack.get("Tags", [])))


def _read(stack: StackState) -> Bootstrap | None:
    outputs = stack.outputs
    if not outputs.get("Bucket") or not outputs.get("Version", "").isdecimal():
        return None
    return Bootstrap(outputs["Bucket"], int(outputs["Version"]), False, outputs.get("MetadataFunction", ""),
                     outputs.get("CleanerFunction", ""))
