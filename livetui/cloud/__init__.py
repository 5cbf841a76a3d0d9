"""The embedded local cloud: a real AWS emulator as a child process, and a little demo traffic for it."""

from livetui.cloud.ministack import LocalCloud, RunningCloud

__all__ = ["LocalCloud", "RunningCloud"]
