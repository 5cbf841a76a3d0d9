"""What boto3 raises becomes an error that says what failed, why, and what to do."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.parsers import ResponseParserError

from livetui.errors import LivetuiError, UsageError
from livetui.stack.changeset import refusing
from livetui.stack.doctor import context_of
from livetui.stack.policy import Place, attach_policy
from livetui.stack.targets import unqualified
from tests.unit.stack.conftest import Project, load


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "words of AWS"}}, "CreateChangeSet")


@pytest.mark.parametrize(("error", "hint"), [
    (client_error("AccessDenied"), "doctor --policy"),
    (client_error("ExpiredToken"), "sso login"),
    (EndpointConnectionError(endpoint_url="https://x"), "proxy"),
    (ResponseParserError("<html>sign in to this network</html>"), "proxy"),
])
def test_a_refusal_reads_well(error: Exception, hint: str) -> None:
    @refusing("It cannot be done.")
    def ask() -> None:
        raise error

    with pytest.raises(LivetuiError) as raised:
        ask()
    assert raised.value.what == "It cannot be done."
    assert raised.value.why
    assert hint in raised.value.hint


def test_an_id_that_leads_out_of_the_project_is_refused(project: Project) -> None:
    settings = project("""\
Resources:
  ../../../x:
    Type: AWS::Lambda::Function
    Properties: {Runtime: python3.12, Handler: index.handler, Code: {ZipFile: "print()"}}
""")
    with pytest.raises(UsageError, match="x"):
        load(settings)
    assert not (settings.root.parent / "x").exists()


def test_an_error_of_ours_passes_unchanged() -> None:
    ours = LivetuiError("ours")
    with pytest.raises(LivetuiError) as raised, refusing("It cannot be done."):
        raise ours
    assert raised.value is ours


@pytest.mark.parametrize(("target", "plain"), [
    ("orders", "orders"),
    ("orders:live", "orders"),
    ("orders:$LATEST", "orders"),
    ("arn:aws:lambda:eu-west-1:123456789012:function:orders", "arn:aws:lambda:eu-west-1:123456789012:function:orders"),
    ("arn:aws:lambda:eu-west-1:123456789012:function:orders:3", "arn:aws:lambda:eu-west-1:123456789012:function:orders"),
    ("123456789012:function:orders:3", "123456789012:function:orders"),
    ("*:orders-*", "*:orders-*"),
    ("arn:aws:lambda:eu-west-1:*orders*", "arn:aws:lambda:eu-west-1:*orders*"),
])
def test_only_a_qualifier_is_taken_off_a_target(target: str, plain: str) -> None:
    assert unqualified(target) == plain


def test_what_attaching_needs_is_named_exactly() -> None:
    place = Place("aws", "eu-west-1", "1", "b")
    statements = {item["Sid"]: item["Resource"] for item in attach_policy("shop", "dev", place, [
        "orders:live", "arn:aws:lambda:eu-west-1:1:function:bills:live",
        "arn:aws:cloudformation:eu-west-1:1:stack/shop/1-2"])["Statement"]}
    names = [name for bare in ("bills", "orders", "shop") for name in (bare, f"{bare}-*")]
    assert statements["AttachRoles"] == [f"arn:aws:iam::1:role/{name}" for name in names]
    assert statements["AttachFunctions"] == [f"arn:aws:lambda:eu-west-1:1:function:{name}" for name in names]
    assert "arn:aws:cloudformation:eu-west-1:1:stack/shop/*" in statements["AttachStacks"]


def test_the_simulator_is_told_what_a_condition_asks_for() -> None:
    statement = {"Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}}
    assert context_of(statement) == [{"ContextKeyName": "iam:PassedToService", "ContextKeyType": "string",
                                      "ContextKeyValues": ["lambda.amazonaws.com"]}]
    assert context_of({}) == []
