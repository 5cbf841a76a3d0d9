"""The environment of a worker: the function's cloud variables, Lambda's own, and a short list of the developer's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from livetui.runtime.contract import FunctionSpec, Work

_DEVELOPER = frozenset({
    "PATH", "HOME", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "USERPROFILE", "PATHEXT",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
})
_LOCALE = ("LC_ALL", "LC_CTYPE", "LANG")


def _locale(developer: Mapping[str, str]) -> dict[str, str]:
    """The developer's locale when it is UTF-8, as Lambda's is; else the C locale in UTF-8."""
    chosen = {name: developer[name] for name in _LOCALE if "utf" in developer.get(name, "").lower()}
    return chosen or {"LANG": "C.UTF-8"}


def worker_environment(spec: FunctionSpec, developer: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a new worker of `spec` starts with, before the call's credentials.

    Of the developer's variables only proxies, CA files, PATH, HOME, temp folders and a UTF-8 locale are passed on:
    no AWS profile, no key of the developer. https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    developer = os.environ if developer is None else developer
    environment = {name: developer[name] for name in _DEVELOPER if name in developer}
    environment.update(_locale(developer))
    environment.update({
        "TZ": ":UTC",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
    })
    bins = [str(layer / "bin") for layer in reversed(spec.layers) if (layer / "bin").is_dir()]
    environment["PATH"] = os.pathsep.join([environment.get("PATH", os.defpath), *bins])
    environment.update(spec.environment)
    environment.update(_lambda_variables(spec))
    return environment


def _lambda_variables(spec: FunctionSpec) -> dict[str, str]:
    variables = {
        "_HANDLER": spec.handler,
        "LAMBDA_TASK_ROOT": str(spec.code_root),
        "LAMBDA_RUNTIME_DIR": str(Path("/var/runtime")),
        "AWS_REGION": spec.region,
        "AWS_DEFAULT_REGION": spec.region,
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    }
    if spec.runtime:
        variables["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{spec.runtime}"
    if spec.log_format:
        variables["AWS_LAMBDA_LOG_FORMAT"] = spec.log_format
    if spec.log_level:
        variables["AWS_LAMBDA_LOG_LEVEL"] = spec.log_level
    return variables


def call_environment(work: Work) -> dict[str, str]:
    """What changes with every call: the role's credentials, and which stub's log the call belongs to."""
    names = {"AWS_LAMBDA_LOG_GROUP_NAME": "log_group_name", "AWS_LAMBDA_LOG_STREAM_NAME": "log_stream_name",
             "AWS_LAMBDA_FUNCTION_VERSION": "function_version"}
    environment = {name: str(work.context[key]) for name, key in names.items() if work.context.get(key)}
    environment.update(work.credentials)
    return environment
