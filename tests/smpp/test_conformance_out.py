"""The ESME's conformance list: messages out, cases 36 to 43."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import (
    Accepted,
    Charset,
    MessageClass,
    OnUnencodable,
    Refused,
    SmppOptions,
    Transliteration,
)
from gdemoi.sandbox.smsc import SmscPersonality
from gdemoi.smpp.encoder import SmppEncodedMessage
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.pdus import SubmitSm
from gdemoi.smpp.pdu.wire import absolute, relative
from gdemoi.smpp.settings import DefaultCharset, Receipts, ValidityFormat
from gdemoi.text import gsm7
from gdemoi.text.segments import Method
from tests.smpp.rig import NOW, ChannelRig

COMMAND = {
    "class_": MessageClass.COMMAND,
    "on_unencodable": OnUnencodable.REJECT,
}


def made(rig: ChannelRig, text: str | None = "Hello", **fields: Any) -> list[SubmitSm]:
    """Return the PDUs of a message."""
    prepared = rig.channel.prepare(rig.message(text, **fields))
    assert isinstance(prepared, SmppEncodedMessage), prepared
    found = [pdus.decode(bytes.fromhex(one[0])) for one in prepared.wire()]
    assert all(isinstance(one, SubmitSm) for one in found)
    return found  # type: ignore[return-value]


def refused(rig: ChannelRig, text: str | None = "Hello", **fields: Any) -> str:
    """Return the code of a message's refusal."""
    outcome = rig.channel.prepare(rig.message(text, **fields))
    assert isinstance(outcome, Refused), outcome
    assert not outcome.error.retryable
    return outcome.error.code


class AlphabetTests(SynchronousTestCase):
    def test_gsm_when_it_fits_else_ucs2(self) -> None:
        """The choice is per message, and told."""
        rig = ChannelRig(start=False)
        (plain,) = made(rig, "Hola @ 5€")
        self.assertEqual((plain.data_coding, plain.short_message[-2:]), (0, b"\x1be"))
        (cyrillic,) = made(rig, "Привет")
        self.assertEqual(cyrillic.data_coding, 8)
        self.assertEqual(cyrillic.short_message, "Привет".encode("utf-16-be"))
        prepared = rig.channel.prepare(rig.message("Привет"))
        self.assertEqual((prepared.charset, prepared.data_coding), ("ucs2", 8))  # type: ignore[union-attr]

    def test_latin1_and_transliteration(self) -> None:
        """As the message asks."""
        rig = ChannelRig(start=False)
        (latin,) = made(rig, "año `x`", charset=Charset.LATIN1)
        self.assertEqual(latin.data_coding, 3)
        self.assertEqual(latin.short_message, "año `x`".encode("latin-1"))
        (near,) = made(rig, "áéí", on_unencodable=OnUnencodable.TRANSLITERATE)
        self.assertEqual(near.data_coding, 0)

    def test_cyrillic_in_latin_letters(self) -> None:
        """`Где машина` in gsm8 is one segment, by the route's table."""
        rig = ChannelRig(start=False)
        wish = {"on_unencodable": OnUnencodable.TRANSLITERATE, "charset": Charset.GSM8}
        (sent,) = made(rig, "Где машина", **wish)
        self.assertEqual((sent.data_coding, sent.short_message), (0, b"Gde mashina"))
        gost = Transliteration.GOST
        (sent,) = made(rig, "Ещё", transliteration=gost, **wish)
        self.assertEqual(sent.short_message, b"Eshhyo")

    def test_default_charset_of_the_smsc(self) -> None:
        """data_coding 0 in Latin-1, packed, or another number for it."""
        rig = ChannelRig(start=False, default_charset=DefaultCharset.LATIN1)
        self.assertEqual(made(rig, "@_")[0].short_message, b"@_")
        rig = ChannelRig(start=False, default_charset=DefaultCharset.GSM7)
        self.assertEqual(made(rig, "hello")[0].short_message.hex(), "e8329bfd06")
        rig = ChannelRig(start=False, gsm_coding=1)
        self.assertEqual(made(rig, "hello")[0].data_coding, 1)

    def test_commands_arrive_as_written(self) -> None:
        """No byte of a command is changed, and spaces survive at both ends."""
        rig = ChannelRig(start=False)
        text = '  $setparam "a_b";{@}[x]\\^~|  \r\n'
        (pdu,) = made(rig, text, **COMMAND)
        from gdemoi.text import gsm7

        self.assertEqual(gsm7.decode(pdu.short_message), text)
        (latin,) = made(rig, text, charset=Charset.LATIN1, **COMMAND)
        self.assertEqual(latin.short_message, text.encode("latin-1"))

    def test_a_command_that_does_not_fit_is_refused(self) -> None:
        """Never degraded, never silently in another alphabet."""
        rig = ChannelRig(start=False)
        code = refused(rig, "привет", charset=Charset.GSM8, **COMMAND)
        self.assertEqual(code, "gateway:unencodable")
        code = refused(rig, "привет", charset=Charset.LATIN1, **COMMAND)
        self.assertEqual(code, "gateway:unencodable")

    def test_version_33_has_the_gsm_coding_scheme(self) -> None:
        """Latin-1 and octets go as class 1 octets there."""
        rig = ChannelRig(start=False, version="3.3")
        self.assertEqual(made(rig, "ñç", charset=Charset.LATIN1)[0].data_coding, 0xF5)
        self.assertEqual(made(rig, None, binary=b"ab")[0].data_coding, 0xF5)

    def test_version_33_asks_for_receipts_by_0_or_1(self) -> None:
        """No bits for intermediate ones."""
        rig = ChannelRig(start=False, version="3.3", receipts=Receipts.ALL)
        self.assertEqual(made(rig)[0].registered_delivery, 1)

    def test_flash_is_gsm_whatever_0_means(self) -> None:
        """0xF0 says GSM 03.38 by itself."""
        for word in DefaultCharset:
            rig = ChannelRig(start=False, default_charset=word)
            (pdu,) = made(rig, "a@$_è", flash=True)
            self.assertEqual(pdu.data_coding, 0xF0)
            octets = b"a\x00\x02\x11\x04"
            if word is DefaultCharset.GSM7:
                octets = gsm7.pack(octets)
            self.assertEqual(pdu.short_message, octets, word)
            (plain,) = made(rig, "a@$_", flash=False)
            if word in (DefaultCharset.LATIN1, DefaultCharset.UTF8):
                self.assertEqual(plain.short_message, b"a@$_")

    def test_texts_under_data_coding_1(self) -> None:
        """In the alphabet that 1 means there."""
        for settings, octets in (
            ({}, b"a\x00"),
            ({"ia5_charset": DefaultCharset.ASCII}, b"a@"),
            ({"default_charset": DefaultCharset.LATIN1}, b"a@"),
        ):
            rig = ChannelRig(start=False, gsm_coding=1, **settings)
            (pdu,) = made(rig, "a@")
            self.assertEqual((pdu.data_coding, pdu.short_message), (1, octets))
        rig = ChannelRig(start=False, gsm_coding=1, ia5_charset=DefaultCharset.ASCII)
        self.assertEqual(made(rig, "é")[0].data_coding, 8)

    def test_flash(self) -> None:
        """Class 0 in each alphabet."""
        rig = ChannelRig(start=False)
        self.assertEqual(made(rig, "hi", flash=True)[0].data_coding, 0xF0)
        self.assertEqual(made(rig, "ё", flash=True)[0].data_coding, 0x18)
        self.assertEqual(made(rig, None, binary=b"x", flash=True)[0].data_coding, 0xF4)


class SegmentTests(SynchronousTestCase):
    def test_headers_references_and_limits(self) -> None:
        """esm_class 0x40, a reference per (sender, destination), no silent cut."""
        rig = ChannelRig(start=False)
        first = made(rig, "x" * 400, to="+79160000001")
        second = made(rig, "x" * 400, to="+79160000001")
        other = made(rig, "x" * 400, to="+79160000002")
        self.assertEqual({one.esm_class for one in first}, {0x40})
        self.assertEqual([one.short_message[:3] for one in first], [b"\5\0\3"] * 3)
        self.assertEqual([tuple(one.short_message[4:6]) for one in first], _PARTS)
        references = [pdus_[0].short_message[3] for pdus_ in (first, second, other)]
        self.assertEqual(references[1], (references[0] + 1) & 0xFF)
        self.assertEqual(references[2], references[0])
        code = refused(rig, "x" * 2000)
        self.assertEqual(code, "gateway:too_long")
        code = refused(rig, "x" * 400, max_segments=2)
        self.assertEqual(code, "gateway:too_long")

    def test_four_forms(self) -> None:
        """UDH of 8 and of 16 bits, SAR, payload."""
        text = "y" * 320
        for method, sizes in (
            (Method.UDH, [159, 159, 20]),
            (Method.UDH16, [159, 159, 23]),
            (Method.SAR, [152, 152, 16]),
            (Method.PAYLOAD, [0]),
        ):
            rig = ChannelRig(start=False, long_messages=method)
            found = made(rig, text)
            self.assertEqual([len(one.short_message) for one in found], sizes)
            tlvs = {tag for one in found for tag, _ in one.tlvs}
            wanted = {
                Method.SAR: {0x020C, 0x020E, 0x020F},
                Method.PAYLOAD: {0x0424},
            }.get(method, set())
            self.assertEqual(tlvs, wanted)

    def test_short_messages_need_no_form(self) -> None:
        """Whatever the form, one segment is plain."""
        for method in Method:
            rig = ChannelRig(start=False, long_messages=method)
            (one,) = made(rig, "short")
            self.assertEqual((one.esm_class, tuple(one.tlvs)), (0, ()))

    @given(
        st.text(max_size=400),
        st.sampled_from(list(Method)),
        st.sampled_from([Charset.AUTO, Charset.UCS2]),
    )
    def test_short_message_is_never_over_254(
        self, text: str, method: Method, charset: Charset
    ) -> None:
        """Nor are short_message and message_payload both used."""
        rig = _HOUSES[method]
        message = rig.message(text, charset=charset)
        prepared = rig.channel.prepare(message)
        if isinstance(prepared, Refused):
            self.assertIn(prepared.error.code, _REFUSALS)
            return
        for (octets,) in prepared.wire():
            pdu = pdus.decode(bytes.fromhex(octets))
            assert isinstance(pdu, SubmitSm)
            self.assertLessEqual(len(pdu.short_message), 254)
            self.assertFalse(pdu.short_message and pdu.tlv(0x0424))

    def test_binary_ports_and_headers(self) -> None:
        """Octets go as they are, with the ports or the header of the message."""
        rig = ChannelRig(start=False)
        (plain,) = made(rig, None, binary=b"\0\xff")
        self.assertEqual((plain.data_coding, plain.short_message), (4, b"\0\xff"))
        (ported,) = made(rig, None, binary=b"x", dest_port=2948, source_port=9200)
        self.assertEqual(ported.short_message.hex(), "0605040b8423f0" + "78")
        self.assertEqual(ported.esm_class, 0x40)
        (own,) = made(rig, None, binary=b"x", udh=b"\x03\x24\x01\x02")
        self.assertEqual(own.short_message, b"\x03\x24\x01\x02x")
        self.assertEqual(refused(rig, None, binary=b"x", udh=b"\x09\x24"), _INVALID)
        long = made(rig, None, binary=bytes(300), dest_port=1)
        self.assertEqual(len(long), 3)


_PARTS = [(3, 1), (3, 2), (3, 3)]
_INVALID = "gateway:invalid"
_REFUSALS = ("gateway:too_long", "gateway:unencodable")
_HOUSES = {method: ChannelRig(start=False, long_messages=method) for method in Method}


class AddressTests(SynchronousTestCase):
    def source(self, sender: str | None, **settings: Any) -> tuple[int, int, str]:
        """Return the source address fields of a message."""
        (pdu,) = made(ChannelRig(start=False, **settings), from_=sender)
        return pdu.source_addr_ton, pdu.source_addr_npi, pdu.source_addr

    def test_derived(self) -> None:
        """Letters 5/0, short digits 0/1, international 1/1 without the plus."""
        self.assertEqual(self.source("GdeMoi"), (5, 0, "GdeMoi"))
        self.assertEqual(self.source("3434"), (0, 1, "3434"))
        self.assertEqual(self.source("+34600000000"), (1, 1, "34600000000"))
        self.assertEqual(self.source("34600000000"), (1, 1, "34600000000"))
        self.assertEqual(self.source("0600000000"), (0, 1, "0600000000"))
        self.assertEqual(self.source(None), (0, 0, ""))
        self.assertEqual(self.source("+346", keep_plus=True), (1, 1, "+346"))

    def test_explicit(self) -> None:
        """The operator's numbers win; the destination has its own."""
        self.assertEqual(
            self.source("GdeMoi", source_ton=0, source_npi=1), (0, 1, "GdeMoi")
        )
        rig = ChannelRig(start=False, destination_ton=2, destination_npi=8)
        (pdu,) = made(rig)
        self.assertEqual((pdu.dest_addr_ton, pdu.dest_addr_npi), (2, 8))
        self.assertEqual(pdu.destination_addr, "79161234567")

    def test_allowed_senders(self) -> None:
        """First is default, others are refused or replaced, * is any."""
        allowed = ("GdeMoi", "+34600000000")
        self.assertEqual(self.source(None, allowed_sender=allowed)[2], "GdeMoi")
        self.assertEqual(
            self.source("34600000000", allowed_sender=allowed)[2], "34600000000"
        )
        rig = ChannelRig(start=False, allowed_sender=allowed)
        self.assertEqual(refused(rig, from_="Other"), "gateway:sender_not_allowed")
        self.assertEqual(
            self.source("Other", allowed_sender=allowed, on_other_sender="replace")[2],
            "GdeMoi",
        )
        self.assertEqual(self.source("Other", allowed_sender=("A", "*"))[2], "Other")

    def test_senders_that_cannot_be(self) -> None:
        """Twelve letters, Cyrillic, a number of 21 digits."""
        rig = ChannelRig(start=False)
        for sender in ("abcdefghijkl", "ГдеМои", "+" + "1" * 21, "a\nb"):
            self.assertEqual(refused(rig, from_=sender), "gateway:sender_not_allowed")


class FieldTests(SynchronousTestCase):
    def test_validity_and_receipts(self) -> None:
        """Relative, absolute, none; none, final and all receipts."""
        for form, wanted in (
            (ValidityFormat.NONE, ""),
            (ValidityFormat.TTL, "000000020000000R"),
            (ValidityFormat.ABSOLUTE, absolute(NOW + 7200, NOW)),
        ):
            (pdu,) = made(ChannelRig(start=False, validity_period=form))
            self.assertEqual(pdu.validity_period, wanted)
        for receipts, wanted_number in (
            (Receipts.NONE, 0),
            (Receipts.FINAL, 1),
            (Receipts.ALL, 0x11),
        ):
            (pdu,) = made(ChannelRig(start=False, receipts=receipts))
            self.assertEqual(pdu.registered_delivery, wanted_number)

    def test_times(self) -> None:
        """The sixteen characters of both forms."""
        self.assertEqual(relative(90061.5), "000001010101000R")
        self.assertEqual(relative(-5), "000000000001000R")
        self.assertEqual(relative(1e9), "000030000000000R")
        self.assertEqual(absolute(1795000000.0, NOW), "261118110640000+")
        self.assertEqual(absolute(253402300799.0, 1795000000.0)[:2], "27")

    def test_options_of_one_message(self) -> None:
        """Every field that a message may set for itself, and its TLVs."""
        options = SmppOptions(
            service_type="CMT",
            protocol_id=0x40,
            priority_flag=2,
            validity_period="000000000500000R",
            schedule_delivery_time="261121030000000+",
            registered_delivery=0,
            replace_if_present_flag=1,
            tlvs={"0x1403": "3031"},
        )
        (pdu,) = made(ChannelRig(start=False), smpp=options)
        for name in (
            *("service_type", "protocol_id", "priority_flag", "validity_period"),
            *("schedule_delivery_time", "registered_delivery"),
            "replace_if_present_flag",
        ):
            self.assertEqual(getattr(pdu, name), getattr(options, name), name)
        self.assertEqual(pdu.tlv(0x1403), b"01")

    def test_options_that_cannot_be(self) -> None:
        """A wrong TLV or an over-long field is this message's fault alone."""
        rig = ChannelRig(start=False)
        for options in (
            SmppOptions(tlvs={"x": "00"}),
            SmppOptions(tlvs={"0x1403": "0"}),
            SmppOptions(service_type="toolong"),
            SmppOptions(priority_flag=300),
            SmppOptions(validity_period="tomorrow"),
        ):
            self.assertEqual(refused(rig, smpp=options), _INVALID)

    def test_receipts_that_were_not_asked_for(self) -> None:
        """`submitted` is then the last word."""
        rig = ChannelRig(receipts=Receipts.NONE)
        (outcome,) = rig.submit(rig.message())
        self.assertEqual(
            outcome, Accepted(provider_ids=("1001",), receipt_expected=False)
        )
        rig.stop()

    def test_an_empty_message_id(self) -> None:
        """The message is sent; no receipt can find it."""
        rig = ChannelRig(SmscPersonality(password="secret", ids="empty", tracker=False))
        (outcome,) = rig.submit(rig.message())
        self.assertEqual(outcome, Accepted(provider_ids=(), receipt_expected=False))
        rig.stop()

    def test_wire_and_user_data_for_explain(self) -> None:
        """The exact octets, and the units of each segment."""
        rig = ChannelRig(start=False)
        prepared = rig.channel.prepare(rig.message("я" * 80))
        assert isinstance(prepared, SmppEncodedMessage)
        self.assertEqual([units for _, units in prepared.user_data()], [67, 13])
        numbers = [wire[0][24:32] for wire in prepared.wire()]
        self.assertEqual(numbers, ["00000001", "00000002"])
