"""Connecting to a host by its name: looked up anew each time, address by address.

Twisted's `HostnameEndpoint` takes whichever address answers first, and does not
tell which: one that takes connections but no logins would be chosen again and
again.  Here `gdemoi.net.hosts.Host` says which addresses are left to try, and hears
which one answered; among those it is the same race (RFC 8305).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from zope.interface import implementer

from gdemoi.net.hosts import Host

# Each of a name's addresses may take so long to answer a connection, and the
# resolver to answer at all.
CONNECT_TIMEOUT_S: Final = 30.0

Address = IPv4Address | IPv6Address


class AddressBarred(ConnectError):
    """A name has an address that is not to be connected to; nothing was tried."""

    def __init__(self, what: str) -> None:
        super().__init__(string=what)

    def __str__(self) -> str:
        return str(self.args[0])


@implementer(IStreamClientEndpoint)
class HostEndpoint:
    """Connects to one of the addresses that `host` has left in its round."""

    def __init__(
        self,
        reactor: Any,
        host: Host,
        timeout_s: float = CONNECT_TIMEOUT_S,
        may_reach: Callable[[str], bool] | None = None,
    ) -> None:
        self._reactor = reactor
        self._host = host
        self._timeout_s = timeout_s
        # asked of every address that the name has: one that is not to be reached
        # makes the whole name one that is not
        self._may_reach = may_reach

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Look the name up and connect; fails as Twisted's own endpoint does."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        host = self._host
        host.looking_up()
        found = {one.host: one for one in await self._look_up()}
        if not found:
            raise DNSLookupError(f"no address is known for the name {host.name}")
        may_reach = self._may_reach
        barred = [one for one in found if may_reach is not None and not may_reach(one)]
        if barred:
            raise AddressBarred(f"{host.name} leads to {barred[0]}")
        chosen = [found[address] for address in host.choose(found)]
        # the name is looked up already, so that any that is valid will do
        racing = HostnameEndpoint(
            _LookedUp(self._reactor, chosen),
            chosen[0].host,
            host.port,
            timeout=self._timeout_s,
        )
        return await racing.connect(_Noting(factory, host))

    async def _look_up(self) -> Sequence[Address]:
        name, port = self._host.name, self._host.port
        if isIPAddress(name):
            return [IPv4Address("TCP", name, port)]
        if isIPv6Address(name):
            return [IPv6Address("TCP", name, port)]
        try:
            # The resolver would raise this in its thread, and never answer.
            name.encode("idna")
        except UnicodeError as fault:
            raise DNSLookupError(f"{name!r} is no host name: {fault}") from fault
        receiver = _Receiver()
        self._reactor.nameResolver.resolveHostName(receiver, name, portNumber=port)
        try:
            return await receiver.all.addTimeout(self._timeout_s, self._reactor)
        except DeferredTimeoutError as timeout:
            raise DNSLookupError(
                f"no answer about the name {name} in {self._timeout_s:g} s"
            ) from timeout


@implementer(IResolutionReceiver)
class _Receiver:
    """Gathers the addresses of a name; `all` fires with them.

    When nobody waits any more, `all` is cancelled, and takes no notice of what
    comes: the system's resolver cannot be interrupted.
    """

    def __init__(self) -> None:
        self.all: Deferred[Sequence[Address]] = Deferred()
        self._found: list[Address] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Wait."""

    def addressResolved(self, address: IAddress) -> None:
        """Take an address."""
        if isinstance(address, Address):
            self._found.append(address)

    def resolutionComplete(self) -> None:
        """There are no more."""
        self.all.callback(self._found)


@implementer(IReactorPluggableNameResolver, IHostnameResolver)
class _LookedUp:
    """The reactor, with a resolver that knows the answer already."""

    def __init__(self, reactor: Any, addresses: Sequence[Address]) -> None:
        self._reactor = reactor
        self._addresses = addresses
        self.nameResolver = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """Refuse: it is for one connection only."""
        raise NotImplementedError

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Give the addresses, in their order."""
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        for address in self._addresses:
            resolutionReceiver.addressResolved(address)
        resolutionReceiver.resolutionComplete()
        return resolution


@implementer(IHostResolution)
class _Resolution:
    """A lookup that is over before anyone could cancel it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """There is nothing left to cancel."""


@implementer(IProtocolFactory)
class _Noting:
    """Tells the host which address answered; else it is the factory that it wraps."""

    def __init__(self, factory: IProtocolFactory, host: Host) -> None:
        self._factory = factory
        self._host = host

    def doStart(self) -> None:
        """Pass on."""
        self._factory.doStart()

    def doStop(self) -> None:
        """Pass on."""
        self._factory.doStop()

    def buildProtocol(self, addr: Any) -> IProtocol | None:
        """Take note of the address, and make the protocol."""
        self._host.connected(addr.host)
        return self._factory.buildProtocol(addr)
