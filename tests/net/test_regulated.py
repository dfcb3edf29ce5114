"""Reading stops while our buffer is full; closing is orderly, and has an end."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions, PrivateCertificate
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols import tls
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.test import iosim
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.net.regulated import CLOSE_TIMEOUT_S, RegulatedProtocol
from tests.smpp.test_tls import CERTIFICATE, KEY


class Wire(StringTransport):
    """A transport that remembers what it was told."""

    aborted = no_delay = False

    def abortConnection(self) -> None:
        self.aborted = True

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled


class Shell(RegulatedProtocol):
    """A session that may have too much to do."""

    busy = False

    def may_read(self) -> bool:
        return not self.busy and super().may_read()


class RegulatedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.shell = Shell(self.clock)
        self.wire = Wire()
        self.shell.makeConnection(self.wire)

    def test_the_transport_tells_how_full_it_is(self) -> None:
        """Small packets leave at once, and reading follows the write buffer."""
        self.assertTrue(self.wire.no_delay)
        self.assertIs(self.wire.producer, self.shell)
        self.shell.pauseProducing()
        self.assertEqual(self.wire.producerState, "paused")
        self.shell.resumeProducing()
        self.assertEqual(self.wire.producerState, "producing")

    def test_a_session_has_reasons_of_its_own(self) -> None:
        """It reads again when all of them are over."""
        self.shell.busy = True
        self.shell.regulate()
        self.shell.pauseProducing()
        self.shell.resumeProducing()
        self.assertEqual(self.wire.producerState, "paused")
        self.shell.busy = False
        self.shell.regulate()
        self.assertEqual(self.wire.producerState, "producing")

    def test_closing_has_an_end(self) -> None:
        """It is read, so that the far side's goodbye is heard; then it is cut."""
        self.shell.pauseProducing()
        self.shell.hang_up()
        self.assertIsNone(self.wire.producer)
        self.assertEqual(self.wire.producerState, "producing")
        self.assertTrue(self.wire.disconnecting)
        self.shell.hang_up()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.assertFalse(self.wire.aborted)
        self.clock.advance(CLOSE_TIMEOUT_S)
        self.assertTrue(self.wire.aborted)

    def test_nothing_is_left_of_what_was_closed(self) -> None:
        """No timer, and nobody is told to read any more."""
        self.shell.hang_up()
        self.shell.connectionLost(Failure(ConnectionDone()))
        self.assertTrue(self.shell.ended)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.shell.pauseProducing()
        self.shell.cut()
        self.assertEqual(self.wire.producerState, "producing")
        self.assertFalse(self.wire.aborted)

    def test_goodbye_over_tls(self) -> None:
        """The far side hears it at once, behind all that was written."""
        self.patch(tls, "_get_default_clock", lambda: self.clock)
        heard: list[Any] = []

        class Listening(Protocol):
            def dataReceived(self, data: bytes) -> None:
                heard.append(data)

            def connectionLost(self, reason: Any = None) -> None:
                heard.append(reason.type)

        server, client = Factory(), Factory.forProtocol(Listening)
        shell = Shell(self.clock)
        server.buildProtocol = lambda addr: shell  # type: ignore[method-assign,assignment]
        given = PrivateCertificate.loadPEM(CERTIFICATE + KEY).options()
        there = TLSMemoryBIOFactory(given, False, server, self.clock)
        here = TLSMemoryBIOFactory(CertificateOptions(), True, client, self.clock)
        ends = [factory.buildProtocol(None) for factory in (there, here)]
        pump = iosim.connect(
            ends[0],
            iosim.makeFakeServer(ends[0]),
            ends[1],
            iosim.makeFakeClient(ends[1]),
        )
        pump.flush()
        self.assertTrue(shell.agreed)
        assert shell.transport is not None
        shell.transport.write(b"the last words")
        shell.hang_up()
        pump.flush()
        self.clock.advance(0)
        pump.flush()
        self.assertEqual(heard, [b"the last words", ConnectionDone])
        self.assertTrue(shell.ended)
        self.assertEqual(self.clock.getDelayedCalls(), [])
