"""Doubts and deadlines of GoIP lines, and which line is next: tables."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.goip.exchange import (
    Exchange,
    ExchangeLost,
    ExchangeTimers,
    Result,
    SmsFailed,
    SmsNotSent,
    SmsSent,
    SmsUncertain,
)
from gdemoi.goip.lines import Affinity, Line, NoUsableLine, bound_line, choose
from gdemoi.message import Accepted, Outcome, Uncertain
from tests.goip.rig import HOME, SECOND, Rig, line_settings

DELIVER = "DELIVER:{n};id:{line};password:{password};sms_no:{sms_no};state:0;num:{to};"
TO, OTHER = "+79001234567", "+79009999999"


class DoubtCase(SynchronousTestCase):
    """Lines whose verdicts are lost."""

    def setUp(self) -> None:
        self.rig = Rig({"a": line_settings(), "b": line_settings()})
        self.rig.register("a")
        self.count = 0

    def pass_time(self, seconds: float) -> None:
        """Let time pass, the line's keepalives going on."""
        while seconds > 0:
            step = min(seconds, 30.0)
            self.rig.pass_time(step, 0.5)
            self.rig.register("a")
            seconds -= step

    def unsure(self, to: str = TO) -> list[Outcome]:
        """Submit an SMS whose verdict never comes."""
        outcomes = self.rig.submit(to=to)
        self.rig.until_send()
        self.pass_time(20.5)
        self.assertIsInstance(outcomes[0], Uncertain)
        return outcomes

    def deliver(self, to: str = TO, line: str = "a", sms_no: int = 7) -> None:
        """Let the device tell that an SMS was delivered."""
        self.count += 1
        self.rig.say(
            DELIVER.format(
                n=self.count, line=line, password="password1", sms_no=sms_no, to=to
            )
        )

    def lates(self) -> list[Any]:
        """Return what was told late, in order."""
        return [outcome for _, _, outcome in self.rig.recorder.lates]


class HourOfDoubtTests(DoubtCase):
    def test_how_long_a_receipt_may_settle_a_doubt(self) -> None:
        """Within an hour of the verdict that did not come, and not after it."""
        for after_s, settled in ((0, True), (1800, True), (3500, True), (3700, False)):
            with self.subTest(after_s):
                self.setUp()
                self.unsure()
                self.pass_time(after_s)
                self.deliver()
                self.assertEqual(len(self.lates()), settled)
                if settled:
                    self.assertIsInstance(self.lates()[0], Accepted)
                self.deliver(sms_no=8)
                self.assertEqual(len(self.lates()), settled)

    def test_whose_receipt_settles_it(self) -> None:
        """That line, that phone, and only one such SMS: else nobody can tell."""
        for unsure_to, reported, settled in (
            ((TO,), (TO, "a"), True),
            ((TO,), ("9001234567", "a"), True),
            ((TO,), (OTHER, "a"), False),
            ((TO,), (TO, "b"), False),
            ((TO, OTHER), (TO, "a"), True),
            ((TO, TO), (TO, "a"), False),
        ):
            with self.subTest((unsure_to, reported)):
                self.setUp()
                for to in unsure_to:
                    self.unsure(to)
                    self.pass_time(90)
                self.rig.register("b", ("127.0.0.1", 10995))
                to, line = reported
                before = len(self.rig.recorder.lates)
                if line == "b":
                    self.rig.say(
                        DELIVER.format(
                            n=1, line="b", password="password1", sms_no=7, to=to
                        ),
                        ("127.0.0.1", 10995),
                    )
                else:
                    self.deliver(to)
                self.assertEqual(len(self.rig.recorder.lates) - before, settled)


class EarlyTests(DoubtCase):
    """A receipt before its OK."""

    def attempt(self, to: str = TO) -> tuple[list[Outcome], int]:
        """Submit an SMS up to its SEND."""
        outcomes = self.rig.submit(to=to)
        return outcomes, self.rig.until_send()

    def test_it_is_the_verdict_when_none_comes(self) -> None:
        """Of this SMS: not one that came before it, nor two that disagree."""
        for receipts, verdict in (
            (((TO, 7),), Accepted),
            (((OTHER, 7),), Uncertain),
            (((TO, 7), (TO, 8)), Uncertain),
            ((), Uncertain),
        ):
            with self.subTest(receipts):
                self.setUp()
                outcomes, _ = self.attempt()
                for to, sms_no in receipts:
                    self.deliver(to, sms_no=sms_no)
                self.pass_time(21)
                self.assertIsInstance(outcomes[0], verdict)

    def test_one_from_before_the_sms_is_not_its_verdict(self) -> None:
        """The line spoke of an older SMS to the same phone."""
        first, _ = self.attempt()
        self.deliver()
        self.pass_time(21)
        self.assertIsInstance(first[0], Accepted)
        self.pass_time(60)
        second, _ = self.attempt()
        self.pass_time(21)
        self.assertIsInstance(second[0], Uncertain)

    def test_one_that_was_left_over_is_not_its_verdict(self) -> None:
        """It spoke of an SMS of another counter, while the first was under way."""
        first, sendid = self.attempt()
        self.rig.say(f"WAIT {sendid} 1\n")
        self.deliver(sms_no=9)
        self.pass_time(12)
        self.rig.say(f"OK {sendid} 1 7\n")
        self.rig.say(f"DONE {sendid}\n")
        self.assertIsInstance(first[0], Accepted)
        self.pass_time(60)
        second, _ = self.attempt()
        self.pass_time(21)
        self.assertIsInstance(second[0], Uncertain)

    def test_one_of_another_line_is_not_its_verdict(self) -> None:
        """Two lines send to one phone, and one of them speaks."""
        self.rig.register("b", SECOND)
        outcomes = []
        for line, address in (("a", HOME), ("b", SECOND)):
            outcomes.append(self.rig.submit(to=TO, from_=line))
            sendid = self.rig.sendid()
            for word in ("PASSWORD", "SEND"):
                self.rig.say(f"{word} {sendid}\n", address)
        self.rig.say(
            DELIVER.format(n=1, line="b", password="password1", sms_no=7, to=TO),
            SECOND,
        )
        self.pass_time(21)
        a, b = outcomes
        self.assertIsInstance(a[0], Uncertain)
        self.assertIsInstance(b[0], Accepted)

    def test_how_long_it_waits_for_the_ok(self) -> None:
        """Ten seconds; the device is answered when it is safe, not before."""
        for ok_after_s, answered_after_s in ((0.5, 0.5), (9.0, 9.0), (12.0, 10.0)):
            with self.subTest(ok_after_s):
                self.setUp()
                _, sendid = self.attempt()
                self.rig.say(f"WAIT {sendid} 1\n")
                began = self.rig.clock.seconds()
                self.rig.heard()
                self.deliver()
                self.assertNotIn("DELIVER", str(self.rig.heard()))
                while self.rig.clock.seconds() - began < 15:
                    self.rig.clock.advance(0.5)
                    if self.rig.clock.seconds() - began == ok_after_s:
                        self.rig.say(f"OK {sendid} 1 7\n")
                    if "DELIVER 1 OK" in str(self.rig.heard()):
                        break
                passed = self.rig.clock.seconds() - began
                self.assertEqual(passed, answered_after_s)
                matched = ok_after_s < 10
                self.assertEqual(len(self.rig.recorder.matched), matched)


class RankTests(SynchronousTestCase):
    """Which of several usable lines sends."""

    NOW = 1000.0

    def line(
        self,
        name: str,
        *,
        waiting: int = 0,
        busy: bool = False,
        released: bool = False,
        today: int = 0,
        next_at: float = 0.0,
        failed_sends: int = 0,
        usable: bool = True,
    ) -> Line:
        """Return a line in some state."""
        line = Line(name, line_settings(), alive=usable, seen_at=self.NOW)
        line.gsm_status = "LOGIN"
        line.waiting.extend([None] * waiting)  # type: ignore[list-item]
        if busy:
            line.exchange = Exchange(
                1, b"", b"", b"", ExchangeTimers(), released=released
            )
        line.count(today, self.NOW)
        line.next_at = next_at
        line.failed_sends = failed_sends
        return line

    def chosen(self, *lines: Line, **more: Any) -> str | None:
        """Return the name of the chosen line."""
        given: dict[str, Any] = {"bound": None, "known": None, **more}
        found = choose(lines, given.pop("bound"), given.pop("known"), self.NOW, **given)
        return None if isinstance(found, NoUsableLine) else found.name

    def test_rank(self) -> None:
        """Each reason goes before all that follow it; the order given is no reason."""
        # the better one by one reason, the other one by all that follow
        for better, worse in (
            ({"today": 9, "next_at": 9e9}, {"usable": False}),
            (
                {"waiting": 3, "busy": True, "today": 9, "next_at": 9e9},
                {"failed_sends": 1, "busy": True},
            ),
            ({"today": 9, "next_at": 9e9}, {"waiting": 1}),
            ({"today": 9, "next_at": 9e9}, {"busy": True}),
            ({"waiting": 1, "today": 9}, {"waiting": 1, "busy": True}),
            ({"next_at": 9e9}, {"today": 1}),
            ({"next_at": 1001.0}, {"next_at": 1002.0}),
        ):
            for names in ("ab", "ba"):
                one = self.line(names[0], **better)  # type: ignore[arg-type]
                two = self.line(names[1], **worse)  # type: ignore[arg-type]
                self.assertEqual(self.chosen(one, two), one.name, (better, worse))
                self.assertEqual(self.chosen(two, one), one.name, (better, worse))

    def test_equals(self) -> None:
        """By name: a released exchange and a time that has come are no load."""
        a = self.line("a", busy=True, released=True, next_at=500.0)
        b = self.line("b", next_at=0.0)
        self.assertEqual(self.chosen(b, a), "a")
        # trouble counts only while an SMS tries the line out
        c = self.line("0", failed_sends=3)
        self.assertEqual(self.chosen(b, a, c), "0")

    def test_the_line_that_the_phone_knows(self) -> None:
        """First while it is usable, unless it is tried out or others are free."""
        free = self.line("free")
        for state, patient, expected in (
            ({"waiting": 5, "today": 9}, True, "known"),
            ({"waiting": 1}, False, "free"),
            ({"busy": True}, False, "known"),
            ({"usable": False}, True, "free"),
            ({"failed_sends": 1, "busy": True}, True, "free"),
            ({"failed_sends": 1}, True, "known"),
        ):
            known = self.line("known", **state)  # type: ignore[arg-type]
            found = self.chosen(free, known, known=known, patient=patient)
            self.assertEqual((state, patient, found), (state, patient, expected))

    def test_the_only_line(self) -> None:
        """A line that is named, or must be kept, is the only choice."""
        free, gone = self.line("free"), self.line("gone", usable=False)
        busy = self.line("busy", waiting=9, failed_sends=1, busy=True)
        self.assertIsNone(self.chosen(free, gone, bound=gone))
        self.assertEqual(self.chosen(free, busy, bound=busy), "busy")
        self.assertIsNone(self.chosen(free, gone, known=gone, required=True))
        self.assertEqual(self.chosen(free, busy, known=busy, required=True), "busy")
        self.assertEqual(self.chosen(free, gone, known=gone), "free")
        self.assertEqual(
            self.chosen(free, busy, bound=free, known=busy, required=True), "free"
        )


class VerdictTests(SynchronousTestCase):
    """What may be said of an SMS, by what left and what was answered."""

    def led(self, *steps: str | float) -> Exchange:
        """Lead an exchange: answers of the device, or time that passes."""
        exchange, now = Exchange(7, b"+79", b"hi", b"pw", ExchangeTimers()), 0.0
        exchange.begin(now)
        for step in steps:
            if isinstance(step, str):
                word, _, rest = step.partition(" ")
                exchange.receive(word, rest.encode(), now)
            else:
                end = now + step
                while exchange.deadline is not None and exchange.deadline <= end:
                    now = max(now, exchange.deadline)
                    exchange.tick(now)
                now = end
        return exchange

    def test_verdicts(self) -> None:
        """Another try is safe only while SEND certainly was not heard."""
        p, s = "PASSWORD", "SEND"
        for steps, expected in (
            ((20.0,), SmsNotSent),
            ((p, 20.0), SmsNotSent),
            ((p, s, 19.9), None),
            ((p, s, 20.0), SmsUncertain),
            ((s, 20.0), SmsUncertain),
            ((p, s, "OK 1 5"), SmsSent),
            ((p, s, "OK 2 5", 20.0), SmsUncertain),
            ((p, s, "ERROR 1 errorstatus:38"), SmsFailed),
            (("ERROR PASSWORD",), SmsNotSent),
            ((p, "ERROR GSM_LOGOUT"), SmsNotSent),
            ((p, "ERROR SENDID"), ExchangeLost),
            # SEND left once, and this is all that was ever said to it
            ((p, s, "ERROR GSM_LOGOUT"), SmsNotSent),
            ((p, s, "ERROR SENDID"), ExchangeLost),
            # it left twice, or was waited for: the answer may be to the repeat
            ((p, s, 5.0, "ERROR GSM_LOGOUT"), SmsUncertain),
            ((p, s, 5.0, "ERROR SENDID"), SmsUncertain),
            ((p, s, "WAIT 1", "ERROR GSM_LOGOUT"), SmsUncertain),
            ((p, s, "WAIT 1", "ERROR SENDID"), SmsUncertain),
            ((p, s, "WAIT 1", 30.0, "OK 1 5"), SmsSent),
        ):
            result: Result | None = self.led(*steps).result
            kind = None if result is None else type(result)
            self.assertEqual((steps, kind), (steps, expected))

    def test_the_end_of_an_exchange(self) -> None:
        """The device drops it 90 s after MSG: 85 s, whatever stage it is in."""
        for steps in (
            ("PASSWORD", "SEND", "WAIT 1"),
            (4.0, "PASSWORD", 14.0, "SEND", 14.0, "WAIT 1"),
            (14.9, "PASSWORD", 14.9, "SEND", 19.0, "WAIT 1"),
        ):
            attempt = sum(step for step in steps if isinstance(step, float))
            waits = self.led(*steps, 84.9 - attempt)
            self.assertIsNone(waits.result, steps)
            self.assertEqual(waits.deadline, 85.0, steps)
            over = self.led(*steps, 85.0 - attempt)
            self.assertIsInstance(over.result, SmsUncertain, steps)

    def test_a_passive_exchange_ends_too(self) -> None:
        """Without polls, the end is all that it waits for."""
        exchange = Exchange(
            7, b"+79", b"hi", b"pw", ExchangeTimers(poll_interval_s=0.0)
        )
        exchange.begin(0.0)
        for word in ("PASSWORD", "SEND"):
            exchange.receive(word, b"", 1.0)
        exchange.receive("WAIT", b"1", 2.0)
        self.assertEqual(exchange.deadline, 85.0)
        self.assertEqual(exchange.tick(84.9), [])
        exchange.tick(85.0)
        self.assertIsInstance(exchange.result, SmsUncertain)

    def test_what_a_verdict_says(self) -> None:
        """Receipt number, error code, how long the line rests and why."""
        p, s = "PASSWORD", "SEND"
        for steps, expected in (
            ((p, s, "OK 1 5"), SmsSent("5")),
            ((p, s, "OK 1"), SmsSent(None)),
            ((p, s, "ERROR 1 errorstatus:38"), SmsFailed(38)),
            ((p, s, "ERROR 1 errorstatus:"), SmsFailed(None)),
            ((p, s, "ERROR 1"), SmsFailed(None)),
            (("ERROR PASSWORD",), SmsNotSent("PASSWORD", "wrong password", 300.0)),
            (("ERROR busy",), SmsNotSent("ERROR", "rejected: busy", 10.0)),
            (
                (p, "ERROR GSM_LOGOUT"),
                SmsNotSent("GSM_LOGOUT", "the line is not on its network", 0.0, True),
            ),
            ((20.0,), SmsNotSent("silence", "no answer to MSG", 10.0)),
            ((p, 20.0), SmsNotSent("silence", "no answer to PASSWORD", 10.0)),
            ((p, s, 20.0), SmsUncertain("no answer to SEND", silent=True)),
            (
                (p, s, 5.0, "ERROR GSM_LOGOUT"),
                SmsUncertain(
                    "the line is not on its network, after SEND", unclear=True
                ),
            ),
            ((p, s, "WAIT 1", 85.0), SmsUncertain("no end in 85 s", silent=True)),
            (
                (p, s, "ERROR what", 20.0),
                SmsUncertain("no answer to SEND (it said: what)", silent=True),
            ),
        ):
            self.assertEqual((steps, self.led(*steps).result), (steps, expected))

    def test_what_comes_after_the_verdict(self) -> None:
        """The first word after a doubt is told late; after a verdict none is."""
        p, s = "PASSWORD", "SEND"
        for steps, late in (
            ((p, s, 20.0, "OK 1 5"), SmsSent("5")),
            ((p, s, 20.0, "ERROR 1 errorstatus:38"), SmsFailed(38)),
            ((p, s, 20.0, "OK 1 5", "ERROR 1 errorstatus:38"), SmsSent("5")),
            ((p, s, 20.0, "OK 2 5"), None),
            ((p, s, "OK 1 5", "OK 1 6"), None),
            ((p, s, "OK 1 5", "ERROR 1 errorstatus:38"), None),
            # it went out after all: that must be known before another try
            ((p, s, "ERROR 1 errorstatus:38", "OK 1 5"), SmsSent("5")),
            ((p, s, "ERROR 1 errorstatus:38", "ERROR 1 errorstatus:1"), None),
            ((20.0, "OK 1 5"), None),
        ):
            self.assertEqual((steps, self.led(*steps).late), (steps, late))

    def test_when_the_line_is_free_again(self) -> None:
        """With the device's DONE, or one timeout later; not before the verdict."""
        p, s = "PASSWORD", "SEND"
        for steps, released in (
            ((p, s, "DONE"), False),
            ((p, s, "OK 1 5"), False),
            ((p, s, "OK 1 5", "DONE"), True),
            ((p, s, "OK 1 5", 4.9), False),
            ((p, s, "OK 1 5", 5.0), True),
            ((p, "ERROR SENDID"), True),
        ):
            self.assertEqual((steps, self.led(*steps).released), (steps, released))
        self.assertIsNone(self.led(p, s, "OK 1 5", "DONE").deadline)


class BoundTests(SynchronousTestCase):
    def test_which_line_a_sender_names(self) -> None:
        """Its name, or its number however it is spelled; short numbers exactly."""
        lines = {
            "office": Line("office", line_settings(number="+79161112233")),
            "short": Line("short", line_settings(number="12345")),
            "79990001122": Line("79990001122", line_settings(number="+79161112244")),
            "none": Line("none", line_settings()),
        }
        for sender, expected in (
            (None, None),
            ("", None),
            ("office", "office"),
            ("Office", None),
            ("+79161112233", "office"),
            ("89161112233", "office"),
            ("9161112233", "office"),
            ("+79161112244", "79990001122"),
            ("79990001122", "79990001122"),
            ("12345", "short"),
            ("2345", None),
            ("GdeMoi", None),
            ("+79161112255", None),
        ):
            found = bound_line(sender, lines)
            name = None if found is None else found.name
            self.assertEqual((sender, name), (sender, expected))

    def test_why_there_is_no_line(self) -> None:
        """Which line it is about, and when to ask again."""
        gone = Line("gone", line_settings())
        self.assertEqual(
            choose([gone], None, None, 1000.0), NoUsableLine("no usable line", 5.0)
        )
        self.assertEqual(
            choose([gone], gone, None, 1000.0),
            NoUsableLine("line gone: no keepalive yet", 60.0, True),
        )

    def test_the_line_that_talked_last(self) -> None:
        """In whatever spelling; only what is new is to be saved."""
        affinity = Affinity()
        affinity.note("+79161112233", "a")
        self.assertTrue(affinity.changed)
        self.assertEqual(affinity.saved(), {"161112233": "a"})
        self.assertFalse(affinity.changed)
        affinity.note("89161112233", "a")
        self.assertFalse(affinity.changed)
        affinity.note("9161112233", "b")
        self.assertTrue(affinity.changed)
        self.assertEqual(affinity.line("+79161112233"), "b")
        self.assertIsNone(affinity.line("+79161112234"))
        self.assertEqual(len(affinity), 1)
