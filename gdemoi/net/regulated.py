"""A connection that is read no faster than its answers leave, and closed in time.

A far side that sends without reading cannot fill our memory: nothing more is read
while our own write buffer is full.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet import protocol
from twisted.internet.interfaces import (
    IDelayedCall,
    IHandshakeListener,
    IPushProducer,
    IReactorTime,
)
from twisted.python.failure import Failure
from zope.interface import implementer

# A far side that does not read its last octets is cut off after this.
CLOSE_TIMEOUT_S: Final = 2.0


@implementer(IPushProducer, IHandshakeListener)
class RegulatedProtocol(protocol.Protocol):
    """What the shells of TCP sessions share; a subclass knows what is said.

    `full`: our write buffer is.  `agreed`: TLS, where it is spoken, is agreed upon.
    `ended`: the connection is closed.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.full = False
        self.agreed = False
        self.ended = False
        self._clock = clock
        self._reading = True
        self._closing: IDelayedCall | None = None

    def may_read(self) -> bool:
        """Tell whether more may be read now; a subclass may have further reasons."""
        return not self.full

    def regulate(self) -> None:
        """Read, or read no more, as `may_read` says now."""
        reading = self.may_read()
        if reading is self._reading or self.ended or self.transport is None:
            return
        self._reading = reading
        transport: Any = self.transport
        if reading:
            transport.resumeProducing()
        else:
            transport.pauseProducing()

    def hang_up(self) -> None:
        """Close when all is written; cut the connection when that takes too long."""
        if self.ended or self._closing is not None or self.transport is None:
            return
        transport: Any = self.transport
        # TLS says no goodbye while somebody might still produce, nor hears one unread
        transport.unregisterProducer()
        if not self._reading:
            self._reading = True
            transport.resumeProducing()
        transport.loseConnection()
        self._closing = self._clock.callLater(CLOSE_TIMEOUT_S, self.cut)

    def cut(self) -> None:
        """Close at once, whatever is not written yet."""
        if not self.ended and self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]

    # -- IProtocol

    def connectionMade(self) -> None:
        """Small packets leave at once; the transport tells how full it is."""
        transport: Any = self.transport
        set_no_delay = getattr(transport, "setTcpNoDelay", None)
        if set_no_delay is not None:
            set_no_delay(True)
        transport.registerProducer(self, True)

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """Leave no timer behind."""
        self.ended = True
        if self._closing is not None and self._closing.active():
            self._closing.cancel()

    def handshakeCompleted(self) -> None:
        """TLS is agreed upon."""
        self.agreed = True

    # -- IPushProducer: how full our own write buffer is

    def pauseProducing(self) -> None:
        """Read no more until what we wrote has gone."""
        self.full = True
        self.regulate()

    def resumeProducing(self) -> None:
        """Go on."""
        self.full = False
        self.regulate()

    def stopProducing(self) -> None:
        """Nothing can be written any more; `connectionLost` follows."""
