"""What a template's intrinsic functions amount to before anything is deployed; what depends on a resource is UNKNOWN.

Follows the intrinsic function reference of AWS CloudFormation.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from livetui.stack.document import long_form


class Unknown:
    """The type of UNKNOWN: a value that only a deployment tells."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()
_VARIABLE = re.compile(r"\$\{(!?[^}]*)\}")
_LIST_TYPES = ("CommaDelimitedList", "List<")


class Resolver:
    """Evaluates intrinsics of one template with its parameters' values."""

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, Any], region: str | None = None,
                 account: str | None = None) -> None:
        """`template` in long form. Values given in `parameters` win over the template's defaults."""
        self.parameters = {name: self._parameter(declared, parameters.get(name))
                           for name, declared in _section(template, "Parameters").items()}
        self.mappings = _section(template, "Mappings")
        self.conditions = _section(template, "Conditions")
        self.pseudo: dict[str, Any] = {"AWS::Region": region or UNKNOWN, "AWS::AccountId": account or UNKNOWN,
                                       "AWS::NoValue": None, "AWS::StackName": UNKNOWN, "AWS::StackId": UNKNOWN,
                                       "AWS::Partition": UNKNOWN, "AWS::URLSuffix": UNKNOWN}
        if region:
            self.pseudo["AWS::Partition"] = ("aws-cn" if region.startswith("cn-") else
                                             "aws-us-gov" if region.startswith("us-gov-") else "aws")
        self._evaluating: set[str] = set()

    @staticmethod
    def _parameter(declared: Any, given: Any) -> Any:
        declared = declared if isinstance(declared, dict) else {}
        kind = str(declared.get("Type", "String"))
        value = given if given is not None else declared.get("Default")
        # What an SSM parameter holds is known to AWS only.
        if value is None or kind.startswith("AWS::SSM::Parameter::Value"):
            return UNKNOWN
        if kind.startswith(_LIST_TYPES):
            return [part.strip() for part in str(value).split(",")] if not isinstance(value, list) else value
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else _text(value)

    def resolve(self, node: Any) -> Any:
        """`node` with all that is known put in; a value that is not known is UNKNOWN, absent ones are None."""
        return self._resolve(long_form(node))

    def condition(self, name: str) -> bool | Unknown:
        """Whether a named condition holds; UNKNOWN when that depends on what AWS knows."""
        if name not in self.conditions or name in self._evaluating:
            return UNKNOWN
        self._evaluating.add(name)
        try:
            value = self._resolve(self.conditions[name])
        finally:
            self._evaluating.discard(name)
        return _truth(value)

    def _resolve(self, node: Any) -> Any:
        if isinstance(node, list):
            return [item for item in map(self._resolve, node) if item is not None]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            name, argument = next(iter(node.items()))
            if name in ("Ref", "Condition") or name.startswith("Fn::"):
                return self._intrinsic(name, argument)
        resolved = {key: self._resolve(value) for key, value in node.items()}
        return {key: value for key, value in resolved.items() if value is not None}

    def _intrinsic(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self._reference(str(argument))
            case "Condition":
                return self.condition(str(argument))
            case "Fn::If" if isinstance(argument, list) and len(argument) == 3:
                holds = self.condition(str(argument[0]))
                return UNKNOWN if isinstance(holds, Unknown) else self._resolve(argument[1 if holds else 2])
            case "Fn::Sub":
                return self._sub(argument)
            case "Fn::FindInMap" if isinstance(argument, list):
                return self._find_in_map(argument)
        value = self._resolve(argument)
        if isinstance(value, Unknown):
            return UNKNOWN
        return _FUNCTIONS[name](value) if name in _FUNCTIONS else UNKNOWN

    def _reference(self, name: str) -> Any:
        if name in self.pseudo:
            return self.pseudo[name]
        return self.parameters.get(name, UNKNOWN)

    def _sub(self, argument: Any) -> Any:
        text, extra = (argument, {}) if isinstance(argument, str) else (argument[0], argument[1])
        values: dict[str, Any] = {}
        for found in _VARIABLE.findall(str(text)):
            if found.startswith("!"):
                values[found] = "${" + found[1:] + "}"
                continue
            name = found.strip()
            values[found] = self._resolve(extra[name]) if name in extra else self._reference(name)
            if isinstance(values[found], Unknown):
                return UNKNOWN
        return _VARIABLE.sub(lambda match: _text(values[match[1]]), str(text))

    def _find_in_map(self, argument: list[Any]) -> Any:
        default = argument[3].get("DefaultValue") if len(argument) > 3 and isinstance(argument[3], dict) else None
        found: Any = self.mappings
        for key in map(self._resolve, argument[:3]):
            if isinstance(key, Unknown):
                return UNKNOWN
            found = found.get(_text(key)) if isinstance(found, dict) else None
        return found if found is not None else self._resolve(default) if default is not None else UNKNOWN


def _section(template: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = template.get(name)
    return section if isinstance(section, dict) else {}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(_text, value)) if isinstance(value, list) else str(value)


def _truth(value: Any) -> bool | Unknown:
    return value if isinstance(value, (bool, Unknown)) else UNKNOWN


def _known(value: Any) -> bool:
    """Whether no part of `value` is UNKNOWN."""
    if isinstance(value, list):
        return all(map(_known, value))
    return not isinstance(value, Unknown)


def _equals(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 2 or not _known(value):
        return UNKNOWN
    return _text(value[0]) == _text(value[1])


def _and(value: Any) -> Any:
    if False in value:
        return False
    return True if _known(value) else UNKNOWN


def _or(value: Any) -> Any:
    if True in value:
        return True
    return False if _known(value) else UNKNOWN


def _not(value: Any) -> Any:
    only = value[0] if isinstance(value, list) and value else UNKNOWN
    return not only if isinstance(only, bool) else UNKNOWN


def _join(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[1], list) or not _known(value):
        return UNKNOWN
    return _text(value[0]).join(map(_text, value[1]))


def _select(value: Any) -> Any:
    try:
        return value[1][int(value[0])]
    except (TypeError, ValueError, IndexError, KeyError):
        return UNKNOWN


def _split(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 2 or not _known(value):
        return UNKNOWN
    return _text(value[1]).split(_text(value[0]))


def _base64(value: Any) -> Any:
    return base64.b64encode(_text(value).encode()).decode()


def _length(value: Any) -> Any:
    return len(value) if isinstance(value, list) else UNKNOWN


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "Fn::Equals": _equals, "Fn::And": _and, "Fn::Or": _or, "Fn::Not": _not, "Fn::Join": _join, "Fn::Select": _select,
    "Fn::Split": _split, "Fn::Base64": _base64, "Fn::Length": _length}


def references(node: Any) -> set[str]:
    """Logical ids (and parameters) that `node`, in long form, mentions by Ref, GetAtt or Sub."""
    found: set[str] = set()
    if isinstance(node, list):
        return found.union(*map(references, node))
    if not isinstance(node, dict):
        return found
    for name, value in node.items():
        if name == "Ref" and isinstance(value, str):
            found.add(value.split(".")[0])
        elif name == "Fn::GetAtt":
            found.add(str(value[0] if isinstance(value, list) else value).split(".")[0])
        elif name == "Fn::Sub":
            text, extra = (value, {}) if isinstance(value, str) else (value[0], value[1])
            found |= {word.split(".")[0].strip() for word in _VARIABLE.findall(str(text))
                      if not word.startswith("!")} - set(extra)
            found |= references(extra)
        else:
            found |= references(value)
    return found
