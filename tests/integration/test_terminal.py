"""The installed program in a real terminal: what a Pilot of Textual cannot see."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.terminal import Terminal, environment

LIVETUI = str(Path(sys.executable).with_name("livetui"))
VIEWS = {"f3": "─ Functions ", "f4": "─ Stack ", "f6": "─ Logs of all functions ", "f9": "─ Link ", "f12": "─ Breakpoints ",
         "f2": "─ Invocations "}
"""Keys, and the title in the frame of the view that each opens."""
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  F: {Type: AWS::Serverless::Function, Properties: {Handler: app.handler, Runtime: python3.12, CodeUri: .}}
"""


@pytest.mark.timeout(60)
def test_a_start_that_fails_says_why_and_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "app.py").write_text("def handler(event, context): ...\n")
    with Terminal([LIVETUI], tmp_path, environment(tmp_path), (120, 40)) as terminal:
        terminal.sees("No AWS region is set.", "livetui --local", "q Quit", "✗ not started")
        terminal.resize(60, 20)
        terminal.sees("No AWS region is set.", "q Quit")
        terminal.press("q")
        assert terminal.ends() == 2
        assert b"Traceback" not in terminal.written
        assert terminal.written.rindex(b"\x1b[?1049l") > terminal.written.rindex(b"\x1b[?1049h")


@pytest.mark.timeout(60)
def test_a_start_that_is_tried_again_reads_the_settings_again(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "app.py").write_text("def handler(event, context): ...\n")
    with Terminal([LIVETUI], tmp_path, environment(tmp_path), (120, 40)) as terminal:
        terminal.sees("No AWS region is set.", "r Try again")
        (tmp_path / "livetui.toml").write_text("region = [\n")
        terminal.press("r")
        terminal.sees("livetui.toml cannot be read", "r Try again")
        (tmp_path / "livetui.toml").write_text('region = "eu-west-1"\n')
        terminal.press("r")
        terminal.sees("No AWS credentials were found.", "r Try again")


def rows_stand_below_their_columns(screen: str) -> bool:
    """After a resize the rows are laid out as their head is."""
    lines = screen.split("\n")
    head = next((line for line in lines if all(name in line for name in ("time", "function", "state"))), None)
    rows = [line for line in lines if "POST /ord" in line]
    at = head.index("state") if head else 0
    return head is not None and len(rows) > 5 and all(line[at : at + 1] == "✓" for line in rows)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Terminal]:
    command = [LIVETUI, "demo", "--no-traffic"]
    with Terminal(command, tmp_path, environment(tmp_path), (160, 45)) as terminal:
        yield terminal
    subprocess.run([LIVETUI, "cloud", "stop"], cwd=tmp_path, env=environment(tmp_path), capture_output=True, check=False)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_an_afternoon_with_the_demo(demo: Terminal) -> None:
    demo.sees("Waiting for the first call.", within_s=120)
    url = re.search(r"http://localhost:\d+/\w+", demo.text)
    assert url is not None

    def order(number: int) -> int:
        body = b'{"item": "tea", "quantity": %d}' % (number + 1)
        asked = urllib.request.Request(f"{url[0]}/orders", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return int(answer.status)

    assert order(0) == 201
    demo.sees("✓ 201")
    for _ in range(2):
        for key, words in VIEWS.items():
            demo.press(key)
            demo.sees(words)
        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(order, range(10))) == {201}

    for columns, lines in ((80, 24), (50, 12), (20, 5), (120, 40)):
        demo.resize(columns, lines)
        demo.until(lambda wide=columns: "#" in demo.text and max(map(len, demo.text.split("\n"))) == wide)
    demo.until(lambda: rows_stand_below_their_columns(demo.text))

    demo.press(" ", "g", "r")
    demo.sees("replay of")
    demo.press("q")
    assert demo.ends() == 0
    assert b"Traceback" not in demo.written
