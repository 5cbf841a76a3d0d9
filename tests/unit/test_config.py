"""Settings: where values come from, which one wins, and how mistakes are told."""

from pathlib import Path

import pytest

from livetui import config
from livetui.errors import UsageError


def load(folder: Path, environ: dict[str, str] | None = None, **flags: object) -> config.Settings:
    return config.load(folder, flags, environ or {})


def test_later_sources_win_and_their_origin_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.livetui]\nregion = "eu-north-1"\nstage = "toml"\n')
    (tmp_path / "livetui.toml").write_text('stage = "own"\nprofile = "file"\n')
    settings = load(tmp_path, {"AWS_PROFILE": "env", "LIVETUI_THEME": "nord"}, stage="flag")
    assert (settings.region, settings.profile, settings.theme, settings.stage) == ("eu-north-1", "env", "nord", "flag")
    assert settings.origins == {"region": "pyproject.toml", "stage": "command line", "profile": "environment",
                                "theme": "environment"}


def test_aws_region_goes_before_aws_default_region(tmp_path: Path) -> None:
    assert load(tmp_path, {"AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "eu-west-1"}).region == "eu-west-1"


def test_names_are_made_safe_for_topics_and_stacks(tmp_path: Path) -> None:
    folder = tmp_path / "My Orders+#_app"
    folder.mkdir()
    settings = load(folder, stage="jörg/#")
    assert (settings.app, settings.stage) == ("My-Orders-app", "j-rg")


@pytest.mark.parametrize(("text", "word"), [
    ("region = 5\n", "region"),
    ("regoin = 'x'\n", "regoin"),
    ("[history]\nmax-mb = 'lots'\n", "history"),
    ("region = \n", "livetui.toml"),
])
def test_a_mistake_names_the_file_and_the_key(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "livetui.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load(tmp_path)
    assert caught.value.exit_code == 2
    assert "livetui.toml" in caught.value.what
    assert word in str(caught.value)
    assert caught.value.hint


def test_settings_of_a_function(tmp_path: Path) -> None:
    (tmp_path / "livetui.toml").write_text('[functions.Worker]\npython = ".venv"\nenv = {LEVEL = "DEBUG"}\n')
    settings = load(tmp_path)
    assert settings.for_function("Worker").env == {"LEVEL": "DEBUG"}
    assert settings.for_function("Other").python is None


def test_what_is_in_force_names_value_and_origin_and_hides_what_may_be_secret(tmp_path: Path) -> None:
    found = config.in_force(load(tmp_path, stage="x", parameters={"Key": "a secret"}))
    assert config.InForce("stage", "x", "command line") in found
    assert config.InForce("parameters", {"Key": "•••"}, "command line") in found


def test_a_setting_that_does_not_exist_is_answered_with_the_one_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "livetui.toml").write_text('stag = "x"')
    with pytest.raises(UsageError) as caught:
        load(tmp_path)
    assert caught.value.what == "livetui.toml has a setting that does not exist: stag"
    assert caught.value.why == "Did you mean stage?"
