"""Local files that a template names: found by a table of property paths, uploaded under keys that name their content.

The table is what `aws cloudformation package` uploads (AWS CLI reference) and what SAM adds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml.comments import CommentedMap

from livetui.errors import UsageError
from livetui.stack import cdk
from livetui.stack.bundle import zip_of
from livetui.stack.cdk import Assets
from livetui.stack.document import intrinsic_of
from livetui.stack.template import NESTED, Template

Form = Literal["zip", "file"]
Address = Literal["uri", "url", "Bucket/Key", "S3Bucket/S3Key"]


@dataclass(frozen=True)
class Place:
    """A property that may name a local file."""

    path: tuple[str, ...]
    form: Form
    """`zip`: a folder is zipped, a single file too unless it is an archive already. `file`: uploaded as it is."""
    address: Address
    """How the property names an object in S3."""
    default: str = ""
    """What SAM takes when the property is absent."""


PLACES: dict[str, tuple[Place, ...]] = {
    "AWS::Serverless::Function": (Place(("CodeUri",), "zip", "Bucket/Key", "."),),
    "AWS::Serverless::LayerVersion": (Place(("ContentUri",), "zip", "Bucket/Key"),),
    "AWS::Serverless::Api": (Place(("DefinitionUri",), "file", "Bucket/Key"),),
    "AWS::Serverless::HttpApi": (Place(("DefinitionUri",), "file", "Bucket/Key"),),
    "AWS::Serverless::StateMachine": (Place(("DefinitionUri",), "file", "Bucket/Key"),),
    "AWS::Serverless::GraphQLApi": (Place(("SchemaUri",), "file", "uri"),
                                    Place(("Functions", "*", "CodeUri"), "file", "uri"),
                                    Place(("Resolvers", "*", "*", "CodeUri"), "file", "uri")),
    "AWS::Lambda::Function": (Place(("Code",), "zip", "S3Bucket/S3Key"),),
    "AWS::Lambda::LayerVersion": (Place(("Content",), "zip", "S3Bucket/S3Key"),),
    "AWS::ApiGateway::RestApi": (Place(("BodyS3Location",), "file", "Bucket/Key"),),
    "AWS::ApiGatewayV2::Api": (Place(("BodyS3Location",), "file", "Bucket/Key"),),
    "AWS::StepFunctions::StateMachine": (Place(("DefinitionS3Location",), "file", "Bucket/Key"),),
    "AWS::AppSync::GraphQLSchema": (Place(("DefinitionS3Location",), "file", "uri"),),
    "AWS::AppSync::Resolver": (Place(("RequestMappingTemplateS3Location",), "file", "uri"),
                               Place(("ResponseMappingTemplateS3Location",), "file", "uri"),
                               Place(("CodeS3Location",), "file", "uri")),
    "AWS::AppSync::FunctionConfiguration": (Place(("RequestMappingTemplateS3Location",), "file", "uri"),
                                            Place(("ResponseMappingTemplateS3Location",), "file", "uri"),
                                            Place(("CodeS3Location",), "file", "uri")),
    "AWS::ElasticBeanstalk::ApplicationVersion": (Place(("SourceBundle",), "zip", "S3Bucket/S3Key"),),
    "AWS::CloudFormation::ModuleVersion": (Place(("ModulePackage",), "zip", "uri"),),
    "AWS::CloudFormation::ResourceVersion": (Place(("SchemaHandlerPackage",), "zip", "uri"),),
    "AWS::Glue::Job": (Place(("Command", "ScriptLocation"), "file", "uri"),),
    "AWS::ServerlessRepo::Application": (Place(("ReadmeUrl",), "file", "uri"), Place(("LicenseUrl",), "file", "uri")),
}
_ARCHIVES = (".zip", ".jar", ".war")
_LEFT_OUT = {"__pycache__", ".git", ".livetui", ".aws-sam", ".venv", "cdk.out", ".DS_Store"}


@dataclass(frozen=True)
class Artifact:
    """One local file or folder, packed: its bytes and its place in the bucket."""

    source: Path
    key: str
    content: bytes

    @property
    def name(self) -> str:
        """What progress calls it."""
        return self.source.name


def package(template: Template, root: MutableMapping[str, Any], bucket: str, prefix: str, *,
            on_template: Callable[[str], str] | None = None, missing: list[str] | None = None) -> list[Artifact]:
    """Replace every local path in `root` by its address in `bucket`; returns what has to be uploaded.

    `prefix` begins the keys. `on_template` maps a nested stack's logical id to its template's address. A path
    that does not exist is noted in `missing` and stays as it is, or raises `UsageError` when there is no such list.
    """
    packer = _Packer(template, bucket, prefix, missing)
    resources = root.get("Resources")
    for logical_id, resource in (resources.items() if isinstance(resources, MutableMapping) else ()):
        if not isinstance(resource, MutableMapping):
            continue
        kind = str(resource.get("Type"))
        properties = resource.get("Properties")
        if logical_id in template.children and on_template and isinstance(properties, MutableMapping):
            properties[NESTED[kind]] = on_template(logical_id)
            continue
        for place in PLACES.get(kind, ()):
            if place.default and not isinstance(properties, MutableMapping):
                resource["Properties"] = properties = CommentedMap()
            packer.visit(properties, place.path, place, logical_id)
    metadata = root.get("Metadata")
    if isinstance(metadata, MutableMapping):
        for place in PLACES["AWS::ServerlessRepo::Application"]:
            packer.visit(metadata.get("AWS::ServerlessRepo::Application"), place.path, place, "Metadata")
    packer.includes(root)
    return list(packer.found.values())


def package_cdk(root: MutableMapping[str, Any], assets: Assets, bucket: str, prefix: str) -> list[Artifact]:
    """The same for a CDK template, whose assets the assembly names; `root` is changed in place."""
    needed = cdk.mentioned(root, assets)
    cdk.relocate(root, assets, bucket, prefix)
    return [Artifact(asset.path, prefix + asset.key, pack(asset.path, asset.packaging)) for asset in needed]


class _Packer:
    def __init__(self, template: Template, bucket: str, prefix: str, missing: list[str] | None) -> None:
        self.template = template
        self.missing = missing
        self.bucket = bucket
        self.prefix = prefix
        self.found: dict[Path, Artifact] = {}

    def visit(self, node: Any, path: tuple[str, ...], place: Place, owner: str) -> None:
        if not isinstance(node, MutableMapping):
            return
        if path[0] == "*":
            for value in node.values():
                self.visit(value, path[1:], place, owner)
        elif len(path) > 1:
            self.visit(node.get(path[0]), path[1:], place, owner)
        else:
            self._replace(node, path[0], place, owner)

    def includes(self, node: Any) -> None:
        """`Fn::Transform: AWS::Include` anywhere in the template."""
        if isinstance(node, MutableMapping):
            transform = node.get("Fn::Transform", node if intrinsic_of(node) == "Fn::Transform" else None)
            transform = transform if isinstance(transform, MutableMapping) else {}
            if transform.get("Name") == "AWS::Include":
                self.visit(transform.get("Parameters"), ("Location",), Place(("Location",), "file", "uri"), "Include")
            for value in node.values():
                self.includes(value)
        elif isinstance(node, list):
            for value in node:
                self.includes(value)

    def _replace(self, holder: MutableMapping[str, Any], key: str, place: Place, owner: str) -> None:
        value = holder.get(key)
        if value is None and place.default and not holder.get("InlineCode") and not holder.get("ImageUri"):
            shared = self._from_globals(key)
            value = place.default if shared is None and holder.get("PackageType") != "Image" else shared
        resolved = self.template.resolver.resolve(value)
        if not isinstance(resolved, str) or resolved.startswith(("s3://", "http://", "https://", "arn:")):
            return
        path = (self.template.folder / resolved).resolve()
        if not path.exists():
            if self.missing is not None:
                self.missing.append(f"{owner}: {resolved}")
                return
            raise UsageError(f"{owner}: there is no {resolved}.", f"{key} names {path}.",
                             "Build it first, or mend the template.")
        holder[key] = self._address(self._artifact(path, place.form).key, place.address)

    def _from_globals(self, key: str) -> Any:
        section = self.template.long.get("Globals")
        functions = section.get("Function") if isinstance(section, dict) else None
        return functions.get(key) if isinstance(functions, dict) else None

    def _artifact(self, path: Path, form: Form) -> Artifact:
        if path not in self.found:
            content = pack(path, form)
            suffix = ".zip" if form == "zip" and path.suffix not in _ARCHIVES else path.suffix
            digest = hashlib.sha256(content).hexdigest()[:40]
            self.found[path] = Artifact(path, f"{self.prefix}{digest}{suffix}", content)
        return self.found[path]

    def _address(self, key: str, address: Address) -> Any:
        if address == "uri":
            return f"s3://{self.bucket}/{key}"
        bucket_name, key_name = ("Bucket", "Key") if address == "Bucket/Key" else ("S3Bucket", "S3Key")
        return CommentedMap([(bucket_name, self.bucket), (key_name, key)])


def pack(path: Path, form: Form) -> bytes:
    """The bytes to upload: the file as it is, or a zip that is the same for the same content."""
    if path.is_file():
        content = path.read_bytes()
        return content if form == "file" or path.suffix in _ARCHIVES else zip_of([(path.name, content)])
    if form == "file":
        raise UsageError(f"{path} is a folder; a file is needed here.")
    files = list(_files(path))
    modes = {name: 0o755 if file.stat().st_mode & 0o111 else 0o644 for name, file in files}
    return zip_of(((name, file.read_bytes()) for name, file in files), modes)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not _LEFT_OUT & set(relative.parts):
            yield relative.as_posix(), path
