"""submit_sm, data_sm, submit_multi: taken after the commit, or refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from twisted.internet.defer import Deferred

from gdemoi.accounts.settings import AccountSettings
from gdemoi.errors import Unavailable
from gdemoi.journal import Journal
from gdemoi.message import Error, MessageClass, OnUnsure
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.pdus import (
    BindReceiver,
    BindTransmitter,
    DataSm,
    DestAddress,
    DistributionList,
    EnquireLink,
    SubmitMulti,
    SubmitSm,
    Tag,
    Unbind,
)
from gdemoi.smppserver.settings import SmppClientSettings
from tests.smppserver.rig import NOW, DoorTestCase, submit


class SubmitTests(DoorTestCase):
    def test_before_a_bind_and_on_a_receiver(self) -> None:
        """DS6: 0x04, and the connection stays."""
        for esme in (self.esme(), self.bound(BindReceiver)):
            for pdu in (submit(), DataSm(), SubmitMulti(dest_address=())):
                answer = esme.ask(pdu)
                self.assertIsInstance(answer, type(pdu).response)
                self.assertEqual(answer.command_status, 0x04)
            self.assertFalse(esme.closed)

    def test_answered_after_the_commit(self) -> None:
        """DS8: status 0 and an id mean a row in the journal, and nothing else does."""
        self.open()
        commit: Deferred[None] = Deferred()
        accept = self.journal.accept

        async def slowly(batch: object) -> object:
            await commit
            return await accept(batch)  # type: ignore[arg-type]

        esme = self.bound()
        self.patch(self.journal, "accept", lambda b: Deferred.fromCoroutine(slowly(b)))
        number = esme.send(submit())
        self.assertEqual(esme.read(), [])
        commit.callback(None)
        [answer] = esme.read()
        self.assertEqual((answer.sequence_number, answer.command_status), (number, 0))
        story = self.story(answer.message_id)
        self.assertEqual((story["to"], story["from"]), ("+79161234567", "GdeMoi"))

    def test_no_commit(self) -> None:
        """DS9: 0x08, and nothing is kept."""
        self.open()
        esme = self.bound()

        def broken(batch: object) -> Deferred[object]:
            failed: Deferred[object] = Deferred()
            failed.errback(Unavailable("no disk"))
            return failed

        self.patch(self.journal, "accept", broken)
        self.assertEqual(esme.ask(submit()).command_status, 0x08)
        self.assertEqual(self.result(self.journal.counts()), {})

    def test_the_peer_vanishes_after_the_commit(self) -> None:
        """The message stays."""
        esme = self.bound()
        esme.send(submit())
        esme.hang_up()
        self.assertEqual(sum(self.result(self.journal.counts()).values()), 1)

    def test_ids(self) -> None:
        """DS10: decimal, at most 19 digits, no zero in front, all distinct."""
        self.clients["car"] = SmppClientSettings(password="secret", window=500)
        self.channel.down = "for a while"
        esme = self.bound()
        for _ in range(20):
            for _ in range(500):
                esme.send(submit())
        found = {one.message_id for one in esme.read()}
        self.assertEqual(len(found), 10_000)
        for one in found:
            self.assertTrue(one.isdecimal() and one[0] != "0" and len(one) <= 19, one)

    def test_ids_of_3_3(self) -> None:
        """DS10: at most eight characters, also after a restart none comes again."""
        self.channel.down = "for a while"
        self.url = f"sqlite:///{self.mktemp()}"
        found = []
        for _ in range(2):
            esme = self.bound(version=0x33)
            found += [self.taken(esme) for _ in range(30)]
            self.close()
            self.esmes.clear()
        self.assertEqual(len(set(found)), 60)
        self.assertTrue(all(len(one) <= 8 and one[0] != "0" for one in found))
        self.assertTrue(all(int(one, 16) and one == one.upper() for one in found))

    def test_an_id_that_was_used_before(self) -> None:
        """A clock that was set back: the message gets another id."""
        self.channel.down = "for a while"
        esme = self.bound()
        first = self.taken(esme)
        self.door._ids._last -= 1
        second = self.taken(esme)
        self.assertNotEqual(first, second)
        self.assertEqual(self.story(second)["id"], second)

    def test_policies_are_those_of_a_command(self) -> None:
        """Unless the account says another class: nothing uncertain is sent again."""
        message_id = self.taken(self.bound())
        message = self.message(message_id)
        self.assertEqual(message.class_, MessageClass.COMMAND)
        self.assertEqual(message.on_unsure, OnUnsure.HOLD)
        self.assertEqual(message.priority, 7)
        self.assertEqual(message.account, "car")

    def test_addresses(self) -> None:
        """A destination that is none: 0x0B; what the account may not use: 0x0A."""
        self.accounts["car"] = AccountSettings(
            allowed_sender=("GdeMoi", "7777"), default_sender="GdeMoi"
        )
        esme = self.bound()
        for fields, status in (
            ({"to": ""}, 0x0B),
            ({"to": "7916123456x"}, 0x0B),
            ({"to": "1" * 20}, 0x0B),
            ({"to": "+79161234567"}, 0),
            ({"to": "89161234567", "dest_addr_ton": 0}, 0),
            ({"source_addr": "Other"}, 0x0A),
            ({"source_addr": "7777", "source_addr_ton": 3}, 0),
        ):
            answer = esme.ask(submit(**fields))
            self.assertEqual(answer.command_status, status, fields)
        taken = self.taken(esme, source_addr="", source_addr_ton=0)
        self.assertEqual(self.story(taken)["from"], "GdeMoi")

    def test_lengths(self) -> None:
        """A bad length is 0x01 (0x02 when the PDU is cut) and no end of the session."""
        esme = self.bound()
        good = bytearray(pdus.encode(submit(text=b"x" * 10)))
        place = len(good) - 11
        for length, status in ((200, (0x01, 0x02)), (3, (0x01, 0xC0, 0xC2))):
            good[place] = length
            esme.raw(bytes(good))
            [answer] = esme.read()
            self.assertIn(answer.command_status, status)
        cut = bytes(good[:40])
        esme.raw(len(cut).to_bytes(4, "big") + cut[4:])
        [answer] = esme.read()
        self.assertIn(answer.command_status, (0x01, 0x02))
        self.assertEqual(esme.ask(submit(text=b"")).command_status, 0)

    def test_two_texts(self) -> None:
        """DS25: short_message goes with message_payload: 0x01."""
        esme = self.bound()
        octets = pdus.encode(submit(text=b"x"))
        tlv = b"\x04\x24\x00\x01y"
        esme.raw((len(octets) + len(tlv)).to_bytes(4, "big") + octets[4:] + tlv)
        self.assertEqual(esme.read()[0].command_status, 0x01)

    def test_esm_class(self) -> None:
        """DS34: store and forward is taken; receipts from a client are not."""
        esme = self.bound()
        for esm_class, status in (
            (3, 0), (0, 0), (1, 0), (0x80, 0), (0x04, 0x43), (0x20, 0x43),
        ):  # fmt: skip
            answer = esme.ask(submit(esm_class=esm_class))
            self.assertEqual(answer.command_status, status, esm_class)

    def test_times(self) -> None:
        """DS27: relative, absolute with a zone; 0x62 and 0x61 for what is no time."""
        self.channel.down = "for a while"
        esme = self.bound()
        for value, life_s in (
            ("000000010000000R", 3600),
            ("261118102640012+", 3600 - 3 * 3600 + 0),
        ):
            answer = esme.ask(submit(validity_period=value))
            if life_s > 0:
                story = self.story(answer.message_id)
                self.assertEqual(story["expires_at"], "2026-11-18T12:06:40.000Z")
            else:
                self.assertEqual(answer.command_status, 0x62)
        for fields, status in (
            ({"validity_period": "261118160640012+"}, 0),
            ({"validity_period": "261118080640020-"}, 0),
            ({"validity_period": "garbage000000000"}, 0x62),
            ({"validity_period": "260101000000000+"}, 0x62),
            ({"schedule_delivery_time": "garbage000000000"}, 0x61),
            ({"schedule_delivery_time": "260101000000000+"}, 0x61),
            (
                {
                    "schedule_delivery_time": "000000020000000R",
                    "validity_period": "000000010000000R",
                },
                0x62,
            ),
            ({"priority_flag": 4}, 0x06),
        ):
            answer = esme.ask(submit(**fields))
            self.assertEqual(answer.command_status, status, fields)
            if status == 0:
                story = self.story(answer.message_id)
                self.assertEqual(story["expires_at"], "2026-11-18T13:06:40.000Z")
        later = esme.ask(submit(schedule_delivery_time="000000010000000R"))
        message = self.story(later.message_id)["message"]
        self.assertEqual(message["not_before"], NOW + 3600)

    def test_no_route(self) -> None:
        """What no channel can ever carry: a permanent error, and no receipt."""
        esme = self.bound()
        for code, status in (
            ("gateway:no_route", 0x0B),
            ("gateway:too_long", 0x01),
            ("gateway:sender_not_allowed", 0x0A),
            ("gateway:unencodable", 0x45),
        ):
            self.channel.refuses = Error(code, "no")
            answer = esme.ask(submit(registered_delivery=1))
            self.assertEqual(answer.command_status, status, code)
            self.assertEqual(len(pdus.encode(answer)), 16)
        self.clock.advance(2.0)
        self.assertEqual(esme.deliveries(), [])

    def test_a_channel_that_is_down(self) -> None:
        """Is no error: the message waits."""
        self.channel.down = "no link"
        self.assertEqual(self.bound().ask(submit()).command_status, 0)

    def test_backlog(self) -> None:
        """DS21: 0x14 while it is full, and 0 when it has drained."""
        self.backlog_limit = 10
        self.channel.window = 1
        esme = self.bound()
        found = [esme.ask(submit()).command_status for _ in range(13)]
        self.assertEqual(found[0], 0)
        self.assertEqual(found[-1], 0x14)
        while len(self.channel.submitted) < found.count(0):
            self.channel.answer()
            self.clock.advance(0.1)
        self.assertEqual(esme.ask(submit()).command_status, 0)

    def test_rate(self) -> None:
        """DS20: 0x58 at once for what is too fast; enquire_link is answered."""
        self.accounts["car"] = AccountSettings(rate=5.0)
        self.channel.down = "for a while"
        esme = self.bound()
        found = [esme.ask(submit()).command_status for _ in range(8)]
        self.assertEqual(found, [0] * 5 + [0x58] * 3)
        self.assertEqual(esme.ask(EnquireLink()).command_status, 0)
        self.clock.advance(0.2)
        self.assertEqual(esme.ask(submit()).command_status, 0)
        self.assertEqual(esme.ask(submit()).command_status, 0x58)

    def test_daily_messages(self) -> None:
        """Counted in the journal, over restarts, until midnight of UTC."""
        self.accounts["car"] = AccountSettings(daily=3)
        self.channel.down = "for a while"
        self.url = f"sqlite:///{self.mktemp()}"
        for expected in ([0, 0], [0, 0x45, 0x45]):
            self.open()
            for account in {one.account for one in self.door.clients.values()}:
                self.result(account.load())
            esme = self.bound()
            found = [esme.ask(submit()).command_status for _ in expected]
            self.assertEqual(found, expected)
            self.close()
            self.esmes.clear()
        self.clock.rightNow += 86400.0
        self.open()
        self.assertEqual(self.bound().ask(submit()).command_status, 0)

    def test_the_same_within_a_window(self) -> None:
        """`dedup_window`: the id of the first, and one message; else it is another."""
        self.accounts["car"] = AccountSettings(dedup_window_s=60.0)
        esme = self.bound()
        first = self.taken(esme)
        self.assertEqual(self.taken(esme), first)
        self.assertNotEqual(self.taken(esme, text=b"other"), first)
        self.assertNotEqual(self.taken(esme, data_coding=1), first)
        self.clock.advance(60.0)
        self.assertNotEqual(self.taken(esme), first)
        self.assertEqual(sum(self.result(self.journal.counts()).values()), 4)

    def test_window(self) -> None:
        """Beyond `window` nothing more is read, and enquire_link still is."""
        self.clients["car"] = SmppClientSettings(password="secret", window=3)
        self.open()
        commit: Deferred[None] = Deferred()
        accept = self.journal.accept

        async def slowly(batch: object) -> object:
            await commit
            return await accept(batch)  # type: ignore[arg-type]

        esme = self.bound()
        self.patch(self.journal, "accept", lambda b: Deferred.fromCoroutine(slowly(b)))
        esme.raw(b"".join(_numbered(submit(), number) for number in range(100, 110)))
        self.assertFalse(esme.wire.reading)
        self.assertEqual(esme.ask(EnquireLink()).command_status, 0)
        commit.callback(None)
        answers = [one for one in esme.read() if isinstance(one, pdus.SubmitSmResp)]
        self.assertEqual(
            sorted(a.sequence_number for a in answers), list(range(100, 110))
        )
        self.assertEqual({a.command_status for a in answers}, {0})
        self.assertTrue(esme.wire.reading)

    def test_a_client_that_does_not_read(self) -> None:
        """DS22: while our answers do not go, nothing more is read; none is lost."""
        esme = self.bound()
        esme.connection.pauseProducing()
        self.assertFalse(esme.wire.reading)
        for _ in range(1000):
            esme.send(submit())
        esme.connection.resumeProducing()
        self.assertTrue(esme.wire.reading)
        self.assertEqual(len(esme.read()), 1000)

    def test_data_sm(self) -> None:
        """As submit_sm with message_payload."""
        esme = self.bound()
        answer = esme.ask(
            DataSm(
                source_addr="7777",
                destination_addr="79161234567",
                dest_addr_ton=1,
                data_coding=4,
                tlvs=((Tag.message_payload, bytes(range(256))),),
            )
        )
        self.assertIsInstance(answer, pdus.DataSmResp)
        raw = self.message(answer.message_id).raw
        assert raw is not None
        self.assertEqual((raw.octets, raw.payload), (bytes(range(256)), True))

    def test_submit_multi(self) -> None:
        """DS29: one id; what was not taken is in the list, lists are not known."""
        esme = self.bound()
        one = {"dest_addr_ton": 1, "dest_addr_npi": 1}
        good = [DestAddress(**one, destination_addr=f"7916123456{n}") for n in range(3)]
        bad = DestAddress(0, 0, "nobody")
        answer = esme.ask(
            SubmitMulti(
                source_addr="7777",
                dest_address=(*good, bad, DistributionList("friends")),
                registered_delivery=1,
                short_message=b"x",
            )
        )
        self.assertIsInstance(answer, pdus.SubmitMultiResp)
        told = [(u.destination_addr, u.error_status_code) for u in answer.unsuccess_sme]
        self.assertEqual(told, [("nobody", 0x0B), ("friends", 0x34)])
        self.assertEqual(len(self.channel.submitted), 3)
        for message_id in list(self.channel.ids):
            self.delivered(message_id)
        texts = self.texts(found := esme.deliveries())
        self.assertEqual(len(texts), 3)
        self.assertTrue(all(f"id:{answer.message_id} " in text for text in texts))
        sources = {one.source_addr for one in found}
        self.assertEqual(sources, {d.destination_addr for d in good})

    def test_submit_multi_to_nobody(self) -> None:
        """Without destinations 0x33; all refused: 0, and all of them in the list."""
        esme = self.bound()
        self.assertEqual(esme.ask(SubmitMulti()).command_status, 0x33)
        bad = (DestAddress(0, 0, "x"), DestAddress(0, 0, "y"))
        answer = esme.ask(SubmitMulti(dest_address=bad, short_message=b"x"))
        self.assertEqual((answer.command_status, len(answer.unsuccess_sme)), (0, 2))

    def test_unbind_waits_for_what_is_open(self) -> None:
        """DS31: five submits are answered, then the unbind."""
        self.open()
        commit: Deferred[None] = Deferred()
        accept = self.journal.accept

        async def slowly(batch: object) -> object:
            await commit
            return await accept(batch)  # type: ignore[arg-type]

        esme = self.bound(BindTransmitter)
        self.patch(self.journal, "accept", lambda b: Deferred.fromCoroutine(slowly(b)))
        for _ in range(5):
            esme.send(submit())
        number = esme.send(Unbind())
        self.assertEqual(esme.ask(submit()).command_status, 0x04)
        commit.callback(None)
        found = esme.read()
        self.assertEqual([a.command_status for a in found], [0] * 6)
        self.assertEqual(found[-1].sequence_number, number)
        self.clock.advance(5.0)
        self.assertTrue(esme.closed)


class LongMessageTests(DoorTestCase):
    def part(self, number: int, total: int = 3) -> bytes:
        """Return the user data of a part: a header, and some text."""
        return bytes((5, 0, 3, 0x2A, total, number)) + f"part {number}".encode()

    def test_parts_over_two_binds(self) -> None:
        """DS24: each has its id, its octets and, if it asked, its receipt.

        They leave in the order in which they came; phones join them by number.
        """
        first, second = self.bound(), self.bound()
        ids = {}
        for esme, number, registered in ((first, 3, 0), (second, 2, 0), (first, 1, 17)):
            ids[number] = self.taken(
                esme,
                text=self.part(number),
                esm_class=0x43,
                registered_delivery=registered,
            )
        self.assertEqual(len(set(ids.values())), 3)
        for number in (3, 2, 1):
            raw = self.message(ids[number]).raw
            assert raw is not None
            self.assertEqual((raw.octets, raw.esm_class), (self.part(number), 0x40))
            self.delivered(ids[number])
            self.clock.advance(0.1)
        self.assertEqual(self.channel.ids, [ids[3], ids[2], ids[1]])
        told = {one.tlv_text(Tag.receipted_message_id) for one in first.deliveries()}
        self.assertEqual(told, {ids[1]})
        self.assertEqual(second.deliveries(), [])

    def test_a_part_whose_others_never_come(self) -> None:
        """DS26: it leaves alone, as it came, and has its receipt."""
        esme = self.bound()
        taken = self.taken(
            esme, text=self.part(2), esm_class=0x40, registered_delivery=1
        )
        self.delivered(taken)
        [receipt] = esme.deliveries()
        self.assertIn(f"id:{taken} ".encode(), receipt.short_message)

    def test_a_part_for_channels_that_take_texts(self) -> None:
        """DS26: refused at once, not kept for others that may never come."""
        self.channel.refuses = Error("gateway:unsupported", "needs a text")
        esme = self.bound()
        answer = esme.ask(submit(text=self.part(1), esm_class=0x40))
        self.assertEqual(answer.command_status, 0x45)
        self.assertEqual(self.result(self.journal.counts()), {})


class RestartTests(DoorTestCase):
    def test_rows_are_there(self) -> None:
        """DS8: what was answered is in the file, whoever opens it."""
        path = Path(self.mktemp())
        self.channel.down = "for a while"
        self.open(Journal(f"sqlite:///{path}", self.clock, inline=True))
        esme = self.bound()
        taken = {self.taken(esme) for _ in range(5)}
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as other:
            rows = {row[0] for row in other.execute("SELECT id FROM messages")}
        other.close()
        self.assertEqual(rows, taken)


def _numbered(pdu: SubmitSm, number: int) -> bytes:
    pdu.sequence_number = number
    return pdus.encode(pdu)
