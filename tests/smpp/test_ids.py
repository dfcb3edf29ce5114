from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import provider_key
from gdemoi.smpp.ids import DOUBT_AFTER, SURE_AFTER, IdForm, IdForms, as_form

# how an id is written in the response and in the receipt, and the rule for it
SPELLINGS = [
    ("{0}", "{0}", IdForm.SAME),
    ("{0:x}", "{0:X}", IdForm.SAME),
    ("{0:08x}", "{0:x}", IdForm.SAME),
    ("{0:x}", "{0}", IdForm.HEX_DEC),
    ("{0:08X}", "{0:010d}", IdForm.HEX_DEC),
    ("{0}", "{0:x}", IdForm.DEC_HEX),
    ("{0:010d}", "{0:08X}", IdForm.DEC_HEX),
    ("0e999f21-81ef-4974-a414-{0:012x}", "0E999F21-81EF-4974-A414-{0:012X}", "same"),
]


class IdTests(SynchronousTestCase):
    def test_g50_all_forms_match_under_the_right_setting(self) -> None:
        """The stored form of the response's id is the key of the receipt's."""
        for response, receipt, form in SPELLINGS:
            for number in (1, 255, 1292888358, 2**63 + 11):
                stored = provider_key(response.format(number))
                forms = IdForms(IdForm(form))
                self.assertEqual(forms.keys(receipt.format(number)), (stored,))

    def test_g50_auto_holds_the_right_key(self) -> None:
        """Unlearned, every form is looked for."""
        for response, receipt, _ in SPELLINGS:
            stored = provider_key(response.format(1292888358))
            self.assertIn(stored, IdForms().keys(receipt.format(1292888358)))

    def test_what_is_no_number_has_one_form(self) -> None:
        """Words, UUIDs and ids of 65 digits are only themselves."""
        for odd in ("SAR-2347039245475-1", "1_0", " ", "²", "9" * 65, "+5", "0x1f"):
            self.assertIsNone(as_form(odd, IdForm.HEX_DEC), odd)
            self.assertIsNone(as_form(odd, IdForm.DEC_HEX), odd)

    def test_an_empty_id_has_no_key(self) -> None:
        """A receipt without id is looked for nowhere."""
        self.assertEqual(IdForms().keys(""), ())

    def test_the_form_is_learned_and_doubted(self) -> None:
        """Enough matches of one form make it the rule; misses in a row undo it."""
        forms = IdForms()
        for number in range(1000, 1000 + SURE_AFTER):
            self.assertIsNone(forms.learned)
            forms.learn(str(number), f"{number:x}")
        self.assertEqual(forms.learned, IdForm.HEX_DEC)
        self.assertEqual(forms.keys("4096"), ("1000",))
        for _ in range(DOUBT_AFTER):
            forms.learn("5000", None)
        self.assertIsNone(forms.learned)

    def test_what_fits_two_forms_teaches_nothing(self) -> None:
        """`7` is seven in every base."""
        forms = IdForms()
        for _ in range(50):
            forms.learn("7", "7")
        self.assertIsNone(forms.learned)

    @given(st.text(max_size=80))
    def test_any_id_has_keys_and_nothing_raises(self, receipt_id: str) -> None:
        """Ids are text from afar."""
        keys = IdForms().keys(receipt_id)
        if receipt_id.strip():
            self.assertIn(provider_key(receipt_id), keys)
