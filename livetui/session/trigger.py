"""What caused an invocation, in a few words, read off the event's shape: `GET /orders/7`, `sqs orders ×10`.

To add a summary, write a function that takes the event and returns the words, or None when the event is not its own,
and put it into `SHAPES` (any event; the first that answers wins) or into `RECORDS` (an event with records, by the
source that its first record names). Reading is by `Peek`: whatever is missing is empty, so nothing here can raise.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from livetui.session.peek import Peek

LONGEST = 80
"""Characters of a summary at most."""
_OPENED = 64 * 1024
"""Bytes of a compressed log batch that are opened to find its group."""


def describe(event: bytes, context: Mapping[str, Any] | None = None) -> str:
    """The trigger of an event for people: one line of printable characters, at most 80, `invoke` when nobody knows."""
    whole = Peek(event)
    for shape in SHAPES:
        words = shape(whole)
        if words:
            return printable(words)
    client = (context or {}).get("client_context")
    app = client.get("client", {}).get("app_title") if isinstance(client, dict) and isinstance(
        client.get("client"), dict) else None
    return printable(f"invoke from {app}") if app else "invoke"


def trace_root(event: bytes, context: Mapping[str, Any]) -> str:
    """The root of the trace that an invocation belongs to; empty when there is none.

    A queue's consumer gets a trace of its own from Lambda; what its message carries is the trace of the sender
    (`AWSTraceHeader`), which joins both. Source: AWS X-Ray, "Amazon SQS and X-Ray".
    """
    carried = Peek(event)["Records"].first().text("attributes.AWSTraceHeader") if b"AWSTraceHeader" in event else ""
    for header in (carried, str(context.get("trace_id") or "")):
        found = re.search(r"(?:^|;)\s*Root=([^;\s]{1,64})", header)
        if found:
            return printable(found[1])
    return ""


def caller_waits_s(event: bytes) -> float | None:
    """How many seconds the caller of an HTTP event waits for Lambda; None when only Lambda's own timeout counts.

    Sources: API Gateway quotas, "Integration timeout": REST and WebSocket APIs 29 s by default, HTTP APIs 30 s at
    most. A function URL waits as long as the function may run.
    """
    context = Peek(event)["requestContext"]
    if ".lambda-url." in context.text("domainName") or context.has("elb"):
        return None
    if context.has("http"):
        return 30.0
    return 29.0 if context.has("httpMethod") or context.has("connectionId") else None


def printable(words: str) -> str:
    """One line without control, bidirectional or unpaired characters, cut to 80."""
    words = " ".join(words[:LONGEST * 4].split())
    words = "".join(character if character.isprintable() else "·" for character in words)
    return words if len(words) <= LONGEST else words[:LONGEST - 1].rstrip() + "…"


def _name(arn: str) -> str:
    """The last part of an ARN: a queue's, topic's, stream's or rule's name."""
    return re.split(r"[:/]", arn)[-1] if arn.startswith("arn:") else arn


def _times(count: int) -> str:
    return f" ×{count}" if count > 1 else ""


# --- events with records, by the source of the first --------------------------------------------------------------

def _sqs(record: Peek, count: int) -> str:
    return f"sqs {_name(record.text('eventSourceARN'))}{_times(count)}"


def _sns(record: Peek, count: int) -> str:
    topic = record.text("Sns.TopicArn") or record.text("EventSubscriptionArn").rpartition(":")[0]
    return f"sns {_name(topic)}{_times(count)}"


def _s3(record: Peek, count: int) -> str:
    kind, _, action = record.text("eventName").removeprefix("s3:").partition(":")
    key = unquote_plus(record.text("s3.object.key"), errors="replace")
    return f"s3 {(action or kind).lower()} {record.text('s3.bucket.name')}/{key}{_times(count)}"


def _dynamodb(record: Peek, count: int) -> str:
    table = re.search(r":table/([^/]+)", record.text("eventSourceARN"))
    action = record.text("eventName").lower() if count == 1 else ""
    return f"dynamodb {action} {table[1] if table else ''}{_times(count)}"


def _kinesis(record: Peek, count: int) -> str:
    return f"kinesis {_name(record.text('eventSourceARN'))}{_times(count)}"


def _ses(record: Peek, count: int) -> str:
    return f"ses to {record['ses.receipt.recipients'].first().text()}{_times(count)}"


def _codecommit(record: Peek, count: int) -> str:
    reference = record["codecommit.references"].first().text("ref").removeprefix("refs/heads/")
    return f"codecommit {_name(record.text('eventSourceARN'))} {reference}{_times(count)}"


def _cloudfront(record: Peek, _count: int) -> str:
    request = record["cf.request"]
    return f"cloudfront {request.text('method')} {request.text('uri')}"


RECORDS: dict[str, Callable[[Peek, int], str]] = {
    "aws:sqs": _sqs, "aws:sns": _sns, "aws:s3": _s3, "aws:dynamodb": _dynamodb, "aws:kinesis": _kinesis,
    "aws:ses": _ses, "aws:codecommit": _codecommit,
}
"""`eventSource` of the first record to its summary, which is given that record and how many there are."""


def _records(event: Peek) -> str | None:
    records = event["Records"] if event.has("Records") else event  # EventBridge Pipes send the bare list
    if not records:
        return None
    record = records.first()
    if record.has("cf"):
        return _cloudfront(record, len(records))
    source = record.text("eventSource") or record.text("EventSource")
    if source in RECORDS:
        return RECORDS[source](record, len(records))
    return f"{source.removeprefix('aws:')}{_times(len(records))}" if source else None


# --- HTTP -----------------------------------------------------------------------------------------------------------

def _http(event: Peek) -> str | None:
    request = event["requestContext"]
    if method := request.text("http.method"):  # HTTP API (2.0) and function URLs
        return f"{method} {event.text('rawPath') or request.text('http.path') or '/'}"
    if request.has("connectionId"):
        return f"ws {request.text('routeKey') or request.text('eventType')}"
    if request.has("serviceNetworkArn") or event.has("raw_path", "method"):
        return f"lattice {event.text('method')} {event.text('path') or event.text('raw_path').partition('?')[0]}"
    if event.has("httpMethod", "path"):
        balancer = "alb " if request.has("elb") else ""
        return f"{balancer}{event.text('httpMethod')} {event.text('path')}"
    return None


def _authorizer(event: Peek) -> str | None:
    arn = event.text("methodArn") or event.text("routeArn")
    if not arn or event.text("type") not in ("TOKEN", "REQUEST"):
        return None
    _, _, method_and_path = arn.partition("/")[2].partition("/")
    method, _, path = method_and_path.partition("/")
    return f"authorizer {method} /{path}"


def _appsync(event: Peek) -> str | None:
    single = event.first() if len(event) else event
    info = single["info"]
    if info.has("fieldName"):
        return f"appsync {info.text('parentTypeName')}.{info.text('fieldName')}{_times(len(event))}"
    if info.has("channel"):
        return f"appsync {info.text('operation').lower()} {info.text('channel.path')}"
    return "appsync authorizer" if event.has("authorizationToken", "requestContext") else None


# --- events, schedules and streams ----------------------------------------------------------------------------------

def _eventbridge(event: Peek) -> str | None:
    if not event.has("source", "detail-type"):
        return None
    if event.text("source") in ("aws.events", "aws.scheduler") and event.text("detail-type").startswith("Scheduled"):
        return f"schedule {_name(event['resources'].first().text())}"
    return f"event {event.text('source')} {event.text('detail-type')}"


def _alarm(event: Peek) -> str | None:
    alarm = event["alarmData"]
    return f"alarm {alarm.text('alarmName')} {alarm.text('state.value')}" if event.has("alarmArn") else None


def _kafka(event: Peek) -> str | None:
    if event.text("eventSource") not in ("aws:kafka", "SelfManagedKafka"):
        return None
    partitions = event["records"].keys()
    count = sum(len(event["records"].member(name)) for name in partitions[:1000])
    topic = partitions[0].rpartition("-")[0] if partitions else ""
    return f"kafka {topic}{_times(count)}"


def _broker(event: Peek) -> str | None:
    match event.text("eventSource"):
        case "aws:rmq":
            queues = event["rmqMessagesByQueue"]
            name = next(iter(queues.keys()), "")
            return f"rabbitmq {name.partition('::')[0]}{_times(len(queues.member(name)))}"
        case "aws:mq":
            queue = event["messages"].first().text("destination.physicalName")
            return f"mq {queue}{_times(len(event['messages']))}"
        case "aws:docdb":
            change = event["events"].first()["event"]
            return (f"docdb {change.text('operationType')} {change.text('ns.db')}.{change.text('ns.coll')}"
                    f"{_times(len(event['events']))}")
    return None


def _firehose(event: Peek) -> str | None:
    arn = event.text("deliveryStreamArn")
    return f"firehose {_name(arn)}{_times(len(event['records']))}" if arn else None


def _logs(event: Peek) -> str | None:
    if not event.has("awslogs"):
        return None
    body = event.text("awslogs.data")[:_OPENED]
    try:
        opened = zlib.decompressobj(47).decompress(base64.b64decode(body[: len(body) // 4 * 4]), _OPENED)
    except (binascii.Error, ValueError, zlib.error):
        return "logs"
    group = re.search(rb'"logGroup"\s*:\s*"([^"\\]{1,512})"', opened)
    return f"logs {group[1].decode('utf-8', 'replace') if group else ''}"


# --- services that call a function themselves -----------------------------------------------------------------------

def _by_keys(prefix: str, keys: str, *paths: str, name: bool = False) -> Callable[[Peek], str | None]:
    """A summary for events that have all these members: the prefix and the text at each of the paths."""
    needed = keys.split()

    def shape(event: Peek) -> str | None:
        if not event.has(*needed):
            return None
        words = [event.scalar(path) for path in paths]
        return " ".join([prefix, *(_name(word) if name else word for word in words)])

    return shape


def _s3_batch(event: Peek) -> str | None:
    if not event.has("invocationSchemaVersion", "tasks"):
        return None
    task = event["tasks"].first()
    bucket = task.text("s3Bucket") or _name(task.text("s3BucketArn"))
    return f"s3 batch {bucket}/{unquote_plus(task.text('s3Key'), errors='replace')}{_times(len(event['tasks']))}"


def _bedrock(event: Peek) -> str | None:
    if not event.has("agent", "actionGroup"):
        return None
    operation = event.text("function") or f"{event.text('httpMethod')} {event.text('apiPath')}"
    return f"bedrock {event.text('actionGroup')} {operation}"


def _lex(event: Peek) -> str | None:
    intent = event.text("sessionState.intent.name") or event.text("currentIntent.name")
    return f"lex {intent}" if event.has("bot") and intent else None


def _destination(event: Peek) -> str | None:
    if not event.has("requestPayload", "requestContext"):
        return None
    called = re.search(r":function:([^:]+)", event.text("requestContext.functionArn"))
    return f"destination of {called[1] if called else ''} {event.text('requestContext.condition')}"


SHAPES: tuple[Callable[[Peek], str | None], ...] = (
    _records,
    _destination,
    _authorizer,
    _bedrock,
    _by_keys("cfn", "RequestType ResponseURL LogicalResourceId", "RequestType", "ResourceType", "LogicalResourceId"),
    _by_keys("cognito", "triggerSource userPoolId", "triggerSource"),
    _http,
    _appsync,
    _alarm,
    _eventbridge,
    _kafka,
    _broker,
    _firehose,
    _logs,
    _s3_batch,
    _by_keys("s3 object lambda", "getObjectContext userRequest", "userRequest.url"),
    _by_keys("s3 test event", "Service Event Bucket", "Bucket"),
    _by_keys("codedeploy", "DeploymentId LifecycleEventHookExecutionId", "DeploymentId"),
    _by_keys("codepipeline", "CodePipeline.job"),
    _by_keys("config", "invokingEvent configRuleName", "configRuleName"),
    _by_keys("rotate", "SecretId ClientRequestToken Step", "SecretId", "Step", name=True),
    _by_keys("dashboard", "widgetContext", "widgetContext.dashboardName"),
    _by_keys("iot button", "serialNumber clickType", "clickType"),
    _by_keys("connect", "Details Name", "Name"),
    _by_keys("alexa", "session request version", "request.type"),
    _by_keys("step function task", "TaskToken"),
    _by_keys("step function task", "taskToken"),
    _lex,
)
"""Who is asked, in this order. A shape that two services share belongs to the one that says more."""
