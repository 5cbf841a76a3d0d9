"""launch.json keeps its comments and everything that is not livetui's."""

import json
import re
import stat
from pathlib import Path

import pytest

from livetui.debug.launch_json import entry, merge, write_launch_json
from livetui.errors import UsageError

TOKEN = "0123456789abcdef0123456789abcdef"
OTHERS = """{
    // Use IntelliSense to learn about possible attributes.
    "version": "0.2.0", /* keep */
    "configurations": [
        {
            "name": "Python: File", // mine
            "program": "${file}, // not a comment",
            "args": ["a", "b",],
        },
    ],
    "compounds": [],
}
"""


def plain(text: str) -> dict:
    text = re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', lambda found: found[1] or "", text, flags=re.DOTALL)
    return json.loads(re.sub(r",(\s*[}\]])", r"\1", text))


def test_a_missing_file_is_made_readable_by_the_user_only(tmp_path: Path) -> None:
    file = write_launch_json(tmp_path, 5710, TOKEN)
    assert json.loads(file.read_text())["configurations"] == [entry(5710, TOKEN)]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_comments_and_other_entries_stay() -> None:
    merged = merge(OTHERS, entry(5710, TOKEN))
    before, after = plain(OTHERS), plain(merged)
    assert after == {**before, "configurations": [*before["configurations"], entry(5710, TOKEN)]}
    for kept in ("// Use IntelliSense", "/* keep */", "// mine", "${file}, // not a comment"):
        assert kept in merged


def test_an_update_touches_only_what_changed() -> None:
    mine = merge(OTHERS, entry(5710, TOKEN)).replace('"subProcess": false', '"justMyCode": false // I like it')
    merged = merge(mine, entry(5711, "f" * 32))
    assert plain(merged)["configurations"][1] == {**entry(5711, "f" * 32), "justMyCode": False}
    assert "// I like it" in merged
    assert merge(merged, entry(5711, "f" * 32)) == merged


@pytest.mark.parametrize("text", ['{"configurations": []}', "{}", '{"version": "0.2.0"}', "", "  \n", '\ufeff{"a": 1}',
                                  '{"configurations": [{"name": "x"} /* y */]}', '{"configurations": [ // none\n ]}'])
def test_the_entry_gets_into_any_file(text: str) -> None:
    merged = merge(text, entry(5710, TOKEN))
    assert entry(5710, TOKEN) in plain(merged.lstrip("\ufeff"))["configurations"]


@pytest.mark.parametrize("text", ["[]", "{", '{"configurations": {}}', "{'a': 1}", '{"a": 1} x', '{"a" 1}'])
def test_what_is_not_understood_is_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / ".vscode" / "launch.json"
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(UsageError, match="left alone"):
        write_launch_json(tmp_path, 5710, TOKEN)
    assert file.read_text() == text
