"""Many developers on one account: what they load onto AWS's quotas, where it breaks first, and what a month costs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from benchmarks.scaling.call_cost import CallCost, call_cost, lease_cost, presence_cost, units
from benchmarks.scaling.quotas import KEEP_ALIVE_S, PRICES, QUOTAS, STUB_GB
from livetui.link.link import BUSY, PING_BUSY
from livetui.link.usage import BYTES_PER_S
from stub_runtime.call import LEASE_EVERY
from stub_runtime.config import S3_FROM
from stub_runtime.pace import BYTES_RATE, RATE
from stub_runtime.topics import MAX_CONNECTIONS


@dataclass(frozen=True)
class Team:
    """A way of working. Rates are those of a stage while it is used."""

    developers: int
    calls: float
    """Invocations per second and stage."""
    event: int
    answer: int
    """Bytes."""
    seconds: float = 0.1
    """What a handler takes."""
    stages: int = 1
    """Live stages per developer."""
    functions: int = 5
    hours: float = 40
    """Hours a month in which a stage gets calls at that rate."""
    open_hours: float = 160
    """Hours a month in which a console is open."""
    s3_from: int = S3_FROM
    connections: int = MAX_CONNECTIONS
    """Most connections of a console; it opens another one when the others are busy."""
    small_region: bool = False

    @property
    def consoles(self) -> int:
        """One per live stage."""
        return self.developers * self.stages


@dataclass(frozen=True)
class Limit:
    """How much of a limit is used, and what moves it."""

    name: str
    share: float
    """1 is all of it."""
    moved_by: str


@dataclass(frozen=True)
class Load:
    """What a team does, per second while all its stages are used, and what it pays a month."""

    call: CallCost
    connections_used: int
    environments: float
    """Per stage."""
    inbound: float
    outbound: float
    """Publishes per second, of the whole account."""
    limits: tuple[Limit, ...]
    """The tightest first."""
    cost: dict[str, float]
    """$ a month, of all developers."""

    @property
    def first(self) -> Limit:
        """Where it breaks first."""
        return self.limits[0]


def environments(team: Team) -> float:
    """Execution environments that Lambda keeps for a stage: as many as run at a time, at least one per function."""
    return max(float(team.functions), team.calls * (team.seconds + 0.05))


def busy(team: Team) -> float:
    """Share of the time in which a stage has an unanswered call: only then are leases sent."""
    return 1 - math.exp(-team.calls * team.seconds)


def load(team: Team) -> Load:
    """The whole account's load and bill."""
    call = call_cost(team.event, team.answer, team.seconds, team.s3_from)
    stubs = environments(team)
    leases = busy(team) / LEASE_EVERY
    pings = 1 / PING_BUSY
    publishes = team.calls * call.publishes + 2 * leases + 2 * pings
    up, down = (team.calls * sum(sizes) for sizes in (call.up, call.down))
    wanted = max(publishes / RATE, up / BYTES_PER_S, down / BYTES_RATE)
    used = max(1, min(team.connections, math.ceil(wanted / BUSY)))
    reconnects = team.calls * math.exp(-KEEP_ALIVE_S * team.calls / stubs)
    stage_in = team.calls * call.publishes + leases + pings
    stage_out = team.calls * call.publishes + leases * (1 + stubs) + pings + reconnects
    inbound, outbound = team.consoles * stage_in, team.consoles * stage_out
    limits = _limits(team, call, publishes / used, up / used, down / used, inbound, outbound, stubs, reconnects, used)
    return Load(call, used, stubs, inbound, outbound, limits,
                _cost(team, call, leases, pings, reconnects, stubs, used))


def _limits(team: Team, call: CallCost, publishes: float, up: float, down: float, inbound: float, outbound: float,
            stubs: float, reconnects: float, used: int) -> tuple[Limit, ...]:
    region = QUOTAS["publishes per account, small regions"].value if team.small_region else 0
    more = ("a faster answer (no ack under 250 ms)" if used >= MAX_CONNECTIONS else "connections")
    found = [
        Limit("publishes per connection", publishes / RATE, more),
        Limit("bytes/s to the console", up / BYTES_PER_S, "a smaller s3_from" if call.puts == 0 else more),
        Limit("bytes/s from the console", down / BYTES_RATE, "a smaller s3_from" if call.puts == 0 else more),
        Limit("inbound publishes per account", inbound / (region or QUOTAS["inbound publishes per account"].value),
              "a raised quota, or another account or region"),
        Limit("outbound publishes per account", outbound / (region or QUOTAS["outbound publishes per account"].value),
              "a raised quota, or another account or region"),
        Limit("connections per account", team.consoles * (used + stubs) / QUOTAS["connections per account"].value,
              "a raised quota"),
        Limit("connects per account", team.consoles * reconnects / QUOTAS["connects per account"].value,
              "a raised quota"),
        Limit("Lambda concurrency", team.consoles * team.calls * (team.seconds + 0.05)
              / QUOTAS["Lambda concurrency"].value, "a raised quota"),
        Limit("S3 writes of one function", team.calls * (call.puts + call.gets) / QUOTAS["S3 writes"].value,
              "a larger s3_from"),
    ]
    return tuple(sorted(found, key=lambda limit: -limit.share))


def _cost(team: Team, call: CallCost, leases: float, pings: float, reconnects: float, stubs: float,
          used: int) -> dict[str, float]:
    traffic = team.consoles * team.hours * 3600
    per_second = (team.calls * call.units + leases * units(lease_cost()) * (2 + stubs) + 2 * pings
                  + reconnects * (2 + units(presence_cost())))
    minutes = team.consoles * 60 * (team.open_hours * used + team.hours * stubs)
    price = {name: fact.value for name, fact in PRICES.items()}
    return {
        "IoT messages": traffic * per_second * price["IoT message"],
        "IoT connections": minutes * price["IoT connection"],
        "S3": traffic * team.calls * (call.puts * price["S3 PUT"] + call.gets * price["S3 GET"]
                                      + call.downloaded * price["S3 to the internet"]),
        "Lambda": traffic * team.calls * (price["Lambda request"] + (team.seconds + 0.05) * STUB_GB
                                          * price["Lambda duration"]),
    }


def most_calls(team: Team) -> tuple[float, Limit]:
    """Calls per second and stage at which the first limit is reached, and that limit."""
    low, high = 1e-4, 1e6
    for _ in range(60):
        middle = math.sqrt(low * high)
        if load(replace(team, calls=middle)).first.share <= 1:
            low = middle
        else:
            high = middle
    return low, load(replace(team, calls=low)).first
