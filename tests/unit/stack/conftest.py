"""A project folder from a template's text, and the corpus of published templates where it is there."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from livetui.config import Settings
from livetui.config import load as load_settings
from livetui.stack import template
from livetui.stack.document import long_form
from livetui.stack.live import LiveTemplate, Wiring, make_live
from livetui.stack.template import Application
from stub_runtime.topics import Topics

CORPUS = Path(os.environ.get("LIVETUI_CORPUS", Path(__file__).resolve().parents[4] / "shared" / "corpus")) / "sam"

Project = Callable[..., Settings]


def corpus() -> list[Path]:
    found = sorted(CORPUS.glob("*.yaml"))
    if not found:
        print(f"no corpus in {CORPUS}: set LIVETUI_CORPUS")
    return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Write a template (and other files) and give its settings."""

    def write(text: str, files: Mapping[str, str] | None = None, name: str = "template.yaml", **flags: Any) -> Settings:
        (tmp_path / name).write_text(textwrap.dedent(text))
        for path, content in (files or {}).items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(textwrap.dedent(content))
        return load_settings(tmp_path, {"app": "shop", "stage": "dev", **flags}, {})

    return write


WIRING = Wiring(Topics("shop", "dev"), "a2V5", "iot.example", "eu-west-1", "the-bucket",
                lambda runtime, architecture: f"stubs/{runtime}-{architecture}.zip")


def live(application: Application) -> LiveTemplate:
    return make_live(application.root, WIRING)


def properties(application: Application, logical_id: str) -> Any:
    """A function's properties after the transform, read back from the written text."""
    written = YAML().load(live(application).document.text())
    return long_form(written["Resources"][logical_id].get("Properties"))


def load(settings: Settings) -> Application:
    return template.load(settings)
