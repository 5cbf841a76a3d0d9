"""The simulation agrees with the wire, with arithmetic that can be done by hand, and with what the page says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.run import ROOT
from benchmarks.scale import TEAMS, by_team, by_threshold, facts, per_call, written
from benchmarks.scaling.call_cost import call_cost, units
from benchmarks.scaling.model import Team, load, most_calls
from benchmarks.scaling.quotas import PRICES, QUOTAS
from stub_runtime.config import S3_FROM
from stub_runtime.pace import BYTES_RATE, RATE
from stub_runtime.wire import MAX_CHUNK, MAX_FRAME

PAGE = (ROOT / "docs" / "scale.md").read_text("utf-8")


def test_a_small_call_is_two_publishes_and_a_slow_one_three() -> None:
    assert (call_cost(1_000, 1_000, 0.1).publishes, call_cost(1_000, 1_000, 0.1).units) == (2, 4)
    assert call_cost(1_000, 1_000, 2.0).publishes == 3


@pytest.mark.parametrize("size", [1_000, 100_000, 500_000])
def test_frames_are_as_large_as_the_wire_allows_and_no_larger(size: int) -> None:
    cost = call_cost(size, size, 0.1)
    topics = 256
    assert all(sent <= MAX_FRAME + topics for sent in (*cost.up, *cost.down))
    assert all(sent > MAX_CHUNK for sent in cost.up[:-1])
    assert cost.units == 2 * sum(units(sent) for sent in (*cost.up, *cost.down))


def test_large_payloads_leave_pointers_on_mqtt_and_two_objects_in_the_bucket() -> None:
    cost = call_cost(2_000_000, 2_000_000, 0.1)
    assert (cost.puts, cost.gets, cost.publishes) == (2, 2, 2)
    assert 500_000 < cost.downloaded < 2_000_000
    assert call_cost(2_000_000, 2_000_000, 0.1, 1 << 40).puts == 0


def test_one_connection_takes_as_many_small_calls_as_its_pace_allows() -> None:
    calls, limit = most_calls(Team(1, 1, 1_000, 1_000, connections=1))
    assert limit.name == "publishes per connection"
    assert calls == pytest.approx(RATE / 2, rel=0.05)
    assert most_calls(Team(1, 1, 1_000, 1_000, connections=4))[0] == pytest.approx(4 * calls, rel=0.05)


def test_large_frames_are_bound_by_bytes_and_a_smaller_threshold_helps() -> None:
    team = Team(1, 1, 500_000, 500_000, s3_from=1 << 20)
    calls, limit = most_calls(team)
    assert limit.name == "bytes/s from the console"
    assert calls == pytest.approx(4 * BYTES_RATE / sum(call_cost(500_000, 500_000, 0.1, 1 << 20).down), rel=0.01)
    assert most_calls(replace(team, s3_from=S3_FROM))[0] > 3 * calls


def test_the_bill_of_a_million_small_calls_can_be_done_by_hand() -> None:
    team = Team(1, 1_000_000 / (40 * 3600), 1_000, 1_000, seconds=0.0)
    bill = load(team).cost
    assert bill["IoT messages"] == pytest.approx(4 * 1e6 * PRICES["IoT message"].value, rel=0.05)
    assert bill["Lambda"] == pytest.approx(0.2 + 1e6 * 0.05 * 0.5 * PRICES["Lambda duration"].value, rel=0.01)
    assert bill["S3"] == 0


def test_the_account_is_loaded_by_everybody_at_once() -> None:
    one, many = load(Team(1, 1, 5_000, 5_000)), load(Team(500, 1, 5_000, 5_000))
    assert many.inbound == pytest.approx(500 * one.inbound)
    small = load(TEAMS["five hundred, in a small region"]).first
    assert small.name == "outbound publishes per account"
    assert small.share > 1
    assert load(TEAMS["five hundred, two stages each"]).first.share < 0.5


def test_every_number_that_aws_published_has_a_source() -> None:
    assert all(fact.source and fact.unit for fact in (*QUOTAS.values(), *PRICES.values()))


def test_the_page_has_the_rows_of_the_simulation_and_its_facts() -> None:
    assert facts() in PAGE
    for name in (*per_call(), *by_threshold(), *by_team()):
        assert f"| {name} |" in PAGE
    assert written(PAGE).count("<!-- ") == PAGE.count("<!-- ")


def test_what_the_page_says_in_short_is_what_the_model_finds() -> None:
    assert load(TEAMS["one developer, an API"]).cost["IoT messages"] < 1
    assert sum(load(TEAMS["one developer, an API"]).cost.values()) < 1
    assert 30 < most_calls(Team(1, 1, 1_000, 1_000, connections=1))[0] < 40
    assert 130 < most_calls(Team(1, 1, 1_000, 1_000))[0] < 150
    team = load(TEAMS["five hundred, two stages each"])
    assert team.outbound / QUOTAS["outbound publishes per account"].value == pytest.approx(0.15, rel=0.1)
