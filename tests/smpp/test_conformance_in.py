"""The ESME's conformance list: receipts, messages in, ending; cases 44 to 63."""

import re
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Accepted, Inbound, InboundSegment, MessageState, Numbering
from gdemoi.sandbox.smsc import SmscPersonality
from gdemoi.sandbox.smsc_personality import read_personality
from gdemoi.smpp.channel_deliveries import Deliveries
from gdemoi.smpp.error_codes import load_table
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.pdus import DataSm, DeliverSm
from gdemoi.smpp.pdu.tlvs import Tag
from gdemoi.smpp.receipts import IdForm, IdForms
from gdemoi.smpp.session_types import SessionEnded, UnbindReceived
from gdemoi.smpp.session_types import SessionState as SessionState
from gdemoi.smpp.settings import BindAs, DefaultCharset, PduLog
from gdemoi.text import gsm7
from tests.smpp.rig import ChannelRig
from tests.smpp.sessions import NOW, SUBMIT, bound, give, sent

RECEIPT = (
    b"id:1001 sub:001 dlvrd:001 submit date:1702051010"
    b" done date:1702051011 stat:DELIVRD err:000"
)


def deliver(rig: ChannelRig, *deliveries: Any) -> None:
    """Let the SMSC send, and the reactor turn."""
    for pdu in deliveries:
        rig.smsc.deliver("esme", pdu)
    rig.turn()


def written(rig: ChannelRig) -> list[Any]:
    """Return what the ESME wrote on the last connection."""
    octets = bytes(rig.net.wires[-1][0].written)
    found = []
    while octets:
        length = int.from_bytes(octets[:4], "big")
        found.append(octets[:length])
        octets = octets[length:]
    return found


class AnswerTests(SynchronousTestCase):
    def test_each_answered_once_in_order(self) -> None:
        """deliver_sm and data_sm, with their numbers, also when broken."""
        rig = ChannelRig()
        payload = ((int(Tag.message_payload), b"hi"),)
        for number in range(4):
            rig.server.request(DeliverSm(source_addr=str(number)))
            rig.server.request(DataSm(source_addr=str(number), tlvs=payload))
        rig.turn()
        answers = [pdus.decode(one) for one in written(rig)[1:]]
        self.assertEqual(
            [(one.command_id, one.sequence_number) for one in answers],
            [
                (0x80000005 if number % 2 else 0x80000103, number)
                for number in range(1, 9)
            ],
        )
        self.assertEqual(len(rig.recorder.inbounds), 8)
        rig.stop()

    def test_the_body_of_the_answer(self) -> None:
        """One octet on success, an empty string; a bare header on error."""
        rig = ChannelRig()
        deliver(rig, DeliverSm(source_addr="1"))
        self.assertEqual(written(rig)[-1].hex(), "0000001180000005000000000000000100")
        rig.recorder.broken = True
        deliver(rig, DeliverSm(source_addr="1"))
        self.assertEqual(written(rig)[-1].hex(), "00000010800000050000006400000002")
        rig.stop()

    def test_what_cannot_be_stored_is_asked_for_again(self) -> None:
        """0x64 while the journal cannot write; then the SMSC's repetition."""
        rig = ChannelRig()
        rig.recorder.broken = True
        rig.smsc.send_mo("esme", "+7916", "+346", "again")
        rig.turn()
        self.assertEqual([status for _, status in rig.smsc.answered], [0x64])
        rig.recorder.broken = False
        rig.advance(2)
        self.assertEqual([status for _, status in rig.smsc.answered], [0x64, 0])
        rig.stop()

    def test_a_repetition_is_recognised(self) -> None:
        """What was answered just before the connection broke has the same key."""
        rig = ChannelRig()
        pdu = DeliverSm(source_addr="1", short_message=b"OK")
        deliver(rig, pdu)
        rig.server.transport.abortConnection()
        rig.advance(3)
        deliver(rig, pdu)
        first, second = rig.recorder.inbounds
        self.assertEqual(first.dedup, second.dedup)
        rig.stop()

    def test_the_same_words_twice_are_two_messages(self) -> None:
        """A tracker that says OK twice is heard twice."""
        rig = ChannelRig()
        pdu = DeliverSm(source_addr="1", short_message=b"OK")
        deliver(rig, pdu, pdu)
        rig.advance(20)
        rig.server.transport.abortConnection()
        rig.advance(3)
        deliver(rig, pdu)
        keys = {one.dedup for one in rig.recorder.inbounds}
        self.assertEqual(len(keys), 3)
        rig.stop()

    def test_the_same_words_over_two_binds_are_two_messages(self) -> None:
        """While the first connection holds, its answer has arrived."""
        rig = ChannelRig(bind=BindAs.PAIR)
        pdu = DeliverSm(source_addr="1", short_message=b"OK")
        for session in rig.smsc.sessions:
            session.request(pdu)
        rig.turn()
        self.assertEqual(len({one.dedup for one in rig.recorder.inbounds}), 2)
        rig.stop()

    def test_answers_go_to_the_connection_that_asked(self) -> None:
        """A commit that ends after the connection broke answers nobody."""
        rig = ChannelRig()
        rig.recorder.writes = []
        deliver(rig, DeliverSm(source_addr="1"))
        rig.server.transport.abortConnection()
        rig.advance(3)
        rig.recorder.writes[0].callback(None)
        rig.turn()
        self.assertEqual(len(written(rig)), 1)
        rig.stop()


class ReceiptTests(SynchronousTestCase):
    def test_receipts_before_the_answer(self) -> None:
        """They go up at once; the journal matches them when the id is known."""
        rig = ChannelRig(SmscPersonality(password="secret", early=True, tracker=False))
        (outcome,) = rig.submit(rig.message())
        self.assertEqual(outcome, Accepted(provider_ids=("1001",)))
        (receipt,) = rig.recorder.receipts
        self.assertEqual(receipt.provider_id, "1001")
        rig.stop()

    def test_receipts_have_the_account_for_their_key(self) -> None:
        """So another session, channel or start of ours finds the message."""
        first = ChannelRig(account="mensatek-esme")
        second = ChannelRig()
        deliver(first, DeliverSm(esm_class=4, short_message=RECEIPT))
        deliver(second, DeliverSm(esm_class=4, short_message=RECEIPT))
        self.assertEqual(first.recorder.receipts[0].account, "mensatek-esme")
        self.assertEqual(second.recorder.receipts[0].account, "esme@smsc.example")
        self.assertEqual(second.channel.account, "esme@smsc.example")
        first.stop()
        second.stop()

    def test_unknown_ids_are_counted_and_told_once(self) -> None:
        """Status 0, a counter, one line in the log per interval."""
        rig = ChannelRig()
        reported: list[Any] = []
        globalLogPublisher.addObserver(reported.append)
        self.addCleanup(globalLogPublisher.removeObserver, reported.append)
        for _ in range(50):
            deliver(rig, DeliverSm(esm_class=4, short_message=RECEIPT))
        lines = [e for e in reported if "match no message" in (e["log_format"] or "")]
        self.assertEqual(len(lines), 1)
        self.assertEqual(rig.channel.describe()["counters"]["receipts_unmatched"], 50)
        self.assertEqual({status for _, status in rig.smsc.answered}, {0})
        rig.stop()

    def test_id_forms_end_to_end(self) -> None:
        """Each spelling of the sandbox under its setting, and under auto."""
        for ids, receipt_ids, form in (
            ("dec", "same", IdForm.SAME),
            ("HEX", "hex", IdForm.SAME),
            ("hex", "dec", IdForm.HEX_DEC),
            ("padded", "hex", IdForm.DEC_HEX),
            ("uuid", "same", IdForm.SAME),
        ):
            for setting in (form, IdForm.AUTO):
                how = SmscPersonality(
                    password="secret", ids=ids, receipt_ids=receipt_ids, tracker=False
                )
                rig = ChannelRig(how, receipt_id=setting)
                for number in range(12):
                    (outcome,) = rig.submit(rig.message(id=f"m{number}"))
                    assert isinstance(outcome, Accepted)
                    rig.recorder.learn(f"m{number}", *outcome.provider_ids)
                rig.advance(1)
                matched = rig.channel.deliveries
                self.assertEqual((matched.receipts, matched.unmatched), (12, 0))
                learned = rig.channel.describe()["receipt_id"]["form"]
                self.assertEqual(learned, form.value)
                rig.stop()

    def test_intermediate_then_final_then_again(self) -> None:
        """ENROUTE goes up as such; finals go up each time, the journal decides."""
        how = SmscPersonality(
            password="secret", intermediate=True, duplicates=True, tracker=False
        )
        rig = ChannelRig(how)
        rig.submit(rig.message())
        rig.advance(1)
        states = [receipt.state for receipt in rig.recorder.receipts]
        self.assertEqual(
            states, [MessageState.ENROUTE] * 2 + [MessageState.DELIVERED] * 2
        )
        rig.stop()

    def test_mensatek(self) -> None:
        """Its receipts and codes; the state counts, the code tells why."""
        how = read_personality(
            "password=secret receipts=mensatek"
            " fail=79990*:UNDELIV:104,79991*:ENROUTE:121"
        )
        rig = ChannelRig(how, error_table=load_table("mensatek"), error_language="es")
        for to in ("+79990000000", "+79991000000", "+79160000000"):
            rig.submit(rig.message(to=to, id=to))
        rig.advance(1)
        failed, waiting, delivered = rig.recorder.receipts
        assert failed.error is not None and waiting.error is not None
        self.assertEqual(failed.error.code, "mensatek:104")
        self.assertEqual(failed.error.text, "El teléfono no es correcto")
        self.assertEqual(failed.state, MessageState.UNDELIVERED)
        self.assertEqual(waiting.error.code, "mensatek:121")
        self.assertEqual(waiting.state, MessageState.ENROUTE)
        self.assertIsNone(delivered.error)
        self.assertIn("stat:DELIVRD", delivered.raw)
        rig.stop()

    def test_receipts_by_tlvs_alone(self) -> None:
        """No text at all."""
        rig = ChannelRig(
            SmscPersonality(password="secret", receipts="tlv", tracker=False)
        )
        rig.submit(rig.message())
        rig.advance(1)
        (receipt,) = rig.recorder.receipts
        self.assertEqual(
            (receipt.provider_id, receipt.state), ("1001", MessageState.DELIVERED)
        )
        rig.stop()

    def test_receipts_in_a_data_sm(self) -> None:
        """By TLVs, or by a text in message_payload."""
        rig = ChannelRig()
        deliver(
            rig,
            DataSm(
                esm_class=4,
                source_addr="7",
                tlvs=((int(Tag.message_payload), RECEIPT),),
            ),
        )
        rig.server.request(
            DataSm(esm_class=4, tlvs=((int(Tag.message_payload), RECEIPT),))
        )
        rig.turn()
        self.assertEqual({one.provider_id for one in rig.recorder.receipts}, {"1001"})
        rig.stop()

    def test_vendor_tlvs_of_a_receipt_are_in_its_story(self) -> None:
        """What a carrier adds is kept, though nobody here knows it."""
        rig = ChannelRig()
        vendor = ((0x1403, b"01"), (int(Tag.message_state), b"\2"))
        deliver(rig, DeliverSm(esm_class=4, short_message=RECEIPT, tlvs=vendor))
        raw = rig.recorder.receipts[0].raw
        self.assertTrue(raw.endswith("err:000 0x1403=3031"), raw)
        rig.stop()

    def test_a_receipt_in_ucs2(self) -> None:
        """Some centres send even receipts so."""
        rig = ChannelRig()
        text = RECEIPT.decode().encode("utf-16-be")
        deliver(rig, DeliverSm(esm_class=4, data_coding=8, short_message=text))
        (receipt,) = rig.recorder.receipts
        self.assertEqual(
            (receipt.provider_id, receipt.state), ("1001", MessageState.DELIVERED)
        )
        rig.stop()

    def test_the_octets_are_believed_not_the_header(self) -> None:
        """ASCII or UCS2 of either order, whatever the header."""
        rig = ChannelRig()
        reported = RECEIPT.decode() + " text:"
        tail = "Где машина".encode("utf-16-be")
        bodies = (
            RECEIPT,
            RECEIPT + b" text:" + tail,
            reported.encode("utf-16-be") + tail,
            reported.encode("utf-16-le") + "Где".encode("utf-16-le"),
            b"\xff\xfe" + reported.encode("utf-16-le"),
            b"\xfe\xff" + reported.encode("utf-16-be"),
        )
        for body in bodies:
            for coding in (0, 3, 4, 8):
                payload = ((int(Tag.message_payload), body),)
                deliver(
                    rig,
                    DeliverSm(esm_class=4, data_coding=coding, short_message=body),
                    DeliverSm(esm_class=4, data_coding=coding, tlvs=payload),
                )
        receipts = rig.recorder.receipts
        self.assertEqual(len(receipts), len(bodies) * 8)
        self.assertEqual(
            {(one.provider_id, one.state) for one in receipts},
            {("1001", MessageState.DELIVERED)},
        )
        rig.stop()

    def test_a_header_that_is_not_there(self) -> None:
        """UDHI before a receipt that begins at once."""
        rig = ChannelRig()
        header = b"\x05\x00\x03\x07\x01\x01"
        for body in (RECEIPT, RECEIPT + b" text:" + b"x" * 80, header + RECEIPT):
            deliver(rig, DeliverSm(esm_class=0x44, short_message=body))
        self.assertEqual(
            [(one.provider_id, one.state) for one in rig.recorder.receipts],
            [("1001", MessageState.DELIVERED)] * 3,
        )
        rig.stop()

    def test_a_blank_beside_the_payload(self) -> None:
        """A short_message of one blank or NUL hides no payload."""
        rig = ChannelRig()
        payload = ((int(Tag.message_payload), RECEIPT),)
        for short in (b" ", b"\0"):
            deliver(rig, DeliverSm(esm_class=4, short_message=short, tlvs=payload))
        ids = [one.provider_id for one in rig.recorder.receipts]
        self.assertEqual(ids, ["1001", "1001"])
        rig.stop()

    def test_a_state_that_nobody_knows_ends_nothing(self) -> None:
        """stat:UNKNOWN leaves it to err, or open."""
        rig = ChannelRig(error_table=load_table("mensatek"))
        unknown = RECEIPT.replace(b"DELIVRD", b"UNKNOWN")
        for err, state in (
            (b"000", MessageState.ENROUTE),
            (b"010", MessageState.ENROUTE),
            (b"121", MessageState.ENROUTE),
            (b"120", MessageState.ENROUTE),
            (b"011", MessageState.DELIVERED),
            (b"104", MessageState.REJECTED),
        ):
            body = unknown.replace(b"err:000", b"err:" + err)
            deliver(rig, DeliverSm(esm_class=4, short_message=body))
            self.assertIs(rig.recorder.receipts[-1].state, state, err)
        rig.stop()

    def test_both_ids_go_up(self) -> None:
        """With the stored forms of each."""
        rig = ChannelRig()
        rig.recorder.learn("m1", "1001")
        tlvs = (
            (int(Tag.receipted_message_id), b"FOREIGN99\0"),
            (int(Tag.message_state), b"\2"),
        )
        deliver(rig, DeliverSm(esm_class=4, short_message=RECEIPT, tlvs=tlvs))
        (receipt,) = rig.recorder.receipts
        self.assertEqual(receipt.provider_id, "FOREIGN99")
        self.assertEqual([one.id for one in receipt.also], ["1001"])
        self.assertIn("1001", receipt.also[0].keys)
        rig.stop()

    def test_dates_with_a_zone(self) -> None:
        """Only when the operator says which zone they are in."""
        from zoneinfo import ZoneInfo

        pdu = DeliverSm(esm_class=4, short_message=RECEIPT)
        rig = ChannelRig(receipt_time_zone=ZoneInfo("Europe/Madrid"))
        deliver(rig, pdu)
        self.assertEqual(rig.recorder.receipts[0].at, 1486289460.0 - 3600)
        rig.stop()
        rig = ChannelRig()
        deliver(rig, pdu)
        self.assertIsNone(rig.recorder.receipts[0].at)
        rig.stop()

    def test_query_settles_an_unsure_message(self) -> None:
        """query_sm, where the operator allows it."""
        rig = ChannelRig(query=True)
        rig.submit(rig.message())
        rig.advance(1)
        found: list[Any] = []
        rig.channel.ask(rig.message(), ["1001"]).addCallback(found.append)
        rig.channel.ask(rig.message(), ["nobody"]).addCallback(found.append)
        rig.turn()
        self.assertEqual(found[0].state, MessageState.DELIVERED)
        self.assertIsNone(found[1])
        rig.stop()
        rig = ChannelRig()
        rig.channel.ask(rig.message(), ["1001"]).addCallback(found.append)
        self.assertIsNone(found[2])
        rig.stop()


class InboundTests(SynchronousTestCase):
    def test_parts_by_header_and_by_sar(self) -> None:
        """Each part goes up with its place, in any order."""
        rig = ChannelRig()
        rig.smsc.send_mo("esme", "+79161234567", "+346", "Привет " * 20)
        rig.turn()
        parts = [one.part for one in rig.recorder.inbounds]
        self.assertEqual([part.number for part in parts if part], [1, 2, 3])
        self.assertEqual({(p.reference, p.total) for p in parts if p}, {("01", 3)})
        for inbound in rig.recorder.inbounds:
            assert inbound.binary is not None
            self.assertEqual(inbound.binary.decode("utf-16-be"), inbound.text)
        sar = (
            (int(Tag.sar_msg_ref_num), b"\x01\x02"),
            (int(Tag.sar_total_segments), b"\x02"),
            (int(Tag.sar_segment_seqnum), b"\x02"),
        )
        deliver(rig, DeliverSm(source_addr="1", short_message=b"b", tlvs=sar))
        self.assertEqual(
            rig.recorder.inbounds[-1].part, InboundSegment("sar0102", 2, 2, True)
        )
        deliver(rig, DeliverSm(source_addr="1", short_message=b"b", tlvs=sar[:2]))
        self.assertIsNone(rig.recorder.inbounds[-1].part)
        rig.stop()

    def test_the_type_of_number_goes_along(self) -> None:
        """TON 1 is E.164 without a plus, 2 national, 0 unknown; others are names."""
        rig = ChannelRig()
        for ton, addr, reported, numbering in (
            (0, "89161234567", "89161234567", Numbering.UNKNOWN),
            (1, "79161234567", "+79161234567", Numbering.UNKNOWN),
            (1, "900", "900", Numbering.UNKNOWN),
            (1, "0079161234567", "0079161234567", Numbering.UNKNOWN),
            (2, "9161234567", "9161234567", Numbering.NATIONAL),
            (3, "9161234567", "9161234567", Numbering.AS_GIVEN),
            (5, "79161234567", "79161234567", Numbering.AS_GIVEN),
        ):
            pdu = DeliverSm(source_addr_ton=ton, source_addr=addr, short_message=b"x")
            deliver(rig, pdu)
            inbound = rig.recorder.inbounds[-1]
            self.assertEqual((inbound.from_, inbound.numbering), (reported, numbering))
        rig.stop()

    def test_sar_counted_from_0(self) -> None:
        """An SMSC that counts from 0 loses no first segment."""
        rig = ChannelRig()
        for number in (1, 0):
            sar = (
                (int(Tag.sar_msg_ref_num), b"\x01\x02"),
                (int(Tag.sar_total_segments), b"\x02"),
                (int(Tag.sar_segment_seqnum), bytes((number,))),
            )
            deliver(rig, DeliverSm(source_addr="1", short_message=b"b", tlvs=sar))
        parts = [one.part for one in rig.recorder.inbounds]
        self.assertEqual([part and part.number for part in parts], [1, 0])
        self.assertEqual({part and part.reference for part in parts}, {"sar0102"})
        rig.stop()

    def test_parts_that_cannot_be(self) -> None:
        """Part 0, part over total, total 0: a plain message."""
        rig = ChannelRig()
        for total, number in ((2, 0), (2, 3), (0, 0)):
            text = bytes((5, 0, 3, 1, total, number)) + b"text"
            deliver(rig, DeliverSm(esm_class=0x40, short_message=text))
            inbound = rig.recorder.inbounds[-1]
            self.assertEqual((inbound.part, inbound.text), (None, "text"))
        rig.stop()

    def test_alphabets(self) -> None:
        """GSM with a national table, Latin-1, UCS2, octets, what nobody can read."""
        rig = ChannelRig()
        for esm_class, coding, octets, text in (
            (0, 0, b"\x00\x02\x1be", "@$€"),
            (0, 1, b"hi", "hi"),
            (0x40, 0, b"\x03\x24\x01\x02" + bytes.fromhex("63616d691b6f6e"), "camión"),
            (0, 3, "ñ`".encode("latin-1"), "ñ`"),
            (0, 8, "ёж🦔".encode("utf-16-be"), "ёж🦔"),
            (0, 0x18, "ё".encode("utf-16-be"), "ё"),
            (0, 4, b"\0\xff", None),
        ):
            deliver(
                rig,
                DeliverSm(
                    esm_class=esm_class, data_coding=coding, short_message=octets
                ),
            )
            inbound = rig.recorder.inbounds[-1]
            self.assertEqual(inbound.text, text)
            if text is None:
                self.assertEqual(inbound.binary, octets)
        deliver(rig, DeliverSm(data_coding=8, short_message=b"\0a\xd8\x00"))
        self.assertEqual(rig.recorder.inbounds[-1].binary, b"\0a\xd8\x00")
        rig.stop()

    def test_ports_and_header_go_up(self) -> None:
        """By header of 8 or 16 bits, or by TLVs."""
        rig = ChannelRig()
        tlvs = (
            (int(Tag.destination_port), b"\x0b\x84"),
            (int(Tag.source_port), b"\0\0"),
        )
        for header, extra, found in (
            (b"\x06\x05\x04\x0b\x84\x23\xf0", (), (2948, 9200)),
            (b"\x04\x04\x02\x10\x20", (), (16, 32)),
            (b"\x03\x24\x01\x02", (), (None, None)),
            (b"", tlvs, (2948, 0)),
            (b"", (), (None, None)),
        ):
            pdu = DeliverSm(
                esm_class=0x40 if header else 0,
                source_addr="1",
                short_message=header + b"hi",
                tlvs=extra,
            )
            deliver(rig, pdu)
            one = rig.recorder.inbounds[-1]
            self.assertEqual((one.dest_port, one.source_port), found)
            self.assertEqual((one.udh, one.text), (header or None, "hi"))
        rig.stop()

    def test_what_data_coding_1_means(self) -> None:
        """As the operator says, else like 0."""
        for settings, text in (
            ({}, "¡ΔA"),
            ({"ia5_charset": DefaultCharset.ASCII}, "@\x10A"),
            ({"default_charset": DefaultCharset.LATIN1}, "@\x10A"),
            (
                {
                    "default_charset": DefaultCharset.LATIN1,
                    "ia5_charset": DefaultCharset.GSM8,
                },
                "¡ΔA",
            ),
        ):
            rig = ChannelRig(**settings)
            deliver(rig, DeliverSm(data_coding=1, short_message=b"@\x10A"))
            self.assertEqual(rig.recorder.inbounds[-1].text, text)
            rig.stop()

    def test_a_flash_sms_is_gsm_whatever_the_carrier_means_by_0(self) -> None:
        """data_coding 0xF0 names the alphabet; it was read as Latin-1."""
        for word, octets in (
            (DefaultCharset.LATIN1, b"\x02\x00\x10"),
            (DefaultCharset.UTF8, b"\x02\x00\x10"),
            (DefaultCharset.GSM7, gsm7.pack(b"\x02\x00\x10")),
        ):
            for data_coding in (0xF0, 0xF1, 0x10):
                rig = ChannelRig(default_charset=word)
                pdu = DeliverSm(data_coding=data_coding, short_message=octets)
                deliver(rig, pdu)
                self.assertEqual(rig.recorder.inbounds[-1].text, "$@Δ")
                rig.stop()

    def test_a_receipt_in_packed_septets(self) -> None:
        """It was told as a receipt without an id, and lost."""
        rig = ChannelRig(default_charset=DefaultCharset.GSM7)
        packed = gsm7.pack(gsm7.encode(RECEIPT.decode()))
        for octets in (packed, RECEIPT):
            deliver(rig, DeliverSm(esm_class=4, short_message=octets))
        one, two = rig.recorder.receipts
        self.assertEqual((one.provider_id, one.state), (two.provider_id, two.state))
        rig.stop()

    def test_one_receipt_for_all_segments(self) -> None:
        """Only where the operator says so."""
        for setting in (True, False):
            rig = ChannelRig(receipt_per_message=setting)
            deliver(rig, DeliverSm(esm_class=4, short_message=RECEIPT))
            self.assertIs(rig.recorder.receipts[-1].whole, setting)
            rig.stop()

    def test_byte_order_marks(self) -> None:
        """Of either order; the mark is no letter."""
        rig = ChannelRig()
        for octets in (
            b"\xff\xfe" + "Әлем ß".encode("utf-16-le"),
            b"\xfe\xff" + "Әлем ß".encode("utf-16-be"),
            "Әлем ß".encode("utf-16-be"),
        ):
            deliver(rig, DeliverSm(data_coding=8, short_message=octets))
            inbound = rig.recorder.inbounds[-1]
            self.assertEqual((inbound.text, inbound.binary), ("Әлем ß", None))
        rig.stop()

    def test_repeated_over_the_other_channel_of_the_account(self) -> None:
        """The account is the key, not the channel or its bind."""
        clock = Clock()
        first, second = (
            Deliveries(name, "acc", ChannelRig(start=False).settings, clock, IdForms())
            for name in ("one", "two")
        )
        pdu = DeliverSm(source_addr="1", short_message=b"OK")
        seen = first.reader.read(pdu, 1, NOW)
        first.reader.session_ended(1, NOW + 1)
        again = second.reader.read(pdu, 1, NOW + 2)
        third = second.reader.read(pdu, 1, NOW + 3)
        other = Deliveries("one", "b", first.reader._settings, clock, IdForms())
        strange = other.reader.read(pdu, 2, NOW + 2)
        found = (seen, again, third, strange)
        keys = [one.dedup for one in found if isinstance(one, Inbound)]
        self.assertEqual(keys[0], keys[1])
        self.assertNotEqual(keys[1], keys[2])
        self.assertEqual({one.account for one in found}, {"acc", "b"})

    def test_the_text_may_be_in_the_payload(self) -> None:
        """message_payload of a deliver_sm or a data_sm."""
        rig = ChannelRig()
        payload = ((int(Tag.message_payload), gsm7.encode("x" * 300)),)
        deliver(rig, DeliverSm(source_addr="1", tlvs=payload))
        rig.server.request(DataSm(source_addr="1", tlvs=payload))
        rig.turn()
        self.assertEqual([len(i.text or "") for i in rig.recorder.inbounds], [300] * 2)
        rig.stop()

    def test_logs_are_escaped_and_hold_no_secret(self) -> None:
        """No PDU can forge a line; the password is nowhere."""
        reported: list[str] = []

        def observe(event: Any) -> None:
            if event.get("log_format"):
                reported.append(event["log_format"].format(**event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        for how in (PduLog.LINE, PduLog.HEX):
            rig = ChannelRig(pdu_log=how, pdu_log_texts=how is PduLog.LINE)
            evil = b"hello\r\n2026 [gdemoi] forged\x1b[2J"
            deliver(rig, DeliverSm(source_addr="1", short_message=evil))
            rig.submit(rig.message("top secret text"))
            rig.stop()
        everything = "\n".join(reported)
        self.assertNotRegex(everything, r"[\r\x1b]|\n2026")
        self.assertNotIn("password='secret'", everything)
        self.assertNotIn(b"secret\0".hex(), everything)
        self.assertNotIn("secret" + "\0", everything)
        self.assertNotIn(b"top secret text".hex(), everything)
        self.assertIn("top secret text", everything)
        self.assertNotIn("'secret'", repr(rig.settings))


class EndTests(SynchronousTestCase):
    def test_unbind_from_the_smsc(self) -> None:
        """unbind_resp, no new submits, wait for outstanding answers, reconnect."""
        session = bound()
        session.submit(SUBMIT, "m", NOW)
        session.outbox()
        (came,) = give(session, pdus.Unbind(sequence_number=9))
        self.assertIsInstance(came, UnbindReceived)
        (answer,) = sent(session)
        self.assertIsInstance(answer, pdus.UnbindResp)
        self.assertEqual(answer.sequence_number, 9)
        self.assertIs(session.state, SessionState.DRAINING)
        answered, over = give(session, pdus.SubmitSmResp(sequence_number=2))
        self.assertEqual(answered.context, "m")  # type: ignore[union-attr]
        self.assertIsInstance(over, SessionEnded)

    def test_the_channel_comes_back(self) -> None:
        """After the ordinary pause."""
        rig = ChannelRig()
        rig.advance(15)
        rig.server.unbind()
        rig.turn(8)
        self.assertIsNotNone(rig.channel.unable())
        self.assertNotEqual(rig.channel.unable(), "up")
        rig.advance(3)
        self.assertIsNone(rig.channel.unable())
        rig.stop()

    def test_our_stop(self) -> None:
        """Answers are awaited, deliveries answered, then unbind and close."""
        how = SmscPersonality(password="secret", response_delay_s=2.0, tracker=False)
        rig = ChannelRig(how)
        outcomes = rig.submit(rig.message())
        stopped: list[Any] = []
        rig.channel.stop(10.0).addCallback(stopped.append)
        self.assertEqual(rig.channel.unable(), "stopping")
        (late,) = rig.submit(rig.message())
        self.assertEqual(late.error.code, "gateway:unavailable")  # type: ignore[union-attr]
        rig.smsc.send_mo("esme", "+7", "+3", "meanwhile")
        rig.advance(1)
        self.assertEqual([status for _, status in rig.smsc.answered], [0])
        self.assertEqual((outcomes, stopped), ([], []))
        rig.advance(2)
        self.assertIsInstance(outcomes[0], Accepted)
        self.assertEqual(len(stopped), 1)
        commands = [int.from_bytes(one[4:8], "big") for one in written(rig)]
        self.assertEqual(commands.count(0x06), 1)
        self.assertEqual(len(rig.net.attempts), 1)
        rig.smsc.stop()

    def test_a_silent_smsc_does_not_hold_us(self) -> None:
        """grace for the answers, five seconds for unbind_resp, no more."""
        rig = ChannelRig(SmscPersonality(password="secret", silent=1, tracker=False))
        outcomes = rig.submit(rig.message())
        rig.server.dataReceived = lambda data: None
        stopped: list[Any] = []
        rig.channel.stop(10.0).addCallback(stopped.append)
        rig.advance(14)
        self.assertEqual(type(outcomes[0]).__name__, "Uncertain")
        self.assertEqual(stopped, [])
        rig.advance(2)
        self.assertEqual(len(stopped), 1)
        rig.advance(10)
        self.assertEqual(rig.clock.getDelayedCalls(), [])

    def test_fin_rst_and_a_port_that_vanishes(self) -> None:
        """Each is followed by a reconnect."""
        rig = ChannelRig()
        rig.advance(11)
        rig.server.transport.loseConnection()
        rig.advance(3)
        self.assertIsNone(rig.channel.unable())
        answer = rig.net.listening.pop(("smsc.example", 2775))
        rig.server.transport.abortConnection()
        rig.advance(60)
        self.assertIn("nobody listens", rig.channel.unable() or "")
        rig.net.listening["smsc.example", 2775] = answer
        rig.advance(70)
        self.assertIsNone(rig.channel.unable())
        rig.stop()

    def test_a_day_of_enquire_links(self) -> None:
        """Idle for 24 hours: nothing grows."""
        rig = ChannelRig()
        rig.advance(60)
        session = rig.channel.sender.esme.session  # type: ignore[union-attr]
        for _ in range(24 * 60):
            rig.clock.advance(60)
            rig.turn(2)
        self.assertIs(rig.channel.sender.esme.session, session)  # type: ignore[union-attr]
        self.assertEqual(session.unanswered, 0)
        self.assertLessEqual(len(session._requests._late), 0)
        self.assertLess(len(rig.clock.getDelayedCalls()), 3)
        sent_links = [o for o in written(rig) if o[4:8] == b"\0\0\0\x15"]
        self.assertGreater(len(sent_links), 1000)
        rig.stop()

    def test_describe_is_json_and_holds_no_secret(self) -> None:
        """What an operator sees."""
        import json

        rig = ChannelRig()
        rig.submit(rig.message())
        shown = json.dumps(rig.channel.describe())
        self.assertNotIn("secret", shown)
        self.assertTrue(re.search(r'"round_trip_ms": [0-9.]+', shown))
        rig.stop()
