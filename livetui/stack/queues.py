"""The queues whose messages a function consumes, and for how long they hide one: its timeout must not be longer.

AWS refuses an event source mapping otherwise. Mappings reach a function by its name, an alias, a version, SAM's events,
and from the stack that nests it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from livetui.stack.functions import Function
from livetui.stack.intrinsics import references

if TYPE_CHECKING:
    from livetui.stack.template import Template

DEFAULT_VISIBILITY_S = 30
"""SQS: VisibilityTimeout when a queue sets none."""
_QUEUE = "AWS::SQS::Queue"
_MAPPING = "AWS::Lambda::EventSourceMapping"


def visibilities(template: Template, function: Function) -> list[int | None]:
    """Seconds that each queue which feeds the function hides a message; None for a queue of which nothing is known."""
    return [*function.fed_from_outside, *(_visibility(template, queue) for queue in _queues(template, function))]


def fed_from(template: Template, nested: str, child: Template) -> dict[str, tuple[int | None, ...]]:
    """Logical id of a function of `child` → the visibilities of the queues of `template`, which nests it, that feed it.

    `nested` is the child's logical id in `template`.
    """
    found: dict[str, tuple[int | None, ...]] = {}
    for properties in _mappings(template):
        for output in outputs_of(nested, properties.get("FunctionName")):
            value = (child.long.get("Outputs") or {}).get(output, {}).get("Value")
            for name, function in child.functions.items():
                if names_of(child, function) & references(value) and _is_queue(template, properties):
                    found[name] = (*found.get(name, ()), _visibility(template, properties.get("EventSourceArn")))
    return found


def _queues(template: Template, function: Function) -> Iterator[Any]:
    """The queues (as written) that feed the function; `{}` stands for one that SAM makes with SQS's defaults."""
    events = function.properties.get("Events") if function.kind == "sam" else None
    for event in (events.values() if isinstance(events, dict) else ()):
        kind = event.get("Type") if isinstance(event, dict) else None
        properties = event.get("Properties") or {} if isinstance(event, dict) else {}
        if kind == "SQS":
            yield properties.get("Queue")
        elif kind == "SNS" and properties.get("SqsSubscription"):
            subscription = template.resolver.resolve(properties["SqsSubscription"])
            if isinstance(subscription, dict):
                yield properties["SqsSubscription"].get("QueueArn")
            elif subscription is not False:
                yield {}
    names, own = names_of(template, function), function.properties.get("FunctionName")
    for properties in _mappings(template):
        target = properties.get("FunctionName")
        if (names & references(target) or (own is not None and target == own)) and _is_queue(template, properties):
            yield properties.get("EventSourceArn")


def names_of(template: Template, function: Function) -> set[str]:
    """Logical ids that mean the function: its own, and those of its aliases and versions, SAM's too."""
    names = {function.logical_id}
    published = template.resolver.resolve(function.properties.get("AutoPublishAlias"))
    if isinstance(published, str):
        names.add(f"{function.logical_id}Alias{published}")
    for logical_id, resource in template.resources.items():
        if isinstance(resource, dict) and resource.get("Type") in ("AWS::Lambda::Alias", "AWS::Lambda::Version") \
                and function.logical_id in references((resource.get("Properties") or {}).get("FunctionName")):
            names.add(logical_id)
    return names


def _mappings(template: Template) -> Iterator[Mapping[str, Any]]:
    for resource in template.resources.values():
        if isinstance(resource, dict) and resource.get("Type") == _MAPPING:
            yield resource.get("Properties") or {}


def outputs_of(nested: str, node: Any) -> Iterator[str]:
    """The outputs of a nested stack that `node` mentions: `Fn::GetAtt: [Nested, Outputs.Name]`, or in an `Fn::Sub`."""
    if isinstance(node, list):
        for item in node:
            yield from outputs_of(nested, item)
    elif isinstance(node, dict):
        for value in node.values():
            yield from outputs_of(nested, value)
        attribute = node.get("Fn::GetAtt")
        words = ".".join(map(str, attribute)) if isinstance(attribute, list) else str(attribute or "")
        if words.startswith(f"{nested}.Outputs."):
            yield words.rpartition(".")[2]
    elif isinstance(node, str) and f"${{{nested}.Outputs." in node:
        yield node.partition(f"${{{nested}.Outputs.")[2].partition("}")[0]


def _is_queue(template: Template, properties: Mapping[str, Any]) -> bool:
    source = properties.get("EventSourceArn")
    value = template.resolver.resolve(source)
    if isinstance(value, str):
        return ":sqs:" in value
    kinds = {template.resources.get(name, {}).get("Type") for name in references(source)}
    return source is not None and (_QUEUE in kinds or kinds <= {None})


def _visibility(template: Template, queue: Any) -> int | None:
    if queue == {}:
        return DEFAULT_VISIBILITY_S
    for name in references(queue):
        resource = template.resources.get(name, {})
        if resource.get("Type") == _QUEUE:
            written = (resource.get("Properties") or {}).get("VisibilityTimeout")
            value = template.resolver.resolve(written)
            if value is None:
                return DEFAULT_VISIBILITY_S
            return int(value) if isinstance(value, int) or str(value).isdecimal() else None
    return None
