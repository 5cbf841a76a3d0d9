"""Published templates go live on the local cloud, as far as it knows their resource types."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from livetui.aws import Aws
from livetui.errors import LivetuiError
from livetui.stack.bootstrap import Bootstrap
from livetui.stack.deployment import deploy_live, remove_live

CORPUS = Path(os.environ.get("LIVETUI_CORPUS", Path(__file__).resolve().parents[4] / "shared" / "corpus")) / "sam"
TEMPLATES = sorted(CORPUS.glob("*.yaml"))
VALUES = {"eventbridge-lambda-fsx-openzfs-periodic-replication":
          {"SourceVolumeID": "fsvol-0123", "TargetVolumeID": "fsvol-4567", "Email": "someone@example.org"}}


@pytest.mark.long
@pytest.mark.skipif(not TEMPLATES, reason="the corpus of published templates is not here (LIVETUI_CORPUS)")
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_it_goes_live_and_its_stubs_run(path: Path, tmp_path: Path, aws: Aws, bootstrap: Bootstrap) -> None:
    from msgspec.structs import replace

    from tests.unit.stack.test_corpus import prepare

    settings, application = prepare(path, tmp_path)
    settings = replace(settings, app=f"c{uuid.uuid4().hex[:8]}", local=True,
                       parameters=dict.fromkeys(application.missing, f"value{uuid.uuid4().hex[:8]}") | VALUES.get(
                           path.stem, {}))
    from livetui.stack import template

    application = template.load(settings)
    try:
        live = deploy_live(application, aws, bootstrap, settings, lambda _: None)
        for function in live.functions.values():
            if function.live:
                answer = aws.client("lambda").invoke(FunctionName=function.arn, Payload=b"{}")
                assert "LivetuiOffline" in answer["Payload"].read().decode()
    except LivetuiError as error:
        if "Unsupported" in error.why or "Unrecognized resource types" in error.why or "not supported" in error.why:
            pytest.skip(f"the local cloud does not know it: {error.why[:200]}")
        raise
    finally:
        remove_live(aws, settings, lambda _: None, bootstrap)
