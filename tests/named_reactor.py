"""A reactor in memory whose resolver and hosts the test sets up: names, addresses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionRefusedError, UserError
from twisted.internet.interfaces import (
    IConnector,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IResolutionReceiver,
)
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from gdemoi.sandbox.memory import MemoryNet


def address(host: str, port: int) -> IPv4Address | IPv6Address:
    """Return the address as a resolver gives it."""
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, port)


@implementer(IHostResolution)
class Lookup:
    """One question about a name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        # so says the resolver of the real reactor
        raise NotImplementedError("IHostResolution.cancel not implemented")


@implementer(IReactorPluggableNameResolver, IHostnameResolver, IReactorTCP)
class NamedReactor:
    """Addresses where something listens, names for them, and a clock."""

    def __init__(self, clock: Clock, latency_s: float = 0.0) -> None:
        self.clock = clock
        self.net = MemoryNet(clock, latency_s)
        self.names: dict[str, list[str]] = {}
        self.nameResolver = self
        # every question that was asked
        self.asked: list[str] = []
        # the resolver says nothing any more
        self.mute = False
        self.unanswered: list[Callable[[], None]] = []
        # addresses that take no connection and refuse none
        self.dropping: set[str] = set()
        # how long an address takes to answer a connection
        self.slow: dict[str, float] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.clock, name)

    @property
    def tried(self) -> list[str]:
        """The addresses that were connected to, in order."""
        return [host for host, _ in self.net.attempts]

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        raise NotImplementedError

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[Any] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        lookup = Lookup(hostName)
        self.asked.append(hostName)
        resolutionReceiver.resolutionBegan(lookup)

        def answer() -> None:
            for host in self.names.get(hostName, ()):
                resolutionReceiver.addressResolved(address(host, portNumber))
            resolutionReceiver.resolutionComplete()

        if self.mute:
            self.unanswered.append(answer)
        else:
            self.clock.callLater(0, answer)
        return lookup

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: Any,
        timeout: float = 30,
        bindAddress: Any = None,
    ) -> IConnector:
        return Connector(self, address(host, port), factory)

    def listenTCP(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


@implementer(IConnector)
class Connector:
    """One connection being made."""

    def __init__(self, reactor: NamedReactor, peer: Any, factory: Any) -> None:
        self.reactor = reactor
        self.peer = peer
        self.factory = factory
        self.ended = False
        factory.doStart()
        factory.startedConnecting(self)
        if peer.host not in reactor.dropping:
            pause_s = reactor.slow.get(peer.host, 0.0)
            reactor.clock.callLater(pause_s, self.answer)

    def answer(self) -> None:
        """Connect, or be refused."""
        if self.ended:
            return
        joined = self.reactor.net.join(self, self.peer.host, self.peer.port)
        joined.addErrback(lambda _: self.fail(ConnectionRefusedError()))

    def buildProtocol(self, addr: Any) -> Any:
        # the memory's wires have no addresses of their own
        return self.factory.buildProtocol(self.peer)

    def stopConnecting(self) -> None:
        self.fail(UserError())

    def fail(self, fault: Exception) -> None:
        """Tell that there is no connection."""
        if not self.ended:
            self.ended = True
            self.factory.clientConnectionFailed(self, Failure(fault))
            self.factory.doStop()

    def connect(self) -> None:
        raise NotImplementedError

    def disconnect(self) -> None:
        raise NotImplementedError

    def getDestination(self) -> Any:
        return self.peer
