"""Lets the emulator's broker remember what a key may do, for a while as AWS IoT does, and which topics match.

ministack 1.5.33 reads every policy of the sender and of the receiver again for each message: a third of what its
broker does. AWS IoT keeps policies for minutes. Source: AWS IoT developer guide, "AWS IoT Core policies". And it holds
each message's topic against every subscription anew: a fifth of the rest with twenty stubs.
"""

from __future__ import annotations

import functools
import importlib
import time
from collections.abc import Callable, Hashable
from typing import Any

KEPT_S = {True: 60.0, False: 5.0}
"""Seconds for which an answer counts: what is refused may be allowed by a deployment that goes on."""
_MOST = 10_000


def install() -> None:
    """Change ministack's broker, in this process."""
    iot: Any = importlib.import_module("ministack.services.iot")
    iot._mqtt_iam_allows = remembering(iot._mqtt_iam_allows)
    for pure in ("_subscription_matches", "_unscope_topic"):
        setattr(iot, pure, functools.lru_cache(_MOST)(getattr(iot, pure)))


def remembering(allows: Callable[..., bool], clock: Callable[[], float] = time.monotonic) -> Callable[..., bool]:
    """`allows`, asked again for the same arguments when its answer is too old."""
    kept: dict[Hashable, tuple[float, bool]] = {}

    def allows_or_allowed(*asked: Hashable) -> bool:
        now = clock()
        found = kept.get(asked)
        if found is not None and now - found[0] < KEPT_S[found[1]]:
            return found[1]
        if len(kept) >= _MOST:
            kept.clear()
        answer = allows(*asked)
        kept[asked] = now, answer
        return answer

    return allows_or_allowed
