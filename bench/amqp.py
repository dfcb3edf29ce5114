"""Microseconds of CPU per message at a real broker, without SMPP.

Beside pika's Twisted adapter in the same run, on the same queues.  Needs RabbitMQ
(``GDEMOI_TEST_AMQP``, by default guest at 127.0.0.1); all queues are deleted
afterwards.  300-octet bodies, persistent, quorum queues.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pika
from pika.adapters.twisted_connection import TwistedProtocolConnection
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.logger import Logger

from bench.figures import OURS, Line
from bench.rig import Work, need_broker, run_reactor
from gdemoi.amqp.channel import Channel, Delivery
from gdemoi.amqp.client import Client
from gdemoi.amqp.consumer import Consumer
from gdemoi.amqp.publisher import Publisher, json_properties
from gdemoi.amqp.service import AmqpService
from gdemoi.amqp.settings import AmqpSettings, url
from gdemoi.amqp.topology import Topology
from gdemoi.contract.envelope import Defaults
from gdemoi.facts import Acceptance, OutboxEvent, Stored
from gdemoi.journal import Journal
from gdemoi.message import Outbound

ADDRESS: Final = os.environ.get("GDEMOI_TEST_AMQP", "amqp://guest:guest@127.0.0.1:5672")
COUNT: Final = int(os.environ.get("GDEMOI_BENCH_COUNT", "20000"))
PREFETCH: Final = 500
WINDOW: Final = 500
PUBLISH: Final = "AMQP publish, confirm"
CONSUME: Final = "AMQP consume, ack"
reactor: Any = the_reactor
log = Logger()


def body(number: int) -> bytes:
    """Return a typical envelope of about 300 octets."""
    return json.dumps(
        {
            "v": 1,
            "id": f"cmd-{uuid.UUID(int=number)}",
            "to": "+79161234567",
            "from": "GdeMoi",
            "text": " setparam 2004:example.com;2005:5027;2006:12" * 2,
            "class": "command",
            "ttl": 3600,
            "correlation": {"unit": number},
        }
    ).encode()


class Meter:
    """Wall and CPU time of one stretch of work."""

    def __init__(self, name: str, subject: str = OURS) -> None:
        self.name = name
        self.subject = subject
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def line(self) -> Line:
        """Return the line when the work is done."""
        cpu = time.process_time() - self.cpu
        wall = time.perf_counter() - self.wall
        return Line(
            name=self.name,
            subject=self.subject,
            rate=COUNT / wall,
            cpu_us=cpu / COUNT * 1e6,
        )


class Source:
    """An outbox in memory, that counts what is confirmed by its bookmark."""

    def __init__(self) -> None:
        self.rows: list[OutboxEvent] = []
        self.listener: Callable[[int], None] = lambda last: None
        self.reached: Deferred[None] = Deferred()

    def events(self, after: int, limit: int) -> Deferred[list[OutboxEvent]]:
        return succeed(self.rows[after : after + limit])

    def cursor(self, name: str) -> Deferred[str | None]:
        return succeed(None)

    def set_cursor(self, name: str, value: str) -> Deferred[None]:
        if int(value) == len(self.rows) and not self.reached.called:
            self.reached.callback(None)
        return succeed(None)

    def on_events(self, listener: Callable[[int], None]) -> None:
        self.listener = listener

    def build(self) -> None:
        """Commit all events at once."""
        self.rows = [
            OutboxEvent(seq, f"event-{seq}", "status.delivered.office", body(seq))
            for seq in range(1, COUNT + 1)
        ]


class Sink:
    """Takes messages: at once, or after the commit of a real journal."""

    def __init__(self, journal: Journal | None) -> None:
        self.journal = journal
        self.taken = 0
        self.all: Deferred[None] = Deferred()

    def full(self) -> bool:
        return False

    def accept(
        self, messages: Sequence[tuple[Outbound, bytes]], *, keep_rejected: bool = False
    ) -> Deferred[list[Any]]:
        if self.journal is None:
            self._count(len(messages))
            return succeed([Stored()] * len(messages))
        batch = [Acceptance(message, print_, "office") for message, print_ in messages]
        return self.journal.accept(batch).addCallback(self._committed)

    def _committed(self, verdicts: list[Any]) -> list[Any]:
        self._count(len(verdicts))
        return verdicts

    def _count(self, more: int) -> None:
        self.taken += more
        if self.taken >= COUNT and not self.all.called:
            # After the acks of this batch have been written.
            reactor.callLater(0, self.all.callback, None)


class Bench:
    """All runs on one prefix, which is deleted in the end."""

    def __init__(self) -> None:
        self.prefix = f"bench-{uuid.uuid4().hex[:8]}"
        self.broker = url(ADDRESS)
        self.topology = Topology(self.prefix, "quorum", True)
        self.lines: list[Line] = []

    async def client(self) -> Client:
        """Log in."""

        async def prepare(client: Client) -> None:
            await self.topology.establish(client, log)

        client = Client(
            name="bench",
            vhost=self.broker.vhost,
            username=self.broker.username,
            password=self.broker.password or "guest",
            heartbeat_s=30,
            clock=reactor,
            log=log,
            prepare=prepare,
        )
        endpoint = TCP4ClientEndpoint(reactor, self.broker.host, self.broker.port)
        await connectProtocol(endpoint, client)
        await client.ready()
        return client

    async def publish(self, client: Client) -> None:
        """Fill the outbound queue, confirmed."""
        done: Deferred[None] = Deferred()
        counts = [0, 0]

        def more(tokens: list[int]) -> None:
            counts[1] += len(tokens)
            if counts[1] == COUNT:
                done.callback(None)
            pump()

        def pump() -> None:
            for _ in range(min(publisher.room(), COUNT - counts[0])):
                counts[0] += 1
                number = counts[0]
                publisher.publish(
                    number,
                    "",
                    self.topology.outbound,
                    body(number),
                    json_properties(str(number)),
                    str(number),
                )

        publisher: Publisher[int] = Publisher(
            window=WINDOW,
            confirmed=more,
            failed=lambda token, why: None,
            lost=lambda reason: None,
        )
        await publisher.attach(client)
        pump()
        await done

    async def ours_consuming(self, client: Client) -> None:
        """Consume and ack, without reading the bodies."""
        done: Deferred[None] = Deferred()
        count = [0]

        def arrived(channel: Channel, deliveries: list[Delivery]) -> None:
            consumer.settle(channel, [one.tag for one in deliveries])
            count[0] += len(deliveries)
            if count[0] == COUNT:
                done.callback(None)

        consumer = Consumer(
            self.topology.outbound, PREFETCH, "bench", arrived, lambda: None
        )
        meter = Meter(CONSUME)
        await consumer.attach(client)
        await done
        self.lines.append(meter.line())
        await consumer.cancel()

    async def ours_publishing(self) -> None:
        """Events of an outbox to their confirms and the bookmark."""
        source = Source()
        service = self.service(Sink(None), source)
        service.start()
        while service.status().state != "up":
            await pause(0.05)
        source.build()
        meter = Meter(PUBLISH)
        source.listener(COUNT)
        await source.reached
        self.lines.append(meter.line())
        await service.stop()

    def service(self, sink: Sink, source: Any) -> AmqpService:
        """Make the AMQP side of a gateway."""
        settings = AmqpSettings(
            url=(self.broker,), prefix=self.prefix, prefetch=PREFETCH, window=WINDOW
        )
        return AmqpService(
            settings,
            {},
            sink,
            source,
            reactor,
            defaults=Defaults("RU"),
            name="bench",
        )

    async def ours_taking(self, journal: Journal | None, name: str) -> None:
        """From the queue to the journal's commit and the ack."""
        sink = Sink(journal)
        service = self.service(sink, Source())
        meter = Meter(name)
        service.start()
        await sink.all
        self.lines.append(meter.line())
        await service.stop()

    async def theirs_publishing(self) -> None:
        """pika: publish and confirm, a window of unconfirmed ones."""
        connection, channel = await self.pika_channel()
        await channel.confirm_delivery()
        done: Deferred[None] = Deferred()
        counts = [0, 0]
        properties = pika.BasicProperties(
            content_type="application/json", delivery_mode=2, message_id="m"
        )
        bodies = [body(number) for number in range(COUNT)]
        meter = Meter(PUBLISH, "pika")

        def confirmed(_: Any) -> None:
            counts[1] += 1
            if counts[1] == COUNT:
                done.callback(None)
            pump()

        def pump() -> None:
            while counts[0] < COUNT and counts[0] - counts[1] < WINDOW:
                counts[0] += 1
                channel.basic_publish(
                    "", self.topology.outbound, bodies[counts[0] - 1], properties, True
                ).addCallback(confirmed)

        pump()
        await done
        self.lines.append(meter.line())
        await connection.close()

    async def theirs_consuming(self) -> None:
        """pika: consume, one ack for each read of the queue object."""
        connection, channel = await self.pika_channel()
        await channel.basic_qos(prefetch_count=PREFETCH)
        meter = Meter(CONSUME, "pika")
        queue, _ = await channel.basic_consume(self.topology.outbound)
        for number in range(1, COUNT + 1):
            _, method, _, _ = await queue.get()
            if number % 50 == 0 or number == COUNT:
                channel.basic_ack(method.delivery_tag, multiple=True)
        self.lines.append(meter.line())
        await connection.close()

    async def pika_channel(self) -> tuple[Any, Any]:
        """Log in with pika."""
        connection = TwistedProtocolConnection(pika.URLParameters(ADDRESS + "/%2F"))
        endpoint = TCP4ClientEndpoint(reactor, self.broker.host, self.broker.port)
        await connectProtocol(endpoint, connection)
        await connection.ready
        return connection, await connection.channel()

    async def run(self) -> None:
        """Run everything, and delete what was made."""
        client = await self.client()
        try:
            await self.theirs_publishing()
            await self.theirs_consuming()
            await self.publish(client)
            await self.ours_consuming(client)
            await self.ours_publishing()
            await self.publish(client)
            await self.ours_taking(None, "AMQP consume, read, ack")
            await self.publish(client)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "journal.sqlite"
                journal = Journal(f"sqlite:///{path}", reactor)
                await journal.open()
                await self.ours_taking(journal, "AMQP consume, journal, ack")
                await journal.close()
        finally:
            await self.clean_up(client)

    async def clean_up(self, client: Client) -> None:
        """Delete queues and exchanges."""
        channel = await client.open_channel()
        for queue, _, _ in self.topology.queues():
            await channel.queue_delete(queue=queue)
        for exchange in (self.prefix, self.topology.events):
            await channel.exchange_delete(exchange=exchange)
        await client.close_politely()


def pause(seconds: float) -> Deferred[None]:
    """Return what fires after a while."""
    waiting: Deferred[None] = Deferred()
    reactor.callLater(seconds, waiting.callback, None)
    return waiting


def main(work: Work) -> list[Line]:
    """Return the lines, ours and pika's."""
    need_broker(ADDRESS)
    bench = Bench()
    run_reactor(bench.run())
    return bench.lines
