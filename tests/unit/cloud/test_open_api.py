"""What an OpenAPI document becomes: the integrations, authorizers and routes that CloudFormation would make of it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from livetui.cloud.open_api import import_http_api_bodies, spell_out_any_method

HTTP_API, REST_API = "AWS::ApiGatewayV2::Api", "AWS::ApiGateway::RestApi"


class Emulator:
    """Handlers that remember what exists."""

    def __init__(self) -> None:
        self.resources: dict[str, tuple[str, dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self.handlers = {kind: self._handlers(kind) for kind in (
            HTTP_API, REST_API, "AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Integration",
            "AWS::ApiGatewayV2::Authorizer")}
        import_http_api_bodies(self.handlers)
        spell_out_any_method(self.handlers)

    def _handlers(self, kind: str) -> dict[str, Any]:
        def create(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
            number = f"id{next(self._numbers)}"
            physical_id = f"{properties['ApiId']}/{number}" if kind.endswith(("Route", "Authorizer")) else number
            self.resources[physical_id] = (kind, properties)
            return physical_id, {}

        def update(physical_id: str, old: Any, new: dict[str, Any], stack: str, logical_id: str | None = None) -> Any:
            self.resources[physical_id] = (kind, new)
            return physical_id, {}

        def delete(physical_id: str, properties: dict[str, Any]) -> None:
            del self.resources[physical_id]

        return {"create": create, "update": update, "delete": delete}

    def create(self, kind: str, **properties: Any) -> str:
        return self.handlers[kind]["create"]("Api", properties, "stack")[0]

    def routes(self) -> dict[str, str]:
        """Route key to the URI behind it."""
        return {properties["RouteKey"]: self.resources[properties["Target"].removeprefix("integrations/")][1]
                ["IntegrationUri"] for kind, properties in self.resources.values() if kind.endswith("::Route")}

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [properties for known, properties in self.resources.values() if known.endswith(f"::{kind}")]


@pytest.fixture
def emulator() -> Emulator:
    return Emulator()


def operation(uri: str, **more: Any) -> dict[str, Any]:
    return {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": uri, "payloadFormatVersion": "2.0"}, **more}


def test_each_operation_becomes_a_route_to_its_function(emulator: Emulator) -> None:
    emulator.create(HTTP_API, Body={"paths": {
        "/orders": {"get": operation("list"), "post": operation("create")},
        "/files/{proxy+}": {"x-amazon-apigateway-any-method": operation("files"), "parameters": []},
        "/$default": {"x-amazon-apigateway-any-method": operation("else", isDefaultRoute=True)}}})

    assert emulator.routes() == {"GET /orders": "list", "POST /orders": "create", "ANY /files/{proxy+}": "files",
                                 "$default": "else"}


def test_a_changed_document_replaces_the_routes_and_an_unchanged_one_leaves_them(emulator: Emulator) -> None:
    body = {"paths": {"/a": {"get": operation("one")}}}
    api = emulator.create(HTTP_API, Body=body)
    before = set(emulator.resources)

    emulator.handlers[HTTP_API]["update"](api, {"Body": body}, {"Body": body, "Name": "n"}, "stack", "Api")
    assert set(emulator.resources) == before

    changed = {"paths": {"/b": {"get": operation("two")}}}
    emulator.handlers[HTTP_API]["update"](api, {"Body": body}, {"Body": changed}, "stack", "Api")
    assert emulator.routes() == {"GET /b": "two"}
    assert len(emulator.of("Integration")) == 1


def test_routes_that_the_template_itself_names_are_not_touched(emulator: Emulator) -> None:
    api = emulator.create(HTTP_API, ProtocolType="HTTP")
    emulator.create("AWS::ApiGatewayV2::Route", ApiId=api, RouteKey="GET /own", Target="integrations/x")

    emulator.handlers[HTTP_API]["update"](api, {"Name": "a"}, {"Name": "b"}, "stack", "Api")

    assert [route["RouteKey"] for route in emulator.of("Route")] == ["GET /own"]


def test_name_and_cors_come_from_the_document_unless_the_template_says_otherwise(emulator: Emulator) -> None:
    body = {"info": {"title": "shop", "version": "2"}, "x-amazon-apigateway-cors": {"allowOrigins": ["*"]}, "paths": {}}
    emulator.create(HTTP_API, Body=body)
    emulator.create(HTTP_API, Body=body, Name="mine")

    assert [(api["Name"], api["Version"], api["CorsConfiguration"]) for api in emulator.of("Api")] == [
        ("shop", "2", {"allowOrigins": ["*"]}), ("mine", "2", {"allowOrigins": ["*"]})]


def test_authorizers_guard_the_routes_that_name_them(emulator: Emulator) -> None:
    authorizer = "x-amazon-apigateway-authorizer"
    emulator.create(HTTP_API, Body={
        "components": {"securitySchemes": {
            "Jwt": {"type": "oauth2", authorizer: {
                "type": "jwt", "identitySource": "$request.header.Authorization",
                "jwtConfiguration": {"audience": ["me"], "issuer": "https://issuer"}}},
            "Own": {"type": "apiKey", authorizer: {
                "type": "request", "authorizerUri": "uri", "identitySource": "$request.header.A, $request.header.B",
                "enableSimpleResponses": True}},
            "Iam": {"type": "apiKey", "x-amazon-apigateway-authtype": "awsSigv4"}}},
        "security": [{"Jwt": ["read"]}],
        "paths": {"/jwt": {"get": operation("a")}, "/own": {"get": operation("b", security=[{"Own": []}])},
                  "/iam": {"get": operation("c", security=[{"Iam": []}])},
                  "/open": {"get": operation("d", security=[])}}})

    routes = {route["RouteKey"]: route for route in emulator.of("Route")}
    assert routes["GET /jwt"]["AuthorizationType"] == "JWT"
    assert routes["GET /jwt"]["AuthorizationScopes"] == ["read"]
    assert routes["GET /own"]["AuthorizationType"] == "CUSTOM"
    assert routes["GET /iam"]["AuthorizationType"] == "AWS_IAM"
    assert "AuthorizationType" not in routes["GET /open"]
    jwt, own = emulator.of("Authorizer")
    assert jwt["JwtConfiguration"] == {"Audience": ["me"], "Issuer": "https://issuer"}
    assert own["IdentitySource"] == ["$request.header.A", "$request.header.B"]
    assert own["EnableSimpleResponses"] is True


def test_any_of_a_rest_api_is_spelt_out_beside_the_methods_that_the_path_names(emulator: Emulator) -> None:
    emulator.create(REST_API, Body={"paths": {
        "/a": {"x-amazon-apigateway-any-method": "any", "get": "own"}, "/b": {"post": "only"}}})

    paths = emulator.of("RestApi")[0]["Body"]["paths"]
    assert paths["/a"]["get"] == "own"
    assert {paths["/a"][method] for method in ("put", "post", "delete", "options", "head", "patch")} == {"any"}
    assert paths["/b"] == {"post": "only"}
