import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Charset, InboundSegment, OnUnencodable
from gdemoi.text import charset, gsm7, segments, udh
from gdemoi.text.segments import Method, Segment, TooLong, Unit
from gdemoi.text.udh import Udh
from tests.text.cases import VECTORS, gsm_texts, hard_texts

CHARSETS = {"gsm7": Charset.GSM8, "ucs2": Charset.UCS2}
# A reader's characters are kept whole where those who count segments cut them.
KEPT_WHOLE = {"split-024": [64, 18], "split-025": [65, 14]}


def cut(text: str, wanted: Charset, **how: object) -> list[Segment]:
    found = segments.split(text, wanted, **how)  # type: ignore[arg-type]
    assert isinstance(found, list)
    return found


def on_the_air(segment: Segment, wanted: Charset) -> int:
    """Return the octets that a segment takes of the 140 of an SMS."""
    if wanted is Charset.GSM8:
        bits = gsm7.fill_bits(len(segment.udh)) + segment.units * 7
        return len(segment.udh) + -(-bits // 8)
    return len(segment.user_data)


class SplitTests(SynchronousTestCase):
    def test_golden_cuts(self) -> None:
        """Texts, units and borders that three other implementations agree on."""
        for case in VECTORS["split"]:
            wanted = CHARSETS[case["coding"]]
            for method, units in (
                (Method.UDH, case["units"]),
                (Method.UDH16, case["units_16bit_reference"]),
                (Method.SAR, case["units_16bit_reference"]),
            ):
                found = cut(case["text"], wanted, method=method)
                self.assertEqual("".join(str(s.text) for s in found), case["text"])
                if case["id"] in KEPT_WHOLE:
                    if method is Method.UDH:
                        self.assertEqual(
                            [s.units for s in found], KEPT_WHOLE[case["id"]]
                        )
                    continue
                self.assertEqual([s.units for s in found], units, case["name"])
                if method is Method.UDH:
                    self.assertEqual([s.text for s in found], case["parts"])

    def test_golden_modem_pdus(self) -> None:
        """Packed segments with header and fill bit, as a modem takes them."""
        for case in VECTORS["modem"]:
            found = cut(case["text"], Charset.GSM8, default_charset="gsm7")
            self.assertEqual(
                [s.user_data.hex() for s in found], [p["ud"] for p in case["parts"]]
            )
            lengths = [
                (len(s.udh) * 8 + gsm7.fill_bits(len(s.udh))) // 7 + s.units
                for s in found
            ]
            self.assertEqual(lengths, [p["udl"] for p in case["parts"]])

    def test_headers(self) -> None:
        """8-bit reference, 16-bit reference, SAR and payload, as configured."""
        text = "b" * 400
        heads = [s.udh.hex() for s in cut(text, Charset.GSM8, reference=0x1A7)]
        self.assertEqual(heads, ["050003a70301", "050003a70302", "050003a70303"])
        found = cut(text, Charset.GSM8, reference=0x1A7, method="udh16")
        self.assertEqual(
            [s.udh.hex() for s in found],
            ["06080401a70301", "06080401a70302", "06080401a70303"],
        )
        found = cut(text, Charset.GSM8, reference=0x1A7, method="sar")
        self.assertEqual([s.udh for s in found], [b""] * 3)
        self.assertTrue(all(s.sar for s in found))
        self.assertEqual(found[2].part, InboundSegment("01a7", 3, 3))
        found = cut(text, Charset.GSM8, method="payload")
        self.assertEqual(
            [(s.user_data, s.part, s.units) for s in found], [(b"b" * 400, None, 400)]
        )

    def test_a_short_text_has_no_header(self) -> None:
        """One SMS stands alone, whatever the method; an empty one too."""
        for method in Method:
            for text in ("", "x", "a" * 160):
                (segment,) = cut(text, Charset.GSM8, method=method)
                self.assertEqual(segment.user_data, text.encode())
                self.assertIsNone(segment.part)
                self.assertFalse(segment.sar)

    def test_counts_without_encoding(self) -> None:
        """As `split` does: 161 letters are two, 160 are one."""
        self.assertEqual(segments.count("a" * 160, Charset.GSM8), 1)
        self.assertEqual(segments.count("a" * 161, Charset.GSM8), 2)
        self.assertEqual(segments.count("я" * 133, Charset.UCS2, method="udh16"), 3)
        self.assertEqual(segments.count("я" * 133, Charset.UCS2), 2)

    def test_the_largest_segment_over_smpp(self) -> None:
        """153 septets and their header are 159 octets of short_message."""
        found = cut("a" * 400, Charset.GSM8)
        self.assertEqual([len(s.user_data) for s in found], [159, 159, 100])

    def test_latin1_counts_octets(self) -> None:
        """140 alone, 134 each with a header."""
        self.assertEqual(len(cut("é" * 140, Charset.LATIN1)), 1)
        found = cut("é" * 141, Charset.LATIN1)
        self.assertEqual([s.units for s in found], [134, 7])

    def test_ports_take_their_room(self) -> None:
        """Every segment bears the further elements, and is shorter by them."""
        ports = udh.ports(2948)
        found = cut("a" * 200, Charset.GSM8, udh=ports, reference=1)
        self.assertEqual(
            [s.udh.hex() for s in found],
            ["0b0003010201" + "05040b840000", "0b0003010202" + "05040b840000"],
        )
        self.assertEqual(found[0].units, 146)
        (alone,) = cut("a" * 152, Charset.GSM8, udh=ports)
        self.assertEqual(alone.udh.hex(), "0605040b840000")

    def test_sar_does_not_go_with_a_header(self) -> None:
        """SMPP 3.4 forbids both: the concatenation goes into the header then."""
        found = cut("a" * 200, Charset.GSM8, udh=udh.ports(1), method="sar")
        self.assertEqual([s.udh[1] for s in found], [8, 8])
        self.assertFalse(any(s.sar for s in found))

    def test_more_than_allowed_is_a_value(self) -> None:
        """Never a cut: the count and the limit are told."""
        for method in Method:
            found = segments.split("a" * 1600, Charset.GSM8, limit=10, method=method)
            self.assertEqual(found, TooLong(11, 10))
        self.assertEqual(
            segments.split("a" * 153 * 256, Charset.GSM8), TooLong(256, 255)
        )
        self.assertEqual(segments.split_binary(b"x" * 1341, limit=10), TooLong(11, 10))

    def test_a_header_that_leaves_no_room(self) -> None:
        """An error value too, for text and for octets."""
        huge = Udh(((0x70, bytes(130)),))
        for found in (
            segments.split("a" * 30, Charset.GSM8, udh=huge),
            segments.split_binary(b"a" * 30, udh=huge),
        ):
            self.assertEqual(found, TooLong(30, 0))

    def test_marks_stay_with_their_letter(self) -> None:
        """A letter and the marks on it are one character to a reader."""
        text = "я" * 66 + "e\u0301\u0323" + "ю" * 10
        found = cut(text, Charset.UCS2)
        self.assertEqual(
            [s.text for s in found], ["я" * 66, "e\u0301\u0323" + "ю" * 10]
        )

    def test_a_cluster_longer_than_a_segment_is_cut_all_the_same(self) -> None:
        """Two hundred marks on one letter cannot be kept together."""
        text = "e" + "\u0301" * 200
        found = cut(text, Charset.UCS2)
        self.assertEqual("".join(str(s.text) for s in found), text)
        self.assertEqual([s.units for s in found], [67, 67, 67])

    def test_a_utf8_carrier_never_gets_over_140_octets(self) -> None:
        """Nor half a character."""
        found = cut("é€" * 100, Charset.GSM8, default_charset="utf8")
        self.assertTrue(all(len(s.user_data) <= 140 for s in found))
        texts = [s.user_data[len(s.udh) :].decode("utf-8") for s in found]
        self.assertEqual("".join(texts), "é€" * 100)

    def test_a_latin1_carrier_is_counted_in_septets(self) -> None:
        """It makes GSM of the text: 160 letters are one SMS, a brace is two."""
        (alone,) = cut("é" * 160, Charset.GSM8, default_charset="latin1")
        self.assertEqual(alone.user_data, "é".encode("latin-1") * 160)
        found = cut("{" * 100, Charset.GSM8, default_charset="latin1")
        self.assertEqual([s.units for s in found], [152, 48])
        self.assertEqual(found[0].user_data[6:], b"{" * 76)

    def test_rooms(self) -> None:
        """The table of sizes."""
        for header, septets, octets, ucs2 in (
            (0, 160, 140, 70),
            (6, 153, 134, 67),
            (7, 152, 133, 66),
            (9, 149, 131, 65),
        ):
            self.assertEqual(
                (
                    segments.room(Unit.SEPTET, header),
                    segments.room(Unit.OCTET, header),
                    segments.room(Unit.UCS2, header),
                ),
                (septets, octets, ucs2),
            )

    @given(
        st.one_of(gsm_texts, hard_texts),
        st.sampled_from(Method),
        st.integers(0, 70000),
        st.sampled_from([Udh(), udh.ports(2948, 9200)]),
        st.sampled_from(charset.DEFAULT_CHARSETS),
    )
    def test_nothing_is_lost_and_nothing_is_too_large(
        self, text: str, method: Method, reference: int, extra: Udh, default: str
    ) -> None:
        """Segments give the text back, and each fits on the air."""
        _, wanted = charset.choose(text, Charset.AUTO, OnUnencodable.UCS2, default)
        how = {"method": method, "udh": extra, "default_charset": default}
        found = cut(text, wanted, reference=reference, **how)
        self.assertEqual("".join(str(s.text) for s in found), text)
        if method is not Method.PAYLOAD:
            counted = segments.count(text, wanted, **how)  # type: ignore[arg-type]
            self.assertEqual(counted, len(found))
        if method is not Method.PAYLOAD and default == "gsm8":
            for segment in found:
                self.assertLessEqual(on_the_air(segment, wanted), 140)
        for segment in found:
            header, rest = udh.parse(segment.udh) if segment.udh else (Udh(), b"")
            self.assertEqual((header.build(), rest), (segment.udh, b""))
            if segment.part is not None and not segment.sar:
                self.assertEqual(header.part, segment.part)

    @given(hard_texts, st.sampled_from([Method.UDH, Method.UDH16]))
    def test_segments_read_by_themselves(self, text: str, method: Method) -> None:
        """No escape or surrogate pair is cut: each segment reads alone."""
        for wanted, word in ((Charset.UCS2, "ucs2"), (Charset.GSM8, "gsm8")):
            if wanted is Charset.GSM8:
                text = "".join(char for char in text if gsm7.fits(char))
            for segment in cut(text, wanted, method=method):
                octets = segment.user_data[len(segment.udh) :]
                self.assertEqual(charset.decode(octets, word), segment.text)

    @given(hard_texts)
    def test_no_reader_sees_a_cut_character(self, text: str) -> None:
        """Every cut of a text of ordinary characters is at a border."""
        found = cut(text, Charset.UCS2)
        position = 0
        for segment in found[:-1]:
            position += len(str(segment.text))
            self.assertTrue(segments.is_border(text, position))


class BinaryTests(SynchronousTestCase):
    def test_octets_are_cut_at_134(self) -> None:
        """140 alone, 134 with a header, nothing changed."""
        octets = bytes(range(256)) * 2
        found = segments.split_binary(octets, reference=9)
        assert isinstance(found, list)
        self.assertEqual([s.units for s in found], [134, 134, 134, 110])
        joined = b"".join(s.user_data[len(s.udh) :] for s in found)
        self.assertEqual(joined, octets)
        self.assertEqual(found[3].udh.hex(), "050003090404")

    def test_one_payload(self) -> None:
        """message_payload takes it whole."""
        found = segments.split_binary(b"\0" * 500, method="payload")
        assert isinstance(found, list)
        self.assertEqual([s.user_data for s in found], [b"\0" * 500])

    def test_a_header_of_its_own(self) -> None:
        """Ports stand before the octets of a short message."""
        found = segments.split_binary(b"\1\2", udh=udh.ports(2948))
        assert isinstance(found, list)
        self.assertEqual(found[0].user_data.hex(), "0605040b8400000102")


class JoinTests(SynchronousTestCase):
    @given(hard_texts, st.randoms(use_true_random=False))
    def test_joined_in_any_order(self, text: str, rng: random.Random) -> None:
        """Segments that came in disorder give the text once they are sorted."""
        wanted = charset.choose(text, Charset.AUTO)[1]
        word = charset.charset_of(charset.data_coding_of(wanted))
        came = []
        for segment in cut(text, wanted):
            header, octets = (
                udh.parse(segment.user_data)
                if segment.udh
                else (Udh(), segment.user_data)
            )
            number = header.part.number if header.part else 1
            came.append((number, (charset.decode(octets, word), octets, word)))
        rng.shuffle(came)
        came.sort(key=lambda numbered: numbered[0])
        self.assertEqual(segments.join(part for _, part in came), text)

    def test_a_surrogate_pair_that_the_carrier_cut_is_whole_again(self) -> None:
        """UCS2 is joined as octets."""
        octets = "a🚗b".encode("utf-16-be")
        parts = [
            (charset.decode(piece, "ucs2"), piece, "ucs2")
            for piece in (octets[:4], octets[4:])
        ]
        self.assertEqual(segments.join(parts), "a🚗b")

    def test_national_tables_survive_the_joining(self) -> None:
        """GSM segments are joined as the texts that were read with their header."""
        octets = bytes.fromhex("63616d691b6f6e")
        first = (gsm7.decode(octets, single_shift=2), octets, "gsm8")
        self.assertEqual(segments.join([first, ("x", b"x", "gsm8")]), "camiónx")

    def test_a_utf8_character_that_was_cut_is_whole_again(self) -> None:
        """As with surrogates: octets first, then text."""
        octets = "яя".encode()
        parts = [(None, octets[:3], "utf8"), (None, octets[3:], "utf8")]
        self.assertEqual(segments.join(parts), "яя")

    def test_mixed_segments_are_joined_as_texts(self) -> None:
        """One segment in another alphabet (or with a national table) is read so."""
        joined = segments.join([("camión ", b"", "gsm8"), (None, b"\0\x31", "ucs2")])
        self.assertEqual(joined, "camión 1")
        self.assertEqual(segments.join([]), "")
