"""Conformance cases of GoIP inbound traffic, by their numbers."""

import json

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.goip.lines import Line
from gdemoi.message import Accepted, MessageState
from tests.goip.rig import HOME, LINES, SECOND, Rig, line_settings

FULL = (
    "req:27;id:goipid1;pass:password1;num:;signal:29;gsm_status:LOGIN;"
    "voip_status:LOGOUT;voip_state:IDLE;remain_time:-1;imei:867495023958030;"
    "imsi:260060172091324;iccid:89480611000720913242;pro:POL;idle:11;"
    "disable_status:0;SMS_LOGIN:N;SMB_LOGIN:;CELLINFO:LAC:7E5,CELL ID:5E5B;CGATT:Y;"
)
SEED = (
    "RECEIVE:1270197307;id:goipid1;pass:password1;srcnum:+8613513415667;msg:just a test"
)
DELIVER = "DELIVER:1571812803;id:goipid1;password:password1;sms_no:{};state:{};num:{}"


def receive(
    text: str | bytes, recvid: int = 1, source: str = "+79160001122", more: str = ""
) -> bytes:
    """Return a RECEIVE with good credentials."""
    raw = text.encode() if isinstance(text, str) else text
    head = f"RECEIVE:{recvid};id:goipid1;password:password1;srcnum:{source};{more}msg:"
    return head.encode() + raw


class KeepaliveTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.logged: list[dict[str, object]] = []
        globalLogPublisher.addObserver(self.logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.logged.append)

    def line(self, name: str = "goipid1") -> Line:
        return self.rig.channel.lines[name]

    def test_seed_keepalive(self) -> None:
        """The seed's keepalive is answered to its source, and the line is alive."""
        answer = self.rig.asked("req:10;id:goipid1;pass:password1;")
        self.assertEqual(answer, "reg:10;status:0;")
        self.assertTrue(self.line().alive)
        self.assertIsNone(self.rig.channel.unable())

    def test_facts_are_seen(self) -> None:
        """Signal and SIM number of a keepalive show in the description."""
        answer = self.rig.asked(
            "req:1;id:goipid1;pass:password1;num:12345;signal:23;gsm_status:LOGIN;"
            "voip_status:LOGIN;"
        )
        self.assertEqual(answer, "reg:1;status:0;")
        shown = self.rig.channel.describe()["lines"][0]
        self.assertEqual((shown["signal"], shown["number"]), (23, "12345"))
        self.assertEqual((shown["state"], shown["voip_status"]), ("up", "LOGIN"))

    def test_newer_firmware(self) -> None:
        """Nineteen fields, and one that nobody knows, are taken and shown."""
        self.assertEqual(self.rig.asked(FULL + "foo:bar;"), "reg:27;status:0;")
        shown = self.rig.channel.describe()["lines"][0]
        self.assertEqual(shown["cell"], "LAC:7E5,CELL ID:5E5B")
        self.assertEqual(shown["operator"], "POL")
        self.assertEqual(shown["imei"], "867495023958030")
        self.assertEqual(shown["facts"]["foo"], "bar")
        json.dumps(self.rig.channel.describe())

    def test_vendor_status(self) -> None:
        """keepalive_ok_status = 200 answers as the vendor's server."""
        rig = Rig(keepalive_ok_status=200)
        self.assertEqual(
            rig.asked("req:10;id:goipid1;pass:password1;"), "reg:10;status:200;"
        )

    def test_wrong_password(self) -> None:
        """Silence, no address, a count, and no password in log or description."""
        self.assertIsNone(self.rig.asked("req:10;id:goipid1;pass:hunter2;"))
        self.assertIsNone(self.line().address)
        self.assertEqual(self.line().bad_auth, 1)
        self.assertEqual(self.rig.session.counts["bad_auth"], 1)
        seen = repr(self.logged) + repr(self.rig.channel.describe())
        seen += repr(self.line()) + repr(LINES)
        self.assertNotIn("hunter2", seen)
        self.assertNotIn("password1", seen)

    def test_wrong_password_with_404(self) -> None:
        """reject_reply = 404 says so, as the vendor's server."""
        rig = Rig(reject_reply="404")
        answer = rig.asked("req:10;id:goipid1;pass:wrong;")
        self.assertEqual(answer, "reg:10;status:404;")

    def test_unknown_ids(self) -> None:
        """A thousand unknown ids leave nothing behind in memory."""
        for number in range(1000):
            self.assertIsNone(self.rig.asked(f"req:1;id:who{number};pass:x;"))
            self.rig.clock.advance(0.1)
        session = self.rig.session
        self.assertEqual(session.counts["bad_auth"], 1000)
        self.assertEqual(len(session.lines), 2)
        self.assertLessEqual(len(session._by_address), 2)
        self.assertLessEqual(len(session._timers), 2)
        self.assertLess(len(session.counts), 20)
        self.assertIsNone(self.line().address)

    def test_order_does_not_matter(self) -> None:
        """Fields are found by name (the vendor's server refuses this)."""
        answer = self.rig.asked("req:11;pass:password1;id:goipid1;")
        self.assertEqual(answer, "reg:11;status:0;")

    def test_spellings(self) -> None:
        """`password:`, a trailing newline and a trailing NUL are all taken."""
        for datagram in (
            "req:1;id:goipid1;password:password1;",
            "req:1;id:goipid1;pass:password1;num:12345;\n",
            "req:1;id:goipid1;pass:password1;num:12345;\0",
            "req:1;id:goipid1;pass:password1\0",
        ):
            self.assertEqual(self.rig.asked(datagram), "reg:1;status:0;", datagram)

    def test_count_is_echoed(self) -> None:
        """The count comes back byte for byte; what is no number gets nothing."""
        answer = self.rig.asked("req:99999999999;id:goipid1;pass:password1;")
        self.assertEqual(answer, "reg:99999999999;status:0;")
        answer = self.rig.asked("req:-007;id:goipid1;pass:password1;")
        self.assertEqual(answer, "reg:-007;status:0;")
        for datagram in (
            "req:abc;id:goipid1;pass:password1;",
            "req:;id:goipid1;pass:password1;",
            "req",
        ):
            self.assertIsNone(self.rig.asked(datagram), datagram)

    def test_logged_out_of_gsm(self) -> None:
        """LOGOUT is acknowledged; nothing is sent until LOGIN."""
        rig = Rig({"goipid1": line_settings()})
        rig.register()
        first, second = rig.submit("one"), rig.submit("two")
        rig.until_send()
        rig.register(status="LOGOUT")
        self.assertEqual(rig.channel.unable(), "1 GSM LOGOUT")
        self.assertEqual(rig.recorder.changes[-2][:2], ("degraded", "GSM LOGOUT"))
        rig.heard()
        rig.say(f"OK {rig.sendid()} 1 5\n")
        rig.say(f"DONE {rig.sendid()}\n")
        rig.pass_time(20)
        self.assertIsInstance(first[0], Accepted)
        self.assertNotIn("MSG", str(rig.heard()))
        # given back before anything was sent, so that the lane keeps it
        self.assertTrue(second[0].error.retryable)  # type: ignore[union-attr]
        rig.register()
        self.assertIsNone(rig.channel.unable())

    def test_lost_keepalives(self) -> None:
        """After 96 s without a keepalive the line is down, told once; then up."""
        self.rig.register()
        self.rig.recorder.changes.clear()
        self.rig.pass_time(94.9)
        self.assertEqual(self.rig.recorder.changes, [])
        self.rig.pass_time(1.1)
        downs = [one for one in self.rig.recorder.changes if one[2] == "goipid1"]
        self.assertEqual(downs, [("down", "no keepalive", "goipid1")])
        self.rig.pass_time(300)
        self.assertEqual(len(self.rig.recorder.changes), 2)
        self.rig.register()
        self.assertIn(("up", "", "goipid1"), self.rig.recorder.changes)


class ReceiveTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.rig.register()
        self.recorder = self.rig.recorder

    def test_seed_example(self) -> None:
        """The user's document's own example, which the vendor's server refuses."""
        self.assertEqual(self.rig.asked(SEED), "RECEIVE 1270197307 OK")
        (received,) = self.recorder.inbounds
        self.assertEqual(
            (received.from_, received.text), ("+8613513415667", "just a test")
        )
        self.assertEqual((received.channel, received.line), ("office", "goipid1"))

    def test_a_sender_in_the_form_of_its_operator(self) -> None:
        """As the line's settings read it, and as it came beside that."""
        settings = {"number_format": "local", "country_code": "7", "trunk_prefix": "8"}
        rig = Rig({"goipid1": line_settings(**settings)})
        rig.register()
        rig.asked(SEED.replace("+8613513415667", "89161234567"))
        (received,) = rig.recorder.inbounds
        self.assertEqual(
            (received.from_, received.from_raw), ("+79161234567", "89161234567")
        )

    def test_a_sender_in_national_form_goes_up_as_it_came(self) -> None:
        """Without settings the line knows no country; the gateway may."""
        self.rig.asked(SEED.replace("+8613513415667", "89161234567"))
        (received,) = self.recorder.inbounds
        self.assertEqual(
            (received.from_, received.numbering), ("89161234567", "unknown")
        )

    def test_password_spelled_out(self) -> None:
        """The format line of the same document."""
        answer = self.rig.asked(SEED.replace("pass:", "password:"))
        self.assertEqual(answer, "RECEIVE 1270197307 OK")
        self.assertEqual(len(self.recorder.inbounds), 1)

    def test_repeats(self) -> None:
        """Four datagrams of one SMS get four answers and make one SMS."""
        for _ in range(4):
            self.assertEqual(self.rig.asked(SEED), "RECEIVE 1270197307 OK")
            self.rig.clock.advance(3)
        self.assertEqual(len(self.recorder.inbounds), 1)

    def test_repeats_while_the_journal_writes(self) -> None:
        """Repeats attach to the first: one SMS, one answer for each datagram."""
        self.recorder.slow = True
        for _ in range(3):
            self.assertIsNone(self.rig.asked(SEED))
        self.rig.heard()
        self.recorder.commit()
        self.assertEqual(
            [one for _, one in self.rig.heard()], ["RECEIVE 1270197307 OK\n"] * 3
        )
        self.assertEqual(len(self.recorder.inbounds), 1)

    def test_same_recvid_other_text_is_another_sms(self) -> None:
        """Counters restart; the content decides."""
        self.rig.say(receive("one"))
        self.rig.say(receive("two"))
        self.assertEqual([one.text for one in self.recorder.inbounds], ["one", "two"])

    def test_text_cannot_forge_fields(self) -> None:
        """Everything after `msg:` is text, whatever it looks like."""
        text = "a;b:c;id:goipid2;password:zz;msg:x\nsecond"
        self.assertEqual(self.rig.asked(receive(text)), "RECEIVE 1 OK")
        (received,) = self.recorder.inbounds
        self.assertEqual((received.text, received.line), (text, "goipid1"))

    def test_service_centre_number(self) -> None:
        """`smscnum` before the text is a field and no text."""
        self.rig.say(receive("hi", source="+79", more="smscnum:+7911;"))
        (received,) = self.recorder.inbounds
        self.assertEqual((received.text, received.from_), ("hi", "+79"))

    def test_empty_text_and_odd_senders(self) -> None:
        """An empty text, no sender, and a sender of letters are all SMS."""
        for recvid, (source, text) in enumerate(
            (("+7916", ""), ("", "x"), ("MegaFon", "x"))
        ):
            answer = self.rig.asked(receive(text, recvid, source))
            self.assertEqual(answer, f"RECEIVE {recvid} OK")
        received = [(one.from_, one.text) for one in self.recorder.inbounds]
        self.assertEqual(received, [("+7916", ""), ("", "x"), ("MegaFon", "x")])

    def test_utf8(self) -> None:
        """Cyrillic comes exactly; broken UTF-8 as far as readable, and whole."""
        self.rig.say(receive("Привет, «мир» 🚗", 1))
        self.assertEqual(
            self.rig.asked(receive(b"\xff\xfe\x80\x61", 2)), "RECEIVE 2 OK"
        )
        good, broken = self.recorder.inbounds
        self.assertEqual((good.text, good.binary), ("Привет, «мир» 🚗", None))
        self.assertEqual(broken.text, "\ufffd\ufffd\ufffda")
        self.assertEqual(broken.binary, b"\xff\xfe\x80\x61")

    def test_wrong_password(self) -> None:
        """ERROR to the registered address only; short, and no echo."""
        wrong = SEED.replace("password1", "wrong")
        answer = self.rig.asked(wrong)
        assert answer is not None
        head = "RECEIVE 1270197307 ERROR "
        self.assertTrue(answer.startswith(head))
        self.assertLessEqual(len(answer.removeprefix(head)), 32)
        self.assertNotIn("goipid1", answer)
        self.assertIsNone(self.rig.asked(wrong, ("127.0.0.1", 5555)))
        self.assertEqual(self.recorder.inbounds, [])

    def test_journal_down(self) -> None:
        """No acknowledgement while nothing can be written; then the first repeat."""
        self.recorder.broken = True
        for _ in range(2):
            self.assertIsNone(self.rig.asked(SEED))
            self.rig.clock.advance(3)
        self.recorder.broken = False
        self.assertEqual(self.rig.asked(SEED), "RECEIVE 1270197307 OK")
        self.assertEqual(len(self.recorder.inbounds), 1)

    def test_slow_commit(self) -> None:
        """The acknowledgement leaves with the commit, exactly once."""
        self.recorder.slow = True
        self.assertIsNone(self.rig.asked(SEED))
        self.rig.clock.advance(1.0)
        self.rig.heard()
        self.recorder.commit()
        self.assertEqual(
            [one for _, one in self.rig.heard()], ["RECEIVE 1270197307 OK\n"]
        )
        self.rig.clock.advance(2.0)
        self.assertEqual(self.rig.asked(SEED), "RECEIVE 1270197307 OK")
        self.assertEqual(len(self.recorder.inbounds), 1)

    def test_crash_before_the_acknowledgement(self) -> None:
        """After a restart the repeat bears the same dedup word."""
        self.recorder.slow = True
        self.assertIsNone(self.rig.asked(SEED))
        again = Rig()
        self.assertEqual(again.asked(SEED), "RECEIVE 1270197307 OK")
        self.assertEqual(
            self.recorder.inbounds[0].dedup, again.recorder.inbounds[0].dedup
        )
        self.assertIsNotNone(self.recorder.inbounds[0].dedup)

    def test_parts_are_told_one_by_one(self) -> None:
        """Two parts of a long SMS are two SMS, since nothing says they belong."""
        self.rig.say(receive("part one ", 100))
        self.rig.clock.advance(8)
        self.rig.say(receive("part two", 99))
        self.assertEqual(
            [(one.text, one.part) for one in self.recorder.inbounds],
            [("part one ", None), ("part two", None)],
        )

    def test_join_window(self) -> None:
        """With a window they are parts of one, in the order of recvid."""
        rig = Rig(join_window_s=60.0)
        rig.say(receive("part two", 99))
        rig.clock.advance(8)
        rig.say(receive("part one ", 100))
        rig.say(receive("other", 98, "+7000"))
        rig.clock.advance(60)
        rig.say(receive("later", 90))
        two, one, other, later = rig.recorder.inbounds
        assert one.part and two.part and other.part and later.part
        self.assertEqual(one.part.reference, two.part.reference)
        self.assertLess(one.part.number, two.part.number)
        self.assertEqual(one.join_window_s, 60.0)
        self.assertNotEqual(other.part.reference, one.part.reference)
        self.assertNotEqual(later.part.reference, one.part.reference)

    def test_inbound_teaches_the_line(self) -> None:
        """A tracker is answered from the line that it wrote to."""
        self.rig.register("goipid2", SECOND)
        self.rig.say(receive("hi", 1, "+79165550000"))
        for _ in range(3):
            self.rig.submit(to="+79165550000")
        self.assertEqual(len(self.rig.channel.lines["goipid2"].waiting), 0)
        self.assertIsNone(self.rig.channel.lines["goipid2"].exchange)


class DeliverTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig({"goipid1": line_settings()})
        self.rig.register()

    def sent(self, to: str = "+79001234567", sms_no: int = 117) -> None:
        """Send an SMS that the device takes under `sms_no`."""
        self.rig.submit(to=to)
        sendid = self.rig.until_send()
        self.rig.say(f"OK {sendid} 1 {sms_no}\n")
        self.rig.say(f"DONE {sendid}\n")
        self.rig.pass_time(3)

    def deliver(
        self,
        state: int = 0,
        sms_no: int = 117,
        num: str = "+79001234567",
        count: int = 1,
    ) -> str | None:
        return self.rig.asked(
            f"DELIVER:{count};id:goipid1;password:password1;"
            f"sms_no:{sms_no};state:{state};num:{num}"
        )

    def states(self) -> list[MessageState]:
        """Return the states of the receipts that found their message."""
        return [receipt.state for receipt, _ in self.rig.recorder.matched]

    def test_delivered(self) -> None:
        """The receipt finds its SMS; a repeat is acknowledged and told once."""
        self.sent()
        self.assertEqual(self.deliver(count=1571812803), "DELIVER 1571812803 OK")
        self.assertEqual(self.states(), [MessageState.DELIVERED])
        self.assertEqual(self.deliver(count=1571812803), "DELIVER 1571812803 OK")
        self.assertEqual(len(self.rig.recorder.receipts), 1)

    def test_states(self) -> None:
        """32 is not final, 64 is a failure, with their words."""
        self.sent()
        self.deliver(32, count=1)
        self.deliver(64, count=2)
        self.assertEqual(
            self.states(), [MessageState.ENROUTE, MessageState.UNDELIVERED]
        )
        error = self.rig.recorder.receipts[1].error
        assert error is not None
        self.assertEqual(error.code, "receipt:64")

    def test_unknown_sms_no(self) -> None:
        """It is acknowledged, kept as unmatched, and about no message."""
        self.sent()
        self.assertEqual(self.deliver(sms_no=118), "DELIVER 1 OK")
        self.assertEqual(self.states(), [])

    def test_too_old(self) -> None:
        """sms_no is a small counter: after an hour it means another SMS."""
        self.sent()
        for _ in range(61):
            self.rig.pass_time(59, 29)
            self.rig.register()
        self.assertEqual(self.deliver(), "DELIVER 1 OK")
        self.assertEqual(self.states(), [])

    def test_other_number(self) -> None:
        """The same sms_no about another phone is not ours."""
        self.sent()
        self.assertEqual(self.deliver(num="+79009999999"), "DELIVER 1 OK")
        self.assertEqual(self.states(), [])

    def test_sms_no_comes_round(self) -> None:
        """After the counter wrapped, the receipt is about the newer SMS."""
        self.sent(to="+79001110000")
        self.sent(to="+79002220000")
        self.deliver(num="+79002220000")
        self.deliver(num="+79001110000", count=2)
        about = [receipt.about for receipt, _ in self.rig.recorder.matched]
        self.assertEqual(about[0], "+79002220000")

    def test_receipt_overtakes_the_ok(self) -> None:
        """A DELIVER 50 ms before the OK waits for it, and matches."""
        self.rig.submit(to="+79001234567")
        sendid = self.rig.until_send()
        self.assertIsNone(self.deliver())
        self.rig.clock.advance(0.05)
        self.rig.heard()
        self.rig.say(f"OK {sendid} 1 117\n")
        self.assertEqual(self.states(), [MessageState.DELIVERED])
        self.assertIn("DELIVER 1 OK\n", [one for _, one in self.rig.heard()])

    def test_early_receipt_does_not_wait_forever(self) -> None:
        """After 10 s it goes to the journal's unmatched ones."""
        self.rig.submit(to="+79001234567")
        sendid = self.rig.until_send()
        self.rig.say(f"WAIT {sendid} 1\n")
        self.assertIsNone(self.deliver())
        self.rig.pass_time(10.5, 0.5)
        self.assertEqual(len(self.rig.recorder.receipts), 1)
        self.assertIn("DELIVER 1 OK\n", [one for _, one in self.rig.heard()])

    def test_receipt_after_a_restart(self) -> None:
        """A new process finds the message by the slot of time and the number."""
        self.sent()
        known = self.rig.recorder.known
        again = Rig({"goipid1": line_settings()})
        again.recorder.known = known
        again.clock.advance(self.rig.clock.seconds() - again.clock.seconds() + 1800)
        again.asked(DELIVER.format(117, 0, "+79001234567"))
        again.asked(DELIVER.format(117, 0, "+79001234568"))
        self.assertEqual(len(again.recorder.matched), 1)

    def test_receipt_settles_an_unsure_sms(self) -> None:
        """When the OK was lost, DELIVER is the late word on the same SMS."""
        outcomes = self.rig.submit(to="+79001234567")
        self.rig.until_send()
        self.rig.pass_time(30)
        self.assertEqual(type(outcomes[0]).__name__, "Uncertain")
        self.rig.register()
        self.assertEqual(self.deliver(), "DELIVER 1 OK")
        ((_, attempt, outcome),) = self.rig.recorder.lates
        assert isinstance(outcome, Accepted)
        self.assertEqual(attempt, 1)
        self.assertIn(outcome.provider_ids[0], self.rig.recorder.receipts[0].keys)
        self.deliver(sms_no=118, count=2)
        self.assertEqual(len(self.rig.recorder.lates), 1)

    def test_receipt_of_two_unsure_sms_settles_none(self) -> None:
        """With two candidates nobody can tell which."""
        for _ in range(2):
            self.rig.submit(to="+79001234567")
            self.rig.until_send()
            self.rig.pass_time(30)
            self.rig.register()
        self.deliver()
        self.assertEqual(self.rig.recorder.lates, [])

    def test_wrong_password(self) -> None:
        """A forged receipt is silence and nothing else."""
        self.sent()
        self.assertIsNone(
            self.rig.asked(
                "DELIVER:1;id:goipid1;password:wrong;sms_no:117;state:0;"
                "num:+79001234567"
            )
        )
        self.assertEqual(self.rig.recorder.receipts, [])


class OtherPushTests(SynchronousTestCase):
    def test_everything_else_is_acknowledged(self) -> None:
        """States, calls, cells and network USSD are answered, never told as SMS."""
        rig = Rig()
        rig.register()
        for number, (verb, tail) in enumerate(
            (
                ("STATE", "gsm_remain_state:DIALING:999999999"),
                ("RECORD", "dir:1;num:+79"),
                ("REMAIN", "gsm_remain_time:-1"),
                ("EXPIRY", "exp:0"),
                ("HANGUP", "num:,cause:Normal call clearing"),
                ("CELLINFO", 'info:"LAC:5815,CELL ID:9487"'),
                ("CGATT", "cgatt:Y"),
                ("BCCH", "bcch:689,638,"),
                ("CELLS", "lists:689,638,"),
                ("USSN", "msg:Balance;low\nsecond"),
                ("NUMRECORD", "x:1"),
            )
        ):
            answer = rig.asked(f"{verb}:{number};id:goipid1;password:password1;{tail}")
            self.assertEqual(answer, f"{verb} {number} OK")
        self.assertEqual(rig.recorder.inbounds, [])
        reported = rig.channel.describe()["lines"][0]["told"]
        self.assertEqual(reported["STATE"], "DIALING:999999999")
        self.assertEqual(reported["HANGUP"], ",cause:Normal call clearing")
        self.assertEqual(reported["CELLINFO"], '"LAC:5815,CELL ID:9487"')
        self.assertEqual(reported["USSN"], "Balance;low?second")

    def test_unknown_verbs(self) -> None:
        """Unknown verbs are acknowledged if wanted; lower case never."""
        datagram = "FOO:5;id:goipid1;password:password1;x:1"
        self.assertEqual(Rig().asked(datagram), "FOO 5 OK")
        self.assertIsNone(Rig(ack_unknown=False).asked(datagram))
        self.assertIsNone(Rig().asked(SEED.replace("RECEIVE", "receive")))


class PlaceTests(SynchronousTestCase):
    def test_pinned_address(self) -> None:
        """A pinned line is taken from its address only."""
        rig = Rig({"goipid1": line_settings(address=("127.0.0.1", 10991))})
        datagram = "req:1;id:goipid1;pass:password1;"
        self.assertIsNone(rig.asked(datagram, SECOND))
        self.assertIsNone(rig.asked(SEED, SECOND))
        self.assertEqual(rig.asked(datagram, HOME), "reg:1;status:0;")

    def test_living_line_moves_after_two_keepalives(self) -> None:
        """One forged keepalive does not take a living line's address."""
        rig = Rig()
        rig.register()
        rig.clock.advance(10)
        rig.register(address=SECOND)
        line = rig.channel.lines["goipid1"]
        self.assertEqual(line.address, HOME)
        rig.clock.advance(20)
        rig.register()
        rig.register(address=SECOND)
        self.assertEqual(line.address, HOME)
        rig.register(address=SECOND)
        self.assertEqual(line.address, SECOND)

    def test_silent_line_moves_at_once(self) -> None:
        """A line that was silent for a minute may be anywhere."""
        rig = Rig()
        rig.register()
        rig.clock.advance(61)
        rig.register(address=SECOND)
        self.assertEqual(rig.channel.lines["goipid1"].address, SECOND)

    def test_sms_before_the_first_keepalive(self) -> None:
        """After our restart a device may speak before it registers again."""
        rig = Rig()
        self.assertEqual(rig.asked(SEED), "RECEIVE 1270197307 OK")
        self.assertIsNone(rig.channel.lines["goipid1"].address)
