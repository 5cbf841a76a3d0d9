"""The errors that livetui shows to people: what happened, why, and what to do next."""

from __future__ import annotations


class LivetuiError(Exception):
    """Something the user asked for failed.

    `what` is one line in the user's words; `why` the cause, when known; `hint` the next step to take.
    `exit_code` is what the command line ends with: 1 failed, 2 wrong usage or settings.
    """

    exit_code = 1

    def __init__(self, what: str, why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join(part for part in (self.what, self.why, self.hint and f"→ {self.hint}") if part)


def in_one_line(error: BaseException) -> str:
    """What happened and why, without what to do about it."""
    words = f"{error.what} {error.why}" if isinstance(error, LivetuiError) else str(error).split("\n")[0]
    return " ".join(words.split())


class UsageError(LivetuiError):
    """The command, the settings or the template cannot be used as they are."""

    exit_code = 2
