"""What comes from a broken or hostile SMSC, row by row, and what is answered."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Accepted, Inbound, Receipt, Refused, Uncertain
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.pdus import DeliverSm, UnparsedPdu
from gdemoi.smpp.pdu.tlvs import Tag
from gdemoi.smpp.session import EsmeSession
from gdemoi.smpp.session_types import (
    BindRefused,
    Bound,
    DeliveryReceived,
    LateResponseReceived,
    ResponseMissing,
    ResponseReceived,
    SessionEnded,
    SessionNotice,
)
from tests.smpp.rig import ChannelRig
from tests.smpp.sessions import NOW, SUBMIT, bind_answer, bound, give, parameters, sent

SMS = DeliverSm(
    sequence_number=7,
    source_addr_ton=1,
    source_addr_npi=1,
    source_addr="79161234567",
    destination_addr="34600000000",
    short_message=b"OK",
)


def frame(command_id: int, number: int, body: bytes = b"", status: int = 0) -> bytes:
    """Return a whole frame with any body."""
    parts = (16 + len(body), command_id, status, number)
    return b"".join(part.to_bytes(4, "big") for part in parts) + body


def body_of(pdu: pdus.Pdu) -> bytes:
    """Return what follows the header."""
    return pdus.encode(pdu)[16:]


class LostFrameTests(SynchronousTestCase):
    def check(self, octets: bytes, number: int) -> None:
        """The octets end the session with generic_nack ESME_RINVCMDLEN."""
        session = bound()
        found = session.receive(octets, NOW)
        self.assertIsInstance(found[-1], SessionEnded)
        (nack,) = sent(session)
        self.assertIsInstance(nack, pdus.GenericNack)
        self.assertEqual((nack.command_status, nack.sequence_number), (0x02, number))

    def test_h_bad_lengths(self) -> None:
        """0, 4, 15, 0x7fffffff, 0xffffffff: nack at once, with the number if any."""
        for length in (0, 4, 15, 70_001, 0x7FFFFFFF, 0xFFFFFFFF):
            head = length.to_bytes(4, "big")
            self.check(head, 0)
            self.check(head + frame(0x05, 77)[4:], 77)

    def test_h_zeros_http_and_tls(self) -> None:
        """A megabyte of zeros, a web browser, a TLS hello: one nack, no more."""
        self.check(bytes(1 << 20), 0)
        session = bound()
        session.receive(b"GET / HTTP/1.1\r\nHost: smsc\r\n\r\n", NOW)
        self.assertEqual(len(sent(session)), 1)
        session = bound()
        session.receive(bytes.fromhex("16030100f8010000f40303") + bytes(237), NOW)
        self.assertEqual(len(sent(session)), 1)

    def test_h_what_came_before_is_taken(self) -> None:
        """Whole PDUs before the lost frame count."""
        session = bound()
        session.submit(SUBMIT, "kept", NOW)
        answer = pdus.encode(pdus.SubmitSmResp(sequence_number=2, message_id="a"))
        found = session.receive(answer + bytes(16), NOW)
        self.assertIsInstance(found[0], ResponseReceived)
        self.assertIsInstance(found[-1], SessionEnded)

    def test_h_a_legal_64_kb_payload_is_taken(self) -> None:
        """The largest deliver_sm that the specification allows."""
        session = bound()
        payload = ((int(Tag.message_payload), b"x" * 65535),)
        (came,) = give(session, DeliverSm(sequence_number=1, tlvs=payload))
        assert isinstance(came, DeliveryReceived)
        self.assertEqual(len(came.pdu.tlv(Tag.message_payload) or b""), 65535)


class RequestTests(SynchronousTestCase):
    def test_h_half_a_pdu_and_silence_closes(self) -> None:
        """Half a header, half a body: link_timeout closes."""
        for half in (b"\0\0", pdus.encode(SMS)[:10], pdus.encode(SMS)[:30]):
            session = bound(enquire_link_s=30, link_timeout_s=30)
            session.receive(half, NOW + 20)
            session.tick(NOW + 30)
            found = session.tick(NOW + 60)
            self.assertIsInstance(found[-1], SessionEnded)

    def test_h_dribble_and_crowd(self) -> None:
        """Octet by octet, or a hundred PDUs in one read: as usual."""
        session = bound()
        found: list[Any] = []
        for octet in pdus.encode(SMS):
            found += session.receive(bytes((octet,)), NOW)
        self.assertEqual(len(found), 1)
        found = session.receive(pdus.encode(SMS) * 100, NOW)
        self.assertEqual(len(found), 100)

    def test_h_unknown_request(self) -> None:
        """generic_nack ESME_RINVCMDID with its number, and the session goes on."""
        session = bound()
        for command_id in (0x0A, 0x10200, 0x7FFFFFFF, 0x22):
            session.receive(frame(command_id, 99, b"junk"), NOW)
            (nack,) = sent(session)
            self.assertIsInstance(nack, pdus.GenericNack)
            self.assertEqual((nack.command_status, nack.sequence_number), (0x03, 99))
            self.assertTrue(session.bound)

    def test_h_unknown_answers_are_ignored(self) -> None:
        """An unknown answer, an answer to nothing, a nack to nothing: no octet."""
        session = bound()
        for command_id in (0x8000FFFF, 0x80000004, 0x80000000, 0x80000015):
            found = session.receive(frame(command_id, 4242), NOW)
            self.assertIsInstance(found[0], SessionNotice)
            self.assertEqual(session.outbox(), b"")
            self.assertTrue(session.bound)

    def test_h_an_unknown_answer_with_our_number_settles_nothing(self) -> None:
        """Only the request's own response or generic_nack is its answer."""
        session = bound()
        session.submit(SUBMIT, "kept", NOW)
        self.assertIsInstance(
            session.receive(frame(0x80000005, 2), NOW)[0], SessionNotice
        )
        self.assertEqual(session.unanswered, 1)

    def test_h_an_answer_of_another_type_settles_nothing_late(self) -> None:
        """Also after response_timeout; the true answer still counts (report A5)."""
        strangers = (0x80000015, 0x80000005, 0x80000103, 0x80000003, 0x80000006)
        for stranger in strangers:
            with self.subTest(hex(stranger)):
                session = bound(response_timeout_s=5.0)
                session.submit(SUBMIT, "kept", NOW)
                (gone,) = session.tick(NOW + 5.0)
                self.assertIsInstance(gone, ResponseMissing)
                (found,) = session.receive(frame(stranger, 2), NOW + 6.0)
                self.assertIsInstance(found, SessionNotice)
                (late,) = give(
                    session,
                    pdus.SubmitSmResp(sequence_number=2, message_id="77"),
                    NOW + 6.5,
                )
                self.assertIsInstance(late, LateResponseReceived)
                self.assertEqual(late.pdu.message_id, "77")

    def test_h_an_unbind_is_answered_by_its_own_kind(self) -> None:
        """A deliver_sm_resp with its number ends nothing (report A5)."""
        session = bound()
        session.drain(NOW, 0.0)
        (unbind,) = sent(session)
        self.assertIsInstance(unbind, pdus.Unbind)
        (found,) = session.receive(frame(0x80000005, unbind.sequence_number), NOW)
        self.assertIsInstance(found, SessionNotice)
        (over,) = session.receive(frame(0x80000006, unbind.sequence_number), NOW)
        self.assertIsInstance(over, SessionEnded)

    def test_h_wrong_direction(self) -> None:
        """submit_sm and the like from the SMSC get ESME_RINVBNDSTS."""
        session = bound()
        for command_id in (0x01, 0x02, 0x03, 0x04, 0x07, 0x08, 0x09, 0x21):
            session.receive(frame(command_id, 5, body_of(SMS)), NOW)
            (answer,) = sent(session)
            self.assertEqual(answer.command_id, command_id | 0x80000000)
            self.assertEqual((answer.command_status, answer.sequence_number), (4, 5))
            self.assertTrue(session.bound)

    def test_h_broken_bodies(self) -> None:
        """A cut body is answered with a status, never with the end."""
        whole = body_of(SMS)
        for cut in range(len(whole)):
            session = bound()
            session.receive(frame(0x05, 7, whole[:cut]), NOW)
            (answer,) = sent(session)
            self.assertIsInstance(answer, pdus.DeliverSmResp)
            self.assertIn(answer.command_status, (0x01, 0x02))
            self.assertEqual(answer.sequence_number, 7)
            self.assertTrue(session.bound)

    def test_h_sm_length_beyond_the_body(self) -> None:
        """sm_length 255 with two octets of text."""
        session = bound()
        whole = body_of(SMS)
        session.receive(frame(0x05, 7, whole[:-3] + b"\xff" + whole[-2:]), NOW)
        (answer,) = sent(session)
        self.assertEqual(answer.command_status, 0x01)

    def test_h_tlv_beyond_the_body(self) -> None:
        """The mandatory part is taken; without any text it is ESME_R…OPTPAR…."""
        session = bound()
        cut = bytes.fromhex("0424ffff") + b"abc"
        found = session.receive(frame(0x05, 7, body_of(SMS) + cut), NOW)
        self.assertIsInstance(found[0], DeliveryReceived)
        empty = DeliverSm(source_addr="1")
        session.receive(frame(0x05, 8, body_of(empty) + cut), NOW)
        (answer,) = sent(session)
        self.assertEqual(answer.command_status, 0xC0)
        self.assertTrue(session.bound)

    def test_h_tlv_of_a_wrong_size(self) -> None:
        """message_state of 4 octets, an id without NUL: taken."""
        rig = ChannelRig()
        rig.smsc.deliver(
            "esme",
            DeliverSm(
                esm_class=4,
                tlvs=(),
                rest=bytes.fromhex("0427000400000002")
                + bytes.fromhex("001e0002")
                + b"77",
            ),
        )
        rig.turn()
        (receipt,) = rig.recorder.receipts
        self.assertEqual(
            (receipt.provider_id, receipt.state.value), ("77", "delivered")
        )
        rig.stop()

    def test_h_over_long_fields_are_taken(self) -> None:
        """Addresses of 60 characters and the like are bounded by the PDU."""
        body = b"x" * 30 + b"\0\1\1" + b"7" * 60 + b"\0\1\1" + b"3" * 60 + b"\0"
        body += bytes(3) + b"\0\0" + bytes(4) + b"\2OK"
        session = bound()
        (came,) = session.receive(frame(0x05, 7, body), NOW)
        assert isinstance(came, DeliveryReceived)
        self.assertEqual(came.pdu.source_addr, "7" * 60)

    def test_h_odd_sequence_numbers(self) -> None:
        """0, 0x80000001, 0xffffffff, twice the same: each answered with its own."""
        rig = ChannelRig()
        for number in (0, 0x80000001, 0xFFFFFFFF, 5, 5):
            before = len(rig.net.wires[0][0].written)
            rig.server.transport.write(frame(0x05, number, body_of(SMS)))
            rig.turn()
            answer = pdus.decode(bytes(rig.net.wires[0][0].written[before:]))
            self.assertIsInstance(answer, pdus.DeliverSmResp)
            self.assertEqual(answer.sequence_number, number)
        rig.stop()

    def test_h_status_in_a_request_is_ignored(self) -> None:
        """A deliver_sm with a command_status is a deliver_sm."""
        session = bound()
        found = session.receive(frame(0x05, 7, body_of(SMS), status=0x58), NOW)
        self.assertIsInstance(found[0], DeliveryReceived)

    def test_h_odd_texts_are_accepted(self) -> None:
        """Header errors, odd UCS2, lone surrogates, reserved codings: status 0."""
        rig = ChannelRig()
        odd = [
            (0x40, 0, b"\xff\0\3"),
            (0x40, 0, b""),
            (0x40, 8, b"\5\0\3\1\2\3ab"),
            (0, 8, b"\x04"),
            (0, 8, b"\xd8\x3d"),
            (0, 0x3F, b"abc"),
            (0, 0xE5, b"abc"),
            (0, 0, b"abc\x1b"),
            (0, 0, b"\xff\xfe"),
            (0, 4, bytes(range(256))[:200]),
        ]
        for esm_class, data_coding, octets in odd:
            rig.smsc.deliver(
                "esme",
                DeliverSm(
                    source_addr="7",
                    esm_class=esm_class,
                    data_coding=data_coding,
                    short_message=octets,
                ),
            )
        rig.turn()
        self.assertEqual(len(rig.recorder.inbounds), len(odd))
        self.assertEqual({status for _, status in rig.smsc.answered}, {0})
        for inbound in rig.recorder.inbounds:
            text = inbound.text or ""
            self.assertTrue("\ufffd" not in text or inbound.binary is not None)
        rig.stop()

    def test_h_odd_receipts_are_accepted(self) -> None:
        """Unknown, empty, garbage, huge, with control octets: status 0."""
        rig = ChannelRig()
        for text in (b"", b"garbage", b"id:\x00\x1b[2J stat:DELIVRD\n", b"\xff" * 254):
            rig.smsc.deliver("esme", DeliverSm(esm_class=4, short_message=text))
        huge = ((int(Tag.message_payload), b"id:1 " * 13_000),)
        rig.smsc.deliver("esme", DeliverSm(esm_class=4, tlvs=huge))
        rig.turn()
        self.assertEqual(len(rig.recorder.receipts), 5)
        self.assertEqual({status for _, status in rig.smsc.answered}, {0})
        for receipt in rig.recorder.receipts:
            self.assertTrue(receipt.raw.isprintable())
            self.assertLessEqual(len(receipt.raw), 1000)
        rig.stop()

    @given(st.binary(max_size=120), st.integers(0, 255), st.integers(0, 255))
    def test_h_any_delivery_is_something(
        self, octets: bytes, esm_class: int, data_coding: int
    ) -> None:
        """Whatever a readable deliver_sm holds, it becomes a receipt or an SMS."""
        rig = CHANNEL
        pdu = DeliverSm(
            source_addr="7",
            esm_class=esm_class,
            data_coding=data_coding,
            short_message=octets,
        )
        read = rig.channel.deliveries.reader.read(pdu, 1, NOW)
        self.assertIsInstance(read, Inbound | Receipt)


CHANNEL = ChannelRig(start=False)


class BindTests(SynchronousTestCase):
    def binding(self) -> EsmeSession:
        """Return a session that waits for its bind's answer."""
        session = EsmeSession(parameters(), NOW)
        session.bind(NOW)
        session.outbox()
        return session

    def test_h_a_delivery_before_the_bind_answer(self) -> None:
        """ESME_RINVBNDSTS, and the connection stays."""
        session = self.binding()
        give(session, SMS)
        (answer,) = sent(session)
        self.assertEqual((answer.command_status, answer.sequence_number), (0x04, 7))
        (found,) = give(session, bind_answer())
        self.assertIsInstance(found, Bound)

    def test_h_a_bind_answer_of_another_number_is_not_ours(self) -> None:
        """It neither binds nor ends."""
        session = self.binding()
        (found,) = give(session, bind_answer(2))
        self.assertIsInstance(found, SessionNotice)
        self.assertFalse(session.bound)

    def test_odd_bind_answers_bind(self) -> None:
        """No body, no TLV, unknown TLVs, an over-long id, no NUL."""
        for body in (
            b"",
            b"SMSC\0",
            b"SMSC\0" + bytes.fromhex("14030001ff"),
            b"S" * 300 + b"\0",
            b"SMSC",
            b"SMSC\0" + bytes.fromhex("0210ffff"),
        ):
            session = self.binding()
            found = session.receive(frame(0x80000009, 1, body), NOW)
            self.assertIsInstance(found[0], Bound, body)
            self.assertFalse(session.tlvs)

    def test_generic_nack_is_a_refusal(self) -> None:
        """With or without a status."""
        for status in (0x03, 0x00):
            session = self.binding()
            found = session.receive(frame(0x80000000, 1, status=status), NOW)
            self.assertIsInstance(found[0], BindRefused)
            self.assertIsInstance(found[-1], SessionEnded)


class SubmitAnswerTests(SynchronousTestCase):
    def test_h_odd_submit_answers(self) -> None:
        """No body, cut, 300 octets, TLVs, vendor status, a body with an error."""
        for status, body, accepted in (
            (0, b"", True),
            (0, b"abc", True),
            (0, b"a" * 300 + b"\0", True),
            (0, b"a1\0" + bytes.fromhex("020400020001"), True),
            (0, b"a1\0\xff\xff", True),
            (0x400, b"", False),
            (0x35, b"", False),
            (0x45, b"a1\0", False),
            (0xFFFFFFFF, b"\xff\xff", False),
        ):
            rig = ChannelRig()
            rig.server.dataReceived = lambda data: None
            outcomes = rig.submit(rig.message())
            rig.server.transport.write(frame(0x80000004, 2, body, status))
            rig.turn()
            (outcome,) = outcomes
            self.assertEqual(type(outcome).__name__ == "Accepted", accepted, body)
            self.assertEqual(rig.channel.unable(), None)
            rig.server.transport.abortConnection()
            rig.stop(0)

    def test_the_true_answer_after_one_that_contradicts_itself(self) -> None:
        """generic_nack with ESME_ROK says nothing, in time or late; this does."""
        nack, answer = frame(0x80000000, 2), frame(0x80000004, 2, b"a1\0")
        for nacks, after_s in ((1, 0), (2, 0), (1, 6), (3, 6)):
            rig = ChannelRig(response_timeout_s=5.0, enquire_link_s=0.0)
            rig.server.dataReceived = lambda data: None
            outcomes = rig.submit(rig.message())
            rig.advance(after_s)
            rig.server.transport.write(nack * nacks + answer)
            rig.turn()
            self.assertIsInstance(outcomes[0], Uncertain)
            ((_, attempt, outcome),) = rig.recorder.lates
            assert isinstance(outcome, Accepted)
            self.assertEqual((attempt, outcome.provider_ids), (1, ("a1",)))
            rig.server.transport.abortConnection()
            rig.stop(0)

    def test_a_refusal_that_the_smsc_takes_back(self) -> None:
        """Error, then ESME_ROK for one submit: it may be out, and is told so."""
        no, yes = frame(0x80000004, 2, status=0x58), frame(0x80000004, 2, b"a1\0")
        for octets in (
            no + yes,
            no + no + yes + yes,
            frame(0x80000000, 2, status=8) + yes,
        ):
            rig = ChannelRig(enquire_link_s=0.0)
            rig.server.dataReceived = lambda data: None
            outcomes = rig.submit(rig.message())
            rig.server.transport.write(octets)
            rig.turn()
            self.assertIsInstance(outcomes[0], Refused)
            ((_, attempt, outcome),) = rig.recorder.lates
            assert isinstance(outcome, Accepted)
            self.assertEqual((attempt, outcome.provider_ids), (1, ("a1",)))
            rig.server.transport.abortConnection()
            rig.stop(0)

    def test_a_refusal_that_stays(self) -> None:
        """A second error, an answer of another type, or a nack that says ESME_ROK."""
        no = frame(0x80000004, 2, status=0x58)
        for more in (no, frame(0x80000015, 2), frame(0x80000000, 2), b""):
            rig = ChannelRig(enquire_link_s=0.0)
            rig.server.dataReceived = lambda data: None
            outcomes = rig.submit(rig.message())
            rig.server.transport.write(no + more)
            rig.turn()
            self.assertIsInstance(outcomes[0], Refused)
            self.assertEqual(rig.recorder.lates, [])
            rig.server.transport.abortConnection()
            rig.stop(0)

    def test_a_part_whose_refusal_is_taken_back(self) -> None:
        """Of two segments one is refused, then taken: the message is."""
        rig = ChannelRig(enquire_link_s=0.0)
        rig.server.dataReceived = lambda data: None
        outcomes = rig.submit(rig.message("x" * 200))
        write = rig.server.transport.write
        write(frame(0x80000004, 2, b"a1\0") + frame(0x80000004, 3, status=0x58))
        rig.turn()
        self.assertIsInstance(outcomes[0], Refused)
        write(frame(0x80000004, 3, b"a2\0"))
        rig.turn()
        ((_, _, outcome),) = rig.recorder.lates
        assert isinstance(outcome, Accepted)
        self.assertEqual(outcome.provider_ids, ("a1", "a2"))
        rig.server.transport.abortConnection()
        rig.stop(0)

    def test_h_unparsed_is_not_an_exception(self) -> None:
        """The codec's word for a cut answer is a value too."""
        session = bound()
        session.submit(SUBMIT, "c", NOW)
        (answered,) = session.receive(frame(0x80000004, 2, b"abc"), NOW)
        assert isinstance(answered, ResponseReceived)
        self.assertIsInstance(answered.pdu, UnparsedPdu | pdus.SubmitSmResp)


class FloodTests(SynchronousTestCase):
    def test_h_flood_without_reading_our_answers(self) -> None:
        """Our write buffer is full: we read no more until it is not."""
        rig = ChannelRig()
        ours, theirs = rig.net.wires[0]
        theirs.stalled = True
        for _ in range(8000):
            theirs.write(pdus.encode(SMS))
        rig.turn(2)
        taken = len(rig.recorder.inbounds)
        self.assertLess(taken, 8000)
        self.assertFalse(ours._reading)
        theirs.stalled = False
        ours.go_on()
        rig.turn(4)
        self.assertEqual(len(rig.recorder.inbounds), 8000)

    def test_h_deliveries_that_wait_for_the_journal_hold_the_line(self) -> None:
        """Memory is bounded when commits are slow."""
        rig = ChannelRig()
        rig.recorder.writes = []
        _, theirs = rig.net.wires[0]
        for _ in range(600):
            theirs.write(pdus.encode(SMS))
        rig.turn(2)
        self.assertLess(len(rig.recorder.inbounds), 600)
        for _ in range(3):
            writes, rig.recorder.writes = rig.recorder.writes, []
            for one in writes:
                one.callback(None)
            rig.turn(2)
        self.assertEqual(len(rig.recorder.inbounds), 600)

    def test_h_first_parts_that_never_end(self) -> None:
        """Each part goes up at once with its limits; nothing is kept here."""
        rig = ChannelRig(part_timeout_s=60.0)
        for reference in range(300):
            rig.smsc.deliver(
                "esme",
                DeliverSm(
                    source_addr="7",
                    esm_class=0x40,
                    short_message=bytes((5, 0, 3, reference & 0xFF, 9, 1)) + b"x",
                ),
            )
        rig.turn()
        self.assertEqual(len(rig.recorder.inbounds), 300)
        self.assertEqual({one.join_window_s for one in rig.recorder.inbounds}, {60.0})
        rig.stop()
