"""Whether the code of a function has its handler, as far as can be seen without running it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Literal


def missing_code(code_root: Path, handler: str, layers: Sequence[str]) -> tuple[Literal["code", "handler"], str] | None:
    """What a function lacks here, and that in a sentence; None when nothing is seen to be missing."""
    if not code_root.is_dir():
        return "code", f"Its code is not here: there is no folder {code_root}."
    wrong = "" if layers else missing_handler(code_root, handler)  # a layer may bring a handler of its own
    return ("handler", wrong) if wrong else None


def missing_handler(code_root: Path, handler: str) -> str:
    """What is wrong with `MODULE.NAME` in a code folder; empty when it is there, or cannot be judged.

    A module that is no file here may come from a layer or the environment; `import *` and `__getattr__` may make any
    name; a file that does not parse is told of when it is imported.
    """
    module, _, name = handler.rpartition(".")
    place = code_root / module.replace(".", "/")
    path = next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)
    if path is None:
        first = module.replace(".", "/").partition("/")[0]
        if first and any(code_root.glob(f"{first}*")):
            return ""  # such as an extension module
        return f"{code_root.name}/ has no module {module or handler!r} for its handler {handler!r}."
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ""
    names = {name for node in ast.walk(tree) for name in _bound(node)}
    if name in names or names & {"*", "__getattr__"}:
        return ""
    return f"{path.relative_to(code_root).as_posix()} defines no {name!r}, which its handler {handler!r} names."


def _bound(node: ast.AST) -> list[str]:
    """The names that a statement may bind, in any scope."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [alias.asname or alias.name.partition(".")[0] for alias in names]
        case ast.Name(id=name, ctx=ast.Store()):
            return [name]
    return []
