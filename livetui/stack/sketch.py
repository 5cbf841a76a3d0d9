"""An application without a template: the functions, routes, queues and schedules that `livetui.toml` names."""

from __future__ import annotations

import re
import sys
from typing import Any

from ruamel.yaml.comments import CommentedMap

from livetui.config import FunctionSettings, Settings
from livetui.errors import UsageError
from livetui.stack.document import Document
from livetui.stack.functions import SAM_FUNCTION, SAM_TRANSFORM

FILE = "livetui.toml"
MIN_VISIBILITY_S = 30
_VISIBILITY_TIMES = 6
"""AWS advises a queue to hide messages for six times its consumer's timeout (Lambda guide, "SQS event source")."""
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY")


def is_sketched(settings: Settings) -> bool:
    """Whether the settings name a handler, and so a function of their own."""
    return any(function.handler for function in settings.functions.values())


def document(settings: Settings) -> Document:
    """A SAM template for what the settings name. Raises `UsageError` for a name or a route that cannot be used."""
    resources, outputs = CommentedMap(), CommentedMap()
    for name, function in settings.functions.items():
        if not function.handler:
            continue
        if not re.fullmatch(r"[A-Za-z0-9]+", name):
            raise UsageError(f"[functions.{name}] in {FILE}: the name may have letters and digits only.")
        events = CommentedMap()
        for number, route in enumerate(function.routes):
            events[f"Route{number}"] = _route(name, route)
            outputs["ApiUrl"] = {"Value": {"Fn::Sub": "https://${ServerlessHttpApi}.execute-api.${AWS::Region}"
                                                      ".${AWS::URLSuffix}/"}}
        if function.queue:
            queue = _queue(function.queue, function, resources)
            events["Queue"] = {"Type": "SQS", "Properties": {"Queue": {"Fn::GetAtt": [queue, "Arn"]}}}
            outputs[f"{queue}Url"] = {"Value": {"Ref": queue}}
        if function.schedule:
            events["Schedule"] = {"Type": "Schedule", "Properties": {"Schedule": function.schedule}}
        resources[name] = {"Type": SAM_FUNCTION, "Properties": {
            "CodeUri": function.code, "Handler": function.handler, "Timeout": function.timeout,
            "MemorySize": function.memory,
            "Runtime": function.runtime or f"python{sys.version_info.major}.{sys.version_info.minor}",
            **({"Events": events} if events else {})}}
    root = CommentedMap({"AWSTemplateFormatVersion": "2010-09-09", "Transform": SAM_TRANSFORM,
                         "Resources": resources})
    if outputs:
        root["Outputs"] = outputs
    return Document(settings.root / FILE, root)


def _route(name: str, route: str) -> dict[str, Any]:
    method, _, path = route.strip().partition(" ")
    if method.upper() not in _METHODS or not path.strip().startswith("/"):
        raise UsageError(f"[functions.{name}] in {FILE}: {route!r} is not a route.", "",
                         "Write a method and a path, such as \"GET /orders/{id}\".")
    return {"Type": "HttpApi", "Properties": {"Method": method.upper(), "Path": path.strip()}}


def _queue(name: str, function: FunctionSettings, resources: CommentedMap) -> str:
    """The queue's logical id; several functions may consume one, the longest timeout decides its visibility."""
    words = re.findall(r"[A-Za-z0-9]+", name)
    logical_id = "".join(word[:1].upper() + word[1:] for word in words) + "Queue"
    known = resources.get(logical_id, {}).get("Properties", {}).get("VisibilityTimeout", MIN_VISIBILITY_S)
    resources[logical_id] = {"Type": "AWS::SQS::Queue", "Properties": {
        "VisibilityTimeout": max(known, function.timeout * _VISIBILITY_TIMES)}}
    return logical_id
