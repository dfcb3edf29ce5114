"""Reading leniently, comparing in constant time, hiding secrets."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.reading import (
    count_of,
    fingerprint,
    iso_time,
    mapping_of,
    mappings_of,
    number_of,
    price_sum,
    read_json,
    read_repaired,
    redact,
    same,
    text_of,
    with_plus,
)
from gdemoi.errors import TheirFault
from tests.cloud.net import NOW

json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


class ReadingTests(SynchronousTestCase):
    @given(st.binary(max_size=200))
    def test_any_octets_are_json_or_their_fault(self, octets: bytes) -> None:
        """And nothing else."""
        try:
            read_json(octets)
        except TheirFault:
            return

    def test_depth_is_their_fault(self) -> None:
        """However deep."""
        for octets in (b"[" * 100_000, b'{"a":' * 100_000):
            with self.assertRaises(TheirFault):
                read_json(octets)

    @given(json_values)
    def test_every_value_reads_as_text_or_not(self, value: Any) -> None:
        """Scalars are text, the rest is none; nothing raises."""
        text = text_of(value)
        scalar = isinstance(value, (str, int, float))
        self.assertEqual(text is not None, scalar)
        number_of(value)
        iso_time(value)
        price_sum([value])

    @given(json_values)
    def test_shapes_are_checked(self, value: Any) -> None:
        """What is no object, or no array of objects, is their fault."""
        for read, right in (
            (mapping_of, isinstance(value, dict)),
            (
                mappings_of,
                isinstance(value, list) and all(isinstance(v, dict) for v in value),
            ),
        ):
            if right:
                self.assertEqual(read(value), value)
            else:
                with self.assertRaises(TheirFault):
                    read(value)

    def test_numbers_get_their_plus(self) -> None:
        """Digits of E.164 only; names and short codes stay."""
        for number, read in (
            ("79001234567", "+79001234567"),
            ("+79001234567", "+79001234567"),
            ("60777", "60777"),
            ("GDEMOI", "GDEMOI"),
            # national: the gateway knows the country, the provider's answer does not
            ("07911123456", "07911123456"),
            ("", ""),
        ):
            self.assertEqual(with_plus(number), read)

    def test_counts_of_segments_make_sense(self) -> None:
        """1 to 255; anything else is not known."""
        for value, count in (
            ("2", 2),
            (255, 255),
            ("0", 0),
            (256, 0),
            (-1, 0),
            ("1e400", 0),
            ("nan", 0),
            (None, 0),
            ([], 0),
        ):
            self.assertEqual(count_of(value), count, value)

    def test_prices_are_exact(self) -> None:
        """Decimal sums; words that are no price do not count."""
        self.assertEqual(price_sum(["0.03330000"] * 2), Decimal("0.0666"))
        self.assertIsNone(price_sum([None, "x", "NaN", {}]))

    def test_times(self) -> None:
        """ISO 8601 with or without a zone."""
        for text in (
            "2026-02-03T12:14:25Z",
            "2026-02-03T12:14:25+00:00",
            "2026-02-03 12:14:25",
            "2026-02-03T14:14:25.000+0200",
        ):
            self.assertEqual(iso_time(text), NOW, text)
        self.assertIsNone(iso_time("soon"))

    def test_broken_letters_are_replaced_and_their_octets_kept(self) -> None:
        """Wrong UTF-8 and half an emoji; what is no JSON stays their fault."""
        for body, text, octets in (
            (b'{"t":"\xd0\x9f\xd0 ok"}', "П\ufffd ok", b"\xd0\x9f\xd0 ok"),
            (b'{"t":"a\\ud83d"}', "a\ufffd\ufffd\ufffd", b"a\xed\xa0\xbd"),
        ):
            with self.assertRaises(TheirFault):
                read_json(body)
            self.assertEqual(read_repaired(body), ({"t": text}, {text: octets}))
        self.assertEqual(read_repaired(b'{"t":["x"]}'), ({"t": ["x"]}, {}))
        for body in (b"", b"{", b"[" * 100_000, b"\xff", b"NaN", b"1e400", b"{'a':1}"):
            with self.assertRaises(TheirFault):
                read_repaired(body)

    @given(st.binary(max_size=30), st.text(max_size=10))
    def test_repaired_texts_can_be_written(self, octets: bytes, text: str) -> None:
        """Any octets in a JSON text, and any text, give what UTF-8 can carry."""
        for body in (b'{"t":"' + octets + b'"}', octets, json.dumps(text).encode()):
            try:
                value, raw_octets = read_repaired(body)
            except TheirFault:
                continue
            msgspec.json.encode(value)
            self.assertTrue(all(map(_utf8, raw_octets)))

    @given(st.text(), st.text())
    def test_same_is_equality(self, one: str, other: str) -> None:
        """For any characters."""
        if _utf8(one) and _utf8(other):
            self.assertTrue(same(one, one))
            self.assertEqual(same(one, other), one == other)
        else:
            self.assertIsInstance(same(one, other), bool)

    @given(st.text(min_size=1, max_size=20), st.text(max_size=20))
    def test_redacted_text_holds_no_secret(self, secret: str, context: str) -> None:
        """Wherever it stands."""
        shown = redact(f"{context}|{secret}|{context}", [secret])
        if secret not in "***" and secret not in context:
            self.assertNotIn(f"|{secret}|", shown)

    def test_fingerprints_tell_words_apart(self) -> None:
        """The border between words counts."""
        self.assertNotEqual(fingerprint("a", "bc"), fingerprint("ab", "c"))


def _utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
