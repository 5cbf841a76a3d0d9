"""From settings to an application: find the template, load it and its nested templates, list the functions."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from livetui.config import Settings
from livetui.errors import UsageError
from livetui.stack import samconfig
from livetui.stack.contract import LiveFunction
from livetui.stack.document import Document, long_form, read
from livetui.stack.functions import SAM_TRANSFORM, Function, FunctionReader
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
    path = find(settings, config)
    given = {**config.parameters, **settings.parameters}
    root = _load(path, given, settings, "", ())
    declared = root.resolver.parameters
    unknown = sorted(set(settings.parameters) - set(declared))
    if unknown:
        raise UsageError(f"{path.name} has no parameter {unknown[0]!r}.",
                         f"Its parameters are: {', '.join(declared) or 'none'}.")
    application = Application(settings.app, _selected(root, settings.function),
                              {name: value for name, value in given.items() if name in declared},
                              tuple(_missing(root, given)), config.stack_name)
    _check(application, settings)
    return application


def find(settings: Settings, config: samconfig.SamConfig | None = None) -> Path:
    """The template's file: as set, or as SAM CLI would find it. Raises `UsageError` with what to do."""
    named = settings.template or (config.template if config else "")
    if named:
        path = settings.root / named
        if path.is_file():
            return path
        if settings.template:
            raise UsageError(f"There is no template {path}.", "", "Check --template.")
    for name in NAMES:
        if (settings.root / name).is_file():
            return settings.root / name
    raise UsageError(f"No template was found in {settings.root}.", f"Looked for {', '.join(NAMES)}.",
                     "Go to the folder of a SAM or CloudFormation application, pass --template FILE, or try the "
                     "example: livetui demo")


def _load(path: Path, parameters: Mapping[str, Any], settings: Settings, prefix: str,
          above: tuple[Path, ...]) -> Template:
    if path.resolve() in above:
        raise UsageError(f"{path.name} nests itself.", " → ".join(str(part) for part in (*above, path)))
    document = read(path)
    long = long_form(document.root)
    resolver = Resolver(long, parameters, settings.region)
    reader = FunctionReader(long, resolver, path.parent, settings.state / "inline", prefix)
    children: dict[str, Template] = {}
    for logical_id, resource in reader.resources():
        place = NESTED.get(resource["Type"])
        properties = resource.get("Properties") or {}
        location = resolver.resolve(properties.get(place)) if place else None
        if not isinstance(location, str) or location.startswith(("http://", "https://", "s3://")):
            continue
        nested = (path.parent / location).resolve()
        nested = nested / "template.yaml" if nested.is_dir() else nested
        passed = resolver.resolve(properties.get("Parameters") or {})
        passed = passed if isinstance(passed, dict) else {}
        known = {key: value for key, value in passed.items() if value is not UNKNOWN}
        children[logical_id] = _load(nested, known, settings, f"{prefix}{logical_id}-", (*above, path.resolve()))
    return Template(document, long, resolver, reader.read(), children, prefix)


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
