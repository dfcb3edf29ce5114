"""Receipts and SMS from phones that node-smpp writes and our ESME reads."""

from __future__ import annotations

from gdemoi.message import Accepted, MessageState
from tests.peers.case import NodeCase
from tests.peers.node_words import (
    CYRILLIC,
    receipt,
)


class ReceiptTests(NodeCase):
    async def test_a_receipt_in_text(self) -> None:
        """Read, matched, and answered with status 0 and an empty message_id."""
        await self.node()
        await self.bound(window=10)
        await self.submit(self.message())
        self.recorder.learn("m1", "1001")
        await self.peer.order("deliver", **receipt("1001", "UNDELIV", "034"))
        answer = await self.peer.saw_pdu("deliver_sm_resp")
        self.assertEqual((answer["status"], answer["hex"][32:]), (0, "00"))
        sent = await self.peer.saw("sent", command="deliver_sm")
        self.assertEqual(answer["sequence"], sent["sequence"])
        (got,) = self.recorder.receipts
        self.assertEqual(
            (got.provider_id, got.state), ("1001", MessageState.UNDELIVERED)
        )
        assert got.error is not None
        self.assertEqual(got.error.code, "receipt:034")
        self.assertEqual(got.about, "79161234567")

    async def test_a_receipt_in_tlvs_alone(self) -> None:
        """receipted_message_id and message_state say all; also in a data_sm."""
        await self.node()
        await self.bound()
        fields = {
            "source_addr": "79161234567",
            "destination_addr": "GdeMoi",
            "esm_class": 4,
            "receipted_message_id": "1001",
            "message_state": 3,
        }
        await self.peer.order(
            "deliver", fields={**fields, "short_message": {"hex": ""}}
        )
        await self.peer.order("deliver", command="data_sm", fields=fields)
        self.assertEqual((await self.peer.saw_pdu("deliver_sm_resp"))["status"], 0)
        self.assertEqual((await self.peer.saw_pdu("data_sm_resp"))["status"], 0)
        self.assertEqual(
            [(one.provider_id, one.state) for one in self.recorder.receipts],
            [("1001", MessageState.EXPIRED)] * 2,
        )

    async def test_hexadecimal_here_and_decimal_there(self) -> None:
        """Each receipt of twelve finds its message; the form is learned."""
        await self.node(ids=16)
        await self.bound()
        for n in range(12):
            outcome = await self.submit(self.message(id=f"m{n}"))
            assert isinstance(outcome, Accepted)
            self.recorder.learn(f"m{n}", *outcome.provider_ids)
            await self.peer.order("deliver", **receipt(str(1001 + n)))
        await self.peer.saw_pdu("deliver_sm_resp", 12)
        self.assertEqual(
            [match and match.message_id for match in self.recorder.matches],
            [f"m{n}" for n in range(12)],
        )
        self.assertEqual(self.channel.describe()["receipt_id"]["form"], "hex-dec")

    async def test_a_receipt_before_the_answer(self) -> None:
        """It goes up although nobody knows its id yet; both are taken."""
        await self.node()
        await self.bound()
        await self.peer.order(
            "plan", command="submit_sm", how={"early": receipt("1001", "ENROUTE")}
        )
        outcome = await self.submit(self.message())
        self.assertEqual(outcome, Accepted(provider_ids=("1001",)))
        (got,) = self.recorder.receipts
        self.assertEqual((got.provider_id, got.state), ("1001", MessageState.ENROUTE))

    async def test_what_cannot_be_written_down_is_to_come_again(self) -> None:
        """ESME_RX_T_APPN while the journal is broken, ROK when it is mended."""
        await self.node()
        await self.bound()
        self.recorder.broken = True
        await self.peer.order("deliver", **receipt("1001"))
        self.assertEqual((await self.peer.saw_pdu("deliver_sm_resp"))["status"], 0x64)
        self.recorder.broken = False
        await self.peer.order("deliver", **receipt("1001"))
        self.assertEqual((await self.peer.saw_pdu("deliver_sm_resp", 2))["status"], 0)


class ArrivalTests(NodeCase):
    PHONE = {"source_addr": "79161234567", "destination_addr": "3434"}  # noqa: RUF012

    async def test_short_ones_in_three_alphabets(self) -> None:
        """What node-smpp encodes is what goes up."""
        await self.node()
        await self.bound()
        words = (("@ £ {ok}€ ", 0), ("¿Dónde está?", 3), ("  где я? 😀 ", 8))
        for text, coding in words:
            await self.peer.order(
                "deliver", fields={**self.PHONE, "data_coding": coding}, text=text
            )
        await self.peer.saw_pdu("deliver_sm_resp", 3)
        arrived = self.recorder.inbounds
        self.assertEqual([one.text for one in arrived], [text for text, _ in words])
        self.assertEqual(
            {(one.from_, one.to) for one in arrived}, {("+79161234567", "3434")}
        )

    async def test_a_long_one_with_headers(self) -> None:
        """Three segments go up with their place; each is answered."""
        await self.node()
        await self.bound()
        words = ("Первая часть, ", "вторая часть 😀, ", "и конец")
        fields = {**self.PHONE, "data_coding": 8}
        # as networks do: not in order
        for number in (3, 1, 2):
            await self.peer.order(
                "deliver",
                fields=fields,
                text=words[number - 1],
                udh=bytes((5, 0, 3, 0x2A, 3, number)).hex(),
            )
        await self.peer.saw_pdu("deliver_sm_resp", 3)
        parts = {
            one.part.number: (one.text, one.part.total)
            for one in self.recorder.inbounds
            if one.part is not None
        }
        self.assertEqual(parts, {n + 1: (words[n], 3) for n in range(3)})
        references = {one.part and one.part.reference for one in self.recorder.inbounds}
        self.assertEqual(len(references), 1)

    async def test_a_long_one_with_sar(self) -> None:
        """The SAR TLVs say the place just as well."""
        await self.node()
        await self.bound()
        for number, text in enumerate(("one, ", "two"), 1):
            sar = {
                "sar_msg_ref_num": 77,
                "sar_total_segments": 2,
                "sar_segment_seqnum": number,
            }
            await self.peer.order("deliver", fields={**self.PHONE, **sar}, text=text)
        first, second = await self.inbounds(2)
        assert first.part is not None and second.part is not None
        self.assertEqual(first.part.reference, second.part.reference)
        self.assertEqual(
            [(p.part.number, p.text) for p in (first, second)],
            [(1, "one, "), (2, "two")],
        )

    async def test_a_long_one_in_a_payload(self) -> None:
        """message_payload in deliver_sm and in data_sm is the text."""
        await self.node()
        await self.bound()
        octets = {"hex": CYRILLIC.encode("utf-16-be").hex()}
        fields = {**self.PHONE, "data_coding": 8, "message_payload": octets}
        await self.peer.order(
            "deliver", fields={**fields, "short_message": {"hex": ""}}
        )
        await self.peer.order("deliver", command="data_sm", fields=fields)
        await self.peer.saw_pdu("deliver_sm_resp")
        await self.peer.saw_pdu("data_sm_resp")
        self.assertEqual([one.text for one in self.recorder.inbounds], [CYRILLIC] * 2)

    async def test_the_answer_waits_for_the_commit(self) -> None:
        """An enquire_link sent after it is answered before it."""
        await self.node()
        await self.bound()
        self.recorder.commits = []
        await self.peer.order("deliver", fields=self.PHONE, text="Hi")
        await self.peer.order("request", command="enquire_link")
        await self.peer.saw_pdu("enquire_link_resp")
        await self.inbounds()
        self.assertEqual(self.peer.pdus("deliver_sm_resp"), [])
        self.recorder.commits[0].callback(None)
        self.assertEqual((await self.peer.saw_pdu("deliver_sm_resp"))["status"], 0)
