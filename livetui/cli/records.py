"""Commands about invocations: make one, list and show what was captured, run it again, write it out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from livetui.cli.options import COMMON, JSON, settings_of_last, with_options
from livetui.cli.sessions import open_session
from livetui.cli.words import json_text, say, write
from livetui.errors import LivetuiError, UsageError

if TYPE_CHECKING:
    from livetui.config import Settings
    from livetui.session.invocation import Row
    from livetui.session.store import Store


@click.command()
@with_options(*COMMON, JSON)
@click.argument("function")
@click.option("--event", metavar="FILE|-", help="The event; `-` reads standard input. {} by default.")
@click.option("--sample", metavar="NAME", help="A sample event instead; see `livetui events`.")
@click.option("--async", "asynchronous", is_flag=True, help="Do not wait for the answer.")
def invoke(function: str, event: str | None, sample: str | None, asynchronous: bool, as_json: bool,
           **flags: Any) -> int:
    """Invoke FUNCTION through the cloud and print what the caller gets."""
    import msgspec

    from livetui.session import chores

    settings = settings_of_last(**flags)
    payload = chores.sample(sample) if sample else \
        chores.event(event, chores.routes(settings, function)) if event else b"{}"
    answer = chores.invoke(settings, function, payload, asynchronous=asynchronous)
    if as_json:
        click.echo(json_text({"answer": msgspec.Raw(answer.body.encode() or b"null"), "error": answer.error}))
    elif not asynchronous:
        click.echo(answer.body)
    if answer.error and not as_json:
        say(f"The function failed: {answer.error}")
    return 1 if answer.error else 0


@click.command()
@click.argument("action", metavar="[list|show]", default="list")
@click.argument("name", default="")
@JSON
def events(action: str, name: str, as_json: bool) -> None:
    """Sample events by source and shape; with NAME only those of it."""
    from livetui.session import samples

    if action == "show":
        click.echo(samples.sample(name))
        return
    if action != "list":
        name = f"{action} {name}".rstrip()
    wanted = [sample for sample in samples.list_samples()
              if name.lower() in f"{sample.name} {sample.description}".lower()]
    if not wanted:
        raise UsageError(f"There is no sample event of {name!r}.", hint="All of them: livetui events")
    for sample in wanted:
        click.echo(json_text(sample) if as_json else f"{sample.name:<28} {sample.description}")


@click.command()
@with_options(*COMMON, JSON)
@click.argument("filter", default="")
@click.option("--limit", default=1000, type=click.IntRange(1), help="Most rows to print.")
def invocations(filter: str, as_json: bool, limit: int, **flags: Any) -> None:
    """What was captured; FILTER as in the console (`fn:Get* state:error ms:>100`)."""
    from livetui.session.filter import parse

    wanted = parse(filter)
    store = _store(settings_of_last(**flags))
    rows = store.rows(wanted, limit=limit)
    _print(rows, as_json)
    if not rows:
        say("No invocation matches." if filter else "Nothing is recorded in this project yet.")


@click.command()
@with_options(*COMMON, JSON)
@click.argument("id", type=int)
@click.option("--reveal", is_flag=True, help="Show credentials, tokens and cookies too.")
@click.option("--related", is_flag=True, help="One line for each invocation of its trace instead, oldest first.")
def show(id: int, as_json: bool, reveal: bool, related: bool, **flags: Any) -> None:
    """Everything of invocation ID."""
    from livetui.session import outputs

    store = _store(settings_of_last(**flags))
    if related:
        _print(store.related(id), as_json)
        return
    invocation = store.invocation(id)
    click.echo((outputs.invocation_json if as_json else outputs.invocation_text)(invocation, reveal=reveal))


@click.command()
@with_options(*COMMON, JSON)
@click.argument("id", type=int)
@click.option("--off", is_flag=True, help="Take the mark away.")
@click.option("--note", metavar="TEXT", help="Write this on it too; an empty text takes the note away.")
def mark(id: int, off: bool, note: str | None, as_json: bool, **flags: Any) -> None:
    """Mark invocation ID, as `m` in the console does; `is:marked` finds it."""
    _print([_store(settings_of_last(**flags)).changed(id, marked=not off, note=note)], as_json)


@click.command()
@with_options(*COMMON, JSON)
@click.argument("id", type=int)
@click.option("--event", metavar="FILE|-", help="Another event in its place.")
@click.option("--times", default=1, type=click.IntRange(1, 1000), help="How often.")
@click.option("--diff", is_flag=True, help="Compare each answer with the origin's.")
def replay(id: int, event: str | None, times: int, diff: bool, as_json: bool, **flags: Any) -> int:
    """Run invocation ID again on your local code, as new records.

    Exit code 1 when a replay fails, or, with --diff, answers differently.
    """
    from livetui.session import chores, headless, outputs

    settings = settings_of_last(**flags)
    store = _store(settings)
    origin = store.invocation(id)
    payload = chores.event(event) if event else None
    session = open_session(settings, kind="replay", serve=False)
    rows = headless.replay(session, id, payload, times, outputs.ReplayOutput(sys.stderr))
    differs = False
    for row in rows:
        click.echo(outputs.row_json(row) if as_json else outputs.row_line(row))
        if diff:
            changes = outputs.difference_lines(origin, store.invocation(row.id))
            differs = differs or bool(changes)
            click.echo("\n".join([f"#{row.id} against #{id}: {'another' if changes else 'the same'} answer", *changes]))
    return 1 if differs or (not diff and any(row.state != "ok" for row in rows)) else 0


@click.command()
@with_options(*COMMON)
@click.argument("id", type=int)
@click.option("--as", "kind", type=click.Choice(["json", "sam", "curl", "aws", "pytest"]), default="json",
              help="What to write.")
@click.option("-o", "--output", metavar="FILE", help="Write it here instead of to stdout.")
@click.option("--reveal", is_flag=True, help="With credentials, tokens and cookies.")
def export(id: int, kind: str, output: str | None, reveal: bool, **flags: Any) -> None:
    """Write invocation ID as something another tool can use."""
    from livetui.session import chores

    settings = settings_of_last(**flags)
    write(chores.export(settings, _store(settings), id, kind, reveal=reveal), output)


def _print(rows: Sequence[Row], as_json: bool) -> None:
    from livetui.session import outputs

    for line in map(outputs.row_json, rows) if as_json else outputs.row_lines(rows):
        click.echo(line)


def _store(settings: Settings) -> Store:
    """The project's history; raises `LivetuiError` when there is none."""
    from livetui.session.store import Store

    path = settings.state / "invocations.sqlite"
    if not path.exists():
        raise LivetuiError("Nothing was captured in this folder yet.",
                           hint="Run livetui or livetui demo here first, or go to the project's folder.")
    return Store.open(path, max_invocations=settings.history.max_invocations,
                      max_mb=settings.history.max_mb)
