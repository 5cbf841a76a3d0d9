"""Which strings of a stack's outputs become addresses on the front."""

from __future__ import annotations

import pytest

from livetui.cloud.front import public_url

URL_ID = "nqrp75bw7nlkzeyijh7dqmleni3d5v5b"


@pytest.mark.parametrize(("output", "shown"), [
    ("https://3698ca23.execute-api.eu-west-1.amazonaws.com/", "http://localhost:8080/3698ca23/"),
    ("https://3698ca23.execute-api.eu-west-1.amazonaws.com", "http://localhost:8080/3698ca23/"),
    ("https://3698ca23.execute-api.cn-north-1.amazonaws.com.cn/Prod/orders?a=1",
     "http://localhost:8080/3698ca23/Prod/orders?a=1"),
    ("https://3698ca23.execute-api.localhost:4566/orders/{id}", "http://localhost:8080/3698ca23/orders/{id}"),
    ("https://localhost:4566/_aws/execute-api/3698ca23/$default/orders", "http://localhost:8080/3698ca23/orders"),
    ("https://localhost:4566/_aws/execute-api/3698ca23/Prod/orders", "http://localhost:8080/3698ca23/Prod/orders"),
    (f"https://{URL_ID}.lambda-url.eu-west-1.on.aws/", f"http://localhost:8080/{URL_ID}/"),
    (f"https://localhost:4566/_aws/lambda-url/{URL_ID}/a", f"http://localhost:8080/{URL_ID}/a"),
])
def test_the_urls_of_apis_and_functions_become_the_fronts(output: str, shown: str) -> None:
    assert public_url(output, 8080) == shown


@pytest.mark.parametrize("output", [
    "", "orders-table", "https://example.com/", "https://localhost:4566/000000000000/queue",
    "arn:aws:execute-api:eu-west-1:000000000000:3698ca23/*", "wss://3698ca23.execute-api.eu-west-1.amazonaws.com/live",
    "see https://3698ca23.execute-api.eu-west-1.amazonaws.com/", "https://3698ca23.execute-api.evil.example@host/",
    "https://3698ca23.execute-api.eu-west-1.amazonaws.com/\nsecond line",
])
def test_any_other_string_is_left_as_it_is(output: str) -> None:
    assert public_url(output, 8080) == output
