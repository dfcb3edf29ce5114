"""The link to an SMSC upon node-smpp: signs of life, ends, breaks."""

from __future__ import annotations

from gdemoi.message import Accepted, Refused, Scope, Uncertain
from tests.peers.case import NodeCase
from tests.peers.node_words import (
    GSM,
    receipt,
)


class LinkTests(NodeCase):
    async def test_enquire_link_both_ways(self) -> None:
        """Theirs gets its number back; ours comes when they are silent."""
        await self.node()
        await self.bound(enquire_link_s=0.1)
        await self.peer.order("request", command="enquire_link")
        answer = await self.peer.saw_pdu("enquire_link_resp")
        sent = await self.peer.saw("sent", command="enquire_link")
        self.assertEqual(answer["sequence"], sent["sequence"])
        await self.peer.saw_pdu("enquire_link", 3)
        self.assertIsNone(self.channel.unable())
        self.assertEqual(len(self.recorder.changes), 1)

    async def test_a_dead_link_is_left(self) -> None:
        """No answer to enquire_link within link_timeout: down, and bound again."""
        await self.node()
        await self.peer.order(
            "plan", command="enquire_link", how={"silent": True}, times=1
        )
        await self.bound(
            enquire_link_s=0.1,
            link_timeout_s=0.3,
            connect_timeout_s=10.0,
            bind_timeout_s=10.0,
        )
        await self.peer.saw("closed", session=1)
        await self.up(2)
        state, reason = self.recorder.changes[1]
        self.assertEqual(state, "down")
        self.assertIn("nothing heard", reason)

    async def test_their_unbind(self) -> None:
        """unbind_resp at once; what is unanswered may still be; then bound again."""
        await self.node()
        await self.bound()
        await self.peer.order("plan", command="submit_sm", how={"hold": True})
        sent = self.submit(self.message())
        await self.peer.saw_pdu("submit_sm")
        await self.peer.order("request", command="unbind")
        await self.peer.order("release")
        self.assertIsInstance(await sent, Accepted)
        await self.peer.saw_pdu("unbind_resp")
        await self.up(2)
        self.assertEqual(len(self.peer.pdus("submit_sm")), 1)
        self.assertIsInstance(await self.submit(self.message()), Accepted)

    async def test_our_stop(self) -> None:
        """The last answer is awaited; unbind, its answer, and the end."""
        await self.node()
        await self.bound()
        await self.peer.order("plan", command="submit_sm", how={"hold": True})
        sent = self.submit(self.message())
        await self.peer.saw_pdu("submit_sm")
        stopped = self.channel.stop(10.0)
        self.assertEqual(self.channel.unable(), "stopping")
        await self.peer.order("release")
        await stopped
        self.assertIsInstance(await sent, Accepted)
        await self.peer.saw("closed")
        self.assertEqual(
            [pdu["command"] for pdu in self.peer.pdus()],
            ["bind_transceiver", "submit_sm", "unbind"],
        )

    async def test_our_stop_owes_no_answer(self) -> None:
        """What came before our unbind is written down and answered first."""
        await self.node()
        await self.bound()
        self.recorder.commits = []
        await self.peer.order("deliver", **receipt("1001"))
        await self.receipts()
        stopped = self.channel.stop(10.0)
        await self.peer.order("request", command="enquire_link")
        await self.peer.saw_pdu("enquire_link_resp")
        self.recorder.commits[0].callback(None)
        await stopped
        await self.peer.saw("closed")
        self.assertEqual(
            [pdu["command"] for pdu in self.peer.pdus()][1:],
            ["enquire_link_resp", "deliver_sm_resp", "unbind"],
        )

    async def test_their_unbind_leaves_no_answer_owed(self) -> None:
        """What they sent before their unbind is answered before we close."""
        await self.node()
        await self.bound()
        self.recorder.commits = []
        await self.peer.order("deliver", **receipt("1001"))
        await self.receipts()
        await self.peer.order("request", command="unbind")
        await self.peer.saw_pdu("unbind_resp")
        self.recorder.commits[0].callback(None)
        await self.peer.saw("closed", session=1)
        self.assertEqual(len(self.peer.pdus("deliver_sm_resp")), 1)
        await self.up(2)

    async def test_a_connection_that_breaks(self) -> None:
        """FIN and RST: the unanswered is unsure and not repeated; bound again."""
        await self.node()
        await self.bound()
        for session, how in ((1, "end"), (2, "reset")):
            await self.peer.order("plan", command="submit_sm", how={"silent": True})
            sent = self.submit(self.message())
            await self.peer.saw_pdu("submit_sm", session=session)
            await self.peer.order(how)
            self.assertIsInstance(await sent, Uncertain)
            await self.up(session + 1)
        self.assertEqual(len(self.peer.pdus("submit_sm")), 2)
        self.assertIsInstance(await self.submit(self.message()), Accepted)

    async def test_nobody_listens_for_a_while(self) -> None:
        """What cannot leave is refused as such; when they are back, so are we."""
        await self.node()
        await self.bound()
        await self.peer.order("deaf")
        await self.peer.order("end")
        await self.peer.saw("closed")
        await self.recorder.watch.until(self.channel.unable, "down")
        refused = await self.submit(self.message())
        assert isinstance(refused, Refused)
        self.assertEqual(refused.scope, Scope.CHANNEL_FOR_A_WHILE)
        await self.peer.order("hear")
        await self.up(2)
        self.assertIsInstance(await self.submit(self.message()), Accepted)

    async def test_garbage_is_nacked_and_left(self) -> None:
        """A command_length that cannot be: generic_nack, close, and again."""
        await self.node()
        await self.bound()
        await self.peer.order("raw", hex="0000000400000015")
        nack = await self.peer.saw_pdu("generic_nack")
        self.assertEqual(nack["status"], 2)
        await self.up(2)

    async def test_numbers_grow_by_one_over_all_requests(self) -> None:
        """bind, submits, enquire_link, query, unbind: 1, 2, 3, …"""
        await self.node()
        await self.bound(enquire_link_s=0.1, query=True)
        await self.submit(self.message(GSM))
        await self.peer.saw_pdu("enquire_link", 2)
        await self.ask("1001")
        await self.channel.stop(1.0)
        await self.peer.saw_pdu("unbind")
        numbers = [pdu["sequence"] for pdu in self.peer.pdus()]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
