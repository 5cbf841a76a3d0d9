"""One CloudFormation stack through a change set: create or update it, stream its events, name the root cause.

What real CloudFormation does is in `docs/stack.md`: change sets that fail leave REVIEW_IN_PROGRESS behind,
ROLLBACK_COMPLETE can only be deleted, and "no changes" is a failed change set that means success.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from livetui.aws import Aws
from livetui.errors import LivetuiError
from livetui.stack.contract import OnProgress, Phase, Progress

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
INLINE_LIMIT = 51_200
"""Bytes; a longer template is passed by its S3 address."""
STACK_TYPE = "AWS::CloudFormation::Stack"
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
_CONSEQUENCES = ("cancelled", "The following resource(s) failed", "Rollback requested", "Delete requested",
                 "Resource update cancelled", "Resource creation cancelled")
_DEAD = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")


class DeploymentCancelledError(LivetuiError):
    """The user stopped a deployment; CloudFormation was told to roll back."""


@dataclass(frozen=True)
class StackState:
    """What DescribeStacks says about a stack; `status` is empty when there is none."""

    name: str
    arn: str = ""
    status: str = ""
    reason: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    protected: bool = False

    @property
    def usable(self) -> bool:
        """True when it stands as its last successful deployment left it."""
        return self.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")

    @property
    def busy(self) -> bool:
        """True while CloudFormation works on it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


def describe(aws: Aws, name: str) -> StackState:
    """The stack as it is now; `name` may be an ARN. Raises `LivetuiError` when AWS refuses the question."""
    with refusing(f"The stack {name} cannot be read."):
        try:
            stack = aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return StackState(name)
            raise
    return StackState(
        name=stack["StackName"], arn=stack["StackId"], status=stack["StackStatus"],
        reason=stack.get("StackStatusReason", ""),
        outputs={item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])},
        tags={item["Key"]: item["Value"] for item in stack.get("Tags", [])},
        protected=bool(stack.get("EnableTerminationProtection")))


def refused(error: ClientError, what: str) -> LivetuiError:
    """AWS's answer to a call as an error for people; a missing permission names its action."""
    code = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message", str(error))
    if code in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"):
        return LivetuiError(what, message, "Ask for this permission; `livetui doctor --policy` prints all that are "
                                           "needed.")
    if code in ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"):
        return LivetuiError(what, message, "Sign in again, for example: aws sso login")
    return LivetuiError(what, f"{error.operation_name}: {message}")


@contextlib.contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn what boto3 raises inside into a `LivetuiError` that begins with `what`; also a decorator."""
    try:
        yield
    except ClientError as error:
        raise refused(error, what) from error
    except (BotoCoreError, ResponseParserError) as error:  # the latter when a proxy answers in AWS's place
        raise LivetuiError(what, str(error), "Check the network, the proxy and the credentials: livetui doctor"
                           ) from error


class StackWork:
    """One operation on one stack, with its events handed to `on_progress` as they happen."""

    def __init__(self, aws: Aws, name: str, phase: Phase, on_progress: OnProgress,
                 cancel: threading.Event | None = None) -> None:
        self.aws = aws
        self.name = name
        self.phase: Phase = phase
        self.on_progress = on_progress
        self.cancel = cancel or threading.Event()
        self.cloudformation = aws.client("cloudformation")
        self._seen = ""
        self._started: dict[str, datetime] = {}
        self._root_cause: tuple[str, str] | None = None
        self._nested: dict[str, tuple[str, str]] = {}
        """Nested stack's ARN → its place (`Outer/Inner`), and the last of its events that was handed on."""

    def deploy(self, body: str, tags: Mapping[str, str], parameters: Mapping[str, str] | None = None,
               template_url: Callable[[], str] | None = None) -> tuple[StackState, bool]:
        """Bring the stack to `body`; returns its state and whether anything changed.

        `template_url` uploads the body and returns its address; it is called for templates over 51,200 bytes only.
        Raises `LivetuiError` with the root cause, `DeploymentCancelledError` when `cancel` was set.
        """
        before = self.make_ready(describe(self.aws, self.name))
        source: dict[str, Any] = {"TemplateBody": body}
        if len(body.encode()) > INLINE_LIMIT:
            if template_url is None:
                raise LivetuiError(f"The template of {self.name} is longer than {INLINE_LIMIT} bytes.")
            source = {"TemplateURL": template_url()}
        change_set = self._create_change_set(source, before, tags, parameters or {})
        if change_set is None:
            return describe(self.aws, self.name), False
        self._seen = self._newest_event()
        try:
            self.cloudformation.execute_change_set(ChangeSetName=change_set, StackName=self.name)
        except ClientError as error:
            raise refused(error, f"The change set of {self.name} cannot be executed.") from error
        after = self._follow()
        if after.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise self._failure(after)
        return after, True

    def delete(self) -> None:
        """Delete the stack and wait until it is gone; nothing happens when there is none."""
        stack = describe(self.aws, self.name)
        if not stack.status or stack.status == "DELETE_COMPLETE":
            return
        if stack.busy:
            self._seen = self._newest_event()
            stack = self._follow()
        self._delete_and_wait(stack)

    def make_ready(self, stack: StackState) -> StackState:
        """Wait for running work, recover from a failed rollback, clear away what can only be deleted."""
        if stack.busy:
            self._seen = self._newest_event()
            stack = self._follow()
        if stack.status == "UPDATE_ROLLBACK_FAILED":
            self._seen = self._newest_event()
            self._say(self.name, "started", f"Continuing the rollback that failed: {stack.reason}")
            self.cloudformation.continue_update_rollback(StackName=stack.arn)
            stack = self._follow()
            if not stack.usable:
                raise self._failure(stack, f"The earlier rollback of {self.name} cannot be finished.")
        if stack.status in _DEAD:
            self._say(self.name, "started", f"Clearing away a stack in state {stack.status}.")
            self._delete_and_wait(stack)
            return StackState(self.name)
        return stack

    def _delete_and_wait(self, stack: StackState) -> None:
        self._seen = self._newest_event()
        try:
            self.cloudformation.delete_stack(StackName=stack.arn)
        except ClientError as error:
            raise refused(error, f"The stack {self.name} cannot be deleted.") from error
        after = self._follow(stack.arn)
        if after.status not in ("DELETE_COMPLETE", ""):
            raise self._failure(after, f"The stack {self.name} could not be deleted.")
        self._root_cause = None

    def _create_change_set(self, source: Mapping[str, Any], before: StackState, tags: Mapping[str, str],
                           parameters: Mapping[str, str]) -> str | None:
        kind = "UPDATE" if before.usable else "CREATE"
        name = "livetui-" + hashlib.sha256(f"{time.time_ns()}".encode()).hexdigest()[:16]
        try:
            change_set: str = self.cloudformation.create_change_set(
                StackName=self.name, ChangeSetName=name, ChangeSetType=kind, Capabilities=CAPABILITIES, **source,
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()])["Id"]
        except ClientError as error:
            if any(words in str(error) for words in _NO_CHANGES):
                return None
            told = refused(error, f"CloudFormation refuses the template of {self.name}.")
            if "Unrecognized resource types" in str(error):
                told.hint = ("The local cloud does not have them: put them under a Condition that is false here, or "
                             "use an AWS account." if self.aws.access.is_local else
                             "Check their spelling; some types are not in every region.")
            raise told from error
        wait = 0.05 if self.aws.access.is_local else 0.5
        while True:
            found = self.cloudformation.describe_change_set(ChangeSetName=change_set, StackName=self.name)
            if found["Status"] == "CREATE_COMPLETE":
                return change_set
            if found["Status"] == "FAILED":
                break
            self._pause(wait)
            wait = min(wait * 1.5, 3)
        reason = found.get("StatusReason", "")
        if kind == "CREATE":
            self.cloudformation.delete_stack(StackName=found["StackId"])
        else:
            self.cloudformation.delete_change_set(ChangeSetName=change_set, StackName=self.name)
            if any(words in reason for words in _NO_CHANGES):
                return None
        raise LivetuiError(f"CloudFormation refuses the template of {self.name}.", reason)

    def _follow(self, stack: str = "") -> StackState:
        """Hand on events until CloudFormation rests; cancelling stops the waiting and asks for a rollback."""
        wait = 0.08 if self.aws.access.is_local else 1.0
        while True:
            now = describe(self.aws, stack or self.name)
            for event in self._new_events(now.arn or stack):
                self._report(event, "")
            for nested in list(self._nested):
                self._follow_nested(nested)
            if not now.busy:
                return now
            if self.cancel.is_set():
                self._stop(now)
            self.cancel.wait(wait)
            wait = wait if self.aws.access.is_local else min(wait * 1.1, 3)

    def _stop(self, now: StackState) -> None:
        if now.status == "CREATE_IN_PROGRESS":
            self.cloudformation.delete_stack(StackName=now.arn)
        elif now.status == "UPDATE_IN_PROGRESS":
            self.cloudformation.cancel_update_stack(StackName=now.arn)
        raise DeploymentCancelledError(f"The work on {self.name} was stopped.", f"It was in state {now.status}.",
                                  "CloudFormation puts back what it had changed; this takes a moment.")

    def _pause(self, seconds: float) -> None:
        if self.cancel.wait(seconds):
            raise DeploymentCancelledError(f"The work on {self.name} was stopped before anything changed.")

    def _newest_event(self) -> str:
        for event in self._events(self.name):
            return str(event["EventId"])
        return ""

    def _events(self, stack: str) -> Iterator[dict[str, Any]]:
        """All events, the newest first, page by page."""
        token: dict[str, str] = {}
        while True:
            try:
                page = self.cloudformation.describe_stack_events(StackName=stack, **token)
            except ClientError as error:
                if "does not exist" in str(error):
                    return
                raise refused(error, f"The events of {self.name} cannot be read.") from error
            yield from page["StackEvents"]
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    def _new_events(self, stack: str) -> list[dict[str, Any]]:
        new: list[dict[str, Any]] = []
        for event in self._events(stack):
            if event["EventId"] == self._seen:
                break
            new.append(event)
        if new:
            self._seen = new[0]["EventId"]
        return new[::-1]

    def _follow_nested(self, stack: str) -> None:
        """Hand on what happened in a nested stack since this operation began."""
        place, seen = self._nested[stack]
        begun = min(self._started.values())
        new: list[dict[str, Any]] = []
        for event in self._events(stack):
            if event["EventId"] == seen or event["Timestamp"] < begun:
                break
            new.append(event)
        if new:
            self._nested[stack] = (place, new[0]["EventId"])
        for event in new[::-1]:
            if event.get("PhysicalResourceId") != stack:
                self._report(event, f"{place}/")

    def _report(self, event: Mapping[str, Any], place: str) -> None:
        status, logical = event.get("ResourceStatus", ""), place + event["LogicalResourceId"]
        physical = event.get("PhysicalResourceId", "")
        if event.get("ResourceType") == STACK_TYPE and physical.startswith("arn:") and physical != event["StackId"]:
            self._nested.setdefault(physical, (logical, ""))
        reason = event.get("ResourceStatusReason", "") or ""
        begun = self._started.setdefault(logical, event["Timestamp"])
        if status.endswith("_FAILED") and self._root_cause is None and not _is_consequence(reason):
            self._root_cause = (logical, self._deepest_reason(event) or reason)
        if status.startswith("REVIEW_"):
            return
        self.on_progress(Progress(self.phase, logical, status, event.get("ResourceType", ""), reason,
                                  (event["Timestamp"] - begun).total_seconds()))

    def _deepest_reason(self, event: Mapping[str, Any]) -> str:
        """For a nested stack that failed: the first reason inside it."""
        nested = event.get("PhysicalResourceId", "")
        if event.get("ResourceType") != STACK_TYPE or not nested or nested == event.get("StackId"):
            return ""
        for inner in reversed(list(self._events(nested))):
            reason = inner.get("ResourceStatusReason", "") or ""
            if inner.get("ResourceStatus", "").endswith("_FAILED") and reason and not _is_consequence(reason):
                return self._deepest_reason(inner) or f"{inner['LogicalResourceId']}: {reason}"
        return ""

    def _failure(self, stack: StackState, what: str = "") -> LivetuiError:
        logical, reason = self._root_cause or ("", stack.reason)
        cause = " ".join(f"{logical}: {reason}".split()) if logical and logical != self.name else reason
        hint = ("The name of the export is taken: make it of ${AWS::StackName}, or pass a --parameter."
                if "already exported" in reason else
                "Its name is fixed in the template and taken: make it of ${AWS::StackName}, or pass a --parameter."
                if "already exists" in reason else "")
        return LivetuiError(what or f"The deployment of {self.name} failed ({stack.status}).", cause, hint)

    def _say(self, resource: str, status: str, reason: str) -> None:
        self.on_progress(Progress(self.phase, resource, status, STACK_TYPE, reason))


def _is_consequence(reason: str) -> bool:
    return any(words in reason for words in _CONSEQUENCES)
