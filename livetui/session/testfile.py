"""An invocation as a pytest file: it runs the handler with the recorded event and fails when the answer changes."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from livetui.errors import LivetuiError
from livetui.session.invocation import Invocation
from livetui.session.secrets import MASK, mask, mask_text

_FILE = '''"""{title}

Recorded by livetui as #{number}. It fails when the handler's answer changes.{masked}
"""

import importlib
import json
{imports}import sys
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

{boto3}import pytest

MODULE, HANDLER = {module!r}, {function!r}
FOLDER, SOURCES = {folder!r}, {sources!r}
LAYERS = {layers!r}
ENVIRONMENT = {environment}
{calls}
EVENT = json.loads(r"""
{event}
""")

CONTEXT = SimpleNamespace(
{context}
    identity=None,
    client_context=None,
    get_remaining_time_in_millis=lambda: 30_000,
)

{expected}

@pytest.fixture
def handler(monkeypatch):
    """The function's code, imported as Lambda imports it, with its layers and its environment."""
    above = Path(__file__).resolve().parents
    project = next((folder for folder in above if any((folder / FOLDER / source).is_file() for source in SOURCES)
                    and all((folder / layer).is_dir() for layer in LAYERS)), None)
    assert project is not None, f"no folder above this file has {{', '.join((f'{{FOLDER}}/{{SOURCES[0]}}', *LAYERS))}}"
    places = [project / place for place in (FOLDER, *LAYERS)]
    code = places[0]
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
{secrets}    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(code))
{needs}    own = {{path.stem for place in places for path in place.iterdir() if path.is_dir() or path.suffix == ".py"}}
    for name, module in list(sys.modules.items()):  # another function's modules may have the same names
        elsewhere = not {{*places}} & {{*Path(getattr(module, "__file__", None) or code / name).parents}}
        if elsewhere and name.partition(".")[0] in own and not name.startswith(("conftest", "test")):
            monkeypatch.delitem(sys.modules, name)
    for place in reversed(places):
        monkeypatch.syspath_prepend(str(place))
    monkeypatch.chdir(code)
    return getattr(importlib.import_module(MODULE), HANDLER)


{test}
'''
_ANSWER = '''def test_{name}(handler):
    answer = json.loads(json.dumps(handler(EVENT, CONTEXT), default=_plain))
    assert {comparison}


def _plain(value):
    """What Lambda makes of a value that JSON does not know."""
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{{type(value).__name__}} is not JSON")
'''
_MASKING = '''

def _masked(answer, expected):
    """The answer with the masked parts of the expected one put in: those were not exported."""
    if expected == MASK:
        return MASK
    if isinstance(answer, dict) and isinstance(expected, dict):
        return {{key: _masked(value, expected.get(key)) for key, value in answer.items()}}
    if isinstance(answer, list) and isinstance(expected, list) and len(answer) == len(expected):
        return [_masked(one, other) for one, other in zip(answer, expected)]
    return answer
'''
_RAISES = '''def test_{name}(handler):
    with pytest.raises(Exception) as caught:
        handler(EVENT, CONTEXT)
    assert type(caught.value).__name__ == EXPECTED_ERROR
    assert {comparison}
'''
_MASKED_MESSAGE = 're.fullmatch(".*".join(map(re.escape, EXPECTED_MESSAGE.split(MASK))), str(caught.value), re.DOTALL)'
"""What stands where the masks are was not exported: anything may."""
_NEEDS_AWS = '''    if boto3.Session().get_credentials() is None:
        pytest.skip(f"the handler calls {{', '.join(AWS_CALLS)}}, and there are no AWS credentials (for the local "
                    'cloud: eval "$(livetui cloud env)")')
'''
_SECRETS = '''    for name in {secrets}:  # secrets that were not exported: what is set counts
        monkeypatch.setenv(name, os.environ.get(name, "{mask}"))
'''
_NO_JSON = {"errorType": ""}
_CONTEXT = {"aws_request_id": "request_id", "function_name": "function_name", "function_version": "function_version",
            "invoked_function_arn": "invoked_function_arn", "memory_limit_in_mb": "memory_limit_in_mb",
            "log_group_name": "log_group_name", "log_stream_name": "log_stream_name"}
_VARIABLES = {"AWS_LAMBDA_FUNCTION_NAME": "function_name", "AWS_LAMBDA_FUNCTION_VERSION": "function_version",
              "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "memory_limit_in_mb", "AWS_LAMBDA_LOG_GROUP_NAME": "log_group_name",
              "AWS_LAMBDA_LOG_STREAM_NAME": "log_stream_name"}


def to_pytest(invocation: Invocation, event: Any, *, handler: str, code_root: Path, project: Path | None = None,
              environment: Mapping[str, str] | None = None, layers: Sequence[Path] = (),
              reveal: bool = False) -> str:
    """The test file's text; it can lie anywhere in the project. `event` is the parsed event.

    Parts that are secret are masked unless `reveal`: masked parts of an answer are not compared, secret variables
    are what the test finds set, or a mask. Raises `LivetuiError` for an invocation whose ending a test cannot ask for.
    """
    module, _, function = handler.rpartition(".")
    number = invocation.row.id
    if not module or not function.isidentifier():
        raise LivetuiError(f"#{number} cannot become a test.", f"{handler!r} names no Python function.")
    shown = event if reveal else mask(event)
    expected, test, hidden = _expectation(invocation, reveal)
    hidden = hidden or shown != event
    plain, secret = _environment(environment or {}, invocation, handler, reveal)
    return _FILE.format(
        title=_docstring(f"{invocation.row.function}: {invocation.row.trigger}"), number=number,
        masked="\nSecrets in it are masked; export it with --reveal to have them." if hidden else "",
        module=module.replace("/", "."), function=function, folder=_folder(code_root, project),
        sources=tuple(module.replace(".", "/") + ending for ending in (".py", "/__init__.py")),
        layers=tuple(_folder(folder, project) for folder in _on_path(layers)),
        environment=_constant(plain),
        boto3="import boto3\n" if invocation.calls else "", calls=_calls(invocation),
        needs=_NEEDS_AWS.format() if invocation.calls else "",
        event=_json(shown), context="\n".join(f"    {name}={str(invocation.context.get(key) or '')!r},"
                                               for name, key in _CONTEXT.items()),
        expected=expected, test=test.rstrip("\n"),
        imports="import os\n" * bool(secret) + "import re\n" * (_MASKED_MESSAGE in test),
        secrets=_SECRETS.format(secrets=tuple(secret), mask=MASK) if secret else "")


def from_pytest(text: str) -> bytes | None:
    """The event in such a file; None when there is none."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name("EVENT")], value=ast.Call(args=[ast.Constant(str(body))])):
                return body.strip().encode()
    return None


def _expectation(invocation: Invocation, reveal: bool) -> tuple[str, str, bool]:
    """The constants, the test function, and whether something in them is masked."""
    name = re.sub(r"\W+", "_", f"{invocation.row.function}_{invocation.row.id}").strip("_").lower()
    try:
        answer = json.loads(invocation.response or b"")
    except (ValueError, RecursionError):
        answer = _NO_JSON
    if invocation.row.state in ("ok", "late") and invocation.response is not None and answer != _NO_JSON:
        shown = answer if reveal else mask(answer)
        hidden = bool(shown != answer)
        constants = f'EXPECTED = json.loads(r"""\n{_json(shown)}\n""")\n'
        if hidden:
            constants += f"MASK = {MASK!r}\n"
        comparison = "_masked(answer, EXPECTED) == EXPECTED" if hidden else "answer == EXPECTED"
        return constants, _ANSWER.format(name=name, comparison=comparison) + (
            _MASKING.format() if hidden else ""), hidden
    if invocation.row.state == "error" and isinstance(answer, dict):
        kind = str(answer.get("errorType") or "")
        if kind and not kind.startswith(("Runtime.", "Livetui")):
            told = str(answer.get("errorMessage") or "")
            message = told if reveal else mask_text(told)
            constants = f"EXPECTED_ERROR = {kind!r}\nEXPECTED_MESSAGE = {message!r}\n"
            if message == told:
                return constants, _RAISES.format(name=name, comparison="str(caught.value) == EXPECTED_MESSAGE"), False
            return f"{constants}MASK = {MASK!r}\n", _RAISES.format(name=name, comparison=_MASKED_MESSAGE), True
    raise LivetuiError(f"#{invocation.row.id} cannot become a test.",
                       f"It ended as {invocation.row.state!r}, not with an answer or an error of the handler.",
                       "Replay it until it answers, then export the replay.")


def _folder(code_root: Path, project: Path | None) -> str:
    """The code's folder as seen from the project, so that the file works on other machines too."""
    if project is not None:
        try:
            return code_root.resolve().relative_to(project.resolve()).as_posix()
        except ValueError:
            pass
    return os.fspath(code_root.resolve())


def _on_path(layers: Sequence[Path]) -> Iterator[Path]:
    """What of these layers a worker has on its path, in that order: the last layer wins, as in Lambda."""
    for layer in reversed(layers):
        yield from sorted(layer.glob("python/lib/python3.*/site-packages"))
    for layer in reversed(layers):
        yield layer / "python" if (layer / "python").is_dir() else layer


def _environment(environment: Mapping[str, str], invocation: Invocation, handler: str,
                 reveal: bool) -> tuple[dict[str, str], list[str]]:
    """The variables that Lambda and the function set, and the names of those that are secret."""
    arn = str(invocation.context.get("invoked_function_arn") or "").split(":")
    region = {"AWS_DEFAULT_REGION": arn[3], "AWS_REGION": arn[3]} if len(arn) > 3 and arn[3] else {}
    own = {name: str(invocation.context[key]) for name, key in _VARIABLES.items() if invocation.context.get(key)}
    shown = environment if reveal else mask(dict(environment))  # those that were recorded are masked in any case
    secret = [name for name, value in shown.items() if MASK in value]
    plain = {name: value for name, value in environment.items() if name not in secret}
    return {"_HANDLER": handler, **region, **own, **plain}, secret


def _constant(variables: Mapping[str, str]) -> str:
    lines = "".join(f"    {name!r}: {value!r},\n" for name, value in variables.items())
    return f"{{\n{lines}}}"


def _calls(invocation: Invocation) -> str:
    """The AWS calls that the handler made when it was recorded: the test makes them again."""
    names = tuple(dict.fromkeys(f"{call.service}:{call.operation}" for call in invocation.calls))
    return f"AWS_CALLS = {names!r}\n" if names else ""


def _json(value: Any) -> str:
    """JSON in ASCII: three quotes in a row never occur in it, so that it can stand in a raw string."""
    return json.dumps(value, indent=2)


def _docstring(text: str) -> str:
    """Text that cannot end or escape out of a docstring."""
    return "".join(letter if letter.isprintable() and letter not in '"\\' else "·" for letter in text)
