"""Published SAM templates: all load and synth, and AWS's own linter and translator accept what comes out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from livetui.config import Settings
from livetui.config import load as load_settings
from livetui.stack import template
from livetui.stack.artifacts import package
from livetui.stack.assembly import synth
from livetui.stack.document import long_form
from livetui.stack.template import Application
from tests.unit.stack.conftest import corpus

pytestmark = pytest.mark.skipif(not corpus(), reason="the corpus of published templates is not here (LIVETUI_CORPUS)")
TEMPLATES = pytest.mark.parametrize("path", corpus(), ids=lambda path: path.stem)
REPRESENTATIVE = pytest.mark.parametrize(
    "path", [path for path in corpus() if path.stem in ("serverless-message-processing", "lambda-layer")],
    ids=lambda path: path.stem)
"""All of them go through the linter and the translator in `tests/integration/stack/test_corpus_live.py` (long)."""


def prepare(path: Path, folder: Path) -> tuple[Settings, Application]:
    """Copy one template, and give every local path in it a small file or folder."""
    shutil.copyfile(path, folder / "template.yaml")
    settings = load_settings(folder, {"app": "corpus", "stage": "dev", "region": "eu-west-1"}, {})
    application = template.load(settings)
    missing: list[str] = []
    package(application.root, application.root.document.copy().root, "bucket", "k/", missing=missing)
    for entry in missing:
        place = folder / entry.partition(": ")[2]
        if place.suffix:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("{}")
        else:
            place.mkdir(parents=True, exist_ok=True)
            (place / "app.py").write_text("def lambda_handler(event, context):\n    return event\n")
    return settings, template.load(settings)


@TEMPLATES
def test_it_loads_and_synthesises(path: Path, tmp_path: Path) -> None:
    settings, application = prepare(path, tmp_path)
    packaged = application.root.document.copy()
    package(application.root, packaged.root, "livetui-bucket", "artifacts/corpus/dev/")
    original = long_form(packaged.root)
    after = long_form(YAML().load(synth(application, settings)))
    assert after["Resources"].keys() == original["Resources"].keys()
    for name, resource in original["Resources"].items():
        if resource["Type"] not in ("AWS::Serverless::Function", "AWS::Lambda::Function", "AWS::IAM::Role"):
            assert after["Resources"][name] == resource
    for name, function in application.root.functions.items():
        properties = after["Resources"][name]["Properties"]
        assert (properties["Handler"] == "stub_runtime.handler.handler") is function.live


def linted(path: Path) -> set[str]:
    from cfnlint.api import lint_file
    from cfnlint.config import ManualArgs

    return {str(match.rule.id) for match in lint_file(path, config=ManualArgs(regions=["eu-west-1"]))
            if match.rule.severity == "error"}


@pytest.mark.long
@REPRESENTATIVE
def test_cfn_lint_finds_no_new_error(path: Path, tmp_path: Path) -> None:
    settings, application = prepare(path, tmp_path)
    before = linted(tmp_path / "template.yaml")
    (tmp_path / "live.yaml").write_text(synth(application, settings))
    assert linted(tmp_path / "live.yaml") <= before


def translated(root: Any, parameters: dict[str, str]) -> set[str]:
    """AWS's own transform, with any managed policy's name accepted; returns the resource types it made."""
    from samtranslator.translator.transform import transform

    class AnyPolicy:
        def load(self) -> dict[str, str]:
            class Arns(dict[str, str]):
                def __contains__(self, name: object) -> bool:
                    return True

                def __getitem__(self, name: str) -> str:
                    return f"arn:aws:iam::aws:policy/{name}"

                def get(self, name: str, default: Any = None) -> str:
                    return self[name]

            return Arns()

    done = transform(root, parameters, AnyPolicy())
    return {resource["Type"] for resource in done["Resources"].values()}


@REPRESENTATIVE
def test_the_sam_translator_accepts_it_like_the_original(path: Path, tmp_path: Path,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    settings, application = prepare(path, tmp_path)
    if not application.root.is_sam:
        pytest.skip("a plain CloudFormation template")
    packaged = application.root.document.copy()
    package(application.root, packaged.root, "bucket", "k/")
    parameters = dict.fromkeys(application.missing, "value")
    original = translated(long_form(packaged.root), parameters)
    assert translated(long_form(YAML().load(synth(application, settings))), parameters) <= original
