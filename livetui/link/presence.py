"""The presence that a deployment leaves behind, so that stubs never find none."""

from __future__ import annotations

from typing import Any

from livetui.aws import Aws
from livetui.errors import LivetuiError
from stub_runtime.presence import Presence, presence_frame
from stub_runtime.topics import Topics


def announce_gone(aws: Aws, app: str, stage: str, signing_key: bytes) -> None:
    """Publish a retained, signed `gone` unless the stage has a presence already.

    Called once after a live stack is deployed: a stub then hears `gone` right after SUBSCRIBE and need not wait to find
    that there is nothing. Needs `iot:GetRetainedMessage`, `iot:Publish` and `iot:RetainPublish` on the presence topic.
    Raises `LivetuiError` that names what was refused.
    """
    import botocore.exceptions

    topics = Topics(app, stage)
    client: Any = aws.client("iot-data")
    try:
        client.get_retained_message(topic=topics.presence)
        return
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise LivetuiError("The stage's presence cannot be read.", str(error),
                               "Allow iot:GetRetainedMessage on it (docs/security.md).") from error
    gone = presence_frame(Presence(live=False, session="", epoch=0), topics.root, signing_key)
    try:
        client.publish(topic=topics.presence, payload=gone.encode(), qos=1, retain=True)
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise LivetuiError("The stage's presence cannot be published.", str(error),
                           "Allow iot:Publish and iot:RetainPublish on it (docs/security.md).") from error
