"""The sandbox's GoIP box: as strict as the documents say devices are."""

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.goip.datagrams import (
    Push,
    bulk_request,
    end_request,
    number_request,
    parse,
    password_request,
)
from gdemoi.sandbox.goip_box import BoxLine, GoipBox, GoipPersonality, tracker


class BoxTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.box = GoipBox(self.clock)
        self.said: list[bytes] = []
        self.line = self.plug("a")

    def plug(self, name: str, **personality: Any) -> BoxLine:
        return self.box.add(
            name, "pw", "+7900", self.said.append, GoipPersonality(**personality)
        )

    def ask(self, *datagrams: bytes, line: BoxLine | None = None) -> list[bytes]:
        """Say datagrams to a line; return what it answered."""
        self.said.clear()
        for datagram in datagrams:
            (line or self.line).receive(datagram)
        return list(self.said)

    def send(self, sendid: int = 5, line: BoxLine | None = None) -> list[bytes]:
        """Lead an exchange to SEND; return the answer to that."""
        return self.ask(
            bulk_request(sendid, "привет".encode()),
            password_request(sendid, b"pw"),
            number_request(sendid, 1, b"+79"),
            line=line,
        )[2:]

    def test_happy_path(self) -> None:
        """PASSWORD, SEND, WAIT, and after a while OK, unasked."""
        self.assertEqual(self.ask(bulk_request(5, b"x")), [b"PASSWORD 5\n"])
        self.assertEqual(self.ask(password_request(5, b"pw")), [b"SEND 5\n"])
        self.assertEqual(self.ask(number_request(5, 1, b"+79")), [b"WAIT 5 1\n"])
        self.said.clear()
        self.clock.advance(2)
        self.assertEqual(self.said, [b"OK 5 1 1\n"])
        self.assertEqual(self.box.air, {("+79", "x"): 1})
        self.assertEqual(self.ask(end_request(5)), [b"DONE 5\n"])

    def test_same_telid_asks_and_other_telid_sends(self) -> None:
        """A repeated SEND sends nothing; a new telid does, and is seen as double."""
        self.send()
        self.clock.advance(2)
        self.assertEqual(self.ask(number_request(5, 1, b"+79")), [b"OK 5 1 1\n"])
        self.assertEqual(self.box.doubles(), {})
        self.ask(number_request(5, 2, b"+79"))
        self.clock.advance(2)
        self.assertEqual(self.box.doubles(), {("+79", "привет"): 2})

    def test_exchange_lasts_90_seconds(self) -> None:
        """Then the device knows nothing of it."""
        self.send()
        self.clock.advance(91)
        self.assertEqual(self.ask(number_request(5, 1, b"+79")), [b"ERROR 5 SENDID\n"])

    def test_five_exchanges(self) -> None:
        """The sixth MSG is rejected, whatever its line."""
        other = self.plug("b")
        for sendid in range(1, 6):
            line = other if sendid % 2 else self.line
            self.assertIn(
                b"PASSWORD", self.ask(bulk_request(sendid, b"x"), line=line)[0]
            )
        self.assertIn(b"ERROR 6", self.ask(bulk_request(6, b"x"))[0])
        self.assertEqual(self.box.crowded, 1)

    def test_wrong_password(self) -> None:
        """The exchange stays open for the right one."""
        self.ask(bulk_request(5, b"x"))
        self.assertEqual(self.ask(password_request(5, b"no")), [b"ERROR 5 PASSWORD\n"])
        self.assertEqual(self.ask(password_request(5, b"pw")), [b"SEND 5\n"])
        # without a password nothing is sent
        self.ask(bulk_request(6, b"x"))
        self.assertEqual(self.ask(number_request(6, 1, b"+79")), [b"ERROR 6 SENDID\n"])

    def test_bad_length_is_odd(self) -> None:
        """A server that counts characters is told nothing."""
        self.assertEqual(self.ask("MSG 5 6 привет\n".encode()), [])
        self.assertEqual(self.box.odd, 1)

    def test_all_forms_of_error(self) -> None:
        """Each personality says its own."""
        for number, (personality, answer) in enumerate(
            (
                ({"gsm_logout": True}, b"ERROR 5 GSM_LOGOUT\n"),
                ({"forgets": True}, b"ERROR 5 SENDID\n"),
                ({"waits_forever": True}, b"WAIT 5 1\n"),
            )
        ):
            line = self.plug(f"x{number}", **personality)
            self.assertEqual(self.send(line=line), [answer])
            self.ask(end_request(5), line=line)
        line = self.plug("e", fails={"+79": "38"})
        self.send(line=line)
        self.clock.advance(2)
        self.assertEqual(self.said[-1], b"ERROR 5 1 errorstatus:38\n")
        self.assertEqual(self.box.aired_total, 0)

    def test_receive_is_repeated_three_times(self) -> None:
        """Every 3 s, until acknowledged or given up."""
        self.line.receive_sms("+79", "hi")
        self.clock.pump([1.0] * 20)
        self.assertEqual(len(self.said), 4)
        self.assertEqual(self.line.given_up, {"RECEIVE": 1})
        self.said.clear()
        self.line.receive_sms("+79", "hi")
        found = parse(self.said[0])
        assert isinstance(found, Push)
        self.line.receive(b"RECEIVE %s OK\n" % found.count)
        self.clock.pump([1.0] * 20)
        self.assertEqual(len(self.said), 1)

    def test_long_sms_comes_in_parts(self) -> None:
        """Independent datagrams whose recvid counts down."""
        self.line.receive_sms("+79", "x" * 100)
        first, second = map(parse, self.said)
        assert isinstance(first, Push)
        assert isinstance(second, Push)
        self.assertEqual(int(first.count), int(second.count) + 1)
        self.assertEqual((first.text or b"") + (second.text or b""), b"x" * 100)

    def test_receipt_and_answer_follow(self) -> None:
        """The network delivers, and the tracker answers a question."""
        self.ask(
            bulk_request(5, b"getgps?"),
            password_request(5, b"pw"),
            number_request(5, 1, b"+79"),
        )
        self.clock.pump([0.5] * 9)
        pushes = [one for one in map(parse, self.said) if isinstance(one, Push)]
        self.assertEqual({one.verb for one in pushes}, {"DELIVER", "RECEIVE"})
        self.assertIsNone(tracker("+79", "reboot"))

    def test_keepalives(self) -> None:
        """Every 3 s until one is answered, then every 30 s; 404 is no answer."""
        self.line.start()
        self.clock.pump([1.0] * 6)
        self.line.receive(b"reg:1;status:404;")
        self.assertFalse(self.line.registered)
        self.assertEqual(
            [one[:6] for one in self.said], [b"req:1;", b"req:2;", b"req:3;"]
        )
        self.line.receive(b"reg:3;status:0;")
        self.assertTrue(self.line.registered)
        self.clock.pump([1.0] * 30)
        self.assertEqual(len(self.said), 4)
        self.line.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_orders_need_the_password(self) -> None:
        """Line commands with a wrong password do nothing."""
        self.assertEqual(self.ask(b"svr_reboot_module 5 no"), [b"ERROR 5 PASSWORD\n"])
        self.assertEqual(
            self.ask(b"svr_reboot_module 5 pw"), [b"svr_reboot_module 5 ok\n"]
        )
        self.assertEqual(self.line.rebooted, 1)
