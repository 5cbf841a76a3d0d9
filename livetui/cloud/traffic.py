"""Demo traffic: a customer of `examples/orders` who uses its real triggers at a gentle human pace."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

from livetui.aws import Aws, CloudAccess

OnError = Callable[[str], None]

_FIRST_ROUND_PAUSE_S = 1.0
_PAUSE_S = (2.5, 5.0)
# Longer than an API waits for its function: somebody may be at a breakpoint in it.
_HTTP_TIMEOUT_S = 35
_STOP_TIMEOUT_S = 2
_BASKET = (("tea", 2), ("coffee", 1), ("cake", 3), ("tea", 1), ("coffee", 4))
_DECLINED_CARD, _GOOD_CARD = "4000000000000002", "4242424242424242"


class Traffic:
    """Calls the shop from a thread of its own until `stop()`.

    `outputs` are the stack's outputs as people see them: `ApiUrl` must be the front's (`cloud.public_url`).
    `on_error` gets one line, on the traffic's thread, for each step that could not reach the cloud; what the shop
    answers, errors included, is no error of the traffic.
    """

    def __init__(self, access: CloudAccess, outputs: Mapping[str, str], on_error: OnError) -> None:
        self._aws = Aws(access)
        self._outputs = outputs
        self._on_error = on_error
        self._stopped = threading.Event()
        self._connection: http.client.HTTPConnection | None = None
        self._order_ids: list[str] = []
        self._random = random.Random(2)  # noqa: S311  (the same walk in every demo)
        self._thread = threading.Thread(target=self._run, name="demo-traffic", daemon=True)

    def start(self) -> Traffic:
        """Begin: all kinds of trigger but the schedule, one after the other."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End, breaking off a call that waits for its answer. May be called again."""
        self._stopped.set()
        if self._connection and self._connection.sock:  # an answer may be a breakpoint away
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)
        if self._thread.is_alive():
            self._thread.join(_STOP_TIMEOUT_S)

    def _run(self) -> None:
        for step, pause in self._walk():
            try:
                step()
            except Exception as error:  # noqa: BLE001  (a demo goes on; what went wrong is shown)
                if not self._stopped.is_set():
                    wanted = step.__name__.strip("_").replace("_", " ")
                    self._on_error(f"The demo's customer could not {wanted}: {type(error).__name__}: {error}")
            if self._stopped.wait(pause):
                return

    def _walk(self) -> Iterator[tuple[Callable[[], None], float]]:
        """The steps with the pause after each, without end: first one of each kind in quick succession."""
        for step in (self._order, self._hand_in_a_batch, self._return_an_order, self._pay_with_a_declined_card,
                     self._look_at_an_order, self._list_orders, self._ask_who_it_is):
            yield step, _FIRST_ROUND_PAUSE_S
        for step in itertools.cycle((
            self._order, self._look_at_an_order, self._pay, self._list_orders, self._return_an_order, self._order,
            self._pay_with_a_declined_card, self._hand_in_a_batch, self._look_at_an_order, self._ask_who_it_is,
        )):
            yield step, self._random.uniform(*_PAUSE_S)

    def _order(self) -> None:
        item, quantity = self._random.choice(_BASKET)
        answer = self._call("orders", {"item": item, "quantity": quantity})
        order_id = answer.get("id")
        if isinstance(order_id, str):
            self._order_ids = [*self._order_ids[-9:], order_id]

    def _look_at_an_order(self) -> None:
        self._call(f"orders/{self._an_order()}")

    def _list_orders(self) -> None:
        self._call("orders")

    def _pay(self) -> None:
        self._call(f"orders/{self._an_order()}/payment", {"card": _GOOD_CARD})

    def _pay_with_a_declined_card(self) -> None:
        self._call(f"orders/{self._an_order()}/payment", {"card": _DECLINED_CARD})

    def _ask_who_it_is(self) -> None:
        self._call("whoami")

    def _hand_in_a_batch(self) -> None:
        """Three orders from the shop's fax machine, one of which nobody can read: only that one comes back."""
        bodies = [*(json.dumps({"id": f"fax-{self._random.randrange(1000)}"}) for _ in range(2)), "unreadable"]
        self._aws.client("sqs").send_message_batch(
            QueueUrl=self._outputs["QueueUrl"],
            Entries=[{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)])

    def _return_an_order(self) -> None:
        self._aws.client("events").put_events(Entries=[{
            "EventBusName": self._outputs["BusName"], "Source": "shop.shipping", "DetailType": "OrderReturned",
            "Detail": json.dumps({"id": self._an_order()})}])

    def _an_order(self) -> str:
        return self._random.choice(self._order_ids) if self._order_ids else "unknown"

    def _call(self, path: str, body: Mapping[str, object] | None = None) -> dict[str, object]:
        """The API's answer, decoded; an HTTP error is an answer like any other."""
        api = urlsplit(self._outputs["ApiUrl"])
        with contextlib.closing(http.client.HTTPConnection(api.netloc, timeout=_HTTP_TIMEOUT_S)) as self._connection:
            self._connection.request(
                "GET" if body is None else "POST", f"{api.path.rstrip('/')}/{path}",
                body=None if body is None else json.dumps(body),
                headers={"content-type": "application/json", "user-agent": "livetui-demo"})
            response = self._connection.getresponse()
            answer = json.loads(response.read()) if response.status < 400 else {}
        return answer if isinstance(answer, dict) else {}
