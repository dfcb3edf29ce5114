from typing import Annotated, ClassVar

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.smpp import pdus, pdus_code, wire
from gdemoi.smpp.pdus import DeliverSm
from gdemoi.smpp.pdus_base import Pdu
from gdemoi.smpp.wire import CString, Integer, ShortMessage, Time
from tests.smpp.pdu_cases import any_pdus


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
        encode = pdus_code.make_encoder(Sample)
        decode = pdus_code.make_decoder(Sample)
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
        offset = wire.HEADER_OCTETS
        for name, kind in wire.table_of(type(pdu)).items():
            value, offset = kind.read(octets, offset)
            self.assertEqual(value, getattr(pdu, name))
