"""What a changed template would change in the live stack, told without asking the cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from livetui.stack.template import Application, Template

Action = Literal["add", "change", "remove"]


@dataclass(frozen=True)
class Change:
    """One resource, output or parameter that differs."""

    action: Action
    id: str
    """Application-wide: `Nested-Resource`."""
    type: str
    properties: tuple[str, ...] = ()
    """Names of the properties that differ."""

    def __str__(self) -> str:
        sign = {"add": "+", "change": "~", "remove": "-"}[self.action]
        return f"{sign} {self.id} ({self.type})" + (f": {', '.join(self.properties)}" if self.properties else "")


def changes(before: Application, after: Application) -> list[Change]:
    """What deploying `after` over `before` changes; empty when only comments, order or format differ."""
    return list(_changes(before.root, after.root))


def _changes(before: Template | None, after: Template | None) -> Iterator[Change]:
    prefix = (after or before).prefix  # type: ignore[union-attr]
    for section, kind in (("Resources", ""), ("Outputs", "Output"), ("Parameters", "Parameter"), ("Globals", "Globals"),
                          ("Conditions", "Condition"), ("Mappings", "Mapping")):
        old, new = _section(before, section), _section(after, section)
        for name in {**old, **new}:
            if old.get(name) == new.get(name):
                continue
            action: Action = "add" if name not in old else "remove" if name not in new else "change"
            given = new.get(name, old.get(name))
            declared = given.get("Type", "") if isinstance(given, dict) else ""
            yield Change(action, prefix + name, kind or str(declared), _differing(old.get(name), new.get(name)))
    old_children, new_children = (template.children if template else {} for template in (before, after))
    for name in {**old_children, **new_children}:
        yield from _changes(old_children.get(name), new_children.get(name))


def _section(template: Template | None, name: str) -> Mapping[str, Any]:
    section = template.long.get(name) if template else None
    return section if isinstance(section, dict) else {}


def _differing(old: Any, new: Any) -> tuple[str, ...]:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return ()
    outer = [name for name in {**old, **new} if name != "Properties" and old.get(name) != new.get(name)]
    before, after = old.get("Properties") or {}, new.get("Properties") or {}
    inner = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return (*inner, *outer)
