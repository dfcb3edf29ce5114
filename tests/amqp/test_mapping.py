"""Compatibility readers."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.amqp.codec import Timestamp
from gdemoi.amqp.mapping import headers, mapped, v1
from gdemoi.contract.envelope import Defaults
from gdemoi.errors import InvalidMessage
from gdemoi.message import MessageClass, Outbound

NOW = 1_795_230_000.0
DEFAULTS = Defaults("RU")


class HeadersTests(SynchronousTestCase):
    def read(self, body: bytes, headers_: dict[str, Any], **more: Any) -> Outbound:
        return headers(DEFAULTS)(body, {"headers": headers_, **more}, NOW)

    def test_a_plain_body_is_the_text(self) -> None:
        """Every octet of it; the fields are headers."""
        message = self.read(
            " Привет ".encode(),
            {"id": "a", "to": "89161234567", "class": "command", "ttl": 60},
        )
        self.assertEqual((message.text, message.to), (" Привет ", "+79161234567"))
        self.assertEqual(message.class_, MessageClass.COMMAND)
        self.assertEqual(message.expires_at, NOW + 60)

    def test_numbers_spelled_as_text_and_ids_as_numbers(self) -> None:
        """As header types go."""
        message = self.read(b"x", {"id": 5, "to": 79161234567, "priority": "9"})
        self.assertEqual((message.id, message.priority), ("5", 9))
        self.assertEqual(message.to, "+79161234567")

    def test_numbers_that_are_none(self) -> None:
        """Refused: as JSON they would be null, and the field as if it were absent."""
        for field in ("ttl", "expires_at", "correlation"):
            for value in (float("nan"), float("inf"), Decimal("NaN")):
                with self.assertRaises(InvalidMessage) as caught:
                    self.read(b"x", {"id": "a", "to": "112", field: value})
                self.assertEqual(caught.exception.field, field)

    def test_timestamps(self) -> None:
        """A table has a type of its own for moments; one beyond all is refused."""
        at = Timestamp(NOW + 60)
        for field in ("expires_at", "not_before"):
            message = self.read(b"x", {"id": "a", "to": "112", field: at})
            self.assertEqual(getattr(message, field), NOW + 60)
            with self.assertRaises(InvalidMessage):
                self.read(b"x", {"id": "a", "to": "112", field: Timestamp(2**63)})

    def test_octets(self) -> None:
        """By the content-type."""
        message = self.read(
            b"\xff\x00",
            {"id": "a", "to": "112"},
            **{"content-type": "application/octet-stream"},
        )
        self.assertEqual((message.binary, message.text), (b"\xff\x00", None))

    def test_a_body_that_is_no_utf_8(self) -> None:
        """Is not guessed at."""
        with self.assertRaises(InvalidMessage) as caught:
            self.read(b"\xff", {"id": "a", "to": "112"})
        self.assertEqual(caught.exception.field, "text")

    def test_headers_of_brokers_are_passed_over_and_typos_are_not(self) -> None:
        """x-… is not ours."""
        self.read(b"x", {"id": "a", "to": "112", "x-death": [{}], "X-Trace": 1})
        for name in ("chanels", "text", "binary"):
            with self.assertRaises(InvalidMessage) as caught:
                self.read(b"x", {"id": "a", "to": "112", name: "y"})
            self.assertEqual(caught.exception.field, name)

    def test_traces(self) -> None:
        """Their headers are no typos, and `traceparent` goes with the message."""
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        traced = {"traceparent": trace, "tracestate": "a=b", "baggage": "c=d"}
        fields = {"id": "a", "to": "112"}
        self.assertEqual(self.read(b"x", fields | traced).traceparent, trace)
        self.assertIsNone(self.read(b"x", fields | {"traceparent": 7}).traceparent)
        body = b'{"id": "a", "to": "112", "text": "x"}'
        for reader in (v1(DEFAULTS), mapped({"to": "to", "text": "text"}, DEFAULTS)):
            properties = {"headers": traced, "message-id": "a"}
            self.assertEqual(reader(body, properties, NOW).traceparent, trace)
            self.assertIsNone(reader(body, {"message-id": "a"}, NOW).traceparent)

    def test_values_that_json_cannot_hold(self) -> None:
        """Are refused, not raised."""
        for value in ("\udcff", b"\xff", object()):
            with self.assertRaises(InvalidMessage):
                self.read(b"x", {"id": "a", "to": "112", "from": value})

    def test_properties_that_are_no_utf_8(self) -> None:
        """They could not be written down."""
        for name in ("reply-to", "correlation-id", "message-id"):
            for value in ("\udcff", "a\0"):
                with self.assertRaises(InvalidMessage):
                    self.read(b"x", {"to": "112", "id": None}, **{name: value})

    def test_correlation_may_be_a_table(self) -> None:
        """And comes back as JSON."""
        message = self.read(b"x", {"id": "a", "to": "112", "correlation": {"n": [1]}})
        self.assertEqual(bytes(message.correlation), b'{"n":[1]}')


class MapTests(SynchronousTestCase):
    FIELDS = {  # noqa: RUF012
        "to": "device.phone",
        "text": "message",
        "class": "const:command",
        "ttl": "ttl",
        "correlation": "meta",
    }

    def read(self, foreign: Any, **more: Any) -> Outbound:
        body = json.dumps(foreign).encode()
        return mapped(self.FIELDS, DEFAULTS)(body, {"message-id": "m", **more}, NOW)

    def test_paths_and_constants(self) -> None:
        """What is not mapped is passed over."""
        message = self.read(
            {
                "device": {"phone": 79161234567, "imei": "1"},
                "message": "0000,A10",
                "ttl": "60",
                "meta": {"unit": 5},
                "more": True,
            }
        )
        self.assertEqual((message.id, message.to), ("m", "+79161234567"))
        self.assertEqual(message.class_, MessageClass.COMMAND)
        self.assertEqual(message.expires_at, NOW + 60)
        self.assertEqual(bytes(message.correlation), b'{"unit":5}')

    def test_what_is_missing_is_named(self) -> None:
        """By our name for it."""
        for foreign, field in (
            ({"message": "x"}, "to"),
            ({"device": 5, "message": "x"}, "to"),
            ({"device": {"phone": "112"}}, "text"),
            ({"device": {"phone": "112"}, "message": 5}, "text"),
            ({"device": {"phone": "x"}, "message": "x"}, "to"),
        ):
            with self.assertRaises(InvalidMessage) as caught:
                self.read(foreign)
            self.assertEqual(caught.exception.field, field, foreign)

    def test_a_name_given_twice_on_the_way_is_refused(self) -> None:
        """The last one won; what is only echoed may hold what it likes."""
        read = mapped(self.FIELDS, DEFAULTS)
        properties = {"message-id": "m"}
        phone = b'{"device":{"phone":"+79161234567"'
        for rest, field in (
            (b'},"message":"lock","message":"unlock"}', "message"),
            (b',"phone":"+79160000099"},"message":"x"}', "device.phone"),
        ):
            with self.assertRaises(InvalidMessage) as caught:
                read(phone + rest, properties, NOW)
            self.assertEqual(caught.exception.field, field)
        read(phone + b'},"message":"x","meta":{"a":1,"a":2}}', properties, NOW)

    @given(st.binary(max_size=100))
    def test_any_octets(self, body: bytes) -> None:
        """A message, or the one error."""
        for reader in (mapped(self.FIELDS, DEFAULTS), headers(DEFAULTS), v1(DEFAULTS)):
            with self.assertRaises(InvalidMessage):
                reader(body, {}, NOW)
