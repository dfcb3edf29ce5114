"""What follows an outcome, case by case."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.facts import Decision, Final, Hold, Submitted, Wait
from gdemoi.message import (
    Accepted,
    Error,
    MessageState,
    OnUnsure,
    Outcome,
    Refused,
    Scope,
    Uncertain,
)
from gdemoi.routing.retry import RetryPolicy, Situation, decide
from tests.routing.test_rules import message

POLICY = RetryPolicy(
    tries=3, first_s=10.0, last_s=60.0, hold_s=100.0, resend_first_s=10.0
)


def after(
    outcome: Outcome,
    *,
    tried: tuple[str, ...] = ("a",),
    ways: tuple[str, ...] = ("a", "b"),
    down: tuple[str, ...] = (),
    now: float = 1000.0,
    uncertain_attempts: int | None = None,
    rest_only: bool = False,
    cannot: tuple[str, ...] = (),
    **fields: Any,
) -> Decision:
    """Decide, with two channels and all able unless told otherwise."""
    known = Situation(
        message(**fields),
        tried,
        len(tried),
        ways,
        lambda name: "down" if name in down else None,
        now,
        POLICY,
        len(tried) if uncertain_attempts is None else uncertain_attempts,
        rest_only,
        lambda name: name not in cannot,
    )
    return decide(outcome, known)


def refused(**fields: Any) -> Refused:
    """Return a refusal of this message, final unless told otherwise."""
    error = Error("x:1", "no", fields.pop("retryable", False))
    return Refused(error=error, **fields)


class DecideTests(SynchronousTestCase):
    def test_accepted_is_submitted(self) -> None:
        """With receipts it waits for them; without, it is over."""
        self.assertEqual(after(Accepted()), Submitted(final=False))
        self.assertEqual(after(Accepted(receipt_expected=False)), Submitted(final=True))

    def test_a_final_refusal_ends_the_message(self) -> None:
        """What is wrong with the message is wrong on every channel."""
        no = refused()
        self.assertEqual(after(no), Final(MessageState.REJECTED, no.error))

    def test_a_temporary_refusal_waits_longer_each_time(self) -> None:
        """Pauses double; after the last try it is undelivered."""
        no = refused(retryable=True)
        self.assertEqual(after(no), Wait(1010.0, "a", no.error))
        self.assertEqual(after(no, tried=("a", "a")), Wait(1020.0, "a", no.error))
        self.assertEqual(
            after(no, tried=("a", "a", "a")), Final(MessageState.UNDELIVERED, no.error)
        )

    def test_a_far_side_that_names_a_pause_gets_it(self) -> None:
        """Retry-After wins over our own pauses."""
        no = refused(retryable=True, retry_after_s=77.0)
        self.assertEqual(after(no), Wait(1077.0, "a", no.error))

    def test_what_has_left_in_part_does_not_hand_over(self) -> None:
        """Nor on a later try, nor when nobody knows of the rest."""
        for scope in (Scope.CHANNEL_FOR_A_WHILE, Scope.CHANNEL_HALTED):
            no = refused(scope=scope)
            for down in ((), ("a",)):
                decision = after(no, rest_only=True, down=down)
                self.assertEqual(decision, Wait(1010.0, "a", no.error))
        again = {"on_unsure": OnUnsure.RESEND, "rest_only": True}
        decision = after(Uncertain(why="?"), down=("a",), **again)
        assert isinstance(decision, Wait)
        self.assertEqual(decision.channel, "a")
        self.assertEqual(after(Uncertain(why="?"), ways=("b",), **again), Hold(1100.0))

    def test_a_channel_at_fault_hands_over_at_once(self) -> None:
        """The next able channel takes the message without a pause."""
        for scope in (Scope.CHANNEL_FOR_A_WHILE, Scope.CHANNEL_HALTED):
            no = refused(scope=scope)
            self.assertEqual(after(no), Wait(1000.0, "b", no.error))

    def test_with_no_other_way_it_waits_where_it_is(self) -> None:
        """When every channel is at fault the message keeps its place."""
        no = refused(scope=Scope.CHANNEL_FOR_A_WHILE)
        self.assertEqual(after(no, down=("b",)), Wait(1010.0, "a", no.error))
        self.assertEqual(after(no, ways=("a",)), Wait(1010.0, "a", no.error))

    def test_two_channels_at_fault_do_not_play_ball(self) -> None:
        """A message refused by both does not fly to and fro without a pause."""
        no = refused(scope=Scope.CHANNEL_FOR_A_WHILE)
        self.assertEqual(after(no, tried=("a", "b")), Wait(1020.0, "b", no.error))

    def test_a_refused_sender_goes_elsewhere_or_ends(self) -> None:
        """The next channel that takes the message, also a down one; else rejected."""
        no = refused(scope=Scope.SENDER)
        three = ("a", "b", "c")
        self.assertEqual(after(no), Wait(1000.0, "b", no.error))
        self.assertEqual(after(no, ways=three, down=("b",)).channel, "c")  # type: ignore[union-attr]
        self.assertEqual(after(no, ways=three, cannot=("b",)).channel, "c")  # type: ignore[union-attr]
        self.assertEqual(after(no, down=("b",)), Wait(1000.0, "b", no.error))
        rejected = Final(MessageState.REJECTED, no.error)
        self.assertEqual(after(no, ways=("a",)), rejected)
        self.assertEqual(after(no, cannot=("b",)), rejected)
        self.assertEqual(after(no, rest_only=True), rejected)

    def test_a_sender_that_may_be_used_soon_is_waited_for(self) -> None:
        """For want of an able channel, however often it was tried."""
        no = refused(scope=Scope.SENDER, retryable=True, retry_after_s=60.0)
        here = Wait(1060.0, "a", no.error)
        self.assertEqual(after(no), Wait(1000.0, "b", no.error))
        self.assertEqual(after(no, down=("b",)), here)
        self.assertEqual(after(no, ways=("a",), tried=("a",) * 50), here)
        self.assertEqual(after(no, rest_only=True), here)

    def test_throttling_is_no_try(self) -> None:
        """A throttled message keeps its channel however often it was tried."""
        no = refused(retryable=True, throttled=True, retry_after_s=2.0)
        self.assertEqual(after(no, tried=("a",) * 50), Wait(1002.0, "a", no.error))

    def test_a_full_queue_is_no_try(self) -> None:
        """It waits longer each time, however often it was tried (report A7)."""
        no = refused(retryable=True, queue_full=True)
        for tries, pause_s in ((1, 10.0), (2, 20.0), (3, 40.0), (50, 60.0)):
            self.assertEqual(
                after(no, tried=("a",) * tries), Wait(1000 + pause_s, "a", no.error)
            )

    def test_unsure_is_held(self) -> None:
        """`hold`: nothing is sent; the platform hears `uncertain` later."""
        self.assertEqual(
            after(Uncertain(why="silence"), on_unsure=OnUnsure.HOLD), Hold(1100.0)
        )

    def test_unsure_is_failed(self) -> None:
        """`fail`: the last word at once, and it says why."""
        decision = after(Uncertain(why="silence"), on_unsure=OnUnsure.FAIL)
        self.assertEqual(
            decision,
            Final(MessageState.UNDELIVERED, Error("gateway:uncertain", "silence")),
        )

    def test_unsure_is_sent_again_only_by_its_policy(self) -> None:
        """`resend`: again after a pause, until the tries are used up."""
        unsure = Uncertain(why="silence")
        again = after(unsure, on_unsure=OnUnsure.RESEND)
        self.assertEqual(
            again, Wait(1010.0, "a", Error("gateway:uncertain", "silence"))
        )
        self.assertEqual(
            after(unsure, on_unsure=OnUnsure.RESEND, tried=("a",) * 3), Hold(1100.0)
        )
        self.assertEqual(
            after(unsure, on_unsure=OnUnsure.RESEND, now=7195.0), Hold(7295.0)
        )

    def test_resends_have_a_limit_and_pauses_of_their_own(self) -> None:
        """Two by default, whatever `tries` allows or refusals cost."""
        error = Error("gateway:uncertain", "silence")
        for uncertain_attempts, attempts, expected in (
            (1, 1, Wait(1010.0, "a", error)),
            (2, 2, Wait(1020.0, "a", error)),
            (3, 3, Hold(1100.0)),
            (1, 5, Wait(1010.0, "a", error)),
            (2, 9, Wait(1020.0, "a", error)),
            (3, 9, Hold(1100.0)),
        ):
            with self.subTest(uncertain_attempts=uncertain_attempts, attempts=attempts):
                decision = after(
                    Uncertain(why="silence"),
                    on_unsure=OnUnsure.RESEND,
                    tried=("a",) * attempts,
                    uncertain_attempts=uncertain_attempts,
                )
                self.assertEqual(decision, expected)

    @given(
        st.sampled_from([Accepted(), Uncertain(why="x")])
        | st.builds(
            refused,
            retryable=st.booleans(),
            throttled=st.booleans(),
            scope=st.sampled_from(Scope),
        ),
        st.lists(st.sampled_from("ab"), min_size=1, max_size=10),
        st.sets(st.sampled_from("ab")),
        st.sampled_from([OnUnsure.HOLD, OnUnsure.FAIL]),
    )
    def test_never_resends_what_may_not_be_resent(
        self, outcome: Outcome, tried: list[str], down: set[str], policy: OnUnsure
    ) -> None:
        """Without `resend`, an unsure outcome never leads to another attempt."""
        decision = after(
            outcome, tried=tuple(tried), down=tuple(down), on_unsure=policy
        )
        if isinstance(outcome, Uncertain):
            self.assertNotIsInstance(decision, Wait)
        if isinstance(decision, Wait):
            self.assertGreaterEqual(decision.until, 1000.0)
            self.assertIn(decision.channel, ("a", "b"))
