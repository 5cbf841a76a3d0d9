"""A handler that is not in the code is told of before its first caller finds out."""

from __future__ import annotations

from pathlib import Path

import pytest

from livetui.stack.handlers import missing_handler


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    for name, text in {
        "app.py": "from other import made as imported\ndef handler(event, context): ...\nif True:\n    late = handler\n",
        "pkg/__init__.py": "class Handler: ...\nasync def run(event, context): ...\n",
        "star.py": "from app import *\n", "lazy.py": "def __getattr__(name): ...\n", "broken.py": "def (:\n",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("handler", ["app.handler", "app.imported", "app.late", "pkg.Handler", "pkg.run", "star.any",
                                     "lazy.any", "broken.handler"])
def test_what_is_there_or_cannot_be_judged_is_not_complained_of(code: Path, handler: str) -> None:
    assert missing_handler(code, handler) == ""


def test_what_is_not_there_is_named(code: Path) -> None:
    assert missing_handler(code, "app.nothere") == "app.py defines no 'nothere', which its handler 'app.nothere' names."
    assert "has no module 'elsewhere'" in missing_handler(code, "elsewhere.handler")
    assert "has no module 'handler'" in missing_handler(code, "handler")
