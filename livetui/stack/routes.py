"""The routes of HTTP APIs that lead to each function of a template, and those of REST APIs that lead to services."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from livetui.stack.intrinsics import Resolver, references

if TYPE_CHECKING:
    from livetui.stack.template import Template

DEFAULT = "$default"
_DEEPEST = 50
_ROUTE, _INTEGRATION = "AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Integration"


def http_routes(resources: Iterable[tuple[str, Mapping[str, Any]]], resolver: Resolver) -> dict[str, tuple[str, ...]]:
    """Logical id of each function that has some → its route keys, such as `GET /orders/{id}` or `$default`.

    They are SAM's `HttpApi` events, and routes whose integration names the function. What is known only after
    deployment is left out.
    """
    every = dict(resources)
    found: dict[str, dict[str, None]] = {}
    for logical_id, resource in every.items():
        properties = resource.get("Properties") or {}
        if resource["Type"] == _ROUTE:
            key = resolver.resolve(properties.get("RouteKey"))
            for function in _targets(properties.get("Target"), every):
                if isinstance(key, str):
                    found.setdefault(function, {})[key] = None
        elif resource["Type"] == "AWS::Serverless::Function":
            for key in _events(properties.get("Events"), resolver):
                found.setdefault(logical_id, {})[key] = None
    return {function: tuple(keys) for function, keys in found.items()}


def to_services(template: Template) -> dict[str, str]:
    """Route, such as `POST /comment` → the service to which a REST API hands it itself, such as `dynamodb`."""
    found: dict[str, str] = {}
    for resource in map(_map, template.resources.values()):
        properties = _map(resource.get("Properties"))
        if resource.get("Type") == "AWS::ApiGateway::Method":
            integration = _map(properties.get("Integration"))
            service = _service(integration.get("Type"), integration.get("Uri"))
            route = f"{properties.get('HttpMethod')} {_path(template, properties.get('ResourceId'))}"
            found |= {route: service} if service else {}
        for path, method, operation in _documented(properties.get("DefinitionBody", properties.get("Body"))):
            integration = _map(operation.get("x-amazon-apigateway-integration"))
            service = _service(integration.get("type"), integration.get("uri"))
            route = f"{'ANY' if method.startswith('x-') else method.upper()} {path}"
            found |= {route: service} if service else {}
    return found


def _documented(body: Any) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Path, method and operation of each route of an OpenAPI document."""
    for path, methods in _map(_map(body).get("paths")).items():
        for method, operation in _map(methods).items():
            yield path, method, _map(operation)


def _service(kind: Any, uri: Any) -> str:
    """The service that an integration of this type calls; empty when it is none, or Lambda."""
    named = re.search(r":([\w.-]+):(?:path|action)/", "".join(_texts(uri))) if str(kind).lower() == "aws" else None
    return named[1] if named is not None and named[1] != "lambda" else ""


def _path(template: Template, resource_id: Any) -> str:
    """The path that a resource of a REST API stands for."""
    parts: list[str] = []
    while (names := references(resource_id) & template.resources.keys()) and len(parts) < _DEEPEST:
        properties = _map(_map(template.resources[names.pop()]).get("Properties"))
        if "PathPart" not in properties:  # the API itself
            break
        parts.insert(0, str(template.resolver.resolve(properties["PathPart"])))
        resource_id = properties.get("ParentId")
    return "/" + "/".join(parts)


def _map(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, Mapping) else {}


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    for item in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from _texts(item)


def _targets(target: Any, every: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name in references(target) & every.keys():
        if every[name]["Type"] == _INTEGRATION:
            yield from references((every[name].get("Properties") or {}).get("IntegrationUri")) & every.keys()


def _events(events: Any, resolver: Resolver) -> Iterator[str]:
    for event in events.values() if isinstance(events, dict) else ():
        if not isinstance(event, dict) or event.get("Type") != "HttpApi":
            continue
        declared = event.get("Properties") or {}
        method, path = (resolver.resolve(declared.get(name)) for name in ("Method", "Path"))
        if isinstance(path, str):
            yield f"{method.upper() if isinstance(method, str) else 'ANY'} {path}" if path != DEFAULT else DEFAULT
        elif path is None:
            yield DEFAULT
