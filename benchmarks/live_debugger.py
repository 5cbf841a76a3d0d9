"""Lambda Live Debugger 1.2.3 on the local cloud, with the handler it can run (Node): what it adds to a call, in ms.

Its layer, its policy and its environment are deployed by itself. Three things stand in its way on an emulator, and are
done here for it: the emulator knows no `AWS_LAMBDA_EXEC_WRAPPER`, so the function's handler is set to what that
wrapper sets it to; names below `.localhost` are unknown to Node; and its IoT library wants the region out of a host
name that holds `amazonaws`.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.rivals import CACHE, LIVE_DEBUGGER, START_S, Row, installed_by_npm, skipped, times
from livetui.aws import Aws
from livetui.cloud import LocalCloud

ECHO = "exports.handler = async (event) => event;\n"
NAMES = """
const dns = require("dns");
const lookup = dns.lookup;
dns.lookup = (name, ...rest) => lookup(name.endsWith(".localhost") ? "localhost" : name, ...rest);
const parse = JSON.parse;
JSON.parse = (...words) => {
  const found = parse(...words);
  if (found && found.endpointAddress) {
    found.endpointAddress = found.endpointAddress.replace(".localhost", ".amazonaws.localhost");
  }
  return found;
};
require("tls").checkServerIdentity = () => undefined;
"""
TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


def lambda_live_debugger(folder: Path, cloud: LocalCloud, event: bytes, count: int) -> Row:
    """A bare Node function, then one that Lambda Live Debugger has taken over, on the same cloud."""
    try:
        modules = installed_by_npm(*LIVE_DEBUGGER)
        return _measured(folder, modules, cloud, event, count)
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        return skipped(getattr(error, "stderr", None) or error)


def _measured(folder: Path, modules: Path, cloud: LocalCloud, event: bytes, count: int) -> Row:
    folder.mkdir()
    (folder / "index.js").write_text(ECHO, "utf-8")
    (folder / "package.json").write_text('{"name": "echo"}', "utf-8")
    listed = [{"functionName": "LldLive", "codePath": str(folder / "index.js"), "handler": "handler"}]
    (folder / "lldebugger.config.ts").write_text(
        f'export default {{ framework: "none", getLambdas: async () => {json.dumps(listed)} }};\n', "utf-8")
    names = folder / "names.js"
    names.write_text(NAMES, "utf-8")
    node = {"NODE_EXTRA_CA_CERTS": cloud.record.ca_bundle, "NODE_OPTIONS": f"--require {names}"}
    client = _created(Aws(cloud.access))
    with _debugger(folder, modules, {**os.environ, **cloud.environment(), **node, "HOME": str(folder)}):
        variables = client.get_function_configuration(FunctionName="LldLive")["Environment"]["Variables"]
        client.update_function_configuration(
            FunctionName="LldLive", Handler="node_modules/interceptor.handler",
            Environment={"Variables": {**variables, **node, "ORIGINAL_HANDLER": "index.handler"}})

        def call(function: str) -> None:
            answer = client.invoke(FunctionName=function, Payload=event)
            if answer.get("FunctionError") or json.loads(answer["Payload"].read()) != json.loads(event):
                raise RuntimeError(f"{function} did not echo")

        found = {name: statistics.median(times(lambda: call(name), count))  # noqa: B023
                 for name in ("LldBare", "LldLive")}
    return {"bare Node ms": found["LldBare"], "live ms": found["LldLive"],
            "added ms": found["LldLive"] - found["LldBare"]}


def _created(aws: Aws) -> Any:
    """A Lambda client, in a cloud that has both functions now."""
    role = aws.client("iam").create_role(RoleName="lld", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr("index.js", ECHO)
    client = aws.client("lambda", once=True)
    for name in ("LldBare", "LldLive"):
        client.create_function(FunctionName=name, Runtime="nodejs20.x", Role=role, Handler="index.handler",
                               Code={"ZipFile": bundle.getvalue()}, Timeout=30)
    return client


@contextmanager
def _debugger(folder: Path, modules: Path, environment: dict[str, str]) -> Iterator[None]:
    """Lambda Live Debugger while the block runs. Its log lies in the cache: it watches the project's folder."""
    log = CACHE / f"live-debugger-{os.getpid()}.log"
    program = modules / "lambda-live-debugger" / "dist" / "lldebugger.mjs"
    with log.open("w") as output:
        debugger = subprocess.Popen(["node", str(program), "--region", environment["AWS_REGION"]], cwd=folder,
                                    env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + START_S
            while "Debugger started!" not in (said := log.read_text("utf-8", "replace")):
                if debugger.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(said[-300:] or "it did not start")
                time.sleep(0.2)
            yield
        finally:
            debugger.kill()
            debugger.wait()
            log.unlink()
