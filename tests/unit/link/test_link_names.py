"""Names, policies and the stub's configuration: within AWS's limits, and never another app's or stage's."""

from __future__ import annotations

import fnmatch
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stub_runtime.config import StubConfig
from stub_runtime.topics import MAX_CONNECTIONS, Topics, console_policy, stub_policy, token

NAMES = st.from_regex(r"[A-Za-z0-9-]{1,32}", fullmatch=True)
FUNCTIONS = st.one_of(st.from_regex(r"[A-Za-z0-9-]{1,120}", fullmatch=True), st.text(min_size=1, max_size=80))


@given(app=NAMES, stage=NAMES, function=FUNCTIONS)
def test_topics_and_client_ids_fit_the_limits_of_iot(app: str, stage: str, function: str) -> None:
    topics = Topics(app, stage)
    names = [topics.presence, topics.stubs, topics.console(3), topics.stub(function, "0" * 16)]
    assert all(name.count("/") <= 7 and len(name.encode()) <= 256 for name in names)
    assert topics.is_stub(topics.stub(function, "0" * 16))
    assert len(topics.stub_client(function, "0" * 16, 9999).encode()) <= 128
    assert len(topics.console_client("0" * 16, 3, 9999).encode()) <= 128


@pytest.mark.parametrize("bad", ["", "a/b", "a.b", "a+b", "#", "*", "ä", "x" * 33, "a b"])
def test_names_that_could_escape_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="topic"):
        Topics(bad, "dev")


def test_long_functions_keep_different_tokens() -> None:
    assert token("A" * 40) != token("A" * 41)
    assert token("Orders") == "Orders"


def resources(policy: dict[str, list[dict[str, list[str]]]], action: str) -> list[str]:
    return [r for s in policy["Statement"] if action in s["Action"] for r in s["Resource"]]


@given(app=NAMES, stage=NAMES, other=NAMES, function=NAMES)
def test_a_stubs_policy_matches_nothing_of_another_app_or_stage(app: str, stage: str, other: str,
                                                                function: str) -> None:
    policy = stub_policy("aws", "eu-west-1", "1" * 12, Topics(app, stage), function, "bucket")
    patterns = [r for s in policy["Statement"] for r in s["Resource"]]
    for a, b in ((other, stage), (app, other)):
        if (a, b) == (app, stage):
            continue
        foreign = Topics(a, b)
        iot = "arn:aws:iot:eu-west-1:111111111111"
        names = [f"{iot}:topic/{foreign.presence}", f"{iot}:topic/{foreign.console(0)}",
                 f"{iot}:topicfilter/{foreign.stub(function, 'ab')}",
                 f"{iot}:client/{foreign.stub_client(function, 'ab')}",
                 f"arn:aws:s3:::bucket/{foreign.payloads(function)}x"]
        assert not [n for n in names for p in patterns if fnmatch.fnmatchcase(n, p)]


def test_a_stub_can_neither_publish_presence_nor_hear_other_functions() -> None:
    topics = Topics("shop", "ada")
    policy = stub_policy("aws", "eu-west-1", "1" * 12, topics, "Orders", "bucket")
    published = resources(policy, "iot:Publish")
    assert published == [f"arn:aws:iot:eu-west-1:{'1' * 12}:topic/{topics.console(i)}" for i in range(MAX_CONNECTIONS)]
    assert resources(policy, "iot:RetainPublish") == []
    heard = resources(policy, "iot:Receive")
    assert not any(fnmatch.fnmatchcase(f"arn:aws:iot:eu-west-1:{'1' * 12}:topic/{topics.stub('Other', 'ab')}", p)
                   for p in heard)


def test_policies_carry_intrinsics_as_they_are() -> None:
    policy = stub_policy("${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}", Topics("shop", "ada"),
                         ["A", "B"], "${Bucket}")
    text = json.dumps(policy)
    assert "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}:topic/livetui/shop/ada/console/0" in text
    assert "arn:${AWS::Partition}:s3:::${Bucket}/payloads/shop/ada/B/*" in text


def test_no_policy_allows_everything_of_iot() -> None:
    for policy in (stub_policy("aws", "r", "1", Topics("a", "b"), "F", "x"),
                   console_policy("aws", "r", "1", Topics("a", "b"), "x")):
        for statement in policy["Statement"]:
            assert all("*" not in action for action in statement["Action"])
            if statement["Action"] != ["iot:DescribeEndpoint"]:
                assert "*" not in statement["Resource"]


def test_the_configuration_survives_its_variable_and_newer_fields() -> None:
    config = StubConfig("shop", "ada", "Orders", "a2V5", "host:4566", "eu-west-1", "bucket", "localhost", 4566,
                        offline="http-503", timeout=20)
    assert StubConfig.from_json(config.to_json()) == config
    assert StubConfig.from_json(config.to_json()[:-1] + ',"later":1}') == config
    assert len(config.to_json()) < 400
    with pytest.raises(ValueError, match="incomplete"):
        StubConfig.from_json("{}")
