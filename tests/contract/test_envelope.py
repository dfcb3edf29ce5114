"""docs/contract.rst, "The message", field by field, and what no body may do to us."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.contract.envelope import (
    Defaults,
    fingerprint,
    id_in,
    parse,
    parse_many,
)
from gdemoi.errors import InvalidMessage
from gdemoi.message import (
    Charset,
    CommandPace,
    MessageClass,
    OnFailure,
    OnUnencodable,
    OnUnsure,
    Outbound,
    Report,
    Turn,
)
from gdemoi.moments import EARLIEST, LATEST

NOW = 1_795_230_000.0  # 2026-11-21T03:00:00Z
DEFAULTS = Defaults(home_country="RU", default_ttl_s=7200.0)
LEAST = {"id": "cmd-1", "to": "+79161234567", "text": "hi"}


def read(fields: dict[str, Any] | bytes, **more: Any) -> Outbound:
    """Parse a body given as fields."""
    body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return parse(body, defaults=DEFAULTS, now=NOW, **more)


class Case(SynchronousTestCase):
    def assert_invalid(
        self, fields: dict[str, Any] | bytes, field: str | None, code: str = "invalid"
    ) -> InvalidMessage:
        """Assert that the body is refused for this field."""
        with self.assertRaises(InvalidMessage) as caught:
            read(fields)
        self.assertEqual((caught.exception.code, caught.exception.field), (code, field))
        return caught.exception


class ExtremesTests(Case):
    def test_times_beyond_the_calendar(self) -> None:
        """An offset or a ttl that leads out of year 9999 or 1 is brought back.

        What is kept must be told: such a message made its story, and every search
        that found it, fail.
        """
        for field in ("expires_at", "not_before"):
            for given_, meant in (
                ("9999-12-31T23:59:59-23:59", LATEST),
                ("9999-12-31T23:59:59.999999Z", LATEST),
                ("0001-01-01T00:00:00+23:59", EARLIEST),
            ):
                message = read({**LEAST, field: given_})
                self.assertEqual(getattr(message, field), meant, given_)
                self.assertLessEqual(message.expires_at, LATEST)
        ttl = read({**LEAST, "not_before": "9999-12-31T23:59:59Z", "ttl": 31_622_400})
        self.assertEqual(ttl.expires_at, LATEST)

    def test_numbers_without_end(self) -> None:
        """They are refused by the name of their field."""
        for word in ("1e999", "-1", "1" + "0" * 400, "1" + "0" * 5000, "31622400.1"):
            body = b'{"id":"a","to":"112","text":"x","ttl":%s}' % word.encode()
            with self.assertRaises(InvalidMessage) as caught:
                read(body)
            self.assertIn(caught.exception.field, ("ttl", None), word[:9])

    def test_any_json_is_a_correlation(self) -> None:
        """Also numbers that no float holds, and nesting as deep as 1 KiB goes."""
        for word in (b"1e999", b"-1e-999", b"9" * 1024, b"[" * 512 + b"]" * 512):
            message = read(b'{"id":"a","to":"112","text":"x","correlation":%s}' % word)
            self.assertEqual(bytes(message.correlation), word)


class DefaultsTests(Case):
    def test_the_least_envelope_is_a_notification(self) -> None:
        """What is unsaid is as docs/contract.rst, "Classes and policies", has it."""
        message = read(LEAST)
        self.assertEqual(
            message,
            Outbound(
                id="cmd-1",
                to="+79161234567",
                text="hi",
                accepted_at=NOW,
                expires_at=NOW + 7200,
                class_=MessageClass.NOTIFICATION,
                charset=Charset.AUTO,
                on_unencodable=OnUnencodable.UCS2,
                priority=3,
                on_unsure=OnUnsure.RESEND,
                report=Report.ALL,
                unsaid=("ttl", "priority", "charset", "on_unencodable", "on_unsure"),
                correlation=message.correlation,
            ),
        )
        self.assertEqual(bytes(message.correlation), b"null")

    def test_a_command_is_never_degraded_nor_blindly_repeated(self) -> None:
        """Commands and activations: priority 7, hold, reject."""
        for word in ("command", "activation"):
            message = read({**LEAST, "class": word})
            self.assertEqual(message.priority, 7)
            self.assertEqual(message.on_unsure, OnUnsure.HOLD)
            self.assertEqual(message.on_unencodable, OnUnencodable.REJECT)

    def test_what_is_said_wins(self) -> None:
        """A field that is there is not among the unsaid."""
        message = read(
            {
                **LEAST,
                "class": "command",
                "priority": 0,
                "ttl": 60,
                "charset": "ucs2",
                "on_unencodable": "transliterate",
                "on_unsure": "fail",
                "report": "none",
                "flash": True,
                "max_segments": 2,
                "channels": ["a", "b"],
                "account": "dealer-1",
                "from": "GdeMoi",
            }
        )
        self.assertEqual(message.unsaid, ())
        self.assertEqual(message.priority, 0)
        self.assertEqual(message.expires_at, NOW + 60)
        self.assertEqual(message.charset, Charset.UCS2)
        self.assertEqual(message.on_unencodable, OnUnencodable.TRANSLITERATE)
        self.assertEqual(message.on_unsure, OnUnsure.FAIL)
        self.assertEqual(message.report, Report.NONE)
        self.assertTrue(message.flash)
        self.assertEqual(message.max_segments, 2)
        self.assertEqual(message.channels, ("a", "b"))
        self.assertEqual(message.account, "dealer-1")
        self.assertEqual(message.from_, "GdeMoi")

    def test_null_is_absent(self) -> None:
        """Platforms that serialise their nulls are understood."""
        fields = dict.fromkeys(("v", "binary", "class", "ttl", "from", "smpp"))
        self.assertEqual(
            fingerprint(read({**LEAST, **fields})), fingerprint(read(LEAST))
        )


class IdTests(Case):
    def test_the_message_id_property_is_the_id(self) -> None:
        """A body without an id takes the property; the body's own wins."""
        without = {"to": "112", "text": "hi"}
        self.assertEqual(read(without, message_id="p-1").id, "p-1")
        self.assertEqual(read(LEAST, message_id="p-1").id, "cmd-1")

    def test_no_id_at_all(self) -> None:
        """On AMQP a message without an id cannot be told from its repeat."""
        self.assert_invalid({"to": "112", "text": "hi"}, "id")

    def test_the_syntax_of_ids(self) -> None:
        """1 to 64 of A-Z a-z 0-9 . _ : - and nothing after them."""
        for good in ("a", "A.b_c:d-9", "x" * 64):
            self.assertEqual(read({**LEAST, "id": good}).id, good)
        for bad in ("", "x" * 65, "a b", "a\n", "ид", "a/b", 5):
            self.assert_invalid({**LEAST, "id": bad}, "id")

    def test_the_id_of_a_broken_body_is_found(self) -> None:
        """So that its refusal can be told."""
        self.assertEqual(id_in(b'{"id":"a","nonsense":1}'), "a")
        for body in (b'{"id":5}', b'{"id":"a b"}', b"{}", b"[]", b"\xff", b'{"id":"a"'):
            self.assertIsNone(id_in(body))


class ToTests(Case):
    def test_numbers_are_normalised(self) -> None:
        """Digits become +E.164 by the home country; short numbers stay."""
        table = {
            "+79161234567": "+79161234567",
            "89161234567": "+79161234567",
            "79161234567": "+79161234567",
            "9161234567": "+79161234567",
            "8 (916) 123-45-67": "+79161234567",
            "+7 916 123-45-67": "+79161234567",
            "34600111222": "+34600111222",
            "0034600111222": "+34600111222",
            "112": "112",
            "012345": "012345",
        }
        for given_, stored in table.items():
            self.assertEqual(read({**LEAST, "to": given_}).to, stored, given_)

    def test_what_is_no_number(self) -> None:
        """The field and the reason are named."""
        bad = ["", "12", "+", "+12", "abc", "+0123456789", "1234567", "8-800-FLOWERS"]
        bad += [
            "+7916123456712345",
            "٠٠٧٩١٦١٢٣",
            "+79161234567\n",
            "\u00a0112",
            "1+2345678",
        ]
        for number in bad:
            self.assert_invalid({**LEAST, "to": number}, "to", "bad_number")

    def test_without_a_home_country_only_international_digits(self) -> None:
        """Nothing is guessed."""
        body = json.dumps({**LEAST, "to": "79161234567"}).encode()
        message = parse(body, defaults=Defaults(), now=NOW)
        self.assertEqual(message.to, "+79161234567")
        body = json.dumps({**LEAST, "to": "89161234567"}).encode()
        with self.assertRaises(InvalidMessage):
            parse(body, defaults=Defaults(), now=NOW)


class ContentTests(Case):
    def test_text_is_kept_to_the_last_space(self) -> None:
        """Leading and trailing spaces, line ends and control characters stay."""
        for text in (" a ", "\r\n", "\t", "ёЁ\u00a0", "😀", "\x1b\x7f", "e\u0301"):
            self.assertEqual(read({**LEAST, "text": text}).text, text)

    @given(
        st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
            min_size=1,
        )
    )
    def test_any_text_survives(self, text: str) -> None:
        """Not one character is altered."""
        self.assertEqual(read({**LEAST, "text": text}).text, text)

    @given(st.binary(min_size=1, max_size=300))
    def test_any_octets_survive(self, octets: bytes) -> None:
        """Base64 in, the same octets out."""
        encoded = base64.b64encode(octets).decode()
        message = read({"id": "a", "to": "112", "binary": encoded})
        self.assertEqual((message.binary, message.text), (octets, None))

    def test_text_xor_binary(self) -> None:
        """One of them, and not empty."""
        self.assert_invalid({"id": "a", "to": "112"}, "text")
        self.assert_invalid({**LEAST, "binary": "AAA="}, "binary")
        self.assert_invalid({**LEAST, "text": ""}, "text")
        self.assert_invalid({"id": "a", "to": "112", "binary": ""}, "binary")
        self.assert_invalid({"id": "a", "to": "112", "binary": "AAA"}, "binary")

    def test_no_nul_and_no_lone_surrogate(self) -> None:
        """Neither has a place in an SMS, and both break far sides."""
        self.assert_invalid({**LEAST, "text": "a\0b"}, "text")
        self.assert_invalid({**LEAST, "from": "a\0b"}, "from")
        self.assert_invalid({**LEAST, "account": "\0"}, "account")
        self.assert_invalid({**LEAST, "channels": ["\0"]}, "channels")
        for half in (b"\\ud800", b"\\udc00", b"\\ud800\\ud800", b"\xed\xa0\x80"):
            self.assert_invalid(b'{"id":"a","to":"112","text":"x' + half + b'"}', None)

    def test_udh_is_whole_or_refused(self) -> None:
        """UDHL first, and its information elements fill it exactly."""
        least = {"id": "a", "to": "112", "binary": "AAA="}
        message = read({**least, "udh": "0605040B8423F0"})
        self.assertEqual(message.udh, bytes.fromhex("0605040B8423F0"))
        self.assertEqual(read({**least, "udh": "00"}).udh, b"\0")
        for bad in ("", "x", "05040B8423F0", "0605040B8423", "0300050B", "0100", "010"):
            self.assert_invalid({**least, "udh": bad}, "udh")
        self.assert_invalid({**LEAST, "udh": "0605040B8423F0"}, "udh")
        self.assert_invalid({**least, "udh": "00", "dest_port": 1}, "udh")

    def test_ports(self) -> None:
        """0 to 65535; a source port needs a destination port."""
        message = read({**LEAST, "dest_port": 2948, "source_port": 9200})
        self.assertEqual((message.dest_port, message.source_port), (2948, 9200))
        self.assert_invalid({**LEAST, "source_port": 1}, "source_port")
        self.assert_invalid({**LEAST, "dest_port": 65536}, "dest_port")
        self.assert_invalid({**LEAST, "dest_port": -1}, "dest_port")


class TimeTests(Case):
    def test_times_need_a_zone(self) -> None:
        """RFC 3339 with zone; a naive time is a trap."""
        message = read({**LEAST, "expires_at": "2026-11-21T06:00:00+02:00"})
        self.assertEqual(message.expires_at, NOW + 3600)
        for field in ("expires_at", "not_before"):
            for bad in ("2026-11-21T06:00:00", "tomorrow", 5, "2026-11-21T23:59:60Z"):
                self.assert_invalid({**LEAST, field: bad}, field)

    def test_ttl_xor_expires_at(self) -> None:
        """Two answers to one question are none."""
        self.assert_invalid(
            {**LEAST, "ttl": 5, "expires_at": "2026-11-21T06:00:00Z"}, "ttl"
        )
        for bad in (-1, "5", 1e300, True):
            self.assert_invalid({**LEAST, "ttl": bad}, "ttl")

    def test_ttl_counts_from_not_before(self) -> None:
        """What waits until morning does not expire at night."""
        later = "2026-11-21T04:00:00Z"
        self.assertEqual(read({**LEAST, "not_before": later}).expires_at, NOW + 10800)
        message = read({**LEAST, "not_before": later, "ttl": 60})
        self.assertEqual(message.not_before, NOW + 3600)
        self.assertEqual(message.expires_at, NOW + 3660)
        past = read({**LEAST, "not_before": "2020-01-01T00:00:00Z", "ttl": 60})
        self.assertEqual(past.expires_at, NOW + 60)

    def test_an_expiry_before_the_beginning(self) -> None:
        """Could never be sent."""
        self.assert_invalid(
            {
                **LEAST,
                "not_before": "2026-11-21T04:00:00Z",
                "expires_at": "2026-11-21T04:00:00Z",
            },
            "expires_at",
        )

    def test_an_expiry_in_the_past_is_taken(self) -> None:
        """The answer to it is the event `expired`, not a refusal."""
        message = read({**LEAST, "expires_at": "2020-01-01T00:00:00Z"})
        self.assertLess(message.expires_at, NOW)


class CorrelationTests(Case):
    def test_any_json_is_echoed_as_written(self) -> None:
        """Numbers keep their spelling, objects their order."""
        for raw in (b"1.50", b'{"b":1,"a":[1e3, 2]}', b'"\\u0416"', '"Ж"'.encode()):
            body = b'{"id":"a","to":"112","text":"x","correlation":' + raw + b"}"
            self.assertEqual(bytes(read(body).correlation), raw)

    def test_line_breaks_between_tokens_are_dropped(self) -> None:
        """An event is one line wherever it is shown."""
        body = b'{"id":"a","to":"112","text":"x","correlation":{\n "a":\r\n 1.0}}'
        self.assertEqual(bytes(read(body).correlation), b'{"a":1.0}')

    def test_at_most_1_kib(self) -> None:
        """1024 bytes as written, not one more."""
        read({**LEAST, "correlation": "x" * 1022})
        self.assert_invalid(
            {**LEAST, "correlation": "x" * 1023}, "correlation", "too_long"
        )

    def test_it_must_be_utf_8(self) -> None:
        """It is copied into events, which are."""
        body = b'{"id":"a","to":"112","text":"x","correlation":"\xff"}'
        self.assert_invalid(body, "correlation")


class SmppTests(Case):
    def test_options_are_carried(self) -> None:
        """Only what SMPP 3.4 can hold."""
        smpp = {"service_type": "CMT", "protocol_id": 65, "tlvs": {"0x1403": "0aFF"}}
        options = read({**LEAST, "smpp": smpp}).smpp
        assert options is not None
        self.assertEqual(msgspec.to_builtins(options)["tlvs"], {"0x1403": "0aFF"})
        self.assertEqual(options.protocol_id, 65)

    def test_options_out_of_range(self) -> None:
        """The inner field is named."""
        for name, value in (
            ("protocol_id", 256),
            ("registered_delivery", -1),
            ("service_type", "123456"),
            ("validity_period", "ё"),
            ("schedule_delivery_time", "a\0"),
            ("nonsense", 1),
        ):
            self.assert_invalid({**LEAST, "smpp": {name: value}}, f"smpp.{name}")
        for tlvs in ({"1403": "00"}, {"0x14033": "00"}, {"0x1403": "0"}):
            self.assert_invalid({**LEAST, "smpp": {"tlvs": tlvs}}, "smpp.tlvs")


class BrokenTests(Case):
    def test_an_unknown_field_is_named(self) -> None:
        """A typo must not send a different SMS."""
        self.assert_invalid({**LEAST, "chanels": ["a"]}, "chanels")
        self.assert_invalid({**LEAST, "тест": 1}, "тест")
        error = self.assert_invalid({**LEAST, "x" * 10000: 1}, "x" * 64)
        self.assertLessEqual(len(error.text), 300)

    def test_wrong_types_and_words_are_named(self) -> None:
        """The field, not a place in the bytes."""
        for field, value in (
            ("to", 5),
            ("text", 5),
            ("class", "commands"),
            ("charset", "utf8"),
            ("priority", 10),
            ("priority", 3.5),
            ("v", 2),
            ("flash", "yes"),
            ("max_segments", 0),
            ("channels", []),
            ("from", ""),
            ("account", "x" * 65),
            ("report", "some"),
        ):
            self.assert_invalid({**LEAST, field: value}, field)
        self.assert_invalid({"id": "a", "text": "x"}, "to")

    def test_what_is_no_json_object(self) -> None:
        """One code for all of it."""
        whole = json.dumps(LEAST).encode()
        for body in (b"", b"null", b"[]", b"5", b"{", b"\xff", whole + b"x"):
            self.assert_invalid(body, None)
        self.assert_invalid(b"\xef\xbb\xbf" + whole, None)
        self.assert_invalid(b'{"correlation":' + b"[" * 100_000, None)

    @given(st.binary(max_size=200))
    def test_any_bytes_are_a_message_or_the_one_error(self, body: bytes) -> None:
        """Nothing else comes out, whatever goes in."""
        try:
            read(body, message_id="a")
        except InvalidMessage as invalid:
            self.assertTrue(invalid.code)

    @given(
        st.dictionaries(
            st.sampled_from([*Outbound.__struct_encode_fields__, "ttl", "v", "x"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                max_leaves=4,
            ),
        )
    )
    def test_any_fields_are_a_message_or_the_one_error(
        self, fields: dict[str, Any]
    ) -> None:
        """Whatever stands in known fields."""
        try:
            message = read({"to": "112", "id": "a", "text": "x", **fields})
        except InvalidMessage as invalid:
            self.assertTrue(invalid.code)
        else:
            self.assertEqual(message.accepted_at, NOW)


class ManyTests(Case):
    def test_an_object_is_one(self) -> None:
        """The same answer shape for both."""
        [message] = parse_many(
            b' {"to":"112","text":"x"}', defaults=DEFAULTS, now=NOW, new_id=lambda: "n"
        )
        assert isinstance(message, Outbound)
        self.assertEqual(message.id, "n")

    def test_one_bad_message_does_not_spoil_the_others(self) -> None:
        """One result each, in order."""
        body = json.dumps([LEAST, {"to": "x"}, 5, {**LEAST, "id": "cmd-2"}]).encode()
        first, second, third, fourth = parse_many(body, defaults=DEFAULTS, now=NOW)
        assert isinstance(first, Outbound)
        assert isinstance(fourth, Outbound)
        self.assertEqual((first.id, fourth.id), ("cmd-1", "cmd-2"))
        assert isinstance(second, InvalidMessage)
        assert isinstance(third, InvalidMessage)
        self.assertEqual(second.code, "bad_number")

    def test_made_ids_differ(self) -> None:
        """And have the syntax of ids."""
        body = json.dumps([{"to": "112", "text": "x"}] * 2).encode()
        messages = parse_many(body, defaults=DEFAULTS, now=NOW)
        ids = {message.id for message in messages if isinstance(message, Outbound)}
        self.assertEqual(len(ids), 2)

    def test_a_thousand_and_no_more(self) -> None:
        """The limit of docs/http.rst, "Messages"."""
        item = json.dumps({"to": "112", "text": "x"})
        body = f"[{','.join([item] * 1000)}]".encode()
        self.assertEqual(len(parse_many(body, defaults=DEFAULTS, now=NOW)), 1000)
        body = f"[{','.join([item] * 1001)}]".encode()
        with self.assertRaises(InvalidMessage) as caught:
            parse_many(body, defaults=DEFAULTS, now=NOW)
        self.assertEqual(caught.exception.code, "too_long")

    def test_a_broken_array(self) -> None:
        """Is refused as a whole."""
        for body in (b"[", b"[1,]", b"[\xff]x", b"[" * 100_000):
            with self.assertRaises(InvalidMessage):
                parse_many(body, defaults=DEFAULTS, now=NOW)


class FingerprintTests(Case):
    def test_a_repeat_an_hour_later_is_the_same(self) -> None:
        """Neither the acceptance nor a relative ttl counts."""
        body = json.dumps({**LEAST, "ttl": 60}).encode()
        one = parse(body, defaults=DEFAULTS, now=NOW)
        two = parse(body, defaults=DEFAULTS, now=NOW + 3600)
        self.assertNotEqual(one.expires_at, two.expires_at)
        self.assertEqual(fingerprint(one), fingerprint(two))

    def test_another_spelling_of_the_number_is_the_same(self) -> None:
        """The number counts, not how it was written."""
        one = read(LEAST)
        two = read({**LEAST, "to": "8 916 123 45 67"})
        self.assertEqual(fingerprint(one), fingerprint(two))

    def test_another_content_is_another(self) -> None:
        """Anything that would change what is sent."""
        prints = [fingerprint(read(LEAST))]
        for changed in (
            {"to": "112"},
            {"text": "hi "},
            {"from": "x"},
            {"class": "command"},
            {"charset": "ucs2"},
            {"flash": True},
            {"dest_port": 1},
            {"channels": ["a"]},
            {"smpp": {"protocol_id": 1}},
            {"max_segments": 1},
            {"account": "x"},
        ):
            prints.append(fingerprint(read({**LEAST, **changed})))
        prints.append(
            fingerprint(read({"id": "a", "to": LEAST["to"], "binary": "aGk="}))
        )
        self.assertEqual(len(set(prints)), len(prints))


class TurnTests(SynchronousTestCase):
    """What a message says of the turns of commands."""

    def read(self, **fields: Any) -> Outbound:
        body = {"id": "c1", "to": "+79161234567", "text": "x", "class": "command"}
        made = msgspec.json.encode({**body, **fields})
        return parse(made, defaults=Defaults(), now=1.0)

    def test_unsaid(self) -> None:
        """Nothing is said, nothing is kept; it goes one at a time all the same."""
        message = self.read()
        self.assertIsNone(message.turn)
        self.assertTrue(message.in_turn)
        self.assertIsNone(self.read(tracker={}).turn)
        self.assertFalse(self.read(**{"class": "notification"}).in_turn)

    def test_said(self) -> None:
        """Pace, gap, answer time and sequence."""
        tracker = {"pace": "answered", "gap": 5, "answer_within": 60}
        message = self.read(tracker=tracker, sequence="s", on_failure="go")
        wanted = Turn(CommandPace.ANSWERED, 5.0, 0.0, 60.0, "s", OnFailure.GO)
        self.assertEqual(message.turn, wanted)
        self.assertFalse(message.stops)
        self.assertTrue(self.read(sequence="s").stops)
        self.assertFalse(self.read(tracker={"pace": "none"}).in_turn)

    def test_what_contradicts_itself(self) -> None:
        """Each names its field; an unknown one too."""
        notification = {"class": "notification"}
        for fields, field in (
            ({"tracker": {"pase": "answered"}}, "tracker.pase"),
            ({"tracker": {"pace": "slow"}}, "tracker.pace"),
            ({"tracker": {"gap": -1}}, "tracker.gap"),
            ({"on_failure": "go"}, "on_failure"),
            ({"sequence": "s", **notification}, "sequence"),
            ({"sequence": "s", "tracker": {"pace": "none"}}, "sequence"),
            ({"tracker": {"pace": "none"}, **notification}, "tracker.pace"),
            ({"tracker": {"gap": 1}, **notification}, "tracker.gap"),
        ):
            with self.subTest(fields):
                fault = self.assertRaises(InvalidMessage, self.read, **fields)
                self.assertEqual(fault.field, field)

    def test_a_list_stops_at_what_is_no_message(self) -> None:
        """What follows in a sequence is not taken; others are."""
        whole = {"to": "+79161234567", "text": "x", "class": "command"}
        of_it = {**whole, "sequence": "s"}
        body = msgspec.json.encode([of_it, {**of_it, "text": ""}, of_it, whole])
        first, bad, stopped, alone = parse_many(body, defaults=Defaults(), now=1.0)
        self.assertIsInstance(first, Outbound)
        self.assertIsInstance(bad, InvalidMessage)
        assert isinstance(stopped, InvalidMessage)
        self.assertEqual(stopped.code, "sequence_stopped")
        self.assertIsInstance(alone, Outbound)
