"""What commands have in common: their options, and the settings that come of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from livetui.config import Settings

Command = TypeVar("Command", bound=Callable[..., Any])


def _pair(_ctx: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    for value in values:
        if "=" not in value:
            raise click.BadParameter(f"{value!r} is not KEY=VALUE")
    return dict(value.split("=", 1) for value in values)


COMMON = [
    click.option("--template", metavar="FILE", help="The template; found by itself by default."),
    click.option("--stage", metavar="NAME", help="Whose copy of the stack; by default your user name, or beside a "
                 "session, as for invoke, the one that was started last here."),
    click.option("--region", metavar="NAME", help="AWS region."),
    click.option("--profile", metavar="NAME", help="AWS profile."),
    click.option("--local", is_flag=True, default=None, help="Use the embedded local cloud instead of AWS."),
    click.option("--log", metavar="FILE", help="Where the log goes; .livetui/livetui.log by default."),
]
STACK = [
    click.option("--function", metavar="GLOB", multiple=True, help="Make only these functions live (repeatable)."),
    click.option("--parameter", metavar="KEY=VALUE", multiple=True, callback=_pair,
                 help="Value of a template parameter (repeatable)."),
]
SESSION = [
    click.option("--headless", is_flag=True, help="Lines of text instead of the console."),
    click.option("--json", "as_json", is_flag=True, help="One JSON object per line instead of the console."),
    click.option("--for", "seconds", type=click.FloatRange(min=0), metavar="SECONDS",
                 help="End this long after the session is live."),
]
TAKE_OVER = click.option("--take-over", is_flag=True, default=None,
                         help="Take the stage from another console that holds it.")
PRODUCTION = click.option("--yes-production", metavar="NAME",
                          help="Go live although NAME (the live stack, or what is attached) looks like production.")
JSON = click.option("--json", "as_json", is_flag=True, help="JSON, one object per line.")


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """A decorator that adds options, the first one shown first."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def settings_of(**flags: Any) -> Settings:
    """The settings of a command that starts something."""
    from livetui import config

    renamed = {{"parameter": "parameters"}.get(key, key): value for key, value in flags.items()}
    return config.load(Path.cwd(), renamed)


def settings_of_last(**flags: Any) -> Settings:
    """The settings of a command that works on what the last session of this project made."""
    from livetui import config

    return config.load(Path.cwd(), flags, recall=True)
