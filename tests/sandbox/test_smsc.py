from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Charset
from gdemoi.sandbox.memory import MemoryTransport
from gdemoi.sandbox.smsc import (
    SandboxSmscSettings,
    Smsc,
    SmscPersonality,
    SmscProtocol,
    make_service,
)
from gdemoi.sandbox.smsc_messages import spelled
from gdemoi.sandbox.smsc_personality import read_personality
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.pdus import Pdu
from gdemoi.smpp.pdu.tlvs import Tag


class Far:
    """An ESME by hand: writes PDUs, collects what comes back."""

    def __init__(self, how: SmscPersonality, bind: Pdu | None = None) -> None:
        self.clock = Clock()
        self.smsc = Smsc({"esme": how}, self.clock)
        self.seen: list[Any] = []
        self.closed = False
        ours = MemoryTransport(self.clock, 0.0)
        theirs = MemoryTransport(self.clock, 0.0)
        ours.other, theirs.other = theirs, ours
        ours.protocol = self
        self.server = SmscProtocol(self.smsc)
        theirs.protocol = self.server
        self.transport = ours
        self.server.makeConnection(theirs)
        self.say(bind or pdus.BindTransceiver(system_id="esme", password=how.password))

    def dataReceived(self, data: bytes) -> None:
        while data:
            size = int.from_bytes(data[:4], "big")
            self.seen.append(pdus.decode(data[:size]))
            data = data[size:]

    def connectionLost(self, reason: Any) -> None:
        self.closed = True

    def say(self, pdu: Pdu | bytes) -> list[Any]:
        """Write a PDU and return what came back at once."""
        self.seen.clear()
        self.transport.write(pdu if isinstance(pdu, bytes) else pdus.encode(pdu))
        self.clock.advance(0)
        self.clock.advance(0)
        self.clock.advance(0)
        return list(self.seen)

    def submit(self, number: int = 2, **fields: Any) -> list[Any]:
        """Submit a message."""
        values: dict[str, Any] = {
            "source_addr": "GdeMoi",
            "destination_addr": "79161234567",
            "short_message": b"hello",
            "registered_delivery": 1,
            **fields,
        }
        return self.say(pdus.SubmitSm(sequence_number=number, **values))


class BindTests(SynchronousTestCase):
    def status_of(self, how: SmscPersonality, bind: Pdu) -> int:
        """Return the status of a bind's answer."""
        (answer,) = Far(how, bind).seen
        return int(answer.command_status)

    def test_binds(self) -> None:
        """Known logins bind; wrong ones are told which part is wrong."""
        good = SmscPersonality(password="p")
        bind = pdus.BindTransceiver(system_id="esme", password="p")
        self.assertEqual(self.status_of(good, bind), 0)
        for wrong, status in (
            (pdus.BindTransceiver(system_id="who", password="p"), 0x0F),
            (pdus.BindTransceiver(system_id="esme", password="q"), 0x0E),
        ):
            self.assertEqual(self.status_of(good, wrong), status)
        old = SmscPersonality(password="p", transceiver=False)
        self.assertEqual(self.status_of(old, bind), 0x03)
        self.assertEqual(self.status_of(SmscPersonality(refuse_bind=0x58), bind), 0x58)

    def test_what_is_not_allowed(self) -> None:
        """Submits before the bind or on a receiver, a second bind, nonsense."""
        far = Far(SmscPersonality(), pdus.EnquireLink(sequence_number=3))
        self.assertEqual(far.seen[0].sequence_number, 3)
        self.assertEqual(far.submit()[0].command_status, 0x04)
        far = Far(SmscPersonality(), pdus.BindReceiver(system_id="esme"))
        self.assertEqual(far.submit()[0].command_status, 0x04)
        again = far.say(pdus.BindReceiver(system_id="esme"))
        self.assertEqual(again[0].command_status, 0x05)
        far.say(bytes(16))
        self.assertIsInstance(far.seen[0], pdus.GenericNack)
        far.clock.advance(1)
        self.assertTrue(far.closed)

    def test_unbind(self) -> None:
        """Answered, and closed."""
        far = Far(SmscPersonality())
        (answer,) = far.say(pdus.Unbind(sequence_number=9))
        self.assertIsInstance(answer, pdus.UnbindResp)
        far.clock.advance(1)
        self.assertTrue(far.closed)
        self.assertEqual(far.smsc.sessions, [])


class MessageTests(SynchronousTestCase):
    def test_a_receipt_after_a_while(self) -> None:
        """Text and TLVs agree."""
        far = Far(SmscPersonality(receipt_delay_s=1.0))
        (answer,) = far.submit()
        self.assertEqual(answer.message_id, "1001")
        far.clock.advance(1)
        far.clock.advance(0)
        receipt = far.seen[-1]
        self.assertIsInstance(receipt, pdus.DeliverSm)
        self.assertIn(b"id:1001 sub:001 dlvrd:001", receipt.short_message)
        self.assertEqual(receipt.tlv_text(Tag.receipted_message_id), "1001")
        self.assertEqual(receipt.esm_class, 4)

    def test_no_receipt_unless_asked(self) -> None:
        """registered_delivery 0: none; 2: only of failures."""
        for wanted, to, count in ((0, "7", 1), (2, "7", 1), (2, "9", 2), (1, "7", 2)):
            far = Far(read_personality("fail=9*:UNDELIV:001 receipt_delay=0"))
            seen = far.submit(registered_delivery=wanted, destination_addr=to)
            self.assertEqual(len(seen), count, (wanted, to))

    def test_misbehaviour(self) -> None:
        """Throttling, silence, refusals by number and text, disorder, early."""
        far = Far(read_personality("throttle=2/s"))
        statuses = [far.submit(n)[0].command_status for n in range(2, 6)]
        self.assertEqual(statuses, [0, 0, 0x58, 0x58])
        far = Far(read_personality("silent=2"))
        self.assertEqual([len(far.submit(n)) for n in range(2, 6)], [1, 0, 1, 0])
        far = Far(read_personality("refuse=7999*:0x0B refuse_text=*bad*:0x45"))
        self.assertEqual(far.submit(destination_addr="7999")[0].command_status, 0x0B)
        self.assertEqual(far.submit(short_message=b"a bad")[0].command_status, 0x45)
        far = Far(read_personality("disorder=yes receipts=none"))
        far.submit(2)
        seen = far.submit(3)
        self.assertEqual([one.sequence_number for one in seen], [3, 2])
        far = Far(read_personality("early=yes"))
        first, second = far.submit()
        self.assertIsInstance(first, pdus.DeliverSm)
        self.assertIsInstance(second, pdus.SubmitSmResp)

    def test_the_tracker_answers_commands(self) -> None:
        """A text that ends in a question mark comes back as an MO."""
        far = Far(read_personality("tracker=yes receipt_delay=0 receipts=none"))
        answer, mo = far.submit(short_message=b"status?")
        self.assertEqual(answer.command_status, 0)
        self.assertEqual(mo.short_message, b"OK status")
        self.assertEqual((mo.source_addr, mo.esm_class), ("79161234567", 0))

    def test_deliveries_wait_for_a_receiver(self) -> None:
        """What came while nobody was bound is kept for the next bind."""
        far = Far(SmscPersonality())
        far.transport.abortConnection()
        far.clock.advance(0)
        far.smsc.send_mo("esme", "+7", "+3", "ж" * 100, Charset.UCS2)
        self.assertEqual(len(far.smsc._undelivered["esme"]), 2)

    def test_query(self) -> None:
        """The state of a known message; an error for another."""
        far = Far(read_personality("receipt_delay=0"))
        far.submit()
        (known,) = far.say(pdus.QuerySm(sequence_number=5, message_id="1001"))
        self.assertEqual((known.message_state, known.message_id), (2, "1001"))
        (other,) = far.say(pdus.QuerySm(sequence_number=6, message_id="7"))
        self.assertEqual(other.command_status, 0x67)

    def test_spellings(self) -> None:
        """One number in each form."""
        forms = {form: spelled(255, form) for form in ("dec", "hex", "HEX", "padded")}
        self.assertEqual(
            forms, {"dec": "255", "hex": "ff", "HEX": "FF", "padded": "0000000255"}
        )


class SettingsTests(SynchronousTestCase):
    def test_words_of_a_personality(self) -> None:
        """Each word is read, and each mistake is said."""
        how = read_personality("password=p ids=hex response_delay=50ms one_session=yes")
        self.assertEqual(
            how,
            SmscPersonality(
                password="p", ids="hex", response_delay_s=0.05, one_session=True
            ),
        )
        for bad in (
            "x",
            "colour=red",
            "ids=roman",
            "silent=-1",
            "refuse=7",
            "fail=7:X",
        ):
            with self.assertRaises(ValueError):
                read_personality(bad)

    def test_a_service(self) -> None:
        """Made from the settings; it listens only when started."""
        settings = SandboxSmscSettings(accounts={"esme": SmscPersonality()})
        service: Any = make_service(settings, Clock())
        self.assertEqual(list(service.smsc.accounts), ["esme"])
        self.assertFalse(service.running)
