"""Signs that a stage or account is a real one, in which going live needs the name typed first."""

from __future__ import annotations

import re
from collections.abc import Iterator

from botocore.exceptions import ClientError

from livetui.aws import Aws
from livetui.config import Settings
from livetui.stack.changeset import StackState

_REAL = re.compile(r"(^|[^a-z])(prod|prd|production|live|main|master)([^a-z]|$)", re.IGNORECASE)
_TAGS = ("environment", "env", "stage")


def warnings(aws: Aws, settings: Settings, *stacks: StackState) -> list[str]:
    """Why this looks like production, one line each; empty when nothing does.

    Looked at: the stage's name, the account's alias, and the tags of the stacks that would be touched.
    """
    return list(_warnings(aws, settings, stacks))


def _warnings(aws: Aws, settings: Settings, stacks: tuple[StackState, ...]) -> Iterator[str]:
    if _REAL.search(settings.stage):
        yield f"the stage is called {settings.stage}"
    if not aws.access.is_local:
        for alias in _aliases(aws):
            if _REAL.search(alias):
                yield f"the account is called {alias}"
    for stack in stacks:
        for name, value in stack.tags.items():
            if name.lower() in _TAGS and _REAL.search(value):
                yield f"{stack.name} is tagged {name}={value}"


def _aliases(aws: Aws) -> list[str]:
    try:
        return [str(alias) for alias in aws.client("iam").list_account_aliases()["AccountAliases"]]
    except ClientError:
        # Who may not read the alias is judged by the other signs alone.
        return []
