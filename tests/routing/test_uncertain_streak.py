"""Submits that nobody answers, and what the channel says of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Accepted, Error, Outbound, Outcome, Refused, Uncertain
from gdemoi.routing.uncertain_streak import LIMIT, UncertainStreak
from tests.routing.test_dispatcher import Case

SILENT = Uncertain(why="no answer in 30 s", unanswered=True)
UNCLEAR = Uncertain(why="twilio:503: HTTP 503", unclear=True)
BROKEN = Uncertain(why="the connection was lost")
OURS = Refused(error=Error("gateway:unavailable", "no bind", True), by_us=True)
THEIRS = Refused(error=Error("smpp:0x0B", "bad number"))
AT = 1_795_000_000.0


class SilenceTests(SynchronousTestCase):
    def heard(self, *outcomes: Outcome) -> UncertainStreak:
        """Return a silence that heard these, a minute apart."""
        streak = UncertainStreak()
        for number, outcome in enumerate(outcomes):
            streak.heard(outcome, AT + 60.0 * number)
        return streak

    def test_three_in_a_row(self) -> None:
        """Told at the third, with the time of the first; then only counted."""
        streak = self.heard(SILENT, SILENT)
        self.assertEqual(streak.reason, "")
        self.assertTrue(streak.heard(SILENT, AT + 120))
        self.assertEqual(streak.reason, "3 submits unanswered since 11:06 UTC")
        self.assertFalse(streak.heard(SILENT, AT + 180))
        self.assertEqual(streak.reason, "3 submits unanswered since 11:06 UTC")
        self.assertEqual(streak.present, "4 submits unanswered since 11:06 UTC")

    def test_any_answer_ends_it(self) -> None:
        """A refusal is one as well."""
        for answer in (Accepted(), THEIRS):
            streak = self.heard(SILENT, SILENT, answer, SILENT, SILENT)
            self.assertEqual((streak.count, streak.reason), (2, ""))
            streak = self.heard(SILENT, SILENT, SILENT)
            self.assertTrue(streak.heard(answer, AT + 500))
            self.assertEqual((streak.reason, streak.since), ("", None))

    def test_what_nobody_said_ends_nothing_and_counts_for_nothing(self) -> None:
        """Our own refusals, and a connection that broke."""
        streak = self.heard(SILENT, OURS, SILENT, BROKEN, SILENT)
        self.assertEqual(streak.count, 3)
        self.assertEqual(self.heard(BROKEN, BROKEN, BROKEN, OURS).count, 0)

    def test_answers_that_leave_it_open_are_told_too(self) -> None:
        """A provider that answers 503 to everything looked well: up, and all sent."""
        streak = self.heard(UNCLEAR, UNCLEAR, UNCLEAR, UNCLEAR)
        self.assertEqual(
            streak.reason,
            "3 messages uncertain since 11:06 UTC: twilio:503: HTTP 503",
        )
        self.assertTrue(streak.present.startswith("4 messages uncertain"))
        self.assertEqual(streak.unanswered, 0)
        self.assertTrue(streak.heard(THEIRS, AT))
        self.assertEqual(
            (streak.reason, streak.why, streak.count),
            ("", "", 0),
        )

    def test_no_answers_and_unclear_ones_are_one_row(self) -> None:
        """It is told however they alternate; what is unanswered is counted apart."""
        streak = self.heard(SILENT, UNCLEAR, SILENT, BROKEN, SILENT)
        self.assertEqual((streak.count, streak.unanswered), (4, 2))
        self.assertEqual(streak.unanswered_since, AT + 120.0)
        self.assertIn("3 messages uncertain since 11:06 UTC: ", streak.reason)

    @given(
        st.lists(st.sampled_from((SILENT, UNCLEAR, BROKEN, OURS, THEIRS, Accepted())))
    )
    def test_it_is_told_and_taken_back_in_turn(self, outcomes: list[Outcome]) -> None:
        """What is told is true, and nothing is told twice."""
        streak, reported = UncertainStreak(), False
        for outcome in outcomes:
            before = reported
            if streak.heard(outcome, AT):
                reported = not reported
            self.assertEqual(bool(streak.reason), reported)
            self.assertEqual(reported, streak.count >= LIMIT)
            if outcome is BROKEN or outcome is OURS:
                self.assertEqual(reported, before)


class ChannelTests(Case):
    def command(self, id_: str, **fields: Any) -> Outbound:
        """Each to a number of its own: none waits for another."""
        return super().command(id_, to=f"+7916123456{id_[-1]}", **fields)

    def silent(self, *names: str) -> None:
        """Submit messages that are not answered."""
        for name in names:
            self.accept(self.command(name))
            self.hands["a"].answer(SILENT)

    def test_a_channel_that_is_never_answered_says_so(self) -> None:
        """Once, as an event and a line in the log, until the first answer."""
        with capturedLogs() as logged:
            self.silent("c1", "c2")
            self.assertEqual(self.changes(), [])
            self.silent("c3", "c4", "c5")
            ((state, reason),) = self.changes()
            self.assertEqual(state, "degraded")
            self.assertIn("3 submits unanswered since ", reason)
            self.accept(self.command("c6"))
            self.hands["a"].answer()
        self.assertEqual(self.changes()[1:], [("up", "")])
        said = [formatEvent(event) for event in logged]
        self.assertEqual(sum("submits unanswered" in (one or "") for one in said), 2)
        self.assertIn("a answers submits again, and clearly", said)

    def test_a_channel_that_answers_unclearly_says_so(self) -> None:
        """Once, and what nobody knows of does not count as sent."""
        lane = self.dispatcher.lanes["a"]
        with capturedLogs() as logged:
            for name in ("c1", "c2", "c3", "c4"):
                self.accept(self.command(name))
                self.hands["a"].answer(UNCLEAR)
            self.assertEqual(lane.sent, 0)
            ((state, reason),) = self.changes()
            self.assertEqual(state, "degraded")
            self.assertIn("3 messages uncertain since ", reason)
            self.assertIn(": twilio:503: HTTP 503", reason)
            shown = lane.standing("up", "", present=True)
            self.assertIn("4 messages uncertain since ", shown[1])
            self.accept(self.command("c5"))
            self.hands["a"].answer()
        self.assertEqual(self.changes()[1:], [("up", "")])
        self.assertEqual(lane.sent, 1)
        said = [formatEvent(event) or "" for event in logged]
        self.assertEqual(sum("a: 3 messages uncertain" in one for one in said), 1)

    def test_what_is_known_late_to_be_taken_counts_as_sent(self) -> None:
        """Once it is known, and once only."""
        lane = self.dispatcher.lanes["a"]
        self.silent("c1")
        self.assertEqual(lane.sent, 0)
        self.dispatcher.late("c1", 1, Accepted(provider_ids=("9",)))
        self.dispatcher.late("c1", 1, Accepted(provider_ids=("9",)))
        self.assertEqual(lane.sent, 1)

    def test_a_fault_of_ours_at_each_message_shows(self) -> None:
        """A channel that fails within itself is no better than a silent one."""
        channel = self.hands["a"]
        channel.submit = lambda *given: 1 / 0  # type: ignore[assignment,method-assign]
        for name in ("c1", "c2", "c3"):
            self.accept(self.command(name))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 3)
        ((state, reason),) = self.changes()
        self.assertEqual(state, "degraded")
        self.assertTrue(reason.endswith(": a fault of the gateway; see the log"))

    def test_a_link_that_comes_back_is_not_up_yet(self) -> None:
        """A bind alone is no answer to a submit."""
        self.silent("c1", "c2", "c3")
        self.dispatcher.changed(self.hands["a"], "down", "lost")
        self.dispatcher.changed(self.hands["a"], "up", "")
        self.assertEqual(
            [s for s, _ in self.changes()], ["degraded", "down", "degraded"]
        )

    def test_an_answer_that_comes_late_is_one(self) -> None:
        """The far side is slow, not dumb."""
        self.silent("c1", "c2", "c3")
        self.dispatcher.late("c2", 1, Accepted(provider_ids=("9",)))
        self.assertEqual(self.changes()[1:], [("up", "")])
