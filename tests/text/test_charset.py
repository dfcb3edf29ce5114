from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Charset, OnUnencodable
from gdemoi.text import charset, gsm7
from tests.text.cases import VECTORS, any_texts

REJECT = OnUnencodable.REJECT
UCS2 = OnUnencodable.UCS2
TRANSLITERATE = OnUnencodable.TRANSLITERATE
WORDS = [
    "gsm8",
    "gsm7",
    "latin1",
    "ascii",
    "utf8",
    "ucs2",
    "binary",
    "iso8859_5",
    "iso8859_8",
    "iso2022_jp",
    "euc_jp",
    "euc_kr",
    "shift_jis",
    "no_such",
]


class ChooseTests(SynchronousTestCase):
    def test_auto_is_gsm_when_it_fits_and_else_ucs2(self) -> None:
        """The whole text decides."""
        self.assertEqual(charset.choose("a{€}", Charset.AUTO), ("a{€}", Charset.GSM8))
        self.assertEqual(charset.choose("aя", Charset.AUTO), ("aя", Charset.UCS2))

    def test_auto_asked_to_transliterate_does_so_only_for_gsm(self) -> None:
        """Accents go when that saves UCS2; an Arabic text stays as it is."""
        chosen = charset.choose("tú “x”", Charset.AUTO, TRANSLITERATE)
        self.assertEqual(chosen, ('tu "x"', Charset.GSM8))
        chosen = charset.choose("tú “ش”", Charset.AUTO, TRANSLITERATE)
        self.assertEqual(chosen, ("tú “ش”", Charset.UCS2))

    def test_a_command_that_does_not_fit_is_refused(self) -> None:
        """`reject` never changes an alphabet or a letter."""
        for text, wanted in (("a`", Charset.GSM8), ("я", Charset.LATIN1)):
            error = self.assertRaises(
                charset.Unencodable, charset.choose, text, wanted, REJECT
            )
            self.assertEqual(error.char, text[-1])

    def test_falls_back_to_ucs2_where_allowed(self) -> None:
        """The text is not touched."""
        self.assertEqual(
            charset.choose(" `я ", Charset.GSM7, UCS2), (" `я ", Charset.UCS2)
        )
        self.assertEqual(charset.choose("€", Charset.LATIN1, UCS2)[1], Charset.UCS2)

    def test_latin1_is_kept_when_it_fits(self) -> None:
        """What trackers' commands ask for is what they get."""
        self.assertEqual(
            charset.choose("  çé`{}", Charset.LATIN1, REJECT),
            ("  çé`{}", Charset.LATIN1),
        )

    def test_transliterated_text_that_still_does_not_fit_is_refused(self) -> None:
        """There is no nearest letter for everything; the one without is named."""
        for wanted in (Charset.GSM8, Charset.LATIN1):
            with self.assertRaises(charset.Unencodable) as caught:
                charset.choose("“áش", wanted, TRANSLITERATE)
            self.assertEqual(caught.exception.char, "ش")

    def test_a_lone_surrogate_goes_in_no_alphabet(self) -> None:
        """Half a character is refused, not sent."""
        self.assertRaises(
            charset.Unencodable, charset.choose, "a\ud83d", Charset.AUTO, UCS2
        )

    def test_a_latin1_carrier_gets_only_what_phones_show_too(self) -> None:
        """With another default charset a text must be in that and in GSM."""
        for text, expected in (
            ("é@{", Charset.GSM8),
            ("€", Charset.UCS2),
            ("ç", Charset.UCS2),
        ):
            chosen = charset.choose(text, Charset.AUTO, UCS2, "latin1")
            self.assertEqual(chosen, (text, expected))


class EncodeTests(SynchronousTestCase):
    def test_the_default_charset_says_how_gsm_is_written(self) -> None:
        """One septet an octet, packed, or another alphabet altogether."""
        for default, octets in (
            ("gsm8", "0005"),
            ("gsm7", "8002"),
            ("latin1", "40e9"),
            ("utf8", "40c3a9"),
        ):
            got = charset.encode("@é", Charset.GSM8, default)
            self.assertEqual(got.hex(), octets, default)
        self.assertEqual(charset.encode("@x", Charset.GSM8, "ascii"), b"@x")

    def test_what_the_default_charset_lacks_is_refused(self) -> None:
        """Never a question mark instead."""
        for text, default in (("é", "ascii"), ("€", "latin1"), ("я", "utf8")):
            self.assertRaises(
                charset.Unencodable, charset.encode, text, Charset.GSM8, default
            )

    def test_golden_ucs2(self) -> None:
        """UTF-16, the highest octet first, surrogates in pairs."""
        for case in VECTORS["text"]:
            octets = charset.encode(case["text"], Charset.UCS2)
            self.assertEqual(octets.hex(), case["ucs2"])
            self.assertEqual(charset.decode(octets, "ucs2"), case["text"])

    def test_blanks_survive_in_every_alphabet(self) -> None:
        """Leading and trailing blanks are text."""
        for wanted, word in (
            (Charset.GSM8, "gsm8"),
            (Charset.LATIN1, "latin1"),
            (Charset.UCS2, "ucs2"),
        ):
            octets = charset.encode("  x \r\n ", wanted)
            self.assertEqual(charset.decode(octets, word), "  x \r\n ")

    @given(any_texts, st.sampled_from(Charset), st.sampled_from(OnUnencodable))
    def test_what_was_chosen_reads_back(
        self, text: str, wanted: Charset, policy: OnUnencodable
    ) -> None:
        """Whatever is sent in any default charset is what the text says."""
        for default in charset.DEFAULT_CHARSETS:
            try:
                said, chosen = charset.choose(text, wanted, policy, default)
            except charset.Unencodable:
                continue
            if policy is not TRANSLITERATE:
                self.assertEqual(said, text)
            octets = charset.encode(said, chosen, default)
            word = charset.charset_of(charset.data_coding_of(chosen), default)
            read = charset.decode(octets, word)
            if default == "gsm7" and said.endswith(("@", "\r")):
                # packed without a count, a last @ may look like filling
                read = said if read == said[:-1] else read
            self.assertEqual(read, said)


class DataCodingTests(SynchronousTestCase):
    def test_the_codings_of_smpp(self) -> None:
        """SMPP 3.4 §5.2.19; 1 is read as 0, as carriers mean it."""
        expected = {0: "gsm8", 1: "gsm8", 2: "binary", 3: "latin1", 4: "binary",
                    6: "iso8859_5", 7: "iso8859_8", 8: "ucs2", 10: "iso2022_jp",
                    14: "euc_kr"}  # fmt: skip
        for data_coding, word in expected.items():
            self.assertEqual(charset.charset_of(data_coding), word)

    def test_the_default_is_the_carriers(self) -> None:
        """data_coding 0 is what the operator said it is."""
        for word in charset.DEFAULT_CHARSETS:
            self.assertEqual(charset.charset_of(0, word), word)

    def test_what_is_said_to_be_gsm_is_not_the_carriers_own(self) -> None:
        """Classes and message waiting name the GSM alphabet (TS 23.038 §4).

        They were read as data_coding 0 is: an inbound flash SMS was garbled.
        """
        for word in charset.DEFAULT_CHARSETS:
            gsm = word if word.startswith("gsm") else "gsm8"
            for data_coding in (*range(0xF0, 0xF4), 0x10, 0x13, 0x50, 0xC0, 0xD8):
                self.assertEqual(charset.charset_of(data_coding, word), gsm)
            for data_coding in (*range(0xF4, 0xF8), 0x14, 0x16):
                self.assertEqual(charset.charset_of(data_coding, word), "binary")
            for data_coding in (0x0B, 0x1C, 0x90):
                self.assertEqual(charset.charset_of(data_coding, word), word)

    def test_message_classes(self) -> None:
        """Groups of TS 23.038: not to be read by the low four bits."""
        expected = {0xF0: "gsm8", 0xF1: "gsm8", 0xF4: "binary", 0xF5: "binary",
                    0x10: "gsm8", 0x14: "binary", 0x18: "ucs2", 0x11: "gsm8",
                    0xC8: "gsm8", 0xD0: "gsm8", 0xE0: "ucs2", 0x20: "binary",
                    0x48: "ucs2", 0x90: "gsm8"}  # fmt: skip
        for data_coding, word in expected.items():
            self.assertEqual(charset.charset_of(data_coding), word, hex(data_coding))

    @given(st.binary(max_size=200), st.integers(0, 255), st.integers(0, 6))
    def test_any_octets_in_any_coding_are_read(
        self, octets: bytes, data_coding: int, fill: int
    ) -> None:
        """Never raises, and what comes out can be stored and sent as JSON."""
        for default in charset.DEFAULT_CHARSETS:
            word = charset.charset_of(data_coding, default)
            charset.decode(octets, word, 1, 1, fill).encode("utf-8")

    @given(st.binary(max_size=60), st.sampled_from(WORDS))
    def test_every_word_reads(self, octets: bytes, word: str) -> None:
        """A word that no codec has is read an octet a character."""
        self.assertIsInstance(charset.decode(octets, word), str)


class BrokenUcs2Tests(SynchronousTestCase):
    def test_lone_surrogates_and_odd_octets_become_replacements(self) -> None:
        """The rest of the text is read."""
        self.assertEqual(
            charset.decode(bytes.fromhex("0061d83d0062"), "ucs2"), "a\ufffdb"
        )
        self.assertEqual(charset.decode(bytes.fromhex("dc000062"), "ucs2"), "\ufffdb")
        self.assertEqual(charset.decode(bytes.fromhex("006100"), "ucs2"), "a\ufffd")


class PackedTests(SynchronousTestCase):
    def test_seven_spare_bits_are_no_at_sign(self) -> None:
        """Seven septets in seven octets are seven characters."""
        for text in ("1234567", "1234567\r", "12345678", "123456"):
            octets = gsm7.pack(gsm7.encode(text))
            self.assertEqual(charset.decode(octets, "gsm7"), text.rstrip("\r"))


class ChoiceTests(SynchronousTestCase):
    """What goes out, by the text, the wish and what the carrier takes."""

    def test_what_is_chosen(self) -> None:
        """Unchanged in an alphabet that all of them take, or refused at its letter."""
        auto, gsm, ucs2, latin1 = (
            Charset.AUTO,
            Charset.GSM8,
            Charset.UCS2,
            Charset.LATIN1,
        )
        reject, wide, near = REJECT, UCS2, TRANSLITERATE
        for text, wanted, policy, default, expected in (
            ("€", auto, reject, "gsm8", ("€", gsm)),
            ("€", auto, reject, "gsm7", ("€", gsm)),
            ("€", auto, reject, "latin1", ("€", ucs2)),
            ("€", gsm, reject, "latin1", 0),
            ("a€", gsm, reject, "ascii", 1),
            ("é", gsm, reject, "latin1", ("é", gsm)),
            ("aé", gsm, reject, "ascii", 1),
            ("aé", gsm, near, "ascii", 1),
            ("aé", gsm, wide, "ascii", ("aé", ucs2)),
            ("aé", auto, near, "ascii", ("aé", ucs2)),
            ("é", gsm, reject, "utf8", ("é", gsm)),
            ("âé", gsm, reject, "latin1", 0),
            ("Где", gsm, reject, "gsm8", 0),
            ("Где", gsm, near, "gsm8", ("Gde", gsm)),
            ("Где", auto, near, "gsm8", ("Gde", gsm)),
            ("Где", auto, reject, "gsm8", ("Где", ucs2)),
            ("Где", latin1, reject, "gsm8", 0),
            ("Где", latin1, wide, "gsm8", ("Где", ucs2)),
            ("âé", latin1, reject, "gsm8", ("âé", latin1)),
            ("€", latin1, reject, "gsm8", 0),
            ("a\ud83d", ucs2, reject, "gsm8", 1),
            ("x漢", gsm, near, "gsm8", 1),
            ("x漢", auto, near, "gsm8", ("x漢", ucs2)),
        ):
            case = (text, wanted, policy, default)
            try:
                found: tuple[str, Charset] | int = charset.choose(*case)
            except charset.Unencodable as why:
                found = why.position
            self.assertEqual((case, found), (case, expected))

    def test_national_tables(self) -> None:
        """Turkish, both shifts, in octets and in packed septets."""
        septets = bytes((0x04, 0x1B, 0x53, 0x41))
        for single, locking, text in (
            (0, 0, "è?A"),
            (1, 0, "èŞA"),
            (0, 1, "€?A"),
            (1, 1, "€ŞA"),
        ):
            for octets, word in (
                (septets, "gsm8"),
                (gsm7.pack(septets), "gsm7"),
            ):
                found = charset.decode(octets, word, single, locking)
                # what an extension table lacks may be shown as the basic letter
                self.assertEqual(
                    (word, single, locking, found[0], found[-1]),
                    (word, single, locking, text[0], "A"),
                )
                self.assertEqual("Ş" in found, bool(single))
