"""Our ESME against an SMSC upon Net::SMPP (Perl), over loopback: a second opinion."""

from __future__ import annotations

from typing import Any

from gdemoi.message import Accepted, MessageState, Refused, Uncertain
from gdemoi.smpp.settings import BindAs
from gdemoi.text import gsm7
from gdemoi.text.segments import Method
from tests.peers.case import PerlCase
from tests.peers.peer import Seen

GSM = "Doors: {open} [2] | €5 ~ 10:30 @ depot_7. " * 8
CYRILLIC = "Двери открыты 😀, поз. 55.75, 37.61. " * 8


def body(submit: Seen) -> bytes:
    """Return the user data as Net::SMPP has read it."""
    read = submit["read"]
    return bytes.fromhex(read["short_message"] or read.get("message_payload", ""))


class NetSmppTests(PerlCase):
    async def deliver(self, octets: bytes, **fields: Any) -> None:
        """Let it send a deliver_sm from a phone."""
        usual = {
            "source_addr_ton": 1,
            "source_addr_npi": 1,
            "source_addr": "79161234567",
            "destination_addr": "3434",
        }
        await self.peer.order("deliver", fields={**usual, **fields}, hex=octets.hex())

    async def test_bind(self) -> None:
        """The bind's fields, and that the answer is understood."""
        await self.perl()
        await self.bound(system_type="TRACK", address_ton=1, address_range="7916")
        (bind,) = self.peer.pdus()
        expected = {
            "system_id": "esme",
            "password": "secret",
            "system_type": "TRACK",
            "interface_version": 0x34,
            "addr_ton": 1,
            "addr_npi": 0,
            "address_range": "7916",
        }
        self.assertEqual(bind["command"], "bind_transceiver")
        self.assertEqual(bind["read"], {**bind["read"], **expected})
        (shown,) = self.channel.describe()["binds"]
        self.assertEqual((shown["smsc"], shown["version"]), ("PERL", "3.4"))

    async def test_a_wrong_password(self) -> None:
        """A refusal that has a body is a refusal."""
        await self.perl()
        channel = self.connect(password="wrong")
        await self.recorder.watch.until(
            lambda: "ESME_RINVPASWD" in (channel.unable() or ""), "a refusal"
        )
        await self.peer.saw("closed")

    async def test_a_pair(self) -> None:
        """Submits go over one connection, deliveries come over the other."""
        await self.perl()
        await self.bound(bind=BindAs.PAIR)
        outcome = await self.submit(self.message())
        self.assertEqual(outcome, Accepted(provider_ids=("000003E9",)))
        await self.deliver(b"Hi")
        answer = await self.peer.saw_pdu("deliver_sm_resp")
        submit = await self.peer.saw_pdu("submit_sm")
        self.assertNotEqual(answer["session"], submit["session"])

    async def test_a_submit_field_by_field(self) -> None:
        """What Net::SMPP reads is what was set."""
        await self.perl()
        await self.bound(service_type="VMA", protocol_id=0x41, priority_flag=1)
        await self.submit(self.message("@ {1} €"))
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
            "priority_flag": 1,
            "schedule_delivery_time": "",
            "validity_period": "",
            "registered_delivery": 1,
            "replace_if_present_flag": 0,
            "data_coding": 0,
            "sm_default_msg_id": 0,
            "short_message": "00201b28311b29201b65",
        }
        self.assertEqual(submit["read"], {**submit["read"], **expected})

    async def test_each_form_of_long_messages(self) -> None:
        """udh, udh16, sar, payload: the text is whole, the marks are in order."""
        await self.perl()
        for method in Method:
            await self.bound(long_messages=method)
            for text in (GSM, CYRILLIC):
                seen = len(self.peer.pdus("submit_sm"))
                outcome = await self.submit(self.message(text))
                assert isinstance(outcome, Accepted)
                submits = self.peer.pdus("submit_sm")[seen:]
                self.assertEqual(outcome.segments, len(submits))
                self._judge(method, submits, text)
            await self.channel.stop(1.0)

    def _judge(self, method: Method, submits: list[Seen], text: str) -> None:
        bodies = [body(submit) for submit in submits]
        total = len(submits)
        places = [(total, number + 1) for number in range(total)]
        marks: list[tuple[int, int]] = []
        if method in (Method.UDH, Method.UDH16):
            marks = [(one[one[0] - 1], one[one[0]]) for one in bodies]
            bodies = [one[one[0] + 1 :] for one in bodies]
        elif method is Method.SAR:
            for submit in submits:
                read = submit["read"]
                numbers = ("sar_total_segments", "sar_segment_seqnum")
                size, number = (int(read[name], 16) for name in numbers)
                marks.append((size, number))
            references = {submit["read"]["sar_msg_ref_num"] for submit in submits}
            self.assertEqual(len(references), 1)
        else:
            places = []
        self.assertEqual(marks, places)
        octets = b"".join(bodies)
        coding = submits[0]["read"]["data_coding"]
        decoded = octets.decode("utf-16-be") if coding == 8 else gsm7.decode(octets)
        self.assertEqual(decoded, text)

    async def test_receipts_and_messages(self) -> None:
        """Both go up and are answered with their number and an empty id."""
        await self.perl()
        await self.bound()
        await self.submit(self.message())
        self.recorder.learn("m1", "000003E9")
        words = (
            b"id:1001 sub:001 dlvrd:001 submit date:2611210900"
            b" done date:2611210901 stat:DELIVRD err:000 text:Hello"
        )
        await self.deliver(words, esm_class=4)
        await self.deliver("где?".encode("utf-16-be"), data_coding=8)
        header = bytes.fromhex("0500032a0201")
        await self.deliver(header + b"1/2", esm_class=0x40)
        await self.peer.saw_pdu("deliver_sm_resp", 3)
        answers = self.peer.pdus("deliver_sm_resp")
        sent = self.peer.all("sent", command="deliver_sm")
        self.assertEqual(
            [(one["status"], one["body"], one["sequence"]) for one in answers],
            [(0, "00", one["sequence"]) for one in sent],
        )
        (receipt,), (match,) = self.recorder.receipts, self.recorder.matches
        self.assertEqual(
            (receipt.provider_id, receipt.state), ("1001", MessageState.DELIVERED)
        )
        assert match is not None
        self.assertEqual(match.message_id, "m1")
        short, segment = self.recorder.inbounds
        self.assertEqual((short.text, short.from_), ("где?", "+79161234567"))
        assert segment.part is not None
        self.assertEqual((segment.part.total, segment.part.number), (2, 1))

    async def test_refusals_and_silence(self) -> None:
        """A refusal with a body, and no answer at all."""
        await self.perl()
        await self.bound(response_timeout_s=0.2)
        await self.peer.order("plan", how={"status": 0x58})
        await self.peer.order("plan", how={"silent": True})
        refused = await self.submit(self.message())
        assert isinstance(refused, Refused)
        self.assertTrue(refused.throttled)
        self.assertIsInstance(await self.submit(self.message()), Uncertain)

    async def test_query_sm(self) -> None:
        """The state that it tells is understood."""
        await self.perl()
        await self.bound(query=True)
        receipt = await self.ask("000003E9")
        assert receipt is not None
        self.assertEqual(receipt.state, MessageState.DELIVERED)
        (query,) = self.peer.pdus("query_sm")
        self.assertEqual(query["read"]["message_id"], "000003E9")

    async def test_the_link(self) -> None:
        """enquire_link both ways, their unbind, a lost connection, our unbind."""
        await self.perl()
        await self.bound(enquire_link_s=0.1)
        await self.peer.order("request", command="enquire_link")
        answer = await self.peer.saw_pdu("enquire_link_resp")
        sent = await self.peer.saw("sent", command="enquire_link")
        self.assertEqual(answer["sequence"], sent["sequence"])
        await self.peer.saw_pdu("enquire_link", 2)
        await self.peer.order("request", command="unbind")
        await self.peer.saw_pdu("unbind_resp")
        await self.up(2)
        await self.peer.order("end")
        await self.up(3)
        self.assertIsInstance(await self.submit(self.message()), Accepted)
        await self.channel.stop(1.0)
        await self.peer.saw_pdu("unbind")
