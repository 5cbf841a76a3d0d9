"""How busy the link and the workers are: the values that front ends get from `Session.usage` and `Session.workers`."""

from typing import TYPE_CHECKING

from livetui.link.usage import BYTES_PER_S, PUBLISHES_PER_S, UNIT, LinkUsage

if TYPE_CHECKING:
    from livetui.runtime.contract import LaneStats

__all__ = ["BYTES_PER_S", "PUBLISHES_PER_S", "UNIT", "LaneStats", "LinkUsage"]
