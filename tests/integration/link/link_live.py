"""A live function on the shared local cloud: role with the exact policy, stub bundle, bucket, and a link to it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import uuid
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from livetui.aws import Aws, CloudAccess, IotEndpoint
from livetui.link.link import Link
from livetui.link.machine import Known
from livetui.link.messages import Answer, Call, LinkConfig, LinkState
from stub_runtime.config import StubConfig
from stub_runtime.sealing import verify_key_of
from stub_runtime.topics import Topics, stub_policy
from tests.integration.link.mqtt_client import Client
from tests.integration.link.runtime_api import Environment

ROOT = Path(__file__).parents[3]
SEED = bytes(range(32))


def stub_bundle() -> bytes:
    """The stub alone: ministack runs functions with this interpreter, which has awscrt and PyNaCl."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as bundle:
        for source in sorted((ROOT / "stub_runtime").glob("*.py")):
            bundle.writestr(f"stub_runtime/{source.name}", source.read_bytes())
    return archive.getvalue()


class Dialled(Aws):
    """The broker is dialled at another port: that of a meter, or of something that breaks connections."""

    def __init__(self, access: CloudAccess, port: int) -> None:
        self.port = port
        super().__init__(access)

    def iot_endpoint(self) -> IotEndpoint:
        endpoint = super().iot_endpoint()
        return replace(endpoint, port=self.port) if self.port else endpoint


@dataclass(frozen=True)
class Live:
    """One app and stage with its bucket and functions. `port`: where stubs and consoles dial, when not the broker."""

    aws: Aws
    app: str
    stage: str
    bucket: str
    functions: dict[str, str] = field(default_factory=dict)
    port: int = 0

    @classmethod
    def new(cls, aws: Aws, port: int = 0) -> Live:
        """A new app, with a bucket of its own."""
        token = uuid.uuid4().hex[:8]
        bucket = f"livetui-{token}"
        aws.client("s3").create_bucket(Bucket=bucket,
                                       CreateBucketConfiguration={"LocationConstraint": aws.region})
        return cls(aws, f"app-{token}", "dev", bucket, port=port)

    @property
    def topics(self) -> Topics:
        return Topics(self.app, self.stage)

    def config(self, function: str, **changes: Any) -> StubConfig:
        endpoint = self.aws.iot_endpoint()
        config = StubConfig(self.app, self.stage, function, base64.b64encode(verify_key_of(SEED)).decode(),
                            endpoint.host, endpoint.region, self.bucket, endpoint.dial_host,
                            self.port or endpoint.port)
        return replace(config, **changes)

    def deploy(self, function: str, timeout: int = 30, **changes: Any) -> str:
        """Create a function with the stub as its code; its physical name."""
        name = f"{function}-{uuid.uuid4().hex[:8]}"
        iam, lambda_ = self.aws.client("iam"), self.aws.client("lambda")
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                                                    "Principal": {"Service": "lambda.amazonaws.com"}}]}))
        iam.put_role_policy(RoleName=name, PolicyName="livetui", PolicyDocument=json.dumps(stub_policy(
            self.aws.partition, self.aws.region, self.aws.account, self.topics, function, self.bucket)))
        config = self.config(function, **changes)
        lambda_.create_function(
            FunctionName=name, Runtime="python3.11", Role=role["Role"]["Arn"], Handler="stub_runtime.handler.handler",
            Code={"ZipFile": stub_bundle()}, Timeout=timeout, MemorySize=512,
            Environment={"Variables": {"LIVETUI": config.to_json(), "GREETING": "hello"}})
        self.functions[function] = name
        return name

    def role(self, policy: dict[str, Any]) -> dict[str, str]:
        """Keys of a role with exactly this policy, as environment variables."""
        name = f"role-{uuid.uuid4().hex[:8]}"
        iam = self.aws.client("iam")
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                                                    "Principal": {"AWS": "*"}}]}))
        iam.put_role_policy(RoleName=name, PolicyName="livetui", PolicyDocument=json.dumps(policy))
        keys = self.aws.client("sts").assume_role(RoleArn=role["Role"]["Arn"], RoleSessionName="test")["Credentials"]
        return {"AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
                "AWS_SESSION_TOKEN": keys["SessionToken"]}

    def kick(self, environment: str, function: str, number: int = 1) -> None:
        """Take a stub's client id, so that the broker ends its connection."""
        self.kick_client(self.topics.stub_client(function, environment, number))

    def kick_client(self, client_id: str) -> None:
        """Take a client id, so that the broker ends the connection that has it."""
        thief = Client(self.aws, client_id)
        assert thief.up, thief.why
        thief.mqtt.stop()

    def stub_role(self, function: str) -> dict[str, str]:
        """Keys of a stub's role."""
        return self.role(stub_policy(self.aws.partition, self.aws.region, self.aws.account, self.topics, function,
                                     self.bucket))

    def environment(self, function: str = "Orders", extra: dict[str, str] | None = None,
                    **changes: Any) -> Environment:
        """An execution environment of real awslambdaric with the stub in it."""
        access = self.aws.access
        config = self.config(function, **changes)
        return Environment("stub_runtime.handler.handler", {
            "LIVETUI": config.to_json(), "AWS_REGION": self.aws.region, "AWS_ENDPOINT_URL": access.endpoint_url or "",
            "AWS_CA_BUNDLE": access.ca_bundle or "", **self.stub_role(function), **(extra or {})})

    def invoke(self, name: str, event: Any) -> dict[str, Any]:
        """Invoke and wait; `Payload` is parsed."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        answer = self.aws.client("lambda").invoke(FunctionName=name, Payload=body)
        return {"error": answer.get("FunctionError"), "payload": json.loads(answer["Payload"].read())}


@dataclass
class Console:
    """A link with a record of what it told, and a handler that answers."""

    link: Link
    calls: list[Call] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    states: list[LinkState] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until something told makes `condition` true."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


Handler = Callable[[Call], Answer | None]


@asynccontextmanager
async def console(live: Live, handler: Handler, known: Callable[[str], Known] = lambda attempt: "unknown",
                  **changes: Any) -> AsyncIterator[Console]:
    """An open link whose calls are answered by `handler` (None: it answers later, or never)."""
    values = {"app": live.app, "stage": live.stage, "bucket": live.bucket, "signing_key": SEED, "owner": "ada@laptop",
              "history": "one"}
    made: list[Console] = []

    def on_call(call: Call) -> None:
        made[0].calls.append(call)
        made[0].changed.set()
        answer = handler(call)
        if answer is not None:
            made[0].link.answer(call.attempt, answer)

    def on_cancel(attempt: str) -> None:
        made[0].cancelled.append(attempt)
        made[0].changed.set()

    def on_state(state: LinkState) -> None:
        made[0].states.append(state)
        made[0].changed.set()

    aws = Dialled(live.aws.access, live.port) if live.port else live.aws
    link = Link(LinkConfig(**{**values, **changes}), aws, on_call, on_cancel, on_state, known)
    made.append(Console(link))
    await link.open()
    try:
        yield made[0]
    finally:
        await link.close()


def echo(call: Call) -> Answer:
    """Answers with the event."""
    return Answer(call.event)
