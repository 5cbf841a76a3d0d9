"""Frames between the pool and a worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from livetui.runtime.channel import Frames, encoded


def test_a_frame_whose_handling_fails_holds_up_no_other_and_comes_once() -> None:
    seen: list[int] = []

    def take(header: Mapping[str, Any], body: bytes) -> None:
        seen.append(header["n"])
        if header["n"] == 1:
            raise ValueError("of the first")

    frames = Frames(take)
    sent = b"".join(b"".join(encoded({"n": n}, b"x" * n)) for n in (1, 2, 3))
    with pytest.raises(ValueError, match="of the first"):
        frames.feed(sent[:-1])
    frames.feed(sent[-1:])
    assert seen == [1, 2, 3]
