"""Conformance cases of hostile GoIP datagrams, by their numbers."""

import json
from random import Random

import msgspec
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.goip.inbound import TABLE_LIMIT, SourceFilter
from tests.goip.rig import HOME, Rig

STRANGER = ("198.51.100.9", 4321)
GOOD = "req:1;id:goipid1;pass:password1;"
RECEIVE = "RECEIVE:{};id:goipid1;password:password1;srcnum:+79;msg:"


class HostileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.rig.register()
        self.logged: list[dict[str, object]] = []
        globalLogPublisher.addObserver(self.logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.logged.append)

    def is_alive(self) -> bool:
        """Whether the server still answers a good keepalive."""
        return self.rig.asked(GOOD) == "reg:1;status:0;"

    def test_overlong_ids(self) -> None:
        """What kills the vendor's server is met with silence."""
        for tail in (b"A" * 100, b"A" * 60_000, b"goip\0id1;pass:password1;"):
            self.assertEqual(self.rig.say(b"req:50;id:" + tail, STRANGER), [])
            self.assertTrue(self.is_alive())

    def test_overlong_texts(self) -> None:
        """3000 bytes of text are taken, 3001 are not."""
        for length, answered in ((2990, True), (3000, True), (3001, False)):
            answer = self.rig.asked(RECEIVE.format(length) + "x" * length)
            self.assertEqual(answer is not None, answered, length)
        self.assertEqual(
            [len(i.text or "") for i in self.rig.recorder.inbounds], [2990, 3000]
        )
        self.assertTrue(self.is_alive())

    def test_garbage(self) -> None:
        """Broken datagrams are silence, and nearly none reaches the log."""
        for datagram in (
            b"", b"\0\1\2", b":::;;;", b"RECEIVE", b"RECEIVE:1", b"RECEIVE:1;",
        ):  # fmt: skip
            self.assertEqual(self.rig.say(datagram, STRANGER), [], datagram)
        self.logged.clear()
        random = Random(7)
        for _ in range(1000):
            garbage = random.randbytes(65_507)
            self.assertEqual(self.rig.say(garbage, STRANGER), [])
            self.rig.clock.advance(0.02)
        self.assertLess(len(self.logged), 10)
        self.assertTrue(self.is_alive())

    def test_data_stays_data(self) -> None:
        """SQL, shell and JSON in an SMS go through as text, on one log line."""
        texts = ("$(reboot)", '\n{"a":1}', "a\r\nb")
        source = "x' or '1'='1"
        for number, text in enumerate(texts):
            self.rig.say(
                f"RECEIVE:{number};id:goipid1;password:password1;srcnum:{source};"
                f"msg:{text}"
            )
        received = self.rig.recorder.inbounds
        self.assertEqual([(one.from_, one.text) for one in received],
                         [(source, text) for text in texts])  # fmt: skip
        for one in received:
            self.assertEqual(json.loads(msgspec.json.encode(one))["text"], one.text)
        self.rig.say(f"req:2;id:goipid1;pass:password1;pro:a\nb;num:{source};")
        self.rig.say(
            "DELIVER:9;id:goipid1;password:password1;sms_no:5;state:0;num:a\nb"
        )
        shown = json.dumps(self.rig.channel.describe())
        self.assertNotIn("a\\nb", shown)
        for event in self.logged:
            self.assertNotIn("\n", str(event["log_format"]).format(**event))

    def test_control_words(self) -> None:
        """The vendor server's unauthenticated control words do nothing."""
        for datagram in (
            "START 777 10.0.0.1 9\n", "CRON", "goip", "SYSTEM_SAVE",
            "AUTO_SEND 1", "recharge", "DONE 1", "OK 1 1 5", "GSM:1;get_gsm_num:1",
        ):  # fmt: skip
            self.assertEqual(self.rig.say(datagram, STRANGER), [], datagram)
            self.assertEqual(self.rig.say(datagram, HOME), [], datagram)

    def test_flood(self) -> None:
        """200 datagrams a second from one source do not silence a good line."""
        parsed_before = self.rig.session.counts["odd"]
        for tenth in range(50):
            for _ in range(20):
                self.rig.say("req:1;id:goipid1;pass:wrong;", STRANGER)
                self.rig.say("x", ("127.0.0.1", 6666))
            if tenth % 10 == 0:
                self.assertTrue(self.is_alive())
            self.rig.clock.advance(0.1)
        taken = self.rig.session.counts["odd"] - parsed_before
        # two sources, 5 s of 50 a second and the first burst of 100
        self.assertLessEqual(taken, 2 * (5 * 50 + 100))
        self.assertGreater(self.rig.session.counts["limited"], 1000)

    def test_forged_sources_do_not_grow_memory(self) -> None:
        """A flood from ever new addresses fills no table."""
        sources = SourceFilter(50.0, ())
        for number in range(3 * TABLE_LIMIT):
            host = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            sources.admit((host, 1), False, float(number))
        self.assertLessEqual(len(sources), TABLE_LIMIT)

    def test_strangers_share_a_limit(self) -> None:
        """Forging many sources does not buy more than all strangers may have."""
        sources = SourceFilter(50.0, (), strangers_rate=100.0)
        taken = sum(
            sources.admit((f"10.0.{n >> 8}.{n & 255}", 1), False, 0.0)
            for n in range(1000)
        )
        self.assertEqual(taken, 100)
        self.assertTrue(sources.admit(HOME, True, 0.0))

    def test_allow_src(self) -> None:
        """Outside of allow_src even good credentials are met with silence."""
        rig = Rig(allow_src=("127.0.0.0/8", "2001:db8::/32"))
        self.assertIsNone(rig.asked(GOOD, STRANGER))
        self.assertIsNone(rig.asked(GOOD, ("not an address", 1)))
        self.assertEqual(rig.asked(GOOD, HOME), "reg:1;status:0;")
        self.assertEqual(rig.asked(GOOD, ("2001:db8::5", 9)), "reg:1;status:0;")

    def test_no_amplification(self) -> None:
        """Nobody without a password gets more bytes than were sent."""
        rig = Rig(reject_reply="404")
        rig.register()
        random = Random(3)
        datagrams = [
            b"req:1;", b"req:1;id:x;", b"req:10;id:goipid1;pass:wrong;",
            b"req:50;id:" + b"A" * 100, b"RECEIVE:1;id:goipid1;msg:",
            b"RECEIVE:1;id:goipid1;password:x;srcnum:;msg:", b"RECEIVE:1;;msg:",
            b"RECEIVE:1270197307;id:goipid1;pass:no;srcnum:+86;msg:just a test",
            b"START 777 10.0.0.1 9\n", b"goip", b"CRON", b":::;;;", b"",
            *(random.randbytes(random.randrange(100)) for _ in range(300)),
        ]  # fmt: skip
        for datagram in datagrams:
            for address in (HOME, STRANGER):
                answers = rig.say(datagram, address)
                self.assertLessEqual(len(answers), 1)
                self.assertLessEqual(sum(map(len, answers)), len(datagram), datagram)
                rig.clock.advance(0.1)

    def test_stray_answers_do_not_touch_an_exchange(self) -> None:
        """An answer from elsewhere, or under another sendid, does not count."""
        self.rig.submit()
        sendid = self.rig.sendid()
        self.rig.heard()
        for address in (STRANGER, ("127.0.0.1", 10992)):
            self.rig.say(f"PASSWORD {sendid}\n", address)
        self.rig.say(f"PASSWORD {sendid + 1}\n")
        self.assertEqual(self.rig.heard(), [])
        self.rig.until_send()
        self.rig.heard()
        self.rig.say(f"OK {sendid} 1 5\n", STRANGER)
        self.rig.say(f"OK {sendid} 2 5\n")
        self.rig.say(f"OK {sendid}\n")
        self.assertEqual(self.rig.heard(), [])

    def test_arrivals_are_bounded(self) -> None:
        """A journal that hangs does not let the table of arrivals grow forever."""
        rig = Rig(source_rate=None)
        rig.register()
        rig.recorder.slow = True
        for number in range(5000):
            rig.say(RECEIVE.format(number) + "x")
        self.assertLessEqual(len(rig.recorder.inbounds), 2000)
        rig.recorder.slow = False
        rig.recorder.commit()
        self.assertEqual(rig.asked(RECEIVE.format(4999) + "x"), "RECEIVE 4999 OK")
