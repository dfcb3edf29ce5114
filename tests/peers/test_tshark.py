"""Wireshark's dissector reads our own trace of conversations with the sandbox SMSC."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Accepted, MessageState
from gdemoi.sandbox.smsc import SmscPersonality
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.settings import BindAs, Receipts, ValidityFormat
from gdemoi.smpp.trace import Direction
from gdemoi.text import gsm7
from gdemoi.text.segments import Method
from tests.peers.programs import require_program
from tests.smpp.rig import ChannelRig

GSM = "Speed [km/h]: {61} € ~ 7 @ km 12 | $ _ " * 9
CYRILLIC = "Скорость 61 км/ч 😀, 12-й км. " * 9
BAD = "_ws.malformed || _ws.expert.severity >= warning || tcp.checksum.status == 0"

Fields = dict[str, list[str]]


def dissect(file: Path, *options: str) -> list[Fields]:
    """Return what tshark sees: for each packet its fields, each with all values."""
    tshark = require_program("tshark")
    ran = subprocess.run(
        # -n: no names looked up; the checksums are checked too
        (
            *(tshark, "-n", "-r", file, "-o", "tcp.check_checksum:TRUE"),
            *("-T", "json", "--no-duplicate-keys", *options),
        ),
        capture_output=True,
        check=True,
        timeout=60,
    )
    found = []
    for packet in json.loads(ran.stdout or "[]"):
        fields: Fields = {}
        for name, value in _leaves(packet["_source"]["layers"]):
            fields.setdefault(name, []).append(value)
        found.append(fields)
    return found


def _leaves(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                yield from _leaves(one)
            else:
                yield name, one


def octets(shown: str) -> bytes:
    """Return octets that tshark shows as 00:01:02."""
    return bytes.fromhex(shown.replace(":", ""))


class TraceTests(SynchronousTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        require_program("tshark")

    def judged(self, rig: ChannelRig) -> list[Fields]:
        """Return the SMPP packets of a channel's trace; none of them may be bad."""
        file = Path(self.mktemp())
        assert rig.channel.trace is not None
        file.write_bytes(rig.channel.trace.pcap())
        self.assertEqual(dissect(file, "-Y", BAD), [])
        packets = dissect(file)
        records = rig.channel.trace.records()
        self.assertEqual(
            [int(packet["smpp.command_id"][0], 16) for packet in packets],
            [record["command_id"] for record in records],
        )
        self.assertEqual(
            [packet["ip.src"][0] == "192.0.2.1" for packet in packets],
            [record["direction"] == "out" for record in records],
        )
        return packets

    def submits(self, packets: list[Fields]) -> list[Fields]:
        """Return the submit_sm among the packets."""
        return [one for one in packets if one["smpp.command_id"] == ["0x00000004"]]

    def test_a_broken_pdu_would_be_seen(self) -> None:
        """The judge is not blind: a sm_length beyond the body is malformed."""
        rig = ChannelRig()
        good = pdus.encode(pdus.SubmitSm(short_message=b"Hello"))
        bad = good.replace(b"\x05Hello", b"\xfeHello")
        rig.channel.trace.note(rig.clock.seconds(), Direction.OUT, bad)
        file = Path(self.mktemp())
        file.write_bytes(rig.channel.trace.pcap())
        self.assertEqual(len(dissect(file, "-Y", BAD)), 1)

    def test_a_whole_conversation(self) -> None:
        """Bind, submit, receipt, SMS from a phone, query, enquire_link, unbind."""
        rig = ChannelRig(
            SmscPersonality(password="secret", intermediate=True),
            query=True,
            receipts=Receipts.ALL,
            validity_period=ValidityFormat.ABSOLUTE,
            system_type="TRACK",
            vendor_tlvs={"0x1403": b"250"},
        )
        self.assertIsInstance(rig.submit(rig.message("Where?"))[0], Accepted)
        rig.smsc.send_mo("esme", "+79161234567", "+34600000000", "Вот где")
        rig.advance(1)
        asked: list[Any] = []
        rig.channel.ask(rig.message(), ["1001"]).addCallback(asked.append)
        rig.advance(31)
        self.assertEqual(asked[0].state, MessageState.DELIVERED)
        rig.stop()
        packets = self.judged(rig)
        commands = [packet["smpp.command_id"][0][-3:] for packet in packets]
        requests = [
            c
            for c, packet in zip(commands, packets, strict=True)
            if packet["smpp.command_id"][0][2] == "0"
        ]
        # two receipts, the device's answer to a question, and the SMS
        self.assertEqual(requests.count("005"), 4)
        self.assertEqual(
            [c for c in requests if c != "005"], ["009", "004", "003", "015", "006"]
        )
        self.assertEqual(len(packets), 2 * len(requests))
        bind = packets[0]
        self.assertEqual(bind["smpp.system_id"], ["esme"])
        self.assertEqual(bind["smpp.password"], ["******"])
        self.assertEqual(bind["smpp.system_type"], ["TRACK"])
        (submit,) = self.submits(packets)
        expected = {
            "smpp.source_addr_ton": ["0x05"],
            "smpp.source_addr": ["GdeMoi"],
            "smpp.dest_addr_ton": ["0x01"],
            "smpp.dest_addr_npi": ["0x01"],
            "smpp.destination_addr": ["79161234567"],
            "smpp.regdel.receipt": ["0x01"],
            "smpp.regdel.notif": ["0x01"],
            "smpp.data_coding": ["0x00"],
            "smpp.vendor_op": ["32:35:30"],
        }
        self.assertEqual(submit, {**submit, **expected})
        self.assertIn("smpp.validity_period", submit)
        statuses = {one for p in packets for one in p.get("smpp.command_status", ())}
        self.assertEqual(statuses, {"0x00000000"})

    def test_a_pair_in_one_capture(self) -> None:
        """Both binds of a pair are in the trace, and each is a whole PDU."""
        rig = ChannelRig(bind=BindAs.PAIR)
        rig.submit(rig.message())
        rig.advance(1)
        rig.stop()
        binds = {packet["smpp.command_id"][0][-3:] for packet in self.judged(rig)}
        self.assertLessEqual({"001", "002"}, binds)

    def _long(self, method: Method, text: str) -> list[Fields]:
        rig = ChannelRig(long_messages=method)
        (outcome,) = rig.submit(rig.message(text))
        self.assertIsInstance(outcome, Accepted)
        rig.advance(1)
        rig.stop()
        return self.submits(self.judged(rig))

    def _numbers(self, submits: list[Fields], *names: str) -> list[tuple[int, ...]]:
        return [tuple(int(s[name][0], 0) for name in names) for s in submits]

    def _headed(self, method: Method, element: str) -> None:
        udh = "gsm_sms.udh.mm.msg_"
        for text in (GSM, CYRILLIC):
            submits = self._long(method, text)
            total = len(submits)
            self.assertGreater(total, 2)
            for submit in submits:
                self.assertEqual(submit["gsm_sms.ie_identifier"], [element])
                # UDHI and no reply path
                self.assertEqual(submit["smpp.esm.submit.features"], ["0x01"])
            numbers = self._numbers(submits, udh + "id", udh + "parts", udh + "part")
            self.assertEqual(
                [n[1:] for n in numbers], [(total, n + 1) for n in range(total)]
            )
            self.assertEqual(len({n[0] for n in numbers}), 1)
            parts = [octets(submit["smpp.message"][0]) for submit in submits]
            self._reads(text, b"".join(part[part[0] + 1 :] for part in parts))

    def _reads(self, text: str, found: bytes) -> None:
        as_ucs2 = found.decode("utf-16-be", "replace")
        self.assertEqual(as_ucs2 if text == CYRILLIC else gsm7.decode(found), text)

    def test_udh(self) -> None:
        """An element 00 in each segment."""
        self._headed(Method.UDH, "0x00")

    def test_udh16(self) -> None:
        """An element 08 in each segment."""
        self._headed(Method.UDH16, "0x08")

    def test_sar(self) -> None:
        """The three SAR TLVs in each segment."""
        for text in (GSM, CYRILLIC):
            submits = self._long(Method.SAR, text)
            total = len(submits)
            numbers = self._numbers(
                submits,
                "smpp.sar_msg_ref_num",
                "smpp.sar_total_segments",
                "smpp.sar_segment_seqnum",
            )
            self.assertEqual(
                [n[1:] for n in numbers], [(total, n + 1) for n in range(total)]
            )
            self.assertEqual(len({n[0] for n in numbers}), 1)
            found = b"".join(octets(one["smpp.message"][0]) for one in submits)
            self._reads(text, found)

    def test_payload(self) -> None:
        """The text in message_payload, and sm_length 0."""
        for text in (GSM, CYRILLIC):
            (submit,) = self._long(Method.PAYLOAD, text)
            self.assertEqual(submit["smpp.sm_length"], ["0"])
            self._reads(text, octets(submit["smpp.message_payload"][0]))
