"""What a live function's role must be allowed besides what it may already: the stub's own topics and payloads.

Where the role comes from decides how it is given: SAM's implicit role through `Policies`, a role of the template
through an inline policy, a role from elsewhere by an instruction with the ready policy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from livetui.stack.document import branches, intrinsic_of, long_form
from livetui.stack.functions import Function
from livetui.stack.intrinsics import references
from livetui.stack.template import Template
from stub_runtime.topics import Topics, stub_policy

POLICY_NAME = "livetui"
_INLINE_LIMIT = 9_000
"""Characters; all inline policies of a role together may have 10,240 (IAM quotas)."""


@dataclass
class Grants:
    """Which functions each place in a template has to allow."""

    implicit: dict[str, list[str]] = field(default_factory=dict)
    """Logical id of a SAM function (its implicit role) → function ids."""
    roles: dict[str, list[str]] = field(default_factory=dict)
    """Logical id of an `AWS::IAM::Role` → function ids."""
    foreign: dict[str, list[str]] = field(default_factory=dict)
    """A role from elsewhere, as written → function ids."""


def find_grants(template: Template) -> Grants:
    """Where the live functions of one template take their roles from."""
    grants = Grants()
    for logical_id, function in template.functions.items():
        if not function.live:
            continue
        role = function.properties.get("Role")
        if function.kind == "sam" and template.resolver.resolve(role) is None:
            grants.implicit.setdefault(logical_id, []).append(function.id)
            continue
        mentioned = references(_chosen(template, role))
        known = [name for name in sorted(mentioned) if template.resources.get(name, {}).get("Type") == "AWS::IAM::Role"]
        borrowed = [name[:-4] for name in mentioned if name.endswith("Role") and name[:-4] in template.functions]
        for name in known:
            grants.roles.setdefault(name, []).append(function.id)
        for name in borrowed:
            grants.implicit.setdefault(name, []).append(function.id)
        if not known and not borrowed:
            resolved = template.resolver.resolve(role)
            written = resolved if isinstance(resolved, str) else json.dumps(role)
            grants.foreign.setdefault(written, []).append(function.id)
    return grants


def grant(template: Template, root: MutableMapping[str, Any], topics: Topics, bucket: str) -> dict[str, Function]:
    """Edit `root` (the template's document) so that the stubs may work; returns functions with instructions added."""
    grants = find_grants(template)
    resources = root["Resources"]
    for logical_id, functions in grants.implicit.items():
        properties = resources[logical_id].setdefault("Properties", {})
        if intrinsic_of(properties.get("Policies")):  # SAM takes an intrinsic as one policy, or a parameter as a list
            listed = template.resolver.resolve(properties["Policies"])
            properties["Policies"] = list(listed) if isinstance(listed, list) else [properties["Policies"]]
        _append(properties, "Policies", policy(topics, functions, bucket))
    for logical_id, functions in grants.roles.items():
        properties = resources[logical_id].setdefault("Properties", {})
        document = policy(topics, functions, bucket)
        if not _append(properties, "Policies", {"PolicyName": POLICY_NAME, "PolicyDocument": document}):
            condition = resources[logical_id].get("Condition")
            resources[f"Livetui{logical_id}"] = {
                "Type": "AWS::IAM::Policy", **({"Condition": condition} if condition else {}),
                "Properties": {"PolicyName": POLICY_NAME, "PolicyDocument": document, "Roles": [{"Ref": logical_id}]}}
    functions_after = dict(template.functions)
    for role, ids in grants.foreign.items():
        for logical_id, function in template.functions.items():
            if function.id in ids:
                functions_after[logical_id] = function.warned(instruction(role, topics, ids, bucket))
    return functions_after


_BOUNDED = {"AWS::IAM::Role": None, "AWS::Serverless::Function": "Function", "AWS::Serverless::StateMachine":
            "StateMachine"}
"""Types that are roles or make one, and the section of SAM's Globals that may give them a boundary."""
_SCHEDULED = "ScheduleV2"
"""The event whose role, EventBridge Scheduler's, does not share the boundary of its function or state machine."""


def bound(template: Template, root: MutableMapping[str, Any], boundary: str) -> None:
    """Give `boundary` to every role of the template, written or made by SAM, that has none of its own.

    SAM has no place for that of a GraphQL API's roles and of CodeDeploy's.
    """
    shared = template.long.get("Globals") or {}
    for logical_id, resource in template.resources.items():
        kind = resource.get("Type") if isinstance(resource, dict) else None
        if kind not in _BOUNDED:
            continue
        own = resource.get("Properties") or {}
        has_own = "PermissionsBoundary" in own or "PermissionsBoundary" in (shared.get(_BOUNDED[kind] or "") or {})
        if not has_own and not (kind != "AWS::IAM::Role" and own.get("Role")):
            root["Resources"][logical_id].setdefault("Properties", {})["PermissionsBoundary"] = boundary
        events = own.get("Events")
        for name, event in (events.items() if isinstance(events, dict) and kind != "AWS::IAM::Role" else ()):
            declared = event.get("Properties") if isinstance(event, dict) and event.get("Type") == _SCHEDULED else None
            if declared and not declared.keys() & {"RoleArn", "PermissionsBoundary"}:
                made = root["Resources"][logical_id]["Properties"]["Events"][name]["Properties"]
                made["PermissionsBoundary"] = boundary


def instruction(role: str, topics: Topics, functions: Sequence[str], bucket: str,
                place: tuple[str, str, str] = ("aws", "*", "*")) -> str:
    """What to do for a role that this template does not own, with the policy to attach to it.

    `place` is partition, region and account.
    """
    document = stub_policy(*place, topics, functions, bucket)
    return (f"Its role comes from elsewhere ({role}): add this inline policy to it, or the stub cannot connect: "
            f"{json.dumps(document, separators=(',', ':'))}")


def policy(topics: Topics, functions: Sequence[str], bucket: str) -> dict[str, Any]:
    """The stub's policy with the region and account of the deployment put in by CloudFormation."""
    place = ("${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}")
    document = stub_policy(*place, topics, functions, bucket)
    if len(json.dumps(document)) > _INLINE_LIMIT:
        # More functions share this role than exact names fit: all stubs of this one app and stage are allowed.
        document = _widened(stub_policy(*place, topics, functions[:1], bucket), topics, functions[0])
    for statement in document["Statement"]:
        statement["Resource"] = [{"Fn::Sub": name} if "${" in name else name for name in statement["Resource"]]
    return document


def _widened(document: dict[str, Any], topics: Topics, function: str) -> dict[str, Any]:
    own = topics.stub(function, "")
    exact = {topics.stub_client(function, "").rsplit(".", 2)[0] + ".": f"livetui.{topics.app}.{topics.stage}.stub.",
             own: f"{topics.root}/stub/", topics.payloads(function): f"payloads/{topics.app}/{topics.stage}/"}
    for statement in document["Statement"]:
        for old, new in exact.items():
            statement["Resource"] = [name.replace(old, new) for name in statement["Resource"]]
    return document


def _chosen(template: Template, node: Any) -> Any:
    """`node` with the branch of an `Fn::If` whose condition is known."""
    while isinstance(node, dict) and "Fn::If" in node and isinstance(node["Fn::If"], list):
        holds = template.resolver.condition(str(node["Fn::If"][0]))
        if not isinstance(holds, bool):
            break
        node = node["Fn::If"][1 if holds else 2]
    return node


def _append(holder: MutableMapping[str, Any], key: str, item: Mapping[str, Any]) -> bool:
    """Add `item` to the list at `holder[key]`, in every branch of an `Fn::If`; False when it is no list."""
    if holder.get(key) is None:
        holder[key] = [dict(item)]
        return True
    places = list(branches(holder, key))
    if any(intrinsic_of(place[index]) not in ("", "Ref") for place, index in places):
        return False
    for place, index in places:
        value = place[index]
        if long_form(value) == {"Ref": "AWS::NoValue"}:
            place[index] = [dict(item)]
        elif isinstance(value, Sequence) and not isinstance(value, str) and not intrinsic_of(value):
            value.append(dict(item))  # type: ignore[attr-defined]
        else:
            place[index] = [value, dict(item)]
    return True
