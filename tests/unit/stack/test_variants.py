"""Templates written to CloudFormation's and SAM's rules, one per corner of them: AWS's tools accept what they become."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from livetui.config import Settings
from livetui.stack.artifacts import package
from livetui.stack.assembly import synth
from livetui.stack.document import long_form
from livetui.stack.template import Application
from tests.unit.stack.test_corpus import linted, prepare, translated

VARIANTS = pytest.mark.parametrize("path", sorted((Path(__file__).parent / "variants").glob("*.yaml")),
                                   ids=lambda path: path.stem)
CHANGED = ("AWS::Serverless::Function", "AWS::Lambda::Function", "AWS::IAM::Role", "AWS::Lambda::Alias",
           "AWS::Lambda::Version")


def prepared(path: Path, folder: Path) -> tuple[Settings, Application]:
    if path.with_suffix("").is_dir():
        shutil.copytree(path.with_suffix(""), folder, dirs_exist_ok=True)
    return prepare(path, folder)


@VARIANTS
def test_it_becomes_live_by_the_rules(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    settings, application = prepared(path, tmp_path)
    packaged = application.root.document.copy()
    package(application.root, packaged.root, "livetui-bucket", "artifacts/corpus/dev/")
    before: Any = long_form(packaged.root)
    after: Any = long_form(YAML().load(synth(application, settings)))
    for name, resource in before["Resources"].items():
        if resource["Type"] not in CHANGED and name not in application.root.children:
            assert after["Resources"][name] == resource
    for name, function in application.root.functions.items():
        assert (after["Resources"][name]["Properties"].get("Handler") == "stub_runtime.handler.handler") is function.live
    if application.root.is_sam:
        assert translated(after, {}) <= translated(before, {})


@pytest.mark.long
@VARIANTS
def test_cfn_lint_finds_no_new_error(path: Path, tmp_path: Path) -> None:
    settings, application = prepared(path, tmp_path)
    (tmp_path / "live.yaml").write_text(synth(application, settings))
    assert linted(tmp_path / "live.yaml") <= linted(tmp_path / "template.yaml")
