""" """

from __future__ import annotations

import struct
from typing import Annotated, ClassVar

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import OurFault, TheirFault
from gdemoi.smpp.pdu import pdus, wire
from gdemoi.smpp.pdu.headers import HEADER_OCTETS
from gdemoi.smpp.pdu.pdus import DeliverSm, Pdu, Tag, UnparsedPdu
from gdemoi.smpp.pdu.wire import CString, Integer, ShortMessage, Time
from tests.smpp.pdu.cases import VECTORS, any_pdus, golden

RESPONSES = [cls for cls in pdus.ALL if cls.command_id & pdus.RESPONSE]


def whole(
    command_id: int, body: bytes = b"", status: int = 0, number: int = 9
) -> bytes:
    return struct.pack(">IIII", 16 + len(body), command_id, status, number) + body


def unparsed(octets: bytes) -> UnparsedPdu:
    found = pdus.decode(octets)
    assert isinstance(found, UnparsedPdu), found
    return found


def parsed(octets: bytes) -> Pdu:
    found = pdus.decode(octets)
    assert isinstance(found, Pdu), found
    return found


# the body of the smallest deliver_sm up to sm_length
SM = bytes(16)


class GoldenTests(SynchronousTestCase):
    def test_reads_every_golden_pdu(self) -> None:
        """69 PDUs that at least three other implementations read alike."""
        self.assertEqual(len(VECTORS), 69)
        for case in VECTORS:
            octets, pdu = golden(case)
            self.assertEqual(pdus.decode(octets), pdu, case["name"])

    def test_writes_every_golden_pdu(self) -> None:
        """Octet for octet, TLVs in the order given."""
        for case in VECTORS:
            octets, pdu = golden(case)
            if case["encode"]:
                self.assertEqual(pdus.encode(pdu).hex(), octets.hex(), case["name"])

    def test_golden_pdus_cut_anywhere(self) -> None:
        """Octet by octet shorter: a value each time, never an exception."""
        for case in VECTORS:
            octets, _ = golden(case)
            for size in range(16, len(octets)):
                cut = struct.pack(">I", size) + octets[4:size]
                found = pdus.decode(cut)
                if isinstance(found, UnparsedPdu):
                    self.assertTrue(16 <= found.offset <= size, case["name"])
                    self.assertIn(found.status, (0x01, 0x02, 0x40, 0xC0))
                    self.assertFalse(found.command_id & pdus.RESPONSE)


class CodecTests(SynchronousTestCase):
    @given(any_pdus)
    def test_round_trip(self, pdu: Pdu) -> None:
        """Whatever the tables allow comes back as it was, within the limit."""
        octets = pdus.encode(pdu)
        self.assertEqual(int.from_bytes(octets[:4], "big"), len(octets))
        self.assertEqual(pdus.decode(octets), pdu)

    @given(
        st.sampled_from(sorted(pdus.BY_ID)),
        st.binary(max_size=120),
        st.integers(0, 0xFFFFFFFF),
    )
    def test_any_body_is_a_value(
        self, command_id: int, body: bytes, status: int
    ) -> None:
        """A PDU, or what is wrong with it and what answers it; both have a repr."""
        found = pdus.decode(whole(command_id, body, status))
        self.assertEqual(found.sequence_number, 9)
        self.assertEqual(found.command_status, status)
        self.assertTrue(repr(found))
        if isinstance(found, UnparsedPdu):
            self.assertEqual(found.body, body)
            self.assertIn(
                found.field, ["tlvs", *pdus.BY_ID[command_id].__struct_fields__]
            )
        else:
            self.assertEqual(found.command_id, command_id)

    @given(any_pdus, st.data())
    def test_one_octet_changed_is_a_value(self, pdu: Pdu, data: st.DataObject) -> None:
        """A mutated PDU never raises."""
        octets = bytearray(pdus.encode(pdu))
        at = data.draw(st.integers(4, len(octets) - 1))
        octets[at] = data.draw(st.integers(0, 255))
        self.assertIsInstance(pdus.decode(bytes(octets)), Pdu | UnparsedPdu)

    @given(st.binary(max_size=40))
    def test_octets_that_are_no_frame_raise_the_one_error(self, octets: bytes) -> None:
        """The framer never gives such; anybody else hears of it."""
        if len(octets) < 16 or int.from_bytes(octets[:4], "big") != len(octets):
            self.assertRaises(TheirFault, pdus.decode, octets)


class StrictTests(SynchronousTestCase):
    def test_names_the_field_that_breaks_a_limit(self) -> None:
        """Nothing over a limit of the specification is ever written."""
        for fields, named in (
            ({"short_message": bytes(255)}, "short_message"),
            ({"short_message": "text"}, "short_message"),
            ({"short_message": None}, "short_message"),
            ({"source_addr": "1" * 21}, "source_addr"),
            ({"destination_addr": "1\x002"}, "destination_addr"),
            ({"destination_addr": "я"}, "destination_addr"),
            ({"destination_addr": None}, "destination_addr"),
            ({"service_type": "123456"}, "service_type"),
            ({"validity_period": "000000003000000"}, "validity_period"),
            ({"esm_class": 256}, "esm_class"),
            ({"esm_class": -1}, "esm_class"),
            ({"data_coding": None}, "data_coding"),
            ({"sequence_number": 1 << 32}, "sequence_number"),
            ({"command_status": -1}, "command_status"),
            ({"tlvs": ((Tag.message_payload, b"x"),), "short_message": b"y"},
             "short_message"),
            ({"tlvs": 5}, "tlvs"),
        ):  # fmt: skip
            pdu = pdus.SubmitSm(**fields)  # type: ignore[arg-type]
            error = self.assertRaises(OurFault, pdus.encode, pdu)
            self.assertIn(f"submit_sm.{named} ", str(error))

    def test_a_tlv_of_a_wrong_size_is_our_fault(self) -> None:
        """It is named."""
        pdu = pdus.DeliverSm(tlvs=((Tag.message_state, b"\0\0"),))
        self.assertIn(
            "message_state", str(self.assertRaises(OurFault, pdus.encode, pdu))
        )

    def test_the_longest_short_message(self) -> None:
        """254 octets are written, 255 never; nor both fields."""
        octets = pdus.encode(pdus.SubmitSm(short_message=bytes(254)))
        self.assertEqual(len(octets), 16 + 16 + 1 + 254)
        for cls in (pdus.SubmitSm, pdus.DeliverSm, pdus.SubmitMulti, pdus.ReplaceSm):
            pdu = cls(short_message=bytes(255))
            self.assertRaises(OurFault, pdus.encode, pdu)
        multi = pdus.SubmitMulti(
            short_message=b"x", tlvs=((Tag.message_payload, b"x"),)
        )
        self.assertRaises(OurFault, pdus.encode, multi)

    def test_bad_destinations_are_our_fault(self) -> None:
        """The entry is named."""
        pdu = pdus.SubmitMulti(
            dest_address=(
                pdus.DestAddress(destination_addr="1"),
                pdus.DistributionList(dl_name="x" * 21),
            )
        )
        error = self.assertRaises(OurFault, pdus.encode, pdu)
        self.assertIn("submit_multi.dest_address [1].dl_name has 21", str(error))

    def test_the_response_to_a_receipt_has_an_empty_string(self) -> None:
        """deliver_sm_resp: one octet of body on success, none with an error."""
        self.assertEqual(pdus.encode(pdus.DeliverSmResp())[16:], b"\0")
        self.assertEqual(pdus.encode(pdus.DeliverSmResp(command_status=0x64))[16:], b"")

    def test_a_response_with_an_error_says_what_it_has_to_say(self) -> None:
        """TLVs of data_sm_resp go out with the error."""
        pdu = pdus.DataSmResp(
            command_status=0xFE, tlvs=((Tag.delivery_failure_reason, b"\1"),)
        )
        self.assertEqual(pdus.encode(pdu)[16:].hex(), "00" + "0425000101")
        self.assertEqual(pdus.decode(pdus.encode(pdu)), pdu)

    def test_nothing_of_34_is_written_as_33(self) -> None:
        """No TLV, data_sm, alert_notification or outbind."""
        for pdu in (
            pdus.SubmitSm(tlvs=((0x1403, b"x"),)),
            pdus.DataSm(),
            pdus.DataSmResp(),
            pdus.AlertNotification(),
            pdus.Outbind(),
        ):
            pdus.encode(pdu)
            self.assertRaises(OurFault, pdus.encode, pdu, pdus.V33)
        bind = pdus.BindTransceiver(interface_version=pdus.V33)
        self.assertEqual(pdus.encode(bind, pdus.V33), pdus.encode(bind))


class LenientTests(SynchronousTestCase):
    def test_an_unknown_command_is_a_value(self) -> None:
        """Answered by generic_nack ESME_RINVCMDID, with its number."""
        for command_id in (0x0A, 0x22, 0x00010200, 0x7FFFFFFF, 0x80000022, 0xFFFFFFFF):
            found = unparsed(whole(command_id, b"body", 5, 77))
            self.assertEqual(
                (found.command_id, found.command_status, found.body, found.field),
                (command_id, 5, b"body", "command_id"),
            )
            self.assertEqual(
                pdus.answer(found),
                pdus.GenericNack(command_status=0x03, sequence_number=77),
            )

    def test_a_cut_body_names_the_field(self) -> None:
        """Where it is cut, why, and which status answers it."""
        for body, field, offset, status in (
            (b"", "service_type", 16, 0x02),
            (b"x", "service_type", 16, 0x02),
            (b"\0\1", "source_addr_npi", 18, 0x02),
            (b"\0\1\1" + b"7916", "source_addr", 19, 0x02),
            (bytes(12), "registered_delivery", 28, 0x02),
            (bytes(16), "short_message", 32, 0x02),
            (SM + b"\5abcd", "short_message", 32, 0x01),
        ):
            found = unparsed(whole(5, body))
            self.assertEqual(
                (found.field, found.offset, found.status), (field, offset, status)
            )
            self.assertEqual(
                pdus.answer(found),
                pdus.DeliverSmResp(command_status=status, sequence_number=9),
            )

    def test_strings_over_their_size_are_taken(self) -> None:
        """As long as the frame holds them."""
        body = b"toolong\0\1\1" + b"7" * 300 + b"\0" + bytes(13)
        found = parsed(whole(5, body))
        assert isinstance(found, pdus.DeliverSm)
        self.assertEqual(
            (found.service_type, found.source_addr), ("toolong", "7" * 300)
        )

    def test_times_of_any_length_are_taken(self) -> None:
        """A centre may send twelve digits."""
        found = parsed(whole(0x80000003, b"id\x00261121023900\0\2\0"))
        assert isinstance(found, pdus.QuerySmResp)
        self.assertEqual((found.final_date, found.message_state), ("261121023900", 2))

    def test_a_short_message_of_255_octets_is_taken(self) -> None:
        """A length that we never write."""
        found = parsed(whole(5, SM + b"\xff" + b"x" * 255))
        assert isinstance(found, pdus.DeliverSm)
        self.assertEqual(len(found.short_message), 255)

    def test_any_header_is_read(self) -> None:
        """Any sequence number, and a status in a request."""
        for number in (0, 0x80000001, 0xFFFFFFFF):
            found = parsed(whole(0x15, b"", 0x7FFFFFFF, number))
            self.assertEqual(found.sequence_number, number)
            self.assertEqual(
                pdus.encode(pdus.answer(found)), whole(0x80000015, b"", 0, number)
            )

    def test_every_response_reads_without_a_body(self) -> None:
        """And with nothing but an error."""
        for cls in RESPONSES:
            for status in (0, 8, 0x400, 0xFFFFFFFF):
                found = pdus.decode(whole(cls.command_id, b"", status))
                self.assertEqual(found, cls(command_status=status, sequence_number=9))

    def test_a_cut_response_says_what_it_can(self) -> None:
        """What it answers has happened, whatever its body looks like."""
        found = parsed(whole(0x80000004, b"4d0fe926"))
        self.assertEqual(
            found, pdus.SubmitSmResp(sequence_number=9, message_id="4d0fe926")
        )
        found = parsed(whole(0x80000004, b"x" * 300))
        self.assertEqual(getattr(found, "message_id"), "x" * 300)  # noqa: B009
        found = parsed(whole(0x80000003, b"id\0"))
        self.assertEqual(found, pdus.QuerySmResp(sequence_number=9, message_id="id"))
        found = parsed(whole(0x80000021, b"id\0\2\1\1791"))
        self.assertEqual(getattr(found, "message_id"), "id")  # noqa: B009
        self.assertEqual(found.rest, b"\2\1\1791")

    def test_tlvs_in_any_response_are_read(self) -> None:
        """EMG sends user_message_reference in submit_sm_resp."""
        found = parsed(whole(0x80000004, b"id\0" + bytes.fromhex("020400020007")))
        self.assertEqual(found.tlv_int(Tag.user_message_reference), 7)

    def test_octets_after_a_pdu_without_a_body_are_kept(self) -> None:
        """enquire_link_resp with a body was seen."""
        for cls in (pdus.EnquireLink, pdus.EnquireLinkResp, pdus.Unbind):
            found = parsed(whole(cls.command_id, b"\0"))
            self.assertEqual(found, cls(sequence_number=9, rest=b"\0"))
            self.assertEqual(pdus.encode(found), whole(cls.command_id, b"\0"))

    def test_a_cut_tlv_does_not_cost_the_message(self) -> None:
        """The text was there: it is taken, with the TLVs before the cut one."""
        body = SM + b"\2hi" + bytes.fromhex("0427000102" + "042300ff03")
        found = parsed(whole(5, body))
        self.assertEqual(
            found,
            pdus.DeliverSm(
                sequence_number=9,
                short_message=b"hi",
                tlvs=((Tag.message_state, b"\2"),),
                rest=bytes.fromhex("042300ff03"),
            ),
        )

    def test_a_cut_tlv_that_may_have_been_the_text_is_refused(self) -> None:
        """The sender hears ESME_RINVOPTPARSTREAM, and can send it again."""
        cut = bytes.fromhex("042400ff41")
        for octets in (
            whole(5, SM + b"\0" + cut),
            whole(0x103, bytes(10) + cut),
            whole(4, SM + b"\0\4"),
        ):
            found = unparsed(octets)
            self.assertEqual((found.field, found.status), ("tlvs", 0xC0))
        whole_payload = bytes.fromhex("0424000141")
        found = parsed(whole(0x103, bytes(10) + whole_payload + cut))
        self.assertEqual(found.tlv(Tag.message_payload), b"A")

    def test_a_payload_of_64_k(self) -> None:
        """The longest that a TLV can hold."""
        pdu = pdus.DeliverSm(tlvs=((Tag.message_payload, b"x" * 65535),))
        self.assertEqual(pdus.decode(pdus.encode(pdu)), pdu)


class AnswerTests(SynchronousTestCase):
    def test_answers_with_the_requests_number(self) -> None:
        """Its own response, with fields; generic_nack where there is none."""
        request = pdus.SubmitSm(sequence_number=7)
        self.assertEqual(
            pdus.answer(request, message_id="id"),
            pdus.SubmitSmResp(sequence_number=7, message_id="id"),
        )
        self.assertEqual(
            pdus.answer(pdus.AlertNotification(sequence_number=8), 0x03),
            pdus.GenericNack(sequence_number=8, command_status=0x03),
        )

    def test_a_status_of_ones_own_wins(self) -> None:
        """Over that of the unparsed PDU."""
        cut = unparsed(whole(5, b""))
        self.assertEqual(pdus.answer(cut, 0x64).command_status, 0x64)


class Sample(Pdu):
    """A PDU of a vendor's own, with a number of two octets in the middle."""

    command_id: ClassVar[int] = 0x00010200
    command: ClassVar[str] = "sample"
    name: Annotated[str, CString(5)] = ""
    port: Annotated[int, Integer(2)] = 0
    when: Annotated[str, Time()] = ""
    text: Annotated[bytes, ShortMessage(10)] = b""
    last: Annotated[int, Integer(1)] = 0
    unwritten: int = 5


class GeneratedTests(SynchronousTestCase):
    def test_the_annotations_are_the_table(self) -> None:
        """Fields in the order of the class; those without a type are not sent."""
        self.assertEqual(
            list(wire.table_of(Sample)), ["name", "port", "when", "text", "last"]
        )
        self.assertEqual(wire.table_of(DeliverSm)["source_addr"], CString(21))

    def test_a_class_of_ones_own(self) -> None:
        """Any table gives an encoder and a decoder that agree with the walk."""
        encode = pdus.make_encoder(Sample)
        decode = pdus.make_decoder(Sample)
        sample = Sample(
            sequence_number=3, name="abcd", port=0x0B84, text=b"\0x", last=255
        )
        octets = encode(sample)
        self.assertEqual(
            octets.hex(),
            "0000001c000102000000000000000003" + "6162636400" + "0b84" + "00"
            "020078" + "ff",
        )
        self.assertEqual(decode(octets, len(octets), 0, 3), sample)

    @given(any_pdus)
    def test_generated_code_does_what_the_table_says(self, pdu: Pdu) -> None:
        """The body read field by field has the same values."""
        octets = pdus.encode(pdu)
        offset = HEADER_OCTETS
        for name, kind in wire.table_of(type(pdu)).items():
            value, offset = kind.read(octets, offset)
            self.assertEqual(value, getattr(pdu, name))
