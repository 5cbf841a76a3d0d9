"""Commands about what surrounds a session: the local cloud, the editor, the settings."""

from __future__ import annotations

import threading
from typing import Any

import click

from livetui.cli.options import COMMON, settings_of, settings_of_last, with_options
from livetui.cli.words import say


@click.command()
@with_options(*COMMON)
@click.argument("action", type=click.Choice(["status", "env", "run", "stop"]), default="status")
def cloud(action: str, **flags: Any) -> None:
    """The project's local cloud: its status, variables for your shell, a run of its own, or its end.

    `run` keeps one until Ctrl-C; consoles of this project then use it, and it outlives them.
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
    """Write or update the entry in .vscode/launch.json with which VS Code attaches."""
    from livetui.session import chores

    click.echo(f"{chores.vscode(settings_of_last(**flags))}: choose “livetui” under Run and Debug.")


@click.command("config")
@with_options(*COMMON)
@click.argument("action", type=click.Choice(["show", "path"]), default="show")
def show_config(action: str, **flags: Any) -> None:
    """The settings in force and where each came from."""
    from livetui import config

    settings = settings_of(**flags)
    click.echo(config.describe(settings) if action == "show" else str(settings.root / "livetui.toml"))
