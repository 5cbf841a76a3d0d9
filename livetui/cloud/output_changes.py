"""Has a change set see that a template's outputs changed: on AWS it can then be executed, without any resource in it.

ministack 1.5.33 compares resources only, and says of such a template that it "didn't contain changes".
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from typing import Any

_PACKAGE = "ministack.services.cloudformation"
_UNCHANGED = "didn't contain changes"


def install() -> None:
    """Change ministack's `CreateChangeSet`, in this process."""
    formation: Any = importlib.import_module(_PACKAGE)
    change_sets: Any = importlib.import_module(f"{_PACKAGE}.changesets")
    actions: dict[str, Any] = importlib.import_module(f"{_PACKAGE}.handlers")._ACTION_HANDLERS
    create = actions["CreateChangeSet"]

    @functools.wraps(create)
    def create_change_set(params: Mapping[str, Any]) -> Any:
        answer = create(params)
        name, stack = (change_sets._p(params, key) for key in ("ChangeSetName", "StackName"))
        _, made = change_sets._find_change_set(name, stack.rpartition(":stack/")[2].split("/")[0])  # or its ARN
        if made:
            see_outputs(made, formation._stacks.get(made["StackName"]) or {})
        return answer

    actions["CreateChangeSet"] = create_change_set


def see_outputs(change_set: dict[str, Any], stack: Mapping[str, Any]) -> None:
    """Let a change set that found no changes be executed after all when its outputs are others than the stack's."""
    before, after = (record.get("_template", {}).get("Outputs") or {} for record in (stack, change_set))
    if _UNCHANGED in change_set["StatusReason"] and before != after:
        change_set |= {"Status": "CREATE_COMPLETE", "ExecutionStatus": "AVAILABLE", "StatusReason": ""}
