"""One local cloud for this folder's tests; each test uses its own application name."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from livetui.aws import Aws, CloudAccess


@pytest.fixture(scope="session")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudAccess]:
    folder = tmp_path_factory.mktemp("cloud")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bundle = folder / "bundle.pem"
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder), "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port),
             "USE_SSL": "1", "AUTH": "true", "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0", "TMPDIR": str(folder),
             "AWS_CA_BUNDLE": str(bundle), "LAMBDA_EXECUTOR": "local"}
    log = (folder / "log").open("wb")
    process = subprocess.Popen([sys.executable, "-m", "ministack"], env=clean, cwd=folder, stdout=log, stderr=log)
    try:
        certificate = folder / "ministack-tls" / "server.crt"
        deadline = time.monotonic() + 30
        while True:
            try:
                context = ssl.create_default_context(cafile=str(certificate))
                with urllib.request.urlopen(f"https://localhost:{port}/_ministack/health", context=context, timeout=2):
                    break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, "the local cloud did not start"
                time.sleep(0.05)
        shutil.copy(certificate, bundle)
        yield CloudAccess(region="eu-west-1", endpoint_url=f"https://localhost:{port}", ca_bundle=str(certificate),
                          access_key_id="test", secret_access_key="test")
    finally:
        process.kill()
        process.wait()
        print((folder / "log").read_text()[-3000:])
        log.close()


@pytest.fixture(scope="session")
def aws(access: CloudAccess) -> Aws:
    return Aws(access)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder
