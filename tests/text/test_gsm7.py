from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.text import gsm7
from tests.text.cases import VECTORS, any_texts, gsm_texts

# Printable ASCII whose octet in Latin-1 is another thing in GSM 03.38.
DIFFERENT = {
    "$": "02",
    "@": "00",
    "_": "11",
    "[": "1b3c",
    "\\": "1b2f",
    "]": "1b3e",
    "^": "1b14",
    "{": "1b28",
    "|": "1b40",
    "}": "1b29",
    "~": "1b3d",
    "`": None,
}


class AlphabetTests(SynchronousTestCase):
    def test_every_cell_of_the_table(self) -> None:
        """Each of the 137 characters is written and read as the standard draws it."""
        self.assertEqual(len(VECTORS["gsm7_table"]), 137)
        for octets, char in VECTORS["gsm7_table"]:
            self.assertEqual(gsm7.encode(char).hex(), octets)
            self.assertEqual(gsm7.decode(bytes.fromhex(octets)), char)

    def test_no_other_character_is_in_the_alphabet(self) -> None:
        """Of all of Unicode's first plane only those 137 fit."""
        known = {char for _, char in VECTORS["gsm7_table"]}
        fitting = {chr(code) for code in range(0x10000) if gsm7.fits(chr(code))}
        self.assertEqual(fitting, known)

    def test_the_printable_ascii_that_differs_from_latin1(self) -> None:
        """The twelve characters at which trackers' commands go wrong are right."""
        same = {
            char
            for char in map(chr, range(0x20, 0x7F))
            if gsm7.fits(char) and gsm7.encode(char) == char.encode("latin-1")
        }
        ascii_characters = set(map(chr, range(0x20, 0x7F)))
        self.assertEqual(ascii_characters - same, set(DIFFERENT))
        for char, octets in DIFFERENT.items():
            if octets is None:
                self.assertFalse(gsm7.fits(char))
                self.assertRaises(gsm7.Unencodable, gsm7.encode, char)
            else:
                self.assertEqual(gsm7.encode(f" {char} ").hex(), f"20{octets}20")
                self.assertEqual(gsm7.decode(bytes.fromhex(octets)), char)

    def test_place_nine_is_the_capital(self) -> None:
        """0x09 is Ç in both directions; the small letter is not in the alphabet."""
        self.assertEqual(gsm7.decode(b"\x09"), "Ç")
        self.assertEqual(gsm7.encode("Ç"), b"\x09")
        self.assertFalse(gsm7.fits("ç"))

    def test_golden_texts(self) -> None:
        """Texts that four other implementations agree on."""
        for case in VECTORS["text"]:
            fits = case["gsm7"] is not None
            self.assertEqual(gsm7.fits(case["text"]), fits, case["name"])
            if fits:
                septets = gsm7.encode(case["text"])
                self.assertEqual(septets.hex(), case["gsm7"], case["name"])
                self.assertEqual(len(septets), case["septets"])
                self.assertEqual(gsm7.decode(septets), case["text"])

    def test_names_the_first_character_at_fault(self) -> None:
        """The error says which character it was, and where."""
        for text, position, char in (
            ("ab`c`", 2, "`"),
            ("Δ🚗", 1, "🚗"),
            ("ç", 0, "ç"),
        ):
            error = self.assertRaises(gsm7.Unencodable, gsm7.encode, text)
            self.assertEqual((error.position, error.char), (position, char))

    def test_blanks_at_both_ends_survive(self) -> None:
        """Nothing is trimmed."""
        self.assertEqual(gsm7.decode(gsm7.encode("  setparam 1  ")), "  setparam 1  ")

    @given(gsm_texts)
    def test_round_trip(self, text: str) -> None:
        """Whatever fits comes back as it was."""
        self.assertEqual(gsm7.decode(gsm7.encode(text)), text)

    @given(any_texts)
    def test_fits_says_what_encode_does(self, text: str) -> None:
        """`fits` and `encode` never disagree."""
        try:
            gsm7.encode(text)
        except gsm7.Unencodable:
            self.assertFalse(gsm7.fits(text))
        else:
            self.assertTrue(gsm7.fits(text))


class ReceiverTests(SynchronousTestCase):
    def test_golden_septets(self) -> None:
        """The receiver's rules for escapes (TS 23.038 §6.2.1.1)."""
        for case in VECTORS["gsm7_decode"]:
            found = gsm7.decode(bytes.fromhex(case["gsm7"]))
            self.assertEqual(found, case["text"], case["name"])

    def test_escapes_in_a_row(self) -> None:
        """Each pair of escapes is one blank; a third begins anew."""
        self.assertEqual(gsm7.decode(bytes.fromhex("1b1b1b65")), " €")
        self.assertEqual(gsm7.decode(bytes.fromhex("1b1b1b1b65")), "  e")
        self.assertEqual(gsm7.decode(bytes.fromhex("1b1b1b")), "  ")

    def test_an_octet_over_7f_is_no_septet(self) -> None:
        """It becomes U+FFFD, after an escape too."""
        self.assertEqual(gsm7.decode(b"a\x80\x1b\xffb"), "a\ufffd\ufffdb")

    def test_national_tables(self) -> None:
        """Turkish, Spanish and Portuguese phones are read."""
        names = {"24": "single_shift", "25": "locking_shift"}
        for case in VECTORS["national"]:
            septets = bytes.fromhex(case["gsm7"])
            found = gsm7.decode(septets, **{names[case["ie"]]: case["language"]})
            self.assertEqual(found, case["text"])
        self.assertEqual(gsm7.decode(b"\x40\x18\x1b\x05", 3, 3), "Í€ê")

    def test_an_unknown_language_is_read_by_the_default_tables(self) -> None:
        """A national table that nobody knows costs letters, not the message."""
        self.assertEqual(gsm7.decode(b"a\x1b\x65\x00", 13, 13), "a€@")

    def test_national_extensions_keep_the_default_ones(self) -> None:
        """A brace is a brace in every language."""
        for language in (1, 2, 3):
            braces = gsm7.decode(bytes.fromhex("1b281b651b29"), language)
            self.assertEqual(braces, "{€}")

    @given(st.binary(max_size=400), st.integers(0, 20), st.integers(0, 20))
    def test_any_octets_are_read(self, octets: bytes, single: int, lock: int) -> None:
        """Reading never raises and makes no more characters than octets."""
        text = gsm7.decode(octets, single, lock)
        self.assertLessEqual(len(text), len(octets))


class PackingTests(SynchronousTestCase):
    def test_golden_packed(self) -> None:
        """Packed forms that two other implementations agree on."""
        for case in VECTORS["packed"]:
            septets = bytes.fromhex(case["septets"])
            packed = bytes.fromhex(case["packed"])
            self.assertEqual(gsm7.pack(septets), packed)
            self.assertEqual(gsm7.unpack(packed, len(septets)), septets)
            self.assertEqual(gsm7.encode(case["text"]), septets)

    @given(st.binary(max_size=200), st.integers(0, 6))
    def test_round_trip(self, octets: bytes, fill: int) -> None:
        """Unpacking gives back what was packed, whatever stands before it."""
        septets = bytes(octet & 0x7F for octet in octets)
        packed = gsm7.pack(septets, fill)
        self.assertEqual(gsm7.unpack(packed, len(septets), fill), septets)
        self.assertEqual(len(packed), -(-(len(septets) * 7 + fill) // 8))

    @given(st.binary(max_size=40), st.integers(-1, 400), st.integers(0, 6))
    def test_unpacks_no_more_than_is_there(
        self, octets: bytes, count: int, fill: int
    ) -> None:
        """A count over the octets gives what there is."""
        septets = gsm7.unpack(octets, count, fill)
        self.assertLessEqual(len(septets) * 7, len(octets) * 8)
        self.assertLessEqual(len(septets), max(count, 0))

    def test_fill_bits_after_headers(self) -> None:
        """Text begins on a septet's border: 6 octets of header, one bit."""
        self.assertEqual([gsm7.fill_bits(n) for n in (0, 6, 7, 9)], [0, 1, 0, 5])
