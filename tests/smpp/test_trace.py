import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import OurFault
from gdemoi.interfaces import ITraced
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.pdus import BindTransceiver, DataSm, Outbind, SubmitSm
from gdemoi.smpp.pdu.tlvs import Tag
from gdemoi.smpp.settings import PduLog
from gdemoi.smpp.trace import Direction, Trace, line, masked, pcap
from tests.smpp.rig import ChannelRig

BIND = pdus.encode(BindTransceiver(system_id="esme", password="secret"))
SUBMIT = pdus.encode(
    SubmitSm(
        source_addr="GdeMoi",
        destination_addr="79161234567",
        short_message=b"top",
        tlvs=((int(Tag.user_message_reference), b"ab"), (0x1403, b"x")),
    )
)


class MaskTests(SynchronousTestCase):
    def test_passwords_are_always_masked(self) -> None:
        """In binds and in outbind; the PDU keeps its form."""
        for octets in (BIND, pdus.encode(Outbind(system_id="S", password="secret"))):
            shown = masked(octets)
            self.assertNotIn(b"secret", shown)
            self.assertEqual(len(shown), len(octets))
            self.assertNotIn("secret", line(octets))
            self.assertEqual(pdus.decode(shown).password, "******")  # type: ignore[union-attr]

    def test_texts_are_masked_when_asked(self) -> None:
        """short_message and message_payload, and nothing else."""
        self.assertEqual(masked(SUBMIT), SUBMIT)
        shown = pdus.decode(masked(SUBMIT, texts=False))
        assert isinstance(shown, SubmitSm)
        self.assertEqual(shown.short_message, b"***")
        self.assertEqual(shown.source_addr, "GdeMoi")
        self.assertEqual(shown.tlv(0x1403), b"x")
        payload = SubmitSm(tlvs=((int(Tag.message_payload), b"top secret"),))
        self.assertNotIn(b"top", masked(pdus.encode(payload), texts=False))
        data = DataSm(tlvs=((int(Tag.message_payload), b"top secret"),))
        self.assertNotIn(b"top", masked(pdus.encode(data), texts=False))

    def test_texts_are_shown_as_texts(self) -> None:
        """Cyrillic is readable, control characters are escaped, masks are counted."""
        octets = pdus.encode(
            SubmitSm(data_coding=8, short_message="Да\n\x1b[2J".encode("utf-16-be"))
        )
        shown = line(octets)
        self.assertTrue(shown.endswith("14 octets 'Да\\n\\x1b[2J'"), shown)
        self.assertTrue(line(octets, texts=False).endswith("14 octets"))
        answer = pdus.encode(pdus.SubmitSmResp(command_status=0x58))
        self.assertIn("ESME_RTHROTTLED", line(answer))

    @given(st.sampled_from([BIND, SUBMIT]), st.integers(16, 80), st.booleans())
    def test_broken_pdus_do_not_raise(
        self, octets: bytes, cut: int, texts: bool
    ) -> None:
        """A PDU that is cut anywhere has a line and keeps its length."""
        size = min(cut, len(octets)).to_bytes(4, "big")
        cut_octets = size + octets[4:cut]
        self.assertEqual(len(masked(cut_octets, texts)), len(cut_octets))
        self.assertNotIn("\n", line(masked(cut_octets, texts)))


class TraceTests(SynchronousTestCase):
    def test_a_ring(self) -> None:
        """The last PDUs are kept, and each is told."""
        reported: list[Any] = []
        trace = Trace(2, reported.append)
        for number in range(3):
            trace.for_link("receiver").note(number, Direction.IN, SUBMIT)
        self.assertEqual([one.at for one in reported], [0, 1, 2])
        records = trace.records()
        self.assertEqual([one["at"] for one in records], [1, 2])
        self.assertEqual(records[0]["link"], "receiver")
        self.assertEqual(records[0]["command_id"], 4)
        self.assertIn("SubmitSm", records[0]["line"])

    def test_the_channel_keeps_a_trace(self) -> None:
        """Both directions, binds included, without the password."""
        rig = ChannelRig()
        rig.submit(rig.message("hello"))
        assert rig.channel.trace is not None
        records = rig.channel.trace.records()
        self.assertEqual(
            [(one["direction"], one["command_id"]) for one in records],
            [("out", 9), ("in", 0x80000009), ("out", 4), ("in", 0x80000004)],
        )
        self.assertNotIn(b"secret".hex(), str(records))
        hidden = rig.channel.trace.records(texts=False)
        self.assertNotIn(b"hello".hex(), str(hidden))
        rig.stop()

    def test_what_operators_may_see(self) -> None:
        """`ITraced`: numbered lines; texts hidden where the settings say so."""
        for texts, seen in ((True, True), (False, False)):
            rig = ChannelRig(pdu_log_texts=texts)
            rig.submit(rig.message("hello"))
            channel = rig.channel
            self.assertTrue(ITraced.providedBy(channel))
            found = channel.traced(0)
            self.assertEqual([one["number"] for one in found], [1, 2, 3, 4])
            self.assertEqual(channel.traced(3), found[3:])
            # a number from before a restart: all there is
            self.assertEqual(channel.traced(99), found)
            self.assertEqual("hello" in str(found), seen)
            self.assertEqual(b"hello" in channel.capture(), seen)
            self.assertNotIn(b"secret", channel.capture())
            rig.stop()

    def test_nothing_is_kept(self) -> None:
        """`pdu_ring = 0` says so, also while PDUs are logged."""
        for log in (PduLog.OFF, PduLog.LINE):
            channel = ChannelRig(start=False, pdu_ring=0, pdu_log=log).channel
            for ask in (lambda c=channel: c.traced(0), channel.capture):
                fault = self.assertRaises(OurFault, ask)
                self.assertIn("pdu_ring = 0", str(fault))

    def test_no_ring_when_switched_off(self) -> None:
        """`pdu_ring = 0` without a log costs nothing."""
        self.assertIsNone(ChannelRig(start=False, pdu_ring=0).channel.trace)


class PcapTests(SynchronousTestCase):
    def packets(self, file: bytes) -> list[bytes]:
        """Return the packets of a capture file."""
        magic, _, _, _, _, _, link = struct.unpack_from("<IHHiIII", file)
        self.assertEqual((magic, link), (0xA1B2C3D4, 101))
        found, at = [], 24
        while at < len(file):
            _, _, size, _ = struct.unpack_from("<IIII", file, at)
            found.append(file[at + 16 : at + 16 + size])
            at += 16 + size
        return found

    def test_packets_of_both_directions(self) -> None:
        """IPv4 and TCP with good checksums; sequence numbers go on."""
        file = pcap([(1.5, True, BIND), (2.0, False, SUBMIT), (3.0, True, SUBMIT)])
        packets = self.packets(file)
        self.assertEqual([one[40:] for one in packets], [BIND, SUBMIT, SUBMIT])
        self.assertEqual(struct.unpack(">HH", packets[0][20:24])[1], 2775)
        self.assertEqual(struct.unpack(">HH", packets[1][20:24])[0], 2775)
        numbers = [int.from_bytes(one[24:28], "big") for one in packets]
        self.assertEqual(numbers, [1, 1, 1 + len(BIND)])
        for one in packets:
            words = struct.unpack(">10H", one[:20])
            total = sum(words)
            self.assertEqual((total & 0xFFFF) + (total >> 16), 0xFFFF)

    def test_large_pdus_are_cut_into_packets(self) -> None:
        """An IPv4 packet holds no 65 kB PDU."""
        big = bytes(66_000)
        packets = self.packets(pcap([(1.0, False, big)]))
        self.assertEqual(b"".join(one[40:] for one in packets), big)
        self.assertTrue(all(len(one) <= 65_535 for one in packets))
