"""What the AMQP tests share: a client at a broker in memory, and both seams."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.amqp.client import Client
from gdemoi.amqp.service import AmqpService
from gdemoi.amqp.settings import AmqpMapSettings, AmqpSettings, url
from gdemoi.contract.envelope import Defaults
from gdemoi.errors import Unavailable
from gdemoi.facts import Duplicate, IdReused, OutboxEvent, Stored
from gdemoi.message import MessageState, Outbound
from tests.amqp.broker import Broker, Network, Side


class MemoryOutbox:
    """The journal's seam, as far as events go: rows in memory."""

    def __init__(self) -> None:
        self.rows: list[OutboxEvent] = []
        self.cursor_value: str | None = None
        self.cursor_writes = 0
        self.failing = False
        self._reported: list[Callable[[int], None]] = []

    def add(
        self,
        routing_key: str = "status.accepted.-",
        reply_to: str | None = None,
        body: bytes | None = None,
        message_id: str | None = None,
        **more: Any,
    ) -> OutboxEvent:
        """Commit one more event."""
        seq = len(self.rows) + 1
        body = json.dumps({"seq": seq}).encode() if body is None else body
        event = OutboxEvent(
            seq, f"e{seq}", routing_key, body, message_id, reply_to, **more
        )
        self.rows.append(event)
        for listener in self._reported:
            listener(seq)
        return event

    def events(self, after: int, limit: int) -> Deferred[list[OutboxEvent]]:
        if self.failing:
            return fail(Unavailable("no disk"))
        return succeed(self.rows[after : after + limit])

    def cursor(self, name: str) -> Deferred[str | None]:
        return succeed(self.cursor_value)

    def set_cursor(self, name: str, value: str) -> Deferred[None]:
        if self.failing:
            return fail(Unavailable("no disk"))
        self.cursor_value = value
        self.cursor_writes += 1
        return succeed(None)

    def on_events(self, listener: Callable[[int], None]) -> None:
        self._reported.append(listener)


class MemoryIntake:
    """The gateway's seam: takes messages, each id once."""

    def __init__(self) -> None:
        self.taken: dict[str, Outbound] = {}
        self.calls: list[list[str]] = []
        self.is_full = False
        self.failing = False
        self.waiting: list[Callable[[], None]] | None = None

    def full(self) -> bool:
        return self.is_full

    def accept(
        self,
        messages: Sequence[tuple[Outbound, bytes]],
        *,
        keep_rejected: bool = False,
    ) -> Deferred[list[Any]]:
        assert keep_rejected, "what AMQP brings is kept, whatever becomes of it"
        self.calls.append([message.id for message, _ in messages])
        if self.failing:
            return fail(Unavailable("no disk"))
        done: Deferred[list[Any]] = Deferred()

        def commit() -> None:
            done.callback([self.verdict(message) for message, _ in messages])

        if self.waiting is None:
            commit()
        else:
            self.waiting.append(commit)
        return done

    def commit(self) -> None:
        """Let all waiting commits happen."""
        waiting, self.waiting = self.waiting or [], []
        for commit in waiting:
            commit()

    def verdict(self, message: Outbound) -> Any:
        known = self.taken.setdefault(message.id, message)
        if known is message:
            return Stored()
        same = (known.to, known.text) == (message.to, message.text)
        return Duplicate(MessageState.ACCEPTED) if same else IdReused()


class Case(SynchronousTestCase):
    """A clock, a network and a broker."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_795_230_000)
        self.network = Network(self.clock)
        self.broker = Broker()

    def advance(self, seconds: float) -> None:
        """Let time pass in small steps, moving octets between them."""
        for _ in range(int(seconds / 0.25)):
            self.clock.advance(0.25)
            self.network.flush()
        self.clock.advance(seconds % 0.25)
        self.network.flush()

    def client(
        self, prepare: Callable[[Client], Any] | None = None, **more: Any
    ) -> tuple[Client, Side]:
        """Connect a client; `ready` is not asked for yet."""

        async def nothing(client: Client) -> None:
            """Prepare nothing."""

        settings = {"heartbeat_s": 0, "vhost": "/", "username": "u", "password": "п"}
        client = Client(
            name="gw",
            clock=self.clock,
            log=Logger(),
            prepare=prepare or nothing,
            **(settings | more),
        )
        side = self.network.link(client, self.broker)
        return client, side

    def logged_in(self, **more: Any) -> tuple[Client, Side]:
        """Connect a client and log in."""
        client, side = self.client(**more)
        ready = client.ready()
        self.network.flush()
        self.successResultOf(ready)
        return client, side

    def result(self, work: Any) -> Any:
        """Run a coroutine or Deferred to its end over the network."""
        waiting = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
        self.network.flush()
        return self.successResultOf(waiting)

    def failure(self, work: Any, *kinds: type[BaseException]) -> Any:
        """Run a coroutine or Deferred to its failure over the network."""
        waiting = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
        self.network.flush()
        return self.failureResultOf(waiting, *kinds).value


class ServiceCase(Case):
    """A whole AMQP side at the broker in memory."""

    maps: ClassVar[dict[str, AmqpMapSettings]] = {}

    def setUp(self) -> None:
        super().setUp()
        self.intake = MemoryIntake()
        self.outbox = MemoryOutbox()
        self.brokers: dict[int, Broker | None] = {}
        self.service = self.made()
        self.addCleanup(self.assert_nothing_left)

    def made(self, *urls: str, leads: bool = True, **settings: Any) -> AmqpService:
        """Make the service; ports stand for brokers."""
        addresses = urls or ("amqp://guest@here:1/",)
        for address in addresses:
            self.brokers.setdefault(url(address).port, self.broker)
        return AmqpService(
            AmqpSettings(url=tuple(map(url, addresses)), **settings),
            self.maps,
            self.intake,
            self.outbox,  # type: ignore[arg-type]
            self.clock,
            defaults=Defaults("RU"),
            name="gw",
            random=lambda: 0.5,
            leads=leads,
            connect_to=lambda one, _host: self.network.endpoint(self.brokers[one.port]),
        )

    def start(self) -> Side:
        """Start, and return the broker's end."""
        self.service.start()
        self.network.flush()
        self.assertEqual(self.service.status().state, "up")
        return self.broker.sides[-1]

    def start_passive(self) -> Side:
        """Let one gateway declare everything, and start one that only looks."""
        self.start()
        self.stop()
        self.service = self.made(declare=False)
        return self.start()

    def stop(self) -> None:
        """Stop in order."""
        self.result(self.service.stop(0.0))

    def assert_nothing_left(self) -> None:
        """No timer may outlive a stopped service."""
        stopping = Deferred.fromCoroutine(self.service.stop(0.1))
        self.advance(10)
        self.successResultOf(stopping)
        self.network.flush()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def envelope(self, id_: str, **more: Any) -> bytes:
        """Return a body as a platform writes it."""
        fields = {"id": id_, "to": "+79161234567", "text": "Привет", **more}
        return json.dumps(fields, ensure_ascii=False).encode()
