"""The commands: parse the words, call the room that does the work, end with the right exit code."""

from __future__ import annotations

import gc
import sys

import click

from livetui import __version__
from livetui.cli import around, records, sessions, stacks
from livetui.cli.words import say
from livetui.errors import LivetuiError

SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Work": (sessions.dev, sessions.demo, records.invoke, records.events),
    "Look back": (records.invocations, records.show, records.mark, records.replay, records.export),
    "Stacks": (stacks.synth, sessions.deploy, sessions.attach, stacks.restore, stacks.park, stacks.resume,
               stacks.remove, stacks.bootstrap, stacks.apps),
    "Set up": (stacks.doctor, around.show_config, around.vscode, around.cloud),
}


class _Commands(click.Group):
    """The commands by what they are for; `livetui --stage x` means `livetui dev --stage x`."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(str(command.name), command.get_short_help_str(64)) for command in commands])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing and not args:  # the shell asks for completions
            return super().parse_args(ctx, args)
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h", "--version")):
            args = ["dev", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="livetui")
def cli() -> None:
    """Live Lambda development for Python: real invocations run your local code.

    `livetui` alone, in a folder with a SAM, CloudFormation or CDK application, deploys it live and opens the console.
    `livetui demo` shows all of it without an AWS account. Options of the session: `livetui dev --help`.

    \b
      livetui --profile dev --region eu-west-1
      livetui demo --headless --json --for 25
      livetui invoke GetOrder --sample http-api
      livetui replay 12 --diff
    """


for _section in SECTIONS.values():
    for _command in _section:
        cli.add_command(_command)


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted,
    128 + N ended by signal N."""
    gc.set_threshold(20_000, 20, 50)  # what is imported stays: looking for garbage in it took a tenth of the start
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        say("Interrupted.")
        code = 130
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        say(f"{error.format_message()} (see {context.command_path if context else 'livetui'} --help)")
        code = 2
    except LivetuiError as error:
        say(str(error))
        code = error.exit_code
    except KeyboardInterrupt:
        say("Interrupted.")
        code = 130
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        sys.stderr.close()
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
