"""Sample events by source and shape, to send to a function before any real one arrived.

A sample is a small function that builds the event; its name is that of the function, its description the docstring.
To add one, write the function with `@_sample`: tests check that it is JSON and that `trigger.describe` knows it.
Every value is made up: account 123456789012, region eu-west-1, the shop of `examples/orders`.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import msgspec

from livetui.errors import UsageError

Event = dict[str, Any]
_ACCOUNT, _REGION = "123456789012", "eu-west-1"
_WHEN, _EPOCH_MS = "2026-03-14T09:26:53Z", 1_773_480_413_000
_ID = "5f0c2a34-9b1e-4d7c-8a63-1e2d3c4b5a69"
_SAMPLES: dict[str, Callable[[], Event]] = {}


class Sample(msgspec.Struct, frozen=True):
    """One sample: its name, and what it is in a line."""

    name: str
    description: str


def list_samples() -> list[Sample]:
    """All samples by name."""
    return [Sample(name, (build.__doc__ or "").strip().rstrip(".")) for name, build in sorted(_SAMPLES.items())]


def sample(name: str, **overrides: Any) -> bytes:
    """The event called `name` as JSON, with top-level members replaced by `overrides`. Raises `UsageError`."""
    if name not in _SAMPLES:
        near = [known for known in sorted(_SAMPLES) if name.lower() in known or known in name.lower()]
        raise UsageError(f"There is no sample event called {name!r}.",
                         hint="Samples: " + ", ".join(near or sorted(_SAMPLES)))
    return json.dumps(_SAMPLES[name]() | overrides, indent=2).encode()


def _sample(build: Callable[[], Event]) -> Callable[[], Event]:
    _SAMPLES[build.__name__.strip("_").replace("_", "-")] = build
    return build


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{_REGION}:{_ACCOUNT}:{resource}"


def _base64(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


# --- HTTP -----------------------------------------------------------------------------------------------------------

_HEADERS = {"accept": "application/json", "content-type": "application/json", "user-agent": "curl/8.9.1",
            "x-forwarded-for": "203.0.113.7", "x-forwarded-port": "443", "x-forwarded-proto": "https"}
_ORDER = {"item": "teapot", "quantity": 2}


@_sample
def _http_api() -> Event:
    """API Gateway HTTP API, payload 2.0: GET with a path parameter and a query."""
    host = "ab12cd34ef.execute-api.eu-west-1.amazonaws.com"
    return {
        "version": "2.0", "routeKey": "GET /orders/{id}", "rawPath": "/orders/7", "rawQueryString": "expand=items",
        "cookies": ["theme=dark"], "headers": {**_HEADERS, "host": host},
        "queryStringParameters": {"expand": "items"}, "pathParameters": {"id": "7"},
        "requestContext": {
            "accountId": _ACCOUNT, "apiId": "ab12cd34ef", "domainName": host, "domainPrefix": "ab12cd34ef",
            "http": {"method": "GET", "path": "/orders/7", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7",
                     "userAgent": "curl/8.9.1"},
            "requestId": "Jx2kQh1yDoEEPzA=", "routeKey": "GET /orders/{id}", "stage": "$default",
            "time": "14/Mar/2026:09:26:53 +0000", "timeEpoch": _EPOCH_MS},
        "isBase64Encoded": False}


@_sample
def _http_api_post() -> Event:
    """API Gateway HTTP API, payload 2.0: POST with a JSON body."""
    event = _http_api()
    event |= {"routeKey": "POST /orders", "rawPath": "/orders", "rawQueryString": "", "body": json.dumps(_ORDER)}
    event["requestContext"] |= {"routeKey": "POST /orders"}
    event["requestContext"]["http"] |= {"method": "POST", "path": "/orders"}
    del event["pathParameters"], event["queryStringParameters"]
    return event


@_sample
def _rest_api() -> Event:
    """API Gateway REST API (proxy): GET with a path parameter and a query."""
    host = "gh56ij78kl.execute-api.eu-west-1.amazonaws.com"
    headers = {**_HEADERS, "Host": host}
    return {
        "resource": "/orders/{id}", "path": "/orders/7", "httpMethod": "GET", "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {"expand": "items"}, "multiValueQueryStringParameters": {"expand": ["items"]},
        "pathParameters": {"id": "7"}, "stageVariables": None,
        "requestContext": {
            "resourceId": "r3s0rc", "resourcePath": "/orders/{id}", "httpMethod": "GET", "path": "/Prod/orders/7",
            "accountId": _ACCOUNT, "apiId": "gh56ij78kl", "protocol": "HTTP/1.1", "stage": "Prod",
            "domainName": host, "domainPrefix": "gh56ij78kl", "requestId": _ID, "extendedRequestId": "Kx9aFjE2DoEFQQQ=",
            "requestTime": "14/Mar/2026:09:26:53 +0000", "requestTimeEpoch": _EPOCH_MS,
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "curl/8.9.1"}},
        "body": None, "isBase64Encoded": False}


@_sample
def _rest_api_post() -> Event:
    """API Gateway REST API (proxy): POST with a JSON body."""
    event = _rest_api()
    event |= {"resource": "/orders", "path": "/orders", "httpMethod": "POST", "pathParameters": None,
              "queryStringParameters": None, "multiValueQueryStringParameters": None, "body": json.dumps(_ORDER)}
    event["requestContext"] |= {"resourcePath": "/orders", "httpMethod": "POST", "path": "/Prod/orders"}
    return event


@_sample
def _rest_authorizer() -> Event:
    """API Gateway REST API: token authorizer."""
    return {"type": "TOKEN", "authorizationToken": "allow",
            "methodArn": _arn("execute-api", "gh56ij78kl/Prod/GET/orders/7")}


@_sample
def _websocket() -> Event:
    """API Gateway WebSocket API: a new connection."""
    return {"headers": {"Host": "mn90op12qr.execute-api.eu-west-1.amazonaws.com"}, "isBase64Encoded": False,
            "requestContext": {"routeKey": "$connect", "eventType": "CONNECT", "connectionId": "Lz4bGc_mDoECJ7w=",
                               "apiId": "mn90op12qr", "stage": "prod", "requestId": "Lz4bGEwwjoEF1Zg=",
                               "domainName": "mn90op12qr.execute-api.eu-west-1.amazonaws.com",
                               "connectedAt": _EPOCH_MS, "requestTimeEpoch": _EPOCH_MS}}


@_sample
def _function_url() -> Event:
    """Lambda function URL: POST with a form body in base64."""
    event = _http_api_post()
    host = "st34uv56wx78yz.lambda-url.eu-west-1.on.aws"
    event |= {"routeKey": "$default", "body": base64.b64encode(b"item=teapot&quantity=2").decode(),
              "isBase64Encoded": True,
              "headers": {**_HEADERS, "host": host, "content-type": "application/x-www-form-urlencoded"}}
    event["requestContext"] |= {"routeKey": "$default", "domainName": host, "apiId": "st34uv56wx78yz"}
    return event


@_sample
def _alb() -> Event:
    """Application Load Balancer: GET."""
    return {"requestContext": {"elb": {"targetGroupArn": _arn(
                "elasticloadbalancing", "targetgroup/orders/0a1b2c3d4e5f6071")}},
            "httpMethod": "GET", "path": "/orders/7", "queryStringParameters": {"expand": "items"},
            "headers": {**_HEADERS, "host": "orders-1234567890.eu-west-1.elb.amazonaws.com"}, "body": "",
            "isBase64Encoded": False}


@_sample
def _vpc_lattice() -> Event:
    """VPC Lattice, payload 2.0: GET."""
    return {"version": "2.0", "path": "/orders/7", "method": "GET", "headers": {"accept": ["application/json"]},
            "queryStringParameters": {"expand": ["items"]}, "isBase64Encoded": False,
            "requestContext": {"serviceNetworkArn": _arn("vpc-lattice", "servicenetwork/sn-0a1b2c3d4e5f60718"),
                               "serviceArn": _arn("vpc-lattice", "service/svc-0a1b2c3d4e5f60718"),
                               "region": _REGION, "timeEpoch": str(_EPOCH_MS * 1000)}}


@_sample
def _appsync() -> Event:
    """AppSync: direct resolver of a query."""
    return {"arguments": {"id": "7"}, "identity": None, "source": None, "prev": None, "stash": {},
            "request": {"headers": dict(_HEADERS), "domainName": None},
            "info": {"fieldName": "getOrder", "parentTypeName": "Query", "variables": {},
                     "selectionSetList": ["id", "item"], "selectionSetGraphQL": "{ id item }"}}


# --- queues, streams, buses -----------------------------------------------------------------------------------------

def _sqs_record(number: int, queue: str) -> Event:
    return {"messageId": f"{number:08x}-9b1e-4d7c-8a63-1e2d3c4b5a69", "receiptHandle": f"handle-{number}",
            "body": json.dumps({"order": number, **_ORDER}),
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(_EPOCH_MS),
                           "SenderId": "AROAEXAMPLEEXAMPLE:orders", "ApproximateFirstReceiveTimestamp": str(_EPOCH_MS)},
            "messageAttributes": {}, "md5OfBody": "00000000000000000000000000000000", "eventSource": "aws:sqs",
            "eventSourceARN": _arn("sqs", queue), "awsRegion": _REGION}


@_sample
def _sqs() -> Event:
    """SQS: a batch of three JSON messages."""
    return {"Records": [_sqs_record(number, "orders") for number in (1, 2, 3)]}


@_sample
def _sqs_fifo() -> Event:
    """SQS FIFO queue: one message with its group."""
    record = _sqs_record(1, "orders.fifo")
    record["attributes"] |= {"MessageGroupId": "customer-42", "MessageDeduplicationId": "order-1",
                             "SequenceNumber": "18880000000000000001"}
    return {"Records": [record]}


@_sample
def _sns() -> Event:
    """SNS: one notification with a JSON message."""
    return {"Records": [{
        "EventSource": "aws:sns", "EventVersion": "1.0",
        "EventSubscriptionArn": _arn("sns", f"order-events:{_ID}"),
        "Sns": {"Type": "Notification", "MessageId": _ID, "TopicArn": _arn("sns", "order-events"),
                "Subject": "Order created", "Message": json.dumps({"order": 7, **_ORDER}), "Timestamp": _WHEN,
                "SignatureVersion": "1", "Signature": "bm90IGEgc2lnbmF0dXJl",
                "SigningCertUrl": f"https://sns.{_REGION}.amazonaws.com/example.pem",
                "UnsubscribeUrl": f"https://sns.{_REGION}.amazonaws.com/?Action=Unsubscribe",
                "MessageAttributes": {"kind": {"Type": "String", "Value": "created"}}}}]}


@_sample
def _s3_put() -> Event:
    """S3: an object was put."""
    return {"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": _REGION, "eventTime": _WHEN,
        "eventName": "ObjectCreated:Put", "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"},
        "requestParameters": {"sourceIPAddress": "203.0.113.7"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "example"},
        "s3": {"s3SchemaVersion": "1.0", "configurationId": "on-put",
               "bucket": {"name": "photos", "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                          "arn": "arn:aws:s3:::photos"},
               "object": {"key": "cats/sleepy+cat.jpg", "size": 24_576, "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                          "sequencer": "0055AED6DCD90281E5"}}}]}


@_sample
def _s3_delete() -> Event:
    """S3: an object was deleted."""
    event = _s3_put()
    event["Records"][0]["eventName"] = "ObjectRemoved:Delete"
    for gone in ("size", "eTag"):
        del event["Records"][0]["s3"]["object"][gone]
    return event


@_sample
def _s3_batch() -> Event:
    """S3 Batch Operations: one task."""
    return {"invocationSchemaVersion": "2.0", "invocationId": "aW52b2NhdGlvbg", "job": {"id": _ID, "userArguments": {}},
            "tasks": [{"taskId": "dGFzaw", "s3Key": "cats/sleepy+cat.jpg", "s3VersionId": None, "s3Bucket": "photos"}]}


@_sample
def _eventbridge() -> Event:
    """EventBridge: an event of your own on a bus."""
    return {"version": "0", "id": _ID, "detail-type": "OrderCreated", "source": "shop.orders", "account": _ACCOUNT,
            "time": _WHEN, "region": _REGION, "resources": [], "detail": {"order": 7, **_ORDER}}


@_sample
def _schedule() -> Event:
    """EventBridge rule with a schedule."""
    return {"version": "0", "id": _ID, "detail-type": "Scheduled Event", "source": "aws.events", "account": _ACCOUNT,
            "time": _WHEN, "region": _REGION, "resources": [_arn("events", "rule/nightly-report")], "detail": {}}


@_sample
def _scheduler() -> Event:
    """EventBridge Scheduler with its default payload."""
    return _schedule() | {"source": "aws.scheduler", "detail": "{}",
                          "resources": [_arn("scheduler", "schedule/default/nightly-report")]}


@_sample
def _cloudformation_status() -> Event:
    """EventBridge: CloudFormation stack status change."""
    stack = _arn("cloudformation", f"stack/shop/{_ID}")
    return _eventbridge() | {"detail-type": "CloudFormation Stack Status Change", "source": "aws.cloudformation",
                             "resources": [stack],
                             "detail": {"stack-id": stack, "status-details": {"status": "UPDATE_COMPLETE",
                                                                              "status-reason": ""}}}


@_sample
def _dynamodb() -> Event:
    """DynamoDB stream: an item inserted, changed and removed."""
    def record(number: int, action: str, **images: Event) -> Event:
        return {"eventID": f"{number:032x}", "eventName": action, "eventVersion": "1.1", "eventSource": "aws:dynamodb",
                "awsRegion": _REGION, "eventSourceARN": _arn("dynamodb", "table/orders/stream/2026-03-14T09:00:00.000"),
                "dynamodb": {"Keys": {"id": {"S": "7"}}, "SequenceNumber": str(number * 111), "SizeBytes": 26,
                             "ApproximateCreationDateTime": _EPOCH_MS // 1000,
                             "StreamViewType": "NEW_AND_OLD_IMAGES", **images}}

    one = {"id": {"S": "7"}, "item": {"S": "teapot"}, "quantity": {"N": "1"}}
    two = one | {"quantity": {"N": "2"}}
    return {"Records": [record(1, "INSERT", NewImage=one), record(2, "MODIFY", OldImage=one, NewImage=two),
                        record(3, "REMOVE", OldImage=two)]}


@_sample
def _kinesis() -> Event:
    """Kinesis data stream: two JSON records."""
    def record(number: int) -> Event:
        return {"kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "customer-42",
                            "sequenceNumber": str(number), "data": _base64({"order": number, **_ORDER}),
                            "approximateArrivalTimestamp": _EPOCH_MS / 1000},
                "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": f"shardId-000000000000:{number}",
                "eventName": "aws:kinesis:record", "awsRegion": _REGION,
                "invokeIdentityArn": f"arn:aws:iam::{_ACCOUNT}:role/worker",
                "eventSourceARN": _arn("kinesis", "stream/clicks")}

    return {"Records": [record(1), record(2)]}


@_sample
def _firehose() -> Event:
    """Data Firehose: records to transform."""
    return {"invocationId": _ID, "deliveryStreamArn": _arn("firehose", "deliverystream/clicks"), "region": _REGION,
            "records": [{"recordId": f"{number:056d}", "approximateArrivalTimestamp": _EPOCH_MS,
                         "data": _base64({"order": number})} for number in (1, 2)]}


@_sample
def _kafka() -> Event:
    """Kafka (MSK): two messages of one partition."""
    return {"eventSource": "aws:kafka", "eventSourceArn": _arn("kafka", f"cluster/shop/{_ID}-1"),
            "bootstrapServers": "b-1.shop.example.kafka.eu-west-1.amazonaws.com:9098",
            "records": {"orders-0": [{"topic": "orders", "partition": 0, "offset": offset, "timestamp": _EPOCH_MS,
                                      "timestampType": "CREATE_TIME", "key": base64.b64encode(b"customer-42").decode(),
                                      "value": _base64({"order": offset}), "headers": []} for offset in (15, 16)]}}


@_sample
def _activemq() -> Event:
    """Amazon MQ, ActiveMQ broker: one text message."""
    return {"eventSource": "aws:mq", "eventSourceArn": _arn("mq", "broker:shop:b-0a1b2c3d"),
            "messages": [{"messageID": "ID:b-0a1b2c3d.mq-1", "messageType": "jms/text-message", "deliveryMode": 1,
                          "redelivered": False, "destination": {"physicalName": "orders"}, "timestamp": _EPOCH_MS,
                          "data": _base64({"order": 7})}]}


@_sample
def _rabbitmq() -> Event:
    """Amazon MQ, RabbitMQ broker: one message."""
    return {"eventSource": "aws:rmq", "eventSourceArn": _arn("mq", "broker:shop:b-4e5f6071"),
            "rmqMessagesByQueue": {"orders::/": [{
                "basicProperties": {"contentType": "application/json", "deliveryMode": 1, "headers": {}},
                "redelivered": False, "data": _base64({"order": 7})}]}}


# --- services that call a function themselves -----------------------------------------------------------------------

@_sample
def _cognito_pre_signup() -> Event:
    """Cognito user pool: before a sign-up."""
    return {"version": "1", "triggerSource": "PreSignUp_SignUp", "region": _REGION, "userPoolId": "eu-west-1_Example1",
            "userName": "ada", "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "example"},
            "request": {"userAttributes": {"email": "ada@example.com"}, "validationData": None},
            "response": {"autoConfirmUser": False, "autoVerifyEmail": False, "autoVerifyPhone": False}}


@_sample
def _cognito_pre_token() -> Event:
    """Cognito user pool: before a token is generated (version 2)."""
    return _cognito_pre_signup() | {
        "version": "2", "triggerSource": "TokenGeneration_Authentication",
        "request": {"userAttributes": {"sub": _ID, "email": "ada@example.com"}, "scopes": ["openid"],
                    "groupConfiguration": {"groupsToOverride": ["staff"], "iamRolesToOverride": []}},
        "response": {"claimsAndScopeOverrideDetails": None}}


@_sample
def _custom_resource() -> Event:
    """CloudFormation custom resource: create. Its ResponseURL leads nowhere."""
    return {"RequestType": "Create", "ServiceToken": _arn("lambda", "function:seed"), "RequestId": _ID,
            "ResponseURL": "https://example.com/cloudformation-response",
            "StackId": _arn("cloudformation", f"stack/shop/{_ID}"), "LogicalResourceId": "SeedData",
            "ResourceType": "Custom::SeedData", "ResourceProperties": {"ServiceToken": _arn("lambda", "function:seed"),
                                                                       "Table": "orders"}}


@_sample
def _cloudwatch_logs() -> Event:
    """CloudWatch Logs subscription: one compressed batch."""
    batch = {"messageType": "DATA_MESSAGE", "owner": _ACCOUNT, "logGroup": "/aws/lambda/orders",
             "logStream": "2026/03/14", "subscriptionFilters": ["errors"],
             "logEvents": [{"id": "1", "timestamp": _EPOCH_MS, "message": "KeyError: 'id'"}]}
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(batch).encode(), mtime=0)).decode()}}


@_sample
def _cloudwatch_alarm() -> Event:
    """CloudWatch alarm action."""
    return {"source": "aws.cloudwatch", "alarmArn": _arn("cloudwatch", "alarm:orders-errors"), "accountId": _ACCOUNT,
            "time": _WHEN, "region": _REGION,
            "alarmData": {"alarmName": "orders-errors",
                          "state": {"value": "ALARM", "reason": "1 datapoint over the threshold", "timestamp": _WHEN},
                          "previousState": {"value": "OK", "timestamp": _WHEN}}}


@_sample
def _config_rule() -> Event:
    """AWS Config: a scheduled rule."""
    return {"version": "1.0", "invokingEvent": json.dumps({"messageType": "ScheduledNotification",
                                                           "awsAccountId": _ACCOUNT}),
            "ruleParameters": "{}", "resultToken": "example", "eventLeftScope": False, "accountId": _ACCOUNT,
            "configRuleArn": _arn("config", "config-rule/config-rule-example"), "configRuleName": "tags-required",
            "configRuleId": "config-rule-example"}


@_sample
def _codedeploy() -> Event:
    """CodeDeploy life cycle hook."""
    return {"DeploymentId": "d-EXAMPLE01", "LifecycleEventHookExecutionId": "ZXhhbXBsZQ=="}


@_sample
def _secret_rotation() -> Event:
    """Secrets Manager rotation: the first step."""
    return {"Step": "createSecret", "SecretId": _arn("secretsmanager", "secret:shop/database-AbCdEf"),
            "ClientRequestToken": _ID, "RotationToken": _ID}


@_sample
def _bedrock_agent() -> Event:
    """Bedrock agent: an action with an API schema."""
    return {"messageVersion": "1.0", "inputText": "Where is order 7?", "sessionId": "424242",
            "agent": {"name": "clerk", "id": "EXAMPLE123", "alias": "TSTALIASID", "version": "1"},
            "actionGroup": "orders", "apiPath": "/orders/{id}", "httpMethod": "GET",
            "parameters": [{"name": "id", "type": "string", "value": "7"}],
            "sessionAttributes": {}, "promptSessionAttributes": {}}


@_sample
def _ses() -> Event:
    """SES: a received mail."""
    return {"Records": [{"eventSource": "aws:ses", "eventVersion": "1.0", "ses": {
        "mail": {"timestamp": _WHEN, "source": "ada@example.com", "messageId": "o3vrnil0e2ic28tr",
                 "destination": ["orders@example.com"],
                 "commonHeaders": {"from": ["Ada <ada@example.com>"], "to": ["orders@example.com"],
                                   "subject": "My teapot"}},
        "receipt": {"timestamp": _WHEN, "recipients": ["orders@example.com"], "spamVerdict": {"status": "PASS"},
                    "action": {"type": "Lambda", "invocationType": "Event",
                               "functionArn": _arn("lambda", "function:mail")}}}}]}


@_sample
def _step_function() -> Event:
    """Step Functions: a task that waits for a callback."""
    return {"TaskToken": "example-task-token", "input": {"order": 7, **_ORDER}}


@_sample
def _empty() -> Event:
    """An empty object, as `aws lambda invoke` sends it."""
    return {}
