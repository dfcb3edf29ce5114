"""What our ESME sends, as node-smpp reads it (`read`), and its octets (`hex`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gdemoi.interfaces import EncodedMessage
from gdemoi.message import Accepted, Charset, Refused
from gdemoi.smpp.settings import Receipts, Tlvs, ValidityFormat
from gdemoi.text.segments import Method
from tests.peers.case import NodeCase
from tests.peers.node_words import (
    CYRILLIC,
    GSM,
    THROTTLED,
    header_in,
    tag_of,
    text_in,
)
from tests.peers.peer import Seen


class LongMessageTests(NodeCase):
    """One text in each of the four forms, read back by node-smpp."""

    async def _forms(
        self, method: Method, check: Callable[[list[Seen]], None], **settings: Any
    ) -> None:
        await self.node()
        await self.bound(long_messages=method, **settings)
        self.assertTrue(self.channel.describe()["binds"][0]["tlvs"])
        for text, coding in ((GSM, 0), (CYRILLIC, 8)):
            self.peer.reported.clear()
            outcome = await self.submit(self.message(text))
            submits = self.peer.pdus("submit_sm")
            assert isinstance(outcome, Accepted)
            self.assertEqual(outcome.segments, len(submits))
            self.assertEqual(len(set(outcome.provider_ids)), len(submits))
            self.assertEqual("".join(map(text_in, submits)), text)
            self.assertEqual({s["read"]["data_coding"] for s in submits}, {coding})
            check(submits)

    def _whole(self, submits: list[Seen], numbers: list[tuple[int, int]]) -> None:
        total = len(submits)
        self.assertGreater(total, 2)
        self.assertEqual(numbers, [(total, n + 1) for n in range(total)])

    async def test_udh(self) -> None:
        """An element 00 with an 8-bit reference in each segment, esm_class 0x40."""

        def check(submits: list[Seen]) -> None:
            headers = [bytes.fromhex(header_in(submit)) for submit in submits]
            self.assertEqual({h[:2] for h in headers}, {b"\x00\x03"})
            self.assertEqual(len({h[2] for h in headers}), 1)
            self._whole(submits, [(h[3], h[4]) for h in headers])
            self.assertEqual({s["read"]["esm_class"] for s in submits}, {0x40})

        await self._forms(Method.UDH, check)

    async def test_udh16(self) -> None:
        """An element 08 with a 16-bit reference in each segment."""

        def check(submits: list[Seen]) -> None:
            headers = [bytes.fromhex(header_in(submit)) for submit in submits]
            self.assertEqual({h[:2] for h in headers}, {b"\x08\x04"})
            self.assertEqual(len({h[2:4] for h in headers}), 1)
            self._whole(submits, [(h[4], h[5]) for h in headers])

        await self._forms(Method.UDH16, check)

    async def test_sar(self) -> None:
        """The three SAR TLVs in each segment, and no header."""
        names = ("sar_msg_ref_num", "sar_total_segments", "sar_segment_seqnum")

        def check(submits: list[Seen]) -> None:
            found = [tag_of(submit, *names) for submit in submits]
            self.assertEqual(len({reference for reference, _, _ in found}), 1)
            self._whole(submits, [(total, number) for _, total, number in found])
            self.assertEqual({s["read"]["esm_class"] for s in submits}, {0})

        await self._forms(Method.SAR, check)

    async def test_payload(self) -> None:
        """The whole text in message_payload, and an empty short_message."""

        def check(submits: list[Seen]) -> None:
            (submit,) = submits
            self.assertEqual(submit["read"]["short_message"]["message"], "")
            self.assertEqual(submit["read"]["esm_class"], 0)

        await self._forms(Method.PAYLOAD, check)


class SubmitTests(NodeCase):
    async def test_fields_of_a_submit(self) -> None:
        """Addresses, options and TLVs as node-smpp reads them."""
        await self.node()
        await self.bound(
            receipts=Receipts.ALL,
            validity_period=ValidityFormat.TTL,
            service_type="VMA",
            protocol_id=0x41,
            priority_flag=2,
            vendor_tlvs={"0x1403": b"250"},
            tlvs=Tlvs.YES,
        )
        await self.submit(self.message("§1 ¿qué?", charset=Charset.LATIN1))
        (submit,) = self.peer.pdus("submit_sm")
        expected = {
            "service_type": "VMA",
            "source_addr_ton": 5,
            "source_addr_npi": 0,
            "source_addr": "GdeMoi",
            "dest_addr_ton": 1,
            "dest_addr_npi": 1,
            "destination_addr": "79161234567",
            "esm_class": 0,
            "protocol_id": 0x41,
            "priority_flag": 2,
            "registered_delivery": 0x11,
            "replace_if_present_flag": 0,
            "data_coding": 3,
            "sm_default_msg_id": 0,
            str(0x1403): {"hex": b"250".hex()},
        }
        self.assertEqual(submit["read"], {**submit["read"], **expected})
        self.assertEqual(text_in(submit), "§1 ¿qué?")
        # two hours, less what passed since: relative time, SMPP 3.4 §7.1.1
        self.assertIn(b"0000000".hex(), submit["hex"])
        self.assertIn(b"000R\0".hex(), submit["hex"])

    async def test_binary_with_a_header_of_its_own(self) -> None:
        """Octets arrive as they are, under the header that the platform gave."""
        await self.node()
        await self.bound()
        octets = bytes(range(100))
        message = self.message(
            None, binary=octets, udh=bytes.fromhex("06050423f423f4"), from_="3434"
        )
        await self.submit(message)
        (submit,) = self.peer.pdus("submit_sm")
        self.assertEqual(header_in(submit), "050423f423f4")
        self.assertTrue(submit["hex"].endswith(octets.hex()))
        self.assertEqual(submit["read"]["data_coding"], 4)

    async def test_answers_in_any_order_find_their_segments(self) -> None:
        """Ids are in the order of the segments, whatever came first."""
        await self.node()
        await self.bound(window=10)
        await self.peer.order("plan", command="submit_sm", how={"hold": True}, times=10)
        sent = self.submit(self.message(GSM))
        count = self.channel.prepare(self.message(GSM)).segments
        await self.peer.saw_pdu("submit_sm", count)
        await self.peer.order("release", reversed=True)
        outcome = await sent
        assert isinstance(outcome, Accepted)
        ids = tuple(str(1001 + n) for n in range(count))
        self.assertEqual(outcome.provider_ids, ids)

    async def test_the_window_is_kept(self) -> None:
        """With two unanswered, the third segment waits."""
        await self.node()
        await self.bound(window=2)
        await self.peer.order("plan", command="submit_sm", how={"hold": True}, times=2)
        sent = self.submit(self.message(GSM))
        await self.peer.saw_pdu("submit_sm", 2)
        # it answers us, so it has read all that we had sent
        await self.peer.order("request", command="enquire_link")
        await self.peer.saw_pdu("enquire_link_resp")
        self.assertEqual(len(self.peer.pdus("submit_sm")), 2)
        await self.peer.order("release")
        self.assertIsInstance(await sent, Accepted)

    async def test_a_throttled_segment_is_sent_again_alone(self) -> None:
        """What the SMSC has of a long message is not sent twice."""
        await self.node()
        await self.bound(window=1)
        await self.peer.order("plan", command="submit_sm", how={})
        await self.peer.order("plan", command="submit_sm", how={"status": THROTTLED})
        message = self.message(CYRILLIC)
        prepared: EncodedMessage = self.channel.prepare(message)
        refused = await self.send(prepared, 1)
        assert isinstance(refused, Refused)
        self.assertTrue(refused.throttled)
        self.assertEqual(refused.error.code, "smpp:0x58")
        outcome = await self.send(prepared, 2)
        assert isinstance(outcome, Accepted)
        taken = [
            bytes.fromhex(header_in(submit))[4]
            for submit in self.peer.pdus("submit_sm")
        ]
        rest = list(range(2, prepared.segments + 1))
        self.assertEqual(taken, [1, 2, *rest])
        self.assertEqual(len(set(outcome.provider_ids)), prepared.segments)

    async def test_a_status_that_nobody_knows_is_a_refusal(self) -> None:
        """A vendor's number is told as it came, and the bind stays."""
        await self.node()
        await self.bound()
        await self.peer.order("plan", command="submit_sm", how={"status": 0x4A1})
        refused = await self.submit(self.message())
        assert isinstance(refused, Refused)
        self.assertEqual(refused.error.code, "smpp:0x4A1")
        self.assertIsInstance(await self.submit(self.message()), Accepted)

    async def test_query_sm_settles_what_was_unsure(self) -> None:
        """`ask` gets the state that the SMSC tells."""
        await self.node()
        await self.bound(query=True)
        await self.submit(self.message())
        receipt_ = await self.ask("1001")
        assert receipt_ is not None
        self.assertEqual((receipt_.provider_id, receipt_.state), ("1001", "delivered"))
        (query,) = self.peer.pdus("query_sm")
        self.assertEqual(query["read"]["message_id"], "1001")
        self.assertEqual(query["read"]["source_addr"], "GdeMoi")
        self.assertEqual(query["read"]["source_addr_ton"], 5)
