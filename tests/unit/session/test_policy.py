"""A refused call becomes the statement that it was missing."""

from __future__ import annotations

import pytest

from livetui.session.invocation import AwsCall
from livetui.session.policy import reason_for, statement_for

CONTEXT = {"invoked_function_arn": "arn:aws-cn:lambda:cn-north-1:123456789012:function:f"}
TOLD = ("AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/r/f is not authorized to perform: "
        "dynamodb:PutItem on resource: arn:aws:dynamodb:eu-west-1:123456789012:table/orders because no identity-based "
        "policy allows the dynamodb:PutItem action")


def call(service: str, operation: str, target: str, error: str) -> AwsCall:
    return AwsCall(service, operation, target, 403, 1.0, error=error)


@pytest.mark.parametrize(("refused", "action", "resource"), [
    (call("dynamodb", "PutItem", "orders", TOLD), "dynamodb:PutItem",
     "arn:aws:dynamodb:eu-west-1:123456789012:table/orders"),
    (call("s3", "PutObject", "photos/cat.jpg", "AccessDenied: Access Denied"), "s3:PutObject",
     "arn:aws-cn:s3:::photos/cat.jpg"),
    (call("s3", "GetObject", "photos", "AccessDenied: Access Denied"), "s3:GetObject", "arn:aws-cn:s3:::photos/*"),
    (call("s3", "ListObjectsV2", "photos", "AccessDenied: Access Denied"), "s3:ListBucket", "arn:aws-cn:s3:::photos"),
    (call("sqs", "SendMessage", "orders", "AccessDenied: no"), "sqs:SendMessage",
     "arn:aws-cn:sqs:cn-north-1:123456789012:orders"),
    (call("lambda", "Invoke", "other", "AccessDeniedException: no"), "lambda:InvokeFunction",
     "arn:aws-cn:lambda:cn-north-1:123456789012:function:other"),
    (call("polly", "SynthesizeSpeech", "", "AccessDeniedException: no"), "polly:SynthesizeSpeech", "*"),
    (call("ec2", "RunInstances", "", "UnauthorizedOperation: You are not authorized"), "ec2:RunInstances", "*"),
])
def test_the_missing_statement(refused: AwsCall, action: str, resource: str) -> None:
    assert statement_for(refused, CONTEXT) == {"Effect": "Allow", "Action": action, "Resource": resource}


def test_other_errors_have_no_statement() -> None:
    assert statement_for(call("s3", "GetObject", "a/b", "NoSuchKey: gone"), CONTEXT) is None
    assert statement_for(call("s3", "GetObject", "a/b", ""), {}) is None


def test_what_no_statement_can_allow_is_said() -> None:
    denied = call("s3", "GetObject", "a/b", "AccessDenied: User: x is not authorized to perform: s3:GetObject on "
                  "resource: \"arn:aws:s3:::a/b\" with an explicit deny in a service control policy")
    assert "explicit deny" in reason_for(denied)
    assert statement_for(denied, CONTEXT) == {"Effect": "Allow", "Action": "s3:GetObject",
                                              "Resource": "arn:aws:s3:::a/b"}
    assert reason_for(call("dynamodb", "PutItem", "t", TOLD)) == ""
