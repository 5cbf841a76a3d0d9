"""Makes importing the rest cheap: what a cold start pays before the first event. `handler` imports it first.

Collections are off, since they would find nothing; and awscrt's two dozen data classes are made without `__repr__` and
`__eq__`, which the stub never calls and which are half of what they cost. A handler that `deployed` runs in this
process sees them so, and a data class that another thread imports in these milliseconds is made so too.
"""

from __future__ import annotations

import dataclasses
import functools
import gc

gc.disable()
_whole = dataclasses.dataclass
dataclasses.dataclass = functools.partial(_whole, repr=False, eq=False)
try:
    import awscrt.auth
    import awscrt.mqtt5  # noqa: F401  (imported here for its price)
finally:
    dataclasses.dataclass = _whole


def done() -> None:
    """All is imported: collect again, but never what was imported."""
    gc.freeze()
    gc.enable()
