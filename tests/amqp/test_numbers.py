"""Numbers in the one stored form."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.amqp.numbers import INTERNATIONAL, normalise
from gdemoi.errors import InvalidMessage


class NumbersTests(SynchronousTestCase):
    @given(st.text(max_size=25))
    def test_anything_is_a_stored_form_or_refused(self, text: str) -> None:
        """+E.164, or three to six digits; nothing between."""
        try:
            stored = normalise(text, "RU")
        except InvalidMessage as invalid:
            self.assertEqual((invalid.code, invalid.field), ("bad_number", "to"))
        else:
            short = stored.isdigit() and 3 <= len(stored) <= 6
            self.assertTrue(short or INTERNATIONAL(stored), stored)

    @given(st.from_regex(r"\A\+[1-9][0-9]{6,14}\Z"))
    def test_what_is_international_stays(self, number: str) -> None:
        """Also in ranges that the numbering plans do not know."""
        self.assertEqual(normalise(number, None), number)
        self.assertEqual(normalise(normalise(number, "RU"), "ES"), number)

    def test_the_home_country_decides(self) -> None:
        """The same digits are another phone elsewhere."""
        self.assertEqual(normalise("600111222", "ES"), "+34600111222")
        self.assertEqual(normalise("0049 171 1234567", "ES"), "+491711234567")
        self.assertEqual(normalise("0171 1234567", "DE"), "+491711234567")
        with self.assertRaises(InvalidMessage):
            normalise("600111222", None)
