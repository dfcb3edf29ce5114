"""query_sm, cancel_sm, replace_sm: about one's own messages, and no others'."""

from __future__ import annotations

from gdemoi.accounts.settings import AccountSettings
from gdemoi.message import MessageState
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.pdus import CancelSm, QuerySm, ReplaceSm, SubmitMulti
from gdemoi.smppserver.settings import SmppClientSettings, SmppServerSettings
from tests.smppserver.rig import DoorTestCase


class QuestionTests(DoorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.accounts = {"car": AccountSettings(), "bus": AccountSettings()}
        self.clients = {
            name: SmppClientSettings(password="secret") for name in ("car", "bus")
        }

    def test_query(self) -> None:
        """DS28: on its way 1, delivered 2 with the time; a failure with its code."""
        esme = self.bound()
        message_id = self.taken(esme)
        answer = esme.ask(QuerySm(message_id=message_id))
        told = (answer.message_id, answer.message_state, answer.final_date)
        self.assertEqual(told, (message_id, 1, ""))
        self.clock.advance(60.0)
        self.delivered(message_id)
        answer = esme.ask(QuerySm(message_id=message_id, source_addr="GdeMoi"))
        told = (answer.message_state, answer.final_date, answer.error_code)
        self.assertEqual(told, (2, "261118110740000+", 0))
        other = self.taken(esme, to="79161234568")
        self.answer(other)
        self.outcome(other, MessageState.UNDELIVERED)
        answer = esme.ask(QuerySm(message_id=other))
        self.assertEqual((answer.message_state, answer.error_code), (5, 1))

    def test_ids_of_others(self) -> None:
        """DS28: unknown, of another account, from another sender: 0x0C."""
        message_id = self.taken(self.bound())
        foreign = self.bound(system_id="bus")
        mine = self.bound()
        for esme, fields in (
            (foreign, {"message_id": message_id}),
            (mine, {"message_id": "1"}),
            (mine, {"message_id": ""}),
            (mine, {"message_id": message_id, "source_addr": "Other"}),
        ):
            for kind in (QuerySm, ReplaceSm):
                answer = esme.ask(kind(**fields))
                self.assertEqual(answer.command_status, 0x0C, fields)
                self.assertEqual(len(pdus.encode(answer)), 16)
            if fields["message_id"]:
                self.assertEqual(esme.ask(CancelSm(**fields)).command_status, 0x0C)

    def test_cancel(self) -> None:
        """DS28: what waits is cancelled and its receipt is DELETED; else 0x11."""
        esme = self.bound()
        left = self.taken(esme)
        waits = self.taken(esme, registered_delivery=1)
        self.assertEqual(esme.ask(CancelSm(message_id=left)).command_status, 0x11)
        self.assertEqual(esme.ask(CancelSm(message_id=waits)).command_status, 0)
        [receipt] = esme.deliveries()
        self.assertIn(b"stat:DELETED", receipt.short_message)
        self.assertEqual(esme.ask(CancelSm(message_id=waits)).command_status, 0x11)

    def test_cancel_by_addresses(self) -> None:
        """DS28: all that have not left, from that sender to that number."""
        self.channel.down = "for a while"
        esme = self.bound()
        ids = [self.taken(esme) for _ in range(3)]
        other = self.taken(esme, source_addr="7777", source_addr_ton=3)
        elsewhere = self.taken(esme, to="79161234568")
        foreign = self.taken(self.bound(system_id="bus"))
        wanted = CancelSm(
            source_addr="GdeMoi",
            dest_addr_ton=1,
            destination_addr="79161234567",
        )
        self.assertEqual(esme.ask(wanted).command_status, 0)
        states = [self.story(one)["state"] for one in ids]
        self.assertEqual(states, ["cancelled"] * 3)
        for one in (other, elsewhere, foreign):
            self.assertEqual(self.story(one)["state"], "accepted")
        self.assertEqual(esme.ask(wanted).command_status, 0x0C)
        nobody = CancelSm(source_addr="GdeMoi", destination_addr="nobody")
        self.assertEqual(esme.ask(nobody).command_status, 0x0B)

    def test_replace(self) -> None:
        """DS28: 0x13, whether it has left or not: nothing accepted is changed."""
        self.channel.down = "for a while"
        esme = self.bound()
        message_id = self.taken(esme)
        answer = esme.ask(ReplaceSm(message_id=message_id, short_message=b"other"))
        self.assertEqual(answer.command_status, 0x13)
        self.assertEqual(self.story(message_id)["message"]["text"], "ping")

    def test_operations_that_are_turned_off(self) -> None:
        """`operations = submit`: unknown commands, and the session stays."""
        self.server_settings = SmppServerSettings(operations="submit")
        esme = self.bound()
        for pdu in (QuerySm(), CancelSm(), ReplaceSm(), SubmitMulti()):
            answer = esme.ask(pdu)
            self.assertIsInstance(answer, pdus.GenericNack)
            self.assertEqual(answer.command_status, 0x03)
        self.taken(esme)
