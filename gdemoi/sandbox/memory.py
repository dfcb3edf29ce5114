"""Connections in memory: two protocols, a clock, and a wire with a latency.

For tests and trials of whole conversations without a socket.  Octets take
`latency_s` one way, in order; a `stalled` side reads nothing, so that the other
side's write buffer fills up and its producer is paused, as on a real socket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import (
    ConnectionAborted,
    ConnectionDone,
    ConnectionRefusedError,
)
from twisted.internet.interfaces import (
    IProtocolFactory,
    IPushProducer,
    IReactorTime,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

# As abstract.FileDescriptor has it.
_BUFFER_OCTETS: Final = 65536


@implementer(ITransport)
class MemoryTransport:
    """One end of a wire."""

    def __init__(self, clock: IReactorTime, latency_s: float) -> None:
        self.protocol: Any = None
        self.other: MemoryTransport
        self.written = bytearray()
        self.writes = 0
        self.connected = True
        self.disconnecting = False
        self.aborted = False
        self.stalled = False
        self._clock = clock
        self._latency_s = latency_s
        self._buffer = bytearray()
        self._arrived: list[bytes] = []
        self._reading = True
        self._producer: IPushProducer | None = None
        self._paused = False

    # -- ITransport

    def write(self, data: bytes) -> None:
        """Send octets; they arrive after the latency."""
        if not self.connected or self.disconnecting or self.aborted:
            return
        self.written += data
        self.writes += 1
        if self.other.stalled:
            self._buffer += data
            if len(self._buffer) > _BUFFER_OCTETS and not self._paused:
                self._paused = True
                if self._producer is not None:
                    self._producer.pauseProducing()
            return
        self._clock.callLater(self._latency_s, self.other.arrive, bytes(data))

    def writeSequence(self, data: Any) -> None:
        """Send several pieces."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close when what was written has gone."""
        if self.connected and not self.disconnecting:
            self.disconnecting = True
            if not self._buffer:
                self._clock.callLater(self._latency_s, self._closed, ConnectionDone())

    def abortConnection(self) -> None:
        """Close at once; told in the reactor's next turn, as on a socket."""
        if self.connected and not self.aborted:
            self.aborted = True
            self._clock.callLater(0, self._closed, ConnectionAborted())

    def getPeer(self) -> IPv4Address:
        """Return an address for documentation."""
        return IPv4Address("TCP", "192.0.2.2", 2775)

    def getHost(self) -> IPv4Address:
        """Return an address for documentation."""
        return IPv4Address("TCP", "192.0.2.1", 40000)

    def setTcpNoDelay(self, enabled: bool) -> None:
        """There is no delay to switch off."""

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """Pause the producer while the buffer is full."""
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self._producer = None

    def pauseProducing(self) -> None:
        """Read no more."""
        self._reading = False

    def resumeProducing(self) -> None:
        """Read again."""
        self._reading = True
        arrived, self._arrived = self._arrived, []
        for data in arrived:
            self.arrive(data)

    def stopProducing(self) -> None:
        """Close."""
        self.loseConnection()

    # -- the wire

    def arrive(self, data: bytes) -> None:
        """Give octets to the protocol, or keep them while it does not read."""
        if not self.connected or self.aborted:
            return
        if self._reading:
            self.protocol.dataReceived(data)
        else:
            self._arrived.append(data)

    def go_on(self) -> None:
        """The other side reads again: what was held back goes."""
        data = bytes(self._buffer)
        self._buffer.clear()
        self._clock.callLater(self._latency_s, self.other.arrive, data)
        if self._paused:
            self._paused = False
            if self._producer is not None:
                self._producer.resumeProducing()

    def _closed(self, why: Exception) -> None:
        if not self.connected:
            return
        self.connected = False
        other = self.other
        self.protocol.connectionLost(Failure(why))
        if other.connected:
            self._clock.callLater(self._latency_s, other._closed, ConnectionDone())


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """Connects to a protocol factory, or is refused when there is none."""

    def __init__(self, net: MemoryNet, host: str, port: int) -> None:
        self._net = net
        self._address = (host, port)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """Make both protocols and join them."""
        return self._net.join(protocolFactory, *self._address)


class MemoryNet:
    """Hosts by name and port, in memory."""

    def __init__(self, clock: IReactorTime, latency_s: float = 0.0) -> None:
        self.listening: dict[tuple[str, int], Callable[[], Any]] = {}
        self.attempts: list[tuple[str, int]] = []
        # (client's end, server's end) of every connection ever made
        self.wires: list[tuple[MemoryTransport, MemoryTransport]] = []
        self._clock = clock
        self._latency_s = latency_s

    def listen(self, host: str, port: int, make: Callable[[], Any]) -> None:
        """Let `make()` answer connections to a host."""
        self.listening[host, port] = make

    def endpoint(self, host: str, port: int) -> MemoryEndpoint:
        """Return the endpoint of a host, there or not."""
        return MemoryEndpoint(self, host, port)

    def join(self, factory: IProtocolFactory, host: str, port: int) -> Deferred[Any]:
        """Connect a client's protocol with a server's."""
        self.attempts.append((host, port))
        make = self.listening.get((host, port))
        if make is None:
            return fail(ConnectionRefusedError(f"nobody listens on {host}:{port}"))
        ours = MemoryTransport(self._clock, self._latency_s)
        theirs = MemoryTransport(self._clock, self._latency_s)
        ours.other, theirs.other = theirs, ours
        client: Any = factory.buildProtocol(theirs.getPeer())
        server: Any = make()
        ours.protocol, theirs.protocol = client, server
        self.wires.append((ours, theirs))
        server.makeConnection(theirs)
        client.makeConnection(ours)
        return succeed(client)
