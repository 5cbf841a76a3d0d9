"""The Lambda functions of one template: what each is, where its code lies here, and whether it can be made live."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from livetui.errors import UsageError
from livetui.stack.cdk import Assets
from livetui.stack.contract import LiveFunction
from livetui.stack.intrinsics import Resolver, Unknown, references
from livetui.stack.routes import http_routes

SAM_FUNCTION = "AWS::Serverless::Function"
LAMBDA_FUNCTION = "AWS::Lambda::Function"
SAM_TRANSFORM = "AWS::Serverless-2016-10-31"
IMAGE_RUNTIME = "python3.13"
"""Runtime of the stub that stands in for a container image whose Python version is not written in its Dockerfile."""
DEFAULT_TIMEOUT_S = 3
DEFAULT_MEMORY_MB = 128


@dataclass(frozen=True)
class Function:
    """A function as its template declares it, with Globals, parameters and conditions put in where they are known."""

    id: str
    """Unique in the application: `Nested-Function` for functions of nested stacks."""
    logical_id: str
    kind: Literal["sam", "lambda"]
    properties: Mapping[str, Any]
    """In long form, merged with Globals."""
    handler: str = ""
    runtime: str = ""
    architecture: str = "x86_64"
    code_root: Path | None = None
    timeout_s: int = DEFAULT_TIMEOUT_S
    memory_mb: int = DEFAULT_MEMORY_MB
    layers: tuple[str, ...] = ()
    live: bool = True
    reason: str = ""
    """Why it is not live."""
    warnings: tuple[str, ...] = ()
    log_format: str = ""
    log_level: str = ""
    needs_image: bool = False
    """A container image that was built nowhere yet, so that it cannot be deployed as it is."""
    routes: tuple[str, ...] = ()
    """Of HTTP APIs: `GET /orders/{id}`, `$default`."""
    fed_from_outside: tuple[int | None, ...] = ()
    """Visibility timeouts of queues that feed it from the stack that nests its own; None for an unknown one."""

    def not_live(self, reason: str) -> Function:
        """The same function, left as it is, for this reason."""
        return replace(self, live=False, reason=reason)

    def warned(self, *warnings: str) -> Function:
        """The same function with more warnings."""
        return replace(self, warnings=(*self.warnings, *warnings))

    def as_live_function(self, name: str = "", arn: str = "") -> LiveFunction:
        """The value that leaves this room."""
        return LiveFunction(self.id, name, arn, self.handler, self.runtime, self.code_root, self.timeout_s,
                            self.memory_mb, self.live, self.reason, self.layers, self.warnings, self.log_format,
                            self.log_level, self.architecture, self.routes)


@dataclass(frozen=True)
class FunctionReader:
    """Reads the functions of one template. `template` is in long form, `folder` is what its paths are relative to."""

    template: Mapping[str, Any]
    resolver: Resolver
    folder: Path
    inline_folder: Path
    prefix: str = ""
    assets: Assets | None = None

    def read(self) -> dict[str, Function]:
        """All functions by logical id, also those that are not live."""
        found: dict[str, Function] = {}
        routes = http_routes(self.resources(), self.resolver)
        for logical_id, resource in self.resources():
            if resource["Type"] == SAM_FUNCTION:
                own = resource.get("Properties") or {}
                properties = merge_globals(self.function_globals(), own)
                found[logical_id] = self._read(logical_id, "sam", resource, properties)
            elif resource["Type"] == LAMBDA_FUNCTION:
                found[logical_id] = self._read(logical_id, "lambda", resource, resource.get("Properties") or {})
        return {name: replace(function, routes=routes.get(name, ())) for name, function in found.items()}

    def resources(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every resource that has a type. Raises `UsageError` for an id that CloudFormation does not take either.

        Ids become names of files here.
        """
        section = self.template.get("Resources")
        for logical_id, resource in (section.items() if isinstance(section, dict) else ()):
            if isinstance(resource, dict) and isinstance(resource.get("Type"), str):
                if not re.fullmatch("[A-Za-z0-9]+", logical_id):
                    raise UsageError(f"The template has a resource called {logical_id!r}.", "",
                                     "CloudFormation takes letters and digits only.")
                yield logical_id, resource

    def function_globals(self) -> Mapping[str, Any]:
        """`Globals.Function`, which SAM merges into every `AWS::Serverless::Function`."""
        section = self.template.get("Globals")
        values = section.get("Function") if isinstance(section, dict) else None
        return values if isinstance(values, dict) else {}

    def _read(self, logical_id: str, kind: Literal["sam", "lambda"], resource: Mapping[str, Any],
              properties: Mapping[str, Any]) -> Function:
        logging = properties.get("LoggingConfig")
        function = Function(f"{self.prefix}{logical_id}", logical_id, kind, properties,
                            handler=self._text(properties.get("Handler")),
                            runtime=self._text(properties.get("Runtime")),
                            architecture=self._architecture(properties),
                            timeout_s=self._number(properties.get("Timeout"), DEFAULT_TIMEOUT_S),
                            memory_mb=self._number(properties.get("MemorySize"), DEFAULT_MEMORY_MB),
                            layers=tuple(self._layers(properties)),
                            log_format=self._text(_member(logging, "LogFormat")),
                            log_level=self._text(_member(logging, "ApplicationLogLevel")))
        if self._condition_fails(resource):
            return function.not_live("its condition does not hold")
        if properties.get("CodeSigningConfigArn"):
            return function.not_live("signed code: AWS accepts the signed package only")
        if self._is_image(properties):
            function = self._read_image(function, resource)
            if not function.live:
                return replace(function, needs_image=self._is_unbuilt(properties))
        elif isinstance(self.resolver.resolve(properties.get("Runtime")), Unknown):
            return function.not_live("its runtime is known only after deployment")
        if not function.runtime.startswith("python"):
            return function.not_live(function.runtime.removesuffix(".x") or "no runtime")
        if function.code_root is None:
            function = self._with_code(function, resource)
        return function.warned(*self._warnings(function)) if function.live else function

    def _with_code(self, function: Function, resource: Mapping[str, Any]) -> Function:
        key = "CodeUri" if function.kind == "sam" else "Code"
        code = function.properties.get(key)
        inline = function.properties.get("InlineCode") if function.kind == "sam" else _member(code, "ZipFile")
        if inline is not None:
            return self._with_inline_code(function, inline)
        copied = self.assets.files.get(str(_member(code, "S3Key"))) if self.assets else None
        if copied is not None and self.assets is not None:
            source = self.assets.source(copied.key) or copied.path
            found = replace(function, code_root=source.resolve())
            return found if source != copied.path else found.warned(
                f"The folder it was bundled from was not found: CDK's copy {copied.path.name} runs, and edits of your "
                "sources count after the next `cdk synth` only.")
        asset = (resource.get("Metadata") or {}).get("aws:asset:path")
        if isinstance(asset, str):
            return replace(function, code_root=(self.folder / asset).resolve())
        path = self.resolver.resolve(code)
        if path is None and function.kind == "sam":
            path = "."
        if isinstance(path, Unknown) or not isinstance(path, str) or path.startswith(("s3://", "https://", "http://")):
            return function.not_live("its code lies in S3, not in this folder")
        root = (self.folder / path).resolve()
        if root.is_file():
            return function.not_live(f"its code is a built archive ({root.name}), not a folder")
        return replace(function, code_root=root)

    def _with_inline_code(self, function: Function, inline: Any) -> Function:
        source = self.resolver.resolve(inline)
        if not isinstance(source, str):
            return function.not_live("its inline code is known only after deployment")
        root = self.inline_folder / function.id
        file = root / "index.py"
        if not file.is_file() or file.read_text("utf-8") != source:
            root.mkdir(parents=True, exist_ok=True)
            file.write_text(source, "utf-8")
        return replace(function, code_root=root.resolve())

    def _read_image(self, function: Function, resource: Mapping[str, Any]) -> Function:
        metadata = resource.get("Metadata") or {}
        context = metadata.get("DockerContext") or metadata.get("aws:asset:path")
        asset = self.assets.image(_member(function.properties.get("Code"), "ImageUri")) if self.assets else None
        if asset is not None:
            context, metadata = str(asset[0]), {"Dockerfile": asset[1]}
        if not isinstance(context, str):
            return function.not_live("a container image that is not built from this folder")
        root = (self.folder / context).resolve()
        name = metadata.get("Dockerfile") or metadata.get("aws:asset:dockerfile-path") or "Dockerfile"
        try:
            dockerfile = (root / str(name)).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return function.not_live(f"a container image whose {name} is not in {root.name}")
        base = _base_image(dockerfile)
        if "python" not in base:
            return function.not_live(f"a container image from {base or 'nothing'}, not from Python")
        version = re.search(r"python[^\s:]*:(3\.\d+)", base)
        command = self.resolver.resolve(_member(function.properties.get("ImageConfig"), "Command"))
        written = re.findall(r'(?im)^\s*CMD\s*\[\s*"([^"]+)"', dockerfile)
        handler = str(command[0]) if isinstance(command, list) and command else written[-1] if written else ""
        if not handler:
            return function.not_live("a container image without a CMD that names the handler")
        return replace(function, code_root=root, handler=handler,
                       runtime=f"python{version[1]}" if version else IMAGE_RUNTIME)

    def _is_unbuilt(self, properties: Mapping[str, Any]) -> bool:
        """No address of an image, or one without a registry, as `sam build` leaves it."""
        address = self.resolver.resolve(properties.get("ImageUri", _member(properties.get("Code"), "ImageUri")))
        return address is None or (isinstance(address, str) and "/" not in address)

    def _is_image(self, properties: Mapping[str, Any]) -> bool:
        return (self.resolver.resolve(properties.get("PackageType")) == "Image" or "ImageUri" in properties
                or _member(properties.get("Code"), "ImageUri") is not None)

    def _condition_fails(self, resource: Mapping[str, Any]) -> bool:
        condition = resource.get("Condition")
        return isinstance(condition, str) and self.resolver.condition(condition) is False

    def _layers(self, properties: Mapping[str, Any]) -> Iterator[str]:
        """Layer folders of this template, or ARNs, in the function's order."""
        layers = properties.get("Layers")
        resources = dict(self.resources())
        for layer in layers if isinstance(layers, list) else []:
            value = self.resolver.resolve(layer)
            if isinstance(value, str):
                yield value
                continue
            for logical_id in references(layer) & resources.keys():
                properties_of = resources[logical_id].get("Properties") or {}
                content = self.resolver.resolve(properties_of.get("ContentUri", properties_of.get("Content")))
                asset = (resources[logical_id].get("Metadata") or {}).get("aws:asset:path")
                copied = self.assets.source(_member(properties_of.get("Content"), "S3Key")) if self.assets else None
                path = str(copied) if copied else asset if isinstance(asset, str) else content
                if isinstance(path, str) and not path.startswith(("s3://", "http")):
                    yield str((self.folder / path).resolve())

    def _warnings(self, function: Function) -> Iterator[str]:
        properties = function.properties
        if properties.get("VpcConfig"):
            yield ("It runs in a VPC: its private addresses are not reachable from here, and its stub needs a NAT or "
                   "endpoints for IoT (iot.data) and S3.")
        yield from out_of_range(properties)
        declared = properties.get("Layers")
        if isinstance(declared, list) and len(function.layers) < len(declared):
            yield ("A layer of it cannot be told from the template (imported, or its content lies in S3): its packages "
                   "are missing here.")

    def _architecture(self, properties: Mapping[str, Any]) -> str:
        value = self.resolver.resolve(properties.get("Architectures"))
        return "arm64" if isinstance(value, list) and "arm64" in value else "x86_64"

    def _text(self, node: Any) -> str:
        value = self.resolver.resolve(node)
        return value if isinstance(value, str) else ""

    def _number(self, node: Any, default: int) -> int:
        """A number; the larger one where only a deployment tells which branch of an `Fn::If` counts."""
        branches = node.get("Fn::If") if isinstance(node, Mapping) else None
        if isinstance(branches, list) and len(branches) == 3 and isinstance(self.resolver.resolve(node), Unknown):
            return max(self._number(branch, default) for branch in branches[1:])
        try:
            return int(self.resolver.resolve(node))
        except (TypeError, ValueError):
            return default


def out_of_range(properties: Mapping[str, Any]) -> Iterator[str]:
    """What of a function does not come here; `properties` are its template's, or its configuration in the account."""
    if properties.get("FileSystemConfigs"):
        yield "It mounts a file system that is not reachable from here."
    if properties.get("DurableConfig"):
        yield "It is durable: its steps and waits are not replayed here; each call runs the handler once."
    if properties.get("CapacityProviderConfig"):
        yield "It runs on managed instances, which call a stub several times at once."


def _base_image(dockerfile: str) -> str:
    """The image that the last stage stands on, with the defaults of build arguments put in; empty without any."""
    defaults = dict(re.findall(r"(?im)^\s*ARG\s+(\w+)=[\"']?([^\s\"']*)", dockerfile))
    stages: dict[str, str] = {}
    image = ""
    for source, name in re.findall(r"(?im)^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", dockerfile):
        written = re.sub(r"\$\{?(\w+)(?::-[^}]*)?\}?", lambda found: defaults.get(found[1], found[0]), source)
        image = stages.get(written.lower(), written)
        stages[name.lower()] = image
    return image


def merge_globals(shared: Any, own: Any) -> Any:
    """`own` merged over `shared` as SAM does: maps by key, lists one after the other, anything else is replaced.

    An intrinsic function counts as one value. AWS SAM specification, "Globals section".
    """
    if _is_map(shared) and _is_map(own):
        return {key: merge_globals(shared[key], own[key]) if key in shared and key in own
                else own.get(key, shared.get(key)) for key in {**shared, **own}}
    if isinstance(shared, list) and isinstance(own, list):
        return shared + own
    return own


def _is_map(node: Any) -> bool:
    return isinstance(node, Mapping) and not (
        len(node) == 1 and str(next(iter(node))).startswith(("Ref", "Fn::", "Condition")))


def _member(node: Any, name: str) -> Any:
    return node.get(name) if isinstance(node, Mapping) else None
