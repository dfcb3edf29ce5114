"""The octets of AMQP: every field type both ways, and no length in characters."""

from __future__ import annotations

import contextlib
import struct
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.amqp.codec import (
    Timestamp,
    UnknownFieldType,
    decode_method,
    decode_properties,
    decode_table,
    encode_method,
    encode_properties,
    encode_table,
    long_string,
    read_short_string,
    short_string,
)
from gdemoi.amqp.spec import spec
from gdemoi.errors import OurFault, TheirFault

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | TEXTS
    | st.binary(max_size=20)
    | st.integers(0, 2**64 - 1).map(Timestamp)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=5)


class TableTests(SynchronousTestCase):
    @given(TABLES)
    def test_tables_survive(self, table: dict[str, Any]) -> None:
        """What is written is read again, types and all."""
        octets = encode_table(table)
        read, end = decode_table(b"xx" + octets + b"yy", 2)
        self.assertEqual((read, end), (table, len(octets) + 2))
        self.assertEqual(encode_table(read), octets)

    def test_every_type_of_rabbitmq_is_read(self) -> None:
        """Also those that we never write."""
        for octets, value in (
            (b"i\xff\xff\xff\xff", 2**32 - 1),
            (b"I\xff\xff\xff\xfb", -5),
            (b"l\xff\xff\xff\xff\xff\xff\xff\xfe", -2),
            (b"L\x00\x00\x00\x01\x00\x00\x00\x00", 2**32),
            (b"b\xff", -1),
            (b"B\xff", 255),
            (b"s\xff\xff", -1),
            (b"u\xff\xff", 65535),
            (b"f\x3f\x80\x00\x00", 1.0),
            (b"d" + struct.pack(">d", 0.1), 0.1),
            (b"D\x02\x00\x00\x00\x7b", Decimal("1.23")),
            (b"T\x00\x00\x00\x00\x00\x00\x00\x05", Timestamp(5)),
            (b"V", None),
            (b"t\x02", True),
            (b"x\x00\x00\x00\x01\xff", b"\xff"),
            (b"A\x00\x00\x00\x03t\x01V", [True, None]),
            (b"F\x00\x00\x00\x03\x01aV", {"a": None}),
        ):
            body = b"\x01k" + octets
            table, _ = decode_table(struct.pack(">I", len(body)) + body, 0)
            self.assertEqual(table, {"k": value})

    def test_a_field_given_twice_is_a_fault(self) -> None:
        """A header with the text of a command came twice, and the last one won."""
        body = b"\x02toS\x00\x00\x00\x01a" + b"\x02toS\x00\x00\x00\x01b"
        with self.assertRaisesRegex(TheirFault, "'to' twice"):
            decode_table(struct.pack(">I", len(body)) + body, 0)

    def test_an_unknown_type_is_named(self) -> None:
        """The rest of such a table cannot be read."""
        body = b"\x01kz\x00"
        with self.assertRaises(UnknownFieldType):
            decode_table(struct.pack(">I", len(body)) + body, 0)

    def test_strings_that_are_not_utf_8_come_back_as_they_were(self) -> None:
        """Foreign octets are kept, not replaced."""
        body = b"\x01kS\x00\x00\x00\x02\xff\xfe"
        octets = struct.pack(">I", len(body)) + body
        table, _ = decode_table(octets, 0)
        self.assertEqual(encode_table(table), octets)

    def test_what_amqp_cannot_carry(self) -> None:
        """Is our fault."""
        for value in (2**63, object(), Decimal("Infinity"), Decimal(2**40)):
            with self.assertRaises(OurFault):
                encode_table({"k": value})
        with self.assertRaises(OurFault):
            short_string("я" * 128)

    def test_decimals_survive(self) -> None:
        """Scale and sign."""
        for text in ("1.23", "-0.5", "0", "2147483647"):
            table, _ = decode_table(encode_table({"k": Decimal(text)}), 0)
            self.assertEqual(table, {"k": Decimal(text)})

    @given(st.binary(max_size=60))
    def test_any_octets_are_a_table_or_a_fault(self, octets: bytes) -> None:
        """As a content header: nothing but `TheirFault` comes out."""
        with contextlib.suppress(TheirFault):
            decode_properties(b"\x20\x00" + octets, 0)

    def test_tables_within_tables_are_bounded(self) -> None:
        """No stack is big enough for a table of 10,000 levels."""
        octets = b""
        for _ in range(5000):
            octets = b"A" + struct.pack(">I", len(octets)) + octets
        body = b"\x01k" + octets
        with self.assertRaises(TheirFault):
            decode_table(struct.pack(">I", len(body)) + body, 0)


class StringTests(SynchronousTestCase):
    def test_lengths_are_octets(self) -> None:
        """A Cyrillic letter has two."""
        self.assertEqual(short_string("я"), b"\x02\xd1\x8f")
        self.assertEqual(long_string("я"), b"\x00\x00\x00\x02\xd1\x8f")
        self.assertEqual(read_short_string(b"\x02\xd1\x8f!", 0), ("я", 3))

    def test_a_string_past_its_frame(self) -> None:
        """Is their fault."""
        with self.assertRaises(TheirFault):
            read_short_string(b"\x05ab", 0)


class MethodTests(SynchronousTestCase):
    def method(self, klass: str, name: str) -> Any:
        return spec().classes.byname[klass].methods.byname[name]

    def test_bits_share_octets(self) -> None:
        """Five bits of queue.declare in one octet, then the table."""
        method = self.method("queue", "declare")
        args = (0, "я", False, True, False, False, False, {"x": True})
        octets = encode_method(method, args)
        self.assertEqual(octets[:9], b"\x00\x32\x00\x0a\x00\x00\x02\xd1\x8f")
        self.assertEqual(octets[9], 0b00010)
        self.assertEqual(decode_method(spec(), octets), (method, list(args)))

    @given(st.binary(max_size=40))
    def test_any_octets_are_a_method_or_a_fault(self, octets: bytes) -> None:
        """Nothing else comes out."""
        for head in (
            b"",
            b"\x00\x0a\x00\x0a",
            b"\x00\x0a\x00\x32",
            b"\x00\x3c\x00\x3c",
        ):
            with contextlib.suppress(TheirFault):
                decode_method(spec(), head + octets)

    def test_every_method_survives(self) -> None:
        """Each method of the specification, with its defaults and with values."""
        samples = {
            "bit": True,
            "octet": 7,
            "short": 700,
            "long": 70000,
            "longlong": 2**40,
            "timestamp": 2**40,
            "shortstr": "ключ",
            "longstr": b"\xff\x00",
            "table": {"а": [1, {"b": None}]},
        }
        count = 0
        for klass in spec().classes:
            for method in klass.methods:
                args = [samples[field.type] for field in method.fields]
                octets = encode_method(method, tuple(args))
                self.assertEqual(decode_method(spec(), octets), (method, args))
                count += 1
        self.assertGreater(count, 60)


PROPERTIES: dict[str, Any] = {
    "content-type": TEXTS,
    "content-encoding": TEXTS,
    "headers": TABLES,
    "delivery-mode": st.integers(0, 255),
    "priority": st.integers(0, 255),
    "correlation-id": TEXTS,
    "reply-to": TEXTS,
    "expiration": TEXTS,
    "message-id": TEXTS,
    "timestamp": st.integers(0, 2**64 - 1),
    "type": TEXTS,
    "user-id": TEXTS,
    "app-id": TEXTS,
    "cluster-id": TEXTS,
}


class PropertiesTests(SynchronousTestCase):
    @given(st.fixed_dictionaries({}, optional=PROPERTIES))
    def test_properties_survive(self, properties: dict[str, Any]) -> None:
        """Any of the fourteen, in any combination."""
        octets = encode_properties(properties)
        self.assertEqual(decode_properties(octets, 0), properties)

    def test_flags_that_do_not_exist(self) -> None:
        """Are their fault, not a guess."""
        with self.assertRaises(TheirFault):
            decode_properties(b"\x00\x01\x00\x00", 0)

    @given(st.fixed_dictionaries({}, optional=PROPERTIES), st.integers(0, 400))
    def test_cut_short_is_a_fault(self, properties: dict[str, Any], cut: int) -> None:
        """Wherever it is cut."""
        octets = encode_properties(properties)
        if cut < len(octets):
            with self.assertRaises(TheirFault):
                decode_properties(octets[:cut], 0)
