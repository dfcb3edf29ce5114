"""Commands to one number leave one at a time, in order, over all channels."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import Unavailable
from gdemoi.facts import Cancelled, Decided, Final, Holding
from gdemoi.journal.turns import DELIVERED_WITHIN_S
from gdemoi.message import (
    STOPPED,
    Accepted,
    CommandPace,
    Error,
    MessageState,
    OnFailure,
    OnUnsure,
    Outbound,
    Receipt,
    Refused,
    Turn,
    Uncertain,
    provider_key,
)
from gdemoi.routing import lanes
from gdemoi.routing.rules import Router
from gdemoi.routing.turns import Turns
from tests.routing.test_dispatcher import POLICY, Case

OTHER = "+79160000000"
BAD = Refused(error=Error("hand:bad", "bad"))
BUSY = Refused(error=Error("hand:busy", "busy", True))
FULL = Refused(error=Error("hand:full", "full", True), queue_full=True)
UNSURE = Uncertain(why="silence")


@contextmanager
def patched_note(journal: Any) -> Iterator[None]:
    """Let the disk be full for facts that are recorded."""
    whole = journal._transaction.note
    journal._transaction.note = _full
    try:
        yield
    finally:
        journal._transaction.note = whole


def _full(*given: Any) -> Any:
    raise OSError("disk full")


class TurnsCase(Case):
    channels = ("a", "b")

    def on(self, channel: str, id_: str, **fields: Any) -> Outbound:
        """Return a command that goes over one channel only."""
        return self.command(id_, channels=(channel,), **fields)

    @property
    def left(self) -> list[str]:
        """Return what left, over both channels, in order of the attempts."""
        return [*self.hands["a"].ids, *self.hands["b"].ids]

    def passes(self, seconds: float) -> None:
        """Let time pass, with the sweeps that come meanwhile."""
        for _ in range(int(seconds)):
            self.clock.advance(1.0)
        self.clock.advance(seconds - int(seconds))

    def receipt(self, channel: str, id_: str, state: MessageState) -> None:
        given = f"p-{id_}"
        self.successResultOf(
            self.dispatcher.receipt(
                Receipt(
                    account=f"account-{channel}",
                    channel=channel,
                    provider_id=given,
                    keys=(provider_key(given),),
                    state=state,
                )
            )
        )


class OrderTests(TurnsCase):
    def test_one_at_a_time_over_all_channels(self) -> None:
        """Each leaves when the one before was submitted, whatever its channel."""
        self.accept(
            self.on("a", "c1"),
            self.on("b", "c2"),
            self.on("a", "c3"),
            self.on("b", "other", to=OTHER),
        )
        self.assertEqual(self.left, ["c1", "other"])
        self.hands["a"].answer()
        self.assertEqual(self.hands["b"].ids, ["other", "c2"])
        self.assertEqual(self.hands["a"].ids, ["c1"])
        self.hands["b"].answer()
        self.assertEqual(self.hands["a"].ids, ["c1", "c3"])

    def test_priority_does_not_overtake(self) -> None:
        """Within one tracker; one that is not yet to leave holds nobody up."""
        soon = self.clock.seconds() + 20.0
        self.accept(
            self.on("a", "c1"),
            self.on("a", "later", not_before=soon),
            self.on("b", "c2", priority=9),
        )
        self.assertEqual(self.left, ["c1"])
        self.hands["a"].answer()
        self.assertEqual(self.left, ["c1", "c2"])
        self.passes(21.0)
        self.assertEqual(self.left, ["c1", "c2"])
        self.hands["b"].answer()
        self.assertEqual(self.left, ["c1", "later", "c2"])

    def test_notifications_are_neither_held_up_nor_counted(self) -> None:
        """They have no line, whatever stands there."""
        self.accept(self.on("a", "c1"), self.message("n1"), self.message("n2"))
        self.assertEqual(self.left, ["c1", "n1", "n2"])
        self.assertEqual(self.dispatcher.turns.numbers, 1)
        self.assertEqual(self.journal._database.rows("SELECT id FROM turns"), [("c1",)])

    def test_pace_none_waits_for_nobody(self) -> None:
        """Who asks for it has no line."""
        free = Turn(pace=CommandPace.NONE)
        self.accept(self.on("a", "c1"), self.on("b", "free", turn=free))
        self.assertEqual(self.left, ["c1", "free"])

    def test_a_repeat_holds_nobody_up(self) -> None:
        """The same id again changes nothing in the line."""
        first = self.on("a", "c1")
        self.accept(first)
        self.accept(first)
        self.accept(self.on("b", "c2"))
        self.hands["a"].answer()
        self.assertEqual(self.left, ["c1", "c2"])
        self.accept(first)
        self.hands["b"].answer()
        self.accept(self.on("a", "c3"))
        self.assertEqual(self.left, ["c1", "c3", "c2"])
        self.hands["a"].answer()
        self.assertEqual(self.dispatcher.turns.numbers, 0)
        self.assertEqual(self.journal._database.rows("SELECT id FROM turns"), [])

    def test_one_that_is_tried_again_is_not_overtaken(self) -> None:
        """Its number waits for it, over every channel, also behind a full backlog."""
        self.accept(self.on("a", "c1"), self.on("b", "c2"))
        self.hands["a"].answer(BUSY)
        self.accept(self.on("b", "c3"))
        self.passes(POLICY.first_s + 1)
        self.assertEqual(self.left, ["c1", "c1"])
        self.hands["a"].answer()
        self.assertEqual(self.left, ["c1", "c1", "c2"])

    def test_more_than_memory_holds(self) -> None:
        """What stands in the journal only keeps its place in the line."""
        self.patch(lanes, "HEAD_LIMIT", 2)
        self.patch(lanes, "LOW_MARK", 1)
        names = [f"c{number:02}" for number in range(20)]
        self.accept(
            *[self.on("ab"[n % 2], name) for n, name in enumerate(names)],
        )
        order = []
        for number in range(20):
            hand = self.hands["ab"[number % 2]]
            order.append(hand.ids[-1])
            hand.answer()
        self.assertEqual(order, names)


# What becomes of the first: told by a function, and after how long the next one leaves.
Fate = Callable[["FateTests"], None]


class FateTests(TurnsCase):
    """However the first one ends, the next one leaves; it is never lost."""

    def answered(self, outcome: Any) -> None:
        self.hands["a"].answer(outcome)

    def cancelled(self) -> None:
        """It waits for another try when it is taken back."""
        self.answered(BUSY)
        now = self.clock.seconds()
        self.successResultOf(self.journal.note(Cancelled("c1", now)))
        self.dispatcher.forget("c1")

    def expired(self) -> None:
        """It waits for another try, and its channel is down till its time is over."""
        self.answered(FULL)
        self.hands["a"].down = "no bind"

    def channel_gone(self) -> None:
        """It waits for its channel, which a reload takes away."""
        self.answered(BUSY)
        closing = self.dispatcher.close_channel("a", 1.0)
        self.run_to_end(closing)
        self.dispatcher.forget_channel("a")
        router = Router([], ["b"])
        self.dispatcher.reconfigure(
            router, policy=POLICY, backlog_limit=50, home_country=None
        )
        self.run_to_end(self.dispatcher.adopt_orphans())

    def test_every_end_lets_the_next_one_go(self) -> None:
        """A row for each end of what is waited for."""
        hold = POLICY.hold_s
        rows: tuple[tuple[str, Fate, float, str], ...] = (
            ("submitted", lambda t: t.answered(Accepted()), 0.0, "submitted"),
            ("rejected", lambda t: t.answered(BAD), 0.0, "rejected"),
            ("cancelled", lambda t: t.cancelled(), 0.0, "cancelled"),
            ("expired", lambda t: t.expired(), 61.0, "expired"),
            ("uncertain", lambda t: t.answered(UNSURE), hold + 2.0, "uncertain"),
            ("its channel is gone", lambda t: t.channel_gone(), 0.0, "rejected"),
        )
        for name, fate, wait_s, state in rows:
            with self.subTest(name):
                self.doCleanups()
                self.setUp()
                self.accept(self.on("a", "c1", expires_at=self.clock.seconds() + 60))
                self.accept(self.on("b", "c2"), self.on("b", "c3"))
                self.assertEqual(self.hands["b"].ids, [])
                fate(self)
                if wait_s:
                    self.assertEqual(self.hands["b"].ids, [])
                self.passes(wait_s)
                self.assertEqual(self.states("c1")[-1], state)
                self.assertEqual(self.hands["b"].ids, ["c2"])
                self.hands["b"].answer()
                self.assertEqual(self.hands["b"].ids, ["c2", "c3"])

    def test_unsure_is_released_by_what_is_learned(self) -> None:
        """A late answer, or a receipt, ends the wait before the hold does."""
        self.accept(self.on("a", "c1"), self.on("b", "c2"))
        self.hands["a"].answer(UNSURE)
        self.assertEqual(self.hands["b"].ids, [])
        self.dispatcher.late("c1", 1, Accepted(provider_ids=("p-c1",)))
        self.assertEqual(self.hands["b"].ids, ["c2"])

    def test_a_waiting_one_expires_unsent(self) -> None:
        """The third is next then; nobody waits for what is over."""
        now = self.clock.seconds()
        self.accept(
            self.on("a", "c1"),
            self.on("b", "c2", expires_at=now + 30.0),
            self.on("b", "c3"),
        )
        self.passes(32.0)
        self.assertEqual(self.states("c2")[-1], "expired")
        self.assertEqual(self.dispatcher.lanes["b"].waiting, 1)
        self.hands["a"].answer()
        self.assertEqual(self.hands["b"].ids, ["c3"])

    def test_one_that_ended_while_its_channel_was_down(self) -> None:
        """Expired or cancelled, it stands in its lane still: nobody waits for it."""
        for cancels in (False, True):
            with self.subTest(cancels):
                self.doCleanups()
                self.setUp()
                self.hands["a"].down = "no bind"
                now = self.clock.seconds()
                self.accept(self.on("a", "c1", expires_at=now + 30.0))
                if cancels:
                    self.successResultOf(self.journal.note(Cancelled("c1", now)))
                self.passes(32.0)
                self.hands["a"].down = None
                self.dispatcher.able(self.hands["a"])
                self.accept(self.on("b", "c2"))
                self.assertEqual(self.left, ["c2"])
                self.assertTrue(self.dispatcher.lanes["a"].settled)

    def test_a_waiting_one_is_cancelled(self) -> None:
        """The platform takes back one that waits: the order of the others holds."""
        self.accept(self.on("a", "c1"), self.on("b", "c2"), self.on("b", "c3"))
        now = self.clock.seconds()
        self.assertTrue(self.successResultOf(self.journal.note(Cancelled("c2", now))))
        self.dispatcher.forget("c2")
        self.hands["a"].answer()
        self.assertEqual(self.hands["b"].ids, ["c3"])
        self.assertFalse(self.successResultOf(self.journal.note(Cancelled("c1", now))))

    def test_the_journal_cannot_take_it(self) -> None:
        """What was not accepted stands in no line."""

        def full(*given: Any) -> Any:
            raise OSError("disk full")

        self.journal._transaction.accept, whole = (  # type: ignore[method-assign]
            full,
            self.journal._transaction.accept,
        )
        self.refuse(self.on("a", "c1"))
        self.journal._transaction.accept = whole  # type: ignore[method-assign]
        self.assertEqual(self.dispatcher.turns.numbers, 0)
        self.passes(3.0)
        self.accept(self.on("b", "c2"))
        self.assertEqual(self.left, ["c2"])


class PaceTests(TurnsCase):
    def test_gap(self) -> None:
        """So long passes after the release, also after a refusal."""
        gap = Turn(gap_s=5.0)
        for outcome in (Accepted(), BAD):
            with self.subTest(outcome):
                self.doCleanups()
                self.setUp()
                self.accept(self.on("a", "c1", turn=gap), self.on("b", "c2"))
                self.hands["a"].answer(outcome)
                self.passes(4.9)
                self.assertEqual(self.hands["b"].ids, [])
                self.passes(0.2)
                self.assertEqual(self.hands["b"].ids, ["c2"])

    def test_settling(self) -> None:
        """A tracker that starts anew is left alone; not when it was never told to."""
        reboot = Turn(settle_s=60.0, gap_s=1.0)
        for outcome, wait_s in ((Accepted(), 61.0), (BAD, 1.0)):
            with self.subTest(outcome):
                self.doCleanups()
                self.setUp()
                self.accept(self.on("a", "c1", turn=reboot), self.on("b", "c2"))
                self.hands["a"].answer(outcome)
                self.passes(wait_s - 0.1)
                self.assertEqual(self.hands["b"].ids, [])
                self.passes(0.2)
                self.assertEqual(self.hands["b"].ids, ["c2"])

    def test_delivered(self) -> None:
        """Until the receipt; without one, ten minutes after the submit."""
        turn = Turn(pace=CommandPace.DELIVERED)
        self.accept(self.on("a", "c1", turn=turn), self.on("b", "c2", turn=turn))
        self.accept(self.on("b", "c3"))
        self.hands["a"].answer()
        self.passes(30.0)
        self.assertEqual(self.hands["b"].ids, [])
        self.receipt("a", "c1", MessageState.ENROUTE)
        self.assertEqual(self.hands["b"].ids, [])
        self.receipt("a", "c1", MessageState.DELIVERED)
        self.assertEqual(self.hands["b"].ids, ["c2"])
        self.hands["b"].answer(Accepted(receipt_expected=False))
        self.passes(DELIVERED_WITHIN_S - 1)
        self.assertEqual(self.hands["b"].ids, ["c2"])
        self.passes(2.0)
        self.assertEqual(self.hands["b"].ids, ["c2", "c3"])

    def test_a_late_loss_holds_nobody_up_again(self) -> None:
        """It was released when it was submitted; what follows later is no gap."""
        self.accept(self.on("a", "c1", turn=Turn(gap_s=5.0)))
        self.hands["a"].answer()
        self.passes(60.0)
        self.receipt("a", "c1", MessageState.UNDELIVERED)
        self.accept(self.on("b", "c2"))
        self.assertEqual(self.hands["b"].ids, ["c2"])


class BusyTests(TurnsCase):
    def test_one_that_waits_long_says_so(self) -> None:
        """Once, after five seconds, whoever's the other command is."""
        theirs = self.on("a", "c1", account="fleet")
        self.accept(theirs, self.on("b", "c2"), self.on("b", "c3"))
        self.passes(4.0)
        self.assertEqual(self.states("c2"), ["accepted"])
        self.passes(20.0)
        for name in ("c2", "c3"):
            self.assertEqual(self.states(name), ["accepted", "waiting"])
        error = self.events("c2")[-1]["error"]
        self.assertEqual(error["code"], "gateway:tracker_busy")
        self.assertTrue(error["retryable"])
        self.assertNotIn("c1", json.dumps(error))
        self.hands["a"].answer()
        self.hands["b"].answer()
        self.assertEqual(self.left, ["c1", "c2", "c3"])
        self.assertEqual(self.states("c2")[-1], "submitted")
        self.hands["b"].answer()
        self.assertEqual(self.states("c3"), ["accepted", "waiting", "submitted"])

    def test_the_journal_cannot_be_written(self) -> None:
        """Then it is not told; the command leaves all the same."""
        self.accept(self.on("a", "c1"), self.on("b", "c2"))
        with patched_note(self.journal):
            self.passes(8.0)
        self.hands["a"].answer()
        self.assertEqual(self.left, ["c1", "c2"])

    def test_one_that_is_cancelled_is_not_told(self) -> None:
        """It has had its last event."""
        self.accept(self.on("a", "c1"), self.on("b", "c2"))
        now = self.clock.seconds()
        self.successResultOf(self.journal.note(Cancelled("c2", now)))
        self.passes(8.0)
        self.assertEqual(self.states("c2"), ["accepted", "cancelled"])


class RestartTests(TurnsCase):
    def again(self) -> None:
        """Kill the gateway, and start another one over the same journal."""
        self.end(self.dispatcher)
        for hand in self.hands.values():
            hand.submitted.clear()
        self.dispatcher = self.build(self.journal)

    def test_order_and_times_hold_over_a_restart(self) -> None:
        """One is under way, others wait: the same order, and nothing twice."""
        self.accept(self.on("a", "c1"), *[self.on("b", f"c{n}") for n in range(2, 6)])
        self.again()
        # the attempt has no outcome: it is unsure, and the number waits for it
        self.assertEqual(self.left, [])
        self.passes(POLICY.hold_s + 2)
        self.assertEqual(self.states("c1")[-1], "uncertain")
        for name in ("c2", "c3", "c4", "c5"):
            self.assertEqual(self.hands["b"].ids[-1], name)
            self.hands["b"].answer()
        self.assertEqual(self.left, ["c2", "c3", "c4", "c5"])

    def test_a_gap_is_kept_over_a_restart(self) -> None:
        """It ends when it would have ended."""
        self.accept(self.on("a", "c1", turn=Turn(gap_s=20.0)), self.on("b", "c2"))
        self.hands["a"].answer()
        self.passes(12.0)
        self.again()
        self.passes(7.0)
        self.assertEqual(self.left, [])
        self.passes(1.1)
        self.assertEqual(self.left, ["c2"])


class SequenceTests(TurnsCase):
    STEPS = Turn(sequence="install")

    def cancelled_with(self, *ids: str) -> None:
        for id_ in ids:
            last = self.events(id_)[-1]
            self.assertEqual((last["state"], last["final"]), ("cancelled", True))
            self.assertEqual(last["error"]["code"], STOPPED)
            self.assertIn("c2 ", last["error"]["text"])

    def test_it_stops_at_the_first_that_fails(self) -> None:
        """What has not left says so, and which one failed; others go on."""
        for outcome in (BAD, UNSURE):
            with self.subTest(outcome):
                self.doCleanups()
                self.setUp()
                names = ("c1", "c2", "c3", "c4")
                self.accept(*[self.on("a", name, turn=self.STEPS) for name in names])
                self.accept(self.on("b", "alone"))
                self.hands["a"].answer()
                self.hands["a"].answer(outcome)
                self.passes(POLICY.hold_s + 2)
                self.assertEqual(self.hands["a"].ids, ["c1", "c2"])
                self.cancelled_with("c3", "c4")
                self.assertEqual(self.hands["b"].ids, ["alone"])
                # what comes later belongs to it as well
                self.accept(self.on("a", "c5", turn=self.STEPS))
                self.cancelled_with("c5")
                self.hands["b"].answer()
                self.accept(self.on("a", "c6", turn=Turn(sequence="next")))
                self.assertEqual(self.hands["a"].ids, ["c1", "c2", "c6"])

    def test_it_stops_when_a_receipt_says_so(self) -> None:
        """One that was lost on its way is a failure as well."""
        gap = Turn(sequence="install", gap_s=60.0)
        self.accept(self.on("a", "c2", turn=gap), self.on("a", "c3", turn=gap))
        self.hands["a"].answer()
        self.receipt("a", "c2", MessageState.UNDELIVERED)
        self.cancelled_with("c3")

    def test_one_that_is_over_when_it_comes(self) -> None:
        """It leaves its lane's memory, also when others have come before it there."""
        self.accept(self.on("a", "c1", turn=self.STEPS))
        self.hands["a"].answer(BAD)
        self.hands["b"].window = 0
        self.accept(self.on("b", "c2", turn=self.STEPS))
        self.assertEqual(self.states("c2"), ["cancelled"])
        self.accept(self.on("a", "c3"))
        self.hands["b"].window = 1
        self.dispatcher.able(self.hands["b"])
        self.hands["a"].answer()
        self.assertEqual(self.left, ["c1", "c3"])
        self.assertTrue(self.dispatcher.lanes["b"].settled)

    def test_on_failure_go(self) -> None:
        """Who asks for it gets the rest sent all the same."""
        go = Turn(sequence="install", on_failure=OnFailure.GO)
        self.accept(self.on("a", "c1", turn=go), self.on("a", "c2", turn=go))
        self.hands["a"].answer(BAD)
        self.assertEqual(self.hands["a"].ids, ["c1", "c2"])

    def test_another_account_is_another_sequence(self) -> None:
        """Names are the account's own."""
        other = self.on("b", "other", turn=self.STEPS, account="fleet")
        self.accept(self.on("a", "c1", turn=self.STEPS), other)
        self.hands["a"].answer(BAD)
        self.assertEqual(self.hands["b"].ids, ["other"])


class SharedJournalTests(TurnsCase):
    """Two gateways on one journal: the row of the other one is looked up."""

    def setUp(self) -> None:
        super().setUp()
        # as on PostgreSQL, but for the server
        self.journal._transaction.shared = True
        self.journal._database.rows(
            "INSERT INTO turns VALUES (-1, '+79161234567', 'theirs', 0, NULL, 1)"
        )

    def theirs_ends(self) -> None:
        self.journal._database.rows("DELETE FROM turns WHERE id = 'theirs'")

    def test_one_in_flight_for_both(self) -> None:
        """Ours waits, also when it would have left with its acceptance."""
        self.accept(self.on("a", "c1"), self.on("b", "c2"))
        self.assertEqual(self.left, [])
        self.passes(5.0)
        self.assertEqual(self.left, [])
        self.theirs_ends()
        self.passes(2.0)
        self.assertEqual(self.left, ["c1"])
        self.hands["a"].answer()
        self.assertEqual(self.left, ["c1", "c2"])

    def test_who_stands_first_in_the_journal_goes_first(self) -> None:
        """Memory and journal may not agree; then it is the journal's word."""
        self.accept(self.on("a", "c1"), self.on("b", "c2"))
        self.journal._database.rows("UPDATE turns SET n = 99 WHERE id = 'c1'")
        self.journal._database.rows("UPDATE messages SET n = 99 WHERE id = 'c1'")
        self.journal._transaction.cache.clear()
        self.theirs_ends()
        self.passes(4.0)
        self.assertEqual(self.left, ["c2"])


class DecidedTests(TurnsCase):
    def test_a_decision_without_an_attempt(self) -> None:
        """One that no channel can carry any more ends; the next one leaves."""
        self.hands["a"].window = 0
        self.accept(self.on("a", "c1"), self.on("b", "c2"))
        self.assertEqual(self.left, [])
        last = Final(MessageState.REJECTED, Error("hand:bad", "bad"))
        now = self.clock.seconds()
        self.successResultOf(self.journal.note(Decided("c1", last, now)))
        self.assertEqual(self.left, ["c2"])

    def test_resend_is_not_overtaken(self) -> None:
        """A command that may be repeated is repeated before the next one."""
        self.accept(self.on("a", "c1", on_unsure=OnUnsure.RESEND), self.on("b", "c2"))
        self.hands["a"].answer(UNSURE)
        self.passes(60.0)
        self.assertEqual(self.hands["b"].ids, [])
        self.hands["a"].answer()
        self.assertEqual(self.hands["b"].ids, ["c2"])


class TakenTwiceTests(TurnsCase):
    """A platform asks again before it is answered, and one of the commits fails."""

    def accepting(self, message: Outbound) -> tuple[Any, list[Any]]:
        """Begin to accept a message; return the answer, and the jobs to be done."""
        writes: Any = self.journal._writes
        writes.hold()
        answer = self.dispatcher.intake.accept([(message, b"same")])
        jobs, writes._held = writes._held, None
        return answer, jobs

    def do(self, jobs: list[Any], *, well: bool = True) -> None:
        writes: Any = self.journal._writes
        transaction = self.journal._transaction
        whole = transaction.transact

        def fails(*_: Any) -> Any:
            raise sqlite3.OperationalError("disk full")

        if not well:
            transaction.transact = fails  # type: ignore[method-assign]
        writes._runner.deliver(writes._runner.work(jobs))
        transaction.transact = whole  # type: ignore[method-assign]

    def test_it_keeps_its_place(self) -> None:
        """The first commit fails, the second does not: it leaves first, and once."""
        message = self.on("a", "c1")
        first, first_jobs = self.accepting(message)
        second, second_jobs = self.accepting(message)
        self.do(first_jobs, well=False)
        self.failureResultOf(first, Unavailable)
        third, third_jobs = self.accepting(self.on("b", "c2"))
        self.do([*second_jobs, *third_jobs])
        self.successResultOf(second)
        self.successResultOf(third)
        self.passes(2.0)
        self.assertEqual(self.left, ["c1"])
        self.hands["a"].answer()
        self.assertEqual(self.left, ["c1", "c2"])
        self.hands["b"].answer()
        self.passes(5.0)
        self.assertEqual(self.dispatcher.turns.numbers, 0)

    def test_when_both_fail_nobody_waits_for_it(self) -> None:
        message = self.on("a", "c1")
        first, first_jobs = self.accepting(message)
        second, second_jobs = self.accepting(message)
        self.do(first_jobs, well=False)
        self.do(second_jobs, well=False)
        self.failureResultOf(first, Unavailable)
        self.failureResultOf(second, Unavailable)
        self.accept(self.on("b", "c2"))
        self.passes(2.0)
        self.assertEqual(self.hands["b"].ids, ["c2"])

    def test_a_repeat_of_what_is_in_line_takes_no_place_away(self) -> None:
        self.hands["a"].down = "down"
        message = self.on("a", "c1")
        self.accept(message)
        self.accept(message)
        self.accept(self.on("b", "c2"))
        self.passes(2.0)
        self.assertEqual(self.left, [])


class TimesTests(SynchronousTestCase):
    def test_the_same_word_again_costs_nothing(self) -> None:
        """A shared journal is compared each second; what is known is not kept twice."""
        clock = Clock()
        turns = Turns(clock, shared=True)
        rows = [Holding(f"+7916{n:07}", f"c{n}", 3600.0) for n in range(10)]
        turns.load(rows)
        for _ in range(60):
            turns.compare(turns.known(), rows)
        self.assertLessEqual(len(turns._times), 20)
        turns.stop()
