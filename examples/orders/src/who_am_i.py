"""GET /whoami: the handler runs on your machine, but with the permissions of its function's role: no more, no less."""

import boto3
from botocore.exceptions import ClientError
from shop import reply

sts = boto3.client("sts")
s3 = boto3.client("s3")


def handler(event, context):
    return reply(200, {"identity": sts.get_caller_identity()["Arn"], "list_buckets": try_to_list_buckets()})


def try_to_list_buckets():
    """The role has no permission for this."""
    try:
        return f"allowed: {len(s3.list_buckets()['Buckets'])} buckets"
    except ClientError as error:
        return f"refused: {error.response['Error']['Code']}"
