"""A template file as a document: read and written by ruamel.yaml so that comments, order and quoting survive.

CloudFormation's short forms (`!Ref X`) stay as they were written; `long_form` shows any node as plain values with
every intrinsic spelled out, which is what the rest of this room reasons about.
"""

from __future__ import annotations

import copy
import datetime
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarfloat import ScalarFloat
from ruamel.yaml.scalarint import ScalarInt

from livetui.errors import UsageError

MAX_BYTES = 1_000_000
"""CloudFormation's own limit for a template."""
MAX_NODES = 300_000
"""With aliases written out; a megabyte of text has fewer."""
MAX_DEPTH = 100


@dataclass(frozen=True)
class Document:
    """A parsed template file; `root` may be edited and is what `text` writes."""

    path: Path
    root: MutableMapping[str, Any]
    is_json: bool = False
    indent: int = 2
    dash_offset: int = 2

    def text(self) -> str:
        """The document as text, in the language and indentation of its file."""
        if self.is_json:
            return json.dumps(self.root, indent=self.indent, default=str) + "\n"
        yaml = _yaml()
        yaml.indent(mapping=self.indent, sequence=self.dash_offset + 2, offset=self.dash_offset)
        stream = io.StringIO()
        # Writing moves comments about inside the tree; what was written could not be copied or written again.
        yaml.dump(copy.deepcopy(self.root), stream)
        return stream.getvalue()

    def copy(self) -> Document:
        """An independent copy, to be edited."""
        return Document(self.path, copy.deepcopy(self.root), self.is_json, self.indent, self.dash_offset)


def read(path: Path) -> Document:
    """Parse a template. Raises `UsageError` that names file, line and column of a mistake."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"The template {path} has more than {MAX_BYTES} bytes.", "CloudFormation takes no more.")
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"The template {path} cannot be read.", str(error)) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The template {path} is not text.", str(error), "Save it as UTF-8.") from error
    if text.lstrip().startswith("{"):
        return _read_json(path, text)
    try:
        root = _yaml().load(text)
    except MarkedYAMLError as error:
        raise _mistake(path, error, error.problem or "not YAML") from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{path.name} is not valid YAML.", str(error)) from error
    if not isinstance(root, CommentedMap):
        found = "nothing" if root is None else "no mapping"
        raise UsageError(f"{path.name} is not a template: it holds {found}.", "", "It needs a `Resources` section.")
    _measure(path, root)
    if re.search(r"(?m)(?:^|[:\-\s])[*&]\w", text):
        root = _without_aliases(root)
    return Document(path, root, False, *_indentation(text))


def _read_json(path: Path, text: str) -> Document:
    try:
        root = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{path.name}, line {error.lineno}, column {error.colno}: {error.msg}.",
                         "The template is not valid JSON.", f"Mend {path}.") from error
    except (RecursionError, ValueError) as error:
        raise UsageError(f"{path.name} is not valid JSON.", str(error)) from error
    _measure(path, root)
    indented = re.search(r"\n( +)\S", text)
    return Document(path, root, True, len(indented[1]) if indented else 2)


def _measure(path: Path, root: Any) -> None:
    """Refuse what would take all memory, or all of the stack, once aliases are written out."""
    waiting, count = [(root, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if count > MAX_NODES or depth > MAX_DEPTH:
            raise UsageError(f"{path.name} is larger than any template.",
                             f"It has more than {MAX_NODES} values, or more than {MAX_DEPTH} inside each other.")
        inner = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
        waiting += [(item, depth + 1) for item in inner]


class _LastWins(RoundTripConstructor):
    """Of a name given twice the last value counts, as in CloudFormation's own reader."""

    def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:
        return True


def _yaml() -> YAML:
    yaml = YAML()
    yaml.Constructor = _LastWins
    yaml.preserve_quotes = True
    yaml.width = 100_000
    return yaml


def _mistake(path: Path, error: MarkedYAMLError, problem: str) -> UsageError:
    mark = error.problem_mark or error.context_mark
    place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return UsageError(f"{path.name}{place}: {problem}.", "The template is not valid YAML.", f"Mend {path}.")


def _indentation(text: str) -> tuple[int, int]:
    """How many spaces the file mostly uses per mapping level, and before the dash of a list."""
    between = r":[^\S\n]*(?:#.*)?\n(?:[^\S\n]*(?:#.*)?\n)*"
    nested = re.search(r"(?m)^[\w\"']+" + between + r"( +)[\w\"']", text)
    listed = re.findall(r"(?m)^( *)[\w\"']+(?=" + between + r"( *)- )", text)
    offsets = Counter(len(dash) - len(name) for name, dash in listed if len(dash) >= len(name))
    return (len(nested[1]) if nested else 2), (offsets.most_common(1)[0][0] if offsets else 2)


def _without_aliases(node: Any) -> Any:
    """The same document with anchors, aliases and merge keys written out: CloudFormation does not accept them."""
    if isinstance(node, CommentedMap):
        plain = CommentedMap((key, _without_aliases(value)) for key, value in node.items())
        _keep_look(node, plain)
        return plain
    if isinstance(node, CommentedSeq):
        items = CommentedSeq(_without_aliases(item) for item in node)
        _keep_look(node, items)
        return items
    if isinstance(node, (TaggedScalar, ScalarInt, ScalarFloat)) or hasattr(node, "yaml_anchor"):
        single = copy.copy(node)
        if getattr(single, "yaml_anchor", None) and single.yaml_anchor() is not None:
            single.anchor.value = None
        return single
    return node


def _keep_look(old: Any, new: Any) -> None:
    if old.tag is not None and old.tag.value:
        new.yaml_set_ctag(old.tag)
    old.copy_attributes(new)
    if getattr(new, "_yaml_merge", None) is not None:
        delattr(new, "_yaml_merge")
    if new.yaml_anchor() is not None:
        new.anchor.value = None


def long_form(node: Any) -> Any:
    """`node` as plain dicts, lists, strings, numbers and booleans, with every short form spelled out."""
    tag = getattr(getattr(node, "tag", None), "value", None)
    if isinstance(node, TaggedScalar):
        return _intrinsic(tag or "", str(node.value))
    if isinstance(node, Mapping):
        values = {str(key): long_form(value) for key, value in node.items()}
        return _intrinsic(tag, values) if tag and tag.startswith("!") else values
    if isinstance(node, Sequence) and not isinstance(node, (str, bytes)):
        items = [long_form(item) for item in node]
        return _intrinsic(tag, items) if tag and tag.startswith("!") else items
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, int):
        return int(node)
    if isinstance(node, float):
        return float(node)
    if isinstance(node, (datetime.date, datetime.datetime)):
        return node.isoformat()
    return str(node)


def _intrinsic(tag: str, value: Any) -> Any:
    name = tag.lstrip("!")
    if not name:
        return value
    if name == "GetAtt" and isinstance(value, str):
        resource, _, attribute = value.partition(".")
        return {"Fn::GetAtt": [resource, attribute]}
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


def intrinsic_of(node: Any) -> str:
    """The intrinsic's long name when `node` is one (`Ref`, `Fn::If`, …), else an empty string."""
    plain = long_form(node)
    if isinstance(plain, dict) and len(plain) == 1:
        name = next(iter(plain))
        if name in ("Ref", "Condition") or name.startswith("Fn::"):
            return str(name)
    return ""


def branches(holder: Any, key: Any) -> Iterator[tuple[Any, Any]]:
    """Every place (container, key) that the value at `holder[key]` may come from: an `Fn::If` has two, nested more."""
    value = holder[key]
    if intrinsic_of(value) != "Fn::If":
        yield holder, key
        return
    arms = value if isinstance(value, Sequence) else next(iter(value.values()))
    for index in (1, 2):
        yield from branches(arms, index)
