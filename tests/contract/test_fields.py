"""Fields whose rules no type can say; more of them in `test_envelope`."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.contract.fields import (
    NULL,
    check_property,
    check_reply_to,
    correlation,
    invalid,
    user_data_header,
)
from gdemoi.errors import InvalidMessage

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
