"""Invocations that the user asks for: each is sent once, waited for by its caller, and known when it arrives."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from livetui.aws import Aws
from livetui.link.messages import Call
from livetui.session.events import Notice
from livetui.session.hub import Hub
from livetui.stack.contract import LiveFunction

_COMPARED = 256 * 1024
"""Bytes up to which two events are compared as JSON; larger ones are the same only when their bytes are."""
_SHOWN = 300
"""Characters of an answer that a notice shows."""


class _Sent(msgspec.Struct, eq=False):
    """One invocation whose caller waits."""

    function: str
    event: bytes
    taken: Callable[[str], object]
    came: bool = False
    """It arrived here: its row tells the rest."""


class Invoking:
    """Sends events to functions through the cloud, one thread each, until `ended` is set; thread-safe.

    They are synchronous: Lambda runs a failing asynchronous event up to three times. Source: Lambda, "Error handling
    for asynchronous invocation". A thread ends with its answer: at the function's timeout (15 minutes at most), and at
    the latest when the session ends, since the stub or the local cloud then answers or hangs up.
    """

    def __init__(self, hub: Hub, ended: threading.Event) -> None:
        self._hub = hub
        self._ended = ended
        self._lock = threading.Lock()
        self._waiting: list[_Sent] = []

    def send(self, aws: Aws, function: LiveFunction, event: bytes, taken: Callable[[str], object]) -> None:
        """Invoke a function and return at once; `taken` hears the request's id when the call arrives here.

        What did not arrive here is told in a notice: what the cloud answered, or why it could not be asked.
        """
        sent = _Sent(function.id, event, taken)
        with self._lock:
            self._waiting.append(sent)
        threading.Thread(target=self._ask, args=[aws, function, sent], name="livetui-invoke", daemon=True).start()

    def came(self, call: Call) -> None:
        """A call has arrived: if it is one of these, which their events tell, its row speaks for it from now on."""
        with self._lock:
            own = next((sent for sent in self._waiting if not sent.came and sent.function == call.function
                        and _same(sent.event, call.event)), None)
            if own is None:
                return
            own.came = True
        own.taken(str(call.context.get("request_id") or ""))

    def _ask(self, aws: Aws, function: LiveFunction, sent: _Sent) -> None:
        level: Literal["info", "warning", "error"] = "error"
        try:
            answer = aws.client("lambda", once=True).invoke(FunctionName=function.arn or function.name,
                                                            Payload=sent.event)
            body = answer["Payload"].read().decode("utf-8", "replace")
            level = "warning" if "FunctionError" in answer else "info"
            words = f"{function.id} was invoked, but did not run here. It answered: {_shortened(body)}"
        except Exception as error:  # noqa: BLE001  (shown to the user, whatever it is)
            words = f"{function.id} could not be invoked: {error}"
        with self._lock:
            self._waiting.remove(sent)
        if not sent.came and not self._ended.is_set():
            self._hub.publish(Notice(level, words))


def _same(sent: bytes, came: bytes) -> bool:
    """Whether two events are the same JSON: the local cloud writes it anew on the way."""
    if sent == came:
        return True
    if max(len(sent), len(came)) > _COMPARED:
        return False
    try:
        return bool(_decoded(sent) == _decoded(came))
    except (msgspec.DecodeError, RecursionError):
        return False


def _shortened(body: str) -> str:
    return body if len(body) <= _SHOWN else body[:_SHOWN] + "…"


def _decoded(event: bytes) -> Any:
    return msgspec.json.decode(event)
