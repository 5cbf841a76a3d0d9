"""The routes of HTTP APIs that lead to each function of a template."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from livetui.stack.intrinsics import Resolver, references

DEFAULT = "$default"
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
