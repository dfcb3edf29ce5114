"""The conversation itself: links, ends, and octets that are no PDUs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.pdus import (
    BindTransceiver,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    GenericNack,
    Unbind,
)
from gdemoi.smppserver.session import (
    BindRequested,
    Requested,
    ServerSession,
    ServerSessionParameters,
)
from gdemoi.smppserver.settings import SmppServerSettings
from tests.smppserver.rig import NOW, DoorTestCase, submit


def framed(command_id: int, body: bytes = b"", number: int = 7) -> bytes:
    """Return a PDU of any command."""
    head = (16 + len(body), command_id, 0, number)
    return b"".join(one.to_bytes(4, "big") for one in head) + body


class LinkTests(DoorTestCase):
    def test_enquire_link_keeps_it_open(self) -> None:
        """DS32: every second for five minutes without a submit."""
        esme = self.bound()
        for _ in range(300):
            self.clock.advance(1.0)
            self.assertEqual(esme.ask(EnquireLink()).command_status, 0)
        self.assertFalse(esme.closed)

    def test_a_silent_client(self) -> None:
        """DS32: our enquire_link after 30 s of silence, the end 30 s later."""
        esme = self.bound()
        self.clock.pump([1.0] * 30)
        [asked] = esme.read()
        self.assertIsInstance(asked, EnquireLink)
        self.clock.pump([1.0] * 29)
        self.assertFalse(esme.closed)
        self.clock.advance(1.0)
        self.assertTrue(esme.closed)

    def test_any_answer_is_a_sign_of_life(self) -> None:
        """Also an enquire_link_resp with an error (jsmpp with a full queue)."""
        esme = self.bound()
        for _ in range(5):
            self.clock.pump([1.0] * 30)
            [asked] = esme.read()
            esme.send(pdus.answer(asked, 0x58))
        self.assertFalse(esme.closed)

    def test_inactivity(self) -> None:
        """Where it is set: nothing but enquire_link for so long."""
        self.server_settings = SmppServerSettings(inactivity_s=60.0)
        esme = self.bound()
        self.clock.advance(50.0)
        self.taken(esme)
        for _ in range(5):
            self.clock.advance(10.0)
            esme.ask(EnquireLink())
        self.assertFalse(any(isinstance(one, Unbind) for one in esme.read()))
        self.clock.advance(10.0)
        self.assertTrue(any(isinstance(one, Unbind) for one in esme.read()))

    def test_unbind(self) -> None:
        """Answered; closed when the client has not done it in five seconds."""
        esme = self.bound()
        self.assertEqual(esme.ask(Unbind()).command_status, 0)
        self.assertFalse(esme.closed)
        self.clock.advance(5.0)
        self.assertTrue(esme.closed)
        self.assertEqual(self.esme().ask(Unbind()).command_status, 0x04)

    def test_our_stop(self) -> None:
        """DS31: clients get an unbind, and what comes meanwhile 0x08."""
        esme = self.bound()
        self.door.closing = True
        self.assertEqual(esme.ask(submit()).command_status, 0x08)
        stopping = Deferred.fromCoroutine(self.door.stop())
        [asked] = esme.read()
        self.assertIsInstance(asked, Unbind)
        esme.send(pdus.answer(asked))
        self.assertTrue(esme.closed)
        esme.hang_up()
        self.clock.advance(0.1)
        self.successResultOf(stopping)

    def test_a_client_that_ignores_our_stop(self) -> None:
        """Is cut off after five seconds."""
        esme = self.bound()
        stopping = Deferred.fromCoroutine(self.door.stop())
        self.clock.pump([0.05] * 120)
        self.assertTrue(esme.closed)
        self.successResultOf(stopping)


class HostileTests(DoorTestCase):
    def test_unknown_commands(self) -> None:
        """DS30: generic_nack 0x03 with the same number; the session stays."""
        esme = self.bound()
        for command_id in (0x0B, 0x102, 0x01000000, 0x5000, 0x0A):
            esme.raw(framed(command_id, b"\0\0\0", 0x80000001))
            [answer] = esme.read()
            self.assertIsInstance(answer, GenericNack)
            told = (answer.command_status, answer.sequence_number)
            self.assertEqual(told, (0x03, 0x80000001))
        self.taken(esme)

    def test_lengths_that_cannot_be(self) -> None:
        """DS30: generic_nack 0x02 and the end, at once; nothing is reserved."""
        for length in (0, 4, 15, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 20):
            esme = self.bound()
            esme.raw(length.to_bytes(4, "big") + framed(4)[4:])
            [answer] = esme.read()
            self.assertEqual(answer.command_status, 0x02, length)
            self.assertTrue(esme.closed)

    def test_other_protocols(self) -> None:
        """DS33: HTTP or TLS on the port: the end."""
        for octets in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        ):
            esme = self.esme()
            esme.raw(octets)
            self.assertTrue(esme.closed, octets)

    def test_the_wrong_direction(self) -> None:
        """deliver_sm from a client: 0x04."""
        for esme in (self.esme(), self.bound()):
            answer = esme.ask(DeliverSm())
            self.assertIsInstance(answer, DeliverSmResp)
            self.assertEqual(answer.command_status, 0x04)

    def test_answers_to_nothing(self) -> None:
        """Are ignored, known or not."""
        esme = self.bound()
        for command_id in (0x80000005, 0x80000103, 0x80000015, 0x80000006, 0x80000000):
            esme.raw(framed(command_id, number=99))
        self.assertEqual(esme.read(), [])
        self.taken(esme)

    def test_sequence_numbers(self) -> None:
        """Whatever they are, the answer has the same: 0, high, twice."""
        esme = self.bound()
        for number in (0, 0xFFFFFFFF, 5, 5):
            esme.raw(framed(0x15, number=number))
            [answer] = esme.read()
            self.assertEqual(answer.sequence_number, number)

    def test_broken_parameters(self) -> None:
        """A cut TLV is refused with its status, or the text is taken without it."""
        esme = self.bound()
        octets = pdus.encode(submit())
        for tail in (b"\x04\x24\xff\xff", b"\x04", b"\x02\x0c\x00\x02\x00"):
            whole = octets + tail
            esme.raw(len(whole).to_bytes(4, "big") + whole[4:])
            [answer] = esme.read()
            self.assertIn(answer.command_status, (0x01, 0xC0, 0xC2))
        self.taken(esme)

    def test_one_octet_at_a_time(self) -> None:
        """And many PDUs at once."""
        esme = self.bound()
        for octet in pdus.encode(submit()):
            esme.raw(bytes((octet,)))
        self.assertEqual(esme.read()[0].command_status, 0)
        esme.raw(pdus.encode(EnquireLink()) * 500)
        self.assertEqual(len(esme.read()), 500)

    def test_nothing_for_the_others(self) -> None:
        """While one client does all of that, another submits."""
        good = self.bound()
        for octets in (b"\0" * 100, b"\xff" * 100, framed(4, b"x"), framed(0x99)):
            self.bound().raw(octets)
            self.taken(good)
        self.assertGreater(self.door.servers["main"].counts["misuse"], 0)


class AnyOctetsTests(SynchronousTestCase):
    @given(st.lists(st.binary(max_size=60), max_size=5), st.booleans())
    def test_nothing_is_raised(self, pieces: list[bytes], bound: bool) -> None:
        """Any octets, in any state, give events or an end."""
        session = ServerSession(ServerSessionParameters(), NOW)
        if bound:
            octets = pdus.encode(BindTransceiver(system_id="x"))
            [event] = session.receive(octets, NOW)
            assert isinstance(event, BindRequested)
            session.accept_bind(
                event.pdu, system_id="g", window=5, deliver_window=5, now=NOW
            )
        for piece in pieces:
            for event in session.receive(piece, NOW):
                if isinstance(event, Requested):
                    session.answer(event.pdu, 8, NOW)
        session.outbox()
        session.tick(NOW + 1000)

    @given(st.sampled_from(sorted(pdus.BY_ID)), st.binary(max_size=100))
    def test_any_body_of_any_command(self, command_id: int, body: bytes) -> None:
        """Has an answer, or needs none; the session goes on or ends in order."""
        session = ServerSession(ServerSessionParameters(), NOW)
        [event] = session.receive(pdus.encode(BindTransceiver(system_id="x")), NOW)
        assert isinstance(event, BindRequested)
        session.accept_bind(
            event.pdu, system_id="g", window=5, deliver_window=5, now=NOW
        )
        session.outbox()
        for found in session.receive(framed(command_id, body), NOW):
            if isinstance(found, Requested):
                session.answer(found.pdu, 0x45, NOW)
        answered = session.outbox()
        self.assertEqual(bool(answered), not command_id >> 31)
