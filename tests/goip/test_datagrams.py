"""Datagrams: every spelling of the documents, limits, and any bytes at all."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.goip.datagrams import (
    DATAGRAM_LIMIT,
    TEXT_LIMIT,
    ExchangeStep,
    NumberFormat,
    Push,
    UnparsedDatagram,
    agree,
    bulk_request,
    end_request,
    in_line_form,
    is_number,
    line_request,
    not_taken,
    number_request,
    parse,
    parse_request,
    password_request,
    push,
    registered,
    say,
    taken,
    to_e164,
)

forms: st.SearchStrategy[NumberFormat] = st.sampled_from(
    ["as_is", "plus", "noplus", "local"]
)

plain = st.binary(max_size=60).filter(lambda value: not set(value) & set(b";\x00\r\n"))
credential = st.text("abcXYZ019_-.", min_size=1, max_size=20).map(str.encode)
counts = st.integers(-(10**19), 10**19).map(lambda number: b"%d" % number)
texts = st.binary(max_size=TEXT_LIMIT).map(lambda value: value.rstrip(b"\x00"))
verbs = st.sampled_from(["STATE", "DELIVER", "REMAIN", "FOO"])


class PushTests(SynchronousTestCase):
    def test_seed_example_of_receive(self) -> None:
        """The user's own document spells the password `pass`."""
        found = parse(
            b"RECEIVE:1270197307;id:goipid1;pass:password1;srcnum:+8613513415667;"
            b"msg:just a test"
        )
        assert isinstance(found, Push)
        self.assertEqual(
            (found.verb, found.count, found.id, found.password, found.text),
            ("RECEIVE", b"1270197307", b"goipid1", b"password1", b"just a test"),
        )

    def test_text_is_opaque_to_the_end(self) -> None:
        """Semicolons, newlines and even `;msg:` inside a text are text."""
        found = parse(b"RECEIVE:1;id:a;password:b;srcnum:c;msg:x;msg:y;id:z\n\n")
        assert isinstance(found, Push)
        self.assertEqual(found.text, b"x;msg:y;id:z\n\n")
        self.assertEqual(found.id, b"a")

    def test_first_field_wins(self) -> None:
        """A field that comes twice cannot override itself."""
        found = parse(b"STATE:1;id:a;id:b;password:x;password:y;gsm_remain_state:IDLE")
        assert isinstance(found, Push)
        self.assertEqual((found.id, found.password), (b"a", b"x"))

    def test_value_keeps_its_colons(self) -> None:
        """CELLINFO has colons, blanks and quotes in its value."""
        found = parse(b'CELLINFO:1;id:a;password:b;info:"LAC:5815,CELL ID:9487"')
        assert isinstance(found, Push)
        self.assertEqual(found.fields["info"], b'"LAC:5815,CELL ID:9487"')

    def test_trailing_nul_and_newlines_are_framing(self) -> None:
        """C firmware ends strings with NUL; fields do not keep it."""
        for tail in (b"\n", b"\x00", b"\r\n\x00"):
            found = parse(b"STATE:1;id:a;password:b" + tail)
            assert isinstance(found, Push)
            self.assertEqual(found.password, b"b")

    def test_limits(self) -> None:
        """Too long a datagram, id, password, number or text is not taken."""
        long = b"A" * 65
        for datagram in (
            b"req:1;id:a;pass:b;" + b"x" * DATAGRAM_LIMIT,
            b"req:1;id:" + long + b";pass:b;",
            b"req:1;id:a;pass:" + long + b";",
            b"req:1;id:a\x00b;pass:b;",
            b"RECEIVE:1;id:a;pass:b;srcnum:" + long + b";msg:x",
            b"RECEIVE:1;id:a;pass:b;srcnum:c;msg:" + b"x" * 3001,
            b"RECEIVE:1;id:a;pass:b;srcnum:c",
            b"req:%s;id:a;pass:b;" % (b"1" * 21),
            b"req:;id:a",
            b"req:abc;",
            b"req",
            b"",
        ):
            self.assertIsInstance(parse(datagram), UnparsedDatagram, datagram[:40])

    def test_many_fields_are_cut(self) -> None:
        """A datagram of thousands of fields makes a small table."""
        body = b"".join(b"%d:;" % number for number in range(600))
        found = parse(b"STATE:1;" + body)
        assert isinstance(found, Push)
        self.assertLessEqual(len(found.fields), 64)

    @given(verbs, counts, credential, plain, plain)
    def test_push_round_trip(
        self, verb: str, count: bytes, name: bytes, one: bytes, two: bytes
    ) -> None:
        """What the device's side writes, the server's side reads."""
        fields = [("id", name), ("password", name), ("x", one), ("y", two)]
        found = parse(push(verb, count, fields))
        self.assertEqual(found, Push(verb, count, dict(fields)))

    @given(counts, credential, texts)
    def test_text_round_trip(self, count: bytes, name: bytes, text: bytes) -> None:
        """Any text comes through byte for byte."""
        fields = [("id", name), ("password", name), ("srcnum", b"+79")]
        found = parse(push("RECEIVE", count, fields, text))
        self.assertEqual(found, Push("RECEIVE", count, dict(fields), text))

    @given(st.binary(max_size=300) | st.binary(max_size=60).map(b"RECEIVE:1;".__add__))
    def test_any_bytes_are_a_value(self, data: bytes) -> None:
        """No bytes raise."""
        self.assertIsInstance(parse(data), Push | ExchangeStep | UnparsedDatagram)
        self.assertIsInstance(parse_request(data), ExchangeStep | UnparsedDatagram)


class SaidTests(SynchronousTestCase):
    def test_answers_of_the_documents(self) -> None:
        """Each answer of a bulk exchange, with and without newline."""
        for datagram, expected in (
            (b"PASSWORD 5\n", ExchangeStep("PASSWORD", 5)),
            (b"WAIT 5 3\n", ExchangeStep("WAIT", 5, b"3")),
            (b"OK 5 3 117 \n", ExchangeStep("OK", 5, b"3 117 ")),
            (
                b"ERROR 5 3 errorstatus:38",
                ExchangeStep("ERROR", 5, b"3 errorstatus:38"),
            ),
            (b"DONE 11 \n", ExchangeStep("DONE", 11)),
            (
                b"USSD 7 line one\nline two",
                ExchangeStep("USSD", 7, b"line one\nline two"),
            ),
        ):
            self.assertEqual(parse(datagram), expected)

    @given(st.integers(0, 2**31 - 1), plain)
    def test_said_round_trip(self, sendid: int, rest: bytes) -> None:
        """What a device says inside an exchange is read back."""
        self.assertEqual(
            parse(say("USSD", sendid, rest)), ExchangeStep("USSD", sendid, rest)
        )


class RequestTests(SynchronousTestCase):
    def test_golden_requests(self) -> None:
        """The bytes that the vendor's own server wrote."""
        self.assertEqual(bulk_request(5, b"hello"), b"MSG 5 5 hello\n")
        self.assertEqual(
            bulk_request(6, "Привет".encode()), b"MSG 6 12 " + "Привет\n".encode()
        )
        self.assertEqual(password_request(5, b"password1"), b"PASSWORD 5 password1\n")
        self.assertEqual(number_request(5, 3, b"79001"), b"SEND 5 3 79001\n")
        self.assertEqual(line_request("USSD", 7, [b"pw", b"*100#"]), b"USSD 7 pw *100#")
        self.assertEqual(registered(b"-07", 0), b"reg:-07;status:0;")
        self.assertEqual(taken("RECEIVE", b"12"), b"RECEIVE 12 OK\n")

    def test_error_text_is_short(self) -> None:
        """No answer carries more than 32 bytes of reason."""
        self.assertEqual(not_taken("RECEIVE", b"1", b"x" * 99)[16:], b"x" * 32)

    @given(st.integers(1, 2**31 - 1), st.binary(max_size=TEXT_LIMIT))
    def test_bulk_round_trip(self, sendid: int, text: bytes) -> None:
        """The box reads any text by its length."""
        self.assertEqual(
            parse_request(bulk_request(sendid, text)), ExchangeStep("MSG", sendid, text)
        )

    def test_box_reads_what_the_server_writes(self) -> None:
        """Every other request is read with and without its newline."""
        for datagram, expected in (
            (end_request(5), ExchangeStep("DONE", 5)),
            (password_request(5, b"pw"), ExchangeStep("PASSWORD", 5, b"pw")),
            (number_request(5, 1, b"+79"), ExchangeStep("SEND", 5, b"1 +79")),
            (
                line_request("USSD", 5, [b"pw", b"*1#"]),
                ExchangeStep("USSD", 5, b"pw *1#"),
            ),
        ):
            self.assertEqual(parse_request(datagram), expected)

    def test_wrong_length_is_not_taken(self) -> None:
        """A MSG whose length counts characters is a fault of the server."""
        self.assertIsInstance(
            parse_request(b"MSG 1 6 " + "Привет\n".encode()), UnparsedDatagram
        )


class NumberTests(SynchronousTestCase):
    @given(forms, st.integers(10**9, 10**10 - 1))
    def test_spelling_comes_back(self, form: NumberFormat, national: int) -> None:
        """What a line is told in its form is read back as E.164."""
        number = f"+7{national}"
        sent = in_line_form(number, form, "7", "8")
        self.assertTrue(is_number(sent))
        self.assertEqual(to_e164(sent, form, "7", "8"), number)
        self.assertTrue(agree(sent, number))

    @given(forms, st.sampled_from(["100", "2121", "MegaFon", "", "+"]))
    def test_short_numbers_and_names_stay(self, form: NumberFormat, given: str) -> None:
        """Service numbers and names are never respelled."""
        self.assertEqual(
            in_line_form(given, form, "7", "8").lstrip("+"), given.lstrip("+")
        )
        self.assertEqual(to_e164(given, form, "7", "8"), given)

    @given(st.text(max_size=25))
    def test_is_number_lets_no_word_in(self, number: str) -> None:
        """What passes cannot be more than one word of the datagram."""
        if is_number(number):
            self.assertEqual(number.encode("ascii").split(), [number.encode("ascii")])

    def test_other_numbers_do_not_agree(self) -> None:
        """The last nine digits tell phones apart; short numbers as a whole."""
        self.assertFalse(agree("+79160000001", "+79160000002"))
        self.assertFalse(agree("100", "2100"))
        self.assertTrue(agree("+79160000001", "89160000001"))
