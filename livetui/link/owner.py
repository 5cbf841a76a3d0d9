"""Who owns a stage: one S3 object, written conditionally, with the owner and an epoch that only grows.

And what can be heard of its owner before that is this console.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from livetui.aws import Aws
from livetui.errors import LivetuiError
from stub_runtime.mqtt import Received
from stub_runtime.presence import Lease, Presence, read_lease, read_presence
from stub_runtime.topics import Topics
from stub_runtime.wire import Frame

log = logging.getLogger(__name__)
ASK_AGAIN_S = (0.5, 1.5, 0.0)
"""Pauses after each look at the owner object that failed; after the last one it is decided."""
ALIVE_WITHIN = 1.5
"""Seconds in which a console that lives answers a ping."""


class LinkHeld(LivetuiError):
    """Another console owns the stage. `owner` is `who@host`, `since` seconds since the epoch."""

    def __init__(self, owner: str, since: float) -> None:
        clock = time.strftime("%H:%M", time.localtime(since))
        super().__init__(f"This stage is held by {owner} since {clock}.",
                         "One console at a time receives a stage's calls.",
                         "Take it over with --take-over, or use a stage of your own with --stage NAME.")
        self.owner = owner
        self.since = since


@dataclass(frozen=True)
class Ownership:
    """The object's content. `tag` is its ETag, by which it is replaced only by those who have seen it."""

    owner: str = ""
    session: str = ""
    epoch: int = 0
    since: float = 0.0
    free: bool = True
    tag: str = ""


class OwnerObject:
    """Reads and writes the ownership of one stage. Blocking; call it off the loop."""

    def __init__(self, aws: Aws, bucket: str, topics: Topics) -> None:
        self._s3: Any = aws.client("s3")
        self._bucket = bucket
        self._key = topics.owner

    def read(self) -> Ownership:
        """The ownership as it is; free with epoch 0 when it was never written.

        Without `s3:ListBucket` S3 answers 403 for an object that is not there, so that counts as absent too: a real
        refusal shows when it is written.
        """
        import botocore.exceptions

        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key)
            content = json.loads(answer["Body"].read(65536))
            return Ownership(str(content["owner"]), str(content["session"]), int(content["epoch"]),
                             float(content["since"]), bool(content["free"]), str(answer["ETag"]))
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404", "AccessDenied", "403"):
                return Ownership()
            raise LivetuiError("The owner of the stage cannot be read.", str(error),
                               "Run `livetui bootstrap`, and check s3:GetObject (docs/security.md).") from error
        except botocore.exceptions.BotoCoreError as error:
            raise _unreachable(error) from error
        except (KeyError, TypeError, ValueError) as error:
            raise LivetuiError("The owner object of the stage is damaged.", f"s3://{self._bucket}/{self._key}: {error}",
                               "Delete that object and start again.") from error

    async def is_anothers(self, session: str, off_loop: Callable[..., Awaitable[Ownership]]) -> bool:
        """Whether another session has the stage by now, for the one that has lived in it.

        False while S3 does not say: that this one lives is sure, and that the other one does not.
        """
        for pause in ASK_AGAIN_S:
            try:
                return (await off_loop(self.read)).session not in ("", session)
            except LivetuiError as error:
                log.warning("who owns the stage is asked again: %s", error)
                await asyncio.sleep(pause)
        return False

    def write(self, ownership: Ownership, seen: Ownership) -> Ownership | None:
        """Replace what was `seen`; None when somebody else was faster."""
        import botocore.exceptions

        content = json.dumps({"owner": ownership.owner, "session": ownership.session, "epoch": ownership.epoch,
                              "since": ownership.since, "free": ownership.free})
        condition = {"IfMatch": seen.tag} if seen.tag else {"IfNoneMatch": "*"}
        try:
            answer = self._s3.put_object(Bucket=self._bucket, Key=self._key, Body=content.encode("utf-8"),
                                         ContentType="application/json", **condition)
        except botocore.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (404, 409, 412):
                return None
            raise LivetuiError("The stage cannot be owned.", str(error),
                               "Check s3:PutObject on the owner object (docs/security.md).") from error
        except botocore.exceptions.BotoCoreError as error:
            raise _unreachable(error) from error
        return Ownership(ownership.owner, ownership.session, ownership.epoch, ownership.since, ownership.free,
                         str(answer["ETag"]))


class Others:
    """What other consoles of the stage say as long as it is not ours. On one loop."""

    def __init__(self, topics: Topics, verify_key: bytes) -> None:
        self._topics = topics
        self._verify_key = verify_key
        self._presences: asyncio.Queue[Presence | None] = asyncio.Queue()
        self._leases: asyncio.Queue[Lease] = asyncio.Queue()

    def heard(self, received: Received) -> None:
        """One publish; only presence and leases matter."""
        try:
            frame = Frame.decode(received.payload)
            if received.topic == self._topics.presence:
                self._presences.put_nowait(read_presence(frame, self._topics.root, self._verify_key))
            elif lease := read_lease(frame, self._topics.root, self._verify_key):
                self._leases.put_nowait(lease)
        except ValueError:
            return

    async def presence(self) -> Presence | None:
        """The retained presence, which comes with the subscription; None when there is none, or a forged one."""
        try:
            return await asyncio.wait_for(self._presences.get(), 0.5)
        except TimeoutError:
            return None

    async def lease_of(self, session: str) -> bool:
        """Whether that session's console answers a ping."""
        try:
            async with asyncio.timeout(ALIVE_WITHIN):
                while (await self._leases.get()).session != session:
                    pass
        except TimeoutError:
            return False
        return True


def _unreachable(error: Exception) -> LivetuiError:
    return LivetuiError("S3 cannot be reached to ask who owns the stage.", str(error),
                        "Check the network, a proxy (HTTPS_PROXY) and the AWS credentials.")
