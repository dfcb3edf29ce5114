"""Conformance cases of GoIP sending, by their numbers; the test is the device."""

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Accepted, MessageClass, Outcome, Refused, Scope, Uncertain
from tests.goip.rig import HOME, SECOND, Rig, line_settings

ONE = {"goipid1": line_settings()}


class SendingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig(ONE)
        self.rig.register()
        self.rig.heard()

    def submitted(self) -> tuple[int, list[Outcome]]:
        """Lead an SMS to SEND; return its sendid and where its outcome comes."""
        outcomes = self.rig.submit()
        sendid = self.rig.until_send()
        self.rig.heard()
        return sendid, outcomes

    def words(self) -> list[tuple[float, str]]:
        """Return (time, word) of what was written since the last look."""
        start = self.rig.socket.written[0][0]
        return [(at - start, one.split()[0]) for at, one in self.rig.heard()]

    def test_happy_path(self) -> None:
        """Byte for byte what the vendor's server wrote."""
        outcomes = self.rig.submit("hello", to="+8613800138000")
        s = self.rig.sendid()
        self.rig.say(f"PASSWORD {s}\n")
        self.rig.say(f"SEND {s}\n")
        self.rig.say(f"WAIT {s} 1\n")
        self.rig.clock.advance(2.5)
        self.rig.say(f"OK {s} 1 117\n")
        self.rig.say(f"DONE {s}\n")
        self.assertEqual(
            [datagram for _, datagram in self.rig.heard()],
            [
                f"MSG {s} 5 hello\n",
                f"PASSWORD {s} password1\n",
                f"SEND {s} 1 +8613800138000\n",
                f"DONE {s}\n",
            ],
        )
        (outcome,) = outcomes
        assert isinstance(outcome, Accepted)
        self.assertEqual(outcome.line, "goipid1")
        self.assertTrue(outcome.provider_ids[0].startswith("goipid1:117:"))
        self.rig.pass_time(60)
        self.assertEqual(self.rig.heard(), [])

    def test_texts(self) -> None:
        """The length counts UTF-8 bytes; newlines and quotes go as they are."""
        for text in ("Привет", 'one\ntwo "three"', "  leading; trailing  "):
            rig = Rig(ONE)
            rig.register()
            rig.heard()
            rig.submit(text)
            octets = text.encode()
            _, datagram, _ = rig.socket.written[-1]
            expected = b"MSG %d %d %s\n" % (rig.sendid(), len(octets), octets)
            self.assertEqual(datagram, expected)

    def test_longest_text(self) -> None:
        """3000 bytes are taken, 3001 and what needs 16 SMS never reach the wire."""
        rig = Rig(ONE)
        rig.register()
        rig.submit("中" * 1000)
        self.assertIn(b" 3000 ", rig.socket.written[-1][1][:30])
        patient = Rig(ONE, max_segments=20)
        self.assertNotIsInstance(
            patient.channel.prepare(self.rig.message("x" * 3000)), Refused
        )
        prepare = self.rig.channel.prepare
        fits = prepare(self.rig.message("x" * 2295))
        assert not isinstance(fits, Refused)
        self.assertEqual(fits.segments, 15)
        for text, why in (
            ("x" * 2296, "16 segments of 15"),
            ("x" * 3001, "3001 bytes of 3000"),
            ("щ" * 1501, "3002 bytes of 3000"),
        ):
            refused = prepare(self.rig.message(text))
            assert isinstance(refused, Refused)
            self.assertEqual(refused.error.code, "gateway:too_long")
            self.assertEqual(refused.error.text, why)
        self.assertEqual(self.rig.heard(), [])

    def test_silence_after_msg(self) -> None:
        """MSG four times, DONE at 20 s, and another try is safe."""
        outcomes = self.rig.submit()
        self.rig.pass_time(20.5, 0.5)
        self.assertEqual(
            self.words(),
            [(0, "MSG"), (5, "MSG"), (10, "MSG"), (15, "MSG"), (20, "DONE")],
        )
        (outcome,) = outcomes
        assert isinstance(outcome, Refused)
        self.assertTrue(outcome.error.retryable)
        self.assertEqual(outcome.error.code, "goip:silence")

    def test_silence_after_password(self) -> None:
        """The same pattern with PASSWORD."""
        outcomes = self.rig.submit()
        self.rig.say(f"PASSWORD {self.rig.sendid()}\n")
        self.rig.heard()
        self.rig.pass_time(20.5, 0.5)
        self.assertEqual(
            self.words(), [(5, "PASSWORD"), (10, "PASSWORD"), (15, "PASSWORD"),
                           (20, "DONE")],
        )  # fmt: skip
        self.assertIsInstance(outcomes[0], Refused)

    def test_silence_after_send(self) -> None:
        """SEND four times with one telid, DONE, and nobody knows: never again."""
        sendid, outcomes = self.submitted()
        self.rig.pass_time(20.5, 0.5)
        again = f"SEND {sendid} 1 +8613800138000\n"
        self.assertEqual(
            self.rig.heard(),
            [(5, again), (10, again), (15, again), (20, f"DONE {sendid}\n")],
        )
        self.assertIsInstance(outcomes[0], Uncertain)
        self.rig.pass_time(70)
        self.assertNotIn("SEND", str(self.rig.heard()))

    def test_wait_then_ok(self) -> None:
        """A pushed OK within the poll interval: no second SEND."""
        sendid, outcomes = self.submitted()
        self.rig.say(f"WAIT {sendid} 1\n")
        self.rig.pass_time(4.5, 0.5)
        self.assertEqual(self.rig.heard(), [])
        self.rig.say(f"OK {sendid} 1 160\n")
        self.assertIsInstance(outcomes[0], Accepted)
        self.assertEqual([one for _, one in self.words()], ["DONE"])

    def test_ok_when_polled(self) -> None:
        """OK as the answer to the repeated SEND (2015 figure)."""
        sendid, outcomes = self.submitted()
        self.rig.say(f"WAIT {sendid} 1\n")
        self.rig.pass_time(5, 0.5)
        self.assertEqual(self.words(), [(5, "SEND")])
        self.rig.say(f"OK {sendid} 1 160\n")
        self.assertIsInstance(outcomes[0], Accepted)

    def test_passive(self) -> None:
        """poll_interval = 0 never sends a second SEND after WAIT."""
        rig = Rig(ONE, poll_interval_s=0.0)
        rig.register()
        outcomes = rig.submit()
        sendid = rig.until_send()
        rig.say(f"WAIT {sendid} 1\n")
        rig.heard()
        rig.pass_time(60)
        self.assertEqual(rig.heard(), [])
        rig.say(f"OK {sendid} 1\n")
        self.assertIsInstance(outcomes[0], Accepted)

    def test_wait_forever(self) -> None:
        """The exchange ends before the device's 90 s, and nobody knows."""
        sendid, outcomes = self.submitted()
        for _ in range(85):
            self.rig.say(f"WAIT {sendid} 1\n")
            if self.rig.clock.seconds() % 30 == 0:
                self.rig.register()
            self.rig.clock.advance(1)
        done = [at for at, word in self.words() if word == "DONE"]
        self.assertEqual(done, [85.0])
        self.assertIsInstance(outcomes[0], Uncertain)

    def test_forms_of_ok(self) -> None:
        """Two numbers or three, with a trailing blank or without newline."""
        for form, numbered in (
            ("OK {} 1\n", False), ("OK {} 1 160\n", True),
            ("OK {} 1 160 \n", True), ("OK {} 1 160", True),
        ):  # fmt: skip
            rig = Rig(ONE)
            rig.register()
            outcomes = rig.submit()
            rig.say(form.format(rig.until_send()))
            (outcome,) = outcomes
            assert isinstance(outcome, Accepted)
            self.assertEqual(bool(outcome.provider_ids), numbered, form)
            self.assertEqual(outcome.receipt_expected, numbered)
            if numbered:
                self.assertIn(":160:", outcome.provider_ids[0])

    def test_error_status(self) -> None:
        """The code reaches the outcome; a code is not always there."""
        for tail, code, retryable in (
            ("errorstatus:38", "goip:38", True),
            ("errorstatus:1", "goip:1", True),
            ("errorstatus:", "goip:error", True),
            ("errorstatus:21", "goip:21", False),
            ("errorstatus:310", "goip:310", True),
        ):
            rig = Rig(ONE)
            rig.register()
            outcomes = rig.submit()
            sendid = rig.until_send()
            rig.heard()
            rig.say(f"ERROR {sendid} 1 {tail}\n")
            (outcome,) = outcomes
            assert isinstance(outcome, Refused)
            self.assertEqual(outcome.error.code, code)
            self.assertEqual(outcome.error.retryable, retryable)
            self.assertEqual([one for _, one in rig.heard()], [f"DONE {sendid}\n"])

    def test_a_long_command_that_may_be_half_out(self) -> None:
        """The line is lost behind a first segment: no second try."""
        for text, kind, sure in (
            ("x" * 300, MessageClass.COMMAND, False),
            ("x" * 300, MessageClass.NOTIFICATION, True),
            ("x" * 100, MessageClass.COMMAND, True),
        ):
            rig = Rig(ONE)
            rig.register()
            outcomes = rig.submit(text=text, class_=kind)
            sendid = rig.until_send()
            rig.say(f"ERROR {sendid} 1 errorstatus:331\n")
            (outcome,) = outcomes
            if sure:
                assert isinstance(outcome, Refused)
                self.assertTrue(outcome.error.retryable)
            else:
                assert isinstance(outcome, Uncertain)
                self.assertEqual(outcome.segments, 2)

    def test_failing_line_rests(self) -> None:
        """A line that fails every SMS would be the freest, and take them all."""
        for number in range(3):
            self.assertIsNone(self.rig.channel.unable())
            outcomes = self.rig.submit()
            sendid = self.rig.until_send()
            self.rig.say(f"ERROR {sendid} 1 errorstatus:1\n")
            self.rig.say(f"DONE {sendid}\n")
            self.rig.pass_time(3)
            (outcome,) = outcomes
            assert isinstance(outcome, Refused)
            whole = outcome.scope is Scope.CHANNEL_FOR_A_WHILE
            self.assertEqual(whole, number == 2)
        self.assertIn("fails", str(self.rig.channel.unable()))
        self.rig.pass_time(58)
        self.assertIsNone(self.rig.channel.unable())

    def test_network_timeout_is_no_refusal(self) -> None:
        """332: the SMS left the modem and nobody confirmed it."""
        sendid, outcomes = self.submitted()
        self.rig.say(f"ERROR {sendid} 1 errorstatus:332\n")
        (outcome,) = outcomes
        assert isinstance(outcome, Uncertain)
        self.assertTrue(outcome.unclear)

    def test_part_of_a_long_text_may_have_gone(self) -> None:
        """A long text that failed is not repeated by itself."""
        outcomes = self.rig.submit("x" * 200)
        self.rig.say(f"ERROR {self.rig.until_send()} 1 errorstatus:38\n")
        (outcome,) = outcomes
        assert isinstance(outcome, Refused)
        self.assertFalse(outcome.error.retryable)

    def test_gsm_logout(self) -> None:
        """The line rests until LOGIN; the SMS may be sent elsewhere."""
        sendid, outcomes = self.submitted()
        self.rig.say(f"ERROR {sendid} GSM_LOGOUT\n")
        (outcome,) = outcomes
        assert isinstance(outcome, Refused)
        self.assertTrue(outcome.error.retryable)
        self.assertIsNotNone(self.rig.channel.unable())
        self.rig.say(f"DONE {sendid}\n")
        self.rig.register()
        self.assertIsNone(self.rig.channel.unable())

    def test_gsm_logout_after_wait(self) -> None:
        """Once the device was at work nobody knows."""
        sendid, outcomes = self.submitted()
        self.rig.say(f"WAIT {sendid} 1\n")
        self.rig.say(f"ERROR {sendid} GSM_LOGOUT\n")
        self.assertIsInstance(outcomes[0], Uncertain)

    def test_gsm_logout_after_a_repeated_send(self) -> None:
        """The WAIT to the first SEND may have been lost."""
        sendid, outcomes = self.submitted()
        self.rig.pass_time(5)
        self.rig.say(f"ERROR {sendid} GSM_LOGOUT\n")
        self.assertIsInstance(outcomes[0], Uncertain)

    def test_session_unknown(self) -> None:
        """`ERROR s SENDID` without a WAIT opens a new exchange."""
        sendid, outcomes = self.submitted()
        self.rig.say(f"ERROR {sendid} SENDID\n")
        ((_, datagram),) = self.rig.heard()
        self.assertTrue(datagram.startswith("MSG "))
        again = self.rig.until_send()
        self.assertNotEqual(again, sendid)
        self.rig.say(f"OK {again} 1 7\n")
        self.assertIsInstance(outcomes[0], Accepted)

    def test_session_unknown_after_wait(self) -> None:
        """With a WAIT behind it, the SMS may be on its way."""
        sendid, outcomes = self.submitted()
        self.rig.say(f"WAIT {sendid} 1\n")
        self.rig.say(f"ERROR {sendid} SENDID\n")
        self.assertIsInstance(outcomes[0], Uncertain)

    def test_session_always_unknown(self) -> None:
        """A device that forgets every exchange is not asked without end."""
        outcomes = self.rig.submit()
        for _ in range(3):
            self.assertEqual(outcomes, [])
            self.rig.say(f"ERROR {self.rig.until_send()} SENDID\n")
        self.assertIsInstance(outcomes[0], Refused)
        self.assertEqual(len([w for _, w in self.words() if w == "MSG"]), 3)

    def test_one_after_the_other(self) -> None:
        """Two SMS of one line never overlap, and keep their distance."""
        first, second = self.rig.submit("one"), self.rig.submit("two")
        sendid = self.rig.until_send()
        self.rig.clock.advance(0.5)
        self.rig.say(f"OK {sendid} 1 1\n")
        self.assertEqual((len(first), len(second)), (1, 0))
        self.rig.heard()
        self.rig.pass_time(10, 0.5)
        # DONE was not answered: the line goes on after 5 s
        self.assertEqual(
            [(at, one.split()[0]) for at, one in self.rig.heard() if "MSG" in one],
            [(5.5, "MSG"), (10.5, "MSG")],
        )

    def test_interval(self) -> None:
        """After a quick SMS the next waits for min_interval."""
        self.rig.submit("one")
        self.rig.submit("two")
        sendid = self.rig.until_send()
        self.rig.say(f"OK {sendid} 1 1\n")
        self.rig.say(f"DONE {sendid}\n")
        self.rig.pass_time(6, 0.5)
        attempt = [at for at, word in self.words() if word == "MSG"]
        self.assertEqual(attempt[:2], [0.0, 3.0])

    def test_five_exchanges_of_a_device(self) -> None:
        """Six lines of one device: the sixth waits for a place."""
        names = [f"line{n}" for n in range(6)]
        rig = Rig({name: line_settings() for name in names})
        for n, name in enumerate(names):
            rig.register(name, ("192.0.2.7", 10991 + n))
        rig.heard()
        for _ in names:
            rig.submit()
        attempt = [one for _, one in rig.heard()]
        self.assertEqual(len(attempt), 5)
        sendid = int(attempt[0].split()[1])
        for word in ("PASSWORD {}", "SEND {}", "OK {} 1 1"):
            rig.say(word.format(sendid), ("192.0.2.7", 10991))
        rig.heard()
        rig.say(f"DONE {sendid}", ("192.0.2.7", 10991))
        self.assertEqual([one.split()[0] for _, one in rig.heard()], ["MSG"])

    def test_bad_numbers(self) -> None:
        """A number that would inject words is refused, with nothing written."""
        for number in ("+7900 1\nDONE 1", "1" * 21, "+7900\n", "abc", "", "٣٤٥٦"):
            refused = self.rig.channel.prepare(self.rig.message(to=number))
            assert isinstance(refused, Refused), number
            self.assertEqual(refused.error.code, "gateway:bad_number")
        self.assertEqual(self.rig.heard(), [])

    def test_inbound_inside_an_exchange(self) -> None:
        """Keepalives and SMS are answered at once, at any stage."""
        keepalive = "req:5;id:goipid1;pass:password1;"
        sms = "RECEIVE:{};id:goipid1;pass:password1;srcnum:+79;msg:x"
        self.rig.submit()
        sendid = self.rig.sendid()
        for number, step in enumerate(("PASSWORD", "SEND", "WAIT", "OK")):
            self.assertEqual(self.rig.asked(keepalive), "reg:5;status:0;")
            answer = self.rig.asked(sms.format(number))
            self.assertEqual(answer, f"RECEIVE {number} OK")
            self.rig.say(f"{step} {sendid} 1\n")

    def test_stop_during_submit(self) -> None:
        """DONE is said, the SMS is unsure, and a new process sends nothing."""
        sendid, outcomes = self.submitted()
        self.rig.say(f"WAIT {sendid} 1\n")
        stopped = self.rig.channel.stop(10.0)
        self.rig.clock.advance(5)
        self.assertNoResult(stopped)
        self.rig.clock.advance(5)
        self.successResultOf(stopped)
        self.assertIn(f"DONE {sendid}\n", [one for _, one in self.rig.heard()])
        self.assertIsInstance(outcomes[0], Uncertain)
        self.assertTrue(self.rig.socket.closed)
        self.assertEqual(self.rig.clock.getDelayedCalls(), [])
        again = Rig(ONE, cursors=self.rig.cursors)
        again.register()
        again.pass_time(30)
        self.assertNotIn("SEND", str(again.heard()))

    def test_stop_waits_for_the_verdict(self) -> None:
        """What ends within the grace ends well; what has not begun is given back."""
        sendid, outcomes = self.submitted()
        waiting = self.rig.submit("two")
        stopped = self.rig.channel.stop(10.0)
        (refused,) = waiting
        assert isinstance(refused, Refused)
        self.assertIs(refused.scope, Scope.CHANNEL_FOR_A_WHILE)
        self.rig.say(f"OK {sendid} 1 9\n")
        self.successResultOf(stopped)
        self.assertIsInstance(outcomes[0], Accepted)
        self.assertEqual(self.rig.clock.getDelayedCalls(), [])

    def test_stop_before_send(self) -> None:
        """Before SEND the exchange is ended at once: nothing can have gone out."""
        outcomes = self.rig.submit()
        self.successResultOf(self.rig.channel.stop(10.0))
        self.assertIsInstance(outcomes[0], Refused)
        self.assertEqual([word for _, word in self.words()], ["MSG", "DONE"])

    def test_stub_of_another_project(self) -> None:
        """A field project's device stub: terse, no WAIT, fixed sms_no 123."""
        outcomes = self.rig.submit()
        s = self.rig.sendid()
        self.rig.say(f"PASSWORD {s}")
        self.rig.say(f"SEND {s}")
        self.rig.say(f"OK {s} 1 123")
        self.rig.say(f"DONE {s}")
        (outcome,) = outcomes
        assert isinstance(outcome, Accepted)
        self.assertIn(":123:", outcome.provider_ids[0])
        # the packet sequence of the vendor's server in the same talk
        self.assertEqual(
            [word for _, word in self.words()], ["MSG", "PASSWORD", "SEND", "DONE"]
        )


class OutOfOrderTests(SynchronousTestCase):
    """Answers late, doubled, or before their time."""

    def setUp(self) -> None:
        self.rig = Rig(ONE)
        self.rig.register()
        self.outcomes = self.rig.submit()
        self.rig.heard()

    def test_late_prompts_write_nothing(self) -> None:
        """A late PASSWORD and a second SEND prompt are not answered again."""
        sendid = self.rig.until_send()
        self.rig.heard()
        for word in ("PASSWORD", "SEND", "SEND", "PASSWORD"):
            self.rig.say(f"{word} {sendid}\n")
        self.assertEqual(self.rig.heard(), [])

    def test_ok_before_send_is_nonsense(self) -> None:
        """An OK to what was not asked ends nothing."""
        sendid = self.rig.sendid()
        self.rig.say(f"OK {sendid} 1 5\n")
        self.assertEqual(self.outcomes, [])

    def test_ok_twice(self) -> None:
        """The second OK is counted and ignored."""
        sendid = self.rig.until_send()
        self.rig.say(f"OK {sendid} 1 5\n")
        self.rig.say(f"OK {sendid} 1 6\n")
        self.assertEqual(len(self.outcomes), 1)
        self.assertEqual(self.rig.recorder.lates, [])

    def test_done_unasked(self) -> None:
        """DONE before its time does not end an exchange."""
        sendid = self.rig.until_send()
        self.rig.say(f"DONE {sendid}\n")
        self.assertEqual(self.outcomes, [])
        self.rig.say(f"OK {sendid} 1 5\n")
        self.assertIsInstance(self.outcomes[0], Accepted)

    def test_late_ok(self) -> None:
        """An OK after the exchange was given up is told as a late verdict."""
        sendid = self.rig.until_send()
        self.rig.pass_time(45)
        unsure = self.outcomes[0]
        assert isinstance(unsure, Uncertain)
        self.assertTrue(unsure.unanswered)
        self.rig.say(f"OK {sendid} 1 5\n")
        self.rig.say(f"OK {sendid} 1 5\n")
        ((_, attempt, outcome),) = self.rig.recorder.lates
        self.assertEqual(attempt, 1)
        assert isinstance(outcome, Accepted)
        self.assertIn(":5:", outcome.provider_ids[0])

    def test_what_is_cut_off_or_spoken_of_was_not_unanswered(self) -> None:
        """By our own end, or by a device that lost it."""
        self.rig.until_send()
        self.successResultOf(self.rig.channel.stop(0))
        rig = Rig(ONE)
        rig.register()
        lost = rig.submit()
        sendid = rig.until_send()
        rig.say(f"WAIT {sendid} 1\n")
        rig.say(f"ERROR {sendid} SENDID\n")
        for outcome, unclear in ((self.outcomes[0], False), (lost[0], True)):
            assert isinstance(outcome, Uncertain)
            self.assertFalse(outcome.unanswered)
            self.assertEqual(outcome.unclear, unclear)

    def test_an_ok_after_an_error_is_told(self) -> None:
        """The device contradicts itself: the SMS may be out, and is not repeated."""
        for error in ("1 errorstatus:38", "GSM_LOGOUT"):
            rig = Rig(ONE)
            rig.register()
            outcomes = rig.submit()
            sendid = rig.until_send()
            rig.say(f"ERROR {sendid} {error}\n")
            self.assertIsInstance(outcomes[0], Refused)
            rig.say(f"OK {sendid} 1 5\n")
            rig.say(f"OK {sendid} 1 5\n")
            ((_, attempt, outcome),) = rig.recorder.lates
            self.assertEqual(attempt, 1)
            self.assertIsInstance(outcome, Accepted)

    def test_an_ok_after_the_exchange_with_an_error_was_closed(self) -> None:
        """As long as the sendid is remembered."""
        sendid = self.rig.until_send()
        self.rig.say(f"ERROR {sendid} 1 errorstatus:38\n")
        self.rig.say(f"DONE {sendid}\n")
        self.rig.pass_time(60)
        self.rig.say(f"OK {sendid} 1 5\n")
        self.assertEqual(len(self.rig.recorder.lates), 1)

    def test_an_error_after_an_ok_changes_nothing(self) -> None:
        """What is taken is not repeated anyway; its receipt will tell."""
        sendid = self.rig.until_send()
        self.rig.say(f"OK {sendid} 1 5\n")
        self.rig.say(f"ERROR {sendid} 1 errorstatus:38\n")
        self.assertIsInstance(self.outcomes[0], Accepted)
        self.assertEqual(self.rig.recorder.lates, [])

    def test_verdicts_of_others_settle_nothing(self) -> None:
        """Of another exchange, another telid, or another device's address."""
        sendid = self.rig.until_send()
        self.rig.say(f"OK {sendid + 1} 1 5\n")
        self.rig.say(f"OK {sendid} 2 5\n")
        self.rig.say(f"ERROR {sendid} 2 errorstatus:38\n")
        self.rig.say(f"OK {sendid} 1 5\n", ("127.0.0.9", 10991))
        self.assertEqual(self.outcomes, [])
        self.rig.say(f"OK {sendid} 1 5\n")
        self.assertIsInstance(self.outcomes[0], Accepted)

    def test_wrong_password_is_said_once(self) -> None:
        """ERROR PASSWORD is not answered by a storm, as the vendor's server does."""
        sendid = self.rig.sendid()
        self.rig.say(f"PASSWORD {sendid}\n")
        self.rig.heard()
        self.rig.say(f"ERROR {sendid} PASSWORD\n")
        self.assertEqual([one for _, one in self.rig.heard()], [f"DONE {sendid}\n"])
        (outcome,) = self.outcomes
        assert isinstance(outcome, Refused)
        self.assertEqual(outcome.error.code, "goip:PASSWORD")
        self.assertEqual(self.rig.channel.unable(), "1 wrong password")
        for _ in range(11):
            self.rig.register()
            self.rig.pass_time(29)
        self.assertIsNone(self.rig.channel.unable())

    def test_rejected_request(self) -> None:
        """Too many sessions: DONE, a rest for the line, another try later."""
        sendid = self.rig.sendid()
        self.rig.say(f"ERROR {sendid} too many sessions\n")
        (outcome,) = self.outcomes
        assert isinstance(outcome, Refused)
        self.assertTrue(outcome.error.retryable)
        self.assertEqual(self.rig.channel.unable(), "1 rejected: too many sessions")
        self.rig.pass_time(10.5, 0.5)
        self.assertIsNone(self.rig.channel.unable())

    def test_expired_while_it_waited(self) -> None:
        """What expired in the line's queue is not sent."""
        sendid = self.rig.until_send()
        late = self.rig.submit("two", expires_at=self.rig.clock.seconds() + 2)
        self.rig.say(f"OK {sendid} 1 5\n")
        self.rig.say(f"DONE {sendid}\n")
        self.rig.heard()
        self.rig.pass_time(10)
        self.assertEqual(self.rig.heard(), [])
        (outcome,) = late
        assert isinstance(outcome, Refused)
        self.assertEqual(outcome.error.code, "gateway:expired")


class ChoiceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig(
            {
                "a": line_settings(number="+79160000001"),
                "b": line_settings(number="+79160000002"),
            }
        )
        self.rig.register("a", HOME)
        self.rig.register("b", SECOND)
        self.rig.heard()

    def last_address(self) -> tuple[str, int]:
        return self.rig.socket.written[-1][2]

    def test_sender_names_the_line(self) -> None:
        """By its name, or by its SIM's number in another spelling."""
        for sender, address in (
            ("b", SECOND), ("+79160000001", HOME), ("89160000002", SECOND),
        ):  # fmt: skip
            prepared = self.rig.channel.prepare(self.rig.message(from_=sender))
            assert not isinstance(prepared, Refused)
            self.assertEqual(
                prepared.sender, {HOME: "+79160000001", SECOND: "+79160000002"}[address]
            )

    def test_unknown_sender(self) -> None:
        """A SIM cannot take another sender: ignored, or refused if so wanted."""
        message = self.rig.message(from_="GdeMoi")
        self.assertNotIsInstance(self.rig.channel.prepare(message), Refused)
        refused = Rig(unknown_sender="refuse").channel.prepare(message)
        assert isinstance(refused, Refused)
        self.assertEqual(refused.error.code, "gateway:sender_not_allowed")

    def test_tracker_keeps_its_line(self) -> None:
        """The line that last talked with a number is taken again."""
        self.rig.submit(to="+79165550001", from_="b")
        self.assertEqual(self.last_address(), SECOND)
        self.rig.submit(to="+79165550002")
        self.assertEqual(self.last_address(), HOME)
        sendid = self.rig.sendid()
        for word in ("PASSWORD {}", "SEND {}", "OK {} 1 1", "DONE {}"):
            self.rig.say(word.format(sendid), HOME)
        self.rig.submit(to="+79165550002")
        self.assertEqual(len(self.rig.channel.lines["a"].waiting), 1)

    def test_talks_survive_a_restart(self) -> None:
        """The next process still knows the tracker's line."""
        self.rig.submit(to="+79165550001", from_="b")
        sendid = self.rig.sendid()
        self.rig.say(f"PASSWORD {sendid}", SECOND)
        self.rig.say(f"SEND {sendid}", SECOND)
        self.rig.say(f"OK {sendid} 1 1", SECOND)
        self.successResultOf(self.rig.channel.stop(0))
        again = Rig({"a": line_settings(), "b": line_settings()},
                    cursors=self.rig.cursors)  # fmt: skip
        again.register("a", HOME)
        again.register("b", SECOND)
        again.submit(to="+79165550001")
        self.assertEqual(again.socket.written[-1][2], SECOND)
        self.assertEqual(again.channel.lines["b"].counted(again.clock.seconds()), 1)

    def test_load_is_shared(self) -> None:
        """Strangers' numbers go to the line with the least to do."""
        self.rig.submit(to="+79165550001")
        first = self.last_address()
        self.rig.submit(to="+79165550002")
        self.assertNotEqual(self.last_address(), first)

    def test_daily_limit(self) -> None:
        """A spent SIM sends no more until its day begins again."""
        rig = Rig({"a": line_settings(daily_limit=2, day_begins_s=3600.0)})
        rig.register("a")
        rig.submit("x" * 161)
        sendid = rig.until_send()
        rig.say(f"OK {sendid} 1 1")
        rig.say(f"DONE {sendid}")
        self.assertEqual(rig.channel.unable(), "1 daily limit reached")
        left_s = (
            rig.channel.lines["a"].next_day(rig.clock.seconds()) - rig.clock.seconds()
        )
        self.assertLessEqual(left_s, 86_400)
        rig.clock.advance(left_s)
        rig.register("a")
        self.assertIsNone(rig.channel.unable())
        self.assertGreater(rig.recorder.rousings, 1)

    def test_jobs_of_a_dying_line_move(self) -> None:
        """What waits behind a line that logs out goes over another."""
        self.rig.submit(to="+79165550001", from_="a")
        sendid = self.rig.sendid()
        self.rig.say(f"PASSWORD {sendid}", HOME)
        self.rig.say(f"SEND {sendid}", HOME)
        moved = self.rig.submit(to="+79165550001")
        self.assertEqual(len(self.rig.channel.lines["a"].waiting), 1)
        self.rig.say("req:9;id:a;pass:password1;gsm_status:LOGOUT;")
        self.assertEqual(self.last_address(), SECOND)
        self.assertEqual(moved, [])

    def test_a_line_that_must_be_kept(self) -> None:
        """affinity = require gives an SMS back rather than send it elsewhere."""
        rig = Rig({"a": line_settings(), "b": line_settings()}, affinity="require")
        rig.register("a", HOME)
        rig.register("b", SECOND)
        rig.say("RECEIVE:1;id:a;pass:password1;srcnum:+79165550001;msg:hi", HOME)
        rig.register("a", HOME, "LOGOUT")
        (outcome,) = rig.submit(to="+79165550001")
        assert isinstance(outcome, Refused)
        self.assertEqual(outcome.error.text, "line a: GSM LOGOUT")
        self.assertIs(outcome.scope, Scope.MESSAGE)
        # other numbers have no such line
        self.assertEqual(rig.submit(to="+79165550002"), [])

    def test_commands_wait_and_notifications_do_not(self) -> None:
        """A tracker's line is waited for; people are told over any line."""
        number = "+79165550001"
        self.rig.say(f"RECEIVE:1;id:a;pass:password1;srcnum:{number};msg:hi", HOME)
        for _ in range(3):
            self.rig.submit(to=number)
        self.assertEqual(len(self.rig.channel.lines["a"].waiting), 2)
        self.rig.submit(to=number, class_=MessageClass.NOTIFICATION)
        self.assertEqual(self.last_address(), SECOND)

    def test_no_line_at_all(self) -> None:
        """With nothing usable the lane keeps its messages."""
        rig = Rig()
        self.assertEqual(rig.channel.unable(), "2 no keepalive yet")
        (outcome,) = rig.submit()
        assert isinstance(outcome, Refused)
        self.assertIs(outcome.scope, Scope.CHANNEL_FOR_A_WHILE)
        self.assertTrue(outcome.error.retryable)

    def test_number_format(self) -> None:
        """Each line spells numbers as its operator wants them."""
        for given, wanted in (
            ({}, "+79165550001"),
            ({"number_format": "plus"}, "+79165550001"),
            ({"number_format": "noplus"}, "79165550001"),
            (
                {"number_format": "local", "country_code": "7", "trunk_prefix": "8"},
                "89165550001",
            ),
        ):
            rig = Rig({"a": line_settings(**given)})
            rig.register("a")
            rig.submit(to="+79165550001")
            rig.until_send()
            self.assertEqual(rig.socket.written[-1][1].split()[3].decode(), wanted)
