from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import InboundSegment
from gdemoi.text import udh
from gdemoi.text.udh import Udh

elements = st.lists(
    st.tuples(st.integers(0, 255), st.binary(max_size=20)), max_size=6
).map(tuple)


def parsed(octets: str) -> tuple[Udh, bytes]:
    return udh.parse(bytes.fromhex(octets))


class ParseTests(SynchronousTestCase):
    def test_reads_both_concatenations(self) -> None:
        """References of 8 and of 16 bits."""
        header, text = parsed("050003a7030178")
        self.assertEqual((header.part, text), (InboundSegment("a7", 3, 1), b"x"))
        header, text = parsed("06080401a7030278")
        self.assertEqual((header.part, text), (InboundSegment("01a7", 3, 2), b"x"))
        self.assertFalse(header.broken)

    def test_impossible_parts_stand_alone(self) -> None:
        """Total 0, number 0, number over total: a message of its own."""
        for octets in ("050003a70001", "050003a70300", "050003a70304", "0400020301"):
            self.assertIsNone(parsed(octets)[0].part)

    def test_the_last_of_two_counts(self) -> None:
        """TS 23.040: of elements that exclude each other the later one."""
        header, _ = parsed("0a000301020100030a0202")
        self.assertEqual(header.part, InboundSegment("0a", 2, 2))

    def test_reads_ports(self) -> None:
        """Application ports of 8 and 16 bits: destination, then source."""
        self.assertEqual(parsed("0605040b8423f0")[0].ports, (0x0B84, 0x23F0))
        self.assertEqual(parsed("0404020102")[0].ports, (1, 2))
        self.assertIsNone(parsed("050003a70301")[0].ports)
        self.assertEqual(udh.ports(0x0B84, 0x23F0).build().hex(), "0605040b8423f0")

    def test_reads_national_tables(self) -> None:
        """Elements 24 and 25 name a language; 0 is the default."""
        header, text = parsed("0324010263616d691b6f6e")
        self.assertEqual((header.single_shift, header.locking_shift), (2, 0))
        self.assertEqual(text.hex(), "63616d691b6f6e")
        self.assertEqual(parsed("03250101")[0].locking_shift, 1)

    def test_a_length_past_the_end_makes_all_of_it_text(self) -> None:
        """Nothing is thrown away; the header is marked."""
        header, text = parsed("ff000301")
        self.assertEqual((header, text), (Udh(broken=True), bytes.fromhex("ff000301")))
        self.assertEqual(udh.parse(b""), (Udh(broken=True), b""))

    def test_an_element_past_the_header_ends_it(self) -> None:
        """What was read before it counts, the text begins where it should."""
        header, text = parsed("080003a70301050978")
        self.assertEqual(
            (header.part, header.broken), (InboundSegment("a7", 3, 1), True)
        )
        self.assertEqual(text, b"")
        header, text = parsed("0305040178")
        self.assertEqual((header.ports, header.broken, text), (None, True, b"x"))
        self.assertTrue(parsed("060003a703010a")[0].broken)

    def test_fill_bits(self) -> None:
        """The size of the whole header, its length octet included, decides."""
        self.assertEqual(parsed("050003a70301")[0].fill_bits, 1)
        self.assertEqual(len(parsed("050003a70301")[0]), 6)
        self.assertEqual(len(Udh()), 0)
        self.assertEqual(Udh().build(), b"")

    @given(elements, st.binary(max_size=30))
    def test_round_trip(
        self, given: tuple[tuple[int, bytes], ...], text: bytes
    ) -> None:
        """What was built is read, and the text after it."""
        header = Udh(given)
        if given:
            self.assertEqual(udh.parse(header.build() + text), (header, text))
            self.assertEqual(len(header.build()), len(header))

    @given(st.binary(max_size=160))
    def test_any_octets_are_read(self, octets: bytes) -> None:
        """Never raises, and the text is an end of the octets."""
        header, text = udh.parse(octets)
        self.assertTrue(octets.endswith(text))
        part = header.part
        if part is not None:
            self.assertTrue(1 <= part.number <= part.total <= 255)
        self.assertIsInstance(header.ports, tuple | None)
        self.assertTrue(0 <= header.single_shift + header.locking_shift <= 510)
