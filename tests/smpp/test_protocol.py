from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.net.reconnector import LoginRefused
from gdemoi.net.regulated import CLOSE_TIMEOUT_S
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.protocol import EsmeFactory, EsmeProtocol
from gdemoi.smpp.session_types import SessionState
from tests.smpp.sessions import SUBMIT, bind_answer, parameters


class Listener:
    """Hears everything and says nothing."""

    def __init__(self) -> None:
        self.reported: list[Any] = []

    def session_event(self, esme: EsmeProtocol, events: Any) -> None:
        self.reported += events


class Wire(StringTransport):
    """A transport that remembers each write, and how it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.no_delay = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        super().write(data)

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled


def connected(**given_: Any) -> tuple[EsmeProtocol, Wire, Clock, Listener]:
    """Return a protocol on a wire that has sent its bind."""
    clock, listener, wire = Clock(), Listener(), Wire()
    esme = EsmeProtocol(parameters(**given_), clock, listener)
    esme.makeConnection(wire)
    return esme, wire, clock, listener


def bound(**given_: Any) -> tuple[EsmeProtocol, Wire, Clock, Listener]:
    """Return a protocol that is bound, with nothing written."""
    esme, wire, clock, listener = connected(**given_)
    esme.dataReceived(pdus.encode(bind_answer()))
    wire.writes.clear()
    return esme, wire, clock, listener


class ShellTests(SynchronousTestCase):
    def test_binds_when_connected(self) -> None:
        """At once, without Nagle, and `ready` fires with the answer."""
        esme, wire, _, _ = connected()
        self.assertIsInstance(pdus.decode(wire.value()), pdus.BindTransceiver)
        self.assertTrue(wire.no_delay)
        ready = esme.ready()
        self.assertNoResult(ready)
        esme.dataReceived(pdus.encode(bind_answer()))
        self.assertIsNone(self.successResultOf(ready))
        self.assertIsNone(self.successResultOf(esme.ready()))

    def test_one_write_per_turn(self) -> None:
        """What is submitted in one turn of the reactor leaves in one write."""
        esme, wire, clock, _ = bound()
        for number in range(5):
            esme.submit(SUBMIT, number)
        self.assertEqual(wire.writes, [])
        clock.advance(0)
        self.assertEqual([len(one) for one in wire.writes], [5 * len(SUBMIT)])

    def test_a_refused_bind_closes(self) -> None:
        """`ready` fails; refused credentials ask for a long pause."""
        for status, pause_s in ((0x0E, 300.0), (0x0D, None)):
            esme, wire, _, _ = connected()
            ready = esme.ready()
            esme.dataReceived(pdus.encode(bind_answer(command_status=status)))
            self.assertTrue(wire.disconnecting)
            esme.connectionLost()
            failure = self.failureResultOf(ready, LoginRefused)
            self.assertEqual(failure.value.pause_s, pause_s)
            self.failureResultOf(esme.ready(), LoginRefused)
            self.assertIn("bind refused", self.successResultOf(esme.over()))

    def test_timers_follow_the_session(self) -> None:
        """The bind's timeout rings; nothing is left when the connection is gone."""
        esme, wire, clock, _ = connected(bind_timeout_s=10.0)
        clock.advance(10)
        self.assertTrue(wire.disconnecting)
        esme.connectionLost()
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_a_far_side_that_does_not_close_is_cut_off(self) -> None:
        """After our last octets it has a moment, and no more."""
        esme, wire, clock, _ = bound()
        cut: list[bool] = []
        wire.abortConnection = lambda: cut.append(True)  # type: ignore[method-assign]
        esme.dataReceived(bytes(16))
        self.assertEqual(cut, [])
        clock.advance(CLOSE_TIMEOUT_S)
        self.assertEqual(cut, [True])

    def test_reading_stops_while_our_buffer_is_full(self) -> None:
        """And while the holder asks for it; both must end."""
        esme, wire, _, _ = bound()
        esme.pauseProducing()
        self.assertEqual(wire.producerState, "paused")
        esme.hold(True)
        esme.resumeProducing()
        self.assertEqual(wire.producerState, "paused")
        esme.hold(False)
        self.assertEqual(wire.producerState, "producing")

    def test_reading_goes_on_before_the_bind(self) -> None:
        """TLS calls itself full until its handshake has been read."""
        esme, wire, _, _ = connected()
        esme.pauseProducing()
        self.assertEqual(wire.producerState, "producing")

    def test_abort_settles_and_is_harmless_twice(self) -> None:
        """What was unanswered is told, once."""
        esme, _, clock, listener = bound()
        esme.submit(SUBMIT, "m")
        clock.advance(0)
        esme.abort()
        esme.abort()
        esme.connectionLost()
        contexts = [one.context for one in listener.reported if hasattr(one, "context")]
        self.assertEqual(contexts, ["m"])
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_the_factory_makes_what_it_is_told(self) -> None:
        """One protocol per connection."""
        made, *_ = connected()
        self.assertIs(EsmeFactory(lambda: made).buildProtocol(None), made)


class PropertyTests(SynchronousTestCase):
    @given(st.lists(st.binary(max_size=80), max_size=6), st.booleans())
    def test_no_octets_raise_out_of_the_protocol(
        self, chunks: list[bytes], is_bound: bool
    ) -> None:
        """Any octets at any chunking; the end leaves nothing behind."""
        esme, _, clock, _ = bound() if is_bound else connected()
        for chunk in chunks:
            esme.dataReceived(chunk)
            clock.advance(0.1)
        esme.connectionLost()
        self.assertIs(esme.session.state, SessionState.CLOSED)
        self.assertEqual(clock.getDelayedCalls(), [])

    @given(st.lists(st.binary(max_size=60), max_size=6))
    def test_whole_frames_keep_the_bind(self, bodies: list[bytes]) -> None:
        """deliver_sm of any body is answered, and the bind stays."""
        esme, wire, _, listener = bound()
        for number, body in enumerate(bodies):
            size = (16 + len(body)).to_bytes(4, "big")
            esme.dataReceived(
                size + b"\0\0\0\5\0\0\0\0" + number.to_bytes(4, "big") + body
            )
        came = [one for one in listener.reported if type(one).__name__ == "Came"]
        for one in came:
            esme.answer(one.pdu, 0)
        esme._flush()
        answers = b"".join(wire.writes)
        self.assertEqual(answers.count(b"\x80\0\0\5"), len(bodies))
        self.assertTrue(esme.session.bound)
        esme.connectionLost()
