"""Commands that open a session: `dev` (the default), `demo`, `attach`, `deploy`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from livetui.cli.options import COMMON, JSON, PRODUCTION, SESSION, STACK, TAKE_OVER, settings_of, with_options
from livetui.cli.words import say
from livetui.errors import UsageError

if TYPE_CHECKING:
    from livetui.config import Settings
    from livetui.session.session import Session

_LEAVE_S = 8.0
"""How long the console may take to close everything after it has left the screen."""


@click.command()
@with_options(*COMMON, *STACK, *SESSION)
@TAKE_OVER
@PRODUCTION
def dev(headless: bool, as_json: bool, seconds: float | None, **flags: Any) -> int:
    """Deploy live if needed, then serve invocations (the default)."""
    return _serve(partial(settings_of, **flags), headless=headless, as_json=as_json, seconds=seconds)


@click.command()
@with_options(*SESSION)
@TAKE_OVER
@click.option("--traffic/--no-traffic", default=True, help="Drive a little real traffic through the triggers.")
@click.option("--stage", metavar="NAME", help="Whose copy of the stack.")
@click.option("--log", metavar="FILE", help="Where the log goes.")
def demo(headless: bool, as_json: bool, seconds: float | None, traffic: bool, **flags: Any) -> int:
    """All of it on an embedded local cloud; no AWS account needed.

    The bundled orders application is deployed, and a customer begins to use it.
    """
    return _serve(partial(_demo_settings, **flags), headless=headless, as_json=as_json, seconds=seconds, kind="demo",
                  traffic=traffic)


def _demo_settings(**flags: Any) -> Settings:
    from livetui import config
    from livetui.session import demo as orders

    template = orders.project(Path.cwd()) / "template.yaml"
    return config.load(Path.cwd(), {"template": str(template), "local": True, "app": "orders",
                                    "region": "eu-west-1", **flags}, files=False)


@click.command()
@with_options(*COMMON, *STACK, JSON, PRODUCTION)
def deploy(as_json: bool, **flags: Any) -> int:
    """Deploy live and leave."""
    return _serve(partial(settings_of, **flags), headless=True, as_json=as_json, seconds=0, serve=False)


@click.command()
@with_options(*COMMON, *SESSION)
@click.argument("targets", nargs=-1, required=True, metavar="TARGET…")
@TAKE_OVER
@PRODUCTION
def attach(targets: tuple[str, ...], headless: bool, as_json: bool, seconds: float | None, **flags: Any) -> int:
    """Make deployed functions live without deploying anything.

    TARGET is a stack, a function or a glob; a layer and a changed handler is all that they get. They run their own
    deployed code while no console is there. `livetui restore` puts them back exactly.
    """
    code = _serve(partial(settings_of, **flags), headless=headless, as_json=as_json, seconds=seconds, kind="attach",
                  attach=targets)
    if code not in (1, 2):
        say("The functions stay attached. To put them back as they were: livetui restore")
    return code


def open_session(settings: Settings, **options: Any) -> Session:
    """A session that is not started yet, with its log."""
    from livetui.session import headless
    from livetui.session.session import Session

    headless.log_to(settings.log_path)
    return Session(settings, **options)


def _serve(read: Callable[[], Settings], *, headless: bool, as_json: bool, **options: Any) -> int:
    settings = read()
    if sys.stdin.isatty() and not as_json:
        settings = _typed_production(settings, options.get("attach", ()))
    if not settings.local:
        from livetui.session import chores

        chores.sign_in(settings)
    headless = headless or as_json or not (sys.stdin.isatty() and sys.stdout.isatty())
    session = open_session(settings, console=not headless, read_again=read, **options)
    if headless:
        from livetui.session import outputs
        from livetui.session.headless import run

        code = run(session, outputs.JsonOutput(sys.stdout) if as_json else outputs.LineOutput(sys.stdout))
        failed = session.status().failed
        if as_json and failed:
            say("\n".join(part for part in (failed.what, failed.why, failed.hint) if part))
        return code
    from livetui.tui.app import run as run_console

    code = run_console(session)
    if not session.wait(_LEAVE_S):  # something waits for the network; children end with this process
        os._exit(code)
    session.close()
    if code == 0 and not session.parks and not settings.local and not options.get("attach"):
        say("Queues, rules and schedules of the live stack stay on. To make them wait for you: livetui park")
    return code


def _typed_production(settings: Settings, targets: tuple[str, ...]) -> Settings:
    """The settings, after the name was typed where names look like production. What only AWS tells is refused later."""
    import msgspec

    from livetui.session import chores

    name, signs = chores.production_signs(settings, targets)
    if not signs:
        return settings
    typed = click.prompt(f"This looks like production: {'; '.join(signs)}.\nType {name} to go on", err=True)
    if typed != name:
        raise UsageError(f"That is not {name}: nothing was done.", hint="Choose another --stage for yourself.")
    return msgspec.structs.replace(settings, yes_production=typed)
