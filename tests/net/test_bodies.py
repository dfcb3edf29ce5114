"""What a request may bring: the limit, what is over it, and what has no end."""

from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from gdemoi.net.bodies import PATIENCE, BoundedSite

LIMIT = 100
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"


class Mirror(Resource):
    """Answers with what it was brought."""

    isLeaf = True

    def render(self, request: Any) -> bytes:
        """Say so when it was too much."""
        return b"too large" if request.too_large else b"[%s]" % request.content.read()


class BodiesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.transport = StringTransport()
        site = BoundedSite(Mirror(), LIMIT, Clock(), b'{"error":1}')
        self.connection: Any = site.buildProtocol(None)
        self.connection.makeConnection(self.transport)
        self.addCleanup(self.connection.connectionLost, None)

    def send(self, *pieces: bytes) -> bytes:
        """Send a POST in pieces; return what was answered."""
        self.connection.dataReceived(b"POST / HTTP/1.1\r\nhost: x\r\n")
        for piece in pieces:
            if not self.transport.disconnecting:
                self.connection.dataReceived(piece)
        return self.transport.value()

    def declared(self, size: int) -> bytes:
        """Send a body of a size that is declared."""
        return self.send(b"content-length: %d\r\n\r\n" % size, b"x" * size)

    def test_the_limit_itself_is_kept(self) -> None:
        """Declared or in chunks: the whole body is there."""
        self.assertIn(b"[" + b"x" * LIMIT + b"]", self.declared(LIMIT))
        self.transport.clear()
        chunk = b"32\r\n" + b"y" * 50 + b"\r\n"
        answer = self.send(CHUNKED, chunk, chunk, b"0\r\n\r\n")
        self.assertIn(b"[" + b"y" * 100 + b"]", answer)

    def test_over_the_limit_nothing_is_kept(self) -> None:
        """The resource hears so, after the rest was thrown away."""
        self.assertIn(b"too large", self.declared(LIMIT + 1))
        self.transport.clear()
        chunk = b"65\r\n" + b"y" * 101 + b"\r\n"
        self.assertIn(b"too large", self.send(CHUNKED, chunk, b"0\r\n\r\n"))
        self.assertFalse(self.transport.disconnecting)

    def test_a_body_without_end_is_hung_up_on(self) -> None:
        """413 with the site's words, before the end that never comes."""
        chunk = b"64\r\n" + b"y" * LIMIT + b"\r\n"
        answer = self.send(CHUNKED, *[chunk] * (2 * PATIENCE))
        self.assertTrue(answer.startswith(b"HTTP/1.1 413 "))
        self.assertTrue(answer.endswith(b'content-length: 11\r\n\r\n{"error":1}'))
        self.assertIn(b"content-type: application/json\r\n", answer)
        self.assertTrue(self.transport.disconnecting)

    def test_a_huge_declared_length_is_answered_at_once(self) -> None:
        """Not one octet of it is awaited."""
        answer = self.send(b"content-length: %d\r\n\r\n" % (LIMIT * PATIENCE + 1))
        self.assertTrue(answer.startswith(b"HTTP/1.1 413 "))
        self.assertTrue(self.transport.disconnecting)

    def test_a_site_without_words(self) -> None:
        """The answer to a body without end is empty then."""
        self.connection.site.too_large = b""
        answer = self.send(b"content-length: %d\r\n\r\n" % (LIMIT * PATIENCE + 1))
        self.assertTrue(answer.endswith(b"close\r\ncontent-length: 0\r\n\r\n"))
        self.assertNotIn(b"content-type", answer)
