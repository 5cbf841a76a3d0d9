"""What the handlers of the shop share: the table of orders, and JSON in and out of the HTTP API."""

import base64
import json
import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def json_body(event):
    """The request's body. API Gateway encodes what is not declared as text, such as what `curl -d` sends."""
    body = event.get("body") or "{}"
    return json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)


def reply(status, body):
    """An answer of an HTTP API. DynamoDB's numbers are `Decimal`; all of ours are whole."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(body, default=int),
    }
