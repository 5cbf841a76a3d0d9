"""Commands about what surrounds a session: the local cloud, the editor, the settings."""

from __future__ import annotations

import threading
from typing import Any

import click

from livetui.cli.options import COMMON, JSON, settings_of, settings_of_last, with_options
from livetui.cli.words import json_text, say


@click.command()
@with_options(*COMMON)
@click.argument("action", type=click.Choice(["status", "env", "run", "stop"]), default="status")
def cloud(action: str, **flags: Any) -> None:
    """The project's local cloud: status, shell variables, run, stop.

    `env` prints variables for your shell: eval "$(livetui cloud env)". `run` keeps one until Ctrl-C; consoles of this
    project then use it, and it outlives them.
    """
    from livetui.session import chores

    if action != "run":
        click.echo(chores.cloud(settings_of_last(**flags), action))
        return
    from livetui.cloud import LocalCloud

    settings = settings_of(**flags)
    with chores.own_cloud(settings) as said:
        say(said)
        while LocalCloud.find(settings.state) is not None:
            threading.Event().wait(1)
    say("The local cloud has ended.")


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
