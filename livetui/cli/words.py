"""What commands write: what was asked for to stdout or a file, words for people to stderr."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from livetui.errors import UsageError

if TYPE_CHECKING:
    from livetui.stack.contract import Progress


def say(text: str) -> None:
    """People's words go to stderr, so that stdout is what was asked for."""
    click.echo(text, err=True)


def write(text: str, output: str | None) -> None:
    """To the file that `-o` names, or to stdout."""
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
    else:
        try:
            Path(output).write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{output} cannot be written.", str(error), "Pass another -o FILE.") from error


def json_text(value: Any, indent: int = 0) -> str:
    """A value as JSON on one line, or indented."""
    import msgspec

    text = msgspec.json.encode(value)
    return (msgspec.json.format(text, indent=indent) if indent else text).decode()


def progress(as_json: bool) -> Callable[[Progress], None]:
    """What tells of each step of a stack: one line for people, or the JSON object that sessions print for it too."""

    def tell(step: Progress) -> None:
        if as_json:
            import msgspec

            click.echo(json_text({"event": "stack.progress", **msgspec.structs.asdict(step)}))
        else:
            say(f"{step.elapsed_s:6.1f}s  {step.status:<24} {step.resource}  {step.reason}".rstrip())

    return tell


def finish(text: str, as_json: bool) -> None:
    """Say what was done."""
    if as_json:
        click.echo(json_text({"event": "done", "text": text}))
    else:
        say(text)
