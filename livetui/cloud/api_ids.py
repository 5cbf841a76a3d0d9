"""Gives the APIs of a stack the same ids in every local cloud: yesterday's address is today's.

ministack makes a new id for each API that it creates, unless a tag of its own names one.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Mapping
from typing import Any

Handlers = dict[str, dict[str, Any]]
HTTP_API, REST_API = "AWS::ApiGatewayV2::Api", "AWS::ApiGateway::RestApi"
_TAG = "ms-custom-id"


def install() -> None:
    """Change ministack's handlers of APIs, in this process."""
    services = [importlib.import_module(f"ministack.services.{name}") for name in ("apigateway", "apigateway_v1")]
    provisioners = importlib.import_module("ministack.services.cloudformation.provisioners")
    keep_ids(provisioners._RESOURCE_HANDLERS,
             lambda api_id: any(service.find_api_scope(api_id) is not None for service in services))


def keep_ids(handlers: Handlers, is_taken: Callable[[str], bool]) -> None:
    """Make `handlers` (resource type to its create, update and delete) ask for an id by the names, if it is free."""

    def keeping(kind: str, create: Callable[..., Any]) -> Callable[..., Any]:
        def create_api(logical_id: str, properties: Mapping[str, Any], stack: str, *rest: Any) -> Any:
            wanted = api_id(stack, logical_id)
            if not is_taken(wanted):
                properties = _tagged(properties, wanted, [] if kind == REST_API else {})
            return create(logical_id, properties, stack, *rest)

        return create_api

    for kind in (HTTP_API, REST_API):
        handlers[kind] |= {"create": keeping(kind, handlers[kind]["create"])}


def api_id(stack: str, logical_id: str) -> str:
    """Eight hexadecimal digits, as ministack's own ids have."""
    return hashlib.sha256(f"{stack}/{logical_id}".encode()).hexdigest()[:8]


def _tagged(properties: Mapping[str, Any], wanted: str, none: list[Any] | dict[str, Any]) -> dict[str, Any]:
    """The properties with ministack's tag, unless the template has it: a mapping in HTTP APIs, a list in REST APIs."""
    tags = properties.get("Tags") or none
    if isinstance(tags, list):
        known = any(tag.get("Key") == _TAG for tag in tags)
        return {**properties, "Tags": tags if known else [*tags, {"Key": _TAG, "Value": wanted}]}
    return {**properties, "Tags": {_TAG: wanted, **tags}}
