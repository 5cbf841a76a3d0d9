"""Teaches ministack to tell its event bus when the status of a CloudFormation stack changes, as AWS does.

ministack 1.5.33 does not, and PutEvents refuses sources that begin with `aws.`, so a rule for such events (the
bootstrap stack's, for example) would never fire. Here every event of a stack itself goes to the default bus too.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-event-types.html
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

_PACKAGE = "ministack.services.cloudformation"
_STACK = "AWS::CloudFormation::Stack"


def install() -> None:
    """Change ministack's recorder of stack events, in this process."""
    put_events = importlib.import_module("ministack.services.eventbridge")._put_events
    recorder = importlib.import_module(f"{_PACKAGE}.stacks")._add_event
    telling = tell(recorder, functools.partial(put_events, allow_aws_source=True))
    for module in [module for name, module in sys.modules.items() if name.startswith(_PACKAGE)]:
        if getattr(module, "_add_event", None) is recorder:  # each module has imported it by name
            module._add_event = telling  # type: ignore[attr-defined]


def tell(record: Callable[..., None], put_events: Callable[[dict[str, Any]], Any]) -> Callable[..., None]:
    """`record`, which ministack calls for each stack event, and `put_events` for those of the stack itself."""

    @functools.wraps(record)
    def record_and_tell(
        stack_id: str, stack_name: str, logical_id: str, resource_type: str, status: str, reason: str = "",
        *rest: Any, **named: Any,
    ) -> None:
        record(stack_id, stack_name, logical_id, resource_type, status, reason, *rest, **named)
        if resource_type == _STACK and logical_id == stack_name:
            detail = {"stack-id": stack_id, "status-details": {"status": status, "status-reason": reason}}
            put_events({"Entries": [{
                "Source": "aws.cloudformation", "DetailType": "CloudFormation Stack Status Change",
                "Resources": [stack_id], "Detail": json.dumps(detail)}]})

    return record_and_tell
