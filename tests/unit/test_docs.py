"""What the pages say is so: generated ones are fresh, links lead somewhere, quoted commands exist."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import msgspec
import pytest

from livetui import config
from livetui.cli import cli
from livetui.tui.keys import BINDING_IDS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md"),
                *(ROOT / "benchmarks").glob("*.md")])
page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- generated pages ------------------------------------------------------------------------------------------------

def test_the_configuration_page_is_fresh(generator: ModuleType) -> None:
    committed = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert committed == generator.configuration(), "run: python docs/generate.py"


def test_the_licence_page_names_everything_that_is_installed(generator: ModuleType) -> None:
    committed = (ROOT / "docs" / "licences.md").read_text("utf-8")
    for name, (terms, _through) in generator.closure().items():
        assert f"| {name} | {terms} |" in committed, "run: python docs/generate.py"


def test_no_copyleft_but_what_the_page_names(generator: ModuleType) -> None:
    copyleft = re.compile(r"GPL|MPL|Mozilla|EPL|Eclipse|EUPL|CDDL|not stated")
    assert [name for name, (terms, _) in generator.closure().items() if copyleft.search(terms)] == []


def test_the_example_of_settings_can_be_used(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "configuration.md").read_text("utf-8"), re.DOTALL)
    assert example is not None
    (tmp_path / "livetui.toml").write_text(example[1])
    settings = config.load(tmp_path, {}, {})
    assert settings.stage == "dev"
    assert set(tomllib.loads(example[1])["keys"]) <= BINDING_IDS


SETTINGS = {field.name for struct in (config.Settings, config.FunctionSettings, config.HistorySettings)
            for field in msgspec.structs.fields(struct)} - {"project", "origins"}


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_setting_is_read_by_something(name: str, generator: ModuleType) -> None:
    assert generator.is_read(name)


def test_the_variables_that_are_named_are_read(generator: ModuleType) -> None:
    code = "".join(path.read_text("utf-8") for folder in ("livetui", "stub_runtime")
                   for path in (ROOT / folder).rglob("*.py"))
    for names, _ in generator.VARIABLES:
        for name in names.split(", "):
            assert name in code or name.lower() in code or name == "NO_COLOR", f"{name} is read by nobody"


# --- links ----------------------------------------------------------------------------------------------------------

def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    found: set[str] = set()
    for heading in re.findall(r"(?m)^#{1,6} +(.+?) *$", re.sub(r"(?ms)^```.*?^```", "", text)):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading.replace("`", "")).lower()
        found.add(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return found


def links(text: str) -> Iterator[str]:
    """Targets of links and pictures outside of code."""
    plain = re.sub(r"`[^`\n]*`", "`code`", re.sub(r"(?ms)^```.*?^```", "", text))
    return (match[1] for match in re.finditer(r"\]\(([^)\s]+)\)", plain))


@page
def test_every_link_leads_to_a_file_and_an_anchor(page: Path) -> None:
    broken = []
    for link in links(page.read_text("utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or not target.is_relative_to(ROOT):
            broken.append(link)
        elif anchor and anchor not in anchors(target.read_text("utf-8")):
            broken.append(f"{link} (no such heading)")
    assert broken == []


def test_links_are_looked_at() -> None:
    assert list(links("[a](b.md#c) `[x](y)` ![p](q.png)")) == ["b.md#c", "q.png"]
    assert anchors("# The `x` of [y](z)\n## What it's not") == {"the-x-of-y", "what-its-not"}


# --- commands -------------------------------------------------------------------------------------------------------

def commands(text: str) -> Iterator[str]:
    """Every `livetui …` line or span in a page's code."""
    blocks = re.findall(r"(?ms)^```\w*\n(.*?)^```", text) + re.findall(r"(?m)^ {4,}(.+)$", text)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```", "", text))
    for line in (line for piece in [*blocks, *spans] for line in piece.splitlines()):
        for match in re.finditer(r"(?:^|[\s(;&|])(livetui(?=\s+[-\w\[]|$)[^)]*)", line.replace("\\|", "|")):
            yield re.split(r"\s(?:#|\||&&|>|<)|;", match[1])[0].strip()


def mistake(command: str) -> str:
    """Why a quoted command cannot be typed; empty when it can."""
    words = [word for word in shlex.split(command)[1:] if not word.startswith(("[", "…", "─")) and word != "..."]
    if not words:
        return ""
    if words[0] in ("--help", "-h", "--version"):
        return ""
    name = "dev" if words[0].startswith("-") else words.pop(0)
    if name not in cli.commands:
        return f"there is no command {name}"
    target = cli.commands[name]
    if "--help" in words:
        return ""
    context = click.Context(target, info_name=name)
    try:
        values, rest, _order = target.make_parser(context).parse_args(words)
    except click.UsageError as error:
        return error.format_message()
    if rest:
        return f"{name} takes no {rest[0]!r}"
    for parameter in target.params:
        value = values.get(parameter.name or "")
        if isinstance(parameter.type, click.Choice) and isinstance(value, str) and not value.isupper() and (
                not set(value.split("|")) <= set(parameter.type.choices)):
            return f"{name} has no {value!r}"
    return ""


@page
def test_every_quoted_command_exists_with_its_options(page: Path) -> None:
    wrong = [f"{command}: {why}" for command in commands(page.read_text("utf-8")) if (why := mistake(command))]
    assert wrong == []


def test_quoted_commands_are_looked_at() -> None:
    text = ("`livetui show 1` and `livetui.toml`\n```\neval \"$(livetui cloud env)\"\nlivetui --stage x  # words\n```\n"
            "    livetui nonsense | head")
    assert sorted(commands(text)) == ["livetui --stage x", "livetui cloud env", "livetui nonsense", "livetui show 1"]
    assert mistake("livetui nonsense")
    assert mistake("livetui show --nope 1")
    assert mistake("livetui export 1 --as xml")
    assert mistake("livetui export ID --as KIND") == ""


def test_the_makefile_has_every_target_that_is_quoted() -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8")))
    quoted = {found for path in PAGES for found in re.findall(r"(?:`|^)make ([a-z-]+)", path.read_text("utf-8"), re.M)}
    assert quoted <= targets


def test_paths_that_the_pages_name_exist() -> None:
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
                             check=False).stdout.split()
    if not tracked:
        pytest.skip("not in a git checkout")
    folders = "livetui|stub_runtime|bootstrap|tests|docs|examples|benchmarks|screenshots"
    named = {(path.relative_to(ROOT).as_posix(), found) for path in PAGES
             for found in re.findall(rf"`((?:{folders})/[\w./-]+\.\w+)(?:::[\w]+)?`", path.read_text("utf-8"))}
    assert {(where, what) for where, what in named if what not in tracked and not (ROOT / what).exists()} == set()


def test_tests_that_the_pages_name_exist() -> None:
    """An ellipsis ends a name that is cut: `test_a_page…` stands for every test that begins so."""
    code = "".join(f"{path.name}\n{path.read_text('utf-8')}" for path in sorted((ROOT / "tests").rglob("*.py")))
    there = set(re.findall(r"\btest_\w+", code))
    named = {found for path in PAGES for found in re.findall(r"\btest_\w+…?", path.read_text("utf-8"))}
    assert len(named) > 50
    assert [name for name in sorted(named)
            if not (any(each.startswith(name[:-1]) for each in there) if name.endswith("…") else name in there)] == []


def test_no_file_is_longer_than_an_afternoon_bears() -> None:
    folders = ("livetui", "stub_runtime", "bootstrap", "benchmarks", "tests", "screenshots")
    lengths = {path: len(path.read_text("utf-8").splitlines()) for folder in folders
               for path in (ROOT / folder).rglob("*.py")}
    assert {path.name: lines for path, lines in lengths.items() if lines > 500} == {}


# --- how to add … ---------------------------------------------------------------------------------------------------

def recipes() -> Iterator[tuple[str, str]]:
    """(file, name) of every name that a row of contributing.md or of architecture.md's walks says is there."""
    text = "".join((ROOT / "docs" / f"{page}.md").read_text("utf-8") for page in ("contributing", "architecture"))
    for where, what in re.findall(r"(?m)^\| `([^`]+)` \| (.+) \|$", text):
        if where.endswith("/"):  # a room
            continue
        yield where, ""
        yield from ((where, name) for name in re.findall(r"`([A-Za-z_][\w.]*)`", what))


@pytest.mark.parametrize(("where", "name"), sorted(set(recipes())))
def test_what_the_pages_say_of_a_file_is_there(where: str, name: str) -> None:
    assert (ROOT / where).is_file()
    text = (ROOT / where).read_text("utf-8")
    assert all(re.search(rf"\b{part}\b", text) for part in name.split(".") if part)


def test_the_recipes_are_looked_at() -> None:
    assert ("livetui/session/trigger.py", "SHAPES") in set(recipes())


def test_every_direct_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["local"]]
    names = {re.split(r"[<>=!~; \[]", line)[0].lower() for line in asked}
    rows = re.findall(r"(?m)^\| ([^|]+) \|", (ROOT / "docs" / "dependencies.md").read_text("utf-8"))
    reasoned = {name.strip().split(" ")[0].lower() for row in rows for name in row.split(",")}
    assert names - reasoned == set()
