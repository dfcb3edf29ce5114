"""What receipts and late answers amount to when a message had several attempts.

Tables: each row is a sequence of facts, and its right end.  Two attempts of one
message are two SMS, of which nobody may know whether the first one left; what is told
must be true of both.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

from gdemoi.facts import Cancelled, Decided, Final, Submitted, Wait
from gdemoi.message import Accepted, MessageState, Uncertain
from tests.journal.builders import (
    BAD,
    BUSY,
    NOW,
    TTL,
    JournalTestCase,
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

AGAIN = Wait(NOW + 5, "mts", BUSY)
OVER = Final(MessageState.REJECTED, BAD)
FAILED = Final(MessageState.UNDELIVERED, BAD)
LOST, GONE = MessageState.UNDELIVERED, MessageState.EXPIRED
OK, ON = MessageState.DELIVERED, MessageState.ENROUTE


class VerdictCase(JournalTestCase):
    """One message at a time, in a journal of its own."""

    def live(self, *steps: Any) -> str:
        """Accept a message, let things happen; return its last state."""
        self.setUp()
        self.accept(acceptance(attempting=True))
        for step in steps:
            if isinstance(step, tuple):
                provider_id, state = step
                error = None if state in (OK, ON) else BAD
                self.receive(receipt(provider_id, state, error))
            elif isinstance(step, float):
                self.sweep(NOW + step)
            else:
                self.note(step)
        finals = [final for _, final in self.states()]
        self.assertLessEqual(finals.count(True), 1)
        events = [state for state, _ in self.states()]
        for once in ("accepted", "uncertain", "enroute"):
            self.assertLessEqual(events.count(once), 1, events)
        self.assertNotIn(True, finals[:-1])
        state, final = self.states()[-1]
        return f"{state}!" if final else state


class AttemptsTests(VerdictCase):
    def test_receipts_and_attempts(self) -> None:
        """The first SMS may be out, the second is: whose receipt says what."""
        first_unsure = unsure(AGAIN, "a1")
        second_taken = taken("b1", attempt=2)
        second = attempting(attempt=2, at=NOW + 6)
        for steps, end in (
            # one attempt
            ((taken("a1"), ("a1", ON)), "enroute"),
            ((taken("a1"), ("a1", OK)), "delivered!"),
            ((taken("a1"), ("a1", LOST)), "undelivered!"),
            ((taken("a1"), ("a1", GONE)), "expired!"),
            ((taken("a1"), ("a1", OK), ("a1", LOST)), "delivered!"),
            ((taken("a1"), ("a1", LOST), ("a1", OK)), "undelivered!"),
            # the copy was taken: only its loss, or any delivery, is the message's
            ((first_unsure, second, second_taken, ("a1", ON)), "enroute"),
            ((first_unsure, second, second_taken, ("a1", OK)), "delivered!"),
            ((first_unsure, second, second_taken, ("a1", LOST)), "submitted"),
            ((first_unsure, second, second_taken, ("b1", LOST)), "undelivered!"),
            (
                (first_unsure, second, second_taken, ("a1", LOST), ("b1", OK)),
                "delivered!",
            ),
            # before the second answer
            ((first_unsure, second, ("a1", LOST), second_taken), "submitted"),
            ((first_unsure, second, ("a1", OK), second_taken), "delivered!"),
            ((first_unsure, second, ("a1", ON), second_taken), "enroute"),
            # the second was refused for good: the first may still be out
            ((first_unsure, second, refused(OVER, attempt=2)), "uncertain"),
            (
                (first_unsure, second, refused(OVER, attempt=2), ("a1", OK)),
                "delivered!",
            ),
            (
                (first_unsure, second, ("a1", LOST), refused(OVER, BAD, attempt=2)),
                "rejected!",
            ),
            # nobody knows of either
            (
                (first_unsure, second, unsure(held(), "b1", attempt=2), ("b1", OK)),
                "delivered!",
            ),
            (
                (first_unsure, second, unsure(held(), "b1", attempt=2), ("a1", OK)),
                "delivered!",
            ),
            (
                (first_unsure, second, unsure(held(), "b1", attempt=2), 70.0),
                "uncertain",
            ),
        ):
            self.assertEqual((steps, self.live(*steps)), (steps, end))

    def test_late_answers_and_attempts(self) -> None:
        """A late word about the first, whatever the second is doing."""
        first, second = unsure(AGAIN), attempting(attempt=2, at=NOW + 6)
        late_taken = taken("a1")
        late_refused = refused(OVER, BAD)
        for steps, end in (
            ((unsure(held()), late_taken), "submitted"),
            ((unsure(held()), late_refused), "rejected!"),
            ((unsure(held()), unsure(AGAIN), 70.0), "uncertain"),
            ((unsure(held()), 70.0, late_taken), "enroute"),
            ((unsure(held()), 70.0, late_refused), "rejected!"),
            ((first, second, late_taken, refused(OVER, attempt=2)), "submitted"),
            ((first, second, late_refused, taken("b1", attempt=2)), "submitted"),
            ((first, second, late_refused, refused(OVER, BAD, attempt=2)), "rejected!"),
            ((first, second, taken("b1", attempt=2), late_refused), "submitted"),
            # what is certain is not taken back
            (
                (
                    refused_in_part(AGAIN, "a1", None, None),
                    ("a1", LOST),
                    second,
                    refused_in_part(AGAIN, "a1", "a2", None, attempt=2),
                ),
                "waiting",
            ),
            ((taken("a1"), refused(OVER)), "submitted"),
            ((refused(AGAIN), taken("a1")), "submitted"),
        ):
            self.assertEqual((steps, self.live(*steps)), (steps, end))

    def test_a_lost_copy_does_not_speak_for_the_message(self) -> None:
        """Its receipt says that it failed: the other one's refusal is all there is."""
        second = attempting(attempt=2, at=NOW + 6)
        third = attempting(attempt=3, at=NOW + 40)
        later = Wait(NOW + 30, "mts", BUSY)
        for steps, end in (
            ((unsure(AGAIN, "a1"), second, ("a1", LOST)), "waiting"),
            (
                (unsure(AGAIN, "a1"), second, ("a1", LOST), refused(later, attempt=2)),
                "waiting",
            ),
            (
                (
                    unsure(AGAIN, "a1"),
                    second,
                    ("a1", LOST),
                    refused(later, attempt=2),
                    third,
                    taken("c1", attempt=3),
                    ("c1", OK),
                ),
                "delivered!",
            ),
            (
                (unsure(AGAIN), second, taken("a1"), ("a1", LOST),
                 refused(OVER, BAD, attempt=2)),
                "rejected!",
            ),
            (
                (
                    unsure(AGAIN, "a1"),
                    second,
                    ("a1", LOST),
                    taken("a1"),
                    refused(later, attempt=2),
                ),
                "waiting",
            ),
            (
                (unsure(AGAIN, "a1"), second, ("a1", LOST), taken("a1"),
                 taken("b1", attempt=2), ("b1", OK)),
                "delivered!",
            ),
            (
                (unsure(AGAIN, "a1"), second, ("a1", ON), refused(later, attempt=2)),
                "enroute",
            ),
        ):  # fmt: skip
            self.assertEqual((steps, self.live(*steps)), (steps, end))

    def test_time_and_attempts(self) -> None:
        """What may have gone out never ends as expired or cancelled."""
        cancel = Cancelled("m1", NOW + 7)
        expired = TTL + 1.0
        for steps, end in (
            ((refused(AGAIN), expired), "expired!"),
            ((refused(AGAIN), cancel), "cancelled!"),
            ((unsure(AGAIN), expired), "uncertain"),
            ((unsure(AGAIN), cancel), "waiting"),
            ((unsure(held()), cancel), "accepted"),
            ((unsure(held()), cancel, 70.0), "uncertain"),
            ((cancel,), "accepted"),
            ((refused_in_part(held(), "a1", None), cancel), "accepted"),
            ((taken("a1"), cancel, expired), "submitted"),
            ((unsure(AGAIN, "a1"), ("a1", LOST), expired), "undelivered!"),
            (
                (
                    unsure(AGAIN, "a1"),
                    attempting(attempt=2, at=NOW + 6),
                    ("a1", LOST),
                    refused(AGAIN, attempt=2),
                    expired,
                ),
                "expired!",
            ),
            (
                (
                    unsure(AGAIN, "a1"),
                    attempting(attempt=2, at=NOW + 6),
                    refused(AGAIN, attempt=2),
                    expired,
                ),
                "uncertain",
            ),
            # the phone may have a part of it: whoever reads "expired" sends it again
            ((refused_in_part(AGAIN, "a1", None), expired), "uncertain"),
            (
                (refused(AGAIN), attempting(attempt=2, at=NOW + TTL)),
                "expired!",
            ),
            (
                (refused(AGAIN), attempting(attempt=2, at=NOW + TTL - 1), expired),
                "waiting",
            ),
            ((unsure(FAILED),), "undelivered!"),
            (
                (
                    unsure(AGAIN),
                    Decided("m1", OVER, NOW + 1),
                    Decided("m1", OVER, NOW + 2),
                    expired,
                ),
                "uncertain",
            ),
            (
                (
                    unsure(AGAIN),
                    attempting(attempt=2, at=NOW + 6),
                    unsure(FAILED, attempt=2),
                ),
                "uncertain",
            ),
            ((Decided("m1", OVER, NOW + 1),), "accepted"),
            ((refused(AGAIN), Decided("m1", OVER, NOW + 1)), "rejected!"),
            ((unsure(AGAIN), Decided("m1", OVER, NOW + 1)), "uncertain"),
        ):
            self.assertEqual((steps, self.live(*steps)), (steps, end))

    def test_no_attempt_leaves_twice(self) -> None:
        """An intent counts only when its number is new and the message may go."""
        for before, number, may in (
            ((refused(AGAIN),), 2, True),
            ((refused(AGAIN),), 1, False),
            ((unsure(AGAIN),), 2, True),
            ((unsure(held()),), 2, False),
            ((taken("a1"),), 2, False),
            ((refused(OVER),), 2, False),
            ((), 2, False),
            # the same intent once more, after a commit that looked failed
            ((), 1, True),
            ((refused(AGAIN), attempting(attempt=2)), 2, True),
            ((refused(AGAIN), attempting(attempt=2), refused(AGAIN, attempt=2)), 2,
             False),
        ):  # fmt: skip
            self.live(*before)
            fact = attempting(attempt=number, at=NOW + 6)
            self.assertEqual((before, self.note(fact)), (before, [may]))

    def test_segments_and_receipts(self) -> None:
        """Of three parts: all delivered, one lost, whatever the order."""
        for states, end in (
            ((OK, OK, OK), "delivered!"),
            ((OK, OK, ON), "enroute"),
            ((OK, ON, ON), "enroute"),
            ((ON, ON, ON), "enroute"),
            ((OK, OK, LOST), "undelivered!"),
            ((OK, LOST, ON), "undelivered!"),
            ((OK, GONE, ON), "expired!"),
        ):
            said = tuple(zip(("a1", "a2", "a3"), states, strict=True))
            for order in permutations(said):
                steps = (taken("a1", "a2", "a3"), *order)
                self.assertEqual((order, self.live(*steps)), (order, end))
                # a repeat of any of them, and an older word, change nothing
                again = (*steps, *order, *((i, ON) for i, _ in said))
                self.assertEqual((order, self.live(*again)), (order, end))

    def test_counts_of_segments(self) -> None:
        """One id speaks for all segments that have none of their own."""
        for ids, segments, said, counts in (
            (("a1",), 3, (("a1", OK),), (3, 3, 3, 0)),
            (("a1",), 3, (("a1", LOST),), (3, 3, 0, 3)),
            (("a1",), 1, (("a1", LOST),), (1, 1, 0, 1)),
            (("a1", "a2"), 2, (("a1", OK), ("a2", LOST)), (2, 2, 1, 1)),
            (("a1", "a2"), 2, (("a1", LOST),), (2, 2, 0, 1)),
            (("a1", "a2"), 2, (("a1", ON),), (2, 2, 0, 0)),
        ):
            self.live(taken(*ids, segments=segments), *said)
            found = tuple(self.bodies()[-1]["segments"].values())
            self.assertEqual((ids, said, found), (ids, said, counts))

    def test_parts_that_are_unsure(self) -> None:
        """Of three parts two are known: their receipts are not the message's."""
        known = progress("a1", "a2", None)
        lost = Uncertain(why="?", provider_ids=("a1", "a2"), segments=3, progress=known)
        for following, said, end in (
            (held(), (("a1", OK), ("a2", OK)), "accepted"),
            (held(), (("a1", OK), ("a2", LOST)), "accepted"),
            (AGAIN, (("a1", ON), ("a2", LOST)), "waiting"),
        ):
            steps = (answered(lost, following), *said)
            self.assertEqual((steps, self.live(*steps)), (steps, end))
        rest = Accepted(provider_ids=("a1", "a2", "a3"), segments=3)
        steps = (
            answered(lost, AGAIN),
            ("a1", OK),
            ("a2", OK),
            attempting(attempt=2, at=NOW + 6),
            answered(rest, Submitted(), attempt=2),
        )
        self.assertEqual(self.live(*steps), "submitted")
        self.assertEqual(self.live(*steps, ("a3", OK)), "delivered!")
        # what was heard of the rest after it had been sent
        after = [one for one in steps if not isinstance(one, tuple)]
        for order in permutations((("a1", OK), ("a2", OK), ("a3", OK))):
            self.assertEqual(self.live(*after, *order[:2]), "enroute")
            self.assertEqual(self.live(*after, *order), "delivered!")
        self.assertEqual(self.live(*steps, ("a3", LOST)), "undelivered!")


class OwnIdTests(VerdictCase):
    """Receipts that name our id: which attempt is meant."""

    def test_by_channel_and_outcome(self) -> None:
        """The newest of that channel which was not refused."""
        ours = receipt("", message_id="m1", account="mts", channel="mts")
        other = Wait(NOW + 5, "bee", BUSY)
        for steps, end in (
            ((unsure(held()),), "delivered!"),
            ((refused(AGAIN),), "waiting"),
            (
                (
                    unsure(AGAIN),
                    attempting(attempt=2, at=NOW + 6),
                    refused(AGAIN, attempt=2),
                ),
                "delivered!",
            ),
            (
                (
                    unsure(other),
                    attempting(attempt=2, channel="bee", at=NOW + 6),
                    refused(OVER, attempt=2, channel="bee"),
                ),
                "delivered!",
            ),
            (
                (
                    refused(other),
                    attempting(attempt=2, channel="bee", at=NOW + 6),
                    taken("b1", attempt=2, channel="bee"),
                ),
                "submitted",
            ),
        ):
            self.live(*steps)
            self.receive(ours)
            state, final = self.states()[-1]
            self.assertEqual((steps, f"{state}{'!' * final}"), (steps, end))


class PhoneTests(JournalTestCase):
    """The same id twice: the phone of the receipt tells which is meant."""

    def test_an_exact_id_and_the_phone(self) -> None:
        """Among messages with this very id, the one to this phone, if there is one."""
        ours, theirs, nobody = "9161112233", "+34600000000", "+34611111111"
        for order in (("m1", "m2"), ("m2", "m1")):
            for about, expected in (
                (ours, "m1"),
                ("+79161112233", "m1"),
                (theirs, "m2"),
                ("600000000", "m2"),
                # no phone of ours: an exact id is believed all the same, the newest
                (nobody, order[1]),
                (None, order[1]),
            ):
                with self.subTest((order, about)):
                    self.setUp()
                    for at, name in enumerate(order):
                        to = theirs if name == "m2" else "+79161112233"
                        self.accept(acceptance(name, attempting=True, to=to))
                        self.note(taken("77", name=name, at=NOW + 1 + at))
                    found = self.receive(receipt("77", about=about))
                    self.assertEqual(found.message_id, expected)

    def test_a_message_that_is_over(self) -> None:
        """An id that another phone's receipt names is not its repeat."""
        for about, expected in (
            ("+79161112233", "m1"),
            (None, "m1"),
            ("+34600000000", None),
        ):
            with self.subTest(about):
                self.setUp()
                self.accept(acceptance(attempting=True))
                self.note(taken("77"))
                self.receive(receipt("77"))
                found = self.receive(receipt("77", about=about))
                self.assertEqual(found and found.message_id, expected)

    def test_another_spelling_is_no_exact_id(self) -> None:
        """Where the account always translates, the id as it stands is another's."""
        self.accept(acceptance(attempting=True))
        self.accept(acceptance("m2", attempting=True))
        self.note(taken("10"), taken("16", name="m2"))
        found = self.receive(receipt("10", keys=("16",)))
        self.assertEqual(found.message_id, "m2")
