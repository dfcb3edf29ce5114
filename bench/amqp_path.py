"""The headline figure: broker → journal → SMSC with receipts → events confirmed.

10,000 messages wait in the broker; a gateway process drains them, with its journal
fsynced, three events per message confirmed by the broker.  CPU is the gateway's own,
by the kernel's account.  Needs RabbitMQ.
"""

from __future__ import annotations

import json
import os
import statistics
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pika
from pika.exceptions import ChannelClosedByBroker

from bench.rig import Gateway, free_port, scratch, smsc

Row = tuple[str, float, str, float | None]

ADDRESS: Final = os.environ.get("GDEMOI_TEST_AMQP", "amqp://guest:guest@127.0.0.1:5672")
COUNT: Final = 10_000
WARM: Final = 1_000
RUNS: Final = 3
EVENTS_EACH: Final = 3
INI: Final = """\
[gateway]
name = bench
home_country = RU
journal = sqlite:///journal.sqlite
log_level = warn

[amqp]
url = {address}
prefix = {prefix}
queue_type = {queue_type}

[smpp:sink]
host = 127.0.0.1
port = {port}
system_id = bench
password = bench
window = 200
receipts = final
"""


class Platform:
    """Publishes, and counts what came back."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.connection = pika.BlockingConnection(pika.URLParameters(ADDRESS + "/%2F"))
        self.channel = self.connection.channel()

    def publish(self, run: int, count: int) -> None:
        """Put so many messages into the outbound queue."""
        properties = pika.BasicProperties(delivery_mode=2)
        for n in range(count):
            fields: dict[str, Any] = {
                "id": f"r{run}-{n}",
                "to": f"+7916{n:07}",
                "from": "GdeMoi",
                "text": f"setparam {n:08};server gps.example.org:2004",
                "class": "command",
            }
            body = json.dumps(fields).encode()
            self.channel.basic_publish("", f"{self.prefix}.outbound", body, properties)

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

    def await_events(self, number: int, limit_s: float = 60.0) -> None:
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
def running(folder: Path, ini: str) -> Iterator[Gateway]:
    """Run a gateway, and end it whatever happens."""
    gateway = Gateway(folder, ini)
    try:
        yield gateway
    finally:
        gateway.stop()


def drain(folder: Path, ini: str, platform: Platform, run: int) -> tuple[float, float]:
    """Drain one load; return messages per second and CPU µs per message."""
    platform.publish(run, COUNT)
    platform.channel.queue_purge(f"{platform.prefix}.status")
    with running(folder, ini) as gateway:
        return measured(gateway, platform)


def measured(gateway: Gateway, platform: Platform) -> tuple[float, float]:
    """Return messages per second and CPU µs per message, to the last event."""
    platform.await_events(1)
    began, before, cpu_s = time.monotonic(), platform.events(), gateway.cpu_s()
    platform.await_events(EVENTS_EACH * COUNT)
    messages = COUNT - before / EVENTS_EACH
    rate = messages / (time.monotonic() - began)
    cost_us = (gateway.cpu_s() - cpu_s) / messages * 1e6
    return rate, cost_us


def rows() -> list[Row]:
    """Return the rows of the table."""
    found: list[Row] = []
    for queue_type in ("quorum", "classic"):
        prefix = f"bench-{uuid.uuid4().hex[:8]}"
        port = free_port()
        with scratch() as folder, smsc(folder, port, receipts=True) as what:
            ini = INI.format(
                address=ADDRESS, prefix=prefix, queue_type=queue_type, port=port
            )
            platform = Platform(prefix)
            try:
                with running(folder, ini):
                    platform.await_queues()
                    platform.publish(99, WARM)
                    platform.await_events(EVENTS_EACH * WARM)
                runs = [drain(folder, ini, platform, run) for run in range(RUNS)]
            finally:
                platform.remove()
        name = f"AMQP → {what}, receipts, {queue_type} queues"
        rates, costs = zip(*runs, strict=True)
        floor, ceiling = (3000.0, 200.0) if queue_type == "quorum" else (None, None)
        found.append((f"{name}: messages", statistics.median(rates), "msg/s", floor))
        found.append(
            (f"{name}: gateway CPU", statistics.median(costs), "µs/msg", ceiling)
        )
    return found


if __name__ == "__main__":
    for name_, value, unit, budget in rows():
        print(f"{name_:55} {value:10.1f} {unit} (budget {budget})")
