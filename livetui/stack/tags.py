"""The tags of what livetui creates: whose it is, and what the user's organisation asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from livetui.config import Settings, user_name


def tags_of(settings: Settings) -> dict[str, str]:
    """Tags of the live stack; CloudFormation hands them on to every resource that can have tags."""
    return {**owned_by(settings.tags), "livetui:app": settings.app, "livetui:stage": settings.stage}


def owned_by(tags: Mapping[str, str]) -> dict[str, str]:
    """`tags` and whose console it was. A tag's value may have letters, digits, spaces and `_.:/=+-@` (AWS)."""
    return {**tags, "livetui:owner": re.sub(r"[^\w .:/=+@-]", "-", user_name())[:256]}


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """The shape in which most AWS APIs take tags."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
