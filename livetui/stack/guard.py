"""Signs that a stage, account or target is a real one, in which going live needs the name typed first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from livetui.config import Settings
from livetui.errors import UsageError
from livetui.stack.names import stack_name

if TYPE_CHECKING:  # names are judged before the console is drawn
    from livetui.aws import Aws
    from livetui.stack.changeset import StackState

_REAL = re.compile(r"(^|[^a-z])(prod|prd|production|live|main|master)([^a-z]|$)", re.IGNORECASE)
_REAL_TARGET = re.compile(r"(^|[^a-z])(prod|prd|production)([^a-z]|$)", re.IGNORECASE)
_TAGS = ("environment", "env", "stage")


def name_to_type(settings: Settings, targets: Sequence[str] = ()) -> str:
    """What has to be typed: the live stack's name, or the targets that are attached."""
    return ", ".join(targets) or stack_name(settings.app, settings.stage)


def signs_by_name(settings: Settings, targets: Sequence[str] = ()) -> list[str]:
    """What the stage's and the targets' names alone tell, without a call, one line each."""
    return [*([f"the stage is called {settings.stage}"] if _REAL.search(settings.stage) else []),
            *(f"the target is called {target}" for target in targets if _REAL_TARGET.search(target))]


def warnings(aws: Aws, settings: Settings, *stacks: StackState, targets: Sequence[str] = ()) -> list[str]:
    """Why this looks like production, one line each; empty when nothing does.

    Looked at: names, the account's id (`production-accounts`) and alias, and the tags of the stacks that are touched.
    """
    return [*signs_by_name(settings, targets), *_signs_in_the_cloud(aws, settings, stacks)]


def check(aws: Aws, settings: Settings, *stacks: StackState, targets: Sequence[str] = (),
          functions: Sequence[str] = ()) -> None:
    """Raise `UsageError` when this looks like production and its name was not typed (`--yes-production NAME`).

    `functions` are what the targets, which may be globs and stacks, turned out to be.
    """
    found = warnings(aws, settings, *stacks, targets=[*dict.fromkeys((*targets, *functions))])
    refuse(settings, found, name_to_type(settings, targets))


def refuse(settings: Settings, signs: Sequence[str], name: str) -> None:
    """Raise `UsageError` when there are signs and the settings do not name `name`."""
    if signs and settings.yes_production != name:
        raise UsageError(f"{name} looks like production.", "; ".join(signs),
                         f"If this is what you want: --yes-production '{name}'. If not, choose another --stage.")


def _signs_in_the_cloud(aws: Aws, settings: Settings, stacks: Sequence[StackState]) -> Iterator[str]:
    if settings.production_accounts and aws.account in settings.production_accounts:
        yield f"the account {aws.account} is one of your production-accounts"
    if not aws.access.is_local:
        for alias in _aliases(aws):
            if _REAL.search(alias):
                yield f"the account is called {alias}"
    for stack in stacks:
        for name, value in stack.tags.items():
            if name.lower() in _TAGS and _REAL.search(value):
                yield f"{stack.name} is tagged {name}={value}"


def _aliases(aws: Aws) -> list[str]:
    from botocore.exceptions import ClientError

    try:
        return [str(alias) for alias in aws.client("iam").list_account_aliases()["AccountAliases"]]
    except ClientError:
        # Who may not read the alias is judged by the other signs alone.
        return []
