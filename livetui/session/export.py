"""An invocation as something another tool takes, and such things back as events."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from livetui.errors import LivetuiError, UsageError
from livetui.session import outputs
from livetui.session.curl import from_curl, is_http, to_curl
from livetui.session.invocation import Invocation
from livetui.session.secrets import mask
from livetui.session.testfile import from_pytest, to_pytest

Kind = Literal["json", "sam", "curl", "aws", "pytest"]
KINDS: tuple[str, ...] = get_args(Kind)
_LONGEST_ARGUMENT = 64 * 1024
"""Bytes from which a payload goes to a command's standard input; Linux takes 128 KiB in one argument."""


def export(invocation: Invocation, kind: str, *, reveal: bool = False, endpoint: str = "", handler: str = "",
           code_root: Path | None = None, project: Path | None = None,
           environment: Mapping[str, str] | None = None, layers: Sequence[Path] = ()) -> str:
    """An invocation as text of this kind, with its secrets masked unless `reveal`.

    `json` is the whole record, `sam` the bare event (for `sam local invoke -e`), `curl` and `aws` are commands for a
    POSIX shell, `pytest` is a test file. `curl` takes the API's `endpoint` when the event's own host is not to be
    used; `pytest` needs `handler` and `code_root`, and names folders, those of `layers` too, relative to `project`.
    Raises `LivetuiError` when the invocation cannot be told that way, `UsageError` for another kind.
    """
    if kind not in KINDS:
        raise UsageError(f"There is no export called {kind!r}.", hint=f"Choose one of {', '.join(KINDS)}.")
    try:
        return _export(invocation, kind, reveal, endpoint, handler, code_root, project, environment, layers)
    except RecursionError as error:
        raise LivetuiError(f"#{invocation.row.id} is nested too deeply to be exported.",
                           hint=f"Its bytes are in the history: livetui show {invocation.row.id} --json") from error


def _export(invocation: Invocation, kind: str, reveal: bool, endpoint: str, handler: str,
            code_root: Path | None, project: Path | None, environment: Mapping[str, str] | None,
            layers: Sequence[Path]) -> str:
    if kind == "json":
        record = json.loads(outputs.invocation_json(invocation, reveal=reveal))
        return json.dumps({"livetui": 1, **record}, indent=2) + "\n"
    event = _event(invocation)
    match kind:
        case "pytest":
            if not handler or code_root is None:
                raise LivetuiError(f"The code of {invocation.row.function} is not known.",
                                   "A test must import its handler.", "Export it in the project that has its template.")
            return to_pytest(invocation, event, handler=handler, code_root=code_root, project=project,
                             environment=environment, layers=layers, reveal=reveal)
        case "sam":
            return json.dumps(event if reveal else mask(event), indent=2) + "\n"
        case "curl":
            if not is_http(event):
                raise LivetuiError(f"#{invocation.row.id} did not come over HTTP.", f"It is {invocation.row.trigger}.",
                                   f"livetui export {invocation.row.id} --as aws")
            shown = event if reveal else mask(event)
            return _note(event != shown) + to_curl(shown, endpoint)
        case _:
            return _aws(invocation, event, reveal)


def import_event(text: str, routes: Sequence[str] = ()) -> bytes:
    """The event in an exported text of any kind, or in a plain event file. Raises `UsageError` when there is none.

    A `curl` command becomes the event that one of these `routes` of the function makes of it.
    """
    stripped = text.strip()
    try:
        value = json.loads(stripped)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and "livetui" in value and "event" in value:
        return json.dumps(value["event"]).encode()
    if value is not None or stripped == "null":
        return stripped.encode("utf-8", "surrogatepass")
    body = "\n".join(line for line in stripped.split("\n") if not line.startswith("#")).strip()
    if body.startswith(("curl ", "printf %s ")):
        return from_curl(body, routes)
    if body.startswith("aws lambda invoke "):
        return _from_aws(body)
    event = from_pytest(stripped)
    if event is not None:
        return event
    raise UsageError("There is no event in this text.", "It is no JSON, no curl or aws command, and no exported test.",
                     "`livetui events list` names sample events.")


def _event(invocation: Invocation) -> Any:
    try:
        return json.loads(invocation.event)
    except (ValueError, RecursionError) as error:
        raise LivetuiError(f"The event of #{invocation.row.id} is no JSON that can be exported so.", str(error),
                           f"livetui export {invocation.row.id} --as json") from error


def _note(masked: bool) -> str:
    return "# Secrets are masked; export with --reveal to send them.\n" if masked else ""


def _aws(invocation: Invocation, event: Any, reveal: bool) -> str:
    """`aws lambda invoke`; a big payload goes to standard input, quoted as a whole by the here-document."""
    arn = str(invocation.context.get("invoked_function_arn") or "").split(":")
    name = str(invocation.context.get("function_name") or invocation.row.function)
    shown = event if reveal else mask(event)
    payload = json.dumps(shown)
    words = ["aws", "lambda", "invoke", "--function-name", name, "--cli-binary-format", "raw-in-base64-out"]
    if len(arn) > 3 and arn[3]:
        words += ["--region", arn[3]]
    big = len(payload) > _LONGEST_ARGUMENT
    words += ["--payload", "file:///dev/stdin" if big else payload, "/dev/stdout"]
    command = " ".join(shlex.quote(word) for word in words)
    document = f" <<'LIVETUI_EVENT'\n{payload}\nLIVETUI_EVENT" if big else ""
    return f"{_note(event != shown)}{command}{document}\n"


def _from_aws(command: str) -> bytes:
    first, _, rest = command.partition("\n")
    if "<<" in first:
        return rest.partition("\nLIVETUI_EVENT")[0].strip().encode()
    try:
        words = shlex.split(command)
        payload = words[words.index("--payload") + 1]
        json.loads(payload)
    except (ValueError, IndexError) as error:
        raise UsageError("There is no JSON payload in this aws command.", str(error)) from error
    return payload.encode()
