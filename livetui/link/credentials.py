"""A role's fresh credentials for a replay: asked from the stub itself, never stored."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from livetui.aws import Aws, Keys
from livetui.errors import LivetuiError
from stub_runtime.replay import MARK, request_event
from stub_runtime.sealing import ReplyKey
from stub_runtime.wire import WireError


def fetch_keys(aws: Aws, app: str, stage: str, function: str, function_name: str, signing_key: bytes) -> Keys:
    """Invoke the stub of `function` (its id; `function_name` is the physical one) with the reserved, signed event.

    Blocking (a Lambda invoke); call it off the loop. Needs `lambda:InvokeFunction`. Raises `LivetuiError`.
    """
    import botocore.exceptions

    reply = ReplyKey()
    event = request_event(app, stage, function, reply.public, signing_key, time.time())
    lambda_: Any = aws.client("lambda")
    try:
        answer = lambda_.invoke(FunctionName=function_name, Payload=json.dumps(event).encode("ascii"))
        payload = answer["Payload"].read()
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise LivetuiError(f"The credentials of {function} cannot be fetched.", str(error),
                           "Allow lambda:InvokeFunction, or replay after a new call of that function.") from error
    try:
        sealed = base64.b64decode(json.loads(payload)[MARK])
        access, secret, token = json.loads(reply.open(sealed))
    except (KeyError, TypeError, ValueError, WireError) as error:
        raise LivetuiError(f"The stub of {function} did not answer with its credentials.",
                           payload[:200].decode("utf-8", "replace"),
                           "Deploy again: the stub may be of another version or signed for another key.") from error
    return Keys(access, secret, token or None)
