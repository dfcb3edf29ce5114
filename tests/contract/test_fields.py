"""Fields whose rules no type can say; more of them in `test_envelope`.

A name that one JSON object has twice is an error, wherever that counts.
"""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.contract.envelope import Defaults, parse, parse_many
from gdemoi.contract.fields import (
    NULL,
    check_names,
    check_property,
    check_reply_to,
    correlation,
    invalid,
    user_data_header,
)
from gdemoi.errors import InvalidMessage
from gdemoi.message import Outbound

ELEMENTS = st.lists(
    st.tuples(st.integers(0, 255), st.binary(max_size=10)), min_size=1, max_size=5
)


class FieldsTests(SynchronousTestCase):
    @given(ELEMENTS)
    def test_headers_of_whole_elements(self, elements: list[tuple[int, bytes]]) -> None:
        """Any sequence of information elements is a header."""
        body = b"".join(bytes([i, len(data)]) + data for i, data in elements)
        header = bytes([len(body)]) + body
        self.assertEqual(user_data_header(header.hex()), header)
        with self.assertRaises(InvalidMessage):
            user_data_header(header.hex() + "00")

    @given(st.text(max_size=30))
    def test_any_text_is_a_header_or_refused(self, text: str) -> None:
        """Nothing but `InvalidMessage` is raised."""
        try:
            header = user_data_header(text)
        except InvalidMessage as refusal:
            self.assertEqual(refusal.field, "udh")
        else:
            self.assertEqual(header[0], len(header) - 1)

    def test_absent_correlation_costs_nothing(self) -> None:
        """The one null is passed through."""
        self.assertIs(correlation(NULL), NULL)
        self.assertEqual(bytes(correlation(msgspec.Raw(b"[1]"))), b"[1]")

    def test_refusals_are_of_decent_length(self) -> None:
        """Whatever a body held."""
        refusal = invalid("x" * 1000, "y" * 1000)
        self.assertEqual((len(refusal.text), len(refusal.field or "")), (300, 64))

    def test_properties(self) -> None:
        """UTF-8 without U+0000."""
        check_property("ключ", "reply_to")
        for bad in ("\udcff", "a\0b", "ж\0"):
            with self.assertRaises(InvalidMessage):
                check_property(bad, "reply_to")

    def test_reply_to_is_a_queue(self) -> None:
        """A pseudo-queue's name can make the broker close the connection."""
        check_reply_to("platform.events")
        for bad in ("amq.rabbitmq.reply-to", "amq.rabbitmq.reply-to.g1h2.x", "\0"):
            with self.assertRaises(InvalidMessage) as caught:
                check_reply_to(bad)
            self.assertEqual(caught.exception.field, "reply_to")


TREE = {"a": {"b": {}}}


def twice(body: bytes) -> str | None:
    """Return the name that is refused, None when the body is good."""
    try:
        check_names(body, TREE)
    except InvalidMessage as refused:
        return refused.field
    return None


class NamesTests(SynchronousTestCase):
    def test_a_name_given_twice_is_told_with_its_path(self) -> None:
        """At the top and in the objects that are looked into."""
        for body, field in (
            (b'{"x":1,"x":2}', "x"),
            (b'{"x" :1, "x"\n: 1}', "x"),
            (b'{"x":1,"\\u0078":2}', "x"),
            (b'{"x":":","y":"\\"x\\":","x":2}', "x"),
            (b'{"a":{"c":1,"c":2}}', "a.c"),
            (b'{"a":{"b":{"c":1,"c":2}}}', "a.b.c"),
            (b'{"a":{"x":1},"a":{}}', "a"),
        ):
            self.assertEqual(twice(body), field, body)

    def test_what_only_looks_like_it_is_good(self) -> None:
        """Names in texts, the same name in two objects, what is not looked into."""
        for body in (
            b"{}",
            b'{"x":"x","y":"{\\"y\\":1,\\"y\\":2}"}',
            b'{"a":{"a":{"b":1,"b":2}},"b":[{"b":1}]}',
            b'{"c":{"x":1,"x":2}}',
            b'{"x":"\xd1\x8f:","c":"\xff"}',
        ):
            self.assertIsNone(twice(body), body)

    @given(
        st.lists(
            st.tuples(st.text(alphabet='ax:"\\яé', max_size=2), st.text(max_size=3)),
            max_size=5,
        ),
        st.booleans(),
    )
    def test_any_names(self, pairs: list[tuple[str, str]], ascii_: bool) -> None:
        """Refused exactly when there are fewer names than members."""
        members = ",".join(
            f"{json.dumps(name, ensure_ascii=ascii_)}:{json.dumps(value)}"
            for name, value in pairs
        )
        found = twice(f"{{{members}}}".encode())
        self.assertEqual(found is not None, len(dict(pairs)) < len(pairs))


class MessagesTests(SynchronousTestCase):
    def test_a_field_given_twice_is_refused(self) -> None:
        """The last one won: a body that said lock, then unlock, unlocked the car."""
        start = b'{"id":"a","to":"+79161234567",'
        for rest, field in (
            (b'"class":"command","text":"lock","text":"unlock"}', "text"),
            (b'"text":"x","to":"+79160000099"}', "to"),
            (b'"text":"x","id":"b"}', "id"),
            (b'"text":"x","class":null,"class":"command"}', "class"),
            (b'"text":"x","smpp":{"service_type":"A","service_type":"B"}}',
             "smpp.service_type"),
            (b'"text":"x","smpp":{"tlvs":{"0x1403":"00","0x1403":"01"}}}',
             "smpp.tlvs.0x1403"),
        ):  # fmt: skip
            with self.assertRaises(InvalidMessage) as caught:
                parse(start + rest, defaults=Defaults(), now=0.0)
            refused = caught.exception
            self.assertEqual((refused.code, refused.field), ("invalid", field), rest)

    def test_only_the_one_of_many_is_refused(self) -> None:
        """The others of an array are taken."""
        good = b'{"id":"a","to":"+79161234567","text":"at 12:30"}'
        bad = b'{"id":"b","to":"+79161234567","text":"x","text":"y"}'
        body = b"[" + good + b"," + bad + b"," + good.replace(b'"a"', b'"c"') + b"]"
        found = parse_many(body, defaults=Defaults(), now=0.0)
        self.assertEqual(
            [isinstance(one, Outbound) for one in found], [True, False, True]
        )

    def test_correlation_may_hold_what_it_likes(self) -> None:
        """It is only echoed, octet for octet."""
        opaque = b'{"a":1,"a":{"b":1,"b":2}}'
        body = b'{"id":"a","to":"+79161234567","text":"x","correlation":' + opaque
        message = parse(body + b"}", defaults=Defaults(), now=0.0)
        self.assertEqual(bytes(message.correlation), opaque)
