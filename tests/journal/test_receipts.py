"""Which message a receipt is about, among the look-alikes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.journal.receipts import (
    Candidate,
    all_keys_of,
    choose,
    keys_of,
    speaks_of,
    witnesses,
)
from gdemoi.message import ReceiptId, provider_key
from tests.journal.builders import NOW, receipt


def candidate(
    name: str,
    provider_id: str,
    outstanding: bool = True,
    to: str = "+79161112233",
    at: float = NOW,
) -> Candidate:
    """Return a stored provider id of message `name`."""
    return Candidate(provider_key(provider_id), provider_id, name, to, outstanding, at)


class ChooseTests(SynchronousTestCase):
    def chosen(self, found, *candidates: Candidate) -> str | None:
        """Return the name of the chosen message."""
        one = choose(found, candidates, NOW + 5)
        return None if one is None else one.message_id

    def test_exact_spelling_wins(self) -> None:
        """Among two spellings of a key the same one is meant."""
        here = candidate("m1", "0A1"), candidate("m2", "a1")
        self.assertEqual(self.chosen(receipt("a1"), *here), "m2")
        self.assertEqual(self.chosen(receipt("0A1"), *here), "m1")

    def test_other_spelling_fits_exactly_one(self) -> None:
        """A different spelling counts when only one message fits."""
        self.assertEqual(self.chosen(receipt("00A1"), candidate("m1", "a1")), "m1")

    def test_other_spelling_that_fits_two_is_nobodys(self) -> None:
        """In doubt a receipt is kept, not given away."""
        here = candidate("m1", "0a1"), candidate("m2", "a1")
        self.assertIsNone(self.chosen(receipt("00A1"), *here))

    def test_the_phone_tells_look_alikes_apart(self) -> None:
        """With the phone of the receipt only one of two fits."""
        here = candidate("m1", "0a1"), candidate("m2", "a1", to="+34600000000")
        self.assertEqual(self.chosen(receipt("00A1", about="34600000000"), *here), "m2")

    def test_other_spelling_for_another_phone_is_nobodys(self) -> None:
        """Even the only look-alike is not meant when the phone differs."""
        found = receipt("00A1", about="34600000000")
        self.assertIsNone(self.chosen(found, candidate("m1", "a1")))

    def test_hex_and_decimal_by_the_keys_of_the_channel(self) -> None:
        """The channel names the forms that this account may use."""
        found = receipt("255", keys=("255", "ff"))
        self.assertEqual(self.chosen(found, candidate("m1", "FF")), "m1")

    def test_a_certain_translation_goes_before_a_coincidence(self) -> None:
        """Where an account always spells receipts in hex, "10" means 16."""
        here = candidate("m1", "10"), candidate("m2", "16")
        self.assertEqual(self.chosen(receipt("10", keys=("16",)), *here), "m2")

    def test_without_a_translated_one_the_same_spelling_counts(self) -> None:
        """An open message, or one that was over a short while ago."""
        found = receipt("10", keys=("16",))
        for outstanding, at, expected in (
            (True, NOW - 90_000, "m1"),
            (False, NOW, "m1"),
            (False, NOW - 90_000, None),
        ):
            here = candidate("m1", "10", outstanding=outstanding, at=at)
            self.assertEqual(self.chosen(found, here), expected)
        elsewhere = candidate("m1", "10", to="+34600000000")
        events = receipt("10", keys=("16",), about="+79161112233")
        self.assertEqual(self.chosen(events, elsewhere), "m1")

    def test_recycled_id_belongs_to_the_message_that_is_outstanding(self) -> None:
        """A message that is over does not take the receipt of a new one."""
        here = candidate("old", "a1", outstanding=False), candidate("new", "a1")
        self.assertEqual(self.chosen(receipt("a1"), *here), "new")

    def test_repeat_goes_to_the_message_that_is_over(self) -> None:
        """A second receipt is kept in the story of its message."""
        here = candidate("m1", "a1", outstanding=False)
        self.assertEqual(self.chosen(receipt("a1"), here), "m1")

    def test_id_that_comes_up_long_after_is_nobodys(self) -> None:
        """After a day an id may have been given away anew."""
        here = candidate("m1", "a1", outstanding=False, at=NOW - 90_000)
        self.assertIsNone(self.chosen(receipt("a1"), here))

    def test_phone_with_and_without_country_code(self) -> None:
        """The receipt's phone may be national; the message's is whole."""
        self.assertTrue(speaks_of("9161112233", "+79161112233"))
        self.assertTrue(speaks_of("0079161112233", "+79161112233"))
        self.assertTrue(speaks_of(None, "+79161112233"))
        self.assertTrue(speaks_of("GdeMoi", "+79161112233"))
        self.assertFalse(speaks_of("9161112234", "+79161112233"))

    def test_phone_with_a_trunk_prefix(self) -> None:
        """A receipt whose source address is national is about its message."""
        self.assertTrue(speaks_of("89161112233", "+79161112233"))
        self.assertTrue(speaks_of("8 916 111-22-33", "+79161112233"))
        self.assertTrue(speaks_of("06201234567", "+36201234567"))
        self.assertFalse(speaks_of("89161112234", "+79161112233"))
        self.assertFalse(speaks_of("89161112233", "+49161112233"))

    def test_whose_phone_a_receipt_speaks_of(self) -> None:
        """The end of the number in digits; what has none is nobody's phone."""
        to = "+79161112200"
        for about, expected in (
            (None, True),
            ("", True),
            ("0", True),
            ("GdeMoi", True),
            ("+79161112200", True),
            ("79161112200", True),
            ("089161112200", False),
            ("0079161112200", True),
            ("9161112200", True),
            ("+7 916 111-22-00", True),
            ("00", True),
            ("91611122", False),
            ("7916111220", False),
            ("+7916111220", False),
            ("x9161112200", True),
            ("x916111220", False),
        ):
            self.assertEqual((about, speaks_of(about, to)), (about, expected))
        self.assertTrue(speaks_of("7 916 111 22 00", "+7 (916) 111-22-00"))

    def test_every_id_that_a_receipt_names(self) -> None:
        """With the forms of each, the most trusted first."""
        found = receipt("FF", also=(ReceiptId("10", ("10", "a")), ReceiptId("7")))
        self.assertEqual(
            [(one.provider_id, keys_of(one)) for one in witnesses(found)],
            [("FF", ("ff",)), ("10", ("10", "a")), ("7", ("7",))],
        )
        self.assertEqual(all_keys_of(found), ("ff", "10", "a", "7"))
        self.assertEqual(all_keys_of(receipt("FF")), ("ff",))
        self.assertEqual(keys_of(receipt("", keys=("1",))), ("1",))
        self.assertEqual(keys_of(receipt("16", keys=("10",))), ("10", "16"))
        self.assertEqual(keys_of(receipt("16", keys=("16", "10"))), ("16", "10"))
