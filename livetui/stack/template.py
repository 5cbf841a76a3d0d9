"""From settings to an application: find the template, load it and its nested templates, list the functions."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from livetui.config import Settings
from livetui.errors import UsageError
from livetui.stack import callers, cdk, loops, queues, samconfig, shape, sketch
from livetui.stack.cdk import Assets
from livetui.stack.contract import LiveFunction
from livetui.stack.document import Document, long_form, read
from livetui.stack.functions import SAM_FUNCTION, SAM_TRANSFORM, Function, FunctionReader
from livetui.stack.intrinsics import UNKNOWN, Resolver

NAMES = ("template.yaml", "template.yml", "template.json")
NESTED = {"AWS::CloudFormation::Stack": "TemplateURL", "AWS::Serverless::Application": "Location"}


@dataclass(frozen=True)
class Template:
    """One template file, read and understood; nested stacks with local templates are its children."""

    document: Document
    long: Mapping[str, Any]
    """The whole template in long form."""
    resolver: Resolver
    functions: Mapping[str, Function]
    """By logical id."""
    children: Mapping[str, Template] = field(default_factory=dict)
    prefix: str = ""
    assets: Assets | None = None
    """What a CDK template mentions; None for other templates."""

    @property
    def folder(self) -> Path:
        """What relative paths in the template are relative to."""
        return self.document.path.parent

    @property
    def is_sam(self) -> bool:
        """Whether SAM's transform applies."""
        declared = self.long.get("Transform")
        return SAM_TRANSFORM in (declared if isinstance(declared, list) else [declared])

    @property
    def resources(self) -> Mapping[str, Any]:
        """The `Resources` section in long form."""
        section = self.long.get("Resources")
        return section if isinstance(section, dict) else {}

    def walk(self) -> Iterator[Template]:
        """This template, then its nested ones, depth first."""
        yield self
        for child in self.children.values():
            yield from child.walk()


@dataclass(frozen=True)
class Application:
    """What `livetui` works on: a template, its parameters and its functions."""

    name: str
    root: Template
    parameters: Mapping[str, str]
    """Values given by the user, of parameters that the template has."""
    missing: tuple[str, ...] = ()
    """Parameters without a default and without a value."""
    real_stack: str = ""
    """The stack that a real deployment owns (from samconfig), which is never touched."""
    places: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Account and region of CDK stacks that are synthesised for one; empty for what is left open."""

    @property
    def path(self) -> Path:
        """The template's file."""
        return self.root.document.path

    @property
    def found(self) -> Mapping[str, Function]:
        """All functions, nested ones too, by id."""
        return {function.id: function for template in self.root.walk() for function in template.functions.values()}

    @property
    def functions(self) -> Mapping[str, LiveFunction]:
        """The same as values for the other rooms; physical names are known after deployment only."""
        return {name: function.as_live_function() for name, function in self.found.items()}


def load(settings: Settings) -> Application:
    """Read the application of `settings.project`.

    Raises `UsageError` when there is no template, when it is broken (file, line, column), or when none of its
    functions can be made live.
    """
    config = samconfig.read(settings.root)
    given = {**config.parameters, **settings.parameters}
    path = find(settings, config)
    loader = _Loader(settings)
    members = (cdk.stacks(path, settings.root) if path.is_dir()
               else cdk.stacks(path.parent, settings.root, path.name) if cdk.is_part(path) else [])
    root = (loader.assembly(members) if members else loader.sketch() if path.name == sketch.FILE
            else loader.template(path, given))
    declared = root.resolver.parameters
    unknown = sorted(set(settings.parameters) - set(declared))
    if unknown:
        raise UsageError(f"{root.document.path.name} has no parameter {unknown[0]!r}.",
                         f"Its parameters are: {', '.join(declared) or 'none'}.")
    application = Application(settings.app, _selected(callers.leave_alone(root), settings.function),
                              {name: value for name, value in given.items() if name in declared},
                              tuple(_missing(root, given)), config.stack_name,
                              {stack.name: stack.place for stack in members if any(stack.place)})
    _check(application, settings)
    return application


def find(settings: Settings, config: samconfig.SamConfig | None = None) -> Path:
    """The template's file (or the folder of a CDK assembly): as set, or as SAM CLI and CDK would find it.

    Raises `UsageError` with what to do.
    """
    named = settings.template or (config.template if config else "")
    if named and not (settings.root / named).is_dir():
        path = settings.root / named
        if path.is_file():
            return path
        if settings.template:
            raise UsageError(f"There is no template {path}.", "", "Check --template.")
    for name in NAMES if not named else ():
        if (settings.root / name).is_file():
            return settings.root / name
    assembly = cdk.find(settings)
    if assembly is not None:
        return assembly
    if not named and sketch.is_sketched(settings):
        return settings.root / sketch.FILE
    raise UsageError(f"No template was found in {settings.root}.",
                     f"Looked for {', '.join(NAMES)} and {cdk.FOLDER}/.",
                     "Go to the folder of a SAM, CloudFormation or CDK application, pass --template FILE, name a "
                     "handler under [functions.NAME] in livetui.toml, or try the example: livetui demo")


@dataclass(frozen=True)
class _Loader:
    settings: Settings

    def assembly(self, members: list[cdk.CdkStack]) -> Template:
        """Stacks of a CDK assembly: the only one, or one template that nests them all."""
        exports = cdk.export_names(members)
        known = {stack.template.resolve(): replace(stack.assets, exports=exports) for stack in members}
        if len(members) == 1:
            return self.template(members[0].template, self.settings.parameters, known=known)
        return self._read(cdk.parent(members, members[0].template.parent), {}, "", (), known, None)

    def sketch(self) -> Template:
        """The functions that `livetui.toml` names, for a project without a template."""
        return self._read(sketch.document(self.settings), {}, "", (), {}, None)

    def template(self, path: Path, parameters: Mapping[str, Any], prefix: str = "", above: tuple[Path, ...] = (),
                 known: Mapping[Path, Assets] | None = None) -> Template:
        """A template and what it nests; `known` are the assets of CDK templates."""
        if path.resolve() in above:
            raise UsageError(f"{path.name} nests itself.", " → ".join(str(part) for part in (*above, path)))
        assets = known.get(path.resolve()) if known else None
        document = read(path)
        shape.check(path.name, long_form(document.root))
        if assets is not None:
            cdk.prepare(document.root)
        loops.unroll(document.root, parameters, self.settings.region)
        return self._read(document, parameters, prefix, above, known or {}, assets)

    def _read(self, document: Document, parameters: Mapping[str, Any], prefix: str,
              above: tuple[Path, ...], known: Mapping[Path, Assets], assets: Assets | None) -> Template:
        shape.check(document.path.name, long_form(document.root))  # again: loops are written out by now
        for resource in (document.root.get("Resources") or {}).values():
            if isinstance(resource, dict) and resource.get("Properties", {}) is None:
                del resource["Properties"]
        self._put_images(document, prefix)
        long = long_form(document.root)
        resolver = Resolver(long, parameters, self.settings.region)
        folder = document.path.parent
        reader = FunctionReader(long, resolver, folder, self.settings.state / "inline", prefix, assets)
        children: dict[str, Template] = {}
        for logical_id, resource in reader.resources():
            properties = resource.get("Properties") or {}
            nested = self._nested(resource, resolver, folder, assets)
            if nested is None:
                continue
            passed = resolver.resolve(properties.get("Parameters") or {})
            passed = passed if isinstance(passed, dict) else {}
            children[logical_id] = self.template(
                nested, {key: value for key, value in passed.items() if value is not UNKNOWN},
                f"{prefix}{logical_id}-", (*above, document.path.resolve()),
                {**known, nested.resolve(): assets} if assets is not None else known)
        read_so_far = Template(document, long, resolver, reader.read(), children, prefix, assets)
        return replace(read_so_far, children={name: _fed(read_so_far, name, child) for name, child in children.items()})

    def _put_images(self, document: Document, prefix: str) -> None:
        """Container images that the settings name, for functions that are deployed as they are."""
        resources = document.root.get("Resources")
        for logical_id, resource in (resources.items() if isinstance(resources, dict) else ()):
            image = self.settings.for_function(f"{prefix}{logical_id}").image
            if image and isinstance(resource, dict):
                properties = resource.setdefault("Properties", {})
                if resource.get("Type") == SAM_FUNCTION:
                    properties["ImageUri"] = image
                else:
                    properties["Code"] = {"ImageUri": image}

    @staticmethod
    def _nested(resource: Mapping[str, Any], resolver: Resolver, folder: Path, assets: Assets | None) -> Path | None:
        """The local template that a resource nests, if it nests one."""
        place = NESTED.get(resource["Type"])
        written = (resource.get("Properties") or {}).get(place) if place else None
        if written is None:
            return None
        if assets is not None:
            return assets.template(written)
        location = resolver.resolve(written)
        if not isinstance(location, str) or location.startswith(("http://", "https://", "s3://")):
            return None
        path = (folder / location).resolve()
        return path / "template.yaml" if path.is_dir() else path


def _fed(parent: Template, nested: str, child: Template) -> Template:
    """A nested template whose functions know of the queues of its parent that feed them."""
    feeding = queues.fed_from(parent, nested, child)
    return replace(child, functions={**child.functions, **{
        name: replace(child.functions[name], fed_from_outside=visibilities)
        for name, visibilities in feeding.items()}}) if feeding else child


def _selected(template: Template, globs: tuple[str, ...]) -> Template:
    """The same template, with the functions that no glob names left as they are."""
    if not globs:
        return template

    def chosen(function: Function) -> bool:
        return any(fnmatch.fnmatchcase(name, glob) for glob in globs for name in (function.id, function.logical_id))

    functions = {name: function if chosen(function) or not function.live else function.not_live("not selected")
                 for name, function in template.functions.items()}
    return replace(template, functions=functions,
                   children={name: _selected(child, globs) for name, child in template.children.items()})


def _missing(template: Template, given: Mapping[str, str]) -> Iterator[str]:
    declared = template.long.get("Parameters")
    for name, parameter in (declared.items() if isinstance(declared, dict) else ()):
        if name not in given and not (isinstance(parameter, dict) and "Default" in parameter):
            yield name


def _check(application: Application, settings: Settings) -> None:
    found = application.found
    if any(function.live for function in found.values()):
        return
    name = application.path.name
    if not found:
        raise UsageError(f"{name} has no Lambda function.", "",
                         "livetui runs functions of type AWS::Serverless::Function and AWS::Lambda::Function.")
    reasons = "; ".join(f"{function.id}: {function.reason}" for function in found.values())
    if settings.function and any(function.reason == "not selected" for function in found.values()):
        raise UsageError(f"No function of {name} matches --function {' '.join(settings.function)}.",
                         f"It has: {', '.join(found)}.")
    raise UsageError(f"No function of {name} can be made live.", reasons, "livetui runs Python functions.")
