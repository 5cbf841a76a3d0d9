"""Lambda's words for what its platform reports, and the environment that it gives a handler."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from livetui.runtime.contract import FunctionSpec, Work
from livetui.runtime.environment import call_environment, worker_environment
from livetui.runtime.faults import error_body, exit_message, timeout_message


@pytest.mark.parametrize(("code", "words"), [
    (0, "Runtime exited without providing a reason"), (1, "Runtime exited with error: exit status 1"),
    (-9, "Runtime exited with error: signal: killed"), (-11, "Runtime exited with error: signal: segmentation fault"),
    (-6, "Runtime exited with error: signal: aborted"), (-60, "Runtime exited with error: signal: signal 60"),
])
def test_how_a_process_ended(code: int, words: str) -> None:
    assert exit_message("id", code) == f"RequestId: id Error: {words}"


def test_a_timeout() -> None:
    assert timeout_message("id", 3) == "RequestId: id Error: Task timed out after 3.00 seconds"


def test_the_order_of_keys() -> None:
    assert error_body("T", "m") == b'{"errorType": "T", "errorMessage": "m"}'


def spec(**changes: object) -> FunctionSpec:
    fields = {"id": "F", "name": "demo", "handler": "app.handler", "code_root": Path("/code"), "interpreter": Path("p"),
              "timeout_s": 3, "memory_mb": 128, "region": "eu-west-1", **changes}
    return FunctionSpec(**fields)  # type: ignore[arg-type]


def test_only_listed_variables_of_the_developer_pass() -> None:
    seen = worker_environment(spec(), {"PATH": "/bin", "AWS_PROFILE": "prod", "SECRET": "x", "LANG": "de_DE.UTF-8",
                                       "https_proxy": "http://p", "PYTHONPATH": "/x", "AWS_SESSION_TOKEN": "t"})
    assert seen["PATH"].split(os.pathsep)[-1] == "/bin"
    assert (seen["LANG"], seen["https_proxy"]) == ("de_DE.UTF-8", "http://p")
    assert not seen.keys() & {"AWS_PROFILE", "SECRET", "PYTHONPATH", "AWS_SESSION_TOKEN"}


def test_a_locale_that_is_not_utf8_is_replaced() -> None:
    assert worker_environment(spec(), {"LANG": "POSIX"})["LANG"] == "C.UTF-8"


def test_the_functions_variables_win_over_the_developers_and_lambdas_over_both() -> None:
    seen = worker_environment(spec(environment={"HTTP_PROXY": "cloud", "_HANDLER": "fake", "TZ": "Europe/Berlin"}),
                              {"HTTP_PROXY": "mine"})
    assert (seen["HTTP_PROXY"], seen["_HANDLER"], seen["TZ"]) == ("cloud", "app.handler", "Europe/Berlin")


def test_logging_configuration_is_passed_as_lambda_does() -> None:
    seen = worker_environment(spec(log_format="JSON", log_level="DEBUG", runtime="python3.12"), {})
    assert (seen["AWS_LAMBDA_LOG_FORMAT"], seen["AWS_LAMBDA_LOG_LEVEL"]) == ("JSON", "DEBUG")
    assert seen["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.12"


def test_each_call_brings_its_credentials_and_log_stream() -> None:
    work = Work("w", b"", {"log_stream_name": "s", "function_version": "7"}, {"AWS_ACCESS_KEY_ID": "k"})
    seen = call_environment(work)
    assert seen == {"AWS_LAMBDA_LOG_STREAM_NAME": "s", "AWS_LAMBDA_FUNCTION_VERSION": "7", "AWS_ACCESS_KEY_ID": "k"}
