"""CDK applications: a synthesised cloud assembly (`cdk.out`) read as templates, with its assets and their sources.

The assembly's manifest names the stacks and their order, one asset manifest per stack names files by the key under
which templates mention them (AWS CDK, "Cloud assembly" and "asset manifest" schemas).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from livetui.config import Settings
from livetui.errors import UsageError
from livetui.stack.document import Document

FOLDER = "cdk.out"
_SKIPPED = {"node_modules", "cdk.out", "__pycache__", "site-packages", "build", "dist"}
_COMPARED = (".py",)


@dataclass(frozen=True)
class Asset:
    """One file asset of a stack."""

    key: str
    """Its object key, as templates write it."""
    path: Path
    packaging: Literal["zip", "file"]
    bucket: str
    """CDK's own bucket, as templates write it."""


@dataclass(frozen=True)
class Assets:
    """The assets that one stack may mention."""

    files: Mapping[str, Asset] = field(default_factory=dict)
    images: Mapping[str, tuple[Path, str]] = field(default_factory=dict)
    """Image tag → folder and name of its Dockerfile."""
    project: Path = Path()
    exports: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Name of each export of the assembly → the stack and the output it stands for."""

    def source(self, mention: Any) -> Path | None:
        """The folder that belongs to `mention` (an `S3Key`): the project's own where it can be told, else the copy."""
        asset = self.files.get(mention) if isinstance(mention, str) else None
        return None if asset is None else source_of(asset.path, self.project) or asset.path

    def template(self, mention: Any) -> Path | None:
        """The nested template that a `TemplateURL` means."""
        written = json.dumps(mention)
        for key, asset in self.files.items():
            if key in written:
                return asset.path
        return None

    def image(self, mention: Any) -> tuple[Path, str] | None:
        """Folder and Dockerfile of the image that an `ImageUri` means."""
        written = json.dumps(mention)
        return next((place for tag, place in self.images.items() if tag in written), None)


@dataclass(frozen=True)
class CdkStack:
    """One stack of an assembly."""

    name: str
    template: Path
    assets: Assets
    dependencies: tuple[str, ...] = ()
    place: tuple[str, str] = ("", "")
    """Account and region that it is synthesised for; empty where it takes those it is deployed to."""


def find(settings: Settings) -> Path | None:
    """The assembly's folder, when the project (or `--template`) has one. Raises `UsageError` when it must be made."""
    named = settings.root / settings.template if settings.template else None
    folder = named if named is not None and named.is_dir() else settings.root / FOLDER if named is None else None
    if folder is not None and (folder / "manifest.json").is_file():
        return folder
    if named is None and (settings.root / "cdk.json").is_file():
        raise UsageError("The CDK application is not synthesised.", f"There is no {FOLDER}/manifest.json.",
                         "Run `cdk synth`, then livetui again.")
    return None


def stacks(folder: Path, project: Path, only: str = "") -> list[CdkStack]:
    """The assembly's stacks, dependencies first; `only` is the template of one that is wanted, with what it needs.

    Raises `UsageError` for a broken or empty assembly.
    """
    artifacts = _artifacts(folder)
    found: dict[str, CdkStack] = {}
    for name, artifact in artifacts.items():
        if artifact.get("type") != "aws:cloudformation:stack":
            continue
        needs = artifact.get("dependencies", [])
        files = [artifacts[need]["properties"]["file"] for need in needs
                 if artifacts.get(need, {}).get("type") == "cdk:asset-manifest"]
        found[name] = CdkStack(name, folder / artifact["properties"]["templateFile"],
                               _assets(folder, files, project),
                               tuple(need for need in needs
                                     if artifacts.get(need, {}).get("type") == "aws:cloudformation:stack"),
                               _place(artifact.get("environment", "")))
    if not found:
        nested = [name for name, artifact in artifacts.items() if artifact.get("type") == "cdk:cloud-assembly"]
        raise UsageError(f"{folder} has no stack of its own.", f"Its stages are: {', '.join(nested) or 'none'}.",
                         f"Choose one: --template {folder.name}/{nested[0] if nested else 'assembly-NAME'}")
    return _ordered(found, [name for name, stack in found.items() if only in ("", stack.template.name)])


def is_part(path: Path) -> bool:
    """Whether a template's file is that of a stack in an assembly; a `manifest.json` may be anything else, too."""
    if path.suffix != ".json" or not (path.parent / "manifest.json").is_file():
        return False
    with contextlib.suppress(UsageError):
        return any(isinstance(properties := artifact.get("properties"), dict)
                   and properties.get("templateFile") == path.name for artifact in _artifacts(path.parent).values())
    return False


def _artifacts(folder: Path) -> dict[str, dict[str, Any]]:
    artifacts = _json(folder / "manifest.json").get("artifacts")
    return {name: artifact for name, artifact in artifacts.items() if isinstance(artifact, dict)} \
        if isinstance(artifacts, dict) else {}


def check_place(places: Mapping[str, tuple[str, str]], account: str, region: str) -> None:
    """Raise `UsageError` when a stack is synthesised for another account (empty: not looked at) or region."""
    for name, (wanted_account, wanted_region) in places.items():
        other = (f"Or take the account and region out of its `env` and run `cdk synth` again, or choose another stack: "
                 f"--template {FOLDER}/STACK.template.json")
        if wanted_region and wanted_region != region:
            raise UsageError(f"The stack {name} is synthesised for {wanted_region}, and this session is in {region}.",
                             "Its names and policies have the region written into them.",
                             f"Pass --region {wanted_region}. {other}")
        if account and wanted_account and wanted_account != account:
            raise UsageError(
                f"The stack {name} is synthesised for the account {wanted_account}, and this session is in {account}.",
                "Its names and policies have the account written into them.",
                f"Pass --profile NAME, of one that signs in to {wanted_account}. {other}")


def parent(members: list[CdkStack], folder: Path) -> Document:
    """One template that nests all stacks of an assembly in their order: they become one live stack.

    Exports are unique in a region, so that a second copy could not have them: what one stack imports from another is
    passed as a parameter instead.
    """
    exports = export_names(members)
    ids = _logical_ids(members)
    resources: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    for stack in members:
        template = _json(stack.template)
        imported = [name for name in exports if json.dumps({"Fn::ImportValue": name}) in json.dumps(template)]
        passed = {parameter_of(name): {"Fn::GetAtt": [ids[exports[name][0]], f"Outputs.{exports[name][1]}"]}
                  for name in imported}
        resources[ids[stack.name]] = {
            "Type": "AWS::CloudFormation::Stack",
            "Properties": {"TemplateURL": stack.template.name, **({"Parameters": passed} if passed else {})},
            **({"DependsOn": [ids[name] for name in stack.dependencies]} if stack.dependencies else {})}
        for name, output in template.get("Outputs", {}).items():
            if "Export" not in output:
                outputs[name if name not in outputs else ids[stack.name] + name] = {
                    "Value": {"Fn::GetAtt": [ids[stack.name], f"Outputs.{name}"]}}
    root = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources, "Outputs": outputs}
    return Document(folder / "manifest.json", root, is_json=True, indent=1)


def parameter_of(export: str) -> str:
    """The parameter that stands for an import in a nested stack."""
    return "Import" + hashlib.sha256(export.encode()).hexdigest()[:24]


def _logical_ids(members: Iterable[CdkStack]) -> dict[str, str]:
    """Each stack's name as a logical id: letters and digits, and a digest where two would be called alike."""
    plain = {stack.name: re.sub(r"[^A-Za-z0-9]", "", stack.name) or "Stack" for stack in members}
    return {name: id if list(plain.values()).count(id) == 1 else id + hashlib.sha256(name.encode()).hexdigest()[:8]
            for name, id in plain.items()}


def export_names(members: Iterable[CdkStack]) -> dict[str, tuple[str, str]]:
    """The literal export names of all stacks, with the stack and the output behind each."""
    found: dict[str, tuple[str, str]] = {}
    for stack in members:
        for output, declared in _json(stack.template).get("Outputs", {}).items():
            name = declared.get("Export", {}).get("Name")
            if isinstance(name, str):
                found[name] = (stack.name, output)
    return found


def prepare(root: MutableMapping[str, Any]) -> None:
    """Take out what only CDK's own deployment needs: the check of its bootstrap stack and its usage report."""
    for section, names in (("Parameters", ["BootstrapVersion"]), ("Rules", ["CheckBootstrapVersion"])):
        for name in names:
            if name in root.get(section, {}):
                del root[section][name]
        if section in root and not root[section]:
            del root[section]
    for name, resource in list(root.get("Resources", {}).items()):
        if resource.get("Type") == "AWS::CDK::Metadata":
            del root["Resources"][name]


def relocate(root: MutableMapping[str, Any], assets: Assets, bucket: str, prefix: str) -> None:
    """Replace CDK's bucket and keys by ours, and exchange with other stacks of the assembly by parameters."""
    done = _relocated(root, assets, bucket, prefix)
    for output in done.get("Outputs", {}).values():
        if output.get("Export", {}).get("Name") in assets.exports:
            del output["Export"]
    written = json.dumps(done, default=str)
    for name in assets.exports:
        if (parameter := parameter_of(name)) in written:
            done.setdefault("Parameters", {})[parameter] = {"Type": "String"}
    root.clear()
    root.update(done)


def _relocated(node: Any, assets: Assets, bucket: str, prefix: str) -> Any:
    if isinstance(node, Mapping):
        done = {key: _relocated(value, assets, bucket, prefix) for key, value in node.items()}
        if len(done) == 1 and done.get("Fn::ImportValue") in assets.exports:
            return {"Ref": parameter_of(done["Fn::ImportValue"])}
        # Without a variable left in it, Fn::Sub is flagged by linters.
        return bucket if done == {"Fn::Sub": bucket} else done
    if isinstance(node, list):
        return [_relocated(item, assets, bucket, prefix) for item in node]
    if isinstance(node, str):
        for key, asset in assets.files.items():
            node = node.replace(asset.bucket, bucket)
            if key in node and prefix + key not in node:
                node = node.replace(key, prefix + key)
    return node


def mentioned(node: Any, assets: Assets) -> list[Asset]:
    """The assets that a template still needs."""
    written = json.dumps(node, default=str)
    return [asset for key, asset in assets.files.items() if key in written]


def source_of(copy: Path, project: Path) -> Path | None:
    """The project folder that `copy` (a staged asset) was made from: the one with the same Python files.

    Files whose content is the same count most, so that a folder edited since `cdk synth` is still found.
    """
    wanted = {path.relative_to(copy): path for path in copy.rglob("*") if path.suffix in _COMPARED}
    if not wanted or not copy.is_dir():
        return None
    rarest = max(wanted, key=lambda path: (len(path.parts), len(path.name)))
    best: tuple[int, Path] | None = None
    for candidate in python_files(project, rarest.name):
        if candidate.parts[-len(rarest.parts):] != rarest.parts:
            continue
        root = candidate.parents[len(rarest.parts) - 1]
        if not all((root / path).is_file() for path in wanted):
            continue
        same = sum((root / path).read_bytes() == file.read_bytes() for path, file in wanted.items())
        if best is None or same > best[0]:
            best = same, root
    return best[1] if best else None


def python_files(folder: Path, name: str) -> Iterable[Path]:
    """The files called `name` below `folder`, without those of environments, builds and hidden folders."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in _SKIPPED and not path.name.startswith(".") and not (path / "pyvenv.cfg").exists():
                yield from python_files(path, name)
        elif path.name == name:
            yield path


def _assets(folder: Path, files: Iterable[str], project: Path) -> Assets:
    found: dict[str, Asset] = {}
    images: dict[str, tuple[Path, str]] = {}
    for file in files:
        manifest = _json(folder / file)
        for entry in manifest.get("files", {}).values():
            source = entry.get("source", {})
            for destination in entry.get("destinations", {}).values():
                if "path" in source:
                    key = destination["objectKey"]
                    found[key] = Asset(key, folder / source["path"], source.get("packaging", "file"),
                                       destination["bucketName"])
        for entry in manifest.get("dockerImages", {}).values():
            source = entry.get("source", {})
            for destination in entry.get("destinations", {}).values():
                if "directory" in source:
                    images[destination["imageTag"]] = (folder / source["directory"],
                                                       source.get("dockerFile", "Dockerfile"))
    return Assets(found, images, project)


def _place(environment: str) -> tuple[str, str]:
    """`aws://ACCOUNT/REGION` of the manifest, where either may be unknown."""
    account, _, region = environment.removeprefix("aws://").partition("/")
    return "" if account == "unknown-account" else account, "" if region == "unknown-region" else region


def _ordered(found: Mapping[str, CdkStack], wanted: Iterable[str]) -> list[CdkStack]:
    order: dict[str, CdkStack] = {}

    def take(name: str) -> None:
        for need in found[name].dependencies:
            if need not in order and need in found:
                take(need)
        order[name] = found[name]

    for name in wanted:
        take(name)
    return list(order.values())


def _json(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"The CDK assembly is not complete: {path.name} cannot be read.", str(error),
                         "Run `cdk synth` again.") from error
    return loaded if isinstance(loaded, dict) else {}
