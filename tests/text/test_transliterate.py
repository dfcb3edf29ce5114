"""The nearest GSM letters, and Cyrillic by the tables that passports use."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Charset, OnUnencodable, Transliteration
from gdemoi.text import gsm7
from gdemoi.text.charset import choose
from gdemoi.text.transliterate import to_gsm7, to_latin
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
        """Letters that look alike too: they mean what they say."""
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


ICAO, GOST = Transliteration.ICAO, Transliteration.GOST

ALPHABETS = {
    "Russian": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    "Ukrainian": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "Belarusian": "абвгдеёжзійклмнопрстуўфхцчшыьэюя",
    "Bulgarian": "абвгдежзийклмнопрстуфхцчшщъьюя",
    "Serbian": "абвгдђежзијклљмнњопрстћуфхцчџш",
    "Macedonian": "абвгдѓежзѕијклљмнњопрстќуфхцчџш",
    "Kazakh": "аәбвгғдеёжзийкқлмнңоөпрстуұүфхһцчшщъыіьэюя",
}


class TablesTests(SynchronousTestCase):
    def test_icao_russian(self) -> None:
        """Doc 9303 part 3, section 6, table B, letter by letter."""
        self.assertEqual(
            " ".join(to_latin(one, ICAO) for one in ALPHABETS["Russian"]),
            "a b v g d e e zh z i i k l m n o p r s t u f kh ts ch sh shch ie y  e iu"
            " ia",
        )

    def test_gost_russian(self) -> None:
        """GOST 7.79-2000 system B; its grave accent is an apostrophe here."""
        self.assertEqual(
            " ".join(to_latin(one, GOST) for one in ALPHABETS["Russian"]),
            "a b v g d e yo zh z i j k l m n o p r s t u f x cz ch sh shh '' y' ' e'"
            " yu ya",
        )
        for text, latin in (("цирк", "cirk"), ("центр", "centr"), ("Цой", "Czoj"),
                            ("цыц", "cy'cz")):  # fmt: skip
            self.assertEqual(to_latin(text, GOST), latin)

    def test_letters_of_other_languages(self) -> None:
        """Doc 9303 has them in the same table; Kazakh has BGN/PCGN's."""
        for text, latin in (
            ("Ґудзь Єва Їжак", "Gudz Ieva Izhak"),
            ("Аляксандр Ігар Ёў", "Aliaksandr Igar Eu"),
            ("Његош Ђурић Џаја Љиг", "Njegosh Duric Dzaja Ljig"),
            ("Ѓорче Ќосев Ѕвезда", "Gorche Kosev Dzvezda"),
            ("Қазақстан Әсел Ғани Өскемен Ұлы Үміт Жаңа Һ",
             "Qazaqstan Asel Ghani Oskemen Uly Umit Zhanga H"),
        ):  # fmt: skip
            self.assertEqual(to_latin(text, ICAO), latin)

    def test_each_letter_has_its_place(self) -> None:
        """Every letter of seven alphabets, small and large, in every table."""
        for table in Transliteration:
            for name, alphabet in ALPHABETS.items():
                for text in (alphabet, alphabet.upper(), alphabet.title()):
                    latin = to_latin(text, table)
                    self.assertTrue(latin.isascii(), (table, name, latin))
                    self.assertTrue(gsm7.fits(latin), (table, name))


class CaseTests(SynchronousTestCase):
    def test_large_letters(self) -> None:
        """`Щ` begins a word, stands in a word of large ones, or alone."""
        for text, latin in (
            ("Щука", "Shchuka"), ("ЩУКА", "SHCHUKA"), ("БОРЩ", "BORSHCH"),
            ("Щ", "Shch"), ("Это я, Щ.", "Eto ia, Shch."), ("ЮГ-Юг", "IUG-Iug"),
            ("Я ЗДЕСЬ", "IA ZDES"), ("Я здесь", "Ia zdes"), ("УАЗ-Ч1", "UAZ-CH1"),
            ("жЖж", "zhZhzh"), ("МОЩЬ", "MOSHCH"), ("Ж1", "Zh1"),
            ("Ж1 и Ш2", "Zh1 i Sh2"),
        ):  # fmt: skip
            self.assertEqual(to_latin(text, ICAO), latin)

    def test_signs_of_stress_go(self) -> None:
        """A mark over a Cyrillic letter is for reading aloud."""
        self.assertEqual(to_gsm7("за\u0301мок е\u0308ж и\u0306од"), "zamok ezh iod")

    @given(st.text("абвщЩЮяЯьЬъ Aa1.\n", max_size=40), st.sampled_from(Transliteration))
    def test_stable(self, text: str, table: Transliteration) -> None:
        """The same each time, done once for all, nothing else is touched."""
        latin = to_latin(text, table)
        self.assertEqual(latin, to_latin(text, table))
        self.assertEqual(to_latin(latin, table), latin)
        kept = [char for char in text if char in "Aa1.\n "]
        self.assertEqual(
            [c for c in latin if c in "1.\n "], [c for c in kept if c not in "Aa"]
        )


class ChooseTests(SynchronousTestCase):
    def test_the_example(self) -> None:
        """`Где машина` in gsm8, by each table."""
        for table in Transliteration:
            found = choose(
                "Где машина",
                Charset.GSM8,
                OnUnencodable.TRANSLITERATE,
                transliteration=table,
            )
            self.assertEqual(found, ("Gde mashina", Charset.GSM8))

    def test_auto(self) -> None:
        """One GSM segment instead of two of UCS2, if so asked."""
        text = "Машина на улице Щорса, скорость 40 км/ч, топливо 12 л, зажигание вкл."
        said, charset = choose(text, Charset.AUTO, OnUnencodable.TRANSLITERATE)
        self.assertEqual(charset, Charset.GSM8)
        self.assertTrue(said.startswith("Mashina na ulitse Shchorsa, skorost 40 km/ch"))
        for wish in (OnUnencodable.UCS2, OnUnencodable.REJECT):
            self.assertEqual(choose(text, Charset.AUTO, wish), (text, Charset.UCS2))

    def test_carriers_of_ascii(self) -> None:
        """The result is ASCII, so that every default charset carries it."""
        for default in ("gsm8", "gsm7", "latin1", "ascii", "utf8"):
            said, _ = choose(
                "Привет", Charset.GSM8, OnUnencodable.TRANSLITERATE, default
            )
            self.assertEqual(said, "Privet")
