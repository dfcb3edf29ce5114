"""The Twisted shell around `gdemoi.smppserver.session`: octets and one timer.

No rule of SMPP lives here.  Reading stops while our write buffer is full, or while the
session has more requests than it works on: a client that floods us, or does not read
our answers, waits in its own buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from twisted.internet import protocol
from twisted.internet.interfaces import (
    IDelayedCall,
    IHandshakeListener,
    IPushProducer,
    IReactorTime,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from gdemoi.smpp.pdu.pdus import Pdu
from gdemoi.smpp.session_types import SessionEnded
from gdemoi.smppserver.session import (
    ServerEvent,
    ServerSession,
    ServerSessionParameters,
)
from gdemoi.tasks import Alarm

# A client that does not read its last octets is cut off after this.
CLOSE_TIMEOUT_S: Final = 2.0


class ConnectionOwner(Protocol):
    """Whoever hears what happens on a connection."""

    def opened(self, connection: ServerConnection) -> None:
        """Hear of a fresh connection."""

    def happened(
        self, connection: ServerConnection, events: Sequence[ServerEvent]
    ) -> None:
        """Take what happened, in order."""

    def ended(self, connection: ServerConnection) -> None:
        """Hear that it is closed."""


@implementer(IPushProducer, IHandshakeListener)
class ServerConnection(protocol.Protocol):
    """One connection of a client."""

    def __init__(
        self,
        parameters: ServerSessionParameters,
        clock: IReactorTime,
        owner: ConnectionOwner,
    ) -> None:
        self.session = ServerSession(parameters, clock.seconds())
        # its name among all sessions that ever were, and where it comes from
        self.key = ""
        self.host = ""
        # what the owner knows of it, once it is bound
        self.bound: Any = None
        self.why = "the connection was closed"
        self._clock = clock
        self._owner = owner
        self._alarm = Alarm(clock, self._ring)
        self._closing: IDelayedCall | None = None
        self._in_turn = False
        self._full = False
        self._reading = True
        self._gone = False

    # -- for the owner (a `deliveries.ReceivingSession`)

    @property
    def version(self) -> int:
        """The client's version: 0x34, or 0x33 without TLVs."""
        return self.session.version

    @property
    def free(self) -> int:
        """How many deliver_sm it takes now."""
        return self.session.free

    @property
    def unanswered(self) -> int:
        """How many it has not answered."""
        return self.session.unanswered

    def deliver(self, octets: bytes, context: Any) -> None:
        """Send a deliver_sm."""
        self.session.deliver(octets, context, self._clock.seconds())
        self.flush()

    def answer(self, request: Pdu, status: int, **fields: Any) -> None:
        """Answer a request; `flush` writes it."""
        now = self._clock.seconds()
        self._tell(self.session.answer(request, status, now, **fields))

    def unbind(self) -> None:
        """End the conversation politely."""
        self._tell(self.session.unbind(self._clock.seconds()))
        self.flush()

    def enquire(self) -> None:
        """Ask whether the client lives."""
        self.session.enquire(self._clock.seconds())
        self.flush()

    def abort(self, why: str) -> None:
        """Close at once."""
        self.why = why
        self._tell(self.session.lost(why))
        if not self._gone and self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]

    # -- IProtocol

    def connectionMade(self) -> None:
        """Let the owner decide whether it may stay."""
        transport: Any = self.transport
        set_no_delay = getattr(transport, "setTcpNoDelay", None)
        if set_no_delay is not None:
            set_no_delay(True)
        self.host = getattr(transport.getPeer(), "host", "")
        transport.registerProducer(self, True)
        self._owner.opened(self)
        self._wind()

    def dataReceived(self, data: bytes) -> None:
        """Hand octets to the session and tell what happened."""
        if self._gone:
            return
        self._in_turn = True
        self._tell(self.session.receive(data, self._clock.seconds()))
        self._in_turn = False
        self.flush()

    def handshakeCompleted(self) -> None:
        """TLS is agreed upon."""

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """Settle everything; nothing of this connection is left behind."""
        if self._gone:
            return
        self._gone = True
        self._tell(self.session.lost(self.why))
        self._alarm.cancel()
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self._owner.ended(self)

    # -- IPushProducer: how full our own write buffer is

    def pauseProducing(self) -> None:
        """Read no more until what we wrote has gone."""
        self._full = True
        self._regulate()

    def resumeProducing(self) -> None:
        """Go on."""
        self._full = False
        self._regulate()

    def stopProducing(self) -> None:
        """Nothing can be written any more; `connectionLost` follows."""

    # -- inside

    def flush(self) -> None:
        """Write what the session has to say, and follow its deadlines."""
        if self._in_turn or self._gone:
            return
        octets = self.session.outbox()
        if octets and self.transport is not None:
            self.transport.write(octets)
        if self.session.closed:
            self._close()
        else:
            self._regulate()
            self._wind()

    def _tell(self, events: Sequence[ServerEvent]) -> None:
        for event in events:
            if isinstance(event, SessionEnded):
                self.why = event.why
        if events:
            self._owner.happened(self, events)

    def _regulate(self) -> None:
        reading = not (self._full or self.session.congested)
        if reading is self._reading or self._gone or self.transport is None:
            return
        self._reading = reading
        transport: Any = self.transport
        if reading:
            transport.resumeProducing()
        else:
            transport.pauseProducing()

    def _wind(self) -> None:
        if not self._gone:
            self._alarm.set(self.session.next_deadline())

    def _ring(self) -> None:
        self._tell(self.session.tick(self._clock.seconds()))
        self.flush()

    def _close(self) -> None:
        if self._closing is not None or self.transport is None:
            return
        self._alarm.cancel()
        # a paused transport would never hear that the far side closed
        if not self._reading:
            self._reading = True
            self.transport.resumeProducing()  # type: ignore[attr-defined]
        self.transport.loseConnection()
        self._closing = self._clock.callLater(CLOSE_TIMEOUT_S, self._cut)

    def _cut(self) -> None:
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]
