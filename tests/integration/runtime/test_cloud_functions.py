"""From deployed functions to workers: layers of the cloud, `.env` files and requirements, as a session sets them up."""

from __future__ import annotations

import contextlib
import json
import uuid
from pathlib import Path

import pytest

from livetui import config
from livetui.aws import Aws
from livetui.runtime.pool import Pool
from livetui.session.functions import Functions
from livetui.stack import layers
from livetui.stack.contract import LiveFunction, LiveStack
from tests.integration.stack.test_layers import published, zipped

from .conftest import work


def deployed(aws: Aws, code: Path, *layer_arns: str) -> LiveStack:
    """A stack of one function, as its deployment describes it."""
    name = f"F-{uuid.uuid4().hex[:8]}"
    role = aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                                                "Principal": {"Service": "lambda.amazonaws.com"}}]}))["Role"]["Arn"]
    arn = aws.client("lambda").create_function(
        FunctionName=name, Runtime="python3.11", Role=role, Handler="app.handler", Code={"ZipFile": zipped({"a": ""})},
        Environment={"Variables": {"TABLE": "cloud", "STAGE": "cloud"}})["FunctionArn"]
    function = LiveFunction("F", name, arn, "app.handler", "", code, 30, 128, live=True, layers=layer_arns)
    return LiveStack(name, "", "app", "dev", {}, {"F": function}, "bucket")


def functions(project: Path, **flags: object) -> Functions:
    return Functions(config.load(project, flags, {}), lambda name: contextlib.nullcontext(), pytest.fail)


async def test_layers_and_env_file_are_the_handlers(aws: Aws, pool: Pool, tmp_path: Path,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers.platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache"))
    (tmp_path / "app.py").write_text(
        "import os, of_layer, both\n"
        "def handler(event, context): return [of_layer.value, both.value, os.environ['TABLE'], os.environ['STAGE']]")
    (tmp_path / "livetui.toml").write_text('[functions.F]\nenv-file = ".env.local"\n')
    (tmp_path / ".env.local").write_text("TABLE=mine\n")
    first = published(aws, zipped({"python/of_layer.py": "value = 7", "python/both.py": "value = 'first'"}))
    second = published(aws, zipped({"python/both.py": "value = 'second'"}))
    gone = f"arn:aws:lambda:{aws.region}:000000000000:layer:no-such-layer:1"
    stack, made = deployed(aws, tmp_path, first, gone, second), functions(tmp_path)
    pool.configure(made.specs(aws, stack, {}))
    assert json.loads((await pool.invoke("F", work())).body) == [7, "second", "mine", "cloud"]
    warning, = (text for text in made.infos(stack, pool)["F"].warnings if "layer" in text)
    assert gone in warning and "its packages are missing here" in warning


@pytest.mark.long
async def test_saved_requirements_are_installed_for_the_next_call(aws: Aws, pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import idna\ndef handler(event, context): return idna.__version__")
    (tmp_path / "requirements.txt").write_text("six\n")
    stack, made = deployed(aws, tmp_path), functions(tmp_path)
    pool.configure(made.specs(aws, stack, {}))
    assert (await pool.invoke("F", work())).error_type == "Runtime.ImportModuleError"
    (tmp_path / "requirements.txt").write_text("six\nidna==3.7\n")
    pool.configure(made.specs(aws, stack, {}))
    assert (await pool.invoke("F", work())).body == b'"3.7"'


def test_settings_of_a_function_that_the_stack_does_not_have_are_told(tmp_path: Path) -> None:
    (tmp_path / "livetui.toml").write_text("[functions.Producer.env]\nA = '1'\n[functions.Producr]\noffline = 'error'\n")
    made = {"Producer": LiveFunction("Producer", "p", "", "app.handler", "", tmp_path, 3, 128, live=True)}
    stack = LiveStack("s", "", "app", "dev", {}, made, "bucket")
    told, = functions(tmp_path).unknown(stack)
    assert "[functions.Producr] does nothing" in told and "Did you mean Producer?" in told
