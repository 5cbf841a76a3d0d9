"""What can be wrong between this machine and a live stack, each found out and said with what to do about it."""

from __future__ import annotations

import importlib.util
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from livetui.aws import Aws, CloudAccess
from livetui.config import Settings, user_name
from livetui.errors import LivetuiError
from livetui.stack import artifacts, samconfig, template
from livetui.stack import bootstrap as bootstrap_stack
from livetui.stack.attachment import attached
from livetui.stack.bootstrap import STACK, Bootstrap
from livetui.stack.drift import changed_elsewhere
from livetui.stack.handlers import missing_code
from livetui.stack.names import fixed_names
from livetui.stack.park import parked
from livetui.stack.policy import bootstrap_policy, place_of, policy_for
from stub_runtime.mqtt import set_no_delay

MAX_SKEW_S = 240
"""AWS refuses signatures that are five minutes off."""
_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_CHECKS_PER_SIMULATION = 100


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    hint: str = ""
    """What to do when it is not ok."""


def examine(settings: Settings, access: CloudAccess | None) -> list[Check]:
    """Look at everything; nothing is changed, and one failure never hides the next check.

    Without `access` (no local cloud runs) only this machine and the template are looked at.
    """
    checks = [_checked("template", lambda: _template(settings)), _checked("state", lambda: _state(settings))]
    if settings.local:
        checks.append(_checked("local cloud", lambda: _local_cloud(access)))
    if access is None:
        return [*checks, *_of_template(settings)]
    try:
        aws = Aws(access)
        account = f"{aws.account} in {aws.region}"
    except LivetuiError as error:
        return [*checks, Check("credentials", False, f"{error.what} {error.why}".strip(), error.hint)]
    checks.append(Check("credentials", True, f"account {account}"))
    found: list[Bootstrap] = []
    for name, look in (("clock", lambda: _clock(aws)), ("region", lambda: _region(aws, settings)),
                       ("IoT", lambda: _iot(aws)), ("bootstrap", lambda: _bootstrap(aws, found)),
                       ("permissions", lambda: _permissions(aws, settings))):
        checks.append(_checked(name, look))
    if found:
        checks.append(_checked("attached functions", lambda: _attached(aws, found[0])))
        checks.append(_checked("parked", lambda: _parked(aws, found[0], settings)))
    checks += _of_template(settings)
    return checks


def _checked(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except LivetuiError as error:
        return Check(name, False, f"{error.what} {error.why}".strip(), error.hint)
    except (BotoCoreError, ClientError, OSError) as error:
        return Check(name, False, str(error))


def _template(settings: Settings) -> Check:
    application = template.load(settings)
    live = [function for function in application.found.values() if function.live]
    if application.missing:
        return Check("template", False, f"parameters without a value: {', '.join(application.missing)}",
                     f"Pass --parameter {application.missing[0]}=VALUE.")
    others = len(application.found) - len(live)
    functions = f"{len(live)} function{'' if len(live) == 1 else 's'}"
    return Check("template", True, f"{application.path.name}: {functions} can be live"
                                   f"{f', {others} cannot' if others else ''}")


def _state(settings: Settings) -> Check:
    """The history and the log can be written."""
    place = settings.state if settings.state.exists() else settings.root
    writable = os.access(place, os.W_OK)
    return Check("state", writable, f"{settings.state} {'can' if writable else 'cannot'} be written",
                 "" if writable else "Make it yours, or start livetui in a folder that is.")


def _local_cloud(access: CloudAccess | None) -> Check:
    if access is not None:
        return Check("local cloud", True, f"runs at {access.endpoint_url}")
    needed = ("ministack", "cryptography", "samtranslator")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        return Check("local cloud", False, f"not installed: {', '.join(missing)}", "pip install 'livetui[local]'")
    return Check("local cloud", True, "installed; none of this project runs now, `livetui --local` starts one")


def _clock(aws: Aws) -> Check:
    answer = aws.client("sts").get_caller_identity()
    sent = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    skew = abs(time.time() - _seconds(sent)) if sent else 0.0
    return Check("clock", skew < MAX_SKEW_S, f"{skew:.0f} s off AWS's",
                 "" if skew < MAX_SKEW_S else "Set this machine's clock; AWS refuses signatures 5 minutes off.")


def _region(aws: Aws, settings: Settings) -> Check:
    """Whether the real deployment is somewhere else, by what SAM CLI's settings say."""
    real = samconfig.read(settings.root)
    if real.region and real.region != aws.region:
        return Check("region", False, f"{aws.region}; samconfig says that the real stack is in {real.region}",
                     f"If this is not meant: --region {real.region}")
    return Check("region", True, aws.region)


def _seconds(date: str) -> float:
    moment: datetime = parsedate_to_datetime(date)
    return moment.timestamp()


def _iot(aws: Aws) -> Check:
    """The endpoint exists, its name resolves, and TLS on its port is what it should be."""
    endpoint = aws.iot_endpoint()
    proxy = next((os.environ[name] for name in _PROXIES if os.environ.get(name)), "")
    if proxy and not aws.access.is_local:
        return Check("IoT", True, f"{endpoint.host}, through the proxy {proxy.rpartition('@')[2]} (not tried)",
                     "The proxy must let WebSockets through on port 443.")
    begun = time.monotonic()
    try:
        context = ssl.create_default_context(cafile=endpoint.ca_file)
        with (socket.create_connection((endpoint.dial_host, endpoint.port), timeout=10) as raw,
              context.wrap_socket(raw, server_hostname=endpoint.dial_host)):
            took = (time.monotonic() - begun) * 1000
            slow = "" if set_no_delay(endpoint.port) else (
                "; TCP_NODELAY cannot be set on this system, so each message may take some 40 ms longer")
    except socket.gaierror as error:
        return Check("IoT", False, f"{endpoint.dial_host} does not resolve: {error}",
                     "Check the DNS, and that this region has IoT. A first endpoint takes about ten minutes.")
    except ssl.SSLError as error:
        return Check("IoT", False, f"TLS to {endpoint.dial_host}: {error}",
                     "A proxy that opens TLS needs its CA: set AWS_CA_BUNDLE.")
    except OSError as error:
        return Check("IoT", False, f"{endpoint.dial_host}:{endpoint.port}: {error}",
                     "Port 443 to AWS IoT must be open; behind a proxy set HTTPS_PROXY.")
    return Check("IoT", True, f"{endpoint.host} answers in {took:.0f} ms{slow}")


def _bootstrap(aws: Aws, found: list[Bootstrap]) -> Check:
    boot = bootstrap_stack.find(aws)
    if boot is None:
        return Check("bootstrap", False, f"there is no stack {STACK} in {aws.region}",
                     "Run `livetui bootstrap`, or livetui itself, which does it.")
    aws.client("s3").head_bucket(Bucket=boot.bucket)
    found.append(boot)
    if boot.version < bootstrap_stack.VERSION:
        return Check("bootstrap", False, f"version {boot.version} is older than {bootstrap_stack.VERSION}",
                     "Run `livetui bootstrap` to upgrade it.")
    return Check("bootstrap", True, f"version {boot.version}, bucket {boot.bucket}")


def _permissions(aws: Aws, settings: Settings) -> Check:
    """Ask IAM whether it would allow each of our calls; who may not ask is told which policy is needed."""
    if aws.access.is_local:
        return Check("permissions", True, "the local cloud's own root user")
    caller = aws.client("sts").get_caller_identity()["Arn"]
    if ":assumed-role/" in caller:
        role = caller.split(":assumed-role/")[1].split("/")[0]
        caller = aws.client("iam").get_role(RoleName=role)["Role"]["Arn"]
    denied: list[str] = []
    place = place_of(aws)
    statements = policy_for(settings, place)["Statement"]
    if bootstrap_stack.find(aws) is None:
        statements += bootstrap_policy(place)["Statement"]
    for statement in statements:
        try:
            pages = list(aws.client("iam").get_paginator("simulate_principal_policy").paginate(
                PolicySourceArn=caller, ActionNames=statement["Action"],
                ResourceArns=[resource for resource in statement["Resource"] if resource != "*"] or ["*"],
                ContextEntries=context_of(statement), PaginationConfig={"PageSize": _CHECKS_PER_SIMULATION}))
        except ClientError as error:
            return Check("permissions", False, f"IAM cannot be asked: {error.response['Error'].get('Message', error)}",
                         "Compare with `livetui doctor --policy`.")
        denied += [result["EvalActionName"] for page in pages for result in page["EvaluationResults"]
                   if result["EvalDecision"] != "allowed"]
    if denied:
        return Check("permissions", False, f"not allowed: {', '.join(sorted(set(denied)))}",
                     "Give an administrator what `livetui doctor --policy` (and `--policy --bootstrap`) prints.")
    return Check("permissions", True, "every call of livetui is allowed")


def context_of(statement: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a call that the statement's conditions allow says of itself, as IAM's simulator takes it."""
    return [{"ContextKeyName": key, "ContextKeyType": "string",
             "ContextKeyValues": [str(item) for item in (value if isinstance(value, list) else [value])]}
            for keys in statement.get("Condition", {}).values() for key, value in keys.items()]


def _attached(aws: Aws, boot: Bootstrap) -> Check:
    everyones = attached(aws, boot)
    ours = [item for item in everyones if item.owner == user_name()]
    others = f" ({len(everyones) - len(ours)} of others)" if len(everyones) > len(ours) else ""
    if not ours:
        return Check("attached functions", True, f"none of yours{others}")
    oldest = (time.time() - min(item.since for item in ours)) / 3600
    again = changed_elsewhere(aws, {item.function: item.arn for item in ours})
    return Check("attached functions", False,
                 f"{', '.join(item.function for item in ours)} for {oldest:.1f} h{others}"
                 + (f"; deployed or changed since, so not live any more: {', '.join(again)}" if again else ""),
                 "Work on, or put them back: livetui restore")


def _parked(aws: Aws, boot: Bootstrap, settings: Settings) -> Check:
    sources = parked(aws, boot, settings)
    if not sources:
        return Check("parked", True, "no event source is switched off")
    return Check("parked", False, f"switched off: {', '.join(source.id for source in sources)}",
                 "Switch them on again: livetui resume")


def _of_template(settings: Settings) -> Iterator[Check]:
    """Names and files of the template, and warnings of functions that matter before anything is tried."""
    try:
        application = template.load(settings)
    except LivetuiError:
        return  # the check of the template says so
    names = fixed_names(application)
    if names:
        yield Check("names", True, "fixed in the template: " + ", ".join(f"{id}={name}" for id, name in names.items()),
                    "Where the real stack has them, deploying a live copy fails; make them of ${AWS::StackName}.")
    missing = artifacts.missing(application)
    yield Check("files", not missing, f"not there: {'; '.join(missing)}" if missing else "all that the template names",
                artifacts.none_there(missing).hint if missing else "")
    for function in application.found.values():
        if not function.live:
            continue
        for warning in function.warnings:
            yield Check(function.id, True, warning)
        lacks = missing_code(function.code_root, function.handler, function.layers) if function.code_root else None
        if lacks is not None:
            yield Check(function.id, False, lacks[1], "Mend Handler or CodeUri in the template, or the code.")
