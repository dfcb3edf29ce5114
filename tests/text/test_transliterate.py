from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.text import gsm7
from gdemoi.text.transliterate import to_gsm7
from tests.text.cases import VECTORS, any_texts, gsm_texts


class TransliterateTests(SynchronousTestCase):
    def test_golden_letters(self) -> None:
        """The nearest letters, as two other implementations find them."""
        for case in VECTORS["translit"]:
            self.assertEqual(to_gsm7(case["text"]), case["gsm7_text"])

    def test_decomposed_letters_are_composed_first(self) -> None:
        """An n with a tilde apart is the ñ that the alphabet has."""
        self.assertEqual(to_gsm7("n\u0303 e\u0301 c\u0327"), "ñ é c")

    def test_letters_without_a_decomposition(self) -> None:
        """Strokes, ligatures and special letters of the Latin script."""
        self.assertEqual(to_gsm7("łŁđðþœŒıİẞ"), "lLddthoeOEiIß")

    def test_signs_and_blanks(self) -> None:
        """Quotes, dashes, blanks of all widths; what is not seen goes."""
        self.assertEqual(to_gsm7("«a»—b\u00a0c\u200b\t№5 25°"), '"a"-b c No5 25deg')

    def test_forms_of_compatibility(self) -> None:
        """Fractions, ligatures and wide letters are taken apart."""
        self.assertEqual(to_gsm7("½ ﬁ ＡＢ ² ± ə"), "1/2 fi AB 2 +/- e")

    def test_greek_is_written_in_capitals(self) -> None:
        """Greek phones write so: own letters where the alphabet has them."""
        self.assertEqual(to_gsm7("Καλημέρα ψωμί ς"), "KAΛHMEPA ΨΩMI Σ")

    def test_other_scripts_stay(self) -> None:
        """Arabic has no nearest letter: the text still does not fit."""
        for text in ("مرحبا", "🚗", "`ش`", "Привет 🚗"):
            self.assertFalse(gsm7.fits(to_gsm7(text)))

    def test_cyrillic_is_written_in_latin(self) -> None:
        """Letters that look alike too: they mean what they say (field report A17)."""
        self.assertEqual(to_gsm7("АВС «Где?» №5"), 'AVS "Gde?" No5')

    @given(gsm_texts)
    def test_what_fits_is_left_alone(self, text: str) -> None:
        """A text of the alphabet is not touched."""
        self.assertEqual(to_gsm7(text), text)

    @given(any_texts)
    def test_twice_is_once(self, text: str) -> None:
        """The nearest letters of the nearest letters are themselves."""
        once = to_gsm7(text)
        self.assertEqual(to_gsm7(once), once)
