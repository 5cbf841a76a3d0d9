"""A profile that assumes a role with an MFA code: asked for once, at the terminal, before a session takes it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from livetui import aws as clouds
from livetui.aws import Aws, CloudAccess, sign_in
from livetui.errors import UsageError


@pytest.fixture
def access(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloudAccess:
    """The local cloud reached as AWS is: by a profile, with the endpoint in the environment."""
    name = f"r{uuid.uuid4().hex[:8]}"
    role = aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"},
                                                "Action": "sts:AssumeRole"}]}))["Role"]["Arn"]
    local = aws.access
    (tmp_path / "config").write_text(
        f"[profile base]\naws_access_key_id = {local.access_key_id}\naws_secret_access_key = "
        f"{local.secret_access_key}\n[profile {name}]\nrole_arn = {role}\nsource_profile = base\n"
        f"mfa_serial = arn:aws:iam::000000000000:mfa/me\nregion = eu-west-1\n")
    for variable, value in {"AWS_CONFIG_FILE": tmp_path / "config", "AWS_SHARED_CREDENTIALS_FILE": tmp_path / "none",
                            "AWS_ENDPOINT_URL": local.endpoint_url, "AWS_CA_BUNDLE": local.ca_bundle}.items():
        monkeypatch.setenv(variable, str(value))
    monkeypatch.setattr(clouds, "_terminal_taken", threading.Event())
    monkeypatch.setattr(clouds, "_assumed", {})
    return CloudAccess(region="eu-west-1", profile=name)


def test_the_code_is_asked_for_once_and_never_under_the_console(access: CloudAccess,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "123456")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    sign_in(access)
    assert str(access.profile) in Aws(access)._caller()["Arn"], "the role's credentials, from memory"
    assert len(asked) == 1
    clouds._assumed.clear()  # as if they had expired
    with pytest.raises(UsageError, match="MFA code"):
        Aws(access)
    assert len(asked) == 1


def test_a_terminal_is_asked(access: CloudAccess, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    asking = subprocess.Popen([sys.executable, "-m", "livetui", "apps", "--profile", str(access.profile)], cwd=tmp_path,
                              stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = ""
    while "MFA code" not in shown:
        shown += os.read(ours, 4096).decode()
    os.write(ours, b"123456\n")
    with contextlib.suppress(OSError):  # how a terminal says that everybody has left it
        while part := os.read(ours, 4096):
            shown += part.decode()
    assert asking.wait(60) in (0, 1), shown
    assert shown.count("MFA code") == 1
    os.close(ours)


def test_without_a_terminal_it_is_said(access: CloudAccess, tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text("Resources: {}\n")
    done = subprocess.run([sys.executable, "-m", "livetui", "deploy", "--json", "--profile", str(access.profile)],
                          cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "needs an MFA code" in done.stderr
