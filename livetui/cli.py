"""The commands: parse the words, call the room that does the work, end with the right exit code."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from livetui import __version__
from livetui.errors import LivetuiError, UsageError

if TYPE_CHECKING:
    from livetui.config import Settings
    from livetui.session.session import Session
    from livetui.session.store import Store

_LEAVE_S = 8.0
"""How long the console may take to close everything after it has left the screen."""
Command = TypeVar("Command", bound=Callable[..., Any])


class _DevByDefault(click.Group):
    """`livetui --stage x` means `livetui dev --stage x`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing and not args:  # the shell asks for completions
            return super().parse_args(ctx, args)
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h", "--version")):
            args = ["dev", *args]
        return super().parse_args(ctx, args)


def _pair(_ctx: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    for value in values:
        if "=" not in value:
            raise click.BadParameter(f"{value!r} is not KEY=VALUE")
    return dict(value.split("=", 1) for value in values)


_COMMON = [
    click.option("--template", metavar="FILE", help="The template; found by itself by default."),
    click.option("--stage", metavar="NAME", help="Whose copy of the stack; your user name by default."),
    click.option("--region", metavar="NAME", help="AWS region."),
    click.option("--profile", metavar="NAME", help="AWS profile."),
    click.option("--local", is_flag=True, default=None, help="Use the embedded local cloud instead of AWS."),
    click.option("--log", metavar="FILE", help="Where the log goes; .livetui/livetui.log by default."),
]
_STACK = [
    click.option("--function", metavar="GLOB", multiple=True, help="Make only these functions live (repeatable)."),
    click.option("--parameter", metavar="KEY=VALUE", multiple=True, callback=_pair,
                 help="Value of a template parameter (repeatable)."),
]
_SESSION = [
    click.option("--headless", is_flag=True, help="Lines of text instead of the console."),
    click.option("--json", "as_json", is_flag=True, help="One JSON object per line instead of the console."),
    click.option("--for", "seconds", type=click.FloatRange(min=0), metavar="SECONDS",
                 help="End this long after the session is live."),
]
_PRODUCTION = click.option("--yes-production", metavar="NAME",
                           help="Go live although NAME (the live stack, or what is attached) looks like production.")
_JSON = click.option("--json", "as_json", is_flag=True, help="JSON, one object per line.")


def _with(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _settings(**flags: Any) -> Settings:
    """The settings of a command that starts something."""
    from livetui import config

    renamed = {{"parameter": "parameters"}.get(key, key): value for key, value in flags.items()}
    return config.load(Path.cwd(), renamed)


def _settings_of_last(**flags: Any) -> Settings:
    """The settings of a command that works on what the last session of this project made."""
    from livetui import config

    return config.load(Path.cwd(), flags, recall=True)


def _session(settings: Settings, **options: Any) -> Session:
    from livetui.session import headless
    from livetui.session.session import Session

    headless.log_to(settings.log_path)
    return Session(settings, **options)


def _run(settings: Settings, *, headless: bool, as_json: bool, **options: Any) -> int:
    if sys.stdin.isatty() and not as_json:
        settings = _typed_production(settings, options.get("attach", ()))
    headless = headless or as_json or not (sys.stdin.isatty() and sys.stdout.isatty())
    session = _session(settings, console=not headless, **options)
    if headless:
        from livetui.session import outputs
        from livetui.session.headless import run

        code = run(session, outputs.JsonOutput(sys.stdout) if as_json else outputs.LineOutput(sys.stdout))
        failed = session.status().failed
        if as_json and failed:
            _say("\n".join(part for part in (failed.what, failed.why, failed.hint) if part))
        return code
    from livetui.tui.app import run as run_console

    code = run_console(session)
    if not session.wait(_LEAVE_S):  # something waits for the network; children end with this process
        os._exit(code)
    session.close()
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


def _store(settings: Settings) -> Store:
    from livetui.session.store import Store

    path = settings.state / "invocations.sqlite"
    if not path.exists():
        raise LivetuiError("Nothing was captured in this folder yet.",
                           hint="Run livetui or livetui demo here first, or go to the project's folder.")
    return Store.open(path, max_invocations=settings.history.max_invocations,
                      max_mb=settings.history.max_mb)


def _say(text: str) -> None:
    """People's words go to stderr, so that stdout is what was asked for."""
    click.echo(text, err=True)


@click.group(cls=_DevByDefault, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="livetui")
def cli() -> None:
    """Live Lambda development for Python: real invocations run your local code.

    `livetui` alone, in a folder with a SAM, CloudFormation or CDK application, deploys it live and opens the console.
    `livetui demo` shows all of it without an AWS account.
    """


@cli.command()
@_with(*_COMMON, *_STACK, *_SESSION)
@click.option("--take-over", is_flag=True, default=None, help="Take the stage from another console that holds it.")
@_PRODUCTION
def dev(headless: bool, as_json: bool, seconds: float | None, **flags: Any) -> int:
    """Deploy live if the template changed, then serve invocations (the default command)."""
    return _run(_settings(**flags), headless=headless, as_json=as_json, seconds=seconds)


@cli.command()
@_with(*_SESSION)
@click.option("--traffic/--no-traffic", default=True, help="Drive a little real traffic through the triggers.")
@click.option("--stage", metavar="NAME", help="Whose copy of the stack.")
@click.option("--log", metavar="FILE", help="Where the log goes.")
def demo(headless: bool, as_json: bool, seconds: float | None, traffic: bool, **flags: Any) -> int:
    """The same on the embedded local cloud, with the bundled orders application."""
    return _run(_demo_settings(**flags), headless=headless, as_json=as_json, seconds=seconds, kind="demo",
                traffic=traffic)


def _demo_settings(**flags: Any) -> Settings:
    from livetui import config
    from livetui.session import demo as orders

    template = orders.project(Path.cwd()) / "template.yaml"
    return config.load(Path.cwd(), {"template": str(template), "local": True, "app": "orders",
                                    "region": "eu-west-1", **flags}, files=False)


@cli.command()
@_with(*_COMMON)
@click.option("--remove", is_flag=True, help="Delete the bootstrap stack and its bucket.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def bootstrap(remove: bool, yes: bool, **flags: Any) -> None:
    """Create or upgrade the bootstrap stack of this account and region."""
    from livetui.session import chores

    settings = _settings(**flags)
    if remove and not yes and not sys.stdin.isatty():
        raise UsageError("Removing asks first, and there is no terminal.", hint="Pass --yes.")
    if remove and not yes:
        click.confirm("Delete the bootstrap stack, with all stub bundles and metadata in its bucket?", abort=True,
                      err=True)
    _say(chores.bootstrap(settings, remove=remove, on_progress=_show_progress))


def _show_progress(step: Any) -> None:
    _say(f"{step.elapsed_s:6.1f}s  {step.status:<24} {step.resource}  {step.reason}".rstrip())


@cli.command()
@_with(*_COMMON, *_STACK)
@click.option("-o", "--output", metavar="FILE", help="Write it here instead of to stdout.")
def synth(output: str | None, **flags: Any) -> None:
    """Print the live template that would be deployed; no AWS call is made."""
    from livetui.session import chores

    _write(chores.synth(_settings(**flags)), output)


def _write(text: str, output: str | None) -> None:
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
    else:
        try:
            Path(output).write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{output} cannot be written.", str(error), "Pass another -o FILE.") from error


@cli.command()
@_with(*_COMMON, *_STACK, _JSON, _PRODUCTION)
def deploy(as_json: bool, **flags: Any) -> int:
    """Deploy live and leave."""
    settings = _settings(**flags)
    return _run(settings, headless=True, as_json=as_json, seconds=0, serve=False)


@cli.command()
@_with(*_COMMON)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--log-groups", is_flag=True, help="Delete the log groups of its functions too.")
def remove(yes: bool, log_groups: bool, **flags: Any) -> None:
    """Delete the live stack and its metadata."""
    from livetui.session import chores

    settings = _settings_of_last(**flags)
    if not yes and not sys.stdin.isatty():
        raise UsageError("Removing asks first, and there is no terminal.", hint="Pass --yes.")
    if not yes:
        click.confirm(f"Delete the live stack of {settings.app}, stage {settings.stage}?", abort=True, err=True)
    _say(chores.remove(settings, on_progress=_show_progress, log_groups=log_groups))


@cli.command()
@_with(*_COMMON, *_SESSION)
@click.argument("targets", nargs=-1, required=True, metavar="TARGET…")
@click.option("--take-over", is_flag=True, default=None, help="Take the stage from another console that holds it.")
@_PRODUCTION
def attach(targets: tuple[str, ...], headless: bool, as_json: bool, seconds: float | None, **flags: Any) -> int:
    """Make deployed functions live by a layer, without deploying; TARGET is a stack, a function or a glob.

    They run their own deployed code while no console is there. `livetui restore` puts them back exactly.
    """
    code = _run(_settings(**flags), headless=headless, as_json=as_json, seconds=seconds, kind="attach", attach=targets)
    if code not in (1, 2):
        _say("The functions stay attached. To put them back as they were: livetui restore")
    return code


@cli.command()
@_with(*_COMMON)
@click.argument("targets", nargs=-1, metavar="[TARGET…]")
def restore(targets: tuple[str, ...], **flags: Any) -> None:
    """Put attached functions back exactly as they were; all of this account and region by default."""
    from livetui.session import chores

    _say(chores.restore(_settings_of_last(**flags), targets, on_progress=_show_progress))


@cli.command()
@_with(*_COMMON)
def park(**flags: Any) -> None:
    """Switch off the live stack's queues, rules and schedules, so that nothing is consumed while nobody is there."""
    from livetui.session import chores

    _say(chores.park(_settings_of_last(**flags), on_progress=_show_progress))


@cli.command()
@_with(*_COMMON)
def resume(**flags: Any) -> None:
    """Switch on again exactly what `park` switched off (the next session does it by itself)."""
    from livetui.session import chores

    _say(chores.resume(_settings_of_last(**flags), on_progress=_show_progress))


@cli.command()
@_with(*_COMMON, _JSON)
def apps(as_json: bool, **flags: Any) -> None:
    """Applications and stages that live in this account and region."""
    from livetui.session import chores

    for app in chores.apps(_settings_of_last(**flags)):
        words = f"{app.app:<20} {app.stage:<16} {app.status:<18} {len(app.functions):>3} functions  {app.updated}"
        click.echo(_json(app) if as_json else words)


@cli.command()
@_with(*_COMMON, _JSON)
@click.option("--policy", is_flag=True, help="Print the IAM policy that livetui needs, for an administrator.")
def doctor(as_json: bool, policy: bool, **flags: Any) -> int:
    """What stands between this machine and a live stack; each line says what to do."""
    from livetui.session import chores

    settings = _settings(**flags)
    if policy:
        click.echo(_json(chores.needed_policy(settings), indent=2))
        return 0
    checks = chores.examine(settings)
    for check in checks:
        hint = f"\n    → {check.hint}" if check.hint and not check.ok else ""
        click.echo(_json(check) if as_json else f"{'✓' if check.ok else '✗'} {check.name:<14} {check.detail}{hint}")
    return 0 if all(check.ok for check in checks) else 1


def _json(value: Any, indent: int = 0) -> str:
    import msgspec

    text = msgspec.json.encode(value)
    return (msgspec.json.format(text, indent=indent) if indent else text).decode()


@cli.command()
@_with(*_COMMON)
@click.argument("function")
@click.option("--event", metavar="FILE|-", help="The event; `-` reads standard input. {} by default.")
@click.option("--sample", metavar="NAME", help="A sample event instead; see `livetui events`.")
@click.option("--async", "asynchronous", is_flag=True, help="Do not wait for the answer.")
def invoke(function: str, event: str | None, sample: str | None, asynchronous: bool, **flags: Any) -> int:
    """Invoke FUNCTION through the cloud and print what the caller gets."""
    from livetui.session import chores

    payload = chores.sample(sample) if sample else chores.event(event) if event else b"{}"
    answer = chores.invoke(_settings_of_last(**flags), function, payload, asynchronous=asynchronous)
    click.echo(answer.body)
    if answer.error:
        _say(f"The function failed: {answer.error}")
    return 1 if answer.error else 0


@cli.command()
@click.argument("action", type=click.Choice(["list", "show"]), default="list")
@click.argument("name", default="")
def events(action: str, name: str) -> None:
    """Sample events by source and shape."""
    from livetui.session import samples

    if action == "show":
        click.echo(samples.sample(name))
        return
    for sample in samples.list_samples():
        click.echo(f"{sample.name:<28} {sample.description}")


@cli.command()
@_with(*_COMMON, _JSON)
@click.argument("filter", default="")
@click.option("--limit", default=1000, type=click.IntRange(1), help="Most rows to print.")
def invocations(filter: str, as_json: bool, limit: int, **flags: Any) -> None:
    """What was captured; FILTER as in the console (`fn:Get* state:error ms:>100`)."""
    from livetui.session import outputs
    from livetui.session.filter import parse

    wanted = parse(filter)
    store = _store(_settings_of_last(**flags))
    for row in store.rows(wanted, limit=limit):
        click.echo(outputs.row_json(row) if as_json else outputs.row_line(row))


@cli.command()
@_with(*_COMMON, _JSON)
@click.argument("id", type=int)
@click.option("--reveal", is_flag=True, help="Show credentials, tokens and cookies too.")
def show(id: int, as_json: bool, reveal: bool, **flags: Any) -> None:
    """Everything of invocation ID."""
    from livetui.session import outputs

    invocation = _store(_settings_of_last(**flags)).invocation(id)
    click.echo((outputs.invocation_json if as_json else outputs.invocation_text)(invocation, reveal=reveal))


@cli.command()
@_with(*_COMMON, _JSON)
@click.argument("id", type=int)
@click.option("--event", metavar="FILE|-", help="Another event in its place.")
@click.option("--times", default=1, type=click.IntRange(1, 1000), help="How often.")
@click.option("--diff", is_flag=True, help="Compare each answer with the origin's.")
def replay(id: int, event: str | None, times: int, diff: bool, as_json: bool, **flags: Any) -> int:
    """Run invocation ID again on your local code, as new records."""
    from livetui.session import chores, headless, outputs

    settings = _settings_of_last(**flags)
    store = _store(settings)
    origin = store.invocation(id)
    payload = chores.event(event) if event else None
    session = _session(settings, kind="replay", serve=False)
    rows = headless.replay(session, id, payload, times, outputs.LineOutput(sys.stderr))
    for row in rows:
        click.echo(outputs.row_json(row) if as_json else outputs.row_line(row))
        if diff:
            click.echo(outputs.difference_text(origin, store.invocation(row.id)))
    return 0 if all(row.state == "ok" for row in rows) else 1


@cli.command()
@_with(*_COMMON)
@click.argument("id", type=int)
@click.option("--as", "kind", type=click.Choice(["json", "sam", "curl", "aws", "pytest"]), default="json",
              help="What to write.")
@click.option("-o", "--output", metavar="FILE", help="Write it here instead of to stdout.")
@click.option("--reveal", is_flag=True, help="With credentials, tokens and cookies.")
def export(id: int, kind: str, output: str | None, reveal: bool, **flags: Any) -> None:
    """Write invocation ID as something another tool can use."""
    from livetui.session import chores

    settings = _settings_of_last(**flags)
    _write(chores.export(settings, _store(settings), id, kind, reveal=reveal), output)


@cli.command()
@_with(*_COMMON)
@click.argument("action", type=click.Choice(["status", "env", "run", "stop"]), default="status")
def cloud(action: str, **flags: Any) -> None:
    """The project's local cloud: its status, variables for your shell, a run of its own, or its end.

    `run` keeps one until Ctrl-C; consoles of this project then use it, and it outlives them.
    """
    from livetui.session import chores

    if action != "run":
        click.echo(chores.cloud(_settings_of_last(**flags), action))
        return
    from livetui.cloud import LocalCloud

    settings = _settings(**flags)
    with chores.own_cloud(settings) as said:
        _say(said)
        while LocalCloud.find(settings.state) is not None:
            threading.Event().wait(1)
    _say("The local cloud has ended.")


@cli.command()
@_with(*_COMMON)
def vscode(**flags: Any) -> None:
    """Write or update the entry in .vscode/launch.json with which VS Code attaches."""
    from livetui.session import chores

    click.echo(f"{chores.vscode(_settings_of_last(**flags))}: choose “livetui” under Run and Debug.")


@cli.command("config")
@_with(*_COMMON)
@click.argument("action", type=click.Choice(["show", "path"]), default="show")
def show_config(action: str, **flags: Any) -> None:
    """The settings in force and where each came from."""
    from livetui import config

    settings = _settings(**flags)
    click.echo(config.describe(settings) if action == "show" else str(settings.root / "livetui.toml"))


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        _say("Interrupted.")
        code = 130
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        _say(f"{error.format_message()} (see livetui --help)")
        code = 2
    except LivetuiError as error:
        _say(str(error))
        code = error.exit_code
    except KeyboardInterrupt:
        _say("Interrupted.")
        code = 130
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        sys.stderr.close()
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
