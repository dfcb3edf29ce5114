"""The platform: hands messages in at a steady rate, and reads what is told of them.

A stream is one way in: HTTP or AMQP, to one gateway.  What was not answered is handed
in again with the same ids, as the contract asks of a platform.  All of these are
threads, and talk to the gateways by sockets alone.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import pika

from chaos.books import Books, Telling
from chaos.rig import Node
from chaos.wire import message

BATCH: Final = 10
PAGE: Final = 1000
PAUSE_S: Final = 0.05
# longer than a gateway is stopped
ANSWER_S: Final = 15.0
TAKEN: Final = ("accepted", "duplicate")
BROKEN: Final = (OSError, http.client.HTTPException)


class Worker(threading.Thread):
    """A thread that works until it is told to end; a fault of its own is kept."""

    def __init__(self, name: str) -> None:
        super().__init__(daemon=True, name=name)
        self.ended = threading.Event()
        self.failure: str | None = None
        self.complaints: list[str] = []

    def run(self) -> None:
        """Work; what is raised here is no fault of the gateway's and is told apart."""
        try:
            self.work()
        except Exception as fault:  # noqa: BLE001 - the boundary of a thread
            self.failure = f"{self.name}: {fault!r}"

    def work(self) -> None:
        """Do what this worker is for."""
        raise NotImplementedError

    def complain(self, what: str) -> None:
        """Note something that the gateway must not do."""
        if len(self.complaints) < 100:
            self.complaints.append(f"{self.name}: {what}")


class Stream(Worker):
    """Hands in its share of all messages, each when its time has come."""

    def __init__(
        self, name: str, number: int, books: Books, rate: float, ends_at: float
    ) -> None:
        super().__init__(name)
        self.number, self.books = number, books
        self.rate, self.ends_at = rate, ends_at
        self.taken = self.again = 0

    @property
    def late(self) -> bool:
        """Tell whether nothing more is handed in."""
        return self.ended.is_set() or time.monotonic() >= self.ends_at

    def work(self) -> None:
        """Hand all in, in batches."""
        numbers = range(self.number, self.books.count, self.books.streams)
        began = time.monotonic()
        for first in range(0, len(numbers), BATCH):
            wait_s = began + first / self.rate - time.monotonic()
            if wait_s > 0 and self.ended.wait(wait_s):
                return
            batch = list(numbers[first : first + BATCH])
            while batch:
                if self.late:
                    return
                batch = self.hand_in(batch)

    def hand_in(self, batch: list[int]) -> list[int]:
        """Hand some in; return those that have to come again."""
        raise NotImplementedError

    def accepted(self, number: int) -> None:
        """Take that one is the gateway's now."""
        self.books.accepted(number, time.monotonic())
        self.taken += 1


class HttpStream(Stream):
    """``POST /v1/messages``."""

    def __init__(self, node: Node, *rest: Any) -> None:
        super().__init__(f"{node.name} http", *rest)
        self.port = node.port
        self._link: http.client.HTTPConnection | None = None

    def hand_in(self, batch: list[int]) -> list[int]:
        """Post them; 202 has an answer for each."""
        body = json.dumps([message(n, self.books.streams) for n in batch])
        try:
            if self._link is None:
                self._link = http.client.HTTPConnection(
                    "127.0.0.1", self.port, timeout=ANSWER_S
                )
            self._link.request("POST", "/v1/messages", body.encode())
            answer = self._link.getresponse()
            told = answer.read()
        except BROKEN:
            self._close()
            return self._pause(batch)
        if answer.status == 503:
            return self._pause(batch)
        if answer.status != 202:
            self.complain(f"{answer.status} {told[:300]!r}")
            return self._pause(batch)
        for number, one in zip(batch, json.loads(told), strict=True):
            if one.get("state") in TAKEN and one["id"] == f"x-{number}":
                self.accepted(number)
            else:
                self.complain(f"x-{number}: {one}")
        return []

    def _close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _pause(self, batch: list[int]) -> list[int]:
        self.again += 1
        self.ended.wait(0.1)
        return batch


class AmqpStream(Stream):
    """Publishes to the outbound queue; accepted is what the broker confirmed."""

    def __init__(self, node: Node, *rest: Any) -> None:
        super().__init__(f"{node.name} amqp", *rest)
        assert node.broker is not None
        self._broker = node.broker
        self._connection: Any = None

    def hand_in(self, batch: list[int]) -> list[int]:
        """Publish one after the other; what is not confirmed comes again."""
        left = list(batch)
        try:
            if self._connection is None:
                self._connection = self._broker.connect()
                self._channel = self._connection.channel()
                self._channel.confirm_delivery()
            while left:
                self._publish(left[0])
                self.accepted(left.pop(0))
        except pika.exceptions.AMQPError:
            self._connection = None
            self.again += 1
            self.ended.wait(0.2)
        return left

    def _publish(self, number: int) -> None:
        """Publish one; raises `AMQPError` when it was not confirmed."""
        self._channel.basic_publish(
            "",
            f"{self._broker.prefix}.outbound",
            json.dumps(message(number, self.books.streams)).encode(),
            pika.BasicProperties(delivery_mode=2),
            mandatory=True,
        )


class HttpReader(Worker):
    """Reads ``GET /v1/events`` from the first one on, through all lives."""

    def __init__(self, node: Node, telling: Telling) -> None:
        super().__init__(f"{node.name} events")
        self.port, self.telling, self.after = node.port, telling, 0

    def work(self) -> None:
        """Read page after page."""
        link: http.client.HTTPConnection | None = None
        while not self.ended.is_set():
            try:
                if link is None:
                    link = http.client.HTTPConnection(
                        "127.0.0.1", self.port, timeout=ANSWER_S
                    )
                found = self._page(link)
            except BROKEN:
                if link is not None:
                    link.close()
                link, found = None, 0
            if found < PAGE:
                self.ended.wait(PAUSE_S if found else 4 * PAUSE_S)

    def _page(self, link: http.client.HTTPConnection) -> int:
        """Read one page; return how many events it had."""
        link.request("GET", f"/v1/events?after={self.after}&limit={PAGE}")
        answer = link.getresponse()
        body = answer.read()
        if answer.status != 200:
            if answer.status != 503:
                self.complain(f"{answer.status} {body[:300]!r}")
            return 0
        page = json.loads(body)
        for event in page["events"]:
            self.telling.heard(event)
        self.after = page["after"]
        return len(page["events"])


class AmqpReader(Worker):
    """Consumes the status queue."""

    def __init__(self, node: Node, telling: Telling) -> None:
        super().__init__(f"{node.name} status queue")
        assert node.broker is not None
        self._broker, self.telling = node.broker, telling

    def work(self) -> None:
        """Consume; come again after a lost connection."""
        while not self.ended.is_set():
            try:
                self._consume()
            except pika.exceptions.AMQPError:
                self.ended.wait(0.5)

    def _consume(self) -> None:
        connection = self._broker.connect()
        channel = connection.channel()
        channel.basic_qos(prefetch_count=PAGE)
        queue, tag, taken = f"{self._broker.prefix}.status", 0, 0
        for method, _, body in channel.consume(queue, inactivity_timeout=0.5):
            if method is not None:
                self.telling.heard(json.loads(body))
                tag, taken = method.delivery_tag, taken + 1
            if taken and (method is None or taken >= PAGE // 4):
                channel.basic_ack(tag, multiple=True)
                taken = 0
            if method is None and self.ended.is_set():
                break
        channel.cancel()
        connection.close()


def until(true: Callable[[], bool], limit_s: float, every_s: float = 0.2) -> bool:
    """Look until something is true; return whether it came to be."""
    deadline = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True
