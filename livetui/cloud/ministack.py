"""Start, find and stop the embedded local cloud (ministack), and say how to reach it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from livetui.aws import CloudAccess
from livetui.cloud.front import public_url
from livetui.cloud.record import RECORD_NAME, CloudRecord, Order
from livetui.errors import LivetuiError, UsageError

_NEEDED = ("ministack", "cryptography", "samtranslator")
_STOP_TIMEOUT_S = 10.0
DEFAULT_REGION = "eu-west-1"


class RunningCloud:
    """A local cloud that runs, whoever started it."""

    def __init__(self, record: CloudRecord) -> None:
        self.record = record

    @property
    def access(self) -> CloudAccess:
        """The root user of this cloud."""
        return CloudAccess(
            region=self.record.region, endpoint_url=self.record.gateway_url, ca_bundle=self.record.ca_bundle,
            access_key_id=self.record.access_key_id, secret_access_key=self.record.secret_access_key,
        )

    def environment(self) -> dict[str, str]:
        """Variables that point boto3, the AWS CLI and the SDKs at this cloud, as its root user."""
        return {
            **self.worker_environment(),
            "NO_PROXY": "127.0.0.1,localhost",
            "AWS_REGION": self.record.region,
            "AWS_DEFAULT_REGION": self.record.region,
            "AWS_ACCESS_KEY_ID": self.record.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.record.secret_access_key,
        }

    def worker_environment(self) -> dict[str, str]:
        """What a local handler needs besides its function's environment, so that its boto3 talks to this cloud."""
        theirs = os.environ.get("NO_PROXY") or os.environ.get("no_proxy")
        bypass = f"127.0.0.1,localhost,{theirs}" if theirs else "127.0.0.1,localhost"
        return {"AWS_ENDPOINT_URL": self.record.gateway_url, "AWS_CA_BUNDLE": self.record.ca_bundle, "NO_PROXY": bypass,
                "no_proxy": bypass}

    def public_url(self, url: str) -> str:
        """Where people reach the API or function URL of a stack output; any other string comes back unchanged."""
        return public_url(url, self.record.front_port)

    @property
    def is_alive(self) -> bool:
        """Does the gateway answer with this cloud's own certificate? Takes at most 2 s."""
        return self.record.answers(timeout_s=2.0)

    @property
    def since(self) -> float:
        """When it was started, in seconds since the epoch."""
        return Path(self.record.ca_bundle).stat().st_mtime

    def stop(self) -> None:
        """End the cloud and wait until its folder is gone. Nothing happens when it has ended already."""
        if not self.is_alive:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.record.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while Path(self.record.ca_bundle).parent.exists():
            if time.monotonic() > deadline:
                raise LivetuiError("The local cloud does not stop.", f"Process {self.record.pid} still runs.",
                                   f"End it: kill {self.record.pid}")
            time.sleep(0.02)


class LocalCloud(RunningCloud):
    """A local cloud that this process started and that ends with it, even when this process is killed.

    Use it as a context manager, or call `stop()`.
    """

    def __init__(self, record: CloudRecord, supervisor: subprocess.Popen[str]) -> None:
        super().__init__(record)
        self._supervisor = supervisor

    @classmethod
    def start(
        cls, state: Path | None = None, port: int = 0, front_port: int = 0, region: str = DEFAULT_REGION
    ) -> LocalCloud:
        """Start one (about a second). Port 0 is any free port.

        With `state` (the project's `.livetui/`) it is announced there, so that `find` sees it. Raises `UsageError`
        when the extra `local` is not installed or a port is in use, `LivetuiError` when it does not start.
        """
        missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            raise UsageError("The local cloud is not installed.", f"Missing: {', '.join(missing)}",
                             "pip install 'livetui[local]'")
        record_path = str(state.resolve() / RECORD_NAME) if state else ""
        supervisor = _start_supervisor()
        try:
            record = _order(supervisor, Order(region, port, front_port, record_path))
        except BaseException:
            _end(supervisor)
            raise
        return cls(record, supervisor)

    @staticmethod
    def find(state: Path) -> RunningCloud | None:
        """The local cloud announced in `state`, when it is alive and really the announced one."""
        record = CloudRecord.read(state / RECORD_NAME)
        if record is None:
            return None
        running = RunningCloud(record)
        return running if running.is_alive else None

    def stop(self) -> None:
        """End the cloud and wait until its processes, sockets and folder are gone. May be called again."""
        _end(self._supervisor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _start_supervisor() -> subprocess.Popen[str]:
    package_root = str(Path(__file__).resolve().parents[2])
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "livetui.cloud.supervisor"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": package_root},
        # Its own session: Ctrl-C in the terminal is the console's to answer, which then stops the cloud last.
        start_new_session=True,
    )


def _order(supervisor: subprocess.Popen[str], order: Order) -> CloudRecord:
    assert supervisor.stdin is not None and supervisor.stdout is not None and supervisor.stderr is not None
    with contextlib.suppress(BrokenPipeError):
        supervisor.stdin.write(json.dumps(asdict(order)) + "\n")
        supervisor.stdin.flush()
    line = supervisor.stdout.readline()
    if not line:
        raise LivetuiError("The local cloud did not start.", supervisor.stderr.read()[-2000:].strip())
    answer = json.loads(line)
    if failure := answer.get("failure"):
        kind = UsageError if failure["usage"] else LivetuiError
        raise kind(failure["what"], failure["why"], failure["hint"])
    return CloudRecord(**answer["record"])


def _end(supervisor: subprocess.Popen[str]) -> None:
    """Close the pipe that keeps it alive, and wait."""
    if supervisor.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            supervisor.stdin.close()
    try:
        supervisor.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()
    for stream in (supervisor.stdout, supervisor.stderr):
        if stream is not None:
            stream.close()
