"""What SAM CLI's own settings file says: parameter values, the template's place, and the real stack's name."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from livetui.errors import UsageError


@dataclass(frozen=True)
class SamConfig:
    """The parts of `samconfig.toml` that matter here; empty when there is none."""

    stack_name: str = ""
    """The real stack: never the one that livetui deploys."""
    template: str = ""
    region: str = ""
    """Where the real stack is."""
    parameters: Mapping[str, str] = field(default_factory=dict)


def read(folder: Path, environment: str = "default") -> SamConfig:
    """Read `samconfig.toml` (or .yaml, .yml). Raises `UsageError` when it is broken."""
    for name in ("samconfig.toml", "samconfig.yaml", "samconfig.yml"):
        path = folder / name
        if path.is_file():
            return _parse(_table(path).get(environment))
    return SamConfig()


def _table(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text("utf-8")
        loaded = tomllib.loads(text) if path.suffix == ".toml" else YAML(typ="safe").load(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, YAMLError) as error:
        raise UsageError(f"{path.name} cannot be read.", str(error), f"Mend {path}.") from error
    return loaded if isinstance(loaded, dict) else {}


def _parse(environment: Any) -> SamConfig:
    merged: dict[str, Any] = {}
    for command in ("global", "build", "deploy"):
        section = environment.get(command) if isinstance(environment, dict) else None
        values = section.get("parameters") if isinstance(section, dict) else None
        merged |= values if isinstance(values, dict) else {}
    return SamConfig(str(merged.get("stack_name", "")),
                     str(merged.get("template_file", merged.get("template", ""))), str(merged.get("region", "")),
                     overrides(merged.get("parameter_overrides", "")))


def overrides(value: Any) -> dict[str, str]:
    """`A=1 B="x y"`, a list of such, or `ParameterKey=A,ParameterValue=1`, as SAM CLI accepts them."""
    if isinstance(value, dict):
        return {str(key): str(item) for key, item in value.items()}
    parts = value if isinstance(value, list) else _words(str(value))
    found: dict[str, str] = {}
    for part in parts:
        pair = re.fullmatch(r"ParameterKey=(.*?),ParameterValue=(.*)", str(part), re.DOTALL)
        key, _, item = (pair[1], "", pair[2]) if pair else str(part).partition("=")
        if key:
            found[key] = item.strip('"')
    return found


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
