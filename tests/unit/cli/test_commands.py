"""The command line itself: help, exit codes of wrong usage, what it does not load, completion."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from livetui import __version__
from livetui.cli import cli, main
from livetui.session.samples import sample
from livetui.session.store import Store
from tests.unit.session.calls import run as run_call

HEAVY = ("textual", "boto3", "botocore", "awscrt", "debugpy", "ministack", "msgspec")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command runs in a project of its own, with nothing in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("LIVETUI_STAGE", "LIVETUI_APP", "LIVETUI_THEME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """`livetui WORDS…` in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["livetui", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_explains_itself_and_its_options(name: str, monkeypatch: pytest.MonkeyPatch,
                                                       capsys: pytest.CaptureFixture[str]) -> None:
    command = cli.commands[name]
    assert run(monkeypatch, name, "--help") == 0
    shown = capsys.readouterr().out
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[-1] in shown
            assert parameter.help or parameter.name == "limit", f"{name} {parameter.opts[-1]} has no help"
    assert (command.help or "").strip().endswith(".")


def test_the_examples_of_the_help_can_be_typed() -> None:
    examples = [line.split() for line in (cli.help or "").splitlines() if line.strip().startswith("livetui ")]
    assert len(examples) >= 3
    for _, *words in examples:
        command = cli.commands.get(words[0], cli.commands["dev"])
        arguments = words[1:] if words[0] in cli.commands else words
        with command.make_context("livetui", list(arguments)) as context:
            if sample_name := context.params.get("sample"):
                assert sample(sample_name)


def test_version_is_the_packages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.split()[-1] == __version__


def test_help_and_version_load_nothing_heavy(tmp_path: Path) -> None:
    code = f"""
import sys
from livetui.cli import cli, main
for words in (["--help"], ["--version"], *([name, "--help"] for name in cli.commands)):
    sys.argv = ["livetui", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (words, end.code)
    assert not set({HEAVY!r}) & sys.modules.keys(), words
"""
    asked = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr


def test_the_console_is_drawn_before_anything_of_a_cloud_is_loaded(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from livetui import config
from livetui.cli import sessions
settings = config.load(Path.cwd(), {{"local": True, "app": "orders", "stage": "dev", "region": "eu-west-1"}}, files=False)
assert sessions._typed_production(settings, ()) is settings
session = sessions.open_session(settings)
import livetui.tui.app
loaded = (set({HEAVY!r}) - {{"textual", "msgspec"}} | {{"ruamel.yaml"}}) & sys.modules.keys()
session.close()
assert not loaded, loaded
"""
    asked = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr


@pytest.mark.parametrize(("words", "said"), [
    (["nonsense"], "nonsense"),
    (["--nope"], "--nope"),
    (["dev", "extra"], "extra"),
    (["show"], "ID"),
    (["show", "abc"], "abc"),
    (["export", "1", "--as", "xml"], "xml"),
    (["replay", "1", "--times", "0"], "0"),
    (["cloud", "explode"], "explode"),
    (["deploy", "--parameter", "NoEquals"], "NoEquals"),
    (["synth", "--template", "nowhere.yaml"], "nowhere.yaml"),
    (["synth"], "No template"),
    (["events", "show", "no-such-sample"], "no-such-sample"),
    (["events", "no-such-sample"], "no-such-sample"),
    (["invoke", "Function", "--event", "nowhere.json"], "nowhere.json"),
    (["invocations", "ms:>much"], "much"),
], ids=" ".join)
def test_wrong_usage_is_exit_code_2_and_says_what_is_wrong(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *words) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert "Traceback" not in told.err
    assert told.out == ""


def test_an_unknown_command_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "nonsense") == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_wrong_setting_is_exit_code_2(empty_folder: Path, monkeypatch: pytest.MonkeyPatch,
                                        capsys: pytest.CaptureFixture[str]) -> None:
    (empty_folder / "livetui.toml").write_text("regoin = 'eu-west-1'\n")
    assert run(monkeypatch, "config") == 2
    assert "regoin" in capsys.readouterr().err


def test_what_is_not_there_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "show", "7") == 1
    assert "Nothing was captured in this folder yet." in capsys.readouterr().err
    assert not Path(".livetui").exists()


def test_a_list_without_rows_says_why(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Store.open(Path(".livetui/invocations.sqlite")).close()
    for words, said in ((["invocations"], "Nothing is recorded"), (["invocations", "state:error"], "No invocation matches")):
        assert run(monkeypatch, *words) == 0
        told = capsys.readouterr()
        assert (told.out, said in told.err) == ("", True)


def test_sample_events_are_listed_by_source(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["events", "sqs"], ["events", "list", "sqs"]):
        assert run(monkeypatch, *words) == 0
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["sqs", "sqs-fifo"]


def test_rows_are_marked_noted_and_seen_with_what_belongs_to_them(monkeypatch: pytest.MonkeyPatch,
                                                                  capsys: pytest.CaptureFixture[str]) -> None:
    store = Store.open(Path(".livetui/invocations.sqlite"))
    store.begin_session("dev", app="orders", stage="ada", region="eu-west-1")
    caused, other, cause = (run_call(store, trace_id=trace) for trace in ("1-a", "1-b", "1-a"))
    store.close()

    def printed(*words: str) -> list[dict[str, object]]:
        assert run(monkeypatch, *words, "--json") == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [row["id"] for row in printed("show", str(cause.id), "--related")] == [caused.id, cause.id]
    assert [(row["marked"], row["note"]) for row in printed("mark", str(other.id), "--note", "look")] == [(True, "look")]
    assert [row["id"] for row in printed("invocations", "is:marked")] == [other.id]
    assert [(row["marked"], row["note"]) for row in printed("mark", str(other.id), "--off")] == [(False, "look")]
    assert printed("invocations", "is:marked") == []
    assert run(monkeypatch, "mark", "99") == 1


def test_config_names_each_setting_and_its_origin(monkeypatch: pytest.MonkeyPatch,
                                                  capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LIVETUI_THEME", "nord")
    assert run(monkeypatch, "config", "--stage", "mine") == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith('stage = "mine"') and line.endswith("# command line") for line in lines)
    assert any(line.startswith('theme = "nord"') and line.endswith("# environment") for line in lines)


@pytest.mark.parametrize(("words", "known"), [
    (["config"], {"name": "stage", "value": "mine", "origin": "environment"}),
    (["events"], {"name": "sqs"}),
], ids=" ".join)
def test_lists_can_be_read_by_programs(words: list[str], known: dict[str, str], monkeypatch: pytest.MonkeyPatch,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LIVETUI_STAGE", "mine")
    assert run(monkeypatch, *words, "--json") == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any(known.items() <= each.items() for each in listed)


def complete(shell: str, *words: str) -> list[str]:
    """What a shell offers for the last of these words."""
    environment = {**os.environ, "_LIVETUI_COMPLETE": f"{shell}_complete", "COMP_WORDS": " ".join(["livetui", *words]),
                   "COMP_CWORD": str(len(words))}
    asked = subprocess.run([Path(sys.executable).with_name("livetui")], env=environment, capture_output=True, text=True,
                           check=True)
    return [line.split(",")[-1] for line in asked.stdout.splitlines()]


def test_options_and_choices_complete() -> None:
    assert "--take-over" in complete("bash", "dev", "--t")
    assert complete("bash", "export", "1", "--as", "p") == ["pytest"]


def test_commands_complete() -> None:
    assert sorted(complete("bash", "inv")) == ["invocations", "invoke"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_documented_line_completes_in_bash() -> None:
    script = """
        eval "$(_LIVETUI_COMPLETE=bash_source livetui)" || exit 3
        COMP_WORDS=(livetui export 1 --as s) COMP_CWORD=4
        "$(complete -p livetui | sed 's/.*-F \\([^ ]*\\).*/\\1/')" livetui s --as
        echo "${COMPREPLY[@]}"
    """
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    asked = subprocess.run(["bash", "--norc", "-c", script], env=environment, capture_output=True, text=True,
                           check=False)
    assert (asked.returncode, asked.stdout.strip()) == (0, "sam"), asked.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_their_script(shell: str) -> None:
    asked = subprocess.run([Path(sys.executable).with_name("livetui")], capture_output=True, text=True, check=True,
                           env={**os.environ, "_LIVETUI_COMPLETE": f"{shell}_source"})
    assert "livetui" in asked.stdout


def test_the_command_line_and_the_console_offer_every_export() -> None:
    from livetui.session.export import KINDS
    from livetui.tui.screens import records

    choices = next(option.type for option in cli.commands["export"].params if option.name == "kind")
    assert isinstance(choices, click.Choice)
    assert tuple(choices.choices) == KINDS
    assert tuple(records._SUFFIXES) == KINDS
