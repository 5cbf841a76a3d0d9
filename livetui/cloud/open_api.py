"""Teaches ministack what it leaves out of the OpenAPI documents in which a SAM template's routes arrive.

ministack 1.5.33 makes an `AWS::ApiGatewayV2::Api` without reading its `Body`, so every `HttpApi` of a SAM template
would answer "Not Found"; here the document becomes the integrations, authorizers and routes that CloudFormation would
make of it, through ministack's own resource handlers. Of a REST API it reads the Body, but not the method `ANY`, and of
an integration with an AWS service only which one it is, not what is sent to it and answered.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-open-api.html
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Properties = Mapping[str, Any]
Handlers = dict[str, dict[str, Any]]

_PREFIX = "x-amazon-apigateway-"
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_HTTP_API, _REST_API = "AWS::ApiGatewayV2::Api", "AWS::ApiGateway::RestApi"


def install() -> None:
    """Change ministack's handlers of APIs, in this process."""
    handlers: Handlers = importlib.import_module("ministack.services.cloudformation.provisioners")._RESOURCE_HANDLERS
    import_http_api_bodies(handlers)
    spell_out_any_method(handlers)
    keep_service_integrations(importlib.import_module("ministack.services.apigateway_v1"))


def keep_service_integrations(rest: Any) -> None:
    """Make `rest` (ministack's REST APIs) import the templates and answers of a document's service integrations."""
    plain = rest._import_operation

    def import_operation(api_id: str, resource_id: str, method: str, operation: Properties, *more: Any) -> None:
        plain(api_id, resource_id, method, operation, *more)
        integration = (operation or {}).get(f"{_PREFIX}integration") or {}
        if str(integration.get("type")).lower() != "aws":
            return
        stated = {name: value for name, value in integration.items() if name != "responses"}
        behavior = str(stated.get("passthroughBehavior", "when_no_match")).upper()
        rest._put_integration(api_id, resource_id, method, {**stated, "type": "AWS", "passthroughBehavior": behavior})
        answers = integration.get("responses") or {}
        for pattern in sorted(answers, key=lambda pattern: bool(pattern == "default")):
            answer = {"selectionPattern": "" if pattern == "default" else pattern, **answers[pattern]}
            rest._put_integration_response(api_id, resource_id, method, str(answer.get("statusCode", 200)), answer)

    rest._import_operation = import_operation


def spell_out_any_method(handlers: Handlers) -> None:
    """Make `handlers` (resource type to its create, update and delete) see one operation per method for `ANY`."""
    create, update = handlers[_REST_API]["create"], handlers[_REST_API]["update"]

    def create_api(logical_id: str, properties: Properties, *rest: Any) -> Any:
        return create(logical_id, _without_any_method(properties), *rest)

    def update_api(api_id: str, old: Properties, new: Properties, *rest: Any, **named: Any) -> Any:
        return update(api_id, _without_any_method(old), _without_any_method(new), *rest, **named)

    handlers[_REST_API] |= {"create": create_api, "update": update_api}


def _without_any_method(properties: Properties) -> dict[str, Any]:
    """The properties with each `ANY` operation once for every method that the path does not name itself."""
    paths = (properties.get("Body") or {}).get("paths", {})
    every = f"{_PREFIX}any-method"
    if not any(every in item for item in paths.values()):
        return dict(properties)
    spelt_out = {
        path: {**dict.fromkeys(_METHODS, item[every]), **item} if every in item else item
        for path, item in paths.items()
    }
    return {**properties, "Body": {**properties["Body"], "paths": spelt_out}}


def import_http_api_bodies(handlers: Handlers) -> None:
    """Make `handlers` import the Body of an HTTP API."""
    create, update = handlers[_HTTP_API]["create"], handlers[_HTTP_API]["update"]
    imported: dict[str, list[Callable[[], None]]] = {}

    def read_body(api_id: str, properties: Properties, stack: str) -> None:
        for remove in imported.pop(api_id, []):
            remove()
        if properties.get("Body"):
            imported[api_id] = list(_import(handlers, api_id, properties["Body"], stack))

    def create_api(logical_id: str, properties: Properties, stack: str) -> tuple[str, Any]:
        api_id, attributes = create(logical_id, _api_properties(properties), stack)
        read_body(api_id, properties, stack)
        return api_id, attributes

    def update_api(
        api_id: str, old: Properties, new: Properties, stack: str, logical_id: str | None = None
    ) -> tuple[str, Any]:
        new_id, attributes = update(api_id, _api_properties(old), _api_properties(new), stack, logical_id)
        if new_id != api_id or new.get("Body") != old.get("Body"):
            read_body(new_id, new, stack)
        return new_id, attributes

    handlers[_HTTP_API] |= {"create": create_api, "update": update_api}


def _api_properties(properties: Properties) -> dict[str, Any]:
    """What the document says about the API itself, under what the template says beside it."""
    body = properties.get("Body") or {}
    info = body.get("info", {})
    stated = {"Name": info.get("title"), "Version": info.get("version"), "Description": info.get("description"),
              "CorsConfiguration": body.get(f"{_PREFIX}cors")}
    return {name: value for name, value in stated.items() if value} | dict(properties)


def _import(handlers: Handlers, api_id: str, body: Properties, stack: str) -> Iterator[Callable[[], None]]:
    """Make what the document describes; yields how to remove each part again."""

    def make(kind: str, properties: dict[str, Any]) -> tuple[str, Callable[[], None]]:
        handler = handlers[f"AWS::ApiGatewayV2::{kind}"]
        properties = {"ApiId": api_id, **properties}
        physical_id, _ = handler["create"](properties.get("Name", kind), properties, stack)
        return physical_id, lambda: handler["delete"](physical_id, properties)

    schemes = body.get("components", {}).get("securitySchemes", {})
    authorizers: dict[str, str] = {}
    for name, scheme in schemes.items():
        if definition := scheme.get(f"{_PREFIX}authorizer"):
            physical_id, remove = make("Authorizer", _authorizer(name, definition))
            authorizers[name] = physical_id.rpartition("/")[2]
            yield remove
    for route_key, operation in _operations(body):
        integration_id, remove = make("Integration", _integration(operation.get(f"{_PREFIX}integration", {})))
        yield remove
        _, remove = make("Route", {
            "RouteKey": route_key, "Target": f"integrations/{integration_id.rpartition('/')[2]}",
            **_authorization(operation, body, schemes, authorizers)})
        yield remove


def _operations(body: Properties) -> Iterator[tuple[str, Properties]]:
    """Each route key with its operation."""
    for path, item in body.get("paths", {}).items():
        for method, operation in item.items():
            if path == "/$default" and method == f"{_PREFIX}any-method":
                yield "$default", operation
            elif method == f"{_PREFIX}any-method":
                yield f"ANY {path}", operation
            elif method.lower() in _METHODS:
                yield f"{method.upper()} {path}", operation


def _integration(definition: Properties) -> dict[str, Any]:
    return {
        "IntegrationType": str(definition.get("type", "aws_proxy")).upper(),
        "IntegrationUri": definition.get("uri", ""),
        "IntegrationMethod": definition.get("httpMethod", "POST"),
        "PayloadFormatVersion": definition.get("payloadFormatVersion", "2.0"),
        "TimeoutInMillis": definition.get("timeoutInMillis", 30_000),
        "ConnectionType": definition.get("connectionType", "INTERNET"),
        "ConnectionId": definition.get("connectionId", ""),
        "RequestParameters": definition.get("requestParameters", {}),
    }


def _authorizer(name: str, definition: Properties) -> dict[str, Any]:
    source = definition.get("identitySource", "$request.header.Authorization")
    jwt = definition.get("jwtConfiguration", {})
    return {
        "Name": name,
        "AuthorizerType": str(definition.get("type", "request")).upper(),
        "IdentitySource": [part.strip() for part in source.split(",")] if isinstance(source, str) else source,
        "JwtConfiguration": {"Audience": jwt.get("audience", []), "Issuer": jwt.get("issuer", "")},
        "AuthorizerUri": definition.get("authorizerUri", ""),
        "AuthorizerPayloadFormatVersion": definition.get("authorizerPayloadFormatVersion", "2.0"),
        "AuthorizerResultTtlInSeconds": definition.get("authorizerResultTtlInSeconds", 300),
        "EnableSimpleResponses": definition.get("enableSimpleResponses", False),
        "AuthorizerCredentialsArn": definition.get("authorizerCredentials", ""),
    }


def _authorization(
    operation: Properties, body: Properties, schemes: Properties, authorizers: Mapping[str, str]
) -> dict[str, Any]:
    """The first security requirement of the operation, else of the document; none of either is an open route."""
    requirement: Properties = next(iter(operation.get("security", body.get("security", []))), {})
    for name, scopes in requirement.items():
        if name in authorizers:
            kind = schemes[name][f"{_PREFIX}authorizer"].get("type", "request")
            return {"AuthorizationType": "JWT" if kind.lower() == "jwt" else "CUSTOM", "AuthorizationScopes": scopes,
                    "AuthorizerId": authorizers[name]}
        if schemes.get(name, {}).get(f"{_PREFIX}authtype") == "awsSigv4":
            return {"AuthorizationType": "AWS_IAM"}
    return {}
