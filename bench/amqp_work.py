"""AMQP → journal → SMSC → receipts → events confirmed by the broker; and how soon.

The throughput: 10,000 messages wait in a queue; a gateway process drains them, three
events per message confirmed.  The latency: from publishing to the arrival of the
submit_sm at the SMSC, at a few rates.  Needs RabbitMQ (``GDEMOI_TEST_AMQP``, by default
guest at 127.0.0.1); all queues are deleted afterwards.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pika
from pika.exceptions import ChannelClosedByBroker

from bench import kannel
from bench.figures import Line
from bench.http_work import EVENTS_EACH
from bench.rig import (
    Gateway,
    Work,
    free_port,
    ini,
    need_broker,
    running,
    scratch,
    smsc,
    spread,
)

ADDRESS: Final = os.environ.get("GDEMOI_TEST_AMQP", "amqp://guest:guest@127.0.0.1:5672")
WARM: Final = 1_000
AMQP: Final = """\
[amqp]
url = {address}
prefix = {prefix}
queue_type = {queue_type}
"""
NAME: Final = "AMQP to confirmed events, {} queues"
LATENCY: Final = "AMQP publish to submit_sm, {}"
# the target: 0.3 of Kannel's CPU in the same run
TARGET: Final = {"rate": 8_000, "cpu_us": 110}
# what one publisher here can keep up with, beside everything else
FASTEST: Final = 3_000.0


class Platform:
    """Publishes, and counts what came back."""

    def __init__(self, queue_type: str = "quorum") -> None:
        need_broker(ADDRESS)
        self.prefix = f"bench-{uuid.uuid4().hex[:8]}"
        self.queue_type = queue_type
        parameters = pika.URLParameters(ADDRESS + "/%2F")
        self.connection = pika.BlockingConnection(parameters)
        self.channel = self.connection.channel()

    def section(self) -> str:
        """Return the gateway's section for this broker."""
        return AMQP.format(
            address=ADDRESS, prefix=self.prefix, queue_type=self.queue_type
        )

    def publish(self, word: str, n: int) -> None:
        """Put a message into the outbound queue; its text begins with its id."""
        fields: dict[str, Any] = {
            "id": f"{word}-{n}",
            "to": f"+7916{n:07}",
            "from": "GdeMoi",
            "text": f"{word}-{n} setparam 2004;server gps.example.org:2004",
            "class": "command",
        }
        self.channel.basic_publish(
            "",
            f"{self.prefix}.outbound",
            json.dumps(fields).encode(),
            pika.BasicProperties(delivery_mode=2),
        )

    def publish_all(self, word: str, count: int) -> None:
        """Put so many messages into the outbound queue."""
        for n in range(count):
            self.publish(word, n)

    def events(self) -> int:
        """Return how many status events are confirmed and waiting."""
        queue = f"{self.prefix}.status"
        found = self.channel.queue_declare(queue, passive=True)
        return int(found.method.message_count)

    def await_queues(self, limit_s: float = 20.0) -> None:
        """Wait until the gateway has declared them."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            try:
                self.events()
            except ChannelClosedByBroker:
                self.channel = self.connection.channel()
                time.sleep(0.1)
            else:
                return
        raise TimeoutError("the gateway has not declared its queues")

    def await_events(self, number: int, limit_s: float = 120.0) -> None:
        """Wait until so many are there."""
        deadline = time.monotonic() + limit_s
        while self.events() < number:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.events()} of {number} events")
            time.sleep(0.02)

    def remove(self) -> None:
        """Delete all queues and exchanges."""
        for word in ("outbound", "status", "inbound", "invalid"):
            self.channel.queue_delete(f"{self.prefix}.{word}")
        for exchange in (self.prefix, f"{self.prefix}.events"):
            self.channel.exchange_delete(exchange)
        self.connection.close()


@contextmanager
def platform(queue_type: str = "quorum") -> Iterator[Platform]:
    """Make a platform; delete its queues in the end."""
    made = Platform(queue_type)
    try:
        yield made
    finally:
        made.remove()


def drained(work: Work, queue_type: str) -> Line:
    """Drain a queue that a gateway has known before; return its line."""
    count, warm, port = work.count(10_000), work.count(WARM), free_port()
    with (
        scratch() as folder,
        smsc(folder, port, receipts=True, tools=work.tools),
        platform(queue_type) as broker,
    ):
        text = ini(port, more=broker.section())
        with running(folder, text, work.tree):
            broker.await_queues()
            broker.publish_all("warm", warm)
            broker.await_events(EVENTS_EACH * warm)
        broker.publish_all("run", count)
        broker.channel.queue_purge(f"{broker.prefix}.status")
        with running(folder, text, work.tree) as gateway:
            figures = measured(broker, gateway, count)
    target = TARGET if queue_type == "quorum" else {}
    return Line(name=NAME.format(queue_type), target=target, **figures)


def measured(broker: Platform, gateway: Gateway, count: int) -> dict[str, Any]:
    """Return the figures from the first event that is seen to the last."""
    broker.await_events(1)
    began, before, cpu_s = time.monotonic(), broker.events(), gateway.cpu_s()
    broker.await_events(EVENTS_EACH * count)
    messages = count - before / EVENTS_EACH
    return {
        "rate": messages / (time.monotonic() - began),
        "cpu_us": (gateway.cpu_s() - cpu_s) / messages * 1e6,
        "rss_mb": gateway.rss_mb(),
    }


def quorum(work: Work) -> list[Line]:
    """Measure quorum queues; Kannel has no broker, so it gets the same over HTTP."""
    if work.peer:
        figures = kannel.http_work(work, work.count(6_000), 8)
        return [Line(name=NAME.format("quorum"), **figures)]
    return [drained(work, "quorum")]


def classic(work: Work) -> list[Line]:
    """Measure classic queues."""
    return [drained(work, "classic")]


def paced(broker: Platform, word: str, count: int, rate: float) -> dict[str, int]:
    """Publish at a steady rate; return when (ns) each was published."""
    published = {}
    began = time.monotonic()
    for n in range(count):
        wait_s = began + n / rate - time.monotonic()
        if wait_s > 0:
            # lets pika answer heartbeats
            broker.connection.sleep(wait_s)
        published[f"{word}-{n}"] = time.monotonic_ns()
        broker.publish(word, n)
    return published


def latencies(work: Work) -> list[Line]:
    """Measure publish → submit_sm at 10/s, 100/s and half of the highest rate."""
    port, most = free_port(), work.count(5_000)
    published: dict[str, dict[str, int]] = {}
    with scratch() as folder, platform() as broker:
        with smsc(folder, port, receipts=True, logged=True, tools=work.tools) as sink:
            text = ini(port, more=broker.section())
            with running(folder, text, work.tree) as gateway:
                broker.await_queues()
                broker.publish_all("warm", work.count(WARM))
                broker.await_events(EVENTS_EACH * work.count(WARM))
                highest = top_rate(broker, most)
                half = min(highest / 2, FASTEST)
                rates = {"10/s": 10.0, "100/s": 100.0, "half load": half}
                costs = {}
                for number, (name, rate) in enumerate(rates.items()):
                    count = max(50, int(10 * rate * min(1.0, work.size)))
                    cpu_s = gateway.cpu_s()
                    published[name] = paced(broker, f"p{number}", count, rate)
                    settle(broker)
                    costs[name] = (gateway.cpu_s() - cpu_s) / count * 1e6
        arrived = sink.arrivals()
    return [
        Line(
            name=LATENCY.format(name),
            rate=rate,
            cpu_us=costs[name],
            **spread([arrived[id_] - sent for id_, sent in published[name].items()]),
        )
        for name, rate in rates.items()
    ]


def top_rate(broker: Platform, count: int) -> float:
    """Return messages per second when they come as fast as they can."""
    before, began = broker.events(), time.monotonic()
    broker.publish_all("top", count)
    broker.await_events(before + EVENTS_EACH * count)
    return count / (time.monotonic() - began)


def settle(broker: Platform) -> None:
    """Wait until no more events come."""
    seen, quiet = -1, 0
    while quiet < 4:
        found = broker.events()
        quiet = quiet + 1 if found == seen else 0
        seen = found
        broker.connection.sleep(0.05)
