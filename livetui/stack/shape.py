"""Whether a template has a template's shape, looked at once when it is read: what follows may rely on it.

Only what this room reads is looked at; everything else is judged by CloudFormation itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from livetui.errors import UsageError

_SECTIONS = ("Resources", "Parameters", "Mappings", "Conditions", "Outputs", "Globals", "Metadata")
_MAPS = ("Properties", "Metadata")
_INTRINSICS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "Ref": (lambda value: isinstance(value, (str, dict)), "a name"),
    "Fn::GetAtt": (lambda value: isinstance(value, str) or _is_list(value, 2), "a resource and an attribute"),
    "Fn::Sub": (lambda value: isinstance(value, str) or (_is_list(value, 2, 2) and isinstance(value[0], str)
                                                         and isinstance(value[1], dict)),
                "a text, or a list of a text and a mapping"),
    "Fn::If": (lambda value: _is_list(value, 3, 3), "a condition and two values"),
    "Fn::And": (lambda value: _is_list(value, 2), "a list of conditions"),
    "Fn::Or": (lambda value: _is_list(value, 2), "a list of conditions"),
    "Fn::Not": (lambda value: _is_list(value, 1, 1), "a list of one condition"),
}


def check(name: str, long: Mapping[str, Any]) -> None:
    """Raise `UsageError` that names the place; `long` is the template of the file `name` in long form."""
    for section in _SECTIONS:
        _want_map(name, section, long.get(section))
    _intrinsics(name, "", long)
    for logical_id, resource in (long.get("Resources") or {}).items():
        if logical_id.startswith("Fn::"):
            continue
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            raise _wrong(name, logical_id, "a resource with a type", resource)
        for member in _MAPS:
            _want_map(name, f"{logical_id}.{member}", resource.get(member))
        _function(name, logical_id, resource.get("Properties") or {})
    shared = (long.get("Globals") or {}).get("Function")
    _want_map(name, "Globals.Function", shared)
    _function(name, "Globals.Function", shared or {})
    for output, value in (long.get("Outputs") or {}).items():
        if not output.startswith("Fn::"):
            _want_map(name, f"Outputs.{output}", value)


def _function(name: str, place: str, properties: Mapping[str, Any]) -> None:
    """What is read of functions; other resources with members of these names have maps there, too."""
    environment = properties.get("Environment")
    if isinstance(environment, dict) or "Handler" in properties:
        _want_map(name, f"{place}.Environment", environment)
        _want_map(name, f"{place}.Environment.Variables", (environment or {}).get("Variables"))
    if "Events" in properties and "Handler" in properties:
        _want_map(name, f"{place}.Events", properties["Events"])
        for event, declared in (properties["Events"] or {}).items():
            _want_map(name, f"{place}.Events.{event}", declared)
            _want_map(name, f"{place}.Events.{event}.Properties", (declared or {}).get("Properties"))


def _want_map(name: str, place: str, value: Any) -> None:
    if value is not None and not isinstance(value, dict):
        raise _wrong(name, place, "a mapping", value)


def _intrinsics(name: str, place: str, node: Any) -> None:
    if isinstance(node, list):
        for index, item in enumerate(node):
            _intrinsics(name, f"{place}[{index}]", item)
    elif isinstance(node, dict):
        for key, value in node.items():
            here = f"{place}.{key}".lstrip(".")
            fits, wanted = _INTRINSICS.get(key, (None, ""))
            if fits is not None and not fits(value):
                raise _wrong(name, here, wanted, value)
            _intrinsics(name, here, value)


def _is_list(value: Any, least: int, most: int = 10_000) -> bool:
    return isinstance(value, list) and least <= len(value) <= most


def _wrong(name: str, place: str, wanted: str, value: Any) -> UsageError:
    shown = repr(value)
    return UsageError(f"{name}: {place} is not {wanted}.",
                      f"It is {shown if len(shown) <= 80 else shown[:77] + '…'}.", f"Mend {name}.")
