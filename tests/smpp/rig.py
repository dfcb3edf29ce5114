"""A channel, a sandbox SMSC and a wire in memory, for tests of conversations."""

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from gdemoi.errors import Unavailable
from gdemoi.interfaces import ChannelContext, IChannelEvents
from gdemoi.message import (
    Inbound,
    Outbound,
    Outcome,
    Progress,
    Receipt,
    ReceiptMatch,
    provider_key,
)
from gdemoi.net.hosts import Host
from gdemoi.sandbox.memory import MemoryEndpoint, MemoryNet
from gdemoi.sandbox.smsc import Smsc, SmscPersonality, SmscProtocol
from gdemoi.smpp.channel import SmppChannel
from gdemoi.smpp.settings import SmppSettings

NOW = 1_795_000_000.0
PLAIN = SmscPersonality(password="secret", tracker=False)


@implementer(IChannelEvents)
class EventsRecorder:
    """What stands above a channel: keeps what it reports, matches receipts, answers."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.inbounds: list[Inbound] = []
        self.lates: list[tuple[str, int, Outcome]] = []
        self.changes: list[tuple[str, str]] = []
        # provider ids that the "journal" knows: stored form -> message id
        self.known: dict[str, str] = {}
        # None: at once; else each write waits here to be fired
        self.writes: list[Deferred[Any]] | None = None
        self.broken = False

    def able(self, channel: Any) -> None:
        """Nothing waits here."""

    def receipt(self, receipt: Receipt) -> Deferred[ReceiptMatch | None]:
        self.receipts.append(receipt)
        match = None
        for key in receipt.keys:
            if key in self.known:
                match = ReceiptMatch(self.known[key], receipt.provider_id, key)
                break
        return self._write(match)

    def inbound(self, inbound: Inbound) -> Deferred[None]:
        self.inbounds.append(inbound)
        return self._write(None)

    def late(self, message_id: str, attempt: int, outcome: Outcome) -> None:
        self.lates.append((message_id, attempt, outcome))

    def changed(
        self, channel: Any, state: str, reason: str, line: str | None = None
    ) -> None:
        self.changes.append((state, reason))

    def learn(self, message_id: str, *provider_ids: str) -> None:
        """Know the ids of a message, as the journal would."""
        for provider_id in provider_ids:
            self.known[provider_key(provider_id)] = message_id

    def _write(self, answer: Any) -> Deferred[Any]:
        if self.broken:
            return _failed()
        if self.writes is None:
            return succeed(answer)
        waiting: Deferred[Any] = Deferred()
        self.writes.append(waiting)
        return waiting.addCallback(lambda _: answer)


def _failed() -> Deferred[Any]:
    failing: Deferred[Any] = Deferred()
    failing.errback(Unavailable("the disk is full"))
    return failing


class ChannelRig:
    """A channel, its SMSC, a clock, and what records the channel's events."""

    def __init__(
        self,
        personality: SmscPersonality = PLAIN,
        *,
        latency_s: float = 0.0,
        hosts: tuple[str, ...] = ("smsc.example",),
        start: bool = True,
        **settings: Any,
    ) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOW
        self.net = MemoryNet(self.clock, latency_s)
        self.smsc = Smsc({"esme": personality}, self.clock)
        self.recorder = EventsRecorder()
        self.server: Any = None
        for host in hosts:
            self.net.listen(host, 2775, self.answer)
        values: dict[str, Any] = {
            "host": hosts,
            "system_id": "esme",
            "password": "secret",
            **settings,
        }
        self.settings = SmppSettings(**values)
        self.context = ChannelContext(
            reactor=None,
            clock=self.clock,
            random=lambda: 0.5,
            public_url=None,
            mount=lambda name, resource: None,
            cursor=lambda name: succeed(None),
            set_cursor=lambda name, value: succeed(None),
        )
        self.channel = SmppChannel("carrier", self.settings, self.context, self.connect)
        if start:
            self.channel.start(self.recorder)
            self.turn(6)

    def connect(self, host: Host) -> MemoryEndpoint:
        """Return the endpoint of a host: one wire for all that its name stands for."""
        return self.net.endpoint(host.name, host.port)

    def answer(self) -> SmscProtocol:
        """Make the SMSC's end of a connection."""
        self.server = SmscProtocol(self.smsc)
        return self.server

    def turn(self, times: int = 4) -> None:
        """Let the reactor turn without time passing."""
        for _ in range(times):
            self.clock.advance(0)

    def advance(self, seconds: float, step: float = 0.25) -> None:
        """Let time pass in steps."""
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end - 1e-9:
            self.clock.advance(min(step, end - self.clock.seconds()))
        self.turn()

    def message(self, text: str | None = "Hello", **fields: Any) -> Outbound:
        """Return a message; what is not said is usual."""
        values: dict[str, Any] = {
            "id": f"m{id(fields)}",
            "to": "+79161234567",
            "from_": "GdeMoi",
            "accepted_at": NOW,
            "expires_at": NOW + 7200,
            "text": text,
            **fields,
        }
        return Outbound(**values)

    def submit(
        self, message: Outbound, attempt: int = 1, progress: Progress | None = None
    ) -> list[Outcome]:
        """Prepare and submit; the list gets the outcome when there is one."""
        prepared: Any = self.channel.prepare(message)
        if progress is not None:
            prepared = self.channel.resume(message, progress)
        outcomes: list[Outcome] = []
        self.channel.submit(prepared, attempt).addCallback(outcomes.append)
        self.turn()
        return outcomes

    def stop(self, grace_s: float = 5.0) -> None:
        """End everything; nothing may be left on the clock."""
        stopped: list[Any] = []
        self.channel.stop(grace_s).addCallback(stopped.append)
        for _ in range(100):
            if stopped:
                break
            self.clock.advance(0.25)
        assert stopped, "the channel did not stop"
        self.smsc.stop()
        self.turn(8)
        self.clock.advance(3)
        left = self.clock.getDelayedCalls()
        assert not left, f"left on the clock: {left}"
