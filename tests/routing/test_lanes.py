"""Lanes that close while the journal writes, and faults in the middle of a step."""

from __future__ import annotations

import sqlite3
from typing import Any

from twisted.internet.defer import Deferred

from gdemoi.message import Accepted, Error, MessageClass, Outbound, Refused, Scope
from gdemoi.routing.back_off import JOURNAL_PAUSE_S
from tests.routing.channels import HandChannel
from tests.routing.test_dispatcher import Case

THROTTLED = Refused(error=Error("hand:slow", "slow down", True), throttled=True)
CLOSED = Refused(
    error=Error("gateway:unavailable", "the channel closes", True),
    scope=Scope.CHANNEL_FOR_A_WHILE,
    by_us=True,
    until_able=True,
)
SENDER = Refused(
    error=Error("hand:sender", "not now", True), scope=Scope.SENDER, retry_after_s=5.0
)


class LaneCase(Case):
    def on_a(self, id_: str, **fields: Any) -> Outbound:
        return self.message(id_, channels=("a",), **fields)

    def replace(self) -> HandChannel:
        """Change channel a, as a reload does."""
        closing = Deferred.fromCoroutine(self.dispatcher.close_channel("a", 1.0))
        self.successResultOf(closing)
        new = HandChannel("a", account="account-a")
        self.dispatcher.open_channel(new)
        return new

    def pass_by(self, seconds: float) -> None:
        for _ in range(int(seconds * 2)):
            self.clock.advance(0.5)


class ReplacedTests(LaneCase):
    """A message belongs to the lane that is there, not to the one that it left by."""

    def test_an_outcome_that_is_written_after_the_change(self) -> None:
        for refused in (THROTTLED, SENDER, CLOSED):
            with self.subTest(refused.error.code):
                id_ = f"m-{refused.error.code.partition(':')[2]}"
                hand = self.dispatcher.lanes["a"].channel
                self.accept(self.on_a(id_))
                writes = self.journal._writes
                writes.hold()  # type: ignore[attr-defined]
                hand.answer(refused)
                new = self.replace()
                writes.release()  # type: ignore[attr-defined]
                self.pass_by(70)
                self.assertEqual(new.ids, [id_])
                new.answer(Accepted())
                self.clock.advance(0.5)
                self.assertEqual(self.journal.backlog(), {})

    def test_while_the_journal_cannot_write(self) -> None:
        """The outcome is written later, for the lane that is there then."""
        self.accept(self.on_a("m1"))
        transaction = self.journal._transaction
        whole = transaction.transact

        def fails(*_: Any) -> Any:
            raise sqlite3.OperationalError("disk full")

        transaction.transact = fails  # type: ignore[method-assign]
        self.hands["a"].answer(THROTTLED)
        new = self.replace()
        self.clock.advance(JOURNAL_PAUSE_S)
        transaction.transact = whole  # type: ignore[method-assign]
        self.pass_by(60)
        self.assertEqual(new.ids, ["m1"])

    def test_what_was_queued_in_the_channel_loses_no_time(self) -> None:
        """It never left: the new channel sends it at once, not after a pause."""
        self.accept(self.on_a("m1"))
        hand = self.hands["a"]
        lane = self.dispatcher.lanes["a"]
        lane.stop()
        hand.answer(CLOSED)
        new = self.replace()
        self.clock.advance(0.5)
        self.assertEqual(new.ids, ["m1"])


class FaultTests(LaneCase):
    def test_a_fault_in_an_intent(self) -> None:
        """It is tried again, though nothing else happens."""
        self.hands["a"].down = "down"
        self.accept(self.on_a("m1", class_=MessageClass.NOTIFICATION))
        transaction = self.journal._transaction
        whole = transaction.note

        def fails(*_: Any) -> Any:
            raise ValueError("a fault")

        transaction.note = fails  # type: ignore[method-assign]
        self.hands["a"].down = None
        self.dispatcher.able(self.hands["a"])
        self.assertEqual(self.hands["a"].ids, [])
        transaction.note = whole  # type: ignore[method-assign]
        self.pass_by(JOURNAL_PAUSE_S + 1)
        self.assertEqual(self.hands["a"].ids, ["m1"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_a_fault_in_reading_the_backlog(self) -> None:
        self.hands["a"].down = "down"
        self.accept(self.on_a("m1"))
        queries = self.journal._queries
        whole = queries.take

        def fails(*_: Any) -> Any:
            raise ValueError("a fault")

        queries.take = fails  # type: ignore[method-assign]
        new = self.replace()
        self.assertEqual(new.ids, [])
        queries.take = whole  # type: ignore[method-assign]
        self.pass_by(JOURNAL_PAUSE_S + 1)
        self.assertEqual(new.ids, ["m1"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class FailoverTests(LaneCase):
    channels = ("a", "b")

    def both_down(self) -> None:
        for hand in self.hands.values():
            hand.down = "down"

    def test_a_reading_in_between_brings_nothing_back(self) -> None:
        """While the journal writes that a message has moved, its old lane reads."""
        self.both_down()
        self.accept(self.message("m1", channels=("a", "b")))
        self.pass_by(8)
        self.hands["b"].down = None
        writes: Any = self.journal._writes
        writes.hold()
        self.clock.advance(1.0)
        lane = self.dispatcher.lanes["a"]
        lane.more()
        lane.pump()
        self.assertEqual(lane.waiting, 0)
        writes.release()
        self.pass_by(2)
        self.assertEqual(self.hands["b"].ids, ["m1"])
        self.assertEqual(lane.waiting, 0)
        self.hands["b"].answer(Accepted())
        self.hands["a"].down = None
        self.dispatcher.able(self.hands["a"])
        self.pass_by(10)
        self.assertEqual(self.hands["a"].ids, [])
