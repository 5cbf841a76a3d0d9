"""Published templates go live in a real session, and each of their functions answers with the code in the project."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import pytest
from msgspec.structs import replace
from ruamel.yaml import YAML

from livetui.aws import Aws
from livetui.cloud import LocalCloud
from livetui.config import Settings
from livetui.errors import LivetuiError
from livetui.session.headless import live
from livetui.session.session import Session
from livetui.stack import template
from livetui.stack.artifacts import package
from livetui.stack.assembly import synth
from livetui.stack.document import long_form
from livetui.stack.template import Application
from tests.integration.events import Heard
from tests.unit.stack.conftest import corpus
from tests.unit.stack.test_corpus import linted, prepare, translated

VALUES = {"eventbridge-lambda-fsx-openzfs-periodic-replication":
          {"SourceVolumeID": "fsvol-0123", "TargetVolumeID": "fsvol-4567", "Email": "someone@example.org"}}
NOT_HERE = {
    "alb-lambda-rest-api-sam-py": "AWS::ApplicationInsights::Application",
    "apigw-edge-custom-domain": "AWS::Route53::RecordSetGroup",
    "eventbridge-pipes-sqs-lambda-api-destination": "AWS::Events::ApiDestination",
    "rabbitmq-lambda": "AWS::AmazonMQ::Broker",
    "vpc-lattice-lambda": "AWS::VpcLattice::",
}
"""Template → the type that it needs and the local cloud does not know."""
HANDLER = """\
import os

def {name}(event, context):
    return {{"file": os.path.abspath(__file__), "name": context.function_name, "event": event}}
"""


@dataclass
class Row:
    """One line of the table."""

    template: str
    synth: str = "-"
    lint: str = "-"
    translator: str = "-"
    live: str = "-"
    answered: str = "-"
    reason: str = ""


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[Row]]:
    """What each template did; printed when all have run."""
    rows: list[Row] = []
    yield rows
    titles = ("template", "synth", "new lint errors", "translator", "live", "functions answered", "reason")
    assert len(titles) == len(fields(Row))
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print()
        for line in (titles, *sorted(astuple(row) for row in rows)):
            print("{:<52} {:<6} {:<16} {:<11} {:<5} {:<19} {}".format(*line))


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.skipif(not corpus(), reason="the corpus of published templates is not here (LIVETUI_CORPUS)")
@pytest.mark.parametrize("path", corpus(), ids=lambda path: path.stem)
def test_its_functions_answer_with_local_code(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                              table: list[Row]) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    row = Row(path.stem)
    table.append(row)
    project = tmp_path / "project"
    project.mkdir()
    settings, application = prepare(path, project)
    write_handlers(application)
    look_at_the_text(row, settings, application, tmp_path)
    settings = replace(settings, app=f"c{uuid.uuid4().hex[:8]}", local=True,
                       parameters=dict.fromkeys(application.missing, f"value{uuid.uuid4().hex[:8]}")
                       | VALUES.get(path.stem, {}))
    session = Session(settings)
    heard = Heard()
    try:
        with live(session, heard):
            row.live = "yes"
            invoke_all(row, settings, session)
    except LivetuiError as error:
        row.live, row.reason = "no", f"{error.what} {error.why}"
        unknown = NOT_HERE.get(path.stem)
        if unknown is None or unknown not in error.why:
            raise
        pytest.skip(f"the local cloud does not know {unknown}")
    else:
        assert path.stem not in NOT_HERE, "the local cloud knows it by now"
    finally:
        shutil.rmtree(project, ignore_errors=True)


def write_handlers(application: Application) -> None:
    """A small handler for every function that can be live, where its template says that its code lies."""
    for function in application.found.values():
        if not function.live:
            continue
        assert function.code_root is not None
        module, _, name = function.handler.rpartition(".")
        file = function.code_root / f"{module.replace('.', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(HANDLER.format(name=name))


def look_at_the_text(row: Row, settings: Settings, application: Application, folder: Path) -> None:
    """What AWS's own linter and translator say of the live template, compared with the original."""
    text = synth(application, settings)
    row.synth = "yes"
    (folder / "live.yaml").write_text(text)
    new = linted(folder / "live.yaml") - linted(application.path)
    row.lint = ", ".join(sorted(new)) or "none"
    assert not new
    if not application.root.is_sam:
        row.translator = "not SAM"
        return
    packaged = application.root.document.copy()
    package(application.root, packaged.root, "bucket", "k/")
    parameters = dict.fromkeys(application.missing, "value")
    original = translated(long_form(packaged.root), parameters)
    assert translated(long_form(YAML().load(text)), parameters) <= original
    row.translator = "accepts"


def invoke_all(row: Row, settings: Settings, session: Session) -> None:
    """Invoke every live function through the cloud: its caller gets what the file in the project returns."""
    cloud = LocalCloud.find(settings.state)
    assert cloud is not None
    client = Aws(cloud.access).client("lambda")
    found = template.load(settings).found
    status = session.status().live
    assert status is not None
    functions = {id: info for id, info in status.functions.items() if info.live}
    for answered, (id, info) in enumerate(functions.items(), 1):
        answer = client.invoke(FunctionName=info.name, Payload=json.dumps({"ask": id}).encode())
        body = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, f"{id}: {body}"
        assert (body["name"], body["event"]) == (info.name, {"ask": id})
        assert Path(body["file"]).is_relative_to(found[id].code_root or "")
        row.answered = f"{answered} of {len(functions)}"
    others = {id: info.reason for id, info in status.functions.items() if not info.live}
    row.reason = "; ".join(f"{id}: {reason}" for id, reason in others.items())
