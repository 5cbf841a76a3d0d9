"""Sample events: JSON, described, free of anything real."""

from __future__ import annotations

import json
import re

import pytest

from livetui.errors import UsageError
from livetui.session.samples import list_samples, sample


@pytest.mark.parametrize("name", [each.name for each in list_samples()])
def test_a_sample_is_json_with_made_up_values(name: str) -> None:
    text = sample(name).decode()
    json.loads(text)
    assert set(re.findall(r"\b\d{12}\b", text)) <= {"123456789012", "000000000000"}


def test_samples_are_listed_by_name_with_a_description() -> None:
    samples = list_samples()
    assert [each.name for each in samples] == sorted(each.name for each in samples)
    assert all(each.description and "\n" not in each.description for each in samples)


def test_members_can_be_replaced_and_samples_do_not_remember() -> None:
    assert json.loads(sample("sqs", Records=[]))["Records"] == []
    assert len(json.loads(sample("sqs"))["Records"]) == 3


def test_an_unknown_sample_is_refused_with_the_near_ones() -> None:
    with pytest.raises(UsageError, match="no sample event") as caught:
        sample("rest")
    assert caught.value.hint == "Samples: rest-api, rest-api-post, rest-authorizer"
