"""The life table: what each fact does in each state."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.facts import (
    AttemptEnded,
    AttemptStarted,
    Cancelled,
    Decided,
    Final,
    Hold,
    Submitted,
    Wait,
)
from gdemoi.journal.message_state import (
    apply,
    apply_deadlines,
    begin,
    deadline,
    receive,
)
from gdemoi.journal.stored_form import MessageRecord, StoredEvent
from gdemoi.message import (
    FINAL,
    RANK,
    Accepted,
    Error,
    MessageState,
    Refused,
    Uncertain,
)
from tests.journal.builders import (
    BAD,
    BUSY,
    NOW,
    TTL,
    acceptance,
    answered,
    attempting,
    held,
    progress,
    receipt,
    refused,
    refused_in_part,
    taken,
    unsure,
)

LATER = Wait(NOW + 30, "mts", BUSY)
DAY = 86_400.0


def begun_record(on_its_way: bool = True) -> MessageRecord:
    """Return a new record, with attempt 1 open or waiting in its lane."""
    return begin(acceptance(attempting=on_its_way))[0]


def shown(events: list[StoredEvent]) -> list[tuple[str, bool]]:
    """Return state and finality of events."""
    return [(event.state.value, event.final) for event in events]


class BeginningTests(SynchronousTestCase):
    def test_accepted_with_its_first_attempt(self) -> None:
        """The intent of attempt 1 rides with the acceptance."""
        record, events = begin(acceptance(attempting=True))
        self.assertEqual(shown(events), [("accepted", False)])
        self.assertEqual(
            (record.open, record.attempt, record.tried, record.lane),
            (True, 1, ("mts",), None),
        )

    def test_waits_in_its_lane(self) -> None:
        """Without room in the lane the message stands in the backlog."""
        record, events = begin(acceptance())
        self.assertEqual(shown(events), [("accepted", False)])
        self.assertEqual((record.open, record.lane), (False, "mts"))

    def test_must_wait_before_it_began(self) -> None:
        """A message for later is accepted and told to wait."""
        record, events = begin(acceptance(following=Wait(NOW + 60, "beeline")))
        self.assertEqual(shown(events), [("accepted", False), ("waiting", False)])
        self.assertEqual((record.lane, record.due), ("beeline", NOW + 60))

    def test_refused_at_the_door_has_one_event(self) -> None:
        """Nobody is told `accepted` of a message that is rejected at once."""
        record, events = begin(acceptance(following=Final(MessageState.REJECTED, BAD)))
        self.assertEqual(shown(events), [("rejected", True)])
        self.assertEqual((events[0].seq, events[0].error, record.lane), (1, BAD, None))


class AttemptTests(SynchronousTestCase):
    def test_accepted_outcome_is_submitted(self) -> None:
        """The far side has it: submitted, with ids and segments."""
        record = begun_record()
        counted, events = apply(record, taken("a1", "a2"))
        self.assertTrue(counted)
        self.assertEqual(shown(events), [("submitted", False)])
        self.assertEqual(events[0].segments, (2, 2, 0, 0))
        self.assertEqual(events[0].provider_ids, ("a1", "a2"))
        self.assertEqual((record.open, record.taken), (False, True))

    def test_no_receipt_will_come(self) -> None:
        """With Submitted(final) the submitted event is the last word."""
        record = begun_record()
        _, events = apply(record, taken("a1", final=True))
        self.assertEqual(shown(events), [("submitted", True)])
        self.assertEqual(receive(record, receipt(), "a1", NOW + 9), (False, []))

    def test_refused_waits_for_another_try(self) -> None:
        """Each try is told; the error rides with it."""
        record = begun_record()
        _, events = apply(record, refused(LATER))
        self.assertEqual(shown(events), [("waiting", False)])
        self.assertEqual(events[0].error, BUSY)
        self.assertEqual((record.lane, record.due), ("mts", NOW + 30))
        self.assertTrue(apply(record, attempting(attempt=2, at=NOW + 31))[0])
        _, events = apply(record, refused(Wait(NOW + 99, "beeline"), attempt=2))
        self.assertEqual(shown(events), [("waiting", False)])
        self.assertEqual((events[0].seq, record.lane), (3, "beeline"))

    def test_refused_for_good(self) -> None:
        """Final says the last word with its error."""
        _, events = apply(begun_record(), refused(Final(MessageState.UNDELIVERED, BAD)))
        self.assertEqual(shown(events), [("undelivered", True)])
        self.assertEqual(events[0].error, BAD)

    def test_channels_are_tried_once_each(self) -> None:
        """`tried` names every channel once, in order."""
        record = begun_record()
        apply(record, refused(Wait(NOW, "beeline")))
        apply(record, attempting(attempt=2, channel="beeline"))
        apply(record, refused(LATER, attempt=2, channel="beeline"))
        apply(record, attempting(attempt=3))
        self.assertEqual(record.tried, ("mts", "beeline"))

    def test_attempt_of_an_expired_message_does_not_leave(self) -> None:
        """The lane is told no, the platform expired."""
        record = begun_record(on_its_way=False)
        counted, events = apply(record, attempting(at=NOW + TTL))
        self.assertFalse(counted)
        self.assertEqual(shown(events), [("expired", True)])
        assert events[0].error is not None
        self.assertEqual(events[0].error.code, "gateway:expired")

    def test_attempt_of_a_cancelled_message_does_not_leave(self) -> None:
        """What was cancelled while the lane held it is not sent."""
        record = begun_record(on_its_way=False)
        apply(record, Cancelled("m1", NOW))
        self.assertEqual(apply(record, attempting()), (False, []))

    def test_attempt_while_one_is_open_does_not_leave(self) -> None:
        """Only one attempt at a time; the same intent again is no harm."""
        record = begun_record()
        self.assertEqual(apply(record, attempting(attempt=2)), (False, []))
        self.assertEqual(apply(record, attempting(attempt=1)), (True, []))

    def test_attempt_of_a_held_message_does_not_leave(self) -> None:
        """What may have gone out is never repeated without a decision."""
        record = begun_record()
        apply(record, unsure(held()))
        self.assertEqual(apply(record, attempting(attempt=2)), (False, []))

    def test_a_second_answer_to_an_attempt_is_ignored(self) -> None:
        """What was accepted stays accepted."""
        record = begun_record()
        apply(record, taken("a1"))
        self.assertEqual(apply(record, refused(LATER)), (False, []))
        self.assertEqual(apply(record, taken("a1")), (False, []))

    def test_answer_to_an_attempt_that_never_was(self) -> None:
        """Nothing is known of attempt 7."""
        self.assertEqual(apply(begun_record(), taken("a1", attempt=7)), (False, []))

    def test_final_after_final_is_refused(self) -> None:
        """There is one last word."""
        record = begun_record()
        apply(record, refused(Final(MessageState.UNDELIVERED, BAD)))
        again = Decided("m1", Final(MessageState.EXPIRED), NOW + 5)
        self.assertEqual(apply(record, again), (False, []))


class UnsureTests(SynchronousTestCase):
    def test_held_in_silence_then_uncertain(self) -> None:
        """Nothing is told until `until`; then uncertain, which is not final."""
        record = begun_record()
        self.assertEqual(apply(record, unsure(held())), (True, []))
        self.assertEqual(apply_deadlines(record, NOW + 59, DAY), [])
        events = apply_deadlines(record, NOW + 60, DAY)
        self.assertEqual(shown(events), [("uncertain", False)])
        assert events[0].error is not None
        self.assertEqual(events[0].error.text, "no answer")
        self.assertEqual(apply_deadlines(record, NOW + 61, DAY), [])

    def test_late_answer_before_uncertain_was_told(self) -> None:
        """A late answer in time is an answer."""
        record = begun_record()
        apply(record, unsure(held()))
        _, events = apply(record, taken("a1", at=NOW + 30))
        self.assertEqual(shown(events), [("submitted", False)])
        self.assertIsNone(record.held_until)

    def test_late_answer_after_uncertain_gives_enroute(self) -> None:
        """There is no way back to submitted."""
        record = begun_record()
        apply(record, unsure(held()))
        apply_deadlines(record, NOW + 60, DAY)
        _, events = apply(record, taken("a1", at=NOW + 90))
        self.assertEqual(shown(events), [("enroute", False)])

    def test_late_refusal_lets_it_be_tried_again(self) -> None:
        """Before `uncertain` was told, a late refusal is as good as one in time."""
        record = begun_record()
        apply(record, unsure(held()))
        _, events = apply(record, refused(LATER, at=NOW + 5))
        self.assertEqual(shown(events), [("waiting", False)])

    def test_what_was_refused_and_is_taken_after_all_waits_no_longer(self) -> None:
        """A far side that contradicts itself may have it: no second try."""
        record = begun_record()
        apply(record, refused(LATER))
        _, events = apply(record, taken("a1", at=NOW + 5))
        self.assertEqual(shown(events), [("submitted", False)])
        self.assertIsNone(record.lane)
        again = AttemptStarted("m1", 2, "mensatek", NOW + 15)
        self.assertEqual(apply(record, again), (False, []))

    def test_a_second_refusal_and_a_word_after_the_last_change_nothing(self) -> None:
        """Only that it is taken is news, and only before the message is final."""
        record = begun_record()
        apply(record, refused(LATER))
        self.assertEqual(apply(record, refused(LATER, at=NOW + 5)), (False, []))
        apply(record, Decided("m1", Final(MessageState.REJECTED, BAD), NOW + 6))
        self.assertEqual(apply(record, taken("a1", at=NOW + 7)), (False, []))

    def test_late_refusal_after_uncertain_cannot_wait(self) -> None:
        """States do not go back; the dispatcher hears False and may end it."""
        record = begun_record()
        apply(record, unsure(held()))
        apply_deadlines(record, NOW + 60, DAY)
        self.assertEqual(apply(record, refused(LATER, at=NOW + 90)), (False, []))
        _, events = apply(
            record, Decided("m1", Final(MessageState.UNDELIVERED, BAD), NOW + 91)
        )
        self.assertEqual(shown(events), [("undelivered", True)])

    def test_resend_that_crosses_the_late_answer(self) -> None:
        """An accepted first attempt takes the message out of the backlog."""
        record = begun_record()
        apply(record, unsure(LATER))
        self.assertEqual(record.lane, "mts")
        _, events = apply(record, taken("a1", at=NOW + 9))
        self.assertEqual(shown(events), [("submitted", False)])
        self.assertIsNone(record.lane)
        self.assertEqual(apply(record, attempting(attempt=2)), (False, []))

    def test_second_attempt_refused_after_the_first_was_accepted_late(self) -> None:
        """The attempt that was accepted speaks for the message."""
        record = begun_record()
        apply(record, unsure(LATER))
        apply(record, attempting(attempt=2))
        apply(record, taken("a1", at=NOW + 9))
        over = refused(Final(MessageState.UNDELIVERED, BAD), attempt=2)
        self.assertEqual(apply(record, over), (False, []))
        _, events = receive(record, receipt(), "a1", NOW + 20)
        self.assertEqual(shown(events), [("delivered", True)])

    def test_receipt_during_hold(self) -> None:
        """A receipt for an id that the unsure attempt knew ends the doubt."""
        record = begun_record()
        apply(record, unsure(held(), "a1"))
        _, events = receive(record, receipt(), "a1", NOW + 5)
        self.assertEqual(shown(events), [("delivered", True)])


class ReceiptTests(SynchronousTestCase):
    def test_all_segments_delivered(self) -> None:
        """Delivered when all are; until then enroute, once."""
        record = begun_record()
        apply(record, taken("a1", "a2", "a3"))
        _, events = receive(record, receipt("a2"), "a2", NOW + 2)
        self.assertEqual(shown(events), [("enroute", False)])
        self.assertEqual(events[0].segments, (3, 3, 1, 0))
        self.assertEqual(receive(record, receipt("a1"), "a1", NOW + 3), (True, []))
        _, events = receive(record, receipt("a3"), "a3", NOW + 4)
        self.assertEqual(shown(events), [("delivered", True)])
        self.assertEqual(events[0].segments, (3, 3, 3, 0))

    def test_a_lost_segment_fails_the_message(self) -> None:
        """One lost segment is a lost message."""
        record = begun_record()
        apply(record, taken("a1", "a2"))
        receive(record, receipt("a1"), "a1", NOW + 2)
        lost = receipt("a2", MessageState.UNDELIVERED, BAD)
        _, events = receive(record, lost, "a2", NOW + 3)
        self.assertEqual(shown(events), [("undelivered", True)])
        self.assertEqual(events[0].segments, (2, 2, 1, 1))
        self.assertEqual(events[0].error, BAD)

    def test_one_id_for_all_segments(self) -> None:
        """A provider that gives one id speaks for the whole message."""
        record = begun_record()
        apply(record, taken("a1", segments=3))
        _, events = receive(record, receipt(), "a1", NOW + 2)
        self.assertEqual(shown(events), [("delivered", True)])
        self.assertEqual(events[0].segments, (3, 3, 3, 0))

    def test_enroute_is_told_once(self) -> None:
        """Intermediate receipts that say nothing new are only kept."""
        record = begun_record()
        apply(record, taken("a1"))
        on_the_way = receipt("a1", MessageState.ENROUTE)
        self.assertEqual(
            shown(receive(record, on_the_way, "a1", NOW + 2)[1]), [("enroute", False)]
        )
        self.assertEqual(receive(record, on_the_way, "a1", NOW + 3), (False, []))
        self.assertEqual([said.counted for said in record.receipts], [True, False])

    def test_second_final_receipt_is_kept_and_ignored(self) -> None:
        """The story has it, the state does not move."""
        record = begun_record()
        apply(record, taken("a1"))
        receive(record, receipt(), "a1", NOW + 2)
        other = receipt("a1", MessageState.UNDELIVERED)
        self.assertEqual(receive(record, other, "a1", NOW + 3), (False, []))
        self.assertIs(record.state, MessageState.DELIVERED)
        self.assertEqual(len(record.receipts), 2)

    def test_receipt_that_names_our_own_id_before_the_answer(self) -> None:
        """A webhook may be faster than the response."""
        record = begun_record()
        found = receipt("T9", message_id="m1")
        _, events = receive(record, found, "", NOW + 0.1)
        self.assertEqual(shown(events), [("delivered", True)])
        self.assertEqual(events[0].provider_ids, ("T9",))
        self.assertEqual(apply(record, taken("T9")), (False, []))
        self.assertEqual(record.attempts[0].outcome, "accepted")

    def test_failure_of_an_older_attempt_does_not_end_the_message(self) -> None:
        """The copy that was sent again may still arrive."""
        record = begun_record()
        apply(record, unsure(LATER, "a1"))
        apply(record, attempting(attempt=2))
        apply(record, taken("b1", attempt=2))
        lost = receipt("a1", MessageState.UNDELIVERED)
        self.assertEqual(receive(record, lost, "a1", NOW + 5), (True, []))
        _, events = receive(record, receipt("b1"), "b1", NOW + 6)
        self.assertEqual(shown(events), [("delivered", True)])

    def test_unsure_attempt_needs_a_receipt_for_every_segment(self) -> None:
        """Two of three segments may be all that left."""
        record = begun_record()
        outcome = Uncertain(why="lost", provider_ids=("a1", "a2"), segments=3)
        apply(record, answered(outcome, held()))
        receive(record, receipt("a1"), "a1", NOW + 2)
        _, events = receive(record, receipt("a2"), "a2", NOW + 3)
        self.assertEqual(events, [])
        self.assertIs(record.state, MessageState.ACCEPTED)
        self.assertEqual(
            shown(apply_deadlines(record, NOW + TTL, DAY)), [("uncertain", False)]
        )

    def test_an_unsure_message_that_left_in_part_is_sent_again(self) -> None:
        """Receipts of some segments do not take it out of its lane."""
        record = begun_record()
        outcome = Uncertain(why="lost", provider_ids=("a1", "a2"), segments=3)
        apply(record, answered(outcome, Wait(NOW + 9, "c")))
        receive(record, receipt("a1"), "a1", NOW + 2)
        receive(record, receipt("a2", MessageState.UNDELIVERED), "a2", NOW + 3)
        self.assertIs(record.state, MessageState.WAITING)
        self.assertEqual(record.lane, "c")
        self.assertTrue(apply(record, AttemptStarted("m", 2, "c", NOW + 9))[0])
        again = Refused(error=Error("x:1", "no"))
        final = Final(MessageState.REJECTED, Error("x:1", "no"))
        self.assertTrue(
            apply(record, AttemptEnded("m", 2, "c", "a", again, final, NOW))[0]
        )
        self.assertIs(record.state, MessageState.REJECTED)

    def test_what_may_have_gone_out_is_not_told_as_refused(self) -> None:
        """A refusal says nothing about an earlier attempt of which nobody knows."""
        record = begun_record()
        apply(record, answered(Uncertain(why="lost"), Wait(NOW + 9, "c")))
        apply(record, AttemptStarted("m", 2, "c", NOW + 9))
        error = Error("x:1", "no")
        final = Final(MessageState.REJECTED, error)
        fact = AttemptEnded("m", 2, "c", "a", Refused(error=error), final, NOW + 10)
        _, events = apply(record, fact)
        self.assertEqual(shown(events), [("uncertain", False)])
        self.assertIsNone(record.lane)
        end = apply_deadlines(record, NOW + 10 + DAY, DAY)
        self.assertEqual(shown(end), [("uncertain", True)])

    def test_what_may_have_gone_out_does_not_expire(self) -> None:
        """`expired` and `cancelled` say that a message was not sent."""
        for late in (False, True):
            record = begun_record()
            apply(record, answered(Uncertain(why="lost"), Wait(NOW + 9, "c")))
            self.assertEqual(apply(record, Cancelled("m", NOW + 5)), (False, []))
            if late:
                intent = AttemptStarted("m", 2, "c", NOW + TTL)
                left, events = apply(record, intent)
                self.assertFalse(left)
            else:
                events = apply_deadlines(record, NOW + TTL, DAY)
            self.assertEqual(shown(events), [("uncertain", False)])
            self.assertIsNone(record.lane)

    def test_a_receipt_while_a_later_attempt_is_out_is_not_forgotten(self) -> None:
        """The first attempt is on its way; the second one's silence changes nothing."""
        record = begun_record()
        outcome = Uncertain(why="lost", provider_ids=("a1",))
        apply(record, answered(outcome, Wait(NOW + 9, "c")))
        apply(record, AttemptStarted("m", 2, "c", NOW + 9))
        record.taken = True
        fact = AttemptEnded(
            "m", 2, "c", "a", Uncertain(why="lost"), Hold(NOW + 60), NOW + 20
        )
        _, events = apply(record, fact)
        self.assertEqual(shown(events), [("enroute", False)])
        self.assertIsNotNone(deadline(record, DAY))


class PartTests(SynchronousTestCase):
    """Messages of which some segments have left."""

    def test_receipts_by_outcome(self) -> None:
        """One id speaks for all that bear it; who is missing is missing."""
        whole, part = "accepted", "unsure"
        for outcome, ids, segments, said, state, counts in (
            (whole, ("7", "7"), 2, ("7",), "delivered", (2, 2, 2, 0)),
            (whole, ("7",), 2, ("7",), "delivered", (2, 2, 2, 0)),
            (whole, ("7", "7", "8"), 3, ("7",), "enroute", (3, 3, 2, 0)),
            (whole, ("7", "8"), 3, ("7", "8"), "delivered", (3, 3, 3, 0)),
            (part, ("7", "7"), 3, ("7",), "accepted", (3, 2, 2, 0)),
            (part, ("7", "7", "7"), 3, ("7",), "delivered", (3, 3, 3, 0)),
            (part, ("7", "8"), 2, ("7", "8"), "delivered", (2, 2, 2, 0)),
        ):
            record = begun_record()
            if outcome == whole:
                apply(record, taken(*ids, segments=segments))
            else:
                lost = Uncertain(why="?", provider_ids=ids, segments=segments)
                apply(record, answered(lost, held()))
            for one in said:
                receive(record, receipt(one), one, NOW + 2)
            self.assertEqual(record.state.value, state, (outcome, ids, said))
            self.assertEqual(record.attempts[-1].counts(), counts, (outcome, ids))

    def test_a_refused_message_is_not_delivered_by_its_parts(self) -> None:
        """All receipts of the taken segments say nothing of the others."""
        record = begun_record()
        apply(record, refused_in_part(LATER, "a1", None, "a3"))
        for one in ("a1", "a3"):
            self.assertEqual(receive(record, receipt(one), one, NOW + 2), (True, []))
        self.assertEqual((record.state, record.taken), (MessageState.WAITING, False))
        self.assertEqual(record.attempts[0].counts(), (3, 2, 2, 0))
        self.assertTrue(apply(record, attempting(attempt=2, at=NOW + 31))[0])

    def test_what_is_known_grows(self) -> None:
        """A later attempt, or a late answer, adds to it."""
        record = begun_record()
        apply(record, refused_in_part(LATER, "a1", None, None))
        apply(record, attempting(attempt=2, at=NOW + 31))
        lost = Uncertain(why="?", segments=3, progress=progress("a1", "a2", None))
        apply(record, answered(lost, held(), attempt=2))
        self.assertEqual(record.progress, progress("a1", "a2", None))
        more = Uncertain(why="?", segments=3, progress=progress(None, None, "a3"))
        self.assertEqual(apply(record, answered(more, held(), attempt=2)), (False, []))
        self.assertEqual(record.progress, progress("a1", "a2", "a3"))
        self.assertEqual(record.attempts[-1].provider_ids, ("a1", "a2", "a3"))
        self.assertEqual(record.attempts[-1].outcome, "unsure")

    def test_another_form_is_another_message(self) -> None:
        """What was known of other parts is no part of these."""
        record = begun_record()
        apply(record, refused_in_part(LATER, "a1", None))
        apply(record, attempting(attempt=2, at=NOW + 31))
        other = progress(None, "b2", form="g")
        outcome = Refused(error=BUSY, progress=other)
        apply(record, answered(outcome, LATER, attempt=2))
        self.assertEqual(record.progress, other)

    def test_a_copy_begins_without_receipts(self) -> None:
        """The same id for a whole new copy does not end it at once."""
        record = begun_record()
        apply(record, answered(Uncertain(why="?", provider_ids=("7",)), LATER))
        receive(record, receipt("7", MessageState.ENROUTE), "7", NOW + 2)
        record = begun_record()
        lost = Uncertain(why="?", provider_ids=("7",), segments=2)
        apply(record, answered(lost, LATER))
        receive(record, receipt("7", MessageState.UNDELIVERED), "7", NOW + 2)
        apply(record, attempting(attempt=2, at=NOW + 31))
        apply(record, taken("7", "7", attempt=2, at=NOW + 32))
        self.assertIs(record.state, MessageState.SUBMITTED)

    def test_late_acceptance_of_what_receipts_have_told(self) -> None:
        """The shared id was delivered before the answer came."""
        record = begun_record()
        lost = Uncertain(why="?", provider_ids=("7",), segments=2)
        apply(record, answered(lost, held()))
        receive(record, receipt("7"), "7", NOW + 2)
        self.assertIs(record.state, MessageState.ACCEPTED)
        _, events = apply(record, taken("7", "7", segments=2, at=NOW + 3))
        self.assertEqual(shown(events), [("submitted", False), ("delivered", True)])

    def test_a_long_story_keeps_all_ids(self) -> None:
        """Refused attempts are forgotten only when a later one knows their ids."""
        record = begun_record()
        apply(record, refused_in_part(LATER, "first", None))
        for number in range(2, 200):
            apply(record, attempting(attempt=number, at=NOW + number))
            ids = ("old", None) if number < 40 else ("new", None)
            where = {"attempt": number, "at": NOW + number}
            apply(record, refused_in_part(LATER, *ids, **where))
        known = {i for a in record.attempts for i in a.provider_ids}
        self.assertEqual(known, {"first", "old", "new"})
        self.assertLess(len(record.attempts), 70)


class TimeTests(SynchronousTestCase):
    def test_what_waits_expires(self) -> None:
        """Waiting messages end as expired at their time."""
        record = begun_record(on_its_way=False)
        self.assertEqual(deadline(record, DAY), NOW + TTL)
        self.assertEqual(apply_deadlines(record, NOW + TTL - 1, DAY), [])
        self.assertEqual(
            shown(apply_deadlines(record, NOW + TTL, DAY)), [("expired", True)]
        )

    def test_an_open_attempt_does_not_expire(self) -> None:
        """What is on its way is not called expired behind its back."""
        record = begun_record()
        self.assertIsNone(deadline(record, DAY))
        self.assertEqual(apply_deadlines(record, NOW + 10 * DAY, DAY), [])

    def test_settled_when_no_receipt_comes(self) -> None:
        """The same state once more, final, and why."""
        record = begun_record()
        apply(record, taken("a1"))
        self.assertEqual(deadline(record, DAY), NOW + 1 + DAY)
        events = apply_deadlines(record, NOW + 1 + DAY, DAY)
        self.assertEqual(shown(events), [("submitted", True)])
        assert events[0].error is not None
        self.assertEqual(events[0].error.code, "gateway:no_receipt")
        self.assertEqual(apply_deadlines(record, NOW + 9 * DAY, DAY), [])

    def test_cancelled_only_before_it_left(self) -> None:
        """Open, held and accepted messages cannot be taken back."""
        waiting = begun_record(on_its_way=False)
        _, events = apply(waiting, Cancelled("m1", NOW + 1))
        self.assertEqual(shown(events), [("cancelled", True)])
        for facts in ([], [taken("a1")], [unsure(held())]):
            record = begun_record()
            for fact in facts:
                apply(record, fact)
            self.assertEqual(apply(record, Cancelled("m1", NOW + 2)), (False, []))

    def test_moved_to_another_lane(self) -> None:
        """A new lane is told; waiting longer in the same one is not."""
        record = begun_record(on_its_way=False)
        move = Decided("m1", Wait(NOW + 5, "beeline"), NOW + 1)
        self.assertEqual(shown(apply(record, move)[1]), [("waiting", False)])
        longer = Decided("m1", Wait(NOW + 9, "beeline"), NOW + 2)
        self.assertEqual(apply(record, longer), (True, []))
        self.assertEqual((record.lane, record.due), ("beeline", NOW + 9))

    def test_a_thousand_tries_do_not_grow_without_bound(self) -> None:
        """Of a long story the beginning and the end are kept."""
        record = begun_record()
        for number in range(1, 1_001):
            apply(record, refused(LATER, attempt=number))
            apply(record, attempting(attempt=number + 1))
        self.assertLess(len(record.events), 100)
        self.assertLess(len(record.attempts), 100)
        self.assertEqual(record.events[-1].seq, 1_001)
        self.assertGreater(record.omitted, 1_000)


AT = st.floats(NOW, NOW + 3 * TTL)
WAYS = st.one_of(
    st.builds(Wait, AT, st.sampled_from(["mts", "beeline"]), st.none()),
    st.builds(Hold, AT),
    st.builds(Final, st.sampled_from(sorted(FINAL)), st.just(BAD)),
    st.builds(Submitted, st.booleans()),
)
OUTCOMES = st.one_of(
    st.builds(
        Accepted,
        provider_ids=st.sampled_from([(), ("a1",), ("a1", "a2")]),
        segments=st.integers(1, 3),
    ),
    st.just(Refused(error=BUSY)),
    st.builds(
        Uncertain, why=st.just("lost"), provider_ids=st.sampled_from([(), ("a1",)])
    ),
)
NUMBERS = st.integers(1, 4)
FACTS = st.one_of(
    st.builds(attempting, attempt=NUMBERS, at=AT),
    st.builds(answered, OUTCOMES, WAYS, attempt=NUMBERS, at=AT),
    st.builds(
        Decided, st.just("m1"), WAYS.filter(lambda w: isinstance(w, Wait | Final)), AT
    ),
    st.builds(Cancelled, st.just("m1"), AT),
    st.builds(
        receipt,
        st.sampled_from(["a1", "a2"]),
        st.sampled_from([MessageState.ENROUTE, *sorted(FINAL)]),
    ),
    AT,
)


class AnyOrderTests(SynchronousTestCase):
    @given(
        st.builds(
            acceptance,
            attempting=st.booleans(),
            following=st.one_of(
                st.none(), WAYS.filter(lambda w: isinstance(w, Wait | Final))
            ),
        ),
        st.lists(FACTS, max_size=12),
    )
    def test_whatever_happens_states_move_forward(self, first, facts) -> None:
        """In any order of facts: never back, one last word, seq without gaps."""
        record, events = begin(first)
        for fact in facts:
            if isinstance(fact, float):
                more = apply_deadlines(record, fact, TTL)
            elif hasattr(fact, "provider_id"):
                ids = [i for a in record.attempts for i in a.provider_ids]
                known = fact.provider_id if fact.provider_id in ids else ""
                more = receive(record, fact, known, NOW)[1]
            else:
                more = apply(record, fact)[1]
            events += more
        ranks = [RANK[event.state] for event in events]
        self.assertEqual(ranks, sorted(ranks))
        self.assertEqual(
            [event.seq for event in events], list(range(1, len(events) + 1))
        )
        self.assertLessEqual(sum(event.final for event in events), 1)
        self.assertEqual(record.final, events[-1].final)
        repeated = [
            after.state
            for before, after in pairwise(events)
            if before.state is after.state and not after.final
        ]
        self.assertLessEqual(set(repeated), {MessageState.WAITING})
        # what is over or on its way stands in no backlog
        if record.final or record.open:
            self.assertIsNone(record.lane)

    @given(st.lists(FACTS, max_size=12))
    def test_time_ends_every_message(self, facts) -> None:
        """Once no attempt is open, sweeping long enough brings the last word."""
        record = begun_record()
        for fact in facts:
            if isinstance(fact, float):
                apply_deadlines(record, fact, TTL)
            elif hasattr(fact, "provider_id"):
                receive(record, fact, "", NOW)
            else:
                apply(record, fact)
        if record.open:
            apply(record, unsure(held(), attempt=record.attempt))
        for _ in range(4):
            at = deadline(record, TTL)
            if at is not None:
                apply_deadlines(record, at, TTL)
        self.assertTrue(record.final)
