"""Receipts and inbound SMS: to whom, when, again, and never lost."""

from __future__ import annotations

from gdemoi.accounts.settings import AccountSettings
from gdemoi.message import MessageState
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.pdus import (
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    Tag,
)
from gdemoi.smppserver.settings import LongInbound, ReceiptBind, SmppClientSettings
from tests.smppserver.rig import DoorTestCase, Esme, submit

BOTH = {
    "car": SmppClientSettings(password="secret"),
    "bus": SmppClientSettings(password="secret"),
}


class ReceiptTests(DoorTestCase):
    def sent(self, esme: Esme, registered: int = 1, **fields: object) -> str:
        """Submit a message that the channel takes."""
        message_id = self.taken(esme, registered_delivery=registered, **fields)
        self.answer(message_id)
        return message_id

    def test_what_was_asked_for(self) -> None:
        """DS11: by registered_delivery and outcome, exactly."""
        delivered, failed = MessageState.DELIVERED, MessageState.UNDELIVERED
        enroute = MessageState.ENROUTE
        rows = [
            (0, delivered, []), (0, failed, []), (0, enroute, []),
            (1, delivered, ["DELIVRD"]), (1, failed, ["UNDELIV"]), (1, enroute, []),
            (2, delivered, []), (2, failed, ["UNDELIV"]), (2, enroute, []),
            (3, delivered, ["DELIVRD"]),
            (17, delivered, ["ENROUTE", "DELIVRD"]),
            (17, failed, ["ENROUTE", "UNDELIV"]),
            (17, enroute, ["ENROUTE", "ENROUTE"]),
            (16, delivered, ["ENROUTE"]),
        ]  # fmt: skip
        esme = self.bound()
        for number, (registered, state, expected) in enumerate(rows):
            to = f"791612345{number:02}"
            message_id = self.sent(esme, registered, to=to)
            self.outcome(message_id, state)
            found = esme.deliveries()
            esme.ack(*found)
            stats = [text.split("stat:")[1].split()[0] for text in self.texts(found)]
            self.assertEqual(stats, expected, (registered, state))
            for one, stat in zip(found, stats, strict=True):
                kind = 0x20 if stat == "ENROUTE" else 0x04
                self.assertEqual(one.esm_class, kind)

    def test_the_text_and_the_tlvs(self) -> None:
        """DS10, DS13: all eight fields in their order; the id is that of the answer."""
        esme = self.bound()
        message_id = self.sent(esme, text="ключ: \x00x".encode("latin-1", "replace"))
        self.clock.advance(61.0)
        self.outcome(message_id)
        [found] = esme.deliveries()
        self.assertEqual(
            found.short_message.decode(),
            f"id:{message_id} sub:001 dlvrd:001 submit date:2611181106"
            " done date:2611181107 stat:DELIVRD err:000 text:????: @x",
        )
        self.assertEqual(found.tlv_text(Tag.receipted_message_id), message_id)
        value = found.tlv(Tag.receipted_message_id)
        assert value is not None
        self.assertEqual(value[-1:], b"\0")
        self.assertEqual(found.tlv_int(Tag.message_state), 2)

    def test_no_tlvs_for_3_3(self) -> None:
        """DS13: and the id is the short one."""
        esme = self.bound(version=0x33)
        message_id = self.sent(esme)
        self.outcome(message_id)
        [found] = esme.deliveries()
        self.assertEqual(found.tlvs, ())
        self.assertTrue(found.short_message.startswith(f"id:{message_id} ".encode()))

    def test_addresses_as_they_were_written(self) -> None:
        """DS12: swapped, with their TON and NPI, octet for octet."""
        esme = self.bound()
        for source, destination in (
            ((5, 0, "GdeMoi"), (1, 1, "+79161234561")),
            ((3, 0, "7777"), (1, 1, "79161234562")),
            ((1, 1, "79990001122"), (0, 0, "89161234563")),
        ):
            message_id = self.sent(
                esme,
                source_addr_ton=source[0],
                source_addr_npi=source[1],
                source_addr=source[2],
                dest_addr_ton=destination[0],
                dest_addr_npi=destination[1],
                to=destination[2],
                service_type="CMT",
            )
            self.outcome(message_id)
            [one] = esme.deliveries()
            esme.ack(one)
            told = (one.source_addr_ton, one.source_addr_npi, one.source_addr)
            self.assertEqual(told, destination)
            told = (one.dest_addr_ton, one.dest_addr_npi, one.destination_addr)
            self.assertEqual(told, source)
            self.assertEqual(one.service_type, "CMT")
            self.assertEqual((one.data_coding, one.registered_delivery), (0, 0))

    def test_nobody_is_bound(self) -> None:
        """DS14: it comes at the next bind, after its answer, and once."""
        esme = self.bound()
        message_id = self.sent(esme)
        esme.hang_up()
        self.outcome(message_id)
        self.clock.advance(3600.0)
        self.bound(BindTransmitter)
        again = self.esme()
        again.send(BindTransceiver(system_id="car", password="secret"))
        answer, receipt = again.read()
        self.assertIsInstance(answer, pdus.BindTransceiverResp)
        self.assertIn(message_id, receipt.short_message.decode())
        again.ack(receipt)
        self.clock.advance(1.0)
        again.hang_up()
        self.assertEqual(self.bound().deliveries(), [])

    def test_after_a_restart(self) -> None:
        """DS14: what was acknowledged does not come again, all else does."""
        self.url = f"sqlite:///{self.mktemp()}"
        esme = self.bound()
        ids = [self.sent(esme, to=f"7916123456{n}") for n in range(3)]
        self.outcome(ids[0])
        esme.ack(*esme.deliveries())
        self.outcome(ids[1])
        self.outcome(ids[2])
        first, second = esme.deliveries()
        esme.ack(second)
        self.close()
        self.esmes.clear()
        found = self.bound().deliveries()
        self.assertEqual(self.texts(found), self.texts([first]))

    def test_dropped_without_an_answer(self) -> None:
        """DS15: the same receipt comes again over the next bind."""
        esme = self.bound()
        message_id = self.sent(esme)
        self.outcome(message_id)
        [first] = esme.deliveries()
        esme.hang_up(clean=False)
        self.clock.advance(1.0)
        [second] = self.bound().deliveries()
        self.assertEqual(first.short_message, second.short_message)

    def test_which_bind(self) -> None:
        """DS16: the one that submitted; then another, never a foreign one."""
        self.accounts = {"car": AccountSettings(), "bus": AccountSettings()}
        self.clients = dict(BOTH)
        first, second = self.bound(), self.bound()
        foreign = self.bound(system_id="bus")
        one = self.sent(second, to="79161234561")
        two = self.sent(second, to="79161234562")
        self.outcome(one)
        self.assertEqual(first.deliveries(), [])
        [found] = second.deliveries()
        second.ack(found)
        second.hang_up()
        self.clock.advance(2.0)
        self.outcome(two)
        self.assertEqual(len(first.deliveries()), 1)
        self.assertEqual(foreign.deliveries(), [])

    def test_a_transmitter_and_a_receiver(self) -> None:
        """DS16, DS17: on the receiver, and not within a second of the answer."""
        sender, receiver = self.bound(BindTransmitter), self.bound(BindReceiver)
        message_id = self.sent(sender)
        self.outcome(message_id)
        self.assertEqual(receiver.deliveries(), [])
        self.clock.advance(1.0)
        self.assertEqual(len(receiver.deliveries()), 1)
        self.assertEqual(sender.deliveries(), [])

    def test_only_an_address_of_the_same_host(self) -> None:
        """`receipt_bind = same_ip`, while one is there."""
        self.clients["car"] = SmppClientSettings(
            password="secret", receipt_bind=ReceiptBind.SAME_IP
        )
        sender = self.bound(BindTransmitter, host="10.0.0.1")
        other = self.bound(host="10.0.0.2")
        same = self.bound(BindReceiver, host="10.0.0.1")
        message_id = self.sent(sender)
        self.clock.advance(2.0)
        self.outcome(message_id)
        self.assertEqual((len(same.deliveries()), len(other.deliveries())), (1, 0))

    def test_a_receipt_never_comes_before_the_answer(self) -> None:
        """DS17: the network tells everything at once, a thousand times."""
        self.clients["car"] = SmppClientSettings(password="secret", deliver_window=9999)
        self.channel.window = 5000
        esme = self.bound()
        seen: set[str] = set()
        for number in range(1000):
            esme.send(submit(to=f"7916{number:07}", registered_delivery=1))
            message_id = self.channel.ids[-1]
            self.delivered(message_id)
            for one in esme.read():
                if isinstance(one, pdus.SubmitSmResp):
                    seen.add(one.message_id)
                else:
                    told = one.tlv_text(Tag.receipted_message_id)
                    self.assertIn(told, seen)
                    esme.ack(one)
        self.assertEqual(len(seen), 1000)

    def test_the_client_cannot_take_it_now(self) -> None:
        """DS18: 0x64 comes again later, and the next ones flow meanwhile."""
        esme = self.bound()
        one = self.sent(esme, to="79161234561")
        two = self.sent(esme, to="79161234562")
        self.outcome(one)
        [found] = esme.deliveries()
        esme.ack(found, status=0x64)
        self.outcome(two)
        [next_] = esme.deliveries()
        self.assertIn(two, next_.short_message.decode())
        esme.ack(next_)
        for pause_s in (5.0, 10.0, 20.0):
            self.clock.advance(pause_s - 0.5)
            self.assertEqual(esme.deliveries(), [])
            self.clock.advance(0.5)
            [again] = esme.deliveries()
            self.assertEqual(again.short_message, found.short_message)
            esme.ack(again, status=0x64)
        self.clock.pump([10.0] * 5)
        esme.ack(*esme.deliveries())
        self.clock.pump([10.0] * 50)
        self.assertEqual(esme.deliveries(), [])

    def test_the_client_refuses_it(self) -> None:
        """DS18: after three 0x65 it is given up, told and counted; others go on."""
        esme = self.bound()
        message_id = self.sent(esme)
        self.outcome(message_id)
        for _ in range(3):
            [found] = esme.deliveries()
            esme.ack(found, status=0x65)
            self.clock.advance(5.0)
        self.assertEqual(esme.deliveries(), [])
        waiting = self.door.clients["car"].deliveries
        self.assertEqual((waiting.parked, waiting.waiting), (1, 0))
        self.assertIn(message_id, waiting.last_parked)
        other = self.sent(esme, to="79161234599")
        self.outcome(other)
        self.assertEqual(len(esme.deliveries()), 1)

    def test_a_client_that_never_answers(self) -> None:
        """DS19: `deliver_window` outstanding, then the end; nothing is lost."""
        self.clients["car"] = SmppClientSettings(password="secret", deliver_window=4)
        self.channel.window = 100
        esme = self.bound()
        ids = [self.sent(esme, to=f"791612345{n:02}") for n in range(30)]
        for message_id in ids:
            self.outcome(message_id)
        self.assertEqual(len(esme.deliveries()), 4)
        for _ in range(7):
            self.clock.advance(10.0)
            esme.send(pdus.EnquireLink())
        found = esme.read()
        self.assertTrue(any(isinstance(one, pdus.Unbind) for one in found))
        self.assertFalse(esme.connection.session.bound)
        esme.hang_up()
        again = self.bound()
        told = set()
        while found := again.deliveries():
            told |= {one.tlv_text(Tag.receipted_message_id) for one in found}
            again.ack(*found)
        self.assertEqual(told, set(ids))

    def test_a_client_that_is_slow_holds_up_only_itself(self) -> None:
        """Another account gets its receipts."""
        self.accounts = {"car": AccountSettings(), "bus": AccountSettings()}
        self.clients = dict(BOTH)
        self.channel.window = 100
        slow, quick = self.bound(), self.bound(system_id="bus")
        for number in range(20):
            self.outcome(self.sent(slow, to=f"791612345{number:02}"))
        message_id = self.sent(quick, to="79161234577")
        self.outcome(message_id)
        self.assertEqual(len(quick.deliveries()), 1)

    def test_too_old(self) -> None:
        """After `event_ttl` it is given up, and told."""
        self.clients["car"] = SmppClientSettings(password="secret", event_ttl_s=3600.0)
        esme = self.bound()
        message_id = self.sent(esme)
        esme.hang_up()
        self.outcome(message_id)
        self.clock.advance(3601.0)
        again = self.bound()
        self.assertEqual(again.deliveries(), [])
        self.assertEqual(self.door.clients["car"].deliveries.parked, 1)
        self.assertEqual(len(self.flushLoggedErrors()), 0)

    def test_channels_without_receipts(self) -> None:
        """DELIVRD is never invented: nothing is told, or ACCEPTD."""
        from gdemoi.message import Accepted

        for word, expected in (("none", []), ("accepted", ["ACCEPTD"])):
            self.clients["car"] = SmppClientSettings(
                password="secret", no_receipt_channel=word
            )
            self.open()
            esme = self.bound()
            message_id = self.taken(esme, registered_delivery=1)
            self.channel.answer(
                Accepted(receipt_expected=False), self.channel.ids.index(message_id)
            )
            texts = self.texts(esme.deliveries())
            stats = [text.split("stat:")[1].split()[0] for text in texts]
            self.assertEqual(stats, expected)
            self.close()
            self.esmes.clear()
            self.channel.submitted.clear()


class InboundTests(DoorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.accounts = {
            "car": AccountSettings(numbers=("7777",)),
            "bus": AccountSettings(inbound_channels=("b",)),
        }
        self.clients = dict(BOTH)

    def test_to_the_account_of_the_number(self) -> None:
        """And to nobody else; esm_class 0, from the phone to our number."""
        car, bus = self.bound(), self.bound(system_id="bus")
        self.arrive("привет")
        [one] = car.deliveries()
        car.ack(one)
        self.assertEqual(one.esm_class, 0)
        self.assertEqual((one.source_addr_ton, one.source_addr), (1, "79161234567"))
        self.assertEqual((one.destination_addr, one.data_coding), ("7777", 8))
        self.assertEqual(one.short_message.decode("utf-16-be"), "привет")
        self.assertEqual(bus.deliveries(), [])
        self.arrive("ping", channel="b", to="1234")
        self.assertEqual(car.deliveries(), [])
        [one] = bus.deliveries()
        self.assertEqual((one.data_coding, one.short_message), (0, b"ping"))

    def test_waits_for_a_bind(self) -> None:
        """In order, with the receipts."""
        self.open()
        for text in ("one", "two", "three"):
            self.arrive(text)
        self.bound(BindTransmitter)
        receiver = self.bound(BindReceiver)
        found = self.door.clients["car"].deliveries
        self.assertEqual(found.waiting, 3)
        texts = [one.short_message for one in receiver.deliveries()]
        self.assertEqual(texts, [b"one", b"two", b"three"])

    def test_long_ones(self) -> None:
        """In parts with a header, at most 254 octets each, all octets of the text."""
        car = self.bound()
        text = "я" * 200
        self.arrive(text, segments=3)
        found = car.deliveries()
        self.assertEqual([one.esm_class for one in found], [0x40] * 3)
        heads = [one.short_message[:6] for one in found]
        self.assertEqual({head[:4] for head in heads}, {heads[0][:4]})
        self.assertEqual([(h[4], h[5]) for h in heads], [(3, 1), (3, 2), (3, 3)])
        joined = b"".join(one.short_message[6:] for one in found)
        self.assertEqual(joined.decode("utf-16-be"), text)
        self.assertTrue(all(len(one.short_message) <= 254 for one in found))
        car.ack(*found)
        self.clock.advance(1.0)
        self.assertEqual(self.door.clients["car"].deliveries.waiting, 0)

    def test_a_part_that_is_not_taken(self) -> None:
        """Comes again alone, and the whole is settled when all are taken."""
        car = self.bound()
        self.arrive("x" * 400, segments=3)
        first, second, third = car.deliveries()
        car.ack(first)
        car.ack(second, status=0x64)
        car.ack(third)
        self.assertEqual(self.door.clients["car"].deliveries.waiting, 1)
        self.clock.advance(5.0)
        [again] = car.deliveries()
        self.assertEqual(again.short_message, second.short_message)
        car.ack(again)
        self.assertEqual(self.door.clients["car"].deliveries.waiting, 0)

    def test_as_one_payload(self) -> None:
        """`mo_long = payload`, for clients of 3.4."""
        self.clients["car"] = SmppClientSettings(
            password="secret", mo_long=LongInbound.PAYLOAD
        )
        car = self.bound()
        self.arrive("x" * 400)
        [one] = car.deliveries()
        self.assertEqual(one.tlv(Tag.message_payload), b"x" * 400)
        self.assertEqual(one.short_message, b"")

    def test_octets(self) -> None:
        """Binary SMS keep them, and their header."""
        car = self.bound()
        header = bytes.fromhex("0605040b8423f0")
        octets = bytes(range(100))
        self.arrive(text=None, binary=octets, udh=header, charset="binary")
        [one] = car.deliveries()
        self.assertEqual((one.esm_class, one.data_coding), (0x40, 4))
        self.assertEqual(one.short_message, header + octets)


class UnreadableTests(DoorTestCase):
    def test_an_event_that_cannot_be_read(self) -> None:
        """Stops nobody: it is told and passed, receipts and SMS behind it come."""
        self.accounts = {"car": AccountSettings(numbers=("*",))}
        esme = self.bound()
        broken = self.journal._writes.put(
            self.journal._transaction.publish, "inbound.a", "e-broken", b"{"
        )
        self.result(broken)
        self.arrive("after it")
        self.assertEqual(self.texts(esme.deliveries()), ["after it"])


class ChangedClientTests(DoorTestCase):
    def test_what_waits_is_for_the_next_session(self) -> None:
        """A client whose section changed gets its receipts when it binds again."""
        esme = self.bound()
        ids = [
            self.taken(esme, to=f"7916123456{n}", registered_delivery=1) for n in "12"
        ]
        for message_id in ids:
            self.delivered(message_id)
        first, _ = esme.deliveries()
        esme.ack(first)
        changed = {"car": SmppClientSettings(password="secret", window=7)}
        self.result(self.door.change(changed, ()))
        self.assertTrue(any(isinstance(one, pdus.Unbind) for one in esme.read()))
        esme.hang_up()
        self.clock.advance(2.0)
        [found] = self.bound().deliveries()
        self.assertIn(ids[1], found.short_message.decode())

    def test_while_clients_change(self) -> None:
        """A bind is asked to come again: 0x08, no error about the password."""
        self.open()
        self.door._changing = True
        self.assertEqual(self.esme().bind().command_status, 0x08)


class AmongGatewaysTests(DoorTestCase):
    """Where gateways share the journal: one of those it is bound to tells a client."""

    leads = False

    def test_by_turns(self) -> None:
        """Nothing while another does; then what that one had not come to, once."""
        esme = self.bound()
        ids = [
            self.taken(esme, to=f"7916123456{n}", registered_delivery=1) for n in "123"
        ]
        self.delivered(ids[0])
        self.assertEqual(esme.deliveries(), [])
        self.assertEqual(self.door.wished(), {"car"})
        self.result(self.door.lead("car"))
        self.delivered(ids[1])
        self.clock.advance(1.0)
        found = esme.deliveries()
        texts = [one.short_message.decode() for one in found]
        self.assertEqual(len(texts), 2)
        for message_id, text in zip(ids, texts, strict=False):
            self.assertIn(message_id, text)
        esme.ack(*found)
        self.result(self.door.follow("car"))
        self.delivered(ids[2])
        self.assertEqual(esme.deliveries(), [])
        self.result(self.door.lead("car"))
        self.clock.advance(1.0)
        [last] = esme.deliveries()
        self.assertIn(ids[2], last.short_message.decode())
        esme.ack(last)
        esme.hang_up()
        self.assertEqual(self.door.wished(), set())
