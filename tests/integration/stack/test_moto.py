"""A second, independent emulator: moto accepts the bootstrap stack and the example, too (long)."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from livetui.aws import Aws, CloudAccess
from livetui.config import load
from livetui.errors import LivetuiError
from livetui.stack import bootstrap as bootstrap_stack
from livetui.stack import template
from livetui.stack.deployment import deploy_live, remove_live
from tests.integration.stack.conftest import eventually

ORDERS = Path(__file__).parents[3] / "examples" / "orders"
REGION = "eu-west-1"
MOTO = "moto[server]>=5,<6"
NO_DOCKER = b'{"lambda": {"use_docker": false}}'


def _request(url: str, body: bytes | None = None, method: str = "GET") -> bytes | None:
    """The answer, or None while there is none."""
    request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bytes(answer.read())
    except (urllib.error.URLError, OSError):
        return None


@pytest.fixture
def moto(tmp_path: Path) -> Iterator[Aws]:
    """moto's server in an environment of its own, on loopback."""
    import uv

    environment = tmp_path / "venv"
    for words in (["venv", "-q", "-p", sys.executable, str(environment)],
                  ["pip", "install", "-q", "-p", str(environment), MOTO]):
        done = subprocess.run([uv.find_uv_bin(), *words], check=False, capture_output=True, text=True, timeout=200)
        if done.returncode:
            pytest.skip(f"{MOTO} cannot be installed here: {done.stderr[-300:]}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "moto.log").open("wb") as log:
        server = subprocess.Popen([environment / "bin" / "moto_server", "-H", "127.0.0.1", "-p", str(port)],
                                  stdout=log, stderr=log)
    url = f"http://localhost:{port}"
    try:
        eventually(lambda: server.poll() is not None or _request(f"{url}/moto-api/config") is not None, 60)
        assert server.poll() is None, (tmp_path / "moto.log").read_text()[-2000:]
        _request(f"{url}/moto-api/config", NO_DOCKER, "POST")
        yield Aws(CloudAccess(region=REGION, endpoint_url=url, access_key_id="AKIA" + "0" * 16,
                              secret_access_key="any"))
    finally:
        server.terminate()
        server.wait(20)
        print((tmp_path / "moto.log").read_text()[-1500:])


def without_what_moto_lacks(path: Path) -> None:
    """moto ends with errors of its own at a reference to an HTTP API, and puts an object where `Ref` names a bus."""
    yaml = YAML()
    document = yaml.load(path.read_text().replace("!Ref ShopBus", "default"))
    for resource in document["Resources"].values():
        events = resource.get("Properties", {}).get("Events", {})
        for name in [name for name, event in events.items() if event["Type"] == "HttpApi"]:
            del events[name]
    for section in ("Outputs", "Resources"):
        for name in [name for name, item in document[section].items() if "Api" in name]:
            del document[section][name]
    yaml.dump(document, path)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_bootstrap_and_example_are_created_updated_and_removed(moto: Aws, tmp_path: Path) -> None:
    """moto gives no outputs to stacks that come from change sets; the bootstrap's are made by an UpdateStack here."""
    with pytest.raises(LivetuiError, match="no usable outputs"):
        bootstrap_stack.ensure(moto, lambda _: None)
    cloudformation = moto.client("cloudformation")
    kinds = [item["ResourceType"] for page in cloudformation.get_paginator("list_stack_resources").paginate(
        StackName=bootstrap_stack.STACK) for item in page["StackResourceSummaries"]]
    print(*sorted(kinds))
    assert len(kinds) == len(YAML().load(bootstrap_stack.template())["Resources"])
    cloudformation.update_stack(StackName=bootstrap_stack.STACK, Capabilities=["CAPABILITY_IAM"],
                                TemplateBody=bootstrap_stack.template().replace("14", "30"))
    bootstrap = bootstrap_stack.ensure(moto, lambda _: None)
    assert bootstrap.bucket in [item["Name"] for item in moto.client("s3").list_buckets()["Buckets"]]
    assert not bootstrap.created

    project = tmp_path / "project"
    shutil.copytree(ORDERS, project / "orders")
    without_what_moto_lacks(project / "orders" / "template.yaml")
    (project / "template.json").write_text(json.dumps({"Resources": {"Orders": {  # SAM is unknown to moto
        "Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "orders/template.yaml"}}}}))
    settings = load(project, {"app": "orders", "stage": "dev", "region": REGION}, {})
    deploy_live(template.load(settings), moto, bootstrap, settings, lambda _: None)
    orders = project / "orders" / "template.yaml"
    orders.write_text(orders.read_text().replace("Timeout: 10", "Timeout: 12"))
    application = template.load(settings)
    live = deploy_live(application, moto, bootstrap, settings, lambda _: None)
    for function in live.functions.values():
        print(function.id, function.name)
        configuration = moto.client("lambda").get_function_configuration(FunctionName=function.name)
        assert configuration["Handler"] == "stub_runtime.handler.handler"
        assert "LIVETUI" in configuration["Environment"]["Variables"]
    assert len(live.functions) == 8
    assert remove_live(moto, settings, lambda _: None)
    assert bootstrap_stack.find(moto) is not None
