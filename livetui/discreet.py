"""Values whose repr names some of their fields alone: the others hold secrets or payloads."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec


class Discreet(msgspec.Struct, frozen=True):
    """Shows the fields in `SHOWN`, also to rich, which draws tracebacks with the values of variables."""

    SHOWN: ClassVar[tuple[str, ...]] = ()

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What rich shows."""
        return [(name, getattr(self, name)) for name in self.SHOWN]

    def __repr__(self) -> str:
        """The same."""
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"
