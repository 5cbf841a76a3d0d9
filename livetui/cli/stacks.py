"""Commands that look after what lies in an account: stacks, attached functions, parked sources, permissions."""

from __future__ import annotations

import sys
from typing import Any

import click

from livetui.cli.options import COMMON, JSON, STACK, settings_of, settings_of_last, with_options
from livetui.cli.words import finish, json_text, progress, write
from livetui.errors import UsageError


@click.command()
@with_options(*COMMON, JSON)
@click.option("--remove", is_flag=True, help="Delete the bootstrap stack and its bucket.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def bootstrap(remove: bool, yes: bool, as_json: bool, **flags: Any) -> None:
    """Create or upgrade this region's bootstrap stack."""
    from livetui.session import chores

    settings = settings_of(**flags)
    if remove and not yes and not sys.stdin.isatty():
        raise UsageError("Removing asks first, and there is no terminal.", hint="Pass --yes.")
    if remove and not yes:
        click.confirm("Delete the bootstrap stack, with all stub bundles and metadata in its bucket?", abort=True,
                      err=True)
    finish(chores.bootstrap(settings, remove=remove, on_progress=progress(as_json)), as_json)


@click.command()
@with_options(*COMMON, *STACK)
@click.option("-o", "--output", metavar="FILE", help="Write it here instead of to stdout.")
def synth(output: str | None, **flags: Any) -> None:
    """Print the template that would be deployed; no AWS call."""
    from livetui.session import chores

    write(chores.synth(settings_of(**flags)), output)


@click.command()
@with_options(*COMMON, JSON)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--log-groups", is_flag=True, help="Delete the log groups of its functions too.")
def remove(yes: bool, log_groups: bool, as_json: bool, **flags: Any) -> None:
    """Delete the live stack and its metadata."""
    from livetui.session import chores

    settings = settings_of_last(**flags)
    if not yes and not sys.stdin.isatty():
        raise UsageError("Removing asks first, and there is no terminal.", hint="Pass --yes.")
    if not yes:
        click.confirm(f"Delete the live stack of {settings.app}, stage {settings.stage}?", abort=True, err=True)
    finish(chores.remove(settings, on_progress=progress(as_json), log_groups=log_groups), as_json)


@click.command()
@with_options(*COMMON, JSON)
@click.argument("targets", nargs=-1, metavar="[TARGET…]")
@click.option("--all", "everyones", is_flag=True, help="Also those that others attached.")
def restore(targets: tuple[str, ...], everyones: bool, as_json: bool, **flags: Any) -> None:
    """Put attached functions back exactly as they were.

    Those that you attached, or those that you name.
    """
    from livetui.session import chores

    finish(chores.restore(settings_of_last(**flags), targets, on_progress=progress(as_json), everyones=everyones),
           as_json)


@click.command()
@with_options(*COMMON, JSON)
def park(as_json: bool, **flags: Any) -> None:
    """Switch off the live stack's queues, rules and schedules.

    Nothing is consumed then while nobody is there. `livetui resume`, or the next session, switches them on again.
    """
    from livetui.session import chores

    finish(chores.park(settings_of_last(**flags), on_progress=progress(as_json)), as_json)


@click.command()
@with_options(*COMMON, JSON)
def resume(as_json: bool, **flags: Any) -> None:
    """Switch on exactly what `park` switched off.

    The next session does it by itself.
    """
    from livetui.session import chores

    finish(chores.resume(settings_of_last(**flags), on_progress=progress(as_json)), as_json)


@click.command()
@with_options(*COMMON, JSON)
def apps(as_json: bool, **flags: Any) -> None:
    """Applications and stages live in this account and region."""
    from livetui.session import chores

    for app in chores.apps(settings_of_last(**flags)):
        words = f"{app.app:<20} {app.stage:<16} {app.status:<18} {len(app.functions):>3} functions  {app.updated}"
        click.echo(json_text(app) if as_json else words)


@click.command()
@with_options(*COMMON, JSON)
@click.option("--policy", is_flag=True, help="Print the IAM policy that livetui needs, for an administrator.")
@click.option("--attach", "targets", metavar="TARGET", multiple=True,
              help="With --policy: what attaching to this stack or function needs besides (repeatable).")
@click.option("--bootstrap", is_flag=True, help="With --policy: what making the bootstrap stack needs.")
def doctor(as_json: bool, policy: bool, targets: tuple[str, ...], bootstrap: bool, **flags: Any) -> int:
    """What stands between this machine and a live stack; each line says what to do."""
    from livetui.session import chores

    settings = settings_of(**flags)
    if policy:
        click.echo(json_text(chores.needed_policy(settings, targets, bootstrap=bootstrap), indent=2))
        return 0
    checks = chores.examine(settings)
    for check in checks:
        hint = f"\n    → {check.hint}" if check.hint and not check.ok else ""
        click.echo(json_text(check) if as_json else f"{'✓' if check.ok else '✗'} {check.name:<14} {check.detail}{hint}")
    return 0 if all(check.ok for check in checks) else 1
