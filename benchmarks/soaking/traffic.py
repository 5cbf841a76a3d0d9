"""Callers with a unique token per call, who know what every answer must contain; and the tally of what they got."""

from __future__ import annotations

import json
import random
import re
import threading
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

import botocore.exceptions
from botocore.config import Config

from livetui.aws import Aws

Verdict = Literal["ok", "typed error", "lost", "wrong"]
SIZES = (0,) * 12 + (20_000,) * 4 + (200_000,) * 2 + (600_000,)
"""Bytes that are sent along and must come back; the largest goes through the bucket."""
HTTP_TIMEOUT_S = 40
"""Longer than any function may take, so that a caller who sees it has really been forgotten."""


class Tally:
    """What became of all calls. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.verdicts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.examples: list[str] = []
        self.sync_tokens: set[str] = set()
        self.offline: dict[str, str] = {}
        """What the callers of these tokens were told; such an error says that the call was not run."""
        self.queued_tokens: set[str] = set()
        self.release = 0
        """Calls that begin from now on must be answered by this release of the code, or a later one."""
        self.stale = 0

    def record(self, token: str, verdict: Verdict, detail: str = "") -> None:
        """How one call ended."""
        with self._lock:
            self.verdicts[verdict] += 1
            self.sync_tokens.add(token)
            if verdict == "typed error":
                self.errors[detail.partition(":")[0]] += 1
                if detail.startswith("LivetuiOffline"):
                    self.offline[token] = detail
            if verdict in ("lost", "wrong"):
                self.examples = [*self.examples[-19:], f"{verdict} {token}: {detail[:300]}"]

    def answered_by(self, release: int, at_least: int) -> None:
        """A successful answer came from this release."""
        if release < at_least:
            with self._lock:
                self.stale += 1

    def queued(self, token: str) -> None:
        """A message was accepted by the queue."""
        with self._lock:
            self.queued_tokens.add(token)

    @property
    def calls(self) -> int:
        """All calls that had somebody waiting for the answer."""
        return sum(self.verdicts.values())


def judge(token: str, pad: str, fail: bool, error: str, payload: bytes) -> tuple[Verdict, str]:
    """What an answer of Lambda is worth to the caller who sent `token` and `pad`.

    `error` is Lambda's FunctionError. A typed error names livetui's reason or the handler's own exception; an error
    that Lambda had to make itself (a timeout, a dead stub) means that the call was lost.
    """
    answer = json.loads(payload)
    if not error:
        if fail or not isinstance(answer, dict) or answer.get("token") != token or answer.get("pad", "") != pad:
            return "wrong", payload[:200].decode("utf-8", "replace")
        return "ok", ""
    text = json.dumps(answer)
    if "DeclinedError" in text or (fail and token in text):
        return ("ok", "") if fail and token in text else ("wrong", text)
    for part in (str(answer.get("errorMessage", "")), str(answer.get("errorType", ""))):
        if part.startswith("Livetui"):
            return "typed error", part
    if "Syntax error in module" in text:
        return "typed error", "UserCodeSyntaxError"
    return "lost", text


class Callers:
    """Threads that call until `stop()`; each waits for its answer before it calls again."""

    def __init__(self, aws: Aws, functions: dict[str, str], outputs: dict[str, str], tally: Tally,
                 seed: int = 1) -> None:
        self.tally = tally
        self._functions = functions
        self._url = outputs["ApiUrl"] + "count"
        self._queue_url = outputs["TokenQueueUrl"]
        self._sqs = aws.client("sqs")
        # One attempt: a second one of boto3's own would be a second, legitimate execution.
        self._lambda = aws.session.client(
            "lambda", endpoint_url=aws.access.endpoint_url, verify=aws.access.ca_bundle,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=60, max_pool_connections=32))
        self._seed = seed
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, direct: int = 4) -> Callers:
        """Begin: `direct` threads that invoke, one over HTTP, one at the breakpoint, one that fills the queue."""
        kinds: list[tuple[Callable[[random.Random], None], float]] = [
            *[(self._direct, 0.25)] * direct, (self._http, 0.4), (self._pause, 1.0), (self._enqueue, 0.7)]
        for number, (call, pause) in enumerate(kinds):
            thread = threading.Thread(target=self._run, args=[call, pause, random.Random(self._seed * 100 + number)],
                                      name=f"caller-{number}")
            thread.start()
            self._threads.append(thread)
        return self

    def stop(self) -> None:
        """End; every call that is under way gets its answer first."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, call: Callable[[random.Random], None], pause: float, rng: random.Random) -> None:
        while not self._stopped.wait(rng.uniform(0.2, 1.8) * pause):
            call(rng)

    def _direct(self, rng: random.Random) -> None:
        token = uuid.uuid4().hex
        pad = rng.randbytes(rng.choice(SIZES) // 2).hex()
        fail = rng.random() < 0.05
        release = self.tally.release
        event: dict[str, Any] = {"token": token, **({"pad": pad} if pad else {}), **({"fail": True} if fail else {})}
        self._invoke("Count", token, event, pad, fail, release)

    def _pause(self, rng: random.Random) -> None:
        token = uuid.uuid4().hex
        self._invoke("Pause", token, {"token": token}, "", False, 0)

    def _invoke(self, function: str, token: str, event: dict[str, Any], pad: str, fail: bool, release: int) -> None:
        try:
            answer = self._lambda.invoke(FunctionName=self._functions[function], Payload=json.dumps(event).encode())
            payload = answer["Payload"].read()
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError) as error:
            self.tally.record(token, "lost", f"{type(error).__name__}: {error}")
            return
        verdict, detail = judge(token, pad, fail, answer.get("FunctionError", ""), payload)
        self.tally.record(token, verdict, detail)
        if verdict == "ok" and not fail:
            self.tally.answered_by(json.loads(payload)["release"], release)

    def _http(self, _rng: random.Random) -> None:
        token = uuid.uuid4().hex
        release = self.tally.release
        asked = urllib.request.Request(self._url, json.dumps({"token": token}).encode(),
                                       {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(asked, timeout=HTTP_TIMEOUT_S) as response:
                payload = response.read()
        except urllib.error.HTTPError as error:
            # What API Gateway makes of a function's error; the local cloud puts the error itself into the body.
            text = error.read().decode("utf-8", "replace")
            found = re.search(r"Livetui\w+: [^\"]*", text)
            reason = found[0] if found else "UserCodeSyntaxError" if "Syntax error in module" in text else ""
            self.tally.record(token, "typed error" if error.code in (500, 502) else "lost",
                              reason or f"HTTP {error.code}: {text}")
            return
        except OSError as error:
            self.tally.record(token, "lost", f"{type(error).__name__}: {error}")
            return
        verdict, detail = judge(token, "", False, "", payload)
        self.tally.record(token, verdict, detail)
        if verdict == "ok":
            self.tally.answered_by(json.loads(payload)["release"], release)

    def _enqueue(self, _rng: random.Random) -> None:
        token = uuid.uuid4().hex
        self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=token)
        self.tally.queued(token)
