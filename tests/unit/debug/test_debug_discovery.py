"""The project's port and token, and who may read them."""

import stat
from pathlib import Path

from livetui.debug.discovery import FILE, DebugPort


def test_port_and_token_stay_from_session_to_session(tmp_path: Path) -> None:
    first = DebugPort(5710, DebugPort.read(tmp_path).token)
    first.write(tmp_path / ".livetui")
    assert DebugPort.read(tmp_path / ".livetui") == first
    assert stat.S_IMODE((tmp_path / ".livetui" / FILE).stat().st_mode) == 0o600


def test_a_token_that_others_could_read_is_replaced(tmp_path: Path) -> None:
    first = DebugPort(5710)
    first.write(tmp_path)
    (tmp_path / FILE).chmod(0o644)
    again = DebugPort.read(tmp_path)
    assert again.port == 5710
    assert again.token != first.token


def test_the_token_has_128_bits_and_is_not_printed() -> None:
    known = DebugPort(1)
    assert len(bytes.fromhex(known.token)) == 16
    assert known.token not in repr(known)


def test_a_broken_file_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    (tmp_path / FILE).chmod(0o600)
    assert DebugPort.read(tmp_path).port == 0
