"""Local files that a template names: found by a table of property paths, uploaded under keys that name their content.

The table is what `aws cloudformation package` uploads (AWS CLI reference) and what SAM adds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml.comments import CommentedMap

from livetui.errors import UsageError
from livetui.stack import cdk
from livetui.stack.bundle import zip_of
from livetui.stack.cdk import Assets
from livetui.stack.document import intrinsic_of
from livetui.stack.template import NESTED, Application, Template

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


@dataclass(frozen=True)
class _Mention:
    """A local path in a template: `holder[key]`, in a property of the resource `owner`."""

    holder: MutableMapping[str, Any]
    key: str
    place: Place
    owner: str
    written: str
    path: Path

    def __str__(self) -> str:
        return f"{self.owner}: {self.written}"


def missing(application: Application) -> list[str]:
    """The local files that an application's deployment needs and that are not there, as `resource: path`.

    The code of live functions is none of them: a stub is deployed in its place.
    """
    found: list[str] = []
    for template in application.root.walk():
        live = {function.logical_id for function in template.functions.values() if function.live}
        found += [template.prefix + str(mention) for mention in _Reader(template).mentions(template.document.root)
                  if mention.owner not in live and not mention.path.exists()]
    return list(dict.fromkeys(found))


def none_there(missing: Sequence[str]) -> UsageError:
    """What is said when a deployment needs files that are not there."""
    count = "A file" if len(missing) == 1 else f"{len(missing)} files"
    return UsageError(f"{count} that the template names {'is' if len(missing) == 1 else 'are'} not there.",
                      "\n".join(missing), "Build them first, or mend the template.")


def package(template: Template, root: MutableMapping[str, Any], bucket: str, prefix: str, *,
            on_template: Callable[[str], str] | None = None, missing: list[str] | None = None) -> list[Artifact]:
    """Replace every local path in `root` by its address in `bucket`; returns what has to be uploaded.

    `prefix` begins the keys. `on_template` maps a nested stack's logical id to its template's address. Paths
    that do not exist are noted in `missing` and stay as they are, or raise `UsageError` when there is no such list.
    """
    resources = root.get("Resources")
    for logical_id, resource in (resources.items() if isinstance(resources, MutableMapping) else ()):
        if not isinstance(resource, MutableMapping):
            continue
        kind, properties = str(resource.get("Type")), resource.get("Properties")
        if logical_id in template.children and on_template and isinstance(properties, MutableMapping):
            properties[NESTED[kind]] = on_template(logical_id)
        elif not isinstance(properties, MutableMapping) and any(place.default for place in PLACES.get(kind, ())):
            resource["Properties"] = CommentedMap()
    mentions = list(_Reader(template).mentions(root))
    absent = [str(mention) for mention in mentions if not mention.path.exists()]
    if missing is not None:
        missing += absent
    elif absent:
        raise none_there(absent)
    found: dict[Path, Artifact] = {}
    for mention in mentions:
        if mention.path.exists():
            if mention.path not in found:
                found[mention.path] = _artifact(mention.path, mention.place.form, prefix)
            mention.holder[mention.key] = _address(bucket, found[mention.path].key, mention.place.address)
    return list(found.values())


def package_cdk(root: MutableMapping[str, Any], assets: Assets, bucket: str, prefix: str) -> list[Artifact]:
    """The same for a CDK template, whose assets the assembly names; `root` is changed in place."""
    needed = cdk.mentioned(root, assets)
    cdk.relocate(root, assets, bucket, prefix)
    return [Artifact(asset.path, prefix + asset.key, pack(asset.path, asset.packaging)) for asset in needed]


class _Reader:
    """Reads the local paths of one template."""

    def __init__(self, template: Template) -> None:
        self.template = template

    def mentions(self, root: Mapping[str, Any]) -> Iterator[_Mention]:
        """Every local path in `root`, the template or what it became; nested templates are not among them."""
        resources = root.get("Resources")
        for logical_id, resource in (resources.items() if isinstance(resources, MutableMapping) else ()):
            if isinstance(resource, MutableMapping) and logical_id not in self.template.children:
                for place in PLACES.get(str(resource.get("Type")), ()):
                    yield from self._visit(resource.get("Properties"), place.path, place, logical_id)
        metadata = root.get("Metadata")
        if isinstance(metadata, MutableMapping):
            for place in PLACES["AWS::ServerlessRepo::Application"]:
                yield from self._visit(metadata.get("AWS::ServerlessRepo::Application"), place.path, place, "Metadata")
        yield from self._includes(root)

    def _visit(self, node: Any, path: tuple[str, ...], place: Place, owner: str) -> Iterator[_Mention]:
        if not isinstance(node, MutableMapping):
            return
        if path[0] == "*":
            for value in node.values():
                yield from self._visit(value, path[1:], place, owner)
        elif len(path) > 1:
            yield from self._visit(node.get(path[0]), path[1:], place, owner)
        else:
            yield from self._mention(node, path[0], place, owner)

    def _includes(self, node: Any) -> Iterator[_Mention]:
        """`Fn::Transform: AWS::Include` anywhere in the template."""
        if isinstance(node, MutableMapping):
            transform = node.get("Fn::Transform", node if intrinsic_of(node) == "Fn::Transform" else None)
            transform = transform if isinstance(transform, MutableMapping) else {}
            if transform.get("Name") == "AWS::Include":
                place = Place(("Location",), "file", "uri")
                yield from self._visit(transform.get("Parameters"), place.path, place, "Include")
            for value in node.values():
                yield from self._includes(value)
        elif isinstance(node, list):
            for value in node:
                yield from self._includes(value)

    def _mention(self, holder: MutableMapping[str, Any], key: str, place: Place, owner: str) -> Iterator[_Mention]:
        value = holder.get(key)
        if value is None and place.default and not holder.get("InlineCode") and not holder.get("ImageUri"):
            shared = self._from_globals(key)
            value = place.default if shared is None and holder.get("PackageType") != "Image" else shared
        resolved = self.template.resolver.resolve(value)
        if isinstance(resolved, str) and not resolved.startswith(("s3://", "http://", "https://", "arn:")):
            yield _Mention(holder, key, place, owner, resolved, (self.template.folder / resolved).resolve())

    def _from_globals(self, key: str) -> Any:
        section = self.template.long.get("Globals")
        functions = section.get("Function") if isinstance(section, dict) else None
        return functions.get(key) if isinstance(functions, dict) else None


def _artifact(path: Path, form: Form, prefix: str) -> Artifact:
    content = pack(path, form)
    suffix = ".zip" if form == "zip" and path.suffix not in _ARCHIVES else path.suffix
    return Artifact(path, f"{prefix}{hashlib.sha256(content).hexdigest()[:40]}{suffix}", content)


def _address(bucket: str, key: str, address: Address) -> Any:
    if address == "uri":
        return f"s3://{bucket}/{key}"
    bucket_name, key_name = ("Bucket", "Key") if address == "Bucket/Key" else ("S3Bucket", "S3Key")
    return CommentedMap([(bucket_name, bucket), (key_name, key)])


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
