"""Numbers in the one stored form."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.contract.numbers import INTERNATIONAL, certain, is_spelling_of, normalise
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


class SenderTests(SynchronousTestCase):
    """Senders of inbound SMS came in as many forms as there are far sides."""

    def test_national_forms_are_e164(self) -> None:
        """With trunk prefix, without, with the country code, with an exit code."""
        for home, came, reported in (
            ("RU", "89161234567", "+79161234567"),
            ("RU", "9161234567", "+79161234567"),
            ("RU", "79161234567", "+79161234567"),
            ("RU", "8 (916) 123-45-67", "+79161234567"),
            ("RU", "81079161234567", "+79161234567"),
            ("RU", "0079161234567", "+79161234567"),
            ("RU", "+79161234567", "+79161234567"),
            ("RU", "+7 916 123-45-67", "+79161234567"),
            ("RU", "375291234567", "+375291234567"),
            ("RU", "87012345678", "+77012345678"),
            # a fixed line of Lebanon sends no SMS
            ("RU", "9611234567", "+79611234567"),
            ("ES", "600111222", "+34600111222"),
            ("DE", "01711234567", "+491711234567"),
            ("GB", "07911123456", "+447911123456"),
        ):
            self.assertEqual(certain(came, home), reported, came)

    def test_what_is_not_certain_stays(self) -> None:
        """Short numbers, names, no home country, two countries, no number at all."""
        for home, came in (
            ("RU", "900"),
            ("RU", "060777"),
            ("RU", "MTS"),
            ("RU", "GdeMoi24"),
            ("RU", ""),
            ("RU", "1234567"),
            # Moscow or Viet Nam; Beeline or the Maldives
            ("RU", "84951234567"),
            ("RU", "9607123456"),
            (None, "89161234567"),
            (None, "79161234567"),
            # ranges that the numbering plans do not know
            ("RU", "+70001234567"),
            ("RU", "+8881234567"),
        ):
            self.assertEqual(certain(came, home), came)

    def test_the_far_side_may_say_that_it_is_national(self) -> None:
        """Then there is no other country to be in doubt about."""
        self.assertEqual(certain("9607123456", "RU", national=True), "+79607123456")
        self.assertEqual(certain("84951234567", "RU", national=True), "+74951234567")
        # a contradiction: no number of Russia
        self.assertEqual(certain("375291234567", "RU", national=True), "375291234567")

    def test_a_plus_that_was_put_there_by_mistake(self) -> None:
        """No country has it, but it is a number at home."""
        self.assertEqual(certain("+89161234567", "RU"), "+79161234567")

    @given(st.text(max_size=25), st.sampled_from(("RU", "ES", "US", None)))
    def test_anything_stays_or_is_e164(self, came: str, home: str | None) -> None:
        """And what was told once is told so again."""
        reported = certain(came, home)
        self.assertTrue(reported == came or INTERNATIONAL(reported))
        self.assertEqual(certain(reported, home), reported)

    def test_spellings_of_one_number(self) -> None:
        """As the number's own country writes it, wherever we are."""
        for spelled, number in (
            ("89161234567", "+79161234567"),
            ("9161234567", "+79161234567"),
            ("0079161234567", "+79161234567"),
            ("+79161234567", "+79161234567"),
            ("07911123456", "+447911123456"),
            ("MTS", "MTS"),
        ):
            self.assertTrue(is_spelling_of(spelled, number), spelled)
        for spelled, number in (
            ("89161234568", "+79161234567"),
            ("1234567", "+79161234567"),
            ("MTS", "+79161234567"),
            ("900", "901"),
        ):
            self.assertFalse(is_spelling_of(spelled, number), spelled)
