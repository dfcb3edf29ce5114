"""Connections that are handed out when TLS is agreed upon, and not before.

Twisted's client takes a connection for usable as soon as TCP is there; it accepts a
request then, and keeps it until TLS is agreed upon.  Whatever goes wrong in between
looks as if the request had left.  Here a connection whose handshake fails is one that
never was.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen
from OpenSSL import SSL
from service_identity import CertificateError
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IHandshakeListener, IStreamClientEndpoint
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import VerificationError
from twisted.python.failure import Failure
from twisted.web._newclient import HTTP11ClientProtocol
from twisted.web.client import URI, _HTTP11ClientFactory
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from gdemoi.errors import Unavailable
from gdemoi.net.faults import in_words

_ADVICE = "is the port of base_url right?"


class HandshakeFailed(Unavailable):
    """The connection ended before TLS was agreed upon.

    `lasting`: for a reason that will be there the next time.
    """

    def __init__(self, why: BaseException | None) -> None:
        self.lasting = isinstance(why, SSL.Error | VerificationError | CertificateError)
        text = in_words(why, _ADVICE)
        super().__init__(text if self.lasting else f"no TLS was agreed upon: {text}")


@implementer(IHandshakeListener)
class HttpProtocol(HTTP11ClientProtocol):
    """A client's connection that knows whether TLS is agreed upon."""

    _has_agreed = False
    _lost: Failure | None = None
    _awaited: Deferred[HttpProtocol] | None = None

    def agreed(self) -> Deferred[HttpProtocol]:
        """Fire with this when TLS is agreed upon; fail with `HandshakeFailed`."""
        if self._has_agreed:
            return succeed(self)
        if self._lost is not None:
            return fail(self._lost)
        self._awaited = Deferred(self._given_up)
        return self._awaited

    def _given_up(self, _: Deferred[HttpProtocol]) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def handshakeCompleted(self) -> None:
        """TLS is agreed upon (`IHandshakeListener`)."""
        self._has_agreed = True
        awaited, self._awaited = self._awaited, None
        if awaited is not None:
            awaited.callback(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone, maybe before it was one."""
        super().connectionLost(reason)
        self._lost = Failure(HandshakeFailed(reason.value))
        awaited, self._awaited = self._awaited, None
        if awaited is not None and not awaited.called:
            awaited.errback(self._lost)


class HttpFactory(_HTTP11ClientFactory):
    """Makes them; does not log every connection that begins and ends."""

    noisy = False

    def buildProtocol(self, addr: object) -> HttpProtocol:
        """Return the protocol of a new connection."""
        return HttpProtocol(self._quiescentCallback)


@implementer(IStreamClientEndpoint)
@frozen
class _Agreed:
    endpoint: IStreamClientEndpoint

    def connect(self, factory: Any) -> Deferred[Any]:
        """Connect, and agree upon TLS."""
        connecting: Deferred[Any] = self.endpoint.connect(factory)
        return connecting.addCallback(HttpProtocol.agreed)


@implementer(IAgentEndpointFactory)
@frozen
class AgreedEndpoints:
    """The endpoints of `plain`; those of https wait for the handshake."""

    plain: IAgentEndpointFactory

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return the way to a host (called by Twisted's `Agent`)."""
        endpoint: IStreamClientEndpoint = self.plain.endpointForURI(uri)
        return _Agreed(endpoint) if uri.scheme == b"https" else endpoint
