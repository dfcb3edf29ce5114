"""Requests over TLS that is never agreed upon, and over TLS that was."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.internet.ssl import trustRootFromCertificates as roots
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from gdemoi.cloud.exchange import HttpAnswer, HttpRequest
from gdemoi.cloud.handshake import HandshakeFailed
from gdemoi.cloud.http import (
    CloudHttp,
    NamedPolicy,
    RequestNotSent,
    RequestUnanswered,
    make_agent,
)
from gdemoi.net.certificates import Named
from tests.cloud.net import Answers, Net, answered
from tests.cloud.test_http import certificate

PORT = 9000
URL = f"https://127.0.0.1:{PORT}/x"
REQUEST = HttpRequest(method="POST", url=URL, body=b"a=1")


class Says(Protocol):
    """Answers the first octets with `word`, or hangs up (None), or is silent (b"")."""

    word: bytes | None = b""
    heard = b""

    def dataReceived(self, data: bytes) -> None:
        """Hear the beginning of a handshake."""
        Says.heard += data
        assert self.transport is not None
        if self.word:
            self.transport.write(self.word)
        if self.word is None or self.word:
            self.transport.loseConnection()


def saying(word: bytes | None) -> Factory:
    """Return the factory of a port that does not speak TLS."""
    factory = Factory()
    factory.noisy = False

    def build(_: Any) -> Says:
        protocol = Says()
        protocol.word = word
        return protocol

    factory.buildProtocol = build  # type: ignore[method-assign,assignment]
    return factory


@implementer(IAgentEndpointFactory)
class Secured:
    """The hosts of a net, with TLS that trusts `authority` (None: the system's)."""

    def __init__(self, net: Net, authority: Certificate | None) -> None:
        self.net, self.authority = net, authority

    def endpointForURI(self, uri: Any) -> Any:
        """Return the way to a host."""
        if self.authority is None:
            creator: Any = NamedPolicy().creatorForNetloc(uri.host, uri.port)
        else:
            name = uri.host.decode()
            options = optionsForClientTLS(name, roots([self.authority]))
            creator = Named(options, name, frozenset([self.authority.dumpPEM()]))
        return _MemoryRoute(self.net, creator, self.net.endpointForURI(uri))


@implementer(IStreamClientEndpoint)
class _MemoryRoute:
    """`wrapClientTLS` on the clock of a net."""

    def __init__(self, net: Net, creator: Any, plain: Any) -> None:
        self.net, self.creator, self.plain = net, creator, plain

    def connect(self, factory: Any) -> Deferred[Any]:
        """Connect in memory; as with a socket, TLS is not agreed upon yet."""
        tls = TLSMemoryBIOFactory(self.creator, True, factory, self.net.clock)
        connecting: Deferred[Any] = self.plain.connect(tls)
        return connecting.addCallback(lambda made: made.wrappedProtocol)


class HandshakeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.net = Net()
        self.own = certificate()
        Says.heard = b""

    def ask(
        self, *, trusted: bool = True, wait_s: float = 0.0, send: bool = True
    ) -> Deferred[HttpAnswer]:
        """Send a request as a cloud channel does."""
        authority = Certificate.loadPEM(self.own.dumpPEM()) if trusted else None
        endpoints = Secured(self.net, authority)
        agent, pool = make_agent(self.net.clock, 5, endpoints)
        self.addCleanup(pool.closeCachedConnections)
        http = CloudHttp(
            agent, self.net.clock, lambda: 0.5, timeout_s=30.0, in_flight=1
        )
        asked = Deferred.fromCoroutine(http.send(REQUEST))
        self.net.settle()
        self.net.advance(wait_s)
        return asked

    def serve(self, *replies: Any) -> Answers:
        """Let a provider answer with TLS."""
        far = Answers(*replies)
        self.net.serve(PORT, far)
        site = self.net.servers[("127.0.0.1", PORT)]
        options = self.own.options()
        tls = TLSMemoryBIOFactory(options, False, site, self.net.clock)
        self.net.serve_factory(PORT, tls)
        return far

    def test_a_request_goes_out_when_tls_is_agreed_upon(self) -> None:
        """And its answer comes; the connection serves another one."""
        far = self.serve(answered({"a": 1}))
        answer = self.successResultOf(self.ask())
        self.assertEqual((answer.status, answer.body), (200, b'{"a": 1}'))
        self.assertEqual(far.requests[0][3], b"a=1")

    def test_a_port_without_tls_got_no_request(self) -> None:
        """The command was `uncertain`, although only a greeting had left."""
        for word in (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"220 mail.example ESMTP\r\n",
            b"\x00\x00\x00\x10\x80\x00\x00\x00\x00\x00\x00\x0d\x00\x00\x00\x01",
        ):
            self.net.serve_factory(PORT, saying(word))
            why = self.failureResultOf(self.ask(), RequestNotSent).value
            self.assertTrue(why.lasting, word)
            self.assertIn("does not speak TLS", str(why))
            self.assertIn("base_url", str(why))
            self.assertNotIn("amqp", str(why))
        self.assertNotIn(b"a=1", Says.heard)

    def test_a_refused_version_of_tls(self) -> None:
        """An alert in place of a handshake, whatever its number."""
        for alert in (0x28, 0x46, 0x50, 0x70):
            self.net.serve_factory(PORT, saying(b"\x15\x03\x03\x00\x02\x02%c" % alert))
            self.failureResultOf(self.ask(), RequestNotSent)

    def test_who_hangs_up_while_tls_is_agreed_upon(self) -> None:
        """Nothing of the request left; it may be otherwise a moment later."""
        self.net.serve_factory(PORT, saying(None))
        why = self.failureResultOf(self.ask(), RequestNotSent).value
        self.assertFalse(why.lasting)
        self.assertIn("no TLS was agreed upon", str(why))

    def test_who_says_nothing_while_tls_is_agreed_upon(self) -> None:
        """The deadline passes; the request never left, nor does the connection stay."""
        self.net.serve_factory(PORT, saying(b""))
        asked = self.ask(wait_s=29.9)
        self.assertNoResult(asked)
        self.net.advance(0.2)
        self.failureResultOf(asked, RequestNotSent)
        self.net.settle()
        self.assertTrue(self.net.pumps[-1].clientIO.disconnected)
        self.assertNotIn(b"a=1", Says.heard)

    def test_a_certificate_that_is_not_believed(self) -> None:
        """The request is not sent, so that it may be repeated; it is told at once."""
        far = self.serve(answered({}))
        why = self.failureResultOf(self.ask(trusted=False), RequestNotSent).value
        self.assertTrue(why.lasting)
        self.assertIn("certificate", str(why))
        self.assertEqual(far.requests, [])

    def test_what_breaks_after_the_handshake_may_have_left(self) -> None:
        """Plain text into the middle of it bears the same name, "wrong version"."""
        for raw_octets in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b""):

            def spoil(request: Any, raw_octets: bytes = raw_octets) -> Any:
                below = request.channel.transport.transport
                if raw_octets:
                    below.write(raw_octets)
                below.loseConnection()
                return b"", 200, {}

            far = self.serve(lambda request, spoil=spoil: spoil(request))
            self.failureResultOf(self.ask(), RequestUnanswered)
            self.assertEqual(len(far.requests), 1)

    def test_words_of_the_fault(self) -> None:
        """Of OpenSSL's error, for whoever reads the channel's state."""
        fault = HandshakeFailed(
            SSL.Error([("SSL routines", "", "wrong version number")])
        )
        self.assertTrue(fault.lasting)
        self.assertEqual(
            str(fault),
            "TLS: the far side does not speak TLS at this port; is the port of"
            " base_url right? (wrong version number)",
        )
