"""Commands about what surrounds a session: the local cloud, the editor, the settings."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import click

from livetui.cli.options import COMMON, JSON, settings_of, settings_of_last, with_options
from livetui.cli.words import json_text, say
from livetui.errors import UsageError

if TYPE_CHECKING:
    from livetui.config import Settings


@click.command()
@with_options(*COMMON)
@click.argument("action", type=click.Choice(["status", "env", "run", "stop"]), default="status")
@click.option("--yes", is_flag=True, help="With stop: do not ask when a console uses it.")
def cloud(action: str, yes: bool, **flags: Any) -> None:
    """The project's local cloud: status, shell variables, run, stop.

    `env` prints variables for your shell: eval "$(livetui cloud env)". `run` keeps one until Ctrl-C; consoles of this
    project then use it, and it outlives them.
    """
    from livetui.session import chores

    if action != "run":
        settings = settings_of_last(**flags)
        if action == "stop" and not yes:
            _ask_for_consoles(settings)
        click.echo(chores.cloud(settings, action))
        return
    from livetui.cloud import LocalCloud

    settings = settings_of(**flags)
    with chores.own_cloud(settings) as said:
        say(said)
        while LocalCloud.find(settings.state) is not None:
            threading.Event().wait(1)
    say("The local cloud has ended.")


def _ask_for_consoles(settings: Settings) -> None:
    from livetui.session import chores

    consoles = chores.consoles_of_cloud(settings)
    if not consoles:
        return
    since = time.strftime("%H:%M", time.localtime(consoles[0].started))
    using = f"A console of this project uses the local cloud (since {since}, process {consoles[0].pid})."
    if not sys.stdin.isatty():
        raise UsageError(f"{using} Stopping it asks first, and there is no terminal.", hint="Pass --yes.")
    click.confirm(f"{using} Stop it all the same?", abort=True, err=True)


@click.command()
@with_options(*COMMON)
def vscode(**flags: Any) -> None:
    """Write the entry in .vscode/launch.json that attaches VS Code."""
    from livetui.session import chores

    click.echo(f"{chores.vscode(settings_of_last(**flags))}: choose “livetui” under Run and Debug.")


@click.command("config")
@with_options(*COMMON, JSON)
@click.argument("action", type=click.Choice(["show", "path"]), default="show")
def show_config(action: str, as_json: bool, **flags: Any) -> None:
    """The settings in force and where each came from."""
    from livetui import config

    settings = settings_of(**flags)
    if action == "path":
        click.echo(settings.root / "livetui.toml")
        return
    for setting in config.in_force(settings):
        value = setting.value
        words = f"# {setting.name} is not set" if value is None else f"{setting.name} = {json_text(value)}"
        click.echo(json_text(setting) if as_json else f"{words:<48}  # {setting.origin}")
