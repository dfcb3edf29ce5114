"""The text within a command or an event, coded and read."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.sandbox.tg_dialects import content
from gdemoi.yeastar.percent import decode, encode

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


class PercentTests(SynchronousTestCase):
    def test_t11_letters_that_a_command_line_would_take(self) -> None:
        """Quotes, percent, plus, backslash and line feed leave as %XX."""
        text = 'Привет "мир" 100% a+b\nx\\y'
        written = encode(text)
        self.assertTrue(re.fullmatch(r"[A-Za-z0-9%._~-]+", written))
        for expected in ("%20", "%2B", "%22", "%0A", "%5C", "%25"):
            self.assertIn(expected, written)
        self.assertEqual(decode(written.encode()).text, text)

    def test_t20_manual_sample(self) -> None:
        """The Chinese sample of the manual begins with a mark that is no text."""
        read = decode(b"%EF%BB%BF%E8%BF%87%E5%8E%BB")
        self.assertEqual(read.text, "过去")
        self.assertFalse(read.broken)

    def test_t20_plus_and_coded_plus(self) -> None:
        """A plus is a blank, %2B is a plus."""
        self.assertEqual(decode(b"a+b%2Bc").text, "a b+c")

    def test_t20_broken_coding_is_still_read(self) -> None:
        """Stray percent signs and cut letters are told as broken, with octets."""
        for raw, text, octets in (
            (b"50%", "50%", b"50%"),
            (b"%zz+x", "%zz x", b"%zz x"),
            (b"ok%D0", "ok\ufffd", b"ok\xd0"),
            (b"\xff", "\ufffd", b"\xff"),
        ):
            read = decode(raw)
            self.assertEqual((read.text, read.octets), (text, octets))
            self.assertTrue(read.broken)

    def test_t18_only_the_mark_is_stripped(self) -> None:
        """One mark goes, blanks at the end stay, a second mark stays."""
        read = decode(b"%EF%BB%BF%EF%BB%BF+%D0%9E+")
        self.assertEqual(read.text, "\ufeff О ")

    @given(TEXTS)
    def test_round_trip(self, text: str) -> None:
        """What is encoded reads back, but for a mark that leads it."""
        read = decode(encode(text).encode("ascii"))
        self.assertEqual(read.text, text.removeprefix("\ufeff"))
        self.assertFalse(read.broken)

    @given(TEXTS)
    def test_reads_what_a_box_writes(self, text: str) -> None:
        """GSM and UCS2 forms of received texts read back to the letter."""
        self.assertEqual(decode(content(text).encode()).text, text)

    @given(st.binary(max_size=80))
    def test_any_octets_read(self, raw: bytes) -> None:
        """Nothing raises, and what is not broken is exact."""
        read = decode(raw)
        if not read.broken:
            self.assertEqual(read.text.encode("utf-8"), read.octets)
