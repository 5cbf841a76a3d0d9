"""What all tests share: examples are not timed, since a machine that is busy with other things is no defect."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("livetui", deadline=None)
settings.load_profile("livetui")
