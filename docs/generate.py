"""Writes the pages that follow from the code: `docs/configuration.md` and `docs/licences.md`.

    python docs/generate.py            write them
    python docs/generate.py --check    exit 1 and name those that are stale
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
import msgspec
from packaging.requirements import Requirement

from livetui import config
from livetui.cli import cli
from livetui.tui import keys

DOCS = Path(__file__).parent
ROOT = DOCS.parent
COMMON = ("--template", "--stage", "--region", "--profile", "--local", "--log")
"""Options of nearly every command, listed once."""
NOT_SET_BY_PEOPLE = ("project", "origins")
TABLES = {"tags": "table of text", "keys": "table of text, see [Keys](#keys)",
          "functions": "tables, see [One function](#one-function)", "history": "table, see [The history](#the-history)"}
MEANINGS = {
    "theme": "Colours of the console; `ctrl+t` there offers those that exist.",
    "functions": "How single functions run here.",
    "history": "Bounds of what is kept.",
    "functions.offline": "As `offline` above, for this function only.",
    "history.max-invocations": "Invocations that are kept; the oldest unmarked ones go first.",
    "history.max-mb": "MB of the file that they may fill.",
}
"""Words for settings whose class does not document them and that have no option either."""
VARIABLES = (
    ("LIVETUI_NO_FORK_SERVER", "set to anything: every worker is a fresh interpreter, none is forked "
                               "([fidelity](fidelity.md#forked-workers))"),
    ("VISUAL, EDITOR", "the editor that the console opens"),
    ("PAGER", "the pager that the console opens; `less` by default"),
    ("HTTPS_PROXY, NO_PROXY", "the proxy for AWS's APIs and for MQTT"),
    ("ALL_PROXY", "the proxy for MQTT when there is no `HTTPS_PROXY`"),
    ("NO_COLOR", "set to anything: the console without colours"),
)
"""What livetui or a library below it reads besides; AWS's own variables (keys, profiles, …) are boto3's to read."""
KEY_GROUPS = (
    ("Everywhere", [*keys.APP_KEYS, *keys.VIEW_KEYS, *keys.COMMON_KEYS, keys.HELP_KEY, keys.BACK_KEY]),
    ("Moving", keys.MOVE_KEYS),
    ("Invocations and their details", [*keys.LIST_KEYS, *keys.DETAIL_KEYS]),
    ("Panes of text", keys.TEXT_KEYS),
    ("Source, breakpoints, paused calls",
     [*keys.SOURCE_KEYS, *keys.POINT_KEYS, *keys.FRAME_KEYS, *keys.VARIABLE_KEYS]),
    ("Dialogs and fields", keys.DIALOG_KEYS),
)
PERMISSIVE = re.compile(r"MIT|BSD|Apache", re.IGNORECASE)
CONTAINS = {
    "debugpy": "contains pydevd, which is under the Eclipse Public License 1.0 (`debugpy/ThirdPartyNotices.txt`)",
    "pynacl": "contains libsodium (ISC)",
    "cryptography": "contains OpenSSL 3 (Apache-2.0)",
    "awscrt": "contains AWS's C libraries (Apache-2.0) and, on Linux, AWS-LC (Apache-2.0 or ISC; parts: OpenSSL)",
}
"""Other people's code inside a wheel, which its metadata does not name."""


# --- configuration --------------------------------------------------------------------------------------------------

INTRODUCTION = """\
# Configuration

Settings come from these places; a later one wins:

1. built-in defaults,
2. what the project's last session used (only for commands that work on what a session made: `invoke`, `replay`, …),
3. `[tool.livetui]` in `pyproject.toml`,
4. `livetui.toml` in the project folder, the same keys without a heading,
5. environment variables,
6. options of the command line.

While livetui runs, a saved `.env` or env-file, requirements and the template count at once; `livetui.toml` (the
console says so when it is saved) and the section of `pyproject.toml` count when it starts anew.

`livetui config` prints the settings in force and where each came from. A key that does not exist, or a value of the
wrong type, ends the command with exit code 2 and names the file and the key.

```toml
# livetui.toml
stage = "dev"
profile = "sandbox"
region = "eu-west-1"
parameters = { LogLevel = "DEBUG" }

[keys]
replay = "ctrl+y"

[functions.Worker]
python = "worker/.venv"
env = { POWERTOOLS_DEV = "1" }

[history]
max-invocations = 5000
```

`app` and `stage` name topics, stacks and S3 keys: other characters than letters, digits and `-` become `-`, and 32 are
kept. Everything of a project that livetui keeps lies in its folder `.livetui/`, which is never committed.
"""

COMPLETION = """\
## Shell completion

Commands, options and choices complete in bash (4.4 or newer), zsh and fish. Put the line of your shell into its
start-up file:

```sh
eval "$(_LIVETUI_COMPLETE=bash_source livetui)"     # ~/.bashrc
eval "$(_LIVETUI_COMPLETE=zsh_source livetui)"      # ~/.zshrc
_LIVETUI_COMPLETE=fish_source livetui | source      # ~/.config/fish/config.fish
```
"""


def configuration() -> str:
    """The page of settings, variables, commands and keys."""
    options = {str(option.name): option for option in cli.commands["dev"].params if isinstance(option, click.Option)}
    options["parameters"] = options["parameter"]
    parts = [
        INTRODUCTION,
        "## Settings\n\n" + table(("key", "type", "default", "option", "variable", "meaning"),
                                  settings_rows(config.Settings, "", options)),
        "### One function\n\n`[functions.NAME]`, where NAME is the function's logical id in the template.\n\n"
        + table(("key", "type", "default", "meaning"), settings_rows(config.FunctionSettings, "functions.")),
        "### The history\n\n`[history]`; see [history](history.md#bounds).\n\n"
        + table(("key", "type", "default", "meaning"), settings_rows(config.HistorySettings, "history.")),
        "## Other environment variables\n\n" + table(("variable", "meaning"), (
            (", ".join(f"`{name}`" for name in names.split(", ")), meaning) for names, meaning in VARIABLES)),
        commands(),
        COMPLETION,
        bindings(),
    ]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def table(head: tuple[str, ...], rows: Any) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def settings_rows(struct: type[msgspec.Struct], prefix: str,
                  options: dict[str, click.Option] | None = None) -> Iterator[tuple[str, ...]]:
    """One row per setting of a class."""
    said = docstrings(struct)
    for field in msgspec.structs.fields(struct):
        if struct is config.Settings and field.name in NOT_SET_BY_PEOPLE:
            continue
        option = (options or {}).get(field.name)
        name = prefix + field.encode_name
        meaning = said.get(field.name) or MEANINGS.get(name) or (option.help if option else "")
        if not meaning:
            raise SystemExit(f"The setting {name} needs a docstring in livetui/config.py.")
        if not is_read(field.name):
            meaning += " **Not read by this version.**"
        cells = (f"`{field.encode_name}`", TABLES.get(name) or type_words(field.type), default_words(field))
        if options is None:
            yield (*cells, meaning)
        else:
            variables = [f"`{variable}`" for variable, key in config._ENVIRONMENT.items() if key == field.name]
            yield (*cells, f"`{option.opts[-1]}`" if option else "", ", ".join(variables), meaning)


def docstrings(struct: type) -> dict[str, str]:
    """The text below each field of a class."""
    body = ast.parse(inspect.getsource(struct)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)):
            found[field.target.id] = " ".join(text.value.value.split())
    return found


def is_read(name: str) -> bool:
    """Whether any module looks at a setting of this name."""
    wanted = re.compile(rf"\w\)?\.{name}\b")
    return any(wanted.search(path.read_text("utf-8")) for path in (ROOT / "livetui").rglob("*.py"))


def type_words(kind: Any) -> str:
    """A type in the words of TOML."""
    plain = {str: "text", int: "integer", float: "number", bool: "`true` or `false`"}
    if kind in plain:
        return plain[kind]
    arguments = [each for each in get_args(kind) if each is not type(None)]
    origin = get_origin(kind)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is dict:
        return "table of text"
    if origin is tuple:
        return "list of text"
    return type_words(arguments[0])


def default_words(field: Any) -> str:
    """A default as TOML would have it; empty when there is none."""
    value = field.default
    if value is msgspec.NODEFAULT or isinstance(value, msgspec.Struct) or value in (None, "", ()):
        return ""
    return f"`{msgspec.json.encode(value).decode()}`"


def commands() -> str:
    """Every command with its arguments and options, as `--help` has them."""
    shared = {option.opts[-1]: option for command in cli.commands.values() for option in command.params
              if isinstance(option, click.Option) and option.opts[-1] in COMMON}
    lines = ["## Commands", "", "`livetui` without a command, or with an option first, is `livetui dev`. Exit codes: "
             "0 done, 1 failed, 2 wrong usage or settings, 130 interrupted, 128 + N ended by signal N. Nearly "
             "all commands take the *common options*:", "",
             table(("option", "meaning"), ((option_words(shared[name]), shared[name].help or "") for name in COMMON))]
    for name, command in cli.commands.items():
        options = [option for option in command.params if isinstance(option, click.Option)]
        own = [option for option in options if option.opts[-1] not in COMMON]
        some = [option for option in options if option.opts[-1] in COMMON]
        arguments = "".join(f" {argument.make_metavar(click.Context(command))}" for argument in command.params
                            if isinstance(argument, click.Argument))
        lines += [f"### `livetui {name}{arguments}`", "", inspect.cleandoc(command.help or ""), ""]
        rows = [(option_words(option), option.help or "") for option in own]
        if len(some) == len(COMMON):
            rows.append(("…", "the common options"))
        elif some:
            rows += [(option_words(option), option.help or "") for option in some]
        if rows:
            lines += [table(("option", "meaning"), rows)]
    return "\n".join(lines)


def option_words(option: click.Option) -> str:
    """`--stage NAME`, `-o`, `--output FILE`, `--traffic/--no-traffic`."""
    names = [*option.opts, *option.secondary_opts]
    joined = "/".join(names) if option.secondary_opts else ", ".join(names)
    if option.is_flag:
        return f"`{joined}`"
    metavar = option.make_metavar(click.Context(cli))
    return f"`{joined} {metavar}`"


def bindings() -> str:
    """Every key id that `[keys]` may name, once, where it first belongs."""
    lines = ["## Keys", "", "Each action of the console has an id. `[keys]` gives it other keys, by Textual's names "
             "for them, several with commas between: `down = \"down,j,ctrl+n\"`. An id that does not exist is told "
             "when the console opens, with the nearest that does. `?` in the console explains the keys of the focused "
             "pane.", ""]
    seen: set[str] = set()
    same: dict[str, list[Any]] = {}
    for _, group in KEY_GROUPS:
        for binding in group:
            same.setdefault(str(binding.id), []).append(binding)
    for title, group in KEY_GROUPS:
        rows = []
        for binding in group:
            id = str(binding.id)
            if id in seen:
                continue
            seen.add(id)
            chosen = dict.fromkeys(key for each in same[id] for key in each.key.split(","))
            meanings = dict.fromkeys(each.tooltip for each in same[id])
            rows.append((f"`{id}`", " ".join(f"`{key}`" for key in chosen), "; or: ".join(meanings)))
        if rows:
            lines += [f"### {title}", "", table(("id", "keys", "does"), rows)]
    missing = keys.BINDING_IDS - seen
    if missing:
        raise SystemExit(f"docs/generate.py puts these keys into no group: {', '.join(sorted(missing))}")
    return "\n".join(lines)


# --- licences -------------------------------------------------------------------------------------------------------

def licences() -> str:
    """The page of what is installed with livetui and under which terms."""
    found = closure()
    direct = [(name, *row) for name, row in found.items() if not row[1]]
    through = [(name, *row) for name, row in found.items() if row[1]]
    other = [name for name, (terms, *_rest) in found.items() if not PERMISSIVE.search(terms)]
    rest = ", ".join(f"{name} ({found[name][0]})" for name in other)
    return f"""\
# Licences of what livetui installs

Written by `python docs/generate.py` from the metadata of the installed packages (the extra `local` included,
development tools not). livetui itself is MIT. None of these packages is copied into livetui's wheel; pip installs them
beside it.
Why each direct one is there: [dependencies](dependencies.md).

## What is not MIT, BSD or Apache

- By their metadata: {rest or 'none'}. The Python Software Foundation's licence is permissive.
- Inside a wheel, other code: {'; '.join(f'**{name}** {words}' for name, words in sorted(CONTAINS.items()))}.

The one with copyleft is pydevd, inside debugpy: the Eclipse Public License asks whoever *distributes* it to offer its
source, changed files included. livetui neither changes nor distributes it. Stub bundles, which are uploaded to your own
account, hold only `stub_runtime/` and the packages of `livetui/stack/stub-requirements.txt` (awscrt, PyNaCl, cffi):
no copyleft.

## Direct dependencies

{table(('package', 'licence'), ((name, terms) for name, terms, _by in direct))}
## What those install

{table(('package', 'licence', 'through'), ((name, terms, ', '.join(by)) for name, terms, by in through))}"""


def closure() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Every installed runtime dependency: name → (licence, the packages that ask for it; none: livetui itself does)."""
    asked: dict[str, set[str]] = {}
    waiting: list[tuple[str, tuple[str, ...], str]] = [("livetui", ("local",), "")]
    done: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        name, extras, by = waiting.pop()
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another platform or Python
        asked.setdefault(canonical(name), set()).add(by)
        if (name, extras) in done:
            continue
        done.add((name, extras))
        for line in distribution.requires or []:
            wanted = Requirement(line)
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append((wanted.name, tuple(sorted(wanted.extras)), canonical(name)))
    del asked["livetui"]
    return {name: (terms_of(name), () if "livetui" in by else tuple(sorted(by))) for name, by in sorted(asked.items())}


def canonical(name: str) -> str:
    """A distribution's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def terms_of(name: str) -> str:
    """A package's licence in a few words: its expression, else its classifiers, else its `License` field."""
    about = metadata.metadata(name)

    def lines(field: str) -> list[str]:
        return about.get_all(field) or []

    classes = [line.rpartition("::")[2].strip() for line in lines("Classifier") if line.startswith("License ::")]
    stated = lines("License-Expression") or [" or ".join(each for each in classes if each != "OSI Approved")]
    return stated[0] or "".join(lines("License")).strip().split("\n")[0] or "not stated"


# --- both -----------------------------------------------------------------------------------------------------------

PAGES: dict[str, Callable[[], str]] = {"configuration.md": configuration, "licences.md": licences}


def stale() -> list[str]:
    """The pages that are not as they would be written now."""
    return [name for name, write in PAGES.items()
            if not (DOCS / name).is_file() or (DOCS / name).read_text("utf-8") != write()]


def main() -> int:
    """Write, or check."""
    if "--check" in sys.argv:
        old = stale()
        if old:
            sys.stderr.write(f"Stale: {', '.join(old)}. Run: python docs/generate.py\n")
        return 1 if old else 0
    for name, write in PAGES.items():
        (DOCS / name).write_text(write(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
