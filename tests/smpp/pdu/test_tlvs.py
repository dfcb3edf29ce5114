from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import OurFault
from gdemoi.smpp.pdu import tlvs
from gdemoi.smpp.pdu.tlvs import CutTlv, Tag
from tests.smpp.pdu.cases import some_tlvs

# SMPP 3.4 table 5-7, tag by tag, as the specification prints it.
TAGS = """
    0005 1 1  0006 1 1  0007 1 1  0008 2 2  000D 1 1  000E 1 1  000F 1 1  0010 1 1
    0017 4 4  0019 1 1  001D 1 256  001E 1 65  0030 1 1  0201 1 1  0202 2 23
    0203 2 23  0204 2 2  0205 1 1  020A 2 2  020B 2 2  020C 2 2  020D 1 1  020E 1 1
    020F 1 1  0210 1 1  0302 1 1  0303 0 65  0304 1 1  0381 4 19  0420 1 1  0421 1 1
    0422 1 1  0423 3 3  0424 0 65535  0425 1 1  0426 1 1  0427 1 1  0501 1 1
    1201 1 1  1203 2 2  1204 1 1  130C 0 1  1380 1 1  1383 2 2
"""


class TagTests(SynchronousTestCase):
    def test_the_table_of_the_specification(self) -> None:
        """Every tag of 3.4 with the sizes its value may have."""
        cells = TAGS.split()
        rows = zip(cells[::3], cells[1::3], cells[2::3], strict=True)
        expected = {int(tag, 16): (int(lo), int(hi)) for tag, lo, hi in rows}
        found = {tag: (shape.least, shape.most) for tag, shape in tlvs.SHAPES.items()}
        self.assertEqual(found, expected)
        self.assertEqual({int(tag) for tag in Tag}, set(expected))

    def test_names(self) -> None:
        """A tag that nobody knows is told by number."""
        self.assertEqual(tlvs.name_of(0x0424), "message_payload")
        self.assertEqual(tlvs.name_of(0x1403), "0x1403")


class ReadTests(SynchronousTestCase):
    def test_unknown_tags_wrong_sizes_and_repeats_are_kept(self) -> None:
        """Data, in order: nothing is refused for what it is."""
        octets = bytes.fromhex("140300014204270004000000021403000143001e0000")
        self.assertEqual(
            tlvs.read(octets, 0),
            (
                (0x1403, b"B"),
                (Tag.message_state, b"\0\0\0\2"),
                (0x1403, b"C"),
                (Tag.receipted_message_id, b""),
            ),
        )

    def test_a_cut_tlv_tells_what_was_read_before_it(self) -> None:
        """Cut in the head, or in the value."""
        whole = bytes.fromhex("0427000102")
        for tail, tag in (("04", -1), ("042400", -1), ("04240002ff", 0x424)):
            octets = b"xx" + whole + bytes.fromhex(tail)
            error = self.assertRaises(CutTlv, tlvs.read, octets, 2)
            self.assertEqual(
                (error.offset, error.tag, error.read), (7, tag, ((0x427, b"\2"),))
            )

    @given(some_tlvs)
    def test_round_trip(self, given_tlvs: tuple[tlvs.Tlv, ...]) -> None:
        """What was written is read, in order."""
        self.assertEqual(tlvs.read(b"head" + tlvs.write(given_tlvs), 4), given_tlvs)

    @given(st.binary(max_size=120))
    def test_any_octets(self, octets: bytes) -> None:
        """TLVs, or the one error; what was read before it is written the same."""
        try:
            found, end = tlvs.read(octets, 0), len(octets)
        except CutTlv as cut:
            found, end = cut.read, cut.offset
        self.assertEqual(sum(4 + len(value) for _, value in found), end)


class WriteTests(SynchronousTestCase):
    def test_a_wrong_size_is_our_fault(self) -> None:
        """Known tags have the size that the specification says."""
        for tag, value in (
            (Tag.message_state, b"\0\0"),
            (Tag.sar_msg_ref_num, b"\1"),
            (Tag.receipted_message_id, b""),
            (Tag.callback_num, b"abc"),
        ):
            error = self.assertRaises(OurFault, tlvs.write, ((tag, value),))
            self.assertIn(tag.name, str(error))

    def test_what_the_wire_cannot_hold_is_our_fault(self) -> None:
        """Tags and lengths over 16 bits, and more octets than a PDU has."""
        for given_tlvs in (
            ((0x10000, b""),),
            ((-1, b""),),
            ((0x1400, bytes(65536)),),
            ((0x1400, bytes(40000)), (0x1401, bytes(40000))),
        ):
            self.assertRaises(OurFault, tlvs.write, given_tlvs)

    def test_numbers_have_the_width_of_their_tag(self) -> None:
        """One octet, two, four; too large a number is our fault."""
        self.assertEqual(tlvs.integer(Tag.sar_msg_ref_num, 7), (0x20C, b"\0\7"))
        self.assertEqual(tlvs.integer(Tag.message_state, 2), (0x427, b"\2"))
        self.assertEqual(tlvs.integer(Tag.qos_time_to_live, 1), (0x17, b"\0\0\0\1"))
        self.assertEqual(tlvs.integer(0x1403, 9), (0x1403, b"\t"))
        self.assertRaises(OurFault, tlvs.integer, Tag.message_state, 256)
        self.assertRaises(OurFault, tlvs.integer, Tag.message_state, -1)

    def test_texts_end_in_a_nul(self) -> None:
        """And hold none, nor what Latin-1 lacks."""
        self.assertEqual(tlvs.text(Tag.receipted_message_id, "4d"), (0x1E, b"4d\0"))
        self.assertRaises(OurFault, tlvs.text, Tag.receipted_message_id, "a\0b")
        self.assertRaises(OurFault, tlvs.text, Tag.receipted_message_id, "я")
