"""The demo's application: `examples/orders`, in place in a checkout of livetui, else a copy that the user may edit."""

from __future__ import annotations

import shutil
from pathlib import Path

import livetui

COPY = "livetui-demo"


def project(folder: Path) -> Path:
    """The folder of the demo's template, below `folder`; made on first use and never overwritten.

    In a checkout that is the example itself, so that editing it is what changes the next answer.
    """
    in_place = folder / "examples" / "orders"
    if (folder / "livetui" / "__init__.py").is_file() and in_place.is_dir():
        return in_place
    copy = folder / COPY
    if not (copy / "template.yaml").exists():
        shutil.copytree(_bundled(), copy, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    return copy


def _bundled() -> Path:
    package = Path(livetui.__file__).parent
    inside = package / "examples" / "orders"
    return inside if inside.is_dir() else package.parent / "examples" / "orders"
