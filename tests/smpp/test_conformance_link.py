"""The ESME's conformance list: link, window, rate, order; cases 19 to 35."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import OurFault
from gdemoi.message import Accepted, Refused, Scope, Uncertain
from gdemoi.sandbox.smsc import SmscPersonality
from gdemoi.sandbox.smsc_personality import read_personality
from gdemoi.smpp.error_codes import StatusRule, Verdict, read_rule, read_status, refusal
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.headers import LAST_NUMBER
from gdemoi.smpp.session_types import ResponseMissing, SessionEnded, SessionState
from tests.smpp.rig import ChannelRig
from tests.smpp.sessions import NOW, SUBMIT, bound, give, in_state, sent

QUICK = {"enquire_link_s": 15.0, "link_timeout_s": 15.0}


class LinkTests(SynchronousTestCase):
    def test_one_enquire_link_after_silence(self) -> None:
        """One after `enquire_link` of silence, none while it is unanswered."""
        session = bound(**QUICK)
        session.tick(NOW + 14.9)
        self.assertEqual(sent(session), [])
        session.tick(NOW + 15)
        (enquire,) = sent(session)
        self.assertIsInstance(enquire, pdus.EnquireLink)
        session.tick(NOW + 29)
        self.assertEqual(sent(session), [])

    def test_any_pdu_is_life(self) -> None:
        """A deliver_sm, or an enquire_link_resp that says an error."""
        for alive in (
            pdus.DeliverSm(sequence_number=5, source_addr="1"),
            pdus.EnquireLinkResp(sequence_number=2, command_status=0x58),
        ):
            session = bound(**QUICK)
            session.tick(NOW + 15)
            give(session, alive, NOW + 20)
            session.outbox()
            self.assertEqual(session.tick(NOW + 30), [])
            self.assertEqual(session.next_deadline(), NOW + 35)
            self.assertTrue(session.bound)

    def test_nothing_heard_closes(self) -> None:
        """Silence after the enquire_link for link_timeout: over, all settled."""
        session = bound(**QUICK)
        session.submit(SUBMIT, "m", NOW + 14)
        session.tick(NOW + 15)
        unanswered, over = session.tick(NOW + 30)
        assert isinstance(unanswered, ResponseMissing)
        self.assertEqual(unanswered.context, "m")
        self.assertIsInstance(over, SessionEnded)

    def test_the_channel_reconnects(self) -> None:
        """A dead link is closed, and another one is made."""
        rig = ChannelRig(**QUICK)
        rig.server.dataReceived = lambda data: None
        rig.advance(33)
        self.assertEqual(len(rig.net.attempts), 2)
        self.assertIsNone(rig.channel.unable())
        rig.stop()

    def test_enquire_link_is_answered_at_once(self) -> None:
        """With its own number, in every state but the last."""
        for state in SessionState:
            session = in_state(state)
            give(session, pdus.EnquireLink(sequence_number=0xFFFFFFFF))
            answers = sent(session)
            if state is SessionState.CLOSED:
                self.assertEqual(answers, [])
                continue
            (answer,) = answers
            self.assertIsInstance(answer, pdus.EnquireLinkResp)
            self.assertEqual(answer.sequence_number, 0xFFFFFFFF)
            self.assertEqual(answer.command_status, 0)

    def test_no_enquire_link_when_switched_off(self) -> None:
        """link_timeout 0 or enquire_link 0; response timers still work."""
        for off in ({"enquire_link_s": 0.0}, {"link_timeout_s": 0.0}):
            session = bound(response_timeout_s=10, **off)
            self.assertIsNone(session.next_deadline())
            session.submit(SUBMIT, "m", NOW)
            self.assertEqual(session.next_deadline(), NOW + 10)
            (unanswered,) = session.tick(NOW + 10)
            self.assertIsInstance(unanswered, ResponseMissing)
            self.assertEqual(session.tick(NOW + 1e6), [])

    def test_half_a_pdu_stops_no_timer(self) -> None:
        """Octets that never become a PDU are no life."""
        session = bound(**QUICK)
        for second in range(1, 31):
            session.receive(b"\0" if second == 1 else b"", NOW + second)
            found = session.tick(NOW + second)
        self.assertIsInstance(found[-1], SessionEnded)


class Steady:
    """A lane's rate."""

    def __init__(self, present: float | None) -> None:
        self.present = present


class WindowTests(SynchronousTestCase):
    def test_never_more_than_window(self) -> None:
        """Window 1 is strictly one at a time; no request is refused for it."""
        for window in (1, 3, 10):
            rig = ChannelRig(latency_s=0.05, window=window, start=False)
            rig.channel.start(rig.recorder)
            rig.advance(0.5)
            outcomes = [rig.submit(rig.message(id=f"m{n}")) for n in range(30)]
            most = 0
            for _ in range(400):
                esme = rig.channel.sender.esme
                assert esme is not None
                most = max(most, esme.session.unanswered)
                rig.clock.advance(0.01)
            self.assertEqual(most, window)
            self.assertTrue(all(isinstance(o[0], Accepted) for o in outcomes))
            rig.stop()

    def test_segments_are_spaced(self) -> None:
        """At 2/s five segments take two seconds, and so do the next."""
        rig = ChannelRig(window=50)
        rig.channel.paced_by(Steady(2.0))
        rig.submit(rig.message("x" * 700, id="five"))
        rig.submit(rig.message("y" * 300, id="two"))
        times: list[float] = []
        began = rig.clock.seconds()
        for _ in range(100):
            new = len(rig.smsc.taken) - len(times)
            times += [round(rig.clock.seconds() - began, 2)] * new
            rig.advance(0.05, step=0.05)
        self.assertEqual(len(times), 7)
        for n, at in enumerate(times):
            self.assertAlmostEqual(at, n * 0.5, delta=0.11)
        rig.stop()

    def test_a_rate_that_changes_counts_at_once(self) -> None:
        """What waits for the old rate leaves by the new one."""
        rig = ChannelRig(window=50)
        rate = Steady(1.0)
        rig.channel.paced_by(rate)
        rig.submit(rig.message("x" * 700, id="five"))
        rig.advance(1.0)
        rate.present = None
        rig.advance(1.1)
        self.assertEqual(len(rig.smsc.taken), 5)
        rig.stop()

    def test_what_waits_for_its_time_has_not_left(self) -> None:
        """The end of the link refuses it; nothing is unsure, no timer is left."""
        rig = ChannelRig(window=50)
        rig.channel.paced_by(Steady(1.0))
        (outcome,) = [rig.submit(rig.message("x" * 700, id="five"))]
        rig.advance(1.5)
        rig.stop()
        (refused,) = outcome
        assert isinstance(refused, Refused)
        assert refused.progress is not None
        self.assertEqual(sum(one is not None for one in refused.progress.ids), 2)

    def test_a_full_window_is_our_fault(self) -> None:
        """The session itself refuses the request too many."""
        session = bound(window=1)
        session.submit(SUBMIT, 1, NOW)
        with self.assertRaises(OurFault):
            session.submit(SUBMIT, 2, NOW)

    def test_numbers(self) -> None:
        """1, 2, 3 over all requests; wrap to 1; never one still unanswered."""
        session = bound(first=LAST_NUMBER - 2, window=10, **QUICK)
        self.assertEqual(session.submit(SUBMIT, "kept", NOW), LAST_NUMBER - 1)
        session.tick(NOW + 15)
        self.assertEqual(session.submit(SUBMIT, "b", NOW), 1)
        self.assertEqual(
            [pdu.sequence_number for pdu in sent(session)],
            [LAST_NUMBER - 1, LAST_NUMBER, 1],
        )
        session._requests._last = LAST_NUMBER - 2
        self.assertEqual(session.submit(SUBMIT, "c", NOW), LAST_NUMBER)
        self.assertEqual(session.submit(SUBMIT, "d", NOW), 2)

    def test_answers_out_of_order_and_late(self) -> None:
        """Each outcome once; a late answer corrects an unsure one."""
        rig = ChannelRig(
            SmscPersonality(password="secret", disorder=True, tracker=False), window=50
        )
        outcomes = [rig.submit(rig.message(id=f"m{n}")) for n in range(20)]
        rig.advance(1)
        ids = [outcome[0].provider_ids[0] for outcome in outcomes]  # type: ignore[union-attr]
        by_text = {taken.message_id for taken in rig.smsc.taken}
        self.assertEqual(set(ids), by_text)
        self.assertEqual(ids, sorted(ids))
        rig.stop()

    def test_a_late_answer_is_told(self) -> None:
        """After Unsure, the real outcome goes up once, with its attempt.

        Before it, that one segment more is taken.
        """
        rig = ChannelRig(
            SmscPersonality(password="secret", response_delay_s=40.0, tracker=False),
            response_timeout_s=30.0,
        )
        (first,) = [rig.submit(rig.message("x" * 200, id="m1"), attempt=3)]
        rig.advance(31)
        self.assertIsInstance(first[0], Uncertain)
        rig.advance(10)
        (_, _, news), *rest = rig.recorder.lates
        assert isinstance(news, Uncertain)
        self.assertEqual(news.provider_ids, ("1001",))
        self.assertEqual(
            rest, [("m1", 3, Accepted(provider_ids=("1001", "1002"), segments=2))]
        )
        rig.stop()

    def test_a_late_number_is_not_reused(self) -> None:
        """While a late answer may come, its number is taken."""
        session = bound(response_timeout_s=5, enquire_link_s=0)
        number = session.submit(SUBMIT, "m", NOW)
        session.tick(NOW + 5)
        session._requests._last = number - 1
        self.assertEqual(session.submit(SUBMIT, "n", NOW), number + 1)


class ThrottleTests(SynchronousTestCase):
    def test_throttled_segments_are_sent_again_and_no_others(self) -> None:
        """Refused(throttled); the same Prepared goes on where it stood."""
        rig = ChannelRig(
            SmscPersonality(password="secret", throttle=2.0, tracker=False), window=1
        )
        prepared = rig.channel.prepare(rig.message("x" * 600, id="long"))
        outcomes: list[Any] = []
        rig.channel.submit(prepared, 1).addCallback(outcomes.append)
        rig.turn(12)
        (refused,) = outcomes
        assert isinstance(refused, Refused)
        self.assertTrue(refused.throttled)
        self.assertEqual(refused.error.code, "smpp:0x58")
        self.assertEqual(len(rig.smsc.taken), 2)
        rig.advance(1)
        rig.channel.submit(prepared, 2).addCallback(outcomes.append)
        rig.turn(12)
        self.assertEqual(
            outcomes[1],
            Accepted(provider_ids=("1001", "1002", "1003", "1004"), segments=4),
        )
        numbers = [taken.pdu.short_message[5] for taken in rig.smsc.taken]
        self.assertEqual(numbers, [1, 2, 3, 4])
        self.assertEqual(rig.channel.describe()["throttled"], 1)
        rig.stop()

    def test_parts_are_not_interleaved(self) -> None:
        """Segments of one message leave in order, before the next message's."""
        rig = ChannelRig(window=3)
        for name in ("a", "b"):
            rig.submit(rig.message(name * 500, id=name))
        rig.turn(12)
        texts = [taken.text[0] for taken in rig.smsc.taken]
        self.assertEqual(texts, ["a"] * 4 + ["b"] * 4)
        rig.stop()

    def test_timeout_and_lost_session_are_unsure(self) -> None:
        """Exactly one of answered or unsure happens for each."""
        rig = ChannelRig(SmscPersonality(password="secret", silent=2, tracker=False))
        outcomes = [rig.submit(rig.message(id=f"m{n}")) for n in range(6)]
        rig.server.transport.abortConnection()
        rig.turn()
        kinds = [type(one).__name__ for (one,) in outcomes]
        self.assertEqual(kinds, ["Accepted", "Uncertain"] * 3)
        rig.stop()

    def test_what_has_not_left_is_refused_for_now(self) -> None:
        """Messages that waited for the window were certainly not sent."""
        rig = ChannelRig(
            SmscPersonality(password="secret", silent=1, tracker=False), window=2
        )
        outcomes = [rig.submit(rig.message(id=f"m{n}")) for n in range(4)]
        rig.server.transport.abortConnection()
        rig.turn()
        kinds = [type(one).__name__ for (one,) in outcomes]
        self.assertEqual(kinds, ["Uncertain", "Uncertain", "Refused", "Refused"])
        refused = outcomes[3][0]
        assert isinstance(refused, Refused)
        self.assertIs(refused.scope, Scope.CHANNEL_FOR_A_WHILE)
        self.assertTrue(refused.error.retryable)
        rig.stop()

    def test_progress_is_kept_for_the_next_try(self) -> None:
        """Segments that the SMSC has are not sent again after a reconnect."""
        rig = ChannelRig(
            SmscPersonality(password="secret", silent=3, tracker=False), window=1
        )
        message = rig.message("x" * 400, id="long")
        (first,) = [rig.submit(message)]
        rig.turn(12)
        rig.server.transport.abortConnection()
        rig.turn()
        (unsure,) = first
        assert isinstance(unsure, Uncertain)
        rig.advance(3)
        rig.submit(message, attempt=2, progress=unsure.progress)
        numbers = [taken.pdu.short_message[5] for taken in rig.smsc.taken]
        self.assertEqual(numbers, [1, 2, 3, 3])
        rig.stop()


class VerdictTests(SynchronousTestCase):
    def test_every_number_has_a_class(self) -> None:
        """Known, vendor, unknown: a value with number and name, never raised."""
        for status in [*range(1, 0x120), 0x400, 0x4FF, 0x500, 0x7FFFFFFF, 0xFFFFFFFF]:
            refused = refusal(status)
            self.assertEqual(refused.error.code, f"smpp:0x{status:02X}")
            self.assertTrue(refused.error.text)
        self.assertFalse(refusal(0x0B).error.retryable)
        self.assertFalse(refusal(0x35).error.retryable)
        self.assertTrue(refusal(0x08).error.retryable)
        self.assertTrue(refusal(0x400).error.retryable)
        self.assertTrue(refusal(0x58).throttled)
        self.assertTrue(refusal(0x14).queue_full)
        self.assertFalse(refusal(0x14).throttled)
        self.assertIs(refusal(0x0D).scope, Scope.CHANNEL_FOR_A_WHILE)
        self.assertIs(refusal(0x0E).scope, Scope.CHANNEL_HALTED)

    def test_a_refused_sender_is_not_the_message(self) -> None:
        """0x0A, 0x48, 0x49 and SMPP 5.0's 0x105: another channel may send it."""
        for status in (0x0A, 0x48, 0x49, 0x105):
            self.assertIs(refusal(status).scope, Scope.SENDER)
            self.assertFalse(refusal(status).error.retryable)
        overrides = {0x0A: read_rule("final"), 0x450: read_rule("sender")}
        self.assertIs(refusal(0x0A, overrides).scope, Scope.MESSAGE)
        self.assertIs(refusal(0x450, overrides).scope, Scope.SENDER)
        rig = ChannelRig(read_personality("password=secret refuse=*:0xa"))
        (outcome,) = rig.submit(rig.message())
        assert isinstance(outcome, Refused)
        self.assertIs(outcome.scope, Scope.SENDER)
        self.assertIsNone(rig.channel.unable())
        rig.stop()

    def test_vendor_statuses_are_refusals(self) -> None:
        """0x35, 0x400, 0x7fffffff to a submit; the channel goes on."""
        for status in (0x35, 0x400, 0x7FFFFFFF):
            how = read_personality(f"password=secret refuse=*:0x{status:x}")
            rig = ChannelRig(how)
            (outcome,) = rig.submit(rig.message())
            assert isinstance(outcome, Refused)
            self.assertEqual(outcome.error.code, f"smpp:0x{status:02X}")
            self.assertIsNone(rig.channel.unable())
            rig.stop()

    def test_the_operator_overrides(self) -> None:
        """`status.0x0B = later 5s`."""
        rules = {read_status("0x0B"): read_rule("later 5s")}
        refused = refusal(0x0B, rules)
        self.assertTrue(refused.error.retryable)
        self.assertEqual(refused.retry_after_s, 5.0)
        self.assertEqual(read_rule("final"), StatusRule(Verdict.FINAL))
        for bad in ("never", "later 5", "later -5s", ""):
            with self.assertRaises(ValueError):
                read_rule(bad)
        for bad in ("x", "0", "0x1FFFFFFFF"):
            with self.assertRaises(ValueError):
                read_status(bad)

    def test_delivery_failure_reason_decides(self) -> None:
        """0 and 3 are temporary, 1 and 2 permanent."""
        self.assertTrue(refusal(0xFE, None, 0).error.retryable)
        self.assertFalse(refusal(0xFE, None, 2).error.retryable)

    def test_bad_bind_status_binds_again(self) -> None:
        """ESME_RINVBNDSTS to a submit: unbind, bind again, the message later."""
        rig = ChannelRig(read_personality("password=secret refuse=*:0x04"))
        (outcome,) = rig.submit(rig.message())
        assert isinstance(outcome, Refused)
        self.assertIs(outcome.scope, Scope.CHANNEL_FOR_A_WHILE)
        rig.advance(4)
        self.assertEqual(rig.smsc.binds, 2)
        rig.stop()


class ThroughputTests(SynchronousTestCase):
    def test_window_50_at_100_ms_keeps_450_per_second(self) -> None:
        """The window is the only limit: 50 in 100 ms are 500 a second."""
        rig = ChannelRig(latency_s=0.05, window=50, start=False)
        rig.channel.start(rig.recorder)
        rig.advance(0.5)
        done: list[Any] = []
        running = [True]

        def next_one(outcome: Any) -> None:
            done.append(outcome)
            if not running:
                return
            prepared = rig.channel.prepare(rig.message(id=f"m{len(done)}"))
            rig.channel.submit(prepared, 1).addCallback(next_one)

        for number in range(50):
            prepared = rig.channel.prepare(rig.message(id=f"s{number}"))
            rig.channel.submit(prepared, 1).addCallback(next_one)
        begin = rig.clock.seconds()
        rig.advance(5, step=0.005)
        rate = len(done) / (rig.clock.seconds() - begin)
        running.clear()
        rig.stop()
        self.assertGreaterEqual(rate, 450)
