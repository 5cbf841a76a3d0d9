"""Which functions `attach` is asked for, and what speaks against it: read from the account, nothing is changed."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from livetui.aws import Aws
from livetui.errors import UsageError
from livetui.stack.attachment import Attachment, has_our_handler, has_our_layer, layers_of, variables_of
from livetui.stack.changeset import describe, refused
from livetui.stack.deployment import function_resources
from livetui.stack.live import HANDLER as DEPLOYED_HANDLER
from livetui.stack.live import LIVE_TIMEOUT_S, STUB_RUNTIMES
from stub_runtime.config import VARIABLE

MAX_LAYERS = 5
_STACK_NAME = "[a-zA-Z][-a-zA-Z0-9]{0,127}"
"""CloudFormation refuses the question for any other name, such as a function's with an underscore."""
_STACK_ARN = re.compile(r"arn:[^:]+:cloudformation:[^:]*:[^:]*:stack/([^/]+)(?:/.*)?")
_QUALIFIED = re.compile(r"((?:.*:function:)?[\w-]+):[\w$-]+")
"""A function with a version or an alias."""


@dataclass(frozen=True)
class Target:
    """One deployed function."""

    logical_id: str
    """Its id in the stack that was named; the function's name when the function itself was."""
    configuration: Mapping[str, Any]
    named: bool
    """Whether it was named itself, not found in a stack or by a glob."""

    @property
    def name(self) -> str:
        """The function's name."""
        return str(self.configuration["FunctionName"])

    @property
    def arn(self) -> str:
        """The function's ARN."""
        return str(self.configuration["FunctionArn"])

    @property
    def role(self) -> str:
        """Name of its role."""
        return str(self.configuration["Role"]).rpartition("/")[2]

    @property
    def runtime(self) -> str:
        """Such as `python3.12`; empty for an image."""
        return str(self.configuration.get("Runtime", ""))

    @property
    def architecture(self) -> str:
        """`x86_64` or `arm64`."""
        return str(self.configuration.get("Architectures", ["x86_64"])[0])

    def tags(self, aws: Aws) -> Mapping[str, str]:
        """Its own, and those that its stack handed on; empty when we may not read them."""
        try:
            tags: Mapping[str, str] = aws.client("lambda").list_tags(Resource=self.arn)["Tags"]
        except ClientError:
            return {}
        return tags


def find_targets(aws: Aws, names: Sequence[str]) -> list[Target]:
    """The functions that `names` (stacks, functions, ARNs, globs) mean, each once. Raises `UsageError`."""
    found: dict[str, Target] = {}
    for name in names:
        for target in _found_by(aws, name):
            if target.name not in found or target.named:
                found[target.name] = target
    return list(found.values())


def _found_by(aws: Aws, name: str) -> Iterator[Target]:
    awslambda = aws.client("lambda")
    name = _meant(aws, name)
    named = False
    if any(sign in name for sign in "*?["):
        pages = awslambda.get_paginator("list_functions").paginate()
        matching = [item["FunctionName"] for page in pages for item in page["Functions"]
                    if fnmatch.fnmatchcase(item["FunctionName"], name)]
        ids = {function: function for function in matching}
    elif re.fullmatch(_STACK_NAME, name) and describe(aws, name).status:
        ids = function_resources(aws, name)
    else:
        ids, named = {name_of(name): name}, True
    if not ids:
        raise UsageError(f"No function matches {name!r}.", "", "See them with: aws lambda list-functions")
    for logical_id, function in ids.items():
        try:
            configuration = awslambda.get_function_configuration(FunctionName=function)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                raise UsageError(f"There is no stack and no function named {name!r}.") from error
            raise refused(error, f"The function {function} cannot be read.") from error
        target = Target(logical_id, configuration, named)
        # In a stack, functions of other runtimes are left alone; a function that was named is judged.
        if named or len(ids) == 1 or target.runtime.startswith("python"):
            yield target


def unqualified(target: str) -> str:
    """A function's name or ARN without the version or alias that may follow; all else, such as a glob, as it is."""
    return found[1] if (found := _QUALIFIED.fullmatch(target)) else target


def name_of(target: str) -> str:
    """The name of the function or stack that a name or an ARN means."""
    return stack.group(1) if (stack := _STACK_ARN.fullmatch(target)) else unqualified(target).rpartition(":")[2]


def _meant(aws: Aws, name: str) -> str:
    """The stack or function that a name or an ARN means; of one only the newest state ($LATEST) can be changed."""
    arn = name.split(":")
    if name.startswith("arn:") and len(arn) > 3 and arn[3] != aws.region:
        raise UsageError(f"{name} is in {arn[3]}, and this session in {aws.region}.", "", f"Pass --region {arn[3]}.")
    if _STACK_ARN.fullmatch(name):
        return name_of(name)
    if name.startswith("arn:") and ":function:" not in name:
        raise UsageError(f"{name} is no function and no stack.", "",
                         "Give the name or the ARN of a function or of a CloudFormation stack.")
    plain = unqualified(name)
    qualifier = name[len(plain) + 1:]
    if qualifier in ("", "$LATEST"):
        return plain
    frozen = "A published version cannot be changed, so nothing was."
    if qualifier.isdecimal():
        raise UsageError(f"{name} is a published version.", frozen, f"Attach the function itself: {plain}")
    versions = _aliases(aws, plain)
    if qualifier not in versions:
        raise UsageError(f"{plain} has no alias {qualifier}.", "", f"Its aliases: {', '.join(versions) or 'none'}.")
    if versions[qualifier]:
        raise UsageError(
            f"{name} is an alias of version {versions[qualifier]}.", frozen,
            f"Point it at $LATEST (aws lambda update-alias --function-name {plain} --name {qualifier} "
            f"--function-version '$LATEST'), or attach the function itself: {plain}")
    return plain


def ids_of(targets: Sequence[Target], held: Mapping[str, Attachment], app: str, stage: str) -> dict[str, str]:
    """Function name → what its stub calls it: the logical id, unless another function of the stage is called so.

    Stubs of one stage are told apart by it, also those that an earlier session left attached.
    """
    names = {target.name for target in targets}
    taken = [item.id for item in held.values() if (item.app, item.stage) == (app, stage) and item.function not in names]
    taken += [target.logical_id for target in targets]
    return {target.name: target.logical_id if taken.count(target.logical_id) == 1 else target.name
            for target in targets}


def problems(aws: Aws, target: Target) -> Iterator[str]:
    """Why the function cannot be attached; nothing when it can."""
    configuration = target.configuration
    if configuration.get("Handler") == DEPLOYED_HANDLER:
        yield "it is live already: livetui deployed it"
    if configuration.get("PackageType", "Zip") != "Zip":
        yield "it is a container image, which takes no layers"
    elif target.runtime not in STUB_RUNTIMES:
        yield f"its runtime is {target.runtime or 'unknown'}"
    if configuration.get("SigningJobArn"):
        yield "its code is signed, and so would its layers have to be"
    if len(layers_of(configuration)) >= MAX_LAYERS + has_our_layer(configuration):
        yield f"it has {MAX_LAYERS} layers already"
    if configuration.get("Environment", {}).get("Error"):
        yield f"its variables cannot be read: {configuration['Environment']['Error'].get('Message', '')}"
    behind = sorted(set(_frozen_triggers(aws, target)))
    if behind:
        yield f"its triggers call {', '.join(behind)}, a published copy that configuration changes never reach"


def held_by(target: Target, attachment: Attachment | None, app: str, stage: str) -> Iterator[str]:
    """Why a live function of somebody else stands in the way; none does once the function was deployed again."""
    ours = has_our_handler(target.configuration)
    if attachment is not None and (attachment.app, attachment.stage) != (app, stage) and ours:
        yield f"{attachment.app}/{attachment.stage} is attached to it; restore it there first"
    if attachment is None and VARIABLE in variables_of(target.configuration) and not ours:
        yield f"it has the variable {VARIABLE} of a live copy, and no note says that it was attached"


def _frozen_triggers(aws: Aws, target: Target) -> Iterator[str]:
    """Aliases of versions, and versions, that something calls: event source mappings, permissions, function URLs."""
    awslambda = aws.client("lambda")
    frozen = aliases(aws, target)
    for page in awslambda.get_paginator("list_event_source_mappings").paginate():
        for mapping in page["EventSourceMappings"]:
            called = str(mapping.get("FunctionArn", ""))
            if called.startswith(target.arn + ":"):
                qualifier = called.rpartition(":")[2]
                if qualifier.isdecimal() or qualifier in frozen:
                    yield qualifier
    for alias in frozen:
        for ask in (awslambda.get_policy, awslambda.get_function_url_config):
            try:
                ask(FunctionName=target.name, Qualifier=alias)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceNotFoundException":
                    raise refused(error, f"The triggers of {target.name} cannot be read.") from error
            else:
                yield alias


def aliases(aws: Aws, target: Target) -> list[str]:
    """Names of the function's aliases that lead to a published version."""
    return [name for name, versions in _aliases(aws, target.name).items() if versions]


def _aliases(aws: Aws, function: str) -> dict[str, str]:
    """Alias → the published versions that it leads to; empty when it leads to the newest state alone."""
    try:
        pages = list(aws.client("lambda").get_paginator("list_aliases").paginate(FunctionName=function))
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            raise UsageError(f"There is no function {function}.") from error
        raise refused(error, f"The aliases of {function} cannot be read.") from error
    return {str(item["Name"]): ", ".join(
        version for version in (str(item["FunctionVersion"]),
                                *(item.get("RoutingConfig") or {}).get("AdditionalVersionWeights", {}))
        if version != "$LATEST") for page in pages for item in page["Aliases"]}


def longest_timeout(aws: Aws, target: Target, configured: int) -> int:
    """Seconds: as long as Lambda allows, within the visibility timeout of the queues that feed the function.

    Of a queue that we may not look at is known that the `configured` timeout suits it, so that stays.
    """
    sqs, smallest = aws.client("sqs"), LIVE_TIMEOUT_S
    pages = aws.client("lambda").get_paginator("list_event_source_mappings").paginate(FunctionName=target.name)
    for page in pages:
        for mapping in page["EventSourceMappings"]:
            source = str(mapping.get("EventSourceArn", ""))
            if ":sqs:" not in source:
                continue
            try:
                url = sqs.get_queue_url(QueueName=source.rpartition(":")[2],
                                        QueueOwnerAWSAccountId=source.split(":")[4])["QueueUrl"]
                answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
                smallest = min(smallest, int(answer["Attributes"]["VisibilityTimeout"]))
            except ClientError:
                return configured
    return max(configured, smallest)
