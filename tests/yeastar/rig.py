"""A channel and a TG box in memory, with one clock: the far sides of the tests."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.test.iosim import FakeTransport, IOPump, connect
from zope.interface import implementer

from gdemoi.errors import Unavailable
from gdemoi.interfaces import ChannelContext, IChannel, IChannelEvents
from gdemoi.message import (
    Inbound,
    MessageClass,
    Outbound,
    Outcome,
    Receipt,
    ReceiptMatch,
    Refused,
)
from gdemoi.sandbox.tg import BoxConnection
from gdemoi.sandbox.tg_box import TgBox
from gdemoi.yeastar.channel import YeastarChannel
from gdemoi.yeastar.settings import YeastarSettings

TO = "+79001234567"


@implementer(IChannelEvents)
class EventsRecorder:
    """What is above the channel: it writes everything down."""

    def __init__(self) -> None:
        self.journal_works = True
        self.inbounds: list[Inbound] = []
        self.offered = 0
        self.changes: list[tuple[str | None, str, str]] = []
        self.lates: list[tuple[str, int, Outcome]] = []
        self.ables = 0

    def able(self, channel: IChannel) -> None:
        self.ables += 1

    def receipt(self, receipt: Receipt) -> Deferred[ReceiptMatch | None]:
        raise AssertionError("a TG has no receipts")

    def inbound(self, inbound: Inbound) -> Deferred[None]:
        self.offered += 1
        if not self.journal_works:
            return fail(Unavailable("disk full"))
        self.inbounds.append(inbound)
        return succeed(None)

    def late(self, message_id: str, attempt: int, outcome: Outcome) -> None:
        self.lates.append((message_id, attempt, outcome))

    def changed(
        self, channel: IChannel, state: str, reason: str, line: str | None = None
    ) -> None:
        self.changes.append((line, state, reason))


class Rig:
    """One device, one channel, the line between them, and a recorder."""

    def __init__(self, ports: int = 1, dialect: str = "2019", **settings: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1_790_000_000.0)
        self.box = TgBox.with_ports(self.clock, ports, dialect)
        self.recorder = EventsRecorder()
        self.line_works = True
        self.connections = 0
        self.pumps: list[IOPump] = []
        usual: dict[str, Any] = {
            "host": "192.0.2.30",
            "username": "apiuser",
            "password": "apipass",
            "ports": tuple(range(1, ports + 1)),
        }
        self.settings = YeastarSettings(**{**usual, **settings})
        self.channel = YeastarChannel(
            "tg400", self.settings, self.context(), self.connect
        )

    def context(self) -> ChannelContext:
        """Return what a channel may use of the gateway."""
        return ChannelContext(
            reactor=self.clock,
            clock=self.clock,
            random=lambda: 0.5,
            public_url=None,
            mount=lambda name, resource: None,
            cursor=lambda name: succeed(None),
            set_cursor=lambda name, value: succeed(None),
        )

    def connect(self, factory: Factory) -> Deferred[IProtocol]:
        """Connect to the box, if the line works."""
        self.connections += 1
        if not self.line_works:
            return fail(ConnectionRefusedError("no"))
        client = factory.buildProtocol(None)
        assert client is not None
        server = BoxConnection(self.box)
        pump = connect(
            server, FakeTransport(server, True), client, FakeTransport(client, False)
        )
        self.pumps.append(pump)
        return succeed(client)

    def flush(self) -> None:
        """Carry everything that is on its way."""
        moved = True
        while moved:
            # every line, not only up to the first that moved something
            moved = sum(bool(pump.pump()) for pump in self.pumps) > 0

    def later(self, seconds: float) -> None:
        """Let time pass in small steps, carrying what is said."""
        end = self.clock.seconds() + seconds
        self.flush()
        while self.clock.seconds() < end:
            self.clock.advance(min(0.25, end - self.clock.seconds()))
            self.flush()

    def cut(self) -> None:
        """Cut the line."""
        for pump in self.pumps:
            for side in (pump.serverIO, pump.clientIO):
                side.abortConnection()
        self.flush()

    def up(self) -> Rig:
        """Start the channel and let it log in."""
        self.channel.start(self.recorder)
        self.later(1.0)
        return self

    def submit(
        self, text: str = "getgps?", message_id: str = "m1", **more: Any
    ) -> list[Outcome]:
        """Submit a message; the list gets its outcome when there is one."""
        fields = {"class_": MessageClass.COMMAND, "to": TO, **more}
        prepared = self.channel.prepare(
            Outbound(
                id=message_id, accepted_at=0.0, expires_at=1e12, text=text, **fields
            )
        )
        assert not isinstance(prepared, Refused), prepared
        return self.resubmit(prepared)

    def resubmit(self, prepared: Any) -> list[Outcome]:
        """Submit what is prepared."""
        outcomes: list[Outcome] = []
        # the list tells the test what it fired with
        self.channel.submit(prepared, 1).addCallback(outcomes.append)  # type: ignore[unused-awaitable]
        self.flush()
        return outcomes

    def on_air(self) -> int:
        """Return how many SMS really went out."""
        return sum(self.box.air.values())

    def close(self) -> list[Any]:
        """Stop everything; return the timers that are left."""
        stopping = self.channel.stop(0.0)
        self.later(5.0)
        assert stopping.called
        self.box.stop()
        return list(self.clock.getDelayedCalls())
