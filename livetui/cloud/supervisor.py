"""The process that owns one local cloud: starts it, and ends every part of it when the parent is gone.

It reads one line of JSON from the parent (an `Order`) and writes one (`{"record": …}` or `{"failure": …}`). From then
on the pipe only has to stay open: the kernel closes it when the parent ends, however it ends, on Linux as on macOS.
Then the emulator with its Lambda processes, the sockets, the folder and the record go.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from dataclasses import asdict
from pathlib import Path

from livetui.cloud.front import Front
from livetui.cloud.record import LOOPBACK, CloudRecord, Order, TlsFiles

FOLDER_PREFIX = "livetui-cloud-"
_START_TIMEOUT_S = 60.0
_REMOVE_TIMEOUT_S = 5.0
_LOG_TAIL_BYTES = 2_000


class StartError(Exception):
    """The cloud did not come up; the parent shows this to the user. `usage` marks a wrong setting."""

    def __init__(self, what: str, why: str = "", hint: str = "", *, usage: bool = False) -> None:
        super().__init__(what)
        self.message = {"what": what, "why": why, "hint": hint, "usage": usage}


def main() -> None:
    """Serve one order; return when the parent is gone, SIGTERM asks for the end, or the emulator died."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    order = Order(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_watch_parent, args=(ended,), name="parent-watch", daemon=True).start()
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))  # mode 0700
    try:
        with contextlib.ExitStack() as owned:
            record = _start(order, folder, ended, owned)
            _answer({"record": asdict(record)})
            _log_to(folder / "supervisor.log")
            ended.wait()
    except StartError as failure:
        _answer({"failure": failure.message})
    finally:
        _remove(folder)


def _watch_parent(ended: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    ended.set()


def _watch_gateway(gateway: subprocess.Popen[bytes], ended: threading.Event) -> None:
    gateway.wait()
    ended.set()


def _answer(message: dict[str, object]) -> None:
    with contextlib.suppress(BrokenPipeError):  # then the parent is gone, which `_watch_parent` sees too
        print(json.dumps(message), flush=True)  # noqa: T201


def _log_to(path: Path) -> None:
    """Send stderr there from now on: the parent reads it only while the cloud starts, and a full pipe would block."""
    with path.open("wb") as log:
        os.dup2(log.fileno(), 2)


def _start(order: Order, folder: Path, ended: threading.Event, owned: contextlib.ExitStack) -> CloudRecord:
    """Bring everything up; whatever was opened is in `owned`, last opened first closed."""
    gateway_socket = owned.enter_context(_listen(LOOPBACK, order.port))
    gateway_port = int(gateway_socket.getsockname()[1])
    front_sockets = _sockets_of_project(order, owned)
    tls = TlsFiles(folder)
    record = CloudRecord(
        pid=os.getpid(), region=order.region, gateway_port=gateway_port,
        front_port=int(front_sockets[0].getsockname()[1]), ca_bundle=str(tls.ca),
        access_key_id="AKIA" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16)),
        secret_access_key=secrets.token_urlsafe(30),
    )
    gateway = _start_gateway(record, tls, folder, gateway_socket)
    owned.callback(_kill_group, gateway)
    _write_certificates_and_go(tls, order.region, gateway)
    front = Front(front_sockets, (LOOPBACK, gateway_port), record.ca_bundle, order.region)
    owned.callback(front.close)
    _wait_until_healthy(record, gateway, folder, ended)
    threading.Thread(target=_watch_gateway, args=(gateway, ended), name="gateway-watch", daemon=True).start()
    if order.record:
        path = Path(order.record)
        record.write(path)
        owned.callback(_withdraw, path, record)
    return record


def _listen(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # on Windows the option would let two servers share one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise StartError(f"The local cloud cannot listen on port {port}.", str(error),
                           "Stop what uses the port, or leave the port out to get a free one.", usage=True) from error
    return listener


def _sockets_of_project(order: Order, owned: contextlib.ExitStack) -> list[socket.socket]:
    """The front's. A project has a port of its own, if it is free, so that the addresses of its APIs stay.

    It is below those that systems hand out by themselves.
    """
    if not order.front_port and order.record:
        with contextlib.suppress(StartError):
            return _front_sockets(20_000 + zlib.crc32(order.record.encode()) % 10_000, owned)
    return _front_sockets(order.front_port, owned)


def _front_sockets(port: int, owned: contextlib.ExitStack) -> list[socket.socket]:
    """127.0.0.1 and, where the machine has it, ::1 with the same port: `localhost` may be tried as either first."""
    first = owned.enter_context(_listen(LOOPBACK, port))
    try:
        second = _listen("::1", int(first.getsockname()[1]))
    except StartError:
        return [first]
    return [first, owned.enter_context(second)]


def _start_gateway(
    record: CloudRecord, tls: TlsFiles, folder: Path, listener: socket.socket
) -> subprocess.Popen[bytes]:
    environment = gateway_environment(record, tls, folder)
    for name in ("HOME", "TMPDIR"):
        Path(environment[name]).mkdir()
    bind, descriptors = f"fd://{listener.fileno()}", [listener.fileno()]
    if os.name != "posix":  # where a socket cannot be handed over
        bind, descriptors = f"{LOOPBACK}:{record.gateway_port}", []
        listener.close()
    try:
        with (folder / "ministack.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "livetui.cloud.gateway", bind, str(folder)],
                stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=folder, env=environment, pass_fds=descriptors,
                process_group=0 if os.name == "posix" else None,
            )
    finally:
        # From here on only the gateway holds the socket, so a client of a dead gateway is refused, not kept waiting.
        listener.close()


def _write_certificates_and_go(tls: TlsFiles, region: str, gateway: subprocess.Popen[bytes]) -> None:
    """Use the 0.4 s in which the gateway imports ministack; it serves once it is told that the files are there."""
    from livetui.cloud.certificate import write_certificates  # 60 ms, most of it cryptography

    write_certificates(tls, region)
    assert gateway.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it died already, which `_wait_until_healthy` tells
        gateway.stdin.write(b"\n")
        gateway.stdin.flush()


def gateway_environment(record: CloudRecord, tls: TlsFiles, folder: Path) -> dict[str, str]:
    """The whole environment of ministack. Functions inherit it, so nothing of the developer's is in it."""
    package_root = str(Path(__file__).resolve().parents[2])
    node = shutil.which("node")
    search = [*([str(Path(node).parent)] if node else []), *os.defpath.split(os.pathsep)]
    return {
        "PATH": os.pathsep.join(search),
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "PYTHONPATH": package_root,
        **({"SYSTEMROOT": os.environ["SYSTEMROOT"]} if "SYSTEMROOT" in os.environ else {}),
        # what ministack is to do
        "BIND_HOST": LOOPBACK,
        "GATEWAY_PORT": str(record.gateway_port),
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(tls.chain),
        "MINISTACK_SSL_KEY": str(tls.key),
        "MINISTACK_REGION": record.region,
        "AUTH": "true",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        # Never the developer's Docker: ministack removes containers that it takes for its own leftovers.
        "DOCKER_HOST": f"unix://{folder}/none.sock",
        # who is root; ministack gives each function its role's own keys instead
        "AWS_ACCESS_KEY_ID": record.access_key_id,
        "AWS_SECRET_ACCESS_KEY": record.secret_access_key,
        # what makes boto3 inside functions find this cloud and trust it
        "AWS_ENDPOINT_URL": record.gateway_url,
        "AWS_CA_BUNDLE": str(tls.bundle),
        "SSL_CERT_FILE": str(tls.bundle),
        "REQUESTS_CA_BUNDLE": str(tls.bundle),
        "NODE_EXTRA_CA_CERTS": str(tls.ca),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _wait_until_healthy(
    record: CloudRecord, gateway: subprocess.Popen[bytes], folder: Path, ended: threading.Event
) -> None:
    """Connect at once: the socket listens already, so the handshake completes when the emulator takes it up."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and gateway.poll() is None and not ended.is_set():
        if record.answers(timeout_s=1.0):
            return
        ended.wait(0.02)
    log = (folder / "ministack.log").read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", "replace").strip()
    raise StartError("The local cloud (ministack) did not start.", log or "It wrote no reason.",
                       "Reinstall it: pip install --force-reinstall 'livetui[local]'")


def _kill_group(gateway: subprocess.Popen[bytes]) -> None:
    """End ministack and the Lambda processes that it started; there is nothing in them that is to be kept."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(gateway.pid, signal.SIGKILL)
    else:
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(gateway.pid)], check=False, capture_output=True)
    gateway.wait()


def _withdraw(path: Path, record: CloudRecord) -> None:
    if CloudRecord.read(path) == record:
        path.unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """Killed processes may still be closing files: try until the folder is gone."""
    deadline = time.monotonic() + _REMOVE_TIMEOUT_S
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            time.sleep(0.02)


if __name__ == "__main__":
    main()
