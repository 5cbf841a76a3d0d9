"""The typed errors that a caller of a live function gets when the link, not the user's code, failed."""

from __future__ import annotations


class LivetuiStubError(Exception):
    """Base of the errors that the stub raises itself; the class name is the `errorType` that Lambda reports."""


class LivetuiOffline(LivetuiStubError):
    """No console listens and the call was sent to none: nothing ran, so that queues and Step Functions may retry."""


class LivetuiInterrupted(LivetuiStubError):
    """The call was sent to a console that went away or fell silent: it may have run; it is not run a second time."""


class LivetuiTimeout(LivetuiStubError):
    """The answer did not come before Lambda's own deadline."""


class LivetuiUnreachable(LivetuiStubError):
    """The stub cannot reach AWS IoT: network, DNS, proxy or permission."""


class LivetuiVersion(LivetuiStubError):
    """Stub and console speak different versions of the wire; the message says which side to update."""


class LivetuiPayload(LivetuiStubError):
    """An event or answer could not be carried: the S3 object is gone or refused."""


class LivetuiOverwritten(LivetuiStubError):
    """The stub was left without its variable by a change of the function's configuration."""


BY_NAME = {cls.__name__: cls for cls in (LivetuiOffline, LivetuiInterrupted, LivetuiTimeout, LivetuiUnreachable,
                                         LivetuiVersion, LivetuiPayload)}

NOTHING_RAN = frozenset({LivetuiOffline.__name__, LivetuiUnreachable.__name__})
"""Failures of calls that were sent to no console; only these may be answered by the `offline` policy."""
