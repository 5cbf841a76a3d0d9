"""Names in the cloud: MQTT topics, client ids and the S3 prefix of one app and stage, and the IAM policies for them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

MAX_CONNECTIONS = 4
"""Most MQTT connections of one console; each has its own topic, so that policies can name them exactly."""
_NAME = re.compile(r"[A-Za-z0-9-]{1,32}")


@dataclass(frozen=True)
class Topics:
    """All names of one app and stage. Both are 1 to 32 letters, digits or `-`; anything else raises `ValueError`.

    The separators (`/` in topics, `.` in client ids) cannot occur in names, so that no pattern of one app or stage
    ever matches a name of another.
    """

    app: str
    stage: str

    def __post_init__(self) -> None:
        for name in (self.app, self.stage):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot be part of a topic")

    @cached_property
    def root(self) -> str:
        """What all topics begin with, without the last slash."""
        return f"livetui/{self.app}/{self.stage}"

    @cached_property
    def presence(self) -> str:
        """Retained: who listens, signed."""
        return f"{self.root}/presence"

    @cached_property
    def stubs(self) -> str:
        """Broadcast from the console to all stubs."""
        return f"{self.root}/stubs"

    def console(self, connection: int = 0) -> str:
        """From stubs to one of the console's connections."""
        return f"{self.root}/console/{connection}"

    def stub(self, function: str, environment: str) -> str:
        """From the console to one execution environment."""
        return f"{self.root}/stub/{token(function)}/{environment}"

    def is_stub(self, topic: str) -> bool:
        """Whether `topic` is that of a stub of this app and stage: the only places a console answers to."""
        stubs = f"{self.root}/stub/"
        return topic.startswith(stubs) and re.fullmatch(
            r"[A-Za-z0-9-]{1,32}/[0-9a-f]{1,32}", topic[len(stubs):]) is not None

    def console_client(self, session: str, connection: int, number: int = 0) -> str:
        """Client id of a console's connection; `number` counts its renewals."""
        return f"livetui.{self.app}.{self.stage}.console.{session}.{connection}.{number}"

    def stub_client(self, function: str, environment: str, number: int = 0) -> str:
        """Client id of a stub; `number` counts its connections, so that a new one never waits for an old one."""
        return f"livetui.{self.app}.{self.stage}.stub.{token(function)}.{environment}.{number}"

    def payloads(self, function: str) -> str:
        """S3 prefix of one function's large events and answers, with the last slash."""
        return f"payloads/{self.app}/{self.stage}/{token(function)}/"

    @property
    def owner(self) -> str:
        """S3 key of the object that says who owns the stage."""
        return f"owners/{self.app}/{self.stage}.json"


def token(function: str) -> str:
    """A function's logical id as one topic level of at most 32 characters: itself, or cut with a hash."""
    if len(function) <= 32 and re.fullmatch(r"[A-Za-z0-9-]+", function):
        return function
    import hashlib  # for long names only: it costs the stub's cold start 3 ms

    plain = re.sub(r"[^A-Za-z0-9-]", "-", function)[:21]
    return f"{plain}-{hashlib.sha256(function.encode('utf-8')).hexdigest()[:10]}"


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(sid: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}


def stub_policy(partition: str, region: str, account: str, topics: Topics, function: str | Iterable[str],
                bucket: str) -> dict[str, Any]:
    """The IAM policy document of a stub's role: one function, or all functions that share the role.

    `partition`, `region`, `account` and `bucket` may be `${AWS::Partition}` and the like, for `Fn::Sub`. Environments
    are unbounded, hence the one `*` at the end of a function's own topics, client ids and keys.
    """
    functions = [function] if isinstance(function, str) else list(function)
    iot = f"arn:{partition}:iot:{region}:{account}"
    tokens = [token(name) for name in functions]
    own = [f"{topics.root}/stub/{name}/*" for name in tokens]
    heard = [topics.presence, topics.stubs]
    return _policy(
        _allow("LivetuiConnect", ["iot:Connect"],
               [f"{iot}:client/livetui.{topics.app}.{topics.stage}.stub.{name}.*" for name in tokens]),
        _allow("LivetuiCall", ["iot:Publish"],
               [f"{iot}:topic/{topics.console(i)}" for i in range(MAX_CONNECTIONS)]),
        _allow("LivetuiListen", ["iot:Subscribe"], [f"{iot}:topicfilter/{name}" for name in heard + own]),
        _allow("LivetuiHear", ["iot:Receive"], [f"{iot}:topic/{name}" for name in heard + own]),
        _allow("LivetuiPayloads", ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"],
               [f"arn:{partition}:s3:::{bucket}/{topics.payloads(name)}*" for name in functions]),
    )


def console_policy(partition: str, region: str, account: str, topics: Topics, bucket: str) -> dict[str, Any]:
    """The IAM policy document that is enough for the console's link: MQTT, ownership and large payloads."""
    iot = f"arn:{partition}:iot:{region}:{account}"
    own = [topics.console(i) for i in range(MAX_CONNECTIONS)]
    heard = [*own, topics.presence, topics.stubs]
    return _policy(
        _allow("LivetuiEndpoint", ["iot:DescribeEndpoint"], ["*"]),
        _allow("LivetuiConnect", ["iot:Connect"], [f"{iot}:client/livetui.{topics.app}.{topics.stage}.console.*"]),
        _allow("LivetuiListen", ["iot:Subscribe"], [f"{iot}:topicfilter/{name}" for name in heard]),
        _allow("LivetuiHear", ["iot:Receive"], [f"{iot}:topic/{name}" for name in heard]),
        _allow("LivetuiSpeak", ["iot:Publish"],
               [f"{iot}:topic/{name}" for name in (own[0], topics.presence, topics.stubs, f"{topics.root}/stub/*")]),
        _allow("LivetuiPresence", ["iot:RetainPublish"], [f"{iot}:topic/{topics.presence}"]),
        _allow("LivetuiPayloads", ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"],
               [f"arn:{partition}:s3:::{bucket}/payloads/{topics.app}/{topics.stage}/*"]),
        _allow("LivetuiOwner", ["s3:GetObject", "s3:PutObject"], [f"arn:{partition}:s3:::{bucket}/{topics.owner}"]),
    )
