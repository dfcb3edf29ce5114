from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import OurFault
from gdemoi.smpp.pdu import wire
from gdemoi.smpp.pdu.pdus import SubmitMulti, UnsuccessSme
from gdemoi.smpp.pdu.wire import CString, Integer, InvalidBody, Rows, ShortMessage, Time


class ReadTests(SynchronousTestCase):
    def test_a_string_is_read_whatever_its_length(self) -> None:
        """Bounded by the frame only."""
        self.assertEqual(CString(5).read(b"xabcdefgh\0y", 1), ("abcdefgh", 10))
        self.assertEqual(CString(5).read(b"\0", 0), ("", 1))

    def test_trouble_says_where_and_why(self) -> None:
        """And which command_status answers it."""
        for kind, octets, status in (
            (CString(5), b"xxabc", wire.INVALID_COMMAND_LENGTH),
            (Integer(1), b"xx", wire.INVALID_COMMAND_LENGTH),
            (Integer(4), b"xx\0\0\0", wire.INVALID_COMMAND_LENGTH),
            (ShortMessage(254), b"xx\x03ab", wire.INVALID_MESSAGE_LENGTH),
            (ShortMessage(254), b"xx", wire.INVALID_COMMAND_LENGTH),
        ):
            error = self.assertRaises(InvalidBody, kind.read, octets, 2)
            self.assertEqual((error.offset, error.status), (2, status))

    def test_a_wrong_flag_is_told(self) -> None:
        """dest_flag is 1 or 2."""
        kind = wire.table_of(SubmitMulti)["dest_address"]
        error = self.assertRaises(InvalidBody, kind.read, b"\1\3", 0)
        self.assertEqual(
            (error.offset, error.status), (1, wire.INVALID_DESTINATION_FLAG)
        )

    @given(st.binary(max_size=60), st.integers(0, 70))
    def test_any_octets_are_a_value_or_trouble(self, octets: bytes, at: int) -> None:
        """No kind of field raises anything else, nor reads past the end."""
        kinds: list[wire.FieldType] = [
            CString(9),
            Time(),
            Integer(1),
            Integer(4),
            ShortMessage(254),
        ]
        kinds += [*wire.table_of(SubmitMulti).values(), Rows((UnsuccessSme,))]
        for kind in kinds:
            try:
                _, end = kind.read(octets, at)
            except InvalidBody:
                continue
            self.assertTrue(at < end <= len(octets))


class ComplaintTests(SynchronousTestCase):
    def test_what_must_not_be_written(self) -> None:
        """Each limit of the specification has its complaint."""
        for kind, value, why in (
            (CString(5), "abcde", "has 5 characters"),
            (CString(5), "a\0b", "holds a NUL"),
            (CString(5), "я", "outside Latin-1"),
            (CString(5), b"a", "not a string"),
            (Time(), "123456789012345", "has 15 characters"),
            (Integer(1), 256, "not a number of 1 octets"),
            (Integer(1), -1, "not a number"),
            (Integer(1), "1", "not a number"),
            (ShortMessage(254), bytes(255), "has 255 octets"),
            (ShortMessage(254), "text", "not bytes"),
            (Rows((UnsuccessSme,)), 5, "no tuple"),
            (Rows((UnsuccessSme,), most=1), (UnsuccessSme(),) * 2, "has 2 entries"),
            (Rows((UnsuccessSme,)), ("x",), "has 'x' at 0"),
            (
                Rows((UnsuccessSme,)),
                (UnsuccessSme(destination_addr="x" * 21),),
                "[0].destination_addr has 21 characters",
            ),
        ):
            self.assertIn(why, str(kind.complaint(value)))

    def test_what_may_be_written(self) -> None:
        """The limits themselves are legal."""
        for kind, value in (
            (CString(5), "abc\xff"),
            (Time(), ""),
            (Time(), "000000003000000R"),
            (Integer(1), 255),
            (Integer(4), 0xFFFFFFFF),
            (ShortMessage(254), bytes(254)),
            (Rows((UnsuccessSme,)), [UnsuccessSme()]),
        ):
            self.assertIsNone(kind.complaint(value))

    def test_rows_that_cannot_be_written_raise(self) -> None:
        """The encoder's caller then asks for the complaint."""
        self.assertRaises(ValueError, Rows((UnsuccessSme,)).write, ("x",))
        self.assertIsInstance(wire.Unwritable("submit_sm", "x", "is bad"), OurFault)
