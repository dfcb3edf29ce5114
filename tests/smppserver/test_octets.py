"""What a client wrote, and what an SMPP channel sends of it: the same octets."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.accounts.settings import AccountSettings
from gdemoi.contract.envelope import Defaults
from gdemoi.goip.encoded import prepare as prepare_goip
from gdemoi.journal.stored_form import decode_message, encode_message
from gdemoi.message import Outbound, Refused
from gdemoi.smpp.encoder import SmppEncoder
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.pdus import DataSm, SubmitSm, Tag
from gdemoi.smpp.settings import DefaultCharset, SmppSettings
from gdemoi.smppserver.settings import SmppClientSettings
from gdemoi.smppserver.submits import Sender, SubmitReader
from gdemoi.text.segments import Method
from gdemoi.yeastar.encoded import prepare as prepare_tg
from gdemoi.yeastar.settings import YeastarSettings
from tests.smppserver.rig import NOW, submit

ALL = bytes(range(256))
HALVES = (ALL[:128], ALL[128:])
# concatenation: reference 0x2A, two parts
FIRST, SECOND = b"\x05\x00\x03\x2a\x02\x01", b"\x05\x00\x03\x2a\x02\x02"


def client(**settings: Any) -> SubmitReader:
    """Return what reads the submits of a client."""
    sender = Sender(
        client="car",
        account="car",
        settings=SmppClientSettings(password="secret", **settings),
        account_settings=AccountSettings(),
        session="s",
        host="10.0.0.1",
    )
    return SubmitReader(sender, Defaults("RU"))


def message_of(pdu: SubmitSm | DataSm, **settings: Any) -> Outbound:
    """Return the message of a submit, after a life in the journal."""
    reader = client(**settings)
    raw = reader.raw(pdu)
    [message] = reader.messages(pdu, raw, "1", NOW)
    return decode_message(encode_message(message))


def sent(message: Outbound, *, tlvs: bool = True, **settings: Any) -> list[SubmitSm]:
    """Return the submit_sm that a channel sends of a message."""
    how = {"host": ("h",), "system_id": "x", "allowed_sender": ("*",), **settings}
    encoder = SmppEncoder(SmppSettings(**how), lambda: 0.5)
    prepared = encoder.prepare(message, NOW, tlvs=tlvs)
    assert not isinstance(prepared, Refused), prepared
    found = [pdus.decode(octets) for octets in prepared.octets(tlvs=tlvs)]
    return [one for one in found if isinstance(one, SubmitSm)]


def refusal(message: Outbound, **settings: Any) -> str:
    """Return why a channel does not send a message."""
    how = {"host": ("h",), "system_id": "x", "allowed_sender": ("*",), **settings}
    tlvs = how.pop("tlvs", True)
    encoder = SmppEncoder(SmppSettings(**how), lambda: 0.5)
    prepared = encoder.prepare(message, NOW, tlvs=tlvs)
    assert isinstance(prepared, Refused), prepared
    return prepared.error.code


class UnchangedTests(SynchronousTestCase):
    def test_all_octets_under_all_codings(self) -> None:
        """DS23: each of the 256 values, under data_coding 0, 1, 3, 4, 8, 240, 245 …"""
        for coding in (0, 1, 2, 3, 4, 6, 8, 0x10, 0x18, 0xC8, 240, 245, 0x7F):
            for half in HALVES:
                [one] = sent(message_of(submit(text=half, data_coding=coding)))
                self.assertEqual((one.short_message, one.data_coding), (half, coding))
                self.assertEqual(one.esm_class, 0)

    @given(
        octets=st.binary(max_size=254),
        coding=st.integers(0, 255),
        esm_class=st.sampled_from([0, 3, 0x40, 0x43, 0x80, 0xC3]),
        protocol_id=st.integers(0, 255),
    )
    def test_whatever_it_is(
        self, octets: bytes, coding: int, esm_class: int, protocol_id: int
    ) -> None:
        """Any octets, coding, header flag, reply path and protocol_id arrive."""
        pdu = submit(
            text=octets,
            data_coding=coding,
            esm_class=esm_class,
            protocol_id=protocol_id,
        )
        [one] = sent(message_of(pdu))
        self.assertEqual((one.short_message, one.data_coding), (octets, coding))
        self.assertEqual(one.esm_class, esm_class & 0xC0)
        self.assertEqual(one.protocol_id, protocol_id)

    def test_parts_with_a_header(self) -> None:
        """DS24: each leaves with its own header, reference unchanged."""
        for head in (FIRST, SECOND):
            for link in (True, False):
                message = message_of(submit(text=head + ALL[:134], esm_class=0x43))
                [one] = sent(message, tlvs=link)
                self.assertEqual(one.short_message, head + ALL[:134])
                self.assertEqual(one.esm_class, 0x40)
                self.assertEqual(one.tlvs, ())

    def test_sar(self) -> None:
        """DS25: the parameters go as they are; as a header where a link has none."""
        sar = ((0x020C, b"\x12\x34"), (0x020E, b"\x02"), (0x020F, b"\x01"))
        message = message_of(submit(text=b"x" * 150, tlvs=sar))
        self.assertIsNone(message.text)
        [one] = sent(message)
        self.assertEqual((one.tlvs, one.short_message), (sar, b"x" * 150))
        [one] = sent(message, tlvs=False)
        self.assertEqual(one.esm_class, 0x40)
        self.assertEqual(
            one.short_message, b"\x06\x08\x04\x12\x34\x02\x01" + b"x" * 150
        )

    def test_other_parameters(self) -> None:
        """Go on; what a link without TLVs would lose is refused there."""
        ports = ((0x020A, b"\0\1"), (0x020B, b"\0\2"), (0x0204, b"\0\7"))
        message = message_of(submit(tlvs=ports))
        self.assertEqual(sent(message)[0].tlvs, ports)
        self.assertEqual(refusal(message, tlvs=False), "gateway:unsupported")
        alone = message_of(submit(tlvs=ports[2:]))
        self.assertEqual(sent(alone, tlvs=False)[0].tlvs, ())

    def test_a_payload_whole(self) -> None:
        """DS25: a thousand octets in one TLV, where the channel is set to that."""
        octets = (ALL * 4)[:1000]
        pdu = submit(text=b"", data_coding=4, tlvs=((Tag.message_payload, octets),))
        [one] = sent(message_of(pdu), long_messages=Method.PAYLOAD)
        self.assertEqual(one.tlv(Tag.message_payload), octets)
        self.assertEqual((one.short_message, one.data_coding), (b"", 4))

    def test_a_payload_in_parts(self) -> None:
        """DS25: else in parts by the gateway's rules; no octet is lost or changed."""
        octets = (ALL * 4)[:1000]
        ucs2 = ("Ключ 😀 " * 60).encode("utf-16-be")
        gsm = b"\x1b\x3c\x00@x " * 80
        for text, coding in ((octets, 4), (ucs2, 8), (gsm, 0)):
            pdu = submit(
                text=b"", data_coding=coding, tlvs=((Tag.message_payload, text),)
            )
            for how, head in ((Method.UDH, 6), (Method.UDH16, 7)):
                found = sent(message_of(pdu), long_messages=how)
                self.assertGreater(len(found), 1)
                self.assertEqual({one.data_coding for one in found}, {coding})
                self.assertEqual({one.esm_class for one in found}, {0x40})
                joined = b"".join(one.short_message[head:] for one in found)
                self.assertEqual(joined, text)
            found = sent(message_of(pdu), long_messages=Method.SAR)
            self.assertEqual(b"".join(one.short_message for one in found), text)
            self.assertEqual(
                [one.tlv_int(Tag.sar_segment_seqnum) for one in found],
                list(range(1, len(found) + 1)),
            )

    def test_a_payload_that_fits_one_sms(self) -> None:
        """Is one submit_sm; one with too many segments is refused."""
        pdu = submit(text=b"", tlvs=((Tag.message_payload, b"short"),))
        [one] = sent(message_of(pdu))
        self.assertEqual((one.short_message, one.tlvs), (b"short", ()))
        long = submit(text=b"", tlvs=((Tag.message_payload, b"x" * 5000),))
        self.assertEqual(refusal(message_of(long)), "gateway:too_long")

    def test_a_payload_with_a_header_of_its_own(self) -> None:
        """Each part bears it (ports) beside its number."""
        ports = b"\x06\x05\x04\x0b\x84\x23\xf0"
        pdu = submit(
            text=b"",
            data_coding=4,
            esm_class=0x40,
            tlvs=((Tag.message_payload, ports + ALL),),
        )
        found = sent(message_of(pdu))
        self.assertEqual(len(found), 2)
        heads = [one.short_message[: one.short_message[0] + 1] for one in found]
        self.assertTrue(all(ports[1:] in head for head in heads))
        rest = [
            one.short_message[len(h) :] for one, h in zip(found, heads, strict=True)
        ]
        self.assertEqual(b"".join(rest), ALL)

    def test_octets_that_are_no_text_cannot_be_cut(self) -> None:
        """GSM with octets over 0x7F, longer than an SMS: refused, not repaired."""
        pdu = submit(text=b"", tlvs=((Tag.message_payload, b"\xe9" * 400),))
        self.assertEqual(refusal(message_of(pdu)), "gateway:unencodable")

    def test_data_sm(self) -> None:
        """As submit_sm with message_payload."""
        pdu = DataSm(
            destination_addr="79161234567",
            dest_addr_ton=1,
            data_coding=8,
            tlvs=((Tag.message_payload, "да".encode("utf-16-be")),),
        )
        [one] = sent(message_of(pdu))
        self.assertEqual(one.short_message, "да".encode("utf-16-be"))


class AlphabetTests(SynchronousTestCase):
    def test_another_default_there(self) -> None:
        """Where 0 means something else, the text goes in what that channel has."""
        message = message_of(submit(text=b"\x00 \x02"))
        self.assertEqual(message.text, "@ $")
        [one] = sent(message, default_charset=DefaultCharset.LATIN1)
        self.assertEqual(one.short_message, b"@ $")
        [one] = sent(message, default_charset=DefaultCharset.GSM8)
        self.assertEqual(one.short_message, b"\x00 \x02")

    def test_another_default_here(self) -> None:
        """A client's 0 may be Latin-1, UTF-8 …; the reading follows it."""
        for word, octets, text in (
            ("latin1", b"\xa3@", "£@"),
            ("utf8", "£@".encode(), "£@"),
            ("ascii", b"$@", "$@"),
        ):
            charset = DefaultCharset(word)
            message = message_of(submit(text=octets), default_charset=charset)
            self.assertEqual(message.text, text)
            [one] = sent(message, default_charset=charset)
            self.assertEqual(one.short_message, octets)
            [one] = sent(message)
            self.assertEqual(one.short_message.decode("latin-1")[-1], "\x00")

    def test_what_cannot_be_read_is_refused_there(self) -> None:
        """Never guessed at."""
        part = message_of(submit(text=FIRST + b"\x00", esm_class=0x40))
        code = refusal(part, default_charset=DefaultCharset.LATIN1)
        self.assertEqual(code, "gateway:unencodable")

    def test_3_3_means_others_by_the_field(self) -> None:
        """data_coding 3 is no Latin-1 there: the text goes as that channel does it."""
        message = message_of(submit(text=b"\xe9", data_coding=3))
        self.assertEqual(message.text, "é")
        [one] = sent(message, version="3.3")
        self.assertEqual((one.short_message, one.data_coding), (b"\x05", 0))


class ReadingTests(SynchronousTestCase):
    def test_texts(self) -> None:
        """One way to read them: the text; its class 0 is flash."""
        for coding, octets, text, flash in (
            (0, b"\x00[\x1b\x3c", "@Ä[", False),
            (1, b"abc", "abc", False),
            (3, b"\xe9\x80", "é\x80", False),
            (6, b"\xb0", "А", False),
            (8, "да😀".encode("utf-16-be"), "да😀", False),
            (0xF0, b"ping", "ping", True),
            (0xF1, b"ping", "ping", False),
            (0x10, b"ping", "ping", True),
            (0x18, "да".encode("utf-16-be"), "да", True),
            (0, b"", "", False),
        ):
            message = message_of(submit(text=octets, data_coding=coding))
            self.assertEqual((message.text, message.flash), (text, flash), coding)
            self.assertIsNone(message.binary)

    def test_octets(self) -> None:
        """Binary, with its header where it has one."""
        ports = b"\x06\x05\x04\x0b\x84\x23\xf0"
        message = message_of(
            submit(text=ports + ALL[:100], data_coding=4, esm_class=64)
        )
        self.assertEqual((message.udh, message.binary), (ports, ALL[:100]))
        message = message_of(submit(text=ALL[:100], data_coding=0xF4))
        self.assertEqual((message.binary, message.flash), (ALL[:100], True))

    def test_neither(self) -> None:
        """No reading where there is no one way: parts, odd UCS2, octets over 0x7F."""
        for fields in (
            {"text": FIRST + b"abc", "esm_class": 0x40},
            {"text": FIRST + b"abc", "esm_class": 0x40, "data_coding": 4},
            {"text": b"\x09abc", "esm_class": 0x40},
            {"text": b"\x04", "data_coding": 8},
            {"text": b"\xd8\x00", "data_coding": 8},
            {"text": b"\xff\xfe\x04\x34", "data_coding": 8},
            {"text": b"\x80"},
            {"text": b"\x1b\x1b"},
            {"text": b"x", "tlvs": ((0x020C, b"\0\1"),)},
        ):
            message = message_of(submit(**fields))
            self.assertEqual((message.text, message.binary), (None, None), fields)
            if len(fields["text"]) < 140:
                [one] = sent(message)
                self.assertEqual(one.short_message, fields["text"])

    def test_gsm_gateways_take_what_is_certain(self) -> None:
        """A text whole; a part of one, or octets, are refused."""
        text = message_of(submit(text=b"ping"))
        part = message_of(submit(text=FIRST + b"ping", esm_class=0x40))
        octets = message_of(submit(text=b"\1\2", data_coding=4))
        settings = YeastarSettings(host="h", username="u", password="p")
        for message, good in ((text, True), (part, False), (octets, False)):
            for prepared in (
                prepare_goip(message, None, None, 10),
                prepare_tg(message, settings),
            ):
                self.assertEqual(not isinstance(prepared, Refused), good, prepared)
