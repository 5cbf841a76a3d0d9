"""Settings: `livetui.toml` or `[tool.livetui]`, environment and flags become one frozen `Settings`.

Later sources win: built-in defaults, `pyproject.toml` `[tool.livetui]`, `livetui.toml`, `LIVETUI_*` environment
variables, command-line flags. `Settings.origins` remembers where each value came from, for `livetui config`.
"""

from __future__ import annotations

import difflib
import getpass
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from livetui.errors import UsageError

Count = Annotated[int, msgspec.Meta(ge=1)]
OfflinePolicy = Literal["error", "http-503", "deployed"]
AtDeadline = Literal["answer", "continue", "wait"]
STATE_FOLDER = ".livetui"
_LAST = "last-session.json"
_REMEMBERED = ("app", "stage", "region", "profile", "template", "local", "function")


class FunctionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """`[functions.NAME]`: how one function runs here. NAME is its logical id."""

    python: str | None = None
    """Interpreter to use: a path, or a virtual environment's folder."""
    env: dict[str, str] = {}
    """Variables that override the function's cloud environment."""
    env_file: str | None = None
    """A `.env` file with such variables, relative to the project."""
    offline: OfflinePolicy | None = None
    handler: str | None = None
    """`module.function`; in a project without a template this makes NAME one of its functions. So do the next ones."""
    code: str = "."
    """Folder of its code, relative to the project."""
    runtime: str | None = None
    """Such as `python3.13`; the Python that runs livetui by default."""
    timeout: Count = 30
    """Seconds."""
    memory: Count = 256
    """MB."""
    routes: tuple[str, ...] = ()
    """HTTP routes that call it, such as `GET /orders/{id}`."""
    image: str = ""
    """Address of the built container image of a function that is not live, which livetui does not build."""
    queue: str = ""
    """Name of a queue whose messages it consumes."""
    schedule: str = ""
    """When it is called, such as `rate(5 minutes)` or `cron(0 6 * * ? *)`."""


class HistorySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """`[history]`: bounds of the project's store."""

    max_invocations: Count = 20_000
    max_mb: Count = 512


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Everything a session needs to know before it starts."""

    project: str = "."
    """Folder of the project; `.livetui/` with its state lies in it."""
    app: str = ""
    """Name of the application; the project folder's name by default."""
    stage: str = ""
    """Whose copy of the stack this is; the user's name by default."""
    region: str | None = None
    profile: str | None = None
    template: str | None = None
    """Path of the template, relative to the project; found by itself by default."""
    function: tuple[str, ...] = ()
    """Globs of the functions to make live; all by default."""
    parameters: dict[str, str] = {}
    """Values of the template's parameters."""
    local: bool = False
    """Use the embedded local cloud instead of AWS."""
    take_over: bool = False
    offline: OfflinePolicy = "error"
    """What callers get while no console is there."""
    disarm_after: Count = 12
    """Hours without a console after which an attached function runs its own code and looks for one but rarely."""
    park: Literal["never", "on-exit"] = "never"
    """Whether queues, rules and schedules of the live stack are switched off when the session ends, until the next."""
    redeploy: Literal["ask", "always"] = "ask"
    """What happens when the template is saved while it is live: told what would change, or deployed at once."""
    overrun: Literal["kill", "finish"] = "kill"
    """What happens to a handler that overruns its timeout: killed as in Lambda, or left to finish (`late`)."""
    at_deadline: AtDeadline = "answer"
    """What happens to a call that stands at a breakpoint 3 s before Lambda's deadline: its caller is answered with an
    error and it stays paused (ending `late`), it runs on by itself, or nothing. `t` in the source view changes it."""
    cloudwatch_logs: bool = False
    """Whether the first 32 KB that a handler writes during a call are also written to its function's log in the
    cloud."""
    concurrency: Count = 8
    """Most workers of one function at a time."""
    theme: str = "tokyo-night"
    keys: dict[str, str] = {}
    """Binding id to key, such as `replay = "R"`."""
    tags: dict[str, str] = {}
    """Tags of all that livetui creates, besides its own: `livetui:app`, `livetui:stage`, `livetui:owner`."""
    permissions_boundary: str = ""
    """ARN of the policy that bounds roles of the bootstrap and live stacks which have no boundary of their own."""
    production_accounts: tuple[str, ...] = ()
    """Ids of accounts in which going live asks for the name typed first."""
    yes_production: str = ""
    """Name of the stack (or attached targets) that may go live although it looks like production."""
    functions: dict[str, FunctionSettings] = {}
    history: HistorySettings = HistorySettings()
    log: str | None = None
    """Where the log file goes; `.livetui/livetui.log` by default."""
    origins: dict[str, str] = {}

    @property
    def root(self) -> Path:
        """The project folder, absolute."""
        return Path(self.project).resolve()

    @property
    def state(self) -> Path:
        """The project's state folder (`.livetui/`), not necessarily made yet."""
        return self.root / STATE_FOLDER

    @property
    def log_path(self) -> Path:
        """The log file."""
        return Path(self.log) if self.log else self.state / "livetui.log"

    def for_function(self, logical_id: str) -> FunctionSettings:
        """The settings of one function; defaults when nothing was configured."""
        return self.functions.get(logical_id, FunctionSettings())


_ENVIRONMENT = {"LIVETUI_STAGE": "stage", "LIVETUI_APP": "app", "LIVETUI_THEME": "theme", "AWS_REGION": "region",
                "AWS_DEFAULT_REGION": "region", "AWS_PROFILE": "profile"}


def plain_name(text: str, fallback: str) -> str:
    """`text` as a name that is safe in topics, stack names and S3 keys: letters, digits and `-`, at most 32."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:32].strip("-") or fallback


def load(project: Path, flags: Mapping[str, Any], environ: Mapping[str, str] | None = None, *,
         recall: bool = False, files: bool = True) -> Settings:
    """Merge all sources into `Settings`. Raises `UsageError` that names the file and the key that is wrong.

    With `recall`, what nobody says is as it was in the project's last session: for commands that work on what a
    session made, such as `livetui invoke` after `livetui demo`. Without `files` the project's own settings are left
    out: the demo is not the project's application.
    """
    environ = os.environ if environ is None else environ
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}

    def take(values: Mapping[str, Any], origin: str) -> None:
        for key, value in values.items():
            merged[key] = value
            origins[key] = origin

    if recall:
        take(_recalled(project), "the last session")
    for name, section in (("pyproject.toml", ("tool", "livetui")), ("livetui.toml", ())):
        take(_read_toml(project / name, section) if files else {}, name)
    for variable, key in _ENVIRONMENT.items():
        if environ.get(variable) and origins.get(key) != "environment":
            take({key: environ[variable]}, "environment")
    take({key.replace("_", "-"): value for key, value in flags.items() if value not in (None, (), {})}, "command line")

    for key, own, fallback in (("app", project.resolve().name, "app"), ("stage", user_name("dev"), "dev")):
        if isinstance(merged.get(key, ""), str):  # what is no text is told of below
            merged[key] = plain_name(merged.get(key) or own, fallback)
    try:
        return msgspec.convert({**merged, "project": str(project), "origins": origins}, Settings)
    except msgspec.ValidationError as error:
        wrong = re.search(r"unknown field `([^`]+)`|\$\.([\w-]+)", str(error))
        key = (wrong[1] or wrong[2]) if wrong else ""
        if wrong and wrong[1]:
            names = [field.encode_name for kind in (Settings, FunctionSettings, HistorySettings)
                     for field in msgspec.structs.fields(kind) if field.name not in ("origins", "project")]
            near = difflib.get_close_matches(key, names, 1)
            raise UsageError(f"{origins.get(key, 'livetui.toml')} has a setting that does not exist: {key}",
                             f"Did you mean {near[0]}?" if near else "",
                             "`livetui config` lists the settings, once this one is gone.") from error
        raise UsageError(f"{origins.get(key, 'The settings')} has a setting that cannot be used: {key or error}",
                         str(error), "docs/configuration.md lists the settings and their values.") from error


def overrides(settings: Settings, logical_id: str) -> dict[str, str]:
    """A function's variables from its `env-file` and `env`, the latter winning. Raises `UsageError`."""
    function = settings.for_function(logical_id)
    if not function.env_file:
        return dict(function.env)
    from dotenv import dotenv_values

    path = settings.root / function.env_file
    if not path.is_file():
        raise UsageError(f"The env-file of {logical_id} is not there: {function.env_file}", "",
                         f"Make {path}, or take it out of livetui.toml.")
    found = dotenv_values(path, interpolate=False)
    return {**{name: value or "" for name, value in found.items()}, **function.env}


def remember(settings: Settings) -> None:
    """Keep what names the live stack of this session, for `load(…, recall=True)`."""
    known = {key: getattr(settings, key) for key in _REMEMBERED if getattr(settings, key)}
    settings.state.mkdir(parents=True, exist_ok=True)
    path = settings.state / _LAST
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(known))


def _recalled(project: Path) -> Mapping[str, Any]:
    try:
        known = msgspec.json.decode((project / STATE_FOLDER / _LAST).read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    return {key: known[key] for key in _REMEMBERED if key in known} if isinstance(known, dict) else {}


def _read_toml(path: Path, section: tuple[str, ...]) -> Mapping[str, Any]:
    import tomllib  # of a start in a folder without settings it would be a hundredth

    try:
        table: Any = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path.name} cannot be read.", str(error), f"Mend {path}.") from error
    for part in section:
        table = table.get(part, {}) if isinstance(table, dict) else {}
    return table if isinstance(table, dict) else {}


def user_name(fallback: str = "unknown") -> str:
    """Who works here, as this machine says; `fallback` where the user id has no name (some containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return fallback


class InForce(msgspec.Struct, frozen=True):
    """One setting as it counts now, and where it came from."""

    name: str
    value: Any
    origin: str


def in_force(settings: Settings) -> list[InForce]:
    """All settings; values that may be secret are not shown."""
    return [InForce(field.encode_name, _hidden(field.name, getattr(settings, field.name)),
                    settings.origins.get(field.encode_name, "default"))
            for field in msgspec.structs.fields(Settings) if field.name not in ("origins", "project")]


def _hidden(name: str, value: Any) -> Any:
    plain = msgspec.to_builtins(value)
    if name == "parameters":
        return dict.fromkeys(plain, "•••")
    if name == "functions":
        return {key: {**entry, "env": dict.fromkeys(entry.get("env", {}), "•••")} for key, entry in plain.items()}
    return plain
