"""Deploying an application live and removing it again: the way from a loaded template to a `LiveStack`."""

from __future__ import annotations

import base64
import contextlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from livetui.aws import Aws, IotEndpoint
from livetui.config import Settings
from livetui.errors import LivetuiError, UsageError
from livetui.stack import artifacts, cdk, drift, guard
from livetui.stack import bootstrap as bootstrap_stack
from livetui.stack.assembly import DIGEST_OUTPUT, Assembly, assemble, template_key
from livetui.stack.attachment import attached
from livetui.stack.bootstrap import Bootstrap
from livetui.stack.changeset import (
    STACK_TYPE,
    DeploymentCancelledError,
    StackState,
    StackWork,
    describe,
    refused,
    refusing,
)
from livetui.stack.contract import LiveFunction, LiveStack, OnProgress, Progress, Resource
from livetui.stack.functions import Function
from livetui.stack.live import Wiring
from livetui.stack.names import named_alike, stack_name
from livetui.stack.tags import as_list, tags_of
from livetui.stack.taken import refuse_taken
from livetui.stack.template import Application
from stub_runtime.config import VARIABLE
from stub_runtime.sealing import verify_key_of
from stub_runtime.topics import Topics

_FUNCTION_TYPE = "AWS::Lambda::Function"
_UPLOADS_AT_ONCE = 8
_CODE_NAMES = re.compile(r"(LD_|DYLD_|PYTHON).*|PATH|AWS_LAMBDA_RUNTIME_API|AWS_LAMBDA_EXEC_WRAPPER")
"""Variables that execute code where they are set; they never come from the cloud (protocol.md, requirement 5)."""


@refusing("The application cannot be deployed.")
def deploy_live(application: Application, aws: Aws, bootstrap: Bootstrap, settings: Settings,
                on_progress: OnProgress, cancel: threading.Event | None = None, *,
                as_it_is: bool = False) -> LiveStack:
    """Make the application live and return what is deployed; an unchanged template costs no deployment.

    `as_it_is` takes a stack that is there without deploying what the template says by now.

    Raises `UsageError` for what the user can mend (a parameter, a path, a name that looks like production and was not
    typed), `LivetuiError` with the root cause in one
    line when the deployment failed, `DeploymentCancelledError` when `cancel` was set.
    """
    begun = time.monotonic()
    cancel = cancel or threading.Event()
    name = stack_name(settings.app, settings.stage)
    check(application, settings)
    if application.places:
        cdk.check_place(application.places, "" if settings.local else aws.account, aws.region)
    with ThreadPoolExecutor(4, "livetui-stack") as pool:
        key_found = pool.submit(signing_key, aws, settings)
        endpoint_found = pool.submit(aws.iot_endpoint)
        resources_found = pool.submit(resources_of, aws, name)
        before = describe(aws, name)
        seed, endpoint, resources = key_found.result(), endpoint_found.result(), resources_found.result()
    _check_owner(before, settings)
    guard.check(aws, settings, before)
    wiring = wiring_of(aws, settings, seed, bootstrap.bucket, endpoint)
    address = s3_address(aws)
    assembly = assemble(application, wiring, address, aws.access.is_local)
    after, changed = before, False
    tags = tags_of(settings)
    unchanged = (before.outputs.get(DIGEST_OUTPUT) == assembly.digest
                 and settings.tags.items() <= before.tags.items())
    if before.usable and (unchanged or as_it_is):
        if unchanged:
            _mend(aws, bootstrap.bucket, assembly, _live_functions(assembly.functions, resources, before.arn),
                  on_progress, cancel)
        on_progress(Progress("deploy", name, "skipped", STACK_TYPE, "nothing changed", time.monotonic() - begun))
    else:
        refuse_taken(aws, application, before.arn, resources)
        work = StackWork(aws, name, "deploy", on_progress, cancel)
        ready = work.make_ready(before)  # clearing away a dead stack empties its place in the bucket
        _upload(aws, bootstrap.bucket, assembly, on_progress, cancel, anew=not ready.status)
        after, changed = work.deploy(
            assembly.body, tags, application.parameters,
            lambda: _upload_template(aws, bootstrap.bucket, wiring.topics, assembly.body, address))
        resources = resources_of(aws, name)
        on_progress(Progress("deploy", name, "done" if changed else "skipped", STACK_TYPE,
                             "" if changed else "nothing changed", time.monotonic() - begun))
    return LiveStack(name, after.arn, settings.app, settings.stage,
                     {key: value for key, value in after.outputs.items() if key != DIGEST_OUTPUT},
                     _live_functions(assembly.functions, resources, after.arn), bootstrap.bucket,
                     tuple(Resource(item["Id"], item["ResourceType"], item.get("PhysicalResourceId", ""))
                           for item in resources if item["ResourceType"] != STACK_TYPE), changed,
                     time.monotonic() - begun, seed)


def wiring_of(aws: Aws, settings: Settings, seed: bytes, bucket: str, endpoint: IotEndpoint | None = None) -> Wiring:
    """What the stubs of this stage are told; `seed` is the stage's signing key."""
    endpoint = endpoint or aws.iot_endpoint()
    return Wiring(Topics(settings.app, settings.stage), base64.b64encode(verify_key_of(seed)).decode(), endpoint.host,
                  aws.region, bucket, lambda *_: "", endpoint.dial_host if endpoint.dial_host != endpoint.host else "",
                  endpoint.port, lambda name: settings.for_function(name).offline or settings.offline,
                  settings.permissions_boundary)


def function_resources(aws: Aws, stack: str) -> dict[str, str]:
    """The functions of a deployed stack and its nested ones: id → physical name."""
    return {item["Id"]: item["PhysicalResourceId"] for item in resources_of(aws, stack)
            if item["ResourceType"] == _FUNCTION_TYPE and item.get("PhysicalResourceId")}


@refusing("The live stack cannot be removed.")
def remove_live(aws: Aws, settings: Settings, on_progress: OnProgress,
                cancel: threading.Event | None = None, *, log_groups: bool = False) -> bool:
    """Delete the live stack and its signing key; False when there was none. The bootstrap's functions hear of it and
    take its metadata, artifacts and payloads away. Functions that are attached in the same stage keep the key.

    With `log_groups` the log groups of its functions are deleted too; AWS keeps them otherwise.
    """
    begun = time.monotonic()
    name = stack_name(settings.app, settings.stage)
    stack = describe(aws, name)
    if not stack.status:
        drop_key(aws, settings.app, settings.stage)
        return False
    _check_owner(stack, settings)
    if stack.protected:
        raise LivetuiError(f"The stack {name} is protected against deletion.", "",
                           "Switch its termination protection off first.")
    functions = list(function_resources(aws, name).values()) if log_groups else []
    StackWork(aws, name, "remove", on_progress, cancel).delete()
    for function in functions:  # before the key, which another call can still delete
        with contextlib.suppress(aws.client("logs").exceptions.ResourceNotFoundException):
            aws.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{function}")
    drop_key(aws, settings.app, settings.stage)
    on_progress(Progress("remove", name, "done", STACK_TYPE, elapsed_s=time.monotonic() - begun))
    return True


def key_name(app: str, stage: str) -> str:
    """The SSM parameter with the stage's signing key."""
    return f"/livetui/{app}/{stage}/signing-key"


@refusing("The stage's signing key cannot be deleted.")
def drop_key(aws: Aws, app: str, stage: str) -> None:
    """Delete a stage's signing key once no stub asks for it: without a live stack and without attached functions."""
    boot = bootstrap_stack.find(aws)
    held = attached(aws, boot) if boot is not None else []
    if any((item.app, item.stage) == (app, stage) for item in held) or describe(aws, stack_name(app, stage)).status:
        return
    with contextlib.suppress(aws.client("ssm").exceptions.ParameterNotFound):
        aws.client("ssm").delete_parameter(Name=key_name(app, stage))


@refusing("The stage's signing key cannot be read.")
def signing_key(aws: Aws, settings: Settings) -> bytes:
    """The stage's Ed25519 seed (32 bytes) from SSM, made there once; whoever comes second takes the first one's."""
    ssm, name = aws.client("ssm"), key_name(settings.app, settings.stage)
    for _ in range(2):
        if key := known_key(aws, settings):
            return key
        with contextlib.suppress(ssm.exceptions.ParameterAlreadyExists):
            ssm.put_parameter(Name=name, Type="SecureString", Overwrite=False,
                              Description="Signs who may answer for the live functions of this stage",
                              Tags=as_list(tags_of(settings)),
                              Value=base64.b64encode(secrets.token_bytes(32)).decode())
    raise LivetuiError(f"The signing key {name} cannot be read back.")


@refusing("The stage's signing key cannot be read.")
def known_key(aws: Aws, settings: Settings) -> bytes | None:
    """The stage's seed as it is in SSM; None when there is none."""
    ssm, name = aws.client("ssm"), key_name(settings.app, settings.stage)
    try:
        return base64.b64decode(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        return None
    except ClientError as error:
        raise refused(error, f"The signing key {name} cannot be read.") from error


@refusing("A function's configuration cannot be read.")
def environment(aws: Aws, function: str) -> dict[str, str]:
    """The variables of a deployed function as its handler would see them; `function` is a name or an ARN.

    Ours is left out, and so are names that execute code wherever they are set.
    """
    try:
        answer = aws.client("lambda").get_function_configuration(FunctionName=function)
    except ClientError as error:
        raise refused(error, f"The configuration of {function} cannot be read.") from error
    variables: Mapping[str, str] = answer.get("Environment", {}).get("Variables", {})
    return {name: value for name, value in variables.items() if name != VARIABLE and not _CODE_NAMES.fullmatch(name)}


@refusing("The functions' configurations cannot be read.")
def environments(aws: Aws, functions: Iterable[LiveFunction]) -> dict[str, dict[str, str]]:
    """The variables of all live functions, by id, asked for in parallel."""
    live = [function for function in functions if function.live and function.name]
    with ThreadPoolExecutor(_UPLOADS_AT_ONCE, "livetui-env") as pool:
        found = pool.map(lambda function: environment(aws, function.arn or function.name), live)
        return {function.id: variables for function, variables in zip(live, found, strict=True)}


def s3_address(aws: Aws) -> str:
    """What the path-style address of an object begins with."""
    if aws.access.endpoint_url:
        return aws.access.endpoint_url
    suffix = "amazonaws.com.cn" if aws.region.startswith("cn-") else "amazonaws.com"
    return f"https://s3.{aws.region}.{suffix}"


def check(application: Application, settings: Settings) -> None:
    """Raises `UsageError` for what stands against a deployment whatever the account holds."""
    name = stack_name(settings.app, settings.stage)
    if application.real_stack == name:
        raise UsageError(f"{name} is the stack of your real deployment (samconfig).", "",
                         "Choose another --stage: livetui never touches it.")
    unbuilt = [function.id for function in application.found.values() if function.needs_image]
    if unbuilt:
        raise UsageError(f"The container image of {', '.join(unbuilt)} is not built.",
                         "livetui deploys images that are not live as they are, and does not build them.",
                         "Build and push it (sam build, docker push), then name it in livetui.toml: "
                         f'[functions.{unbuilt[0]}] image = "ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG"')
    for shared, ids in named_alike(application).items():
        raise UsageError(f"{' and '.join(ids)} are all to be called {shared!r}.", "No account can have both.",
                         "Make the names of ${AWS::StackName}, or deploy one stack: "
                         f"--template {cdk.FOLDER}/STACK.template.json" if application.path.name == "manifest.json"
                         else "Make the names of ${AWS::StackName}, or pass a --parameter.")
    if application.missing:
        first = application.missing[0]
        raise UsageError(f"The template's parameters have no value: {', '.join(application.missing)}.", "",
                         f"Pass --parameter {first}=VALUE, or set it in [parameters] of livetui.toml.")
    if missing := artifacts.missing(application):
        raise artifacts.none_there(missing)


def _check_owner(stack: StackState, settings: Settings) -> None:
    owner = (stack.tags.get("livetui:app"), stack.tags.get("livetui:stage"))
    if stack.status and stack.status != "REVIEW_IN_PROGRESS" and owner != (settings.app, settings.stage):
        raise LivetuiError(f"The stack {stack.name} was not deployed by livetui for this application and stage.",
                           f"Its tags say {owner[0] or 'nothing'}/{owner[1] or 'nothing'}.",
                           "Choose another --stage; livetui does not touch other stacks.")


def _upload(aws: Aws, bucket: str, assembly: Assembly, on_progress: OnProgress, cancel: threading.Event,
            anew: bool = False) -> None:
    """Bring bundles, files and nested templates to the bucket, in parallel, each only when it is not there.

    With `anew` the stage's own are brought in any case: what an earlier stack left may be cleared away at any moment.
    """
    work: list[tuple[str, str, Callable[[], bytes]]] = [
        *((f"stub {stub.runtime}" if not stub.local else "stub", key, lambda stub=stub: stub.path().read_bytes())
          for key, stub in assembly.bundles.items()),
        *((artifact.name, key, lambda artifact=artifact: artifact.content)
          for key, artifact in assembly.artifacts.items()),
        *(("nested template", key, lambda text=text: text.encode()) for key, text in assembly.templates.items()),
    ]

    def put(item: tuple[str, str, Callable[[], bytes]]) -> None:
        label, key, content = item
        if cancel.is_set():
            raise DeploymentCancelledError("The upload was stopped before anything was deployed.")
        begun = time.monotonic()
        on_progress(Progress("package", label, "started"))
        size = upload(aws, bucket, key, content, anew=anew and key not in assembly.bundles)
        on_progress(Progress("package", label, "done" if size else "skipped",
                             reason=f"{size / 1e6:.1f} MB" if size else "already uploaded",
                             elapsed_s=time.monotonic() - begun))

    try:
        with ThreadPoolExecutor(_UPLOADS_AT_ONCE, "livetui-upload") as pool:
            list(pool.map(put, work))
        for key, origin in assembly.copies.items():
            if anew or not _is_there(aws, bucket, key):
                aws.client("s3").copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": origin})
    except ClientError as error:
        raise refused(error, f"The code cannot be uploaded to {bucket}.") from error


def upload(aws: Aws, bucket: str, key: str, content: Callable[[], bytes], *, anew: bool = False) -> int:
    """Put an object whose key names its content, unless it is there; returns the bytes sent (0: it was there)."""
    if not anew and _is_there(aws, bucket, key):
        return 0
    body = content()
    aws.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    return len(body)


def _is_there(aws: Aws, bucket: str, key: str) -> bool:
    try:
        aws.client("s3").head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
            return False
        raise
    return True


def _mend(aws: Aws, bucket: str, assembly: Assembly, functions: Mapping[str, LiveFunction], on_progress: OnProgress,
          cancel: threading.Event) -> None:
    """Make functions live again that something else changed behind the stack's back."""
    changed = drift.changed_elsewhere(aws, drift.live_ones(functions.values()))
    if changed:
        _upload(aws, bucket, assembly, on_progress, cancel)
    for name, what in changed.items():
        on_progress(Progress("deploy", name, "started", _FUNCTION_TYPE, f"Something else changed it: {what}."))
        drift.mend(aws, bucket, functions[name].name, assembly.stubs[name])
        on_progress(Progress("deploy", name, "done", _FUNCTION_TYPE, "It is live again."))


def _upload_template(aws: Aws, bucket: str, topics: Topics, body: str, address: str) -> str:
    key = template_key(topics, body)
    aws.client("s3").put_object(Bucket=bucket, Key=key, Body=body.encode())
    return f"{address}/{bucket}/{key}"


def resources_of(aws: Aws, stack: str, prefix: str = "") -> list[dict[str, Any]]:
    """Every resource of a stack and its nested stacks; `Id` is the application-wide id. Empty without a stack."""
    found: list[dict[str, Any]] = []
    try:
        pages = aws.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
        for page in pages:
            for item in page["StackResourceSummaries"]:
                found.append({**item, "Id": prefix + item["LogicalResourceId"]})
    except ClientError as error:
        if "does not exist" in str(error):
            return []
        raise refused(error, f"The resources of {stack} cannot be read.") from error
    for item in list(found):
        if item["ResourceType"] == STACK_TYPE and item.get("PhysicalResourceId"):
            found += resources_of(aws, item["PhysicalResourceId"], f"{item['Id']}-")
    return found


def _live_functions(functions: Mapping[str, Function], resources: Iterable[Mapping[str, Any]],
                    stack_arn: str) -> dict[str, LiveFunction]:
    names = {item["Id"]: item.get("PhysicalResourceId", "") for item in resources
             if item["ResourceType"] == _FUNCTION_TYPE}
    parts = stack_arn.split(":")
    return {name: function.as_live_function(
        names.get(name, ""),
        f"{parts[0]}:{parts[1]}:lambda:{parts[3]}:{parts[4]}:function:{names[name]}" if names.get(name) else "")
        for name, function in functions.items()}
