"""The Twisted shell around `gdemoi.smppserver.session`: octets and one timer.

No rule of SMPP lives here.  Reading stops also while the session has more requests
than it works on: a client that floods us waits in its own buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from twisted.internet import protocol
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from gdemoi.net.regulated import RegulatedProtocol
from gdemoi.smpp.pdu.pdus import Pdu
from gdemoi.smpp.session_types import SessionEnded
from gdemoi.smppserver.session import (
    ServerEvent,
    ServerSession,
    ServerSessionParameters,
)
from gdemoi.tasks import Alarm


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


class ServerConnection(RegulatedProtocol):
    """One connection of a client."""

    def __init__(
        self,
        parameters: ServerSessionParameters,
        clock: IReactorTime,
        owner: ConnectionOwner,
    ) -> None:
        super().__init__(clock)
        self.session = ServerSession(parameters, clock.seconds())
        # its name among all sessions that ever were, and where it comes from
        self.key = ""
        self.host = ""
        # what the owner knows of it, once it is bound
        self.bound: Any = None
        self.why = "the connection was closed"
        self._owner = owner
        self._alarm = Alarm(clock, self._on_timer)
        self._in_turn = False

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
        self.cut()

    def may_read(self) -> bool:
        """Tell whether more may be read now."""
        return not (self.full or self.session.congested)

    # -- IProtocol

    def connectionMade(self) -> None:
        """Let the owner decide whether it may stay."""
        super().connectionMade()
        transport: Any = self.transport
        self.host = getattr(transport.getPeer(), "host", "")
        self._owner.opened(self)
        self._wind()

    def dataReceived(self, data: bytes) -> None:
        """Hand octets to the session and tell what happened."""
        if self.ended:
            return
        self._in_turn = True
        self._tell(self.session.receive(data, self._clock.seconds()))
        self._in_turn = False
        self.flush()

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """Settle everything; nothing of this connection is left behind."""
        if self.ended:
            return
        super().connectionLost(reason)
        self._tell(self.session.lost(self.why))
        self._alarm.cancel()
        self._owner.ended(self)

    # -- inside

    def flush(self) -> None:
        """Write what the session has to say, and follow its deadlines."""
        if self._in_turn or self.ended:
            return
        octets = self.session.outbox()
        if octets and self.transport is not None:
            self.transport.write(octets)
        if self.session.closed:
            self._alarm.cancel()
            self.hang_up()
        else:
            self.regulate()
            self._wind()

    def _tell(self, events: Sequence[ServerEvent]) -> None:
        for event in events:
            if isinstance(event, SessionEnded):
                self.why = event.why
        if events:
            self._owner.happened(self, events)

    def _wind(self) -> None:
        if not self.ended:
            self._alarm.set(self.session.next_deadline())

    def _on_timer(self) -> None:
        self._tell(self.session.tick(self._clock.seconds()))
        self.flush()
