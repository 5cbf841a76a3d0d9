"""Functions that something else changed since livetui made them live, so that their calls do not come; mending them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

from livetui.aws import Aws
from livetui.stack.attachment import configure, missing_of, variables_of
from livetui.stack.changeset import refusing
from livetui.stack.contract import LiveFunction
from livetui.stack.live import HANDLER, START_UP_VARIABLES, Stub
from stub_runtime.config import VARIABLE

DELETED = "it is deleted"


def live_ones(functions: Iterable[LiveFunction]) -> dict[str, str]:
    """Id → ARN or name of those that are live."""
    return {function.id: function.arn or function.name for function in functions if function.live and function.name}


@refusing("The functions' configurations cannot be read.")
def changed_elsewhere(aws: Aws, functions: Mapping[str, str]) -> dict[str, str]:
    """Id → what it is now, of live and attached functions whose stub is gone; `functions` are ids and names or ARNs."""
    def look(function: str) -> str:
        try:
            now = aws.client("lambda").get_function_configuration(FunctionName=function)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            return DELETED
        if now.get("Handler") != HANDLER:
            return missing_of(now)
        return "" if VARIABLE in variables_of(now) else f"its variable {VARIABLE} is gone"

    with ThreadPoolExecutor(8, "livetui-drift") as pool:
        found = zip(functions, pool.map(look, functions.values()), strict=True)
        return {id: what for id, what in found if what}


def mend(aws: Aws, bucket: str, function: str, stub: Stub) -> None:
    """Put the stub before a live function again; its other variables stay as they are now."""
    awslambda = aws.client("lambda")
    now = variables_of(awslambda.get_function_configuration(FunctionName=function))
    configure(aws, function, Runtime=stub.runtime, Handler=HANDLER, Layers=[], Timeout=stub.timeout_s,
              MemorySize=stub.memory_mb, Environment={"Variables": {
                  **{name: value for name, value in now.items() if name not in START_UP_VARIABLES},
                  VARIABLE: stub.variable}})
    awslambda.update_function_code(FunctionName=function, S3Bucket=bucket, S3Key=stub.key)
    awslambda.get_waiter("function_updated_v2").wait(FunctionName=function)
