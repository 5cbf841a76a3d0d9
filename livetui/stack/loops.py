"""`Fn::ForEach` (AWS::LanguageExtensions) written out, so that the functions that a loop makes are found and made live.

Only loops over resources, outputs and conditions are written out; a loop inside a resource stays CloudFormation's.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping
from typing import Any

from ruamel.yaml.comments import CommentedMap, TaggedScalar

from livetui.errors import UsageError
from livetui.stack.document import long_form
from livetui.stack.intrinsics import Resolver

PREFIX = "Fn::ForEach::"
_SECTIONS = ("Resources", "Outputs", "Conditions")


def unroll(root: MutableMapping[str, Any], parameters: Mapping[str, Any], region: str | None) -> None:
    """Write out the loops of a template in place; one whose collection only AWS knows is left as it is.

    Raises `UsageError` for a loop that does not have its three parts.
    """
    if not any(str(name).startswith(PREFIX) for section in _SECTIONS for name in _mapping(root.get(section))):
        return
    resolver = Resolver(long_form(root), parameters, region)
    for section in _SECTIONS:
        if isinstance(root.get(section), MutableMapping):
            root[section] = _unrolled(root[section], resolver)


def _unrolled(section: MutableMapping[str, Any], resolver: Resolver) -> CommentedMap:
    written = CommentedMap()
    for name, value in section.items():
        if not str(name).startswith(PREFIX):
            written[name] = value
            continue
        if not isinstance(value, list) or len(value) != 3 or not isinstance(value[2], Mapping):
            raise UsageError(f"{name} is not a loop.", "It needs an identifier, a collection and a template.")
        values = resolver.resolve(value[1])
        if not isinstance(values, list) or not all(isinstance(item, (str, int)) for item in values):
            written[name] = value
            continue
        for item in values:
            turn = _substituted(copy.deepcopy(value[2]), str(value[0]), str(item))
            written.update(_unrolled(turn, resolver))
    return written


def _substituted(node: Any, identifier: str, value: str) -> Any:
    """`node` with `${identifier}`, `&{identifier}` (letters and digits only) and `Ref: identifier` replaced."""
    plain = "".join(letter for letter in value if letter.isalnum())

    def text(written: str) -> str:
        return written.replace(f"${{{identifier}}}", value).replace(f"&{{{identifier}}}", plain)

    if isinstance(node, TaggedScalar):
        if long_form(node) == {"Ref": identifier}:
            return value
        node.value = text(node.value)
        return node
    if long_form(node) == {"Ref": identifier}:
        return value
    if isinstance(node, MutableMapping):
        replaced = {text(str(key)): _substituted(item, identifier, value) for key, item in node.items()}
        for key in list(node):
            del node[key]
        node.update(replaced)
        return node
    if isinstance(node, list):
        for index, item in enumerate(node):
            node[index] = _substituted(item, identifier, value)
        return node
    return text(node) if isinstance(node, str) else node


def _mapping(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, Mapping) else {}
