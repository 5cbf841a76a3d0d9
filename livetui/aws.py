"""One way to reach a cloud: region, credentials, endpoint and CA bundle, and the clients made from them.

The embedded local cloud and AWS differ only in the `CloudAccess` that is handed in; all other code is the same.
"""

from __future__ import annotations

import getpass
import os
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livetui.errors import UsageError

_assumed: dict[str, Any] = {}
"""Credentials of assumed roles, by botocore's own key: an MFA code is asked for once a process, and kept in memory."""
_terminal_taken = threading.Event()


@dataclass(frozen=True)
class CloudAccess:
    """Where the cloud is and who we are there.

    `endpoint_url`, `ca_bundle` and the keys are set for the local cloud only; for AWS botocore finds credentials
    itself (profile, SSO, environment, process), and asks again whenever they expire.
    """

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    ca_bundle: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)

    @property
    def is_local(self) -> bool:
        """True for the embedded local cloud."""
        return self.endpoint_url is not None


@dataclass(frozen=True)
class Keys:
    """Live AWS credentials, as they are at this moment."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class IotEndpoint:
    """Where MQTT is dialled and what is signed: on AWS the same host, on the local cloud `localhost` is dialled."""

    host: str
    """The host that is signed and sent as `Host`, with `:port` when it is not 443."""
    dial_host: str
    port: int
    region: str
    ca_file: str | None


class Aws:
    """Clients, account facts and fresh credentials for one `CloudAccess`. Thread-safe.

    Raises `UsageError` when there is no region, no such profile, or no credentials.
    """

    def __init__(self, access: CloudAccess) -> None:
        import boto3  # 80 ms: only when a cloud is needed
        import botocore.exceptions
        import botocore.session

        self.access = access
        self._lock = threading.RLock()
        self._clients: dict[tuple[str, bool], Any] = {}
        self._identity: dict[str, str] | None = None
        try:
            core = botocore.session.Session(
                # the local cloud has nothing to do with the user's profiles, not even with one that is missing
                session_vars={"profile": (None, None, None, None)} if access.is_local else None)
            self.session = boto3.Session(
                botocore_session=core,
                profile_name=access.profile,
                region_name=access.region,
                aws_access_key_id=access.access_key_id,
                aws_secret_access_key=access.secret_access_key,
            )
        except botocore.exceptions.ProfileNotFound as error:
            raise UsageError(f"{error}.", "",
                             "Run `aws configure list-profiles`, or pass another --profile.") from error
        if not access.is_local:
            roles = core.get_component("credential_provider").get_provider("assume-role")
            roles.cache, roles._prompter = _assumed, _mfa_code
        if not self.session.region_name:
            raise UsageError("No AWS region is set.", "Neither --region, AWS_REGION nor the profile names one.",
                             "Pass --region eu-west-1 (for example), or work without an account: livetui --local")
        self.keys()

    @property
    def region(self) -> str:
        """The region's name, such as `eu-west-1`."""
        return str(self.session.region_name)

    def client(self, service: str, *, once: bool = False) -> Any:
        """A boto3 client, made once per service, with adaptive retries.

        With `once` nothing is ever sent twice and an answer may take 15 minutes: for invoking the user's functions.
        """
        from botocore.config import Config

        with self._lock:
            known = self._clients.get((service, once))
            if known is None:
                attempts = 1 if once else 2 if self.access.is_local else 8
                config = Config(
                    retries={"mode": "standard" if once else "adaptive", "total_max_attempts": attempts},
                    connect_timeout=5, read_timeout=930 if once else 65, tcp_keepalive=once, max_pool_connections=24,
                    s3={"addressing_style": "path" if self.access.is_local else "auto"},
                    proxies={} if self.access.is_local else None)  # a company's proxy cannot reach this machine
                known = self._clients[service, once] = self.session.client(
                    service, endpoint_url=self.access.endpoint_url, verify=self.access.ca_bundle, config=config)
            return known

    def keys(self) -> Keys:
        """The credentials as they are now; botocore refreshes those that expire. Raises `UsageError` when none."""
        import botocore.exceptions

        try:
            credentials = self.session.get_credentials()
            frozen = credentials.get_frozen_credentials() if credentials else None
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            profile = f" --profile {self.access.profile}" if self.access.profile else ""
            raise UsageError("The AWS credentials cannot be used.", str(error),
                             f"Sign in again, for example: aws sso login{profile}") from error
        if frozen is None or not frozen.access_key:
            raise UsageError("No AWS credentials were found.",
                             "Looked at --profile, the environment, ~/.aws and the instance's role.",
                             "Sign in (aws sso login, aws configure), or work without an account: livetui --local")
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)

    def _caller(self) -> dict[str, str]:
        import botocore.exceptions

        with self._lock:
            if self._identity is None:
                self.keys()
                try:
                    self._identity = self.client("sts").get_caller_identity()
                except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
                    raise UsageError("AWS refused these credentials.", str(error),
                                     "Sign in again, or choose another --profile.") from error
            return self._identity

    @property
    def account(self) -> str:
        """The 12-digit account id."""
        return self._caller()["Account"]

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn`, `aws-us-gov`, …"""
        return self._caller()["Arn"].split(":")[1]

    @property
    def ca_bundle(self) -> str | None:
        """The CA bundle to trust besides the usual: the local cloud's, or the user's own (`AWS_CA_BUNDLE`)."""
        return self.access.ca_bundle or self.session._session.get_config_variable("ca_bundle")

    def iot_endpoint(self) -> IotEndpoint:
        """Ask IoT for this account's data endpoint (ATS); the user's CA bundle (`AWS_CA_BUNDLE`) counts there too."""
        host = str(self.client("iot").describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"])
        name, _, port = host.partition(":")
        dial = "localhost" if self.access.is_local else name
        return IotEndpoint(host, dial, int(port or 443), self.region, self.ca_bundle)
        bundle = self.access.ca_bundle or self.session._session.get_config_variable("ca_bundle")
        return IotEndpoint(host, dial, int(port or 443), self.region, bundle)


def sign_in(access: CloudAccess) -> None:
    """Ask for an MFA code now, if the profile needs one: afterwards the console owns the terminal.

    Raises `UsageError` like `Aws`.
    """
    path = Path(os.environ.get("AWS_CONFIG_FILE", "~/.aws/config")).expanduser()
    if not access.is_local and path.is_file() and "mfa_serial" in path.read_text("utf-8", "replace"):
        Aws(access)
    _terminal_taken.set()


def _mfa_code(prompt: str) -> str:
    if _terminal_taken.is_set() or not sys.stdin.isatty():
        raise UsageError("The profile's role needs an MFA code.", "It is asked for at a terminal, before the start.",
                         "Start livetui anew at a terminal; a longer `duration_seconds` in the profile helps.")
    return getpass.getpass(prompt)
