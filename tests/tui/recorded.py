"""A session that plays a script: the same face and the same values as the real one, without a cloud."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from livetui.config import Settings
from livetui.errors import LivetuiError
from livetui.link.usage import LinkUsage
from livetui.runtime.contract import LaneStats
from livetui.session.causes import parents
from livetui.session.events import (
    FunctionChanged,
    FunctionInfo,
    InvocationArrived,
    InvocationChanged,
    InvocationFinished,
    InvocationStarted,
    LinkChanged,
    LogLines,
    SessionEnded,
    SessionEvent,
    SessionFailed,
    SessionLive,
    StackProgress,
)
from livetui.session.export import export
from livetui.session.filter import parse
from livetui.session.invocation import AwsCall, Invocation, LogLine, Row, Timing
from livetui.session.records import SessionRecord
from livetui.stack.contract import Resource

NOON = 1_795_442_580.0
"""14:03 UTC on 23 November 2026: every recorded time counts from here."""


@dataclass(frozen=True)
class Status:
    phase: str = "starting"
    live: SessionLive | None = None
    link: LinkChanged | None = None
    failed: SessionFailed | None = None
    steps: tuple[StackProgress, ...] = ()


@dataclass(frozen=True)
class Counts:
    held: int
    dropped: int = 0


@dataclass
class RecordedSession:
    """Plays events when told to; remembers what it was asked for in `asked`."""

    settings: Settings = field(default_factory=lambda: Settings(app="orders", stage="dev", region="eu-west-1"))
    script: list[SessionEvent] = field(default_factory=list)
    end_at_once: bool = True
    can_park: bool = False
    dropped: int = 0

    def __post_init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.refuse: LivetuiError | None = None
        self.invocations: dict[int, Invocation] = {}
        self._listeners: list[Callable[[SessionEvent], None]] = []
        self._status = Status()
        self._lock = threading.Lock()

    # -- the face --------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[SessionEvent], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def start(self) -> None:
        for event in self.script:
            self.tell(event)

    def stop(self) -> None:
        self.asked.append(("stop",))
        if self.end_at_once:
            self.tell(SessionEnded(0))

    def park_and_stop(self) -> None:
        self.asked.append(("park_and_stop",))

    def status(self) -> Status:
        return self._status

    def counts(self) -> Counts:
        return Counts(len(self.invocations), self.dropped)

    def rows(
        self, filter: str = "", limit: int = 1000, before: int | None = None, session: str | None = None
    ) -> list[Row]:
        with self._lock:
            ids = sorted(id for id in self.invocations if before is None or id < before)
            rows = [self.invocations[id].row for id in ids]
            wanted = parse(filter).matches
            return [row for row in rows if session in (None, row.session) and wanted(row)][-limit:]

    def others_wrote(self) -> bool:
        return False

    def sessions(self) -> list[SessionRecord]:
        held = [each.row.session for each in self.invocations.values()]
        return [
            SessionRecord(
                id, "dev", "orders", "dev", "123456789012", "eu-west-1", False, NOON, NOON + 90, "h", 1, count
            )
            for id in sorted(set(held), reverse=True)
            if (count := held.count(id))
        ]

    def workers(self) -> dict[str, LaneStats]:
        return {"GetOrder": LaneStats(2, 1, 3, spawn="fork"), "Worker": LaneStats(1, 0, 0, spawn_reason="threads run")}

    def usage(self) -> LinkUsage:
        return LinkUsage(1, 120, 118, 240_000, 90_000, 480, 1_800.0, 64, 131_072)

    def invocation(self, id: int) -> Invocation:
        with self._lock:
            if id not in self.invocations:
                raise LivetuiError(
                    f"Invocation {id} is not held any more.", "The history is bounded.", "Raise [history]."
                )
            return self.invocations[id]

    def export(self, id: int, kind: str, reveal: bool = False) -> str:
        code = Path(__file__).parent
        return export(self.invocation(id), kind, reveal=reveal, endpoint="https://ab12cd34.execute-api.localhost",
                      handler="app.handler", code_root=code, project=code)

    def replay(self, id: int, event: bytes | None = None, times: int = 1) -> None:
        self._ask("replay", id, event, times)
        for _ in range(times):
            origin = self.invocation(id)
            row = msgspec.structs.replace(
                origin.row,
                id=max(self.invocations) + 1,
                state="queued",
                replay_of=id,
                edited=event not in (None, origin.event),
                handler_ms=None,
                overhead_ms=None,
                error="",
                response_bytes=None,
                marked=False,
                note="",
                trigger=f"replay of #{id}",
                time=NOON + 60,
            )
            self.arrive(
                msgspec.structs.replace(origin, row=row, event=event or origin.event, response=None, logs=[], calls=[])
            )

    def mark(self, id: int, on: bool) -> None:
        self._ask("mark", id, on)
        self._change(id, marked=on)

    def note(self, id: int, text: str) -> None:
        self._ask("note", id, text)
        self._change(id, note=text)

    def invoke(self, function: str, event: bytes, taken: Callable[[str], object] = lambda _: None) -> None:
        self._ask("invoke", function, event)
        self.taken = taken

    def vscode(self) -> Path:
        self._ask("vscode")
        return Path(".vscode/launch.json")

    def answer_now(self, id: int) -> None:
        self._ask("answer_now", id)

    def numbers(self, filter: str = "", session: str | None = None) -> list[int]:
        return [
            id
            for id, each in sorted(self.invocations.items())
            if parse(filter).matches(each.row) and session in (None, each.row.session)
        ]

    def related(self, id: int) -> list[Row]:
        trace = self.invocations[id].row.trace_id
        return [each.row for _, each in sorted(self.invocations.items()) if each.row.trace_id == trace]

    def parents(self, ids: Sequence[int]) -> dict[int, int]:
        return parents(self.invocations[id] for id in ids)

    def redeploy(self) -> None:
        self._ask("redeploy")

    def take_over(self) -> None:
        self._ask("take_over")

    def _ask(self, *what: object) -> None:
        self.asked.append(what)
        if self.refuse is not None:
            raise self.refuse

    def _change(self, id: int, **values: object) -> None:
        invocation = self.invocation(id)
        row = msgspec.structs.replace(invocation.row, **values)
        self.invocations[id] = msgspec.structs.replace(invocation, row=row)
        self.tell(InvocationChanged(row))

    # -- what a test does with it ----------------------------------------------------------------------------------

    def tell(self, event: SessionEvent) -> None:
        status = self._status
        match event:
            case StackProgress():
                status = Status(event.phase, status.live, status.link, status.failed, (*status.steps, event))
            case SessionLive():
                status = Status("live", event, status.link, None, status.steps)
            case FunctionChanged() if status.live is not None:
                status = Status(status.phase, event.of(status.live), status.link, status.failed, status.steps)
            case LinkChanged():
                status = Status(status.phase, status.live, event, status.failed, status.steps)
            case SessionFailed():
                status = Status("failed", status.live, status.link, event, status.steps)
        self._status = status
        for listener in list(self._listeners):
            listener(event)

    def hold(self, invocation: Invocation) -> None:
        """Keep an invocation of an earlier session, silently."""
        self.invocations[invocation.row.id] = invocation

    def arrive(self, invocation: Invocation) -> None:
        with self._lock:
            self.invocations[invocation.row.id] = invocation
        self.tell(InvocationArrived(invocation.row))

    def begin(self, id: int) -> None:
        self._move(id, "running")
        self.tell(InvocationStarted(self.invocations[id].row))

    def finish(self, invocation: Invocation) -> None:
        with self._lock:
            self.invocations[invocation.row.id] = invocation
        self.tell(InvocationFinished(invocation.row))

    def write(self, id: int, *texts: str) -> None:
        lines = [LogLine("stdout", text, 1.0) for text in texts]
        invocation = self.invocations[id]
        self.invocations[id] = msgspec.structs.replace(invocation, logs=[*invocation.logs, *lines])
        self.tell(LogLines(id, invocation.row.function, lines))

    def _move(self, id: int, state: str) -> None:
        invocation = self.invocations[id]
        self.invocations[id] = msgspec.structs.replace(
            invocation, row=msgspec.structs.replace(invocation.row, state=state)
        )


HTTP_EVENT = b"""{"version":"2.0","routeKey":"GET /orders/{id}","rawPath":"/orders/99","headers":{\
"accept":"application/json","authorization":"Bearer eyJhbGci\
Oi.secret.token","user-agent":"curl/8.9.1","x-forwarded-for":"203.0.113.7"},\
"requestContext":{"accountId":"123456789012","apiId":"ab12cd34","http":{"method":"GET","path":"/orders/99",\
"sourceIp":"203.0.113.7"},"requestId":"opDScPF1IdlIKTc=","time":"23/Nov/2026:14:03:11 +0000"},\
"pathParameters":{"id":"99"},"isBase64Encoded":false}"""
QUEUE_EVENT = msgspec.json.encode(
    {
        "Records": [
            {
                "messageId": f"m-{n}",
                "body": msgspec.json.encode({"order": n, "amount": n * 150}).decode(),
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:orders",
            }
            for n in range(10)
        ]
    }
)
ERROR_ANSWER = msgspec.json.encode(
    {
        "errorType": "OrderNotFound",
        "errorMessage": "order 99 does not exist",
        "requestId": "r-12",
        "stackTrace": [
            '  File "/var/task/src/orders.py", line 31, in handler\n    order = find(event["pathParameters"]["id"])\n',
            '  File "/var/task/src/orders.py", line 12, in find\n'
            '    raise OrderNotFound(f"order {id} does not exist")\n',
        ],
    }
)


def invocation(id: int, function: str, trigger: str, state: str = "ok", **values: object) -> Invocation:
    """A recorded invocation; `values` go to its row, except those that name a field of `Invocation`."""
    outer = {
        name: values.pop(name) for name in ("event", "response", "context", "logs", "calls", "timing") if name in values
    }
    event = outer.pop("event", HTTP_EVENT)
    finished = state in ("ok", "error", "timeout", "late")
    response = outer.pop("response", b'{"statusCode":200,"body":"{\\"id\\":\\"99\\"}"}' if finished else None)
    known = {
        "session": "s-1",
        "time": NOON + id,
        "handler_ms": 3.0 + id if finished else None,
        "overhead_ms": 4.0 if finished else None,
        "event_bytes": len(event),
        "response_bytes": None if response is None else len(response),
        "request_id": f"r-{id}",
        "trace_id": f"1-6562{id:04x}",
        **values,
    }
    row = Row(id=id, function=function, trigger=trigger, state=state, **known)
    made = {
        "context": {
            "function_name": f"orders-dev-{function}",
            "memory_limit_in_mb": 512,
            "function_version": "$LATEST",
            "invoked_function_arn": f"arn:aws:lambda:eu-west-1:123456789012:function:orders-dev-{function}",
        },
        "logs": [
            LogLine("stdout", f"{function} begins", 0.4),
            LogLine("logging", "[WARNING] slow table", 2.1),
            LogLine("stderr", "done", 2.9),
        ]
        if finished
        else [],
        "calls": [AwsCall("dynamodb", "GetItem", "orders", 200, 4.2)] if finished else [],
        "timing": Timing(2.0, 0.3, None, known["handler_ms"], 2.0) if finished else Timing(2.0),
        **outer,
    }
    return Invocation(row=row, attempt=f"{id:032x}", event=event, response=response, **made)


def orders() -> list[Invocation]:
    """The orders example as the pictures show it."""
    return [
        invocation(9, "CreateOrder", "POST /orders", handler_ms=48.0, overhead_ms=5.0),
        invocation(10, "GetOrder", "GET /orders/7", handler_ms=12.0),
        invocation(11, "Worker", "sqs orders ×10", handler_ms=212.0, overhead_ms=6.0, event=QUEUE_EVENT),
        invocation(
            12,
            "GetOrder",
            "GET /orders/99",
            "error",
            handler_ms=3.0,
            response=ERROR_ANSWER,
            error="OrderNotFound: order 99 does not exist",
            calls=[
                AwsCall("dynamodb", "GetItem", "orders", 200, 2.2),
                AwsCall(
                    "s3",
                    "PutObject",
                    "photos/cat.jpg",
                    403,
                    1.9,
                    error=(
                        "AccessDenied: User: arn:aws:sts::123456789012:assumed-role/GetOrder/x is not authorized to "
                        "perform: s3:PutObject on resource: arn:aws:s3:::photos/cat.jpg"
                    ),
                ),
            ],
        ),
        invocation(13, "GetOrder", "replay of #12", handler_ms=9.0, overhead_ms=0.0, replay_of=12),
        invocation(14, "Nightly", "schedule", "paused", event=b'{"source":"aws.events"}', deadline=NOON + 14 + 29),
        invocation(15, "Worker", "sqs orders ×2", "queued", event=QUEUE_EVENT),
        invocation(16, "CreateOrder", "POST /orders", "running", overhead_ms=4.0),
    ]


STEPS = [
    StackProgress("cloud", "local cloud", "done", elapsed_s=2.1),
    StackProgress("bootstrap", "livetui-bootstrap", "skipped", elapsed_s=0.2),
    StackProgress("package", "stub bundle", "done", elapsed_s=0.9),
    StackProgress("deploy", "OrdersTable", "CREATE_IN_PROGRESS", "AWS::DynamoDB::Table", elapsed_s=1.0),
    StackProgress("deploy", "OrdersTable", "CREATE_COMPLETE", "AWS::DynamoDB::Table", elapsed_s=12.0),
    StackProgress("deploy", "GetOrder", "CREATE_COMPLETE", "AWS::Lambda::Function", elapsed_s=3.2),
    StackProgress("deploy", "Worker", "CREATE_IN_PROGRESS", "AWS::Lambda::Function", elapsed_s=2.2),
]

RESOURCES = [
    ("CreateOrder", "AWS::Lambda::Function", "orders-dev-CreateOrder"),
    ("CreateOrderRole", "AWS::IAM::Role", "orders-dev-CreateOrderRole-1K3J"),
    ("GetOrder", "AWS::Lambda::Function", "orders-dev-GetOrder"),
    ("GetOrderRole", "AWS::IAM::Role", "orders-dev-GetOrderRole-9X2C"),
    ("Nightly", "AWS::Events::Rule", "orders-dev-Nightly-7T1Z"),
    ("OrdersApi", "AWS::ApiGatewayV2::Api", "ab12cd34"),
    ("OrdersApiStage", "AWS::ApiGatewayV2::Stage", "$default"),
    ("OrdersQueue", "AWS::SQS::Queue", "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"),
    ("OrdersTable", "AWS::DynamoDB::Table", "orders-dev-OrdersTable"),
    ("Photos", "AWS::S3::Bucket", "orders-dev-photos"),
    ("Resize", "AWS::Lambda::Function", "orders-dev-Resize"),
    ("Worker", "AWS::Lambda::Function", "orders-dev-Worker"),
    ("WorkerQueue", "AWS::Lambda::EventSourceMapping", "5f1c2d3e-0000-4000-8000-000000000001"),
    ("WorkerRole", "AWS::IAM::Role", "orders-dev-WorkerRole-4H8Q"),
]
LIVE = SessionLive(
    app="orders",
    stage="dev",
    account="123456789012",
    region="eu-west-1",
    local=False,
    outputs={"OrdersApi": "https://ab12cd34.execute-api.eu-west-1.amazonaws.com", "Table": "orders-dev-OrdersTable"},
    functions={
        "GetOrder": FunctionInfo(
            "orders-dev-GetOrder",
            "src/orders.handler",
            True,
            runtime="python3.12",
            interpreter=".venv/bin/python",
            routes=("GET /orders/{id}",),
        ),
        "CreateOrder": FunctionInfo("orders-dev-CreateOrder", "src/create.handler", True, runtime="python3.12"),
        "Worker": FunctionInfo("orders-dev-Worker", "src/worker.handler", True, runtime="python3.12"),
        "Resize": FunctionInfo("orders-dev-Resize", "index.handler", False, "nodejs22", runtime="nodejs22.x"),
    },
    link_ms=23.0,
    bootstrap_version="3",
    resources=tuple(Resource(*each) for each in RESOURCES),
    deploy_s=41.0,
)


def live_session(invocations: list[Invocation] | None = None) -> RecordedSession:
    """A session that is live and holds the orders example."""
    session = RecordedSession()
    for event in [*STEPS, LIVE, LinkChanged("live", 23.0)]:
        session.tell(event)
    for each in orders() if invocations is None else invocations:
        session.hold(each)
    return session
